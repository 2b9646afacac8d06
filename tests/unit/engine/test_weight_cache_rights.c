// SPDX-License-Identifier: MIT
/*
 * Directories that refuse, disks that are full, links that lead elsewhere, and other processes that
 * want the same file or died while they wrote it.
 */
#define _GNU_SOURCE /* unshare */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "weight_rig.h"

static const struct ferry_tiny_model small = {
	.type = FERRY_TYPE_Q4_0, .n_layers = 1, .n_ff = 256, .tokenizer = FERRY_TINY_NONE};
/* Takes long enough to pack for others to come meanwhile. */
static const struct ferry_tiny_model larger = {
	.type = FERRY_TYPE_Q4_K, .n_layers = 16, .n_ff = 1024, .tokenizer = FERRY_TINY_NONE};

enum {
	NOBODY = 65534,
	WRONG = 64, /* exit status of a child whose weights are wrong */
	CANNOT = 77,
	N_PROCESSES = 5,
};

/* What locks are like; flock() of the C library's stands behind this one. */
static enum {
	LOCAL,
	NETWORK,  /* NFS: whole files are locked as ranges of bytes, for writing by who may write */
	NO_LOCKS, /* its server has none */
} locks;

int flock(int fd, int operation)
{
	const bool writes = (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;

	if (locks == NO_LOCKS || (locks == NETWORK && operation & LOCK_EX && !writes)) {
		errno = locks == NO_LOCKS ? ENOLCK : EBADF;
		return -1;
	}
	return (int)syscall(SYS_flock, fd, operation);
}

/* For a child, where an assertion of cmocka would go on with the parent's tests. */
static int start_in_child(const struct weight_rig *r)
{
	const struct ferry_weights_options o = {.n_threads = 1, .cache = r->cache};
	struct ferry_model *m;
	const uint8_t *span;
	size_t n;

	if (ferry_model_load(r->model, &m, NULL) || ferry_weights_prepare(m, &o, NULL))
		return WRONG;
	span = ferry_weights_span(m, &n);
	if (n != r->n || memcmp(span, r->right, n) != 0)
		return WRONG;
	return ferry_weights_origin(m);
}

static int status_of(pid_t child)
{
	int status = 0;

	assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFEXITED(status))
		fail_msg("a process was ended by signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

static void part_path(const struct weight_rig *r, char path[2 * RIG_PATH])
{
	struct ferry_model *m = rig_load(r);
	int n = snprintf(path, (size_t)2 * RIG_PATH, "%s/", r->cache);

	for (int i = 0; i < 16; i++)
		n += sprintf(path + n, "%02x", m->id[i]);
	sprintf(path + n, "-1.packed.part");
	ferry_model_free(m);
}

static void a_directory_that_cannot_be(void **state)
{
	struct weight_rig r = rig_new(&small);

	(void)state;
	snprintf(r.cache, sizeof(r.cache), "%s/not/there", r.dir);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_PRIVATE);
	assert_non_null(strstr(r.warning, r.cache));
	snprintf(r.cache, sizeof(r.cache), "%s", r.model); /* a file */
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_PRIVATE);
	assert_non_null(strstr(r.warning, r.cache));
	snprintf(r.cache, sizeof(r.cache), "%s/cache", r.dir);
	rig_free(&r);
}

/* Its name must not push the reason out of the message. */
static void a_directory_with_a_long_name(void **state)
{
	struct weight_rig r = rig_new(&small);
	const size_t n = strlen(r.cache);

	(void)state;
	memset(r.cache + n, '/', sizeof(r.cache) - n - 1);
	memcpy(r.cache + sizeof(r.cache) - 11, "/not/there", 11);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_PRIVATE);
	assert_non_null(strstr(r.warning, "/not/there cannot be used: No such file"));
	r.cache[n] = 0;
	rig_free(&r);
}

