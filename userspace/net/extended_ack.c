/* SPDX-License-Identifier: MIT */
#include "net/extended_ack.h"

#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

/* Attributes stand behind the refused message or, where the kernel left it out, its header. */
void ferry_extended_ack(const struct nlmsgerr *refusal, char *reason, size_t bytes)
{
	const struct nlmsghdr *header = (const void *)((const char *)refusal - NLMSG_HDRLEN);
	struct nlattr *attrs[NLMSGERR_ATTR_MAX + 1] = {NULL};
	size_t offset = sizeof(*refusal);

	if (!(header->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(header->nlmsg_flags & NLM_F_CAPPED))
		offset += refusal->msg.nlmsg_len - NLMSG_HDRLEN;
	offset = NLMSG_ALIGN(offset);
	if (header->nlmsg_len < NLMSG_HDRLEN + offset)
		return;
	nla_parse(attrs, NLMSGERR_ATTR_MAX, (struct nlattr *)((char *)refusal + offset),
		  (int)(header->nlmsg_len - NLMSG_HDRLEN - offset), NULL);
	if (attrs[NLMSGERR_ATTR_MSG])
		nla_strlcpy(reason, attrs[NLMSGERR_ATTR_MSG], bytes);
}
