/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The whole scheduler: shaper, choice of the class, flows, CoDel and the limit of memory, over
 * packets that somebody else owns.
 *
 * Before including this file, include one that defines `struct ferry_packet` and
 *
 *   struct ferry_packet *ferry_packet_next(p)      the link of the queue that a packet is in
 *   void ferry_packet_set_next(p, next)
 *   struct ferry_stamp *ferry_packet_stamp(p)      room for a struct ferry_stamp (stamp.h)
 *   __u32 ferry_packet_bytes(p)                    bytes, all segments with their headers; not 0
 *   __u32 ferry_packet_segments(p)                 packets on the wire, at least 1
 *   __u32 ferry_packet_memory(p)                   bytes of memory; not 0
 *   __u32 ferry_packet_hash(p)                     of its flow; may cost something
 *   _Bool ferry_packet_mark(p)                     sets CE; false where its sender knows no ECN
 *   _Bool ferry_packet_is_ect1(p)
 *
 * kmod/qdisc/packet.h does it for sk_buff, tests/unit/kmod/packet.h for a simulator.
 *
 * Packets that are dropped are not freed here, but collected in `dropped` for the owner.
 */
#ifndef FERRY_CORE_QUEUE_H
#define FERRY_CORE_QUEUE_H

#include "classify.h"
#include "flows.h"
#include "histogram.h"
#include "share.h"
#include "shaper.h"
#include "stamp.h"

/* Packets that are dropped from the fattest flow at once, so that finding it pays. */
#define FERRY_DROP_BATCH   64

/* A full Ethernet frame, and the bounds of a flow's quantum, in bytes. */
#define FERRY_FRAME	   1514
#define FERRY_QUANTUM_MIN  300

/*
 * In mode saver, model and sync are sent in the first eighth of each period of 2^31 ns (2.1 s) of
 * the clock, on all links at the same time.
 */
#define FERRY_SAVER_PERIOD (1ULL << 31)
#define FERRY_SAVER_WINDOW (1ULL << 28)

struct ferry_queue_class {
	struct ferry_codel_params codel;
	__u32 budget_us; /* 0: no deadlines */
	__u32 share;	 /* thousandths */
	__u32 bytes;	 /* queued */
	__u32 packets;	 /* queued */
	__u32 memory;	 /* of the queued ones, bytes */
	__u64 sent_packets;
	__u64 sent_bytes;
	__u64 sent_by_source[FERRY_SOURCE_COUNT];
	__u64 drops;
	__u64 limit_drops; /* those of the drops that were for want of memory */
	__u64 marks;
	__u64 late;
	struct ferry_histogram sojourn; /* us */
	/*
	 * The only packet of the class, as long as nobody has asked for its flow. A packet that
	 * finds its class empty and leaves before another comes needs no flow, and on a link that
	 * keeps up that is nearly every one. Else NULL.
	 */
	struct ferry_packet *lone;
	struct ferry_flows flows;
};

struct ferry_queue {
	struct ferry_shaper shaper;
	struct ferry_shares shares;
	__u32 backlog; /* bit for each class that has packets */
	__u32 fresh;   /* those of them that got their first one since the last was sent */
	__u32 packets; /* queued */
	__u32 bytes;   /* queued */
	__u32 memory;  /* bytes that they occupy */
	__u32 memory_peak;
	__u32 limit;	    /* bytes that they may occupy; not 0 */
	__u32 held;	    /* bit for each class that the energy mode held back when last asked */
	__s32 quantum;	    /* bytes */
	__u64 frame_ns;	    /* link time of FERRY_FRAME; 0: unshaped */
	__u64 charged_ns;   /* the same by which classes were charged so far; not 0 */
	__u64 opened;	    /* ns: when the energy mode last let model and sync go again */
	__u64 target;	    /* ns; lower bound of every class's */
	__u64 interval;	    /* ns */
	__u64 ce_threshold; /* ns; 0: none */
	_Bool ecn;
	_Bool idle;		      /* the link has nothing to send */
	__u64 last;		      /* ns: when a packet was last sent */
	__u8 mode;		      /* enum ferry_mode */
	struct ferry_packet *dropped; /* linked by next, the owner takes them */
	struct ferry_queue_class class[FERRY_CLASS_COUNT];
};

