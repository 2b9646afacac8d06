// SPDX-License-Identifier: MIT
/*
 * ferry net agent: becomes the program ferry-agent.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/net_verbs.h"

/* Beside this program, as in a build directory, else where it was installed. */
static void find(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - sizeof("/ferry-agent"));
	char *slash;

	path[n > 0 ? n : 0] = 0;
	slash = strrchr(path, '/');
	if (slash)
		strcpy(slash, "/ferry-agent");
	if (!slash || access(path, X_OK))
		snprintf(path, PATH_MAX, "%s", FERRY_AGENT);
}

int ferry_cli_net_agent(int argc, char **argv)
{
	struct ferry_error err;
	char path[PATH_MAX];

	(void)argc;
	find(path);
	execv(path, argv);
	ferry_fail(&err, FERRY_ERROR_SYSTEM, -errno, "the program %s cannot be started: %s", path,
		   ferry_errno_text(-errno));
	return ferry_cli_fail(argv[0], &err);
}
