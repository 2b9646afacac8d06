// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "net/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const cap_value_t kept[] = {CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON, CAP_DAC_READ_SEARCH};

enum { KEPT = sizeof(kept) / sizeof(kept[0]) };

static int set_capabilities(void)
{
	cap_t now = cap_get_proc(), wanted = cap_init();
	int ret = now && wanted ? 0 : -ENOMEM;

	for (int i = 0; !ret && i < KEPT; i++) {
		cap_flag_value_t has = CAP_CLEAR;

		if (!cap_get_flag(now, kept[i], CAP_PERMITTED, &has) && has == CAP_SET &&
		    (cap_set_flag(wanted, CAP_PERMITTED, 1, &kept[i], CAP_SET) ||
		     cap_set_flag(wanted, CAP_EFFECTIVE, 1, &kept[i], CAP_SET)))
			ret = -errno;
	}
	if (!ret && cap_set_proc(wanted))
		ret = -errno;
	cap_free(now);
	cap_free(wanted);
	return ret;
}

/* Taking the bounding set away takes a capability that has to go itself. */
static void empty_bounding_set(void)
{
	for (cap_value_t cap = 0; cap_get_bound(cap) >= 0; cap++) {
		bool keep = false;

		for (int i = 0; i < KEPT; i++)
			keep = keep || kept[i] == cap;
		if (!keep)
			cap_drop_bound(cap);
	}
}

int ferry_confine_user(const char *user, struct ferry_error *err)
{
	struct passwd *entry = NULL;
	int ret;

	if (user) {
		errno = 0;
		entry = getpwnam(user);
		if (!entry)
			return ferry_fail(err, FERRY_ERROR_CALLER, errno ? -errno : -ENOENT,
					  "there is no user '%.40s' to become; --user names one",
					  user);
	}
	empty_bounding_set();
	cap_reset_ambient();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return ferry_fail(err, FERRY_ERROR_SYSTEM, -errno,
				  "privileges cannot be given up for good: %s",
				  ferry_errno_text(-errno));
	if (entry && geteuid() == 0 &&
	    (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || setgroups(0, NULL) ||
	     setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) ||
	     setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid)))
		return ferry_fail(err, FERRY_ERROR_SYSTEM, -errno,
				  "this process cannot become the user '%.40s': %s", user,
				  ferry_errno_text(-errno));
	prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	ret = set_capabilities();
	if (ret)
		return ferry_fail(err, FERRY_ERROR_SYSTEM, ret,
				  "capabilities cannot be given up: %s", ferry_errno_text(ret));
	/* Another user's core, with what it has read, is nobody's business. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return 0;
}

/* Of one system call, where one of its arguments is as it should be. */
struct condition {
	int call;
	struct scmp_arg_cmp argument;
};

static int allow_some(scmp_filter_ctx filter)
{
	const unsigned int writes = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;
	const struct condition conditions[] = {
		{SCMP_SYS(openat), SCMP_A2(SCMP_CMP_MASKED_EQ, writes, 0)},
#ifdef __NR_open
		{SCMP_SYS(open), SCMP_A1(SCMP_CMP_MASKED_EQ, writes, 0)},
#endif
		{SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_NETLINK)},
		{SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_UNIX)},
		{SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_INET)},
		{SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
		{SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
		{SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, SIOCGIFINDEX)},
		{SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, SIOCGIFNAME)},
		{SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, SIOCGIFFLAGS)},
		{SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, SIOCGIFHWADDR)},
		{SCMP_SYS(bpf), SCMP_A0(SCMP_CMP_EQ, BPF_MAP_LOOKUP_ELEM)},
		{SCMP_SYS(bpf), SCMP_A0(SCMP_CMP_EQ, BPF_MAP_UPDATE_ELEM)},
		{SCMP_SYS(bpf), SCMP_A0(SCMP_CMP_EQ, BPF_MAP_DELETE_ELEM)},
		{SCMP_SYS(bpf), SCMP_A0(SCMP_CMP_EQ, BPF_MAP_GET_NEXT_KEY)},
		{SCMP_SYS(bpf), SCMP_A0(SCMP_CMP_EQ, BPF_PROG_TEST_RUN)},
		/* Pins are root's: what is not may open them for reading only. */
		{SCMP_SYS(bpf), SCMP_A0(SCMP_CMP_EQ, BPF_OBJ_GET)},
		{SCMP_SYS(bpf), SCMP_A0(SCMP_CMP_EQ, BPF_OBJ_GET_INFO_BY_FD)},
		/* On itself only. */
		{SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid())},
	};
	int ret = 0;

	for (size_t i = 0; !ret && i < sizeof(conditions) / sizeof(conditions[0]); i++)
		ret = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, conditions[i].call, 1,
					     &conditions[i].argument);
	return ret;
}