/* Brings what depends on rate, target, budgets and shares up to date. */
static inline void ferry_queue_update(struct ferry_queue *queue)
{
	const __u64 rate = queue->shaper.rate.bytes_ps;
	const __u64 frame_ns = ferry_shaper_ns(&queue->shaper, FERRY_FRAME, 1);
	unsigned int i;

	queue->shares.active = 0;
	queue->frame_ns = ferry_shaper_shapes(&queue->shaper) ? frame_ns : 0;
	if (frame_ns < queue->charged_ns)
		ferry_shares_speed_up(&queue->shares, queue->charged_ns, frame_ns,
				      queue->shaper.clock);
	queue->charged_ns = frame_ns ? frame_ns : 1;
	/* A link so slow that a frame takes long is shared in smaller pieces. */
	queue->quantum = FERRY_FRAME;
	if (rate && rate >> 12 < FERRY_FRAME)
		queue->quantum = rate >> 12 < FERRY_QUANTUM_MIN ? FERRY_QUANTUM_MIN
								: (__s32)(rate >> 12);
	for (i = 0; i < FERRY_CLASS_COUNT; i++) {
		struct ferry_queue_class *class = &queue->class[i];
		const __u64 budget = (__u64) class->budget_us * FERRY_NS_PER_US;

		/* A message that takes its whole budget to send is no standing queue. */
		class->codel.target = queue->target > budget / 4 ? queue->target : budget / 4;
		class->codel.interval = queue->interval > budget ? queue->interval : budget;
		ferry_share_set(&queue->shares, i, class->share, class->budget_us);
		if (class->packets)
			queue->shares.active += class->share;
	}
}

/* Empty queue with the defaults of the UAPI header and a limit of @limit bytes of memory. */
static inline void ferry_queue_init(struct ferry_queue *queue, __u32 limit, __u64 now)
{
	unsigned int i;
	unsigned int s;

	ferry_shaper_init(&queue->shaper, now);
	ferry_shares_init(&queue->shares, queue->shaper.clock);
	queue->backlog = queue->fresh = 0;
	queue->packets = queue->bytes = queue->memory = queue->memory_peak = 0;
	queue->limit = limit;
	queue->target = 5 * FERRY_NS_PER_MS;
	queue->interval = 100 * FERRY_NS_PER_MS;
	queue->ce_threshold = FERRY_NS_PER_MS;
	queue->ecn = 1;
	queue->idle = 1;
	queue->mode = FERRY_MODE_NORMAL;
	queue->held = 0;
	queue->opened = now;
	queue->charged_ns = 1;
	queue->dropped = (struct ferry_packet *)0;
	for (i = 0; i < FERRY_CLASS_COUNT; i++) {
		struct ferry_queue_class *class = &queue->class[i];

		class->budget_us = ferry_deadline_us(ferry_class_budget(i));
		class->share = ferry_class_share(i);
		class->bytes = class->packets = class->memory = 0;
		class->sent_packets = class->sent_bytes = 0;
		for (s = 0; s < FERRY_SOURCE_COUNT; s++)
			class->sent_by_source[s] = 0;
		class->drops = class->limit_drops = class->marks = class->late = 0;
		class->sojourn.count = 0;
		for (s = 0; s < FERRY_HISTOGRAM_BINS; s++)
			class->sojourn.bins[s] = 0;
		class->lone = (struct ferry_packet *)0;
		ferry_flows_init(&class->flows);
	}
	queue->last = now;
	ferry_queue_update(queue);
}

/* Index of no flow, where the packet of a class is its lone one. */
#define FERRY_FLOW_LONE FERRY_FLOWS

/* The packet that @index of @owner would send next; @index may be FERRY_FLOW_LONE. */
static inline struct ferry_packet *ferry_queue_head(const struct ferry_queue_class *owner,
						    unsigned int index)
{
	return index == FERRY_FLOW_LONE ? owner->lone : owner->flows.flow[index].head;
}

