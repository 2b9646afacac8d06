/* SPDX-License-Identifier: MIT */
/*
 * The classifier in the running kernel against the plain reference, on crafted packets of every
 * kind, on each of them cut at every byte and mutated at random, and on noise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/pkt_cls.h>
#include <cmocka.h>

#include "rig.h"

enum { MUTATIONS = 12000, NOISE = 4000, ALL_COUNTED_EVERY = 997 };

static uint64_t dice = 0x5eed;

static uint32_t roll(uint32_t below)
{
	dice = dice * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(dice >> 33) % below;
}

static const char *const v6_addresses[] = {"\x20\x01\x0d\xb8\0\x09\0\0\0\0\0\0\0\0\0\1",
					   "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2",
					   "\x20\x01\x0d\xb8\0\x08\0\0\0\0\0\0\0\0\0\3",
					   /*
	 * Without a link header, the kernel takes bytes 12 and 13 of the packet for the protocol.
	 */
					   "\x20\x01\x0d\xb8\x86\xdd\0\0\0\0\0\0\0\0\0\4"};
static const uint32_t v4_addresses[] = {0x0a090801, 0x0a090101, 0xc0000201,
					0xc6336401, 0x0a000001, 0x08000203};
static const uint16_t ports[] = {11434, 4433, 8000, 443, 53, 51820};
static const char *const server_names[] = {"api.example.com", "a.b.llm.example",  "llm.example",
					   "API.Example.COM", "xapi.example.com", "x"};

static void put_extensions(struct frame *f, unsigned int n, uint8_t last)
{
	static const uint8_t kinds[] = {0, 43, 60, 51, 44};

	for (unsigned int i = 0; i < n; i++) {
		const uint8_t kind = kinds[i % 5];

		frame_8(f, i + 1 < n ? kinds[(i + 1) % 5] : last);
		frame_8(f, kind == 51 ? 4 : kind == 44 ? 0 : i % 2);
		frame_16(f, kind == 44 ? roll(3) << 3 | roll(2) : 0);
		for (unsigned int b = 4; b < (kind == 51   ? 24
					      : kind == 44 ? 8
							   : 8 + i % 2 * 8);
		     b++)
			frame_8(f, 0);
	}
}

static void put_ip(struct frame *f, uint8_t protocol, bool version6)
{
	const unsigned int tos = roll(2) ? roll(256) : 46 << 2;

	if (version6) {
		const unsigned int n = roll(3) ? 0 : roll(9);

		frame_ipv6(f, tos, n ? 0 : protocol, v6_addresses[roll(4)], v6_addresses[roll(4)]);
		put_extensions(f, n, protocol);
	} else {
		frame_ipv4(f, roll(4) ? 5 : 5 + roll(11), tos, protocol, v4_addresses[roll(6)],
			   v4_addresses[roll(6)]);
		if (!roll(6)) {
			f->bytes[f->ip + 6] = (uint8_t)(roll(2) << 5);
			f->bytes[f->ip + 7] = (uint8_t)(roll(2) * 100);
		}
	}
}

static void put_payload(struct frame *f)
{
	if (roll(2))
		frame_hello(f, server_names[roll(6)], roll(40));
	else
		for (uint32_t n = roll(60); n; n--)
			frame_8(f, roll(256));
}

static void craft(struct frame *f, uint8_t link_header)
{
	static const uint16_t tags[] = {0x8100, 0x88a8};
	static const uint8_t protocols[] = {6, 6, 6, 17, 17, 47, 1, 50, 58, 132};
	uint8_t protocol = protocols[roll(10)];
	bool version6 = roll(2);
	uint32_t outer;

	if (link_header) {
		frame_ethernet(f);
		for (uint32_t n = roll(3) ? 0 : roll(4); n; n--)
			frame_vlan(f, tags[roll(2)], roll(65536));
		frame_16(f, roll(20) ? version6 ? 0x86dd : 0x800 : roll(65536));
	} else {
		f->len = 0;
	}
	put_ip(f, protocol, version6);
	outer = f->ip;
	if (protocol == FRAME_GRE) {
		const uint32_t flags = roll(4) ? roll(8) << 13 : roll(65536);

		version6 = roll(2);
		frame_16(f, flags);
		frame_16(f, roll(10) ? version6 ? 0x86dd : 0x800 : 0x6558);
		for (int bit = 13; bit < 16; bit++)
			if (flags >> bit & 1 && bit != 14)
				frame_32(f, 0);
		if (flags & 0x1000)
			frame_32(f, 0);
		protocol = protocols[roll(5)];
		put_ip(f, protocol, version6);
	}
	if (protocol == FRAME_TCP)
		frame_tcp(f, ports[roll(6)], ports[roll(6)], roll(1U << 31));
	else if (protocol == FRAME_UDP)
		frame_udp(f, ports[roll(6)], ports[roll(6)]);
	put_payload(f);
	if (roll(3))
		frame_lengths(f);
	if (roll(3)) {
		f->ip = outer;
		frame_lengths(f);
	}
}

