// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "net/pinger.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum {
	FAMILIES = 2,
	PACKET_BYTES = 128, /* an IPv4 header with all its options, an echo, and one byte more */
	BUFFER_BYTES = 16384,
	LATE_US_MAX = 10000000, /* that a reply may have waited; more is a clock that was set */
	SECRET_AT = 8,
	IDENTIFIER_AT = 4,
};

struct ferry_pinger {
	int fd[FAMILIES];
	uint32_t priority[FAMILIES];
	uint16_t identifier;
	uint32_t secret;
};

static const uint8_t families[FAMILIES] = {AF_INET, AF_INET6};

static int index_of(uint8_t family)
{
	return family == AF_INET6;
}

/* Replies with our numbers; the socket of IPv4 sees the IP header before them. */
static int filter(const struct ferry_pinger *p, int fd, uint8_t family)
{
	const uint8_t reply = family == AF_INET6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LDX | (family == AF_INET6 ? BPF_W | BPF_IMM : BPF_B | BPF_MSH), 0),
		BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, reply, 0, 5),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, IDENTIFIER_AT),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, p->identifier, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_IND, SECRET_AT),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, p->secret, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, PACKET_BYTES),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
	const int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) ||
	    setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on)))
		return -errno;
	return 0;
}

static int set_options(int fd, uint8_t family)
{
	const int on = 1, bytes = BUFFER_BYTES;
	const int level = family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
	const int info = family == AF_INET6 ? IPV6_RECVPKTINFO : IP_PKTINFO;

	if (setsockopt(fd, level, info, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)))
		return -errno;
	return 0;
}

static int open_family(struct ferry_pinger *p, uint8_t family)
{
	const int protocol = family == AF_INET6 ? (int)IPPROTO_ICMPV6 : (int)IPPROTO_ICMP;
	const int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	struct ferry_ping ping;
	int ret;

	if (fd < 0)
		return -errno;
	ret = set_options(fd, family);
	if (!ret)
		ret = filter(p, fd, family);
	if (ret) {
		close(fd);
		return ret;
	}
	p->fd[index_of(family)] = fd;
	/* What came before the filter did: at most what the buffer holds. */
	for (int i = 0; i < BUFFER_BYTES && ferry_pinger_receive(p, family, &ping); i++)
		continue;
	return 0;
}

uint64_t ferry_pinger_draw(void)
{
	uint64_t number = 0;

	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != sizeof(number))
		return 0;
	return number;
}

int ferry_pinger_open(struct ferry_pinger **pinger, struct ferry_error *err)
{
	struct ferry_pinger *p = calloc(1, sizeof(*p));
	const uint64_t number = ferry_pinger_draw();
	int ret = 0;

	if (!p)
		return ferry_fail_memory(err, "echoes", sizeof(*p));
	p->identifier = (uint16_t)(number >> 48);
	p->secret = (uint32_t)number;
	for (int i = 0; i < FAMILIES; i++)
		p->fd[i] = -1;
	for (int i = 0; i < FAMILIES; i++) {
		const int this = open_family(p, families[i]);

		ret = this ? this : ret;
	}
	if (p->fd[0] < 0 && p->fd[1] < 0) {
		free(p);
		return ferry_fail(err, FERRY_ERROR_SYSTEM, ret,
				  "echoes cannot be sent, so reflectors are not asked: %s",
				  ret == -EPERM ? "that takes CAP_NET_RAW" : ferry_errno_text(ret));
	}
	*pinger = p;
	return 0;
}

void ferry_pinger_close(struct ferry_pinger *p)
{
	if (!p)
		return;
	for (int i = 0; i < FAMILIES; i++)
		if (p->fd[i] >= 0)
			close(p->fd[i]);
	free(p);
}

int ferry_pinger_fd(const struct ferry_pinger *p, uint8_t family)
{
	return p->fd[index_of(family)];
}

/* A place for either, as the kernel wants it aligned. */
union ancillary {
	char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct timespec)) +
		   CMSG_SPACE(sizeof(struct in_pktinfo))];
	struct cmsghdr align;
};

static void name_interface(struct msghdr *message, union ancillary *control, uint8_t family,
			   uint32_t ifindex)
{
	struct in6_pktinfo v6 = {.ipi6_ifindex = ifindex};
	struct in_pktinfo v4 = {.ipi_ifindex = (int)ifindex};
	const bool six = family == AF_INET6;
	const size_t n = six ? sizeof(v6) : sizeof(v4);
	struct cmsghdr *header;

	memset(control, 0, sizeof(*control));
	message->msg_control = control->bytes;
	message->msg_controllen = CMSG_SPACE(n);
	header = CMSG_FIRSTHDR(message);
	header->cmsg_level = six ? IPPROTO_IPV6 : IPPROTO_IP;
	header->cmsg_type = six ? IPV6_PKTINFO : IP_PKTINFO;
	header->cmsg_len = CMSG_LEN(n);
	memcpy(CMSG_DATA(header), six ? (const void *)&v6 : (const void *)&v4, n);
}

