#!/bin/sh
# SPDX-License-Identifier: MIT
# vm: --count-time --skip-idle --cpus 1
# The agent with the module: pushes what it reads, follows a link whose capacity changes, survives the
# module's comings and goings and its own death (R-41's daemon at work).
#
#   here (wan0: qdisc ferry, 20 Mbit/s) --- mid (a queue of 1 MB: 20, 4, 40 Mbit/s) --- far
set -eu
. "$(dirname "$0")/outcome.sh"
module=$BUILD/kmod-$(uname -r)/ferry.ko
[ -f "$module" ] || fail "$module is not built"
ferry=$BUILD/userspace/cli/ferry
[ -x "$BUILD/userspace/cli/ferry-agent" ] || skip "$ferry-agent is not built; \`make\` builds it"
export PATH="$PATH:/usr/sbin:/sbin" TC_LIB_DIR="$BUILD/userspace/tc"
[ -f "$TC_LIB_DIR/q_ferry.so" ] || skip "$TC_LIB_DIR/q_ferry.so is not built"
modprobe -a veth sch_tbf
log=/tmp/agent.log
mkdir -p /run/cgroup2
mount -t cgroup2 cgroup2 /run/cgroup2

ip netns add mid
ip netns add far
ip link add wan0 type veth peer name left netns mid
ip -n mid link add right type veth peer name eth0 netns far
ip addr add 10.1.0.1/24 dev wan0
ip -n mid addr add 10.1.0.2/24 dev left
ip -n mid addr add 10.2.0.1/24 dev right
ip -n far addr add 10.2.0.2/24 dev eth0
ip link set wan0 up
for end in "mid lo" "mid left" "mid right" "far eth0"; do
	ip -n "${end% *}" link set "${end#* }" up
done
ip route add 10.2.0.0/24 via 10.1.0.2
ip -n far route add default via 10.2.0.1
ip netns exec mid sysctl -qw net.ipv4.ip_forward=1
capacity() {
	ip netns exec mid tc qdisc replace dev right root tbf rate "$1mbit" burst 20kb limit 1mb
}

# eventually SENTENCE COMMAND: within half a minute the command succeeds.
eventually() {
	for _ in $(seq 60); do
		if eval "$2"; then return 0; fi
		sleep 0.5
	done
	tail -n 12 "$log"
	fail "$1"
}
metric() {
	busybox wget -q -O - http://127.0.0.1:9559/metrics | sed -n "s/^$1 //p"
}
# What the qdisc shapes at, in kbit/s.
rate() {
	metric 'ferry_qdisc_rate_bytes_per_second{device="wan0"}' | { read -r bytes && echo $((bytes / 125)); }
}
start_agent() {
	"$ferry" net agent --listen 127.0.0.1:9559 --verbose 2>>"$log" &
	agent=$!
	eventually "the agent does not answer" '[ "$(metric ferry_agent_looks_total)" -ge 1 ] 2>/dev/null'
}

start_agent
expect "module_loaded without the module" "$(metric ferry_agent_module_loaded)" 0
insmod "$module"
capacity 20
tc qdisc add dev wan0 root ferry rate 20mbit
# As `ferry net up --autorate` writes it; the classifier takes the verifier a while in here.
echo '{"device": "wan0", "base_kbps": 20000, "floor_kbps": 2000, "ceiling_kbps": 60000}' >/run/ferry/wan0.autorate
# Without an end of its input, so that it does not end the connection.
sleep 300 | ip netns exec far busybox nc -l -p 5001 >/dev/null &
sleep 0.5
busybox nc 10.2.0.2 5001 </dev/zero >/dev/null &
eventually "nothing is pushed" '[ "$(cat /sys/class/ferry_link/wan0/srtt_us)" -gt 0 ] 2>/dev/null'
expect "the source of wan0" "$(cat /sys/class/ferry_link/wan0/source)" measured
expect "module_loaded with the module" "$(metric ferry_agent_module_loaded)" 1

capacity 4
eventually "the rate does not come down to the link's" '[ "$(rate)" -le 5000 ]'
low=$(rate)
grep -q "(delay); .*sent_kbps=.*acked_kbps=.*growth_us=" "$log" || fail "no decision was logged"
capacity 40
eventually "the rate does not rise with the link's" '[ "$(rate)" -ge $((low * 3 / 2)) ]'
grep "wan0:.*(delay)" "$log" | head -n 2
grep "wan0:.*(probe)" "$log" | tail -n 1

# Killed at any moment, it leaves rate and classifier as they are; the next one goes on.
kill -KILL $agent
wait $agent || true
before=$(tc qdisc show dev wan0 | sed -n 's/.*rate \([^ ]*\).*/\1/p')
[ -n "$before" ] || fail "the qdisc has gone with the agent"
start_agent
grep -q "wan0: the rate follows" "$log" || fail "the next agent does not follow"

killall busybox 2>/dev/null || true
rm /run/ferry/wan0.autorate
tc qdisc del dev wan0 root
rmmod ferry
eventually "the agent does not see the module go" '[ "$(metric ferry_agent_module_loaded)" = 0 ]'
insmod "$module"
eventually "the agent does not see the module come back" '[ "$(metric ferry_agent_module_loaded)" = 1 ]'
grep -E "cannot|denied|not permitted" "$log" && fail "something was refused"
kill -TERM $agent
wait $agent || fail "SIGTERM is no clean end: $?"
rmmod ferry
