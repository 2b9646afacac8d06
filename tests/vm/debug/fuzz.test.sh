#!/bin/sh
# SPDX-License-Identifier: MIT
# R-08: random options of the qdisc and random messages to the family, none of which may upset the kernel.
# usage: fuzz.test.sh [MESSAGES]
set -eu
. "$(dirname "$0")/../outcome.sh"
module=$BUILD/kmod-$(uname -r)/ferry.ko
fuzz=$BUILD/tests/vm/probe/netlink_fuzz
[ -x "$fuzz" ] || skip "$fuzz is not built; \`make\` builds it"
messages=${1:-20000}

insmod "$module"
ip link add dummy0 type dummy
ip addr add 10.9.0.1/24 dev dummy0
ip link set dummy0 up
# Packets meanwhile: options change under a queue that is in use.
busybox ping -q -i 0.01 10.9.0.2 >/dev/null 2>&1 &
"$fuzz" qdisc dummy0 "$messages" 1 || fail "the fuzzer of qdisc options"
"$fuzz" family ferry "$messages" 2 || fail "the fuzzer of the netlink family"
kill $!
wait || true
ip link del dummy0
rmmod ferry || fail "ferry.ko does not unload after all of this"
