// SPDX-License-Identifier: MIT
/*
 * What a process may still do once it has confined itself. Each case runs in a child, since nothing
 * of it can be taken back.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/confine.h"

static char secret[] = "/tmp/ferry-confine-XXXXXX";

/* Exit status of @body in a child: 0, or the number of the line that it found wrong. */
static int in_child(int (*body)(void))
{
	const pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child)
		_exit(body());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* A number below 256 for the place where it went wrong. */
enum {
	FINE,
	CONFINE,
	OPEN_WRITE,
	CREATE,
	UNLINK,
	EXEC,
	FORK,
	LOAD,
	EXECUTABLE,
	TRACE,
	INET6,
	USER,
	READ,
	MEMORY,
	WRITE_LOG,
	CAPS,
	WRITE_SECRET,
	READ_SECRET,
	BACK
};

static int refused_calls(void)
{
	union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER};
	char *const none[] = {NULL};
	struct ferry_error err;

	if (ferry_confine_calls(&err))
		return CONFINE;
	if (open("/dev/null", O_WRONLY) >= 0 || errno != EPERM)
		return OPEN_WRITE;
	if (open("/tmp/ferry-confine-new", O_RDONLY | O_CREAT, 0600) >= 0 || errno != EPERM)
		return CREATE;
	if (!unlink(secret) || errno != EPERM)
		return UNLINK;
	if (!execve("/bin/true", none, none) || errno != EPERM)
		return EXEC;
	if (syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) >= 0 || errno != EPERM)
		return FORK;
	if (syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)) >= 0 || errno != EPERM)
		return LOAD;
	if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
		    MAP_FAILED ||
	    errno != EPERM)
		return EXECUTABLE;
	if (ptrace(PTRACE_ATTACH, 1, 0, 0) >= 0 || errno != EPERM)
		return TRACE;
	if (socket(AF_INET6, SOCK_STREAM, 0) >= 0 || errno != EPERM)
		return INET6;
	if (!setuid(0) || errno != EPERM)
		return USER;
	return FINE;
}

static int allowed_calls(void)
{
	struct ferry_error err;
	char buffer[16];
	void *memory;
	int fd;

	if (ferry_confine_calls(&err))
		return CONFINE;
	fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, buffer, sizeof(buffer)) <= 0 || close(fd))
		return READ;
	memory = malloc(8 << 20);
	if (!memory)
		return MEMORY;
	free(memory);
	if (socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0) < 0)
		return INET6;
	return write(STDERR_FILENO, "", 0) == 0 ? FINE : WRITE_LOG;
}

static int as_nobody(void)
{
	static const cap_value_t kept[] = {CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON,
					   CAP_DAC_READ_SEARCH};
	struct ferry_error err;
	cap_flag_value_t has;
	cap_t caps;
	int n = 0;

	if (ferry_confine_user("nobody", &err))
		return CONFINE;
	if (!getuid() || !geteuid() || !getgid())
		return USER;
	caps = cap_get_proc();
	for (cap_value_t cap = 0; cap_get_bound(cap) >= 0; cap++) {
		bool keep = false;

		for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
			keep = keep || kept[i] == cap;
		if (cap_get_flag(caps, cap, CAP_EFFECTIVE, &has) || (has == CAP_SET && !keep) ||
		    (cap_get_bound(cap) && !keep))
			return CAPS;
		n += has == CAP_SET;
	}
	cap_free(caps);
	if (!n)
		return CAPS;
	/* Counters of energy are root's own; nothing of root's can be changed. */
	if (open(secret, O_RDONLY) < 0)
		return READ_SECRET;
	if (open(secret, O_WRONLY) >= 0)
		return WRITE_SECRET;
	return setuid(0) ? FINE : BACK;
}

static void calls_outside_are_refused(void **state)
{
	(void)state;
	assert_int_equal(in_child(refused_calls), FINE);
	assert_int_equal(access(secret, F_OK), 0);
}

static void calls_inside_work(void **state)
{
	(void)state;
	assert_int_equal(in_child(allowed_calls), FINE);
}

static void nobody_keeps_four_capabilities_and_no_way_back(void **state)
{
	(void)state;
	if (geteuid()) {
		print_message("# SKIP only root can become somebody else\n");
		skip();
	}
	assert_int_equal(in_child(as_nobody), FINE);
}

static int no_such_user(void)
{
	struct ferry_error err;

	return ferry_confine_user("ferry-no-such-user", &err) == -ENOENT &&
			       strstr(err.text, "ferry-no-such-user")
		       ? FINE
		       : USER;
}

static void a_user_that_is_not_there_is_named(void **state)
{
	(void)state;
	assert_int_equal(in_child(no_such_user), FINE);
}

static int make(void **state)
{
	const int fd = mkstemp(secret);

	(void)state;
	return fd < 0 || fchmod(fd, 0400) || close(fd);
}

static int clean(void **state)
{
	(void)state;
	return unlink(secret);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_outside_are_refused),
		cmocka_unit_test(calls_inside_work),
		cmocka_unit_test(nobody_keeps_four_capabilities_and_no_way_back),
		cmocka_unit_test(a_user_that_is_not_there_is_named),
	};

	return cmocka_run_group_tests(tests, make, clean);
}
