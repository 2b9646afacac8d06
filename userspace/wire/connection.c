// SPDX-License-Identifier: MIT
#include "wire/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum {
	BODY_FIRST = 4 << 10, /* memory grows with what came, not with what was announced */
	BODY_KEEP = 1 << 20,  /* a larger buffer does not outlive its frame */
};

#define BIT(type) (1u << (type))

static const uint32_t to_edge =
	BIT(FERRY_MESSAGE_ERROR) | BIT(FERRY_MESSAGE_BYE) | BIT(FERRY_MESSAGE_PING) |
	BIT(FERRY_MESSAGE_PONG) | BIT(FERRY_MESSAGE_PROFILE) | BIT(FERRY_MESSAGE_OPEN) |
	BIT(FERRY_MESSAGE_CLOSE) | BIT(FERRY_MESSAGE_SAMPLING) | BIT(FERRY_MESSAGE_TRUNCATE) |
	BIT(FERRY_MESSAGE_WORK) | BIT(FERRY_MESSAGE_CANCEL) | BIT(FERRY_MESSAGE_LOAD) |
	BIT(FERRY_MESSAGE_ATTACH) | BIT(FERRY_MESSAGE_FORK);
static const uint32_t to_device =
	BIT(FERRY_MESSAGE_ERROR) | BIT(FERRY_MESSAGE_BYE) | BIT(FERRY_MESSAGE_PING) |
	BIT(FERRY_MESSAGE_PONG) | BIT(FERRY_MESSAGE_PROFILED) | BIT(FERRY_MESSAGE_OPENED) |
	BIT(FERRY_MESSAGE_RESULT) | BIT(FERRY_MESSAGE_LOADED) | BIT(FERRY_MESSAGE_ATTACHED);

void ferry_connection_init(struct ferry_connection *c, enum ferry_role role)
{
	*c = (struct ferry_connection){.role = role, .max_body = FERRY_FRAME_MAX_GREETING};
}

void ferry_connection_release(struct ferry_connection *c)
{
	free(c->body);
	c->body = NULL;
	c->body_size = 0;
}

void ferry_connection_establish(struct ferry_connection *c, uint16_t version, uint32_t max_body)
{
	c->established = true;
	c->version = version;
	c->max_body = max_body;
}

static bool may_come(const struct ferry_connection *c, uint8_t type)
{
	uint32_t set;

	if (c->established)
		set = c->role == FERRY_ROLE_EDGE ? to_edge : to_device;
	else if (c->role == FERRY_ROLE_EDGE)
		set = BIT(FERRY_MESSAGE_HELLO);
	else
		set = BIT(FERRY_MESSAGE_WELCOME) | BIT(FERRY_MESSAGE_ERROR);
	return type < 32 && (set & BIT(type));
}

static int check_header(const struct ferry_connection *c, const struct ferry_frame_header *h,
			struct ferry_error *err)
{
	const char *name = ferry_message_name(h->type);

	if (c->established && h->version != c->version)
		return ferry_fail(err, FERRY_ERROR_PEER, -EPROTO,
				  "a frame of version %u.%u came after version %u.%u was agreed",
				  h->version >> 8, h->version & 0xff, c->version >> 8,
				  c->version & 0xff);
	if (!may_come(c, h->type)) {
		if (!name)
			return ferry_fail(err, FERRY_ERROR_PEER, -EPROTO,
					  "a frame of the unknown type %u came", h->type);
		return ferry_fail(err, FERRY_ERROR_PEER, -EPROTO, "a %s frame may not come %s",
				  name,
				  c->established ? "in this direction" : "before the handshake");
	}
	if (h->n_body > c->max_body)
		return ferry_fail(err, FERRY_ERROR_PEER, -EPROTO,
				  "a %s frame announces %u bytes, more than the limit of %u", name,
				  h->n_body, c->max_body);
	return 0;
}

