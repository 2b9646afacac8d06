// SPDX-License-Identifier: MIT
/*
 * The public API, used as its header says.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Both interfaces in one file, as a program has them that runs models and speaks to the module. */
#include "ferry/ferry.h"
#include "fixtures/tiny_model.h"
#include "linux/ferry.h"

struct rig {
	char *path;
	struct ferry_model *model;
	struct ferry_session *session;
};

static int open_rig(void **state)
{
	static const struct ferry_tiny_model tiny = {.type = FERRY_TYPE_Q8_0};
	struct ferry_session_options o = FERRY_SESSION_OPTIONS_INIT;
	struct rig *r = calloc(1, sizeof(*r));
	struct ferry_error err = {0};

	r->path = ferry_tiny_model_temp(&tiny);
	o.n_threads = 1;
	o.n_ctx = 64;
	if (!r->path || ferry_model_open(r->path, NULL, &r->model, &err) ||
	    ferry_session_open(r->model, &o, &r->session, &err)) {
		print_message("%s\n", err.text);
		return -1;
	}
	*state = r;
	return 0;
}

static int close_rig(void **state)
{
	struct rig *r = *state;

	ferry_session_close(r->session);
	ferry_model_close(r->model);
	unlink(r->path);
	free(r->path);
	free(r);
	return 0;
}

static void test_model_describes_itself(void **state)
{
	struct rig *r = *state;
	struct ferry_model_info info = FERRY_MODEL_INFO_INIT, other = FERRY_MODEL_INFO_INIT;
	struct ferry_model *again;

	assert_int_equal(ferry_model_describe(r->model, &info, NULL), 0);
	assert_string_equal(info.architecture, "llama");
	assert_true(info.n_layers > 0 && info.n_embd > 0 && info.n_vocab > 0);
	assert_true(info.n_params > info.n_vocab * info.n_embd);
	assert_true(info.n_bytes > 0);
	assert_int_equal(ferry_model_open(r->path, NULL, &again, NULL), 0);
	assert_int_equal(ferry_model_describe(again, &other, NULL), 0);
	assert_memory_equal(info.id, other.id, sizeof(info.id));
	ferry_model_close(again);
}

static void test_packed_weights_are_kept_where_the_caller_says(void **state)
{
	struct rig *r = *state;
	struct ferry_model_options o = FERRY_MODEL_OPTIONS_INIT;
	struct ferry_model_info info = FERRY_MODEL_INFO_INIT;
	char dir[] = "/tmp/ferry-api-XXXXXX";
	char missing[64];
	struct ferry_model *model;

	assert_int_equal(ferry_model_describe(r->model, &info, NULL), 0);
	assert_null(info.cache_file);
	assert_null(info.cache_problem);
	assert_non_null(mkdtemp(dir));
	o.cache = dir;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ferry_model_open(r->path, &o, &model, NULL), 0);
		assert_int_equal(ferry_model_describe(model, &info, NULL), 0);
		assert_non_null(info.cache_file);
		assert_memory_equal(info.cache_file, dir, strlen(dir));
		assert_null(info.cache_problem);
		if (i)
			unlink(info.cache_file);
		ferry_model_close(model);
	}
	rmdir(dir);
	snprintf(missing, sizeof(missing), "%s/not/there", dir);
	o.cache = missing;
	assert_int_equal(ferry_model_open(r->path, &o, &model, NULL), 0);
	assert_int_equal(ferry_model_describe(model, &info, NULL), 0);
	assert_null(info.cache_file);
	assert_non_null(strstr(info.cache_problem, missing));
	ferry_model_close(model);
}

static void test_the_default_cache_is_where_users_expect_it(void **state)
{
	char path[64], tiny[8];

	(void)state;
	unsetenv("CACHE_DIRECTORY");
	setenv("XDG_CACHE_HOME", "/tmp", 1);
	setenv("HOME", "/nonexistent", 1);
	assert_int_equal(ferry_default_cache(path, sizeof(path), NULL), 0);
	assert_string_equal(path, "/tmp/ferry");
	assert_int_equal(ferry_default_cache(tiny, sizeof(tiny), NULL), -ENAMETOOLONG);
	unsetenv("XDG_CACHE_HOME");
	assert_int_equal(ferry_default_cache(path, sizeof(path), NULL), 0);
	assert_string_equal(path, "/nonexistent/.cache/ferry");
	setenv("CACHE_DIRECTORY", "/var/cache/a:/var/cache/b", 1);
	assert_int_equal(ferry_default_cache(path, sizeof(path), NULL), 0);
	assert_string_equal(path, "/var/cache/a");
	unsetenv("CACHE_DIRECTORY");
	unsetenv("HOME");
	assert_int_equal(ferry_default_cache(path, sizeof(path), NULL), -ENOENT);
}

