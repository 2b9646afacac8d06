// SPDX-License-Identifier: MIT
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "model/gguf.h"
#include "model/gguf_parse.h"

static const char *type_name(enum ferry_gguf_type type)
{
	static const char *const names[] = {
		[FERRY_GGUF_U8] = "an 8-bit number",  [FERRY_GGUF_I8] = "an 8-bit number",
		[FERRY_GGUF_U16] = "a 16-bit number", [FERRY_GGUF_I16] = "a 16-bit number",
		[FERRY_GGUF_U32] = "a 32-bit number", [FERRY_GGUF_I32] = "a 32-bit number",
		[FERRY_GGUF_F32] = "a 32-bit float",  [FERRY_GGUF_BOOL] = "a truth value",
		[FERRY_GGUF_STRING] = "a string",     [FERRY_GGUF_ARRAY] = "an array",
		[FERRY_GGUF_U64] = "a 64-bit number", [FERRY_GGUF_I64] = "a 64-bit number",
		[FERRY_GGUF_F64] = "a 64-bit float",
	};

	return names[type];
}

static int wrong_type(const struct ferry_gguf *g, const struct ferry_gguf_value *v,
		      const char *wanted, struct ferry_error *err)
{
	return ferry_gguf_damaged(g, err, "key %s holds %s where %s belongs", v->key,
				  type_name(v->type), wanted);
}

static bool is_signed(enum ferry_gguf_type type)
{
	return type == FERRY_GGUF_I8 || type == FERRY_GGUF_I16 || type == FERRY_GGUF_I32 ||
	       type == FERRY_GGUF_I64;
}

static bool is_unsigned(enum ferry_gguf_type type)
{
	return type == FERRY_GGUF_U8 || type == FERRY_GGUF_U16 || type == FERRY_GGUF_U32 ||
	       type == FERRY_GGUF_U64;
}

int ferry_gguf_get_u32(const struct ferry_gguf *g, const char *key, uint32_t *out,
		       struct ferry_error *err)
{
	const struct ferry_gguf_value *v = ferry_gguf_find(g, key);

	if (!v)
		return 0;
	if (!is_signed(v->type) && !is_unsigned(v->type))
		return wrong_type(g, v, "a whole number", err);
	if (is_signed(v->type) && v->i < 0)
		return ferry_gguf_damaged(g, err, "key %s is %lld, which is negative", key,
					  (long long)v->i);
	if (v->u > UINT32_MAX)
		return ferry_gguf_damaged(g, err, "key %s is %llu, which is too large", key,
					  (unsigned long long)v->u);
	*out = (uint32_t)v->u;
	return 1;
}

int ferry_gguf_get_f32(const struct ferry_gguf *g, const char *key, float *out,
		       struct ferry_error *err)
{
	const struct ferry_gguf_value *v = ferry_gguf_find(g, key);

	if (!v)
		return 0;
	if (v->type == FERRY_GGUF_F32 || v->type == FERRY_GGUF_F64) {
		/* NaN and infinity are floats too; only a finite number can fail to fit. */
		if (isfinite(v->f) && !isfinite((float)v->f))
			return ferry_gguf_damaged(g, err, "key %s is %g, which is too large", key,
						  v->f);
		*out = (float)v->f;
	} else if (is_signed(v->type)) {
		*out = (float)v->i;
	} else if (is_unsigned(v->type)) {
		*out = (float)v->u;
	} else {
		return wrong_type(g, v, "a number", err);
	}
	return 1;
}

int ferry_gguf_get_bool(const struct ferry_gguf *g, const char *key, bool *out,
			struct ferry_error *err)
{
	const struct ferry_gguf_value *v = ferry_gguf_find(g, key);

	if (!v)
		return 0;
	if (v->type != FERRY_GGUF_BOOL &&
	    !((is_signed(v->type) || is_unsigned(v->type)) && v->u <= 1))
		return wrong_type(g, v, "a truth value", err);
	*out = v->u != 0;
	return 1;
}

int ferry_gguf_get_string(const struct ferry_gguf *g, const char *key,
			  struct ferry_gguf_string *out, struct ferry_error *err)
{
	const struct ferry_gguf_value *v = ferry_gguf_find(g, key);

	if (!v)
		return 0;
	if (v->type != FERRY_GGUF_STRING)
		return wrong_type(g, v, "a string", err);
	*out = v->s;
	return 1;
}

int64_t ferry_gguf_array_i64(const struct ferry_gguf_value *v, uint64_t i)
{
	const uint8_t *data = v->array.data;
	uint64_t u;

	switch (v->array.type) {
	case FERRY_GGUF_U8:
		return data[i];
	case FERRY_GGUF_BOOL:
		return data[i] != 0;
	case FERRY_GGUF_I8:
		return (int8_t)data[i];
	case FERRY_GGUF_U16:
		return ferry_load_le16(data + 2 * i);
	case FERRY_GGUF_I16:
		return (int16_t)ferry_load_le16(data + 2 * i);
	case FERRY_GGUF_U32:
		return ferry_load_le32(data + 4 * i);
	case FERRY_GGUF_I32:
		return (int32_t)ferry_load_le32(data + 4 * i);
	case FERRY_GGUF_I64:
		return (int64_t)ferry_load_le64(data + 8 * i);
	case FERRY_GGUF_U64:
		u = ferry_load_le64(data + 8 * i);
		return u > INT64_MAX ? INT64_MAX : (int64_t)u;
	default:
		return 0;
	}
}

float ferry_gguf_array_f32(const struct ferry_gguf_value *v, uint64_t i)
{
	uint64_t bits;
	double d;

	switch (v->array.type) {
	case FERRY_GGUF_F32:
		return ferry_load_lef32(v->array.data + 4 * i);
	case FERRY_GGUF_F64:
		bits = ferry_load_le64(v->array.data + 8 * i);
		memcpy(&d, &bits, sizeof(d));
		return (float)d;
	default:
		return (float)ferry_gguf_array_i64(v, i);
	}
}
