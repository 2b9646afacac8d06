// SPDX-License-Identifier: MIT
/*
 * Any sequence of what can happen to the scheduler of kmod/core/queue.h: packets of any size,
 * class, flow and deadline, on a clock that stands still, runs back, or jumps across 2^64; changes
 * of every option, energy modes, and purges. Input: operations, one byte each, with their arguments
 * behind.
 *
 * After each of them: every packet that was put is queued once, or has come out once, those of a
 * flow in the order in which they were put; all sums are right; memory is within the limit; and a
 * link without a rate is never idle while there are packets.
 */
#include <string.h>

#include "fuzz/fuzz.h"
#include "unit/kmod/dice.h"
#include "unit/kmod/packet.h"

#include "core/queue.h"

enum {
	MAX_PACKETS = 600,
	MAX_STEPS = 2000,
	KEYS = 256, /* flows of a class */
};

enum operation {
	PUT,
	PUT_SAME, /* as before: a backlog grows */
	GET,
	GET_ALL,
	PASS, /* time */
	PASS_LONG,
	PASS_BACK,
	SET_CLOCK,
	SET_RATE,
	SET_LIMIT,
	SET_MODE,
	SET_SHARES,
	SET_LINK, /* overhead, mpu, CoDel */
	PURGE,
	OPERATIONS,
};

struct world {
	const uint8_t *data;
	size_t left;
	struct ferry_queue *queue;
	uint64_t now;
	struct ferry_packet packets[MAX_PACKETS];
	unsigned int free[MAX_PACKETS];
	unsigned int free_count;
	unsigned int queued;
	uint64_t sequence;
	uint64_t last[FERRY_CLASS_COUNT][KEYS]; /* sequence of what came out of a flow last */
	uint8_t put[9];				/* arguments of the last PUT */
	uint64_t purged;
	uint64_t put_count;
};

static uint8_t byte(struct world *world)
{
	if (!world->left)
		return 0;
	world->left--;
	return *world->data++;
}

/* A number of any size from two bytes. */
static uint64_t number(struct world *world)
{
	const uint64_t value = 1 + byte(world);

	return value << (byte(world) & 63);
}

/* Flows 0 to 63 meet in one set, 64 to 127 in one place, the others lie apart. */
static uint32_t hash_of(uint8_t key)
{
	if (key < 64)
		return 3 + key * FERRY_FLOWS_SETS;
	if (key < 128)
		return 7 + key * FERRY_FLOWS;
	return key * 0x9e3779b9U;
}

/* A packet has come out: dropped or sent. */
static void take(struct world *world, struct ferry_packet *packet)
{
	const size_t index = (size_t)(packet - world->packets);
	uint64_t *last = &world->last[packet->stamp.class][packet->source];

	FUZZ_CHECK(index < MAX_PACKETS);
	FUZZ_CHECK(packet->message); /* put, and not come out since */
	FUZZ_CHECK(packet->sequence > *last);
	*last = packet->sequence;
	packet->message = 0;
	world->free[world->free_count++] = (unsigned int)index;
	world->queued--;
}

static unsigned int take_dropped(struct world *world)
{
	struct ferry_packet *dropped[MAX_PACKETS];
	unsigned int n = 0;

	/* The one that was dropped last stands first. */
	while (world->queue->dropped) {
		FUZZ_CHECK(n < MAX_PACKETS);
		dropped[n++] = world->queue->dropped;
		world->queue->dropped = world->queue->dropped->next;
	}
	for (unsigned int i = n; i-- > 0;)
		take(world, dropped[i]);
	return n;
}

static void check_flow(const struct ferry_flows *flows, unsigned int index, int *place,
		       uint64_t *bytes, uint64_t *packets, uint64_t *memory)
{
	const struct ferry_flow *flow = &flows->flow[index];
	const struct ferry_packet *packet = flow->head;
	uint64_t guests = 0;
	uint64_t held = 0;

	for (; packet; packet = packet->next) {
		FUZZ_CHECK(place[packet->source] < 0 || place[packet->source] == (int)index);
		place[packet->source] = (int)index;
		guests += packet->stamp.guest;
		held += packet->stamp.memory;
		*bytes += packet->bytes;
		++*packets;
		if (!packet->next)
			FUZZ_CHECK(packet == flow->tail);
		FUZZ_CHECK(*packets <= MAX_PACKETS);
	}
	FUZZ_CHECK(guests == flow->guests);
	FUZZ_CHECK(held == flows->memory[index]);
	*memory += held;
}