static void test_text_goes_to_ids_and_back(void **state)
{
	static const char text[] = "The ferry, na\xc3\xafvely \xf0\x9f\x9a\xa2.";
	struct rig *r = *state;
	int32_t *ids;
	size_t n, n_text;
	char *back;

	assert_int_equal(ferry_model_tokenize(r->model, text, strlen(text), 0, &ids, &n, NULL), 0);
	assert_true(n > 1);
	assert_int_equal(ferry_model_detokenize(r->model, ids, n, &back, &n_text, NULL), 0);
	assert_int_equal(n_text, strlen(text));
	assert_string_equal(back, text);
	ferry_free(back);
	ferry_free(ids);
	assert_int_equal(ferry_model_tokenize(r->model, text, 1, 0x80, &ids, &n, NULL), -EINVAL);
	assert_null(ids);
}

static int32_t next_id(struct ferry_session *s)
{
	struct ferry_sampling_options how = FERRY_SAMPLING_OPTIONS_INIT;
	struct ferry_error err;
	int32_t id = -1;

	how.temperature = 1.5f;
	how.seed = 11;
	if (ferry_session_next(s, &how, &id, NULL, &err))
		print_message("%s\n", err.text);
	return id;
}

static void test_truncate_goes_back_in_time(void **state)
{
	struct rig *r = *state;
	const int32_t prompt[] = {1, 300, 301, 302};
	int32_t first[6];

	assert_int_equal(ferry_session_append(r->session, prompt, 4, NULL), 0);
	for (int i = 0; i < 6; i++)
		first[i] = next_id(r->session);
	assert_int_equal(ferry_session_truncate(r->session, 7, NULL), 0);
	for (int i = 3; i < 6; i++)
		assert_int_equal(next_id(r->session), first[i]);
	assert_int_equal(ferry_session_truncate(r->session, 99, NULL), -EINVAL);
}

struct heard {
	char text[4096];
	size_t n;
	int stop_after; /* calls; 0: never */
	int calls;
};

static int hear(void *data, const char *text, size_t n_bytes)
{
	struct heard *h = data;

	assert_int_equal(strlen(text), n_bytes);
	memcpy(h->text + h->n, text, n_bytes + 1);
	h->n += n_bytes;
	return ++h->calls == h->stop_after;
}

static void test_generate_streams_and_repeats(void **state)
{
	struct rig *r = *state;
	struct ferry_generate_options o = FERRY_GENERATE_OPTIONS_INIT;
	struct heard a = {.n = 0}, b = {.n = 0};
	struct ferry_session_stats stats = FERRY_SESSION_STATS_INIT;

	o.max_tokens = 20;
	o.sampling.temperature = 1.0f;
	o.sampling.seed = 3;
	assert_int_equal(ferry_session_generate(r->session, "The ferry", &o, hear, &a, NULL), 0);
	assert_int_equal(ferry_session_truncate(r->session, 0, NULL), 0);
	assert_int_equal(ferry_session_generate(r->session, "The ferry", &o, hear, &b, NULL), 0);
	assert_true(a.n > 0);
	assert_string_equal(a.text, b.text);
	assert_int_equal(ferry_session_get_stats(r->session, &stats, NULL), 0);
	assert_int_equal(stats.split, stats.n_layers);
	assert_int_equal(stats.bytes_sent, 0);
}

/* Built against a later header, in which sampling has more members: what lies behind our own copy
 * was read for them. */
