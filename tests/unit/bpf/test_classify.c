/* SPDX-License-Identifier: MIT */
/*
 * bpf/classify.bpf.c in the running kernel, by BPF_PROG_TEST_RUN: no interface, no packet that goes
 * anywhere. The expected classes are written out here, not taken from the header's table.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <linux/pkt_cls.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <cmocka.h>

#include <bpf/bpf.h>

#include "rig.h"

enum { FOREIGN = 6, COOKIES_AROUND = 2000 };

static const uint32_t near = 0x0a000001, far = 0xc6336401; /* the first is trusted */

static uint32_t verdict(uint32_t class, uint32_t bucket)
{
	return RIG_MAJOR << 16 | class << 12 | bucket;
}

static void ipv4(struct frame *f, unsigned int dscp, unsigned int protocol, uint32_t from,
		 uint32_t to)
{
	frame_ethernet(f);
	frame_16(f, 0x800);
	frame_ipv4(f, 5, dscp << 2 | 1, protocol, from, to);
}

static void tcp(struct frame *f, uint16_t from, uint16_t to, unsigned int payload)
{
	static const uint8_t zeros[1400];

	ipv4(f, 0, FRAME_TCP, far, far + 1);
	frame_tcp(f, from, to, 1000);
	frame_put(f, zeros, payload);
	frame_lengths(f);
}

/* Runs the classifier on @f and checks that exactly [source][class] counted it. */
static void expect(struct rig *rig, const struct frame *f, uint32_t before, uint32_t source,
		   uint32_t class, uint32_t after)
{
	const struct rig_packet packet = {.bytes = f->bytes, .len = f->len, .priority = before};
	const struct ferry_classify_counter counted = rig_counted(rig, source, class);
	const uint64_t all = rig_counted_all(rig);
	const struct rig_run run = rig_classify(rig, &packet);

	assert_int_equal(run.error, 0);
	assert_int_equal(run.answer, TC_ACT_UNSPEC);
	assert_int_equal(run.priority, after);
	assert_int_equal(run.len, f->len);
	assert_memory_equal(run.bytes, f->bytes, f->len);
	assert_int_equal(rig_counted_all(rig) - all, 1);
	assert_int_equal(rig_counted(rig, source, class).packets - counted.packets, 1);
	assert_int_equal(rig_counted(rig, source, class).bytes - counted.bytes, f->len);
}

static void expect_class(struct rig *rig, const struct frame *f, uint32_t source, uint32_t class)
{
	expect(rig, f, FOREIGN, source, class, verdict(class, 0));
}

static void expect_nobody(struct rig *rig, const struct frame *f)
{
	expect(rig, f, FOREIGN, FERRY_CLASSIFY_UNSET, FERRY_CLASS_DEFAULT, FOREIGN);
}

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

static void test_dscp_counts_from_trusted_peers_only(void **state)
{
	struct rig *rig = rig_or_skip(state);
	struct frame f;

	for (unsigned int dscp = 0; dscp < 64; dscp++) {
		ipv4(&f, dscp, FRAME_UDP, near, far);
		frame_udp(&f, 1000, 2000);
		if (class_of(dscp) < 0)
			expect_nobody(rig, &f);
		else
			expect_class(rig, &f, FERRY_CLASSIFY_DSCP, (uint32_t)class_of(dscp));
		ipv4(&f, dscp, FRAME_UDP, far, near);
		frame_udp(&f, 1000, 2000);
		expect_nobody(rig, &f);
		/* Trusted by another way in only. */
		ipv4(&f, dscp, FRAME_UDP, 0xc0000201, far);
		frame_udp(&f, 1000, 2000);
		expect_nobody(rig, &f);
	}
}

