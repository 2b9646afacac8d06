/* SPDX-License-Identifier: MIT */
/*
 * One io_uring for all sockets of a node. Whoever owns the loop calls ferry_loop_turn(); all
 * callbacks run inside it, on that thread, and never while it is not being called.
 */
#ifndef FERRY_WIRE_LOOP_H
#define FERRY_WIRE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "ferry/error.h"
#include "wire/address.h"
#include "wire/connection.h"
#include "wire/link.h"

struct ferry_loop;
struct ferry_tls_context;

struct ferry_loop_options {
	uint32_t max_links; /* sockets beyond are closed at once */
	uint32_t n_buffers; /* of 16 KiB, shared by all links; a power of two */
	int wake_fd;	    /* an eventfd of the owner's that wakes this loop, too; 0: none */
	bool single_shot;   /* as on kernels without multishot operations */
	struct ferry_link_times times; /* of all links */
	const struct ferry_log *log;   /* may be NULL; must outlive the loop */
	struct ferry_tls_context *tls; /* of all links; NULL: nothing is encrypted */
	const char *host; /* that ferry_loop_connect() connects to, for ferry_tls_new() */
};

/**
 * ferry_loop_new - a loop without sockets.
 *
 * Return: 0, -ENOMEM, -ENOSYS or -EPERM where the system has no io_uring or forbids it.
 */
int ferry_loop_new(const struct ferry_loop_options *o, struct ferry_loop **out,
		   struct ferry_error *err);

/* Closes every socket and waits, 0.6 s at most, until last words are read and the kernel has let
 * go of the memory. */
void ferry_loop_free(struct ferry_loop *loop);

/**
 * ferry_loop_turn - let sockets make progress.
 * @until_us: wait for something to happen, but not beyond this time; 0: do not wait
 *
 * Returns after at least one event, a signal, ferry_loop_wake(), or @until_us. Not re-entrant: no
 * callback may call it. Return: 0, or a negative errno where io_uring itself fails.
 */
int ferry_loop_turn(struct ferry_loop *loop, uint64_t until_us, struct ferry_error *err);

/* Makes the running or next ferry_loop_turn() return. Any thread, any signal handler. */
void ferry_loop_wake(struct ferry_loop *loop);

/**
 * ferry_loop_listen - accept connections.
 * @accepted: called with each; must set its handler by ferry_link_handle(), or close it
 * @bound: receives the endpoint with the port that the system chose where it was 0
 */
int ferry_loop_listen(struct ferry_loop *loop, const struct ferry_endpoint *e,
		      void (*accepted)(void *data, struct ferry_link *link), void *data,
		      struct ferry_endpoint *bound, struct ferry_error *err);

/*
 * The same with a socket that listens already, such as a service manager hands over: a stream of
 * IPv4 or IPv6, which the loop closes. -EINVAL for others, which stay the caller's.
 */
int ferry_loop_listen_on(struct ferry_loop *loop, int fd,
			 void (*accepted)(void *data, struct ferry_link *link), void *data,
			 struct ferry_endpoint *bound, struct ferry_error *err);

/*
 * Begin to connect; handler->opened or handler->failed tells how it ended, within
 * times.connect_ms.
 */
int ferry_loop_connect(struct ferry_loop *loop, const struct ferry_endpoint *e,
		       const struct ferry_link_handler *handler, void *data,
		       struct ferry_link **out, struct ferry_error *err);

/*
 * Call @readable from ferry_loop_turn() while there is something to read in @fd; one descriptor a
 * loop. -1 ends it, before which the descriptor must not be closed.
 */
void ferry_loop_watch(struct ferry_loop *loop, int fd, void (*readable)(void *data), void *data);

/* Take over a connected stream socket; @role is ours. On failure the caller keeps @fd. */
int ferry_loop_adopt(struct ferry_loop *loop, int fd, enum ferry_role role, struct ferry_link **out,
		     struct ferry_error *err);

#endif
