// SPDX-License-Identifier: MIT
/* The plugin of tc for the qdisc ferry: what tc looks for in q_ferry.so. */
#include "tc/options.h"
#include "tc/plugin.h"
#include "tc/show.h"

__attribute__((visibility("default"))) extern struct qdisc_util ferry_qdisc_util;

/* tc chains it into its list, so it is no constant. */
struct qdisc_util ferry_qdisc_util = {
	.id = "ferry",
	.parse_qopt = ferry_tc_parse_options,
	.print_qopt = ferry_tc_show_options,
	.print_xstats = ferry_tc_show_statistics,
};
