/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_ENERGY_ATTRIBUTES_H
#define FERRY_ENERGY_ATTRIBUTES_H

struct attribute_group;

/* Files of a source's directory; which of them it has depends on what the source has ever said. */
extern const struct attribute_group *ferry_energy_groups[];

#endif /* FERRY_ENERGY_ATTRIBUTES_H */
