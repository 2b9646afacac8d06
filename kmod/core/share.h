/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guarantees of classes, and which class is served next.
 *
 * Every class has a guaranteed share g of the link. It is counted in link time (shaper.h): `served`
 * is the moment of the link clock up to which the class has used what it is sure of; a packet of ns
 * link time moves it on by ns / g. A class is within its guarantee as long as that moment is not
 * further ahead of the clock than its burst. So nothing has to be refilled: time passes, and the
 * clock catches up. (The generic cell rate algorithm of ITU-T I.371, on a clock of link time.)
 *
 * What classes without packets are sure of is nobody's, so g is the class's part of the shares of
 * those that have some: two deadline classes that have the link to themselves are sure of half of
 * it each. Those of ctrl and token are caps as well, and stay what they are.
 *
 * The order of service, where several classes have packets:
 *
 *   1. ctrl, within its guarantee;
 *   2. the deadline classes within theirs, earliest deadline first. A class whose next packet
 *      belongs to a flow with a backlog may use only half of the burst: the other half stays for
 *      flows that send a packet now and then, so one flow that floods its class cannot demote them;
 *   3. the weighted classes (and kv once its packet is late) that have got less than their share,
 *      the one that lags most first. The guarantees of all classes together are at most the link,
 *      so what steps 1 and 2 can take in the long run leaves enough to satisfy every floor;
 *   4. what is left: fair queueing by start times (Goyal, Vin, Cheng 1997) between the deadline
 *      classes as one participant, late kv, default, model and sync.
 *
 * Only what is sent in steps 1 to 3 counts as use of the guarantee: a link that nobody else wanted
 * is not held against a class later. And a class saves nothing while it has nothing to send.
 */
#ifndef FERRY_CORE_SHARE_H
#define FERRY_CORE_SHARE_H

#include "class.h"
#include "time.h"

/* How far a weighted class may lag behind and still catch up: 1 s of link time. */
#define FERRY_SHARE_LAG	      FERRY_NS_PER_SEC

/* The shortest burst of a guarantee, in nanoseconds of it: 250 ms. */
#define FERRY_SHARE_BURST_MIN (250 * FERRY_NS_PER_MS)

/* Who takes part in step 4. */
enum ferry_participant {
	FERRY_PARTICIPANT_DEADLINE,
	FERRY_PARTICIPANT_LATE_KV,
	FERRY_PARTICIPANT_DEFAULT,
	FERRY_PARTICIPANT_MODEL,
	FERRY_PARTICIPANT_SYNC,
};

#define FERRY_PARTICIPANT_COUNT	 5

#define FERRY_CLASS_BIT(class)	 (1U << (class))
#define FERRY_CLASSES_DEADLINE	 0x1fU /* ctrl to kv */
#define FERRY_CLASSES_WEIGHTED	 0xe0U /* default, model, sync */
#define FERRY_CLASSES_BACKGROUND 0xc0U /* model, sync: what an energy mode holds back */

struct ferry_share {
	__u64 served;	/* ns of the link clock */
	__u64 burst;	/* ns: how far `served` may be ahead of the clock */
	__u32 permille; /* of the link */
	__u32 inverse;	/* 2^20 / permille */
	_Bool weighted;
	_Bool capped;
};

struct ferry_shares {
	struct ferry_share class[FERRY_CLASS_COUNT];
	__u32 active; /* thousandths: shares of the classes that have packets */
	__u64 start[FERRY_PARTICIPANT_COUNT]; /* finish time of the participant's last packet */
	__u64 virtual_time;		      /* start time of the packet served last in step 4 */
};

/* What the choice has to know about the packet that a class would send next. */
struct ferry_candidate {
	__u64 deadline; /* ns; of classes with deadlines only */
	_Bool sparse;	/* its flow has no backlog to speak of */
};

/*
 * Sets what @class is sure of: @permille (1..1000) thousandths of the link, to be used in bursts of
 * twice its @budget_us, but not below FERRY_SHARE_BURST_MIN: a message may be as long as its budget
 * allows, and is followed by the next.
 */
