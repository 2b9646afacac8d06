// SPDX-License-Identifier: MIT
/*
 * What a good file says is what the reader gives back.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "fixtures/gguf_writer.h"
#include "fixtures/tiny_model.h"

/* A parsed writer: the reader's view and the bytes it points into. */
struct view {
	struct ferry_gguf *g;
	uint8_t *bytes;
};

static struct view parse(struct ferry_gguf_writer *w)
{
	struct ferry_error err = {0};
	struct view v = {0};
	size_t n;

	v.bytes = ferry_gguf_writer_bytes(w, &n, NULL);
	ferry_gguf_writer_free(w);
	if (ferry_gguf_parse(v.bytes, n, "test.gguf", &v.g, &err))
		fail_msg("%s", err.text);
	return v;
}

static void drop(struct view *v)
{
	ferry_gguf_close(v->g);
	free(v->bytes);
}

static uint64_t f64_bits(double d)
{
	uint64_t u;

	memcpy(&u, &d, sizeof(u));
	return u;
}

static struct ferry_gguf_writer *every_number(uint32_t version)
{
	struct ferry_gguf_writer *w = ferry_gguf_writer_new(version);

	ferry_gguf_writer_number(w, "u8", FERRY_GGUF_U8, 200);
	ferry_gguf_writer_number(w, "i8", FERRY_GGUF_I8, (uint64_t)-100);
	ferry_gguf_writer_number(w, "u16", FERRY_GGUF_U16, 60000);
	ferry_gguf_writer_number(w, "i16", FERRY_GGUF_I16, (uint64_t)-30000);
	ferry_gguf_writer_number(w, "u32", FERRY_GGUF_U32, 4000000000u);
	ferry_gguf_writer_number(w, "i32", FERRY_GGUF_I32, (uint64_t)-2000000000);
	ferry_gguf_writer_number(w, "u64", FERRY_GGUF_U64, UINT64_MAX);
	ferry_gguf_writer_number(w, "i64", FERRY_GGUF_I64, (uint64_t)INT64_MIN);
	ferry_gguf_writer_f32(w, "f32", 1.5f);
	ferry_gguf_writer_number(w, "f64", FERRY_GGUF_F64, f64_bits(-2.25));
	ferry_gguf_writer_bool(w, "yes", true);
	ferry_gguf_writer_bool(w, "no", false);
	ferry_gguf_writer_string(w, "string", "naïve");
	ferry_gguf_writer_string(w, "empty", "");
	return w;
}

static void test_scalars_of_every_type(void **state)
{
	(void)state;
	for (uint32_t version = 2; version <= 3; version++) {
		struct view v = parse(every_number(version));

		assert_int_equal(v.g->version, version);
		assert_int_equal(v.g->n_values, 14);
		assert_int_equal(ferry_gguf_find(v.g, "u8")->u, 200);
		assert_true(ferry_gguf_find(v.g, "i8")->i == -100);
		assert_int_equal(ferry_gguf_find(v.g, "u16")->u, 60000);
		assert_true(ferry_gguf_find(v.g, "i16")->i == -30000);
		assert_int_equal(ferry_gguf_find(v.g, "u32")->u, 4000000000u);
		assert_true(ferry_gguf_find(v.g, "i32")->i == -2000000000);
		assert_true(ferry_gguf_find(v.g, "u64")->u == UINT64_MAX);
		assert_true(ferry_gguf_find(v.g, "i64")->i == INT64_MIN);
		assert_true(ferry_gguf_find(v.g, "f32")->f == 1.5);
		assert_true(ferry_gguf_find(v.g, "f64")->f == -2.25);
		assert_int_equal(ferry_gguf_find(v.g, "yes")->u, 1);
		assert_int_equal(ferry_gguf_find(v.g, "no")->u, 0);
		assert_int_equal(ferry_gguf_find(v.g, "string")->s.n, 6);
		assert_memory_equal(ferry_gguf_find(v.g, "string")->s.bytes, "naïve", 6);
		assert_int_equal(ferry_gguf_find(v.g, "empty")->s.n, 0);
		assert_null(ferry_gguf_find(v.g, "u"));
		assert_null(ferry_gguf_find(v.g, ""));
		drop(&v);
	}
}