static int grow_body(struct ferry_connection *c, size_t need, struct ferry_error *err)
{
	size_t size = c->body_size ? c->body_size : BODY_FIRST;
	uint8_t *body;

	while (size < need)
		size *= 2;
	if (size > c->header.n_body && c->header.n_body >= need)
		size = c->header.n_body;
	body = realloc(c->body, size);
	if (!body)
		return ferry_fail_memory(err, "a received frame", size);
	c->body = body;
	c->body_size = size;
	return 0;
}

static int take_header(struct ferry_connection *c, const uint8_t *data, size_t n, size_t *used,
		       struct ferry_error *err)
{
	size_t want = FERRY_FRAME_HEADER - c->n_header_bytes;
	size_t take = want < n ? want : n;
	int ret;

	memcpy(c->header_bytes + c->n_header_bytes, data, take);
	c->n_header_bytes += (uint32_t)take;
	*used += take;
	if (c->n_header_bytes < FERRY_FRAME_HEADER)
		return 0;
	ret = ferry_frame_header_decode(c->header_bytes, &c->header, err);
	return ret ? ret : check_header(c, &c->header, err);
}

int ferry_connection_feed(struct ferry_connection *c, const uint8_t *data, size_t n, size_t *used,
			  struct ferry_frame *frame, struct ferry_error *err)
{
	size_t want, take;
	int ret;

	*used = 0;
	if (c->failed)
		return ferry_fail(err, FERRY_ERROR_PEER, -EPROTO, "the connection has failed");
	if (!c->n_header_bytes && c->body_size > BODY_KEEP)
		ferry_connection_release(c);
	if (!n)
		return 0;
	if (c->n_header_bytes < FERRY_FRAME_HEADER) {
		ret = take_header(c, data, n, used, err);
		if (ret)
			goto fail;
		if (c->n_header_bytes < FERRY_FRAME_HEADER)
			return 0;
	}
	want = c->header.n_body - c->n_body;
	take = want < n - *used ? want : n - *used;
	frame->header = c->header;
	if (take == c->header.n_body) { /* all of it is here: no copy */
		frame->body = data + *used;
	} else {
		if (c->n_body + take > c->body_size) {
			ret = grow_body(c, c->n_body + take, err);
			if (ret)
				goto fail;
		}
		if (take)
			memcpy(c->body + c->n_body, data + *used, take);
		frame->body = c->body;
	}
	*used += take;
	c->n_body += take;
	if (take < want)
		return 0;
	c->n_header_bytes = 0;
	c->n_body = 0;
	return 1;
fail:
	c->failed = true;
	return ret;
}

bool ferry_connection_in_frame(const struct ferry_connection *c, uint32_t *n_body)
{
	*n_body = c->n_header_bytes == FERRY_FRAME_HEADER ? c->header.n_body : 0;
	return c->n_header_bytes > 0;
}

int ferry_outgoing_new(uint16_t version, uint32_t max_body, const struct ferry_wire_message *m,
		       struct ferry_outgoing **out, struct ferry_error *err)
{
	size_t n = ferry_wire_message_bytes(m);
	struct ferry_frame_header h = {.version = version, .type = m->type, .request = m->request};
	struct ferry_writer w;

	*out = NULL;
	if (n > max_body)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EMSGSIZE,
				  "a %s message of %zu bytes exceeds the frame limit of %u",
				  ferry_message_name(m->type), n, max_body);
	*out = malloc(sizeof(**out) + FERRY_FRAME_HEADER + n);
	if (!*out)
		return ferry_fail_memory(err, "a frame to send", n);
	h.n_body = (uint32_t)n;
	**out = (struct ferry_outgoing){.n = FERRY_FRAME_HEADER + n};
	ferry_frame_header_encode((*out)->bytes, &h);
	w = ferry_writer((*out)->bytes + FERRY_FRAME_HEADER, n);
	ferry_wire_message_encode(&w, m);
	return 0;
}
