// SPDX-License-Identifier: MIT
#include "net/autorate.h"

#include <inttypes.h>
#include <stdio.h>

enum {
	PERCENT = 100,
	MSEC_PER_SEC = 1000,
	USEC_PER_MSEC = 1000,
	SMOOTH_MS = 500,     /* time constant of what is smoothed */
	GAP_MS = 5000,	     /* after such a silence nothing from before it counts */
	PAUSE_MS_MIN = 500,  /* after a decrease, until srtt can show it: an eighth of the way */
	PAUSE_MS_MAX = 2000, /* ... each round trip */
	PAUSE_ROUNDS = 6,
	DRAIN_US = 1000000, /* in which a queue that has grown is to go */
	IDLE_MS = 30000,    /* after which the way back to the base begins */
	NOT_OURS_MS = 4000, /* a delay that does not follow our rate for so long is not ours */
	NOT_OURS_US_MAX = 1000000, /* no way through a net becomes longer by more */
	FOLLOWS_PERCENT = 5,	   /* a delay that changes by that may follow our rate */
	LOSS_PPM = 50000,	   /* of segments, to be called loss */
	RETRANSMIT_PPM = 20000,	   /* of segments, to stop going up (BBR's 2 %) */
	LOADED_PERCENT = 80,	   /* of the rate that is sent, to be called loaded */
	HYSTERESIS_PERCENT = 2,	   /* smaller changes are not made */
	PACKETS_BACKLOG = 3000,	   /* bytes; less is a packet that was just passing */
	PACKET_BITS = 1500 * 8,	   /* that is on its way out when an echo comes */
	CALM_DOUBLES_MS = 3000,	   /* past the knee the speed doubles in this time */
};

#define KNEE		    0.92 /* of what was too much last: up to there fast */
#define RECOVER_PER_S	    0.20 /* share of the rate per second, up to the knee */
#define PROBE_PER_S	    0.01 /* past it, at first */
#define PROBE_PER_S_MAX	    0.20
#define IDLE_PER_S	    0.02
#define DOWN_MIN	    0.97 /* without an estimate: at the threshold */
#define DOWN_MAX	    0.75 /* and from three times that on */
#define DRAIN_SHARE_MAX	    0.30
#define CAPACITY_SHARE	    0.96 /* of the estimate, beside what drains */
#define CAPACITY_TRUST	    0.50 /* of the rate: a lower estimate is taken as this */
#define DRAINS_PER_S	    0.1
#define NOT_OURS_SHARE	    0.7 /* of the rate when it began */
#define CAPACITY_TRUST_LESS 0.80
#define COVERAGE_MIN	    0.25
#define CONTRADICTS	    1.5 /* more is acknowledged than this times what was sent */
#define COVERAGE_PER_S	    0.3

static double minimum(double a, double b)
{
	return a < b ? a : b;
}

static double maximum(double a, double b)
{
	return a > b ? a : b;
}

static bool fresh(const struct ferry_autorate_value *v)
{
	return v->known && v->age_ms <= FERRY_AUTORATE_FRESH_MS;
}

/* News of a long round trip is as old as that. */
static bool fresh_rtt(const struct ferry_autorate_input *in)
{
	const uint64_t rounds_ms = in->srtt_us.known ? 2 * in->srtt_us.value / USEC_PER_MSEC : 0;

	return in->growth_us.known && (in->growth_us.age_ms <= FERRY_AUTORATE_FRESH_MS ||
				       in->growth_us.age_ms <= rounds_ms);
}

static void smooth(double *value, const struct ferry_autorate_value *sample, double weight)
{
	if (fresh(sample))
		*value += ((double)sample->value - *value) * weight;
}

/* Round trips that vary by themselves, as over a cell, need a wider band. */
static uint32_t threshold_of(const struct ferry_autorate_input *in)
{
	uint64_t us = FERRY_AUTORATE_TARGET_US;

	if (fresh(&in->rttvar_us) && in->rttvar_us.value > us)
		us = in->rttvar_us.value;
	return us < FERRY_AUTORATE_TARGET_MAX ? (uint32_t)us : FERRY_AUTORATE_TARGET_MAX;
}

