// SPDX-License-Identifier: MIT
#include "bottleneck.h"

#include "net/reflectors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
	DT_MS = 10,
	PAST = 256,	  /* steps that are remembered: 2.56 s */
	OWN_QUEUE_MS = 8, /* what an AQM leaves in our own queue under load */
	SETTLED_S = 30,
	TURNS_S = 60,
	FLOWS = 8,
	SEGMENT_KBIT = 12,
	AQM_MS = 15,  /* of our own queue, from which on it drops */
	BINS = 4096,  /* of a quarter of a millisecond */
	ECHOES = 128, /* that are on their way */
};

#define BIN_MS	  0.25
#define BUFFER_MS 1000 /* at 20 Mbit/s */

struct run {
	const struct bottleneck_options *o;
	struct bottleneck_result *r;
	uint64_t seed;
	double capacity, wander;   /* kbit/s; of TRACE_LTE the logarithm */
	double queue_kbit, rate;   /* behind us; kbit/s */
	double srtt, rttvar, base; /* ms */
	double least;		   /* ms */
	double rtt_past[PAST], got_past[PAST], lost_past[PAST], sent_past[PAST];
	double sent_kbit, acked_kbit; /* since the last step of the controller */
	double all_kbit;	      /* since the beginning */
	double could, did;
	double loss;
	double own_sum_ms;	    /* since the last step of the controller */
	double window_kbit, own_ms; /* of senders that yield; our own queue */
	uint32_t yielded_ms;
	unsigned int bin[BINS], samples;
	uint32_t told_kbps, told_ms;
	int direction;
	struct ferry_reflectors set;
	struct echo {
		const struct ferry_echo_address *to;
		uint16_t sequence;
		double back_ms; /* 0: none */
	} echo[ECHOES];
	unsigned int asked;
};

static double uniform(struct run *run)
{
	run->seed = run->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (double)(run->seed >> 11) / 9007199254740992.0;
}

const char *bottleneck_name(enum bottleneck_trace trace)
{
	static const char *const names[TRACES] = {"constant", "step down",  "step up",
						  "LTE-like", "Wi-Fi-like", "loss bursts",
						  "idle"};

	return names[trace];
}

static void move_capacity(struct run *run, uint32_t ms)
{
	static const double rates[] = {6500, 13000, 19500, 26000, 39000, 52000, 58500, 65000};

	switch (run->o->trace) {
	case TRACE_STEP_DOWN:
		run->capacity = ms < 60000 ? 20000 : 5000;
		break;
	case TRACE_STEP_UP:
		run->capacity = ms < 60000 ? 5000 : 40000;
		break;
	case TRACE_LTE:
		/* A walk that is pulled back to its middle, ten times a second. */
		if (ms % 100 == 0)
			run->wander +=
				(log(12000) - run->wander) * 0.01 + (uniform(run) - 0.5) * 0.16;
		run->capacity = fmin(fmax(exp(run->wander), 3000), 40000);
		break;
	case TRACE_WIFI:
		/* On average every five seconds; 70 % of the bit rate gets through. */
		if (!run->capacity || (ms % 100 == 0 && uniform(run) < 0.02))
			run->capacity = rates[(int)(uniform(run) * 8)] * 0.7;
		break;
	case TRACE_IDLE:
		run->capacity = ms < 70000 ? 20000 : 10000;
		break;
	default:
		run->capacity = 20000;
	}
}

static double offered(const struct run *run, uint32_t ms)
{
	return run->o->trace == TRACE_IDLE && ms % 60000 >= 20000 ? 0 : 1e9;
}

static struct ferry_autorate_value value(bool known, uint32_t age_ms, double v)
{
	return (struct ferry_autorate_value){
		.known = known, .age_ms = age_ms, .value = v > 0 ? (uint64_t)v : 0};
}

static double jitter_of(const struct run *run)
{
	return run->o->trace == TRACE_LTE ? 10 : 1;
}

static void begin_reflectors(struct run *run)
{
	struct ferry_echo_address address[FERRY_REFLECTORS_MAX] = {{0}};

	for (unsigned int i = 0; i < FERRY_REFLECTORS_MAX; i++) {
		address[i].family = 2;
		address[i].bytes[3] = (uint8_t)i;
	}
	ferry_reflectors_begin(&run->set, address, run->o->reflectors);
}

/* Echoes pass our own queue, and wait behind us as all else does. */
static void send_echoes(struct run *run, uint32_t ms, bool busy)
{
	int i;

	while ((i = ferry_reflectors_next(&run->set, ms * 1000ull, busy)) >= 0) {
		struct echo *echo = &run->echo[run->asked++ % ECHOES];
		const double way_ms = run->base + i * 7 + run->queue_kbit / run->capacity * 1000;

		echo->to = &run->set.reflector[i].address;
		echo->sequence = ferry_reflectors_ask(&run->set, (size_t)i, 1, ms * 1000ull,
						      (uint64_t)(run->all_kbit * 125));
		echo->back_ms = ms + way_ms + uniform(run) * jitter_of(run);
		if ((i == 0 && run->o->reflectors > 1) ||
		    (run->o->trace == TRACE_LOSS && ms % 10000 < 2000 && uniform(run) < 0.1))
			echo->back_ms = 0;
	}
}

