/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_QDISC_QDISC_H
#define FERRY_QDISC_QDISC_H

/**
 * ferry_qdisc_register() - make the kind "ferry" known to tc
 *
 * Return: 0 or a negative error.
 */
int ferry_qdisc_register(void);

/**
 * ferry_qdisc_unregister() - undo ferry_qdisc_register()
 *
 * An attached instance holds the module, so there is none when this is called.
 */
void ferry_qdisc_unregister(void);

#endif /* FERRY_QDISC_QDISC_H */
