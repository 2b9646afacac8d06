/* SPDX-License-Identifier: MIT */
/*
 * Latencies of one flow, and what quantile of them a figure states. What never arrived is a sample
 * too, of infinite length: a queue that loses half of a stream must not look quick.
 */
#ifndef FERRY_PROBE_SAMPLES_H
#define FERRY_PROBE_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

#define FERRY_NEVER UINT64_MAX

struct ferry_samples {
	uint64_t *ns;
	size_t n, room;
};

/* 0, or -ENOMEM. */
int ferry_samples_add(struct ferry_samples *samples, uint64_t ns);

/*
 * The smallest sample that at least @permille of 1000 samples do not exceed (nearest rank). Sorts
 * them. FERRY_NEVER where there are none.
 */
uint64_t ferry_samples_quantile(struct ferry_samples *samples, unsigned permille);

void ferry_samples_free(struct ferry_samples *samples);

#endif /* FERRY_PROBE_SAMPLES_H */
