/* SPDX-License-Identifier: MIT */
/* Attributes of a message from the kernel, which may be of another version than this plugin. */
#ifndef FERRY_TC_ATTRIBUTES_H
#define FERRY_TC_ATTRIBUTES_H

#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

/* The attributes of @nest by type; those beyond @max are left out, those that are absent NULL. */
void ferry_tc_attributes(struct rtattr **table, int max, const struct rtattr *nest);

/* The number that an attribute holds; 0 where it is absent or shorter than @size. */
uint64_t ferry_tc_number(const struct rtattr *attribute, size_t size);

/* Calls @each with the attributes of each nest of @type inside @nests. */
void ferry_tc_each_nest(const struct rtattr *nests, int type, int max,
			void (*each)(struct rtattr **table, void *context), void *context);

#endif /* FERRY_TC_ATTRIBUTES_H */
