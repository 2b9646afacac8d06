/* SPDX-License-Identifier: MIT */
#include "net/gateway.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <net/if.h>
#include <sys/capability.h>

#include <preset_rules.h>

#include "base/error.h"
#include "net/gateway_record.h"
#include "net/hook.h"
#include "net/rules.h"

/* What one up works with. */
struct job {
	const struct ferry_gateway_options *options;
	struct ferry_gateway_notes *notes;
	struct ferry_error *err;
	struct ferry_device device;
	struct ferry_gateway_records records;
	struct ferry_gateway_record record; /* as it is to be */
	struct ferry_gateway_record before; /* as it was, where it was up before */
	bool again;			    /* it was up before */
	/* Of the rules that are to hold. */
	char *text;
	size_t bytes;
	struct ferry_rules rules;
};

void ferry_gateway_note(struct ferry_gateway_notes *notes, const char *format, ...)
{
	va_list list;

	if (!notes || notes->n == FERRY_GATEWAY_NOTES)
		return;
	va_start(list, format);
	vsnprintf(notes->note[notes->n++], FERRY_GATEWAY_NOTE, format, list);
	va_end(list);
}

/* In words, before anything is tried, so that nothing is half done. */
static int check_capabilities(struct ferry_error *err)
{
	static const struct {
		cap_value_t value;
		const char *name;
	} wanted[] = {{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
		      {CAP_BPF, "CAP_BPF"},
		      {CAP_PERFMON, "CAP_PERFMON"}};
	cap_t mine = cap_get_proc();
	cap_flag_value_t all = CAP_CLEAR, has;
	int ret = 0;

	if (!mine)
		return 0;
	cap_get_flag(mine, CAP_SYS_ADMIN, CAP_EFFECTIVE, &all);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]) && !ret; i++) {
		if (cap_get_flag(mine, wanted[i].value, CAP_EFFECTIVE, &has))
			has = CAP_CLEAR;
		/* CAP_SYS_ADMIN is all of them but for the first. */
		if (has != CAP_SET && (!i || all != CAP_SET))
			ret = ferry_fail(
				err, FERRY_ERROR_SYSTEM, -EPERM,
				"this takes root, or CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON; %s is missing",
				wanted[i].name);
	}
	cap_free(mine);
	return ret;
}

static struct ferry_qdisc_wish merge(const struct ferry_qdisc_wish *old,
				     const struct ferry_qdisc_wish *new)
{
	struct ferry_qdisc_wish both = *old;

	if (new->has_rate) {
		both.has_rate = true;
		both.rate = new->rate;
	}
	if (new->has_overhead) {
		both.has_overhead = true;
		both.overhead = new->overhead;
	}
	if (new->has_mpu) {
		both.has_mpu = true;
		both.mpu = new->mpu;
	}
	return both;
}

/* What an earlier up wrote down about this very interface, or a new record. */
static void find_record(struct job *job)
{
	const char *directory = job->options->places.records;
	struct ferry_gateway_record *r = &job->record;

	job->again = !ferry_gateway_read(directory, job->device.index, r, NULL) &&
		     ferry_device_same(r->identity, job->device.identity);
	if (!job->again)
		memset(r, 0, sizeof(*r));
	job->before = *r;
	r->namespace = ferry_network_namespace();
	r->identity = job->device.identity;
	r->device = job->device.index;
	memcpy(r->name, job->device.name, sizeof(r->name));
}

static int take_options(struct job *job)
{
	const struct ferry_gateway_options *o = job->options;
	struct ferry_gateway_record *r = &job->record;
	char path[PATH_MAX];

	r->qdisc = merge(&r->qdisc, &o->qdisc);
	if (o->hook != FERRY_HOOK_ANY)
		r->hook = o->hook;
	if (o->rewrite_dscp >= 0)
		r->rewrite_dscp = o->rewrite_dscp;
	if (o->tunnel >= 0)
		r->tunnel = o->tunnel;
	if (o->carrier >= 0)
		r->carrier = o->carrier;
	if (o->rules) {
		/* Later ups may be in another directory. */
		if (!realpath(o->rules, path) || strlen(path) >= sizeof(r->rules))
			return ferry_fail(job->err, FERRY_ERROR_FILE, errno ? -errno : -EINVAL,
					  "%.200s cannot be read: %s", o->rules,
					  ferry_errno_text(errno ? -errno : -ENAMETOOLONG));
		memcpy(r->rules, path, strlen(path) + 1);
	} else if (!job->again && !access(FERRY_GATEWAY_RULES, R_OK)) {
		memcpy(r->rules, FERRY_GATEWAY_RULES, sizeof(FERRY_GATEWAY_RULES));
	}
	return 0;
}

