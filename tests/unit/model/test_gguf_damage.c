// SPDX-License-Identifier: MIT
/*
 * Whatever is wrong with a file: a negative code and one line of text that names it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/gguf_writer.h"
#include "fixtures/tiny_model.h"
#include "model/gguf.h"
#include "model/model.h"

static const char path[] = "bad.gguf";

static void check_text(const struct ferry_error *err, int rc)
{
	assert_true(rc < 0);
	assert_int_equal(err->code, rc);
	assert_int_not_equal(err->kind, FERRY_ERROR_NONE);
	assert_memory_equal(err->text, "bad.gguf: ", 10);
	assert_null(strchr(err->text, '\n'));
}

/* Refused with @code and a text that contains @text. */
static void refuse_bytes(const void *bytes, size_t n, int code, const char *text)
{
	struct ferry_gguf *g = (void *)&g;
	struct ferry_error err = {0};
	void *exact = malloc(n ? n : 1); /* so that a sanitizer sees every byte too far */
	int rc;

	assert_non_null(exact);
	memcpy(exact, bytes, n);
	rc = ferry_gguf_parse(exact, n, path, &g, &err);
	if (rc != code || !strstr(err.text, text))
		fail_msg("%d instead of %d (\"%s\"): %s", rc, code, text, err.text);
	assert_null(g);
	check_text(&err, rc);
	free(exact);
}

static void refuse(struct ferry_gguf_writer *w, int code, const char *text)
{
	size_t n;
	uint8_t *bytes = ferry_gguf_writer_bytes(w, &n, NULL);

	ferry_gguf_writer_free(w);
	refuse_bytes(bytes, n, code, text);
	free(bytes);
}

static struct ferry_gguf_writer_tensor vector(const char *name)
{
	return (struct ferry_gguf_writer_tensor){
		.name = name, .n_dims = 1, .dim = {8, 1, 1, 1}, .n_bytes = 32};
}

static struct ferry_gguf_writer *with_tensor(struct ferry_gguf_writer_tensor t)
{
	struct ferry_gguf_writer *w = ferry_gguf_writer_new(3);

	ferry_gguf_writer_tensor(w, &t);
	return w;
}

static void test_no_gguf_at_all(void **state)
{
	(void)state;
	refuse_bytes("", 0, -EBADMSG, "is empty");
	refuse_bytes("G", 1, -EBADMSG, "ends (at 1 bytes)");
	refuse_bytes("GGUF", 4, -EBADMSG, "ends (at 4 bytes)");
	refuse_bytes("GGML\1\0\0\0", 8, -EBADMSG, "not a GGUF file");
	refuse_bytes("PK\3\4", 4, -EBADMSG, "not a GGUF file");
	refuse_bytes("x", 1, -EBADMSG, "not a GGUF file");
}

static void test_versions(void **state)
{
	(void)state;
	refuse(ferry_gguf_writer_new(0), -ENOTSUP, "version 0");
	refuse(ferry_gguf_writer_new(1), -ENOTSUP, "version 1,");
	refuse(ferry_gguf_writer_new(4), -ENOTSUP, "version 4;");
	refuse(ferry_gguf_writer_new(0x03000000), -ENOTSUP, "big-endian");
}

static void test_huge_counts(void **state)
{
	static const uint64_t counts[] = {1u << 20, (1u << 20) + 1, UINT32_MAX, 1ull << 60,
					  UINT64_MAX};

	(void)state;
	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct ferry_gguf_writer *w = ferry_gguf_writer_new(3);

		ferry_gguf_writer_claim(w, counts[i], 0);
		refuse(w, -EBADMSG, i ? "claims" : "ends");
		w = ferry_gguf_writer_new(3);
		ferry_gguf_writer_claim(w, 0, counts[i]);
		refuse(w, -EBADMSG, i ? "claims" : "ends");
	}
}

