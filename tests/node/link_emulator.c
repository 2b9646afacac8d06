// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "link_emulator.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum {
	MAX_PAIRS = 64,
	MAX_QUEUED = 64 << 20, /* bytes in flight, each way */
	READ_SIZE = 4 << 10,
};

/* Bytes that were read together and are released together. */
struct chunk {
	struct chunk *next;
	uint64_t release_us;
	size_t n, at;
	uint8_t bytes[];
};

struct direction {
	int from, to;
	struct chunk *head, **tail;
	size_t queued;
	uint64_t n_bytes; /* ever */
	uint64_t last_release_us;
	uint64_t depart_us; /* when the last byte left the sender's end of the link */
	bool ended, shut;
};

struct pair {
	bool used, stalled;
	int device, edge;
	struct direction up, down;
};

struct link_emulator {
	struct link_emulator_options o;
	int listen_fd, wake_fd;
	uint16_t port;
	pthread_t thread;
	atomic_bool stop, freeze, cut, refuse;
	atomic_ullong delay_us, bytes_per_s, stalled_until_us;
	atomic_uint target_port;
	uint64_t random;
	unsigned piece; /* of the trace */
	uint64_t piece_ends_us;
	struct pair pairs[MAX_PAIRS];
};

static void close_pair(struct pair *p, bool reset)
{
	struct linger hard = {1, 0};
	struct direction *d[2] = {&p->up, &p->down};

	if (reset) {
		setsockopt(p->device, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		setsockopt(p->edge, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	}
	close(p->device);
	close(p->edge);
	for (int i = 0; i < 2; i++) {
		while (d[i]->head) {
			struct chunk *next = d[i]->head->next;

			free(d[i]->head);
			d[i]->head = next;
		}
	}
	p->used = false;
}

static void accept_one(struct link_emulator *e)
{
	uint16_t port = (uint16_t)atomic_load(&e->target_port);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct linger hard = {1, 0};
	int one = 1, device = accept4(e->listen_fd, NULL, NULL, SOCK_CLOEXEC), edge;
	struct pair *p = e->pairs;

	if (device < 0)
		return;
	if (atomic_load(&e->refuse)) {
		setsockopt(device, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		close(device);
		return;
	}
	while (p < e->pairs + MAX_PAIRS && p->used)
		p++;
	edge = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (p == e->pairs + MAX_PAIRS || edge < 0 ||
	    connect(edge, (struct sockaddr *)&to, sizeof(to))) {
		close(device);
		if (edge >= 0)
			close(edge);
		return;
	}
	setsockopt(device, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(edge, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(device, F_SETFL, O_NONBLOCK);
	fcntl(edge, F_SETFL, O_NONBLOCK);
	*p = (struct pair){.used = true, .device = device, .edge = edge};
	p->up = (struct direction){.from = device, .to = edge, .tail = &p->up.head};
	p->down = (struct direction){.from = edge, .to = device, .tail = &p->down.head};
}

/* xorshift64*: the same faults from the same seed. */
static uint64_t draw(struct link_emulator *e, uint64_t below)
{
	e->random ^= e->random >> 12;
	e->random ^= e->random << 25;
	e->random ^= e->random >> 27;
	return below ? (e->random * 0x2545f4914f6cdd1dull >> 16) % below : 0;
}

static bool happens(struct link_emulator *e, uint32_t ppm)
{
	return ppm && draw(e, 1000000) < ppm;
}

/* Takes what has come; false where the socket is broken. */
static bool take(struct link_emulator *e, struct direction *d)
{
	struct chunk *c = malloc(sizeof(*c) + READ_SIZE);
	ssize_t n = recv(d->from, c->bytes, READ_SIZE, 0);
	/* Not when the turn began: what comes while this waits for a processor is delayed, too. */
	uint64_t now = ferry_now_us(), rate, release;

	if (n <= 0) {
		free(c);
		d->ended |= !n;
		return !n || errno == EAGAIN;
	}
	if (d->depart_us < now)
		d->depart_us = now;
	rate = atomic_load(&e->bytes_per_s);
	if (rate)
		d->depart_us += (uint64_t)n * 1000000 / rate;
	if (happens(e, e->o.stall_ppm))
		d->depart_us += e->o.stall_us;
	if (happens(e, e->o.corrupt_ppm))
		c->bytes[draw(e, (uint64_t)n)] ^= (uint8_t)(1u << draw(e, 8));
	release = d->depart_us + atomic_load(&e->delay_us) + draw(e, e->o.jitter_us);
	if (release < d->last_release_us)
		release = d->last_release_us;
	d->last_release_us = release;
	*c = (struct chunk){.release_us = release, .n = (size_t)n};
	*d->tail = c;
	d->tail = &c->next;
	d->queued += (size_t)n;
	d->n_bytes += (uint64_t)n;
	return true;
}

/* Passes on what is due. */
static bool give(struct direction *d, uint64_t now)
{
	while (d->head && d->head->release_us <= now) {
		struct chunk *c = d->head;
		ssize_t n = send(d->to, c->bytes + c->at, c->n - c->at, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN;
		c->at += (size_t)n;
		d->queued -= (size_t)n;
		if (c->at < c->n)
			return true;
		d->head = c->next;
		if (!d->head)
			d->tail = &d->head;
		free(c);
	}
	if (d->ended && !d->head && !d->shut) {
		shutdown(d->to, SHUT_WR);
		d->shut = true;
	}
	return true;
}

static bool move(struct link_emulator *e, struct direction *d, short revents, uint64_t now)
{
	if (revents & (POLLIN | POLLHUP | POLLERR) && !d->ended && !take(e, d))
		return false;
	return give(d, now);
}

static void serve_pair(struct link_emulator *e, struct pair *p, const struct pollfd *fds,
		       uint64_t now)
{
	if (!move(e, &p->up, fds[0].revents, now) || !move(e, &p->down, fds[1].revents, now) ||
	    (p->up.shut && p->down.shut)) {
		close_pair(p, !(p->up.shut && p->down.shut));
		return;
	}
	if (e->o.reset_after && p->up.n_bytes >= e->o.reset_after)
		close_pair(p, true);
	else if ((e->o.stall_after && p->up.n_bytes >= e->o.stall_after) ||
		 (e->o.stall_after_down && p->down.n_bytes >= e->o.stall_after_down))
		p->stalled = true;
}

static void want(const struct link_emulator *e, const struct pair *p, struct pollfd *fds,
		 uint64_t *next)
{
	const struct direction *d[2] = {&p->up, &p->down};

	fds[0] = (struct pollfd){.fd = p->device};
	fds[1] = (struct pollfd){.fd = p->edge};
	for (int i = 0; i < 2; i++) {
		if (!d[i]->ended && d[i]->queued < e->o.queue_bytes)
			fds[i].events |= POLLIN;
		if (!d[i]->head)
			continue;
		if (d[i]->head->release_us < *next)
			*next = d[i]->head->release_us;
		if (d[i]->head->at) /* the receiver is full */
			fds[!i].events |= POLLOUT;
	}
}

/* Whether nothing moves now; *next receives when that ends, if that is known. */
static bool is_down(struct link_emulator *e, uint64_t now, uint64_t *next)
{
	uint64_t stalled = atomic_load(&e->stalled_until_us);
	bool down = atomic_load(&e->freeze);

	if (e->o.n_trace) {
		const struct link_emulator_piece *p = &e->o.trace[e->piece];

		while (now >= e->piece_ends_us) {
			e->piece = e->piece_ends_us ? (e->piece + 1) % e->o.n_trace : 0;
			p = &e->o.trace[e->piece];
			e->piece_ends_us = (e->piece_ends_us ? e->piece_ends_us : now) + p->for_us;
			atomic_store(&e->delay_us, p->delay_us);
			atomic_store(&e->bytes_per_s, p->bytes_per_s);
		}
		down |= p->down;
		*next = e->piece_ends_us;
	}
	if (stalled > now) {
		down = true;
		if (stalled < *next)
			*next = stalled;
	}
	return down;
}

static void turn(struct link_emulator *e)
{
	bool cut = atomic_exchange(&e->cut, false);
	struct pollfd fds[2 + 2 * MAX_PAIRS];
	struct pair *of[MAX_PAIRS];
	uint64_t now = ferry_now_us(), next = UINT64_MAX, left;
	bool down = is_down(e, now, &next);
	struct timespec ts;
	unsigned n = 0;

	fds[0] = (struct pollfd){.fd = e->listen_fd, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = e->wake_fd, .events = POLLIN};
	for (struct pair *p = e->pairs; p < e->pairs + MAX_PAIRS; p++) {
		if (p->used && cut)
			close_pair(p, true);
		if (!p->used || p->stalled || down)
			continue;
		of[n] = p;
		want(e, p, fds + 2 + 2 * n++, &next);
	}
	left = next > now ? next - now : 0;
	ts = (struct timespec){(time_t)(left / 1000000), (long)(left % 1000000 * 1000)};
	ppoll(fds, 2 + 2 * n, next == UINT64_MAX ? NULL : &ts, NULL);
	now = ferry_now_us();
	for (unsigned i = 0; i < n; i++)
		serve_pair(e, of[i], fds + 2 + 2 * i, now);
	if (fds[0].revents)
		accept_one(e);
	if (fds[1].revents)
		eventfd_read(e->wake_fd, &(eventfd_t){0});
}

static void *run(void *data)
{
	struct link_emulator *e = data;

	prctl(PR_SET_TIMERSLACK, 1000); /* ns: the default of 50 us would be part of the delay */
	while (!atomic_load(&e->stop))
		turn(e);
	return NULL;
}

struct link_emulator *link_emulator_new(const struct link_emulator_options *o)
{
	struct link_emulator *e = calloc(1, sizeof(*e));
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t n = sizeof(at);
	int small = 4096;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	e->o = *o;
	e->random = o->seed * 2 + 1;
	atomic_store(&e->delay_us, o->delay_us);
	atomic_store(&e->bytes_per_s, o->bytes_per_s);
	atomic_store(&e->target_port, o->target_port);
	if (!e->o.queue_bytes)
		e->o.queue_bytes = MAX_QUEUED;
	e->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	e->wake_fd = eventfd(0, EFD_CLOEXEC);
	if (o->queue_bytes) /* else the kernel would queue more than the link */
		setsockopt(e->listen_fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (bind(e->listen_fd, (struct sockaddr *)&at, n) || listen(e->listen_fd, 64) ||
	    getsockname(e->listen_fd, (struct sockaddr *)&at, &n) ||
	    pthread_create(&e->thread, NULL, run, e)) {
		perror("link emulator");
		free(e);
		return NULL;
	}
	e->port = ntohs(at.sin_port);
	return e;
}

static void wake(struct link_emulator *e)
{
	eventfd_write(e->wake_fd, 1);
}

void link_emulator_free(struct link_emulator *e)
{
	if (!e)
		return;
	atomic_store(&e->stop, true);
	wake(e);
	pthread_join(e->thread, NULL);
	for (struct pair *p = e->pairs; p < e->pairs + MAX_PAIRS; p++)
		if (p->used)
			close_pair(p, true);
	close(e->listen_fd);
	close(e->wake_fd);
	free(e);
}

uint16_t link_emulator_port(const struct link_emulator *e)
{
	return e->port;
}

void link_emulator_freeze(struct link_emulator *e)
{
	atomic_store(&e->freeze, true);
	wake(e);
}

void link_emulator_cut(struct link_emulator *e)
{
	atomic_store(&e->cut, true);
	wake(e);
}

void link_emulator_thaw(struct link_emulator *e)
{
	atomic_store(&e->freeze, false);
	wake(e);
}

void link_emulator_refuse(struct link_emulator *e, bool refuse)
{
	atomic_store(&e->refuse, refuse);
}

void link_emulator_stall(struct link_emulator *e, uint64_t us)
{
	atomic_store(&e->stalled_until_us, ferry_now_us() + us);
	wake(e);
}

void link_emulator_set(struct link_emulator *e, uint64_t delay_us, uint64_t bytes_per_s)
{
	atomic_store(&e->delay_us, delay_us);
	atomic_store(&e->bytes_per_s, bytes_per_s);
}

void link_emulator_target(struct link_emulator *e, uint16_t port)
{
	atomic_store(&e->target_port, port);
}
