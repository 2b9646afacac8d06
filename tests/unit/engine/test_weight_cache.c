// SPDX-License-Identifier: MIT
/*
 * Files of packed weights, good ones and all kinds of bad ones: the weights are right whatever the
 * cache is, and it is right at the next start.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/weight_header.h"
#include "weight_rig.h"

static const struct ferry_tiny_model small = {
	.type = FERRY_TYPE_Q4_0, .n_layers = 1, .n_ff = 256, .tokenizer = FERRY_TINY_NONE};
static const struct ferry_tiny_model other_seed = {.type = FERRY_TYPE_Q4_0,
						   .n_layers = 1,
						   .n_ff = 256,
						   .tokenizer = FERRY_TINY_NONE,
						   .seed = 5};

static void second_start_maps_what_the_first_made(void **state)
{
	struct weight_rig r = rig_new(&small);
	char *path;
	struct stat st;

	(void)state;
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	path = rig_packed(&r);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0133, 0);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_FOUND);
	assert_null(rig_file(r.cache, ".part"));
	free(path);
	rig_free(&r);
}

/* Several chunks, whose borders cut groups; experts; an odd number of rows. */
static void any_shape_fits(void **state)
{
	static const struct ferry_tiny_model models[] = {
		{.type = FERRY_TYPE_Q8_0, .n_layers = 12, .n_vocab = 5003},
		{.type = FERRY_TYPE_Q6_K, .n_layers = 3, .tied = true},
		{.type = FERRY_TYPE_Q4_K, .arch = "qwen3moe", .n_ff_expert = 768},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
		struct weight_rig r = rig_new(&models[i]);

		assert_true(i || r.n > 3 * FERRY_WEIGHTS_CHUNK);
		assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
		assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_FOUND);
		rig_free(&r);
	}
}

static void a_model_of_floats_needs_no_file(void **state)
{
	const struct ferry_tiny_model floats = {.type = FERRY_TYPE_F16, .n_layers = 1};
	char *path = ferry_tiny_model_temp(&floats);
	struct ferry_model *m;

	(void)state;
	assert_int_equal(ferry_model_load(path, &m, NULL), 0);
	assert_int_equal(
		ferry_weights_prepare(
			m, &(struct ferry_weights_options){.cache = "/nonexistent/cache"}, NULL),
		0);
	assert_int_equal(ferry_weights_origin(m), FERRY_WEIGHTS_NONE);
	assert_null(ferry_weights_problem(m));
	ferry_model_free(m);
	unlink(path);
	free(path);
}

static void run(const struct ferry_model *m, float *logits)
{
	static const int32_t ids[5] = {1, 7, 3, 200, 11};
	struct ferry_forward *f = new_forward(m, 5, FERRY_PATH_DEFAULT);
	struct ferry_kv_cache *kv = new_cache(m, 8, FERRY_KV_F16);
	float *hidden = calloc(5 * (size_t)m->hp.n_embd, sizeof(*hidden));
	const struct ferry_span span = {kv, 5};

	assert_non_null(hidden);
	assert_int_equal(ferry_forward_embed(f, ids, 5, hidden, NULL), 0);
	assert_int_equal(ferry_forward_layers(f, &span, 1, 0, m->hp.n_layers, hidden, NULL), 0);
	assert_int_equal(ferry_forward_head(f, hidden, 5, logits, NULL), 0);
	free(hidden);
	ferry_kv_cache_free(kv);
	ferry_forward_free(f);
}

static void logits_are_those_of_weights_in_memory(void **state)
{
	struct weight_rig r = rig_new(&(struct ferry_tiny_model){.type = FERRY_TYPE_Q4_K});
	struct ferry_model *in_memory = rig_load(&r), *made, *found;
	const size_t n = 5 * (size_t)in_memory->hp.n_vocab;
	float *logits[3];

	(void)state;
	assert_int_equal(ferry_weights_prepare(in_memory, NULL, NULL), 0);
	made = rig_start(&r, 0);
	found = rig_start(&r, 0);
	assert_int_equal(ferry_weights_origin(found), FERRY_WEIGHTS_FOUND);
	for (int i = 0; i < 3; i++) {
		logits[i] = calloc(n, sizeof(float));
		assert_non_null(logits[i]);
	}
	run(in_memory, logits[0]);
	run(made, logits[1]);
	run(found, logits[2]);
	assert_true(logits[0][0] != logits[0][1]);
	assert_memory_equal(logits[0], logits[1], n * sizeof(float));
	assert_memory_equal(logits[0], logits[2], n * sizeof(float));
	for (int i = 0; i < 3; i++)
		free(logits[i]);
	ferry_model_free(in_memory);
	ferry_model_free(made);
	ferry_model_free(found);
	rig_free(&r);
}

