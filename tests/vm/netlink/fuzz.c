// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: fuzz COUNT [SEED]
 *
 * Sends COUNT random and mutated messages to the generic netlink family "ferry": R-08. Of most it is
 * known what they deserve: a message with a wrong length, an unknown attribute, a number out of
 * range, a nest where none belongs, bytes left over or a command that does not exist must be
 * refused; and every request must be answered. What is neither is for the kernel's own checks to
 * find. Ends with 1 where the kernel takes what it should not, or does not answer. The same seed
 * sends the same messages.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/ferry.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>

enum { MESSAGE_BYTES = 2048, ANSWER_BYTES = 1 << 16, ANSWER_SECONDS = 60 };

struct message {
	union {
		struct nlmsghdr header;
		unsigned char bytes[MESSAGE_BYTES];
	};
	bool wrong; /* must be refused */
};

/* An attribute that a command takes: its length (of text: at most), and the range of a number. */
struct field {
	uint16_t attribute;
	uint16_t length;
	bool text;
	int64_t min;
	uint64_t max;
};

#define U8(attribute_, max_)                  \
	{                                     \
		attribute_, 1, false, 0, max_ \
	}
#define U32(attribute_, min_, max_)              \
	{                                        \
		attribute_, 4, false, min_, max_ \
	}
#define U64(attribute_, max_)                 \
	{                                     \
		attribute_, 8, false, 0, max_ \
	}
#define TEXT(attribute_)                                      \
	{                                                     \
		attribute_, FERRY_ENERGY_NAME_MAX, true, 0, 0 \
	}

/* clang-format off */
static const struct field link_get[] = {U32(FERRY_LINK_A_IFINDEX, 1, INT32_MAX), {0}};
static const struct field link_set[] = {
	U32(FERRY_LINK_A_IFINDEX, 1, INT32_MAX),
	U32(FERRY_LINK_A_PROVENANCE, FERRY_PROVENANCE_FAKE, FERRY_PROVENANCE_MEASURED),
	U32(FERRY_LINK_A_STATE, 0, FERRY_LINK_STATE_COUNT - 1),
	U32(FERRY_LINK_A_TX_RATE_KBPS, 0, UINT32_MAX),
	U32(FERRY_LINK_A_RX_RATE_KBPS, 0, UINT32_MAX),
	U32(FERRY_LINK_A_CAPACITY_KBPS, 0, UINT32_MAX),
	U32(FERRY_LINK_A_SRTT_US, 0, FERRY_LINK_RTT_US_MAX),
	U32(FERRY_LINK_A_RTTVAR_US, 0, FERRY_LINK_RTT_US_MAX),
	U32(FERRY_LINK_A_RETRANSMIT_PPM, 0, FERRY_PPM),
	U32(FERRY_LINK_A_SIGNAL_DBM, FERRY_LINK_SIGNAL_DBM_MIN, FERRY_LINK_SIGNAL_DBM_MAX),
	U32(FERRY_LINK_A_AGE_MS, 0, FERRY_AGE_MS_MAX),
	U32(FERRY_LINK_A_VALID_MS, FERRY_VALID_MS_MIN, FERRY_VALID_MS_MAX),
	{0},
};
static const struct field energy_name[] = {TEXT(FERRY_ENERGY_A_NAME), {0}};
static const struct field energy_set[] = {
	TEXT(FERRY_ENERGY_A_NAME),
	U32(FERRY_ENERGY_A_KIND, 0, FERRY_ENERGY_KIND_COUNT - 1),
	U32(FERRY_ENERGY_A_PROVENANCE, FERRY_PROVENANCE_FAKE, FERRY_PROVENANCE_MEASURED),
	U64(FERRY_ENERGY_A_POWER_UW, FERRY_POWER_UW_MAX),
	U64(FERRY_ENERGY_A_COUNTER_UJ, UINT64_MAX),
	U32(FERRY_ENERGY_A_COUNTER_BITS, 1, 64),
	U32(FERRY_ENERGY_A_TEMPERATURE_MDEG, FERRY_TEMPERATURE_MDEG_MIN,
	    FERRY_TEMPERATURE_MDEG_MAX),
	U32(FERRY_ENERGY_A_BATTERY_PPM, 0, FERRY_PPM),
	U64(FERRY_ENERGY_A_BATTERY_UWH, UINT64_MAX),
	U8(FERRY_ENERGY_A_CHARGING, 1),
	U32(FERRY_ENERGY_A_ERROR_PPM, 0, FERRY_PPM),
	TEXT(FERRY_ENERGY_A_MIRROR_OF),
	U32(FERRY_ENERGY_A_AGE_MS, 0, FERRY_AGE_MS_MAX),
	U32(FERRY_ENERGY_A_VALID_MS, FERRY_VALID_MS_MIN, FERRY_VALID_MS_MAX),
	U64(FERRY_ENERGY_A_COUNTER_MAX_UJ, UINT64_MAX),
	{0},
};
static const struct field model_set[] = {
	U64(FERRY_MODEL_A_IDLE_UW, FERRY_POWER_UW_MAX),
	U64(FERRY_MODEL_A_BUSY_UW, FERRY_POWER_UW_MAX),
	U32(FERRY_MODEL_A_TX_NJ_PER_BYTE, 0, UINT32_MAX),
	U32(FERRY_MODEL_A_RX_NJ_PER_BYTE, 0, UINT32_MAX),
	U32(FERRY_MODEL_A_ERROR_PPM, 0, FERRY_PPM),
	U64(FERRY_MODEL_A_AIRTIME_UW, FERRY_POWER_UW_MAX),
	U32(FERRY_MODEL_A_AIRTIME_PPM, 0, FERRY_PPM),
	{0},
};
static const struct field mode_get[] = {{0}};
static const struct field mode_set[] = {U32(FERRY_MODE_A_MODE, 0, FERRY_MODE_COUNT - 1), {0}};
/* clang-format on */

