// SPDX-License-Identifier: MIT
#include "plan/sim/trace.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

const char *const ferry_trace_names[FERRY_N_TRACES] = {"lte", "wifi", "ethernet"};

double ferry_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

double ferry_random_normal(uint64_t *state)
{
	double u = 1 - ferry_random(state), v = ferry_random(state);

	return sqrt(-2 * log(u)) * cos(2 * 3.14159265358979323846 * v);
}

/* One kind of link. The medians of LTE are measured (trace.h), the rest is chosen to be typical. */
static const struct kind {
	double up_mbit, down_mbit, rtt_ms; /* medians over traces */
	double spread;			   /* of a trace's median: deviation of the logarithm */
	double swing, swing_s;		   /* within a trace: deviation of the logarithm, memory */
	double jitter;			   /* of the RTT: deviation of the logarithm */
	double loss;
	double bad_every_s, bad_s; /* a second state: */
	double bad_rate, bad_rtt, bad_loss;
	double down_every_s, down_s; /* no carrier */
} kinds[FERRY_N_TRACES] = {
	[FERRY_TRACE_LTE] = {6, 13, 70, 0.6, 0.4, 5, 0.15, 0.001, 20, 2, 0.3, 2, 0.01, 60, 1},
	[FERRY_TRACE_WIFI] = {40, 60, 4, 0.7, 0.3, 2, 0.3, 0.001, 5, 0.5, 0.2, 5, 0.05, 120, 0.23},
	[FERRY_TRACE_ETHERNET] = {500, 500, 0.4, 0.7, 0.05, 5, 0.05, 1e-5, 30, 1, 0.5, 2, 1e-4, 600,
				  3},
};

/* A two-state chain, looked at every @step_s: whether it is in the second one now. */
static bool turn(uint64_t *state, bool now, double every_s, double lasts_s, double step_s)
{
	return ferry_random(state) < 1 - exp(-step_s / (now ? lasts_s : every_s)) ? !now : now;
}

void ferry_trace_generate(enum ferry_trace_kind kind, uint64_t seed, struct ferry_trace *trace)
{
	const struct kind *k = &kinds[kind];
	uint64_t state = seed * FERRY_N_TRACES + (uint64_t)kind;
	const double step_s = trace->step_us / 1e6, keep = exp(-step_s / k->swing_s);
	const double here = ferry_random_normal(&state);
	const double up = k->up_mbit / 8 * exp(k->spread * here);
	const double down = k->down_mbit / 8 * exp(k->spread * here);
	const double rtt = k->rtt_ms * 1e3 * exp(k->spread / 2 * ferry_random_normal(&state));
	double swing = k->swing * ferry_random_normal(&state);
	bool bad = false, off = false;

	for (size_t i = 0; i < trace->n; i++) {
		double rate = exp(swing) * (bad ? k->bad_rate : 1);

		trace->samples[i] = (struct ferry_link_cost){
			.up_bytes_per_us = up * rate,
			.down_bytes_per_us = down * rate,
			.rtt_us = rtt * (bad ? k->bad_rtt : 1) *
				  exp(k->jitter * ferry_random_normal(&state)),
			.loss = bad ? k->bad_loss : k->loss,
			.no_carrier = off,
		};
		/* An Ornstein-Uhlenbeck process, so that the deviation is the same at any step. */
		swing = keep * swing +
			sqrt(1 - keep * keep) * k->swing * ferry_random_normal(&state);
		bad = turn(&state, bad, k->bad_every_s, k->bad_s, step_s);
		off = turn(&state, off, k->down_every_s, k->down_s, step_s);
	}
}

/* The six numbers of a line that has @n bytes; false: something else. */
static bool parse_line(const char *line, size_t n, double v[6])
{
	char copy[256], *at = copy, *end;

	if (n >= sizeof(copy) || memchr(line, 0, n))
		return false;
	memcpy(copy, line, n);
	copy[n] = 0;
	for (int i = 0; i < 6; i++, at = end) {
		v[i] = strtod(at, &end);
		if (end == at || !isfinite(v[i]) || fabs(v[i]) > 1e12)
			return false;
	}
	return at[strspn(at, " \t\r")] == 0 && v[1] >= 0 && v[2] >= 0 && v[3] >= 0 && v[4] >= 0 &&
	       v[4] < 1 && (v[5] == 0 || v[5] == 1);
}

static bool is_comment(const char *line, size_t n)
{
	while (n && (*line == ' ' || *line == '\t' || *line == '\r'))
		line++, n--;
	return !n || *line == '#';
}

int ferry_trace_parse(const char *bytes, size_t n, struct ferry_trace *trace,
		      struct ferry_error *err)
{
	size_t room = 1, number = 0;
	double before = 0, v[6];

	for (size_t i = 0; i < n; i++)
		room += bytes[i] == '\n';
	*trace = (struct ferry_trace){.samples = calloc(room, sizeof(*trace->samples))};
	if (!trace->samples)
		return ferry_fail_memory(err, "the trace", room * sizeof(*trace->samples));
	for (const char *line = bytes, *end = bytes + n, *next; line < end; line = next) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));

		next = stop ? stop + 1 : end;
		stop = stop ? stop : end;
		number++;
		if (is_comment(line, (size_t)(stop - line)))
			continue;
		if (!parse_line(line, (size_t)(stop - line), v))
			goto bad;
		if (trace->n == 1)
			trace->step_us = (v[0] - before) * 1e3;
		if (trace->n &&
		    (!(trace->step_us >= 1) ||
		     fabs((v[0] - before) * 1e3 - trace->step_us) > 1e-3 * trace->step_us))
			goto bad;
		before = v[0];
		trace->samples[trace->n++] = (struct ferry_link_cost){
			.up_bytes_per_us = v[1] / 8e3,
			.down_bytes_per_us = v[2] / 8e3,
			.rtt_us = v[3] * 1e3,
			.loss = v[4],
			.no_carrier = !v[5],
		};
	}
	if (trace->n >= 2)
		return 0;
	free(trace->samples);
	trace->samples = NULL;
	return ferry_fail(err, FERRY_ERROR_CALLER, -EBADMSG, "a trace has two lines at least");
bad:
	free(trace->samples);
	trace->samples = NULL;
	return ferry_fail(err, FERRY_ERROR_CALLER, -EBADMSG,
			  "line %zu of the trace is not 'MS UP_KBPS DOWN_KBPS RTT_MS LOSS CARRIER' "
			  "with a constant step of the time",
			  number);
}
