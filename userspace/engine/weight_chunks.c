// SPDX-License-Identifier: MIT
/*
 * All chunks of the packed weights by all threads: packed to memory, packed to a file, or read for
 * their checksum. Chunks are those of the file, so the first one holds less data than the others.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "engine/weights_private.h"

enum { CHUNK = FERRY_WEIGHTS_CHUNK, HASH_LANES = 8 };

struct job {
	const struct ferry_model *model; /* NULL: nothing is packed */
	const struct ferry_weights *weights;
	const uint8_t *data; /* to be read */
	uint8_t *memory;     /* to be written; NULL: fd is */
	int fd;
	uint8_t *scratch; /* [n_threads][scratch_bytes]: a group, and a chunk for a file */
	size_t scratch_bytes;
	size_t offset; /* of the data in the file */
	size_t n_bytes;
	atomic_size_t next; /* chunk */
	atomic_int failed;  /* negative errno */
	_Atomic uint64_t checksum;
};

/* ---- checksums ---- */

static uint64_t stir(uint64_t h, uint64_t word)
{
	h ^= word;
	/* Odd, and so one to one; the rotation brings the high bits down again. */
	return (h << 29 | h >> 35) * 0x9e3779b97f4a7c15u;
}

/* Lanes, because a product takes longer than a load. */
uint64_t ferry_weights_hash(const uint8_t *bytes, size_t n)
{
	uint64_t lane[HASH_LANES], h = n;
	uint8_t rest[8 * HASH_LANES] = {0};
	size_t i = 0;

	for (int k = 0; k < HASH_LANES; k++)
		lane[k] = (uint64_t)k;
	for (; i + sizeof(rest) <= n; i += sizeof(rest))
		for (int k = 0; k < HASH_LANES; k++)
			lane[k] = stir(lane[k], ferry_load_le64(bytes + i + 8 * k));
	memcpy(rest, bytes + i, n - i);
	for (int k = 0; k < HASH_LANES; k++)
		h = stir(h, stir(lane[k], ferry_load_le64(rest + 8 * k)));
	return h ^ h >> 32;
}

/* A sum, whose order does not matter, of terms that know their place. */
static void add_checksum(struct job *job, size_t chunk, const uint8_t *bytes, size_t n)
{
	atomic_fetch_add(&job->checksum, stir(ferry_weights_hash(bytes, n), chunk));
}

/* ---- work ---- */

static int write_all(int fd, const uint8_t *bytes, size_t n, uint64_t offset)
{
	while (n) {
		ssize_t done = pwrite(fd, bytes, n, (off_t)offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? -errno : -EIO;
		bytes += done;
		n -= (size_t)done;
		offset += (uint64_t)done;
	}
	return 0;
}

/* Bytes [begin, end) of the data. */
static void work_on(struct job *job, size_t chunk, size_t begin, size_t end, uint8_t *group)
{
	const size_t n = end - begin;
	uint8_t *out = group ? group + job->weights->max_group_bytes : NULL;
	int ret;

	if (!job->model) {
		add_checksum(job, chunk, job->data + begin, n);
		return;
	}
	if (job->memory)
		out = job->memory + begin;
	ferry_weights_fill(job->model, job->weights, begin, end, group, out);
	if (job->memory)
		return;
	add_checksum(job, chunk, out, n);
	ret = write_all(job->fd, out, n, job->offset + begin);
	if (ret)
		atomic_store(&job->failed, ret);
}

static void work(void *data, uint32_t thread, uint32_t n_threads)
{
	struct job *job = data;
	const size_t file_end = job->offset + job->n_bytes;
	uint8_t *group = job->scratch ? job->scratch + thread * job->scratch_bytes : NULL;
	size_t chunk;

	(void)n_threads;
	while ((chunk = atomic_fetch_add(&job->next, 1)) < file_end / CHUNK + 1 &&
	       !atomic_load(&job->failed)) {
		size_t begin = chunk * CHUNK, end = begin + CHUNK;

		begin = begin < job->offset ? job->offset : begin;
		end = end > file_end ? file_end : end;
		if (begin < end)
			work_on(job, chunk, begin - job->offset, end - job->offset, group);
	}
}

static int run(struct job *job, struct ferry_pool *pool, struct ferry_error *err)
{
	const uint32_t n_threads = pool ? ferry_pool_n_threads(pool) : 1;

	if (job->model) {
		const size_t chunk = job->memory ? 0 : CHUNK;

		job->scratch_bytes = job->weights->max_group_bytes + chunk;
		job->scratch = calloc(n_threads, job->scratch_bytes);
		if (!job->scratch)
			return ferry_fail_memory(err, "packing the weights",
						 n_threads * job->scratch_bytes);
	}
	ferry_pool_run(pool, work, job);
	free(job->scratch);
	return atomic_load(&job->failed);
}

int ferry_weights_pack_to_memory(const struct ferry_model *m, const struct ferry_weights *w,
				 struct ferry_pool *pool, uint8_t *out, struct ferry_error *err)
{
	struct job job = {.model = m, .weights = w, .memory = out, .n_bytes = w->n_bytes};

	return w->n_bytes ? run(&job, pool, err) : 0;
}

int ferry_weights_pack_to_file(const struct ferry_model *m, const struct ferry_weights *w,
			       struct ferry_pool *pool, int fd, size_t offset, uint64_t *checksum,
			       struct ferry_error *err)
{
	struct job job = {
		.model = m, .weights = w, .fd = fd, .offset = offset, .n_bytes = w->n_bytes};
	int ret = run(&job, pool, err);

	if (ret && ret != -ENOMEM)
		ferry_fail(err, FERRY_ERROR_FILE, ret, "%s", ferry_errno_text(ret));
	*checksum = job.checksum;
	return ret;
}

uint64_t ferry_weights_checksum(const uint8_t *data, size_t n, struct ferry_pool *pool,
				size_t offset)
{
	struct job job = {.data = data, .offset = offset, .n_bytes = n};

	run(&job, pool, NULL);
	return job.checksum;
}