static void truncated_at_any_length(void **state)
{
	struct weight_rig r = rig_new(&small);
	size_t n, step;
	char *path;
	uint8_t *bytes;

	(void)state;
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	path = rig_packed(&r);
	bytes = rig_read(path, &n);
	for (size_t length = 0; length < n; length += step) {
		rig_write(path, bytes, length);
		if (rig_origin(&r) != FERRY_WEIGHTS_MADE)
			fail_msg("%zu of %zu bytes passed for a file", length, n);
		step = length < 256 ? 17 : n / 23;
	}
	rig_write(path, bytes, n - 1);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	/* One that has grown is no better. */
	bytes = realloc(bytes, n + 1);
	assert_non_null(bytes);
	bytes[n] = 0;
	rig_write(path, bytes, n + 1);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_FOUND);
	free(bytes);
	free(path);
	rig_free(&r);
}

static size_t header_bytes_of(const struct weight_rig *r, const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (size_t)st.st_size - r->n;
}

/* Even where the file's time is what it was. A seal that is broken is no reason to pack again. */
static void any_byte_of_the_header_flipped(void **state)
{
	struct weight_rig r = rig_new(&small);
	size_t n;
	char *path;

	(void)state;
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	path = rig_packed(&r);
	n = header_bytes_of(&r, path);
	assert_int_equal(n, 4096);
	for (size_t at = 0; at < n; at += at < 1024 ? 1 : 97) {
		const bool in_seal = at >= FERRY_WEIGHT_SEAL_OFFSET &&
				     at < FERRY_WEIGHT_SEAL_OFFSET + FERRY_WEIGHT_SEAL_BYTES;

		rig_flip(path, at, true);
		if (rig_origin(&r) != (in_seal ? FERRY_WEIGHTS_FOUND : FERRY_WEIGHTS_MADE))
			fail_msg("byte %zu of the header", at);
	}
	free(path);
	rig_free(&r);
}

static void damaged_data_are_packed_again(void **state)
{
	struct weight_rig r = rig_new(&small);
	size_t n;
	char *path;

	(void)state;
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	path = rig_packed(&r);
	n = header_bytes_of(&r, path);
	for (size_t at = 0; at < r.n; at += r.n / 40) {
		rig_flip(path, n + at, false);
		if (rig_origin(&r) != FERRY_WEIGHTS_MADE)
			fail_msg("byte %zu of the data", at);
	}
	rig_flip(path, n + r.n - 1, false);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	free(path);
	rig_free(&r);
}

/* After a crash of the system: all that was written lately may be zeros. */
static void a_hole_instead_of_data(void **state)
{
	struct weight_rig r = rig_new(&small);
	char *path;
	size_t n, header;
	uint8_t *bytes;

	(void)state;
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	path = rig_packed(&r);
	header = header_bytes_of(&r, path);
	bytes = rig_read(path, &n);
	memset(bytes + header, 0, n - header);
	/* The time is what it was; that the system is another one shows in the seal. */
	bytes[FERRY_WEIGHT_SEAL_OFFSET + 8] ^= 1;
	rig_write(path, bytes, n);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	free(bytes);
	free(path);
	rig_free(&r);
}

static void a_copy_is_checked_once_and_sealed(void **state)
{
	struct weight_rig r = rig_new(&small);
	char *path;
	struct stat before, after;

	(void)state;
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	path = rig_packed(&r);
	assert_int_equal(utimensat(AT_FDCWD, path, NULL, 0), 0);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_FOUND);
	assert_int_equal(stat(path, &after), 0);
	assert_true(after.st_mtim.tv_sec < before.st_mtim.tv_sec);
	assert_int_equal(after.st_mtim.tv_nsec, 0);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_FOUND);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
	free(path);
	rig_free(&r);
}

