/* SPDX-License-Identifier: MIT */
/*
 * Guarantees of classes against what a fluid would get, whatever the shares, the speed of the link
 * and the size of packets. R-16
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dice.h"

#include "core/share.h"

static const uint64_t MS = 1000000;
static const uint64_t SECOND = 1000000000;

/* A link on which the classes of `backlog` always have packets of `ns` link time. */
struct link {
	struct ferry_shares shares;
	uint64_t clock;
	uint64_t now;
	uint32_t share[FERRY_CLASS_COUNT];
	uint32_t budget_us[FERRY_CLASS_COUNT];
	uint64_t ns[FERRY_CLASS_COUNT];
	_Bool sparse[FERRY_CLASS_COUNT];
	_Bool late; /* kv */
	unsigned int backlog;
	uint64_t got[FERRY_CLASS_COUNT]; /* ns */
	uint64_t longest_wait[FERRY_CLASS_COUNT];
	uint64_t last[FERRY_CLASS_COUNT];
};

static void link_init(struct link *link, uint64_t clock)
{
	*link = (struct link){.clock = clock, .now = clock};
	ferry_shares_init(&link->shares, clock);
	for (unsigned int i = 0; i < FERRY_CLASS_COUNT; i++) {
		link->share[i] = ferry_class_share(i);
		link->budget_us[i] = ferry_deadline_us(ferry_class_budget(i));
		link->ns[i] = 600000;
	}
}

static uint32_t link_active(const struct link *link)
{
	uint32_t active = 0;

	for (unsigned int i = 0; i < FERRY_CLASS_COUNT; i++) {
		if (link->backlog & FERRY_CLASS_BIT(i))
			active += link->share[i];
	}
	return active;
}

static void link_backlog(struct link *link, unsigned int backlog)
{
	for (unsigned int i = 0; i < FERRY_CLASS_COUNT; i++) {
		if (backlog & ~link->backlog & FERRY_CLASS_BIT(i)) {
			ferry_share_wake(&link->shares, i, link->clock);
			link->last[i] = link->clock;
		}
	}
	link->backlog = backlog;
}

static struct ferry_choice link_send(struct link *link)
{
	struct ferry_candidate candidates[FERRY_CLASS_COUNT] = {{0, 0}};
	struct ferry_choice choice;

	for (unsigned int i = FERRY_CLASS_CTRL; i <= FERRY_CLASS_KV; i++) {
		candidates[i].deadline = link->now + link->budget_us[i] * 1000ULL;
		candidates[i].sparse = link->sparse[i];
	}
	if (link->late)
		candidates[FERRY_CLASS_KV].deadline = link->now - 1;
	choice = ferry_shares_choose(&link->shares, link->backlog, candidates, link->clock,
				     link->now);
	assert_true(choice.class < FERRY_CLASS_COUNT);
	assert_true(link->backlog & FERRY_CLASS_BIT(choice.class));
	ferry_shares_charge(&link->shares, choice, link->ns[choice.class], link_active(link),
			    link->clock);
	link->clock += link->ns[choice.class];
	link->now += link->ns[choice.class];
	link->got[choice.class] += link->ns[choice.class];
	if (link->clock - link->last[choice.class] > link->longest_wait[choice.class])
		link->longest_wait[choice.class] = link->clock - link->last[choice.class];
	link->last[choice.class] = link->clock;
	return choice;
}

static void link_run(struct link *link, uint64_t ns)
{
	const uint64_t end = link->clock + ns;

	while (ferry_after(end, link->clock))
		link_send(link);
}

static void link_forget(struct link *link)
{
	for (unsigned int i = 0; i < FERRY_CLASS_COUNT; i++)
		link->got[i] = 0;
}

static void set_share(struct link *link, unsigned int class, uint32_t share, uint32_t budget_us)
{
	link->share[class] = share;
	link->budget_us[class] = budget_us;
	ferry_share_set(&link->shares, class, share, budget_us);
}

