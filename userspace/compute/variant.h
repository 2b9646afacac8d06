/* SPDX-License-Identifier: MIT */
/*
 * The kernel sources are compiled once per instruction set (meson.build). This gives each copy its
 * own symbols: FERRY_VARIANT(ferry_matmul) is ferry_matmul_avx2 in the AVX2 copy. kernels.h says
 * what the functions do.
 */
#ifndef FERRY_COMPUTE_VARIANT_H
#define FERRY_COMPUTE_VARIANT_H

#include "compute/kernels.h"

#ifndef FERRY_ISA
#error "kernel sources are compiled with -DFERRY_ISA=<name>"
#endif

#define FERRY_VARIANT_PASTE(name, isa)	name##_##isa
#define FERRY_VARIANT_EXPAND(name, isa) FERRY_VARIANT_PASTE(name, isa)
#define FERRY_VARIANT(name)		FERRY_VARIANT_EXPAND(name, FERRY_ISA)
#define FERRY_VARIANT_QUOTE(isa)	#isa
#define FERRY_VARIANT_STRING(isa)	FERRY_VARIANT_QUOTE(isa)

/* matmul.c */
void FERRY_VARIANT(ferry_matmul)(const struct ferry_matrix *w, const float *x, size_t x_stride,
				 size_t n_tokens, float *y, size_t y_stride, size_t row_begin,
				 size_t row_end);
void FERRY_VARIANT(ferry_unpack)(enum ferry_tensor_type type, const void *src, float *dst,
				 size_t n);

/* activation.c */
void FERRY_VARIANT(ferry_quantize)(const float *x, size_t n, struct ferry_q8_block *blocks,
				   size_t stride);

/* matmul_packed.c */
void FERRY_VARIANT(ferry_matmul_packed)(const struct ferry_packed *w,
					const struct ferry_activations *x, size_t first,
					size_t n_tokens, float *y, size_t y_stride,
					size_t group_begin, size_t group_end);

/* elementwise.c */
void FERRY_VARIANT(ferry_rms_norm)(float *y, const float *x, const float *w, size_t n, float eps);
void FERRY_VARIANT(ferry_silu_mul)(float *gate, const float *up, size_t n);
void FERRY_VARIANT(ferry_gelu_mul)(float *gate, const float *up, size_t n);
void FERRY_VARIANT(ferry_softcap)(float *x, size_t n, float cap);
void FERRY_VARIANT(ferry_exp)(float *x, size_t n);

/* attention.c */
void FERRY_VARIANT(ferry_attention)(const struct ferry_attention_kv *kv,
				    const struct ferry_attention_row *rows, uint32_t n_rows,
				    const struct ferry_attention_scale *scale, float *scratch);
void FERRY_VARIANT(ferry_attention_run)(const struct ferry_attention_kv *kv,
					const struct ferry_attention_row *rows, uint32_t n_rows,
					const struct ferry_attention_scale *scale, float *scratch);
void FERRY_VARIANT(ferry_attention_merge)(float *records, size_t n, size_t stride,
					  uint32_t value_dim, float *out);

/* attention_store.c */
void FERRY_VARIANT(ferry_put_key)(const struct ferry_attention_kv *kv, uint32_t position,
				  const float *key);
void FERRY_VARIANT(ferry_put_value)(const struct ferry_attention_kv *kv, uint32_t position,
				    const float *value);

/* codec.c */
bool FERRY_VARIANT(ferry_encode)(enum ferry_codec codec, const float *x, size_t n, uint8_t *bytes);
bool FERRY_VARIANT(ferry_decode)(enum ferry_codec codec, const uint8_t *bytes, size_t n, float *x);

extern const struct ferry_kernels FERRY_VARIANT(ferry_kernels);

#endif
