// SPDX-License-Identifier: MIT
#include "net/kernel_layout.h"

#include <bpf/btf.h>
#include <stdbool.h>
#include <string.h>

enum { NESTING_MAX = 4 };

/* Bits into the struct or union @id; -1 without such a member. */
static int64_t find_member(const struct btf *btf, uint32_t id, const char *name, int depth)
{
	const struct btf_type *type = btf__type_by_id(btf, id);
	const struct btf_member *member;

	if (!type || !btf_is_composite(type) || depth > NESTING_MAX)
		return -1;
	member = btf_members(type);
	for (uint32_t i = 0; i < btf_vlen(type); i++) {
		const int64_t at = btf_member_bit_offset(type, i);
		const char *its_name = btf__name_by_offset(btf, member[i].name_off);
		int64_t inner;

		if (its_name && !strcmp(its_name, name))
			return at;
		if (its_name && *its_name)
			continue;
		inner = find_member(btf, member[i].type, name, depth + 1);
		if (inner >= 0)
			return at + inner;
	}
	return -1;
}

void ferry_kernel_layout(struct ferry_kernel_member *members, int n)
{
	struct btf *btf = btf__load_vmlinux_btf();

	for (int i = 0; i < n; i++) {
		int64_t bits = -1;
		int id = -1;

		members[i].offset = 0;
		if (btf)
			id = btf__find_by_name_kind(btf, members[i].type, BTF_KIND_STRUCT);
		if (id > 0)
			bits = find_member(btf, (uint32_t)id, members[i].member, 0);
		if (bits > 0 && bits % 8 == 0)
			members[i].offset = (uint32_t)(bits / 8);
	}
	btf__free(btf);
}
