// SPDX-License-Identifier: MIT
/*
 * traffic: sends flows from one network namespace to another for a while and prints, as JSON, what
 * came of each. All flows begin to send at once; after the warm-up they are measured. They go on
 * until what was sent in that time has arrived, or the patience is over.
 */
#define _GNU_SOURCE /* getsubopt */
#include <argp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow.h"

enum {
	FAILED = 1,
	USAGE = 2,
	MAX_FLOWS = 64,
	MAX_GROUPS = 16,
	MAX_SECONDS = 3600,
	PATIENCE_MS = 4000,
	POLL_MS = 20,
};

/* Flows with the same description, which are reported as one. */
struct group {
	struct ferry_flow_shape shape;
	uint32_t n;
	struct ferry_flow *flows;
};

struct options {
	const char *from, *to;
	struct in_addr address;
	uint32_t seconds, warm_up_ms;
	struct group groups[MAX_GROUPS];
	uint32_t n_groups, n_flows;
};

static const char *const kind_names[] = {
	[FERRY_FLOW_TOKEN] = "token",
	[FERRY_FLOW_MESSAGE] = "message",
	[FERRY_FLOW_BULK] = "bulk",
	[FERRY_FLOW_FLOOD] = "flood",
};

static const struct ferry_flow_shape defaults[] = {
	[FERRY_FLOW_TOKEN] = {.port = 5001, .size = 256, .every_ms = 20},
	[FERRY_FLOW_MESSAGE] = {.port = 5003, .size = 131072, .every_ms = 500},
	[FERRY_FLOW_BULK] = {.port = 5005},
	[FERRY_FLOW_FLOOD] = {.port = 5006, .kbit = 1000},
};

static bool parse_number(const char *text, uint32_t most, uint32_t *number)
{
	unsigned long value;
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || value > most)
		return false;
	*number = (uint32_t)value;
	return true;
}

enum key {
	NAME,
	PORT,
	SIZE,
	EVERY,
	DEADLINE,
	WAIT,
	ANSWER,
	KBIT,
	OVERHEAD,
	MPU,
	DSCP,
	PRIORITY,
	COUNT
};

static char *const keys[] = {
	[NAME] = (char *)"name",
	[PORT] = (char *)"port",
	[SIZE] = (char *)"size",
	[EVERY] = (char *)"every_ms",
	[DEADLINE] = (char *)"deadline_ms",
	[WAIT] = (char *)"wait",
	[ANSWER] = (char *)"answer",
	[KBIT] = (char *)"kbit",
	[OVERHEAD] = (char *)"overhead",
	[MPU] = (char *)"mpu",
	[DSCP] = (char *)"dscp",
	[PRIORITY] = (char *)"priority",
	[COUNT] = (char *)"n",
	NULL,
};

static bool set_key(struct group *group, enum key key, char *value)
{
	struct ferry_flow_shape *shape = &group->shape;
	uint32_t number = 0;

	if (key == NAME) {
		shape->name = value;
		return value && *value;
	}
	if (!parse_number(value, INT32_MAX, &number))
		return false;
	switch (key) {
	case PORT:
		shape->port = (uint16_t)number;
		return number > 0 && number <= UINT16_MAX;
	case SIZE:
		shape->size = number;
		return true;
	case EVERY:
		shape->every_ms = number;
		return number > 0;
	case DEADLINE:
		shape->deadline_ms = number;
		return true;
	case WAIT:
		shape->wait = number;
		return number <= 1;
	case ANSWER:
		shape->answer = number;
		return number <= FERRY_MAX_DATAGRAM;
	case KBIT:
		shape->kbit = number;
		return number > 0;
	case OVERHEAD:
		shape->overhead = number;
		return true;
	case MPU:
		shape->mpu = number;
		return true;
	case DSCP:
		shape->marks.dscp = (int)number;
		return number < 64;
	case PRIORITY:
		shape->marks.priority = (int)number;
		return true;
	default:
		group->n = number;
		return number > 0 && number <= MAX_FLOWS;
	}
}

static bool sizes_fit(const struct ferry_flow_shape *shape)
{
	switch (shape->kind) {
	case FERRY_FLOW_TOKEN:
		return shape->size >= sizeof(uint32_t) && shape->size <= FERRY_MAX_DATAGRAM;
	case FERRY_FLOW_FLOOD:
		return shape->size <= FERRY_MAX_DATAGRAM;
	case FERRY_FLOW_MESSAGE:
		return shape->size > 0 && shape->size <= 64 << 20;
	default:
		return true;
	}
}

