/* SPDX-License-Identifier: MIT */
/*
 * Whether the interface that a connection leaves by still has a carrier, from the kernel's own word
 * (rtnetlink): a cable that is pulled is known at once, not when the peer has been silent for long.
 */
#ifndef FERRY_NODE_CARRIER_H
#define FERRY_NODE_CARRIER_H

#include <stdbool.h>

#include "wire/address.h"

struct ferry_carrier;

/*
 * Follows the interface that has the address @local. NULL where that cannot be found out or the
 * system does not tell: then deadlines have to do.
 */
struct ferry_carrier *ferry_carrier_new(const struct ferry_endpoint *local);
void ferry_carrier_free(struct ferry_carrier *c);

/* Readable when there is news. */
int ferry_carrier_fd(const struct ferry_carrier *c);

/* Takes the news; true where the interface, its carrier or its address is gone. */
bool ferry_carrier_is_down(struct ferry_carrier *c);

/* Of the interface: "wlan0". */
const char *ferry_carrier_name(const struct ferry_carrier *c);

#endif