/* Draws shares that add up to 1000 at most. */
static void draw_shares(struct link *link, uint64_t *dice, uint32_t least)
{
	uint32_t left = 1000;

	for (unsigned int i = 0; i < FERRY_CLASS_COUNT; i++) {
		const uint32_t most = left - (FERRY_CLASS_COUNT - 1 - i) * least;
		const uint32_t share =
			least + (uint32_t)dice_below(dice, dice_below(dice, 4) ? 300 : 900);

		set_share(link, i, share < most ? share : most, link->budget_us[i]);
		left -= link->share[i];
	}
}

/*
 * Whether each class got in @ns what the fluid gives it, but for what may go ahead of it once: a
 * packet of each class, and the bursts of those with deadlines.
 */
static void check_floors(const struct link *link, uint64_t ns, double tolerance)
{
	const uint32_t active = link_active(link);
	double ahead = 0;

	for (unsigned int i = 0; i < FERRY_CLASS_COUNT; i++) {
		const struct ferry_share *share = &link->shares.class[i];

		if (!(link->backlog & FERRY_CLASS_BIT(i)))
			continue;
		ahead += (double)link->ns[i];
		ahead += (double)share->burst * link->share[i] / (share->capped ? 1000 : active);
	}
	for (unsigned int i = 0; i < FERRY_CLASS_COUNT; i++) {
		const double whole = link->shares.class[i].capped ? 1000 : active;
		const double sure = (double)ns * link->share[i] / whole;

		if (!(link->backlog & FERRY_CLASS_BIT(i)))
			continue;
		if ((double)link->got[i] < sure * (1 - tolerance) - ahead)
			fail_msg("%s with %u of %u: %.3f ms, is sure of %.3f", ferry_class_name(i),
				 link->share[i], active, (double)link->got[i] / 1e6, sure / 1e6);
	}
}

/* Whatever the shares and whoever competes, nobody gets less than the fluid of its guarantee. */
static void test_guarantees_hold_for_any_shares(void **state)
{
	uint64_t dice = 1;

	(void)state;
	for (unsigned int round = 0; round < 200; round++) {
		struct link link;

		link_init(&link, dice_roll(&dice));
		draw_shares(&link, &dice, 1);
		for (unsigned int i = 0; i < FERRY_CLASS_COUNT; i++) {
			link.ns[i] = dice_scale(&dice, 10000, 2 * MS);
			link.sparse[i] = dice_below(&dice, 2);
			/* Short bursts, soon used up. */
			set_share(&link, i, link.share[i], 1000);
		}
		link.late = dice_below(&dice, 2);
		link_backlog(&link, 1 + (unsigned int)dice_below(&dice, 255));
		link_run(&link, 5 * SECOND);
		check_floors(&link, 5 * SECOND, 0.002);
	}
}

/*
 * At 10 Gbit/s and more a packet takes fewer nanoseconds than there are thousandths: it still
 * counts. (Charged as 0, a class was within its guarantee for ever.)
 */
static void test_packets_of_a_few_nanoseconds_are_charged(void **state)
{
	static const uint64_t times[] = {1, 2, 5, 51, 67, 204, 229, 512, 1211};

	(void)state;
	for (unsigned int i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		for (unsigned int class = 0; class < FERRY_CLASS_COUNT; class ++) {
			struct ferry_choice choice = {.class = class};
			struct ferry_shares shares;
			double exact;
			uint64_t served;

			ferry_shares_init(&shares, SECOND);
			for (unsigned int n = 0; n < 1000; n++)
				ferry_shares_charge(&shares, choice, times[i], 1000, SECOND);
			served = shares.class[class].served - SECOND;
			exact = (double)times[i] * 1000 * 1000 / ferry_class_share(class);
			assert_in_range(served, exact * 0.995 - 1000, exact * 1.005 + 1000);
		}
	}
}

