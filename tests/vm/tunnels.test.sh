#!/bin/bash
# SPDX-License-Identifier: MIT
# R-50: a datagram has the same class, and the qdisc sends it in that class, whether it leaves as IPv4, as IPv6,
# below one or two VLAN tags, in GRE or in WireGuard, sent here or forwarded.
set -eu
. "$(dirname "$0")/outcome.sh"
export PATH="$PATH:/usr/sbin:/sbin" TC_LIB_DIR="$BUILD/userspace/tc"
module=$BUILD/kmod-$(uname -r)/ferry.ko
ferry=$BUILD/userspace/cli/ferry
[ -f "$module" ] || fail "$module is not built"
[ -x "$ferry" ] || skip "$ferry is not built; \`make\` builds it"
command -v wg >/dev/null || skip "there is no wg (package wireguard-tools)"
for name in veth 8021q ip_gre ip6_gre wireguard sch_ingress cls_bpf; do modprobe -q "$name" || true; done
insmod "$module"
mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf

# device (namespace a) - gateway (here) - cloud (namespace b)
ip netns add a
ip netns add b
ip link add lan0 type veth peer name eth0 netns a
ip link add wan0 type veth peer name wan0 netns b
ip -n a addr add 10.1.0.2/24 dev eth0
ip -n a link set eth0 up
ip -n a route add default via 10.1.0.1
ip addr add 10.1.0.1/24 dev lan0
ip link set lan0 up
sysctl -qw net.ipv4.ip_forward=1

# on_both COMMAND...: here and in b, with HERE and THERE as this end and the other (1 and 2, or the reverse).
on_both() {
	local word words=()
	for word; do
		word=${word//THERE/2}
		words+=("${word//HERE/1}")
	done
	"${words[@]}"
	words=()
	for word; do
		word=${word//THERE/1}
		words+=("${word//HERE/2}")
	done
	ip netns exec b "${words[@]}"
}
on_both ip addr add 10.2.0.HERE/24 dev wan0
on_both ip addr add fd02::HERE/64 dev wan0 nodad
on_both ip link set wan0 up
on_both ip link add link wan0 name tagged type vlan id 10
on_both ip addr add 10.3.0.HERE/24 dev tagged
on_both ip link add link wan0 name outer type vlan proto 802.1ad id 20
on_both ip link set outer up
on_both ip link add link outer name twice type vlan id 30
on_both ip addr add 10.4.0.HERE/24 dev twice
on_both ip link add tunnel type gre local 10.2.0.HERE remote 10.2.0.THERE
on_both ip addr add 10.5.0.HERE/24 dev tunnel
on_both ip link add tunnel6 type ip6gre local fd02::HERE remote fd02::THERE
on_both ip addr add 10.6.0.HERE/24 dev tunnel6
on_both ip link add wg0 type wireguard
on_both ip addr add 10.7.0.HERE/24 dev wg0
for device in tagged twice tunnel tunnel6 wg0; do on_both ip link set $device up; done
for end in 1 2; do wg genkey >/tmp/key$end; done
on_both wg set wg0 listen-port 5182HERE private-key /tmp/keyHERE
wg set wg0 peer "$(wg pubkey </tmp/key2)" allowed-ips 10.7.0.0/24 endpoint 10.2.0.2:51822
ip netns exec b wg set wg0 peer "$(wg pubkey </tmp/key1)" allowed-ips 10.7.0.0/24,10.1.0.0/24 endpoint 10.2.0.1:51821
ip -n b route add 10.1.0.0/24 via 10.2.0.1

printf 'port udp/7001 to token\n' >/tmp/rules
"$ferry" net up wan0 --rate 100mbit --rules /tmp/rules --carrier 2>/tmp/notes || fail "up wan0: $(cat /tmp/notes)"
"$ferry" net up wg0 --rules /tmp/rules --tunnel 2>/tmp/notes || fail "up wg0: $(cat /tmp/notes)"
# One program for all, since starting one takes longer here than sending. Names of cases and addresses; what is
# forwarded comes from the namespace a.
python3 - "$ferry" <<'END' || fail "see above"
import ctypes, os, re, socket, subprocess, sys, time

COUNTER = os.open("/sys/class/ferry_link/wan0/token/packets", os.O_RDONLY)
HERE = os.open("/proc/self/ns/net", os.O_RDONLY)
DEVICE = os.open("/run/netns/a", os.O_RDONLY)
CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None)


def counted():
    return int(os.pread(COUNTER, 32, 0))


def opened(namespace, address):
    if libc.setns(namespace, CLONE_NEWNET):
        sys.exit("setns failed")
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    libc.setns(HERE, CLONE_NEWNET)
    return s


def packets_of(s, address, port, n):
    before = counted()
    for _ in range(n):
        s.sendto(b"x" * 100, (address, port))
        time.sleep(0.002)
    time.sleep(0.05)
    return counted() - before


def decided():
    """Packets of the carrier's rule 1."""
    shown = subprocess.run([sys.argv[1], "net", "rules", "wan0"], capture_output=True, text=True, check=True).stdout
    return int(re.search(r"^ *1 +(\d+) ", shown, re.M)[1])


bad = 0
for what, address in (("IPv4", "10.2.0.2"), ("IPv6", "fd02::2"), ("one VLAN tag", "10.3.0.2"),
                      ("two VLAN tags", "10.4.0.2"), ("GRE", "10.5.0.2"), ("GRE over IPv6", "10.6.0.2"),
                      ("WireGuard", "10.7.0.2")):
    by_rule = decided() if what == "WireGuard" else 0
    for how, namespace in (("sent", HERE), ("forwarded", DEVICE)):
        if namespace == DEVICE and ":" in address:
            continue
        s = opened(namespace, address)
        # Neighbours and handshakes come first: what waits for them is let go, and others are sent until one passes.
        for _ in range(100):
            if packets_of(s, address, 7001, 1) >= 1:
                break
        time.sleep(0.2)
        for port, wanted in ((7001, 20), (7002, 0)):
            got = packets_of(s, address, port, 20)
            if got != wanted:
                print(f"FAIL: of 20 datagrams to port {port}, {how}, {got} are of class token by {what}, not {wanted}")
                bad += 1
    # What the tunnel's rule decided is no packet of the carrier's rule, which has the same number.
    if what == "WireGuard" and (not by_rule or decided() != by_rule):
        print(f"FAIL: the carrier's rule has {decided()} packets, {by_rule} before WireGuard's")
        bad += 1
sys.exit(bad > 0)
END
"$ferry" net down wg0
"$ferry" net down wan0
rmmod ferry 2>/dev/null || { sleep 3 && rmmod ferry; } || fail "something still holds the module"
