# SPDX-License-Identifier: MIT
# Sourced inside the machine: a gateway between two networks, whose way out is the bottleneck.
#
#   lan 10.1.0.2 --- 10.1.0.1 gw 10.2.0.1 (dev wan: the qdisc) --- 10.2.0.2 wan (10 ms back)
#
# A sender's own queue hides what a qdisc does: its socket notices that packets are not leaving (TSQ).
# Only what a gateway forwards fills a queue, so that senders are on a machine of their own.

make_gateway() {
	local name
	for name in sch_netem sch_tbf sch_htb sch_fq_codel sch_cake cls_flower act_skbedit; do
		modprobe "$name"
	done
	for name in lan gw wan; do
		ip netns add "$name"
		ip -n "$name" link set lo up
		# Otherwise a connection begins with what an earlier one, with another qdisc, had learnt.
		ip netns exec "$name" sysctl -qw net.ipv4.tcp_no_metrics_save=1
	done
	ip link add eth0 netns lan type veth peer name lan netns gw
	ip link add eth0 netns wan type veth peer name wan netns gw
	ip -n lan addr add 10.1.0.2/24 dev eth0
	ip -n gw addr add 10.1.0.1/24 dev lan
	ip -n gw addr add 10.2.0.1/24 dev wan
	ip -n wan addr add 10.2.0.2/24 dev eth0
	for name in "lan eth0" "gw lan" "gw wan" "wan eth0"; do
		ip -n "${name% *}" link set "${name#* }" up
	done
	ip -n lan route add default via 10.1.0.1
	ip -n wan route add default via 10.2.0.1
	ip netns exec gw sysctl -qw net.ipv4.ip_forward=1
	tc -n wan qdisc add dev eth0 root netem delay 10ms limit 10000
	# Neighbours are known before anything is measured.
	ip netns exec lan busybox ping -q -c 1 -W 5 10.2.0.2 >/dev/null
}

# attach_qdisc ROW KBIT [OPTION...]: ROW's qdisc with this rate at the gateway's way out. The options
# (overhead, mpu) are given to those that know them. Fails where the row cannot be had here.
attach_qdisc() {
	local row=$1 kbit=$2 carrier
	shift 2
	ferry_in_gw net down wan 2>/dev/null
	tc -n gw qdisc del dev wan root 2>/dev/null
	tc -n gw qdisc del dev wan clsact 2>/dev/null
	case $row in
	# Nobody marks anything: the BPF classifier looks at the packets.
	ferry_rules | ferry_behaviour)
		printf '%s\n' "${rules_of[$row]}" >/tmp/rules
		ferry_in_gw net up wan --rate "${kbit}kbit" --rules /tmp/rules 2>&1
		return
		;;
	esac
	tc -n gw qdisc add dev wan clsact
	for carrier in "${carriers[@]}"; do
		# shellcheck disable=SC2086 # a list of words
		carry $carrier
	done
	case $row in
	# The bucket has to hold what a timer tick (250 a second) lets through.
	pfifo) tc -n gw qdisc add dev wan root tbf rate "${kbit}kbit" \
		burst $((kbit / 8 * 5 + 3000)) limit 500000 "$@" ;;
	fq_codel) tc -n gw qdisc add dev wan root handle 1: htb default 1 &&
		tc -n gw class add dev wan parent 1: classid 1:1 htb rate "${kbit}kbit" quantum 1514 "$@" &&
		tc -n gw qdisc add dev wan parent 1:1 fq_codel ;;
	cake) tc -n gw qdisc add dev wan root cake besteffort bandwidth "${kbit}kbit" "$@" ;;
	cake4) tc -n gw qdisc add dev wan root cake diffserv4 bandwidth "${kbit}kbit" "$@" ;;
	ferry) tc -n gw qdisc add dev wan root handle 1: ferry rate "${kbit}kbit" "$@" ;;
	esac
}

# ip netns exec would hide the BPF file system.
ferry_in_gw() { nsenter --net=/run/netns/gw "$BUILD/userspace/cli/ferry" "$@"; }

# For rows of the BPF classifier: its rules.
declare -A rules_of=()

# For the other rows: a list of "PROTOCOL PORT MINOR".
carriers=()

# carry PROTOCOL PORT MINOR: the verdict 1:MINOR (hexadecimal) for what goes to this port. Routing has
# rewritten the priority by now, so this is where a classifier has to say what a packet is.
carry() {
	tc -n gw filter add dev wan egress pref $((100 + $2)) protocol ip flower ip_proto "$1" \
		dst_port "$2" action skbedit priority "1:$3"
}

traffic() {
	"$BUILD/tests/vm/probe/traffic" --from lan --to wan --address 10.2.0.2 "$@"
}