static void test_flood_of_small_packets_at_ten_gigabits_leaves_the_floors(void **state)
{
	struct link link;

	(void)state;
	link_init(&link, SECOND);
	link.ns[FERRY_CLASS_DECODE] = 51;    /* 64 bytes */
	link.ns[FERRY_CLASS_DEFAULT] = 1211; /* 1514 bytes */
	link.ns[FERRY_CLASS_SYNC] = 1211;
	link_backlog(&link, FERRY_CLASS_BIT(FERRY_CLASS_DECODE) |
				    FERRY_CLASS_BIT(FERRY_CLASS_DEFAULT) |
				    FERRY_CLASS_BIT(FERRY_CLASS_SYNC));
	link_run(&link, SECOND);
	link_forget(&link);
	link_run(&link, SECOND / 4);
	check_floors(&link, SECOND / 4, 0.01);
}

/* The longest packet at the lowest rate, and the largest share, overflow nothing. */
static void test_charges_do_not_overflow(void **state)
{
	uint64_t dice = 2;

	(void)state;
	for (unsigned int i = 0; i < 100000; i++) {
		const unsigned int class = (unsigned int)dice_below(&dice, FERRY_CLASS_COUNT);
		const uint32_t permille = 1 + (uint32_t)dice_below(&dice, 1000);
		const uint64_t ns = dice_scale(&dice, 1, 1ULL << 39);
		const struct ferry_choice choice = {.class = class};
		const uint64_t clock = dice_roll(&dice);
		const uint32_t active = permille + (uint32_t)dice_below(&dice, 1001 - permille);
		struct ferry_shares shares;
		unsigned __int128 exact;
		uint64_t got;

		ferry_shares_init(&shares, clock);
		ferry_share_set(&shares, class, permille, 0);
		ferry_shares_charge(&shares, choice, ns, active, clock);
		got = shares.class[class].served - clock;
		exact = (unsigned __int128)ns * (shares.class[class].capped ? 1000 : active) /
			permille;
		assert_true(got + 1 + (got >> 9) >= exact);
		assert_true(got <= exact + 1 + (exact >> 9));
	}
}

/* A flood of ctrl is strict within its 2 % and no further. */
static void test_ctrl_is_capped(void **state)
{
	struct link link;

	(void)state;
	link_init(&link, SECOND);
	link_backlog(&link, FERRY_CLASS_BIT(FERRY_CLASS_CTRL) |
				    FERRY_CLASS_BIT(FERRY_CLASS_DEFAULT) |
				    FERRY_CLASS_BIT(FERRY_CLASS_PREFILL));
	link_run(&link, 5 * SECOND);
	link_forget(&link);
	link_run(&link, 10 * SECOND);
	check_floors(&link, 10 * SECOND, 0.01);
}

/*
 * How long default waits at worst when all deadline classes start at once after a silence, with
 * packets that all look sparse: the sum of their bursts. Written down here so that a change that
 * makes it longer is seen.
 */
static void test_bursts_of_all_classes_end(void **state)
{
	struct link link;

	(void)state;
	link_init(&link, SECOND);
	for (unsigned int i = 0; i < FERRY_CLASS_COUNT; i++)
		link.sparse[i] = 1;
	link_backlog(&link, FERRY_CLASSES_DEADLINE | FERRY_CLASS_BIT(FERRY_CLASS_DEFAULT));
	link_run(&link, 20 * SECOND);
	assert_in_range(link.longest_wait[FERRY_CLASS_DEFAULT], 0, 2800 * MS);
	assert_in_range(link.longest_wait[FERRY_CLASS_CTRL], 0, 300 * MS);
}

