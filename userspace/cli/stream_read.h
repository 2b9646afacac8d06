/* SPDX-License-Identifier: MIT */
/*
 * How fast threads can read the weights that decoding reads: its roofline.
 */
#ifndef FERRY_CLI_STREAM_READ_H
#define FERRY_CLI_STREAM_READ_H

#include "compute/pool.h"
#include "model/model.h"

/*
 * GB/s at which all threads of @pool read the matrices of @m: the packed ones, where it has been
 * prepared, and those of floats as they are in the file. A first pass, that maps pages, does not
 * count.
 */
double ferry_stream_read_gb_s(const struct ferry_model *m, struct ferry_pool *pool);

#endif