static void test_typed_lookups(void **state)
{
	struct view v = parse(every_number(3));
	struct ferry_gguf_string s = {0};
	struct ferry_error err = {0};
	uint32_t u = 77;
	float f = 77;
	bool b = false;

	(void)state;
	assert_int_equal(ferry_gguf_get_u32(v.g, "none", &u, &err), 0);
	assert_int_equal(u, 77);
	assert_int_equal(ferry_gguf_get_u32(v.g, "u8", &u, &err), 1);
	assert_int_equal(u, 200);
	assert_int_equal(ferry_gguf_get_u32(v.g, "u32", &u, &err), 1);
	assert_int_equal(u, 4000000000u);
	assert_int_equal(ferry_gguf_get_u32(v.g, "i8", &u, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "negative"));
	assert_int_equal(ferry_gguf_get_u32(v.g, "u64", &u, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "too large"));
	assert_int_equal(ferry_gguf_get_u32(v.g, "f32", &u, &err), -EBADMSG);
	assert_string_equal(err.text,
			    "test.gguf: key f32 holds a 32-bit float where a whole number "
			    "belongs; the file is damaged: download or convert it again");
	assert_int_equal(ferry_gguf_get_u32(v.g, "yes", &u, &err), -EBADMSG);
	assert_int_equal(u, 4000000000u);

	assert_int_equal(ferry_gguf_get_f32(v.g, "f32", &f, &err), 1);
	assert_true(f == 1.5f);
	assert_int_equal(ferry_gguf_get_f32(v.g, "f64", &f, &err), 1);
	assert_true(f == -2.25f);
	assert_int_equal(ferry_gguf_get_f32(v.g, "i16", &f, &err), 1);
	assert_true(f == -30000);
	assert_int_equal(ferry_gguf_get_f32(v.g, "string", &f, &err), -EBADMSG);

	assert_int_equal(ferry_gguf_get_bool(v.g, "yes", &b, &err), 1);
	assert_true(b);
	assert_int_equal(ferry_gguf_get_bool(v.g, "u8", &b, &err), -EBADMSG);
	assert_int_equal(ferry_gguf_get_bool(v.g, "f32", &b, &err), -EBADMSG);

	assert_int_equal(ferry_gguf_get_string(v.g, "string", &s, &err), 1);
	assert_int_equal(s.n, 6);
	assert_int_equal(ferry_gguf_get_string(v.g, "u8", &s, &err), -EBADMSG);
	/* without a place for the text */
	assert_int_equal(ferry_gguf_get_string(v.g, "u8", &s, NULL), -EBADMSG);
	drop(&v);
}

static void test_f64_that_no_f32_holds(void **state)
{
	struct ferry_gguf_writer *w = ferry_gguf_writer_new(3);
	struct ferry_error err = {0};
	struct view v;
	float f = 0;

	(void)state;
	ferry_gguf_writer_number(w, "large", FERRY_GGUF_F64, f64_bits(1e300));
	ferry_gguf_writer_number(w, "infinite", FERRY_GGUF_F64, f64_bits(INFINITY));
	v = parse(w);
	assert_int_equal(ferry_gguf_get_f32(v.g, "large", &f, &err), -EBADMSG);
	assert_int_equal(ferry_gguf_get_f32(v.g, "infinite", &f, &err), 1);
	assert_true(isinf(f));
	drop(&v);
}

