// SPDX-License-Identifier: MIT
#include "model/tensor_check.h"

#include "base/bytes.h"

enum {
	F16_EXPONENT = 0x7c00, /* all ones: infinity or NaN */
	BF16_EXPONENT = 0x7f80,
};

/* Where the 16-bit floats of a block lie. */
struct float_fields {
	unsigned n;
	unsigned offset[2];
	unsigned exponent;
};

static struct float_fields float_fields(enum ferry_tensor_type type)
{
	switch (type) {
	case FERRY_TYPE_F32: /* its exponent is in the upper half, which is laid out like BF16 */
		return (struct float_fields){1, {2}, BF16_EXPONENT};
	case FERRY_TYPE_BF16:
		return (struct float_fields){1, {0}, BF16_EXPONENT};
	case FERRY_TYPE_F16:
	case FERRY_TYPE_Q4_0:
	case FERRY_TYPE_Q5_0:
	case FERRY_TYPE_Q8_0:
	case FERRY_TYPE_IQ4_NL:
	case FERRY_TYPE_IQ4_XS:
		return (struct float_fields){1, {0}, F16_EXPONENT};
	case FERRY_TYPE_Q4_1:
	case FERRY_TYPE_Q5_1:
	case FERRY_TYPE_Q4_K:
	case FERRY_TYPE_Q5_K:
		return (struct float_fields){2, {0, 2}, F16_EXPONENT};
	case FERRY_TYPE_Q2_K:
		return (struct float_fields){2, {80, 82}, F16_EXPONENT};
	case FERRY_TYPE_Q3_K:
		return (struct float_fields){1, {108}, F16_EXPONENT};
	case FERRY_TYPE_Q6_K:
		return (struct float_fields){1, {208}, F16_EXPONENT};
	}
	return (struct float_fields){0};
}

bool ferry_tensor_is_finite(const struct ferry_tensor *t, uint64_t *at)
{
	const struct ferry_type_traits *traits = ferry_type_traits(t->type);
	struct float_fields fields = float_fields(t->type);
	uint64_t n_blocks = t->n_bytes / traits->block_bytes;

	for (uint64_t b = 0; b < n_blocks; b++) {
		const uint8_t *block = t->data + b * traits->block_bytes;

		for (unsigned i = 0; i < fields.n; i++) {
			unsigned bits = ferry_load_le16(block + fields.offset[i]);

			if ((bits & fields.exponent) == fields.exponent) {
				*at = b * traits->block_len;
				return false;
			}
		}
	}
	return true;
}