int ferry_pinger_send(struct ferry_pinger *p, const struct ferry_echo_address *to, uint32_t ifindex,
		      uint32_t priority, uint16_t sequence, uint64_t cookie)
{
	const struct ferry_echo echo = {p->identifier, sequence, p->secret, cookie};
	const int at = index_of(to->family);
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	uint8_t bytes[FERRY_ECHO_BYTES];
	struct iovec part = {bytes, sizeof(bytes)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	union ancillary control;

	if (p->fd[at] < 0)
		return -EAFNOSUPPORT;
	ferry_echo_write(&echo, to->family, bytes);
	memcpy(&v4.sin_addr, to->bytes, sizeof(v4.sin_addr));
	memcpy(&v6.sin6_addr, to->bytes, sizeof(v6.sin6_addr));
	if (IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr))
		v6.sin6_scope_id = ifindex;
	message.msg_name = to->family == AF_INET6 ? (void *)&v6 : (void *)&v4;
	message.msg_namelen = to->family == AF_INET6 ? sizeof(v6) : sizeof(v4);
	name_interface(&message, &control, to->family, ifindex);
	if (priority != p->priority[at]) {
		if (setsockopt(p->fd[at], SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority)))
			return -errno;
		p->priority[at] = priority;
	}
	return sendmsg(p->fd[at], &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The kernel's time is of the clock that people set: how long ago that was is what counts. */
static uint64_t monotonic(const struct timespec *stamp)
{
	const uint64_t now_us = ferry_now_us();
	struct timespec now;
	int64_t ago_us;

	clock_gettime(CLOCK_REALTIME, &now);
	ago_us = (now.tv_sec - stamp->tv_sec) * 1000000ll + (now.tv_nsec - stamp->tv_nsec) / 1000;
	if (ago_us < 0 || ago_us > LATE_US_MAX || (uint64_t)ago_us > now_us)
		return now_us;
	return now_us - (uint64_t)ago_us;
}

static void read_ancillary(struct msghdr *message, struct ferry_ping *ping)
{
	struct in6_pktinfo v6;
	struct in_pktinfo v4;
	struct timespec stamp;

	ping->received_us = ferry_now_us();
	for (struct cmsghdr *h = CMSG_FIRSTHDR(message); h; h = CMSG_NXTHDR(message, h)) {
		if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_TIMESTAMPNS &&
		    h->cmsg_len >= CMSG_LEN(sizeof(stamp))) {
			memcpy(&stamp, CMSG_DATA(h), sizeof(stamp));
			ping->received_us = monotonic(&stamp);
		} else if (h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_PKTINFO &&
			   h->cmsg_len >= CMSG_LEN(sizeof(v4))) {
			memcpy(&v4, CMSG_DATA(h), sizeof(v4));
			ping->ifindex = (uint32_t)v4.ipi_ifindex;
		} else if (h->cmsg_level == IPPROTO_IPV6 && h->cmsg_type == IPV6_PKTINFO &&
			   h->cmsg_len >= CMSG_LEN(sizeof(v6))) {
			memcpy(&v6, CMSG_DATA(h), sizeof(v6));
			ping->ifindex = v6.ipi6_ifindex;
		}
	}
}

int ferry_pinger_receive(struct ferry_pinger *p, uint8_t family, struct ferry_ping *ping)
{
	const int fd = p->fd[index_of(family)];
	struct sockaddr_in6 v6 = {0};
	struct sockaddr_in v4 = {0};
	const bool six = family == AF_INET6;
	uint8_t bytes[PACKET_BYTES];
	struct iovec part = {bytes, sizeof(bytes)};
	union ancillary control;
	struct msghdr message = {
		.msg_name = six ? (void *)&v6 : (void *)&v4,
		.msg_namelen = six ? sizeof(v6) : sizeof(v4),
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct ferry_echo echo;
	ssize_t n;

	memset(ping, 0, sizeof(*ping));
	n = recvmsg(fd, &message, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK || errno == EBADF ? 0 : -EPROTO;
	read_ancillary(&message, ping);
	if ((message.msg_flags & MSG_TRUNC) || ferry_echo_read(family, bytes, (size_t)n, &echo) ||
	    echo.identifier != p->identifier || echo.secret != p->secret)
		return -EPROTO;
	ping->from.family = family;
	if (six)
		memcpy(ping->from.bytes, &v6.sin6_addr, sizeof(v6.sin6_addr));
	else
		memcpy(ping->from.bytes, &v4.sin_addr, sizeof(v4.sin_addr));
	ping->sequence = echo.sequence;
	ping->cookie = echo.cookie;
	return 1;
}