static double time_share(uint64_t dt_ms, double of_ms)
{
	return minimum((double)dt_ms / of_ms, 1);
}

/*
 * Whether what happens on the link is our doing. Senders give way to a queue behind us: then far
 * less is sent than the rate allows, and it is ours all the same.
 */
static bool is_loaded(const struct ferry_autorate_limits *limits, const struct ferry_autorate *s,
		      const struct ferry_autorate_decision *d)
{
	const double rate = d->input.present_kbps;

	if (!fresh(&d->input.sent_kbps))
		return false;
	if (s->sent_kbps * PERCENT >= rate * LOADED_PERCENT ||
	    (s->backlog_bytes >= PACKETS_BACKLOG && s->sent_kbps * 2 >= rate))
		return true;
	/* Of this very step: what has just ended is not what the delay comes from. */
	return d->delay_us > d->threshold_us && d->input.sent_kbps.value * 2 >= limits->floor_kbps;
}

/* Takes the readings in; what follows from them goes into @d. */
static void observe(const struct ferry_autorate_limits *limits, struct ferry_autorate *s,
		    const struct ferry_autorate_input *in, uint64_t dt_ms,
		    struct ferry_autorate_decision *d)
{
	const double weight = time_share(dt_ms, SMOOTH_MS);

	smooth(&s->sent_kbps, &in->sent_kbps, weight);
	smooth(&s->acked_kbps, &in->acked_kbps, weight);
	smooth(&s->backlog_bytes, &in->backlog_bytes, weight);
	d->threshold_us = threshold_of(in);
	/* kbit/s are bits in a millisecond. */
	if (in->passes_queue)
		d->own_us = PACKET_BITS * USEC_PER_MSEC /
			    (in->present_kbps > FERRY_AUTORATE_KBPS_MIN ? in->present_kbps
									: FERRY_AUTORATE_KBPS_MIN);
	else if (fresh(&in->backlog_bytes) && s->sent_kbps > 1)
		d->own_us = (uint32_t)minimum(s->backlog_bytes * 8 * USEC_PER_MSEC / s->sent_kbps,
					      UINT32_MAX);
	if (fresh_rtt(in)) {
		if (in->growth_us.value < s->ignored_us)
			s->ignored_us = in->growth_us.value;
		d->delay_us = (int64_t)(in->growth_us.value - s->ignored_us) - d->own_us;
		if (d->delay_us < 0)
			d->delay_us = 0;
	}
	d->loaded = is_loaded(limits, s, d);
	if (fresh(&in->acked_kbps) && s->coverage >= COVERAGE_MIN)
		d->capacity_kbps = (uint32_t)minimum(s->acked_kbps / s->coverage, UINT32_MAX);
	/* More arrives than is sent: a queue drains, at no more than the capacity. */
	if (fresh(&in->acked_kbps) && d->delay_us > d->threshold_us &&
	    s->acked_kbps > s->sent_kbps && s->acked_kbps > d->capacity_kbps)
		d->capacity_kbps = (uint32_t)minimum(s->acked_kbps, UINT32_MAX);
}

/* Only while nothing waits behind us is what is sent also what arrives. */
static void learn_coverage(struct ferry_autorate *s, const struct ferry_autorate_decision *d,
			   uint64_t dt_ms)
{
	const struct ferry_autorate_input *in = &d->input;
	double share;

	/* An echo has everything before it that was sent. */
	if (in->passes_queue)
		s->coverage = 1;
	if (in->passes_queue || !d->loaded || !fresh(&in->acked_kbps) || !fresh_rtt(in) ||
	    d->delay_us * 2 > d->threshold_us || s->sent_kbps < 1)
		return;
	share = minimum(s->acked_kbps / s->sent_kbps, 1);
	s->coverage += (share - s->coverage) *
		       (s->coverage > 0 ? time_share(dt_ms, MSEC_PER_SEC / COVERAGE_PER_S) : 1);
}

