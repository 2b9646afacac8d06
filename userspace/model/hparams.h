/* SPDX-License-Identifier: MIT */
#ifndef FERRY_MODEL_HPARAMS_H
#define FERRY_MODEL_HPARAMS_H

#include "model/model.h"

/*
 * Read m->hp (all but n_vocab) from the keys of m->gguf by m->arch, and refuse what they ask for
 * and Ferry does not compute. *swa_period receives the period of global layers among sliding
 * ones; 0: all layers are global.
 */
int ferry_hparams_read(struct ferry_model *m, uint32_t *swa_period, struct ferry_error *err);

#endif
