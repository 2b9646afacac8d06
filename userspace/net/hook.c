/* SPDX-License-Identifier: MIT */
#include "net/hook.h"

#include <errno.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "base/error.h"
#include "net/qdisc.h"
#include "net/route.h"

enum {
	TCX_EGRESS = 47, /* BPF_TCX_EGRESS, which linux/bpf.h of Linux 6.1 does not know */
	CLSACT_EGRESS = 0xfffffff3,
	CLSACT_INGRESS = 0xfffffff2,
};

static const char filter_name[] = "ferry_classify";

static int is_clsact(const struct tcmsg *tc, struct nlattr **attrs, void *data)
{
	bool *found = data;

	(void)tc;
	if (attrs[TCA_KIND] && !strcmp(nla_get_string(attrs[TCA_KIND]), "clsact"))
		*found = true;
	return 0;
}

int ferry_hook_has_clsact(unsigned int device, struct ferry_error *err)
{
	bool found = false;
	const int ret = ferry_route_dump(RTM_GETQDISC, device, 0, is_clsact, &found, err);

	return ret ? ret : found;
}

int ferry_hook_count_filters(unsigned int device, struct ferry_error *err)
{
	const int egress = ferry_qdisc_filters(device, CLSACT_EGRESS, err);
	const int ingress = egress < 0 ? egress : ferry_qdisc_filters(device, CLSACT_INGRESS, err);

	return ingress < 0 ? ingress : egress + ingress;
}

static struct nl_msg *clsact_message(unsigned int device)
{
	struct nl_msg *message = ferry_route_message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL,
						     device, TC_H_CLSACT, TC_H_MAJ(TC_H_CLSACT));

	if (message && nla_put_string(message, TCA_KIND, "clsact")) {
		nlmsg_free(message);
		return NULL;
	}
	return message;
}

static struct nl_msg *filter_message(const struct ferry_filter *filter, int program)
{
	struct nl_msg *message = ferry_route_message(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL,
						     filter->device, CLSACT_EGRESS, filter->handle);
	struct nlattr *options;
	struct tcmsg *tc;

	if (!message)
		return NULL;
	tc = nlmsg_data(nlmsg_hdr(message));
	tc->tcm_info = TC_H_MAKE(filter->priority << 16, htons(ETH_P_ALL));
	if (!nla_put_string(message, TCA_KIND, "bpf") &&
	    (options = nla_nest_start(message, TCA_OPTIONS)) &&
	    !nla_put_u32(message, TCA_BPF_FD, (uint32_t)program) &&
	    !nla_put_string(message, TCA_BPF_NAME, filter_name) &&
	    !nla_put_u32(message, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT)) {
		nla_nest_end(message, options);
		return message;
	}
	nlmsg_free(message);
	return NULL;
}

/*
 * Tries one priority, and makes clsact where that is asked for: 0 or what the kernel said of the
 * filter. Both in one piece: a process that dies leaves both or neither.
 */
static int try_filter(struct ferry_filter *filter, int program, char *reason,
		      struct ferry_error *err)
{
	struct nl_msg *messages[2];
	int results[2] = {0}, ret;
	size_t n = 0;

	if (filter->made_clsact)
		messages[n++] = clsact_message(filter->device);
	messages[n++] = filter_message(filter, program);
	ret = ferry_route_do(messages, n, results, reason, err);
	if (ret)
		return ret;
	/* Somebody was faster: it is theirs. */
	if (n == 2 && results[0])
		filter->made_clsact = false;
	return results[n - 1];
}

int ferry_hook_attach(struct ferry_filter *filter, int program, struct ferry_error *err)
{
	const bool made = filter->made_clsact;
	char reason[FERRY_ROUTE_REASON] = "";
	int ret = -EINVAL;

	filter->handle = FERRY_FILTER_HANDLE;
	filter->priority = FERRY_FILTER_PRIORITY;
	for (int i = 0; i < FERRY_FILTER_PRIORITIES; i++, filter->priority++) {
		ret = try_filter(filter, program, reason, err);
		if (!ret)
			return 0;
		/* Somebody else's filter, of another kind or with our handle: never replaced. */
		if (ret != -EEXIST && ret != -EINVAL && ret != -EBUSY)
			break;
		/* It was made with the first try. */
		filter->made_clsact = false;
	}
	filter->made_clsact = made;
	if (ret == -EPERM)
		return ferry_fail(err, FERRY_ERROR_SYSTEM, ret,
				  "attaching the classifier takes root, or CAP_NET_ADMIN");
	if (ret == -ENODEV)
		return ferry_fail(err, FERRY_ERROR_CALLER, ret, "interface %u has gone",
				  filter->device);
	return ferry_fail(
		err, FERRY_ERROR_SYSTEM, ret,
		"the filter cannot be added to interface %u (%s); where it has an `ingress` qdisc, that must give way to clsact",
		filter->device, reason[0] ? reason : ferry_errno_text(ret));
}

struct search {
	struct ferry_filter *filter;
	uint32_t program;
	bool found;
};

static int is_ours(const struct tcmsg *tc, struct nlattr **attrs, void *data)
{
	struct nlattr *options[TCA_BPF_MAX + 1];
	struct search *s = data;

	if (!attrs[TCA_KIND] || strcmp(nla_get_string(attrs[TCA_KIND]), "bpf") ||
	    !attrs[TCA_OPTIONS] ||
	    nla_parse(options, TCA_BPF_MAX, nla_data(attrs[TCA_OPTIONS]),
		      nla_len(attrs[TCA_OPTIONS]), NULL) ||
	    !options[TCA_BPF_ID] || nla_get_u32(options[TCA_BPF_ID]) != s->program)
		return 0;
	s->filter->priority = TC_H_MAJ(tc->tcm_info) >> 16;
	s->filter->handle = tc->tcm_handle;
	s->found = true;
	return 0;
}

bool ferry_hook_find(struct ferry_filter *filter, uint32_t program)
{
	struct search s = {.filter = filter, .program = program};

	filter->priority = filter->handle = 0;
	if (program)
		ferry_route_dump(RTM_GETTFILTER, filter->device, CLSACT_EGRESS, is_ours, &s, NULL);
	return s.found;
}

static int fail_detach(const struct ferry_filter *filter, int ret, struct ferry_error *err)
{
	if (!ret || ret == -ENOENT || ret == -ENODEV)
		return 0;
	if (ret == -EPERM)
		return ferry_fail(err, FERRY_ERROR_SYSTEM, ret,
				  "taking the classifier away takes root, or CAP_NET_ADMIN");
	return ferry_fail(err, FERRY_ERROR_SYSTEM, ret,
			  "the filter cannot be taken from interface %u: %s", filter->device,
			  ferry_errno_text(ret));
}

int ferry_hook_detach(struct ferry_filter *filter, uint32_t program, struct ferry_error *err)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)filter->device,
		    .attach_point = BPF_TC_EGRESS);
	const bool there = ferry_hook_find(filter, program);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = filter->handle, .priority = filter->priority);
	int ret = filter->made_clsact ? ferry_hook_has_clsact(filter->device, err) : 0;

	if (ret > 0) {
		ret = ferry_hook_count_filters(filter->device, err);
		if (ret == there) {
			/* The filter goes with it, so that a kill leaves nothing half done. */
			hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
			return fail_detach(filter, bpf_tc_hook_destroy(&hook), err);
		}
	}
	if (ret < 0)
		return ret;
	return there ? fail_detach(filter, bpf_tc_detach(&hook, &opts), err) : 0;
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
