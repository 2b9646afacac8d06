// SPDX-License-Identifier: MIT
#include "compute/packed.h"

#include <string.h>

#include "base/bytes.h"

enum { LANES = FERRY_PACKED_LANES, SLAB = FERRY_PACKED_SLAB, SLICE = 32 };

/* How many bits of a code go where. */
struct plan {
	uint8_t low, high; /* bits of the planes of a slice */
	uint8_t scales;	   /* groups with a scale in the header */
	uint8_t scale_low; /* their bits in low[], 0 where the scale is a whole byte */
	bool has_m, has_min;
};

static struct plan plan_of(enum ferry_tensor_type type)
{
	switch (type) {
	case FERRY_TYPE_Q4_1:
		return (struct plan){.low = 4, .has_m = true};
	case FERRY_TYPE_Q5_0:
		return (struct plan){.low = 4, .high = 1};
	case FERRY_TYPE_Q5_1:
		return (struct plan){.low = 4, .high = 1, .has_m = true};
	case FERRY_TYPE_Q8_0:
		return (struct plan){.low = 8};
	case FERRY_TYPE_Q2_K:
		return (struct plan){.low = 2, .scales = 16, .has_m = true};
	case FERRY_TYPE_Q3_K:
		return (struct plan){.low = 2, .high = 1, .scales = 16, .scale_low = 4};
	case FERRY_TYPE_Q4_K:
		return (struct plan){
			.low = 4, .scales = 8, .scale_low = 4, .has_m = true, .has_min = true};
	case FERRY_TYPE_Q5_K:
		return (struct plan){.low = 4,
				     .high = 1,
				     .scales = 8,
				     .scale_low = 4,
				     .has_m = true,
				     .has_min = true};
	case FERRY_TYPE_Q6_K:
		return (struct plan){.low = 4, .high = 2, .scales = 16};
	case FERRY_TYPE_IQ4_XS:
		return (struct plan){.low = 4, .scales = 8, .scale_low = 4};
	default: /* Q4_0, IQ4_NL */
		return (struct plan){.low = 4};
	}
}

/* Bits [shift, shift + width) of *byte and bits [from, from + width) of *code are the same. */
static inline void move_bits(uint8_t *byte, int shift, uint8_t *code, int from, int width,
			     bool pack)
{
	const unsigned mask = (1u << width) - 1;

	if (pack)
		*byte |= (uint8_t)((*code >> from & mask) << shift);
	else
		*code |= (uint8_t)((*byte >> shift & mask) << from);
}

static size_t move_header(const struct plan *plan, uint8_t *chunk, int lane,
			  struct ferry_block_codes *c, bool pack)
{
	uint8_t *at = chunk, *low, *high;

	for (int i = 0; i < 1 + plan->has_m; i++, at += 2 * LANES) {
		uint16_t *h = i ? &c->m : &c->d;

		if (pack)
			ferry_store_le16(at + 2 * lane, *h);
		else
			*h = ferry_load_le16(at + 2 * lane);
	}
	if (plan->scales && !plan->scale_low) {
		for (int g = 0; g < plan->scales; g++)
			move_bits(at + LANES * g + lane, 0, &c->scale[g], 0, 8, pack);
		return (size_t)(at - chunk) + LANES * plan->scales;
	}
	low = at + lane;
	if (plan->has_min) {
		high = low + LANES * plan->scales;
		for (int g = 0; g < plan->scales; g++) {
			uint8_t *h = high + g / 2 * LANES;

			move_bits(low + g * LANES, 0, &c->scale[g], 0, 4, pack);
			move_bits(low + g * LANES, 4, &c->min[g], 0, 4, pack);
			move_bits(h, g % 2 * 4, &c->scale[g], 4, 2, pack);
			move_bits(h, g % 2 * 4 + 2, &c->min[g], 4, 2, pack);
		}
		return (size_t)(at - chunk) + LANES * plan->scales * 3 / 2;
	}
	high = low + LANES * plan->scales / 2;
	for (int g = 0; g < plan->scales; g++) {
		move_bits(low + g / 2 * LANES, g % 2 * 4, &c->scale[g], 0, 4, pack);
		move_bits(high + g / 4 * LANES, g % 4 * 2, &c->scale[g], 4, 2, pack);
	}
	return (size_t)(at - chunk) + LANES * plan->scales * 3 / 4;
}

