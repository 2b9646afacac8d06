/* SPDX-License-Identifier: MIT */
/*
 * A link of a gateway in a network namespace of the test's own: up and down, killed at every step,
 * beside what others have there. With ferry.ko loaded (tests/vm/gateway) the qdisc takes part.
 *
 * Each kill loads the program again, so by default only every third step is one. An argument says
 * how many apart (1 takes minutes), a second one which tests to run, as cmocka's filters do.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "net/classifier.h"
#include "net/gateway.h"
#include "net/rules.h"

enum { LISTING = 16384, STEPS_MAX = 400 };

/* A filter of somebody else, which every kernel with BPF has: it matches nothing. */
#define FOREIGN "protocol ip bpf bytecode '1,6 0 0 0' flowid 1:1"

static char top[] = "/tmp/ferry-gateway-XXXXXX";
static char records[64], pins[64], rules_file[64];
static const char *why_not;
static bool has_module;
static unsigned int apart = 3;

static int run(const char *command)
{
	char line[600];
	const int n = snprintf(line, sizeof(line), "{ %s; } >/dev/null 2>&1", command);

	return n < (int)sizeof(line) ? system(line) : -1;
}

static void must(const char *command)
{
	const int status = run(command);

	if (status)
		print_message("# failed: %s\n", command);
	assert_int_equal(status, 0);
}

/* What tc shows of the interface, and what is left of ours in the file systems. */
static void list(char *text)
{
	char command[400];
	size_t n;
	FILE *f;

	snprintf(
		command, sizeof(command),
		"tc -j qdisc show dev fe0 2>&1; tc class show dev fe0 2>&1;"
		"tc filter show dev fe0 2>&1; tc filter show dev fe0 egress 2>&1;"
		"tc filter show dev fe0 ingress 2>&1; find %s %s 2>/dev/null | grep -v lock | sort",
		records, pins);
	f = popen(command, "r");
	assert_non_null(f);
	n = fread(text, 1, LISTING - 1, f);
	text[n] = 0;
	pclose(f);
}

static struct ferry_gateway_options usual(enum ferry_classifier_hook hook)
{
	return (struct ferry_gateway_options){.size = sizeof(struct ferry_gateway_options),
					      .device = "fe0",
					      .places = {records, pins},
					      .hook = hook,
					      .rules = rules_file,
					      .rewrite_dscp = -1,
					      .tunnel = -1,
					      .carrier = -1};
}

static struct ferry_gateway_notes notes;

static void up(const struct ferry_gateway_options *options)
{
	struct ferry_error err = {0};

	const int ret = ferry_gateway_up(options, &notes, &err);

	if (ret)
		print_message("# %s\n", err.text);
	assert_int_equal(ret, 0);
}

static void down(void)
{
	const struct ferry_gateway_places places = {records, pins};
	struct ferry_error err = {0};

	const int ret = ferry_gateway_down("fe0", &places, &notes, &err);

	if (ret)
		print_message("# %s\n", err.text);
	assert_int_equal(ret, 0);
}

/* Whether a system call changes anything that outlives the process. */
static bool changes(const struct __ptrace_syscall_info *info, unsigned int *repeated)
{
	const uint64_t command = info->entry.args[0];

	switch (info->entry.nr) {
	case SYS_bpf:
		if (command == BPF_MAP_UPDATE_ELEM || command == BPF_MAP_DELETE_ELEM)
			/* There are thousands of one kind in a row. */
			return ++*repeated <= 2 || *repeated % 128 == 0;
		*repeated = 0;
		return command == BPF_OBJ_PIN || command == BPF_LINK_CREATE ||
		       command == BPF_LINK_DETACH;
	case SYS_sendto:
	case SYS_sendmsg:
	case SYS_mkdirat:
	case SYS_unlinkat:
	case SYS_renameat:
#ifdef SYS_mkdir
	case SYS_mkdir:
	case SYS_rmdir:
	case SYS_unlink:
	case SYS_rename:
#endif
		return true;
	case SYS_openat:
		return info->entry.args[2] & O_CREAT;
	default:
		return false;
	}
}

/*
 * Runs @work in a process of its own and kills it just before its @step-th change, from 1. Returns
 * whether it was killed: false where it came to its end.
 */
