// SPDX-License-Identifier: MIT
#include "wire/link.h"

#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "wire/link_private.h"
#include "wire/socket_register.h"

enum {
	KEEPALIVE_IDLE_S = 10,
	KEEPALIVE_INTERVAL_S = 5,
	KEEPALIVE_PROBES = 3,
};

/* Hints and safety nets: a socket that lacks one (AF_UNIX) works without it. */
static void set_options(int fd, const struct ferry_link_times *times)
{
	static const struct {
		int level, name, value;
	} fixed[] = {
		{IPPROTO_TCP, TCP_NODELAY, 1},
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
		{IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
		{IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
	};
	/* Long: Linux also counts time in which the peer's window is too small for our next
	 * segment, even where the peer goes on taking bytes. */
	unsigned timeout = times->stall_ms < INT_MAX / LINK_DEAD_STALLS
				   ? times->stall_ms * LINK_DEAD_STALLS
				   : INT_MAX;

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		setsockopt(fd, fixed[i].level, fixed[i].name, &fixed[i].value, sizeof(int));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
}

/* Those that are there now: an interface may come up, or its classifier, while the link lives. */
static void tell_classifiers(struct ferry_link *link)
{
	link->told_us = ferry_now_us();
	if (ferry_socket_register(link->fd, (enum ferry_traffic_class)link->traffic_class, 0, NULL))
		link->registered = true;
}

int ferry_link_new(struct ferry_loop *loop, int fd, enum ferry_role role, enum link_state state,
		   struct ferry_link **out, struct ferry_error *err)
{
	struct ferry_link *link;
	uint64_t now = ferry_now_us();

	*out = NULL;
	if (loop->n_links >= loop->options.max_links)
		return ferry_fail(err, FERRY_ERROR_MEMORY, -ENOBUFS,
				  "%u connections are open already", loop->n_links);
	link = calloc(1, sizeof(*link));
	if (link && !loop->buffers)
		link->own = malloc(LOOP_BUFFER);
	if (!link || (!loop->buffers && !link->own)) {
		free(link);
		return ferry_fail_memory(err, "a connection", sizeof(*link));
	}
	link->loop = loop;
	link->fd = fd;
	link->state = state;
	link->traffic_class = -1;
	link->out_tail = &link->out;
	link->heard_us = now;
	link->peer.len = sizeof(link->peer.addr);
	if (state == LINK_CONNECTING) {
		link->connect_by_us = now + 1000ull * loop->options.times.connect_ms;
	} else {
		link->greeting_by_us = now + 1000ull * loop->options.times.greeting_ms;
		if (getpeername(fd, (struct sockaddr *)&link->peer.addr, &link->peer.len))
			link->peer.len = 0;
		ferry_endpoint_text(&link->peer, link->name);
	}
	ferry_connection_init(&link->in, role);
	if (loop->options.tls) {
		int ret = ferry_link_tls_new(link, err);

		if (ret) {
			free(link->own);
			free(link);
			return ret;
		}
	}
	set_options(fd, &loop->options.times);
	link->next = loop->links;
	loop->links = link;
	loop->n_links++;
	/* Before the first packet leaves. */
	ferry_link_set_class(link, FERRY_TRAFFIC_CTRL);
	*out = link;
	return 0;
}

static void drop_queue(struct ferry_link *link)
{
	while (link->out) {
		struct ferry_outgoing *next = link->out->next;

		free(link->out);
		link->out = next;
	}
	link->out_tail = &link->out;
	link->n_unsent = 0;
}

/* The kernel must hold no operation of the link any more. */
void ferry_link_free(struct ferry_link *link)
{
	struct ferry_link **p = &link->loop->links;

	while (*p != link)
		p = &(*p)->next;
	*p = link->next;
	link->loop->n_links--;
	drop_queue(link);
	ferry_connection_release(&link->in);
	ferry_tls_free(link->tls);
	if (link->registered)
		ferry_socket_close(link->fd, NULL);
	else
		close(link->fd);
	free(link->own);
	free(link);
}

void ferry_link_handle(struct ferry_link *link, const struct ferry_link_handler *handler,
		       void *data)
{
	link->handler = handler;
	link->data = data;
}

bool ferry_link_local(const struct ferry_link *link, struct ferry_endpoint *local)
{
	local->len = sizeof(local->addr);
	return !getsockname(link->fd, (struct sockaddr *)&local->addr, &local->len);
}

const char *ferry_link_name(const struct ferry_link *link)
{
	return link->name;
}

void ferry_link_establish(struct ferry_link *link, uint16_t version, uint32_t max_body)
{
	link->greeting_by_us = 0;
	ferry_connection_establish(&link->in, version, max_body);
}

int ferry_link_send(struct ferry_link *link, const struct ferry_wire_message *m,
		    struct ferry_error *err)
{
	uint16_t version = link->in.established ? link->in.version : FERRY_WIRE_VERSION_MIN;
	struct ferry_outgoing *out;
	int ret;

	if (link->state > LINK_OPEN)
		return ferry_fail(err, FERRY_ERROR_LINK, -EPIPE, "the connection to %s is closed",
				  link->name);
	if (link->n_unsent > (uint64_t)LINK_MAX_UNSENT * link->in.max_body)
		return ferry_fail(err, FERRY_ERROR_LINK, -ENOBUFS,
				  "%s does not read: %zu bytes wait to be sent", link->name,
				  link->n_unsent);
	ret = ferry_outgoing_new(version, link->in.max_body, m, &out, err);
	if (ret)
		return ret;
	if (link->tls)
		return ferry_link_tls_send(link, out, err);
	ferry_link_queue(link, out);
	return 0;
}

void ferry_link_queue(struct ferry_link *link, struct ferry_outgoing *out)
{
	*link->out_tail = out;
	link->out_tail = &out->next;
	link->n_unsent += out->n;
	link->n_sent += out->n;
	if (ferry_now_us() - link->told_us > LINK_TELL_US)
		tell_classifiers(link);
}

size_t ferry_link_unsent(const struct ferry_link *link)
{
	return link->n_unsent;
}

size_t ferry_link_unacked(const struct ferry_link *link)
{
	int n = 0;

	if (ioctl(link->fd, SIOCOUTQ, &n) || n < 0)
		n = 0;
	return link->n_unsent + (size_t)n;
}

void ferry_link_set_class(struct ferry_link *link, enum ferry_traffic_class c)
{
	if (link->traffic_class == (int)c)
		return;
	link->traffic_class = (int)c;
	ferry_traffic_class_set(link->fd, c);
	tell_classifiers(link);
}

uint64_t ferry_link_sent(const struct ferry_link *link)
{
	return link->n_sent;
}

uint64_t ferry_link_received(const struct ferry_link *link)
{
	return link->n_received;
}

uint64_t ferry_link_heard_us(const struct ferry_link *link)
{
	return link->heard_us;
}

void ferry_link_close(struct ferry_link *link)
{
	link->handler = NULL;
	link->state = LINK_CLOSING;
}

void ferry_link_finish(struct ferry_link *link)
{
	link->handler = NULL;
	if (link->state != LINK_OPEN) {
		link->state = LINK_CLOSING;
		return;
	}
	if (link->tls)
		ferry_link_tls_end(link);
	link->state = LINK_FINISHING;
	link->linger_by_us = ferry_now_us() + 1000ull * LINK_LINGER_MS;
}

/* Tells the owner; where there is none, or it does not keep its word, the link closes. */
static void report(struct ferry_link *link, const struct ferry_error *why)
{
	const struct ferry_link_handler *handler = link->handler;

	if (handler)
		handler->failed(link->data, link, why);
	if (link->state < LINK_FINISHING || !handler)
		ferry_link_close(link);
}

void ferry_link_fail(struct ferry_link *link, enum ferry_error_kind kind, int code, const char *fmt,
		     ...)
{
	struct ferry_error why;
	va_list ap;

	va_start(ap, fmt);
	ferry_vfail(&why, kind, code, fmt, ap);
	va_end(ap);
	report(link, &why);
}

static void fail_errno(struct ferry_link *link, const char *what, int code)
{
	enum ferry_error_kind kind = code == -ENOMEM || code == -ENOBUFS ? FERRY_ERROR_MEMORY
									 : FERRY_ERROR_LINK;

	ferry_link_fail(link, kind, code, "%s %s: %s", what, link->name, ferry_errno_text(code));
}

static void arm_recv(struct ferry_link *link)
{
	struct ferry_loop *loop = link->loop;
	struct io_uring_sqe *sqe = ferry_loop_sqe(loop);

	if (!sqe)
		return;
	if (!loop->buffers) {
		io_uring_prep_recv(sqe, link->fd, link->own, LOOP_BUFFER, 0);
	} else {
		if (loop->recv_multishot)
			io_uring_prep_recv_multishot(sqe, link->fd, NULL, 0, 0);
		else
			io_uring_prep_recv(sqe, link->fd, NULL, LOOP_BUFFER, 0);
		sqe->flags |= IOSQE_BUFFER_SELECT;
		sqe->buf_group = 0;
	}
	io_uring_sqe_set_data64(sqe, (uintptr_t)link | OP_RECV);
	link->recv_multishot = loop->buffers && loop->recv_multishot;
	link->recv_armed = true;
	link->n_ops++;
}

static void arm_send(struct ferry_link *link, uint64_t now_us)
{
	struct io_uring_sqe *sqe = ferry_loop_sqe(link->loop);
	size_t bytes = 0;
	unsigned n = 0;

	if (!sqe)
		return;
	for (struct ferry_outgoing *o = link->out; o && n < LINK_IOV; o = o->next) {
		link->iov[n++] = (struct iovec){o->bytes + o->at, o->n - o->at};
		bytes += o->n - o->at;
	}
	link->msg = (struct msghdr){.msg_iov = link->iov, .msg_iovlen = n};
	/* WAITALL: the kernel goes on by itself while the owner computes. */
	io_uring_prep_sendmsg(sqe, link->fd, &link->msg, MSG_NOSIGNAL | MSG_WAITALL);
	io_uring_sqe_set_data64(sqe, (uintptr_t)link | OP_SEND);
	link->send_by_us = now_us +
			   1000ull * LINK_SEND_STALLS * link->loop->options.times.stall_ms +
			   bytes * 1000000ull / FERRY_LINK_MIN_RATE;
	link->send_moved_us = now_us;
	link->send_unacked = ferry_link_unacked(link);
	link->send_armed = true;
	link->n_ops++;
}

static void arm_cancel(struct ferry_link *link, enum loop_op op)
{
	struct io_uring_sqe *sqe = ferry_loop_sqe(link->loop);

	if (!sqe) {
		link->cancelled = false;
		return;
	}
	io_uring_prep_cancel64(sqe, (uintptr_t)link | op, 0);
	io_uring_sqe_set_data64(sqe, OP_NONE);
}

static void arm_closing(struct ferry_link *link)
{
	if (link->cancelled || !link->n_ops)
		return;
	link->cancelled = true;
	shutdown(link->fd, SHUT_RDWR);
	if (link->connect_armed)
		arm_cancel(link, OP_CONNECT);
	if (link->recv_armed)
		arm_cancel(link, OP_RECV);
	if (link->send_armed)
		arm_cancel(link, OP_SEND);
}

static void arm_connect(struct ferry_link *link)
{
	struct io_uring_sqe *sqe = ferry_loop_sqe(link->loop);

	if (!sqe)
		return;
	io_uring_prep_connect(sqe, link->fd, (struct sockaddr *)&link->peer.addr, link->peer.len);
	io_uring_sqe_set_data64(sqe, (uintptr_t)link | OP_CONNECT);
	link->connect_armed = true;
	link->n_ops++;
}

/* Closing at once would reset the connection where bytes of the peer are unread, and the reset
 * would overtake our last word; so the peer has to end first. */
static void finish_sent(struct ferry_link *link)
{
	if (link->ended) {
		link->state = LINK_CLOSING;
		arm_closing(link);
	} else if (!link->shut) {
		link->shut = true;
		shutdown(link->fd, SHUT_WR);
	}
}

void ferry_link_arm(struct ferry_link *link, uint64_t now_us)
{
	switch (link->state) {
	case LINK_CONNECTING:
		if (!link->connect_armed)
			arm_connect(link);
		return;
	case LINK_CLOSING:
		arm_closing(link);
		return;
	case LINK_OPEN:
	case LINK_FINISHING:
		if (!link->recv_armed && !link->ended)
			arm_recv(link);
		if (!link->send_armed && link->out)
			arm_send(link, now_us);
		if (link->state == LINK_FINISHING && !link->out)
			finish_sent(link);
		return;
	}
}

void ferry_link_take_frames(struct ferry_link *link, const uint8_t *data, size_t n)
{
	struct ferry_error why;
	struct ferry_frame frame;
	size_t used;
	int ret;

	while (n && link->state == LINK_OPEN) {
		ret = ferry_connection_feed(&link->in, data, n, &used, &frame, &why);
		if (ret < 0) {
			ferry_fail_within(&why, "%s", link->name);
			report(link, &why);
			return;
		}
		data += used;
		n -= used;
		if (!ret)
			continue;
		link->frame_start_us = 0;
		if (link->handler)
			link->handler->frame(link->data, link, &frame);
	}
}

bool ferry_link_in_message(const struct ferry_link *link, uint32_t *n)
{
	uint32_t n_record;

	if (ferry_connection_in_frame(&link->in, n))
		return true;
	*n = 0;
	if (!link->tls || !ferry_tls_in_record(link->tls, &n_record))
		return false;
	*n = n_record;
	return true;
}

static void take_bytes(struct ferry_link *link, const uint8_t *data, size_t n)
{
	uint32_t n_body;

	link->heard_us = ferry_now_us();
	link->n_received += n;
	if (link->tls)
		ferry_link_tls_take(link, data, n);
	else
		ferry_link_take_frames(link, data, n);
	if (!ferry_link_in_message(link, &n_body))
		link->frame_start_us = 0; /* a record that held no part of a frame */
	else if (!link->frame_start_us)
		link->frame_start_us = link->heard_us;
}

/* A reset or the kernel's timeout may have been reported to a send that was partly done; then the
 * receive sees a plain end. The peer's FIN leaves the socket in another state. */
static bool is_dead(const struct ferry_link *link)
{
	struct tcp_info info;
	socklen_t n = sizeof(info);

	return !getsockopt(link->fd, IPPROTO_TCP, TCP_INFO, &info, &n) &&
	       info.tcpi_state == TCP_CLOSE;
}

void ferry_link_ended(struct ferry_link *link)
{
	uint32_t n_body;

	link->ended = true;
	if (link->state == LINK_FINISHING)
		return;
	if (ferry_link_in_message(link, &n_body)) {
		ferry_link_fail(link, FERRY_ERROR_LINK, -ECONNRESET,
				"%s closed the connection in the middle of a frame", link->name);
	} else if (is_dead(link)) {
		ferry_link_fail(
			link, FERRY_ERROR_LINK, -ECONNRESET,
			"the connection to %s broke: it was reset, or nothing was acknowledged",
			link->name);
	} else if (link->tls && !ferry_tls_peer(link->tls)) {
		ferry_link_fail(link, FERRY_ERROR_LINK, -ECONNRESET,
				"%s closed the connection before the handshake was over: it is "
				"full, or stopping",
				link->name);
	} else if (link->tls && !ferry_tls_has_ended(link->tls)) {
		ferry_link_fail(link, FERRY_ERROR_LINK, -ECONNRESET,
				"the connection to %s was cut: its end does not come from %s",
				link->name, link->name);
	} else {
		ferry_link_fail(link, FERRY_ERROR_LINK, -EPIPE, "%s closed the connection",
				link->name);
	}
}

static void complete_recv(struct ferry_link *link, int res, unsigned flags)
{
	struct ferry_loop *loop = link->loop;
	const uint8_t *data = link->own;
	bool has_buffer = flags & IORING_CQE_F_BUFFER;
	unsigned buffer = flags >> IORING_CQE_BUFFER_SHIFT;

	if (!(flags & IORING_CQE_F_MORE)) {
		link->recv_armed = false;
		link->n_ops--;
	}
	if (has_buffer)
		data = loop->buffer_memory + (size_t)buffer * LOOP_BUFFER;
	if (link->state == LINK_OPEN || link->state == LINK_FINISHING) {
		if (res > 0)
			take_bytes(link, data, (size_t)res);
		else if (!res)
			ferry_link_ended(link);
		else if (res == -EINVAL && link->recv_multishot && loop->recv_multishot)
			loop->recv_multishot = false; /* a kernel before 6.0 */
		else if (res == -EINVAL && link->recv_multishot)
			; /* armed before another link found that out */
		else if (res != -ENOBUFS && res != -EINTR && res != -EAGAIN && res != -ECANCELED)
			fail_errno(link, "the connection to", res);
	}
	if (has_buffer)
		ferry_loop_recycle(loop, buffer);
}

static void complete_send(struct ferry_link *link, int res)
{
	size_t n = res > 0 ? (size_t)res : 0;

	link->send_armed = false;
	link->n_ops--;
	link->send_by_us = 0;
	link->send_moved_us = 0;
	if (link->state == LINK_CLOSING)
		return;
	link->n_unsent -= n;
	while (n) {
		struct ferry_outgoing *o = link->out;
		size_t part = n < o->n - o->at ? n : o->n - o->at;

		o->at += part;
		n -= part;
		if (o->at < o->n)
			break;
		link->out = o->next;
		if (!link->out)
			link->out_tail = &link->out;
		free(o);
	}
	if (res < 0 && res != -EINTR && res != -EAGAIN && res != -ECANCELED) {
		/* What the peer sent before it went (an ERROR, say) tells more than EPIPE does: it
		 * comes with the receive, which also sees the end. */
		if (link->state == LINK_OPEN && (res == -EPIPE || res == -ECONNRESET))
			drop_queue(link);
		else
			fail_errno(link, "sending to", res);
	}
}

static void complete_connect(struct ferry_link *link, int res)
{
	link->connect_armed = false;
	link->n_ops--;
	if (link->state != LINK_CONNECTING || res == -ECANCELED || res == -EINTR)
		return;
	if (res) {
		fail_errno(link, "cannot connect to", res);
		return;
	}
	link->state = LINK_OPEN;
	link->connect_by_us = 0;
	link->heard_us = ferry_now_us();
	link->greeting_by_us = link->heard_us + 1000ull * link->loop->options.times.greeting_ms;
	if (link->tls)
		ferry_link_tls_begin(link);
	else if (link->handler)
		link->handler->opened(link->data, link);
}

void ferry_link_complete(struct ferry_link *link, enum loop_op op, int res, unsigned flags)
{
	if (op == OP_RECV)
		complete_recv(link, res, flags);
	else if (op == OP_SEND)
		complete_send(link, res);
	else if (op == OP_CONNECT)
		complete_connect(link, res);
}
