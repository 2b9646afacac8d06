// SPDX-License-Identifier: MIT
#include "compute/kernels.h"

#ifdef FERRY_HAVE_AVX2
#include <cpuid.h>
#endif

extern const struct ferry_kernels ferry_kernels_portable;
#ifdef FERRY_HAVE_AVX2
extern const struct ferry_kernels ferry_kernels_avx2;
#endif
#ifdef FERRY_HAVE_AVX512
extern const struct ferry_kernels ferry_kernels_avx512;
#endif

const struct ferry_kernels *ferry_kernels_at(unsigned i)
{
	static const struct ferry_kernels *const sets[] = {
#ifdef FERRY_HAVE_AVX512
		&ferry_kernels_avx512,
#endif
#ifdef FERRY_HAVE_AVX2
		&ferry_kernels_avx2,
#endif
		&ferry_kernels_portable,
	};

	return i < sizeof(sets) / sizeof(sets[0]) ? sets[i] : NULL;
}

#ifdef FERRY_HAVE_AVX2
/* clang 14 does not know "f16c" in __builtin_cpu_supports(). */
static bool have_f16c(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && c & bit_F16C;
}
#endif

/* The flags that meson.build compiles each set with. */
bool ferry_kernels_supported(const struct ferry_kernels *k)
{
#ifdef FERRY_HAVE_AVX512
	if (k == &ferry_kernels_avx512)
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
		       __builtin_cpu_supports("avx2") && have_f16c();
#endif
#ifdef FERRY_HAVE_AVX2
	if (k == &ferry_kernels_avx2)
		return __builtin_cpu_supports("avx2") && have_f16c();
#endif
	return k == &ferry_kernels_portable;
}

const struct ferry_kernels *ferry_kernels_best(void)
{
	unsigned i = 0;

	while (!ferry_kernels_supported(ferry_kernels_at(i)))
		i++;
	return ferry_kernels_at(i);
}
