// SPDX-License-Identifier: MIT
#include "compute/matmul_packed.h"

#include <math.h>
#include <string.h>

#include "compute/block_codes.h"
#include "compute/dequantize.h"

/* The sum of squared errors in units of d, by lanes as matmul_packed.h says. */
static float squared_error(const float *x, float inverse)
{
	float lane[16] = {0};

	for (int i = 0; i < 32; i++) {
		const float v = x[i] * inverse, e = v - rintf(v);

		lane[i % 16] += e * e;
	}
	for (int n = 8; n >= 1; n /= 2)
		for (int l = 0; l < n; l++)
			lane[l] += lane[l + n];
	return lane[0];
}

static void quantize_block(const float *x, float most, struct ferry_q8_block *a)
{
	float best = INFINITY, inverse = 0.0f;

	*a = (struct ferry_q8_block){.d = most / 127.0f};
	for (int k = 127; k >= 125 && most > 1e-36f; k--) {
		const float error = squared_error(x, (float)k / most) * (1.0f / (float)(k * k));

		if (error < best) {
			best = error;
			inverse = (float)k / most;
			a->d = most / (float)k;
		}
	}
	for (int i = 0; i < 32; i++) {
		const int p = i % 4 / 2;

		a->x[i] = (int8_t)lrintf(x[i] * inverse);
		a->sum += a->x[i];
		a->sum16[i / 16] = (int16_t)(a->sum16[i / 16] + a->x[i]);
		a->p8[p] = (int16_t)(a->p8[p] + 8 * a->x[i]);
		a->p16[p] = (int16_t)(a->p16[p] + 16 * a->x[i]);
		a->p32[i / 16][p] = (int16_t)(a->p32[i / 16][p] + 32 * a->x[i]);
	}
	a->d_sum = a->d * (float)a->sum;
}

void ferry_quantize_reference(const float *x, size_t n, struct ferry_q8_block *blocks,
			      size_t stride)
{
	for (size_t b = 0; b < n / 32; b++, x += 32, blocks += stride) {
		bool finite = true;
		float most = 0.0f;

		for (int i = 0; i < 32; i++) {
			finite = finite && isfinite(x[i]);
			most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
		}
		*blocks = (struct ferry_q8_block){.d = NAN, .d_sum = NAN};
		if (finite)
			quantize_block(x, most, blocks);
	}
}

/* sum of (code - offset) * x over @n weights from @i */
static int dot(const uint8_t *code, const int8_t *x, int i, int n, int offset)
{
	int sum = 0;

	for (int end = i + n; i < end; i++)
		sum += (code[i] - offset) * x[i];
	return sum;
}

static int dot_signed(const uint8_t *code, const int8_t *x, const int8_t *level)
{
	int sum = 0;

	for (int i = 0; i < 32; i++)
		sum += (level ? level[code[i]] : (int8_t)code[i]) * x[i];
	return sum;
}

static float multiply_slice(enum ferry_tensor_type type, const struct ferry_block_codes *c, int g,
			    const struct ferry_q8_block *a, float y)
{
	static const int8_t levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
					  1,	13,   25,  38,	53,  69,  89,  113};
	const uint8_t *w = c->weight + 32 * g, *scale = c->scale + 2 * g;
	const float d = ferry_f16_to_f32(c->d), m = ferry_f16_to_f32(c->m);
	const float d_scale = d * (float)c->scale[g], m_min = -m * (float)c->min[g];

	switch (type) {
	case FERRY_TYPE_Q4_0:
		return y + (float)dot(w, a->x, 0, 32, 8) * (d * a->d);
	case FERRY_TYPE_Q4_1:
		y += (float)dot(w, a->x, 0, 32, 0) * (d * a->d);
		return y + m * a->d_sum;
	case FERRY_TYPE_Q5_0:
		return y + (float)dot(w, a->x, 0, 32, 16) * (d * a->d);
	case FERRY_TYPE_Q5_1:
		y += (float)dot(w, a->x, 0, 32, 16) * (d * a->d);
		return y + (m + d * 16.0f) * a->d_sum;
	case FERRY_TYPE_Q8_0:
		return y + (float)dot_signed(w, a->x, NULL) * (d * a->d);
	case FERRY_TYPE_IQ4_NL:
		return y + (float)dot_signed(w, a->x, levels) * (d * a->d);
	case FERRY_TYPE_IQ4_XS:
		return y +
		       (float)dot_signed(w, a->x, levels) * (d * (float)(c->scale[g] - 32) * a->d);
	case FERRY_TYPE_Q4_K:
		y += (float)dot(w, a->x, 0, 32, 0) * (d_scale * a->d);
		return y + m_min * a->d_sum;
	case FERRY_TYPE_Q5_K:
		y += (float)dot(w, a->x, 0, 32, 16) * (d_scale * a->d);
		return y + (m_min + d_scale * 16.0f) * a->d_sum;
	case FERRY_TYPE_Q2_K:
		y += (float)(dot(w, a->x, 0, 16, 0) * (scale[0] & 15) +
			     dot(w, a->x, 16, 16, 0) * (scale[1] & 15)) *
		     (d * a->d);
		return y + (float)((scale[0] >> 4) * a->sum16[0] + (scale[1] >> 4) * a->sum16[1]) *
				   (-m * a->d);
	case FERRY_TYPE_Q3_K:
		return y + (float)(dot(w, a->x, 0, 16, 4) * (scale[0] - 32) +
				   dot(w, a->x, 16, 16, 4) * (scale[1] - 32)) *
				   (d * a->d);
	case FERRY_TYPE_Q6_K:
		return y + (float)(dot(w, a->x, 0, 16, 32) * (int8_t)scale[0] +
				   dot(w, a->x, 16, 16, 32) * (int8_t)scale[1]) *
				   (d * a->d);
	case FERRY_TYPE_F32:
	case FERRY_TYPE_F16:
	case FERRY_TYPE_BF16:
		break;
	}
	return NAN;
}

void ferry_matmul_packed_reference(const struct ferry_matrix *w, const struct ferry_activations *x,
				   float *y)
{
	const struct ferry_type_traits *traits = ferry_type_traits(w->type);
	const size_t n_slices = traits->block_len / 32;

	memset(y, 0, x->n_tokens * w->n_out * sizeof(*y));
	for (size_t o = 0; o < w->n_out; o++)
		for (size_t b = 0; b < w->n_in / traits->block_len; b++) {
			struct ferry_block_codes c;

			ferry_block_split(w->type,
					  w->rows + o * w->row_bytes + b * traits->block_bytes, &c);
			for (size_t t = 0; t < x->n_tokens; t++) {
				float *at = &y[t * w->n_out + o];

				for (size_t g = 0; g < n_slices; g++)
					*at = multiply_slice(
						w->type, &c, (int)g,
						&x->blocks[(b * n_slices + g) * x->n_tokens + t],
						*at);
			}
		}
}
