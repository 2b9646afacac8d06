/* SPDX-License-Identifier: MIT */
/*
 * Which interfaces the agent is to follow, and how far: one file DEVICE.autorate for each, which
 * `ferry net up --autorate` writes and `ferry net down` removes. A file is there whole or not at
 * all.
 *
 * { "device": "wan0", "identity": 7, "base_kbps": 20000, "floor_kbps": 5000, "ceiling_kbps": 40000,
 *   "reflectors": ["192.0.2.1", "2001:db8::1"] }
 */
#ifndef FERRY_NET_AUTORATE_SETTINGS_H
#define FERRY_NET_AUTORATE_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "net/autorate.h"
#include "net/echo.h"
#include "net/reflectors.h"

#define FERRY_AUTORATE_DIRECTORY "/run/ferry"

enum { FERRY_AUTORATE_DEVICES_MAX = 64, FERRY_AUTORATE_DEVICE_NAME = 16 };

struct ferry_autorate_settings {
	char device[FERRY_AUTORATE_DEVICE_NAME];
	uint64_t identity; /* of the interface, as ferry_device_find(); 0: any of that name */
	struct ferry_autorate_limits limits;
	/* Hosts that answer echoes, each of them once; none: local connections have to do. */
	struct ferry_echo_address reflectors[FERRY_REFLECTORS_MAX];
	size_t n_reflectors;
};

/**
 * ferry_autorate_settings_check - whether they can be followed
 *
 * Return: 0, or -EINVAL with @err filled.
 */
int ferry_autorate_settings_check(const struct ferry_autorate_settings *settings,
				  struct ferry_error *err);

/**
 * ferry_autorate_settings_add - one reflector more
 * @address: as text
 *
 * One that is there already is not added. Return: 0, -EINVAL for what is no address, or -E2BIG,
 * with @err filled.
 */
int ferry_autorate_settings_add(struct ferry_autorate_settings *settings, const char *address,
				struct ferry_error *err);

/**
 * ferry_autorate_settings_write - begin to follow an interface, or to do it otherwise
 * @directory: made where it is not there; NULL for /run/ferry
 *
 * Return: 0, or a negative errno with @err filled; then what was there before is still there.
 */
int ferry_autorate_settings_write(const char *directory,
				  const struct ferry_autorate_settings *settings,
				  struct ferry_error *err);

/* Return: 0, -ENOENT where there are none, -EINVAL for a file that makes no sense, or another. */
int ferry_autorate_settings_read(const char *directory, const char *device,
				 struct ferry_autorate_settings *settings, struct ferry_error *err);

/* Ends it. Settings that are not there are no error. */
int ferry_autorate_settings_remove(const char *directory, const char *device,
				   struct ferry_error *err);

/**
 * ferry_autorate_settings_list - all that can be followed, by name
 * @settings: [FERRY_AUTORATE_DEVICES_MAX]
 * @n: set to how many there are
 *
 * Files that make no sense are left out. Return: 0, or what was wrong with the first of those, with
 * @err filled; the others are there all the same.
 */
int ferry_autorate_settings_list(const char *directory, struct ferry_autorate_settings *settings,
				 size_t *n, struct ferry_error *err);

#endif
