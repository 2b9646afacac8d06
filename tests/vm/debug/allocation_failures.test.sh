#!/bin/sh
# SPDX-License-Identifier: MIT
# R-04: each allocation of insmod fails once, and everything is as it was before. (fail_nth.c)
set -eu
. "$(dirname "$0")/../outcome.sh"
. "$(dirname "$0")/failures.sh"
# Without what is only for debuggers, which would be read and thrown away each time.
module=/tmp/ferry.ko
objcopy --strip-debug -R .BTF "$BUILD/kmod-$(uname -r)/ferry.ko" $module
fail_nth=$BUILD/tests/vm/probe/fail_nth
[ -x "$fail_nth" ] || skip "$fail_nth is not built; \`make\` builds it"

begin_failures
"$fail_nth" "$module" ferry || fail "an allocation that fails is not survived: $(tail -n 60 /tmp/kernel.log)"
end_failures
for class in ferry_link ferry_energy; do
	[ ! -e /sys/class/$class ] || fail "/sys/class/$class is left behind"
done
insmod "$module" || fail "ferry.ko does not load any more"
rmmod ferry
