#!/bin/bash
# SPDX-License-Identifier: MIT
# R-33: eight readers of every attribute while network devices come, change their names and go: no
# deadlock, and nothing for lockdep to complain about.
set -eu
. "$(dirname "$0")/../outcome.sh"
module=$BUILD/kmod-$(uname -r)/ferry.ko
insmod "$module"
modprobe dummy
stop=/tmp/stop

for _ in 1 2 3 4 5 6 7 8; do
	(while [ ! -e $stop ]; do find /sys/class/ferry_{link,energy}/ -follow -maxdepth 4 -type f \
		-exec cat {} + >/dev/null 2>&1 || true; done) &
done
end=$((SECONDS + 60))
number=0
while [ $SECONDS -lt $end ]; do
	number=$((number + 1))
	ip link add churn0 type dummy
	ip link set churn0 name churn1
	tc qdisc add dev churn1 root ferry
	ip link set churn1 up
	ip link del churn1
done
touch $stop
wait
[ $number -gt 3 ] || fail "only $number devices came and went"
rmmod ferry || fail "ferry.ko does not unload after all of this"
