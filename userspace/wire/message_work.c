// SPDX-License-Identifier: MIT
/* WORK, RESULT: tokens through layers. */
#include "wire/message.h"

#include "base/bytes.h"

void ferry_wire_work_encode(struct ferry_writer *w, const struct ferry_wire_work *m)
{
	ferry_write_le32(w, m->session);
	ferry_write_le32(w, m->position);
	ferry_write_le32(w, m->n_tokens);
	ferry_write_u8(w, m->input);
	ferry_write_u8(w, m->output);
	ferry_write_u8(w, m->encoding);
	ferry_write_u8(w, 0);
	ferry_write_le64(w, m->prefix_before);
	ferry_write_le64(w, m->prefix_after);
	ferry_write_le32(w, m->ids_begin);
	ferry_write_le32(w, m->n_ids);
	ferry_write_bytes(w, m->ids, 4 * (size_t)m->n_ids);
	ferry_write_bytes(w, m->data, m->n_data);
}

const char *ferry_wire_work_read(struct ferry_reader *r, struct ferry_wire_work *m)
{
	size_t left;

	m->session = ferry_read_le32(r);
	m->position = ferry_read_le32(r);
	m->n_tokens = ferry_read_le32(r);
	m->input = ferry_read_u8(r);
	m->output = ferry_read_u8(r);
	m->encoding = ferry_read_u8(r);
	if (ferry_read_u8(r))
		return "a reserved field is set";
	m->prefix_before = ferry_read_le64(r);
	m->prefix_after = ferry_read_le64(r);
	m->ids_begin = ferry_read_le32(r);
	m->n_ids = ferry_read_le32(r);
	if (m->n_ids > ferry_reader_left(r) / 4) /* before the product, which may wrap on 32 bits */
		r->failed = true;
	m->ids = ferry_read_bytes(r, 4 * (size_t)m->n_ids);
	left = ferry_reader_left(r);
	m->n_data = (uint32_t)left;
	m->data = ferry_read_bytes(r, left);
	if (r->failed)
		return NULL;
	if (!m->n_tokens)
		return "it has no tokens";
	if (m->input > FERRY_INPUT_HIDDEN)
		return "its kind of input does not exist";
	if (m->output > FERRY_OUTPUT_TOKEN)
		return "its kind of output does not exist";
	if (m->encoding >= FERRY_ENCODINGS)
		return "its encoding does not exist";
	if (m->position + (uint64_t)m->n_tokens > UINT32_MAX)
		return "its positions are out of range";
	if (m->ids_begin + (uint64_t)m->n_ids > m->position + (uint64_t)m->n_tokens)
		return "it has ids of positions that are yet to come";
	return NULL;
}

void ferry_wire_result_encode(struct ferry_writer *w, const struct ferry_wire_result *m)
{
	ferry_write_le32(w, m->session);
	ferry_write_le32(w, m->position);
	ferry_write_le32(w, m->n_rows);
	ferry_write_u8(w, m->output);
	ferry_write_u8(w, m->encoding);
	ferry_write_le32(w, m->compute_us);
	ferry_write_le32(w, m->queue_us);
	ferry_write_bytes(w, m->data, m->n_data);
}

const char *ferry_wire_result_read(struct ferry_reader *r, struct ferry_wire_result *m)
{
	size_t left;

	m->session = ferry_read_le32(r);
	m->position = ferry_read_le32(r);
	m->n_rows = ferry_read_le32(r);
	m->output = ferry_read_u8(r);
	m->encoding = ferry_read_u8(r);
	m->compute_us = ferry_read_le32(r);
	m->queue_us = ferry_read_le32(r);
	left = ferry_reader_left(r);
	m->n_data = (uint32_t)left;
	m->data = ferry_read_bytes(r, left);
	if (r->failed)
		return NULL;
	if (m->output > FERRY_OUTPUT_TOKEN)
		return "its kind of output does not exist";
	if (m->encoding >= FERRY_ENCODINGS)
		return "its encoding does not exist";
	return NULL;
}
