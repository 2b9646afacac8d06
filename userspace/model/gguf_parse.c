// SPDX-License-Identifier: MIT
#include "model/gguf_parse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "model/gguf_index.h"

enum {
	MAX_KEY_BYTES = 65535, /* the format's own limit */
	MAX_NAME_BYTES = 255,  /* GGUF tools write at most 63 */
	MAX_ENTRIES = 1 << 20, /* keys, and tensors: a hundred times what the largest files have */
	MIN_VALUE_BYTES = 8 + 1 + 4 + 1,
	MIN_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8,
	DEFAULT_ALIGNMENT = 32,
	MIN_ALIGNMENT = FERRY_GGUF_DATA_ALIGN, /* the format's own too; F32 is read in place */
	MAX_ALIGNMENT = 1 << 24,
	NAME_CHUNK = 16 * 1024,
};

struct parser {
	struct ferry_gguf *g;
	struct ferry_gguf_value *values;
	struct ferry_tensor *tensors;
	struct ferry_reader r;
	struct ferry_error *err;
	/* Names are packed: one arena allocation each would cost a cache line for a few bytes. */
	char *names;
	size_t names_left;
};

/* Where a tensor says its bytes are, relative to the start of the data. */
struct extent {
	uint64_t begin, end;
	uint32_t tensor;
};

