/* SPDX-License-Identifier: MIT */
/* What loop.c and link.c share. */
#ifndef FERRY_WIRE_LINK_PRIVATE_H
#define FERRY_WIRE_LINK_PRIVATE_H

#include <liburing.h>
#include <netinet/in.h>
#include <sys/uio.h>

#include "wire/loop.h"
#include "wire/tls.h"

enum {
	LOOP_BUFFER = 16 << 10,
	LINK_IOV = 16,		/* frames of one send */
	LINK_SEND_STALLS = 6,	/* times stall_ms that a peer may leave bytes unacknowledged: it may
				  * be computing */
	LINK_DEAD_STALLS = 12,	/* the same until the kernel gives up on bytes that it holds */
	LINK_MAX_UNSENT = 4,	/* times max_body: more is not queued */
	LINK_LINGER_MS = 1000,	/* for the peer to read our last word */
	LINK_TELL_US = 1000000, /* after so long, classifiers are told again of a link that sends */
	ACCEPT_PAUSE_US = 50000, /* after the system ran out of descriptors */
};

/* In the low bits of user_data; pointers are aligned to 16 by malloc. */
enum loop_op {
	OP_NONE, /* its completion says nothing */
	OP_ACCEPT,
	OP_WAKE,
	OP_CONNECT,
	OP_RECV,
	OP_SEND,
	OP_WATCH,
	OP_MASK = 15,
};

enum link_state {
	LINK_CONNECTING,
	LINK_OPEN,
	LINK_FINISHING, /* sends what is queued, then waits for the peer's end; reads nothing */
	LINK_CLOSING,	/* waits for the kernel to give back its memory */
};

struct ferry_link {
	struct ferry_link *next;
	struct ferry_loop *loop;
	int fd;
	enum link_state state;
	const struct ferry_link_handler *handler;
	void *data;
	struct ferry_connection in;
	struct ferry_tls *tls; /* NULL: bytes are those of frames */
	char name[FERRY_ENDPOINT_TEXT];
	struct ferry_endpoint peer;
	int traffic_class; /* -1: not set yet */
	bool registered;   /* a classifier knows the socket */
	uint64_t told_us;  /* when classifiers were told last */

	unsigned n_ops; /* that the kernel has */
	bool connect_armed, recv_armed, recv_multishot, send_armed;
	bool shut;	/* our half is closed */
	bool ended;	/* the peer's half is */
	bool cancelled; /* operations were told to end */

	struct ferry_outgoing *out, **out_tail;
	size_t n_unsent;
	struct msghdr msg; /* of the send under way; iov points into the queue */
	struct iovec iov[LINK_IOV];
	uint8_t *own; /* receive buffer where the loop has no shared ones */

	uint64_t n_sent, n_received;
	uint64_t heard_us;	 /* the last byte */
	uint64_t frame_start_us; /* of the frame that is incomplete */
	uint64_t connect_by_us;	 /* 0 where it does not count */
	uint64_t greeting_by_us;
	uint64_t send_by_us;
	uint64_t send_moved_us; /* when `send_unacked` was last seen to become less */
	size_t send_unacked;
	uint64_t linger_by_us;
	uint64_t grace_by_us; /* a wait that is over goes on until then; 0: none was given */
};

struct ferry_loop {
	struct io_uring ring;
	struct ferry_loop_options options;
	struct ferry_link *links;
	uint32_t n_links;
	bool accept_multishot, recv_multishot;

	uint64_t left_us; /* when the last turn ended */

	int wake_fd;
	bool wake_armed;

	int watch_fd; /* -1: none */
	bool watch_armed;
	void (*watched)(void *data);
	void *watched_data;

	int listen_fd; /* -1: none */
	bool accept_armed, accept_cancelled;
	uint64_t accept_after_us;
	void (*accepted)(void *data, struct ferry_link *link);
	void *accepted_data;

	struct io_uring_buf_ring *buffers; /* NULL: no shared ones */
	uint8_t *buffer_memory;
	uint8_t *plain; /* [FERRY_TLS_RECORD]: what is being decrypted; NULL without TLS */
};

/* A submission slot, or NULL: try again with the next turn. */
struct io_uring_sqe *ferry_loop_sqe(struct ferry_loop *loop);
void ferry_loop_recycle(struct ferry_loop *loop, unsigned buffer);

/* -ENOBUFS where the loop is full; on failure the caller keeps @fd. */
int ferry_link_new(struct ferry_loop *loop, int fd, enum ferry_role role, enum link_state state,
		   struct ferry_link **out, struct ferry_error *err);
void ferry_link_free(struct ferry_link *link);

/* Give the kernel what it should be doing for this link. */
void ferry_link_arm(struct ferry_link *link, uint64_t now_us);

/* A completion of one of its operations. */
void ferry_link_complete(struct ferry_link *link, enum loop_op op, int res, unsigned flags);

/* Tells the owner, and closes where that does not. */
void ferry_link_fail(struct ferry_link *link, enum ferry_error_kind kind, int code, const char *fmt,
		     ...) __attribute__((format(printf, 4, 5)));

/* What the peer's kernel has taken is at its end: how, decides what that means. */
void ferry_link_ended(struct ferry_link *link);

/* Puts a frame, or bytes of TLS, into the queue. */
void ferry_link_queue(struct ferry_link *link, struct ferry_outgoing *out);

/* Frames that came; returns where the link has failed or its owner has had enough. */
void ferry_link_take_frames(struct ferry_link *link, const uint8_t *data, size_t n);

/* Whether something has begun to come and is not complete; @n receives its announced size, or 0. */
bool ferry_link_in_message(const struct ferry_link *link, uint32_t *n);

/* link_tls.c: encryption, from the first byte on. */
int ferry_link_tls_new(struct ferry_link *link, struct ferry_error *err);
void ferry_link_tls_begin(struct ferry_link *link);
void ferry_link_tls_take(struct ferry_link *link, const uint8_t *data, size_t n);
int ferry_link_tls_send(struct ferry_link *link, struct ferry_outgoing *frame,
			struct ferry_error *err);
void ferry_link_tls_end(struct ferry_link *link);

/* The next deadline, or UINT64_MAX. */
uint64_t ferry_link_deadline(const struct ferry_link *link);
/* @away_us: how long the loop did not turn before this turn; 0: no time worth mentioning. */
void ferry_link_expire(struct ferry_link *link, uint64_t now_us, uint64_t away_us);

#endif
