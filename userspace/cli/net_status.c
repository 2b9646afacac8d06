// SPDX-License-Identifier: MIT
/*
 * ferry net status: what works on a link of a gateway, what does not and why.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/net_verbs.h"
#include "cli/net_view.h"
#include "net/autorate_settings.h"
#include "net/family.h"

struct status_options {
	bool json;
	const char *device;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct status_options *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (o->device)
			argp_error(state, "one interface at a time, not also '%s'", arg);
		o->device = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option option_table[] = {
	{"json", 'j', NULL, 0, "print one JSON object", 0},
	{0},
};

static const char *hook_name(const struct ferry_classifier_status *s)
{
	if (!s->attached)
		return "none";
	return s->hook == FERRY_HOOK_TCX ? "tcx" : "clsact";
}

/* The link's telemetry, from whoever has it. */
struct link {
	const char *name;
	json_t *json;
};

static int take_link(const struct ferry_key_values *values, void *data)
{
	const struct ferry_key_value *name = ferry_key_find(values, "name");
	struct link *link = data;

	if (!name || strcmp(name->text, link->name) != 0)
		return 0;
	link->json = json_object();
	for (size_t i = 0; i < values->n; i++) {
		const struct ferry_key_value *v = &values->value[i];
		json_t *value;

		if (v->key->type == FERRY_KEY_TEXT)
			continue;
		if (v->key->type == FERRY_KEY_WORD)
			value = json_string(ferry_key_word(v));
		else
			value = json_integer((json_int_t)v->number);
		json_object_set_new(link->json, v->key->name, value);
	}
	return 0;
}

/* NULL where the module is not there. */
static json_t *read_link(const char *device)
{
	struct link link = {.name = device};
	struct ferry_family *family;
	struct ferry_error err;

	if (ferry_family_open(&family, &err))
		return NULL;
	ferry_net_read(family, FERRY_NET_LINK, take_link, &link, &err);
	ferry_family_close(family);
	return link.json;
}

static json_t *counts_json(const struct net_view *v)
{
	json_t *all = json_object();

	for (unsigned int s = 0; s < FERRY_CLASSIFY_SOURCES; s++) {
		json_t *classes = json_object();

		for (unsigned int k = 0; k < FERRY_CLASS_COUNT; k++)
			if (v->counts[s][k].packets)
				json_object_set_new(classes, ferry_net_class_name(k),
						    json_pack("{s:I, s:I}", "packets",
							      (json_int_t)v->counts[s][k].packets,
							      "bytes",
							      (json_int_t)v->counts[s][k].bytes));
		json_object_set_new(all, ferry_classifier_source_name(s), classes);
	}
	return all;
}

static json_t *classifier_json(const struct net_view *v)
{
	char tier[8];

	if (!v->classifier)
		return json_pack("{s:b, s:s}", "known", 0, "why", v->why);
	snprintf(tier, sizeof(tier), "T%d", v->status.tier);
	return json_pack("{s:b, s:s, s:s, s:s, s:b, s:b, s:i, s:o}", "known", 1, "tier", tier,
			 "why", v->status.why, "hook", hook_name(&v->status), "attached",
			 (int)v->status.attached, "dscp", (int)v->status.rewrite_dscp, "program",
			 (int)v->status.program, "decided_by", counts_json(v));
}

static bool follows(const struct net_view *v, struct ferry_autorate_settings *s)
{
	return !ferry_autorate_settings_read(NULL, v->device.name, s, NULL) &&
	       ferry_device_same(s->identity, v->device.identity);
}

/* Without reflectors it has round trips where the module has heard of some from the agent. */
static bool is_blind(const struct ferry_autorate_settings *s, const json_t *link)
{
	return !s->n_reflectors && !json_integer_value(json_object_get(link, "srtt_us"));
}

#define BLIND "autorate knows no round trips: --reflector"