static void explain_difference(const struct frame *f, const struct reference_verdict *want,
			       const struct rig_run *got)
{
	print_message("# reference: source %u class %u rule %u; classifier: %08x, priority %08x\n#",
		      want->source, want->class, want->rule, (unsigned int)got->answer,
		      got->priority);
	for (uint32_t i = 0; i < f->len; i++)
		print_message(" %02x", f->bytes[i]);
	print_message("\n");
}

/* Returns false for what the kernel does not let a program see. */
static bool compare(struct rig *rig, const struct frame *f)
{
	const struct rig_packet packet = {.bytes = f->bytes, .len = f->len, .priority = 6};
	const struct reference_verdict want = reference_classify(
		f->bytes, f->len, rig->settings.link_header, rig_table, rig_table_size);
	struct rig_run got = {0};
	uint32_t priority = 6;

	/* A question is always about a packet with a link header. */
	if (rig->settings.link_header)
		got = rig_explain(rig, &packet);
	if (got.error)
		return false;
	/*
	 * What explain cannot know is what a hello says: it does not read one that it has not
	 * seen.
	 */
	if (rig->settings.link_header && want.source != FERRY_CLASSIFY_SNI &&
	    (uint32_t)got.answer != FERRY_CLASSIFY_ANSWER(want.source, want.class, want.rule)) {
		explain_difference(f, &want, &got);
		fail();
	}
	got = rig_classify(rig, &packet);
	if (got.error)
		return false;
	if (want.source < FERRY_CLASSIFY_UNSET)
		priority = RIG_MAJOR << 16 | (uint32_t)want.class << 12;
	if (got.answer != TC_ACT_UNSPEC || got.priority != priority || got.len != f->len ||
	    memcmp(got.bytes, f->bytes, f->len)) {
		explain_difference(f, &want, &got);
		fail();
	}
	rig_clear(rig->skeleton->maps.hellos);
	rig_clear(rig->skeleton->maps.fragments);
	return true;
}

static void mutate(struct frame *f)
{
	for (uint32_t n = roll(4); n; n--)
		f->bytes[roll(roll(2)	    ? f->len
			      : f->len < 80 ? f->len
					    : 80)] = (uint8_t)(roll(2) ? roll(256) : roll(2) * 255);
	if (!roll(4))
		f->len = 1 + roll(f->len);
}

static void fuzz(struct rig *rig, uint8_t link_header)
{
	unsigned int seen[FERRY_CLASSIFY_SOURCES] = {0}, ran = 0, all = 0;
	const uint64_t before = rig_counted_all(rig);
	struct frame f;

	rig->settings.link_header = link_header;
	rig_set(rig);
	for (int i = 0; i < MUTATIONS + NOISE; i++) {
		craft(&f, link_header);
		if (i >= MUTATIONS)
			for (uint32_t k = 0; k < f.len; k++)
				f.bytes[k] = (uint8_t)roll(256);
		else if (i % 3)
			mutate(&f);
		seen[reference_classify(f.bytes, f.len, link_header, rig_table, rig_table_size)
			     .source]++;
		ran += compare(rig, &f);
		all++;
	}
	/* Every packet is counted once, and every kind of verdict came up. */
	assert_int_equal(rig_counted_all(rig) - before, ran);
	assert_true(ran > all / 2);
	for (int source = FERRY_CLASSIFY_DSCP; source < FERRY_CLASSIFY_SOURCES; source++)
		if (source != FERRY_CLASSIFY_BEHAVIOUR)
			assert_true(seen[source] > 10);
}

static void test_fuzz_ethernet(void **state)
{
	fuzz(rig_or_skip(state), 14);
}

static void test_fuzz_without_link_header(void **state)
{
	fuzz(rig_or_skip(state), 0);
}

static void test_every_cut(void **state)
{
	struct rig *rig = rig_or_skip(state);
	struct frame f;

	rig->settings.link_header = 14;
	rig_set(rig);
	for (int i = 0; i < 40; i++) {
		craft(&f, 14);
		for (; f.len > 14; f.len--)
			compare(rig, &f);
	}
}

static int set_up(void **state)
{
	static struct rig rig;

	*state = &rig;
	return rig_load(&rig, true, false);
}

static int tear_down(void **state)
{
	ferry_classify_bpf__destroy(((struct rig *)*state)->skeleton);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_fuzz_ethernet),
		cmocka_unit_test(test_fuzz_without_link_header),
	};

	return cmocka_run_group_tests_name("bpf/classify_fuzz", tests, set_up, tear_down);
}