static void raw_key(int code, const char *text, const char *key, size_t key_bytes, uint32_t type,
		    const void *bytes, size_t n)
{
	struct ferry_gguf_writer *w = ferry_gguf_writer_new(3);

	ferry_gguf_writer_raw(w, key, key_bytes, type, bytes, n);
	/* bytes enough behind it, so that the size of the file is not what refuses it */
	ferry_gguf_writer_string(w, "padding", "0123456789012345678901234567890123456789");
	refuse(w, code, text);
}

static void test_keys(void **state)
{
	static char large[70000];
	struct ferry_gguf_writer *w;

	(void)state;
	memset(large, 'k', sizeof(large));
	raw_key(-EBADMSG, "the name of key 0 has 0 bytes", "", 0, FERRY_GGUF_U32, "\0\0\0\0", 4);
	raw_key(-EBADMSG, "a zero among them", "a\0b", 3, FERRY_GGUF_U32, "\0\0\0\0", 4);
	raw_key(-EBADMSG, "has 65536 bytes", large, 65536, FERRY_GGUF_U32, "\0\0\0\0", 4);
	raw_key(-EBADMSG, "type 13", "odd", 3, 13, "\0\0\0\0", 4);
	raw_key(-EBADMSG, "type 4294967295", "odd", 3, UINT32_MAX, "\0\0\0\0", 4);
	w = ferry_gguf_writer_new(3);
	ferry_gguf_writer_u32(w, "twin", 1);
	ferry_gguf_writer_u32(w, "other", 1);
	ferry_gguf_writer_u32(w, "twin", 1);
	refuse(w, -EBADMSG, "key twin occurs twice");
}

static void test_control_bytes_of_a_key_do_not_reach_the_text(void **state)
{
	(void)state;
	raw_key(-EBADMSG, "key a?[31mb?c has", "a\033[31mb\nc", 9, 99, "", 0);
}

/* {u32 element type; u64 n} and what follows */
static void array_key(const char *text, uint32_t type, uint64_t n)
{
	uint8_t head[12];

	for (unsigned i = 0; i < 4; i++)
		head[i] = (uint8_t)(type >> 8 * i);
	for (unsigned i = 0; i < 8; i++)
		head[4 + i] = (uint8_t)(n >> 8 * i);
	raw_key(-EBADMSG, text, "list", 4, FERRY_GGUF_ARRAY, head, sizeof(head));
}

static void test_arrays(void **state)
{
	(void)state;
	array_key("array of type 9", FERRY_GGUF_ARRAY, 1);
	array_key("array of type 77", 77, 1);
	array_key("ends", FERRY_GGUF_U8, UINT64_MAX);
	array_key("ends", FERRY_GGUF_U64, 1ull << 61);	     /* n * 8 overflows to 0 */
	array_key("ends", FERRY_GGUF_U64, (1ull << 61) + 1); /* and to 8 */
	array_key("ends", FERRY_GGUF_F32, 1000);
	array_key("ends", FERRY_GGUF_STRING, 1ull << 60); /* times 16 overflows */
	array_key("ends", FERRY_GGUF_STRING, 1000);
	array_key("ends", FERRY_GGUF_STRING, 2); /* whose length is made of the next key */
}

static void test_string_longer_than_the_file(void **state)
{
	(void)state;
	raw_key(-EBADMSG, "ends", "s", 1, FERRY_GGUF_STRING, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	raw_key(-EBADMSG, "ends", "s", 1, FERRY_GGUF_STRING, "\xff\xff\0\0\0\0\0\0", 8);
}

static void test_alignment(void **state)
{
	static const uint32_t wrong[] = {0, 1, 4, 24, 33, UINT32_MAX, 1u << 31};
	struct ferry_gguf_writer *w;

	(void)state;
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		w = ferry_gguf_writer_new(3);
		ferry_gguf_writer_u32(w, "general.alignment", wrong[i]);
		refuse(w, -EBADMSG, "general.alignment");
	}
	w = ferry_gguf_writer_new(3);
	ferry_gguf_writer_string(w, "general.alignment", "32");
	refuse(w, -EBADMSG, "general.alignment");
}

