/* SPDX-License-Identifier: MIT */
/*
 * The quantized matrices of a model as the integer kernels want them: rows in lanes
 * (compute/packed.h). Made once for a model, before its first forward pass.
 */
#ifndef FERRY_ENGINE_WEIGHTS_H
#define FERRY_ENGINE_WEIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "compute/packed.h"
#include "ferry/error.h"
#include "model/model.h"

struct ferry_weights_options {
	uint32_t n_threads; /* 0: the CPUs of this process */
};

/**
 * ferry_weights_prepare - pack the quantized matrices of layers and output head.
 * @m: keeps the result, which ferry_model_free() releases; a second call does nothing
 * @o: may be NULL
 *
 * Pages of the file that were read are given back to the system as the packing goes on, so that
 * there are never two copies in memory. Not while another thread uses the model.
 * Return: 0, -ENOMEM, -EAGAIN where the system refuses a thread.
 */
int ferry_weights_prepare(struct ferry_model *m, const struct ferry_weights_options *o,
			  struct ferry_error *err);

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
