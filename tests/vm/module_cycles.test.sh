#!/bin/bash
# SPDX-License-Identifier: MIT
# usage: module_cycles.test.sh [CYCLES]
# R-03: in and out, while packets pass, network devices and namespaces come and go, and readers hold the
# attributes. Five times by default; `scripts/vm/run --count-time --cpus 1 --timeout 900
# tests/vm/module_cycles.test.sh 100` is the long form.
# vm: --count-time --cpus 1
set -eu
. "$(dirname "$0")/outcome.sh"
module=$BUILD/kmod-$(uname -r)/ferry.ko
[ -f "$module" ] || fail "$module is not built"
export TC_LIB_DIR="$BUILD/userspace/tc"

for number in 1 2 3; do ip netns add "standing$number"; done
ip link add wan0 type veth peer name lan0 netns standing1
ip addr add 10.9.0.1/24 dev wan0
ip link set wan0 up
ip -n standing1 addr add 10.9.0.2/24 dev lan0
ip -n standing1 link set lan0 up
busybox ping -q -i 0.01 -s 1000 10.9.0.2 >/dev/null 2>&1 &
(
	while :; do
		unshare -n true
		ip -batch - <<-EOT
		link add churn type dummy
		link set churn name churned
		link set churned up
		link del churned
		EOT
		sleep 0.05
	done
) &
(while sleep 0.05; do cat /sys/class/ferry_{link,energy}/{version,*/*} >/dev/null 2>&1 || true; done) &
trap 'kill $(jobs -p)' EXIT

# Packets that the qdisc has sent.
passed() { cat /sys/class/ferry_link/wan0/default/packets; }

for cycle in $(seq "${1:-5}"); do
	insmod "$module" || fail "ferry.ko does not load in cycle $cycle"
	cat /sys/class/ferry_link/version >/dev/null || fail "no version in cycle $cycle"
	tc qdisc add dev wan0 root ferry rate 50mbit || fail "the qdisc is not attached in cycle $cycle"
	for _ in $(seq 100); do
		[ "$(passed)" -lt 3 ] || break
		sleep 0.02
	done
	[ "$(passed)" -ge 3 ] || fail "nothing passes the qdisc in cycle $cycle"
	tc qdisc del dev wan0 root
	rmmod ferry || fail "ferry.ko does not unload in cycle $cycle"
	[ ! -e /sys/class/ferry_link ] || fail "the class outlives the module in cycle $cycle"
done
