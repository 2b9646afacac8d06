/* SPDX-License-Identifier: MIT */
/*
 * Files of packed weights: found, checked, mapped; made where there is none. A directory has one
 * for a model, named by the model's identity and the version of the format. It appears whole, by
 * rename(), so a process that has mapped the one before keeps it.
 *
 * Two processes that want the same file make it once: the one that creates the temporary file
 * holds a lock on it as long as it lives, the other waits, for a bounded time. A temporary file
 * without a lock is what a killed process left behind, and is removed.
 *
 * Nothing waits for the disk, where the file system can reserve room on it. A crash of the system
 * may therefore leave a file whose data are not what they should be; but then the system has been
 * started again since, and the checksum tells.
 */
#ifndef FERRY_ENGINE_WEIGHT_CACHE_H
#define FERRY_ENGINE_WEIGHT_CACHE_H

#include "engine/weights_private.h"

/**
 * ferry_weight_cache_attach - give a layout its data, from a file.
 * @w: w->map, data, file and origin are set on success
 * @o: cache, model_path, wait_ms, log
 *
 * Return: 0; a negative errno with the reason in @err where there is no file and none can be made.
 */
int ferry_weight_cache_attach(const struct ferry_model *m, struct ferry_weights *w,
			      const struct ferry_weights_options *o, struct ferry_pool *pool,
			      struct ferry_error *err);

#endif