static int load_rules(struct job *job)
{
	static const char preset[] = FERRY_PRESET_RULES;

	if (job->record.rules[0]) {
		const int ret =
			ferry_rules_text(job->record.rules, &job->text, &job->bytes, job->err);

		return ret ? ret
			   : ferry_rules_read(&job->rules, job->record.rules, job->text, job->bytes,
					      job->err);
	}
	job->text = strdup(preset);
	job->bytes = sizeof(preset) - 1;
	if (!job->text)
		return ferry_fail_memory(job->err, "rules", sizeof(preset));
	return ferry_rules_read(&job->rules, "llm-servers.rules", job->text, job->bytes, job->err);
}

static bool is_ours(const struct ferry_gateway_record *r, const struct ferry_qdiscs *list)
{
	const struct ferry_qdisc *root = ferry_qdiscs_root(list);

	return r->how == FERRY_GATEWAY_MADE && r->handle && root && root->is_ferry &&
	       root->handle == r->handle;
}

/* A qdisc ferry that somebody else put there: the one that is asked for, or that of the root. */
static const struct ferry_qdisc *foreign(const struct job *job, const struct ferry_qdiscs *list)
{
	const struct ferry_qdisc *asked =
		ferry_qdiscs_find(list, (uint32_t)job->options->major << 16);

	if (job->options->major)
		return asked && asked->is_ferry ? asked : NULL;
	asked = ferry_qdiscs_find(list, job->again ? job->record.handle : 0);
	if (asked && asked->is_ferry)
		return asked;
	for (size_t i = 0; i < list->n; i++)
		if (list->qdisc[i].is_ferry && list->qdisc[i].handle)
			return &list->qdisc[i];
	return NULL;
}

static bool major_in_use(const struct ferry_qdiscs *list, uint32_t major)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->qdisc[i].handle >> 16 == major)
			return true;
	return false;
}

static int choose_handle(struct job *job, const struct ferry_qdiscs *list)
{
	uint32_t major = job->options->major ? job->options->major : FERRY_GATEWAY_MAJOR;

	if (job->options->major && major_in_use(list, major))
		return ferry_fail(job->err, FERRY_ERROR_CALLER, -EBUSY,
				  "%s has another qdisc with the handle %x:", job->device.name,
				  major);
	while (major_in_use(list, major))
		major++;
	job->record.handle = major << 16;
	return 0;
}

/* Decides what is to become of the qdisc, and notes what was found. Changes nothing yet. */
static int look_at_qdiscs(struct job *job, const struct ferry_qdiscs *list)
{
	const struct ferry_qdisc *root = ferry_qdiscs_root(list), *theirs;
	struct ferry_gateway_record *r = &job->record;
	const char *why = "";
	int filters = 0;

	if (job->again && is_ours(r, list)) {
		if (job->options->major && job->options->major != r->handle >> 16)
			return ferry_fail(job->err, FERRY_ERROR_CALLER, -EBUSY,
					  "%s is up with the handle %x:; `ferry net down %s` first",
					  job->device.name, r->handle >> 16, job->device.name);
		return 0;
	}
	theirs = foreign(job, list);
	if (theirs && job->again && r->how == FERRY_GATEWAY_USED && r->handle == theirs->handle)
		return 0;
	r->changed = false;
	if (theirs) {
		r->how = FERRY_GATEWAY_USED;
		r->handle = theirs->handle;
		r->found = *theirs;
		return 0;
	}
	if (root && root->handle) {
		filters = ferry_qdisc_filters(job->device.index, root->handle, job->err);
		if (filters < 0)
			return filters;
	}
	memset(&r->found, 0, sizeof(r->found));
	r->found.parent = FERRY_QDISC_ROOT;
	if (root)
		r->found = *root;
	if (filters)
		why = "it has filters";
	r->how = !filters && (!root || ferry_qdisc_restorable(list, root, &why))
			 ? FERRY_GATEWAY_MADE
			 : FERRY_GATEWAY_LEFT;
	if (r->how == FERRY_GATEWAY_LEFT && ferry_qdisc_wishes(&job->options->qdisc))
		return ferry_fail(
			job->err, FERRY_ERROR_CALLER, -EBUSY,
			"the qdisc %s %x: of %s could not be given back (%s), so it is left alone: put a qdisc ferry below it by tc, or ask for no rate",
			root->kind, root->handle >> 16, job->device.name, why);
	if (r->how == FERRY_GATEWAY_LEFT)
		ferry_gateway_note(
			job->notes,
			"the qdisc %s %x: of %s could not be given back (%s), so it is left alone and has no classes; a qdisc ferry below it would be used",
			root->kind, root->handle >> 16, job->device.name, why);
	return choose_handle(job, list);
}

