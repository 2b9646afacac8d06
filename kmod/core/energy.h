/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the readings of one energy source add up to. A source has either a counter of energy, which
 * wraps where its register ends and may start anew when its device does, or it says from time to
 * time how much power it gives. Out of both come a sum that never runs backwards, and a public
 * power: averaged over a second or more and rounded, because finer power tells others what a
 * processor computes (PLATYPUS, CVE-2020-8694).
 *
 * Nothing is invented. Time that no reading speaks for adds nothing; a counter that has never moved
 * proves nothing, not 0 W.
 *
 * Times are nanoseconds of a clock that never goes back and runs on while the machine sleeps.
 */
#ifndef FERRY_CORE_ENERGY_H
#define FERRY_CORE_ENERGY_H

#include <linux/types.h>
#include <linux/ferry.h>

#include "time.h"

/* What everybody may know: averaged over at least this long, rounded to this. */
#define FERRY_ENERGY_PUBLIC_NS	      FERRY_NS_PER_SEC
#define FERRY_ENERGY_QUANTUM_UW	      10000

/* Nothing that Ferry is meant for draws more: a counter that says so was replaced or restarted. */
#define FERRY_ENERGY_LIMIT_MW	      20000000

/*
 * A counter that went down either wrapped or started anew. It wrapped if that means at most this
 * many times the power that it had before, and this much more. Starting anew looks like that only
 * if it happens in the last 250 J before the end of the register, 0.1 % of a usual one.
 */
#define FERRY_ENERGY_BURST_TIMES      16
#define FERRY_ENERGY_BURST_MW	      250000

/* Meters that count in steps tell late what happened: so much more time may have been. */
#define FERRY_ENERGY_LATE_MS	      2000

/* So long a machine that has at least so much to do uses energy that a meter must see. */
#define FERRY_ENERGY_FROZEN_NS	      (10 * FERRY_NS_PER_SEC)
#define FERRY_ENERGY_LOAD_PPM	      100000

/* A trapezoid is (p0 + p1) uW times us: this many of them are one uJ. */
#define FERRY_ENERGY_TRAPEZOID_PER_UJ 2000000

struct ferry_energy_meter {
	__u64 energy_uj;   /* since the source was created */
	__u64 carry;	   /* what energy_uj lacks, below FERRY_ENERGY_TRAPEZOID_PER_UJ */
	__u32 carry_ns;	   /* time that is not in it yet, below a microsecond */
	__u64 taken_ns;	   /* when the last reading was taken */
	__u64 valid_ns;	   /* and for how long after that it holds */
	__u64 count;	   /* the counter as it was read last */
	__u64 count_max;   /* its largest value; 0 follows */
	__u64 power_uw;	   /* the power as it was read last */
	__u64 still_ns;	   /* how long it has seen nothing of the machine's load */
	__u64 rate_mw;	   /* power over the last interval of the counter */
	__u64 window_ns;   /* since when the next public value averages */
	__u64 window_uj;   /* energy_uj at that time */
	__u64 average_uw;  /* over the last whole window, not yet rounded */
	__u32 resets;	   /* how often the counter started anew */
	__u32 gaps;	   /* how often it is unknown what happened between two readings */
	_Bool has_reading; /* there was one, with or without power */
	_Bool has_counter; /* the source counts: what it says about power is not used */
	_Bool has_power;   /* power_uw or count is of taken_ns */
	_Bool has_average; /* average_uw is known */
	_Bool moves;	   /* it has shown that it sees the machine */
	_Bool has_moved;   /* it has shown that at any time */
};

/* What became of a reading. */
enum ferry_energy_taken {
	FERRY_ENERGY_ADDED,   /* the energy since the one before is in the sum */
	FERRY_ENERGY_FIRST,   /* there was none before that it could be compared with */
	FERRY_ENERGY_RESET,   /* the counter started anew: counting begins here */
	FERRY_ENERGY_GAP,     /* too late to tell what happened meanwhile: counting begins here */
	FERRY_ENERGY_OLD,     /* not younger than the one before: not used */
	FERRY_ENERGY_INVALID, /* no value that this counter can have: not used */
};

/* What a source is good for at the moment. */
enum ferry_energy_state {
	FERRY_ENERGY_WAITING, /* too few readings yet */
	FERRY_ENERGY_LIVE,
	FERRY_ENERGY_STALE,  /* its last reading no longer holds */
	FERRY_ENERGY_FROZEN, /* it says the same whatever the machine does */
};

