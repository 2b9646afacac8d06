/* SPDX-License-Identifier: MIT */
/*
 * bpf/behaviour.h on generated and on captured flows: how often it is right, and how soon. Prints
 * the table of Documentation/measuring.md. The generators know nothing of the thresholds; they
 * follow what the protocols do (segments of 1448 bytes or GSO packets, round trips, jitter, chunks
 * of JSON in TLS records).
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "../../../bpf/behaviour.h"

enum {
	FLOWS = 400, /* of each generator */
	PACKETS_MAX = 6000,
	SEGMENT = 1448,
	DECISION_PACKETS = 20,
	EXCHANGE_MESSAGES = 4, /* where one message is longer than five packets */
};

struct flow {
	struct ferry_behaviour_packet packets[PACKETS_MAX];
	uint32_t message[PACKETS_MAX]; /* to which it belongs */
	uint32_t n, messages;
	uint64_t now_ns;
	uint32_t acknowledged;
	uint64_t dice;
};

static uint32_t roll(struct flow *f, uint32_t below)
{
	f->dice = f->dice * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)((f->dice >> 33) % (below ? below : 1));
}

/* @value give or take @percent. */
static uint32_t about(struct flow *f, uint32_t value, uint32_t percent)
{
	const uint32_t spread = (uint32_t)((uint64_t)value * percent / 100);

	return value - spread + roll(f, 2 * spread + 1);
}

/* Roughly exponential: many short ones, some long. */
static uint32_t irregular(struct flow *f, uint32_t mean)
{
	uint32_t n = 0;

	while (n < 40 && roll(f, 8))
		n++;
	return mean / 8 * n + roll(f, mean / 8);
}

static void wait_us(struct flow *f, uint32_t us)
{
	f->now_ns += us * 1000ULL;
}

static void put(struct flow *f, uint32_t bytes)
{
	if (f->n == PACKETS_MAX)
		return;
	f->message[f->n] = f->messages;
	f->packets[f->n++] = (struct ferry_behaviour_packet){.now_ns = f->now_ns,
							     .bytes = bytes,
							     .acknowledged = f->acknowledged,
							     .has_acknowledgement = 1};
}

/* One message, cut into packets of at most @segment bytes. */
static void send(struct flow *f, uint32_t bytes, uint32_t segment)
{
	f->messages++;
	while (bytes) {
		const uint32_t n = bytes < segment ? bytes : segment;

		put(f, n);
		wait_us(f, 5 + roll(f, 40));
		bytes -= n;
	}
}

static void answer(struct flow *f, uint32_t bytes)
{
	f->acknowledged += bytes;
}

/* Head of the HTTP answer, a wait for the first token, then one chunk for each. */
static void stream(struct flow *f, uint32_t bytes, uint32_t spread, uint32_t gap_us,
		   uint32_t jitter)
{
	send(f, about(f, 300, 50), SEGMENT);
	wait_us(f, about(f, 400000, 90));
	for (int i = 0; i < 120; i++) {
		send(f, about(f, bytes, spread), SEGMENT);
		wait_us(f, about(f, gap_us, jitter));
		if (!roll(f, 40))
			wait_us(f,
				gap_us * 5); /* a lost packet, or the server did another's prompt */
		if (!roll(f, 25))
			answer(f, 30); /* HTTP/2 says that its window is open */
	}
}

static void openai_stream(struct flow *f)
{
	stream(f, 280, 12, 15000 + roll(f, 60000), 35);
}

static void ollama_stream(struct flow *f)
{
	stream(f, 125, 15, 20000 + roll(f, 180000), 25);
}

static void fast_stream(struct flow *f)
{
	stream(f, 250, 60, 4500 + roll(f, 4000), 40);
}

/* Of a server that has others to answer as well: chunks alike, no pace to speak of. */
static void busy_stream(struct flow *f)
{
	const uint32_t bytes = 100 + roll(f, 250), gap_us = 30000 + roll(f, 120000);

	send(f, about(f, 300, 50), SEGMENT);
	wait_us(f, about(f, 1200000, 50));
	for (int i = 0; i < 150; i++) {
		send(f, about(f, bytes, 4), SEGMENT);
		wait_us(f, 12000 + irregular(f, gap_us));
	}
}

static void exchange(struct flow *f, uint32_t bytes, uint32_t back, uint32_t segment,
		     uint32_t gap_us)
{
	if (roll(f, 2)) {
		send(f, 517, SEGMENT); /* TLS */
		wait_us(f, 20000);
		answer(f, 3000);
		send(f, 80, SEGMENT);
		wait_us(f, 20000);
		answer(f, 500);
	}
	f->messages = 0;
	for (int i = 0; i < 24 && f->n < PACKETS_MAX; i++) {
		send(f, about(f, bytes, 3), segment);
		wait_us(f, about(f, gap_us, 30));
		answer(f, back);
	}
}

