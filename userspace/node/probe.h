/* SPDX-License-Identifier: MIT */
/*
 * What the link to an edge can do, measured by PINGs of different sizes.
 */
#ifndef FERRY_NODE_PROBE_H
#define FERRY_NODE_PROBE_H

#include "ferry/error.h"
#include "node/uplink.h"
#include "plan/problem.h"

/**
 * ferry_probe_link - RTT and bandwidth in both directions.
 *
 * The RTT is the least of a few empty PINGs. Bandwidth comes from payloads of 16 KiB and more,
 * until one takes long enough beyond the RTT to mean something. Takes a dozen round trips, or about
 * a second of the link's time. Return: 0 or the codes of ferry_uplink_ping().
 */
int ferry_probe_link(struct ferry_uplink *u, struct ferry_link_cost *out, struct ferry_error *err);

#endif
