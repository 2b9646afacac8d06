/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_QDISC_KFUNC_H
#define FERRY_QDISC_KFUNC_H

#include <linux/types.h>

struct __sk_buff;

/* For BPF programs; nothing here calls it. */
u32 bpf_ferry_qdisc_handle(struct __sk_buff *ctx);

/*
 * Lets BPF programs of tc call bpf_ferry_qdisc_handle(). Where the kernel or the module has no BTF
 * they cannot, and do without. There is nothing to undo: it goes with the module's BTF, and that
 * cannot go while a program that uses it is loaded.
 */
void ferry_kfunc_register(void);

#endif /* FERRY_QDISC_KFUNC_H */