/* The qdisc, as it was decided. */
static int arrange_qdisc(struct job *job, const struct ferry_qdiscs *list)
{
	struct ferry_gateway_record *r = &job->record;
	const struct ferry_qdisc *there = ferry_qdiscs_find(list, r->handle);
	int ret;

	if (r->how == FERRY_GATEWAY_LEFT)
		return 0;
	if (r->how == FERRY_GATEWAY_USED || is_ours(r, list)) {
		if (!there || !ferry_qdisc_wishes(&job->options->qdisc))
			return 0;
		return ferry_qdisc_change(r->device, there, &job->options->qdisc, job->err);
	}
	ret = ferry_qdisc_put(r->device, r->handle, &r->qdisc, job->err);
	if (ret != -ENOPKG)
		return ret;
	ferry_gateway_note(
		job->notes,
		"the kernel module ferry is not loaded: packets get their class%s, but nothing sends them by it%s; `modprobe ferry`, then this again",
		r->rewrite_dscp ? " and DSCP" : "", r->qdisc.has_rate ? " or to the rate" : "");
	return 0;
}

static bool same_rules(struct job *job)
{
	char *text;
	size_t bytes;
	const bool same =
		!ferry_gateway_rules(&job->record, &job->options->places, &text, &bytes, NULL) &&
		bytes == job->bytes && !memcmp(text, job->text, bytes);

	free(text);
	return same;
}

/* What makes rules impossible is looked for while all is as it was. */
static int check_rules(struct job *job)
{
	const int ret = ferry_rules_check(&job->rules, job->err);

	return ret && job->record.rules[0] ? ferry_fail_within(job->err, "%s", job->record.rules)
					   : ret;
}

static int apply_rules(struct job *job, struct ferry_classifier *c)
{
	int ret = check_rules(job);

	if (ret)
		return ret;
	/* Whoever is killed in here leaves no claim about which rules hold. */
	ferry_gateway_keep_rules(&job->records, job->record.device, NULL, 0, NULL);
	ret = ferry_rules_apply(&job->rules, c, job->err);
	if (ret && job->record.rules[0])
		return ferry_fail_within(job->err, "%s", job->record.rules);
	if (!ret)
		ret = ferry_gateway_keep_rules(&job->records, job->record.device, job->text,
					       job->bytes, job->err);
	return ret;
}

static int start_classifier(struct job *job)
{
	const struct ferry_gateway_record *r = &job->record;
	const struct ferry_classifier_options options = {
		.size = sizeof(options),
		.device = job->device.name,
		.major = (uint16_t)(r->handle >> 16),
		.directory = job->options->places.pins,
		.hook = r->hook,
		.rewrite_dscp = r->rewrite_dscp,
		.tunnel = r->tunnel,
		.carrier = r->carrier,
	};
	struct ferry_classifier_status status;
	struct ferry_classifier *c;
	int ret = ferry_classifier_start(&c, &options, job->err);

	if (ret)
		return ret;
	ret = ferry_classifier_status(c, &status, job->err);
	/* The same rules keep what they have counted. */
	if (!ret && (!status.rule_changes || !same_rules(job)))
		ret = apply_rules(job, c);
	ferry_classifier_close(c);
	return ret;
}

/* Whether the interface of a record is still there. */
static bool still_there(const struct ferry_gateway_record *r)
{
	struct ferry_device device;
	char name[IF_NAMESIZE];

	return if_indextoname(r->device, name) && !ferry_device_find(name, &device, NULL) &&
	       device.index == r->device && ferry_device_same(device.identity, r->identity);
}

static int give_qdisc_back(const struct ferry_gateway_record *r, struct ferry_gateway_notes *notes,
			   struct ferry_error *err)
{
	const struct ferry_qdisc *there;
	struct ferry_qdiscs list;
	int ret = ferry_qdiscs_read(&list, r->device, err);

