// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cmocka.h>

#include "net/metrics_server.h"

static char directory[] = "/tmp/ferry-metrics-XXXXXX";
static char path[80];

static void nothing(struct ferry_exposition *text, void *data)
{
	(void)text;
	(void)data;
}

/* A mistyped --listen: a file refuses connections as a socket does that nobody serves. */
static void a_file_is_not_taken_for_an_abandoned_socket(void **state)
{
	struct ferry_metrics_server *server;
	struct ferry_error err = {0};
	char word[8] = "";
	FILE *f;

	(void)state;
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("mine", f);
	fclose(f);
	assert_int_equal(ferry_metrics_server_open(&server, path, nothing, NULL, &err),
			 -EADDRINUSE);
	assert_non_null(strstr(err.text, path));
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(word, sizeof(word), f));
	fclose(f);
	assert_string_equal(word, "mine");
	/* Nor is what a link leads to. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(ferry_metrics_server_open(&server, path, nothing, NULL, &err),
			 -EADDRINUSE);
	assert_int_equal(unlink(path), 0);
}

static void an_abandoned_socket_is_taken_over(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct ferry_metrics_server *server, *other;
	struct ferry_error err = {0};

	(void)state;
	memcpy(address.sun_path, path, strlen(path) + 1);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const void *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(ferry_metrics_server_open(&server, path, nothing, NULL, &err), 0);
	/* But not one that somebody serves. */
	assert_int_equal(ferry_metrics_server_open(&other, path, nothing, NULL, &err), -EADDRINUSE);
	ferry_metrics_server_close(server);
	assert_int_equal(unlink(path), 0);
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/metrics", directory);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_not_taken_for_an_abandoned_socket),
		cmocka_unit_test(an_abandoned_socket_is_taken_over),
	};

	return cmocka_run_group_tests_name("net/metrics_server", tests, set_up, tear_down);
}