/* A whole and sealed file, but for other weights, under this model's name. */
static void the_file_of_another_model(void **state)
{
	struct weight_rig r = rig_new(&small), other = rig_new(&other_seed);
	char *path, *theirs;
	uint8_t *bytes;
	size_t n;

	(void)state;
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	assert_int_equal(rig_origin(&other), FERRY_WEIGHTS_MADE);
	path = rig_packed(&r);
	theirs = rig_packed(&other);
	assert_string_not_equal(strrchr(path, '/'), strrchr(theirs, '/'));
	bytes = rig_read(theirs, &n);
	rig_write(path, bytes, n);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	free(bytes);
	free(path);
	free(theirs);
	rig_free(&r);
	rig_free(&other);
}

static void the_model_replaced_by_another_of_its_name(void **state)
{
	struct weight_rig r = rig_new(&small);

	(void)state;
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	assert_int_equal(ferry_tiny_model_save(&other_seed, r.model), 0);
	rig_learn(&r);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	rig_free(&r);
}

/* The identity of a model is that of samples; here a weight between them changes. */
static void the_model_changed_where_its_identity_does_not_look(void **state)
{
	struct weight_rig r = rig_new(&small);
	struct ferry_model *m = rig_load(&r);
	const struct ferry_tensor *t = m->layers[0].wq;
	const size_t at = (size_t)(t->data - m->gguf->map) + 8000;
	uint8_t id[sizeof(m->id)];

	(void)state;
	assert_true(t->n_bytes > 32768);
	memcpy(id, m->id, sizeof(id));
	ferry_model_free(m);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	rig_flip(r.model, at, false);
	m = rig_load(&r);
	assert_memory_equal(m->id, id, sizeof(id));
	ferry_model_free(m);
	rig_learn(&r);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	rig_free(&r);
}

static void removed_or_replaced_while_in_use(void **state)
{
	struct weight_rig r = rig_new(&small);
	struct ferry_model *m = rig_start(&r, 0);
	char *path = rig_packed(&r);
	size_t n;

	(void)state;
	unlink(path);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	rig_flip(path, 0, false);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	assert_memory_equal(ferry_weights_span(m, &n), r.right, r.n);
	ferry_model_free(m);
	free(path);
	rig_free(&r);
}

static void a_file_beside_the_model_is_used(void **state)
{
	struct weight_rig r = rig_new(&small);
	char *path;
	char beside[2 * RIG_PATH];
	struct ferry_model *m;

	(void)state;
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	path = rig_packed(&r);
	snprintf(beside, sizeof(beside), "%s%s", r.dir, strrchr(path, '/'));
	assert_int_equal(rename(path, beside), 0);
	m = rig_start(&r, 0);
	assert_int_equal(ferry_weights_origin(m), FERRY_WEIGHTS_FOUND);
	assert_memory_equal(ferry_weights_file(m), r.dir, strlen(r.dir));
	ferry_model_free(m);
	assert_null(rig_file(r.cache, ".packed"));
	/* A bad one there is none. */
	rig_flip(beside, 0, false);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	free(path);
	path = rig_packed(&r);
	free(path);
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(second_start_maps_what_the_first_made),
		cmocka_unit_test(any_shape_fits),
		cmocka_unit_test(a_model_of_floats_needs_no_file),
		cmocka_unit_test(logits_are_those_of_weights_in_memory),
		cmocka_unit_test(truncated_at_any_length),
		cmocka_unit_test(any_byte_of_the_header_flipped),
		cmocka_unit_test(damaged_data_are_packed_again),
		cmocka_unit_test(a_hole_instead_of_data),
		cmocka_unit_test(a_copy_is_checked_once_and_sealed),
		cmocka_unit_test(the_file_of_another_model),
		cmocka_unit_test(the_model_replaced_by_another_of_its_name),
		cmocka_unit_test(the_model_changed_where_its_identity_does_not_look),
		cmocka_unit_test(removed_or_replaced_while_in_use),
		cmocka_unit_test(a_file_beside_the_model_is_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
