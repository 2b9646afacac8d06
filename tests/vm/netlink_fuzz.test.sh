#!/bin/sh
# SPDX-License-Identifier: MIT
# usage: netlink_fuzz.test.sh [COUNT [SEED]]
# R-08: random and mutated netlink messages are answered, those that are wrong by a refusal, and the kernel
# stays as it is. A few thousand by default; `make vm-debug FERRY_FUZZ_MESSAGES=1000000` is the long form.
# vm: --cpus 1
set -eu
. "$(dirname "$0")/outcome.sh"
module=$BUILD/kmod-$(uname -r)/ferry.ko
[ -f "$module" ] || fail "$module is not built"
fuzz=$BUILD/tests/vm/netlink/fuzz
[ -x "$fuzz" ] || skip "$fuzz is not built; \`make\` builds it"

# A long run is for the other sanitizers: proving the order of locks takes two thirds of the time, and says all it
# has to say within thousands of messages.
if [ "${1:-0}" -gt 100000 ] && [ -e /proc/sys/kernel/prove_locking ]; then sysctl -qw kernel.prove_locking=0; fi
insmod "$module"
for number in 2 3 4; do ip link add "wan$number" type dummy; done
"$fuzz" "${1:-5000}" "${2:-1}" || fail "see above"
# All that messages made goes with the module.
rmmod ferry || fail "ferry.ko does not unload"
