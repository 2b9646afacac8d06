/* SPDX-License-Identifier: MIT */
#include "net/route.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "base/error.h"
#include "net/extended_ack.h"

/* The kernel answers at once, unless somebody else keeps it busy with interfaces. */
enum { ANSWER_SECONDS = 10 };

struct reading {
	unsigned int device;
	ferry_route_answer *answer;
	void *data;
	int result;
	bool done;
};

struct doing {
	size_t n, answered;
	uint32_t first; /* sequence number */
	int *results;
	char *reason;
};

static struct nl_sock *open_socket(struct ferry_error *err)
{
	const struct timeval patience = {.tv_sec = ANSWER_SECONDS};
	struct nl_sock *s = nl_socket_alloc();
	int on = 1, ret;

	if (!s) {
		ferry_fail_memory(err, "a netlink socket", 0);
		return NULL;
	}
	ret = nl_connect(s, NETLINK_ROUTE);
	if (ret) {
		ferry_fail(err, FERRY_ERROR_SYSTEM, -EIO, "cannot open a netlink socket: %s",
			   nl_geterror(ret));
		nl_socket_free(s);
		return NULL;
	}
	nl_socket_disable_auto_ack(s);
	setsockopt(nl_socket_get_fd(s), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(nl_socket_get_fd(s), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(nl_socket_get_fd(s), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return s;
}

static int on_answer(struct nl_msg *message, void *data)
{
	struct nlmsghdr *header = nlmsg_hdr(message);
	struct nlattr *attrs[TCA_MAX + 1];
	struct reading *r = data;
	const struct tcmsg *tc = nlmsg_data(header);

	/* The kernel of Linux 6.1 lists the qdiscs of all interfaces, whichever is asked for. */
	if (r->result || nlmsg_parse(header, sizeof(*tc), attrs, TCA_MAX, NULL) < 0 ||
	    tc->tcm_ifindex != (int)r->device)
		return NL_OK;
	r->result = r->answer(tc, attrs, r->data);
	return NL_OK;
}

static int on_end(struct nl_msg *message, void *data)
{
	struct reading *r = data;

	(void)message;
	r->done = true;
	return NL_STOP;
}

static int on_refused_reading(struct sockaddr_nl *from, struct nlmsgerr *refusal, void *data)
{
	struct reading *r = data;

	(void)from;
	r->done = true;
	/* A dump about what is not there: an empty list. */
	if (refusal->error != -ENODEV && refusal->error != -EINVAL && refusal->error != -ENOENT)
		r->result = refusal->error;
	return NL_STOP;
}

int ferry_route_dump(int type, unsigned int device, uint32_t parent, ferry_route_answer *answer,
		     void *data, struct ferry_error *err)
{
	struct tcmsg tc = {
		.tcm_family = AF_UNSPEC, .tcm_ifindex = (int)device, .tcm_parent = parent};
	struct reading r = {.device = device, .answer = answer, .data = data};
	struct nl_sock *s = open_socket(err);
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int ret = -NLE_NOMEM;

	if (!s || !cb)
		goto out;
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_answer, &r);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_end, &r);
	nl_cb_err(cb, NL_CB_CUSTOM, on_refused_reading, &r);
	ret = nl_send_simple(s, type, NLM_F_DUMP, &tc, sizeof(tc));
	while (ret >= 0 && !r.done)
		ret = nl_recvmsgs(s, cb);
	if (r.done)
		ret = 0;
out:
	nl_cb_put(cb);
	nl_socket_free(s);
	if (ret < 0)
		return ferry_fail(err, FERRY_ERROR_SYSTEM, -EIO,
				  "the kernel does not list what is attached to interface %u: %s",
				  device, nl_geterror(ret));
	if (r.result < 0)
		return ferry_fail(err, FERRY_ERROR_SYSTEM, r.result,
				  "the kernel does not list what is attached to interface %u: %s",
				  device, ferry_errno_text(r.result));
	return r.result;
}

struct nl_msg *ferry_route_message(int type, int flags, unsigned int device, uint32_t parent,
				   uint32_t handle)
{
	struct tcmsg tc = {.tcm_family = AF_UNSPEC,
			   .tcm_ifindex = (int)device,
			   .tcm_parent = parent,
			   .tcm_handle = handle};
	struct nl_msg *message = nlmsg_alloc_simple(type, flags | NLM_F_REQUEST | NLM_F_ACK);

	if (message && nlmsg_append(message, &tc, sizeof(tc), NLMSG_ALIGNTO)) {
		nlmsg_free(message);
		return NULL;
	}
	return message;
}

static int note_result(struct doing *d, uint32_t sequence, int result)
{
	const uint32_t at = sequence - d->first;

	if (at < d->n) {
		d->results[at] = result;
		d->answered++;
	}
	return NL_OK;
}

static int on_done(struct nl_msg *message, void *data)
{
	return note_result(data, nlmsg_hdr(message)->nlmsg_seq, 0);
}

static int on_refusal(struct sockaddr_nl *from, struct nlmsgerr *refusal, void *data)
{
	struct doing *d = data;

	(void)from;
	if (!d->reason[0])
		ferry_extended_ack(refusal, d->reason, FERRY_ROUTE_REASON);
	note_result(d, refusal->msg.nlmsg_seq, refusal->error);
	return NL_SKIP;
}

static int send_all(struct nl_sock *s, struct nl_msg **messages, struct doing *d)
{
	size_t bytes = 0;
	char *together;
	int ret;

	for (size_t i = 0; i < d->n; i++) {
		struct nlmsghdr *header = nlmsg_hdr(messages[i]);

		header->nlmsg_seq = nl_socket_use_seq(s);
		header->nlmsg_pid = nl_socket_get_local_port(s);
		if (!i)
			d->first = header->nlmsg_seq;
		bytes += NLMSG_ALIGN(header->nlmsg_len);
	}
	together = calloc(1, bytes);
	if (!together)
		return -NLE_NOMEM;
	bytes = 0;
	for (size_t i = 0; i < d->n; i++) {
		const struct nlmsghdr *header = nlmsg_hdr(messages[i]);

		memcpy(together + bytes, header, header->nlmsg_len);
		bytes += NLMSG_ALIGN(header->nlmsg_len);
	}
	ret = nl_sendto(s, together, bytes);
	free(together);
	return ret;
}

int ferry_route_do(struct nl_msg **messages, size_t n, int *results,
		   char reason[FERRY_ROUTE_REASON], struct ferry_error *err)
{
	struct doing d = {.n = n, .results = results, .reason = reason};
	struct nl_sock *s = open_socket(err);
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int ret = s && cb ? 0 : -NLE_NOMEM;

	reason[0] = 0;
	for (size_t i = 0; i < n; i++)
		if (!messages[i])
			ret = -NLE_NOMEM;
	if (!ret) {
		nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_done, &d);
		/* Counted by hand: answers to several messages come in turn. */
		nl_cb_set(cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, NULL, NULL);
		nl_cb_err(cb, NL_CB_CUSTOM, on_refusal, &d);
		ret = send_all(s, messages, &d);
	}
	while (ret >= 0 && d.answered < n)
		ret = nl_recvmsgs(s, cb);
	for (size_t i = 0; i < n; i++)
		nlmsg_free(messages[i]);
	nl_cb_put(cb);
	nl_socket_free(s);
	if (d.answered >= n)
		return 0;
	return ferry_fail(err, FERRY_ERROR_SYSTEM, -EIO,
			  "the kernel does not answer about queueing disciplines: %s",
			  nl_geterror(ret));
}
