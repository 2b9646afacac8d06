/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Percentiles of a time, from counts in bins that widen with it: eight to each power of two, so a
 * percentile is at most an eighth too high. Old counts fade: all are halved whenever
 * FERRY_HISTOGRAM_FADE have come in.
 */
#ifndef FERRY_CORE_HISTOGRAM_H
#define FERRY_CORE_HISTOGRAM_H

#include <linux/types.h>

#define FERRY_HISTOGRAM_BINS 200   /* the last one begins at 15 * 2^23 us: 126 s */
#define FERRY_HISTOGRAM_FADE 8192U /* counts */

struct ferry_histogram {
	__u32 count; /* of all bins */
	__u16 bins[FERRY_HISTOGRAM_BINS];
};

/* Bin of @us: 0..7 for themselves, then eight for each power of two. */
static inline unsigned int ferry_histogram_bin(__u32 us)
{
	unsigned int exponent;
	unsigned int bin;

	if (us < 8)
		return us;
	exponent = 31 - (unsigned int)__builtin_clz(us);
	bin = ((exponent - 2) << 3) + ((us >> (exponent - 3)) & 7);
	return bin < FERRY_HISTOGRAM_BINS ? bin : FERRY_HISTOGRAM_BINS - 1;
}

/* The highest time that falls into @bin, in microseconds. */
static inline __u32 ferry_histogram_top(unsigned int bin)
{
	const unsigned int exponent = (bin >> 3) + 2;

	if (bin < 8)
		return bin;
	return (__u32)(((9ULL + (bin & 7)) << (exponent - 3)) - 1);
}

static inline void ferry_histogram_add(struct ferry_histogram *histogram, __u32 us)
{
	unsigned int i;

	histogram->bins[ferry_histogram_bin(us)]++;
	if (++histogram->count < FERRY_HISTOGRAM_FADE)
		return;
	histogram->count = 0;
	for (i = 0; i < FERRY_HISTOGRAM_BINS; i++) {
		histogram->bins[i] /= 2;
		histogram->count += histogram->bins[i];
	}
}

/*
 * Microseconds that @percent (1..100) of the counted times do not exceed, 0 where none was counted.
 * May be called while another CPU adds: the answer is then that of one of the moments between.
 */
static inline __u32 ferry_histogram_percentile(const struct ferry_histogram *histogram,
					       __u32 percent)
{
	__u32 total = 0;
	__u32 sum = 0;
	unsigned int i;
	__u32 wanted;

	for (i = 0; i < FERRY_HISTOGRAM_BINS; i++)
		total += histogram->bins[i];
	if (!total)
		return 0;
	wanted = (total * percent + 99) / 100;
	for (i = 0; i < FERRY_HISTOGRAM_BINS; i++) {
		sum += histogram->bins[i];
		if (sum >= wanted)
			return ferry_histogram_top(i);
	}
	return ferry_histogram_top(FERRY_HISTOGRAM_BINS - 1);
}

#endif /* FERRY_CORE_HISTOGRAM_H */
