// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loads only if the headers of kmod/core, compiled for this kernel, say what they should. The
 * details are checked by tests/unit/kmod; here it is that the kernel's compiler, flags and types
 * make no difference.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/string.h>

#include "core/class.h"
#include "core/energy.h"
#include "core/energy_model.h"
#include "core/energy_total.h"

static bool __init dscp_and_class_agree(void)
{
	unsigned int class, dscp, marked = 0;

	for (class = 0; class < FERRY_CLASS_COUNT; class ++)
		if (ferry_class_from_dscp(ferry_class_dscp(class)) != class)
			return false;
	for (dscp = 0; dscp < 64; dscp++)
		if (ferry_class_from_dscp(dscp) != FERRY_CLASS_DEFAULT)
			marked++;
	return marked == FERRY_CLASS_COUNT - 1 && !strcmp(ferry_class_name(2), "decode");
}

static bool __init verdicts_read_back(void)
{
	struct ferry_verdict read;
	u32 minor;

	for (minor = 0; minor <= U16_MAX; minor++) {
		const u32 class = minor >> 12, bucket = minor & 0xfff;

		if (ferry_verdict_read(0x80010000 | minor, 0x8001, &read) !=
		    (class < FERRY_CLASS_COUNT))
			return false;
		if (class >= FERRY_CLASS_COUNT)
			continue;
		if (read.class != class || read.bucket != bucket ||
		    ferry_verdict_make(0x8001, class, bucket) != (0x80010000 | minor))
			return false;
	}
	return true;
}

static bool __init buckets_round_down(void)
{
	u64 us;

	for (us = 500; us < 2047500; us += 125)
		if (ferry_deadline_us(ferry_deadline_bucket(us)) > us ||
		    ferry_deadline_us(ferry_deadline_bucket(us)) + 500 <= us)
			return false;
	return ferry_deadline_bucket(0) == 1 && ferry_deadline_bucket(U64_MAX) == 4095;
}

/* A counter of 32 bits that wraps 49 days after the clock began, and power across 2^32 ms. */
static bool __init energy_adds_up(void)
{
	const u64 max = ferry_energy_counter_max(32), second = FERRY_NS_PER_SEC;
	const u64 start = (1ULL << 32) * FERRY_NS_PER_MS - second / 2;
	struct ferry_energy_meter counter, power;

	ferry_energy_init(&counter);
	ferry_energy_take_counter(&counter, max - 999999, max, start, 2 * second, FERRY_PPM);
	ferry_energy_take_counter(&counter, 4000000, max, start + second, 2 * second, FERRY_PPM);
	ferry_energy_init(&power);
	ferry_energy_take_power(&power, 4000000, start, 2 * second, FERRY_PPM);
	ferry_energy_take_power(&power, 6000000, start + second, 2 * second, FERRY_PPM);
	return counter.energy_uj == 5000000 && counter.average_uw == 5000000 &&
	       power.energy_uj == 5000000 && power.average_uw == 5000000 &&
	       ferry_energy_known(&power, start + 2 * second) &&
	       !ferry_energy_known(&power, start + 3 * second);
}

static int __init core_test_init(void)
{
	const bool dscp = dscp_and_class_agree();
	const bool verdicts = verdicts_read_back();
	const bool buckets = buckets_round_down();
	const bool energy = energy_adds_up();

	pr_info("dscp %d, verdicts %d, buckets %d, energy %d\n", dscp, verdicts, buckets, energy);
	return dscp && verdicts && buckets && energy ? 0 : -EINVAL;
}

static void __exit core_test_exit(void)
{
}

module_init(core_test_init);
module_exit(core_test_exit);

MODULE_DESCRIPTION("Test of Ferry's freestanding headers");
MODULE_LICENSE("GPL");
