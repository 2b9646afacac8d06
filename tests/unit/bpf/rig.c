/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

/* clang-format off */
const struct reference_rule rig_table[] = {
	{RULE_PORT, FERRY_CLASS_TOKEN, 0, .protocol = 6, .port = 11434},
	{RULE_PORT, FERRY_CLASS_DECODE, FERRY_CLASSIFY_TO, .protocol = 17, .port = 4433},
	{RULE_PORT, FERRY_CLASS_PREFILL, FERRY_CLASSIFY_FROM, .protocol = 6, .port = 8000},
	{RULE_PREFIX, FERRY_CLASS_MODEL, 0, .address = "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x09", .bits = 112},
	{RULE_PREFIX, FERRY_CLASS_KV, FERRY_CLASSIFY_TO,
	 .address = "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x09\x08", .bits = 120},
	{RULE_PREFIX, FERRY_CLASS_SYNC, FERRY_CLASSIFY_FROM, .address = "\x20\x01\x0d\xb8\0\x09", .bits = 48},
	{RULE_TRUST, 0, .address = "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a", .bits = 104},
	{RULE_TRUST, 0, .address = "\xfd", .bits = 8},
	{RULE_TRUST, 0, .device = 77, .address = "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2", .bits = 120},
	{RULE_NAME, FERRY_CLASS_TOKEN, .name = "api.example.com"},
	{RULE_NAME, FERRY_CLASS_DECODE, .name = "*.llm.example"},
};
/* clang-format on */
const unsigned int rig_table_size = sizeof(rig_table) / sizeof(rig_table[0]);

static void put(const struct bpf_map *map, const void *key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0);
}

static void put_port(struct rig *rig, const struct reference_rule *r,
		     const struct ferry_classify_rule *value)
{
	const uint32_t key = FERRY_CLASSIFY_PORT_KEY(r->protocol, r->port);
	const uint32_t word = (r->protocol == 17 ? 1024 : 0) + r->port / 64U;
	const int bits_fd = bpf_map__fd(rig->skeleton->maps.port_bits);
	uint64_t bits = 0;

	put(rig->skeleton->maps.ports, &key, value);
	assert_int_equal(bpf_map_lookup_elem(bits_fd, &word, &bits), 0);
	bits |= 1ULL << r->port % 64;
	assert_int_equal(bpf_map_update_elem(bits_fd, &word, &bits, BPF_ANY), 0);
}

static void put_name(struct rig *rig, const struct reference_rule *r,
		     const struct ferry_classify_rule *value)
{
	struct ferry_classify_name key = {0};
	const bool domain = r->name[0] == '*';
	const char *name = r->name + domain;
	const size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		key.reversed[i] = (uint8_t)name[n - 1 - i];
	key.bits = (uint32_t)(n + !domain) * 8;
	put(rig->skeleton->maps.names, &key, value);
}

static void put_rules(struct rig *rig)
{
	for (unsigned int i = 0; i < rig_table_size; i++) {
		const struct reference_rule *r = &rig_table[i];
		const struct ferry_classify_rule value = {.id = (uint16_t)(i + 1),
							  .class = r->class,
							  .ends = r->ends,
							  .device = r->device};
		struct ferry_classify_prefix key = {.bits = r->bits};

		memcpy(key.address, r->address, sizeof(key.address));
		if (r->kind == RULE_PORT)
			put_port(rig, r, &value);
		else if (r->kind == RULE_NAME)
			put_name(rig, r, &value);
		else
			put(r->kind == RULE_TRUST ? rig->skeleton->maps.trusted
						  : rig->skeleton->maps.prefixes,
			    &key, &value);
	}
	rig->settings.flags |= FERRY_CLASSIFY_HAS_TRUST | FERRY_CLASSIFY_HAS_PREFIXES |
			       FERRY_CLASSIFY_HAS_NAMES;
}

void rig_set(struct rig *rig)
{
	const uint32_t zero = 0;

	put(rig->skeleton->maps.settings, &zero, &rig->settings);
}

