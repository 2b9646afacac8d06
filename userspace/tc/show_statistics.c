// SPDX-License-Identifier: MIT
#include "tc/show.h"

#include <inttypes.h>
#include <string.h>

#include "linux/ferry.h"
#include "tc/attributes.h"
#include "tc/units.h"

enum { COLUMN = 11 };

struct class
{
	uint32_t id;
	uint64_t packets, bytes, drops, limit_drops, marks, late;
	uint32_t backlog, qlen, flows, p50, p99;
	uint64_t sources[FERRY_SOURCE_COUNT];
};

struct statistics {
	uint32_t memory, memory_limit, memory_peak, flows;
	uint64_t collisions, splits, drain;
	uint8_t mode;
	uint32_t n_classes;
	struct class classes[FERRY_CLASS_COUNT];
};

static const char *const source_names[FERRY_SOURCE_COUNT] = {
	[FERRY_SOURCE_PRIORITY] = "priority", [FERRY_SOURCE_MARK] = "mark",
	[FERRY_SOURCE_FILTER] = "filter",     [FERRY_SOURCE_DSCP] = "dscp",
	[FERRY_SOURCE_DEFAULT] = "default",
};

static const char *mode_name(uint8_t mode)
{
	static const char *const names[FERRY_MODE_COUNT] = {
#define NAME(mode, name) [mode] = name,
		FERRY_MODE_TABLE(NAME)
#undef NAME
	};

	return mode < FERRY_MODE_COUNT ? names[mode] : "unknown";
}

static void read_class(struct rtattr **table, void *context)
{
	struct statistics *s = context;
	struct class *class = &s->classes[s->n_classes];
	const struct rtattr *sources = table[TCA_FERRY_CSTATS_SOURCES];

	if (s->n_classes == FERRY_CLASS_COUNT)
		return;
	class->id = (uint32_t)ferry_tc_number(table[TCA_FERRY_CSTATS_ID], 1);
	class->packets = ferry_tc_number(table[TCA_FERRY_CSTATS_PACKETS], 8);
	class->bytes = ferry_tc_number(table[TCA_FERRY_CSTATS_BYTES], 8);
	class->drops = ferry_tc_number(table[TCA_FERRY_CSTATS_DROPS], 8);
	class->limit_drops = ferry_tc_number(table[TCA_FERRY_CSTATS_LIMIT_DROPS], 8);
	class->marks = ferry_tc_number(table[TCA_FERRY_CSTATS_MARKS], 8);
	class->late = ferry_tc_number(table[TCA_FERRY_CSTATS_LATE], 8);
	class->backlog = (uint32_t)ferry_tc_number(table[TCA_FERRY_CSTATS_BACKLOG], 4);
	class->qlen = (uint32_t)ferry_tc_number(table[TCA_FERRY_CSTATS_QLEN], 4);
	class->flows = (uint32_t)ferry_tc_number(table[TCA_FERRY_CSTATS_FLOWS], 4);
	class->p50 = (uint32_t)ferry_tc_number(table[TCA_FERRY_CSTATS_P50], 4);
	class->p99 = (uint32_t)ferry_tc_number(table[TCA_FERRY_CSTATS_P99], 4);
	if (sources && RTA_PAYLOAD(sources) >= sizeof(class->sources))
		memcpy(class->sources, RTA_DATA(sources), sizeof(class->sources));
	s->n_classes++;
}

static void read_statistics(struct statistics *s, const struct rtattr *nest)
{
	struct rtattr *table[TCA_FERRY_STATS_MAX + 1];

	memset(s, 0, sizeof(*s));
	ferry_tc_attributes(table, TCA_FERRY_STATS_MAX, nest);
	s->memory = (uint32_t)ferry_tc_number(table[TCA_FERRY_STATS_MEMORY], 4);
	s->memory_limit = (uint32_t)ferry_tc_number(table[TCA_FERRY_STATS_MEMORY_LIMIT], 4);
	s->memory_peak = (uint32_t)ferry_tc_number(table[TCA_FERRY_STATS_MEMORY_PEAK], 4);
	s->flows = (uint32_t)ferry_tc_number(table[TCA_FERRY_STATS_FLOWS], 4);
	s->collisions = ferry_tc_number(table[TCA_FERRY_STATS_COLLISIONS], 8);
	s->splits = ferry_tc_number(table[TCA_FERRY_STATS_SPLITS], 8);
	s->drain = ferry_tc_number(table[TCA_FERRY_STATS_DRAIN64], 8);
	s->mode = (uint8_t)ferry_tc_number(table[TCA_FERRY_STATS_MODE], 1);
	ferry_tc_each_nest(table[TCA_FERRY_STATS_CLASSES], TCA_FERRY_STATS_CLASS,
			   TCA_FERRY_CSTATS_MAX, read_class, s);
}

