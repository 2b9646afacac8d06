/* SPDX-License-Identifier: MIT */
/*
 * Where packed weights lie, and the work of making and checking them, chunk by chunk: shared by
 * weights.c, weight_layout.c, weight_chunks.c and weight_cache.c.
 */
#ifndef FERRY_ENGINE_WEIGHTS_PRIVATE_H
#define FERRY_ENGINE_WEIGHTS_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

#include "compute/pool.h"
#include "engine/weights.h"

enum {
	FERRY_WEIGHTS_ALIGN = 64,
	/*
	 * What a thread packs, writes and checks in one go, aligned in the file. Page caches with
	 * large folios then keep it in such, which are cheaper to map. Twice as much would ask for
	 * huge pages: ten times the system time where memory is fragmented, or a guest's.
	 */
	FERRY_WEIGHTS_CHUNK = 1 << 20,
};

struct ferry_weights_place {
	const struct ferry_tensor *tensor;
	size_t offset, n_bytes;	      /* in the data; whole groups */
	size_t group_bytes, n_groups; /* of all matrices of the tensor */
};

struct ferry_weights {
	const uint8_t *data; /* [n_bytes] */
	size_t n_bytes;
	void *map; /* what holds the data, for munmap() */
	size_t map_bytes;
	enum ferry_weights_origin origin;
	char *file;			    /* that is mapped; NULL: memory of this process */
	char problem[FERRY_ERROR_TEXT];	    /* why there is no file although one was wanted */
	struct ferry_weights_place *places; /* [n_places], by offset */
	size_t n_places;
	size_t max_group_bytes;
	size_t offset[]; /* of each tensor of the file, in its order; SIZE_MAX: not packed */
};

/* Places without data. */
int ferry_weights_layout(const struct ferry_model *m, struct ferry_weights **out,
			 struct ferry_error *err);
void ferry_weights_free(struct ferry_weights *w);

/*
 * Bytes [begin, end) of the data to @out, by packing what they hold. @group: room for
 * max_group_bytes. Pages of the model's file that were read are given back.
 */
void ferry_weights_fill(const struct ferry_model *m, const struct ferry_weights *w, size_t begin,
			size_t end, uint8_t *group, uint8_t *out);

/* Packs everything to @out, [n_bytes]. -ENOMEM. */
int ferry_weights_pack_to_memory(const struct ferry_model *m, const struct ferry_weights *w,
				 struct ferry_pool *pool, uint8_t *out, struct ferry_error *err);

/*
 * Packs everything to a file, where the data begin at @offset. *checksum is that of
 * ferry_weights_checksum(). The errno of a write that failed, -ENOMEM.
 */
int ferry_weights_pack_to_file(const struct ferry_model *m, const struct ferry_weights *w,
			       struct ferry_pool *pool, int fd, size_t offset, uint64_t *checksum,
			       struct ferry_error *err);

/* Of @n bytes of data that begin at @offset of a file. Any change of one word changes it. */
uint64_t ferry_weights_checksum(const uint8_t *data, size_t n, struct ferry_pool *pool,
				size_t offset);

/* Of @n bytes alone. */
uint64_t ferry_weights_hash(const uint8_t *bytes, size_t n);

#endif