	if (ret)
		return ret;
	there = ferry_qdiscs_find(&list, r->handle);
	if (is_ours(r, &list))
		ret = ferry_qdisc_restore(r->device, r->handle, &r->found, err);
	else if (r->how == FERRY_GATEWAY_USED && r->changed && there && there->is_ferry)
		ret = ferry_qdisc_change_back(r->device, &r->found, err);
	else if (r->how == FERRY_GATEWAY_MADE && there && there->is_ferry)
		ferry_gateway_note(notes, "somebody has put the qdisc %x: elsewhere; it stays",
				   r->handle >> 16);
	ferry_qdiscs_free(&list);
	return ret;
}

/* Gives back what a record says was found, and removes it. */
static int undo(const struct ferry_gateway_records *records, const struct ferry_gateway_record *r,
		const char *pins, struct ferry_gateway_notes *notes, struct ferry_error *err)
{
	int ret = ferry_classifier_clear(r->device, pins, err);

	if (!ret && still_there(r))
		ret = give_qdisc_back(r, notes, err);
	/* It went meanwhile, and everything with it. */
	if (ret && !still_there(r))
		ret = 0;
	if (!ret)
		ferry_gateway_forget(records, r->device);
	return ret;
}

/* What was asked for could not be had: what was asked for before goes on. */
static void take_back_options(struct job *job, const struct ferry_qdiscs *list)
{
	struct ferry_gateway_record *r = &job->record;
	const struct ferry_qdisc *was = ferry_qdiscs_find(list, r->handle);

	if (was && was->is_ferry && r->how != FERRY_GATEWAY_LEFT &&
	    ferry_qdisc_wishes(&job->options->qdisc))
		ferry_qdisc_change_back(r->device, was, NULL);
	r->qdisc = job->before.qdisc;
	r->hook = job->before.hook;
	r->rewrite_dscp = job->before.rewrite_dscp;
	r->tunnel = job->before.tunnel;
	r->carrier = job->before.carrier;
	memcpy(r->rules, job->before.rules, sizeof(r->rules));
	ferry_gateway_write(&job->records, r, NULL);
}

static int up_locked(struct job *job)
{
	struct ferry_gateway_record *r = &job->record;
	struct ferry_qdiscs list = {0};
	int clsact, ret;

	find_record(job);
	ret = take_options(job);
	if (!ret)
		ret = load_rules(job);
	/* The same rules are not applied again: what they name may have gone since. */
	if (!ret && !same_rules(job))
		ret = check_rules(job);
	if (!ret)
		ret = ferry_qdiscs_read(&list, r->device, job->err);
	if (!ret)
		ret = look_at_qdiscs(job, &list);
	if (!ret && !job->again) {
		clsact = ferry_hook_has_clsact(r->device, job->err);
		r->found_clsact = clsact > 0;
		r->found_filters =
			clsact > 0 ? (unsigned int)ferry_hook_count_filters(r->device, NULL) : 0;
	}
	if (!ret && r->how == FERRY_GATEWAY_USED && ferry_qdisc_wishes(&job->options->qdisc))
		r->changed = true;
	/* From here on something is changed, and whoever comes after us knows what to undo. */
	if (!ret)
		ret = ferry_gateway_write(&job->records, r, job->err);
	if (!ret) {
		ret = arrange_qdisc(job, &list);
		if (!ret)
			ret = start_classifier(job);
		if (ret && !job->again)
			undo(&job->records, r, job->options->places.pins, NULL, NULL);
		else if (ret)
			take_back_options(job, &list);
	}
	ferry_qdiscs_free(&list);
	return ret;
}

int ferry_gateway_up(const struct ferry_gateway_options *options, struct ferry_gateway_notes *notes,
		     struct ferry_error *err)
{
	struct job job = {.options = options, .notes = notes, .err = err, .records.lock = -1};
	int ret;

	memset(notes, 0, sizeof(*notes));
	if (options->size < sizeof(*options) || !options->device || options->major == 0xffff)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "a gateway's link is an interface, and a major below ffff");
	ret = ferry_device_find(options->device, &job.device, err);
	if (!ret)
		ret = check_capabilities(err);
	if (!ret && !job.device.up)
		ret = ferry_fail(err, FERRY_ERROR_CALLER, -ENETDOWN,
				 "%s is down; `ip link set %s up` first", options->device,
				 options->device);
	if (!ret)
		ret = ferry_gateway_lock(&job.records, options->places.records, true, err);
	if (!ret)
		ret = up_locked(&job);
	ferry_gateway_unlock(&job.records);
	ferry_rules_free(&job.rules);
	free(job.text);
	return ret;
}

