// SPDX-License-Identifier: MIT
/* What a device makes of edges that die, stop or hang while it works with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "two_nodes.h"

enum {
	PATIENT_MS = 20000, /* the edge is a real one on a busy machine */
	GUARD_S = 240,	    /* nothing here may hang: the alarm ends the program */
	N_NEW = 12,
};

static struct two_nodes t;

static int set_up(void **state)
{
	(void)state;
	two_nodes_load(&t, &(struct ferry_tiny_model){.n_layers = 2}, 1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	two_nodes_free(&t);
	return 0;
}

static int guard(void **state)
{
	(void)state;
	alarm(GUARD_S);
	return 0;
}

static struct ferry_node_session_options options(const char *address)
{
	return (struct ferry_node_session_options){.n_ctx = 64,
						   .edge = address,
						   .split = 1,
						   .deadline_ms = PATIENT_MS,
						   .fallback = FERRY_NODE_FALLBACK_FAIL};
}

/* An edge in a process of its own; returns its id. Forked before any thread exists. */
static pid_t fork_edge(char address[64])
{
	int pipe_fd[2];
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(pipe_fd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct ferry_edge_options o = {.listen = "127.0.0.1:0", .n_threads = 1};
		struct ferry_edge *edge;

		alarm(GUARD_S);
		if (!ferry_edge_new(t.model, &o, &edge, NULL) &&
		    write(pipe_fd[1], ferry_edge_address(edge), 64) > 0)
			ferry_edge_run(edge, NULL);
		_exit(0);
	}
	n = read(pipe_fd[0], address, 64);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	assert_int_equal(n, 64);
	return pid;
}

static void an_edge_that_is_killed_between_tokens(void **state)
{
	struct ferry_node_session_options o;
	struct ferry_node_session *s;
	int32_t prompt[9], ids[N_NEW + 2], id;
	struct ferry_error err = {0};
	char address[64];
	pid_t pid = fork_edge(address);
	size_t n;

	(void)state;
	o = options(address);
	s = two_nodes_open(&t, &o);
	two_nodes_prompt(&t, prompt, 9);
	two_nodes_generate(s, prompt, 9, NULL, ids, N_NEW);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_true(ferry_node_session_next(s, NULL, &id, &err) < 0);
	assert_int_equal(err.kind, FERRY_ERROR_LINK);
	assert_non_null(strstr(err.text, address));
	/* What was said is still known. */
	assert_memory_equal(ferry_node_session_history(s, &n) + 9, ids, N_NEW * sizeof(*ids));
	assert_int_equal(n, 9 + N_NEW);
	assert_true(ferry_node_session_next(s, NULL, &id, &err) < 0);
	assert_true(ferry_node_session_append(s, prompt, 9, &err) < 0);
	ferry_node_session_close(s);
}

static void an_edge_that_is_stopped_says_so(void **state)
{
	struct ferry_node_session_options o;
	struct ferry_node_session *s;
	int32_t prompt[9], ids[2];
	struct ferry_error err = {0};

	(void)state;
	two_nodes_serve(&t, NULL);
	o = options(t.address);
	s = two_nodes_open(&t, &o);
	two_nodes_prompt(&t, prompt, 9);
	two_nodes_generate(s, prompt, 9, NULL, ids, 2);
	two_nodes_stop(&t);
	assert_int_equal(ferry_node_session_next(s, NULL, ids, &err), -ESHUTDOWN);
	assert_non_null(strstr(err.text, "STOPPING: this edge is stopping"));
	ferry_node_session_close(s);
}

static void *cancel_later(void *session)
{
	usleep(100000);
	ferry_node_session_cancel(session);
	return NULL;
}

/* A process that is stopped answers nothing and resets nothing. */
static void a_wait_can_be_cancelled_and_the_session_goes_on(void **state)
{
	struct ferry_node_session_options o = {
		.n_ctx = 128, .split = -1, .fallback = FERRY_NODE_FALLBACK_FAIL};
	struct ferry_node_session *s;
	int32_t prompt[70], want[2 * N_NEW], ids[2 * N_NEW], id;
	char address[64];
	pid_t pid = fork_edge(address);
	pthread_t thread;

	(void)state;
	two_nodes_prompt(&t, prompt, 70);
	s = two_nodes_open(&t, &o);
	two_nodes_generate(s, prompt, 20, NULL, want, N_NEW);
	two_nodes_generate(s, prompt + 20, 50, NULL, want + N_NEW, N_NEW);
	ferry_node_session_close(s);
	o.edge = address;
	o.split = 1;
	o.chunk_tokens = 8;
	o.deadline_ms = 20000;
	s = two_nodes_open(&t, &o);
	two_nodes_generate(s, prompt, 20, NULL, ids, N_NEW);
	kill(pid, SIGSTOP);
	/* Before the call, */
	ferry_node_session_cancel(s);
	assert_int_equal(ferry_node_session_next(s, NULL, &id, NULL), -ECANCELED);
	/* while it waits for a token, */
	assert_int_equal(pthread_create(&thread, NULL, cancel_later, s), 0);
	assert_int_equal(ferry_node_session_next(s, NULL, &id, NULL), -ECANCELED);
	pthread_join(thread, NULL);
	/* and in the middle of a prompt. */
	assert_int_equal(pthread_create(&thread, NULL, cancel_later, s), 0);
	assert_int_equal(ferry_node_session_append(s, prompt + 20, 50, NULL), -ECANCELED);
	pthread_join(thread, NULL);
	kill(pid, SIGCONT);
	two_nodes_generate(s, NULL, 0, NULL, ids + N_NEW, N_NEW);
	assert_memory_equal(ids, want, sizeof(want));
	ferry_node_session_close(s);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	/* Those that fork come before any thread exists. */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_edge_that_is_killed_between_tokens, guard),
		cmocka_unit_test_setup(a_wait_can_be_cancelled_and_the_session_goes_on, guard),
		cmocka_unit_test_setup(an_edge_that_is_stopped_says_so, guard),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
