// SPDX-License-Identifier: MIT
#include "cli/net_view.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "tc/units.h"

static const char *const class_names[FERRY_CLASS_COUNT] = {
#define NAME(class, name, dscp, budget, share) [class] = name,
	FERRY_CLASS_TABLE(NAME)
#undef NAME
};

const char *ferry_net_class_name(unsigned int class)
{
	return class < FERRY_CLASS_COUNT ? class_names[class] : "?";
}

const char *ferry_net_rate(char *text, size_t bytes, uint64_t bytes_ps)
{
	char unit[FERRY_TC_TEXT];

	snprintf(text, bytes, "%s", bytes_ps ? ferry_tc_write_rate(unit, bytes_ps) : "unlimited");
	return text;
}

static int open_classifier(struct net_view *v)
{
	struct ferry_error err = {0};
	int ret = ferry_classifier_open(&v->classifier, v->device.name, NULL, &err);

	if (!ret)
		ret = ferry_classifier_status(v->classifier, &v->status, &err);
	if (!ret)
		ret = ferry_classifier_counts(v->classifier, v->counts[0], &err);
	if (!ret)
		return 0;
	ferry_classifier_close(v->classifier);
	v->classifier = NULL;
	v->classifier_code = ret;
	snprintf(
		v->why, sizeof(v->why), "%s",
		geteuid() && ret != -ENODEV
			? "what the classifier knows is for root to see, or CAP_DAC_OVERRIDE and CAP_BPF"
			: err.text);
	return ret;
}

static const struct ferry_qdisc *find_qdisc(const struct net_view *v)
{
	const struct ferry_qdisc *q = NULL;

	if (v->classifier)
		q = ferry_qdiscs_find(&v->qdiscs, (uint32_t)v->status.major << 16);
	else if (v->recorded)
		q = ferry_qdiscs_find(&v->qdiscs, v->record.handle);
	if (q)
		return q->is_ferry ? q : NULL;
	for (size_t i = 0; !v->recorded && i < v->qdiscs.n; i++)
		if (v->qdiscs.qdisc[i].is_ferry)
			return &v->qdiscs.qdisc[i];
	return NULL;
}

static unsigned int count_qdiscs(const struct net_view *v)
{
	unsigned int n = 0;

	for (size_t i = 0; i < v->qdiscs.n; i++)
		n += v->qdiscs.qdisc[i].is_ferry;
	return n;
}

/* What is missing, and why. */
static void find_faults(struct net_view *v)
{
	struct ferry_gateway_notes *d = &v->degraded;

	d->n = 0;
	if (v->recorded && !v->classifier && v->classifier_code == -ENOENT && !geteuid())
		ferry_gateway_note(d, "no classifier runs; `ferry net up %s` starts it",
				   v->device.name);
	if (v->classifier && !v->status.attached)
		ferry_gateway_note(
			d,
			"somebody has taken the classifier off the interface; `ferry net up "
			"%s` puts it back",
			v->device.name);
	if (!v->device.up)
		ferry_gateway_note(d, "the interface is down");
	if (!v->qdisc && v->recorded && v->record.how == FERRY_GATEWAY_LEFT)
		ferry_gateway_note(
			d,
			"the root qdisc %s is somebody else's and could not be given back, so "
			"there are no classes; a qdisc ferry below it would be used",
			v->root ? v->root->kind : "?");
	else if (!v->qdisc && access("/sys/module/ferry", F_OK))
		ferry_gateway_note(
			d, "the kernel module ferry is not loaded: nothing is sent by class%s",
			v->recorded && v->record.qdisc.has_rate ? " or at the rate" : "");
	else if (!v->qdisc)
		ferry_gateway_note(d,
				   "there is no qdisc ferry: nothing is sent by class; `ferry net "
				   "up %s` puts one there",
				   v->device.name);
	if (v->qdisc && count_qdiscs(v) > 1)
		ferry_gateway_note(
			d,
			"there are %u qdiscs ferry, and the verdicts are for %x: alone; the "
			"others go by the DSCP",
			count_qdiscs(v), v->qdisc->handle >> 16);
	if (v->qdisc && !v->qdisc->rate)
		ferry_gateway_note(d,
				   "no rate is set: the queue builds up wherever the link is slow");
	if (v->classifier && !v->status.rule_changes)
		ferry_gateway_note(d, "no rules were applied");
}

