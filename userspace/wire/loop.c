// SPDX-License-Identifier: MIT
#include "wire/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "wire/link_private.h"
#include "wire/socket_register.h"

enum {
	RING_ENTRIES = 256,
	LISTEN_BACKLOG = 128,
	FREE_WAIT_US = 300000, /* for last words, and again for the kernel */
	AWAY_US = 1000,	       /* in shorter absences nothing can have been missed */
};

static int ring_failed(struct ferry_error *err, int code)
{
	const char *hint = "";

	if (code == -ENOSYS)
		hint = "; this kernel has no io_uring (it came with Linux 5.1)";
	else if (code == -EPERM || code == -EACCES)
		hint = "; it is forbidden here (see kernel.io_uring_disabled and the seccomp "
		       "profile of the container)";
	else if (code == -ENOMEM)
		hint = "; raise the limit of locked memory (ulimit -l)";
	return ferry_fail(err, FERRY_ERROR_SYSTEM, code, "cannot set up io_uring: %s%s",
			  ferry_errno_text(code), hint);
}

void ferry_loop_recycle(struct ferry_loop *loop, unsigned buffer)
{
	io_uring_buf_ring_add(loop->buffers, loop->buffer_memory + (size_t)buffer * LOOP_BUFFER,
			      LOOP_BUFFER, (unsigned short)buffer,
			      io_uring_buf_ring_mask(loop->options.n_buffers), 0);
	io_uring_buf_ring_advance(loop->buffers, 1);
}

/* A kernel before 5.19 has no buffer rings: each link then brings its own buffer. */
static int share_buffers(struct ferry_loop *loop, struct ferry_error *err)
{
	uint32_t n = loop->options.n_buffers;
	struct io_uring_buf_reg reg = {.ring_entries = n};
	void *ring;

	if (!n || n & (n - 1) || n > 32768)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "%u is no power of two of receive buffers", n);
	if (posix_memalign(&ring, 4096, n * sizeof(struct io_uring_buf)))
		return ferry_fail_memory(err, "receive buffers", n * sizeof(struct io_uring_buf));
	memset(ring, 0, n * sizeof(struct io_uring_buf));
	reg.ring_addr = (uintptr_t)ring;
	if (io_uring_register_buf_ring(&loop->ring, &reg, 0)) {
		free(ring);
		return 0;
	}
	loop->buffers = ring;
	loop->buffer_memory = malloc((size_t)n * LOOP_BUFFER);
	if (!loop->buffer_memory)
		return ferry_fail_memory(err, "receive buffers", (size_t)n * LOOP_BUFFER);
	io_uring_buf_ring_init(loop->buffers);
	for (unsigned i = 0; i < n; i++)
		ferry_loop_recycle(loop, i);
	return 0;
}

int ferry_loop_new(const struct ferry_loop_options *o, struct ferry_loop **out,
		   struct ferry_error *err)
{
	struct ferry_loop *loop = calloc(1, sizeof(*loop));
	int ret;

	*out = NULL;
	if (!loop)
		return ferry_fail_memory(err, "a loop", sizeof(*loop));
	loop->options = *o;
	loop->listen_fd = -1;
	loop->watch_fd = -1;
	loop->accept_multishot = loop->recv_multishot = !o->single_shot;
	loop->left_us = ferry_now_us();
	/* Completions must come while the owner computes, so neither COOP_TASKRUN nor
	 * DEFER_TASKRUN: with them a half-sent prompt chunk would wait for the next turn. */
	ret = io_uring_queue_init(RING_ENTRIES, &loop->ring, 0);
	if (ret) {
		free(loop);
		return ring_failed(err, ret);
	}
	loop->wake_fd = o->wake_fd ? o->wake_fd : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake_fd < 0) {
		ret = ferry_fail(err, FERRY_ERROR_SYSTEM, -errno, "cannot make an eventfd: %s",
				 ferry_errno_text(errno));
		goto fail;
	}
	if (!o->single_shot) {
		ret = share_buffers(loop, err);
		if (ret)
			goto fail;
	}
	if (o->tls) {
		loop->plain = malloc(FERRY_TLS_RECORD);
		if (!loop->plain) {
			ret = ferry_fail_memory(err, "a loop", FERRY_TLS_RECORD);
			goto fail;
		}
	}
	*out = loop;
	return 0;
fail:
	ferry_loop_free(loop);
	return ret;
}