/* As it stands in sysfs. */
static inline const char *ferry_energy_state_name(enum ferry_energy_state state)
{
	switch (state) {
	case FERRY_ENERGY_LIVE:
		return "live";
	case FERRY_ENERGY_STALE:
		return "stale";
	case FERRY_ENERGY_FROZEN:
		return "frozen";
	default:
		return "waiting";
	}
}

/* Largest value of a counter of @bits (1..64; anything else is 64). */
static inline __u64 ferry_energy_counter_max(unsigned int bits)
{
	return bits - 1 < 63 ? (1ULL << bits) - 1 : ~0ULL;
}

/*
 * @a * @b / @c, rounded down. (@c - 1) * @b has to fit 64 bits; a result that does not is the
 * largest number.
 */
static inline __u64 ferry_energy_scale(__u64 a, __u64 b, __u64 c)
{
	const __u64 whole = ferry_div64(a, c);
	const __u64 rest = a - whole * c;

	if (b && whole > ferry_div64(~0ULL - ferry_div64(rest * b, c), b))
		return ~0ULL;
	return whole * b + ferry_div64(rest * b, c);
}

/* Milliseconds of @ns, at most 2^32 - 1: far beyond any interval that says anything. */
static inline __u64 ferry_energy_ms(__u64 ns)
{
	const __u64 ms = ferry_div64(ns, FERRY_NS_PER_MS);

	return ms < 0xffffffffULL ? ms : 0xffffffffULL;
}

/* @uw as everybody may know it: to the nearest step. */
static inline __u64 ferry_energy_round(__u64 uw)
{
	const __u64 half = FERRY_ENERGY_QUANTUM_UW / 2;

	if (uw > ~0ULL - half)
		uw = ~0ULL - half;
	return ferry_div64(uw + half, FERRY_ENERGY_QUANTUM_UW) * FERRY_ENERGY_QUANTUM_UW;
}

/* Makes @meter a new one at @now_ns. */
static inline void ferry_energy_init(struct ferry_energy_meter *meter)
{
	*meter = (struct ferry_energy_meter){0};
}

/* The next public value averages from here on. */
static inline void ferry_energy_open_window(struct ferry_energy_meter *meter, __u64 now_ns)
{
	meter->window_ns = now_ns;
	meter->window_uj = meter->energy_uj;
}

/* What comes cannot be compared with what was: nothing is known until a whole window has passed. */
static inline void ferry_energy_start_anew(struct ferry_energy_meter *meter, __u64 now_ns)
{
	meter->has_average = 0;
	meter->carry_ns = 0;
	ferry_energy_open_window(meter, now_ns);
}

/* A new public value, where enough time has passed for one. */
static inline void ferry_energy_close_window(struct ferry_energy_meter *meter, __u64 now_ns)
{
	const __u64 elapsed_ns = ferry_elapsed(meter->window_ns, now_ns);
	const __u64 energy_uj = meter->energy_uj - meter->window_uj;
	const __u64 elapsed_us = ferry_div64(elapsed_ns, FERRY_NS_PER_US);

	if (elapsed_ns < FERRY_ENERGY_PUBLIC_NS)
		return;
	/* uJ / us is W. The quotient first: a million times an interval's energy might not fit. */
	if (elapsed_us < ~0ULL / 1000000)
		meter->average_uw = ferry_energy_scale(energy_uj, 1000000, elapsed_us);
	else
		meter->average_uw = 0;
	meter->has_average = 1;
	ferry_energy_open_window(meter, now_ns);
}

/* Whether the machine's load of @load_ppm over @elapsed_ns left a trace: @moved. */
static inline void ferry_energy_watch(struct ferry_energy_meter *meter, _Bool moved, __u32 load_ppm,
				      __u64 elapsed_ns)
{
	if (moved) {
		meter->moves = 1;
		meter->has_moved = 1;
		meter->still_ns = 0;
		return;
	}
	if (load_ppm < FERRY_ENERGY_LOAD_PPM)
		return;
	/* One interval, however long, is one observation, not a proof. */
	if (elapsed_ns > FERRY_ENERGY_FROZEN_NS / 2)
		elapsed_ns = FERRY_ENERGY_FROZEN_NS / 2;
	if (meter->still_ns < FERRY_ENERGY_FROZEN_NS)
		meter->still_ns += elapsed_ns;
	if (meter->still_ns >= FERRY_ENERGY_FROZEN_NS)
		meter->moves = 0;
}