int ferry_net_view(struct net_view *v, const char *device, struct ferry_error *err)
{
	int ret;

	memset(v, 0, sizeof(*v));
	ret = ferry_device_find(device, &v->device, err);
	if (ret)
		return ret;
	v->recorded = !ferry_gateway_recorded(&v->device, NULL, &v->record, NULL);
	open_classifier(v);
	ret = ferry_qdiscs_read(&v->qdiscs, v->device.index, err);
	if (ret) {
		ferry_net_view_free(v);
		return ret;
	}
	v->root = ferry_qdiscs_root(&v->qdiscs);
	v->qdisc = find_qdisc(v);
	if (!v->recorded && !v->classifier && !v->qdisc) {
		ferry_net_view_free(v);
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENOENT,
				  "nothing of ferry is on %s; `ferry net up %s` puts it there",
				  device, device);
	}
	find_faults(v);
	return 0;
}

void ferry_net_view_free(struct net_view *v)
{
	ferry_classifier_close(v->classifier);
	ferry_qdiscs_free(&v->qdiscs);
	v->classifier = NULL;
	v->root = v->qdisc = NULL;
}

int ferry_net_view_again(struct net_view *v, struct ferry_error *err)
{
	struct ferry_classifier_status status;
	struct ferry_device device;
	int ret = 0;

	if (ferry_device_find(v->device.name, &device, NULL) || device.index != v->device.index ||
	    !ferry_device_same(device.identity, v->device.identity))
		return ferry_fail(err, FERRY_ERROR_SYSTEM, -ENODEV, "interface %s has gone",
				  v->device.name);
	if (v->classifier) {
		ret = ferry_classifier_status(v->classifier, &status, err);
		/* The counters outlive it in our hands, and would stand still. */
		if (!ret && !status.attached)
			ret = ferry_fail(err, FERRY_ERROR_SYSTEM, -ENOENT,
					 "`ferry net` is not up on %s any more", v->device.name);
		if (!ret)
			ret = ferry_classifier_counts(v->classifier, v->counts[0], err);
	}
	if (ret)
		return ret;
	ferry_qdiscs_free(&v->qdiscs);
	ret = ferry_qdiscs_read(&v->qdiscs, v->device.index, err);
	v->root = ferry_qdiscs_root(&v->qdiscs);
	v->qdisc = find_qdisc(v);
	return ret;
}

static json_t *class_json(const struct ferry_qdisc_class *c, unsigned int class)
{
	static const char *const sources[FERRY_SOURCE_COUNT] = {
		[FERRY_SOURCE_PRIORITY] = "priority", [FERRY_SOURCE_MARK] = "mark",
		[FERRY_SOURCE_FILTER] = "filter",     [FERRY_SOURCE_DSCP] = "dscp",
		[FERRY_SOURCE_DEFAULT] = "default",
	};
	json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			      "class", ferry_net_class_name(class), "packets",
			      (json_int_t)c->packets, "bytes", (json_int_t)c->bytes, "drops",
			      (json_int_t)c->drops, "limit_drops", (json_int_t)c->limit_drops,
			      "marks", (json_int_t)c->marks, "late", (json_int_t)c->late, "backlog",
			      (json_int_t)c->backlog, "budget_us", (json_int_t)c->budget_us,
			      "share_permille", (json_int_t)c->share, "sojourn_p50_us",
			      (json_int_t)c->p50_us, "sojourn_p99_us", (json_int_t)c->p99_us);
	json_t *by = json_object();

	for (unsigned int i = 0; i < FERRY_SOURCE_COUNT; i++)
		json_object_set_new(by, sources[i], json_integer((json_int_t)c->sources[i]));
	json_object_set_new(o, "carriers", by);
	return o;
}

json_t *ferry_net_qdisc_json(const struct ferry_qdisc *q)
{
	json_t *o, *classes;
	char handle[16];

	if (!q)
		return json_null();
	snprintf(handle, sizeof(handle), "%x:", q->handle >> 16);
	o = json_pack("{s:s, s:s, s:b, s:I, s:I, s:I, s:I}", "kind", q->kind, "handle", handle,
		      "root", q->parent == FERRY_QDISC_ROOT, "packets", (json_int_t)q->packets,
		      "bytes", (json_int_t)q->bytes, "drops", (json_int_t)q->drops, "backlog",
		      (json_int_t)q->backlog);
	if (!o || !q->is_ferry)
		return o;
	classes = json_array();
	json_object_set_new(o, "rate_bytes_ps", json_integer((json_int_t)q->rate));
	json_object_set_new(o, "memory", json_integer((json_int_t)q->memory));
	json_object_set_new(o, "memory_limit", json_integer((json_int_t)q->memory_limit));
	for (unsigned int i = 0; i < FERRY_CLASS_COUNT; i++)
		json_array_append_new(classes, class_json(&q->classes[i], i));
	json_object_set_new(o, "classes", classes);
	return o;
}
