// SPDX-License-Identifier: MIT
/*
 * The rate controller: single steps, and on the simulated bottleneck. The figures of
 * Documentation/measuring.md are bench_autorate's; here stands what has to hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "bottleneck.h"

static const struct ferry_autorate_limits limits = {1000, 100000, 20000};

static struct ferry_autorate_value known(uint64_t value)
{
	return (struct ferry_autorate_value){.known = true, .value = value};
}

/* A loaded link at 20 Mbit/s, 40 ms, all of whose traffic is known, @delay_us behind us. */
static struct ferry_autorate_input loaded(uint64_t step, uint32_t kbps, uint64_t delay_us)
{
	return (struct ferry_autorate_input){
		.now_ms = 1000 + step * FERRY_AUTORATE_STEP_MS,
		.present_kbps = kbps,
		.sent_kbps = known(kbps),
		.backlog_bytes = known(20000),
		.acked_kbps = known(kbps),
		.srtt_us = known(40000 + delay_us + 8000),
		.growth_us = known(delay_us + 8000),
		.rttvar_us = known(1000),
		.retransmit_ppm = known(0),
	};
}

static struct ferry_autorate_decision run(struct ferry_autorate *state,
					  struct ferry_autorate_input in)
{
	struct ferry_autorate_decision d;

	ferry_autorate_step(&limits, state, &in, &d);
	assert_in_range(d.kbps, limits.floor_kbps, limits.ceiling_kbps);
	assert_memory_equal(&d.input, &in, sizeof(in));
	return d;
}

/* Past its first steps, in which everything is smoothed in. */
static struct ferry_autorate settled(void)
{
	struct ferry_autorate state = {0};

	for (uint64_t i = 0; i < 8; i++) {
		struct ferry_autorate_input in = loaded(i, 20000, 10000);

		assert_int_equal(run(&state, in).kbps, 20000);
	}
	return state;
}

static void delay_lowers_the_rate_and_calm_raises_it(void **unused)
{
	struct ferry_autorate state = settled();
	struct ferry_autorate_input in = loaded(9, 20000, 60000);
	struct ferry_autorate_decision d = run(&state, in);

	(void)unused;
	assert_int_equal(d.reason, FERRY_AUTORATE_DELAY);
	assert_true(d.kbps < 20000);
	assert_in_range(d.delay_us, 50000, 70000);
	for (uint64_t i = 10; i < 40; i++)
		d = run(&state, loaded(i, d.kbps, 0));
	assert_true(d.kbps > 18000);
	assert_int_equal(d.reason, FERRY_AUTORATE_PROBE);
}

static void one_outlier_changes_nothing(void **unused)
{
	struct ferry_autorate state = settled();

	(void)unused;
	assert_true(run(&state, loaded(9, 20000, 20000)).kbps >= 20000);
	assert_true(run(&state, loaded(10, state.set_kbps, 10000)).kbps >= 20000);
	assert_true(run(&state, loaded(11, state.set_kbps, 20000)).kbps >= 20000);
	/* Two in a row are none. */
	assert_true(run(&state, loaded(12, state.set_kbps, 20000)).kbps < 20000);
}

static void time_in_our_own_queue_is_not_the_links(void **unused)
{
	struct ferry_autorate state = settled();
	struct ferry_autorate_input in;

	(void)unused;
	for (uint64_t i = 9; i < 30; i++) {
		in = loaded(i, 20000, 92000);
		in.backlog_bytes = known(250000); /* 100 ms at 20 Mbit/s */
		/* The queue is longer than before from one moment to the next. */
		if (i > 14)
			assert_true(run(&state, in).delay_us < FERRY_AUTORATE_TARGET_US);
		else
			state.backlog_bytes = 250000;
	}
}

static void stale_readings_keep_the_rate(void **unused)
{
	struct ferry_autorate state = settled();
	struct ferry_autorate_input in = loaded(9, 20000, 90000);
	struct ferry_autorate_decision d;

	(void)unused;
	in.growth_us.age_ms = in.srtt_us.age_ms = FERRY_AUTORATE_FRESH_MS + 1;
	in.link_kbps = (struct ferry_autorate_value){true, FERRY_AUTORATE_FRESH_MS + 1, 5000};
	for (uint64_t i = 9; i < 50; i++) {
		in.now_ms += FERRY_AUTORATE_STEP_MS;
		d = run(&state, in);
		assert_int_equal(d.kbps, 20000);
		assert_int_equal(d.reason, FERRY_AUTORATE_BLIND);
	}
}

static void news_of_a_long_round_trip_may_be_as_old(void **unused)
{
	struct ferry_autorate state = settled();
	struct ferry_autorate_input in = loaded(9, 20000, 4000000);

	(void)unused;
	in.growth_us.age_ms = in.srtt_us.age_ms = 4000;
	assert_int_equal(run(&state, in).reason, FERRY_AUTORATE_DELAY);
}