static void test_generate_takes_a_newer_callers_sampling(void **state)
{
	struct rig *r = *state;
	struct {
		struct ferry_generate_options o;
		unsigned char more[64];
	} newer = {.o = FERRY_GENERATE_OPTIONS_INIT};
	struct heard h = {.n = 0};
	struct ferry_error err;

	newer.o.size = sizeof(newer);
	newer.o.sampling.size += sizeof(newer.more);
	newer.o.max_tokens = 2;
	assert_int_equal(ferry_session_generate(r->session, "x", &newer.o, hear, &h, &err), 0);
	newer.more[40] = 1;
	assert_int_equal(ferry_session_generate(r->session, "x", &newer.o, hear, &h, &err), -E2BIG);
	newer.more[40] = 0;
	newer.o.sampling.size = sizeof(newer);
	assert_int_equal(ferry_session_generate(r->session, "x", &newer.o, hear, &h, &err),
			 -EINVAL);
	newer.o.size = offsetof(struct ferry_generate_options, sampling);
	assert_int_equal(ferry_session_generate(r->session, "x", &newer.o, hear, &h, &err), 0);
}

static void test_a_callback_can_stop_it(void **state)
{
	struct rig *r = *state;
	struct ferry_generate_options o = FERRY_GENERATE_OPTIONS_INIT;
	struct heard h = {.stop_after = 2};

	o.max_tokens = 40;
	o.sampling.temperature = 1.0f;
	assert_int_equal(ferry_session_generate(r->session, "x", &o, hear, &h, NULL), 0);
	assert_int_equal(h.calls, 2);
}

static void test_generation_ends_with_the_context(void **state)
{
	struct rig *r = *state;
	struct ferry_generate_options o = FERRY_GENERATE_OPTIONS_INIT;
	struct ferry_session_stats stats = FERRY_SESSION_STATS_INIT;
	struct ferry_error err;
	int32_t id;

	o.max_tokens = 1000;
	o.sampling.temperature = 1.0f;
	o.sampling.seed = 5;
	assert_int_equal(ferry_session_generate(r->session, "x", &o, NULL, NULL, NULL), 0);
	assert_int_equal(ferry_session_get_stats(r->session, &stats, NULL), 0);
	assert_true(stats.n_tokens <= 64);
	if (stats.n_tokens == 64) {
		assert_int_equal(ferry_session_next(r->session, NULL, &id, NULL, &err), -ENOSPC);
		assert_non_null(strstr(err.text, "context"));
	}
}

static void test_cancel_counts_once(void **state)
{
	struct rig *r = *state;
	const int32_t prompt[] = {1, 300};
	struct ferry_error err;
	int32_t id;

	assert_int_equal(ferry_session_append(r->session, prompt, 2, NULL), 0);
	ferry_session_cancel(r->session);
	assert_int_equal(ferry_session_next(r->session, NULL, &id, NULL, &err), -ECANCELED);
	assert_int_equal(err.kind, FERRY_ERROR_CANCELLED);
	assert_int_equal(ferry_session_next(r->session, NULL, &id, NULL, &err), 0);
}

/* Whether a cancelled append got as far as the history or not, truncating undoes it. */
static void test_a_cancelled_append_is_taken_back(void **state)
{
	struct rig *r = *state;
	const int32_t prompt[] = {1, 300, 301};
	struct ferry_session_stats stats = FERRY_SESSION_STATS_INIT;
	int32_t id, again;

	assert_int_equal(ferry_session_append(r->session, prompt, 3, NULL), 0);
	assert_int_equal(ferry_session_next(r->session, NULL, &id, NULL, NULL), 0);
	assert_int_equal(ferry_session_truncate(r->session, 3, NULL), 0);
	ferry_session_cancel(r->session);
	assert_int_equal(ferry_session_append(r->session, prompt, 3, NULL), -ECANCELED);
	assert_int_equal(ferry_session_truncate(r->session, 3, NULL), 0);
	assert_int_equal(ferry_session_get_stats(r->session, &stats, NULL), 0);
	assert_int_equal(stats.n_tokens, 3);
	assert_int_equal(ferry_session_next(r->session, NULL, &again, NULL, NULL), 0);
	assert_int_equal(again, id);
}

