// SPDX-License-Identifier: MIT
/*
 * ferry net explain: what a packet of a flow would get, who says so, and how its class fares.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/net_verbs.h"
#include "cli/net_view.h"
#include "tc/units.h"

enum { ADDRESS = 64 };

struct explain_options {
	bool json;
	const char *device, *from, *to;
	struct ferry_classifier_question question;
	char from_address[ADDRESS], to_address[ADDRESS];
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct explain_options *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case 'D': {
		const int point = ferry_tc_code_point(arg, strlen(arg));

		if (point < 0)
			argp_error(state, "--dscp takes a code point, as EF or 46, not '%s'", arg);
		o->question.dscp = (uint8_t)point;
		return 0;
	}
	case 'C':
		o->question.cookie = ferry_cli_number(state, "--cookie", arg, 1, UINT64_MAX);
		return 0;
	case ARGP_KEY_ARG:
		if (!o->device)
			o->device = arg;
		else if (!o->from)
			o->from = arg;
		else if (!o->to)
			o->to = arg;
		else
			argp_error(state, "a flow has two ends, not also '%s'", arg);
		return 0;
	case ARGP_KEY_END:
		if (!o->to)
			argp_error(state, "expected is DEV FROM:PORT TO:PORT/tcp, or /udp");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option option_table[] = {
	{"json", 'j', NULL, 0, "print one JSON object", 0},
	{"dscp", 'D', "POINT", 0, "that its packets have: EF, AF41, 46 ... (0)", 0},
	{"cookie", 'C', "N", 0, "of its socket (SO_COOKIE)", 0},
	{0},
};

/* "1.2.3.4:80" or "[::1]:80". */
static int parse_end(const char *text, char address[ADDRESS], uint16_t *port,
		     struct ferry_error *err)
{
	const char *colon = strrchr(text, ':');
	long number;
	size_t n = colon ? (size_t)(colon - text) : 0;

	if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	} else if (n && memchr(text, ':', n)) {
		n = 0; /* without brackets it is not clear where the port begins */
	}
	if (!n || n >= ADDRESS || !ferry_tc_read_integer(colon + 1, 0, 65535, &number))
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "'%.80s' is no ADDRESS:PORT, as 10.0.0.1:443 or [fe80::1]:443",
				  text);
	memcpy(address, text, n);
	address[n] = 0;
	*port = (uint16_t)number;
	return 0;
}

static int parse_flow(struct explain_options *o, struct ferry_error *err)
{
	char to[2 * ADDRESS];
	char *slash;
	int ret;

	snprintf(to, sizeof(to), "%s", o->to);
	slash = strchr(to, '/');
	if (slash && !strcmp(slash, "/tcp"))
		o->question.protocol = IPPROTO_TCP;
	else if (slash && !strcmp(slash, "/udp"))
		o->question.protocol = IPPROTO_UDP;
	else
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "'%.80s' does not end with /tcp or /udp", o->to);
	*slash = 0;
	ret = parse_end(o->from, o->from_address, &o->question.from_port, err);
	if (!ret)
		ret = parse_end(to, o->to_address, &o->question.to_port, err);
	o->question.from = o->from_address;
	o->question.to = o->to_address;
	return ret;
}

static uint32_t budget_us(const struct net_view *v, unsigned int class)
{
	static const uint32_t usual[FERRY_CLASS_COUNT] = {
#define ROW(class_, name, dscp, budget, share) [class_] = (budget)*FERRY_DEADLINE_UNIT_US,
		FERRY_CLASS_TABLE(ROW)
#undef ROW
	};

	return v->qdisc ? v->qdisc->classes[class].budget_us : usual[class];
}

/* What is to be said, in both forms. */
struct explanation {
	struct ferry_classifier_answer answer;
	unsigned int line; /* of the rule, 0: none */
	char text[300];
	uint32_t budget_us;
};