static void contradictions_keep_the_rate(void **unused)
{
	struct ferry_autorate state = settled();
	struct ferry_autorate_input in;

	(void)unused;
	for (uint64_t i = 9; i < 20; i++) {
		in = loaded(i, 20000, 0);
		in.acked_kbps = known(200000);
		assert_int_equal(run(&state, in).kbps, 20000);
	}
	assert_int_equal(run(&state, in).reason, FERRY_AUTORATE_CONTRADICTION);
	state = settled();
	in = loaded(9, 20000, 0);
	in.growth_us = known(90000);
	assert_int_equal(run(&state, in).reason, FERRY_AUTORATE_CONTRADICTION);
}

static void the_link_layer_is_never_exceeded_and_gives_back_what_it_took(void **unused)
{
	struct ferry_autorate state = settled();
	struct ferry_autorate_input in = loaded(9, 20000, 10000);
	struct ferry_autorate_decision d;

	(void)unused;
	in.link_kbps = known(10000);
	d = run(&state, in);
	assert_int_equal(d.kbps, 9500);
	assert_int_equal(d.reason, FERRY_AUTORATE_LINK);
	in = loaded(10, 9500, 10000);
	in.link_kbps = known(50000);
	assert_in_range(run(&state, in).kbps, 19000, 21000);
	/* Below the operator's floor, the floor counts. */
	in = loaded(11, state.set_kbps, 10000);
	in.link_kbps = known(500);
	assert_int_equal(run(&state, in).kbps, 1000);
}

static void a_delay_that_does_not_follow_is_not_ours(void **unused)
{
	struct ferry_autorate state = settled();
	struct ferry_autorate_decision d = {.kbps = 20000};
	bool found = false;

	(void)unused;
	/* The way through the net has become 50 ms longer, for good. */
	for (uint64_t i = 9; i < 400; i++) {
		d = run(&state, loaded(i, d.kbps, 50000));
		found = found || d.reason == FERRY_AUTORATE_NOT_OURS;
	}
	assert_true(found);
	assert_true(d.kbps > 20000);
}

static void somebody_elses_rate_is_where_it_goes_on(void **unused)
{
	struct ferry_autorate state = settled();
	struct ferry_autorate_decision d = run(&state, loaded(9, 7000, 60000));

	(void)unused;
	assert_int_equal(d.reason, FERRY_AUTORATE_ADOPTED);
	assert_int_equal(d.kbps, 7000);
	/* But not outside of the limits. */
	assert_int_equal(run(&state, loaded(10, 500, 0)).kbps, 1000);
	assert_int_equal(run(&state, loaded(11, 200000, 0)).kbps, 100000);
}

static void what_is_idle_goes_back_to_the_base(void **unused)
{
	struct ferry_autorate state = {0};
	struct ferry_autorate_decision d = {.kbps = 60000};

	(void)unused;
	for (uint64_t i = 0; i < 1000; i++) {
		struct ferry_autorate_input in = loaded(i, d.kbps, 0);

		in.sent_kbps = in.acked_kbps = known(3);
		in.backlog_bytes = known(0);
		d = run(&state, in);
		if (i > 0 && i < 100)
			assert_int_equal(d.kbps, 60000);
	}
	assert_in_range(d.kbps, 20000, 20500);
	assert_int_equal(d.reason, FERRY_AUTORATE_IDLE);
}

/* Whatever it is told, and of whatever age: the limits hold, and nothing overflows. */
static void nonsense_stays_within_the_limits(void **unused)
{
	static const uint64_t odd[] = {0, 1, 63, 1000, 20000, 1u << 31, UINT32_MAX, UINT64_MAX};
	struct ferry_autorate state = {0};
	struct ferry_autorate_decision d = {.kbps = 20000};
	uint64_t seed = 1, now = 0;
	char text[1000];

	(void)unused;
	for (int i = 0; i < 200000; i++) {
		struct ferry_autorate_input in = {.present_kbps = d.kbps};
		struct ferry_autorate_value *const values[] = {
			&in.link_kbps, &in.sent_kbps, &in.backlog_bytes, &in.acked_kbps,
			&in.srtt_us,   &in.growth_us, &in.rttvar_us,	 &in.retransmit_ppm,
		};

		for (size_t j = 0; j < sizeof(values) / sizeof(values[0]); j++) {
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			values[j]->known = seed >> 63;
			values[j]->age_ms = (uint32_t)(odd[seed >> 33 & 7] & 4095);
			values[j]->value = odd[seed >> 40 & 7];
			if (seed >> 50 & 1)
				values[j]->value = seed >> 44;
		}
		if (seed >> 57 == 1)
			in.present_kbps = (uint32_t)(seed >> 32);
		now += seed >> 55 & 511;
		in.now_ms = now;
		d = run(&state, in);
		assert_true(d.reason < FERRY_AUTORATE_REASONS);
		if (in.link_kbps.known && in.link_kbps.age_ms <= FERRY_AUTORATE_FRESH_MS &&
		    in.link_kbps.value > 1100)
			assert_true(d.kbps <= in.link_kbps.value);
	}
	ferry_autorate_print(&d, "wan0", text, sizeof(text));
	assert_true(strlen(text) < sizeof(text) - 1);
	assert_non_null(strstr(text, "retransmit_ppm="));
	ferry_autorate_print(&d, "wan0", text, 40);
	assert_int_equal(strlen(text), 39);
}