static void test_wrong_use_is_told(void **state)
{
	struct rig *r = *state;
	struct ferry_sampling_options how = FERRY_SAMPLING_OPTIONS_INIT;
	struct ferry_session_options o = FERRY_SESSION_OPTIONS_INIT;
	struct ferry_session *s;
	struct ferry_model *m;
	struct ferry_error err;
	int32_t ids[100] = {0}, bad = 1 << 30, id;

	assert_int_equal(ferry_session_next(r->session, NULL, &id, NULL, &err), -ENODATA);
	assert_int_equal(ferry_session_generate(r->session, NULL, NULL, NULL, NULL, &err),
			 -ENODATA);
	assert_int_equal(ferry_session_generate(r->session, "", NULL, NULL, NULL, &err), -ENODATA);
	assert_non_null(strstr(err.text, "empty"));
	assert_int_equal(ferry_session_append(r->session, ids, 100, &err), -ENOSPC);
	assert_int_equal(ferry_session_append(r->session, &bad, 1, &err), -EINVAL);
	how.temperature = NAN;
	ids[0] = 1;
	assert_int_equal(ferry_session_append(r->session, ids, 1, &err), 0);
	assert_int_equal(ferry_session_next(r->session, &how, &id, NULL, &err), -EINVAL);
	assert_int_equal(ferry_model_open("", NULL, &m, &err), -EINVAL);
	assert_int_equal(ferry_model_open(NULL, NULL, &m, &err), -EINVAL);
	assert_int_equal(ferry_model_open("/no/such/model.gguf", NULL, &m, &err), -ENOENT);
	assert_null(m);
	o.n_threads = 100000;
	assert_int_equal(ferry_session_open(r->model, &o, &s, &err), -EINVAL);
	assert_null(s);
	o = (struct ferry_session_options)FERRY_SESSION_OPTIONS_INIT;
	o.kv = 9;
	assert_int_equal(ferry_session_open(r->model, &o, &s, &err), -EINVAL);
}

static void test_an_edge_that_is_not_there(void **state)
{
	struct rig *r = *state;
	struct ferry_session_options o = FERRY_SESSION_OPTIONS_INIT;
	struct ferry_session *s;
	struct ferry_error err;

	if (getenv("FERRY_EMULATED")) {
		print_message("SKIP: user emulation has no io_uring\n");
		skip();
	}
	o.edge = "127.0.0.1:1";
	o.split = 1;
	assert_int_equal(ferry_session_open(r->model, &o, &s, &err), -ECONNREFUSED);
	assert_int_equal(err.kind, FERRY_ERROR_LINK);
	assert_non_null(strstr(err.text, "127.0.0.1:1"));
	o.edge = "192.0.2.1:7070";
	assert_int_equal(ferry_session_open(r->model, &o, &s, &err), -EPERM);
	/* Left to itself, a session does without. */
	o.edge = "127.0.0.1:1";
	o.split = FERRY_SPLIT_AUTO;
	assert_int_equal(ferry_session_open(r->model, &o, &s, &err), 0);
	ferry_session_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_model_describes_itself, open_rig, close_rig),
		cmocka_unit_test_setup_teardown(test_packed_weights_are_kept_where_the_caller_says,
						open_rig, close_rig),
		cmocka_unit_test(test_the_default_cache_is_where_users_expect_it),
		cmocka_unit_test_setup_teardown(test_text_goes_to_ids_and_back, open_rig,
						close_rig),
		cmocka_unit_test_setup_teardown(test_truncate_goes_back_in_time, open_rig,
						close_rig),
		cmocka_unit_test_setup_teardown(test_generate_streams_and_repeats, open_rig,
						close_rig),
		cmocka_unit_test_setup_teardown(test_generate_takes_a_newer_callers_sampling,
						open_rig, close_rig),
		cmocka_unit_test_setup_teardown(test_a_callback_can_stop_it, open_rig, close_rig),
		cmocka_unit_test_setup_teardown(test_generation_ends_with_the_context, open_rig,
						close_rig),
		cmocka_unit_test_setup_teardown(test_cancel_counts_once, open_rig, close_rig),
		cmocka_unit_test_setup_teardown(test_a_cancelled_append_is_taken_back, open_rig,
						close_rig),
		cmocka_unit_test_setup_teardown(test_wrong_use_is_told, open_rig, close_rig),
		cmocka_unit_test_setup_teardown(test_an_edge_that_is_not_there, open_rig,
						close_rig),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
