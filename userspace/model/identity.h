/* SPDX-License-Identifier: MIT */
#ifndef FERRY_MODEL_IDENTITY_H
#define FERRY_MODEL_IDENTITY_H

#include "model/model.h"

/*
 * Fills m->id as model.h defines it. Reads at most 12 KiB of each tensor, so that the cost does
 * not grow with the weights. Return: 0, -ENOMEM, or -EIO where libcrypto fails.
 */
int ferry_model_identify(struct ferry_model *m, struct ferry_error *err);

#endif