static struct bottleneck_result simulate(struct bottleneck_options o)
{
	struct bottleneck_result r;

	o.controlled = true;
	bottleneck_run(&o, &r);
	print_message("# %s, %u %% foreign: share %.1f %%, p95 %.0f ms, settled %u .. %u kbit/s\n",
		      bottleneck_name(o.trace), o.foreign, r.share * 100, r.p95_ms,
		      r.settled_min_kbps, r.settled_max_kbps);
	assert_false(r.outside);
	return r;
}

static void it_converges_and_does_not_oscillate(void **unused)
{
	struct bottleneck_result r = simulate((struct bottleneck_options){.trace = TRACE_CONSTANT});

	(void)unused;
	assert_true(r.share > 0.94);
	assert_true(r.settled_ms < 100);
	/* A saw of an eighth, a few times a minute. */
	assert_true(r.settled_min_kbps > 0.85 * 20000 && r.settled_max_kbps < 1.10 * 20000);
	assert_true(r.reversals <= 24);
}

static void it_follows_steps(void **unused)
{
	struct bottleneck_result r;

	(void)unused;
	r = simulate((struct bottleneck_options){.trace = TRACE_STEP_DOWN});
	assert_true(r.settled_ms < 150);
	assert_true(r.settled_min_kbps > 0.80 * 5000 && r.settled_max_kbps < 1.15 * 5000);
	r = simulate((struct bottleneck_options){.trace = TRACE_STEP_UP});
	assert_true(r.settled_ms < 100);
	assert_true(r.settled_min_kbps > 0.85 * 40000 && r.settled_max_kbps < 1.10 * 40000);
}

/*
 * Found with TCP over a real queue: acknowledgements clock the senders, so that a fifth of the rate
 * was sent, which passed for idle, with a second of queue behind us.
 */
static void senders_that_give_way_are_no_idle_link(void **unused)
{
	struct bottleneck_result fixed, r;
	struct bottleneck_options o = {.trace = TRACE_STEP_DOWN, .yields = true};

	(void)unused;
	bottleneck_run(&o, &fixed);
	assert_true(fixed.p95_ms > 500);
	r = simulate(o);
	assert_true(r.settled_ms < 150);
	assert_true(r.p95_ms < 150);
	assert_true(r.share > 0.80);
	assert_true(r.settled_max_kbps < 1.3 * 5000);
	o.trace = TRACE_STEP_UP;
	r = simulate(o);
	assert_true(r.settled_min_kbps > 0.75 * 40000);
	o.trace = TRACE_CONSTANT;
	assert_true(simulate(o).share > 0.85);
}

static void with_most_traffic_foreign_or_unknown_it_still_works(void **unused)
{
	struct bottleneck_result r;

	(void)unused;
	r = simulate((struct bottleneck_options){.trace = TRACE_STEP_DOWN, .foreign = 60});
	assert_true(r.share > 0.85 && r.settled_ms < 150);
	/* Too little to estimate anything by: the delay alone has to do. */
	r = simulate((struct bottleneck_options){.trace = TRACE_STEP_DOWN, .foreign = 95});
	assert_true(r.share > 0.75 && r.settled_ms < 250);
	/* Nobody has round trips: the operator's rate stays. */
	r = simulate((struct bottleneck_options){.trace = TRACE_CONSTANT, .without_rtt = true});
	assert_int_equal(r.settled_min_kbps, 20000);
	assert_int_equal(r.settled_max_kbps, 20000);
}

/* A gateway that only forwards, which once had no round trips at all. */
static void a_forwarder_follows_by_echoes(void **unused)
{
	struct bottleneck_options o = {.trace = TRACE_STEP_DOWN, .yields = true, .reflectors = 1};
	struct bottleneck_result fixed, r;

	(void)unused;
	r = simulate(o);
	assert_true(r.share > 0.85 && r.p95_ms < 150 && r.settled_max_kbps < 1.3 * 5000);
	o.reflectors = 3; /* of which one is silent */
	r = simulate(o);
	assert_true(r.share > 0.80 && r.p95_ms < 200);
	o.trace = TRACE_STEP_UP;
	assert_true(simulate(o).settled_min_kbps > 0.75 * 40000);
	o.trace = TRACE_LTE;
	o.yields = false;
	o.reflectors = 1;
	bottleneck_run(&o, &fixed);
	r = simulate(o);
	assert_true(r.share > 0.65 && r.p95_ms < fixed.p95_ms / 2);
}