static void hidden_states(struct flow *f)
{
	exchange(f, 8192 + 60, 8192, SEGMENT, 15000 + roll(f, 100000));
}

static void hidden_states_gso(struct flow *f)
{
	exchange(f, 4096 << roll(f, 3), 20, 65160, 15000 + roll(f, 100000));
}

static void int8_hidden_states(struct flow *f)
{
	exchange(f, 1024 + 1024 * roll(f, 4), 40, SEGMENT, 10000 + roll(f, 60000));
}

static void tensor_parallel(struct flow *f)
{
	exchange(f, 178000 + roll(f, 110000), 180000, SEGMENT, 60000 + roll(f, 60000));
}

/* Slow start in rounds, then as fast as the path goes, with pauses where the window is shut. */
static void transfer(struct flow *f, uint32_t segment, uint32_t rtt_us)
{
	uint32_t window = 10;

	send(f, about(f, 250, 40), SEGMENT);
	for (int i = 0; i < 12; i++) {
		for (uint32_t s = 0; s < window;) {
			const uint32_t n = segment / SEGMENT ? segment / SEGMENT : 1;

			put(f, segment);
			wait_us(f, 20 + roll(f, 300));
			s += n;
		}
		wait_us(f, rtt_us);
		if (window < 200)
			window *= 2;
	}
}

/* Chunks of a prompt over a path with a round trip: each begins with a small window again. */
static void prompt_chunks(struct flow *f)
{
	const uint32_t bytes = 98304 + roll(f, 98304);
	const uint32_t rtt_us = 4000 + roll(f, 60000);

	for (int i = 0; i < 16; i++) {
		uint32_t left = about(f, bytes, 2), window = 10 * SEGMENT;

		f->messages++;
		while (left) {
			const uint32_t flight = left < window ? left : window;

			for (uint32_t sent = 0; sent < flight;) {
				const uint32_t n = flight - sent < SEGMENT ? flight - sent
									   : SEGMENT;

				put(f, n);
				wait_us(f, 5 + roll(f, 800));
				sent += n;
			}
			left -= flight;
			window *= 2;
			if (left)
				wait_us(f, rtt_us);
		}
		wait_us(f, rtt_us + about(f, 150000, 60));
		answer(f, 60);
	}
}

static void download(struct flow *f)
{
	transfer(f, SEGMENT, 2000 + roll(f, 80000));
}

static void upload_gso(struct flow *f)
{
	transfer(f, SEGMENT * (2 + roll(f, 20)), 5000 + roll(f, 40000));
}

static void video(struct flow *f)
{
	for (int i = 0; i < 3; i++) {
		transfer(f, SEGMENT, 10000);
		answer(f, 400);
		wait_us(f, about(f, 4000000, 20));
	}
}

static void typing(struct flow *f)
{
	for (int i = 0; i < 150; i++) {
		wait_us(f, 40000 + irregular(f, 180000));
		answer(f, 36);
		send(f, about(f, 60, 30), SEGMENT);
		if (!roll(f, 12))
			send(f, irregular(f, 900) + 40, SEGMENT);
	}
}

static void browsing(struct flow *f)
{
	for (int i = 0; i < 60; i++) {
		wait_us(f, 3000 + irregular(f, 300000));
		answer(f, about(f, 500, 40));
		send(f, 200 + irregular(f, 4000), SEGMENT);
	}
}

static void notifications(struct flow *f)
{
	for (int i = 0; i < 80; i++) {
		wait_us(f, 3000 + irregular(f, 500000));
		send(f, 60 + irregular(f, 300), SEGMENT);
		if (!roll(f, 3))
			answer(f, 40);
	}
}

static void queries(struct flow *f)
{
	for (int i = 0; i < 80; i++) {
		wait_us(f, 2500 + irregular(f, 30000));
		send(f, 60 + irregular(f, 250), SEGMENT);
		answer(f, 100 + irregular(f, 2000));
	}
}

struct generator {
	const char *name;
	void (*make)(struct flow *f);
	int truth; /* enum ferry_behaviour_kind, both kinds of exchange being one */
};