int rig_load(struct rig *rig, bool rules, bool clock_of_packet)
{
	const bool probe = libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_SCHED_CLS, NULL) == 1;
	struct ferry_classify_bpf *skeleton;
	int err;

	memset(rig, 0, sizeof(*rig));
	/* Where the kernel takes no tc program at all from us, the reason is not in ours. */
	if (!probe)
		libbpf_set_print(NULL);
	skeleton = ferry_classify_bpf__open();
	if (!skeleton)
		return -errno;
	skeleton->rodata->ferry_clock_of_packet = clock_of_packet;
	err = ferry_classify_bpf__load(skeleton);
	if (err) {
		ferry_classify_bpf__destroy(skeleton);
		snprintf(rig->reason, sizeof(rig->reason),
			 "this kernel does not let this user load BPF programs (%s); run as root",
			 strerror(-err));
		return probe ? err : 0;
	}
	rig->skeleton = skeleton;
	rig->settings.major = RIG_MAJOR;
	rig->settings.link_header = 14;
	memset(rig->settings.kinds, FERRY_CLASSIFY_NO_CLASS, sizeof(rig->settings.kinds));
	if (rules)
		put_rules(rig);
	rig_set(rig);
	return 0;
}

static struct rig_run run(const struct bpf_program *program, const struct rig_packet *packet)
{
	struct __sk_buff before = {
		.priority = packet->priority,
		.tstamp = packet->time_ns,
		.cb = {(uint32_t)packet->cookie, (uint32_t)(packet->cookie >> 32)}};
	struct __sk_buff after = {0};
	struct rig_run result = {0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->bytes, .data_size_in = packet->len,
		    .data_out = result.bytes, .data_size_out = sizeof(result.bytes),
		    .ctx_in = &before, .ctx_size_in = sizeof(before), .ctx_out = &after,
		    .ctx_size_out = sizeof(after));

	result.error = bpf_prog_test_run_opts(bpf_program__fd(program), &opts);
	result.answer = (int)opts.retval;
	result.priority = after.priority;
	result.len = opts.data_size_out;
	return result;
}

struct rig_run rig_classify(struct rig *rig, const struct rig_packet *packet)
{
	return run(rig->skeleton->progs.ferry_classify, packet);
}

struct rig_run rig_explain(struct rig *rig, const struct rig_packet *packet)
{
	return run(rig->skeleton->progs.ferry_explain, packet);
}

struct ferry_classify_counter rig_counted(struct rig *rig, uint32_t source, uint32_t class)
{
	const uint32_t slot = source * FERRY_CLASS_COUNT + class;
	struct ferry_classify_counter sum = {0}, *each;
	const int n = libbpf_num_possible_cpus();

	assert_true(n > 0);
	each = calloc((size_t)n, sizeof(*each));
	assert_non_null(each);
	assert_int_equal(
		bpf_map_lookup_elem(bpf_map__fd(rig->skeleton->maps.counters), &slot, each), 0);
	for (int i = 0; i < n; i++) {
		sum.packets += each[i].packets;
		sum.bytes += each[i].bytes;
	}
	free(each);
	return sum;
}

uint64_t rig_counted_all(struct rig *rig)
{
	uint64_t sum = 0;

	for (uint32_t source = 0; source < FERRY_CLASSIFY_SOURCES; source++)
		for (uint32_t class = 0; class < FERRY_CLASS_COUNT; class ++)
			sum += rig_counted(rig, source, class).packets;
	return sum;
}

void rig_clear(const struct bpf_map *map)
{
	uint8_t key[64];

	while (!bpf_map_get_next_key(bpf_map__fd(map), NULL, key))
		bpf_map_delete_elem(bpf_map__fd(map), key);
}

struct rig *rig_or_skip(void **state)
{
	struct rig *rig = *state;

	if (!rig->skeleton) {
		print_message("SKIP: %s\n", rig->reason);
		skip();
	}
	return rig;
}
