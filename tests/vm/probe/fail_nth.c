// SPDX-License-Identifier: MIT
/*
 * fail_nth: loads a module again and again; in the Nth attempt the Nth allocation fails, until
 * there is no Nth any more. Each must either load a module that can be unloaded, or leave nothing
 * behind. R-04. Needs a kernel with CONFIG_FAULT_INJECTION. A shell would fail its own fork.
 */
#define _GNU_SOURCE /* syscall */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST_ATTEMPTS = 5000, TEXT = 128 };

static bool set_countdown(int fd, unsigned n)
{
	char text[TEXT];
	int length = snprintf(text, sizeof(text), "%u", n);

	return pwrite(fd, text, (size_t)length, 0) == length;
}

/* What is left of the countdown; 0 once the failure has happened. -1 if that cannot be read. */
static long countdown(int fd)
{
	char text[TEXT];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return -1;
	text[n] = '\0';
	return strtol(text, NULL, 10);
}

int main(int argc, char **argv)
{
	char directory[TEXT];
	unsigned failed = 0, survived = 0;
	struct stat status;
	int module, control;

	if (argc != 3) {
		fputs("usage: fail_nth MODULE.ko NAME\n", stderr);
		return 2;
	}
	snprintf(directory, sizeof(directory), "/sys/module/%s", argv[2]);
	module = open(argv[1], O_RDONLY | O_CLOEXEC);
	control = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	if (module < 0 || control < 0) {
		perror(module < 0 ? argv[1] : "/proc/self/fail-nth");
		return 2;
	}
	for (unsigned n = 1; n <= MOST_ATTEMPTS; n++) {
		long loaded, left;
		int err;

		if (!set_countdown(control, n)) {
			perror("/proc/self/fail-nth");
			return 2;
		}
		loaded = syscall(SYS_finit_module, module, "", 0);
		err = errno;
		left = countdown(control);
		if (!set_countdown(control, 0) || left < 0) {
			perror("/proc/self/fail-nth");
			return 2;
		}
		if (!loaded && syscall(SYS_delete_module, argv[2], O_NONBLOCK)) {
			fprintf(stderr, "fail_nth: loaded in spite of failure %u, it stays: %s\n",
				n, strerror(errno));
			return 1;
		}
		if (!stat(directory, &status)) {
			fprintf(stderr, "fail_nth: failure %u left %s behind\n", n, directory);
			return 1;
		}
		if (left > 0 && loaded) {
			fprintf(stderr, "fail_nth: it does not load at all: %s\n", strerror(err));
			return 1;
		}
		if (left > 0) {
			printf("%u allocations failed in turn: %u times it did not load, %u times it "
			       "did\n",
			       n - 1, failed, survived);
			return n > 1 ? 0 : 1;
		}
		failed += loaded != 0;
		survived += loaded == 0;
	}
	fprintf(stderr, "fail_nth: more than %d allocations\n", MOST_ATTEMPTS);
	return 1;
}