/* By the round trip without the queue: with it, the fuller the buffer, the slower we would be. */
static uint64_t pause_ms(const struct ferry_autorate_input *in)
{
	uint64_t ms = PAUSE_MS_MAX;

	if (fresh_rtt(in) && in->srtt_us.known && in->srtt_us.value >= in->growth_us.value)
		ms = (in->srtt_us.value - in->growth_us.value) * PAUSE_ROUNDS / USEC_PER_MSEC;
	if (ms < PAUSE_MS_MIN)
		return PAUSE_MS_MIN;
	return ms < PAUSE_MS_MAX ? ms : PAUSE_MS_MAX;
}

/*
 * What is acknowledged while a queue stands is the capacity, whatever the rate: with that known,
 * the rate to go to is known, too. Return: whether it is below the present one.
 */
static bool lower_to_capacity(struct ferry_autorate *s, const struct ferry_autorate_decision *d)
{
	const double drain = minimum((double)d->delay_us / DRAIN_US, DRAIN_SHARE_MAX);
	/* Where less is sent than may be, it may also be that there is no more to send. */
	const double trust = s->sent_kbps * PERCENT >= s->target_kbps * LOADED_PERCENT
				     ? CAPACITY_TRUST
				     : CAPACITY_TRUST_LESS;
	const double capacity = maximum(d->capacity_kbps, s->target_kbps * trust);
	const double to = capacity * (CAPACITY_SHARE - drain);

	s->knee_kbps = capacity;
	if (to >= s->target_kbps)
		return false;
	s->target_kbps = to;
	return true;
}

/* By less at the threshold than from three times that on. */
static void lower_by_delay(struct ferry_autorate *s, const struct ferry_autorate_decision *d)
{
	const double over = (double)d->delay_us / (double)d->threshold_us;

	s->knee_kbps = s->target_kbps;
	s->target_kbps *= maximum(DOWN_MIN - (DOWN_MIN - DOWN_MAX) * (over - 1) / 2, DOWN_MAX);
}

/* A tenth of it is gone within a second. */
static bool drains(const struct ferry_autorate *s, const struct ferry_autorate_decision *d,
		   uint64_t dt_ms)
{
	return (double)d->delay_us <
	       (double)s->last_delay_us * (1 - DRAINS_PER_S * (double)dt_ms / MSEC_PER_SEC);
}

static enum ferry_autorate_reason lower(struct ferry_autorate *s,
					const struct ferry_autorate_decision *d, uint64_t dt_ms)
{
	const struct ferry_autorate_input *in = &d->input;

	if (d->capacity_kbps && d->capacity_kbps < s->target_kbps * CONTRADICTS) {
		if (!lower_to_capacity(s, d))
			return FERRY_AUTORATE_PAUSE;
	} else {
		if ((s->lowered_ms && in->now_ms - s->lowered_ms < pause_ms(in)) ||
		    drains(s, d, dt_ms))
			return FERRY_AUTORATE_PAUSE;
		lower_by_delay(s, d);
	}
	s->lowered_ms = in->now_ms;
	s->link_cut_kbps = 0;
	return FERRY_AUTORATE_DELAY;
}

static enum ferry_autorate_reason
raise_rate(struct ferry_autorate *s, const struct ferry_autorate_limits *limits, uint64_t dt_ms)
{
	const double seconds = (double)dt_ms / MSEC_PER_SEC;
	/* Before anything was too much, the operator's rate is what is known to be right. */
	const double knee = s->knee_kbps > 0 ? s->knee_kbps * KNEE : limits->base_kbps;
	double speed = PROBE_PER_S;

	s->calm_ms += dt_ms;
	if (s->target_kbps < knee) {
		s->target_kbps = minimum(s->target_kbps * (1 + RECOVER_PER_S * seconds), knee);
		s->calm_ms = 0;
		return FERRY_AUTORATE_RECOVER;
	}
	for (uint64_t calm = s->calm_ms; calm >= CALM_DOUBLES_MS && speed < PROBE_PER_S_MAX;
	     calm -= CALM_DOUBLES_MS)
		speed *= 2;
	s->target_kbps *= 1 + minimum(speed, PROBE_PER_S_MAX) * seconds;
	return FERRY_AUTORATE_PROBE;
}