static json_t *autorate_json(const struct net_view *v, const json_t *link)
{
	struct ferry_autorate_settings s;
	json_t *reflectors;

	if (!follows(v, &s))
		return json_null();
	reflectors = json_array();
	for (size_t i = 0; i < s.n_reflectors; i++) {
		char text[FERRY_ECHO_ADDRESS_TEXT];

		ferry_echo_write_address(&s.reflectors[i], text);
		json_array_append_new(reflectors, json_string(text));
	}
	return json_pack("{s:I, s:I, s:I, s:o, s:b}", "base_kbps", (json_int_t)s.limits.base_kbps,
			 "floor_kbps", (json_int_t)s.limits.floor_kbps, "ceiling_kbps",
			 (json_int_t)s.limits.ceiling_kbps, "reflectors", reflectors, "round_trips",
			 !is_blind(&s, link));
}

static void print_autorate(const struct net_view *v)
{
	struct ferry_autorate_settings s;
	json_t *link;

	if (!follows(v, &s))
		return;
	printf("  autorate    %" PRIu32 " to %" PRIu32 " kbit/s, from %" PRIu32,
	       s.limits.floor_kbps, s.limits.ceiling_kbps, s.limits.base_kbps);
	for (size_t i = 0; i < s.n_reflectors; i++) {
		char text[FERRY_ECHO_ADDRESS_TEXT];

		ferry_echo_write_address(&s.reflectors[i], text);
		printf("%s%s", i ? ", " : ", reflectors ", text);
	}
	putchar('\n');
	link = read_link(v->device.name);
	if (is_blind(&s, link))
		puts("  limit       " BLIND);
	json_decref(link);
}

static json_t *to_json(const struct net_view *v)
{
	json_t *link = read_link(v->device.name);
	json_t *autorate = autorate_json(v, link);
	json_t *degraded = json_array();

	for (unsigned int i = 0; i < v->degraded.n; i++)
		json_array_append_new(degraded, json_string(v->degraded.note[i]));
	if (json_is_false(json_object_get(autorate, "round_trips")))
		json_array_append_new(degraded, json_string(BLIND));
	return json_pack("{s:s, s:i, s:b, s:o, s:o, s:o, s:s, s:o, s:o, s:o}", "device",
			 v->device.name, "ifindex", (int)v->device.index, "up", (int)v->recorded,
			 "classifier", classifier_json(v), "qdisc", ferry_net_qdisc_json(v->qdisc),
			 "root", ferry_net_qdisc_json(v->root), "rules",
			 v->recorded && v->record.rules[0] ? v->record.rules : "llm-servers.rules",
			 "degraded", degraded, "link", link ? link : json_null(), "autorate",
			 autorate);
}

static void print_classifier(const struct net_view *v)
{
	if (!v->classifier) {
		printf("  classifier  %s\n", v->why);
		return;
	}
	printf("  classifier  tier T%d, hook %s%s, program %u\n", v->status.tier,
	       hook_name(&v->status), v->status.rewrite_dscp ? ", writes DSCP" : "",
	       v->status.program);
	printf("              %s\n", v->status.why);
	printf("  rules       %s\n",
	       v->recorded && v->record.rules[0] ? v->record.rules : "llm-servers.rules, built in");
	for (unsigned int s = 0; s < FERRY_CLASSIFY_SOURCES; s++)
		for (unsigned int k = 0; k < FERRY_CLASS_COUNT; k++)
			if (v->counts[s][k].packets)
				printf("  decided     %-10s %-8s %" PRIu64 " packets %" PRIu64
				       " bytes\n",
				       ferry_classifier_source_name(s), ferry_net_class_name(k),
				       v->counts[s][k].packets, v->counts[s][k].bytes);
}

