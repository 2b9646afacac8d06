#!/bin/sh
# SPDX-License-Identifier: MIT
# R-31: Documentation/ABI describes every file that the module puts into sysfs, and no other.
set -eu
. "$(dirname "$0")/outcome.sh"
here=$(cd "$(dirname "$0")" && pwd)
module=$BUILD/kmod-$(uname -r)/ferry.ko
[ -f "$module" ] || fail "$module is not built"

ip link add wan0 type dummy
# The fake machine has an energy source with every kind of file.
insmod "$BUILD/kmod-$(uname -r)-fake/fake.ko"
insmod "$module" thermal=fake_soc
ip link set wan0 up
# Until wan0 has a rate: the files are compared with numbers in them, too.
for _ in $(seq 50); do
	[ "$(cat /sys/class/ferry_link/wan0/tx_rate_kbps)" = unknown ] || break
	sleep 0.1
done
refused "wan0 has no rate after five seconds" grep -q unknown /sys/class/ferry_link/wan0/tx_rate_kbps
for _ in $(seq 50); do
	[ ! -e /sys/class/ferry_energy/psy-fake_battery/power_uw ] || break
	sleep 0.1
done
cd "$here/../../Documentation/ABI/testing"
"$here/sysfs/abi.py" sysfs-class-ferry_link sysfs-class-ferry_energy

# The test can fail: a document with a file too few, and one with a file too many.
sed 's/rttvar_us/rttvar_ms/' sysfs-class-ferry_link >/tmp/wrong
refused "a wrong name goes unnoticed" "$here/sysfs/abi.py" /tmp/wrong sysfs-class-ferry_energy
sed 's/(RO) Mean/(RO, root) Mean/' sysfs-class-ferry_link >/tmp/wrong
refused "a wrong mode goes unnoticed" "$here/sysfs/abi.py" /tmp/wrong sysfs-class-ferry_energy