/* Whose turn it is in @owner, which has packets. */
static inline unsigned int ferry_queue_turn(struct ferry_queue *queue,
					    struct ferry_queue_class *owner)
{
	return owner->lone ? FERRY_FLOW_LONE : ferry_flows_turn(&owner->flows, queue->quantum);
}

/* Takes the first packet off the flow at @index of @class, which has one. */
static inline struct ferry_packet *ferry_queue_pop(struct ferry_queue *queue, unsigned int class,
						   unsigned int index)
{
	struct ferry_queue_class *const owner = &queue->class[class];
	struct ferry_packet *const packet = ferry_queue_head(owner, index);
	const __u32 bytes = ferry_packet_bytes(packet);
	const struct ferry_stamp *const stamp = ferry_packet_stamp(packet);
	const __u32 memory = stamp->memory;

	if (index == FERRY_FLOW_LONE) {
		owner->lone = (struct ferry_packet *)0;
	} else {
		owner->flows.flow[index].head = ferry_packet_next(packet);
		owner->flows.flow[index].guests -= stamp->guest;
		owner->flows.memory[index] -= memory;
		ferry_packet_set_next(packet, (struct ferry_packet *)0);
	}
	owner->bytes -= bytes;
	owner->memory -= memory;
	queue->bytes -= bytes;
	queue->memory -= memory;
	queue->packets--;
	if (!--owner->packets) {
		queue->backlog &= ~FERRY_CLASS_BIT(class);
		queue->shares.active -= owner->share;
	}
	return packet;
}

static inline void ferry_queue_drop(struct ferry_queue *queue, struct ferry_packet *packet)
{
	ferry_packet_set_next(packet, queue->dropped);
	queue->dropped = packet;
}

/* A flow, as ferry_queue_drop_fattest() names its victim. */
struct ferry_flow_id {
	unsigned int class;
	unsigned int index;
};

/*
 * Drops from the head of the fattest flow of the least important class that occupies more than its
 * share of the memory; since shares add up to less than the whole, there is one whenever the limit
 * is exceeded. To be called with packets queued.
 */
static inline struct ferry_flow_id ferry_queue_drop_fattest(struct ferry_queue *queue)
{
	struct ferry_flow_id victim = {FERRY_CLASS_COUNT, 0};
	struct ferry_queue_class *owner;
	__u32 enough;
	unsigned int i;

	for (i = FERRY_CLASS_COUNT; i-- > 0;) {
		owner = &queue->class[i];
		if (!owner->packets)
			continue;
		/* The most important one that has packets, if none is over its share. */
		victim.class = i;
		if (owner->memory > ((__u64)queue->limit * owner->share) >> 10)
			break;
	}
	owner = &queue->class[victim.class];
	victim.index = owner->lone ? FERRY_FLOW_LONE : ferry_flows_fattest(&owner->flows);
	enough = owner->lone ? 0 : owner->flows.memory[victim.index] / 2;
	for (i = 0; i < FERRY_DROP_BATCH && ferry_queue_head(owner, victim.index); i++) {
		if (i && owner->flows.memory[victim.index] <= enough)
			break;
		ferry_queue_drop(queue, ferry_queue_pop(queue, victim.class, victim.index));
		owner->drops++;
		owner->limit_drops++;
	}
	return victim;
}

/* Puts @packet, which is counted already, into the queue of its flow. Returns which that is. */
static inline unsigned int ferry_queue_append(struct ferry_queue *queue,
					      struct ferry_queue_class *owner,
					      struct ferry_packet *packet)
{
	const __u32 hash = ferry_packet_hash(packet);
	const unsigned int index = ferry_flows_find(&owner->flows, hash);
	struct ferry_flow *const flow = &owner->flows.flow[index];
	struct ferry_stamp *const stamp = ferry_packet_stamp(packet);