static bool killed_at(unsigned int step, void (*work)(const struct ferry_gateway_options *),
		      const struct ferry_gateway_options *options)
{
	unsigned int changed = 0, repeated = 0;
	const pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(2);
		raise(SIGSTOP);
		work(options);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(
		ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL),
		0);
	for (;;) {
		struct __ptrace_syscall_info info;

		ptrace(PTRACE_SYSCALL, child, NULL, NULL);
		assert_int_equal(waitpid(child, &status, 0), child);
		if (!WIFSTOPPED(status)) {
			assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
			return false;
		}
		if (WSTOPSIG(status) != (SIGTRAP | 0x80) ||
		    ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof(info), &info) <= 0 ||
		    info.op != PTRACE_SYSCALL_INFO_ENTRY || !changes(&info, &repeated))
			continue;
		if (++changed == step) {
			kill(child, SIGKILL);
			waitpid(child, &status, 0);
			return true;
		}
	}
}

static void work_up(const struct ferry_gateway_options *options)
{
	struct ferry_gateway_notes said;

	if (ferry_gateway_up(options, &said, NULL))
		_exit(1);
}

static void work_down(const struct ferry_gateway_options *options)
{
	struct ferry_gateway_notes said;

	if (ferry_gateway_down(options->device, &options->places, &said, NULL))
		_exit(1);
}

static void or_skip(void)
{
	if (!why_not)
		return;
	print_message("SKIP: %s\n", why_not);
	skip();
}

/* What may be there before. */
static const struct {
	const char *make, *unmake;
	enum ferry_classifier_hook hook;
	unsigned int apart; /* times as many as in the last case, from which it hardly differs */
} found[] = {
	{"true", "true", FERRY_HOOK_ANY, 5},
	{"true", "true", FERRY_HOOK_CLSACT, 4},
	{"tc qdisc add dev fe0 clsact && tc filter add dev fe0 egress prio 3 " FOREIGN
	 " && tc filter add dev fe0 ingress prio 254 " FOREIGN
	 " && tc qdisc replace dev fe0 root handle 7: pfifo limit 77",
	 "tc qdisc del dev fe0 clsact; tc qdisc del dev fe0 root", FERRY_HOOK_CLSACT, 1},
};

enum { FOUND = sizeof(found) / sizeof(found[0]) };

/* Up is killed at its steps; down gives back what was there. */
static void test_r28_up_is_killed_at_every_step(void **state)
{
	static char before[LISTING], after[LISTING];

	(void)state;
	or_skip();
	for (size_t i = 0; i < FOUND; i++) {
		const struct ferry_gateway_options options = usual(found[i].hook);
		unsigned int step = 1;

		must(found[i].make);
		list(before);
		for (; step < STEPS_MAX && killed_at(step, work_up, &options);
		     step += apart * found[i].apart) {
			down();
			list(after);
			assert_string_equal(after, before);
		}
		print_message("# killed at the first %u steps\n", step - 1);
		assert_true(step > 30 && step < STEPS_MAX);
		down();
		list(after);
		assert_string_equal(after, before);
		run(found[i].unmake);
	}
}

/* The first steps, which write the record and put the qdisc there: none of them loads a program. */
static void test_r28_a_kill_around_the_qdisc(void **state)
{
	static char before[LISTING], after[LISTING];
	const struct ferry_gateway_options options = usual(found[FOUND - 1].hook);
	unsigned int put = 0;

	(void)state;
	or_skip();
	must(found[FOUND - 1].make);
	list(before);
	for (unsigned int step = 1; step <= 12; step++) {
		assert_true(killed_at(step, work_up, &options));
		list(after);
		put += strstr(after, "\"kind\":\"ferry\"") != NULL;
		down();
		list(after);
		assert_string_equal(after, before);
	}
	assert_int_equal(put > 0, has_module);
	run(found[FOUND - 1].unmake);
}

/* Up is killed, another one goes on, and down still knows what was there at first. */
static void test_r28_a_killed_up_is_taken_over(void **state)
{
	static char before[LISTING], after[LISTING];
	static char first[LISTING], again[LISTING];

	(void)state;
	or_skip();
	for (size_t i = 1; i < FOUND; i++) {
		const struct ferry_gateway_options options = usual(found[i].hook);

		must(found[i].make);
		list(before);
		for (unsigned int step = 2; killed_at(step, work_up, &options); step += 6 * apart) {
			up(&options);
			down();
			list(after);
			assert_string_equal(after, before);
		}
		/* And the last one, which was not killed, changes nothing when it comes again. */
		list(first);
		up(&options);
		list(again);
		assert_string_equal(again, first);
		down();
		list(after);
		assert_string_equal(after, before);
		run(found[i].unmake);
	}
}