static void test_r50_vlan_tags(void **state)
{
	struct rig *rig = rig_or_skip(state);

	for (int version = 4; version <= 6; version += 2) {
		for (int tags = 0; tags <= 4; tags++) {
			struct frame f;

			frame_ethernet(&f);
			for (int i = 0; i < tags; i++)
				frame_vlan(&f, tags > 1 && !i ? 0x88a8 : 0x8100, 0xe064);
			frame_16(&f, version == 4 ? 0x800 : 0x86dd);
			if (version == 4)
				frame_ipv4(&f, 5, 0, FRAME_TCP, far, far);
			else
				frame_ipv6(&f, 0, FRAME_TCP,
					   "\x20\x01"
					   "4567890123456",
					   "\x20\x02"
					   "4567890123456");
			frame_tcp(&f, 11434, 40000, 1);
			if (tags <= 2)
				expect_class(rig, &f, FERRY_CLASSIFY_PORT, FERRY_CLASS_TOKEN);
			else
				expect(rig, &f, FOREIGN, FERRY_CLASSIFY_NOT_IP, FERRY_CLASS_DEFAULT,
				       FOREIGN);
		}
	}
}

static void test_r50_gre_is_opened_once(void **state)
{
	struct rig *rig = rig_or_skip(state);

	for (int levels = 1; levels <= 2; levels++) {
		struct frame f;

		ipv4(&f, 0, FRAME_GRE, far, far);
		for (int i = 0; i < levels; i++) {
			frame_32(&f, 0x20000800); /* with a key */
			frame_32(&f, 99);
			frame_ipv4(&f, 5, 0, i + 1 < levels ? FRAME_GRE : FRAME_TCP, far, far);
		}
		frame_tcp(&f, 40000, 11434, 1);
		if (levels == 1)
			expect_class(rig, &f, FERRY_CLASSIFY_PORT, FERRY_CLASS_TOKEN);
		else
			expect_nobody(rig, &f);
	}
}

static void test_ports_have_ends(void **state)
{
	struct rig *rig = rig_or_skip(state);
	struct frame f;

	tcp(&f, 11434, 5, 0);
	expect_class(rig, &f, FERRY_CLASSIFY_PORT, FERRY_CLASS_TOKEN);
	tcp(&f, 5, 11434, 0);
	expect_class(rig, &f, FERRY_CLASSIFY_PORT, FERRY_CLASS_TOKEN);
	tcp(&f, 8000, 5, 0);
	expect_class(rig, &f, FERRY_CLASSIFY_PORT, FERRY_CLASS_PREFILL);
	tcp(&f, 5, 8000, 0);
	expect_nobody(rig, &f);
	tcp(&f, 5, 4433, 0); /* a rule for UDP */
	expect_nobody(rig, &f);
}

static void test_the_order_of_the_rules(void **state)
{
	struct rig *rig = rig_or_skip(state);
	struct frame f;

	/* Trusted, with a known port, within a prefix: the DSCP goes first. */
	ipv4(&f, 26, FRAME_TCP, 0x0a090101, 0x0a090101);
	frame_tcp(&f, 11434, 5, 1);
	expect_class(rig, &f, FERRY_CLASSIFY_DSCP, FERRY_CLASS_KV);
	/* Without DSCP the port, then the longest prefix. */
	ipv4(&f, 0, FRAME_TCP, 0x0a090101, 0x0a090801);
	frame_tcp(&f, 11434, 5, 1);
	expect_class(rig, &f, FERRY_CLASSIFY_PORT, FERRY_CLASS_TOKEN);
	ipv4(&f, 0, FRAME_TCP, 0x0a090101, 0x0a090801);
	frame_tcp(&f, 6, 5, 1);
	expect_class(rig, &f, FERRY_CLASSIFY_PREFIX, FERRY_CLASS_KV);
	/* A prefix goes before the name in a hello. */
	frame_hello(&f, "api.example.com", 0);
	frame_lengths(&f);
	expect_class(rig, &f, FERRY_CLASSIFY_PREFIX, FERRY_CLASS_KV);
	/* A verdict that is there goes before all. */
	expect(rig, &f, verdict(FERRY_CLASS_SYNC, 37), FERRY_CLASSIFY_KEPT, FERRY_CLASS_SYNC,
	       verdict(FERRY_CLASS_SYNC, 37));
	/* Unless its class does not exist, or it is for another qdisc. */
	expect(rig, &f, verdict(9, 0), FERRY_CLASSIFY_PREFIX, FERRY_CLASS_KV,
	       verdict(FERRY_CLASS_KV, 0));
	expect(rig, &f, verdict(FERRY_CLASS_SYNC, 0) + 0x10000, FERRY_CLASSIFY_PREFIX,
	       FERRY_CLASS_KV, verdict(FERRY_CLASS_KV, 0));
}