/* Towards the base, once nothing has been learned for long. */
static void drift(struct ferry_autorate *s, const struct ferry_autorate_limits *limits,
		  uint64_t dt_ms)
{
	const double step = s->target_kbps * IDLE_PER_S * (double)dt_ms / MSEC_PER_SEC;
	const double base = limits->base_kbps;

	if (s->target_kbps > base)
		s->target_kbps = maximum(s->target_kbps - step, base);
	else
		s->target_kbps = minimum(s->target_kbps + step, base);
	/* What was too much then says nothing about now. */
	s->knee_kbps = 0;
	s->calm_ms = 0;
}

static enum ferry_autorate_reason idle(struct ferry_autorate *s,
				       const struct ferry_autorate_limits *limits, uint64_t now_ms,
				       uint64_t dt_ms)
{
	if (!s->idle_ms)
		s->idle_ms = now_ms ? now_ms : 1;
	s->over = false;
	s->delayed_ms = 0;
	if (now_ms - s->idle_ms >= IDLE_MS)
		drift(s, limits, dt_ms);
	return FERRY_AUTORATE_IDLE;
}

static bool contradicts(const struct ferry_autorate *s, const struct ferry_autorate_decision *d)
{
	const struct ferry_autorate_input *in = &d->input;

	/* As long as a queue drains, more arrives than is sent. */
	if (fresh(&in->acked_kbps) && fresh(&in->sent_kbps) && d->delay_us <= d->threshold_us &&
	    s->acked_kbps > s->sent_kbps * CONTRADICTS + FERRY_AUTORATE_KBPS_MIN)
		return true;
	return fresh_rtt(in) && in->srtt_us.known && in->growth_us.value > in->srtt_us.value;
}

/* The rate went down, receivers get all that is sent, and the delay neither grows nor shrinks. */
static bool is_not_ours(struct ferry_autorate *s, const struct ferry_autorate_decision *d,
			uint64_t dt_ms)
{
	const struct ferry_autorate_input *in = &d->input;
	const uint64_t growth = in->growth_us.value;
	/* What drains at a tenth of the rate moves by more than that in the time. */
	uint64_t band = s->delayed_us * FOLLOWS_PERCENT / PERCENT;

	if (band < d->threshold_us / 2)
		band = d->threshold_us / 2;
	if (!s->delayed_ms || growth + band < s->delayed_us || growth > s->delayed_us + band) {
		s->delayed_ms = 0;
		s->delayed_us = growth;
		s->delayed_kbps = s->target_kbps;
	}
	s->delayed_ms += dt_ms;
	return s->delayed_ms >= NOT_OURS_MS && growth <= NOT_OURS_US_MAX &&
	       s->target_kbps < s->delayed_kbps * NOT_OURS_SHARE &&
	       !(fresh(&in->retransmit_ppm) && in->retransmit_ppm.value >= RETRANSMIT_PPM) &&
	       (!d->capacity_kbps || d->capacity_kbps >= s->sent_kbps * KNEE);
}

static enum ferry_autorate_reason delayed(struct ferry_autorate *s,
					  const struct ferry_autorate_decision *d, uint64_t dt_ms)
{
	const bool second = s->over;

	s->calm_ms = 0;
	s->over = true;
	if (is_not_ours(s, d, dt_ms)) {
		s->ignored_us = d->input.growth_us.value;
		s->delayed_ms = 0;
		return FERRY_AUTORATE_NOT_OURS;
	}
	/* One reading may be an outlier; a long one, or two, are not. */
	if (!second && d->delay_us < 2 * (int64_t)d->threshold_us)
		return FERRY_AUTORATE_STEADY;
	return lower(s, d, dt_ms);
}