/* Walks both lists of @class: whatever is not on them has no packets, or the sums would tell. */
static void check_class(const struct ferry_queue_class *class)
{
	const struct ferry_flows *flows = &class->flows;
	const struct ferry_flow_list_ends *lists[2] = {&flows->new, &flows->old};
	int place[KEYS];
	uint64_t bytes = 0;
	uint64_t packets = 0;
	uint64_t memory = 0;
	uint32_t active = 0;

	if (class->lone) {
		FUZZ_CHECK(class->packets == 1 && !class->lone->next);
		bytes = class->lone->bytes;
		memory = class->lone->stamp.memory;
		packets = 1;
	}
	memset(place, -1, sizeof(place));
	for (unsigned int l = 0; l < 2; l++) {
		uint16_t last = 0;

		for (uint16_t at = lists[l]->first; at; at = flows->flow[at - 1].next) {
			FUZZ_CHECK(at <= FERRY_FLOWS && ++active <= FERRY_FLOWS);
			FUZZ_CHECK(flows->flow[at - 1].list ==
				   (l ? FERRY_FLOW_OLD : FERRY_FLOW_NEW));
			check_flow(flows, at - 1, place, &bytes, &packets, &memory);
			last = at;
		}
		FUZZ_CHECK(last == lists[l]->last);
	}
	FUZZ_CHECK(active == flows->active);
	FUZZ_CHECK(bytes == class->bytes);
	FUZZ_CHECK(packets == class->packets);
	FUZZ_CHECK(memory == class->memory);
}

static void check_all(const struct world *world)
{
	const struct ferry_queue *queue = world->queue;
	uint64_t bytes = 0;
	uint64_t packets = 0;
	uint64_t memory = 0;
	uint64_t gone = world->purged;
	uint32_t active = 0;

	for (unsigned int c = 0; c < FERRY_CLASS_COUNT; c++) {
		const struct ferry_queue_class *class = &queue->class[c];
		uint64_t by_source = 0;

		check_class(class);
		bytes += class->bytes;
		packets += class->packets;
		memory += class->memory;
		active += class->packets ? class->share : 0;
		FUZZ_CHECK(!class->packets == !(queue->backlog & FERRY_CLASS_BIT(c)));
		for (unsigned int s = 0; s < FERRY_SOURCE_COUNT; s++)
			by_source += class->sent_by_source[s];
		FUZZ_CHECK(by_source == class->sent_packets);
		FUZZ_CHECK(class->drops >= class->limit_drops);
		gone += class->drops + class->sent_packets;
	}
	FUZZ_CHECK(bytes == queue->bytes);
	FUZZ_CHECK(packets == queue->packets && packets == world->queued);
	FUZZ_CHECK(memory == queue->memory && memory <= queue->limit);
	FUZZ_CHECK(active == queue->shares.active);
	FUZZ_CHECK(gone + packets == world->put_count);
}

static void put(struct world *world)
{
	const uint8_t *how = world->put;
	const struct ferry_ruling ruling = {
		.class = how[0] % FERRY_CLASS_COUNT,
		.source = how[1] % FERRY_SOURCE_COUNT,
		.bucket = (uint16_t)(how[2] << (how[3] & 7)) & FERRY_DEADLINE_MAX,
	};
	struct ferry_packet *packet;

	if (!world->free_count)
		return;
	packet = &world->packets[world->free[--world->free_count]];
	packet->bytes = (1U + how[4]) << (how[5] & 15) >> 2;
	packet->bytes += !packet->bytes;
	packet->memory = packet->bytes + (1U + how[6]) * 16;
	packet->segments = 1;
	packet->ecn = how[7] & 3;
	packet->source = how[8];
	packet->sequence = ++world->sequence;
	packet->message = 1;
	world->queued++;
	world->put_count++;
	packet->hash = hash_of(how[8]);
	ferry_queue_put(world->queue, packet, ruling, world->now);
	take_dropped(world);
}

/* Returns whether there was a packet. */
static _Bool get(struct world *world)
{
	struct ferry_queue *queue = world->queue;
	__u64 wake = 12345;
	struct ferry_packet *packet;

	/* The kernel does so, which spares it the clock. */
	if (!queue->packets && world->now & 1) {
		ferry_queue_rest(queue);
		return 0;
	}
	packet = ferry_queue_get(queue, world->now, &wake);
	take_dropped(world);
	if (packet) {
		FUZZ_CHECK(!packet->next);
		take(world, packet);
		return 1;
	}
	FUZZ_CHECK(!queue->packets == !queue->backlog);
	if (!queue->packets) {
		FUZZ_CHECK(!wake);
	} else if (queue->mode == FERRY_MODE_NORMAL) {
		/* What is neither paced nor held back may not wait. */
		FUZZ_CHECK(ferry_shaper_shapes(&queue->shaper));
		FUZZ_CHECK(ferry_after(wake, world->now));
	} else if (queue->mode == FERRY_MODE_SAVER ||
		   queue->backlog & ~(uint32_t)FERRY_CLASSES_BACKGROUND) {
		FUZZ_CHECK(ferry_after(wake, world->now));
	}
	return 0;
}

