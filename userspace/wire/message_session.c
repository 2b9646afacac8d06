// SPDX-License-Identifier: MIT
/* OPEN, OPENED, CLOSE, SAMPLING, TRUNCATE, CANCEL, ATTACH, ATTACHED, FORK: the life of a session
 * on the edge. */
#include "wire/message.h"

#include "base/bytes.h"

static void write_sampling(struct ferry_writer *w, const struct ferry_wire_sampling *s)
{
	ferry_write_lef32(w, s->temperature);
	ferry_write_le32(w, s->top_k);
	ferry_write_lef32(w, s->top_p);
	ferry_write_lef32(w, s->min_p);
	ferry_write_lef32(w, s->repeat_penalty);
	ferry_write_le32(w, s->repeat_window);
	ferry_write_le64(w, s->seed);
}

static void read_sampling(struct ferry_reader *r, struct ferry_wire_sampling *s)
{
	s->temperature = ferry_read_lef32(r);
	s->top_k = ferry_read_le32(r);
	s->top_p = ferry_read_lef32(r);
	s->min_p = ferry_read_lef32(r);
	s->repeat_penalty = ferry_read_lef32(r);
	s->repeat_window = ferry_read_le32(r);
	s->seed = ferry_read_le64(r);
}

void ferry_wire_open_encode(struct ferry_writer *w, const struct ferry_wire_open *m)
{
	ferry_write_le32(w, m->session);
	ferry_write_le32(w, m->layer_begin);
	ferry_write_le32(w, m->layer_end);
	ferry_write_le32(w, m->n_ctx);
	ferry_write_u8(w, m->head);
	ferry_write_u8(w, m->kv);
	ferry_write_le16(w, 0);
	write_sampling(w, &m->sampling);
}

const char *ferry_wire_open_read(struct ferry_reader *r, struct ferry_wire_open *m)
{
	uint8_t head;

	m->session = ferry_read_le32(r);
	m->layer_begin = ferry_read_le32(r);
	m->layer_end = ferry_read_le32(r);
	m->n_ctx = ferry_read_le32(r);
	head = ferry_read_u8(r);
	m->head = head;
	m->kv = ferry_read_u8(r);
	if (head > 1 || ferry_read_le16(r))
		return "a reserved field is set";
	read_sampling(r, &m->sampling);
	if (r->failed)
		return NULL;
	if (!m->session)
		return "session 0 does not exist";
	if (m->layer_begin > m->layer_end)
		return "its range of layers ends before it begins";
	return NULL;
}

void ferry_wire_opened_encode(struct ferry_writer *w, const struct ferry_wire_opened *m)
{
	ferry_write_le32(w, m->session);
	ferry_write_le32(w, m->n_ctx);
	ferry_write_le64(w, m->kv_bytes);
	ferry_write_le32(w, m->lease_ms);
	ferry_write_bytes(w, m->lease, sizeof(m->lease));
}

static void read_lease(struct ferry_reader *r, uint8_t lease[FERRY_WIRE_LEASE])
{
	const uint8_t *bytes = ferry_read_bytes(r, FERRY_WIRE_LEASE);

	if (bytes)
		memcpy(lease, bytes, FERRY_WIRE_LEASE);
}

const char *ferry_wire_opened_read(struct ferry_reader *r, struct ferry_wire_opened *m)
{
	m->session = ferry_read_le32(r);
	m->n_ctx = ferry_read_le32(r);
	m->kv_bytes = ferry_read_le64(r);
	m->lease_ms = ferry_read_le32(r);
	read_lease(r, m->lease);
	return NULL;
}

void ferry_wire_close_encode(struct ferry_writer *w, const struct ferry_wire_close *m)
{
	ferry_write_le32(w, m->session);
}

const char *ferry_wire_close_read(struct ferry_reader *r, struct ferry_wire_close *m)
{
	m->session = ferry_read_le32(r);
	return NULL;
}

void ferry_wire_set_sampling_encode(struct ferry_writer *w, const struct ferry_wire_set_sampling *m)
{
	ferry_write_le32(w, m->session);
	write_sampling(w, &m->sampling);
}

const char *ferry_wire_set_sampling_read(struct ferry_reader *r, struct ferry_wire_set_sampling *m)
{
	m->session = ferry_read_le32(r);
	read_sampling(r, &m->sampling);
	return NULL;
}

void ferry_wire_truncate_encode(struct ferry_writer *w, const struct ferry_wire_truncate *m)
{
	ferry_write_le32(w, m->session);
	ferry_write_le32(w, m->position);
	ferry_write_le64(w, m->prefix);
}

const char *ferry_wire_truncate_read(struct ferry_reader *r, struct ferry_wire_truncate *m)
{
	m->session = ferry_read_le32(r);
	m->position = ferry_read_le32(r);
	m->prefix = ferry_read_le64(r);
	return NULL;
}

void ferry_wire_cancel_encode(struct ferry_writer *w, const struct ferry_wire_cancel *m)
{
	ferry_write_le32(w, m->session);
	ferry_write_le32(w, m->request);
}

const char *ferry_wire_cancel_read(struct ferry_reader *r, struct ferry_wire_cancel *m)
{
	m->session = ferry_read_le32(r);
	m->request = ferry_read_le32(r);
	return NULL;
}

void ferry_wire_attach_encode(struct ferry_writer *w, const struct ferry_wire_attach *m)
{
	ferry_write_le32(w, m->session);
	ferry_write_bytes(w, m->lease, sizeof(m->lease));
	ferry_write_le32(w, m->position);
	ferry_write_le64(w, m->prefix);
}

const char *ferry_wire_attach_read(struct ferry_reader *r, struct ferry_wire_attach *m)
{
	m->session = ferry_read_le32(r);
	read_lease(r, m->lease);
	m->position = ferry_read_le32(r);
	m->prefix = ferry_read_le64(r);
	return !r->failed && !m->session ? "session 0 does not exist" : NULL;
}

void ferry_wire_attached_encode(struct ferry_writer *w, const struct ferry_wire_attached *m)
{
	ferry_write_le32(w, m->session);
	ferry_write_le32(w, m->n_ctx);
	ferry_write_le32(w, m->position);
	ferry_write_le32(w, m->lease_ms);
	ferry_write_le64(w, m->prefix);
}

const char *ferry_wire_attached_read(struct ferry_reader *r, struct ferry_wire_attached *m)
{
	m->session = ferry_read_le32(r);
	m->n_ctx = ferry_read_le32(r);
	m->position = ferry_read_le32(r);
	m->lease_ms = ferry_read_le32(r);
	m->prefix = ferry_read_le64(r);
	if (!r->failed && m->position > m->n_ctx)
		return "its position lies outside its context";
	return NULL;
}

void ferry_wire_fork_encode(struct ferry_writer *w, const struct ferry_wire_fork *m)
{
	ferry_write_le32(w, m->session);
	ferry_write_le32(w, m->child);
	ferry_write_le32(w, m->position);
	ferry_write_le64(w, m->prefix);
}

const char *ferry_wire_fork_read(struct ferry_reader *r, struct ferry_wire_fork *m)
{
	m->session = ferry_read_le32(r);
	m->child = ferry_read_le32(r);
	m->position = ferry_read_le32(r);
	m->prefix = ferry_read_le64(r);
	return !r->failed && !m->child ? "session 0 does not exist" : NULL;
}
