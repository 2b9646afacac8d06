/* SPDX-License-Identifier: MIT */
#ifndef FERRY_NET_EXTENDED_ACK_H
#define FERRY_NET_EXTENDED_ACK_H

#include <stddef.h>

struct nlmsgerr;

/* The kernel's own sentence about what it refuses, into @reason; untouched where it has none. */
void ferry_extended_ack(const struct nlmsgerr *refusal, char *reason, size_t bytes);

#endif
