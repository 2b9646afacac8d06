// SPDX-License-Identifier: MIT
#define _GNU_SOURCE /* SCM_TIMESTAMPNS */
#include "flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { NS_PER_S = 1000000000 };

static const struct {
	void *(*send)(void *);
	void *(*receive)(void *);
} threads[] = {
	[FERRY_FLOW_TOKEN] = {ferry_token_send, ferry_token_receive},
	[FERRY_FLOW_MESSAGE] = {ferry_message_send, ferry_message_receive},
	[FERRY_FLOW_BULK] = {ferry_bulk_send, ferry_bulk_receive},
	[FERRY_FLOW_FLOOD] = {ferry_flood_send, ferry_flood_receive},
};

int ferry_flow_open(struct ferry_flow *flow, const char *from, const char *to,
		    struct in_addr address)
{
	struct sockaddr_in where = {
		.sin_family = AF_INET, .sin_addr = address, .sin_port = htons(flow->shape.port)};

	if (flow->shape.kind == FERRY_FLOW_TOKEN || flow->shape.kind == FERRY_FLOW_FLOOD)
		return ferry_open_datagrams(&flow->path, from, to, &where, &flow->shape.marks);
	return ferry_open_stream(&flow->path, from, to, &where, &flow->shape.marks);
}

int ferry_flow_start(struct ferry_flow *flow)
{
	int err;

	if (flow->shape.every_ms) {
		uint64_t time_ms = (flow->end_ns - ferry_realtime_ns()) / FERRY_NS_PER_MS;

		flow->units = (uint32_t)(time_ms / flow->shape.every_ms) + 2;
		flow->sent_ns = calloc(flow->units, sizeof(*flow->sent_ns));
		if (!flow->sent_ns)
			return -ENOMEM;
	}
	err = pthread_create(&flow->receiver, NULL, threads[flow->shape.kind].receive, flow);
	if (err)
		return -err;
	flow->has_receiver = true;
	err = pthread_create(&flow->sender, NULL, threads[flow->shape.kind].send, flow);
	if (err)
		return -err;
	flow->has_sender = true;
	return 0;
}

bool ferry_flow_settled(const struct ferry_flow *flow)
{
	return atomic_load(&flow->n_arrived) >= atomic_load(&flow->n_sent);
}

void ferry_flow_finish(struct ferry_flow *flow)
{
	ferry_path_end(&flow->path);
	if (flow->has_sender)
		pthread_join(flow->sender, NULL);
	if (flow->has_receiver)
		pthread_join(flow->receiver, NULL);
	flow->has_sender = flow->has_receiver = false;
	for (uint32_t i = 0; i < flow->units; i++) {
		uint64_t sent = atomic_load(&flow->sent_ns[i]);

		/* What has arrived was cleared by the receiver. */
		if (sent < flow->begin_ns || sent >= flow->end_ns)
			continue;
		flow->lost++;
		if (ferry_samples_add(&flow->latency, FERRY_NEVER))
			flow->err = -ENOMEM;
	}
}

void ferry_flow_free(struct ferry_flow *flow)
{
	if (flow->path.out >= 0)
		close(flow->path.out);
	if (flow->path.in >= 0)
		close(flow->path.in);
	free(flow->sent_ns);
	ferry_samples_free(&flow->latency);
}

long ferry_receive_datagram(int fd, void *buffer, size_t size, uint64_t *arrival_ns)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct timespec))];
		struct cmsghdr align;
	} control;
	struct iovec data = {buffer, size};
	struct msghdr message = {.msg_iov = &data,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *header;
	ssize_t n;

	do
		n = recvmsg(fd, &message, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : 0;
	*arrival_ns = 0;
	for (header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
		struct timespec time;

		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&time, CMSG_DATA(header), sizeof(time));
		*arrival_ns = (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
	}
	return *arrival_ns ? n : -ENODATA;
}