static inline void ferry_share_set(struct ferry_shares *shares, unsigned int class, __u32 permille,
				   __u32 budget_us)
{
	struct ferry_share *share = &shares->class[class];

	share->permille = permille;
	share->inverse = ((1U << 20) + permille - 1) / permille;
	share->capped = class == FERRY_CLASS_CTRL || class == FERRY_CLASS_TOKEN;
	share->burst = 2 * FERRY_NS_PER_US * budget_us;
	if (share->burst < FERRY_SHARE_BURST_MIN)
		share->burst = FERRY_SHARE_BURST_MIN;
	share->weighted = (FERRY_CLASSES_WEIGHTED & FERRY_CLASS_BIT(class)) != 0;
	if (share->weighted)
		share->burst = 0;
}

static inline void ferry_shares_init(struct ferry_shares *shares, __u64 clock)
{
	unsigned int i;

	for (i = 0; i < FERRY_CLASS_COUNT; i++) {
		shares->class[i].served = clock;
		ferry_share_set(shares, i, ferry_class_share(i),
				ferry_deadline_us(ferry_class_budget(i)));
	}
	for (i = 0; i < FERRY_PARTICIPANT_COUNT; i++)
		shares->start[i] = 0;
	shares->virtual_time = 0;
	shares->active = 0;
}

/* To be called when @class gets its first packet: what it did not use is gone. */
static inline void ferry_share_wake(struct ferry_shares *shares, unsigned int class, __u64 clock)
{
	struct ferry_share *share = &shares->class[class];

	share->served = ferry_later(share->served, clock);
}

/*
 * To be called when the link has become faster: a frame that took @before ns now takes @after. What
 * a class or a participant owes for its last packet is as many bytes as before, so less time; the
 * burst is a time, and stays.
 */
static inline void ferry_shares_speed_up(struct ferry_shares *shares, __u64 before, __u64 after,
					 __u64 clock)
{
	unsigned int i;

	for (i = 0; i < FERRY_CLASS_COUNT; i++) {
		struct ferry_share *share = &shares->class[i];
		const __u64 owed = ferry_elapsed(clock + share->burst, share->served);

		share->served -= owed - ferry_div64(owed, before) * after;
	}
	for (i = 0; i < FERRY_PARTICIPANT_COUNT; i++) {
		const __u64 owed = ferry_elapsed(shares->virtual_time, shares->start[i]);

		shares->start[i] -= owed - ferry_div64(owed, before) * after;
	}
}

static inline _Bool ferry_share_within(const struct ferry_share *share, __u64 clock, _Bool sparse)
{
	return !ferry_after(share->served, clock + (sparse ? share->burst : share->burst / 2));
}

/* What a participant pays for link time in step 4: the inverse of its weight. */
static inline __u32 ferry_participant_price(enum ferry_participant participant)
{
	switch (participant) {
	case FERRY_PARTICIPANT_LATE_KV:
	case FERRY_PARTICIPANT_MODEL:
		return 4;
	case FERRY_PARTICIPANT_SYNC:
		return 32;
	default:
		return 1;
	}
}

/* What was chosen, for ferry_shares_charge(). */
struct ferry_choice {
	unsigned int class;
	_Bool surplus; /* in step 4, as @participant */
	_Bool alone;   /* out of its guarantee, but nobody else wants the link: nothing to charge */
	enum ferry_participant participant;
};

/*
 * Chooses among the classes of @backlog (a bit for each, at least one). @candidates holds one entry
 * for each class of them that has deadlines. @clock is the link clock, @now the time by which
 * deadlines are compared.
 */
