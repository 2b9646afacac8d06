/* SPDX-License-Identifier: MIT */
#ifndef FERRY_MODEL_LAYER_TENSORS_H
#define FERRY_MODEL_LAYER_TENSORS_H

#include <stddef.h>

#include "model/model.h"

/*
 * Find the tensors of m->gguf that m->arch and m->hp call for, check shapes and types, fill m's
 * pointers, m->layers, m->hp.n_vocab and m->n_params, and refuse a tensor that nobody asked for:
 * it would be a part of the computation that Ferry leaves out.
 */
int ferry_model_bind_tensors(struct ferry_model *m, uint32_t swa_period, struct ferry_error *err);

/* How many tensors ferry_model_tensor() can be asked for; some of them are absent. */
size_t ferry_model_n_tensor_slots(const struct ferry_model *m);

/*
 * Slot @i in the order in which a forward pass uses them: token_embd, rope_freqs, the layers one by
 * one, output_norm, output. NULL where the model has no such tensor, or (output) where it is
 * token_embd again.
 */
const struct ferry_tensor *ferry_model_tensor(const struct ferry_model *m, size_t i);

#endif
