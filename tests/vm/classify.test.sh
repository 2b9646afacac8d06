#!/bin/sh
# SPDX-License-Identifier: MIT
# The BPF classifier passes this kernel's verifier and its unit test, with the kernel's BTF and
# without: tier T0 needs none.
set -eu
. "$(dirname "$0")/outcome.sh"
unit_test=$BUILD/tests/unit/bpf/test_classify
[ -x "$unit_test" ] || skip "$unit_test is not built; \`make\` builds it"

check() {
	output=$(CMOCKA_MESSAGE_OUTPUT=TAP "$unit_test" 2>&1) || fail "$1: $output"
	case $output in
	*SKIP*) fail "$1: $output" ;;
	*"ok 1 "*) ;;
	*) fail "$1: no test ran: $output" ;;
	esac
}

[ -e /sys/kernel/btf/vmlinux ] || fail "this kernel has no BTF; the test means nothing"
check "with BTF"

# A sysfs that says nothing but how many CPUs there may be. Nothing mounts the true one again.
cp /sys/devices/system/cpu/possible /tmp/possible
mount -t tmpfs tmpfs /sys
mkdir -p /sys/devices/system/cpu
cp /tmp/possible /sys/devices/system/cpu/
[ ! -e /sys/kernel/btf/vmlinux ] || fail "BTF is still there"
check "without BTF"
