/* SPDX-License-Identifier: MIT */
#ifndef FERRY_TC_OPTIONS_H
#define FERRY_TC_OPTIONS_H

#include "tc/plugin.h"

int ferry_tc_parse_options(struct qdisc_util *util, int argc, char **argv, struct nlmsghdr *message,
			   const char *device);

#endif /* FERRY_TC_OPTIONS_H */
