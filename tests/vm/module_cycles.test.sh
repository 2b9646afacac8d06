#!/bin/bash
# SPDX-License-Identifier: MIT
# Twenty times in and out, while network namespaces come and go and readers hold the attributes.
set -eu
. "$(dirname "$0")/outcome.sh"
module=$BUILD/kmod-$(uname -r)/ferry.ko
[ -f "$module" ] || fail "$module is not built"

for number in 1 2 3; do ip netns add "standing$number"; done
(while :; do unshare -n true; done) &
(while :; do cat /sys/class/ferry_{link,energy}/version >/dev/null 2>&1 || true; done) &
trap 'kill $(jobs -p)' EXIT

for cycle in $(seq 20); do
	insmod "$module" || fail "ferry.ko does not load in cycle $cycle"
	cat /sys/class/ferry_link/version >/dev/null || fail "no version in cycle $cycle"
	rmmod ferry || fail "ferry.ko does not unload in cycle $cycle"
	[ ! -e /sys/class/ferry_link ] || fail "the class outlives the module in cycle $cycle"
done
