// SPDX-License-Identifier: MIT
#define _GNU_SOURCE /* secure_getenv */
#include "compute/kernels.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#ifdef FERRY_HAVE_AVX2
#include <cpuid.h>
#endif
#ifdef FERRY_HAVE_DOTPROD
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

extern const struct ferry_kernels ferry_kernels_portable;
#ifdef FERRY_HAVE_AVX2
extern const struct ferry_kernels ferry_kernels_avx2;
#endif
#ifdef FERRY_HAVE_AVX512 /* and what comes with it */
extern const struct ferry_kernels ferry_kernels_avxvnni, ferry_kernels_avx512,
	ferry_kernels_avx512vnni;
#endif
#ifdef FERRY_HAVE_DOTPROD
extern const struct ferry_kernels ferry_kernels_dotprod, ferry_kernels_i8mm;
#endif

const struct ferry_kernels *ferry_kernels_at(unsigned i)
{
	static const struct ferry_kernels *const sets[] = {
#ifdef FERRY_HAVE_AVX512
		&ferry_kernels_avx512vnni, &ferry_kernels_avx512,  &ferry_kernels_avxvnni,
#endif
#ifdef FERRY_HAVE_AVX2
		&ferry_kernels_avx2,
#endif
#ifdef FERRY_HAVE_DOTPROD
		&ferry_kernels_i8mm,	   &ferry_kernels_dotprod,
#endif
		&ferry_kernels_portable,
	};

	return i < sizeof(sets) / sizeof(sets[0]) ? sets[i] : NULL;
}

#ifdef FERRY_HAVE_AVX2
/* What __builtin_cpu_supports() of clang 14 does not know. */
static bool have_f16c(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && c & bit_F16C;
}

static bool have_avx2(void)
{
	return __builtin_cpu_supports("avx2") && have_f16c();
}
#endif

#ifdef FERRY_HAVE_AVX512
static bool have_avxvnni(void)
{
	unsigned a, b, c, d;

	return __get_cpuid_count(7, 1, &a, &b, &c, &d) && a & 1u << 4;
}

static bool have_avx512(void)
{
	return have_avx2() && __builtin_cpu_supports("avx512f") &&
	       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
	       __builtin_cpu_supports("avx512dq");
}
#endif

#ifdef FERRY_HAVE_DOTPROD
/* And what a compiler may use of ARMv8.2, which is what the intrinsics ask for. */
static bool have_dotprod(void)
{
	const unsigned long needed = HWCAP_ASIMDDP | HWCAP_ATOMICS | HWCAP_ASIMDRDM | HWCAP_CRC32;

	return (getauxval(AT_HWCAP) & needed) == needed;
}

static bool have_i8mm(void)
{
	return have_dotprod() && getauxval(AT_HWCAP2) & HWCAP2_I8MM;
}
#endif

/* The flags that meson.build compiles each set with. */
bool ferry_kernels_supported(const struct ferry_kernels *k)
{
#ifdef FERRY_HAVE_AVX512
	if (k == &ferry_kernels_avx512vnni)
		return have_avx512() && __builtin_cpu_supports("avx512vnni");
	if (k == &ferry_kernels_avx512)
		return have_avx512();
	if (k == &ferry_kernels_avxvnni)
		return have_avx2() && have_avxvnni();
#endif
#ifdef FERRY_HAVE_AVX2
	if (k == &ferry_kernels_avx2)
		return have_avx2();
#endif
#ifdef FERRY_HAVE_DOTPROD
	if (k == &ferry_kernels_i8mm)
		return have_i8mm();
	if (k == &ferry_kernels_dotprod)
		return have_dotprod();
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

static int refuse(const char *name, struct ferry_error *err)
{
	char names[128] = "";
	size_t n = 0;

	for (unsigned i = 0; ferry_kernels_at(i); i++) {
		const struct ferry_kernels *k = ferry_kernels_at(i);

		if (ferry_kernels_supported(k) && n < sizeof(names))
			n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "",
					      k->name);
	}
	return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
			  "FERRY_CPU=%.32s: this processor runs %s", name, names);
}

int ferry_kernels_choose(const struct ferry_kernels **out, struct ferry_error *err)
{
	const char *name = secure_getenv("FERRY_CPU");

	*out = NULL;
	if (!name || !*name) {
		*out = ferry_kernels_best();
		return 0;
	}
	for (unsigned i = 0; ferry_kernels_at(i); i++)
		if (!strcmp(ferry_kernels_at(i)->name, name) &&
		    ferry_kernels_supported(ferry_kernels_at(i)))
			*out = ferry_kernels_at(i);
	return *out ? 0 : refuse(name, err);
}
