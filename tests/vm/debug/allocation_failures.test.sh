#!/bin/sh
# SPDX-License-Identifier: MIT
# R-04: each allocation of insmod fails once, and everything is as it was before. (fail_nth.c)
set -eu
. "$(dirname "$0")/../outcome.sh"
# Without what is only for debuggers, which would be read and thrown away each time.
module=/tmp/ferry.ko
objcopy --strip-debug -R .BTF "$BUILD/kmod-$(uname -r)/ferry.ko" $module
fail_nth=$BUILD/tests/vm/probe/fail_nth
[ -x "$fail_nth" ] || skip "$fail_nth is not built; \`make\` builds it"

# By default an allocation that may sleep never fails, and each failure prints a trace.
for kind in failslab fail_page_alloc; do
	echo N >/sys/kernel/debug/$kind/ignore-gfp-wait
	echo 0 >/sys/kernel/debug/$kind/verbose
done
# The loader of modules complains with a trace where it gets no memory, which is no fault: so the console
# is silent meanwhile, and whatever else the kernel says is looked for here.
dmesg --console-level crit
dmesg --follow >/tmp/kernel.log &
follower=$!
"$fail_nth" "$module" ferry || fail "an allocation that fails is not survived: $(tail -n 60 /tmp/kernel.log)"
sleep 1
kill $follower
dmesg --console-level debug
if grep -E -A 30 '\b(BUG|WARNING|Oops|KASAN|UBSAN)\b|general protection|refcount_t:|possible (circular|recursive)' \
	/tmp/kernel.log || grep -E -A 30 'suspicious RCU|ODEBUG|unreferenced object' /tmp/kernel.log; then
	fail "the kernel complained"
fi
for class in ferry_link ferry_energy; do
	[ ! -e /sys/class/$class ] || fail "/sys/class/$class is left behind"
done
insmod "$module" || fail "ferry.ko does not load any more"
rmmod ferry