static inline struct ferry_choice ferry_shares_choose(const struct ferry_shares *shares,
						      unsigned int backlog,
						      const struct ferry_candidate *candidates,
						      __u64 clock, __u64 now)
{
	struct ferry_choice choice = {.class = FERRY_CLASS_COUNT};
	const _Bool kv_late = (backlog & FERRY_CLASS_BIT(FERRY_CLASS_KV)) &&
			      ferry_after(now, candidates[FERRY_CLASS_KV].deadline);
	unsigned int urgent = FERRY_CLASS_COUNT; /* the earliest deadline of all */
	__u64 best = 0;
	unsigned int i;

	if (backlog & FERRY_CLASSES_DEADLINE) {
		for (i = FERRY_CLASS_CTRL; i <= FERRY_CLASS_KV; i++) {
			const struct ferry_candidate *candidate = &candidates[i];

			if (!(backlog & FERRY_CLASS_BIT(i)) || (i == FERRY_CLASS_KV && kv_late))
				continue;
			if (urgent == FERRY_CLASS_COUNT ||
			    ferry_after(candidates[urgent].deadline, candidate->deadline))
				urgent = i;
			if (!ferry_share_within(&shares->class[i], clock, candidate -> sparse))
				continue;
			if (choice.class == FERRY_CLASS_COUNT ||
			    ferry_after(candidates[choice.class].deadline, candidate->deadline))
				choice.class = i;
			if (i == FERRY_CLASS_CTRL)
				return choice;
		}
		if (choice.class != FERRY_CLASS_COUNT)
			return choice;
	}

	for (i = FERRY_CLASS_KV; i < FERRY_CLASS_COUNT; i++) {
		const struct ferry_share *share = &shares->class[i];

		if (!(backlog & FERRY_CLASS_BIT(i)) || (i == FERRY_CLASS_KV && !kv_late))
			continue;
		/* Late kv that floods leaves half of its burst to others; the rest have none. */
		if (!ferry_share_within(share, clock, i == FERRY_CLASS_KV && candidates[i].sparse))
			continue;
		if (choice.class == FERRY_CLASS_COUNT || ferry_after(best, share->served)) {
			choice.class = i;
			best = share->served;
		}
	}
	if (choice.class != FERRY_CLASS_COUNT)
		return choice;

	choice.surplus = 1;
	for (i = 0; i < FERRY_PARTICIPANT_COUNT; i++) {
		static const __u8 classes[FERRY_PARTICIPANT_COUNT] = {
			[FERRY_PARTICIPANT_LATE_KV] = FERRY_CLASS_KV,
			[FERRY_PARTICIPANT_DEFAULT] = FERRY_CLASS_DEFAULT,
			[FERRY_PARTICIPANT_MODEL] = FERRY_CLASS_MODEL,
			[FERRY_PARTICIPANT_SYNC] = FERRY_CLASS_SYNC,
		};
		const unsigned int class = i == FERRY_PARTICIPANT_DEADLINE ? urgent : classes[i];
		__u64 start;

		if (class == FERRY_CLASS_COUNT || !(backlog & FERRY_CLASS_BIT(class)) ||
		    (i == FERRY_PARTICIPANT_LATE_KV && !kv_late))
			continue;
		start = ferry_later(shares->start[i], shares->virtual_time);
		if (choice.class == FERRY_CLASS_COUNT || ferry_after(best, start)) {
			choice.class = class;
			choice.participant = (enum ferry_participant)i;
			best = start;
		}
	}
	return choice;
}

/*
 * What @ns of link time are in time of a guarantee that is part of @active thousandths. @ns is at
 * most 2^42: a packet of 512 KiB at FERRY_RATE_MIN.
 */
static inline __u64 ferry_share_cost(const struct ferry_share *share, __u64 ns, __u32 active)
{
	/* Below 2^64, and a packet of a few nanoseconds is not lost in the shift. */
	if (ns < 1ULL << 32)
		return (ns * active * share->inverse) >> 20;
	return ((ns * share->inverse) >> 20) * active;
}

/*
 * Charges a packet of @ns link time that was sent by @choice, while the link clock showed @clock
 * and the classes with packets, its own among them, had shares of @active thousandths.
 */
static inline void ferry_shares_charge(struct ferry_shares *shares, struct ferry_choice choice,
				       __u64 ns, __u32 active, __u64 clock)
{
	struct ferry_share *share = &shares->class[choice.class];
	__u64 *start = &shares->start[choice.participant];

	if (choice.surplus) {
		shares->virtual_time = ferry_later(*start, shares->virtual_time);
		*start = shares->virtual_time + ns * ferry_participant_price(choice.participant);
		return;
	}
	share->served =
		ferry_later(share->served, share->weighted ? clock - FERRY_SHARE_LAG : clock);
	share->served += ferry_share_cost(share, ns, share->capped ? 1000 : active);
}

#endif /* FERRY_CORE_SHARE_H */