static void set_shares(struct world *world)
{
	uint32_t left = 1000;

	for (unsigned int i = 0; i < FERRY_CLASS_COUNT; i++) {
		const uint32_t most = left - (FERRY_CLASS_COUNT - 1 - i);
		const uint32_t share = 1 + byte(world) * 4U;

		world->queue->class[i].share = share < most ? share : most;
		left -= world->queue->class[i].share;
		if (FERRY_CLASS_BIT(i) & FERRY_CLASSES_DEADLINE) {
			const uint64_t budget = 500 + number(world);

			world->queue->class[i].budget_us = budget < 60000000 ? (uint32_t)budget
									     : 60000000;
		}
	}
	ferry_queue_update(world->queue);
}

static void set_rate(struct world *world)
{
	uint64_t rate = number(world);

	if (rate > FERRY_RATE_MAX || rate < FERRY_RATE_MIN)
		rate = 0;
	ferry_shaper_change(&world->queue->shaper, rate, world->now);
	ferry_queue_update(world->queue);
}

static void set_link(struct world *world)
{
	struct ferry_queue *queue = world->queue;

	queue->shaper.rate.overhead = (__s16)(byte(world) - 64);
	queue->shaper.rate.mpu = byte(world);
	queue->target = (1 + byte(world)) * 100 * FERRY_NS_PER_US;
	queue->interval = (1 + byte(world)) * FERRY_NS_PER_MS;
	queue->ce_threshold = byte(world) * 100 * FERRY_NS_PER_US;
	queue->ecn = byte(world) & 1;
	ferry_queue_update(queue);
}

static void step(struct world *world)
{
	struct ferry_queue *queue = world->queue;

	switch (byte(world) % OPERATIONS) {
	case PUT:
		for (unsigned int i = 0; i < sizeof(world->put); i++)
			world->put[i] = byte(world);
		put(world);
		break;
	case PUT_SAME:
		for (unsigned int n = byte(world) & 31; n; n--)
			put(world);
		break;
	case GET:
		get(world);
		break;
	case GET_ALL:
		while (get(world))
			;
		break;
	case PASS:
		world->now += byte(world) * 50000ULL;
		break;
	case PASS_LONG:
		world->now += number(world);
		break;
	case PASS_BACK:
		world->now -= byte(world) * 50000ULL;
		break;
	case SET_CLOCK:
		world->now =
			-(uint64_t)byte(world) * 1000000ULL + (byte(world) & 1 ? 1ULL << 63 : 0);
		break;
	case SET_RATE:
		set_rate(world);
		break;
	case SET_LIMIT:
		queue->limit = 65536U << (byte(world) % 15);
		ferry_queue_shrink(queue);
		take_dropped(world);
		break;
	case SET_MODE:
		queue->mode = byte(world) % FERRY_MODE_COUNT;
		break;
	case SET_SHARES:
		set_shares(world);
		break;
	case SET_LINK:
		set_link(world);
		break;
	case PURGE:
		ferry_queue_purge(queue, world->now);
		world->purged += take_dropped(world);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ferry_queue queue;
	static struct world world;

	memset(&world, 0, sizeof(world));
	world.data = data;
	world.left = size;
	world.queue = &queue;
	for (unsigned int i = 0; i < MAX_PACKETS; i++)
		world.free[world.free_count++] = i;
	world.now = number(&world);
	ferry_queue_init(&queue, 1 << 20, world.now);
	for (unsigned int steps = 0; world.left && steps < MAX_STEPS; steps++) {
		step(&world);
		check_all(&world);
	}
	/* Whatever happened before, it can be emptied. */
	queue.mode = FERRY_MODE_NORMAL;
	ferry_shaper_change(&queue.shaper, 0, world.now);
	ferry_queue_update(&queue);
	while (get(&world))
		;
	check_all(&world);
	FUZZ_CHECK(!world.queued && !queue.memory && !queue.backlog && !queue.shares.active);
	for (unsigned int c = 0; c < FERRY_CLASS_COUNT; c++) {
		for (unsigned int i = 0; i < FERRY_FLOWS; i++)
			FUZZ_CHECK(!queue.class[c].flows.flow[i].head &&
				   !queue.class[c].flows.memory[i]);
	}
	return 0;
}

/* Operations as they come on a link: mostly packets that come and go, with time between. */
void ferry_fuzz_seeds(ferry_fuzz_emit *emit, void *arg)
{
	static const uint8_t usual[] = {PUT, PUT, PUT_SAME, GET, GET, GET_ALL, PASS, PASS};
	uint64_t dice = 1;

	for (unsigned int seed = 0; seed < 16; seed++) {
		uint8_t bytes[1200];
		size_t n = 2;

		bytes[0] = (uint8_t)dice_roll(&dice);
		bytes[1] = (uint8_t)dice_roll(&dice);
		while (n + 16 < sizeof(bytes)) {
			const size_t length = 1 + dice_below(&dice, 10);

			bytes[n++] = dice_below(&dice, 6) ? usual[dice_below(&dice, sizeof(usual))]
							  : (uint8_t)dice_below(&dice, OPERATIONS);
			for (size_t i = 1; i < length; i++)
				bytes[n++] = (uint8_t)dice_roll(&dice);
		}
		emit(arg, bytes, n);
	}
}