/* Takes note of a reading of @now_ns. */
static inline void ferry_energy_arrive(struct ferry_energy_meter *meter, __u64 now_ns,
				       __u64 valid_ns)
{
	const __u64 longest = FERRY_VALID_MS_MAX * FERRY_NS_PER_MS;

	meter->taken_ns = now_ns;
	meter->valid_ns = valid_ns < longest ? valid_ns : longest;
	meter->has_reading = 1;
}

/*
 * A reading without power or counter (a thermometer, or a battery whose driver knows no current) of
 * @now_ns, which holds for @valid_ns.
 */
static inline enum ferry_energy_taken ferry_energy_take_none(struct ferry_energy_meter *meter,
							     __u64 now_ns, __u64 valid_ns)
{
	if (meter->has_reading && !ferry_after(now_ns, meter->taken_ns))
		return FERRY_ENERGY_OLD;
	ferry_energy_arrive(meter, now_ns, valid_ns);
	meter->has_power = 0;
	return FERRY_ENERGY_ADDED;
}

/*
 * The source gave @power_uw (at most FERRY_POWER_UW_MAX; more is taken as that) at @now_ns, while
 * the machine was busy for @load_ppm of its time. Between two readings power is taken to change
 * evenly; where the first no longer holds when the second comes, what lies between is unknown. The
 * same where the first was a counter's: that has told its part up to there.
 */
static inline enum ferry_energy_taken ferry_energy_take_power(struct ferry_energy_meter *meter,
							      __u64 power_uw, __u64 now_ns,
							      __u64 valid_ns, __u32 load_ppm)
{
	const __u64 before_ns = meter->taken_ns;
	const __u64 before_uw = meter->power_uw;
	const __u64 held_ns = meter->valid_ns;
	const _Bool comparable = meter->has_power && !meter->has_counter;
	__u64 elapsed_ns, elapsed_us, sum, whole, rest;

	if (meter->has_reading && !ferry_after(now_ns, before_ns))
		return FERRY_ENERGY_OLD;
	if (power_uw > FERRY_POWER_UW_MAX)
		power_uw = FERRY_POWER_UW_MAX;
	ferry_energy_arrive(meter, now_ns, valid_ns);
	meter->power_uw = power_uw;
	meter->has_power = 1;
	meter->has_counter = 0;
	if (!comparable) {
		ferry_energy_watch(meter, power_uw != 0, 0, 0);
		ferry_energy_start_anew(meter, now_ns);
		return FERRY_ENERGY_FIRST;
	}
	if (now_ns - before_ns > held_ns) {
		meter->gaps++;
		ferry_energy_start_anew(meter, now_ns);
		return FERRY_ENERGY_GAP;
	}
	elapsed_ns = now_ns - before_ns + meter->carry_ns;
	elapsed_us = ferry_div64(elapsed_ns, FERRY_NS_PER_US);
	meter->carry_ns = (__u32)(elapsed_ns - elapsed_us * FERRY_NS_PER_US);
	sum = before_uw + power_uw;
	whole = ferry_div64(sum, FERRY_ENERGY_TRAPEZOID_PER_UJ);
	rest = (sum - whole * FERRY_ENERGY_TRAPEZOID_PER_UJ) * elapsed_us + meter->carry;
	meter->energy_uj += whole * elapsed_us + ferry_div64(rest, FERRY_ENERGY_TRAPEZOID_PER_UJ);
	meter->carry = rest - ferry_div64(rest, FERRY_ENERGY_TRAPEZOID_PER_UJ) *
				      FERRY_ENERGY_TRAPEZOID_PER_UJ;
	ferry_energy_watch(meter, power_uw != 0, load_ppm, now_ns - before_ns);
	ferry_energy_close_window(meter, now_ns);
	return FERRY_ENERGY_ADDED;
}

/*
 * What became of a counter that reads @count @elapsed_ns after it read meter->count; if it was
 * added, by @advance_uj. See the constants at the top.
 */