/* Down is killed at each of its steps, and the next one does the rest. */
static void test_r28_down_is_killed_at_every_step(void **state)
{
	static char before[LISTING], after[LISTING];

	(void)state;
	or_skip();
	for (size_t i = 0; i < FOUND; i++) {
		const struct ferry_gateway_options options = usual(found[i].hook);
		bool killed = true;

		must(found[i].make);
		list(before);
		for (unsigned int step = 1; killed && step < STEPS_MAX;
		     step += apart * found[i].apart) {
			up(&options);
			killed = killed_at(step, work_down, &options);
			down();
			list(after);
			assert_string_equal(after, before);
		}
		assert_false(killed);
		run(found[i].unmake);
	}
}

/* Two ups and a down at once: one after the other, and nothing is left in between. */
static void test_ups_and_downs_take_turns(void **state)
{
	static char before[LISTING], after[LISTING];
	const struct ferry_gateway_options options = usual(FERRY_HOOK_ANY);
	pid_t children[3];

	(void)state;
	or_skip();
	list(before);
	for (int i = 0; i < 3; i++) {
		children[i] = fork();
		if (!children[i]) {
			if (i < 2)
				work_up(&options);
			else
				work_down(&options);
			_exit(0);
		}
	}
	for (int i = 0; i < 3; i++) {
		int status;

		waitpid(children[i], &status, 0);
		assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
	}
	down();
	list(after);
	assert_string_equal(after, before);
}

/* A root that could not be given back is left alone, and who asked for a rate is told. */
static void test_r28_a_classful_root_stays(void **state)
{
	struct ferry_gateway_options options = usual(FERRY_HOOK_ANY);
	static char before[LISTING], after[LISTING];
	struct ferry_error err = {0};

	(void)state;
	or_skip();
	if (run("tc qdisc replace dev fe0 root handle 1: htb default 10 && "
		"tc class add dev fe0 parent 1: classid 1:10 htb rate 10mbit")) {
		print_message("SKIP: there is no htb here\n");
		skip();
	}
	list(before);
	options.qdisc.has_rate = true;
	options.qdisc.rate = 125000;
	assert_int_equal(ferry_gateway_up(&options, &notes, &err), -EBUSY);
	assert_non_null(strstr(err.text, "htb 1:"));
	list(after);
	assert_string_equal(after, before);
	options.qdisc.has_rate = false;
	up(&options);
	assert_int_equal(notes.n, 1);
	assert_non_null(strstr(notes.note[0], "htb 1:"));
	must("tc qdisc show dev fe0 | grep 'htb 1: root'");
	down();
	list(after);
	assert_string_equal(after, before);
	must("tc qdisc del dev fe0 root");
}

/* A first up that fails leaves nothing; a later one leaves what was there. */
static void test_an_up_that_fails(void **state)
{
	struct ferry_gateway_options options = usual(FERRY_HOOK_ANY);
	static char before[LISTING], after[LISTING];
	struct ferry_error err = {0};
	char wrong[80];
	FILE *f;

	(void)state;
	or_skip();
	snprintf(wrong, sizeof(wrong), "%s/wrong", top);
	f = fopen(wrong, "w");
	assert_non_null(f);
	/* The one is seen at once, the other only where the interface is looked for. */
	fputs("port tcp/80 swift\n", f);
	fclose(f);
	list(before);
	options.rules = wrong;
	assert_int_equal(ferry_gateway_up(&options, &notes, &err), -EINVAL);
	assert_non_null(strstr(err.text, "wrong:1:13:"));
	list(after);
	assert_string_equal(after, before);
	f = fopen(wrong, "w");
	assert_non_null(f);
	fputs("trust 10.0.0.0/8 in nosuch0\n", f);
	fclose(f);
	assert_int_equal(ferry_gateway_up(&options, &notes, &err), -ENODEV);
	assert_non_null(strstr(err.text, "nosuch0"));
	list(after);
	assert_string_equal(after, before);
	options.rules = rules_file;
	up(&options);
	list(before);
	options.rules = wrong;
	assert_int_equal(ferry_gateway_up(&options, &notes, &err), -ENODEV);
	options.rules = NULL;
	up(&options);
	list(after);
	assert_string_equal(after, before);
	down();
	unlink(wrong);
}

