#!/bin/sh
# SPDX-License-Identifier: MIT
# R-27: the BPF classifier passes this kernel's verifier and its unit test with the kernel's BTF, and is
# loaded without: tier T0 needs none.
set -eu
. "$(dirname "$0")/outcome.sh"
unit_test=$BUILD/tests/unit/bpf/test_classify
[ -x "$unit_test" ] || skip "$unit_test is not built; \`make\` builds it"

check() {
	what=$1
	shift
	output=$(CMOCKA_MESSAGE_OUTPUT=TAP "$unit_test" "$@" 2>&1) || fail "$what: $output"
	case $output in
	*SKIP*) fail "$what: $output" ;;
	*"ok 1 "*) ;;
	*) fail "$what: no test ran: $output" ;;
	esac
}

[ -e /sys/kernel/btf/vmlinux ] || fail "this kernel has no BTF; the test means nothing"
mkdir /tmp/cgroup
mount -t cgroup2 cgroup2 /tmp/cgroup
check "with BTF"

# A sysfs that says nothing but how many CPUs there may be. Nothing mounts the true one again.
cp /sys/devices/system/cpu/possible /tmp/possible
mount -t tmpfs tmpfs /sys
mkdir -p /sys/devices/system/cpu
cp /tmp/possible /sys/devices/system/cpu/
[ ! -e /sys/kernel/btf/vmlinux ] || fail "BTF is still there"
check "without BTF" load
