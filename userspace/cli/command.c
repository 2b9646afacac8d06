// SPDX-License-Identifier: MIT
#include "cli/command.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

int ferry_cli_fail(const char *command, const struct ferry_error *err)
{
	fprintf(stderr, "%s: %s\n", command, err->text);
	return err->kind == FERRY_ERROR_CALLER ? CLI_USAGE : CLI_FAILED;
}

uint64_t ferry_cli_number(struct argp_state *state, const char *option, const char *arg,
			  uint64_t min, uint64_t max)
{
	char *end = NULL;
	uint64_t n;

	errno = 0;
	n = strtoull(arg, &end, 10);
	/* strtoull() takes "-1" for 2^64 - 1 and skips blanks: only digits are numbers here. */
	if (arg[0] < '0' || arg[0] > '9' || *end || errno || n < min || n > max)
		argp_error(state, "%s takes a whole number from %llu to %llu, not '%s'", option,
			   (unsigned long long)min, (unsigned long long)max, arg);
	return n;
}

float ferry_cli_real(struct argp_state *state, const char *option, const char *arg, double min,
		     double max)
{
	char *end = NULL;
	double x = strtod(arg, &end);

	if (end == arg || *end || !isfinite(x) || x < min || x > max)
		argp_error(state, "%s takes a number from %g to %g, not '%s'", option, min, max,
			   arg);
	return (float)x;
}

const char *ferry_cli_shown_path(const char *path)
{
	enum { SHOWN = 200 };
	size_t n = strlen(path);

	return n > SHOWN ? path + n - SHOWN : path;
}

/* One sentence is enough, however many find out. */
static bool output_failed;

int ferry_cli_check_output(struct ferry_error *err)
{
	if (!fflush(stdout) && !ferror(stdout))
		return 0;
	output_failed = true;
	return ferry_fail(err, FERRY_ERROR_SYSTEM, errno ? -errno : -EIO,
			  "cannot write to standard output: %s", ferry_errno_text(errno));
}

bool ferry_cli_flush(const char *command)
{
	bool told = output_failed;
	struct ferry_error err;

	if (!ferry_cli_check_output(&err))
		return true;
	if (!told)
		ferry_cli_fail(command, &err);
	return false;
}
