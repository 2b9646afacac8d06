// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: readers, until SIGTERM
 *
 * Eight threads read every file of /sys/class/ferry_link and /sys/class/ferry_energy over and over,
 * while somebody else makes and removes network devices. Each keeps a file open across two
 * reads, so that its link may go in between. Fails on a read that is neither one line nor a plain
 * "it is gone", and where nothing was read.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { READERS = 8, PATH_BYTES = 512, LINE_BYTES = 4096 };

static atomic_ulong n_read, n_gone, n_wrong;
static atomic_bool stop;

static void read_once(int fd, const char *path)
{
	char line[LINE_BYTES];
	ssize_t n = pread(fd, line, sizeof(line), 0);

	if (n < 0 && errno == ENODEV) {
		n_gone++;
	} else if (n < 2 || n == LINE_BYTES || memchr(line, '\n', (size_t)n) != line + n - 1) {
		if (!n_wrong++)
			fprintf(stderr, "readers: %s: %zd bytes, %s\n", path, n, strerror(errno));
	} else {
		n_read++;
	}
}

static void read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	read_once(fd, path);
	/* Long enough for somebody else to remove it, and to get a processor to do so. */
	usleep(1000);
	read_once(fd, path);
	close(fd);
}

/* The directory and, @depth deep, those in it; not the links that lead out of it. */
static void read_folder(const char *path, int depth)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return;
	while (!stop && (entry = readdir(dir))) {
		char inner[PATH_BYTES];

		/* What the kernel has in every device or chip, with errors of its own. */
		if (entry->d_name[0] == '.' || !strcmp(entry->d_name, "uevent") ||
		    !strcmp(entry->d_name, "power") || !strncmp(entry->d_name, "hwmon", 5))
			continue;
		snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
		if (entry->d_type == DT_REG)
			read_file(inner);
		else if (entry->d_type == DT_DIR && depth)
			read_folder(inner, depth - 1);
		else if (entry->d_type == DT_LNK && depth == 2)
			read_folder(inner, 1); /* a device of the class */
	}
	closedir(dir);
}

static void *reader(void *unused)
{
	while (!stop) {
		read_folder("/sys/class/ferry_link", 2);
		read_folder("/sys/class/ferry_energy", 2);
	}
	return unused;
}

int main(void)
{
	pthread_t threads[READERS];
	sigset_t term;
	int sig;

	/* Before the threads start, so that they inherit it. */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &term, NULL);
	for (int i = 0; i < READERS; i++)
		if (pthread_create(&threads[i], NULL, reader, NULL))
			return 1;
	sigwait(&term, &sig);
	stop = true;
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	printf("%lu lines read, %lu were gone, %lu were wrong\n", n_read, n_gone, n_wrong);
	return !n_read || n_wrong;
}
