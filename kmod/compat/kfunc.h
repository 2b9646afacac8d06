/* SPDX-License-Identifier: GPL-2.0-only */
/* Functions that BPF programs may call: the attribute is of Linux 6.3, the set's name of 6.9. */
#ifndef FERRY_COMPAT_KFUNC_H
#define FERRY_COMPAT_KFUNC_H

#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/module.h>

#ifndef __bpf_kfunc
#define __bpf_kfunc __used noinline
#endif

#ifndef BTF_KFUNCS_START
#define BTF_KFUNCS_START(name) BTF_SET8_START(name)
#define BTF_KFUNCS_END(name)   BTF_SET8_END(name)
#endif

/* Whether this module was built with its BTF: without, registering would fill the log in vain. */
static inline bool ferry_module_has_btf(void)
{
#ifdef CONFIG_DEBUG_INFO_BTF_MODULES
	return THIS_MODULE->btf_data_size;
#else
	return false;
#endif
}

#endif /* FERRY_COMPAT_KFUNC_H */
