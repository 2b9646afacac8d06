/* SPDX-License-Identifier: MIT */
/* Which network interface, of which network namespace, and whether it is still the same one. */
#ifndef FERRY_NET_DEVICE_H
#define FERRY_NET_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "ferry/error.h"

enum { FERRY_DEVICE_NAME = 16 };

struct ferry_device {
	unsigned int index;
	char name[FERRY_DEVICE_NAME];
	bool up;	   /* by its administrator */
	uint16_t type;	   /* ARPHRD_* */
	uint64_t identity; /* of this very interface, whatever it is called; 0: not known */
};

/* Return: 0, -ENODEV where there is no such interface in this network namespace. */
int ferry_device_find(const char *name, struct ferry_device *device, struct ferry_error *err);

/*
 * Whether two identities may be those of one interface. Indices and names come back: what was said
 * of an interface that has gone must not be believed of the next.
 */
bool ferry_device_same(uint64_t one, uint64_t other);

/* The network namespace of this process: a number that is never used again. */
uint64_t ferry_network_namespace(void);

#endif
