#!/bin/sh
# SPDX-License-Identifier: MIT
# R-32: a link appears, is renamed, moves and vanishes with its network device, and only the namespace
# of the device sees it.
set -eu
. "$(dirname "$0")/outcome.sh"
module=$BUILD/kmod-$(uname -r)/ferry.ko
[ -f "$module" ] || fail "$module is not built"

# Without what a kernel brings with drivers that are built in.
ours() { grep -vxE 'dummy0|ifb[01]|sit0|tunl0|gre.*|ip6.*|erspan0' | paste -s -d ' '; }
links() { ls "$@" /sys/class/ferry_link | ours; }
links_in() { ip netns exec "$1" ls /sys/class/ferry_link | ours; }
state() { cat "/sys/class/ferry_link/$1/state"; }

ip netns add other
ip link add older type dummy
insmod "$module"
expect "links at the start" "$(links)" "lo older version"
expect "links of another namespace" "$(links_in other)" "lo version"

ip link add wan0 type veth peer name lan0
expect "links with a pair of devices" "$(links)" "lan0 lo older version wan0"
expect "state of a new link" "$(state wan0)" down
ip link set wan0 up
expect "state of a link whose peer is down" "$(state wan0)" no-carrier
ip link set lan0 up
expect "state of a link that is up" "$(state wan0)" up
expect "where the link is" "$(readlink -f /sys/class/ferry_link/wan0/device)" \
	"$(readlink -f /sys/class/net/wan0)"

# Renamed, to and from the name that a file of the class has, and with names exchanged.
ip link set wan0 down
ip link set wan0 name wan1
expect "links after a change of name" "$(links)" "lan0 lo older version wan1"
ip link set wan1 name version
expect "links with a device called version" "$(links)" "lan0 lo older version"
[ -f /sys/class/ferry_link/version ] || fail "a device took the place of the class's version"
ip link set version name wan0
expect "links without a device called version" "$(links)" "lan0 lo older version wan0"
ip link set wan0 name x && ip link set older name wan0 && ip link set x name older
expect "device of a link that exchanged its name" \
	"$(readlink -f /sys/class/ferry_link/wan0/device)" "$(readlink -f /sys/class/net/wan0)"
ip link set older name wan1

# Moved: gone here, there in the other namespace, and its readings with it.
ip link set wan1 netns other
expect "links after a move" "$(links)" "lan0 lo version wan0"
expect "links of the other namespace after it" "$(links_in other)" "lo version wan1"
ip -n other link set wan1 up
ip -n other link set lo up
expect "state of a link that moved" \
	"$(ip netns exec other cat /sys/class/ferry_link/wan1/state)" up
ip -n other link add wan0 type dummy
expect "links of the same name in two namespaces" "$(links_in other)" "lo version wan0 wan1"

# Gone: with its device, with its namespace.
ip link del wan0
expect "links after a device is gone" "$(links)" "lan0 lo version"
exec 3</sys/class/ferry_link/lan0/state
ip netns del other
for _ in $(seq 50); do
	[ -e /sys/class/net/lan0 ] || break
	sleep 0.1
done
expect "links after a namespace died with the peer" "$(links)" "lo version"
refused "a file can be read after its link is gone" cat <&3
exec 3<&-

rmmod ferry || fail "ferry.ko does not unload"
