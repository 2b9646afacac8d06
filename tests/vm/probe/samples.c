// SPDX-License-Identifier: MIT
#include "samples.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_ROOM = 256 };

int ferry_samples_add(struct ferry_samples *samples, uint64_t ns)
{
	if (samples->n == samples->room) {
		size_t room = samples->room ? samples->room * 2 : FIRST_ROOM;
		uint64_t *more = reallocarray(samples->ns, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		samples->ns = more;
		samples->room = room;
	}
	samples->ns[samples->n++] = ns;
	return 0;
}

static int by_length(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

uint64_t ferry_samples_quantile(struct ferry_samples *samples, unsigned permille)
{
	size_t rank;

	if (!samples->n)
		return FERRY_NEVER;
	qsort(samples->ns, samples->n, sizeof(*samples->ns), by_length);
	rank = (samples->n * permille + 999) / 1000;
	return samples->ns[rank ? rank - 1 : 0];
}

void ferry_samples_free(struct ferry_samples *samples)
{
	free(samples->ns);
	*samples = (struct ferry_samples){0};
}
