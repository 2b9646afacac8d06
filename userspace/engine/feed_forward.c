// SPDX-License-Identifier: MIT
#include "engine/pass.h"

/* y = W_down (activation(W_gate x) * W_up x) */
void ferry_pass_feed_forward(struct ferry_pass *p, uint32_t layer, uint32_t thread,
			     uint32_t n_threads)
{
	struct ferry_forward *f = p->f;
	const struct ferry_layer *l = &f->model->layers[layer];
	const struct ferry_matrix gate = ferry_matrix_of(l->w_gate, 0);
	const struct ferry_matrix up = ferry_matrix_of(l->w_up, 0);
	const struct ferry_matrix down = ferry_matrix_of(l->w_down, 0);
	const uint32_t T = p->n_tokens;

	ferry_pass_matmul(f, &gate, f->x, T, f->gate, thread, n_threads); /* [T][n_ff] */
	ferry_pass_matmul(f, &up, f->x, T, f->up, thread, n_threads);	  /* [T][n_ff] */
	ferry_pass_activate(f, f->gate, f->up, T, gate.n_out, thread, n_threads);
	ferry_pool_barrier(f->pool);
	ferry_pass_matmul(f, &down, f->gate, T, f->y, thread, n_threads); /* [T][n_embd] */
}