static void parse_flow(struct argp_state *state, struct options *o, char *text)
{
	struct group *group = &o->groups[o->n_groups];
	char *rest = strchrnul(text, ':');
	size_t kind, n_kinds = sizeof(kind_names) / sizeof(kind_names[0]);

	if (o->n_groups == MAX_GROUPS)
		argp_error(state, "more than %d kinds of flows", MAX_GROUPS);
	if (*rest)
		*rest++ = '\0';
	for (kind = 0; kind < n_kinds && strcmp(text, kind_names[kind]) != 0; kind++)
		;
	if (kind == n_kinds)
		argp_error(state, "'%s' is no kind of flow", text);
	group->shape = defaults[kind];
	group->shape.kind = (enum ferry_flow_kind)kind;
	group->shape.name = kind_names[kind];
	group->shape.marks = (struct ferry_marks){-1, -1};
	group->n = 1;
	while (*rest) {
		char *value, *option = rest;
		int key = getsubopt(&rest, keys, &value);

		if (key < 0 || !set_key(group, (enum key)key, value))
			argp_error(state, "a %s has no '%s'", text, option);
	}
	if (!sizes_fit(&group->shape))
		argp_error(state, "a %s cannot have a size of %u", text, group->shape.size);
	o->n_groups++;
	o->n_flows += group->n;
	if (o->n_flows > MAX_FLOWS)
		argp_error(state, "more than %d flows", MAX_FLOWS);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'f':
		o->from = arg;
		break;
	case 't':
		o->to = arg;
		break;
	case 'a':
		if (inet_pton(AF_INET, arg, &o->address) != 1)
			argp_error(state, "'%s' is no IPv4 address", arg);
		break;
	case 's':
		if (!parse_number(arg, MAX_SECONDS, &o->seconds) || !o->seconds)
			argp_error(state, "--seconds takes 1 to %d, not '%s'", MAX_SECONDS, arg);
		break;
	case 'w':
		if (!parse_number(arg, MAX_SECONDS * 1000, &o->warm_up_ms))
			argp_error(state, "--warm-up takes milliseconds, not '%s'", arg);
		break;
	case ARGP_KEY_ARG:
		parse_flow(state, o, arg);
		break;
	case ARGP_KEY_END:
		if (!o->from || !o->to || !o->address.s_addr || !o->n_groups)
			argp_error(state, "--from, --to, --address and a FLOW are needed");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_option option_table[] = {
	{"from", 'f', "NETNS", 0, "namespace that sends", 0},
	{"to", 't', "NETNS", 0, "namespace that receives", 0},
	{"address", 'a', "ADDRESS", 0, "IPv4 address of the receiver", 0},
	{"seconds", 's', "S", 0, "how long to measure (default 10)", 0},
	{"warm-up", 'w', "MS", 0, "how long to send before that (default 1000)", 0},
	{0},
};

static const char manual[] =
	"Sends flows between two network namespaces and prints what came of them as JSON."
	"\vFLOW is a kind with options, KIND[:KEY=VALUE,...]. Every kind knows name, port, dscp, "
	"priority (SO_PRIORITY) and n (this many of them).\n\n"
	"  token    datagrams of `size` bytes, one `every_ms`; one-way latency\n"
	"  message  messages of `size` bytes over one connection, one `every_ms`; time until the "
	"last byte is there; `deadline_ms` to count those that are on time; `wait=1` to send none "
	"before the one before it has arrived; `answer` bytes come back for each\n"
	"  bulk     a connection that sends what it can\n"
	"  flood    datagrams of `kbit` kbit/s, of `size` bytes (0: mixed), counted with "
	"`overhead` and `mpu` as a shaper counts\n";

/* In milliseconds; null for what never arrived. */
static json_t *length(uint64_t ns)
{
	if (ns == FERRY_NEVER)
		return json_null();
	return json_real(round((double)ns / 1e3) / 1e3);
}

static json_t *report(struct group *group, uint32_t seconds)
{
	struct ferry_samples all = {0};
	unsigned long long bytes = 0;
	uint32_t lost = 0, on_time = 0;
	json_t *object;

	for (uint32_t i = 0; i < group->n; i++) {
		struct ferry_flow *flow = &group->flows[i];

		bytes += atomic_load(&flow->bytes);
		lost += flow->lost;
		for (size_t k = 0; k < flow->latency.n; k++) {
			uint64_t ns = flow->latency.ns[k];

			on_time += ns <= (uint64_t)group->shape.deadline_ms * FERRY_NS_PER_MS;
			if (ferry_samples_add(&all, ns))
				flow->err = -ENOMEM;
		}
	}
	object = json_pack("{s:s,s:f}", "kind", kind_names[group->shape.kind], "mbit",
			   (double)bytes * 8 / 1e6 / seconds);
	if (group->shape.every_ms && object) {
		json_object_set_new(object, "sent", json_integer((json_int_t)all.n));
		json_object_set_new(object, "lost", json_integer(lost));
		json_object_set_new(object, "p50_ms", length(ferry_samples_quantile(&all, 500)));
		json_object_set_new(object, "p95_ms", length(ferry_samples_quantile(&all, 950)));
		json_object_set_new(object, "p99_ms", length(ferry_samples_quantile(&all, 990)));
		if (group->shape.deadline_ms)
			json_object_set_new(object, "on_time", json_integer(on_time));
	}
	ferry_samples_free(&all);
	return object;
}

static bool all_settled(const struct ferry_flow *flows, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (!ferry_flow_settled(&flows[i]))
			return false;
	return true;
}

static int run(struct options *o, struct ferry_flow *flows, atomic_bool *stop)
{
	uint64_t begin, end, patience;
	uint32_t n = 0;
	int err;

	for (uint32_t g = 0; g < o->n_groups; g++) {
		o->groups[g].flows = &flows[n];
		for (uint32_t i = 0; i < o->groups[g].n; i++, n++) {
			flows[n].shape = o->groups[g].shape;
			err = ferry_flow_open(&flows[n], o->from, o->to, o->address);
			if (err) {
				fprintf(stderr, "traffic: %s cannot be opened: %s\n",
					flows[n].shape.name, strerror(-err));
				return err;
			}
		}
	}
	begin = ferry_realtime_ns() + (uint64_t)o->warm_up_ms * FERRY_NS_PER_MS;
	end = begin + (uint64_t)o->seconds * 1000 * FERRY_NS_PER_MS;
	for (uint32_t i = 0; i < n; i++) {
		flows[i].begin_ns = begin;
		flows[i].end_ns = end;
		flows[i].stop = stop;
		err = ferry_flow_start(&flows[i]);
		if (err) {
			fprintf(stderr, "traffic: %s does not start: %s\n", flows[i].shape.name,
				strerror(-err));
			return err;
		}
	}
	ferry_sleep_until(end, stop);
	patience = end + (uint64_t)PATIENCE_MS * FERRY_NS_PER_MS;
	do
		ferry_sleep_until(ferry_realtime_ns() + POLL_MS * FERRY_NS_PER_MS, stop);
	while (!all_settled(flows, n) && ferry_realtime_ns() < patience);
	return 0;
}

int main(int argc, char **argv)
{
	const struct argp argp = {option_table, parse_option, "FLOW...", manual, NULL, NULL, NULL};
	static struct options o = {.seconds = 10, .warm_up_ms = 1000};
	static struct ferry_flow flows[MAX_FLOWS];
	static atomic_bool stop;
	json_t *results = json_object();
	int err;

	argp_err_exit_status = USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	for (uint32_t i = 0; i < MAX_FLOWS; i++)
		flows[i].path = (struct ferry_path){-1, -1};
	err = run(&o, flows, &stop);
	stop = true;
	for (uint32_t i = 0; i < o.n_flows; i++) {
		if (flows[i].path.out >= 0)
			ferry_flow_finish(&flows[i]);
		if (flows[i].err && !err) {
			err = flows[i].err;
			fprintf(stderr, "traffic: %s broke: %s\n", flows[i].shape.name,
				strerror(-err));
		}
	}
	for (uint32_t g = 0; g < o.n_groups && !err; g++)
		json_object_set_new(results, o.groups[g].shape.name,
				    report(&o.groups[g], o.seconds));
	for (uint32_t i = 0; i < MAX_FLOWS; i++)
		ferry_flow_free(&flows[i]);
	if (!err && json_dumpf(results, stdout, JSON_COMPACT | JSON_REAL_PRECISION(7)))
		err = -EIO;
	json_decref(results);
	if (!err)
		puts("");
	return err ? FAILED : 0;
}
