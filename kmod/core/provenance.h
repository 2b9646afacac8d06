/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_CORE_PROVENANCE_H
#define FERRY_CORE_PROVENANCE_H

#include <linux/types.h>
#include <linux/ferry.h>

/* Where a reading comes from (enum ferry_provenance), as it stands in sysfs. */
static inline const char *ferry_provenance_name(__u8 provenance)
{
	switch (provenance) {
#define ferry_row(provenance_, name_) \
	case provenance_:             \
		return name_;
		FERRY_PROVENANCE_TABLE(ferry_row)
#undef ferry_row
	default:
		return "unknown";
	}
}

#endif /* FERRY_CORE_PROVENANCE_H */
