/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "simulation.h"

enum { FRAME = 1514 };

static uint64_t random_below(struct simulation *simulation, uint64_t bound)
{
	simulation->seed = simulation->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return bound ? (simulation->seed >> 33) % bound : 0;
}

static uint64_t clock_of(const struct simulation *simulation)
{
	return simulation->origin + simulation->now;
}

void simulation_init(struct simulation *simulation, struct sender *senders,
		     unsigned int sender_count, uint32_t limit, uint64_t origin)
{
	memset(simulation, 0, sizeof(*simulation));
	simulation->queue = aligned_alloc(64, (sizeof(*simulation->queue) + 63) / 64 * 64);
	assert_non_null(simulation->queue);
	ferry_queue_init(simulation->queue, limit, origin);
	simulation->origin = origin;
	simulation->senders = senders;
	simulation->sender_count = sender_count;
	simulation->seed = 1;
	for (unsigned int i = 0; i < sender_count; i++) {
		struct sender *sender = &senders[i];

		sender->next = sender->start;
		sender->last_cut = sender->last_growth = sender->next;
		if (!sender->packet)
			sender->packet = FRAME;
		if (!sender->segments)
			sender->segments = 1;
		if (!sender->memory)
			sender->memory = sender->packet + sender->packet / 2;
		if (!sender->hash)
			sender->hash = 0x9e3779b9U * (i + 1);
		if (!sender->flows)
			sender->flows = 1;
	}
}

static void free_dropped(struct simulation *simulation)
{
	while (simulation->queue->dropped) {
		struct ferry_packet *packet = simulation->queue->dropped;
		struct sender *sender = &simulation->senders[packet->source];

		simulation->queue->dropped = packet->next;
		sender->dropped++;
		sender->inside--;
		if (sender->kind == SENDER_ADAPTIVE &&
		    simulation->now - sender->last_cut > sender->period) {
			sender->window = sender->window > 2 ? sender->window / 2 : 1;
			sender->last_cut = simulation->now;
		}
		free(packet);
	}
}

void simulation_free(struct simulation *simulation)
{
	ferry_queue_purge(simulation->queue, clock_of(simulation));
	free_dropped(simulation);
	assert_int_equal(simulation->queue->packets, 0);
	assert_int_equal(simulation->queue->bytes, 0);
	assert_int_equal(simulation->queue->memory, 0);
	assert_int_equal(simulation->queue->backlog, 0);
	for (unsigned int i = 0; i < simulation->sender_count; i++) {
		assert_int_equal(simulation->senders[i].inside, 0);
		free(simulation->senders[i].delays);
		free(simulation->senders[i].missing);
		free(simulation->senders[i].begun);
	}
	free(simulation->queue);
}

void simulation_rate(struct simulation *simulation, uint64_t bits_ps)
{
	ferry_shaper_change(&simulation->queue->shaper, bits_ps / 8, clock_of(simulation));
	ferry_queue_update(simulation->queue);
}

void simulation_forget(struct simulation *simulation)
{
	for (unsigned int i = 0; i < simulation->sender_count; i++) {
		struct sender *sender = &simulation->senders[i];

		sender->sent = sender->delivered = sender->delivered_bytes = 0;
		sender->dropped = sender->marked = sender->late = sender->delay_count = 0;
	}
	simulation->delivered_bytes = 0;
}

static int compare_delays(const void *a, const void *b)
{
	const uint64_t *x = a;
	const uint64_t *y = b;

	return (*x > *y) - (*x < *y);
}

struct sender token(uint32_t bytes, uint64_t period)
{
	return (struct sender){.kind = SENDER_PERIODIC,
			       .class = FERRY_CLASS_TOKEN,
			       .message = bytes,
			       .period = period};
}

struct sender bulk(uint8_t class, uint32_t window)
{
	return (struct sender){.kind = SENDER_GREEDY, .class = class, .window = window};
}

double share_of(const struct simulation *simulation, const struct sender *sender)
{
	return (double)sender->delivered_bytes / (double)simulation->delivered_bytes;
}

uint64_t sender_percentile(const struct sender *sender, unsigned int percent)
{
	assert_true(sender->delay_count > 0);
	qsort(sender->delays, sender->delay_count, sizeof(*sender->delays), compare_delays);
	return sender->delays[(sender->delay_count - 1) * percent / 100];
}

static void note_delay(struct sender *sender, uint64_t delay)
{
	if (sender->delay_count == sender->delay_room) {
		sender->delay_room = sender->delay_room ? 2 * sender->delay_room : 1024;
		sender->delays = realloc(sender->delays, sender->delay_room * sizeof(uint64_t));
		assert_non_null(sender->delays);
	}
	sender->delays[sender->delay_count++] = delay;
}

static void put_packet(struct simulation *simulation, unsigned int index, uint32_t bytes)
{
	struct sender *sender = &simulation->senders[index];
	struct ferry_packet *packet = calloc(1, sizeof(*packet));
	const struct ferry_ruling ruling = {
		.class = sender->class,
		.source = sender->source,
		.bucket = sender->bucket,
	};

	assert_non_null(packet);
	packet->bytes = bytes;
	packet->segments = sender->segments;
	packet->memory = sender->memory;
	packet->ecn = sender->ecn;
	packet->source = index;
	packet->message = sender->messages;
	packet->sequence = sender->sent;
	sender->inside++;
	packet->hash = sender->hash + (uint32_t)(sender->sent % sender->flows) * 0x85ebca6bU;
	ferry_queue_put(simulation->queue, packet, ruling, clock_of(simulation));
	sender->sent++;
	assert_true(simulation->queue->memory <= simulation->queue->limit);
	free_dropped(simulation);
}

