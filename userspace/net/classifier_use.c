/* SPDX-License-Identifier: MIT */
/* What is asked of a classifier that runs: counters, explanations. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/error.h"
#include "net/classifier_private.h"

enum {
	FRAME_BYTES = 128,
	ETHERNET_BYTES = 14,
	IPV4_BYTES = 20,
	IPV6_BYTES = 40,
	TCP_BYTES = 20,
	UDP_BYTES = 8,
};

static int fail_map(struct ferry_error *err, const char *what)
{
	const int code = -errno;

	return ferry_fail(err, FERRY_ERROR_SYSTEM, code, "%s failed: %s", what,
			  ferry_errno_text(code));
}

int ferry_classifier_counts(struct ferry_classifier *c, struct ferry_classifier_count *counts,
			    struct ferry_error *err)
{
	const int n = libbpf_num_possible_cpus();
	struct ferry_classify_counter *each;
	int ret = 0;

	if (n <= 0)
		return ferry_fail(err, FERRY_ERROR_SYSTEM, -EIO, "the number of CPUs is not known");
	each = calloc((size_t)n, sizeof(*each));
	if (!each)
		return ferry_fail_memory(err, "counters", (size_t)n * sizeof(*each));
	memset(counts, 0, sizeof(*counts) * FERRY_CLASSIFY_COUNTERS);
	for (uint32_t slot = 0; slot < FERRY_CLASSIFY_COUNTERS && !ret; slot++) {
		if (bpf_map_lookup_elem(c->maps[FERRY_MAP_COUNTERS], &slot, each))
			ret = fail_map(err, "reading the classifier's counters");
		for (int i = 0; i < n && !ret; i++) {
			counts[slot].packets += each[i].packets;
			counts[slot].bytes += each[i].bytes;
		}
	}
	free(each);
	return ret;
}

int ferry_classifier_hits(struct ferry_classifier *c, uint64_t *packets, unsigned int n,
			  struct ferry_error *err)
{
	const int cpus = libbpf_num_possible_cpus();
	uint64_t *each = cpus > 0 ? calloc((size_t)cpus, sizeof(*each)) : NULL;
	int ret = 0;

	if (!each)
		return ferry_fail_memory(err, "counters", (size_t)cpus * sizeof(*each));
	for (uint32_t rule = 1; rule <= n && !ret; rule++) {
		packets[rule - 1] = 0;
		if (bpf_map_lookup_elem(c->maps[FERRY_MAP_HITS], &rule, each))
			ret = fail_map(err, "reading the counters of rules");
		for (int i = 0; i < cpus && !ret; i++)
			packets[rule - 1] += each[i];
	}
	free(each);
	return ret;
}

/*
 * A packet of the flow without payload; *key as the classifier would see it. Returns its length or
 * -EINVAL.
 */
static int write_frame(const struct ferry_classifier_question *q, uint8_t frame[FRAME_BYTES],
		       struct ferry_classify_flow_key *key)
{
	const bool v4 = inet_pton(AF_INET, q->from, key->source + 12) == 1;
	uint8_t *ip = frame + ETHERNET_BYTES;
	uint8_t *transport = ip + (v4 ? IPV4_BYTES : IPV6_BYTES);
	int bytes;

	if (v4) {
		if (inet_pton(AF_INET, q->to, key->destination + 12) != 1)
			return -EINVAL;
		key->source[10] = key->source[11] = 0xff;
		key->destination[10] = key->destination[11] = 0xff;
		frame[12] = 0x08;
		ip[0] = 0x45;
		ip[1] = (uint8_t)(q->dscp << 2);
		ip[9] = q->protocol;
		memcpy(ip + 12, key->source + 12, 4);
		memcpy(ip + 16, key->destination + 12, 4);
	} else {
		if (inet_pton(AF_INET6, q->from, key->source) != 1 ||
		    inet_pton(AF_INET6, q->to, key->destination) != 1)
			return -EINVAL;
		frame[12] = 0x86;
		frame[13] = 0xdd;
		ip[0] = (uint8_t)(0x60 | q->dscp >> 2);
		ip[1] = (uint8_t)(q->dscp << 6);
		ip[6] = q->protocol;
		memcpy(ip + 8, key->source, 16);
		memcpy(ip + 24, key->destination, 16);
	}
	key->protocol = q->protocol;
	bytes = (int)(transport - frame);
	if (q->protocol != IPPROTO_TCP && q->protocol != IPPROTO_UDP)
		return bytes + UDP_BYTES;
	key->source_port = htons(q->from_port);
	key->destination_port = htons(q->to_port);
	memcpy(transport, &key->source_port, 2);
	memcpy(transport + 2, &key->destination_port, 2);
	transport[12] = 0x50;
	return bytes + (q->protocol == IPPROTO_TCP ? TCP_BYTES : UDP_BYTES);
}

static int rule_packets(struct ferry_classifier *c, struct ferry_classifier_answer *answer,
			struct ferry_error *err)
{
	const int cpus = libbpf_num_possible_cpus();
	uint64_t *each = cpus > 0 ? calloc((size_t)cpus, sizeof(*each)) : NULL;

	if (!each)
		return ferry_fail_memory(err, "counters", (size_t)cpus * sizeof(*each));
	if (!bpf_map_lookup_elem(c->maps[FERRY_MAP_HITS], &answer->rule, each))
		for (int i = 0; i < cpus; i++)
			answer->rule_packets += each[i];
	free(each);
	return 0;
}

int ferry_classifier_explain(struct ferry_classifier *c,
			     const struct ferry_classifier_question *question,
			     struct ferry_classifier_answer *answer, struct ferry_error *err)
{
	struct __sk_buff context = {
		.cb = {(uint32_t)question->cookie, (uint32_t)(question->cookie >> 32)}};
	struct ferry_classify_flow_key key = {0};
	struct ferry_classify_flow flow;
	uint8_t frame[FRAME_BYTES] = {0};
	const int bytes = write_frame(question, frame, &key);
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .ctx_in = &context,
		    .ctx_size_in = sizeof(context));

	if (bytes < 0 || question->dscp > 63)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "a flow has two addresses of one version and a DSCP below 64");
	opts.data_size_in = (__u32)bytes;
	memset(answer, 0, sizeof(*answer));
	if (bpf_prog_test_run_opts(c->explain, &opts))
		return fail_map(err, "asking the classifier");
	answer->source = opts.retval >> 24;
	answer->class = opts.retval >> 16 & 0xff;
	answer->rule = opts.retval & 0xffff;
	if (!bpf_map_lookup_elem(c->maps[FERRY_MAP_FLOWS], &key, &flow)) {
		answer->known = true;
		answer->flow_packets = flow.packets;
	}
	return answer->rule ? rule_packets(c, answer, err) : 0;
}
