// SPDX-License-Identifier: MIT
#include "tc/attributes.h"

#include <string.h>

enum { MAX_ATTRIBUTES = 32 };

void ferry_tc_attributes(struct rtattr **table, int max, const struct rtattr *nest)
{
	struct rtattr *attribute = RTA_DATA(nest);
	int left = RTA_PAYLOAD(nest);

	memset(table, 0, sizeof(*table) * (size_t)(max + 1));
	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		int type = attribute->rta_type & NLA_TYPE_MASK;

		if (type <= max)
			table[type] = attribute;
	}
}

uint64_t ferry_tc_number(const struct rtattr *attribute, size_t size)
{
	uint8_t u8;
	uint32_t u32;
	uint64_t u64;

	if (!attribute || RTA_PAYLOAD(attribute) < size)
		return 0;
	switch (size) {
	case sizeof(u8):
		memcpy(&u8, RTA_DATA(attribute), size);
		return u8;
	case sizeof(u32):
		memcpy(&u32, RTA_DATA(attribute), size);
		return u32;
	default:
		memcpy(&u64, RTA_DATA(attribute), sizeof(u64));
		return u64;
	}
}

void ferry_tc_each_nest(const struct rtattr *nests, int type, int max,
			void (*each)(struct rtattr **table, void *context), void *context)
{
	struct rtattr *table[MAX_ATTRIBUTES + 1];
	struct rtattr *nest;
	int left;

	if (!nests || max > MAX_ATTRIBUTES)
		return;
	nest = RTA_DATA(nests);
	left = RTA_PAYLOAD(nests);
	for (; RTA_OK(nest, left); nest = RTA_NEXT(nest, left)) {
		if ((nest->rta_type & NLA_TYPE_MASK) != type)
			continue;
		ferry_tc_attributes(table, max, nest);
		each(table, context);
	}
}