static const struct {
	uint8_t cmd;
	bool dumps;
	int max;
	const struct field *fields;
} commands[] = {
	{FERRY_CMD_LINK_GET, true, FERRY_LINK_A_MAX, link_get},
	{FERRY_CMD_LINK_SET, false, FERRY_LINK_A_MAX, link_set},
	{FERRY_CMD_ENERGY_GET, true, FERRY_ENERGY_A_MAX, energy_name},
	{FERRY_CMD_ENERGY_SET, false, FERRY_ENERGY_A_MAX, energy_set},
	{FERRY_CMD_ENERGY_DEL, false, FERRY_ENERGY_A_MAX, energy_name},
	{FERRY_CMD_MODEL_SET, false, FERRY_MODEL_A_MAX, model_set},
	{FERRY_CMD_MODE_GET, false, FERRY_MODE_A_MAX, mode_get},
	{FERRY_CMD_MODE_SET, false, FERRY_MODE_A_MAX, mode_set},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static uint64_t state;

/* xorshift64* */
static uint64_t draw(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 2685821657736338717ULL;
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)(draw() >> 32) % n;
}

static bool one_in(uint32_t n)
{
	return !below(n);
}

static void fill(unsigned char *bytes, size_t n)
{
	while (n--)
		*bytes++ = (unsigned char)draw();
}

/* Behind what is there already; cut to what fits. Returns the payload. */
static unsigned char *add_bytes(struct message *m, uint16_t type, uint16_t length)
{
	const uint32_t at = NLMSG_ALIGN(m->header.nlmsg_len);
	struct nlattr *attr = (struct nlattr *)(m->bytes + at);

	if (at + NLA_HDRLEN + NLA_ALIGN(length) > MESSAGE_BYTES)
		return NULL;
	memset(attr, 0, (size_t)NLA_HDRLEN + NLA_ALIGN(length));
	attr->nla_type = type;
	attr->nla_len = (uint16_t)(NLA_HDRLEN + length);
	m->header.nlmsg_len = at + NLA_HDRLEN + NLA_ALIGN(length);
	return (unsigned char *)attr + NLA_HDRLEN;
}

static void add_text(struct message *m, const struct field *f)
{
	static const char *const names[] = {"a",     "fuzz_1", "fuzz_2", "fuzz-3", "total",
					    "model", "psy-x",  "../etc", "",	   "mode"};
	const char *name = names[below(sizeof(names) / sizeof(names[0]))];
	unsigned char *payload;

	if (one_in(8)) {
		/* Too long, or with no end. */
		const uint16_t length =
			(uint16_t)(one_in(2) ? f->length + 2 + below(64) : 1 + below(8));

		payload = add_bytes(m, f->attribute, length);
		if (payload)
			memset(payload, 'x', length);
		m->wrong |= payload != NULL;
		return;
	}
	payload = add_bytes(m, f->attribute, (uint16_t)(strlen(name) + 1));
	if (payload)
		strcpy((char *)payload, name);
}

