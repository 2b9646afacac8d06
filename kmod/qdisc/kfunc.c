// SPDX-License-Identifier: GPL-2.0-only
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/netdevice.h>
#include <linux/printk.h>
#include <net/sch_generic.h>

#include "../compat/kfunc.h"
#include "kfunc.h"

/**
 * bpf_ferry_qdisc_handle - whose verdicts the packet's device takes
 * @ctx: the packet, on its way out of a device
 *
 * So that a verdict is right from the first packet after somebody has replaced the qdisc.
 *
 * Return: the handle (major << 16) of the qdisc ferry at the root of the device, 0 where another
 * one is: below mq or htb each instance has a handle of its own, and which of them the packet will
 * meet is not decided yet.
 */
__bpf_kfunc u32 bpf_ferry_qdisc_handle(struct __sk_buff *ctx)
{
	const struct sk_buff *skb = (const struct sk_buff *)ctx;
	const struct Qdisc *root;

	if (!skb->dev)
		return 0;
	root = rcu_dereference_check(skb->dev->qdisc, rcu_read_lock_bh_held());
	return root && root->ops->owner == THIS_MODULE ? root->handle : 0;
}

BTF_KFUNCS_START(ferry_kfuncs)
BTF_ID_FLAGS(func, bpf_ferry_qdisc_handle)
BTF_KFUNCS_END(ferry_kfuncs)

static const struct btf_kfunc_id_set ferry_kfunc_set = {
	.owner = THIS_MODULE,
	.set = &ferry_kfuncs,
};

void ferry_kfunc_register(void)
{
	int err;

	if (!ferry_module_has_btf())
		return;
	err = register_btf_kfunc_id_set(BPF_PROG_TYPE_SCHED_CLS, &ferry_kfunc_set);
	if (err)
		pr_info("BPF programs have to do without bpf_ferry_qdisc_handle(): error %d\n",
			err);
}
