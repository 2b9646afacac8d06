// SPDX-License-Identifier: MIT
/* The encryption of a link: between what its socket carries and the frames. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "wire/link_private.h"

int ferry_link_tls_new(struct ferry_link *link, struct ferry_error *err)
{
	const struct ferry_loop_options *o = &link->loop->options;

	return ferry_tls_new(o->tls, o->host, &link->tls, err);
}

const struct ferry_grant *ferry_link_peer(const struct ferry_link *link)
{
	return link->tls ? ferry_tls_peer(link->tls) : NULL;
}

int ferry_link_check_peer(struct ferry_link *link, struct ferry_error *err)
{
	return link->tls ? ferry_tls_check_peer(link->tls, err) : 0;
}

static void queue_output(struct ferry_link *link)
{
	struct ferry_outgoing *out = ferry_tls_output(link->tls);

	if (out)
		ferry_link_queue(link, out);
}

/* The one thing that is said without encryption: who forgot a key shall read what is missing. */
static void answer_plaintext(struct ferry_link *link)
{
	static const char text[] = "this edge takes encrypted connections only: make a key by "
				   "'ferry keys new', and let the edge trust it";
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_ERROR};
	struct ferry_outgoing *out;

	m.error = (struct ferry_wire_error){
		.code = FERRY_CODE_AUTH,
		.fatal = true,
		.n_text = sizeof(text) - 1,
		.text = (const uint8_t *)text,
	};
	free(ferry_tls_output(link->tls)); /* an alert that it would not understand */
	if (!ferry_outgoing_new(FERRY_WIRE_VERSION_MIN, FERRY_FRAME_MAX_GREETING, &m, &out, NULL))
		ferry_link_queue(link, out);
}

/*
 * The owner may close the link at once, which drops the queue; the alert is what tells the other
 * side why. Where nothing is under way it goes straight to the kernel: it is a few bytes.
 */
static void send_last_word(struct ferry_link *link)
{
	struct ferry_outgoing *out = link->out;

	if (link->send_armed || !out || out->next || out->at)
		return;
	if (send(link->fd, out->bytes, out->n, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)out->n)
		return;
	link->n_unsent -= out->n;
	link->out = NULL;
	link->out_tail = &link->out;
	free(out);
}

static void tls_failed(struct ferry_link *link, const struct ferry_error *why)
{
	if (link->in.role == FERRY_ROLE_EDGE && why->code == -EACCES && !ferry_link_peer(link) &&
	    ferry_tls_peer_is_plain(link->tls))
		answer_plaintext(link);
	else
		queue_output(link);
	send_last_word(link);
	ferry_link_fail(link, why->kind, why->code, "%s: %s", link->name, why->text);
}

void ferry_link_tls_begin(struct ferry_link *link)
{
	ferry_link_tls_take(link, NULL, 0);
}

void ferry_link_tls_take(struct ferry_link *link, const uint8_t *data, size_t n)
{
	uint8_t *plain = link->loop->plain;
	bool was_open = ferry_link_peer(link);
	struct ferry_error why;
	size_t n_plain;
	int ret = 1;

	/* One buffer of the loop serves all links, for no callback may turn the loop. */
	ferry_tls_input(link->tls, data, n);
	while (ret == 1 && link->state == LINK_OPEN) {
		ret = ferry_tls_read(link->tls, plain, FERRY_TLS_RECORD, &n_plain, &why);
		if (ret < 0) {
			tls_failed(link, &why);
			break;
		}
		queue_output(link);
		if (!was_open && ferry_link_peer(link)) {
			was_open = true;
			if (link->in.role == FERRY_ROLE_DEVICE && link->handler)
				link->handler->opened(link->data, link);
		}
		if (n_plain)
			ferry_link_take_frames(link, plain, n_plain);
	}
	ferry_tls_input(link->tls, NULL, 0); /* the buffer goes back to the kernel */
	if (link->state == LINK_OPEN && ferry_tls_has_ended(link->tls))
		ferry_link_ended(link);
}

int ferry_link_tls_send(struct ferry_link *link, struct ferry_outgoing *frame,
			struct ferry_error *err)
{
	int ret = 0;

	if (ferry_tls_is_open(link->tls) || ferry_tls_has_ended(link->tls)) {
		ret = ferry_tls_send(link->tls, frame->bytes, frame->n, err);
		queue_output(link);
	}
	free(frame);
	return ret;
}

void ferry_link_tls_end(struct ferry_link *link)
{
	ferry_tls_end(link->tls);
	queue_output(link);
}
