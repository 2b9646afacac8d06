// SPDX-License-Identifier: MIT
/*
 * qdisc_fuzz: gives a device the qdisc ferry with random options, again and again. R-08. Attributes
 * nest, their values are chosen from the edges of what a policy might allow, and lengths lie now
 * and then. The kernel's sanitizers judge; all that is checked here is that it goes on answering.
 * The same seed sends the same messages.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
	MESSAGE_BYTES = 4096,
	MAX_TYPE = 40, /* more attributes than any nest has */
	DEEPEST = 3,
	ANSWER_SECONDS = 60,
	RECEIVE_BYTES = 65536,
};

struct message {
	union {
		struct nlmsghdr header;
		uint8_t bytes[MESSAGE_BYTES];
	};
};

static uint64_t state;

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t draw(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)(draw() % n);
}

static void *append(struct message *message, size_t n)
{
	size_t at = NLMSG_ALIGN(message->header.nlmsg_len);

	if (at + NLMSG_ALIGN(n) > sizeof(message->bytes))
		return NULL;
	memset(message->bytes + at, 0, NLMSG_ALIGN(n));
	message->header.nlmsg_len = (uint32_t)(at + n);
	return message->bytes + at;
}

static struct nlattr *begin(struct message *message, uint16_t type)
{
	struct nlattr *attribute = append(message, NLA_HDRLEN);

	if (attribute)
		attribute->nla_type = type;
	return attribute;
}

static void end(struct message *message, struct nlattr *attribute)
{
	attribute->nla_len =
		(uint16_t)(message->bytes + message->header.nlmsg_len - (uint8_t *)attribute);
	/* One of 60 says that it is longer or shorter than it is. */
	if (!below(60))
		attribute->nla_len = (uint16_t)below(200);
}

static void put_value(struct message *message)
{
	static const uint64_t edges[] = {
		0,
		1,
		2,
		3,
		5,
		7,
		8,
		64,
		100,
		124,
		125,
		256,
		257,
		499,
		500,
		999,
		1000,
		1001,
		65535,
		65536,
		100000,
		1000000,
		10000000,
		60000000,
		INT32_MAX,
		0x80000000,
		UINT32_MAX,
		1ull << 40,
		(1ull << 40) + 1,
		INT64_MAX,
		UINT64_MAX,
	};
	static const uint8_t lengths[] = {1, 2, 4, 4, 4, 4, 8, 8, 0, 3, 12, 64, 64};
	size_t length = lengths[below(sizeof(lengths))];
	uint64_t value = below(4) ? edges[below(sizeof(edges) / sizeof(edges[0]))] : draw();
	uint8_t *data = append(message, length);

	if (!data)
		return;
	for (size_t i = 0; i < length; i++) {
		if (length <= sizeof(value))
			data[i] = (uint8_t)(value >> (8 * i));
		else
			data[i] = (uint8_t)below(below(8) ? 9 : 256);
	}
}

static void put_attributes(struct message *message, unsigned depth)
{
	unsigned n = below(depth ? 6 : 10);

	for (unsigned i = 0; i < n; i++) {
		/* Small numbers are those that mean something. */
		uint16_t type = (uint16_t)below(below(4) ? 16 : MAX_TYPE);
		bool nest = depth < DEEPEST && !below(4);
		struct nlattr *attribute;

		if (nest ? below(8) : !below(20))
			type |= NLA_F_NESTED;
		attribute = begin(message, type);
		if (!attribute)
			return;
		if (nest)
			put_attributes(message, depth + 1);
		else
			put_value(message);
		end(message, attribute);
	}
}

static void put_qdisc(struct message *message, int device)
{
	struct tcmsg *tc;
	struct nlattr *options;
	char *kind;

	/* Seldom, for most attempts at a new one are refused, and cost the most. */
	message->header.nlmsg_type = below(500) ? RTM_NEWQDISC : RTM_DELQDISC;
	message->header.nlmsg_flags |= NLM_F_CREATE | (below(2) ? NLM_F_REPLACE : 0);
	tc = append(message, sizeof(*tc));
	tc->tcm_ifindex = device;
	tc->tcm_parent = TC_H_ROOT;
	tc->tcm_handle = 0x10000;
	if (message->header.nlmsg_type == RTM_DELQDISC)
		return;
	options = begin(message, TCA_KIND);
	kind = append(message, sizeof("ferry"));
	memcpy(kind, "ferry", sizeof("ferry"));
	options->nla_len = NLA_HDRLEN + sizeof("ferry");
	if (!below(10))
		return;
	options = begin(message, TCA_OPTIONS);
	put_attributes(message, 0);
	end(message, options);
}

/* Reads the whole answer to @sequence. 0 if the message was accepted, or the answer's -errno. */
static int answer(int fd, uint32_t sequence)
{
	static uint8_t buffer[RECEIVE_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));

	for (;;) {
		ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
		unsigned left = (unsigned)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fprintf(stderr, "qdisc_fuzz: no answer to message %u: %s\n", sequence,
				strerror(errno));
			exit(1);
		}
		for (struct nlmsghdr *h = (struct nlmsghdr *)buffer; NLMSG_OK(h, left);
		     h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_seq != sequence)
				continue;
			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			if (h->nlmsg_type == NLMSG_ERROR)
				return ((struct nlmsgerr *)NLMSG_DATA(h))->error;
		}
	}
}

int main(int argc, char **argv)
{
	struct timeval patience = {.tv_sec = ANSWER_SECONDS};
	unsigned long messages, accepted = 0;
	int fd, device;

	if (argc != 4) {
		fputs("usage: qdisc_fuzz DEVICE MESSAGES SEED\n", stderr);
		return 2;
	}
	device = (int)if_nametoindex(argv[1]);
	messages = strtoul(argv[2], NULL, 10);
	state = strtoull(argv[3], NULL, 10);
	fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	if (!device || fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience))) {
		perror(device ? "netlink socket" : argv[1]);
		return 2;
	}
	for (unsigned long i = 1; i <= messages; i++) {
		struct message message = {
			.header = {NLMSG_HDRLEN, 0, NLM_F_REQUEST | NLM_F_ACK, (uint32_t)i, 0}};

		put_qdisc(&message, device);
		if (send(fd, &message, message.header.nlmsg_len, 0) < 0) {
			perror("send");
			return 1;
		}
		accepted += !answer(fd, (uint32_t)i);
	}
	printf("%lu messages, %lu accepted\n", messages, accepted);
	close(fd);
	/* Were all refused, only the way to the options would have been tested. */
	return accepted > messages / 100 ? 0 : 1;
}
