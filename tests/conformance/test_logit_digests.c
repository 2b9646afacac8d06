// SPDX-License-Identifier: MIT
/*
 * Logits and sampled ids of small models, to the last bit, as digests that are written down here:
 * so every processor that runs this test has given the same bits as all others, and as the versions
 * of Ferry before. test_same_bits.c compares the kernel sets of one processor with each other.
 *
 * A change that means to give other bits has a new table here, which the failing test prints; and
 * nodes of before and after it then no longer give the same text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/sha.h>

#include "engine/sampler.h"
#include "engine/weights.h"
#include "fixtures/tiny_model.h"
#include "logit_run.h"

enum {
	N_TOKENS = 70, /* more than a tile of the KV cache */
	PIECE = 23,    /* three of them and one token: products with many tokens and with one */
	DIGEST_BYTES = 8,
};

struct expected {
	struct ferry_tiny_model model;
	enum ferry_kv_type kv_type;
	uint64_t digest;
};

static const struct expected table[] = {
	{{.arch = "llama", .type = FERRY_TYPE_F32}, FERRY_KV_F16, 0xc495f39d3d4048a7},
	{{.arch = "llama", .type = FERRY_TYPE_F16}, FERRY_KV_F16, 0x3476708860d9c8a7},
	{{.arch = "llama", .type = FERRY_TYPE_BF16}, FERRY_KV_F16, 0x0a9c4b20856f9bde},
	{{.arch = "llama", .type = FERRY_TYPE_Q4_0}, FERRY_KV_F16, 0xb9f9826ebe09006f},
	{{.arch = "llama", .type = FERRY_TYPE_Q4_1}, FERRY_KV_F16, 0x6d33388f934ec357},
	{{.arch = "llama", .type = FERRY_TYPE_Q5_0}, FERRY_KV_F16, 0x0d89f12270f5f949},
	{{.arch = "llama", .type = FERRY_TYPE_Q5_1}, FERRY_KV_F16, 0x4d02fa72c0b0541b},
	{{.arch = "llama", .type = FERRY_TYPE_Q8_0}, FERRY_KV_F16, 0x938c6c792be05cac},
	{{.arch = "llama", .type = FERRY_TYPE_Q2_K}, FERRY_KV_F16, 0x783f1567908bb3c0},
	{{.arch = "llama", .type = FERRY_TYPE_Q3_K}, FERRY_KV_F16, 0xb08e2570566239ee},
	{{.arch = "llama", .type = FERRY_TYPE_Q4_K}, FERRY_KV_F16, 0x28cf359fba57f4f8},
	{{.arch = "llama", .type = FERRY_TYPE_Q5_K}, FERRY_KV_F16, 0x057dadcf05131cf5},
	{{.arch = "llama", .type = FERRY_TYPE_Q6_K}, FERRY_KV_F16, 0x517387cb870428cf},
	{{.arch = "llama", .type = FERRY_TYPE_IQ4_NL}, FERRY_KV_F16, 0xcc9c8f3c027a9170},
	{{.arch = "llama", .type = FERRY_TYPE_IQ4_XS}, FERRY_KV_F16, 0x2faf55276447cece},
	{{.arch = "llama", .rope_freqs = true}, FERRY_KV_F32, 0xdef2895a455caf51},
	{{.arch = "llama", .type = FERRY_TYPE_Q8_0, .n_experts = 5},
	 FERRY_KV_F16,
	 0x7abecb77147272f4},
	{{.arch = "llama", .type = FERRY_TYPE_Q4_0, .rope_linear = 3.0f},
	 FERRY_KV_F16,
	 0xa1070195d10b27fa},
	{{.arch = "qwen2", .type = FERRY_TYPE_Q4_0}, FERRY_KV_F16, 0xeeac5bfb628d053a},
	{{.arch = "qwen3", .type = FERRY_TYPE_Q6_K}, FERRY_KV_F16, 0x991de0380d054a10},
	{{.arch = "qwen3moe", .type = FERRY_TYPE_Q4_K}, FERRY_KV_F16, 0xf5cd27c025fee1ee},
	{{.arch = "gemma3", .type = FERRY_TYPE_Q4_0}, FERRY_KV_F16, 0x16b0053cf149a5fe},
};

static struct ferry_model *open_model(const struct ferry_tiny_model *options)
{
	struct ferry_error err = {0};
	struct ferry_model *m;
	char *path = ferry_tiny_model_temp(options);

	assert_non_null(path);
	if (ferry_model_load(path, &m, &err) || ferry_weights_prepare(m, NULL, &err))
		fail_msg("%s", err.text);
	unlink(path);
	free(path);
	return m;
}

/* A token drawn after each position, as a user with the usual options would. */
static void draw(float *logits, uint32_t n_vocab, int32_t *drawn)
{
	const struct ferry_sampling s = {
		.temperature = 0.9f, .top_p = 0.95f, .min_p = 0.02f, .repeat_penalty = 1.1f};

	for (uint32_t t = 0; t < N_TOKENS; t++) {
		drawn[t] = ferry_sample(&s, logits + (size_t)t * n_vocab, n_vocab, drawn, t, t);
		assert_in_range(drawn[t], 0, n_vocab - 1);
	}
}

static uint64_t digest_of(const struct expected *e)
{
	struct ferry_model *m = open_model(&e->model);
	const size_t n = (size_t)N_TOKENS * m->hp.n_vocab;
	float *logits = calloc(n, sizeof(*logits));
	uint8_t sha[2][SHA256_DIGEST_LENGTH];
	int32_t ids[N_TOKENS];
	uint64_t digest = 0;

	assert_non_null(logits);
	for (uint32_t t = 0; t < N_TOKENS; t++)
		ids[t] = (int32_t)((t * 40503u + 977) % m->hp.n_vocab);
	logit_run(m, &(struct logit_run){.kv_type = e->kv_type, .piece = PIECE}, ids, N_TOKENS,
		  logits);
	assert_non_null(SHA256((const uint8_t *)logits, n * sizeof(*logits), sha[0]));
	draw(logits, m->hp.n_vocab, ids);
	assert_non_null(SHA256((const uint8_t *)ids, sizeof(ids), sha[1]));
	for (int i = 0; i < DIGEST_BYTES / 2; i++)
		digest = digest << 8 | sha[0][i];
	for (int i = 0; i < DIGEST_BYTES / 2; i++)
		digest = digest << 8 | sha[1][i];
	free(logits);
	ferry_model_free(m);
	return digest;
}

static void test_logits_and_drawn_ids_are_those_of_every_processor(void **state)
{
	unsigned others = 0;

	(void)state;
	print_message("by the kernels for %s\n", ferry_kernels_best()->name);
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const uint64_t digest = digest_of(&table[i]);

		if (digest == table[i].digest)
			continue;
		others++;
		print_message("row %u, %s %s: 0x%016llx, not 0x%016llx (logits, then ids)\n", i,
			      table[i].model.arch, ferry_type_traits(table[i].model.type)->name,
			      (unsigned long long)digest, (unsigned long long)table[i].digest);
	}
	assert_int_equal(others, 0);
}

/* Otherwise the table would say nothing: models that differ have other digests. */
static void test_digests_differ(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		for (unsigned k = 0; k < i; k++)
			assert_int_not_equal(table[i].digest >> 32, table[k].digest >> 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_logits_and_drawn_ids_are_those_of_every_processor),
		cmocka_unit_test(test_digests_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
