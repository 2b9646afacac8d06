// SPDX-License-Identifier: MIT
/*
 * ferry net watch: what the classes of a link send, second by second.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "cli/net_verbs.h"
#include "cli/net_view.h"

struct watch_options {
	bool json;
	const char *device;
	uint64_t interval_ms, count;
};

/* Of one class, at one moment. */
struct sample {
	uint64_t packets, bytes, drops, marks, late;
	uint32_t backlog, p99_us;
};

struct samples {
	uint64_t taken_us;
	struct sample of[FERRY_CLASS_COUNT];
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct watch_options *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case 'i':
		o->interval_ms =
			(uint64_t)(ferry_cli_real(state, "--interval", arg, 0.1, 3600) * 1000.0f);
		return 0;
	case 'n':
		o->count = ferry_cli_number(state, "--count", arg, 1, 1000000000);
		return 0;
	case ARGP_KEY_ARG:
		if (o->device)
			argp_error(state, "one interface at a time, not also '%s'", arg);
		o->device = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "the interface is missing, as wan0");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option option_table[] = {
	{"interval", 'i', "S", 0, "seconds between two lines (1)", 0},
	{"count", 'n', "N", 0, "end after so many (none: until it is told to)", 0},
	{"json", 'j', NULL, 0, "print a JSON object a line", 0},
	{0},
};

/* Of the qdisc where there is one, which knows most; else of the classifier. */
static void take(const struct net_view *v, struct samples *s)
{
	memset(s, 0, sizeof(*s));
	s->taken_us = ferry_now_us();
	for (unsigned int k = 0; k < FERRY_CLASS_COUNT; k++) {
		struct sample *sample = &s->of[k];

		if (v->qdisc) {
			const struct ferry_qdisc_class *c = &v->qdisc->classes[k];

			*sample = (struct sample){c->packets, c->bytes,	  c->drops, c->marks,
						  c->late,    c->backlog, c->p99_us};
			continue;
		}
		for (unsigned int source = 0; source < FERRY_CLASSIFY_SOURCES; source++) {
			sample->packets += v->counts[source][k].packets;
			sample->bytes += v->counts[source][k].bytes;
		}
	}
}

/* A counter that began anew, with a new qdisc, has moved by all that it shows. */
static uint64_t moved(uint64_t from, uint64_t to)
{
	return to >= from ? to - from : to;
}

static uint64_t per_second(uint64_t from, uint64_t to, uint64_t us)
{
	return us ? (uint64_t)((double)moved(from, to) * 1e6 / (double)us) : 0;
}

static void print_text(const struct samples *before, const struct samples *now, bool redraw)
{
	const uint64_t us = now->taken_us - before->taken_us;

	if (redraw)
		fputs("\033[H\033[J", stdout);
	printf("%-8s %12s %10s %8s %8s %8s %10s %10s\n", "class", "kbit/s", "packets/s", "drops",
	       "marks", "late", "backlog", "p99_us");
	for (unsigned int k = 0; k < FERRY_CLASS_COUNT; k++) {
		const struct sample *a = &before->of[k], *b = &now->of[k];

		printf("%-8s %12" PRIu64 " %10" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64
		       " %10u %10u\n",
		       ferry_net_class_name(k), per_second(a->bytes, b->bytes, us) * 8 / 1000,
		       per_second(a->packets, b->packets, us), moved(a->drops, b->drops),
		       moved(a->marks, b->marks), moved(a->late, b->late), b->backlog, b->p99_us);
	}
	if (!redraw)
		putchar('\n');
}

static void print_json(const struct samples *before, const struct samples *now)
{
	const uint64_t us = now->taken_us - before->taken_us;
	json_t *root = json_object();

	json_object_set_new(root, "interval_us", json_integer((json_int_t)us));
	for (unsigned int k = 0; k < FERRY_CLASS_COUNT; k++) {
		const struct sample *a = &before->of[k], *b = &now->of[k];

		json_object_set_new(root, ferry_net_class_name(k),
				    json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "packets",
					      (json_int_t)moved(a->packets, b->packets), "bytes",
					      (json_int_t)moved(a->bytes, b->bytes), "drops",
					      (json_int_t)moved(a->drops, b->drops), "marks",
					      (json_int_t)moved(a->marks, b->marks), "late",
					      (json_int_t)moved(a->late, b->late), "backlog",
					      (json_int_t)b->backlog, "p99_us",
					      (json_int_t)b->p99_us));
	}
	json_dumpf(root, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(root);
}

/* Whether the time has passed; false where somebody wants an end. */
static bool wait_for(uint64_t until_us)
{
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	for (;;) {
		const uint64_t now_us = ferry_now_us();
		const uint64_t left_us = now_us < until_us ? until_us - now_us : 0;
		const struct timespec time = {.tv_sec = (time_t)(left_us / 1000000),
					      .tv_nsec = (long)(left_us % 1000000) * 1000};

		if (!left_us)
			return true;
		if (sigtimedwait(&ends, NULL, &time) > 0)
			return false;
	}
}

static int watch(struct net_view *v, const struct watch_options *o, struct ferry_error *err)
{
	const bool redraw = !o->json && isatty(STDOUT_FILENO);
	struct samples before, now;

	if (!v->qdisc && !v->classifier)
		return ferry_fail(err, FERRY_ERROR_SYSTEM, v->classifier_code, "%s", v->why);
	take(v, &before);
	for (uint64_t n = 0; !o->count || n < o->count; n++) {
		int ret;

		if (!wait_for(before.taken_us + o->interval_ms * 1000))
			return 0;
		ret = ferry_net_view_again(v, err);
		if (ret)
			return ret;
		take(v, &now);
		if (o->json)
			print_json(&before, &now);
		else
			print_text(&before, &now, redraw);
		/* Whoever read has gone: that is an end like any other. */
		if (fflush(stdout) && errno == EPIPE)
			return -EPIPE;
		ret = ferry_cli_check_output(err);
		if (ret)
			return ret;
		before = now;
	}
	return 0;
}

int ferry_cli_net_watch(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "What each class of a link sends, second by second, until SIGINT, `net down`, the "
		       "end of the interface or of whoever reads. Drops, marks and late packets are those "
		       "since the line before.",
		.args_doc = "DEV",
	};
	struct net_view *view = calloc(1, sizeof(*view));
	struct watch_options o = {.interval_ms = 1000};
	struct ferry_error err;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	ret = view ? ferry_net_view(view, o.device, &err)
		   : ferry_fail_memory(&err, "a status", sizeof(*view));
	if (!ret) {
		ret = watch(view, &o, &err);
		ferry_net_view_free(view);
	}
	free(view);
	if (ret == -EPIPE)
		_exit(CLI_OK); /* at_exit would complain of the pipe */
	return ret ? ferry_cli_fail(argv[0], &err) : CLI_OK;
}
