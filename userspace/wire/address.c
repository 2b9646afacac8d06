// SPDX-License-Identifier: MIT
#include "wire/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"

enum { HOSTS_MAX_BYTES = 1 << 20 };

static int parse_port(const char *text, const char *port, uint16_t *out, struct ferry_error *err)
{
	unsigned long n = 0;

	for (const char *p = port; *p; p++) {
		if (*p < '0' || *p > '9' || n > 65535)
			n = 65536;
		else
			n = n * 10 + (unsigned long)(*p - '0');
	}
	if (!*port || n > 65535)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "\"%s\": the port must be a number from 0 to 65535", text);
	*out = (uint16_t)n;
	return 0;
}

int ferry_address_parse(const char *text, struct ferry_address *a, struct ferry_error *err)
{
	const char *host = text, *end, *port;

	if (*text == '[') {
		host = text + 1;
		end = strchr(host, ']');
		if (!end || end[1] != ':')
			return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
					  "\"%s\": write an IPv6 address as [ADDRESS]:PORT", text);
		port = end + 2;
	} else {
		end = strrchr(text, ':');
		if (!end)
			return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
					  "\"%s\" has no port: write HOST:PORT or [V6]:PORT", text);
		if (memchr(text, ':', (size_t)(end - text)))
			return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
					  "\"%s\": write an IPv6 address as [ADDRESS]:PORT", text);
		port = end + 1;
	}
	if (end == host)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "\"%s\" has no host: write HOST:PORT or [V6]:PORT", text);
	if ((size_t)(end - host) >= sizeof(a->host))
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "the host in \"%.64s...\" is longer than %d bytes", text,
				  FERRY_ADDRESS_HOST - 1);
	memset(a, 0, sizeof(*a));
	memcpy(a->host, host, (size_t)(end - host));
	return parse_port(text, port, &a->port, err);
}

static bool numeric(const char *host, uint16_t port, struct ferry_endpoint *e)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&e->addr;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&e->addr;
	char address[INET6_ADDRSTRLEN];
	const char *zone;
	size_t n;

	memset(e, 0, sizeof(*e));
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		e->len = sizeof(*v4);
		return true;
	}
	zone = strchr(host, '%');
	n = zone ? (size_t)(zone - host) : strlen(host);
	if (n >= sizeof(address))
		return false;
	memcpy(address, host, n);
	address[n] = '\0';
	if (inet_pton(AF_INET6, address, &v6->sin6_addr) != 1)
		return false;
	if (zone) {
		v6->sin6_scope_id = if_nametoindex(zone + 1);
		if (!v6->sin6_scope_id)
			return false;
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	e->len = sizeof(*v6);
	return true;
}

/* The next word of a line, NUL-terminated in @word; false at the end or where it is too long. */
static bool next_word(const char **p, const char *end, char word[FERRY_ADDRESS_HOST])
{
	const char *start;

	while (*p < end && (**p == ' ' || **p == '\t' || **p == '\r'))
		(*p)++;
	start = *p;
	while (*p < end && **p != ' ' && **p != '\t' && **p != '\r')
		(*p)++;
	if (*p == start || *p - start >= FERRY_ADDRESS_HOST)
		return false;
	memcpy(word, start, (size_t)(*p - start));
	word[*p - start] = '\0';
	return true;
}

unsigned ferry_hosts_find(const char *text, size_t n_text, const struct ferry_address *a,
			  struct ferry_endpoint *out, unsigned max)
{
	const char *at = text, *text_end = text + n_text;
	char address[FERRY_ADDRESS_HOST], name[FERRY_ADDRESS_HOST];
	unsigned n = 0;

	while (at < text_end && n < max) {
		const char *line = at;
		const char *newline = memchr(at, '\n', (size_t)(text_end - at));
		const char *end = newline ? newline : text_end;
		const char *comment = memchr(line, '#', (size_t)(end - line));

		at = newline ? newline + 1 : text_end;
		if (comment)
			end = comment;
		if (!next_word(&line, end, address))
			continue;
		while (next_word(&line, end, name)) {
			if (strcasecmp(name, a->host))
				continue;
			n += numeric(address, a->port, &out[n]);
			break;
		}
	}
	return n;
}

static unsigned find_in_hosts_file(const struct ferry_address *a, struct ferry_endpoint *out)
{
	FILE *f = fopen("/etc/hosts", "re");
	char *text;
	unsigned n = 0;

	if (!f)
		return 0;
	text = malloc(HOSTS_MAX_BYTES);
	if (text)
		n = ferry_hosts_find(text, fread(text, 1, HOSTS_MAX_BYTES, f), a, out,
				     FERRY_MAX_ENDPOINTS);
	free(text);
	fclose(f);
	return n;
}

int ferry_address_resolve(const struct ferry_address *a, struct ferry_endpoint *out, unsigned *n,
			  struct ferry_error *err)
{
	*n = 1;
	if (numeric(a->host, a->port, &out[0]))
		return 0;
	*n = find_in_hosts_file(a, out);
	if (*n)
		return 0;
	if (!strcasecmp(a->host, "localhost")) { /* RFC 6761: known without asking anybody */
		*n = 1 + numeric("::1", a->port, &out[1]);
		numeric("127.0.0.1", a->port, &out[0]);
		return 0;
	}
	return ferry_fail(err, FERRY_ERROR_CALLER, -ENOENT,
			  "cannot resolve \"%s\": give a numeric address or add the name to "
			  "/etc/hosts",
			  a->host);
}

bool ferry_endpoint_is_loopback(const struct ferry_endpoint *e)
{
	if (e->addr.ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)&e->addr;

		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	}
	if (e->addr.ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&e->addr;

		return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
		       (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && v6->sin6_addr.s6_addr[12] == 127);
	}
	return e->addr.ss_family == AF_UNIX;
}

uint16_t ferry_endpoint_port(const struct ferry_endpoint *e)
{
	if (e->addr.ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)&e->addr)->sin_port);
	if (e->addr.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)&e->addr)->sin6_port);
	return 0;
}

void ferry_endpoint_text(const struct ferry_endpoint *e, char text[FERRY_ENDPOINT_TEXT])
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (e->addr.ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)&e->addr;

		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		snprintf(text, FERRY_ENDPOINT_TEXT, "%s:%u", host, ntohs(v4->sin_port));
	} else if (e->addr.ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&e->addr;

		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		snprintf(text, FERRY_ENDPOINT_TEXT, "[%s]:%u", host, ntohs(v6->sin6_port));
	} else {
		snprintf(text, FERRY_ENDPOINT_TEXT, "a local socket");
	}
}

int ferry_endpoint_check_plaintext(const struct ferry_endpoint *e, bool insecure, const char *what,
				   struct ferry_error *err)
{
	char text[FERRY_ENDPOINT_TEXT];

	if (insecure || ferry_endpoint_is_loopback(e))
		return 0;
	ferry_endpoint_text(e, text);
	return ferry_fail(err, FERRY_ERROR_CALLER, -EPERM,
			  "will not %s %s without encryption, for this is not a loopback address: "
			  "make a key by 'ferry keys new', or use --insecure on a network that you "
			  "trust",
			  what, text);
}
