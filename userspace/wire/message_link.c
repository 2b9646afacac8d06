// SPDX-License-Identifier: MIT
/* PING, PONG, PROFILE, PROFILED: what link and node can do. */
#include "wire/message.h"

#include "base/bytes.h"

static void write_zeros(struct ferry_writer *w, size_t n)
{
	uint8_t *p = ferry_write_room(w, n);

	if (p && n)
		memset(p, 0, n);
}

void ferry_wire_ping_encode(struct ferry_writer *w, const struct ferry_wire_ping *m)
{
	ferry_write_le64(w, m->stamp);
	ferry_write_le32(w, m->reply_bytes);
	if (m->payload)
		ferry_write_bytes(w, m->payload, m->n_payload);
	else
		write_zeros(w, m->n_payload);
}

const char *ferry_wire_ping_read(struct ferry_reader *r, struct ferry_wire_ping *m)
{
	size_t left;

	m->stamp = ferry_read_le64(r);
	m->reply_bytes = ferry_read_le32(r);
	left = ferry_reader_left(r);
	if (left > FERRY_WIRE_PING_PAYLOAD || m->reply_bytes > FERRY_WIRE_PING_PAYLOAD)
		return "its payload is too large";
	m->n_payload = (uint32_t)left;
	m->payload = ferry_read_bytes(r, left);
	return NULL;
}

void ferry_wire_pong_encode(struct ferry_writer *w, const struct ferry_wire_pong *m)
{
	ferry_write_le64(w, m->stamp);
	write_zeros(w, m->n_payload);
}

const char *ferry_wire_pong_read(struct ferry_reader *r, struct ferry_wire_pong *m)
{
	const uint8_t *p;
	size_t left;

	m->stamp = ferry_read_le64(r);
	left = ferry_reader_left(r);
	if (left > FERRY_WIRE_PING_PAYLOAD)
		return "its payload is too large";
	m->n_payload = (uint32_t)left;
	p = ferry_read_bytes(r, left);
	for (size_t i = 0; p && i < left; i++)
		if (p[i])
			return "its payload is not zero";
	return NULL;
}

void ferry_wire_profile_encode(struct ferry_writer *w, const struct ferry_wire_profile *m)
{
	ferry_write_le32(w, m->n_tokens);
}

const char *ferry_wire_profile_read(struct ferry_reader *r, struct ferry_wire_profile *m)
{
	m->n_tokens = ferry_read_le32(r);
	return NULL;
}

void ferry_wire_profiled_encode(struct ferry_writer *w, const struct ferry_wire_profiled *m)
{
	ferry_write_le32(w, m->layer_begin);
	ferry_write_le32(w, m->n_layers);
	ferry_write_le32(w, m->n_tokens);
	ferry_write_le32(w, m->embed_ns);
	ferry_write_le32(w, m->head_ns);
	ferry_write_bytes(w, m->layers, 8 * (size_t)m->n_layers);
}

const char *ferry_wire_profiled_read(struct ferry_reader *r, struct ferry_wire_profiled *m)
{
	m->layer_begin = ferry_read_le32(r);
	m->n_layers = ferry_read_le32(r);
	m->n_tokens = ferry_read_le32(r);
	m->embed_ns = ferry_read_le32(r);
	m->head_ns = ferry_read_le32(r);
	if (m->n_layers > FERRY_WIRE_MAX_LAYERS || m->layer_begin > FERRY_WIRE_MAX_LAYERS)
		return "it has too many layers";
	m->layers = ferry_read_bytes(r, 8 * (size_t)m->n_layers);
	return NULL;
}

struct ferry_wire_layer_time ferry_wire_layer_time(const uint8_t *layers, uint32_t i)
{
	const uint8_t *p = layers + 8 * (size_t)i;

	return (struct ferry_wire_layer_time){ferry_load_le32(p), ferry_load_le32(p + 4)};
}

void ferry_wire_layer_time_set(uint8_t *layers, uint32_t i, struct ferry_wire_layer_time t)
{
	uint8_t *p = layers + 8 * (size_t)i;

	ferry_store_le32(p, t.decode_ns);
	ferry_store_le32(p + 4, t.prefill_ns);
}

void ferry_wire_loaded_encode(struct ferry_writer *w, const struct ferry_wire_loaded *m)
{
	ferry_write_le32(w, m->n_sessions);
	ferry_write_le32(w, m->n_leased);
	ferry_write_le32(w, m->n_waiting);
	ferry_write_le32(w, m->queue_us);
	ferry_write_le64(w, m->free_kv_bytes);
}

const char *ferry_wire_loaded_read(struct ferry_reader *r, struct ferry_wire_loaded *m)
{
	m->n_sessions = ferry_read_le32(r);
	m->n_leased = ferry_read_le32(r);
	m->n_waiting = ferry_read_le32(r);
	m->queue_us = ferry_read_le32(r);
	m->free_kv_bytes = ferry_read_le64(r);
	return NULL;
}
