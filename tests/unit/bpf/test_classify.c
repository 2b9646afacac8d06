/* SPDX-License-Identifier: MIT */
/*
 * bpf/classify.bpf.c in the running kernel, by BPF_PROG_TEST_RUN: no interface, no packet that
 * goes anywhere. The expected classes are written out here, not taken from the header's table.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../../../bpf/classify.h"
#include "classify.skel.h"

enum { MAJOR = 0x12, PACKET_MAX = 128, FOREIGN_PRIORITY = 6, ECN_CODEPOINTS = 4 };

struct packet {
	unsigned char bytes[PACKET_MAX];
	uint32_t len;
};

struct fixture {
	struct ferry_classify_bpf *skeleton; /* NULL where the kernel does not let us */
	struct ferry_classify_bpf *unset;    /* the same program without a qdisc to write for */
	char reason[160];
};

/* Class of each DSCP that has one, in the words of the standards. */
static int class_of(unsigned int dscp)
{
	switch (dscp) {
	case 16: /* CS2 */
		return FERRY_CLASS_CTRL;
	case 46: /* EF */
		return FERRY_CLASS_TOKEN;
	case 34: /* AF41 */
		return FERRY_CLASS_DECODE;
	case 36: /* AF42 */
		return FERRY_CLASS_PREFILL;
	case 26: /* AF31 */
		return FERRY_CLASS_KV;
	case 10: /* AF11 */
		return FERRY_CLASS_MODEL;
	case 1: /* LE */
		return FERRY_CLASS_SYNC;
	default:
		return -1;
	}
}

static void put(struct packet *p, const void *bytes, size_t n)
{
	assert_true(p->len + n <= sizeof(p->bytes));
	memcpy(p->bytes + p->len, bytes, n);
	p->len += (uint32_t)n;
}

static void put16(struct packet *p, uint16_t value)
{
	const uint16_t wire = htons(value);

	put(p, &wire, sizeof(wire));
}

static void put_addresses(struct packet *p)
{
	static const unsigned char addresses[2 * ETH_ALEN] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};

	p->len = 0;
	put(p, addresses, sizeof(addresses));
}

/* `words`: header length of IPv4 in 32-bit words, 5 without options. */
static void put_ipv4(struct packet *p, unsigned int tos, unsigned int words)
{
	unsigned char header[60] = {0x40, 0, 0, 0, 0, 0, 0, 0, 64, 17};

	header[0] |= (unsigned char)words;
	header[1] = (unsigned char)tos;
	put16(p, ETH_P_IP);
	put(p, header, 4 * words);
}

static void put_ipv6(struct packet *p, unsigned int traffic_class)
{
	unsigned char header[40] = {0x60, 0x0f, 0xff, 0xff, 0, 0, 17, 64};

	header[0] |= (unsigned char)(traffic_class >> 4);
	header[1] |= (unsigned char)((traffic_class & 0xf) << 4);
	put16(p, ETH_P_IPV6);
	put(p, header, sizeof(header));
}

static void put_payload(struct packet *p)
{
	static const unsigned char payload[16] = "sixteen octets!";

	put(p, payload, sizeof(payload));
}

/* Version 4 or 6 behind `tags` VLAN tags, the outer of two being of the provider's kind. */
static struct packet ip_packet(int version, unsigned int tos, int tags)
{
	struct packet p;

	put_addresses(&p);
	for (int i = 0; i < tags; i++) {
		put16(&p, tags > 1 && i == 0 ? ETH_P_8021AD : ETH_P_8021Q);
		put16(&p, (uint16_t)(0xe000 | (100 + i)));
	}
	if (version == 4)
		put_ipv4(&p, tos, 5);
	else
		put_ipv6(&p, tos);
	put_payload(&p);
	return p;
}

