// SPDX-License-Identifier: MIT
/*
 * Messages over one connection, as the hidden states of a prompt's chunks travel: a message has
 * arrived with its last byte. Without `wait`, time counts from when a message was due, not from
 * when the connection had room for it: whoever is late once is late with what follows.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "flow.h"

/* 0, or -errno; -EPIPE where the flow has ended. */
static int send_all(int fd, const uint8_t *data, size_t n)
{
	while (n) {
		ssize_t sent = send(fd, data, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return -errno;
		data += sent;
		n -= (size_t)sent;
	}
	return 0;
}

/* Takes the answers that have come in the meantime off the connection. */
static void take_answers(int fd)
{
	while (recv(fd, NULL, 1 << 20, MSG_TRUNC | MSG_DONTWAIT) > 0)
		;
}

void *ferry_message_send(void *argument)
{
	struct ferry_flow *flow = argument;
	uint64_t period = (uint64_t)flow->shape.every_ms * FERRY_NS_PER_MS;
	uint64_t due = ferry_realtime_ns();
	uint8_t *message = calloc(1, flow->shape.size);
	uint32_t n = 0;

	if (!message) {
		flow->err = -ENOMEM;
		return NULL;
	}
	while (n < flow->units && due < flow->end_ns) {
		int err;

		ferry_sleep_until(due, flow->stop);
		if (*flow->stop)
			break;
		/* A peer that works through one prompt at a time misses its turn. */
		if (flow->shape.wait && n && atomic_load(&flow->sent_ns[n - 1])) {
			due += period;
			continue;
		}
		atomic_store(&flow->sent_ns[n], due);
		if (due >= flow->begin_ns)
			atomic_fetch_add(&flow->n_sent, 1);
		take_answers(flow->path.out);
		err = send_all(flow->path.out, message, flow->shape.size);
		if (err) {
			if (!*flow->stop)
				flow->err = err;
			break;
		}
		n++;
		due += period;
	}
	free(message);
	return NULL;
}

void *ferry_message_receive(void *argument)
{
	struct ferry_flow *flow = argument;
	uint64_t position = 0;
	uint32_t arrived = 0;
	ssize_t n;

	/* MSG_TRUNC: nobody needs the bytes, and copying them is dear under emulation. */
	while ((n = recv(flow->path.in, NULL, flow->shape.size, MSG_TRUNC)) > 0) {
		uint64_t now = ferry_realtime_ns();

		position += (uint64_t)n;
		if (now >= flow->begin_ns && now < flow->end_ns)
			atomic_fetch_add(&flow->bytes, (unsigned long long)n);
		while (arrived < flow->units &&
		       position >= (uint64_t)(arrived + 1) * flow->shape.size) {
			static const uint8_t answer[FERRY_MAX_DATAGRAM];
			uint64_t sent = atomic_exchange(&flow->sent_ns[arrived++], 0);
			const int err = send_all(flow->path.in, answer, flow->shape.answer);

			if (err && !*flow->stop)
				flow->err = err;
			if (sent < flow->begin_ns)
				continue;
			atomic_fetch_add(&flow->n_arrived, 1);
			if (ferry_samples_add(&flow->latency, now > sent ? now - sent : 0))
				flow->err = -ENOMEM;
		}
	}
	if (n < 0 && !*flow->stop)
		flow->err = -errno;
	return NULL;
}
