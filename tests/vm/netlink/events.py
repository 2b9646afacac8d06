# SPDX-License-Identifier: MIT
"""R-40: events come, per namespace, and who misses some finds everything by a dump."""
import ctypes
import errno
import os
import pathlib
import struct
import subprocess

from genl import NLM_F_DUMP, C, Genl, attr, u32
from rights import become

CHANGED, GONE, MODE = (C["FERRY_CMD_" + n] for n in ("LINK_CHANGED", "LINK_GONE", "MODE_CHANGED"))
NAME, STATE, SOURCE = (C["FERRY_LINK_A_" + n] for n in ("NAME", "STATE", "PROVENANCE"))


CLONE_NEWNET = 0x40000000


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def heard(listener, seconds=1.0):
    """[(command, name or mode, attributes)] until nothing more comes."""
    return [(command, got[NAME].rstrip(b"\0").decode() if NAME in got else u32(got[C["FERRY_MODE_A_MODE"]]), got)
            for command, got in listener.events(seconds)]


def links():
    found = []
    listener, elsewhere = Genl(), None
    listener.join("link")
    # A listener in another namespace hears of its own links only.
    fd = os.open("/proc/self/ns/net", os.O_RDONLY)
    _unshare_net()
    elsewhere = Genl()
    elsewhere.join("link")
    _setns(fd)

    ip("link", "add", "ev0", "type", "dummy")
    ip("link", "set", "ev0", "up")
    ifindex = int(pathlib.Path("/sys/class/net/ev0/ifindex").read_text())
    first = [e for e in heard(listener) if e[1] == "ev0"]
    if not first or first[-1][0] != CHANGED or u32(first[-1][2][STATE]) != C["FERRY_LINK_STATE_UP"]:
        found.append(f"of a new link was heard {first}")
    Genl().request("LINK_SET", attr(C["FERRY_LINK_A_IFINDEX"], ifindex) + attr(SOURCE, C["FERRY_PROVENANCE_FAKE"])
                   + attr(C["FERRY_LINK_A_SRTT_US"], 7) + attr(C["FERRY_LINK_A_VALID_MS"], 1500))
    pushed = heard(listener, 4.0)
    sources = [u32(e[2][SOURCE]) for e in pushed if e[1] == "ev0"]
    if sources[:1] != [C["FERRY_PROVENANCE_FAKE"]] or sources[-1:] != [C["FERRY_PROVENANCE_KERNEL"]]:
        found.append(f"of a push that grew old was heard {sources}")
    ip("link", "del", "ev0")
    last = [e for e in heard(listener) if e[1] == "ev0"]
    if not last or last[-1][0] != GONE:
        found.append(f"of a link that went was heard {last}")
    strangers = [e for e in heard(elsewhere) if e[1] != "lo"]
    if strangers:
        found.append(f"another namespace heard {strangers}")
    return found


def _unshare_net():
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")


def _setns(fd):
    if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
    os.close(fd)


def mode():
    """Every namespace hears of the mode, also a container, once for each change; of energy the machine's only."""
    found = []
    to_parent, to_child = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        become(1)
        listener = Genl()
        listener.join("mode")
        listener.join("energy")
        os.write(to_parent[1], b"r")
        os.read(to_child[0], 1)
        os.write(to_parent[1], repr([(c, u32(got[C["FERRY_MODE_A_MODE"]]) if c == MODE else got)
                                      for c, got in listener.events(1.0)]).encode() + b"\n")
        os._exit(0)
    os.read(to_parent[0], 1)
    family, machine = Genl(), Genl()
    machine.join("energy")
    name = attr(C["FERRY_ENERGY_A_NAME"], "rack")
    family.request("ENERGY_SET", name + attr(C["FERRY_ENERGY_A_KIND"], C["FERRY_ENERGY_KIND_BOARD"])
                   + attr(C["FERRY_ENERGY_A_PROVENANCE"], C["FERRY_PROVENANCE_FAKE"])
                   + attr(C["FERRY_ENERGY_A_POWER_UW"], struct.pack("=Q", 5000000)))
    family.request("ENERGY_DEL", name)
    expected = [(C["FERRY_CMD_ENERGY_CHANGED"], b"rack\0"), (C["FERRY_CMD_ENERGY_GONE"], b"rack\0")]
    told = [(c, got[C["FERRY_ENERGY_A_NAME"]]) for c, got in machine.events(1.0)]
    if [event for event in told if event[1] != b"total\0"] != expected:
        found.append(f"the machine heard {told} of energy, not {expected}")
    for word in ("SAVER", "SAVER", "CRITICAL", "NORMAL"):
        family.request("MODE_SET", attr(C["FERRY_MODE_A_MODE"], C["FERRY_MODE_" + word]))
        got = u32(family.request("MODE_GET")[0][1][C["FERRY_MODE_A_MODE"]])
        text = pathlib.Path("/sys/class/ferry_energy/mode").read_text().strip()
        if got != C["FERRY_MODE_" + word] or text != word.lower():
            found.append(f"after {word} the mode is {got}, in sysfs {text}")
    os.write(to_child[1], b"g")
    text = os.read(to_parent[0], 4096).decode().strip()
    os.waitpid(child, 0)
    expected = [(MODE, C["FERRY_MODE_" + word]) for word in ("SAVER", "CRITICAL", "NORMAL")]
    if text != repr(expected):
        found.append(f"a container heard {text}, not {expected}")
    return found


def slow_reader():
    """A socket that is full loses events, says ENOBUFS once, and is right again after a dump."""
    found = []
    slow = Genl(receive_bytes=2048)
    slow.join("link")
    names = [f"slow{i}" for i in range(40)]
    subprocess.run(["ip", "-batch", "-"], input="".join(f"link add {n} type dummy\n" for n in names).encode(),
                   check=True)
    # Once these are told, those before have been, too.
    probe = Genl()
    probe.join("link")
    ip("link", "add", "probe0", "type", "dummy")
    heard(probe)
    seen, lost = set(), 0
    while True:
        try:
            seen |= {what for _, what, _ in heard(slow, 1.0)}
            break
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            lost += 1
    if not lost or seen >= set(names):
        found.append(f"the slow reader missed nothing: {lost} times ENOBUFS, {len(seen)} names")
    dumped = {link[NAME].rstrip(b"\0").decode() for _, link in slow.request("LINK_GET", b"", NLM_F_DUMP)}
    if dumped != {"lo", "probe0", *names}:
        found.append(f"the dump after ENOBUFS has {len(dumped)} links")
    subprocess.run(["ip", "-batch", "-"],
                   input="".join(f"link del {n}\n" for n in [*names, "probe0"]).encode(), check=True)
    list(_drain(slow))
    ip("link", "add", "late0", "type", "dummy")
    if not [e for e in heard(slow) if e[1] == "late0"]:
        found.append("the slow reader hears nothing after its recovery")
    ip("link", "del", "late0")
    return found


def _drain(listener):
    while True:
        try:
            yield from heard(listener, 1.0)
            return
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise


def problems():
    return links() + mode() + slow_reader()