/* Runs the program once and returns the priority that the packet has afterwards. */
static uint32_t run(struct ferry_classify_bpf *skeleton, const struct packet *p, uint32_t priority)
{
	struct __sk_buff before = {.priority = priority}, after;
	unsigned char out[PACKET_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p->bytes, .data_size_in = p->len,
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &before,
		    .ctx_size_in = sizeof(before), .ctx_out = &after,
		    .ctx_size_out = sizeof(after));

	assert_int_equal(
		bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.ferry_classify), &opts), 0);
	assert_int_equal((int)opts.retval, TC_ACT_UNSPEC);
	assert_int_equal(opts.data_size_out, p->len);
	assert_memory_equal(out, p->bytes, p->len);
	assert_int_equal(after.mark, 0);
	assert_int_equal(after.tc_index, 0);
	return after.priority;
}

/* Sum over the CPUs of what `slot` has counted. */
static struct ferry_classify_counter counted(struct ferry_classify_bpf *skeleton, uint32_t slot)
{
	struct ferry_classify_counter sum = {0};
	const int n = libbpf_num_possible_cpus();
	struct ferry_classify_counter *each;

	assert_true(n > 0);
	each = calloc((size_t)n, sizeof(*each));
	assert_non_null(each);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.counters), &slot, each), 0);
	for (int i = 0; i < n; i++) {
		sum.packets += each[i].packets;
		sum.bytes += each[i].bytes;
	}
	free(each);
	return sum;
}

/* Runs the program and checks that exactly `slot` counted the packet. */
static uint32_t run_counted(struct ferry_classify_bpf *skeleton, const struct packet *p,
			    uint32_t priority, uint32_t slot)
{
	struct ferry_classify_counter before[FERRY_CLASSIFY_SLOTS];
	uint32_t after_priority;

	for (uint32_t i = 0; i < FERRY_CLASSIFY_SLOTS; i++)
		before[i] = counted(skeleton, i);
	after_priority = run(skeleton, p, priority);
	for (uint32_t i = 0; i < FERRY_CLASSIFY_SLOTS; i++) {
		const struct ferry_classify_counter after = counted(skeleton, i);

		assert_int_equal(after.packets - before[i].packets, i == slot);
		assert_int_equal(after.bytes - before[i].bytes, i == slot ? p->len : 0);
	}
	return after_priority;
}

static struct fixture *fixture_or_skip(void **state)
{
	struct fixture *f = *state;

	if (!f->skeleton) {
		print_message("SKIP: %s\n", f->reason);
		skip();
	}
	return f;
}

static void test_every_dscp_of_both_versions(void **state)
{
	struct fixture *f = fixture_or_skip(state);

	for (int version = 4; version <= 6; version += 2) {
		for (unsigned int tos = 0; tos < 64 * ECN_CODEPOINTS; tos++) {
			const struct packet p = ip_packet(version, tos, 0);
			const int class = class_of(tos / ECN_CODEPOINTS);
			const uint32_t priority = run(f->skeleton, &p, FOREIGN_PRIORITY);

			if (class < 0)
				assert_int_equal(priority, FOREIGN_PRIORITY);
			else
				assert_int_equal(priority, (MAJOR << 16) | (class << 12));
		}
	}
}

static void test_each_class_is_counted(void **state)
{
	struct fixture *f = fixture_or_skip(state);

	for (unsigned int dscp = 0; dscp < 64; dscp++) {
		const struct packet p = ip_packet(dscp % 2 ? 4 : 6, dscp * ECN_CODEPOINTS, 0);
		const int class = class_of(dscp);

		run_counted(f->skeleton, &p, 0,
			    class < 0 ? FERRY_CLASSIFY_UNMARKED : (uint32_t) class);
	}
}

