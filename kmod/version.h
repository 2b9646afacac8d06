/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_VERSION_H
#define FERRY_VERSION_H

/* Equal to the version in meson.build; tests/unit/kmod holds the two together. */
#define FERRY_VERSION "0.1.0"

#endif /* FERRY_VERSION_H */
