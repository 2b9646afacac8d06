#!/bin/sh
# SPDX-License-Identifier: MIT
# usage: qdisc_fuzz.test.sh [MESSAGES [SEED]]
# R-08: random options of the qdisc, under a queue that is in use, upset nothing. A few thousand by default;
# `make vm-debug FERRY_FUZZ_MESSAGES=1000000` is the long form.
# vm: --cpus 1
set -eu
. "$(dirname "$0")/outcome.sh"
module=$BUILD/kmod-$(uname -r)/ferry.ko
[ -f "$module" ] || fail "$module is not built"
fuzz=$BUILD/tests/vm/probe/qdisc_fuzz
[ -x "$fuzz" ] || skip "$fuzz is not built; \`make\` builds it"

# A long run is for the other sanitizers: proving the order of locks takes two thirds of the time, and says all it
# has to say within thousands of messages.
if [ "${1:-0}" -gt 100000 ] && [ -e /proc/sys/kernel/prove_locking ]; then sysctl -qw kernel.prove_locking=0; fi
insmod "$module"
ip link add fuzz0 type dummy
ip addr add 10.9.0.1/24 dev fuzz0
ip link set fuzz0 up
busybox ping -q -i 0.01 10.9.0.2 >/dev/null 2>&1 &
"$fuzz" fuzz0 "${1:-3000}" "${2:-1}" || fail "it does not go on answering, or took nothing"
kill $! || fail "no packets were sent meanwhile"
ip link del fuzz0
rmmod ferry || fail "ferry.ko does not unload after all of this"
