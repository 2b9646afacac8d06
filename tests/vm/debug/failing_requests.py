# SPDX-License-Identifier: MIT
"""Lets each allocation fail in turn of requests that reach ferry.ko. Whatever the answer is, the kernel has
nothing to say about it; and where the answer is "done", who listens hears of it, or that it missed something.

usage: failing_requests.py, as root of a machine whose kernel injects faults, with ferry.ko loaded
"""
import errno
import os
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "netlink"))

from genl import NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, C, Genl, attr  # noqa: E402

import socket  # noqa: E402

NLM_F_CREATE, NLM_F_EXCL = 0x400, 0x200
RTM_NEWLINK, RTM_DELLINK, RTM_SETLINK, RTM_NEWQDISC, RTM_DELQDISC = 16, 17, 19, 36, 37
IFLA_IFNAME, IFLA_LINKINFO, IFLA_INFO_KIND, TCA_KIND = 3, 18, 1, 1
MOST = 2000
DONE, PENDING = 0, -1

route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
route.bind((0, 0))
family, other = Genl(), Genl()
countdown = os.open("/proc/thread-self/fail-nth", os.O_RDWR)
sequence = 0
bad = 0


def message(kind, flags, body):
    global sequence
    sequence += 1
    return struct.pack("=IHHII", 16 + len(body), kind, NLM_F_REQUEST | flags, sequence, 0) + body


def link(kind, flags, index, up=0, mask=0, extra=b""):
    return message(kind, NLM_F_ACK | flags, struct.pack("=BBHiII", 0, 0, 0, index, up, mask) + extra)


def qdisc(kind, flags, index):
    return message(kind, NLM_F_ACK | flags,
                   struct.pack("=BBHiIII", 0, 0, 0, index, 0x10000, 0xffffffff, 0) + attr(TCA_KIND, "ferry"))


def generic(command, body=b"", flags=NLM_F_ACK):
    return message(family.id, flags, struct.pack("=BBH", C["FERRY_CMD_" + command], 1, 0) + body)


def answer(s):
    """errno of the answer, DONE, or PENDING where there is none."""
    s.setblocking(False)
    try:
        while True:
            data = s.recv(1 << 17)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                if kind in (2, 3):  # NLMSG_ERROR, NLMSG_DONE
                    return -struct.unpack_from("=i", data, 16)[0] if length >= 20 else DONE
                data = data[(length + 3) & ~3:]
    except BlockingIOError:
        return PENDING
    except OSError as e:
        return e.errno
    finally:
        s.setblocking(True)


def request(s, data):
    s.send(data)
    return answer(s)


def heard(listener, seconds=0):
    """Whether there is an event, or the word that some were lost; links tell theirs a moment later."""
    listener.socket.settimeout(seconds)
    try:
        n = len(listener.socket.recv(1 << 17))
        return n >= 20
    except (BlockingIOError, TimeoutError):
        return False
    except OSError as e:
        return e.errno == errno.ENOBUFS
    finally:
        listener.socket.setblocking(True)


def drain(listener):
    while heard(listener):
        pass


def every(what, s, data, undo=None, group=None, end=(DONE,)):
    """Sends @data with its first allocation failing, then its second, until there is none left. @undo brings
    about what was before, whether or not it was done. @end: what it may be without a failure."""
    global bad
    listener = None
    if group:
        listener = Genl()
        listener.join(group)
    outcomes = {}
    for n in range(1, MOST):
        if listener:
            drain(listener)
        os.pwrite(countdown, b"%d" % n, 0)
        try:
            s.send(data)
            outcome = None
        except OSError as e:
            outcome = e.errno
        left = int(os.pread(countdown, 20, 0).split(b"\0")[0])
        os.pwrite(countdown, b"0", 0)
        if outcome is None:
            outcome = answer(s)
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        if listener and outcome == DONE and not heard(listener, 5):
            print(f"FAIL: {what}: allocation {n} failed, it was done, and nobody heard of it")
            bad += 1
        # Whatever was said: an answer that was lost does not tell.
        if undo:
            undo()
        if left > 0:
            names = {errno.errorcode.get(k, "done" if k == DONE else "no answer"): v for k, v in outcomes.items()}
            print(f"{what}: {n - 1} allocations failed in turn: {names}")
            if n < 2:
                print(f"FAIL: {what}: none of its allocations can fail")
                bad += 1
            if outcome not in end:
                print(f"FAIL: {what}: without a failure it is {errno.errorcode.get(outcome, 'not answered')}")
                bad += 1
            return
    print(f"FAIL: {what}: no end of its allocations")
    bad += 1


def index_of(name):
    try:
        return int(pathlib.Path(f"/sys/class/net/{name}/ifindex").read_text())
    except OSError:
        return 0


def delete(name):
    if index_of(name):
        request(route, link(RTM_DELLINK, 0, index_of(name)))


def new(name):
    return link(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0,
                extra=attr(IFLA_IFNAME, name) + attr(IFLA_LINKINFO, attr(IFLA_INFO_KIND, "dummy")))


def u64(value):
    return struct.pack("=Q", value)


def main():
    every("a new link", route, new("f0"), lambda: delete("f0"))
    request(route, new("f1"))
    index = index_of("f1")
    every("its new name", route, link(RTM_SETLINK, 0, index, extra=attr(IFLA_IFNAME, "f2")),
          lambda: request(route, link(RTM_SETLINK, 0, index, extra=attr(IFLA_IFNAME, "f1"))),
          # Where the kernel's own half of a rename fails, sysfs has lost the old name.
          end=(DONE, errno.ENOENT))
    request(route, link(RTM_SETLINK, 0, index, 1, 1))
    every("a qdisc", route, qdisc(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, index),
          lambda: request(route, qdisc(RTM_DELQDISC, 0, index)))

    def reading(state):
        return generic("LINK_SET", attr(C["FERRY_LINK_A_IFINDEX"], index) +
                       attr(C["FERRY_LINK_A_PROVENANCE"], C["FERRY_PROVENANCE_FAKE"]) +
                       attr(C["FERRY_LINK_A_STATE"], C["FERRY_LINK_STATE_" + state]))

    request(other.socket, reading("UP"))
    every("a reading of a link", family.socket, reading("DEGRADED"), lambda: request(other.socket, reading("UP")),
          group="link")
    every("a link", family.socket, generic("LINK_GET", attr(C["FERRY_LINK_A_IFINDEX"], index)))
    name = attr(C["FERRY_ENERGY_A_NAME"], "x1")
    source = (name + attr(C["FERRY_ENERGY_A_KIND"], C["FERRY_ENERGY_KIND_BOARD"]) +
              attr(C["FERRY_ENERGY_A_PROVENANCE"], C["FERRY_PROVENANCE_FAKE"]) +
              attr(C["FERRY_ENERGY_A_POWER_UW"], u64(5000000)))
    every("an energy source", family.socket, generic("ENERGY_SET", source),
          lambda: request(other.socket, generic("ENERGY_DEL", name)))
    request(other.socket, generic("ENERGY_SET", source))
    every("what is known of it", family.socket, generic("ENERGY_GET", name))
    every("the end of it", family.socket, generic("ENERGY_DEL", name),
          lambda: request(other.socket, generic("ENERGY_SET", source)), "energy")
    request(other.socket, generic("ENERGY_DEL", name))

    def mode(value):
        return generic("MODE_SET", attr(C["FERRY_MODE_A_MODE"], value))

    every("a mode", family.socket, mode(1), lambda: request(other.socket, mode(0)), group="mode")
    every("all links", family.socket, generic("LINK_GET", flags=NLM_F_DUMP))
    delete("f1")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
