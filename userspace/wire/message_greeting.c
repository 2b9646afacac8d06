// SPDX-License-Identifier: MIT
/* HELLO, WELCOME, ERROR: how a connection begins and what it says when it cannot go on. */
#include "wire/message.h"

#include "base/bytes.h"

enum {
	ALL_PARTS = FERRY_PART_EMBEDDING | FERRY_PART_HEAD,
};

void ferry_wire_hello_encode(struct ferry_writer *w, const struct ferry_wire_hello *m)
{
	ferry_write_le16(w, m->version_min);
	ferry_write_le16(w, m->version_max);
	ferry_write_bytes(w, m->model, sizeof(m->model));
	ferry_write_le32(w, m->n_layers);
	ferry_write_le32(w, m->n_embd);
	ferry_write_le32(w, m->n_vocab);
	ferry_write_le32(w, m->layer_begin);
	ferry_write_le32(w, m->layer_end);
	ferry_write_u8(w, m->parts);
	ferry_write_u8(w, m->encodings);
	ferry_write_le16(w, 0);
	ferry_write_le32(w, m->max_frame);
}

const char *ferry_wire_hello_read(struct ferry_reader *r, struct ferry_wire_hello *m)
{
	const uint8_t *model;

	m->version_min = ferry_read_le16(r);
	m->version_max = ferry_read_le16(r);
	model = ferry_read_bytes(r, sizeof(m->model));
	if (model)
		memcpy(m->model, model, sizeof(m->model));
	m->n_layers = ferry_read_le32(r);
	m->n_embd = ferry_read_le32(r);
	m->n_vocab = ferry_read_le32(r);
	m->layer_begin = ferry_read_le32(r);
	m->layer_end = ferry_read_le32(r);
	m->parts = ferry_read_u8(r);
	m->encodings = ferry_read_u8(r);
	if (ferry_read_le16(r))
		return "a reserved field is set";
	m->max_frame = ferry_read_le32(r);
	if (m->version_min > m->version_max)
		return "its range of versions is empty";
	if (m->layer_begin > m->layer_end)
		return "its range of layers ends before it begins";
	if (m->parts & ~ALL_PARTS)
		return "it wants a part that does not exist";
	return NULL;
}

void ferry_wire_welcome_encode(struct ferry_writer *w, const struct ferry_wire_welcome *m)
{
	ferry_write_le16(w, m->version);
	ferry_write_u8(w, m->parts);
	ferry_write_u8(w, m->encodings);
	ferry_write_le32(w, m->layer_begin);
	ferry_write_le32(w, m->layer_end);
	ferry_write_le32(w, m->max_frame);
	ferry_write_le32(w, m->max_context);
	ferry_write_le32(w, m->max_batch);
	ferry_write_le32(w, m->max_sessions);
	ferry_write_le32(w, m->window_works);
	ferry_write_le32(w, m->window_bytes);
	ferry_write_le32(w, m->idle_ms);
	ferry_write_le64(w, m->free_kv_bytes);
}

const char *ferry_wire_welcome_read(struct ferry_reader *r, struct ferry_wire_welcome *m)
{
	m->version = ferry_read_le16(r);
	m->parts = ferry_read_u8(r);
	m->encodings = ferry_read_u8(r);
	m->layer_begin = ferry_read_le32(r);
	m->layer_end = ferry_read_le32(r);
	m->max_frame = ferry_read_le32(r);
	m->max_context = ferry_read_le32(r);
	m->max_batch = ferry_read_le32(r);
	m->max_sessions = ferry_read_le32(r);
	m->window_works = ferry_read_le32(r);
	m->window_bytes = ferry_read_le32(r);
	m->idle_ms = ferry_read_le32(r);
	m->free_kv_bytes = ferry_read_le64(r);
	if (r->failed)
		return NULL;
	if (m->layer_begin > m->layer_end)
		return "its range of layers ends before it begins";
	if (m->parts & ~ALL_PARTS)
		return "it offers a part that does not exist";
	if (!m->max_batch || !m->window_works)
		return "its limits leave no room for a single token";
	return NULL;
}

void ferry_wire_error_encode(struct ferry_writer *w, const struct ferry_wire_error *m)
{
	ferry_write_le16(w, m->code);
	ferry_write_u8(w, m->fatal);
	ferry_write_u8(w, 0);
	ferry_write_le32(w, m->session);
	ferry_write_le16(w, m->n_text);
	ferry_write_bytes(w, m->text, m->n_text);
}

const char *ferry_wire_error_read(struct ferry_reader *r, struct ferry_wire_error *m)
{
	uint8_t fatal;

	m->code = ferry_read_le16(r);
	fatal = ferry_read_u8(r);
	m->fatal = fatal;
	if (fatal > 1 || ferry_read_u8(r))
		return "a reserved field is set";
	m->session = ferry_read_le32(r);
	m->n_text = ferry_read_le16(r);
	if (m->n_text > FERRY_WIRE_ERROR_TEXT)
		return "its text is too long";
	m->text = ferry_read_bytes(r, m->n_text);
	return NULL;
}
