#!/bin/sh
# SPDX-License-Identifier: MIT
# vm: --count-time --skip-idle --cpus 1
# Energy sources, read by the kernel and pushed, as sysfs, hwmon and netlink show them (R-34, R-35,
# R-36, R-37). The checks are in energy/sources.py.
set -eu
. "$(dirname "$0")/outcome.sh"
here=$(dirname "$0")
module=$BUILD/kmod-$(uname -r)/ferry.ko
fake=$BUILD/kmod-$(uname -r)-fake/fake.ko
for file in "$module" "$fake"; do [ -f "$file" ] || fail "$file is not built"; done

refused "a thermal zone can have a path for a name" insmod "$module" thermal=../soc
insmod "$module" thermal=fake_soc,missing
expect "what a machine without sources knows" \
	"$(cat /sys/class/ferry_energy/total/source /sys/class/ferry_energy/total/state)" "none
waiting"
expect "its power" "$(cat /sys/class/ferry_energy/total/power_uw)" unknown
insmod "$fake"
modprobe msr 2>/dev/null || true
python3 "$here/energy/sources.py" || fail "energy/sources.py"
rmmod ferry || fail "ferry.ko does not unload while its sources are there"
rmmod fake || fail "ferry.ko left something of the fake machine in use"