static void test_tensor_names(void **state)
{
	struct ferry_gguf_writer *w;
	char large[300];

	(void)state;
	memset(large, 't', sizeof(large) - 1);
	large[sizeof(large) - 1] = 0;
	refuse(with_tensor(vector(large)), -EBADMSG, "the name of tensor 0 has 299 bytes");
	refuse(with_tensor(vector("")), -EBADMSG, "the name of tensor 0 has 0 bytes");
	w = with_tensor(vector("twin"));
	ferry_gguf_writer_tensor(w,
				 &(struct ferry_gguf_writer_tensor){
					 .name = "twin", .n_dims = 1, .dim = {8}, .n_bytes = 32});
	refuse(w, -EBADMSG, "tensor twin occurs twice");
}

static void refuse_shape(uint32_t type, uint32_t n_dims, uint64_t d0, uint64_t d1, uint64_t d2,
			 uint64_t d3, const char *text)
{
	struct ferry_gguf_writer_tensor t = vector("t");

	t.type = type;
	t.n_dims = n_dims;
	t.dim[0] = d0;
	t.dim[1] = d1;
	t.dim[2] = d2;
	t.dim[3] = d3;
	refuse(with_tensor(t), -EBADMSG, text);
}

static void test_shapes(void **state)
{
	(void)state;
	refuse_shape(FERRY_TYPE_F32, 0, 1, 1, 1, 1, "tensor t has 0 dimensions");
	refuse_shape(FERRY_TYPE_F32, 5, 1, 1, 1, 1, "tensor t has 5 dimensions");
	refuse_shape(FERRY_TYPE_F32, UINT32_MAX, 1, 1, 1, 1, "dimensions");
	refuse_shape(FERRY_TYPE_F32, 1, 0, 1, 1, 1, "empty dimension");
	refuse_shape(FERRY_TYPE_F32, 4, 8, 1, 1, 0, "empty dimension");
	refuse_shape(FERRY_TYPE_F32, 4, 1ull << 32, 1ull << 32, 1, 1, "impossible size");
	refuse_shape(FERRY_TYPE_F32, 2, UINT64_MAX, 2, 1, 1, "impossible size");
	refuse_shape(FERRY_TYPE_F32, 1, 1ull << 62, 1, 1, 1, "impossible size"); /* times 4 */
	refuse_shape(FERRY_TYPE_F32, 4, 65537, 65537, 65537, 65537, "impossible size");
	refuse_shape(FERRY_TYPE_Q4_0, 2, 31, 32, 1, 1, "blocks of type Q4_0 cannot fill");
	refuse_shape(FERRY_TYPE_Q4_K, 2, 128, 2, 1, 1, "blocks of type Q4_K cannot fill");
	refuse_shape(FERRY_TYPE_F32, 1, 1ull << 40, 1, 1, 1, "behind the end");
}

static void test_unknown_types(void **state)
{
	struct ferry_gguf_writer_tensor t = vector("blk.0.attn_q.weight");

	(void)state;
	t.type = 39;
	refuse(with_tensor(t), -ENOTSUP, "tensor blk.0.attn_q.weight has type 39 (MXFP4)");
	t.type = 4711;
	refuse(with_tensor(t), -ENOTSUP, "type 4711 (an unknown type)");
	t.type = UINT32_MAX;
	refuse(with_tensor(t), -ENOTSUP, "type 4294967295");
}

static void refuse_offset(uint64_t offset, const char *text)
{
	struct ferry_gguf_writer_tensor t = vector("second");
	struct ferry_gguf_writer *w = with_tensor(vector("first"));

	t.place = true;
	t.offset = offset;
	ferry_gguf_writer_tensor(w, &t);
	refuse(w, -EBADMSG, text);
}