static void without_round_trips_it_says_so_and_keeps_the_rate(void **unused)
{
	struct ferry_autorate state = settled();
	struct ferry_autorate_decision d = {.kbps = 20000};

	(void)unused;
	d.kbps = state.set_kbps;
	for (uint64_t i = 9; i < 40; i++) {
		struct ferry_autorate_input in = loaded(i, d.kbps, 0);
		const uint32_t before = d.kbps;

		in.srtt_us.known = in.growth_us.known = in.rttvar_us.known = false;
		in.acked_kbps.known = in.retransmit_ppm.known = false;
		d = run(&state, in);
		assert_int_equal(d.reason, FERRY_AUTORATE_UNKNOWN);
		assert_string_equal(ferry_autorate_reason(d.reason), "no-round-trips");
		assert_int_equal(d.kbps, before);
	}
}

static void an_echo_does_not_wait_in_our_own_queue(void **unused)
{
	struct ferry_autorate state = settled();
	struct ferry_autorate_input in = loaded(9, state.set_kbps, 60000);
	struct ferry_autorate_decision d;

	(void)unused;
	in.backlog_bytes = known(500000);
	in.passes_queue = true;
	d = run(&state, in);
	/* One packet's time, not that of the backlog. */
	assert_in_range(d.own_us, 500, 700);
	assert_int_equal(d.reason, FERRY_AUTORATE_DELAY);
}

static void it_is_far_better_than_a_fixed_rate_where_the_capacity_wanders(void **unused)
{
	static const enum bottleneck_trace traces[] = {TRACE_LTE, TRACE_WIFI, TRACE_IDLE};
	struct bottleneck_result fixed, r;

	(void)unused;
	for (size_t i = 0; i < sizeof(traces) / sizeof(traces[0]); i++) {
		struct bottleneck_options o = {.trace = traces[i]};

		bottleneck_run(&o, &fixed);
		r = simulate(o);
		assert_true(r.p95_ms < fixed.p95_ms / 2);
		assert_true(r.share > (traces[i] == TRACE_WIFI ? 0.4 : 0.7));
	}
}

static void losses_of_a_radio_cost_little(void **unused)
{
	struct bottleneck_result r = simulate((struct bottleneck_options){.trace = TRACE_LOSS});

	(void)unused;
	assert_true(r.share > 0.88);
	assert_true(r.p95_ms < 60);
}

static void long_and_short_round_trips(void **unused)
{
	(void)unused;
	for (uint32_t rtt = 5; rtt <= 320; rtt *= 4) {
		struct bottleneck_result r = simulate(
			(struct bottleneck_options){.trace = TRACE_STEP_DOWN, .rtt_ms = rtt});

		assert_true(r.share > 0.85);
		assert_true(r.settled_ms < 300);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delay_lowers_the_rate_and_calm_raises_it),
		cmocka_unit_test(one_outlier_changes_nothing),
		cmocka_unit_test(time_in_our_own_queue_is_not_the_links),
		cmocka_unit_test(stale_readings_keep_the_rate),
		cmocka_unit_test(news_of_a_long_round_trip_may_be_as_old),
		cmocka_unit_test(contradictions_keep_the_rate),
		cmocka_unit_test(the_link_layer_is_never_exceeded_and_gives_back_what_it_took),
		cmocka_unit_test(a_delay_that_does_not_follow_is_not_ours),
		cmocka_unit_test(somebody_elses_rate_is_where_it_goes_on),
		cmocka_unit_test(what_is_idle_goes_back_to_the_base),
		cmocka_unit_test(nonsense_stays_within_the_limits),
		cmocka_unit_test(it_converges_and_does_not_oscillate),
		cmocka_unit_test(it_follows_steps),
		cmocka_unit_test(senders_that_give_way_are_no_idle_link),
		cmocka_unit_test(with_most_traffic_foreign_or_unknown_it_still_works),
		cmocka_unit_test(a_forwarder_follows_by_echoes),
		cmocka_unit_test(without_round_trips_it_says_so_and_keeps_the_rate),
		cmocka_unit_test(an_echo_does_not_wait_in_our_own_queue),
		cmocka_unit_test(it_is_far_better_than_a_fixed_rate_where_the_capacity_wanders),
		cmocka_unit_test(losses_of_a_radio_cost_little),
		cmocka_unit_test(long_and_short_round_trips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
