#!/bin/sh
# SPDX-License-Identifier: MIT
# R-26: where ferry.ko has BTF the classifier calls into it (tier T2), where it has none it does without (T0),
# and says which; the same tests pass in both. R-05: a loaded program that calls into it holds the module.
set -eu
. "$(dirname "$0")/outcome.sh"
unit_test=$BUILD/tests/unit/net/test_classifier
program=$BUILD/bpf/classify_module.bpf.o
module=$BUILD/kmod-$(uname -r)/ferry.ko
[ -x "$unit_test" ] && [ -r "$program" ] || skip "$unit_test is not built; \`make\` builds it"
objdump -h "$module" | grep -qw '\.BTF' || skip "$module has no BTF: scripts/module-btf says why"

mount -t bpf bpf /sys/fs/bpf 2>/dev/null || true
mkdir -p /tmp/cgroup
mount -t cgroup2 cgroup2 /tmp/cgroup

# in_tier TIER WORDS: the unit test passes, in this tier, for this reason
in_tier() {
	output=$("$unit_test" "*own_traffic*clsact" 2>&1) || fail "in tier $1: $output"
	case $output in
	*"# tier $1: $2"*) ;;
	*) fail "tier $1 was expected: $output" ;;
	esac
}

objcopy -R .BTF "$module" /tmp/ferry.ko
insmod /tmp/ferry.ko
in_tier T0 "ferry.ko was built without BTF"
rmmod ferry

insmod "$module"
in_tier T2 "ferry.ko tells"
bpftool prog loadall "$program" /sys/fs/bpf/held type classifier
if rmmod ferry 2>/tmp/rmmod; then fail "the module went while a program calls into it"; fi
rm -r /sys/fs/bpf/held
# A program is freed some time after its last user has gone.
for attempt in 1 2 3 4 5 6 7 8 9 10; do
	if rmmod ferry 2>/tmp/rmmod; then exit 0; fi
	sleep 1
done
fail "the module stays although nothing calls into it: $(cat /tmp/rmmod)"