static void print_qdisc(const struct net_view *v)
{
	const struct ferry_qdisc *q = v->qdisc ? v->qdisc : v->root;
	char rate[40];

	if (!q)
		return;
	printf("  qdisc       %s %x:%s%s, %" PRIu64 " packets %" PRIu64 " bytes, %" PRIu64
	       " drops, backlog %u bytes\n",
	       q->kind, q->handle >> 16, q->is_ferry ? " " : "",
	       q->is_ferry ? ferry_net_rate(rate, sizeof(rate), q->rate) : "", q->packets, q->bytes,
	       q->drops, q->backlog);
	if (!q->is_ferry)
		return;
	printf("  %-8s %10s %12s %8s %8s %8s %10s %9s %9s\n", "class", "packets", "bytes", "drops",
	       "marks", "late", "backlog", "p50_us", "p99_us");
	for (unsigned int i = 0; i < FERRY_CLASS_COUNT; i++) {
		const struct ferry_qdisc_class *c = &q->classes[i];

		printf("  %-8s %10" PRIu64 " %12" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64
		       " %10u %9u %9u\n",
		       ferry_net_class_name(i), c->packets, c->bytes, c->drops, c->marks, c->late,
		       c->backlog, c->p50_us, c->p99_us);
	}
}

static void print_link(const char *device)
{
	json_t *link = read_link(device), *value;
	const char *key;

	if (!link)
		return;
	printf("  link       ");
	json_object_foreach(link, key, value)
	{
		if (json_is_string(value))
			printf(" %s=%s", key, json_string_value(value));
		else
			printf(" %s=%" JSON_INTEGER_FORMAT, key, json_integer_value(value));
	}
	putchar('\n');
	json_decref(link);
}

static void print_text(const struct net_view *v)
{
	printf("%s: %s\n", v->device.name,
	       v->recorded ? (v->degraded.n ? "up, with limits" : "up")
			   : "not put up by ferry net");
	print_classifier(v);
	print_qdisc(v);
	print_link(v->device.name);
	print_autorate(v);
	for (unsigned int i = 0; i < v->degraded.n; i++)
		printf("  limit       %s\n", v->degraded.note[i]);
}

/* All links that are up, or one. */
struct printing {
	const struct status_options *o;
	json_t *list;
	unsigned int n;
	struct ferry_error *err;
};

static int print_one(const char *device, struct printing *p)
{
	struct net_view *view = malloc(sizeof(*view));
	int ret = view ? ferry_net_view(view, device, p->err)
		       : ferry_fail_memory(p->err, "a status", sizeof(*view));

	if (!ret) {
		p->n++;
		if (p->o->json)
			json_array_append_new(p->list, to_json(view));
		else
			print_text(view);
		ferry_net_view_free(view);
	}
	free(view);
	return ret;
}

static int print_recorded(const struct ferry_gateway_record *record, void *data)
{
	struct printing *p = data;
	const int ret = print_one(record->name, p);

	if (ret != -ENODEV)
		return ret == -ENOENT ? 0 : ret;
	if (!p->o->json)
		printf("%s: has gone; `ferry net down %s` forgets it\n", record->name,
		       record->name);
	p->n++;
	return 0;
}

int ferry_cli_net_status(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "What works on a link: tier and hook of the classifier, who decided how often, the "
		       "qdisc and its classes, the link's readings; what is missing and why. Without DEV "
		       "all links that are up.",
		.args_doc = "[DEV]",
	};
	struct status_options o = {0};
	struct ferry_error err = {0};
	struct printing p = {.o = &o, .err = &err};
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	p.list = json_array();
	if (o.device)
		ret = print_one(o.device, &p);
	else
		ret = ferry_gateway_each(NULL, print_recorded, &p, &err);
	if (!ret && o.json) {
		const json_t *shown = o.device ? json_array_get(p.list, 0) : p.list;

		if (json_dumpf(shown, stdout, JSON_INDENT(2)) || putchar('\n') < 0)
			ret = ferry_cli_check_output(&err);
	} else if (!ret && !p.n) {
		puts("no link is up");
	}
	json_decref(p.list);
	if (!ret)
		ret = ferry_cli_check_output(&err);
	return ret ? ferry_cli_fail(argv[0], &err) : CLI_OK;
}