static void print_text(const struct net_view *v, const struct explanation *x)
{
	const struct ferry_classifier_answer *a = &x->answer;

	printf("class    %s\n", ferry_net_class_name(a->class));
	printf("source   %s\n", ferry_classifier_source_name(a->source));
	if (a->rule)
		printf("rule     %u, line %u: %s\n", a->rule, x->line, x->text);
	if (a->rule)
		printf("decided  %" PRIu64 " packets by this rule\n", a->rule_packets);
	if (a->known)
		printf("seen     %" PRIu64 " packets of this flow that no rule knew\n",
		       a->flow_packets);
	if (x->budget_us)
		printf("budget   %u us\n", x->budget_us);
	else
		printf("budget   none: the class has no deadlines\n");
	if (v->qdisc) {
		const struct ferry_qdisc_class *c = &v->qdisc->classes[a->class];

		printf("in the qdisc, of the whole class: %" PRIu64 " packets, %" PRIu64
		       " drops, %" PRIu64 " late, %" PRIu64 " marks, wait p99 %u us\n",
		       c->packets, c->drops, c->late, c->marks, c->p99_us);
	} else {
		printf("there is no qdisc ferry: nobody sends by class\n");
	}
}

static json_t *to_json(const struct net_view *v, const struct explanation *x)
{
	const struct ferry_classifier_answer *a = &x->answer;
	json_t *o = json_pack(
		"{s:s, s:s, s:i, s:I, s:b, s:I, s:I}", "class", ferry_net_class_name(a->class),
		"source", ferry_classifier_source_name(a->source), "rule", (int)a->rule,
		"rule_packets", (json_int_t)a->rule_packets, "known", (int)a->known, "flow_packets",
		(json_int_t)a->flow_packets, "budget_us", (json_int_t)x->budget_us);

	if (a->rule) {
		json_object_set_new(o, "line", json_integer(x->line));
		json_object_set_new(o, "rule_text", json_string(x->text));
	}
	if (v->qdisc) {
		const struct ferry_qdisc_class *c = &v->qdisc->classes[a->class];

		json_object_set_new(o, "qdisc",
				    json_pack("{s:I, s:I, s:I, s:I}", "packets",
					      (json_int_t)c->packets, "drops", (json_int_t)c->drops,
					      "late", (json_int_t)c->late, "marks",
					      (json_int_t)c->marks));
	}
	return o;
}

static int explain(struct net_view *v, const struct explain_options *o, struct ferry_error *err)
{
	struct explanation x = {0};
	int ret;

	if (!v->classifier)
		return ferry_fail(err, FERRY_ERROR_SYSTEM, v->classifier_code, "%s", v->why);
	ret = ferry_classifier_explain(v->classifier, &o->question, &x.answer, err);
	if (ret)
		return ret;
	x.budget_us = budget_us(v, x.answer.class);
	/* Rules that a library user applied have no text here; the number is all there is. */
	if (x.answer.rule &&
	    ferry_net_rule_line(v, x.answer.rule, &x.line, x.text, sizeof(x.text), NULL))
		snprintf(x.text, sizeof(x.text), "(its text is not known)");
	if (o->json) {
		json_t *root = to_json(v, &x);

		if (json_dumpf(root, stdout, JSON_INDENT(2)) || putchar('\n') < 0)
			ret = ferry_cli_check_output(err);
		json_decref(root);
		return ret;
	}
	print_text(v, &x);
	return 0;
}

int ferry_cli_net_explain(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "What a packet of this flow would get now, who decides that, and how its class fares "
		       "in the qdisc. Control groups and the interface by which a packet comes in are no "
		       "part of the question.",
		.args_doc = "DEV FROM:PORT TO:PORT/tcp|udp",
	};
	struct net_view *view = calloc(1, sizeof(*view));
	struct explain_options o = {0};
	struct ferry_error err;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	ret = view ? parse_flow(&o, &err) : ferry_fail_memory(&err, "a status", sizeof(*view));
	if (!ret)
		ret = ferry_net_view(view, o.device, &err);
	if (!ret) {
		ret = explain(view, &o, &err);
		ferry_net_view_free(view);
	}
	free(view);
	if (!ret)
		ret = ferry_cli_check_output(&err);
	return ret ? ferry_cli_fail(argv[0], &err) : CLI_OK;
}
