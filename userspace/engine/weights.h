/* SPDX-License-Identifier: MIT */
/*
 * The quantized matrices of a model as the integer kernels want them: rows in lanes
 * (compute/packed.h). Made once for a model, before its first forward pass.
 */
#ifndef FERRY_ENGINE_WEIGHTS_H
#define FERRY_ENGINE_WEIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "compute/packed.h"
#include "ferry/error.h"
#include "model/model.h"

struct ferry_weights_options {
	uint32_t n_threads; /* 0: the CPUs of this process */
	/*
	 * Directory for files of packed weights, made where only it is missing; NULL: none. It may
	 * be shared by any processes and users: files are checked before they are used.
	 */
	const char *cache;
	const char *model_path; /* a file that lies beside the model is used too; or NULL */
	uint32_t wait_ms;	/* for another process that packs the same model; 0: 10000 */
	const struct ferry_log
		*log; /* warns where a cache was wanted and cannot be used; or NULL */
};

/**
 * ferry_weights_prepare - pack the quantized matrices of layers and output head.
 * @m: keeps the result, which ferry_model_free() releases; a second call does nothing
 * @o: may be NULL
 *
 * With a cache, the packed weights are a file that is mapped, shared by all processes, and there
 * already at the next start. A cache that cannot be read or written for whatever reason, and files
 * in it that are not what they should be, never make this fail: the weights are packed again, into
 * memory if need be. Pages of the model's file that were read are given back to the system as the
 * packing goes on, so that there are never two copies in memory. Not while another thread uses the
 * model.
 *
 * Return: 0, -ENOMEM, -EAGAIN where the system refuses a thread.
 */
int ferry_weights_prepare(struct ferry_model *m, const struct ferry_weights_options *o,
			  struct ferry_error *err);

enum ferry_weights_origin {
	FERRY_WEIGHTS_NONE,    /* nothing to pack, or not prepared */
	FERRY_WEIGHTS_PRIVATE, /* packed into memory of this process */
	FERRY_WEIGHTS_MADE,    /* packed into a file, which is mapped */
	FERRY_WEIGHTS_FOUND,   /* mapped from a file that was there */
};
enum ferry_weights_origin ferry_weights_origin(const struct ferry_model *m);

/* The file that the packed weights are mapped from; NULL where they are in memory. */
const char *ferry_weights_file(const struct ferry_model *m);

/* Why there is no file although one was wanted; NULL where none was, or there is one. */
const char *ferry_weights_problem(const struct ferry_model *m);

/*
 * All packed weights, *n bytes, for who measures the speed of reading them; NULL: none are
 * packed.
 */
const uint8_t *ferry_weights_span(const struct ferry_model *m, size_t *n);

/* A matrix as the kernels take it: packed, or of floats as in the file. */
struct ferry_weight {
	struct ferry_matrix rows;
	struct ferry_packed packed;
	bool is_packed;
};

/* Matrix @i of a tensor of two or three dimensions; the model is prepared. */
struct ferry_weight ferry_weight_of(const struct ferry_model *m, const struct ferry_tensor *t,
				    size_t i);

/* Whether its activations have to be quantized; false for NULL. */
static inline bool ferry_weight_is_packed(const struct ferry_tensor *t)
{
	return t && ferry_type_has_codes(t->type);
}

#endif
