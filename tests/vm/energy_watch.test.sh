#!/bin/sh
# SPDX-License-Identifier: MIT
# The program energy on this kernel: processor time and bytes of cgroups and processes, and the
# joules handed out by them.
set -eu
. "$(dirname "$0")/outcome.sh"
unit_test=$BUILD/tests/unit/net/test_energy_watch
[ -x "$unit_test" ] || skip "$unit_test is not built; \`make\` builds it"
export PATH="$PATH:/usr/sbin:/sbin"
mkdir -p /run/cgroup2
mount -t cgroup2 cgroup2 /run/cgroup2
output=$(CMOCKA_MESSAGE_OUTPUT=TAP "$unit_test" 2>&1) || fail "$output"
case $output in
*SKIP*) fail "$output" ;;
*"# 10 J of a machine"*) echo "$output" | grep "10 J" ;;
*) fail "nothing was attributed: $output" ;;
esac