/* One plane of one lane: @width bits of each of 32 codes, from bit @from of the code. */
static inline void move_plane(uint8_t *plane, uint8_t *weight, int from, const int width, bool pack)
{
	const int per_byte = 8 / width; /* slabs that share 64 bytes */

	for (int s = 0; s < 8; s++) {
		/* Nibbles pair slab s with s + 4; narrower fields take consecutive slabs. */
		uint8_t *at = plane + SLAB * (width == 4 ? s % 4 : s / per_byte);
		const int shift = width == 4 ? s / 4 * 4 : s % per_byte * width;

		for (int i = 0; i < 4; i++)
			move_bits(&at[i], shift, &weight[4 * s + i], from, width, pack);
	}
}

static inline uint8_t *move_plane_of(int width, uint8_t *plane, uint8_t *weight, int from,
				     bool pack)
{
	switch (width) {
	case 8:
		move_plane(plane, weight, from, 8, pack);
		break;
	case 4:
		move_plane(plane, weight, from, 4, pack);
		break;
	case 2:
		move_plane(plane, weight, from, 2, pack);
		break;
	case 1:
		move_plane(plane, weight, from, 1, pack);
		break;
	default:
		break;
	}
	return plane + SLAB * width;
}

static inline void move_chunk(const struct plan *plan, size_t block_len, uint8_t *chunk, int lane,
			      struct ferry_block_codes *c, bool pack)
{
	uint8_t *at = chunk + move_header(plan, chunk, lane, c, pack) + 4 * lane;

	for (size_t i = 0; i < block_len; i += SLICE) {
		at = move_plane_of(plan->low, at, c->weight + i, 0, pack);
		at = move_plane_of(plan->high, at, c->weight + i, plan->low, pack);
	}
}

void ferry_pack_groups_reference(const struct ferry_matrix *w, size_t begin, size_t end,
				 uint8_t *out)
{
	const struct ferry_type_traits *traits = ferry_type_traits(w->type);
	const struct plan plan = plan_of(w->type);
	const size_t chunk_bytes = (size_t)LANES * traits->block_bytes;

	memset(out, 0, (end - begin) * LANES * w->row_bytes);
	for (size_t g = begin; g < end; g++)
		for (size_t i = 0; i < w->row_bytes; i += traits->block_bytes, out += chunk_bytes)
			for (int lane = 0; lane < LANES; lane++) {
				const size_t row = g * LANES + (size_t)lane;
				struct ferry_block_codes c;

				if (row >= w->n_out)
					break;
				ferry_block_split(w->type, w->rows + row * w->row_bytes + i, &c);
				move_chunk(&plan, traits->block_len, out, lane, &c, true);
			}
}

void ferry_packed_row(const struct ferry_packed *p, size_t row, uint8_t *out)
{
	const struct ferry_type_traits *traits = ferry_type_traits(p->type);
	const struct plan plan = plan_of(p->type);
	const size_t chunk_bytes = (size_t)LANES * traits->block_bytes;
	const uint8_t *group = p->groups + row / LANES * p->group_bytes;

	for (size_t i = 0; i < p->n_in; i += traits->block_len) {
		struct ferry_block_codes c = {0};

		/* Reading, move_chunk() leaves the chunk as it is. */
		move_chunk(&plan, traits->block_len, (uint8_t *)(uintptr_t)group,
			   (int)(row % LANES), &c, false);
		ferry_block_join(p->type, &c, out);
		group += chunk_bytes;
		out += traits->block_bytes;
	}
}