static inline enum ferry_energy_taken ferry_energy_compare(const struct ferry_energy_meter *meter,
							   __u64 count, __u64 elapsed_ns,
							   __u64 *advance_uj)
{
	const __u64 ms = ferry_energy_ms(elapsed_ns);
	const __u64 half = meter->count_max / 2;
	const _Bool down = count < meter->count;
	__u64 plausible_mw = FERRY_ENERGY_LIMIT_MW;

	/* mW times ms is uJ. At the power it had, it may have gone round more than once. */
	if (meter->rate_mw * ms > half)
		return FERRY_ENERGY_GAP;
	*advance_uj = count - meter->count;
	if (down) {
		*advance_uj = meter->count_max - meter->count + count + 1;
		if (*advance_uj > half)
			return FERRY_ENERGY_RESET;
		plausible_mw = meter->rate_mw * FERRY_ENERGY_BURST_TIMES + FERRY_ENERGY_BURST_MW;
		if (plausible_mw > FERRY_ENERGY_LIMIT_MW)
			plausible_mw = FERRY_ENERGY_LIMIT_MW;
	}
	if (*advance_uj > plausible_mw * (ms + FERRY_ENERGY_LATE_MS))
		return FERRY_ENERGY_RESET;
	return FERRY_ENERGY_ADDED;
}

/*
 * The source's counter of microjoules, which goes up to @count_max and then starts at 0, read
 * @count at @now_ns. Other arguments as for ferry_energy_take_power(). A counter may be compared
 * over any time: it has counted while nobody looked.
 */
static inline enum ferry_energy_taken ferry_energy_take_counter(struct ferry_energy_meter *meter,
								__u64 count, __u64 count_max,
								__u64 now_ns, __u64 valid_ns,
								__u32 load_ppm)
{
	const __u64 elapsed_ns = ferry_elapsed(meter->taken_ns, now_ns);
	const _Bool comparable = meter->has_power && meter->has_counter &&
				 meter->count_max == count_max;
	enum ferry_energy_taken taken = FERRY_ENERGY_FIRST;
	__u64 advance_uj = 0;

	if (count > count_max)
		return FERRY_ENERGY_INVALID;
	if (meter->has_reading && !elapsed_ns)
		return FERRY_ENERGY_OLD;
	if (comparable)
		taken = ferry_energy_compare(meter, count, elapsed_ns, &advance_uj);
	ferry_energy_arrive(meter, now_ns, valid_ns);
	meter->has_power = 1;
	meter->has_counter = 1;
	meter->count = count;
	meter->count_max = count_max;
	switch (taken) {
	case FERRY_ENERGY_ADDED:
		meter->energy_uj += advance_uj;
		/* Not over an instant: its rate would be anything. */
		if (ferry_energy_ms(elapsed_ns))
			meter->rate_mw = ferry_div64(advance_uj, ferry_energy_ms(elapsed_ns));
		if (meter->rate_mw > FERRY_ENERGY_LIMIT_MW)
			meter->rate_mw = FERRY_ENERGY_LIMIT_MW;
		ferry_energy_watch(meter, advance_uj != 0, load_ppm, elapsed_ns);
		ferry_energy_close_window(meter, now_ns);
		return taken;
	case FERRY_ENERGY_RESET:
		meter->resets++;
		break;
	case FERRY_ENERGY_GAP:
		meter->gaps++;
		break;
	default:
		break;
	}
	/* The rate was that of another life; one that may have gone round says nothing either. */
	meter->rate_mw = 0;
	ferry_energy_start_anew(meter, now_ns);
	return taken;
}

/* Milliseconds since the last reading was taken, 2^32 - 1 where there is none or it is older. */
static inline __u32 ferry_energy_age_ms(const struct ferry_energy_meter *meter, __u64 now_ns)
{
	if (!meter->has_reading)
		return 0xffffffff;
	return (__u32)ferry_energy_ms(ferry_elapsed(meter->taken_ns, now_ns));
}

static inline enum ferry_energy_state ferry_energy_state(const struct ferry_energy_meter *meter,
							 __u64 now_ns)
{
	if (!meter->has_reading)
		return FERRY_ENERGY_WAITING;
	if (ferry_elapsed(meter->taken_ns, now_ns) >= meter->valid_ns)
		return FERRY_ENERGY_STALE;
	if (!meter->has_power)
		return FERRY_ENERGY_LIVE;
	if (!meter->moves)
		return meter->has_moved || meter->still_ns >= FERRY_ENERGY_FROZEN_NS
			       ? FERRY_ENERGY_FROZEN
			       : FERRY_ENERGY_WAITING;
	return meter->has_average ? FERRY_ENERGY_LIVE : FERRY_ENERGY_WAITING;
}

/* Whether the power of @meter is known at @now_ns; then it is meter->average_uw. */
static inline _Bool ferry_energy_known(const struct ferry_energy_meter *meter, __u64 now_ns)
{
	return meter->has_power && ferry_energy_state(meter, now_ns) == FERRY_ENERGY_LIVE;
}

#endif /* FERRY_CORE_ENERGY_H */
