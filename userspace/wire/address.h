/* SPDX-License-Identifier: MIT */
/*
 * Where a node listens: HOST:PORT on the command line, endpoints for the kernel.
 *
 * A host is an IPv4 or IPv6 address, "localhost", or a name in /etc/hosts. DNS is not asked: the
 * C library's resolver can neither be bounded in time nor cancelled, and nothing here may block.
 */
#ifndef FERRY_WIRE_ADDRESS_H
#define FERRY_WIRE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "ferry/error.h"

enum {
	FERRY_ADDRESS_HOST = 256,
	FERRY_ENDPOINT_TEXT = 80,
	FERRY_MAX_ENDPOINTS = 8, /* of one name */
};

struct ferry_address {
	char host[FERRY_ADDRESS_HOST]; /* without brackets */
	uint16_t port;
};

struct ferry_endpoint {
	struct sockaddr_storage addr;
	socklen_t len;
};

/* "127.0.0.1:7070", "[::1]:7070", "gateway:7070". -EINVAL with a sentence. */
int ferry_address_parse(const char *text, struct ferry_address *a, struct ferry_error *err);

/**
 * ferry_address_resolve - the endpoints of an address, in the order in which to try them.
 * @out: receives at most FERRY_MAX_ENDPOINTS
 * @n: receives how many, at least 1
 *
 * Return: 0, -ENOENT for a host that is neither an address nor in /etc/hosts.
 */
int ferry_address_resolve(const struct ferry_address *a, struct ferry_endpoint *out, unsigned *n,
			  struct ferry_error *err);

/* The same over the text of a hosts file; returns how many were found. */
unsigned ferry_hosts_find(const char *text, size_t n_text, const struct ferry_address *a,
			  struct ferry_endpoint *out, unsigned max);

bool ferry_endpoint_is_loopback(const struct ferry_endpoint *e);

/* In host order; 0 for a socket that has none. */
uint16_t ferry_endpoint_port(const struct ferry_endpoint *e);

/* "127.0.0.1:7070" or "[::1]:7070". */
void ferry_endpoint_text(const struct ferry_endpoint *e, char text[FERRY_ENDPOINT_TEXT]);

/*
 * Bytes are not encrypted, so only loopback is allowed unless the user said @insecure: -EPERM.
 * @what: "listen on" or "connect to".
 */
int ferry_endpoint_check_plaintext(const struct ferry_endpoint *e, bool insecure, const char *what,
				   struct ferry_error *err);

#endif