	stamp->guest = owner->flows.tag[index] != hash;
	flow->guests += stamp->guest;
	ferry_packet_set_next(packet, (struct ferry_packet *)0);
	if (flow->head) {
		ferry_packet_set_next(flow->tail, packet);
	} else {
		flow->head = packet;
		/* What stood there may have been dropped for want of memory, unseen by CoDel. */
		flow->codel.standing_from = 0;
	}
	flow->tail = packet;
	owner->flows.memory[index] += stamp->memory;
	ferry_flows_wake(&owner->flows, index, queue->quantum);
	return index;
}

/*
 * Whether the flow of a packet matters even if it is alone in @class: where only sparse flows are
 * within the guarantee any more. One that sends a packet at a time, and much of it, would look
 * sparse without its flow, and take what is left for the others.
 */
static inline _Bool ferry_queue_knows_flows(const struct ferry_queue *queue, unsigned int class)
{
	const struct ferry_share *const share = &queue->shares.class[class];

	return !share->weighted && !ferry_share_within(share, queue->shaper.clock, 0);
}

/*
 * Queues @packet as @ruling says. Returns whether packets of its own flow had to be dropped for
 * want of memory; @packet may be one of them.
 */
static inline _Bool ferry_queue_put(struct ferry_queue *queue, struct ferry_packet *packet,
				    struct ferry_ruling ruling, __u64 now)
{
	struct ferry_queue_class *const owner = &queue->class[ruling.class];
	struct ferry_stamp *const stamp = ferry_packet_stamp(packet);
	const __u32 bytes = ferry_packet_bytes(packet);
	const __u32 memory = ferry_packet_memory(packet);
	unsigned int index = FERRY_FLOW_LONE;
	_Bool own = 0;

	stamp->enqueued = now;
	stamp->memory = memory;
	stamp->class = ruling.class;
	stamp->source = ruling.source;
	stamp->budget_us = owner->budget_us;
	if (owner->budget_us && ruling.bucket != FERRY_DEADLINE_NONE)
		stamp->budget_us = ferry_deadline_us(ruling.bucket);
	owner->bytes += bytes;
	owner->memory += memory;
	queue->packets++;
	queue->bytes += bytes;
	queue->memory += memory;
	if (!owner->packets++) {
		queue->shares.active += owner->share;
		queue->backlog |= FERRY_CLASS_BIT(ruling.class);
		queue->fresh |= FERRY_CLASS_BIT(ruling.class);
		if (ferry_queue_knows_flows(queue, ruling.class)) {
			index = ferry_queue_append(queue, owner, packet);
		} else {
			/* Flows still on a list without packets have nobody to give way to. */
			if (owner->flows.active)
				ferry_flows_release(&owner->flows);
			ferry_packet_set_next(packet, (struct ferry_packet *)0);
			owner->lone = packet;
		}
	} else {
		if (owner->lone)
			ferry_queue_append(queue, owner, owner->lone);
		owner->lone = (struct ferry_packet *)0;
		index = ferry_queue_append(queue, owner, packet);
	}
	while (queue->memory > queue->limit) {
		const struct ferry_flow_id victim = ferry_queue_drop_fattest(queue);

		own |= victim.class == ruling.class && victim.index == index;
	}
	if (queue->memory > queue->memory_peak)
		queue->memory_peak = queue->memory;
	return own;
}

/* Drops until the limit holds: after it has been lowered. */
static inline void ferry_queue_shrink(struct ferry_queue *queue)
{
	while (queue->memory > queue->limit)
		ferry_queue_drop_fattest(queue);
}

/* Drops everything. Not counted as drops: nobody was in the way. */
static inline void ferry_queue_purge(struct ferry_queue *queue, __u64 now)
{
	unsigned int c;
	unsigned int i;

	for (c = 0; c < FERRY_CLASS_COUNT; c++) {
		struct ferry_flows *const flows = &queue->class[c].flows;

		if (queue->class[c].lone)
			ferry_queue_drop(queue, ferry_queue_pop(queue, c, FERRY_FLOW_LONE));
		for (i = 0; i < FERRY_FLOWS; i++) {
			while (flows->flow[i].head)
				ferry_queue_drop(queue, ferry_queue_pop(queue, c, i));
		}
		ferry_flows_init(flows);
	}
	queue->fresh = 0;
	if (!queue->idle)
		ferry_shaper_idle(&queue->shaper, now);
	queue->idle = 1;
}

