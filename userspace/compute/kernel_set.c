// SPDX-License-Identifier: MIT
#include "compute/variant.h"

const struct ferry_kernels FERRY_VARIANT(ferry_kernels) = {
	.name = FERRY_VARIANT_STRING(FERRY_ISA),
	.matmul = FERRY_VARIANT(ferry_matmul),
	.quantize = FERRY_VARIANT(ferry_quantize),
	.matmul_packed = FERRY_VARIANT(ferry_matmul_packed),
	.unpack = FERRY_VARIANT(ferry_unpack),
	.rms_norm = FERRY_VARIANT(ferry_rms_norm),
	.silu_mul = FERRY_VARIANT(ferry_silu_mul),
	.gelu_mul = FERRY_VARIANT(ferry_gelu_mul),
	.softcap = FERRY_VARIANT(ferry_softcap),
	.exp = FERRY_VARIANT(ferry_exp),
	.attention = FERRY_VARIANT(ferry_attention),
	.attention_run = FERRY_VARIANT(ferry_attention_run),
	.attention_merge = FERRY_VARIANT(ferry_attention_merge),
	.put_key = FERRY_VARIANT(ferry_put_key),
	.put_value = FERRY_VARIANT(ferry_put_value),
	.encode = FERRY_VARIANT(ferry_encode),
	.decode = FERRY_VARIANT(ferry_decode),
};