static void test_arrays_of_every_type(void **state)
{
	static const uint8_t data[16] = {0x01, 0x82, 0,	   0,	 0,    0,    0,	   0x80,
					 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const struct ferry_gguf_string strings[] = {{"a", 1}, {"", 0}, {"\0\xff", 2}};
	struct ferry_gguf_writer *w = ferry_gguf_writer_new(3);
	const struct ferry_gguf_value *a;
	uint8_t floats[8];
	struct view v;

	(void)state;
	ferry_store_lef32(floats, 0.1f);
	ferry_store_lef32(floats + 4, -INFINITY);
	ferry_gguf_writer_string(w, "x", "moves the arrays off their alignment");
	ferry_gguf_writer_array(w, "u8", FERRY_GGUF_U8, data, 16);
	ferry_gguf_writer_array(w, "i8", FERRY_GGUF_I8, data, 16);
	ferry_gguf_writer_array(w, "bool", FERRY_GGUF_BOOL, data, 16);
	ferry_gguf_writer_array(w, "u16", FERRY_GGUF_U16, data, 8);
	ferry_gguf_writer_array(w, "i16", FERRY_GGUF_I16, data, 8);
	ferry_gguf_writer_array(w, "u32", FERRY_GGUF_U32, data, 4);
	ferry_gguf_writer_array(w, "i32", FERRY_GGUF_I32, data, 4);
	ferry_gguf_writer_array(w, "u64", FERRY_GGUF_U64, data, 2);
	ferry_gguf_writer_array(w, "i64", FERRY_GGUF_I64, data, 2);
	ferry_gguf_writer_array(w, "f32", FERRY_GGUF_F32, floats, 2);
	ferry_gguf_writer_array(w, "f64", FERRY_GGUF_F64, data, 1);
	ferry_gguf_writer_array(w, "none", FERRY_GGUF_U32, NULL, 0);
	ferry_gguf_writer_strings(w, "strings", strings, 3);
	v = parse(w);

	assert_true(ferry_gguf_array_i64(ferry_gguf_find(v.g, "u8"), 1) == 0x82);
	assert_true(ferry_gguf_array_i64(ferry_gguf_find(v.g, "i8"), 1) == 0x82 - 256);
	assert_true(ferry_gguf_array_i64(ferry_gguf_find(v.g, "bool"), 1) == 1);
	assert_true(ferry_gguf_array_i64(ferry_gguf_find(v.g, "bool"), 2) == 0);
	assert_true(ferry_gguf_array_i64(ferry_gguf_find(v.g, "u16"), 0) == 0x8201);
	assert_true(ferry_gguf_array_i64(ferry_gguf_find(v.g, "i16"), 0) == 0x8201 - 65536);
	assert_true(ferry_gguf_array_i64(ferry_gguf_find(v.g, "u32"), 1) == 0x80000000);
	assert_true(ferry_gguf_array_i64(ferry_gguf_find(v.g, "i32"), 1) == INT32_MIN);
	assert_true(ferry_gguf_array_i64(ferry_gguf_find(v.g, "u64"), 1) ==
		    INT64_MAX); /* clamped */
	assert_true(ferry_gguf_array_i64(ferry_gguf_find(v.g, "i64"), 1) == -1);
	assert_true(ferry_gguf_array_f32(ferry_gguf_find(v.g, "f32"), 0) == 0.1f);
	assert_true(ferry_gguf_array_f32(ferry_gguf_find(v.g, "f32"), 1) == -INFINITY);
	assert_true(ferry_gguf_array_f32(ferry_gguf_find(v.g, "f64"), 0) == 0); /* -2^-1022 or so */
	assert_true(ferry_gguf_array_f32(ferry_gguf_find(v.g, "i8"), 1) == -126);
	assert_int_equal(ferry_gguf_find(v.g, "none")->array.n, 0);
	a = ferry_gguf_find(v.g, "strings");
	assert_int_equal(a->array.n, 3);
	assert_int_equal(a->array.strings[0].n, 1);
	assert_int_equal(a->array.strings[1].n, 0);
	assert_int_equal(a->array.strings[2].n, 2);
	assert_memory_equal(a->array.strings[2].bytes, "\0\xff", 2);
	drop(&v);
}

static void add_tensor(struct ferry_gguf_writer *w, const char *name, enum ferry_tensor_type type,
		       uint64_t dim0, uint64_t dim1, uint8_t fill)
{
	const struct ferry_type_traits *traits = ferry_type_traits((uint32_t)type);
	size_t n = (size_t)(ferry_type_row_bytes(traits, dim0) * dim1);
	uint8_t *data = malloc(n);

	assert_non_null(data);
	memset(data, fill, n);
	ferry_gguf_writer_tensor(w, &(struct ferry_gguf_writer_tensor){
					    .name = name,
					    .type = (uint32_t)type,
					    .n_dims = 2,
					    .dim = {dim0, dim1, 1, 1},
					    .data = data,
					    .n_bytes = n,
				    });
	free(data);
}

static void test_tensors_of_every_type(void **state)
{
	unsigned n_types;
	const struct ferry_type_traits *types = ferry_type_table(&n_types);
	struct ferry_gguf_writer *w = ferry_gguf_writer_new(3);
	struct view v;

	(void)state;
	for (unsigned i = 0; i < n_types; i++)
		add_tensor(w, types[i].name, types[i].type, 256, 3, (uint8_t)(i + 1));
	v = parse(w);
	assert_int_equal(v.g->n_tensors, n_types);
	for (unsigned i = 0; i < n_types; i++) {
		const struct ferry_tensor *t = ferry_gguf_tensor(v.g, types[i].name);

		assert_non_null(t);
		assert_int_equal(t->type, types[i].type);
		assert_int_equal(t->n_dims, 2);
		assert_int_equal(t->dim[0], 256);
		assert_int_equal(t->dim[1], 3);
		assert_int_equal(t->dim[2], 1);
		assert_int_equal(t->dim[3], 1);
		assert_int_equal(t->n_bytes, 3 * 256 / types[i].block_len * types[i].block_bytes);
		assert_int_equal((uintptr_t)t->data % FERRY_GGUF_DATA_ALIGN, 0);
		for (uint64_t j = 0; j < t->n_bytes; j++)
			assert_int_equal(t->data[j], i + 1);
	}
	assert_null(ferry_gguf_tensor(v.g, "F33"));
	drop(&v);
}

static void test_other_alignments(void **state)
{
	(void)state;
	for (uint32_t alignment = 8; alignment <= 4096; alignment *= 2) {
		struct ferry_gguf_writer *w = ferry_gguf_writer_new(3);
		const struct ferry_tensor *t;
		struct view v;

		ferry_gguf_writer_alignment(w, alignment);
		add_tensor(w, "a", FERRY_TYPE_F32, 1, 1, 1);
		add_tensor(w, "b", FERRY_TYPE_F32, 1, 1, 2);
		v = parse(w);
		t = ferry_gguf_tensor(v.g, "b");
		assert_int_equal((uintptr_t)(t->data - v.bytes) % alignment, 0);
		assert_int_equal(*t->data, 2);
		assert_int_equal(*ferry_gguf_tensor(v.g, "a")->data, 1);
		drop(&v);
	}
}

/* The header lists tensors in one order, the data has them in another. */
static void test_tensors_in_any_order_in_the_file(void **state)
{
	struct ferry_gguf_writer *w = ferry_gguf_writer_new(3);
	struct view v;

	(void)state;
	add_tensor(w, "second", FERRY_TYPE_F32, 8, 1, 2);
	add_tensor(w, "first", FERRY_TYPE_F32, 8, 1, 1);
	ferry_gguf_writer_find(w, "second")->place = true;
	ferry_gguf_writer_find(w, "second")->offset = 32;
	v = parse(w);
	assert_int_equal(*ferry_gguf_tensor(v.g, "first")->data, 1);
	assert_int_equal(*ferry_gguf_tensor(v.g, "second")->data, 2);
	assert_ptr_equal(ferry_gguf_tensor(v.g, "first")->data + 32,
			 ferry_gguf_tensor(v.g, "second")->data);
	drop(&v);
}

static void test_many_names(void **state)
{
	enum { N = 5000 };
	struct ferry_gguf_writer *w = ferry_gguf_writer_new(3);
	char name[32];
	struct view v;

	(void)state;
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "key.%d", i);
		ferry_gguf_writer_u32(w, name, (uint32_t)i);
	}
	v = parse(w);
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "key.%d", i);
		assert_int_equal(ferry_gguf_find(v.g, name)->u, i);
		assert_string_equal(ferry_gguf_find(v.g, name)->key, name);
	}
	assert_null(ferry_gguf_find(v.g, "key.5000"));
	drop(&v);
}

