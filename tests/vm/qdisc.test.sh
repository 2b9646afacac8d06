#!/bin/sh
# SPDX-License-Identifier: MIT
# vm: --count-time --skip-idle --cpus 1
# What the qdisc does with single packets: who says which class they are, who may attach it, what is
# marked, washed, taken apart and counted. Times and rates are `make vm-bench`'s.
set -eu
. "$(dirname "$0")/outcome.sh"
module=$BUILD/kmod-$(uname -r)/ferry.ko
[ -f "$module" ] || fail "$module is not built"
export TC_LIB_DIR="$BUILD/userspace/tc"
[ -f "$TC_LIB_DIR/q_ferry.so" ] || skip "$TC_LIB_DIR/q_ferry.so is not built"

# R-06: nobody but root of the machine attaches it, and nobody's wish loads it.
alone() {
	setpriv --reuid 1000 --regid 1000 --clear-groups unshare -Urn sh -c "$1"
}
refused "a user attaches the qdisc in a namespace of his own" \
	alone "/sbin/tc qdisc add dev lo root ferry"
[ ! -e /sys/module/ferry ] || fail "a user made the kernel load the module"
insmod "$module"
refused "a user attaches the loaded qdisc" alone "/sbin/tc qdisc add dev lo root ferry"
unshare -n /sbin/tc qdisc add dev lo root ferry || fail "root cannot attach it in another namespace"

# R-05: a qdisc that is attached holds the module.
/sbin/tc qdisc add dev lo root ferry
refused "ferry.ko unloads under a qdisc" rmmod ferry
/sbin/tc qdisc del dev lo root

python3 "$(dirname "$0")/qdisc/packets.py" || fail "see above"

/sbin/tc qdisc show | grep -q ferry && fail "a ferry qdisc is left"
rmmod ferry || fail "ferry.ko does not unload after all qdiscs are gone"
