/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_COMPAT_SUPPLY_H
#define FERRY_COMPAT_SUPPLY_H

#include <linux/device.h>
#include <linux/power_supply.h>

struct ferry_supply_visit {
	int (*visit)(struct power_supply *psy, void *data);
	void *data;
};

static inline int ferry_supply_visit_device(struct device *dev, void *visit)
{
	const struct ferry_supply_visit *each = visit;

	return each->visit(dev_get_drvdata(dev), each->data);
}

/*
 * Calls @visit for each power supply, with a reference to its device held, until it returns other
 * than 0. The class itself was exported until Linux 6.11, a function over its devices until 6.13,
 * one over supplies since.
 */
static inline int ferry_supply_for_each(int (*visit)(struct power_supply *psy, void *data),
					void *data)
{
#if defined(FERRY_HAVE_SUPPLY_FOR_EACH_PSY)
	return power_supply_for_each_psy(data, visit);
#else
	struct ferry_supply_visit each = {.visit = visit, .data = data};

#if defined(FERRY_HAVE_SUPPLY_FOR_EACH_DEVICE)
	return power_supply_for_each_device(&each, ferry_supply_visit_device);
#else
	return class_for_each_device(power_supply_class, NULL, &each, ferry_supply_visit_device);
#endif
#endif
}

#endif /* FERRY_COMPAT_SUPPLY_H */