static void take_echoes(struct run *run, uint32_t ms)
{
	for (int i = 0; i < ECHOES; i++) {
		struct echo *echo = &run->echo[i];

		if (echo->back_ms > 0 && echo->back_ms <= ms) {
			ferry_reflectors_answer(&run->set, echo->to, echo->sequence, 1,
						(uint64_t)(echo->back_ms * 1000));
			echo->back_ms = 0;
		}
	}
}

/* What the agent would tell of them, too. */
static void add_echoes(struct run *run, uint32_t ms, struct ferry_autorate_input *in)
{
	struct ferry_reflectors_sum sum;

	if (!run->o->reflectors)
		return;
	ferry_reflectors_sum(&run->set, ms * 1000ull, &sum);
	if (sum.known) {
		const uint32_t age_ms = ms - (uint32_t)(sum.taken_us / 1000);

		in->srtt_us = value(true, age_ms, (double)sum.srtt_us);
		in->growth_us = value(true, age_ms, (double)sum.growth_us);
		in->rttvar_us = value(true, age_ms, (double)sum.rttvar_us);
		in->acked_kbps = value(sum.has_delivered, age_ms, (double)sum.delivered_kbps);
		in->passes_queue = true;
	}
	send_echoes(run, ms, in->sent_kbps.value * 2 > run->o->limits.floor_kbps);
}

static void control(struct run *run, struct ferry_autorate *state, uint32_t ms, double load)
{
	const bool rtt = !run->o->without_rtt && !run->o->reflectors && run->srtt > 0;
	const uint32_t before = (uint32_t)run->rate;
	const uint32_t end = run->o->seconds * 1000;
	struct ferry_autorate_decision d;
	struct ferry_autorate_input in = {
		.now_ms = 1000 + ms,
		.present_kbps = before,
		.link_kbps = value(run->told_kbps, ms - run->told_ms, run->told_kbps),
		.sent_kbps = value(true, 0, run->sent_kbit * 1000 / FERRY_AUTORATE_STEP_MS),
		.backlog_bytes = value(true, 0,
				       load > 0 ? run->rate * run->own_sum_ms * DT_MS /
							  FERRY_AUTORATE_STEP_MS / 8
						: 0),
		.acked_kbps = value(rtt, 0, run->acked_kbit * 1000 / FERRY_AUTORATE_STEP_MS),
		.srtt_us = value(rtt, (uint32_t)run->srtt, run->srtt * 1000),
		.growth_us = value(rtt, (uint32_t)run->srtt, (run->srtt - run->least) * 1000),
		.rttvar_us = value(rtt, (uint32_t)run->srtt, run->rttvar * 1000),
		.retransmit_ppm = value(rtt, 0, run->loss * 1e6),
	};

	run->sent_kbit = run->acked_kbit = run->own_sum_ms = 0;
	add_echoes(run, ms, &in);
	if (run->o->controlled) {
		ferry_autorate_step(&run->o->limits, state, &in, &d);
		run->rate = d.kbps;
		if (run->o->visit)
			run->o->visit(&d, ms / 1000.0, run->capacity,
				      run->queue_kbit / run->capacity * 1000, run->o->data);
	}
	if (run->rate < run->o->limits.floor_kbps || run->rate > run->o->limits.ceiling_kbps)
		run->r->outside = true;
	if (ms + TURNS_S * 1000 >= end && (uint32_t)run->rate != before) {
		const int direction = run->rate > before ? 1 : -1;

		run->r->changes++;
		if (run->direction && direction != run->direction)
			run->r->reversals++;
		run->direction = direction;
	}
	if (ms + SETTLED_S * 1000 >= end) {
		run->r->settled_min_kbps = (uint32_t)fmin(run->r->settled_min_kbps, run->rate);
		run->r->settled_max_kbps = (uint32_t)fmax(run->r->settled_max_kbps, run->rate);
	}
}

/* What senders send that have a window, and are in our own queue with what is beyond the rate. */
static double yielding(struct run *run, uint32_t ms, bool lost)
{
	const double way_ms = run->base + run->queue_kbit / run->capacity * 1000;
	const double beyond = run->window_kbit - run->rate * way_ms / 1000;

	run->own_ms = beyond > 0 ? beyond / run->rate * 1000 : 0;
	/* A loss behind us, or our own AQM. */
	if ((lost || run->own_ms > AQM_MS) && ms - run->yielded_ms > way_ms) {
		run->window_kbit *= 0.7;
		run->yielded_ms = ms;
	} else {
		run->window_kbit += FLOWS * SEGMENT_KBIT * DT_MS / (way_ms + run->own_ms);
	}
	return run->window_kbit * 1000 / (way_ms + run->own_ms);
}