static void hello_frame(struct frame *f, uint16_t port, const char *name, unsigned int before)
{
	ipv4(f, 0, FRAME_TCP, far, far + 1);
	frame_tcp(f, port, 443, 1000);
	frame_hello(f, name, before);
	frame_lengths(f);
}

static void test_names_of_servers(void **state)
{
	static const struct {
		const char *name;
		int class;
	} cases[] = {{"api.example.com", FERRY_CLASS_TOKEN},
		     {"API.example.COM", FERRY_CLASS_TOKEN},
		     {"xapi.example.com", -1},
		     {"api.example.com.evil", -1},
		     {"example.com", -1},
		     {"a.llm.example", FERRY_CLASS_DECODE},
		     {"a.b.llm.example", FERRY_CLASS_DECODE},
		     {"llm.example", -1},
		     {"api.example.com\x01", -1}};
	struct rig *rig = rig_or_skip(state);
	struct frame f;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		hello_frame(&f, (uint16_t)(20000 + i), cases[i].name, 10);
		if (cases[i].class < 0) {
			expect_nobody(rig, &f);
			continue;
		}
		expect_class(rig, &f, FERRY_CLASSIFY_SNI, (uint32_t)cases[i].class);
		/* What follows needs no hello, and neither do the answers. */
		tcp(&f, (uint16_t)(20000 + i), 443, 100);
		expect_class(rig, &f, FERRY_CLASSIFY_SNI, (uint32_t)cases[i].class);
		ipv4(&f, 0, FRAME_TCP, far + 1, far);
		frame_tcp(&f, 443, (uint16_t)(20000 + i), 1);
		expect_class(rig, &f, FERRY_CLASSIFY_SNI, (uint32_t)cases[i].class);
	}
}

/* A new connection with old addresses and ports has nothing of what the old one asked for. */
static void test_a_reused_flow_has_no_name(void **state)
{
	const uint32_t flags = 14 + 20 + 13;
	struct rig *rig = rig_or_skip(state);
	struct frame f;

	hello_frame(&f, 22000, "api.example.com", 10);
	expect_class(rig, &f, FERRY_CLASSIFY_SNI, FERRY_CLASS_TOKEN);
	tcp(&f, 22000, 443, 0);
	f.bytes[flags] = 2; /* SYN */
	expect_nobody(rig, &f);
	tcp(&f, 22000, 443, 100);
	expect_nobody(rig, &f);
	/* Where only the answers pass, they say it. */
	hello_frame(&f, 22000, "api.example.com", 10);
	expect_class(rig, &f, FERRY_CLASSIFY_SNI, FERRY_CLASS_TOKEN);
	ipv4(&f, 0, FRAME_TCP, far + 1, far);
	frame_tcp(&f, 443, 22000, 1);
	f.bytes[flags] = 0x12; /* SYN, ACK */
	expect_nobody(rig, &f);
	tcp(&f, 22000, 443, 100);
	expect_nobody(rig, &f);
}