static enum ferry_autorate_reason choose(struct ferry_autorate *s,
					 const struct ferry_autorate_limits *limits,
					 const struct ferry_autorate_decision *d, uint64_t dt_ms)
{
	const struct ferry_autorate_input *in = &d->input;
	const uint64_t loss = fresh(&in->retransmit_ppm) ? in->retransmit_ppm.value : 0;

	if (contradicts(s, d))
		return FERRY_AUTORATE_CONTRADICTION;
	if (!fresh(&in->sent_kbps))
		return FERRY_AUTORATE_BLIND;
	if (!d->loaded)
		return idle(s, limits, in->now_ms, dt_ms);
	s->idle_ms = 0;
	if (!fresh_rtt(in)) {
		s->calm_ms = 0;
		return in->growth_us.known ? FERRY_AUTORATE_BLIND : FERRY_AUTORATE_UNKNOWN;
	}
	if (d->delay_us > d->threshold_us)
		return delayed(s, d, dt_ms);
	s->over = false;
	s->delayed_ms = 0;
	if (s->lowered_ms && in->now_ms - s->lowered_ms < pause_ms(in))
		return FERRY_AUTORATE_PAUSE;
	/* Who polices instead of queueing shows no delay. Loss alone is a radio's. */
	if (loss >= LOSS_PPM && d->capacity_kbps &&
	    d->capacity_kbps < s->target_kbps * (1 - (double)LOSS_PPM / 1e6)) {
		lower_to_capacity(s, d);
		s->lowered_ms = in->now_ms;
		s->calm_ms = 0;
		return FERRY_AUTORATE_LOSS;
	}
	if (loss >= RETRANSMIT_PPM) {
		s->calm_ms = 0;
		return FERRY_AUTORATE_STEADY;
	}
	/* Our own queue is seen now and then only, and passes for some of that: on, but slower. */
	if (d->delay_us * 2 > d->threshold_us)
		s->calm_ms -= s->calm_ms < 2 * dt_ms ? s->calm_ms : 2 * dt_ms;
	return raise_rate(s, limits, dt_ms);
}

/* Whoever is not where the last decision left it was moved, by the operator or a restart. */
static bool adopt(const struct ferry_autorate_input *in, struct ferry_autorate *s)
{
	const bool moved = s->set_kbps != in->present_kbps;
	const bool gap = in->now_ms - s->last_ms > GAP_MS;

	if (s->begun && !moved && !gap)
		return false;
	if (!s->begun || moved)
		*s = (struct ferry_autorate){.target_kbps = in->present_kbps};
	s->sent_kbps = s->acked_kbps = s->backlog_bytes = 0;
	s->begun = true;
	return moved;
}

/* What only the link layer has taken away it gives back as well, at once. */
static void follow_link(struct ferry_autorate *s, double top)
{
	if (s->target_kbps > top) {
		s->link_cut_kbps = maximum(s->link_cut_kbps, s->target_kbps);
		s->target_kbps = top;
	} else if (s->link_cut_kbps > s->target_kbps) {
		s->target_kbps = minimum(s->link_cut_kbps, top);
	} else {
		s->link_cut_kbps = 0;
	}
}

void ferry_autorate_step(const struct ferry_autorate_limits *limits, struct ferry_autorate *s,
			 const struct ferry_autorate_input *input,
			 struct ferry_autorate_decision *d)
{
	const double floor = limits->floor_kbps;
	double top = limits->ceiling_kbps;
	bool adopted;
	uint64_t dt_ms;

