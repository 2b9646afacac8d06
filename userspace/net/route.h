/* SPDX-License-Identifier: MIT */
/*
 * A question to the kernel's routing netlink about queueing disciplines and filters: one message,
 * one answer, with a deadline.
 */
#ifndef FERRY_NET_ROUTE_H
#define FERRY_NET_ROUTE_H

#include <stddef.h>
#include <stdint.h>
#include <linux/rtnetlink.h>

#include "ferry/error.h"

struct nl_msg;
struct nlattr;

enum { FERRY_ROUTE_REASON = 200 };

/* Called for each answer; attributes [type] up to TCA_MAX. Anything but 0 ends the reading. */
typedef int ferry_route_answer(const struct tcmsg *tc, struct nlattr **attrs, void *data);

/**
 * ferry_route_dump - ask for a list
 * @type: RTM_GETQDISC or RTM_GETTFILTER
 *
 * Return: 0, what @answer returned, or negative errno.
 */
int ferry_route_dump(int type, unsigned int device, uint32_t parent, ferry_route_answer *answer,
		     void *data, struct ferry_error *err);

/* Begins a message; NULL where there is no memory. */
struct nl_msg *ferry_route_message(int type, int flags, unsigned int device, uint32_t parent,
				   uint32_t handle);

/**
 * ferry_route_do - send messages in one piece, so that no signal comes between them
 * @messages: [@n], freed in any case; one that is NULL is -ENOMEM
 * @results: [@n], what the kernel said to each: 0 or negative errno
 * @reason: the kernel's sentence about the first that it refused, or ""
 *
 * Return: 0 where all were answered, whatever the answers; else negative errno with @err filled.
 */
int ferry_route_do(struct nl_msg **messages, size_t n, int *results,
		   char reason[FERRY_ROUTE_REASON], struct ferry_error *err);

#endif