/* What the senders learn: samples of round trips, and what got through, a round trip ago. */
static void feed_back(struct run *run, uint32_t step, double own_ms, bool sending)
{
	const double jitter = jitter_of(run);
	const double rtt =
		run->base + own_ms + run->queue_kbit / run->capacity * 1000 + uniform(run) * jitter;
	uint32_t lag = (uint32_t)((run->base + own_ms) / DT_MS);
	double sample, sent, lost;

	run->rtt_past[step % PAST] = sending ? rtt : 0;
	lag = lag < PAST - 1 ? lag : PAST - 1;
	if (step < lag)
		return;
	sample = run->rtt_past[(step - lag) % PAST];
	run->acked_kbit += run->got_past[(step - lag) % PAST] * (100 - run->o->foreign) / 100;
	sent = run->sent_past[(step - lag) % PAST];
	lost = run->lost_past[(step - lag) % PAST];
	if (sent > 0)
		run->loss += (lost / sent - run->loss) * DT_MS / 5000;
	if (sample <= 0)
		return;
	if (run->srtt <= 0) {
		run->srtt = run->least = sample;
		run->rttvar = sample / 2;
	}
	run->rttvar += (fabs(sample - run->srtt) - run->rttvar) / 4;
	run->srtt += (sample - run->srtt) / 8;
	run->least = fmin(run->least, run->srtt);
}

static double percentile(const struct run *run, double p)
{
	unsigned int seen = 0;

	for (int i = 0; i < BINS; i++) {
		seen += run->bin[i];
		if (seen > p * run->samples)
			return i * BIN_MS;
	}
	return BINS * BIN_MS;
}

void bottleneck_run(const struct bottleneck_options *options, struct bottleneck_result *result)
{
	static const struct ferry_autorate_limits usual = {1000, 100000, 20000};
	struct bottleneck_options o = *options;
	struct ferry_autorate state = {0};
	struct run run = {.o = &o, .r = result, .seed = 7, .wander = log(12000)};

	memset(result, 0, sizeof(*result));
	if (!o.limits.ceiling_kbps)
		o.limits = usual;
	o.seconds = o.seconds ? o.seconds : 180;
	run.base = o.rtt_ms ? o.rtt_ms : 40;
	run.rate = o.limits.base_kbps;
	run.window_kbit = FLOWS * SEGMENT_KBIT;
	result->settled_min_kbps = UINT32_MAX;
	begin_reflectors(&run);
	for (uint32_t ms = 0, step = 0; ms < o.seconds * 1000; ms += DT_MS, step++) {
		double load = offered(&run, ms), sent, got, lost = 0, room;

		move_capacity(&run, ms);
		run.own_ms = load > 0 ? OWN_QUEUE_MS : 0;
		if (o.yields && load > 0)
			load = yielding(&run, ms, step && run.lost_past[(step - 1) % PAST] > 0);
		sent = fmin(run.rate, load) * DT_MS / 1000;
		if (o.trace == TRACE_WIFI && ms % 1000 == 0) {
			run.told_kbps = (uint32_t)run.capacity;
			run.told_ms = ms;
		}
		room = run.capacity * DT_MS / 1000;
		run.queue_kbit += sent;
		got = fmin(run.queue_kbit, room);
		run.queue_kbit -= got;
		if (run.queue_kbit > 20.0 * BUFFER_MS) {
			lost = run.queue_kbit - 20.0 * BUFFER_MS;
			run.queue_kbit = 20.0 * BUFFER_MS;
		}
		if (o.trace == TRACE_LOSS && ms % 10000 < 2000) {
			lost += got / 10;
			got -= got / 10;
		}
		run.sent_kbit += sent;
		run.all_kbit += sent;
		run.own_sum_ms += run.own_ms;
		run.got_past[step % PAST] = got;
		run.lost_past[step % PAST] = lost;
		run.sent_past[step % PAST] = sent;
		feed_back(&run, step, run.own_ms, sent > 0);
		take_echoes(&run, ms);
		if (sent > 0) {
			const double queue_ms = run.queue_kbit / run.capacity * 1000;

			run.could += room;
			run.did += got;
			run.bin[(int)fmin(queue_ms / BIN_MS, BINS - 1)]++;
			run.samples++;
			if (ms + SETTLED_S * 1000 >= o.seconds * 1000)
				result->settled_ms = fmax(result->settled_ms, queue_ms);
		}
		if ((ms + DT_MS) % FERRY_AUTORATE_STEP_MS == 0)
			control(&run, &state, ms, load);
	}
	result->share = run.did / run.could;
	result->p50_ms = percentile(&run, 0.5);
	result->p95_ms = percentile(&run, 0.95);
	result->p99_ms = percentile(&run, 0.99);
}
