/* SPDX-License-Identifier: MIT */
/*
 * Two raw sockets, for echoes of IPv4 and IPv6: opened while a process may, of use afterwards
 * without any privilege. The kernel drops everything but replies with the numbers of this process
 * before they wake it, and nothing here blocks.
 *
 * The interface is told with each echo (IP_PKTINFO) and looked at in each reply, which is what
 * SO_BINDTODEVICE would do: but a socket can be bound again with CAP_NET_RAW only, and links come
 * after that has gone.
 */
#ifndef FERRY_NET_PINGER_H
#define FERRY_NET_PINGER_H

#include <stdint.h>

#include "base/error.h"
#include "net/echo.h"

struct ferry_pinger;

/* A reply to an echo of this pinger; whether it was asked for is for others to know. */
struct ferry_ping {
	struct ferry_echo_address from;
	uint32_t ifindex; /* by which it came in */
	uint16_t sequence;
	uint64_t cookie;
	uint64_t received_us; /* when the kernel had it, by CLOCK_MONOTONIC */
};

/**
 * ferry_pinger_open - takes CAP_NET_RAW
 *
 * One of the two families is enough. Return: 0, or a negative errno with @err filled.
 */
int ferry_pinger_open(struct ferry_pinger **pinger, struct ferry_error *err);
void ferry_pinger_close(struct ferry_pinger *pinger);

/* For epoll; -1 where the kernel does not have the family. @family: AF_INET or AF_INET6 */
int ferry_pinger_fd(const struct ferry_pinger *pinger, uint8_t family);

/**
 * ferry_pinger_send - an echo out of an interface
 * @priority: skb->priority of it; more than 6 takes CAP_NET_ADMIN
 *
 * Return: 0, or a negative errno, as -EAGAIN where there is no room, -ENETUNREACH.
 */
int ferry_pinger_send(struct ferry_pinger *pinger, const struct ferry_echo_address *to,
		      uint32_t ifindex, uint32_t priority, uint16_t sequence, uint64_t cookie);

/* Return: 1 with @ping filled, 0 where none is waiting, -EPROTO for what is no reply of ours. */
int ferry_pinger_receive(struct ferry_pinger *pinger, uint8_t family, struct ferry_ping *ping);

/* A random number, for a cookie; 0 where there is none. */
uint64_t ferry_pinger_draw(void);

#endif