/* What a name once meant does not hold when the rules say something else, or nothing. */
static void test_names_follow_the_rules(void **state)
{
	struct rig *rig = rig_or_skip(state);
	struct ferry_classify_rule rule = {.id = RIG_RULE_NAME, .class = FERRY_CLASS_KV};
	const char name[] = "moc.elpmaxe.ipa";
	struct ferry_classify_name key = {.bits = sizeof(name) * 8};
	const int names = bpf_map__fd(rig->skeleton->maps.names);
	struct ferry_classify_rule was;
	struct frame f;

	memcpy(key.reversed, name, sizeof(name));
	assert_int_equal(bpf_map_lookup_elem(names, &key, &was), 0);
	hello_frame(&f, 22001, "api.example.com", 10);
	expect_class(rig, &f, FERRY_CLASSIFY_SNI, FERRY_CLASS_TOKEN);
	tcp(&f, 22001, 443, 100);
	assert_int_equal(bpf_map_update_elem(names, &key, &rule, BPF_ANY), 0);
	rig->settings.epoch++;
	rig_set(rig);
	expect_class(rig, &f, FERRY_CLASSIFY_SNI, FERRY_CLASS_KV);
	assert_int_equal(bpf_map_delete_elem(names, &key), 0);
	rig->settings.epoch++;
	rig_set(rig);
	expect_nobody(rig, &f);
	/* The connection has still asked for that server. */
	assert_int_equal(bpf_map_update_elem(names, &key, &was, BPF_ANY), 0);
	rig->settings.epoch++;
	rig_set(rig);
	expect_class(rig, &f, FERRY_CLASSIFY_SNI, FERRY_CLASS_TOKEN);
}

/*
 * Cuts the hello in two at every byte: where it can be read on it is, else the flow stays
 * undecided.
 */
static void test_split_hello(void **state)
{
	struct rig *rig = rig_or_skip(state);
	const uint32_t headers = 14 + 20 + 20;
	struct frame whole, first, second;
	unsigned int read_on = 0;

	hello_frame(&whole, 21000, "api.example.com", 700);
	for (uint32_t cut = headers + 1; cut < whole.len; cut++) {
		const uint32_t sequence = htonl(1000 + cut - headers);
		struct rig_packet packet;
		struct rig_run run;

		first = second = whole;
		first.len = cut;
		frame_lengths(&first);
		second.len = headers;
		memcpy(second.bytes + 14 + 20 + 4, &sequence, sizeof(sequence));
		frame_put(&second, whole.bytes + cut, whole.len - cut);
		frame_lengths(&second);
		rig_clear(rig->skeleton->maps.hellos);
		packet = (struct rig_packet){.bytes = first.bytes, .len = first.len};
		run = rig_classify(rig, &packet);
		if (run.priority)
			continue; /* the name was in the first part */
		packet = (struct rig_packet){.bytes = second.bytes, .len = second.len};
		run = rig_classify(rig, &packet);
		assert_true(run.priority == 0 || run.priority == verdict(FERRY_CLASS_TOKEN, 0));
		read_on += run.priority != 0;
	}
	assert_true(read_on >= 690); /* each cut within the extension before the name */
	rig_clear(rig->skeleton->maps.hellos);
}

static void test_later_fragments_follow_the_first(void **state)
{
	struct rig *rig = rig_or_skip(state);
	struct frame first, later;

	ipv4(&first, 0, FRAME_UDP, far, far + 1);
	first.bytes[first.ip + 6] = 0x20;
	frame_udp(&first, 5, 4433);
	later = first;
	later.bytes[later.ip + 6] = 0;
	later.bytes[later.ip + 7] = 100;
	expect_nobody(rig, &later); /* overtook it */
	expect_class(rig, &first, FERRY_CLASSIFY_PORT, FERRY_CLASS_DECODE);
	expect_class(rig, &later, FERRY_CLASSIFY_PORT, FERRY_CLASS_DECODE);
	later.bytes[later.ip + 5]++; /* of another datagram */
	expect_nobody(rig, &later);
}