/* In range, at its ends, or beyond them. */
static void add_number(struct message *m, const struct field *f)
{
	const uint64_t all = f->length == 8 ? UINT64_MAX : (1ULL << (8 * f->length)) - 1;
	unsigned char *payload = add_bytes(m, f->attribute, f->length);
	uint64_t n;

	if (!payload)
		return;
	switch (below(5)) {
	case 0:
		n = (uint64_t)f->min;
		break;
	case 1:
		n = f->max;
		break;
	case 2:
		/* One too many, where the type has room for it. */
		n = f->max < all ? f->max + 1 : f->max;
		m->wrong |= f->max < all;
		break;
	case 3:
		n = f->min ? (uint64_t)(f->min - 1) : 0;
		m->wrong |= f->min != 0;
		break;
	default:
		n = f->attribute == FERRY_LINK_A_IFINDEX && f->max == INT32_MAX ? 1 + below(4)
										: f->max / 2;
	}
	memcpy(payload, &n, f->length);
}

/* What no policy lets through. */
static void add_wrong(struct message *m, const struct field *f, int max)
{
	unsigned char *payload;
	uint16_t length;

	switch (below(5)) {
	case 0: /* a length that is not that of its type */
		if (!f->attribute)
			return;
		do
			length = (uint16_t)below(40);
		while (length == f->length || (f->text && length > 0));
		payload = add_bytes(m, f->attribute, length);
		if (payload)
			fill(payload, length);
		break;
	case 1: /* a nest, with an attribute of its own in it */
		payload = add_bytes(m, (uint16_t)(f->attribute | NLA_F_NESTED), 8);
		if (payload)
			memcpy(payload, &(struct nlattr){8, f->attribute}, NLA_HDRLEN);
		break;
	case 2: /* an attribute that nobody knows */
		payload = add_bytes(m, (uint16_t)(max + 1 + (int)below(100)), 4);
		break;
	case 3: /* one that does not say where it ends */
		payload = add_bytes(m, f->attribute, 4);
		if (payload)
			((struct nlattr *)(payload - NLA_HDRLEN))->nla_len =
				(uint16_t)(one_in(2) ? below(NLA_HDRLEN) : 100 + below(60000));
		break;
	default: /* bytes that are left over */
		payload = m->bytes + m->header.nlmsg_len;
		if (m->header.nlmsg_len + 3 > MESSAGE_BYTES)
			return;
		fill(payload, 3);
		m->header.nlmsg_len += 1 + below(3);
	}
	m->wrong |= payload != NULL;
}

static void begin(struct message *m, uint16_t type, uint8_t cmd, uint16_t flags, uint32_t sequence)
{
	memset(m, 0, sizeof(*m));
	m->header.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	m->header.nlmsg_type = type;
	m->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	m->header.nlmsg_seq = sequence;
	*(struct genlmsghdr *)NLMSG_DATA(&m->header) =
		(struct genlmsghdr){.cmd = cmd, .version = 1};
}

static void make_message(struct message *m, uint16_t type, uint32_t sequence)
{
	const uint32_t c = below(COMMANDS);
	const struct field *fields = commands[c].fields;
	uint32_t n_fields = 0;

	begin(m, type, commands[c].cmd, 0, sequence);
	if (commands[c].dumps && one_in(3))
		m->header.nlmsg_flags |= NLM_F_DUMP;
	while (fields[n_fields].attribute)
		n_fields++;
	for (uint32_t i = 0; i < n_fields; i++) {
		/* Most of the time all of what is needed, the first two. */
		if (!(i < 2 && !one_in(8)) && !one_in(3))
			continue;
		if (fields[i].text)
			add_text(m, &fields[i]);
		else
			add_number(m, &fields[i]);
	}
	if (one_in(3))
		add_wrong(m, &fields[n_fields ? below(n_fields) : 0], commands[c].max);
	switch (below(32)) {
	case 0: { /* a command that does not exist, or is an event */
		struct genlmsghdr *genl = NLMSG_DATA(&m->header);

		genl->cmd = one_in(2) ? FERRY_CMD_LINK_CHANGED
				      : (uint8_t)(FERRY_CMD_MAX + 1 + below(200));
		m->wrong = true;
		break;
	}
	case 1: /* reserved bytes */
		((struct genlmsghdr *)NLMSG_DATA(&m->header))->reserved =
			(uint16_t)(1 + below(65535));
		m->wrong = true;
		break;
	case 2: /* anything from here on, of any kind */
		fill(m->bytes + NLMSG_HDRLEN + GENL_HDRLEN,
		     m->header.nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN);
		m->wrong = false;
		break;
	case 3: /* shorter than its own header */
		m->header.nlmsg_len = NLMSG_HDRLEN + below(GENL_HDRLEN);
		m->wrong = true;
		break;
	default:
		break;
	}
}