static const struct generator generators[] = {
	{"OpenAI stream over TLS", openai_stream, FERRY_BEHAVIOUR_TOKENS},
	{"Ollama stream", ollama_stream, FERRY_BEHAVIOUR_TOKENS},
	{"fast stream, 1 to 4 tokens each", fast_stream, FERRY_BEHAVIOUR_TOKENS},
	{"stream of a busy server", busy_stream, FERRY_BEHAVIOUR_TOKENS},
	{"hidden states f16, segments", hidden_states, FERRY_BEHAVIOUR_EXCHANGE},
	{"hidden states f16, GSO", hidden_states_gso, FERRY_BEHAVIOUR_EXCHANGE},
	{"hidden states int8", int8_hidden_states, FERRY_BEHAVIOUR_EXCHANGE},
	{"tensor parallel", tensor_parallel, FERRY_BEHAVIOUR_EXCHANGE},
	{"prompt chunks, slow start", prompt_chunks, FERRY_BEHAVIOUR_EXCHANGE},
	{"download", download, FERRY_BEHAVIOUR_BULK},
	{"upload, GSO", upload_gso, FERRY_BEHAVIOUR_BULK},
	{"video in chunks", video, FERRY_BEHAVIOUR_BULK},
	{"typing over SSH", typing, FERRY_BEHAVIOUR_UNKNOWN},
	{"browsing", browsing, FERRY_BEHAVIOUR_UNKNOWN},
	{"notifications", notifications, FERRY_BEHAVIOUR_UNKNOWN},
	{"database queries", queries, FERRY_BEHAVIOUR_UNKNOWN},
};

enum { GENERATORS = sizeof(generators) / sizeof(generators[0]) };

static int kind_of(int kind)
{
	return kind == FERRY_BEHAVIOUR_LONG_EXCHANGE ? FERRY_BEHAVIOUR_EXCHANGE : kind;
}

static void generate(struct flow *f, const struct generator *g, uint64_t seed)
{
	memset(f, 0, sizeof(*f));
	f->dice = seed * 0x9e3779b97f4a7c15ULL + 1;
	f->now_ns = 1000000000ULL + roll(f, 1000000000);
	f->acknowledged = roll(f, 1U << 31);
	g->make(f);
}

/* What the flow is held for after the packets in which it has to be decided. */
static int decide(const struct flow *f, int truth)
{
	struct ferry_behaviour b = {0};
	int kind = 0;

	for (uint32_t i = 0; i < f->n; i++) {
		if (i >= DECISION_PACKETS &&
		    !(truth == FERRY_BEHAVIOUR_EXCHANGE && f->message[i] <= EXCHANGE_MESSAGES + 1))
			break;
		kind = ferry_behaviour_see(&b, &f->packets[i]);
	}
	return kind_of(kind);
}

/* Share of the packets after the decision for which the flow is held for what it is. */
static double steadiness(const struct flow *f, int truth)
{
	struct ferry_behaviour b = {0};
	uint32_t right = 0, all = 0;

	for (uint32_t i = 0; i < f->n; i++) {
		const int kind = kind_of(ferry_behaviour_see(&b, &f->packets[i]));

		if (i < DECISION_PACKETS || f->message[i] <= EXCHANGE_MESSAGES + 1)
			continue;
		all++;
		right += kind == truth;
	}
	return all ? (double)right / all : 1;
}

static void test_precision_and_recall(void **state)
{
	static const char *const names[] = {"unknown", "tokens", "exchange", "", "bulk"};
	static struct flow f;
	unsigned int taken[FERRY_BEHAVIOUR_KINDS][FERRY_BEHAVIOUR_KINDS] = {0};
	double steady[GENERATORS] = {0};

	(void)state;
	for (int g = 0; g < GENERATORS; g++) {
		unsigned int right = 0;

		for (uint64_t i = 0; i < FLOWS; i++) {
			int got;

			generate(&f, &generators[g], i + 1000 * (uint64_t)g);
			got = decide(&f, generators[g].truth);
			taken[generators[g].truth][got]++;
			right += got == generators[g].truth;
			steady[g] += steadiness(&f, generators[g].truth) / FLOWS;
		}
		print_message("# %-32s %-9s right by then %5.3f, packets right later %5.3f\n",
			      generators[g].name, names[generators[g].truth], right / (double)FLOWS,
			      steady[g]);
	}
	for (int kind = 0; kind < FERRY_BEHAVIOUR_KINDS; kind++) {
		unsigned int said = 0, were = 0;
		double precision, recall;

		if (kind == FERRY_BEHAVIOUR_LONG_EXCHANGE)
			continue;
		for (int other = 0; other < FERRY_BEHAVIOUR_KINDS; other++) {
			said += taken[other][kind];
			were += taken[kind][other];
		}
		precision = said ? (double)taken[kind][kind] / said : 0;
		recall = (double)taken[kind][kind] / were;
		print_message("# %-9s precision %5.3f recall %5.3f of %u flows\n", names[kind],
			      precision, recall, were);
		assert_true(precision >= 0.95);
		assert_true(recall >= 0.95);
	}
	for (int g = 0; g < GENERATORS; g++)
		assert_true(steady[g] >= 0.9);
}