static void print_json(const struct statistics *s)
{
	json_writer_t *w = get_json_writer();

	jsonw_u64_field(w, "memory_used", s->memory);
	jsonw_u64_field(w, "memory_limit", s->memory_limit);
	jsonw_u64_field(w, "memory_peak", s->memory_peak);
	jsonw_u64_field(w, "flows", s->flows);
	jsonw_u64_field(w, "flow_collisions", s->collisions);
	jsonw_u64_field(w, "gso_splits", s->splits);
	jsonw_u64_field(w, "drain_rate", s->drain);
	jsonw_string_field(w, "mode", mode_name(s->mode));
	jsonw_name(w, "classes");
	jsonw_start_array(w);
	for (unsigned i = 0; i < s->n_classes; i++) {
		const struct class *class = &s->classes[i];

		jsonw_start_object(w);
		jsonw_string_field(w, "class", ferry_tc_class_name(class->id));
		jsonw_u64_field(w, "packets", class->packets);
		jsonw_u64_field(w, "bytes", class->bytes);
		jsonw_u64_field(w, "drops", class->drops);
		jsonw_u64_field(w, "limit_drops", class->limit_drops);
		jsonw_u64_field(w, "marks", class->marks);
		jsonw_u64_field(w, "late", class->late);
		jsonw_u64_field(w, "backlog", class->backlog);
		jsonw_u64_field(w, "qlen", class->qlen);
		jsonw_u64_field(w, "flows", class->flows);
		jsonw_u64_field(w, "sojourn_p50_us", class->p50);
		jsonw_u64_field(w, "sojourn_p99_us", class->p99);
		jsonw_name(w, "sources");
		jsonw_start_object(w);
		for (unsigned k = 0; k < FERRY_SOURCE_COUNT; k++)
			jsonw_u64_field(w, source_names[k], class->sources[k]);
		jsonw_end_object(w);
		jsonw_end_object(w);
	}
	jsonw_end_array(w);
}

/* Which number of a class a row of the table shows. */
static uint64_t member(const struct class *class, unsigned row)
{
	const uint64_t members[] = {class->packets,	class->bytes, class->drops,
				    class->limit_drops, class->marks, class->late,
				    class->backlog,	class->qlen,  class->flows};
	unsigned n = sizeof(members) / sizeof(members[0]);

	return row < n ? members[row] : class->sources[row - n];
}

static void print_text(FILE *file, const struct statistics *s)
{
	static const char *const rows[] = {"packets", "bytes",	 "drops", "- by limit", "marks",
					   "late",    "backlog", "qlen",  "flows"};
	unsigned n_rows = sizeof(rows) / sizeof(rows[0]);
	char text[FERRY_TC_TEXT], more[FERRY_TC_TEXT];

	fprintf(file, " memory %s of %s", ferry_tc_write_size(text, s->memory),
		ferry_tc_write_size(more, s->memory_limit));
	fprintf(file, ", peak %s", ferry_tc_write_size(text, s->memory_peak));
	fprintf(file, ", flows %u, collisions %" PRIu64 ", gso splits %" PRIu64, s->flows,
		s->collisions, s->splits);
	if (s->drain)
		fprintf(file, ", drains at %s", ferry_tc_write_rate(text, s->drain));
	fprintf(file, ", mode %s%s", mode_name(s->mode), _SL_);
	fprintf(file, " %-*s", COLUMN, "");
	for (unsigned i = 0; i < s->n_classes; i++)
		fprintf(file, "%*s", COLUMN, ferry_tc_class_name(s->classes[i].id));
	for (unsigned row = 0; row < n_rows + FERRY_SOURCE_COUNT; row++) {
		if (row < n_rows) {
			fprintf(file, "%s %-*s", _SL_, COLUMN, rows[row]);
		} else {
			snprintf(text, sizeof(text), "by %s", source_names[row - n_rows]);
			fprintf(file, "%s %-*s", _SL_, COLUMN, text);
		}
		for (unsigned i = 0; i < s->n_classes; i++)
			fprintf(file, "%*" PRIu64, COLUMN, member(&s->classes[i], row));
	}
	fprintf(file, "%s %-*s", _SL_, COLUMN, "wait p50");
	for (unsigned i = 0; i < s->n_classes; i++)
		fprintf(file, "%*s", COLUMN, ferry_tc_write_time(text, s->classes[i].p50));
	fprintf(file, "%s %-*s", _SL_, COLUMN, "wait p99");
	for (unsigned i = 0; i < s->n_classes; i++)
		fprintf(file, "%*s", COLUMN, ferry_tc_write_time(text, s->classes[i].p99));
}

int ferry_tc_show_statistics(struct qdisc_util *util, FILE *file, struct rtattr *statistics)
{
	struct statistics s;

	(void)util;
	if (!statistics)
		return 0;
	read_statistics(&s, statistics);
	if (is_json_context())
		print_json(&s);
	else
		print_text(file, &s);
	return 0;
}