/* Whatever the header holds, it takes a bounded multiple of its size in memory. */
static void test_memory_is_bounded_by_the_file(void **state)
{
	enum { N = 20000 };
	struct ferry_gguf_writer *w = ferry_gguf_writer_new(3);
	static const struct ferry_gguf_string one = {"", 0};
	uint8_t *bytes;
	struct ferry_error err;
	struct ferry_gguf *g;
	char name[8];
	size_t n;

	(void)state;
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "%x", (unsigned)i);
		if (i % 2)
			ferry_gguf_writer_bool(w, name, true);
		else
			ferry_gguf_writer_strings(w, name, &one, 1);
	}
	bytes = ferry_gguf_writer_bytes(w, &n, NULL);
	ferry_gguf_writer_free(w);
	if (ferry_gguf_parse(bytes, n, "test.gguf", &g, &err))
		fail_msg("%s", err.text);
	print_message("%zu bytes of header take %zu\n", n, g->arena.total);
	assert_true(g->arena.total < 10 * n);
	ferry_gguf_close(g);
	free(bytes);
}

static void test_opens_a_file(void **state)
{
	char *path = ferry_tiny_model_temp(&(struct ferry_tiny_model){0});
	struct ferry_error err = {0};
	struct ferry_gguf *g;

	(void)state;
	assert_non_null(path);
	if (ferry_gguf_open(path, &g, &err))
		fail_msg("%s", err.text);
	assert_string_equal(g->path, path);
	assert_int_equal(ferry_gguf_tensor(g, "token_embd.weight")->dim[0], 256);
	ferry_gguf_close(g);
	ferry_gguf_close(NULL);
	unlink(path);
	free(path);
}