static void begin_message(struct simulation *simulation, unsigned int index)
{
	struct sender *sender = &simulation->senders[index];
	uint32_t left = sender->message;

	if (!(sender->messages & (sender->messages - 1))) {
		const size_t room = sender->messages ? 2 * (size_t)sender->messages : 1;

		sender->missing = realloc(sender->missing, room * sizeof(*sender->missing));
		sender->begun = realloc(sender->begun, room * sizeof(*sender->begun));
		assert_true(sender->missing && sender->begun);
	}
	sender->missing[sender->messages] = left;
	sender->begun[sender->messages] = simulation->now;
	while (left) {
		const uint32_t bytes = left < sender->packet ? left : sender->packet;

		put_packet(simulation, index, bytes);
		left -= bytes;
	}
	sender->messages++;
}

/* Lets every sender do what is due, and returns when the next of them wants to. */
static uint64_t let_send(struct simulation *simulation)
{
	uint64_t next = UINT64_MAX;

	for (unsigned int i = 0; i < simulation->sender_count; i++) {
		struct sender *sender = &simulation->senders[i];

		if (sender->stop && simulation->now >= sender->stop)
			continue;
		if (sender->next > simulation->now) {
			if (sender->next < next)
				next = sender->next;
			continue;
		}
		if (sender->kind == SENDER_PERIODIC) {
			begin_message(simulation, i);
			sender->next += sender->period;
			if (sender->next < next)
				next = sender->next;
			continue;
		}
		if (sender->kind == SENDER_ADAPTIVE &&
		    simulation->now - sender->last_growth > sender->period) {
			sender->window++;
			sender->last_growth = simulation->now;
		}
		for (uint32_t n = sender->inside; n < sender->window; n++)
			put_packet(simulation, i, sender->packet);
	}
	return next;
}

static void deliver(struct simulation *simulation, struct ferry_packet *packet)
{
	struct sender *sender = &simulation->senders[packet->source];
	const uint64_t delay = clock_of(simulation) - packet->stamp.enqueued;

	sender->inside--;
	sender->delivered++;
	sender->delivered_bytes += packet->bytes;
	simulation->delivered_bytes += packet->bytes;
	if (sender->flows == 1 && packet->sequence < sender->last_sequence)
		sender->disordered++;
	sender->last_sequence = packet->sequence;
	if (packet->stamp.budget_us && delay > packet->stamp.budget_us * 1000ULL)
		sender->late++;
	if (packet->ecn == CE) {
		sender->marked++;
		if (sender->kind == SENDER_ADAPTIVE &&
		    simulation->now - sender->last_cut > sender->period) {
			sender->window = sender->window > 2 ? sender->window / 2 : 1;
			sender->last_cut = simulation->now;
		}
	}
	if (sender->kind != SENDER_PERIODIC) {
		note_delay(sender, delay);
	} else {
		sender->missing[packet->message] -= packet->bytes;
		if (!sender->missing[packet->message])
			note_delay(sender, simulation->now - sender->begun[packet->message]);
	}
	if (simulation->link_bytes_ps)
		simulation->link_free =
			simulation->now + packet->bytes * 1000000000ULL / simulation->link_bytes_ps;
	free(packet);
}

/* What must hold at any time. */
static void check_sums(const struct ferry_queue *queue)
{
	uint64_t bytes = 0;
	uint64_t packets = 0;
	uint64_t memory = 0;

	for (unsigned int c = 0; c < FERRY_CLASS_COUNT; c++) {
		const struct ferry_queue_class *class = &queue->class[c];
		uint64_t by_source = 0;

		bytes += class->bytes;
		packets += class->packets;
		memory += class->memory;
		for (unsigned int s = 0; s < FERRY_SOURCE_COUNT; s++)
			by_source += class->sent_by_source[s];
		assert_int_equal(by_source, class->sent_packets);
		assert_int_equal(!!class->packets, !!(queue->backlog & FERRY_CLASS_BIT(c)));
		assert_true(class->drops >= class->limit_drops);
	}
	assert_int_equal(bytes, queue->bytes);
	assert_int_equal(packets, queue->packets);
	assert_int_equal(memory, queue->memory);
}

void simulation_run(struct simulation *simulation, uint64_t ns)
{
	const uint64_t end = simulation->now + ns;

	for (;;) {
		uint64_t next = let_send(simulation);
		__u64 wake = 0;

		if (simulation->link_bytes_ps && simulation->link_free > simulation->now) {
			wake = simulation->link_free;
		} else {
			struct ferry_packet *packet =
				ferry_queue_get(simulation->queue, clock_of(simulation), &wake);

			free_dropped(simulation);
			if (packet) {
				deliver(simulation, packet);
				continue;
			}
			if (simulation->queue->packets &&
			    simulation->queue->mode == FERRY_MODE_NORMAL)
				assert_true(ferry_after(wake, clock_of(simulation)));
			if (wake)
				wake += random_below(simulation, simulation->timer_slack) -
					simulation->origin;
		}
		check_sums(simulation->queue);
		if (wake && wake < next)
			next = wake;
		if (next >= end)
			break;
		simulation->now = next;
	}
	simulation->now = end;
}