/* The records that a name may mean. */
struct search {
	const char *name;
	unsigned int index; /* of an interface that has the name now; 0: none */
	uint64_t identity;
	unsigned int found[16];
	unsigned int n;
};

static int match(const struct ferry_gateway_record *r, void *data)
{
	struct search *s = data;
	const bool by_index = s->index && r->device == s->index &&
			      ferry_device_same(r->identity, s->identity);

	/* By name only what has gone: another interface may have it now. */
	if ((by_index || (!strcmp(r->name, s->name) && !still_there(r))) &&
	    s->n < sizeof(s->found) / sizeof(s->found[0]))
		s->found[s->n++] = r->device;
	return 0;
}

static int down_locked(const struct ferry_gateway_records *records,
		       const struct ferry_gateway_places *places, const struct search *s,
		       struct ferry_gateway_notes *notes, struct ferry_error *err)
{
	struct ferry_gateway_record *record = malloc(sizeof(*record));
	int ret = record ? 0 : ferry_fail_memory(err, "a record", sizeof(*record));

	for (unsigned int i = 0; i < s->n && !ret; i++) {
		ret = ferry_gateway_read(records->path, s->found[i], record, err);
		if (!ret)
			ret = undo(records, record, places->pins, notes, err);
	}
	free(record);
	if (ret || s->n)
		return ret;
	if (!s->index)
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENODEV,
				  "there is no interface %.40s, and none of that name was up",
				  s->name);
	/* Without a record: what a library user started, or what was killed before it wrote one. */
	ferry_gateway_note(notes, "nothing of ferry was up on %s", s->name);
	ret = ferry_classifier_clear(s->index, places->pins, err);
	if (!ret && records->lock >= 0)
		ferry_gateway_forget(records, s->index);
	return ret;
}

int ferry_gateway_down(const char *device, const struct ferry_gateway_places *places,
		       struct ferry_gateway_notes *notes, struct ferry_error *err)
{
	static const struct ferry_gateway_places usual;
	struct ferry_gateway_records records;
	struct search search = {.name = device};
	struct ferry_device found;
	int ret = check_capabilities(err);

	memset(notes, 0, sizeof(*notes));
	if (ret)
		return ret;
	if (!places)
		places = &usual;
	if (!ferry_device_find(device, &found, NULL)) {
		search.index = found.index;
		search.identity = found.identity;
	}
	ret = ferry_gateway_lock(&records, places->records, false, err);
	if (ret && ret != -ENOENT)
		return ret;
	ret = ret ? 0 : ferry_gateway_each(places, match, &search, err);
	if (!ret)
		ret = down_locked(&records, places, &search, notes, err);
	ferry_gateway_unlock(&records);
	return ret;
}

int ferry_gateway_recorded(const struct ferry_device *device,
			   const struct ferry_gateway_places *places,
			   struct ferry_gateway_record *record, struct ferry_error *err)
{
	const int ret =
		ferry_gateway_read(places ? places->records : NULL, device->index, record, err);

	if (ret != -ENOENT && (ret || ferry_device_same(record->identity, device->identity)))
		return ret;
	return ferry_fail(err, FERRY_ERROR_CALLER, -ENOENT,
			  "%s is not up; `ferry net up %s` does that", device->name, device->name);
}

int ferry_gateway_set_rules(const char *device, const struct ferry_gateway_places *places,
			    const char *path, struct ferry_error *err)
{
	struct ferry_gateway_options options = {.size = sizeof(options),
						.device = device,
						.rules = path,
						.rewrite_dscp = -1,
						.tunnel = -1,
						.carrier = -1};
	struct job job = {.options = &options, .err = err, .records.lock = -1};
	struct ferry_classifier *c = NULL;
	int ret = ferry_device_find(device, &job.device, err);

	if (places)
		options.places = *places;
	if (!ret)
		ret = check_capabilities(err);
	if (!ret)
		ret = ferry_gateway_recorded(&job.device, places, &job.record, err);
	if (!ret)
		ret = ferry_gateway_lock(&job.records, options.places.records, false, err);
	if (!ret) {
		find_record(&job);
		ret = take_options(&job);
	}
	if (!ret)
		ret = load_rules(&job);
	if (!ret)
		ret = ferry_classifier_open(&c, device, options.places.pins, err);
	if (!ret)
		ret = apply_rules(&job, c);
	if (!ret)
		ret = ferry_gateway_write(&job.records, &job.record, err);
	ferry_classifier_close(c);
	ferry_gateway_unlock(&job.records);
	ferry_rules_free(&job.rules);
	free(job.text);
	return ret;
}
