// SPDX-License-Identifier: MIT
#include "net/family.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <linux/ferry.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include "net/extended_ack.h"

/* The kernel answers at once, or something is badly wrong. */
enum { ANSWER_SECONDS = 5 };

struct ferry_family {
	struct nl_sock *socket;
	int id;
};

/* One request on its way. */
struct exchange {
	ferry_family_answer *answer;
	void *data;
	struct nlattr **attrs;
	int max;
	int result; /* what @answer returned, or what the kernel did */
	bool done;
	char reason[256]; /* the kernel's own sentence */
};

int ferry_family_open(struct ferry_family **family, struct ferry_error *err)
{
	const struct timeval patience = {.tv_sec = ANSWER_SECONDS};
	struct ferry_family *f = calloc(1, sizeof(*f));
	int on = 1, ret;

	if (!f)
		return ferry_fail_memory(err, "a netlink connection", sizeof(*f));
	f->socket = nl_socket_alloc();
	if (!f->socket) {
		free(f);
		return ferry_fail_memory(err, "a netlink socket", 0);
	}
	ret = genl_connect(f->socket);
	if (ret) {
		ferry_fail(err, FERRY_ERROR_SYSTEM, -EIO, "cannot open a netlink socket: %s",
			   nl_geterror(ret));
		ferry_family_close(f);
		return -EIO;
	}
	/* Sentences of the kernel; without the option there is only a number. */
	setsockopt(nl_socket_get_fd(f->socket), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(nl_socket_get_fd(f->socket), SOL_SOCKET, SO_RCVTIMEO, &patience,
		   sizeof(patience));
	f->id = genl_ctrl_resolve(f->socket, FERRY_GENL_NAME);
	if (f->id < 0) {
		ferry_fail(err, FERRY_ERROR_SYSTEM, -ENOENT,
			   "the kernel module ferry is not loaded; as root, 'modprobe ferry' or "
			   "'insmod ferry.ko' loads it");
		ferry_family_close(f);
		return -ENOENT;
	}
	*family = f;
	return 0;
}

void ferry_family_close(struct ferry_family *family)
{
	if (!family)
		return;
	nl_socket_free(family->socket);
	free(family);
}

struct nl_msg *ferry_family_request(struct ferry_family *family, uint8_t cmd, int flags,
				    struct ferry_error *err)
{
	struct nl_msg *msg = nlmsg_alloc();

	if (msg && !genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family->id, 0, flags, cmd,
				FERRY_GENL_VERSION)) {
		nlmsg_free(msg);
		msg = NULL;
	}
	if (!msg)
		ferry_fail_memory(err, "a netlink message", 0);
	return msg;
}

static int on_answer(struct nl_msg *msg, void *data)
{
	struct exchange *x = data;

	if (!x->answer)
		return NL_OK;
	if (genlmsg_parse(nlmsg_hdr(msg), 0, x->attrs, x->max, NULL))
		x->result = -EPROTO;
	else
		x->result = x->answer(x->attrs, x->data);
	if (!x->result)
		return NL_OK;
	x->done = true;
	return NL_STOP;
}

static int on_end(struct nl_msg *msg, void *data)
{
	struct exchange *x = data;

	(void)msg;
	x->done = true;
	return NL_STOP;
}

static int on_refusal(struct sockaddr_nl *from, struct nlmsgerr *refusal, void *data)
{
	struct exchange *x = data;

	(void)from;
	x->result = refusal->error;
	x->done = true;
	ferry_extended_ack(refusal, x->reason, sizeof(x->reason));
	return NL_STOP;
}

static int fail_refused(const struct exchange *x, struct ferry_error *err)
{
	if (x->reason[0])
		return ferry_fail(err, FERRY_ERROR_SYSTEM, x->result, "the kernel refuses: %s",
				  x->reason);
	if (x->result == -EPERM)
		return ferry_fail(err, FERRY_ERROR_SYSTEM, -EPERM,
				  "no permission: this takes CAP_NET_ADMIN, for anything but links "
				  "outside of any container");
	return ferry_fail(err, FERRY_ERROR_SYSTEM, x->result, "the kernel refuses: %s",
			  ferry_errno_text(x->result));
}

int ferry_family_exchange(struct ferry_family *family, struct nl_msg *request, int max,
			  ferry_family_answer *answer, void *data, struct ferry_error *err)
{
	struct exchange x = {.answer = answer, .data = data, .max = max};
	struct nl_cb *cb = NULL;
	int ret = 0;

	if (!request)
		return -ENOMEM;
	x.attrs = calloc((size_t)max + 1, sizeof(*x.attrs));
	cb = nl_cb_alloc(NL_CB_DEFAULT);
	if (!x.attrs || !cb) {
		ret = ferry_fail_memory(err, "a netlink answer", 0);
		goto out;
	}
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_answer, &x);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_end, &x);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_end, &x);
	nl_cb_err(cb, NL_CB_CUSTOM, on_refusal, &x);
	ret = nl_send_auto(family->socket, request);
	while (ret >= 0 && !x.done)
		ret = nl_recvmsgs(family->socket, cb);
	if (x.done && x.result < 0 && x.result != -EPROTO)
		ret = fail_refused(&x, err);
	else if (x.done && x.result == -EPROTO)
		ret = ferry_fail(err, FERRY_ERROR_SYSTEM, -EPROTO,
				 "the kernel module answers in a way that this program does not "
				 "know; are both of the same version?");
	else if (x.done)
		ret = x.result;
	else
		ret = ferry_fail(err, FERRY_ERROR_SYSTEM, -EIO, "no answer from the kernel: %s",
				 nl_geterror(ret));
out:
	nl_cb_put(cb);
	free(x.attrs);
	nlmsg_free(request);
	return ret;
}