static int open_error(const char *path, struct ferry_error *err)
{
	struct ferry_gguf *g = (void *)&g;
	int rc = ferry_gguf_open(path, &g, err);

	assert_true(rc < 0);
	assert_null(g);
	assert_int_equal(err->code, rc);
	assert_non_null(strstr(err->text, path));
	assert_null(strchr(err->text, '\n'));
	return rc;
}

static void test_what_is_no_file(void **state)
{
	char dir[] = "/tmp/ferry-test-XXXXXX", path[64];
	struct ferry_error err = {0};
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(open_error(dir, &err), -EISDIR);
	assert_int_equal(err.kind, FERRY_ERROR_FILE);
	snprintf(path, sizeof(path), "%s/missing", dir);
	assert_int_equal(open_error(path, &err), -ENOENT);
	assert_int_equal(open_error("/dev/zero", &err), -EINVAL);
	snprintf(path, sizeof(path), "%s/empty", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
	assert_int_equal(open_error(path, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "empty"));
	unlink(path);
	rmdir(dir);
}

/* A reader that waited for a writer would never come back. */
static void test_fifo_does_not_block(void **state)
{
	char dir[] = "/tmp/ferry-test-XXXXXX", path[64];
	struct ferry_error err = {0};

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	alarm(20);
	assert_int_equal(open_error(path, &err), -EINVAL);
	alarm(0);
	unlink(path);
	rmdir(dir);
}

static void test_no_permission(void **state)
{
	char *path;
	struct ferry_error err = {0};

	(void)state;
	if (!geteuid()) {
		print_message("SKIP: root may read everything\n");
		skip();
	}
	path = ferry_tiny_model_temp(&(struct ferry_tiny_model){0});
	assert_non_null(path);
	assert_int_equal(chmod(path, 0), 0);
	assert_int_equal(open_error(path, &err), -EACCES);
	unlink(path);
	free(path);
}

static void test_long_path_leaves_room_for_the_reason(void **state)
{
	struct ferry_error err = {0};
	char path[1500];
	struct ferry_gguf *g;

	(void)state;
	for (size_t i = 0; i < sizeof(path); i++)
		path[i] = i % 100 ? 'd' : '/';
	strcpy(path + sizeof(path) - 12, "/model.gguf");
	assert_int_equal(ferry_gguf_open(path, &g, &err), -ENOENT);
	assert_null(g);
	assert_non_null(strstr(err.text, "/model.gguf: cannot be opened: No such file"));
}

static void test_unaligned_memory_is_the_callers_mistake(void **state)
{
	struct ferry_gguf_writer *w = every_number(3);
	struct ferry_error err = {0};
	struct ferry_gguf *g;
	uint8_t *bytes, *odd;
	size_t n;

	(void)state;
	bytes = ferry_gguf_writer_bytes(w, &n, NULL);
	odd = malloc(n + 1);
	assert_non_null(odd);
	memcpy(odd + 1, bytes, n);
	assert_int_equal(ferry_gguf_parse(odd + 1, n, "test.gguf", &g, &err), -EINVAL);
	assert_null(g);
	free(odd);
	free(bytes);
	ferry_gguf_writer_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalars_of_every_type),
		cmocka_unit_test(test_typed_lookups),
		cmocka_unit_test(test_f64_that_no_f32_holds),
		cmocka_unit_test(test_arrays_of_every_type),
		cmocka_unit_test(test_tensors_of_every_type),
		cmocka_unit_test(test_other_alignments),
		cmocka_unit_test(test_tensors_in_any_order_in_the_file),
		cmocka_unit_test(test_many_names),
		cmocka_unit_test(test_memory_is_bounded_by_the_file),
		cmocka_unit_test(test_opens_a_file),
		cmocka_unit_test(test_what_is_no_file),
		cmocka_unit_test(test_fifo_does_not_block),
		cmocka_unit_test(test_no_permission),
		cmocka_unit_test(test_long_path_leaves_room_for_the_reason),
		cmocka_unit_test(test_unaligned_memory_is_the_callers_mistake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
