// SPDX-License-Identifier: MIT
#include "engine/pass.h"

/* Gate and up together: rows [begin, end) of W_gate x and W_up x to activation(gate) * up. */
void ferry_pass_gate_up(const struct ferry_forward *f, const struct ferry_weight *gate,
			const struct ferry_weight *up, const struct ferry_input *x, float *g,
			float *u, size_t begin, size_t end)
{
	const bool silu = f->model->arch->act == FERRY_ACT_SILU;
	const size_t width = gate->rows.n_out;

	ferry_pass_multiply(f, gate, x, g, begin, end);
	ferry_pass_multiply(f, up, x, u, begin, end);
	for (uint32_t t = 0; t < x->n_tokens; t++)
		(silu ? f->kernels->silu_mul : f->kernels->gelu_mul)(
			g + t * width + begin, u + t * width + begin, end - begin);
}

/* y = W_down (activation(W_gate x) * W_up x) */
void ferry_pass_feed_forward(struct ferry_pass *p, uint32_t layer, uint32_t thread)
{
	struct ferry_forward *f = p->f;
	const struct ferry_layer *l = &f->model->layers[layer];
	const struct ferry_weight gate = ferry_weight_of(f->model, l->w_gate, 0);
	const struct ferry_weight up = ferry_weight_of(f->model, l->w_up, 0);
	const struct ferry_weight down = ferry_weight_of(f->model, l->w_down, 0);
	const uint32_t T = p->n_tokens;
	const struct ferry_input x = ferry_pass_block_input(p, thread);
	const struct ferry_input middle = ferry_pass_input(f->gate, f->gate_quantized, T);
	const size_t width = gate.rows.n_out;
	const size_t grain = ferry_pass_grain(T, FERRY_ACTIVATION_BLOCK);

	/* Whole blocks, so that each thread can quantize what it has computed. */
	for (size_t begin = 0, end = 0; ferry_pool_take(f->pool, width, grain, &begin, &end);) {
		ferry_pass_gate_up(f, &gate, &up, &x, f->gate, f->up, begin, end); /* [T][n_ff] */
		for (uint32_t t = 0; t < T && down.is_packed; t++)
			ferry_pass_quantize(f, &middle, t, f->gate + t * width, begin, end);
	}
	ferry_pool_barrier(f->pool);
	ferry_pass_multiply_all(f, &down, &middle, f->y); /* [T][n_embd] */
}
