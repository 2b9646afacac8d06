#!/bin/sh
# SPDX-License-Identifier: MIT
# The freestanding headers of kmod/core give the kernel the same answers as userspace.
set -eu
. "$(dirname "$0")/outcome.sh"
module=$BUILD/kmod-$(uname -r)-core/core_test.ko
[ -f "$module" ] || fail "$module is not built"
insmod "$module" || fail "the checks in tests/vm/core/core_test.c failed; dmesg says which: $(
	dmesg | grep core_test: | tail -n 3)"
