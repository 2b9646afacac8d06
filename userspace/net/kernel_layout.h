/* SPDX-License-Identifier: MIT */
/* Where members of the running kernel's structures are, by its BTF. */
#ifndef FERRY_NET_KERNEL_LAYOUT_H
#define FERRY_NET_KERNEL_LAYOUT_H

#include <stdint.h>

struct ferry_kernel_member {
	const char *type;   /* name of a struct */
	const char *member; /* of the struct itself or of an anonymous part of it */
	uint32_t offset;    /* bytes; 0 where the kernel has no BTF or no such member */
};

/* Fills the offsets of @n members. Takes some 10 ms and gives the memory back. */
void ferry_kernel_layout(struct ferry_kernel_member *members, int n);

#endif
