// SPDX-License-Identifier: MIT
#include "model/gguf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "model/gguf_parse.h"

enum {
	/* Header structures take at most about ten times the bytes that describe them. */
	ARENA_PER_FILE_BYTE = 16,
	ARENA_MIN = 1 << 20,
	/* A longer path would push the rest of a message out of struct ferry_error. */
	MAX_SHOWN_PATH = 200,
};

/* The path as messages show it: whole, or "..." and its end. */
static char *shown_path(struct ferry_arena *arena, const char *path)
{
	size_t n = strlen(path);
	char *s;

	if (n <= MAX_SHOWN_PATH)
		return ferry_arena_string(arena, path, n);
	s = ferry_arena_string(arena, path + n - MAX_SHOWN_PATH, MAX_SHOWN_PATH);
	if (s)
		memcpy(s, "...", 3);
	return s;
}

static int new_gguf(const char *path, struct ferry_gguf **out, struct ferry_error *err)
{
	struct ferry_gguf *g = calloc(1, sizeof(*g));

	*out = NULL;
	if (!g)
		return ferry_fail_memory(err, path, sizeof(*g));
	g->path = shown_path(&g->arena, path);
	if (!g->path) {
		free(g);
		return ferry_fail_memory(err, "the name of a file", strlen(path));
	}
	*out = g;
	return 0;
}

static int read_header(struct ferry_gguf *g, struct ferry_error *err)
{
	size_t limit;

	if (__builtin_mul_overflow(g->map_bytes, (size_t)ARENA_PER_FILE_BYTE, &limit) ||
	    limit > SIZE_MAX - ARENA_MIN)
		limit = SIZE_MAX - ARENA_MIN;
	g->arena.limit = limit + ARENA_MIN;
	return ferry_gguf_read_header(g, err);
}

static int map_file(struct ferry_gguf *g, int fd, struct ferry_error *err)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st))
		return ferry_fail(err, FERRY_ERROR_SYSTEM, -errno, "%s: cannot be examined: %s",
				  g->path, ferry_errno_text(errno));
	if (S_ISDIR(st.st_mode))
		return ferry_fail(err, FERRY_ERROR_FILE, -EISDIR,
				  "%s: a directory; name the GGUF file in it", g->path);
	if (!S_ISREG(st.st_mode))
		return ferry_fail(err, FERRY_ERROR_FILE, -EINVAL,
				  "%s: not a regular file; models are mapped, so copy it to one",
				  g->path);
	if ((uint64_t)st.st_size > SIZE_MAX / 2)
		return ferry_fail(err, FERRY_ERROR_FILE, -EFBIG,
				  "%s: too large for the address space of this machine", g->path);
	g->stamp = (struct ferry_gguf_stamp){
		.n_bytes = (uint64_t)st.st_size,
		.mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
		.mode = st.st_mode,
		.owner = st.st_uid,
	};
	if (!st.st_size)
		return 0; /* mmap() refuses it; the header check has the words for it */
	/*
	 * Shared, so that the pages are the page cache's own and every process that runs this model
	 * has one copy. No advice here: which tensors will be read, and in what order, only the
	 * caller knows (a node may run a few layers of a file many times its memory).
	 */
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return ferry_fail(err, FERRY_ERROR_SYSTEM, -errno, "%s: cannot be mapped: %s",
				  g->path, ferry_errno_text(errno));
	g->map = map;
	g->map_bytes = (size_t)st.st_size;
	g->mapped = true;
	return 0;
}

int ferry_gguf_open(const char *path, struct ferry_gguf **out, struct ferry_error *err)
{
	struct ferry_gguf *g;
	int fd, rc;

	rc = new_gguf(path, out, err);
	if (rc)
		return rc;
	g = *out;
	*out = NULL;
	/* O_NONBLOCK: a FIFO without a writer, or a device, must not hold us here. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		rc = ferry_fail(err, FERRY_ERROR_FILE, -errno, "%s: cannot be opened: %s", g->path,
				ferry_errno_text(errno));
		goto fail;
	}
	rc = map_file(g, fd, err);
	close(fd);
	if (!rc)
		rc = read_header(g, err);
	if (rc)
		goto fail;
	*out = g;
	return 0;
fail:
	ferry_gguf_close(g);
	return rc;
}

int ferry_gguf_parse(const void *data, size_t size, const char *path, struct ferry_gguf **out,
		     struct ferry_error *err)
{
	struct ferry_gguf *g;
	int rc = new_gguf(path, out, err);

	if (rc)
		return rc;
	g = *out;
	g->map = data;
	g->map_bytes = size;
	rc = (uintptr_t)data % FERRY_GGUF_DATA_ALIGN
		     ? ferry_gguf_fail(g, err, -EINVAL, "its bytes in memory are not aligned to %d",
				       (int)FERRY_GGUF_DATA_ALIGN)
		     : read_header(g, err);
	if (rc) {
		ferry_gguf_close(g);
		*out = NULL;
	}
	return rc;
}

void ferry_gguf_close(struct ferry_gguf *g)
{
	if (!g)
		return;
	if (g->mapped)
		munmap((void *)(uintptr_t)g->map, g->map_bytes);
	ferry_arena_free(&g->arena);
	free(g);
}
