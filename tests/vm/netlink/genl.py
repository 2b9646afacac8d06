# SPDX-License-Identifier: MIT
"""Generic netlink by hand, so that the tests say every byte that the kernel gets.

Numbers of the family come from the UAPI header itself: enums are read from it.
"""
import errno
import pathlib
import re
import socket
import struct

HEADER = pathlib.Path(__file__).resolve().parents[3] / "include/uapi/linux/ferry.h"

NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 1, 4, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLA_TYPE_MASK = 0x3fff
NETLINK_GENERIC = 16
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NETLINK_EXT_ACK = 270, 1, 11
GENL_ID_CTRL, CTRL_CMD_GETFAMILY = 16, 3
CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME, CTRL_ATTR_OPS, CTRL_ATTR_MCAST_GROUPS = 1, 2, 6, 7


def _constants():
    """{name: number} of the header's enums and of its plain #defines."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    found = {name: int(value, 0) for name, value in
             re.findall(r"^#define (FERRY_\w+)\s+\(?(-?\d+)\)?(?:ULL)?\s*$", text, re.M)}
    for body in re.findall(r"enum[^{;]*\{([^}]*)\}", text):
        number = 0
        for item in filter(None, (i.strip() for i in body.split(","))):
            name, _, value = (part.strip() for part in item.partition("="))
            number = int(value, 0) if value else number
            found[name] = number
            number += 1
    return found


C = _constants()


def attr(kind, data):
    """One attribute: an int is a u32 (a negative one an s32), str a string with its NUL."""
    if isinstance(data, int):
        data = struct.pack("=i" if data < 0 else "=I", data)
    elif isinstance(data, str):
        data = data.encode() + b"\0"
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def attrs(data):
    """{type: bytes} of a row of attributes."""
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4 or length > len(data):
            raise ValueError(f"broken attribute in {data!r}")
        found[kind & NLA_TYPE_MASK] = data[4:length]
        data = data[(length + 3) & ~3:]
    return found


def nested(data):
    """[(type, bytes)] of a row of attributes that may have a type more than once."""
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        yield kind & NLA_TYPE_MASK, data[4:length]
        data = data[(length + 3) & ~3:]


def u32(data):
    return struct.unpack("=I", data)[0]


class Refused(Exception):
    """What the kernel refused: errno, and its sentence."""

    def __init__(self, number, text):
        super().__init__(f"{errno.errorcode.get(number, number)}: {text}")
        self.errno, self.text = number, text


class Genl:
    """A socket, and the family "ferry" as this network namespace has it."""

    def __init__(self, receive_bytes=None):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.socket.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.bind((0, 0))
        self.socket.settimeout(20)
        self.sequence = 0
        answer = self._exchange(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, attr(CTRL_ATTR_FAMILY_NAME, "ferry"), 0)[0][1]
        self.id = struct.unpack("=H", answer[CTRL_ATTR_FAMILY_ID])[0]
        self.commands = {u32(attrs(op)[1]) for op in attrs(answer[CTRL_ATTR_OPS]).values()}
        self.groups = {}
        for group in attrs(answer[CTRL_ATTR_MCAST_GROUPS]).values():
            group = attrs(group)
            self.groups[group[1].rstrip(b"\0").decode()] = u32(group[2])

    def request(self, command, payload=b"", flags=0):
        """[(command, {attribute: bytes})] of the answers; raises Refused."""
        return self._exchange(self.id, C["FERRY_CMD_" + command], payload, flags)

    def _exchange(self, kind, command, payload, flags):
        self.sequence += 1
        body = struct.pack("=BBH", command, 1, 0) + payload
        ack = 0 if flags & NLM_F_DUMP else NLM_F_ACK
        self.socket.send(struct.pack("=IHHII", 16 + len(body), kind, NLM_F_REQUEST | ack | flags,
                                     self.sequence, 0) + body)
        answers = []
        while True:
            for kind, flags_, sequence, data in self._receive():
                if sequence != self.sequence:
                    continue  # an event in between
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    number = -struct.unpack_from("=i", data)[0] if len(data) >= 4 else 0
                    if number:
                        raise Refused(number, self._sentence(kind, flags_, data))
                    return answers
                answers.append((data[0], attrs(data[4:])))

    @staticmethod
    def _sentence(kind, flags, data):
        if not flags & 0x200:
            return ""
        offset = 4
        if kind == NLMSG_ERROR:
            offset += 16 if flags & 0x100 else (struct.unpack_from("=I", data, 4)[0] + 3) & ~3
        return attrs(data[offset:]).get(1, b"").rstrip(b"\0").decode()

    def _receive(self):
        data = self.socket.recv(1 << 17)
        while data:
            length, kind, flags, sequence, _ = struct.unpack_from("=IHHII", data)
            yield kind, flags, sequence, data[16:length]
            data = data[(length + 3) & ~3:]

    def join(self, group):
        self.socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, self.groups[group])

    def events(self, seconds):
        """Yields (command, {attribute: bytes}) until nothing comes for so long; OSError ENOBUFS as it comes."""
        self.socket.settimeout(seconds)
        try:
            while True:
                for kind, _, _, data in self._receive():
                    if kind == self.id:
                        yield data[0], attrs(data[4:])
        except TimeoutError:
            return
        finally:
            self.socket.settimeout(20)