/* Identifications come again: a datagram that nobody knows has nothing of an older one. */
static void test_a_reused_identification_has_no_class(void **state)
{
	struct rig *rig = rig_or_skip(state);
	struct frame first, later;

	rig_clear(rig->skeleton->maps.fragments);
	for (unsigned int port = 4433; port <= 4434; port++) {
		ipv4(&first, 0, FRAME_UDP, far, far + 1);
		first.bytes[first.ip + 6] = 0x20;
		frame_udp(&first, 5, port);
		later = first;
		later.bytes[later.ip + 6] = 0;
		later.bytes[later.ip + 7] = 100;
		if (port == 4433) {
			expect_class(rig, &first, FERRY_CLASSIFY_PORT, FERRY_CLASS_DECODE);
			expect_class(rig, &later, FERRY_CLASSIFY_PORT, FERRY_CLASS_DECODE);
		} else {
			expect_nobody(rig, &first);
			expect_nobody(rig, &later);
		}
	}
}

/* Behind the fragment header, only the first fragment shows that there are other extensions. */
static void test_later_fragments_behind_an_extension(void **state)
{
	struct rig *rig = rig_or_skip(state);
	struct frame f;

	rig_clear(rig->skeleton->maps.fragments);
	for (int later = 0; later <= 1; later++) {
		frame_ethernet(&f);
		frame_16(&f, 0x86dd);
		frame_ipv6(&f, 0, 44,
			   "\x20\x01"
			   "4567890123456",
			   "\x20\x02"
			   "4567890123456");
		frame_16(&f, 60 << 8); /* destination options */
		frame_16(&f, later ? 800 << 3 : 1);
		frame_32(&f, 4711);
		frame_32(&f, FRAME_UDP << 24 | 1 << 8 | 4);
		frame_32(&f, 0);
		frame_udp(&f, 5, 4433);
		expect_class(rig, &f, FERRY_CLASSIFY_PORT, FERRY_CLASS_DECODE);
	}
}

static void test_dscp_is_written_when_asked(void **state)
{
	struct rig *rig = rig_or_skip(state);
	struct rig_packet packet;
	struct rig_run run;
	struct frame f;
	uint32_t sum = 0;

	rig->settings.flags |= FERRY_CLASSIFY_REWRITE_DSCP;
	rig_set(rig);
	tcp(&f, 11434, 5, 10);
	f.bytes[f.ip + 1] |= 2; /* ECN */
	packet = (struct rig_packet){.bytes = f.bytes, .len = f.len};
	run = rig_classify(rig, &packet);
	assert_int_equal(run.bytes[f.ip + 1], 46 << 2 | 3);
	/*
	 * The checksum was 0 for a TOS of 3: it has moved by the difference, and nothing else has.
	 */
	sum = (uint32_t)(run.bytes[f.ip + 10] << 8 | run.bytes[f.ip + 11]) + (46 << 2);
	assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
	memcpy(run.bytes + f.ip + 10, f.bytes + f.ip + 10, 2);
	run.bytes[f.ip + 1] = f.bytes[f.ip + 1];
	assert_memory_equal(run.bytes, f.bytes, f.len);

	frame_ethernet(&f);
	frame_16(&f, 0x86dd);
	frame_ipv6(&f, 0x03, FRAME_TCP,
		   "\x20\x01"
		   "4567890123456",
		   "\x20\x02"
		   "4567890123456");
	f.bytes[f.ip + 1] |= 0xa; /* flow label */
	frame_tcp(&f, 11434, 5, 1);
	packet = (struct rig_packet){.bytes = f.bytes, .len = f.len};
	run = rig_classify(rig, &packet);
	assert_int_equal(run.bytes[f.ip], 0x60 | (46 << 2 | 3) >> 4);
	assert_int_equal(run.bytes[f.ip + 1], ((46 << 2 | 3) & 0xf) << 4 | 0xa);
	memcpy(run.bytes + f.ip, f.bytes + f.ip, 2);
	assert_memory_equal(run.bytes, f.bytes, f.len);
	rig->settings.flags &= ~(uint32_t)FERRY_CLASSIFY_REWRITE_DSCP;
	rig_set(rig);
}