static void test_places(void **state)
{
	struct ferry_gguf_writer *w;
	uint8_t *bytes;
	size_t n;

	(void)state;
	refuse_offset(1, "second starts at byte 1, which is not a multiple of 32");
	refuse_offset(1ull << 40, "tensor second lies behind the end");
	refuse_offset(UINT64_MAX - 31, "tensor second lies behind the end"); /* end overflows */
	refuse_offset(0, "overlap");
	/* one byte short, and one block overlapping */
	w = with_tensor(vector("only"));
	bytes = ferry_gguf_writer_bytes(w, &n, NULL);
	refuse_bytes(bytes, n - 1, -EBADMSG, "tensor only lies behind the end");
	free(bytes);
	ferry_gguf_writer_find(w, "only")->dim[0] = 16;
	ferry_gguf_writer_tensor(w,
				 &(struct ferry_gguf_writer_tensor){
					 .name = "next", .n_dims = 1, .dim = {8}, .n_bytes = 32});
	refuse(w, -EBADMSG, "tensors only and next overlap");
}

/* A small file with a key of each kind, so that damage meets every branch of the reader. */
static struct ferry_gguf_writer *small_model(void)
{
	static const struct ferry_gguf_string strings[] = {{"some", 4}, {"text", 4}};
	struct ferry_gguf_writer *w = ferry_tiny_model_new(&(struct ferry_tiny_model){
		.type = FERRY_TYPE_Q8_0,
		.n_layers = 1,
		.n_embd = 32,
		.n_ff = 32,
		.n_head = 2,
		.n_head_kv = 1,
		.n_head_dim = 16,
		.n_vocab = 8,
		.tokenizer = FERRY_TINY_NONE,
	});

	ferry_gguf_writer_strings(w, "test.strings", strings, 2);
	ferry_gguf_writer_array(w, "test.numbers", FERRY_GGUF_U16, "\1\2\3\4", 2);
	ferry_gguf_writer_bool(w, "test.bool", true);
	ferry_gguf_writer_alignment(w, 64);
	return w;
}

static void test_cut_short_at_every_byte(void **state)
{
	struct ferry_gguf_writer *w = small_model();
	size_t n, header;
	uint8_t *bytes = ferry_gguf_writer_bytes(w, &n, &header);

	(void)state;
	assert_true(header < n);
	for (size_t cut = 0; cut < header; cut++)
		refuse_bytes(bytes, cut, -EBADMSG, cut ? "ends (at" : "is empty");
	for (size_t cut = header; cut < n; cut++)
		refuse_bytes(bytes, cut, -EBADMSG, "behind the end of the file");
	free(bytes);
	ferry_gguf_writer_free(w);
}

/* Every bit of the header, flipped: the model loads or is refused in words. */
static void test_every_bit_flipped(void **state)
{
	struct ferry_gguf_writer *w = small_model();
	size_t n, header, n_refused = 0;
	uint8_t *bytes = ferry_gguf_writer_bytes(w, &n, &header);

	(void)state;
	for (size_t bit = 0; bit < 8 * header; bit++) {
		struct ferry_error err = {0};
		struct ferry_model *m = NULL;
		struct ferry_gguf *g = NULL;
		int rc;

		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		rc = ferry_gguf_parse(bytes, n, path, &g, &err);
		if (!rc)
			rc = ferry_model_from_gguf(g, &m, &err);
		if (rc)
			check_text(&err, rc);
		n_refused += rc != 0;
		ferry_model_free(m);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	print_message("%zu of %zu flips refused\n", n_refused, 8 * header);
	/* most of the header are names, counts, types and sizes that must fit together */
	assert_true(n_refused > 4 * header);
	assert_true(n_refused < 8 * header);
	free(bytes);
	ferry_gguf_writer_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_gguf_at_all),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_huge_counts),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_control_bytes_of_a_key_do_not_reach_the_text),
		cmocka_unit_test(test_arrays),
		cmocka_unit_test(test_string_longer_than_the_file),
		cmocka_unit_test(test_alignment),
		cmocka_unit_test(test_tensor_names),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_unknown_types),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_cut_short_at_every_byte),
		cmocka_unit_test(test_every_bit_flipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
