#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sends packets through the qdisc ferry, from one namespace to another, and looks at what it counted
and what arrived. Runs as root in a machine that has the module loaded. TC_LIB_DIR names the plugin."""
import ctypes
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time

CLASSES = ["ctrl", "token", "decode", "prefill", "kv", "default", "model", "sync"]
DSCP = {"ctrl": 16, "token": 46, "decode": 34, "prefill": 36, "kv": 26, "model": 10, "sync": 1}
NOT_ECT, ECT1, ECT0, CE = range(4)
PEER = "peer"
HERE, THERE, PORT = "10.9.0.1", "10.9.0.2", 7000
HERE6, THERE6 = "fd09::1", "fd09::2"

failures = 0


def check(what, ok, detail=""):
    global failures
    print(("ok   " if ok else "FAIL ") + what + (f": {detail}" if detail and not ok else ""), flush=True)
    failures += not ok


def run(*words):
    return subprocess.run([str(word) for word in words], check=True, text=True, capture_output=True).stdout


def tc(*words):
    return run("/sbin/tc", *words)


class Receiver:
    """A UDP socket in the other namespace, which tells the TOS byte of each datagram."""

    def __init__(self, family=socket.AF_INET, address=THERE):
        mine = os.open("/proc/self/ns/net", os.O_RDONLY)
        theirs = os.open(f"/run/netns/{PEER}", os.O_RDONLY)
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.setns(theirs, 0x40000000) == 0
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        else:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
        self.socket.bind((address, PORT))
        assert libc.setns(mine, 0x40000000) == 0

    def receive(self, least, seconds=5.0):
        """TOS bytes of what comes, until nothing does for a moment and `least` are there."""
        got = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            wait = 0.2 if len(got) >= least else end - time.monotonic()
            if not select.select([self.socket], [], [], wait)[0]:
                break
            _, extra, _, _ = self.socket.recvmsg(65536, 256)
            got.append(int.from_bytes(extra[0][2][:4], "little") if extra else -1)
        return got

    def drain(self):
        self.receive(0, 0.3)


def send(count=1, size=100, tos=0, priority=None, mark=None, family=socket.AF_INET, flow=0):
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        if flow:
            s.bind(("", flow))
        if family == socket.AF_INET:
            s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
        else:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tos)
        if priority is not None:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, priority)
        if mark is not None:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 << 20)
        for _ in range(count):
            s.sendto(bytes(size), (THERE if family == socket.AF_INET else THERE6, PORT))


class Link:
    """The qdisc with these options, for one test."""

    def __init__(self, *options):
        self.options = options

    def __enter__(self):
        tc("qdisc", "replace", "dev", "d0", "root", "handle", "1:", "ferry", *self.options)
        return self

    def __exit__(self, *_):
        tc("qdisc", "del", "dev", "d0", "root")

    @staticmethod
    def whole():
        return next(q for q in json.loads(tc("-s", "-j", "qdisc", "show", "dev", "d0")) if q["kind"] == "ferry")

    def statistics(self):
        """Where the plugin puts them: at the top, or in a part of its own."""
        whole = self.whole()
        return whole if "classes" in whole and "memory_used" in whole else \
            next(v for v in whole.values() if isinstance(v, dict) and "memory_used" in v)

    def classes(self):
        return {c["class"]: c for c in self.statistics()["classes"]}

    def who_got(self, action):
        """(class, source) of the packets that `action` sends; there may be others, of the default class."""
        before = self.classes()
        action()
        time.sleep(0.05)
        found = []
        for name, now in self.classes().items():
            for source, count in now["sources"].items():
                if count - before[name]["sources"][source] >= 5:
                    found.append((name, source))
        return found


def verdict(name, bucket=0, major=1):
    return major << 16 | CLASSES.index(name) << 12 | bucket


def test_each_class_by_priority():
    with Link() as link:
        for name in CLASSES:
            got = link.who_got(lambda name=name: send(5, priority=verdict(name, 20)))
            check(f"priority 1:{CLASSES.index(name)}014 is {name}", got == [(name, "priority")], got)
        for what, priority in (("another major", verdict("prefill", major=2)), ("no major", verdict("token", major=0)),
                               ("class 8", 1 << 16 | 8 << 12), ("class 15", 0x1ffff), ("TC_PRIO_INTERACTIVE", 6)):
            got = link.who_got(lambda priority=priority: send(5, priority=priority))
            check(f"{what} in the priority says nothing", got == [("default", "default")], got)


def test_each_class_by_code_point():
    with Link() as link:
        for name, dscp in DSCP.items():
            got = link.who_got(lambda dscp=dscp: send(5, tos=dscp << 2))
            check(f"DSCP {dscp} is {name}", got == [(name, "dscp")], got)
            got = link.who_got(lambda dscp=dscp: send(5, tos=dscp << 2, family=socket.AF_INET6))
            check(f"DSCP {dscp} is {name} in IPv6", got == [(name, "dscp")], got)
        got = link.who_got(lambda: send(5, tos=12 << 2))
        check("a code point of nobody is default", got == [("default", "default")], got)


def test_order_of_carriers():  # a case for each pair
    with Link("fwmark", "0xf0") as link:
        token, kv_mark, model_tos = verdict("token"), 0x50, DSCP["model"] << 2
        got = link.who_got(lambda: send(5, priority=token, mark=kv_mark))
        check("priority before mark", got == [("token", "priority")], got)
        got = link.who_got(lambda: send(5, priority=token, tos=model_tos))
        check("priority before DSCP", got == [("token", "priority")], got)
        got = link.who_got(lambda: send(5, mark=kv_mark, tos=model_tos))
        check("mark before DSCP", got == [("kv", "mark")], got)
        got = link.who_got(lambda: send(5, mark=0x0f, tos=model_tos))
        check("a mark outside the mask says nothing", got == [("model", "dscp")], got)
        got = link.who_got(lambda: send(5, mark=0x90))
        check("mark 9 is no class", got == [("default", "default")], got)
        tc("filter", "add", "dev", "d0", "parent", "1:", "protocol", "all", "matchall", "classid", "1:2000")
        got = link.who_got(lambda: send(5, priority=token))
        check("priority before filter", got == [("token", "priority")], got)
        got = link.who_got(lambda: send(5, mark=kv_mark))
        check("mark before filter", got == [("kv", "mark")], got)
        got = link.who_got(lambda: send(5, tos=model_tos))
        check("filter before DSCP", got == [("decode", "filter")], got)
        got = link.who_got(lambda: send(5))
        check("filter before default", got == [("decode", "filter")], got)
        tc("filter", "del", "dev", "d0", "parent", "1:")
        got = link.who_got(lambda: send(5, tos=model_tos))
        check("without the filter, DSCP again", got == [("model", "dscp")], got)
        tc("filter", "add", "dev", "d0", "parent", "1:", "protocol", "ip", "matchall", "action", "drop")
        before = link.whole()["drops"]
        send(5)
        check("a filter may drop", link.whole()["drops"] - before == 5, link.whole()["drops"] - before)


def test_counters_add_up(receiver):
    with Link("rate", "5mbit", "limit", "64k") as link:
        for name in CLASSES:
            send(60, size=900, priority=verdict(name, 10))
        time.sleep(1.5)
        receiver.drain()
        whole, classes = link.whole(), link.classes()
        for what in ("packets", "bytes", "drops"):
            total = sum(c[what] for c in classes.values())
            check(f"{what} of the classes add up", total == whole[what], f"{total}, {whole[what]}")
        for name, c in classes.items():
            total = sum(c["sources"].values())
            check(f"sources of {name} add up", total == c["packets"], f"{total}, {c['packets']}")
        check("something was dropped and something was sent", whole["drops"] > 0 and whole["packets"] > 20, whole)
        check("nothing is left behind", whole["qlen"] == 0 and whole["backlog"] == 0, whole)


def test_memory_is_bounded(receiver):
    with Link("rate", "1mbit", "limit", "256k") as link:
        for flow in range(20):
            send(100, size=1200, flow=20000 + flow)
        send(20, size=100, priority=verdict("token"))
        s = link.statistics()
        check("memory stays within the limit", s["memory_used"] <= 256 << 10, s["memory_used"])
        check("the limit is used and never exceeded", 200 << 10 < s["memory_peak"] <= 256 << 10, s["memory_peak"])
        check("whoever floods pays", s["classes"][1]["drops"] == 0 and s["classes"][5]["limit_drops"] > 500, s["classes"])
        time.sleep(0.3)
        tc("qdisc", "change", "dev", "d0", "root", "ferry", "limit", "64k")
        s = link.statistics()
        check("a smaller limit holds at once", s["memory_used"] <= 64 << 10, s["memory_used"])
    receiver.drain()


def test_ecn(receiver):
    for ecn, name in ((ECT1, "ECT(1)"), (ECT0, "ECT(0)"), (NOT_ECT, "not-ECT")):
        with Link("rate", "5mbit") as link:
            receiver.drain()
            for _ in range(4):
                # 300 packets stand for half a second.
                send(300, size=1000, tos=ecn, flow=21000)
                time.sleep(0.3)
            got = receiver.receive(1200, 8)
            c = link.classes()["default"]
            marked = sum(1 for tos in got if tos & 3 == CE)
            check(f"{name}: marks are counted", marked == c["marks"], f"{marked}, {c['marks']}")
            if ecn == NOT_ECT:
                check("not-ECT is dropped", c["drops"] > 0 and marked == 0, c)
            else:
                check(f"{name} loses nothing", c["drops"] == 0 and len(got) == 1200, f"{c}, {len(got)}")
                check(f"{name} is marked", marked > (600 if ecn == ECT1 else 2), marked)
    with Link("rate", "5mbit", "noecn") as link:
        send(900, size=1000, tos=ECT0, flow=21000)
        got = receiver.receive(700, 6)
        check("noecn marks nothing", all(tos & 3 == ECT0 for tos in got) and link.classes()["default"]["marks"] == 0)


def test_late_packets_arrive_marked(receiver):
    with Link("rate", "2mbit") as link:
        receiver.drain()
        send(60, size=1000, tos=ECT0, priority=verdict("decode", 20))  # 10 ms; the last takes 240
        got = receiver.receive(60)
        c = link.classes()["decode"]
        check("late packets arrive", len(got) == 60 and c["drops"] == 0, f"{len(got)}, {c}")
        check("late packets are counted and marked", 30 <= c["late"] <= 59 and c["marks"] >= c["late"], c)


def test_wash(receiver):
    for family, name in ((socket.AF_INET, "IPv4"), (socket.AF_INET6, "IPv6")):
        ear = receiver if family == socket.AF_INET else Receiver(family, THERE6)
        with Link("wash") as link:
            ear.drain()
            got = link.who_got(lambda family=family: send(5, tos=DSCP["token"] << 2 | ECT0, family=family))
            check(f"{name}: the class is that of the code point", got == [("token", "dscp")], got)
            check(f"{name}: the code point is cleared, ECN is not", ear.receive(5) == [ECT0] * 5)


def test_gso_is_taken_apart():
    # Whole: at 1 Gbit/s half a millisecond. In pieces: at 20 Mbit/s it would be 26.
    for options, splits in ((("rate", "20mbit"), True), (("rate", "1gbit"), False), ((), False),
                            (("rate", "20mbit", "split-gso", "never"), False), (("split-gso", "always"), True)):
        with Link(*options) as link:
            sink = subprocess.Popen(["ip", "netns", "exec", PEER, sys.executable, "-c", SINK])
            stream()
            sink.wait(20)
            s, whole = link.statistics(), link.whole()
            check(f"GSO with {' '.join(options) or 'no rate'}: {'split' if splits else 'whole'}",
                  (s["gso_splits"] > 0) == splits, s["gso_splits"])
            total = sum(c["packets"] for c in s["classes"])
            check("segments are counted as packets", total == whole["packets"] and total >= 500000 // 1514,
                  f"{total}, {whole['packets']}")


SINK = f"""
import socket
s = socket.create_server(("{THERE}", 7001))
c = s.accept()[0]
n = 0
while True:
    d = c.recv(65536)
    if not d: break
    n += len(d)