struct io_uring_sqe *ferry_loop_sqe(struct ferry_loop *loop)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&loop->ring);

	if (sqe)
		return sqe;
	io_uring_submit(&loop->ring);
	return io_uring_get_sqe(&loop->ring);
}

static void arm_wake(struct ferry_loop *loop)
{
	struct io_uring_sqe *sqe = ferry_loop_sqe(loop);

	if (!sqe)
		return;
	io_uring_prep_poll_add(sqe, loop->wake_fd, POLLIN);
	io_uring_sqe_set_data64(sqe, OP_WAKE);
	loop->wake_armed = true;
}

static void arm_watch(struct ferry_loop *loop)
{
	struct io_uring_sqe *sqe = ferry_loop_sqe(loop);

	if (!sqe)
		return;
	io_uring_prep_poll_add(sqe, loop->watch_fd, POLLIN);
	io_uring_sqe_set_data64(sqe, OP_WATCH);
	loop->watch_armed = true;
}

void ferry_loop_watch(struct ferry_loop *loop, int fd, void (*readable)(void *data), void *data)
{
	struct io_uring_sqe *sqe = loop->watch_armed ? ferry_loop_sqe(loop) : NULL;

	if (sqe) {
		io_uring_prep_poll_remove(sqe, OP_WATCH);
		io_uring_sqe_set_data64(sqe, OP_NONE);
		io_uring_submit(&loop->ring);
	}
	loop->watch_fd = fd;
	loop->watched = readable;
	loop->watched_data = data;
}