static int allow(scmp_filter_ctx filter)
{
	static const int calls[] = {
		/* files and directories, reading */
		SCMP_SYS(read),
		SCMP_SYS(readv),
		SCMP_SYS(pread64),
		SCMP_SYS(close),
		SCMP_SYS(lseek),
		SCMP_SYS(fstat),
		SCMP_SYS(newfstatat),
		SCMP_SYS(statx),
		SCMP_SYS(stat),
		SCMP_SYS(lstat),
		SCMP_SYS(getdents64),
		SCMP_SYS(readlink),
		SCMP_SYS(readlinkat),
		SCMP_SYS(access),
		SCMP_SYS(faccessat),
		SCMP_SYS(faccessat2),
		SCMP_SYS(fcntl),
		SCMP_SYS(statfs),
		SCMP_SYS(fstatfs),
		SCMP_SYS(getcwd),
		/* what is open already: the log, sockets */
		SCMP_SYS(write),
		SCMP_SYS(writev),
		SCMP_SYS(sendto),
		SCMP_SYS(sendmsg),
		SCMP_SYS(recvfrom),
		SCMP_SYS(recvmsg),
		SCMP_SYS(accept4),
		SCMP_SYS(accept),
		SCMP_SYS(bind),
		SCMP_SYS(getsockname),
		SCMP_SYS(getpeername),
		SCMP_SYS(setsockopt),
		SCMP_SYS(getsockopt),
		SCMP_SYS(shutdown),
		SCMP_SYS(sendfile),
		/* waiting */
		SCMP_SYS(epoll_wait),
		SCMP_SYS(epoll_pwait),
		SCMP_SYS(epoll_pwait2),
		SCMP_SYS(epoll_ctl),
		SCMP_SYS(epoll_create1),
		SCMP_SYS(poll),
		SCMP_SYS(ppoll),
		SCMP_SYS(select),
		SCMP_SYS(pselect6),
		SCMP_SYS(timerfd_settime),
		SCMP_SYS(clock_gettime),
		SCMP_SYS(clock_nanosleep),
		SCMP_SYS(nanosleep),
		SCMP_SYS(gettimeofday),
		SCMP_SYS(restart_syscall),
		/* memory and the process itself */
		SCMP_SYS(brk),
		SCMP_SYS(munmap),
		SCMP_SYS(mremap),
		SCMP_SYS(madvise),
		SCMP_SYS(futex),
		SCMP_SYS(getpid),
		SCMP_SYS(gettid),
		SCMP_SYS(getuid),
		SCMP_SYS(geteuid),
		SCMP_SYS(getgid),
		SCMP_SYS(getegid),
		SCMP_SYS(getrandom),
		SCMP_SYS(getrusage),
		SCMP_SYS(sysinfo),
		SCMP_SYS(uname),
		SCMP_SYS(sched_getaffinity),
		SCMP_SYS(sched_yield),
		SCMP_SYS(rt_sigaction),
		SCMP_SYS(rt_sigprocmask),
		SCMP_SYS(rt_sigreturn),
		SCMP_SYS(sigaltstack),
		SCMP_SYS(rseq),
		SCMP_SYS(exit),
		SCMP_SYS(exit_group),
	};
	int ret = 0;

	for (size_t i = 0; !ret && i < sizeof(calls) / sizeof(calls[0]); i++)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	return ret ? ret : allow_some(filter);
}

int ferry_confine_calls(struct ferry_error *err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int ret;

	if (!filter)
		return ferry_fail_memory(err, "a filter of system calls", 0);
	ret = allow(filter);
	if (!ret)
		ret = seccomp_load(filter);
	seccomp_release(filter);
	return ret ? ferry_fail(err, FERRY_ERROR_SYSTEM, ret, "system calls cannot be filtered: %s",
				ferry_errno_text(ret))
		   : 0;
}
