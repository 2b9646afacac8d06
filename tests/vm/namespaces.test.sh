#!/bin/sh
# SPDX-License-Identifier: MIT
# The class of links shows its version in each network namespace, older or younger than the module.
set -eu
. "$(dirname "$0")/outcome.sh"
module=$BUILD/kmod-$(uname -r)/ferry.ko
[ -f "$module" ] || fail "$module is not built"

# `ip netns exec` mounts the sysfs of the namespace.
version_in() { ip netns exec "$1" cat /sys/class/ferry_link/version; }

ip netns add older
insmod "$module"
ip netns add younger
expect "version in the older namespace" "$(version_in older)" "$(modinfo -F version "$module")"
expect "version in the younger namespace" "$(version_in younger)" "$(version_in older)"
expect "energy class in a namespace" "$(ip netns exec younger cat /sys/class/ferry_energy/version)" \
	"$(cat /sys/class/ferry_energy/version)"

# A namespace that dies takes nothing with it, and does not keep the module.
ip netns del younger
expect "version after a namespace died" "$(version_in older)" "$(cat /sys/class/ferry_link/version)"
# The memory of a dead namespace serves the next: a file left behind would be in its way.
for number in $(seq 40); do
	unshare -n cat /sys/class/ferry_energy/version >/dev/null || fail "no namespace number $number"
done
rmmod ferry || fail "ferry.ko does not unload while a namespace is there"
refused "the class is still visible in a namespace" ip netns exec older ls /sys/class/ferry_link
