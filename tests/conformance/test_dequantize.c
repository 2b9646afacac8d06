// SPDX-License-Identifier: MIT
/*
 * Blocks that llama.cpp wrote, against the same weights in F32: an error in the layout of a type
 * cannot hide here, for no writer of ours had a hand in the files.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "compute/dequantize.h"
#include "model/gguf.h"

struct file {
	const char *name;
	enum ferry_tensor_type type; /* at least one tensor has it */
	double max_error;	     /* of any tensor, as relative_error() has it */
};

/* What the types lose, and a fifth on top. One nibble in the wrong place gives an error above 1. */
static const struct file files[] = {
	{"F16", FERRY_TYPE_F16, 2.5e-4},      {"BF16", FERRY_TYPE_BF16, 2e-3},
	{"Q8_0", FERRY_TYPE_Q8_0, 6.5e-3},    {"Q5_0", FERRY_TYPE_Q5_0, 0.052},
	{"Q5_1", FERRY_TYPE_Q5_1, 0.046},     {"Q4_0", FERRY_TYPE_Q4_0, 0.104},
	{"Q4_1", FERRY_TYPE_Q4_1, 0.095},     {"Q6_K", FERRY_TYPE_Q6_K, 0.0215},
	{"Q5_K_M", FERRY_TYPE_Q5_K, 0.044},   {"Q4_K_M", FERRY_TYPE_Q4_K, 0.086},
	{"Q3_K_M", FERRY_TYPE_Q3_K, 0.182},   {"Q2_K", FERRY_TYPE_Q2_K, 0.36},
	{"IQ4_NL", FERRY_TYPE_IQ4_NL, 0.092}, {"IQ4_XS", FERRY_TYPE_IQ4_XS, 0.093},
};

enum { N_FILES = sizeof(files) / sizeof(files[0]) };

static struct ferry_gguf *open_model(const char *type)
{
	const char *shared = getenv("FERRY_SHARED");
	struct ferry_gguf *g = NULL;
	struct ferry_error err;
	char path[1024];

	snprintf(path, sizeof(path), "%s/models/tiny-llama-%s.gguf", shared ? shared : "", type);
	if (access(path, R_OK)) {
		print_message("SKIP: no reference model %s\n", path);
		skip();
	}
	if (ferry_gguf_open(path, &g, &err))
		fail_msg("%s", err.text);
	return g;
}

/* Root mean square error of @t relative to the root mean square of the same tensor in F32. */
static double relative_error(const struct ferry_tensor *t, const struct ferry_tensor *exact)
{
	uint64_t n = t->dim[0], n_rows = t->dim[1] * t->dim[2] * t->dim[3];
	const struct ferry_type_traits *traits = ferry_type_traits(t->type);
	double error = 0, power = 0;
	float *row = malloc(n * sizeof(*row)), *wanted = malloc(n * sizeof(*wanted));

	assert_non_null(row);
	assert_non_null(wanted);
	for (uint64_t r = 0; r < n_rows; r++) {
		ferry_dequantize_row(t->type, t->data + r * ferry_type_row_bytes(traits, n), row,
				     n);
		ferry_dequantize_row(FERRY_TYPE_F32, exact->data + r * n * 4, wanted, n);
		for (uint64_t i = 0; i < n; i++) {
			error += ((double)row[i] - wanted[i]) * ((double)row[i] - wanted[i]);
			power += (double)wanted[i] * wanted[i];
		}
	}
	free(row);
	free(wanted);
	return sqrt(error / power);
}

static void test_near_the_f32_weights(void **state)
{
	const struct file *f = *state;
	struct ferry_gguf *g = open_model(f->name), *exact = open_model("F32");
	double worst = 0;
	unsigned n_quantized = 0, n_of_type = 0;

	assert_int_equal(g->n_tensors, exact->n_tensors);
	for (uint64_t i = 0; i < g->n_tensors; i++) {
		const struct ferry_tensor *t = &g->tensors[i];
		const struct ferry_tensor *e = ferry_gguf_tensor(exact, t->name);
		double error;

		n_of_type += t->type == f->type;
		assert_non_null(e);
		assert_int_equal(e->type, FERRY_TYPE_F32);
		assert_memory_equal(t->dim, e->dim, sizeof(t->dim));
		error = relative_error(t, e);
		if (t->type == FERRY_TYPE_F32)
			assert_true(error == 0);
		else
			n_quantized++;
		if (!(error <= f->max_error))
			fail_msg("%s of %s: relative error %g", t->name, f->name, error);
		worst = error > worst ? error : worst;
	}
	print_message("%s: %u quantized tensors, worst relative error %.4g\n", f->name, n_quantized,
		      worst);
	assert_true(n_quantized > 10);
	assert_true(n_of_type > 0);
	ferry_gguf_close(g);
	ferry_gguf_close(exact);
}

int main(void)
{
	struct CMUnitTest tests[N_FILES];

	for (unsigned i = 0; i < N_FILES; i++)
		tests[i] = (struct CMUnitTest){
			.name = files[i].name,
			.test_func = test_near_the_f32_weights,
			.initial_state = (void *)(uintptr_t)&files[i],
		};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