static void test_registered_sockets(void **state)
{
	const struct ferry_classify_socket own = {.class = FERRY_CLASS_DECODE, .bucket = 40};
	struct rig *rig = rig_or_skip(state);
	const int map = bpf_map__fd(rig->skeleton->maps.sockets);
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	struct rig_packet packet;
	cpu_set_t all, one;
	struct frame f;

	/*
	 * A run has a socket of its own, whose cookie is near the last one that this CPU gave out.
	 */
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_true(fd >= 0);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
	close(fd);
	for (uint64_t c = cookie > COOKIES_AROUND ? cookie - COOKIES_AROUND : 1;
	     c < cookie + COOKIES_AROUND; c++)
		assert_int_equal(bpf_map_update_elem(map, &c, &own, BPF_ANY), 0);
	/* Before every rule, whatever the packet is. */
	tcp(&f, 11434, 5, 0);
	expect(rig, &f, FOREIGN, FERRY_CLASSIFY_SOCKET, FERRY_CLASS_DECODE,
	       verdict(FERRY_CLASS_DECODE, 40));
	f.bytes[12] = 0x77;
	expect(rig, &f, FOREIGN, FERRY_CLASSIFY_SOCKET, FERRY_CLASS_DECODE,
	       verdict(FERRY_CLASS_DECODE, 40));
	packet = (struct rig_packet){.bytes = f.bytes, .len = f.len, .cookie = cookie};
	assert_int_equal(rig_explain(rig, &packet).answer,
			 FERRY_CLASSIFY_ANSWER(FERRY_CLASSIFY_SOCKET, FERRY_CLASS_DECODE, 0));
	rig_clear(rig->skeleton->maps.sockets);
	sched_setaffinity(0, sizeof(all), &all);
}

/* Number of this process's group and how far below the root it is; -1 without cgroup v2. */
static int own_cgroup(uint64_t *id)
{
	char line[4300], mount[2048] = "", path[2048] = "", where[4200];
	struct stat st;
	FILE *f = fopen("/proc/self/mounts", "r");
	int level = 0;

	while (f && fgets(line, sizeof(line), f)) {
		char kind[64], at[2048];

		if (sscanf(line, "%*s %2047s %63s", at, kind) == 2 && !strcmp(kind, "cgroup2"))
			memcpy(mount, at, sizeof(mount));
	}
	if (f)
		fclose(f);
	f = fopen("/proc/self/cgroup", "r");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "0::%2047s", path);
	if (f)
		fclose(f);
	snprintf(where, sizeof(where), "%s%s", mount, path);
	if (!mount[0] || !path[0] || stat(where, &st))
		return -1;
	*id = st.st_ino;
	for (const char *p = path; *p && path[1]; p++)
		level += *p == '/';
	return level;
}

static void test_control_groups(void **state)
{
	const struct ferry_classify_rule value = {.id = 77, .class = FERRY_CLASS_MODEL};
	struct rig *rig = rig_or_skip(state);
	uint64_t id = 0;
	const int level = own_cgroup(&id);
	struct frame f;

	if (level < 0 || level >= FERRY_CLASSIFY_CGROUP_LEVELS) {
		print_message("SKIP: there is no cgroup v2 hierarchy here\n");
		skip();
	}
	tcp(&f, 11434, 5, 0);
	assert_int_equal(
		bpf_map_update_elem(bpf_map__fd(rig->skeleton->maps.cgroups), &id, &value, BPF_ANY),
		0);
	rig->settings.cgroup_levels = 1U << level;
	rig_set(rig);
	expect_class(rig, &f, FERRY_CLASSIFY_CGROUP, FERRY_CLASS_MODEL);
	rig->settings.cgroup_levels = 1U << (level + 1);
	rig_set(rig);
	expect_class(rig, &f, FERRY_CLASSIFY_PORT, FERRY_CLASS_TOKEN);
	rig->settings.cgroup_levels = 0;
	rig_set(rig);
}

