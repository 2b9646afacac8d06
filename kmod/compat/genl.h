/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_COMPAT_GENL_H
#define FERRY_COMPAT_GENL_H

#include <net/genetlink.h>

/* A policy points to a const range since Linux 6.3. */
#ifdef FERRY_POLICY_RANGE_IS_CONST
#define ferry_const_range const
#else
#define ferry_const_range
#endif

/* Attributes of the request that a dump answers; in a struct genl_info since Linux 6.6. */
static inline struct nlattr **ferry_genl_dump_attrs(struct netlink_callback *cb)
{
#ifdef FERRY_GENL_DUMP_HAS_INFO
	return genl_dumpit_info(cb)->info.attrs;
#else
	return genl_dumpit_info(cb)->attrs;
#endif
}

#endif /* FERRY_COMPAT_GENL_H */