/* The file that is there is used all the same. */
static void a_directory_that_is_read_only(void **state)
{
	struct weight_rig r = rig_new(&small);
	char *path;
	pid_t child;

	(void)state;
	if (geteuid()) {
		assert_int_equal(mkdir(r.cache, 0500), 0);
		assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_PRIVATE);
		rig_free(&r);
		return;
	}
	/* root may write everywhere */
	assert_int_equal(chmod(r.dir, 0755), 0);
	assert_int_equal(chmod(r.model, 0644), 0);
	assert_int_equal(mkdir(r.cache, 0755), 0);
	child = fork();
	if (!child)
		_exit(setuid(NOBODY) ? WRONG : start_in_child(&r));
	assert_int_equal(status_of(child), FERRY_WEIGHTS_PRIVATE);
	assert_null(rig_file(r.cache, ".packed"));
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	path = rig_packed(&r);
	assert_int_equal(chmod(path, 0644), 0);
	child = fork();
	if (!child)
		_exit(setuid(NOBODY) ? WRONG : start_in_child(&r));
	assert_int_equal(status_of(child), FERRY_WEIGHTS_FOUND);
	/* It cannot be sealed by who only reads it, and is checked each time. */
	assert_int_equal(utimensat(AT_FDCWD, path, NULL, 0), 0);
	for (int i = 0; i < 2; i++) {
		child = fork();
		if (!child)
			_exit(setuid(NOBODY) ? WRONG : start_in_child(&r));
		assert_int_equal(status_of(child), FERRY_WEIGHTS_FOUND);
	}
	free(path);
	rig_free(&r);
}

static void a_file_that_others_may_write(void **state)
{
	struct weight_rig r = rig_new(&small);
	char *path;

	(void)state;
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	path = rig_packed(&r);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_FOUND);
	if (!geteuid()) {
		assert_int_equal(chown(path, NOBODY, NOBODY), 0);
		assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
		/* Whoever owns the model could change it as well. */
		assert_int_equal(chown(path, NOBODY, NOBODY), 0);
		assert_int_equal(chown(r.model, NOBODY, NOBODY), 0);
		assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_FOUND);
	}
	free(path);
	rig_free(&r);
}

/* The file size limit of the process; the kernel would send SIGXFSZ. */
static void a_file_size_limit(void **state)
{
	struct weight_rig r = rig_new(&small);
	const struct rlimit limit = {.rlim_cur = 100000, .rlim_max = 100000};
	pid_t child;

	(void)state;
	child = fork();
	if (!child)
		_exit(setrlimit(RLIMIT_FSIZE, &limit) ? WRONG : start_in_child(&r));
	assert_int_equal(status_of(child), FERRY_WEIGHTS_PRIVATE);
	assert_null(rig_file(r.cache, ".part"));
	rig_free(&r);
}

static int start_on_a_small_disk(const struct weight_rig *r)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mkdir(r->cache, 0700) || mount("ferry", r->cache, "tmpfs", 0, "size=128k"))
		return CANNOT;
	if (start_in_child(r) != FERRY_WEIGHTS_PRIVATE || rig_file(r->cache, "packed") ||
	    rig_file(r->cache, ".part"))
		return WRONG;
	/* With room again, the file is made. */
	if (mount("ferry", r->cache, "tmpfs", MS_REMOUNT, "size=64m"))
		return CANNOT;
	return start_in_child(r);
}

static void a_full_disk(void **state)
{
	struct weight_rig r = rig_new(&small);
	pid_t child;
	int status;

	(void)state;
	assert_true(r.n > 128 << 10);
	child = fork();
	if (!child)
		_exit(start_on_a_small_disk(&r));
	status = status_of(child);
	rig_free(&r);
	if (status == CANNOT) {
		print_message("# mounting a small file system takes root\n");
		skip();
	}
	assert_int_equal(status, FERRY_WEIGHTS_MADE);
}

static void links_are_not_followed(void **state)
{
	struct weight_rig r = rig_new(&small);
	char part[2 * RIG_PATH], target[2 * RIG_PATH];
	struct stat st;
	char *path;
	uint8_t *bytes;
	size_t n;

	(void)state;
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	path = rig_packed(&r);
	part_path(&r, part);
	assert_memory_equal(part, path, strlen(path));
	snprintf(target, sizeof(target), "%s/target", r.dir);
	/* Even to a good file. */
	assert_int_equal(rename(path, target), 0);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	/* Under the name of the temporary file, to what must not be written. */
	unlink(path);
	rig_write(target, (const uint8_t *)"precious", 8);
	assert_int_equal(symlink(target, part), 0);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_PRIVATE);
	bytes = rig_read(target, &n);
	assert_int_equal(n, 8);
	assert_memory_equal(bytes, "precious", 8);
	/* Nothing there may hold us. */
	unlink(part);
	assert_int_equal(mkfifo(part, 0600), 0);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_PRIVATE);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_PRIVATE);
	free(bytes);
	free(path);
	rig_free(&r);
}

static void a_leftover_of_a_killed_process(void **state)
{
	struct weight_rig r = rig_new(&small);
	char part[2 * RIG_PATH];

	(void)state;
	assert_int_equal(mkdir(r.cache, 0700), 0);
	part_path(&r, part);
	rig_write(part, (const uint8_t *)"half", 4);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	assert_null(rig_file(r.cache, ".part"));
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_FOUND);
	rig_free(&r);
}