/* Packets of a capture, as captures/capture writes them, into @f. */
static void read_capture(struct flow *f, const char *name)
{
	char path[512], line[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", FERRY_CAPTURES, name);
	file = fopen(path, "r");
	assert_non_null(file);
	memset(f, 0, sizeof(*f));
	while (fgets(line, sizeof(line), file)) {
		unsigned long long us;
		unsigned int bytes, acknowledged;

		assert_int_equal(sscanf(line, "%llu %u %u", &us, &bytes, &acknowledged), 3);
		f->now_ns = 1000000000ULL + us * 1000;
		if (f->n && acknowledged != f->acknowledged)
			f->messages++;
		f->acknowledged = acknowledged;
		put(f, bytes);
	}
	fclose(file);
}

/*
 * Real flows. The first packets are what they are decided by: twenty, and of an exchange, which may
 * begin with anything, five messages behind them. What is none of the three must not be held for
 * tokens or an exchange; whether it is bulk is a matter of taste.
 */
static void test_captured_flows(void **state)
{
	static struct flow f;
	static const struct {
		const char *prefix;
		int truth;
	} kinds[] = {
		{"tokens-", FERRY_BEHAVIOUR_TOKENS},
		{"exchange-", FERRY_BEHAVIOUR_EXCHANGE},
		{"bulk-", FERRY_BEHAVIOUR_BULK},
		{"other-", FERRY_BEHAVIOUR_UNKNOWN},
	};
	unsigned int seen[4] = {0};
	struct dirent *entry;
	DIR *directory = opendir(FERRY_CAPTURES);

	(void)state;
	assert_non_null(directory);
	while ((entry = readdir(directory))) {
		struct ferry_behaviour b = {0};
		uint32_t decided = DECISION_PACKETS, all = 0, right = 0, wrong = 0;
		int k = 0;

		if (!strstr(entry->d_name, ".flow"))
			continue;
		while (k < 4 && strncmp(entry->d_name, kinds[k].prefix, strlen(kinds[k].prefix)))
			k++;
		assert_true(k < 4);
		seen[k]++;
		read_capture(&f, entry->d_name);
		assert_true(f.n > DECISION_PACKETS);
		if (kinds[k].truth == FERRY_BEHAVIOUR_EXCHANGE)
			while (decided < f.n && f.message[decided] < f.message[DECISION_PACKETS] +
									     EXCHANGE_MESSAGES + 1)
				decided++;
		for (uint32_t i = 0; i < f.n; i++) {
			const int kind = kind_of(ferry_behaviour_see(&b, &f.packets[i]));

			if (i < decided)
				continue;
			all++;
			right += kind == kinds[k].truth;
			wrong += kind == FERRY_BEHAVIOUR_TOKENS || kind == FERRY_BEHAVIOUR_EXCHANGE;
		}
		print_message("# %-32s %4u packets later, right %5.3f\n", entry->d_name, all,
			      all ? (kinds[k].truth ? right : all - wrong) / (double)all : 0);
		assert_true(all >= 10);
		if (kinds[k].truth)
			assert_true(right >= all * 0.95);
		else
			assert_int_equal(wrong, 0);
	}
	closedir(directory);
	for (int k = 0; k < 4; k++)
		assert_true(seen[k]);
}

/* A stream that stalls, or loses packets, is still a stream. */
static void test_hysteresis(void **state)
{
	struct ferry_behaviour b = {0};
	struct ferry_behaviour_packet p = {.now_ns = 1, .has_acknowledgement = 1};
	int changes = 0, before = 0;

	(void)state;
	for (int i = 0; i < 400; i++) {
		int kind;

		p.now_ns += i % 37 == 36 ? 900000000 : 30000000;
		p.bytes = i % 23 == 22 ? 1400 : 200;
		kind = ferry_behaviour_see(&b, &p);
		changes += kind != before;
		before = kind;
	}
	assert_int_equal(before, FERRY_BEHAVIOUR_TOKENS);
	assert_int_equal(changes, 1);
}

/* Times that run backwards and sizes that overflow are somebody else's mistake, not a crash. */
static void test_absurd_packets(void **state)
{
	struct flow dice = {.dice = 7};
	struct ferry_behaviour b = {0};

	(void)state;
	for (int i = 0; i < 200000; i++) {
		const struct ferry_behaviour_packet p = {
			.now_ns = (uint64_t)roll(&dice, 1U << 31) << roll(&dice, 33),
			.bytes = roll(&dice, 1U << 31) << roll(&dice, 2),
			.acknowledged = roll(&dice, 1U << 31),
			.has_acknowledgement = (uint8_t)roll(&dice, 2),
		};

		assert_true(ferry_behaviour_see(&b, &p) < FERRY_BEHAVIOUR_KINDS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_precision_and_recall),
		cmocka_unit_test(test_captured_flows),
		cmocka_unit_test(test_hysteresis),
		cmocka_unit_test(test_absurd_packets),
	};

	return cmocka_run_group_tests_name("bpf/behaviour", tests, NULL, NULL);
}