int ferry_gguf_damaged(const struct ferry_gguf *g, struct ferry_error *err, const char *fmt, ...)
{
	char text[FERRY_ERROR_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return ferry_fail(err, FERRY_ERROR_FILE, -EBADMSG,
			  "%s: %s; the file is damaged: download or convert it again", g->path,
			  text);
}

int ferry_gguf_fail(const struct ferry_gguf *g, struct ferry_error *err, int code, const char *fmt,
		    ...)
{
	char text[FERRY_ERROR_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return ferry_fail(err, FERRY_ERROR_FILE, code, "%s: %s", g->path, text);
}

static int no_memory(struct parser *p, uint64_t bytes)
{
	char what[FERRY_ERROR_TEXT];

	snprintf(what, sizeof(what), "%s: its header", p->g->path);
	return ferry_fail_memory(p->err, what, bytes);
}

static int ends_early(struct parser *p)
{
	return ferry_gguf_fail(
		p->g, p->err, -EBADMSG,
		"the file ends (at %zu bytes) inside its header; it is incomplete or "
		"damaged: download or convert it again",
		p->g->map_bytes);
}

/* Bytes of a number in a file; 0 for STRING, ARRAY and unknown types. */
static unsigned number_bytes(uint32_t type)
{
	switch (type) {
	case FERRY_GGUF_U8:
	case FERRY_GGUF_I8:
	case FERRY_GGUF_BOOL:
		return 1;
	case FERRY_GGUF_U16:
	case FERRY_GGUF_I16:
		return 2;
	case FERRY_GGUF_U32:
	case FERRY_GGUF_I32:
	case FERRY_GGUF_F32:
		return 4;
	case FERRY_GGUF_U64:
	case FERRY_GGUF_I64:
	case FERRY_GGUF_F64:
		return 8;
	default:
		return 0;
	}
}

static int read_string(struct parser *p, struct ferry_gguf_string *out)
{
	uint64_t n = ferry_read_le64(&p->r);

	if (n > ferry_reader_left(&p->r))
		return ends_early(p);
	out->bytes = (const char *)ferry_read_bytes(&p->r, (size_t)n);
	out->n = (size_t)n;
	return out->bytes ? 0 : ends_early(p);
}

/* A name: not empty, bounded, without NUL; copied, with a NUL behind it. */
static int read_name(struct parser *p, const char *what, uint64_t position, size_t max,
		     const char **out)
{
	struct ferry_gguf_string s;
	int rc = read_string(p, &s);

	if (rc)
		return rc;
	if (!s.n || s.n > max || memchr(s.bytes, 0, s.n))
		return ferry_gguf_damaged(
			p->g, p->err, "the name of %s %" PRIu64 " has %zu bytes%s", what, position,
			s.n, s.n && s.n <= max ? " and a zero among them" : "");
	if (s.n + 1 > p->names_left) {
		size_t chunk = s.n + 1 > NAME_CHUNK ? s.n + 1 : NAME_CHUNK;

		/* Small files must not pay for a whole chunk: no name lies behind the header. */
		if (chunk > s.n + 1 + ferry_reader_left(&p->r))
			chunk = s.n + 1 + ferry_reader_left(&p->r);
		p->names = ferry_arena_alloc(&p->g->arena, chunk, 1);
		if (!p->names)
			return no_memory(p, chunk);
		p->names_left = chunk;
	}
	memcpy(p->names, s.bytes, s.n);
	p->names[s.n] = 0;
	*out = p->names;
	p->names += s.n + 1;
	p->names_left -= s.n + 1;
	return 0;
}

static int read_array(struct parser *p, struct ferry_gguf_value *v)
{
	uint32_t type = ferry_read_le32(&p->r);
	uint64_t n = ferry_read_le64(&p->r), bytes;
	struct ferry_gguf_string *strings;

	if (p->r.failed)
		return ends_early(p);
	v->array.type = type;
	v->array.n = n;
	if (type == FERRY_GGUF_STRING) {
		if (n > ferry_reader_left(&p->r) / 8)
			return ends_early(p);
		strings = ferry_arena_alloc(&p->g->arena, (size_t)n, sizeof(*strings));
		if (!strings)
			return no_memory(p, n * sizeof(*strings));
		v->array.strings = strings;
		for (uint64_t i = 0; i < n; i++) {
			int rc = read_string(p, &strings[i]);

			if (rc)
				return rc;
		}
		return 0;
	}
	if (!number_bytes(type))
		return ferry_gguf_damaged(p->g, p->err, "key %s is an array of type %" PRIu32,
					  v->key, type);
	if (__builtin_mul_overflow(n, (uint64_t)number_bytes(type), &bytes) ||
	    bytes > ferry_reader_left(&p->r))
		return ends_early(p);
	v->array.data = ferry_read_bytes(&p->r, (size_t)bytes);
	return 0;
}

static int read_value(struct parser *p, uint64_t i)
{
	struct ferry_gguf_value *v = &p->values[i];
	int rc = read_name(p, "key", i, MAX_KEY_BYTES, &v->key);
	uint32_t type, u;
	uint64_t bits;

	if (rc)
		return rc;
	type = ferry_read_le32(&p->r);
	v->type = type;
	switch (type) {
	case FERRY_GGUF_U8:
		v->u = ferry_read_u8(&p->r);
		break;
	case FERRY_GGUF_BOOL:
		v->u = ferry_read_u8(&p->r) != 0;
		break;
	case FERRY_GGUF_U16:
		v->u = ferry_read_le16(&p->r);
		break;
	case FERRY_GGUF_U32:
		v->u = ferry_read_le32(&p->r);
		break;
	case FERRY_GGUF_U64:
		v->u = ferry_read_le64(&p->r);
		break;
	case FERRY_GGUF_I8:
		v->i = (int8_t)ferry_read_u8(&p->r);
		break;
	case FERRY_GGUF_I16:
		v->i = (int16_t)ferry_read_le16(&p->r);
		break;
	case FERRY_GGUF_I32:
		u = ferry_read_le32(&p->r);
		v->i = (int32_t)u;
		break;
	case FERRY_GGUF_I64:
		v->i = (int64_t)ferry_read_le64(&p->r);
		break;
	case FERRY_GGUF_F32:
		v->f = (double)ferry_read_lef32(&p->r);
		break;
	case FERRY_GGUF_F64:
		bits = ferry_read_le64(&p->r);
		memcpy(&v->f, &bits, sizeof(v->f));
		break;
	case FERRY_GGUF_STRING:
		return read_string(p, &v->s);
	case FERRY_GGUF_ARRAY:
		return read_array(p, v);
	default:
		return ferry_gguf_damaged(p->g, p->err, "key %s has a value of type %" PRIu32,
					  v->key, type);
	}
	return p->r.failed ? ends_early(p) : 0;
}

static int read_values(struct parser *p)
{
	for (uint64_t i = 0; i < p->g->n_values; i++) {
		int rc = read_value(p, i);

		if (rc)
			return rc;
		if (ferry_gguf_index_value(p->g, (uint32_t)i))
			return ferry_gguf_damaged(p->g, p->err, "key %s occurs twice",
						  p->values[i].key);
	}
	return 0;
}

static int read_shape(struct parser *p, struct ferry_tensor *t)
{
	uint64_t n_weights = 1;

	t->n_dims = ferry_read_le32(&p->r);
	if (p->r.failed)
		return ends_early(p);
	if (t->n_dims < 1 || t->n_dims > FERRY_MAX_DIMS)
		return ferry_gguf_damaged(p->g, p->err, "tensor %s has %" PRIu32 " dimensions",
					  t->name, t->n_dims);
	for (unsigned d = 0; d < FERRY_MAX_DIMS; d++) {
		t->dim[d] = d < t->n_dims ? ferry_read_le64(&p->r) : 1;
		if (p->r.failed)
			return ends_early(p);
		if (!t->dim[d])
			return ferry_gguf_damaged(p->g, p->err, "tensor %s has an empty dimension",
						  t->name);
		/* Signed: whoever counts weights may use either kind of 64-bit integer. */
		if (__builtin_mul_overflow(n_weights, t->dim[d], &n_weights) ||
		    n_weights > INT64_MAX / 4)
			return ferry_gguf_damaged(p->g, p->err, "tensor %s has an impossible size",
						  t->name);
	}
	return 0;
}

static int read_tensor(struct parser *p, uint32_t i, struct extent *e)
{
	struct ferry_tensor *t = &p->tensors[i];
	const struct ferry_type_traits *traits;
	uint32_t type;
	int rc;

	rc = read_name(p, "tensor", i, MAX_NAME_BYTES, &t->name);
	if (!rc)
		rc = read_shape(p, t);
	if (rc)
		return rc;
	type = ferry_read_le32(&p->r);
	e->begin = ferry_read_le64(&p->r);
	e->tensor = i;
	if (p->r.failed)
		return ends_early(p);
	traits = ferry_type_traits(type);
	if (!traits)
		return ferry_gguf_fail(
			p->g, p->err, -ENOTSUP,
			"tensor %s has type %" PRIu32
			" (%s), which Ferry does not read; convert the model to another "
			"type, for example Q4_K_M",
			t->name, type, ferry_type_foreign_name(type));
	t->type = traits->type;
	if (t->dim[0] % traits->block_len)
		return ferry_gguf_damaged(p->g, p->err,
					  "tensor %s has rows of %" PRIu64
					  " weights, which blocks of type %s cannot fill",
					  t->name, t->dim[0], traits->name);
	/* read_shape() has bounded the product; no block takes more than 4 bytes per weight. */
	t->n_bytes = ferry_type_row_bytes(traits, t->dim[0]) * t->dim[1] * t->dim[2] * t->dim[3];
	return 0;
}

static int compare_extents(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* Lay the tensors over the file: aligned, inside it, none over another. */
static int place_tensors(struct parser *p, struct extent *extents)
{
	struct ferry_gguf *g = p->g;
	uint32_t alignment = DEFAULT_ALIGNMENT;
	uint64_t start, size;
	int rc = ferry_gguf_get_u32(g, "general.alignment", &alignment, p->err);

	if (rc < 0)
		return rc;
	if (alignment < MIN_ALIGNMENT || alignment > MAX_ALIGNMENT || alignment & (alignment - 1))
		return ferry_gguf_damaged(g, p->err, "general.alignment is %" PRIu32, alignment);
	start = ((uint64_t)p->r.at + alignment - 1) / alignment * alignment;
	size = start < g->map_bytes ? g->map_bytes - start : 0;
	for (uint64_t i = 0; i < g->n_tensors; i++) {
		struct extent *e = &extents[i];
		struct ferry_tensor *t = &p->tensors[i];

		if (e->begin % alignment)
			return ferry_gguf_damaged(g, p->err,
						  "tensor %s starts at byte %" PRIu64
						  ", which is not a multiple of %" PRIu32,
						  t->name, e->begin, alignment);
		if (e->begin > size || t->n_bytes > size - e->begin)
			return ferry_gguf_fail(g, p->err, -EBADMSG,
					       "tensor %s lies behind the end of the file (at %zu "
					       "bytes); it is incomplete or damaged: download or "
					       "convert it again",
					       t->name, g->map_bytes);
		e->end = e->begin + t->n_bytes;
		t->data = g->map + start + e->begin;
	}
	if (g->n_tensors)
		qsort(extents, g->n_tensors, sizeof(*extents), compare_extents);
	for (uint64_t i = 1; i < g->n_tensors; i++)
		if (extents[i - 1].end > extents[i].begin)
			return ferry_gguf_damaged(g, p->err, "tensors %s and %s overlap",
						  p->tensors[extents[i - 1].tensor].name,
						  p->tensors[extents[i].tensor].name);
	return 0;
}

static int read_tensors(struct parser *p)
{
	struct extent *extents;
	int rc = 0;

	if (!p->g->n_tensors)
		return place_tensors(p, NULL);
	extents = calloc(p->g->n_tensors, sizeof(*extents));
	if (!extents)
		return no_memory(p, p->g->n_tensors * sizeof(*extents));
	for (uint32_t i = 0; !rc && i < p->g->n_tensors; i++) {
		rc = read_tensor(p, i, &extents[i]);
		if (!rc && ferry_gguf_index_tensor(p->g, i))
			rc = ferry_gguf_damaged(p->g, p->err, "tensor %s occurs twice",
						p->tensors[i].name);
	}
	if (!rc)
		rc = place_tensors(p, extents);
	free(extents);
	return rc;
}

/* Magic, version and the two counts. */
static int read_preamble(struct parser *p)
{
	struct ferry_gguf *g = p->g;
	static const char magic[4] = {'G', 'G', 'U', 'F'};
	size_t n = g->map_bytes < sizeof(magic) ? g->map_bytes : sizeof(magic);

	if (!g->map_bytes)
		return ferry_gguf_fail(g, p->err, -EBADMSG,
				       "the file is empty; download or convert the model again");
	if (memcmp(g->map, magic, n))
		return ferry_gguf_fail(g, p->err, -EBADMSG,
				       "not a GGUF file; convert the model to GGUF first");
	ferry_read_bytes(&p->r, sizeof(magic));
	g->version = ferry_read_le32(&p->r);
	if (p->r.failed)
		return ends_early(p);
	if (g->version && !(g->version & 0xffff))
		return ferry_gguf_fail(
			g, p->err, -ENOTSUP,
			"a big-endian GGUF file; Ferry reads little-endian ones only, "
			"convert it");
	if (g->version == 1)
		return ferry_gguf_fail(g, p->err, -ENOTSUP,
				       "GGUF version 1, of August 2023, which Ferry does not read; "
				       "convert the model again with current tools");
	if (g->version != 2 && g->version != 3)
		return ferry_gguf_fail(g, p->err, -ENOTSUP,
				       "GGUF version %" PRIu32 "; Ferry reads versions 2 and 3",
				       g->version);
	g->n_tensors = ferry_read_le64(&p->r);
	g->n_values = ferry_read_le64(&p->r);
	if (p->r.failed)
		return ends_early(p);
	if (g->n_tensors > MAX_ENTRIES || g->n_values > MAX_ENTRIES)
		return ferry_gguf_damaged(g, p->err,
					  "the header claims %" PRIu64 " tensors and %" PRIu64
					  " keys, more than the %d that Ferry reads",
					  g->n_tensors, g->n_values, (int)MAX_ENTRIES);
	if (g->n_tensors * MIN_TENSOR_BYTES + g->n_values * MIN_VALUE_BYTES >
	    ferry_reader_left(&p->r))
		return ends_early(p);
	return 0;
}

int ferry_gguf_read_header(struct ferry_gguf *g, struct ferry_error *err)
{
	struct parser p = {.g = g, .r = ferry_reader(g->map, g->map_bytes), .err = err};
	int rc = read_preamble(&p);

	if (rc)
		return rc;
	p.values = ferry_arena_alloc(&g->arena, g->n_values, sizeof(*p.values));
	p.tensors = ferry_arena_alloc(&g->arena, g->n_tensors, sizeof(*p.tensors));
	g->values = p.values;
	g->tensors = p.tensors;
	if (!p.values || !p.tensors || ferry_gguf_index_init(g))
		return no_memory(&p, g->n_values * sizeof(*p.values) +
					     g->n_tensors * sizeof(*p.tensors));
	rc = read_values(&p);
	return rc ? rc : read_tensors(&p);
}
