/* SPDX-License-Identifier: MIT */
/*
 * ICMP echoes, as bytes. Nothing about this machine is in them: numbers that the agent draws, by
 * which it knows its own. No I/O.
 */
#ifndef FERRY_NET_ECHO_H
#define FERRY_NET_ECHO_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { FERRY_ECHO_BYTES = 20, FERRY_ECHO_ADDRESS_TEXT = 46 };

/* Whom to ask. */
struct ferry_echo_address {
	uint8_t family; /* AF_INET or AF_INET6; 0: none */
	uint8_t bytes[16];
};

struct ferry_echo {
	uint16_t identifier, sequence;
	uint32_t secret; /* of the socket: by it the kernel drops what is not ours */
	uint64_t cookie; /* of this echo */
};

/**
 * ferry_echo_read_address - "192.0.2.1" or "2001:db8::1"
 *
 * Return: 0, or -EINVAL with @err filled for what is no address or no single host elsewhere.
 */
int ferry_echo_read_address(const char *text, struct ferry_echo_address *address,
			    struct ferry_error *err);
void ferry_echo_write_address(const struct ferry_echo_address *address,
			      char text[FERRY_ECHO_ADDRESS_TEXT]);

/* A request. The checksum of ICMPv6 is the kernel's to fill in. */
void ferry_echo_write(const struct ferry_echo *echo, uint8_t family,
		      uint8_t bytes[FERRY_ECHO_BYTES]);

/**
 * ferry_echo_read - a reply, as a raw socket gives it: of IPv4 with its header, of IPv6 without
 *
 * Return: 0, or -EPROTO for anything else, also for a reply that is cut short or longer than ours.
 */
int ferry_echo_read(uint8_t family, const uint8_t *bytes, size_t n, struct ferry_echo *echo);

#endif
