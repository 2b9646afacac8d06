/* SPDX-License-Identifier: MIT */
#include "net/hook.h"

#include <errno.h>
#include <string.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "base/error.h"

enum {
	TCX_EGRESS = 47, /* BPF_TCX_EGRESS, which linux/bpf.h of Linux 6.1 does not know */
	CLSACT_EGRESS = 0xfffffff3,
	CLSACT_INGRESS = 0xfffffff2,
};

/* Answers that are about @device and, where @kind is given, of that kind. */
struct count {
	unsigned int device;
	const char *kind;
	int n;
};

static int count_answer(struct nl_msg *message, void *data)
{
	struct nlmsghdr *header = nlmsg_hdr(message);
	const struct tcmsg *tc = nlmsg_data(header);
	struct nlattr *attrs[TCA_MAX + 1];
	struct count *count = data;

	if (nlmsg_parse(header, sizeof(*tc), attrs, TCA_MAX, NULL) < 0 ||
	    tc->tcm_ifindex != (int)count->device)
		return NL_OK;
	if (count->kind) {
		if (attrs[TCA_KIND] && !strcmp(nla_get_string(attrs[TCA_KIND]), count->kind))
			count->n++;
	} else if (tc->tcm_handle) {
		/* A priority without filters of its own is listed too, with handle 0. */
		count->n++;
	}
	return NL_OK;
}

static int dump(int type, uint32_t parent, struct count *count, struct ferry_error *err)
{
	const struct timeval patience = {.tv_sec = 5};
	struct tcmsg tc = {
		.tcm_family = AF_UNSPEC, .tcm_ifindex = (int)count->device, .tcm_parent = parent};
	struct nl_sock *socket = nl_socket_alloc();
	int ret;

	if (!socket)
		return ferry_fail_memory(err, "a netlink socket", 0);
	ret = nl_connect(socket, NETLINK_ROUTE);
	if (!ret && setsockopt(nl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &patience,
			       sizeof(patience)))
		ret = -NLE_FAILURE;
	if (!ret)
		ret = nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, count_answer, count);
	if (!ret)
		ret = nl_send_simple(socket, type, NLM_F_DUMP, &tc, sizeof(tc));
	if (ret >= 0)
		ret = nl_recvmsgs_default(socket);
	nl_socket_free(socket);
	if (ret >= 0)
		return 0;
	return ferry_fail(err, FERRY_ERROR_SYSTEM, -EIO,
			  "the kernel does not list the filters of interface %u: %s", count->device,
			  nl_geterror(ret));
}

int ferry_hook_has_clsact(unsigned int device, struct ferry_error *err)
{
	struct count count = {.device = device, .kind = "clsact"};
	const int ret = dump(RTM_GETQDISC, 0, &count, err);

	return ret ? ret : count.n > 0;
}

int ferry_hook_count_filters(unsigned int device, struct ferry_error *err)
{
	struct count count = {.device = device};
	int ret = dump(RTM_GETTFILTER, CLSACT_EGRESS, &count, err);

	if (!ret)
		ret = dump(RTM_GETTFILTER, CLSACT_INGRESS, &count, err);
	return ret ? ret : count.n;
}

int ferry_hook_make_clsact(unsigned int device, struct ferry_error *err)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)device, .attach_point = BPF_TC_EGRESS);
	/* libbpf would print that it exists already. */
	const int ret = bpf_tc_hook_create(&hook);

	if (!ret || ret == -EEXIST)
		return 0;
	return ferry_fail(err, FERRY_ERROR_SYSTEM, ret,
			  "clsact cannot be added to interface %u: %s", device,
			  ferry_errno_text(ret));
}

int ferry_hook_attach(struct ferry_filter *filter, int program, struct ferry_error *err)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)filter->device,
		    .attach_point = BPF_TC_EGRESS);
	const bool again = filter->priority != 0;
	uint32_t priority = again ? filter->priority : FERRY_FILTER_PRIORITY;
	int ret = -EINVAL;

	for (int i = 0; i < FERRY_FILTER_PRIORITIES; i++, priority++) {
		LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FERRY_FILTER_HANDLE, .priority = priority,
			    .prog_fd = program, .flags = again ? BPF_TC_F_REPLACE : 0);

		ret = bpf_tc_attach(&hook, &opts);
		if (!ret) {
			filter->priority = priority;
			filter->handle = FERRY_FILTER_HANDLE;
			return 0;
		}
		/* Somebody else's filter, of another kind or with our handle: never replaced. */
		if (again || (ret != -EEXIST && ret != -EINVAL && ret != -EBUSY))
			break;
	}
	return ferry_fail(
		err, FERRY_ERROR_SYSTEM, ret,
		"the filter cannot be added to interface %u (%s); where it has an `ingress` qdisc, that must give way to clsact",
		filter->device, ferry_errno_text(ret));
}

uint32_t ferry_hook_program(const struct ferry_filter *filter)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)filter->device,
		    .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = filter->handle, .priority = filter->priority);

	return filter->priority && !bpf_tc_query(&hook, &opts) ? opts.prog_id : 0;
}

int ferry_hook_detach(const struct ferry_filter *filter, uint32_t program, struct ferry_error *err)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)filter->device,
		    .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = filter->handle, .priority = filter->priority);
	int ret = 0;

	if (program && ferry_hook_program(filter) == program)
		ret = bpf_tc_detach(&hook, &opts);
	if (ret && ret != -ENOENT && ret != -ENODEV)
		return ferry_fail(err, FERRY_ERROR_SYSTEM, ret,
				  "the filter cannot be taken from interface %u: %s",
				  filter->device, ferry_errno_text(ret));
	if (!filter->made_clsact)
		return 0;
	ret = ferry_hook_has_clsact(filter->device, err);
	if (ret > 0) {
		ret = ferry_hook_count_filters(filter->device, err);
		if (ret)
			return ret < 0 ? ret : 0;
		hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
		ret = bpf_tc_hook_destroy(&hook);
	}
	return ret < 0 && ret != -ENOENT && ret != -ENODEV ? ret : 0;
}

int ferry_hook_link(unsigned int device, int program)
{
	const int link =
		bpf_link_create(program, (int)device, (enum bpf_attach_type)TCX_EGRESS, NULL);

	/*
	 * A kernel without tcx does not know the attach type, which it says in one of these ways.
	 */
	return link == -EINVAL || link == -E2BIG || link == -ENOTSUP ? -EOPNOTSUPP : link;
}

bool ferry_hook_link_lives(int link)
{
	struct bpf_link_info info = {0};
	__u32 size = sizeof(info);

	/* The interface of a tcx link lies where that of an XDP link does; 0 once it has gone. */
	return !bpf_obj_get_info_by_fd(link, &info, &size) && info.xdp.ifindex;
}
