// SPDX-License-Identifier: MIT
#include "tc/show.h"

#include <string.h>

#include "linux/ferry.h"
#include "tc/attributes.h"
#include "tc/units.h"

/* As the kernel tells them; what an older one does not know is 0. */
struct options {
	uint64_t rate;
	int32_t overhead;
	uint32_t mpu, limit, target, interval, ce_threshold, fwmark;
	uint8_t ecn, split, wash;
	bool has_code_points;
	uint8_t code_points[FERRY_DSCP_COUNT];
	uint32_t n_classes;
	struct {
		uint32_t class, budget, share;
	} classes[FERRY_CLASS_COUNT];
};

static const char *split_name(uint8_t split)
{
	static const char *const names[FERRY_SPLIT_GSO_COUNT] = {
		[FERRY_SPLIT_GSO_NEVER] = "never",
		[FERRY_SPLIT_GSO_AUTO] = "auto",
		[FERRY_SPLIT_GSO_ALWAYS] = "always",
	};

	return split < FERRY_SPLIT_GSO_COUNT ? names[split] : "unknown";
}

static void read_class(struct rtattr **table, void *context)
{
	struct options *o = context;

	if (o->n_classes == FERRY_CLASS_COUNT)
		return;
	o->classes[o->n_classes].class = (uint32_t)ferry_tc_number(table[TCA_FERRY_CLASS_ID], 1);
	o->classes[o->n_classes].budget =
		(uint32_t)ferry_tc_number(table[TCA_FERRY_CLASS_BUDGET], 4);
	o->classes[o->n_classes].share = (uint32_t)ferry_tc_number(table[TCA_FERRY_CLASS_SHARE], 4);
	o->n_classes++;
}

static void read_options(struct options *o, const struct rtattr *nest)
{
	struct rtattr *table[TCA_FERRY_MAX + 1];
	const struct rtattr *dscp;

	memset(o, 0, sizeof(*o));
	ferry_tc_attributes(table, TCA_FERRY_MAX, nest);
	o->rate = ferry_tc_number(table[TCA_FERRY_RATE64], 8);
	o->overhead = (int32_t)ferry_tc_number(table[TCA_FERRY_OVERHEAD], 4);
	o->mpu = (uint32_t)ferry_tc_number(table[TCA_FERRY_MPU], 4);
	o->limit = (uint32_t)ferry_tc_number(table[TCA_FERRY_LIMIT], 4);
	o->ecn = (uint8_t)ferry_tc_number(table[TCA_FERRY_ECN], 1);
	o->target = (uint32_t)ferry_tc_number(table[TCA_FERRY_TARGET], 4);
	o->interval = (uint32_t)ferry_tc_number(table[TCA_FERRY_INTERVAL], 4);
	o->ce_threshold = (uint32_t)ferry_tc_number(table[TCA_FERRY_CE_THRESHOLD], 4);
	o->split = (uint8_t)ferry_tc_number(table[TCA_FERRY_SPLIT_GSO], 1);
	o->fwmark = (uint32_t)ferry_tc_number(table[TCA_FERRY_FWMARK], 4);
	o->wash = (uint8_t)ferry_tc_number(table[TCA_FERRY_WASH], 1);
	dscp = table[TCA_FERRY_DSCP];
	if (dscp && RTA_PAYLOAD(dscp) >= sizeof(o->code_points)) {
		o->has_code_points = true;
		memcpy(o->code_points, RTA_DATA(dscp), sizeof(o->code_points));
	}
	ferry_tc_each_nest(table[TCA_FERRY_CLASSES], TCA_FERRY_CLASS, TCA_FERRY_CLASS_MAX,
			   read_class, o);
}

