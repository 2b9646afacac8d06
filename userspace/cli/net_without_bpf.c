// SPDX-License-Identifier: MIT
/*
 * The verbs of ferry net that take eBPF, in a program that was built without it.
 */
#include <errno.h>

#include "base/error.h"
#include "cli/net_verbs.h"

static int fail(const char *command)
{
	struct ferry_error err;

	ferry_fail(&err, FERRY_ERROR_SYSTEM, -EOPNOTSUPP,
		   "this ferry was built without eBPF (meson's -Dbpf=false)");
	return ferry_cli_fail(command, &err);
}

#define VERB(name)                                       \
	int ferry_cli_net_##name(int argc, char **argv); \
	int ferry_cli_net_##name(int argc, char **argv)  \
	{                                                \
		(void)argc;                              \
		return fail(argv[0]);                    \
	}

/* clang-format off */
VERB(agent)
VERB(up)
VERB(down)
VERB(status)
VERB(rules)
VERB(explain)
VERB(watch)
/* clang-format on */
