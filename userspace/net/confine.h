/* SPDX-License-Identifier: MIT */
/*
 * Gives up what a process does not need any more, for good: user, capabilities, system calls. In
 * that order; a process of one thread.
 */
#ifndef FERRY_NET_CONFINE_H
#define FERRY_NET_CONFINE_H

#include <stdint.h>

#include "base/error.h"

/**
 * ferry_confine_user - become another user, and keep only what an agent needs
 * @user: name, or NULL: stay who we are, with the fewer capabilities
 *
 * Kept are CAP_NET_ADMIN (rates of qdiscs, readings into ferry.ko), CAP_BPF and CAP_PERFMON (maps,
 * settling the processors' counters) and CAP_DAC_READ_SEARCH (counters of energy, which only root
 * may read), of those that the process has. Nothing can be gained again by executing a program.
 *
 * Return: 0, -ENOENT where there is no such user, or another negative errno with @err filled.
 */
int ferry_confine_user(const char *user, struct ferry_error *err);

/**
 * ferry_confine_calls - refuse every system call that an agent at work has no use for
 *
 * They fail with EPERM. Files can be opened for reading only, sockets only for netlink and for
 * asking after interfaces, memory cannot become executable, BPF programs cannot be loaded.
 *
 * Return: 0, or a negative errno with @err filled.
 */
int ferry_confine_calls(struct ferry_error *err);

#endif
