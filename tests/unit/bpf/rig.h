/* SPDX-License-Identifier: MIT */
/* The classifier loaded into the running kernel, with the rules of the tests in its maps. */
#ifndef FERRY_TEST_RIG_H
#define FERRY_TEST_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "classify.skel.h"
#include "frame.h"
#include "reference.h"

enum { RIG_MAJOR = 0x12, RIG_RULES_MAX = 32 };

struct rig {
	struct ferry_classify_bpf *skeleton; /* NULL where the kernel does not let us */
	struct ferry_classify_settings settings;
	char reason[160];
};

/* The rules that rig_rules() puts into the maps. */
extern const struct reference_rule rig_table[];
extern const unsigned int rig_table_size;

/* Numbers of rules in rig_table, as the classifier counts them. */
enum rig_rule {
	RIG_RULE_OLLAMA = 1,
	RIG_RULE_UDP,
	RIG_RULE_FROM_8000,
	RIG_RULE_WIDE,
	RIG_RULE_NARROW,
	RIG_RULE_V6,
	RIG_RULE_TRUST,
	RIG_RULE_TRUST_V6,
	RIG_RULE_OTHER_DEVICE,
	RIG_RULE_NAME,
	RIG_RULE_DOMAIN,
};

/**
 * rig_load - load the program, with or without the rules
 * @clock_of_packet: time is what the packet says
 *
 * Return: 0, also where this user may not load programs: then there is no skeleton but a reason.
 */
int rig_load(struct rig *rig, bool rules, bool clock_of_packet);

/* Writes rig->settings. */
void rig_set(struct rig *rig);

/* What one run came to. */
struct rig_run {
	int error; /* the kernel refuses packets that it finds too short itself */
	int answer;
	uint32_t priority;
	uint32_t len;
	uint8_t bytes[FRAME_MAX];
};

struct rig_packet {
	const uint8_t *bytes;
	uint32_t len;
	uint32_t priority;
	uint64_t time_ns;
	uint64_t cookie; /* for explain only */
};

struct rig_run rig_classify(struct rig *rig, const struct rig_packet *packet);
struct rig_run rig_explain(struct rig *rig, const struct rig_packet *packet);

/* What has been counted at this place, by all CPUs together. */
struct ferry_classify_counter rig_counted(struct rig *rig, uint32_t source, uint32_t class);
uint64_t rig_counted_all(struct rig *rig);

/* Empties a map of keys of at most 64 bytes. */
void rig_clear(const struct bpf_map *map);

/* The rig of *state; skips the test with its reason where it is not loaded. */
struct rig *rig_or_skip(void **state);

#endif
