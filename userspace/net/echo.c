// SPDX-License-Identifier: MIT
#include "net/echo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

enum {
	IP_BYTES_MIN = 20,
	AT_CHECKSUM = 2,
	AT_IDENTIFIER = 4,
	AT_SEQUENCE = 6,
	AT_SECRET = 8,
	AT_COOKIE = 12,
	AT_PROTOCOL = 9, /* in the header of IPv4 */
};

static void put(uint8_t *to, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		to[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
}

static uint64_t get(const uint8_t *from, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | from[i];
	return value;
}

/* RFC 1071; 0 over what holds its own right one. @n is even. */
static uint16_t checksum(const uint8_t *bytes, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i += 2)
		sum += (uint32_t)get(bytes + i, 2);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

int ferry_echo_read_address(const char *text, struct ferry_echo_address *address,
			    struct ferry_error *err)
{
	struct in6_addr v6;
	struct in_addr v4;
	bool host = false;

	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, text, &v4) == 1) {
		const uint32_t ip = ntohl(v4.s_addr);

		/* Neither this net nor loopback, nor what many hosts would answer. */
		host = ip >> 24 != 0 && ip >> 24 != 127 && ip >> 28 < 14;
		address->family = AF_INET;
		memcpy(address->bytes, &v4, sizeof(v4));
	} else if (inet_pton(AF_INET6, text, &v6) == 1) {
		host = !IN6_IS_ADDR_UNSPECIFIED(&v6) && !IN6_IS_ADDR_LOOPBACK(&v6) &&
		       !IN6_IS_ADDR_MULTICAST(&v6) && !IN6_IS_ADDR_V4MAPPED(&v6);
		address->family = AF_INET6;
		memcpy(address->bytes, &v6, sizeof(v6));
	}
	if (host)
		return 0;
	address->family = 0;
	return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
			  "'%.60s' is no address of a host that could answer echoes, as 192.0.2.1 "
			  "or 2001:db8::1",
			  text);
}

void ferry_echo_write_address(const struct ferry_echo_address *address,
			      char text[FERRY_ECHO_ADDRESS_TEXT])
{
	if (!inet_ntop(address->family, address->bytes, text, FERRY_ECHO_ADDRESS_TEXT))
		text[0] = 0;
}

void ferry_echo_write(const struct ferry_echo *echo, uint8_t family,
		      uint8_t bytes[FERRY_ECHO_BYTES])
{
	memset(bytes, 0, FERRY_ECHO_BYTES);
	bytes[0] = family == AF_INET6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
	put(bytes + AT_IDENTIFIER, echo->identifier, 2);
	put(bytes + AT_SEQUENCE, echo->sequence, 2);
	put(bytes + AT_SECRET, echo->secret, 4);
	put(bytes + AT_COOKIE, echo->cookie, 8);
	if (family != AF_INET6)
		put(bytes + AT_CHECKSUM, checksum(bytes, FERRY_ECHO_BYTES), 2);
}

int ferry_echo_read(uint8_t family, const uint8_t *bytes, size_t n, struct ferry_echo *echo)
{
	memset(echo, 0, sizeof(*echo));
	if (family == AF_INET) {
		size_t header;

		if (n < IP_BYTES_MIN || bytes[0] >> 4 != 4 || bytes[AT_PROTOCOL] != IPPROTO_ICMP)
			return -EPROTO;
		header = (size_t)(bytes[0] & 0xf) * 4;
		if (header < IP_BYTES_MIN || n != header + FERRY_ECHO_BYTES)
			return -EPROTO;
		bytes += header;
		/* The kernel has looked at IPv6's, but of IPv4 it gives us what comes. */
		if (checksum(bytes, FERRY_ECHO_BYTES))
			return -EPROTO;
	} else if (family != AF_INET6 || n != FERRY_ECHO_BYTES) {
		return -EPROTO;
	}
	if (bytes[0] != (family == AF_INET6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) || bytes[1])
		return -EPROTO;
	echo->identifier = (uint16_t)get(bytes + AT_IDENTIFIER, 2);
	echo->sequence = (uint16_t)get(bytes + AT_SEQUENCE, 2);
	echo->secret = (uint32_t)get(bytes + AT_SECRET, 4);
	echo->cookie = get(bytes + AT_COOKIE, 8);
	return 0;
}