/* Rules that are refused while nothing has changed: it is still known which ones hold. */
static void test_refused_rules_leave_those_that_hold_known(void **state)
{
	const struct ferry_gateway_options options = usual(FERRY_HOOK_ANY);
	static char before[LISTING], after[LISTING];
	struct ferry_error err = {0};
	char wrong[80];
	FILE *f;

	(void)state;
	or_skip();
	up(&options);
	list(before);
	assert_non_null(strstr(before, ".rules"));
	snprintf(wrong, sizeof(wrong), "%s/wrong", top);
	f = fopen(wrong, "w");
	assert_non_null(f);
	for (int i = 0; i < 9; i++)
		fprintf(f, "port tcp/%d-%d kv\n", 1000 + 1024 * i, 1000 + 1024 * i + 1023);
	fclose(f);
	/* More ports than there is room for in one set. */
	assert_int_equal(ferry_gateway_set_rules("fe0", &options.places, wrong, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "line 9, column 6: one too many"));
	list(after);
	assert_string_equal(after, before);
	/* As many as there is room for, and then as many others. */
	for (int set = 0; set < 2; set++) {
		f = fopen(wrong, "w");
		assert_non_null(f);
		for (int i = 8 * set; i < 8 * set + 8; i++)
			fprintf(f, "port tcp/%d-%d kv\n", 1000 + 1024 * i, 1000 + 1024 * i + 1023);
		for (int i = 0; i < 1000; i++)
			fprintf(f, "sni %d.set%d.example kv\n", i, set);
		fclose(f);
		if (ferry_gateway_set_rules("fe0", &options.places, wrong, &err))
			fail_msg("%s", err.text);
	}
	unlink(wrong);
	down();
}

/* What rules have counted stays where a second up brings the same ones. */
static void test_a_second_up_keeps_counters(void **state)
{
	struct ferry_classifier_question q = {
		.from = "10.77.0.1", .to = "10.77.0.2", .protocol = 17, .to_port = 7001};
	const struct ferry_gateway_options options = usual(FERRY_HOOK_ANY);
	struct ferry_classifier_answer answer;
	struct ferry_classifier *c;

	(void)state;
	or_skip();
	up(&options);
	must("echo -n x >/dev/udp/10.77.0.2/7001 || bash -c 'echo x >/dev/udp/10.77.0.2/7001'");
	up(&options);
	assert_int_equal(ferry_classifier_open(&c, "fe0", pins, NULL), 0);
	assert_int_equal(ferry_classifier_explain(c, &q, &answer, NULL), 0);
	assert_int_equal(answer.class, FERRY_CLASS_MODEL);
	assert_true(answer.rule_packets > 0);
	ferry_classifier_close(c);
	down();
}

static void test_an_interface_that_is_down_or_gone(void **state)
{
	const struct ferry_gateway_places places = {records, pins};
	struct ferry_gateway_options options = usual(FERRY_HOOK_ANY);
	static char before[LISTING], after[LISTING];
	struct ferry_error err = {0};

	(void)state;
	or_skip();
	list(before);
	options.device = "ge0";
	assert_int_equal(ferry_gateway_up(&options, &notes, &err), -ENODEV);
	must("ip link add ge0 type veth peer name ge1");
	assert_int_equal(ferry_gateway_up(&options, &notes, &err), -ENETDOWN);
	list(after);
	assert_string_equal(after, before);
	must("ip link set ge0 up");
	up(&options);
	must("ip link del ge0");
	assert_int_equal(ferry_gateway_down("ge0", &places, &notes, &err), 0);
	list(after);
	assert_string_equal(after, before);
	assert_int_equal(ferry_gateway_down("ge0", &places, &notes, &err), -ENODEV);
	/* By the name that it has by now. */
	must("ip link add ge0 type veth peer name ge1 && ip link set ge0 up");
	up(&options);
	must("ip link set ge0 down && ip link set ge0 name he0");
	assert_int_equal(ferry_gateway_down("he0", &places, &notes, &err), 0);
	assert_int_equal(notes.n, 0);
	list(after);
	assert_string_equal(after, before);
	must("ip link del he0");
}

/* Somebody else's qdisc ferry is used where it is, with its own handle, and gets its rate back. */
static void test_a_foreign_qdisc_ferry_is_used(void **state)
{
	struct ferry_gateway_options options = usual(FERRY_HOOK_ANY);
	static char before[LISTING], after[LISTING];
	struct ferry_classifier_status status;
	struct ferry_classifier *c;

	(void)state;
	or_skip();
	if (!has_module) {
		print_message("SKIP: ferry.ko is not loaded; tests/vm/gateway does this\n");
		skip();
	}
	must("tc qdisc replace dev fe0 root handle 1: prio bands 3 && "
	     "tc qdisc add dev fe0 parent 1:1 handle 2a: ferry");
	list(before);
	up(&options);
	assert_int_equal(notes.n, 0);
	assert_int_equal(ferry_classifier_open(&c, "fe0", pins, NULL), 0);
	assert_int_equal(ferry_classifier_status(c, &status, NULL), 0);
	assert_int_equal(status.major, 0x2a);
	ferry_classifier_close(c);
	options.qdisc.has_rate = true;
	options.qdisc.rate = 1250000;
	up(&options);
	list(after);
	assert_non_null(strstr(after, "1250000"));
	down();
	list(after);
	assert_string_equal(after, before);
	must("tc qdisc del dev fe0 root");
}

