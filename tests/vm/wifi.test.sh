#!/bin/sh
# SPDX-License-Identifier: MIT
# R-39: two simulated radios in an ad hoc network, in two network namespaces: signal, bit rate and
# expected throughput as nl80211 has them, and the event when a station leaves.
set -eu
. "$(dirname "$0")/outcome.sh"
look=$BUILD/tests/unit/telemetry/wifi_look
[ -x "$look" ] || skip "$look is not built; \`make\` builds it"
export PATH="$PATH:/usr/sbin:/sbin"
command -v iw >/dev/null || skip "iw is not installed; scripts/setup.sh vm installs it"
modprobe mac80211_hwsim radios=2

# A process holds the other namespace; its radio is named by its number.
ip netns add other 2>/dev/null || { mkdir -p /run/netns && ip netns add other; }
for net in /sys/class/net/wlan*; do
	device=${net##*/}
	phys="${phys:-} $(cat "$net/phy80211/name"):$device"
done
# shellcheck disable=SC2086 # a list of words
set -- $phys
[ $# = 2 ] || fail "there are not two radios: $phys"
first=${1#*:} second=${2#*:}
iw phy "${2%:*}" set netns name other

# With the BSSID given, nobody has to scan for it.
join() { iw dev "$1" ibss join ferry 2412 fixed-freq 02:11:22:33:44:55; }
iw dev "$first" set type ibss
ip addr add 10.39.0.1/24 dev "$first"
ip link set "$first" up
join "$first"
ip netns exec other sh -c "iw dev $second set type ibss; ip addr add 10.39.0.2/24 dev $second
	ip link set $second up; iw dev $second ibss join ferry 2412 fixed-freq 02:11:22:33:44:55"
ip netns exec other busybox ping -i 1 10.39.0.1 >/dev/null 2>&1 &
busybox ping -i 1 10.39.0.2 >/dev/null 2>&1 &

seen=$("$look" wait 2>&1) || fail "$seen"
echo "$seen"
for word in $seen; do
	eval "$word"
done
iw dev "$first" station dump
expect "the signal" "${signal_dbm:-}" -30
[ "${tx_bitrate_kbps:-0}" -gt 0 ] || fail "there is no bit rate"
[ "${capacity_kbps:-0}" -gt 0 ] || fail "there is no capacity"
iw dev "$first" station dump | grep -q "signal:.*-30" || fail "iw sees another signal"

"$look" watch >/tmp/watched 2>&1 &
watcher=$!
sleep 1
iw dev "$first" station dump | grep -q Station || fail "the station is gone already"
iw dev "$first" ibss leave
wait $watcher || fail "nobody saw the station leave: $(cat /tmp/watched)"
cat /tmp/watched
