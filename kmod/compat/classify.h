/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_COMPAT_CLASSIFY_H
#define FERRY_COMPAT_CLASSIFY_H

#include <net/pkt_cls.h>

#ifndef FERRY_HAVE_TCF_CLASSIFY_QDISC
/*
 * Asks the filters of a qdisc. None of them may send the packet elsewhere from here, on kernels
 * that would let it try: the qdisc holds a lock that the other device may need.
 */
static inline int tcf_classify_qdisc(struct sk_buff *skb, const struct tcf_proto *filters,
				     struct tcf_result *result, bool compat_mode)
{
	const int verdict = tcf_classify(skb, NULL, filters, result, compat_mode);

	return verdict == TC_ACT_REDIRECT ? TC_ACT_SHOT : verdict;
}
#endif

#endif /* FERRY_COMPAT_CLASSIFY_H */