/* A second up changes the rate in place: the qdisc is the same one, with what it has counted. */
static void test_the_rate_changes_in_place(void **state)
{
	struct ferry_gateway_options options = usual(FERRY_HOOK_ANY);
	struct ferry_qdiscs list_of;
	struct ferry_device device;
	uint64_t packets;

	(void)state;
	or_skip();
	if (!has_module) {
		print_message("SKIP: ferry.ko is not loaded; tests/vm/gateway does this\n");
		skip();
	}
	assert_int_equal(ferry_device_find("fe0", &device, NULL), 0);
	options.qdisc.has_rate = true;
	options.qdisc.rate = 2500000;
	up(&options);
	must("bash -c 'echo x >/dev/udp/10.77.0.2/7001'");
	assert_int_equal(ferry_qdiscs_read(&list_of, device.index, NULL), 0);
	assert_string_equal(ferry_qdiscs_root(&list_of)->kind, "ferry");
	assert_int_equal(ferry_qdiscs_root(&list_of)->rate, 2500000);
	packets = ferry_qdiscs_root(&list_of)->classes[FERRY_CLASS_MODEL].packets;
	assert_true(packets > 0);
	ferry_qdiscs_free(&list_of);
	options.qdisc.rate = 1250000;
	up(&options);
	assert_int_equal(ferry_qdiscs_read(&list_of, device.index, NULL), 0);
	assert_int_equal(ferry_qdiscs_root(&list_of)->rate, 1250000);
	assert_true(ferry_qdiscs_root(&list_of)->classes[FERRY_CLASS_MODEL].packets >= packets);
	ferry_qdiscs_free(&list_of);
	down();
}

static int write_rules(void)
{
	FILE *f = fopen(rules_file, "w");

	if (!f ||
	    fputs("port udp/7001 to model\nport udp/7002 to kv\nprefix 10.9.0.0/16 sync\n", f) < 0)
		return -1;
	return fclose(f);
}

static int set_up(void **state)
{
	(void)state;
	why_not = "only root may have a network namespace and BPF programs";
	if (geteuid() || unshare(CLONE_NEWNET | CLONE_NEWNS))
		return 0;
	why_not = "there is no BPF file system, veth or clsact here";
	if (!mkdtemp(top) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", top, "tmpfs", 0, NULL))
		return 0;
	snprintf(records, sizeof(records), "%s/run", top);
	snprintf(rules_file, sizeof(rules_file), "%s/rules", top);
	snprintf(pins, sizeof(pins), "%s/bpf", top);
	if (mkdir(records, 0755) || mkdir(pins, 0700) || mount("bpf", pins, "bpf", 0, NULL) ||
	    write_rules())
		return 0;
	strncat(pins, "/ferry", sizeof(pins) - strlen(pins) - 1);
	if (run("ip link add fe0 type veth peer name fe1 && ip addr add 10.77.0.1/24 dev fe0 && "
		"ip link set fe0 up && ip link set fe1 up && tc qdisc add dev fe0 clsact && "
		"tc qdisc del dev fe0 clsact && "
		"ip neigh add 10.77.0.2 lladdr 02:00:00:00:00:09 dev fe0"))
		return 0;
	why_not = NULL;
	has_module = !access("/sys/module/ferry", F_OK);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	umount2(top, MNT_DETACH);
	rmdir(top);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_r28_up_is_killed_at_every_step),
		cmocka_unit_test(test_r28_a_kill_around_the_qdisc),
		cmocka_unit_test(test_r28_a_killed_up_is_taken_over),
		cmocka_unit_test(test_r28_down_is_killed_at_every_step),
		cmocka_unit_test(test_ups_and_downs_take_turns),
		cmocka_unit_test(test_r28_a_classful_root_stays),
		cmocka_unit_test(test_an_up_that_fails),
		cmocka_unit_test(test_refused_rules_leave_those_that_hold_known),
		cmocka_unit_test(test_a_second_up_keeps_counters),
		cmocka_unit_test(test_an_interface_that_is_down_or_gone),
		cmocka_unit_test(test_a_foreign_qdisc_ferry_is_used),
		cmocka_unit_test(test_the_rate_changes_in_place),
	};

	if (argc > 1 && atoi(argv[1]) > 0)
		apart = (unsigned int)atoi(argv[1]);
	if (argc > 2)
		cmocka_set_test_filter(argv[2]);
	return cmocka_run_group_tests_name("net/gateway", tests, set_up, tear_down);
}