static void print_json(const struct options *o)
{
	json_writer_t *w = get_json_writer();

	/* Bytes per second, as tc gives the rate of any qdisc. */
	jsonw_u64_field(w, "rate", o->rate);
	jsonw_s64_field(w, "overhead", o->overhead);
	jsonw_u64_field(w, "mpu", o->mpu);
	jsonw_u64_field(w, "limit", o->limit);
	jsonw_bool_field(w, "ecn", o->ecn);
	jsonw_u64_field(w, "target_us", o->target);
	jsonw_u64_field(w, "interval_us", o->interval);
	jsonw_u64_field(w, "ce_threshold_us", o->ce_threshold);
	jsonw_string_field(w, "split_gso", split_name(o->split));
	jsonw_u64_field(w, "fwmark", o->fwmark);
	jsonw_bool_field(w, "wash", o->wash);
	if (o->has_code_points) {
		char point[FERRY_TC_TEXT];

		jsonw_name(w, "dscp");
		jsonw_start_object(w);
		for (unsigned i = 0; i < FERRY_DSCP_COUNT; i++) {
			if (o->code_points[i] == FERRY_CLASS_DEFAULT)
				continue;
			snprintf(point, sizeof(point), "%u", i);
			jsonw_string_field(w, point, ferry_tc_class_name(o->code_points[i]));
		}
		jsonw_end_object(w);
	}
	jsonw_name(w, "classes");
	jsonw_start_array(w);
	for (unsigned i = 0; i < o->n_classes; i++) {
		jsonw_start_object(w);
		jsonw_string_field(w, "class", ferry_tc_class_name(o->classes[i].class));
		if (o->classes[i].budget)
			jsonw_u64_field(w, "budget_us", o->classes[i].budget);
		jsonw_u64_field(w, "share_permille", o->classes[i].share);
		jsonw_end_object(w);
	}
	jsonw_end_array(w);
}

/* Only what differs from the table that the kernel begins with. */
static void print_code_points(FILE *file, const struct options *o)
{
	uint8_t usual[FERRY_DSCP_COUNT];
	const char *before = "dscp ";

	ferry_tc_default_code_points(usual);
	for (unsigned i = 0; i < FERRY_DSCP_COUNT; i++) {
		if (o->code_points[i] == usual[i])
			continue;
		fprintf(file, "%s%u:%s", before, i, ferry_tc_class_name(o->code_points[i]));
		before = ",";
	}
	if (*before == ',')
		fputc(' ', file);
}

static bool class_is_usual(const struct options *o, unsigned i)
{
	static const struct {
		uint32_t budget, share;
	} usual[FERRY_CLASS_COUNT] = {
#define ROW(class, name, dscp, budget, share) [class] = {(budget)*FERRY_DEADLINE_UNIT_US, share},
		FERRY_CLASS_TABLE(ROW)
#undef ROW
	};
	uint32_t class = o->classes[i].class;

	return class < FERRY_CLASS_COUNT && o->classes[i].budget == usual[class].budget &&
	       o->classes[i].share == usual[class].share;
}

/* In the words of the command line, so that it can be given back. */
static void print_text(FILE *file, const struct options *o)
{
	char text[FERRY_TC_TEXT];

	if (o->rate)
		fprintf(file, "rate %s ", ferry_tc_write_rate(text, o->rate));
	else
		fprintf(file, "unlimited ");
	fprintf(file, "overhead %d ", o->overhead);
	if (o->mpu)
		fprintf(file, "mpu %u ", o->mpu);
	if (o->limit)
		fprintf(file, "limit %s ", ferry_tc_write_size(text, o->limit));
	fprintf(file, "%s ", o->ecn ? "ecn" : "noecn");
	fprintf(file, "target %s ", ferry_tc_write_time(text, o->target));
	fprintf(file, "interval %s ", ferry_tc_write_time(text, o->interval));
	if (o->ce_threshold)
		fprintf(file, "ce_threshold %s ", ferry_tc_write_time(text, o->ce_threshold));
	else
		fprintf(file, "noce_threshold ");
	fprintf(file, "split-gso %s ", split_name(o->split));
	if (o->fwmark)
		fprintf(file, "fwmark 0x%x ", o->fwmark);
	if (o->has_code_points)
		print_code_points(file, o);
	if (o->wash)
		fprintf(file, "wash ");
	for (unsigned i = 0; i < o->n_classes; i++) {
		if (!show_details && class_is_usual(o, i))
			continue;
		fprintf(file, "%s class %s ", _SL_, ferry_tc_class_name(o->classes[i].class));
		if (o->classes[i].budget)
			fprintf(file, "budget %s ",
				ferry_tc_write_time(text, o->classes[i].budget));
		fprintf(file, "share %s ", ferry_tc_write_share(text, o->classes[i].share));
	}
}

int ferry_tc_show_options(struct qdisc_util *util, FILE *file, struct rtattr *options)
{
	struct options o;

	(void)util;
	if (!options)
		return 0;
	read_options(&o, options);
	if (is_json_context())
		print_json(&o);
	else
		print_text(file, &o);
	return 0;
}
