#!/bin/sh
# SPDX-License-Identifier: MIT
# vm: --count-time --skip-idle --cpus 1
# The program flow on this kernel: its marks and, behind netem, its readings against `ss -ti`
# (R-30), with the kernel's BTF and without.
set -eu
. "$(dirname "$0")/outcome.sh"
unit_test=$BUILD/tests/unit/net/test_flow_watch
[ -x "$unit_test" ] || skip "$unit_test is not built; \`make\` builds it"
export PATH="$PATH:/usr/sbin:/sbin"
modprobe -a veth sch_netem tcp_diag inet_diag

check() {
	output=$(CMOCKA_MESSAGE_OUTPUT=TAP "$unit_test" 2>&1) || fail "$1: $output"
	case $output in
	*SKIP*) fail "$1: $output" ;;
	*"# netem, srtt"*) echo "$output" | grep "# netem" | sed "s/^/$1/" ;;
	*) fail "$1: nothing was compared with ss: $output" ;;
	esac
}

mkdir -p /run/cgroup2
mount -t cgroup2 cgroup2 /run/cgroup2
[ -e /sys/kernel/btf/vmlinux ] || fail "this kernel has no BTF; the test means nothing"
check "with BTF "

cp /sys/devices/system/cpu/possible /tmp/possible
mount -t tmpfs tmpfs /sys
mkdir -p /sys/devices/system/cpu
cp /tmp/possible /sys/devices/system/cpu/
[ ! -e /sys/kernel/btf/vmlinux ] || fail "BTF is still there"
check "without BTF "