/* Classes that the energy mode holds back at @now; *@open: when that ends, 0 for not by itself. */
static inline __u32 ferry_queue_held(const struct ferry_queue *queue, __u64 now, __u64 *open)
{
	const __u64 phase = now & (FERRY_SAVER_PERIOD - 1);

	*open = 0;
	if (queue->mode == FERRY_MODE_NORMAL)
		return 0;
	if (queue->mode == FERRY_MODE_CRITICAL)
		return FERRY_CLASSES_BACKGROUND;
	if (phase < FERRY_SAVER_WINDOW)
		return 0;
	*open = now - phase + FERRY_SAVER_PERIOD;
	if (!*open)
		*open = 1;
	return FERRY_CLASSES_BACKGROUND;
}

/* Chooses the class to serve among those of @ready, at least one bit. */
static inline struct ferry_choice ferry_queue_choose(struct ferry_queue *queue, __u32 ready,
						     __u64 now)
{
	struct ferry_candidate candidates[FERRY_CLASS_COUNT] = {{0, 0}};
	__u32 left = ready & FERRY_CLASSES_DEADLINE;

	if (!(ready & (ready - 1))) {
		/* Nobody to compete with: all that matters is whether it counts. */
		struct ferry_choice choice = {.class = (unsigned int)__builtin_ctz(ready)};

		choice.alone = !ferry_share_within(&queue->shares.class[choice.class],
						   queue -> shaper.clock, 0);
		return choice;
	}
	for (; left; left &= left - 1) {
		const unsigned int class = (unsigned int)__builtin_ctz(left);
		struct ferry_queue_class *const owner = &queue->class[class];
		const unsigned int index = ferry_queue_turn(queue, owner);
		const struct ferry_stamp *const stamp =
			ferry_packet_stamp(ferry_queue_head(owner, index));

		candidates[class].deadline = stamp->enqueued + stamp->budget_us * FERRY_NS_PER_US;
		candidates[class].sparse = index == FERRY_FLOW_LONE ||
					   owner->flows.flow[index].list == FERRY_FLOW_NEW;
	}
	return ferry_shares_choose(&queue->shares, ready, candidates, queue->shaper.clock, now);
}

/*
 * What CoDel has to say to a packet of @flow that is about to leave after @sojourn: whether it is
 * to be dropped or marked. One without a flow has nothing behind it.
 */
static inline _Bool ferry_queue_standing(const struct ferry_queue *queue,
					 const struct ferry_queue_class *class,
					 struct ferry_flow *flow, __u64 sojourn, __u64 now)
{
	const __u32 flows = class->flows.active > 2 ? class->flows.active : 2;
	/* A flow that waits for one round of all the others has no queue of its own making. */
	const __u64 round = 2 * queue->frame_ns * flows;
	const __u64 target = class->codel.target > round ? class->codel.target : round;

	return flow && ferry_codel_judges(&flow->codel, sojourn, target, class->codel.interval,
					  !flow->head, now);
}

/*
 * What CoDel and the deadline have to say to a packet that is about to leave. Returns whether it is
 * to be dropped.
 */
static inline _Bool ferry_queue_judge(struct ferry_queue *queue, struct ferry_queue_class *class,
				      struct ferry_flow *flow, struct ferry_packet *packet,
				      __u64 sojourn, __u64 now)
{
	const struct ferry_stamp *const stamp = ferry_packet_stamp(packet);
	__u64 waited = sojourn;
	_Bool mark = 0;

	/* What an energy mode made it wait is not the sender's queue. */
	if (FERRY_CLASS_BIT(stamp->class) & FERRY_CLASSES_BACKGROUND) {
		const __u64 open = ferry_elapsed(queue->opened, now);

		waited = waited < open ? waited : open;
	}
	if (ferry_queue_standing(queue, class, flow, waited, now)) {
		if (!queue->ecn || !ferry_packet_mark(packet))
			return 1;
		class->marks++;
		mark = 1;
	} else if (queue->ce_threshold && waited > queue->ce_threshold &&
		   ferry_packet_is_ect1(packet)) {
		if (ferry_packet_mark(packet)) {
			class->marks++;
			mark = 1;
		}
	}
	/* Too late is no reason to drop it: its sender would only send it again, later still. */
	if (stamp->budget_us && sojourn > stamp->budget_us * FERRY_NS_PER_US) {
		class->late++;
		if (!mark && queue->ecn && ferry_packet_mark(packet))
			class->marks++;
	}
	return 0;
}

