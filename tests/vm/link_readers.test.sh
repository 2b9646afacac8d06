#!/bin/sh
# SPDX-License-Identifier: MIT
# usage: link_readers.test.sh [SECONDS]
# R-33: eight readers of all attributes, while network devices and namespaces come and go under them, are
# renamed and moved. Nothing hangs, and nobody reads anything but whole lines. A few seconds by default;
# `scripts/vm/run --kernel DEBUG-KERNEL tests/vm/link_readers.test.sh 60` is the long form.
set -eu
. "$(dirname "$0")/outcome.sh"
module=$BUILD/kmod-$(uname -r)/ferry.ko
[ -f "$module" ] || fail "$module is not built"
readers=$BUILD/tests/vm/sysfs/readers
[ -x "$readers" ] || skip "$readers is not built; \`make\` builds it"

insmod "$module"
ip netns add other
"$readers" >/tmp/readers 2>&1 &
pid=$!
churned=0
start=$(date +%s)
# One process of ip for all steps of a round, to spend the time in the kernel.
while [ $churned -lt 3 ] || [ $(($(date +%s) - start)) -lt "${1:-3}" ]; do
	ip -batch - <<-EOT
	link add wan0 type veth peer name lan0
	link add wan1 type dummy
	link set wan0 up
	link set wan1 up
	link set lan0 name far0
	link set far0 netns other
	link set wan0 down
	link set wan0 name was0
	link del was0
	link del wan1
	EOT
	unshare -n true
	churned=$((churned + 1))
done
kill -TERM $pid
wait $pid || fail "$(cat /tmp/readers)"
echo "$(cat /tmp/readers), while devices came and went $churned times"
rmmod ferry || fail "ferry.ko does not unload"
