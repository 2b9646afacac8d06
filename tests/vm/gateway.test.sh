#!/bin/bash
# SPDX-License-Identifier: MIT
# R-10, R-28, R-48: three machines in a row, the one in the middle put in order by `ferry net up`. What is
# forwarded has its class on the way out, though forwarding rewrites the priority and the hop wipes it;
# explain agrees with what sysfs counts, and down gives back what was there.
set -eu
. "$(dirname "$0")/outcome.sh"
export PATH="$PATH:/usr/sbin:/sbin" TC_LIB_DIR="$BUILD/userspace/tc"
module=$BUILD/kmod-$(uname -r)/ferry.ko
ferry=$BUILD/userspace/cli/ferry
[ -f "$module" ] || fail "$module is not built"
[ -x "$ferry" ] || skip "$ferry is not built; \`make\` builds it"
unit_test=$BUILD/tests/unit/net/test_gateway
[ -x "$unit_test" ] || skip "$unit_test is not built; \`make\` builds it"
# Some are built in. What is missing in the end the tests say.
for name in veth sch_{ingress,prio,htb,tbf,red,fq_codel,codel,fq,sfq,pie,fq_pie,cake} cls_bpf; do
	modprobe -q "$name" || true
done
insmod "$module"
mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf

# device (namespace a) - gateway (here) - cloud (namespace b)
ip netns add a
ip netns add b
ip link add lan0 type veth peer name eth0 netns a
ip link add wan0 type veth peer name eth0 netns b
for end in "a 10.1.0" "b 10.2.0"; do
	set -- $end
	ip netns exec "$1" ip addr add "$2.2/24" dev eth0
	ip netns exec "$1" ip link set eth0 up
	ip netns exec "$1" ip route add default via "$2.1"
done
ip addr add 10.1.0.1/24 dev lan0
ip addr add 10.2.0.1/24 dev wan0
ip link set lan0 up
ip link set wan0 up
sysctl -qw net.ipv4.ip_forward=1 net.ipv4.ip_forward_update_priority=1
cat >/tmp/rules <<'END'
port udp/7001 to token
prefix 10.2.0.0/24 to kv
trust 10.1.0.2 in lan0
END
tc qdisc replace dev wan0 root handle 7: fq_codel limit 777
tc qdisc add dev wan0 clsact
tc filter add dev wan0 egress prio 3 protocol ip bpf bytecode '1,6 0 0 0' flowid 1:1
look() { tc -j qdisc show dev wan0; tc filter show dev wan0 egress; tc filter show dev wan0 ingress; }
look >/tmp/before

"$ferry" net up wan0 --rate 20mbit --rules /tmp/rules 2>/tmp/notes || fail "up: $(cat /tmp/notes)"
[ ! -s /tmp/notes ] || fail "up has something to say: $(cat /tmp/notes)"
tc qdisc show dev wan0 | grep -q "qdisc ferry fe: root .*rate 20Mbit" || fail "$(tc qdisc show dev wan0)"
# All with a priority that would mean another class to whoever took it for a verdict.
ip netns exec a python3 - <<'END'
import socket
for port, tos, n in ((7001, 0, 30), (7002, 0, 20), (7001, 36 << 2, 10), (7001, 0xb8, 5)):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 6)
    for i in range(n):
        s.sendto(b"x" * 100, ("10.2.0.2", port))
END
counted() { cat "/sys/class/ferry_link/wan0/$1/packets"; }
expect "R-10: datagrams to a port of class token, or marked EF by a trusted peer" "$(counted token)" 35
expect "R-10: datagrams to the prefix of class kv" "$(counted kv)" 20
expect "R-10: datagrams that a trusted peer marked as prefill" "$(counted prefill)" 10
explained=$("$ferry" net explain wan0 10.1.0.2:40000 10.2.0.2:7001/udp --json)
python3 - "$explained" <<'END' || fail "R-48: explain says $explained"
import json, sys
e = json.loads(sys.argv[1])
assert (e["class"], e["source"], e["rule"], e["line"]) == ("token", "port", 1, 1)
assert e["rule_packets"] == 30 and e["budget_us"] == 10000 and e["qdisc"]["packets"] == 35
assert {"drops", "late", "marks"} <= set(e["qdisc"])
END
"$ferry" net status wan0 --json >/tmp/status || fail "status"
python3 - <<'END' || fail "status says $(cat /tmp/status)"
import json
s = json.load(open("/tmp/status"))
classes = {c["class"]: c for c in s["qdisc"]["classes"]}
assert s["qdisc"]["rate_bytes_ps"] == 2500000 and not s["degraded"], s["degraded"]
assert classes["token"]["carriers"]["priority"] == 35
assert s["classifier"]["decided_by"]["dscp"]["prefill"]["packets"] == 10 and s["link"]["state"] == "up"
END

# A second up changes the rate in place; nothing is counted anew.
"$ferry" net up wan0 --rate 10mbit || fail "second up"
expect "the counters of a qdisc whose rate changed" "$(counted token)" 35
tc qdisc show dev wan0 | grep -q "rate 10Mbit" || fail "$(tc qdisc show dev wan0)"

# R-43: sysfs of the class tells a user of whole classes, never of a flow.
seen=$(setpriv --reuid 1000 --regid 1000 --clear-groups sh -c \
	'find /sys/class/ferry_link/ /sys/fs/bpf /run/ferry -follow -maxdepth 3 -type f -readable -exec cat {} + 2>/dev/null' || true)
[ -n "$seen" ] || fail "a user reads nothing at all; the test means nothing"
echo "$seen" | grep -w -e "10\.[12]\.0" -e 7001 && fail "R-43: a user reads of flows"

"$ferry" net down wan0 || fail "down"
look >/tmp/after
diff /tmp/before /tmp/after || fail "R-28: down did not give back what was there"
tc qdisc del dev wan0 root
tc qdisc del dev wan0 clsact

# Every kind of qdisc that is said to come back as it was does.
output=$(CMOCKA_MESSAGE_OUTPUT=TAP "$BUILD/tests/unit/net/test_qdisc" 2>&1) || fail "$output"
for kind in pfifo bfifo fq_codel codel fq sfq pie cake; do
	case $output in *"given back: $kind "*) ;; *) fail "$kind was not tried: $output" ;; esac
done

# With the qdisc in it: a foreign qdisc ferry, and kills before and after ours is put there, which do not
# depend on the kernel. The rest of that test runs natively.
names=('*is_used')
case $(uname -r) in 6.1.*) names+=('*around_the_qdisc') ;; esac
for name in "${names[@]}"; do
	output=$(CMOCKA_MESSAGE_OUTPUT=TAP "$unit_test" 1 "$name" 2>&1) || fail "$output"
	case $output in *SKIP*) fail "$output" ;; *"ok 1 "*) ;; *) fail "no test ran: $output" ;; esac
done
rmmod ferry || fail "ferry.ko does not unload after all of this"
