#!/bin/bash
# SPDX-License-Identifier: MIT
# R-24, R-25: every option of the qdisc by the words of tc, every refusal in one sentence, and the qdisc
# below other qdiscs. The cases are tests/vm/tc/*.json.
# vm: --count-time --skip-idle --cpus 1
# By the host's clock, a queue that is to be full would drain while a busy host does something else.
set -eu
. "$(dirname "$0")/outcome.sh"
here=$(cd "$(dirname "$0")" && pwd)
module=$BUILD/kmod-$(uname -r)/ferry.ko
[ -f "$module" ] || fail "$module is not built"
export TC_LIB_DIR=$BUILD/userspace/tc DEV=tc0
[ -f "$TC_LIB_DIR/q_ferry.so" ] || skip "$TC_LIB_DIR/q_ferry.so is not built; \`make\` builds it"

insmod "$module"
ip link add $DEV numtxqueues 4 type dummy
ip addr add 10.9.0.1/24 dev $DEV
ip link set $DEV up
# How options are parsed does not depend on the kernel; how qdiscs nest does. Each case costs half a second.
cases=("$here"/tc/nesting.json)
case $(uname -r) in 6.1.*) cases+=("$here"/tc/options.json) ;; esac
"$here/tc/run_cases" "${cases[@]}" >/tmp/tap || true
# Each line that is no `ok` says what broke; the plan says that all of them ran.
grep -v '^ok' /tmp/tap | grep -v '^1\.\.' && fail "cases of tests/vm/tc"
tail -n 1 /tmp/tap | grep -qx "1\.\.$(cat "${cases[@]}" | grep -c '"name"')" || fail "not all cases ran"
# Debian's kernels have them all.
case $(uname -r) in *-ferry-debug) ;; *) ! grep '# SKIP' /tmp/tap || fail "cases were skipped" ;; esac
ip link del $DEV
rmmod ferry || fail "ferry.ko does not unload after all of this"