static void test_vlan_tags(void **state)
{
	struct fixture *f = fixture_or_skip(state);

	for (int version = 4; version <= 6; version += 2) {
		for (int tags = 0; tags <= 4; tags++) {
			const struct packet p = ip_packet(version, 36 * ECN_CODEPOINTS, tags);
			const bool seen = tags <= 2;

			assert_int_equal(
				run_counted(f->skeleton, &p, FOREIGN_PRIORITY,
					    seen ? FERRY_CLASS_PREFILL : FERRY_CLASSIFY_NOT_IP),
				seen ? (MAJOR << 16) | (FERRY_CLASS_PREFILL << 12)
				     : FOREIGN_PRIORITY);
		}
	}
}

/* Newer kernels run no program on a packet that ends within the IP header they find themselves. */
static bool kernel_refuses(struct fixture *f, const struct packet *p)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p->bytes, .data_size_in = p->len);

	return bpf_prog_test_run_opts(bpf_program__fd(f->skeleton->progs.ferry_classify), &opts) ==
	       -EINVAL;
}

/*
 * Cut at every byte before the end of the IP header, each packet is left alone. What a kernel
 * refuses to run without a VLAN tag, it runs behind one.
 */
static void test_truncated(void **state)
{
	struct fixture *f = fixture_or_skip(state);

	for (int version = 4; version <= 6; version += 2) {
		for (int tags = 0; tags <= 2; tags++) {
			struct packet p = ip_packet(version, 46 * ECN_CODEPOINTS, tags);
			const uint32_t whole =
				(uint32_t)(ETH_HLEN + 4 * tags + (version == 4 ? 20 : 40));

			p.len = whole;
			assert_int_equal(run_counted(f->skeleton, &p, 0, FERRY_CLASS_TOKEN),
					 (MAJOR << 16) | (FERRY_CLASS_TOKEN << 12));
			for (p.len = whole - 1; p.len > ETH_HLEN; p.len--) {
				if (tags == 0 && kernel_refuses(f, &p))
					continue;
				assert_int_equal(run_counted(f->skeleton, &p, FOREIGN_PRIORITY,
							     FERRY_CLASSIFY_MALFORMED),
						 FOREIGN_PRIORITY);
			}
		}
	}
}

static void test_headers_that_contradict_themselves(void **state)
{
	struct fixture *f = fixture_or_skip(state);
	struct packet p;

	/* The version within disagrees with the type on the frame. */
	p = ip_packet(4, 46 * ECN_CODEPOINTS, 0);
	p.bytes[ETH_HLEN] = 0x65;
	run_counted(f->skeleton, &p, 0, FERRY_CLASSIFY_MALFORMED);
	p = ip_packet(6, 46 * ECN_CODEPOINTS, 0);
	p.bytes[ETH_HLEN] = 0x4b;
	run_counted(f->skeleton, &p, 0, FERRY_CLASSIFY_MALFORMED);

	/* IPv4 headers: shorter than the minimum, with options, with options that are not there. */
	for (unsigned int words = 0; words < 5; words++) {
		p = ip_packet(4, 46 * ECN_CODEPOINTS, 0);
		p.bytes[ETH_HLEN] = (unsigned char)(0x40 | words);
		run_counted(f->skeleton, &p, 0, FERRY_CLASSIFY_MALFORMED);
	}
	put_addresses(&p);
	put_ipv4(&p, 46 * ECN_CODEPOINTS, 15);
	run_counted(f->skeleton, &p, 0, FERRY_CLASS_TOKEN);
	p.len--;
	run_counted(f->skeleton, &p, 0, FERRY_CLASSIFY_MALFORMED);
}