/*
 * To be called instead of ferry_queue_get() where the queue has no packets, and no clock need be
 * read: the link has been idle since it sent the last one.
 */
static inline void ferry_queue_rest(struct ferry_queue *queue)
{
	if (!queue->idle)
		ferry_shaper_idle(&queue->shaper, queue->last);
	queue->idle = 1;
}

/*
 * The next packet that may leave at @now, NULL where there is none; *@wake is then the time at
 * which to ask again, 0 where only a new packet or a change of mode makes one.
 */
static inline struct ferry_packet *ferry_queue_get(struct ferry_queue *queue, __u64 now,
						   __u64 *wake)
{
	for (;;) {
		const __u32 held = ferry_queue_held(queue, now, wake);
		const __u32 ready = queue->backlog & ~held;
		struct ferry_queue_class *class;
		struct ferry_choice choice;
		struct ferry_packet *packet;
		const struct ferry_stamp *stamp;
		struct ferry_flow *flow;
		unsigned int index;
		__u64 sojourn;
		__u32 bytes;
		__u32 segments;
		__u32 active;
		__u64 ns;

		if (queue->held != held) {
			queue->held = held;
			if (!held)
				queue->opened = now;
		}
		if (!ready) {
			if (!queue->idle)
				ferry_shaper_idle(&queue->shaper, now);
			queue->idle = 1;
			if (!queue->backlog)
				*wake = 0;
			return (struct ferry_packet *)0;
		}
		if (queue->idle) {
			queue->idle = 0;
			ferry_shaper_wake(&queue->shaper, now);
		}
		for (; queue->fresh; queue->fresh &= queue->fresh - 1)
			ferry_share_wake(&queue->shares, (unsigned int)__builtin_ctz(queue->fresh),
					 queue->shaper.clock);
		if (ferry_shaper_busy(&queue->shaper, now)) {
			*wake = queue->shaper.free_at ? queue->shaper.free_at : 1;
			return (struct ferry_packet *)0;
		}

		choice = ferry_queue_choose(queue, ready, now);
		active = queue->shares.active;
		class = &queue->class[choice.class];
		index = ferry_queue_turn(queue, class);
		flow = index == FERRY_FLOW_LONE ? (struct ferry_flow *)0
						: &class->flows.flow[index];
		packet = ferry_queue_pop(queue, choice.class, index);
		stamp = ferry_packet_stamp(packet);
		sojourn = ferry_elapsed(stamp->enqueued, now);
		if (ferry_queue_judge(queue, class, flow, packet, sojourn, now)) {
			class->drops++;
			ferry_queue_drop(queue, packet);
			continue;
		}

		bytes = ferry_packet_bytes(packet);
		segments = ferry_packet_segments(packet);
		if (flow)
			flow->deficit -= (__s32)bytes;
		class->sent_packets += segments;
		class->sent_bytes += bytes;
		class->sent_by_source[stamp->source] += segments;
		ferry_histogram_add(&class->sojourn, ferry_us(sojourn));
		ns = ferry_shaper_ns(&queue->shaper, bytes, segments);
		if (!choice.alone)
			ferry_shares_charge(&queue->shares, choice, ns, active,
					    queue->shaper.clock);
		ferry_shaper_charge(&queue->shaper, now, ns, bytes);
		queue->last = now;
		return packet;
	}
}

#endif /* FERRY_CORE_QUEUE_H */