/* Nobody saves anything in silence: not of the guarantee, and not of fair queueing. */
static void test_silence_is_not_saved(void **state)
{
	for (unsigned int class = FERRY_CLASS_DEFAULT; class < FERRY_CLASS_COUNT; class ++) {
		struct link link;
		const unsigned int other = class == FERRY_CLASS_DEFAULT ? FERRY_CLASS_MODEL
									: FERRY_CLASS_DEFAULT;
		uint64_t before;

		(void)state;
		link_init(&link, SECOND);
		link_backlog(&link, FERRY_CLASS_BIT(other) | FERRY_CLASS_BIT(FERRY_CLASS_TOKEN));
		link_run(&link, 100 * SECOND);
		link_backlog(&link, link.backlog | FERRY_CLASS_BIT(class));
		link_forget(&link);
		before = link.clock;
		link_run(&link, SECOND / 2);
		/* Of surplus and guarantee together, what two equals would get, and no more. */
		if (link.got[class] > (link.clock - before) * 60 / 100 &&
		    class != FERRY_CLASS_DEFAULT)
			fail_msg("%s took %llu ms of 500", ferry_class_name(class),
				 (unsigned long long)(link.got[class] / MS));
		check_floors(&link, SECOND / 2, 0.05);
	}
}

/*
 * Classes that come and go at random, with a new burst each time: a class that always has packets
 * gets its thousandths of the whole link all the same.
 */
static void test_guarantees_hold_while_others_come_and_go(void **state)
{
	uint64_t dice = 3;

	(void)state;
	for (unsigned int round = 0; round < 40; round++) {
		const unsigned int steady =
			FERRY_CLASS_DEFAULT + (unsigned int)dice_below(&dice, 3);
		struct link link;
		double sure = 0;

		link_init(&link, dice_roll(&dice));
		/* A packet of a class that is sure of next to nothing is worth many turns. */
		draw_shares(&link, &dice, 20);
		for (unsigned int i = 0; i < FERRY_CLASS_COUNT; i++) {
			link.ns[i] = 1 + dice_below(&dice, MS);
			set_share(&link, i, link.share[i], 1000);
		}
		for (unsigned int i = 0; i < 1000; i++) {
			const uint64_t before = link.clock;

			link_backlog(&link, (unsigned int)dice_below(&dice, 256) |
						    FERRY_CLASS_BIT(steady));
			link_run(&link, dice_below(&dice, 200) * MS + 1);
			sure += (double)(link.clock - before) * link.share[steady] / 1000;
		}
		/* In 100 s. */
		if ((double)link.got[steady] < sure * 0.99 - SECOND / 2)
			fail_msg("round %u: %s with %u got %.3f s, is sure of %.3f", round,
				 ferry_class_name(steady), link.share[steady],
				 (double)link.got[steady] / 1e9, sure / 1e9);
	}
}

/* kv that is late has the weight of what is left, and only half of the burst like any backlog. */
static void test_late_kv_leaves_the_burst_to_others(void **state)
{
	struct link link;

	(void)state;
	link_init(&link, SECOND);
	link.late = 1;
	link_backlog(&link, FERRY_CLASS_BIT(FERRY_CLASS_KV) | FERRY_CLASS_BIT(FERRY_CLASS_DEFAULT));
	for (unsigned int i = 0; i < 20000; i++) {
		link_send(&link);
		assert_true(ferry_share_within(&link.shares.class[FERRY_CLASS_KV], link.clock, 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guarantees_hold_for_any_shares),
		cmocka_unit_test(test_packets_of_a_few_nanoseconds_are_charged),
		cmocka_unit_test(test_flood_of_small_packets_at_ten_gigabits_leaves_the_floors),
		cmocka_unit_test(test_charges_do_not_overflow),
		cmocka_unit_test(test_ctrl_is_capped),
		cmocka_unit_test(test_bursts_of_all_classes_end),
		cmocka_unit_test(test_silence_is_not_saved),
		cmocka_unit_test(test_guarantees_hold_while_others_come_and_go),
		cmocka_unit_test(test_late_kv_leaves_the_burst_to_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