static void test_what_is_not_ip(void **state)
{
	static const uint16_t ethertypes[] = {ETH_P_ARP,
					      ETH_P_PAE,
					      ETH_P_MPLS_UC,
					      ETH_P_PPP_SES,
					      46 /* length of an 802.3 frame */,
					      0,
					      0xffff};
	struct fixture *f = fixture_or_skip(state);

	for (size_t i = 0; i < sizeof(ethertypes) / sizeof(ethertypes[0]); i++) {
		for (int tags = 0; tags <= 1; tags++) {
			struct packet p;

			put_addresses(&p);
			if (tags) {
				put16(&p, ETH_P_8021Q);
				put16(&p, 7);
			}
			put16(&p, ethertypes[i]);
			/* Reads like an IPv4 header with EF, were it taken for one. */
			put(&p, "\x45\xb8\0\0\0\0\0\0\x40\x11\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24);
			assert_int_equal(run_counted(f->skeleton, &p, FOREIGN_PRIORITY,
						     FERRY_CLASSIFY_NOT_IP),
					 FOREIGN_PRIORITY);
		}
	}
}

static void test_a_verdict_that_is_there_stays(void **state)
{
	struct fixture *f = fixture_or_skip(state);
	const struct packet p = ip_packet(4, 46 * ECN_CODEPOINTS, 0);
	const uint32_t token = (MAJOR << 16) | (FERRY_CLASS_TOKEN << 12);

	for (uint32_t class = 0; class < 16; class ++) {
		const uint32_t verdict = (MAJOR << 16) | (class << 12) | 37;

		if (class < FERRY_CLASS_COUNT)
			assert_int_equal(run_counted(f->skeleton, &p, verdict, FERRY_CLASSIFY_KEPT),
					 verdict);
		else
			assert_int_equal(run_counted(f->skeleton, &p, verdict, FERRY_CLASS_TOKEN),
					 token);
	}
	/* The verdict for another qdisc says nothing here. */
	assert_int_equal(
		run_counted(f->skeleton, &p, ((MAJOR + 1) << 16) | (4 << 12), FERRY_CLASS_TOKEN),
		token);
}

static void test_without_a_qdisc_nothing_happens(void **state)
{
	struct fixture *f = fixture_or_skip(state);

	for (unsigned int dscp = 0; dscp < 64; dscp++) {
		const struct packet p = ip_packet(4, dscp * ECN_CODEPOINTS, 0);

		assert_int_equal(run_counted(f->unset, &p, FOREIGN_PRIORITY, FERRY_CLASSIFY_SLOTS),
				 FOREIGN_PRIORITY);
	}
}

/* Loads the program for the qdisc `major`: 0 with *loaded set, or a negative errno. */
static int load(uint16_t major, struct ferry_classify_bpf **loaded)
{
	struct ferry_classify_bpf *skeleton = ferry_classify_bpf__open();
	int err;

	if (!skeleton)
		return -errno;
	skeleton->rodata->ferry_qdisc_major = major;
	err = ferry_classify_bpf__load(skeleton);
	if (err) {
		ferry_classify_bpf__destroy(skeleton);
		return err;
	}
	*loaded = skeleton;
	return 0;
}

static int set_up(void **state)
{
	static struct fixture fixture;
	const bool probe = libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_SCHED_CLS, NULL) == 1;
	int err;

	*state = &fixture;
	/* Where the kernel takes no tc program at all from us, the reason is not in ours. */
	if (!probe)
		libbpf_set_print(NULL);
	err = load(MAJOR, &fixture.skeleton);
	if (err && !probe) {
		snprintf(fixture.reason, sizeof(fixture.reason),
			 "this kernel does not let this user load BPF programs (%s); run as root",
			 strerror(-err));
		return 0;
	}
	return err ? err : load(0, &fixture.unset);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	ferry_classify_bpf__destroy(f->skeleton);
	ferry_classify_bpf__destroy(f->unset);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_dscp_of_both_versions),
		cmocka_unit_test(test_each_class_is_counted),
		cmocka_unit_test(test_vlan_tags),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_headers_that_contradict_themselves),
		cmocka_unit_test(test_what_is_not_ip),
		cmocka_unit_test(test_a_verdict_that_is_there_stays),
		cmocka_unit_test(test_without_a_qdisc_nothing_happens),
	};

	return cmocka_run_group_tests_name("bpf/classify", tests, set_up, tear_down);
}