/*
 * Sends @m, and reads what comes until it is answered. Returns the errno of the answer (0 or
 * positive), or -1 where there is none.
 */
static int exchange(int fd, const struct message *m)
{
	static union {
		struct nlmsghdr header;
		unsigned char bytes[ANSWER_BYTES];
	} answer;

	if (send(fd, m->bytes, m->header.nlmsg_len, 0) < 0)
		return -1;
	for (;;) {
		ssize_t n = recv(fd, answer.bytes, sizeof(answer.bytes), 0);
		int left = (int)n;

		if (n < 0)
			return -1;
		for (struct nlmsghdr *h = &answer.header; NLMSG_OK(h, (unsigned int)left);
		     h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_seq != m->header.nlmsg_seq)
				continue;
			if (h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE)
				return -*(int *)NLMSG_DATA(h);
		}
	}
}

static int open_socket(void)
{
	const struct timeval patience = {.tv_sec = ANSWER_SECONDS};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC), on = 1;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	return fd;
}

/* Number of the family; what follows the answer is read by exchange() of the next message. */
static uint16_t find_family(int fd)
{
	struct message m;
	unsigned char answer[8192];
	unsigned char *name;
	ssize_t n;

	begin(&m, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0, 1);
	name = add_bytes(&m, CTRL_ATTR_FAMILY_NAME, sizeof(FERRY_GENL_NAME));
	memcpy(name, FERRY_GENL_NAME, sizeof(FERRY_GENL_NAME));
	if (send(fd, m.bytes, m.header.nlmsg_len, 0) < 0)
		return 0;
	n = recv(fd, answer, sizeof(answer), 0);
	for (ssize_t at = NLMSG_HDRLEN + GENL_HDRLEN; at + NLA_HDRLEN + 2 <= n;) {
		const struct nlattr *attr = (const struct nlattr *)(answer + at);

		if (attr->nla_type == CTRL_ATTR_FAMILY_ID)
			return *(const uint16_t *)(answer + at + NLA_HDRLEN);
		if (attr->nla_len < NLA_HDRLEN)
			return 0;
		at += NLA_ALIGN(attr->nla_len);
	}
	return 0;
}

/* A dump that nobody reads to its end. */
static void leave_dump(uint16_t type)
{
	const int fd = open_socket();
	struct message m;

	if (fd < 0)
		return;
	begin(&m, type, one_in(2) ? FERRY_CMD_LINK_GET : FERRY_CMD_ENERGY_GET, NLM_F_DUMP, 1);
	(void)!send(fd, m.bytes, m.header.nlmsg_len, 0);
	close(fd);
}

int main(int argc, char **argv)
{
	const unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	unsigned long taken = 0, refused = 0, wrong = 0;
	int fd = open_socket();
	uint16_t type;

	if (!count) {
		fprintf(stderr, "usage: fuzz COUNT [SEED]\n");
		return 2;
	}
	state = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	state = state * 2 + 1; /* never 0 */
	type = fd < 0 ? 0 : find_family(fd);
	if (!type) {
		fprintf(stderr, "fuzz: there is no family \"ferry\": %s\n", strerror(errno));
		return 2;
	}
	for (unsigned long i = 0; i < count; i++) {
		struct message m;
		int result;

		make_message(&m, type, (uint32_t)(i + 2));
		if (one_in(64))
			leave_dump(type);
		result = exchange(fd, &m);
		if (result < 0 || (m.wrong && !result)) {
			printf("FAIL: message %lu (command %u, %u bytes) %s\n", i,
			       ((struct genlmsghdr *)NLMSG_DATA(&m.header))->cmd,
			       m.header.nlmsg_len,
			       result < 0 ? "is not answered" : "is taken, and must not be");
			return 1;
		}
		if (result)
			refused++;
		else
			taken++;
		wrong += m.wrong;
	}
	printf("%lu messages: %lu taken, %lu refused, of which %lu had to be\n", count, taken,
	       refused, wrong);
	/* A fuzzer that is refused at the door tests the door only. */
	return taken < count / 20 || wrong < count / 4;
}
