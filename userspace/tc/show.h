/* SPDX-License-Identifier: MIT */
/* What `tc qdisc show` prints of a qdisc; with -j as JSON, whose keys tc-ferry(8) lists. */
#ifndef FERRY_TC_SHOW_H
#define FERRY_TC_SHOW_H

#include "tc/plugin.h"

int ferry_tc_show_options(struct qdisc_util *util, FILE *file, struct rtattr *options);
int ferry_tc_show_statistics(struct qdisc_util *util, FILE *file, struct rtattr *statistics);

#endif /* FERRY_TC_SHOW_H */
