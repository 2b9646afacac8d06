/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_COMPAT_GSO_H
#define FERRY_COMPAT_GSO_H

/* skb_gso_segment() has a header of its own since Linux 6.5. */
#ifdef FERRY_HAVE_GSO_H
#include <net/gso.h>
#else
#include <linux/netdevice.h>
#endif

#endif /* FERRY_COMPAT_GSO_H */