/* What a tunnel remembers of a packet, by its hash, the carrier finds. */
static void test_r50_inner_verdict_reaches_the_carrier(void **state)
{
	struct rig *rig = rig_or_skip(state);
	struct ferry_classify_verdict found;
	uint32_t hash = 0;
	struct frame f;

	rig_clear(rig->skeleton->maps.inners);
	rig->settings.flags |= FERRY_CLASSIFY_TUNNEL;
	rig_set(rig);
	tcp(&f, 40000, 11434, 20);
	expect_class(rig, &f, FERRY_CLASSIFY_PORT, FERRY_CLASS_TOKEN);
	assert_int_equal(bpf_map_get_next_key(bpf_map__fd(rig->skeleton->maps.inners), NULL, &hash),
			 0);
	assert_int_equal(
		bpf_map_lookup_elem(bpf_map__fd(rig->skeleton->maps.inners), &hash, &found), 0);
	assert_int_equal(found.class, FERRY_CLASS_TOKEN);
	/* When nobody knows the flow any more, the carrier does not go on as before. */
	tcp(&f, 40000, 40001, 0);
	rig_clear(rig->skeleton->maps.inners);
	expect(rig, &f, verdict(FERRY_CLASS_KV, 0), FERRY_CLASSIFY_KEPT, FERRY_CLASS_KV,
	       verdict(FERRY_CLASS_KV, 0));
	assert_int_equal(bpf_map_get_next_key(bpf_map__fd(rig->skeleton->maps.inners), NULL, &hash),
			 0);
	expect_nobody(rig, &f);
	assert_int_not_equal(
		bpf_map_get_next_key(bpf_map__fd(rig->skeleton->maps.inners), NULL, &hash), 0);
	rig->settings.flags &= ~(uint32_t)FERRY_CLASSIFY_TUNNEL;
	rig_set(rig);
}

static void test_without_a_qdisc_nothing_happens(void **state)
{
	struct rig *rig = rig_or_skip(state);
	const uint64_t before = rig_counted_all(rig);
	struct rig_packet packet;
	struct frame f;

	rig->settings.major = 0;
	rig_set(rig);
	tcp(&f, 11434, 5, 0);
	packet = (struct rig_packet){.bytes = f.bytes, .len = f.len, .priority = FOREIGN};
	assert_int_equal(rig_classify(rig, &packet).priority, FOREIGN);
	assert_int_equal(rig_counted_all(rig), before);
	rig->settings.major = RIG_MAJOR;
	rig_set(rig);
}

/* The same packets through the program and through the header that it is made of. */
static void test_behaviour_is_that_of_the_header(void **state)
{
	struct rig timed;
	struct ferry_behaviour b = {0};
	uint64_t now = 5000000000ULL;
	unsigned int as_tokens = 0;

	rig_or_skip(state);
	assert_int_equal(rig_load(&timed, false, true), 0);
	timed.settings.kinds[FERRY_BEHAVIOUR_TOKENS] = FERRY_CLASS_TOKEN;
	timed.settings.kinds[FERRY_BEHAVIOUR_EXCHANGE] = FERRY_CLASS_DECODE;
	timed.settings.kinds[FERRY_BEHAVIOUR_LONG_EXCHANGE] = FERRY_CLASS_PREFILL;
	timed.settings.kinds[FERRY_BEHAVIOUR_BULK] = FERRY_CLASS_MODEL;
	rig_set(&timed);
	for (int i = 0; i < 260; i++) {
		static const int classes[] = {-1, FERRY_CLASS_TOKEN, FERRY_CLASS_DECODE,
					      FERRY_CLASS_PREFILL, FERRY_CLASS_MODEL};
		const bool stream = i < 60, exchange = i >= 60 && i < 160;
		const unsigned int payload = stream ? 150 + (unsigned int)i % 7 * 10 : 1400;
		struct ferry_behaviour_packet p = {.bytes = payload, .has_acknowledgement = 1};
		struct rig_packet packet;
		struct frame f;
		int kind;

		/*
		 * Tokens, then messages of five full packets with answers, then nothing but full
		 * packets.
		 */
		now += stream || (exchange && i % 5 == 0) ? 30000000 + (uint64_t)(i % 3) * 1000000
							  : 20000;
		p.acknowledged = exchange ? (uint32_t)(i / 5) : 7;
		p.now_ns = now;
		tcp(&f, 5, 6, payload);
		f.bytes[f.ip + 20 + 8] = f.bytes[f.ip + 20 + 9] = f.bytes[f.ip + 20 + 10] = 0;
		f.bytes[f.ip + 20 + 11] = (uint8_t)p.acknowledged;
		kind = ferry_behaviour_see(&b, &p);
		packet = (struct rig_packet){.bytes = f.bytes, .len = f.len, .time_ns = now};
		assert_int_equal(rig_classify(&timed, &packet).priority,
				 classes[kind] < 0 ? 0 : verdict((uint32_t)classes[kind], 0));
		as_tokens += kind == FERRY_BEHAVIOUR_TOKENS;
	}
	assert_true(as_tokens > 30);
	assert_int_equal(b.kind, FERRY_BEHAVIOUR_BULK);
	ferry_classify_bpf__destroy(timed.skeleton);
}