/* Each start would wait its ten seconds, and keep nothing for the next one. */
static void a_leftover_on_a_network_file_system(void **state)
{
	struct weight_rig r = rig_new(&small);
	char part[2 * RIG_PATH];

	(void)state;
	assert_int_equal(mkdir(r.cache, 0700), 0);
	part_path(&r, part);
	rig_write(part, (const uint8_t *)"half", 4);
	locks = NETWORK;
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	assert_null(rig_file(r.cache, ".part"));
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_FOUND);
	locks = LOCAL;
	rig_free(&r);
}

/* Without locks nobody can tell a leftover from a file that is being written: not waited for. */
static void a_file_system_without_locks(void **state)
{
	struct weight_rig r = rig_new(&small);
	char part[2 * RIG_PATH];

	(void)state;
	locks = NO_LOCKS;
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_PRIVATE);
	assert_non_null(strstr(r.warning, strerror(ENOLCK)));
	assert_null(rig_file(r.cache, ".part"));
	part_path(&r, part);
	rig_write(part, (const uint8_t *)"half", 4);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_PRIVATE);
	assert_non_null(strstr(r.warning, strerror(ENOLCK)));
	locks = LOCAL;
	rig_free(&r);
}

static void another_process_that_never_ends(void **state)
{
	struct weight_rig r = rig_new(&small);
	struct ferry_model *m;
	char part[2 * RIG_PATH];
	int fd;

	(void)state;
	assert_int_equal(mkdir(r.cache, 0700), 0);
	part_path(&r, part);
	rig_write(part, (const uint8_t *)"half", 4);
	fd = open(part, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	m = rig_start(&r, 50);
	assert_int_equal(ferry_weights_origin(m), FERRY_WEIGHTS_PRIVATE);
	assert_non_null(strstr(r.warning, "another process"));
	ferry_model_free(m);
	close(fd);
	assert_int_equal(rig_origin(&r), FERRY_WEIGHTS_MADE);
	rig_free(&r);
}

/* One makes the file; all have the right weights. */
static void several_processes_at_once(void **state)
{
	struct weight_rig r = rig_new(&larger);
	int gate[2], n_made = 0;
	pid_t child[N_PROCESSES];

	(void)state;
	for (int round = 0; round < 3; round++) {
		rig_empty(r.cache);
		n_made = 0;
		assert_int_equal(pipe(gate), 0);
		for (int i = 0; i < N_PROCESSES; i++) {
			child[i] = fork();
			if (!child[i]) {
				char c;

				close(gate[1]);
				_exit(read(gate[0], &c, 1) ? WRONG : start_in_child(&r));
			}
		}
		close(gate[0]);
		close(gate[1]);
		for (int i = 0; i < N_PROCESSES; i++) {
			const int origin = status_of(child[i]);

			assert_true(origin == FERRY_WEIGHTS_MADE || origin == FERRY_WEIGHTS_FOUND);
			n_made += origin == FERRY_WEIGHTS_MADE;
		}
		assert_int_equal(n_made, 1);
		assert_null(rig_file(r.cache, ".part"));
	}
	rig_free(&r);
}

/* Whoever is killed while it writes leaves nothing that others would take. */
static void killed_while_writing(void **state)
{
	struct weight_rig r = rig_new(&larger);

	(void)state;
	for (unsigned us = 0; us < 8000; us += 400) {
		pid_t child;

		rig_empty(r.cache);
		child = fork();
		if (!child)
			_exit(start_in_child(&r));
		usleep(us);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, NULL, 0), child);
		assert_true(rig_origin(&r) >= FERRY_WEIGHTS_MADE);
	}
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_directory_that_cannot_be),
		cmocka_unit_test(a_directory_with_a_long_name),
		cmocka_unit_test(a_directory_that_is_read_only),
		cmocka_unit_test(a_file_that_others_may_write),
		cmocka_unit_test(a_file_size_limit),
		cmocka_unit_test(a_full_disk),
		cmocka_unit_test(links_are_not_followed),
		cmocka_unit_test(a_leftover_of_a_killed_process),
		cmocka_unit_test(a_leftover_on_a_network_file_system),
		cmocka_unit_test(a_file_system_without_locks),
		cmocka_unit_test(another_process_that_never_ends),
		cmocka_unit_test(several_processes_at_once),
		cmocka_unit_test(killed_while_writing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