	*d = (struct ferry_autorate_decision){.input = *input, .kbps = input->present_kbps};
	adopted = adopt(input, s);
	dt_ms = s->last_ms && input->now_ms > s->last_ms ? input->now_ms - s->last_ms
							 : FERRY_AUTORATE_STEP_MS;
	if (dt_ms > GAP_MS)
		dt_ms = FERRY_AUTORATE_STEP_MS;
	s->last_ms = input->now_ms;
	observe(limits, s, input, dt_ms, d);
	if (adopted) {
		d->reason = FERRY_AUTORATE_ADOPTED;
	} else {
		learn_coverage(s, d, dt_ms);
		d->reason = choose(s, limits, d, dt_ms);
	}
	if (s->target_kbps > top) {
		s->target_kbps = top;
		if (input->present_kbps > limits->ceiling_kbps)
			d->reason = FERRY_AUTORATE_LIMITS;
	}
	if (fresh(&input->link_kbps) && input->link_kbps.value) {
		const double link =
			(double)input->link_kbps.value * FERRY_AUTORATE_LINK_PERCENT / PERCENT;

		top = maximum(minimum(top, link), floor);
		if (input->present_kbps > top)
			d->reason = FERRY_AUTORATE_LINK;
	}
	follow_link(s, top);
	if (s->target_kbps < floor) {
		s->target_kbps = floor;
		if (input->present_kbps < limits->floor_kbps)
			d->reason = FERRY_AUTORATE_LIMITS;
	}
	/* What is too small to matter waits until it does; limits do not wait. */
	if (input->present_kbps > top || input->present_kbps < floor ||
	    s->target_kbps * PERCENT >=
		    input->present_kbps * (double)(PERCENT + HYSTERESIS_PERCENT) ||
	    s->target_kbps * PERCENT <=
		    input->present_kbps * (double)(PERCENT - HYSTERESIS_PERCENT))
		d->kbps = (uint32_t)s->target_kbps;
	s->set_kbps = d->kbps;
	s->last_delay_us = (uint64_t)d->delay_us;
}

const char *ferry_autorate_reason(enum ferry_autorate_reason reason)
{
#define row(number, name) [number] = name,
	static const char *const names[] = {FERRY_AUTORATE_TABLE(row)};
#undef row

	return reason < FERRY_AUTORATE_REASONS ? names[reason] : "?";
}

static int print_value(char *text, size_t size, const char *name,
		       const struct ferry_autorate_value *v)
{
	if (!v->known)
		return snprintf(text, size, " %s=-", name);
	return snprintf(text, size, " %s=%" PRIu64 "@%" PRIu32 "ms", name, v->value, v->age_ms);
}

void ferry_autorate_print(const struct ferry_autorate_decision *d, const char *device, char *text,
			  size_t size)
{
	const struct ferry_autorate_input *in = &d->input;
	const struct {
		const char *name;
		const struct ferry_autorate_value *value;
	} inputs[] = {
		{"link_kbps", &in->link_kbps},	 {"sent_kbps", &in->sent_kbps},
		{"acked_kbps", &in->acked_kbps}, {"backlog_bytes", &in->backlog_bytes},
		{"srtt_us", &in->srtt_us},	 {"growth_us", &in->growth_us},
		{"rttvar_us", &in->rttvar_us},	 {"retransmit_ppm", &in->retransmit_ppm},
	};
	size_t at;

	at = (size_t)snprintf(text, size,
			      "%s: %" PRIu32 " -> %" PRIu32 " kbit/s (%s); delay_us=%" PRId64
			      " threshold_us=%" PRIu32 " own_us=%" PRIu32 " capacity_kbps=%" PRIu32
			      " loaded=%d echoes=%d",
			      device, in->present_kbps, d->kbps, ferry_autorate_reason(d->reason),
			      d->delay_us, d->threshold_us, d->own_us, d->capacity_kbps, d->loaded,
			      in->passes_queue);
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]) && at < size; i++)
		at += (size_t)print_value(text + at, size - at, inputs[i].name, inputs[i].value);
}