"""


def stream():
    for _ in range(50):
        try:
            with socket.create_connection((THERE, 7001)) as s:
                s.sendall(bytes(500000))
                return
        except ConnectionRefusedError:
            time.sleep(0.1)
    raise TimeoutError("nobody listens")


def test_rate_changes_lose_nothing(receiver):
    with Link("rate", "10mbit") as link:
        receiver.drain()
        send(400, size=1000, tos=ECT0)
        for i in range(60):
            tc("qdisc", "change", "dev", "d0", "root", "ferry", "rate", f"{i * 7 % 40 + 1}mbit")
        got = receiver.receive(400, 10)
        check("packets survive sixty changes of the rate", len(got) == 400, len(got))
        check("none was dropped", link.whole()["drops"] == 0)


def test_long_packets_that_nobody_counted():
    """A packet socket says how long its segments are, as a tap of a virtual machine does, not how many."""
    payload, each = 14480, 1448
    frame = bytes.fromhex("020000000002" "020000000001" "0800")
    frame += struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40 + payload, 1, 0, 64, 6, 0, socket.inet_aton(HERE),
                         socket.inet_aton(THERE))
    frame += struct.pack("!HHIIBBHHH", 1000, 2000, 1, 1, 5 << 4, 16, 1000, 0, 0) + bytes(payload)
    # virtio_net_hdr: checksum at 34 + 16 is to be filled in, segments of TCP over IPv4
    head = struct.pack("=BBHHHH", 1, 1, 54, each, 34, 16)
    with Link("rate", "900mbit", "split-gso", "never") as link:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as s:
            s.bind(("d0", 0x0800))
            s.setsockopt(263, 15, 1)  # SOL_PACKET, PACKET_VNET_HDR
            for _ in range(10):
                s.send(head + frame)
        time.sleep(0.3)
        whole, classes = link.whole(), link.classes()
        check("uncounted segments are packets", classes["default"]["packets"] == 100, classes["default"])
        check("to the qdisc as well", whole["packets"] == 100 and whole["bytes"] == 100 * (54 + each), whole)


def test_modes_hold_back_the_background(receiver):
    ferry = os.environ["BUILD"] + "/userspace/cli/ferry"
    with Link() as link:
        run(ferry, "net", "push", "mode", "critical")
        check("an idle qdisc tells the mode of the machine", link.statistics()["mode"] == "critical", link.statistics())
        run(ferry, "net", "push", "mode", "normal")
    with Link("rate", "10mbit"):
        receiver.drain()
        run(ferry, "net", "push", "mode", "critical")
        send(50, size=1000, tos=ECT0, priority=verdict("model"))
        send(50, size=1000, tos=ECT0, priority=verdict("sync"), flow=22000)
        check("critical: model and sync wait", receiver.receive(0, 0.5) == [])
        send(20, size=1000, tos=ECT0, priority=verdict("kv"))
        check("critical: kv does not", len(receiver.receive(20)) == 20)
        # 100 packets take 83 ms at this rate.
        run(ferry, "net", "push", "mode", "normal")
        got = receiver.receive(100)
        check("normal: what waited arrives, and nothing was lost", len(got) == 100, len(got))
        run(ferry, "net", "push", "mode", "saver")
        send(20, size=100, tos=ECT0, priority=verdict("sync"))
        check("saver: sync leaves within one period", len(receiver.receive(20, 6)) == 20)
        run(ferry, "net", "push", "mode", "normal")


def main():
    run("ip", "netns", "add", PEER)
    # Else the kernel asks for routers now and then, and is counted.
    run("sysctl", "-qw", "net.ipv6.conf.default.router_solicitations=0")
    run("ip", "link", "add", "d0", "type", "veth", "peer", "name", "d1", "netns", PEER)
    # Neighbours are said, not asked for: nobody but the tests sends.
    run("ip", "link", "set", "d0", "address", "02:00:00:00:00:01", "multicast", "off")
    run("ip", "-n", PEER, "link", "set", "d1", "address", "02:00:00:00:00:02", "multicast", "off")
    for netns, dev, four, six, other in (((), "d0", HERE, HERE6, (THERE, THERE6, "02:00:00:00:00:02")),
                                         (("-n", PEER), "d1", THERE, THERE6, (HERE, HERE6, "02:00:00:00:00:01"))):
        run("ip", *netns, "addr", "add", four + "/24", "dev", dev)
        run("ip", *netns, "addr", "add", six + "/64", "dev", dev, "nodad")
        run("ip", *netns, "link", "set", dev, "up")
        for address in other[:2]:
            run("ip", *netns, "neigh", "replace", address, "lladdr", other[2], "dev", dev)
    receiver = Receiver()
    test_each_class_by_priority()
    test_each_class_by_code_point()
    test_order_of_carriers()
    test_counters_add_up(receiver)
    test_memory_is_bounded(receiver)
    test_ecn(receiver)
    test_late_packets_arrive_marked(receiver)
    test_wash(receiver)
    test_gso_is_taken_apart()
    test_long_packets_that_nobody_counted()
    test_rate_changes_lose_nothing(receiver)
    test_modes_hold_back_the_background(receiver)
    run("ip", "link", "del", "d0")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
