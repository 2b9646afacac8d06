# SPDX-License-Identifier: GPL-2.0-only
# Asks the headers of the kernel that the module is built for what they offer, and tells kmod/compat
# by macros. A look into the header is right where a version number is wrong: distributions carry
# changes to older kernels.

# $(call ferry-probe,TEXT,HEADER,MACRO): defines MACRO where HEADER contains TEXT.
ferry-probe = $(if $(shell grep -F '$(1)' $(srctree)/include/$(2)),-D$(3))

# In variables, because a lone parenthesis would end the call.
ferry-namespace-const := namespace)(const struct device *
ferry-show-const := show)(const struct class *class
ferry-range-const := const struct netlink_range_validation *range;
ferry-dump-info := struct genl_info info;
ferry-hwmon-const := const struct hwmon_channel_info * const *info;
ferry-supply-device := power_supply_for_each_device(
ferry-supply-psy := power_supply_for_each_psy(
ferry-thermal-device := thermal_zone_device(struct thermal_zone_device

ccflags-y += $(call ferry-probe,$(ferry-namespace-const),linux/device/class.h,FERRY_CLASS_DEVICE_IS_CONST)
ccflags-y += $(call ferry-probe,$(ferry-show-const),linux/device/class.h,FERRY_CLASS_SHOW_IS_CONST)
ccflags-y += $(call ferry-probe,$(ferry-dump-info),net/genetlink.h,FERRY_GENL_DUMP_HAS_INFO)
ccflags-y += $(call ferry-probe,$(ferry-range-const),net/netlink.h,FERRY_POLICY_RANGE_IS_CONST)
ccflags-y += $(call ferry-probe,tcf_classify_qdisc,net/pkt_cls.h,FERRY_HAVE_TCF_CLASSIFY_QDISC)
ccflags-y += $(if $(wildcard $(srctree)/include/net/gso.h),-DFERRY_HAVE_GSO_H)
ccflags-y += $(call ferry-probe,$(ferry-hwmon-const),linux/hwmon.h,FERRY_HWMON_INFO_IS_CONST)
ccflags-y += $(call ferry-probe,$(ferry-supply-device),linux/power_supply.h,FERRY_HAVE_SUPPLY_FOR_EACH_DEVICE)
ccflags-y += $(call ferry-probe,$(ferry-supply-psy),linux/power_supply.h,FERRY_HAVE_SUPPLY_FOR_EACH_PSY)
ccflags-y += $(call ferry-probe,$(ferry-thermal-device),linux/thermal.h,FERRY_HAVE_THERMAL_ZONE_DEVICE)