/* More flows than fit: the oldest are forgotten, nothing fails. */
static void test_flows_are_bounded(void **state)
{
	struct rig *rig = rig_or_skip(state);
	const uint64_t before = rig_counted_all(rig);
	unsigned int kept = 0;
	uint8_t key[64];
	struct frame f;

	for (unsigned int i = 0; i < FERRY_CLASSIFY_FLOWS + 2000; i++) {
		const struct rig_packet packet = {.bytes = f.bytes, .len = 14 + 20 + 20 + 10};

		tcp(&f, (uint16_t)i, 9, 10);
		f.bytes[f.ip + 15] = (uint8_t)(i >> 8);
		rig_classify(rig, &packet);
	}
	assert_int_equal(rig_counted_all(rig) - before, FERRY_CLASSIFY_FLOWS + 2000);
	while (!bpf_map_get_next_key(bpf_map__fd(rig->skeleton->maps.flows), kept ? key : NULL,
				     key))
		kept++;
	assert_true(kept > 0 && kept <= FERRY_CLASSIFY_FLOWS);
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

/* Whether the program loads at all, for kernels on which a whole run takes minutes. */
static int only_load(void)
{
	struct rig rig;
	const int ret = rig_load(&rig, false, false);

	if (!ret && rig.skeleton)
		printf("ok 1 - load\n");
	else
		printf("not ok 1 - load # %s\n", rig.reason);
	return ret || !rig.skeleton;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dscp_counts_from_trusted_peers_only),
		cmocka_unit_test(test_r50_vlan_tags),
		cmocka_unit_test(test_r50_gre_is_opened_once),
		cmocka_unit_test(test_ports_have_ends),
		cmocka_unit_test(test_the_order_of_the_rules),
		cmocka_unit_test(test_names_of_servers),
		cmocka_unit_test(test_a_reused_flow_has_no_name),
		cmocka_unit_test(test_names_follow_the_rules),
		cmocka_unit_test(test_split_hello),
		cmocka_unit_test(test_later_fragments_follow_the_first),
		cmocka_unit_test(test_a_reused_identification_has_no_class),
		cmocka_unit_test(test_later_fragments_behind_an_extension),
		cmocka_unit_test(test_dscp_is_written_when_asked),
		cmocka_unit_test(test_registered_sockets),
		cmocka_unit_test(test_control_groups),
		cmocka_unit_test(test_r50_inner_verdict_reaches_the_carrier),
		cmocka_unit_test(test_without_a_qdisc_nothing_happens),
		cmocka_unit_test(test_behaviour_is_that_of_the_header),
		cmocka_unit_test(test_flows_are_bounded),
	};

	if (argc > 1 && !strcmp(argv[1], "load"))
		return only_load();
	return cmocka_run_group_tests_name("bpf/classify", tests, set_up, tear_down);
}