static void arm_accept(struct ferry_loop *loop)
{
	struct io_uring_sqe *sqe = ferry_loop_sqe(loop);

	if (!sqe)
		return;
	if (loop->accept_multishot)
		io_uring_prep_multishot_accept(sqe, loop->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	else
		io_uring_prep_accept(sqe, loop->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	io_uring_sqe_set_data64(sqe, OP_ACCEPT);
	loop->accept_armed = true;
}

static void arm_all(struct ferry_loop *loop, uint64_t now)
{
	if (!loop->wake_armed)
		arm_wake(loop);
	if (loop->watch_fd >= 0 && !loop->watch_armed)
		arm_watch(loop);
	if (loop->listen_fd >= 0 && !loop->accept_armed && now >= loop->accept_after_us)
		arm_accept(loop);
	for (struct ferry_link *l = loop->links; l; l = l->next)
		ferry_link_arm(l, now);
}

static void complete_accept(struct ferry_loop *loop, int res, unsigned flags)
{
	struct ferry_error why;
	struct ferry_link *link;

	if (!(flags & IORING_CQE_F_MORE))
		loop->accept_armed = false;
	if (res < 0) {
		if (res == -EINVAL && loop->accept_multishot) {
			loop->accept_multishot = false; /* a kernel before 5.19 */
			return;
		}
		if (res == -EINTR || res == -ECANCELED || res == -ECONNABORTED)
			return;
		ferry_log(loop->options.log, FERRY_LOG_WARNING, "cannot accept a connection: %s",
			  ferry_errno_text(res));
		loop->accept_after_us = ferry_now_us() + ACCEPT_PAUSE_US;
		return;
	}
	if (loop->listen_fd < 0 ||
	    ferry_link_new(loop, res, FERRY_ROLE_EDGE, LINK_OPEN, &link, &why)) {
		close(res);
		return;
	}
	loop->accepted(loop->accepted_data, link);
}

static void complete(struct ferry_loop *loop, uint64_t data, int res, unsigned flags)
{
	uint64_t drained;

	if (data == LIBURING_UDATA_TIMEOUT)
		return;
	switch ((enum loop_op)(data & OP_MASK)) {
	case OP_ACCEPT:
		complete_accept(loop, res, flags);
		return;
	case OP_WAKE:
		loop->wake_armed = false;
		while (read(loop->wake_fd, &drained, sizeof(drained)) > 0)
			;
		return;
	case OP_WATCH:
		loop->watch_armed = false;
		if (loop->watch_fd >= 0 && res > 0)
			loop->watched(loop->watched_data);
		return;
	case OP_CONNECT:
	case OP_RECV:
	case OP_SEND:
		ferry_link_complete((struct ferry_link *)(uintptr_t)(data & ~(uint64_t)OP_MASK),
				    (enum loop_op)(data & OP_MASK), res, flags);
		return;
	default:
		return;
	}
}

static void complete_all(struct ferry_loop *loop)
{
	struct io_uring_cqe *cqe;

	/* Bounded, so that a peer that sends without pause cannot keep us here: every operation
	 * that is armed, once around. */
	for (unsigned n = 0; n < 4 * RING_ENTRIES; n++) {
		uint64_t data;
		unsigned flags;
		int res;

		if (io_uring_peek_cqe(&loop->ring, &cqe))
			return;
		data = cqe->user_data;
		res = cqe->res;
		flags = cqe->flags;
		io_uring_cqe_seen(&loop->ring, cqe);
		complete(loop, data, res, flags);
	}
}

static void expire_all(struct ferry_loop *loop, uint64_t now, uint64_t away_us)
{
	/* A callback may add links, at the head; none is freed before reap(). */
	for (struct ferry_link *l = loop->links; l; l = l->next)
		ferry_link_expire(l, now, away_us < AWAY_US ? 0 : away_us);
}

static void reap(struct ferry_loop *loop)
{
	struct ferry_link *next;

	for (struct ferry_link *l = loop->links; l; l = next) {
		next = l->next;
		if (l->state == LINK_CLOSING && !l->n_ops)
			ferry_link_free(l);
	}
}

static uint64_t next_deadline(const struct ferry_loop *loop)
{
	uint64_t at = UINT64_MAX;

	if (loop->listen_fd >= 0 && !loop->accept_armed && loop->accept_after_us)
		at = loop->accept_after_us;
	for (const struct ferry_link *l = loop->links; l; l = l->next) {
		uint64_t deadline = ferry_link_deadline(l);

		if (deadline < at)
			at = deadline;
	}
	return at;
}

static int submit(struct ferry_loop *loop, uint64_t until_us, struct ferry_error *err)
{
	uint64_t now = ferry_now_us(), at = next_deadline(loop);
	struct io_uring_cqe *cqe;
	int ret = 0;

	if (until_us < at)
		at = until_us;
	if (at <= now || io_uring_cq_ready(&loop->ring)) {
		if (io_uring_sq_ready(&loop->ring))
			ret = io_uring_submit(&loop->ring);
	} else {
		struct __kernel_timespec ts = {
			.tv_sec = (long long)((at - now) / 1000000),
			.tv_nsec = (long long)((at - now) % 1000000 * 1000),
		};

		if (at == UINT64_MAX)
			ts.tv_sec = 3600;
		ret = io_uring_submit_and_wait_timeout(&loop->ring, &cqe, 1, &ts, NULL);
	}
	if (ret >= 0 || ret == -ETIME || ret == -EINTR || ret == -EAGAIN || ret == -EBUSY)
		return 0;
	return ferry_fail(err, FERRY_ERROR_SYSTEM, ret, "io_uring failed: %s",
			  ferry_errno_text(ret));
}

int ferry_loop_turn(struct ferry_loop *loop, uint64_t until_us, struct ferry_error *err)
{
	uint64_t now = ferry_now_us(), away_us = now - loop->left_us;
	int ret;

	arm_all(loop, now);
	ret = submit(loop, until_us, err);
	complete_all(loop);
	now = ferry_now_us();
	expire_all(loop, now, away_us);
	/* What the callbacks queued leaves now: the owner may compute for long after this. */
	arm_all(loop, now);
	if (!ret && io_uring_sq_ready(&loop->ring))
		ret = submit(loop, 0, err);
	reap(loop);
	loop->left_us = ferry_now_us();
	return ret;
}

void ferry_loop_wake(struct ferry_loop *loop)
{
	uint64_t one = 1;
	int saved = errno;

	/* Fails only where a wake is pending already. */
	if (write(loop->wake_fd, &one, sizeof(one)) < 0)
		errno = saved;
}

static void stop_listening(struct ferry_loop *loop)
{
	struct io_uring_sqe *sqe;

	if (loop->accept_armed && !loop->accept_cancelled) {
		sqe = ferry_loop_sqe(loop);
		if (!sqe)
			return;
		io_uring_prep_cancel64(sqe, OP_ACCEPT, 0);
		io_uring_sqe_set_data64(sqe, OP_NONE);
		loop->accept_cancelled = true;
	}
}

static void drain(struct ferry_loop *loop)
{
	uint64_t until = ferry_now_us() + FREE_WAIT_US;

	stop_listening(loop);
	ferry_loop_turn(loop, 0, NULL);
	while ((loop->links || loop->accept_armed) && ferry_now_us() < until)
		if (ferry_loop_turn(loop, until, NULL))
			break;
}

void ferry_loop_free(struct ferry_loop *loop)
{
	int listen_fd;

	if (!loop)
		return;
	listen_fd = loop->listen_fd;
	loop->listen_fd = -1;
	for (struct ferry_link *l = loop->links; l; l = l->next)
		if (l->state != LINK_FINISHING)
			ferry_link_close(l);
	drain(loop);
	for (struct ferry_link *l = loop->links; l; l = l->next)
		ferry_link_close(l);
	drain(loop);
	if (listen_fd >= 0)
		ferry_socket_close(listen_fd, NULL);
	/* The ring goes down behind our back: memory that an operation still knows stays. */
	io_uring_queue_exit(&loop->ring);
	if (loop->wake_fd >= 0 && loop->wake_fd != loop->options.wake_fd)
		close(loop->wake_fd);
	free(loop->plain);
	if (!loop->links) {
		free(loop->buffers);
		free(loop->buffer_memory);
		free(loop);
	}
}

static int listen_failed(const struct ferry_endpoint *e, int code, struct ferry_error *err)
{
	char text[FERRY_ENDPOINT_TEXT];

	ferry_endpoint_text(e, text);
	return ferry_fail(err, FERRY_ERROR_SYSTEM, code, "cannot listen on %s: %s%s", text,
			  ferry_errno_text(code),
			  code == -EADDRINUSE ? "; another program does" : "");
}

int ferry_loop_listen(struct ferry_loop *loop, const struct ferry_endpoint *e,
		      void (*accepted)(void *data, struct ferry_link *link), void *data,
		      struct ferry_endpoint *bound, struct ferry_error *err)
{
	int fd, one = 1, code;

	if (loop->listen_fd >= 0)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EBUSY, "this node listens already");
	fd = socket(e->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return listen_failed(e, -errno, err);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	bound->len = sizeof(bound->addr);
	if (bind(fd, (const struct sockaddr *)&e->addr, e->len) || listen(fd, LISTEN_BACKLOG) ||
	    getsockname(fd, (struct sockaddr *)&bound->addr, &bound->len)) {
		code = -errno;
		close(fd);
		return listen_failed(e, code, err);
	}
	/* What it sends itself: the answers to who connects. */
	ferry_traffic_class_set(fd, FERRY_TRAFFIC_CTRL);
	ferry_socket_register(fd, FERRY_TRAFFIC_CTRL, 0, NULL);
	loop->listen_fd = fd;
	loop->accepted = accepted;
	loop->accepted_data = data;
	return 0;
}

int ferry_loop_listen_on(struct ferry_loop *loop, int fd,
			 void (*accepted)(void *data, struct ferry_link *link), void *data,
			 struct ferry_endpoint *bound, struct ferry_error *err)
{
	int type = 0, listens = 0;
	socklen_t n = sizeof(int);

	if (loop->listen_fd >= 0)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EBUSY, "this node listens already");
	bound->len = sizeof(bound->addr);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) || type != SOCK_STREAM ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) || !listens ||
	    getsockname(fd, (struct sockaddr *)&bound->addr, &bound->len) ||
	    (bound->addr.ss_family != AF_INET && bound->addr.ss_family != AF_INET6))
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "descriptor %d is no listening TCP socket", fd);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	loop->listen_fd = fd;
	loop->accepted = accepted;
	loop->accepted_data = data;
	return 0;
}

int ferry_loop_connect(struct ferry_loop *loop, const struct ferry_endpoint *e,
		       const struct ferry_link_handler *handler, void *data,
		       struct ferry_link **out, struct ferry_error *err)
{
	int fd, ret;

	*out = NULL;
	fd = socket(e->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return ferry_fail(err, FERRY_ERROR_SYSTEM, -errno, "cannot make a socket: %s",
				  ferry_errno_text(errno));
	ret = ferry_link_new(loop, fd, FERRY_ROLE_DEVICE, LINK_CONNECTING, out, err);
	if (ret) {
		close(fd);
		return ret;
	}
	(*out)->peer = *e;
	ferry_endpoint_text(e, (*out)->name);
	ferry_link_handle(*out, handler, data);
	return 0;
}

int ferry_loop_adopt(struct ferry_loop *loop, int fd, enum ferry_role role, struct ferry_link **out,
		     struct ferry_error *err)
{
	return ferry_link_new(loop, fd, role, LINK_OPEN, out, err);
}
