// SPDX-License-Identifier: MIT
#include "node/carrier.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NEWS_BYTES = 16 << 10 };

struct ferry_carrier {
	int fd;
	unsigned index;
	char name[IF_NAMESIZE];
	int family;
	uint8_t address[16];
	size_t n_address;
	bool down;
};

/* The bytes of an address of the families that have some. */
static size_t address_bytes(const struct sockaddr *sa, const void **bytes)
{
	if (sa->sa_family == AF_INET) {
		*bytes = &((const struct sockaddr_in *)(const void *)sa)->sin_addr;
		return sizeof(struct in_addr);
	}
	if (sa->sa_family == AF_INET6) {
		*bytes = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
		return sizeof(struct in6_addr);
	}
	return 0;
}

static bool find_interface(struct ferry_carrier *c)
{
	struct ifaddrs *all, *i;
	const void *bytes;

	if (getifaddrs(&all))
		return false;
	for (i = all; i; i = i->ifa_next)
		if (i->ifa_addr && i->ifa_addr->sa_family == c->family &&
		    address_bytes(i->ifa_addr, &bytes) == c->n_address &&
		    !memcmp(bytes, c->address, c->n_address))
			break;
	if (i) {
		snprintf(c->name, sizeof(c->name), "%s", i->ifa_name);
		c->index = if_nametoindex(c->name);
	}
	freeifaddrs(all);
	return c->index;
}

struct ferry_carrier *ferry_carrier_new(const struct ferry_endpoint *local)
{
	struct sockaddr_nl at = {.nl_family = AF_NETLINK};
	struct ferry_carrier *c = calloc(1, sizeof(*c));
	const void *bytes = NULL;

	if (!c)
		return NULL;
	at.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
	c->family = local->addr.ss_family;
	c->n_address = address_bytes((const struct sockaddr *)&local->addr, &bytes);
	if (c->n_address)
		memcpy(c->address, bytes, c->n_address);
	c->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	/* Listening first: a change behind the look at the interface is heard. */
	if (!c->n_address || c->fd < 0 || bind(c->fd, (struct sockaddr *)&at, sizeof(at)) ||
	    !find_interface(c)) {
		ferry_carrier_free(c);
		return NULL;
	}
	return c;
}

void ferry_carrier_free(struct ferry_carrier *c)
{
	if (!c)
		return;
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

int ferry_carrier_fd(const struct ferry_carrier *c)
{
	return c->fd;
}

const char *ferry_carrier_name(const struct ferry_carrier *c)
{
	return c->name;
}

static bool is_running(unsigned flags)
{
	return (flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
}

/* Where news were lost, the state is asked for instead. */
static bool ask_running(const struct ferry_carrier *c)
{
	struct ifreq r = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool running;

	if (fd < 0)
		return true;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", c->name);
	running = !ioctl(fd, SIOCGIFFLAGS, &r) && is_running((unsigned short)r.ifr_flags);
	close(fd);
	return running;
}

static bool lost_address(const struct ferry_carrier *c, const struct nlmsghdr *h)
{
	const struct ifaddrmsg *a = NLMSG_DATA(h);
	const struct rtattr *at = IFA_RTA(a);
	int left = (int)IFA_PAYLOAD(h);

	if (a->ifa_index != c->index || a->ifa_family != c->family)
		return false;
	for (; RTA_OK(at, left); at = RTA_NEXT(at, left))
		if ((at->rta_type == IFA_LOCAL || at->rta_type == IFA_ADDRESS) &&
		    RTA_PAYLOAD(at) == c->n_address &&
		    !memcmp(RTA_DATA(at), c->address, c->n_address))
			return true;
	return false;
}

static bool is_bad_news(const struct ferry_carrier *c, const struct nlmsghdr *h)
{
	const struct ifinfomsg *link = NLMSG_DATA(h);

	switch (h->nlmsg_type) {
	case RTM_NEWLINK:
		return h->nlmsg_len >= NLMSG_LENGTH(sizeof(*link)) &&
		       (unsigned)link->ifi_index == c->index && !is_running(link->ifi_flags);
	case RTM_DELLINK:
		return h->nlmsg_len >= NLMSG_LENGTH(sizeof(*link)) &&
		       (unsigned)link->ifi_index == c->index;
	case RTM_DELADDR:
		return h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifaddrmsg)) && lost_address(c, h);
	default:
		return false;
	}
}

bool ferry_carrier_is_down(struct ferry_carrier *c)
{
	union {
		uint8_t bytes[NEWS_BYTES];
		struct nlmsghdr header;
	} news;
	const struct nlmsghdr *h;
	ssize_t n;

	while ((n = recv(c->fd, news.bytes, sizeof(news.bytes), 0)) > 0 ||
	       (n < 0 && (errno == ENOBUFS || errno == EINTR))) {
		if (n < 0) {
			c->down |= errno == ENOBUFS && !ask_running(c);
			continue;
		}
		for (h = &news.header; NLMSG_OK(h, (size_t)n); h = NLMSG_NEXT(h, n))
			c->down |= is_bad_news(c, h);
	}
	return c->down;
}
