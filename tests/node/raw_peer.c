// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "raw_peer.h"

enum { LIMIT_S = 20 };

void raw_peer_adopt(struct raw_peer *p, int fd, enum ferry_role role)
{
	struct timeval limit = {.tv_sec = LIMIT_S};
	int one = 1;

	*p = (struct raw_peer){.fd = fd};
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	ferry_connection_init(&p->in, role);
}

void raw_peer_connect(struct raw_peer *p, uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	raw_peer_adopt(p, fd, FERRY_ROLE_DEVICE);
}

void raw_peer_close(struct raw_peer *p)
{
	close(p->fd);
	ferry_connection_release(&p->in);
	free(p->body);
	p->body = NULL;
}

int raw_peer_listen(uint16_t *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, n), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

void raw_peer_send_bytes(struct raw_peer *p, const void *bytes, size_t n)
{
	const uint8_t *at = bytes;

	while (n) {
		ssize_t sent = send(p->fd, at, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && p->forgiving)
			return;
		assert_true(sent > 0);
		at += sent;
		n -= (size_t)sent;
	}
}

void raw_peer_send(struct raw_peer *p, const struct ferry_wire_message *m)
{
	struct ferry_outgoing *out;

	assert_int_equal(ferry_outgoing_new(FERRY_WIRE_VERSION_MAX, FERRY_FRAME_MAX, m, &out, NULL),
			 0);
	raw_peer_send_bytes(p, out->bytes, out->n);
	free(out);
}

bool raw_peer_receive(struct raw_peer *p)
{
	struct ferry_frame frame;
	struct ferry_error err;

	for (;;) {
		size_t used;
		int ret = ferry_connection_feed(&p->in, p->buffer + p->at, p->n - p->at, &used,
						&frame, &err);
		ssize_t got;

		if (ret < 0 && p->forgiving)
			return false;
		if (ret < 0)
			fail_msg("%s", err.text);
		p->at += used;
		if (ret)
			break;
		/* A ring that this thread had closed interrupts calls that have a time limit. */
		do
			got = recv(p->fd, p->buffer, sizeof(p->buffer), 0);
		while (got < 0 && errno == EINTR);
		if (got < 0 && p->forgiving)
			return false;
		if (got < 0)
			fail_msg("receiving: %s", strerror(errno));
		if (!got)
			return false;
		p->n = (size_t)got;
		p->at = 0;
	}
	free(p->body);
	p->body = malloc(frame.header.n_body + 1);
	memcpy(p->body, frame.body, frame.header.n_body);
	if (ferry_wire_message_decode(frame.header.type, frame.header.request, p->body,
				      frame.header.n_body, &p->message, &err))
		fail_msg("%s", err.text);
	return true;
}

struct ferry_wire_message raw_peer_hello(const struct ferry_model *m)
{
	struct ferry_wire_message hello = {.type = FERRY_MESSAGE_HELLO, .request = 1};

	hello.hello = (struct ferry_wire_hello){
		.version_min = FERRY_WIRE_VERSION_MIN,
		.version_max = FERRY_WIRE_VERSION_MAX,
		.n_layers = m->hp.n_layers,
		.n_embd = m->hp.n_embd,
		.n_vocab = m->hp.n_vocab,
		.layer_end = m->hp.n_layers,
		.parts = FERRY_PART_EMBEDDING | FERRY_PART_HEAD,
		.encodings = 1 << FERRY_ENCODING_F32,
		.max_frame = FERRY_FRAME_MAX,
	};
	memcpy(hello.hello.model, m->id, sizeof(m->id));
	return hello;
}

void raw_peer_greet(struct raw_peer *p, const struct ferry_model *m)
{
	struct ferry_wire_message hello = raw_peer_hello(m);

	raw_peer_send(p, &hello);
	assert_true(raw_peer_receive(p));
	assert_int_equal(p->message.type, FERRY_MESSAGE_WELCOME);
	ferry_connection_establish(&p->in, p->message.welcome.version,
				   p->message.welcome.max_frame);
}

void raw_peer_expect_error(struct raw_peer *p, uint16_t code, const char *says)
{
	char text[FERRY_WIRE_ERROR_TEXT + 1] = "";

	if (!raw_peer_receive(p))
		fail_msg("the other side ended instead of saying \"%s\"", says);
	assert_int_equal(p->message.type, FERRY_MESSAGE_ERROR);
	memcpy(text, p->message.error.text, p->message.error.n_text);
	if (p->message.error.code != code || !strstr(text, says))
		fail_msg("%s: %s", ferry_wire_code_name(p->message.error.code), text);
}

void raw_peer_expect_end(struct raw_peer *p)
{
	if (raw_peer_receive(p))
		fail_msg("a message of type %u instead of the end", p->message.type);
}
