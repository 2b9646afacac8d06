# SPDX-License-Identifier: MIT
"""A small client of the netlink family "ferry", independent of Ferry's own: the energy half.

The numbers are those of include/uapi/linux/ferry.h, read from there.
"""
import pathlib
import re
import socket
import struct

HEADER = pathlib.Path(__file__).resolve().parents[3] / "include/uapi/linux/ferry.h"
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 1, 4, 0x300
NLMSG_ERROR, NLMSG_DONE, GENL_ID_CTRL = 2, 3, 0x10
WIDTHS = {"POWER_UW": "Q", "COUNTER_UJ": "Q", "COUNTER_MAX_UJ": "Q", "ENERGY_UJ": "Q", "BATTERY_UWH": "Q",
          "IDLE_UW": "Q", "BUSY_UW": "Q", "AIRTIME_UW": "Q", "TEMPERATURE_MDEG": "i", "CHARGING": "B",
          "NAME": "s", "MIRROR_OF": "s"}


def enumerators(prefix):
    """Those that begin with `prefix`, by what follows it, numbered as an enum without gaps is."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    found = {}
    for body in re.findall(r"enum(?:\s+\w+)?\s*\{(.*?)\}", text, re.S):
        value = -1
        for item in filter(None, (part.strip() for part in body.split(","))):
            name, _, given = (word.strip() for word in item.partition("="))
            value = int(given, 0) if given else value + 1
            if name.startswith(prefix):
                found[name[len(prefix):]] = value
    return found


CMD = enumerators("FERRY_CMD_")
ENERGY = enumerators("FERRY_ENERGY_A_")
MODEL = enumerators("FERRY_MODEL_A_")
KIND = enumerators("FERRY_ENERGY_KIND_")
PROVENANCE = enumerators("FERRY_PROVENANCE_")


class Refused(OSError):
    """The kernel said no; strerror is the sentence of the extended ack."""


def attribute(number, form, value):
    data = value.encode() + b"\0" if form == "s" else struct.pack("=" + form, value)
    return struct.pack("=HH", 4 + len(data), number) + data + bytes(-len(data) % 4)


def attributes(data):
    found = {}
    while len(data) >= 4:
        length, number = struct.unpack_from("=HH", data)
        if length < 4:
            raise ValueError("an attribute shorter than its own head")
        found[number & 0x3fff] = data[4:length]
        data = data[(length + 3) & ~3:]
    return found


class Ferry:
    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
        self.sock.settimeout(20)
        self.sock.setsockopt(270, 11, 1)  # SOL_NETLINK, NETLINK_EXT_ACK
        self.sock.setsockopt(270, 12, 1)  # NETLINK_GET_STRICT_CHK
        answer = self.request(GENL_ID_CTRL, 3, attribute(2, "s", "ferry"))
        self.family = struct.unpack("=H", attributes(answer[0])[1])[0]

    def request(self, family, cmd, payload, flags=0):
        body = struct.pack("=BBH", cmd, 1, 0) + payload
        self.sock.send(struct.pack("=IHHII", 16 + len(body), family,
                                   NLM_F_REQUEST | NLM_F_ACK | flags, 1, 0) + body)
        answers = []
        while True:
            data = self.sock.recv(65536)
            while data:
                length, kind, head_flags = struct.unpack_from("=IHH", data)
                message, data = data[16:length], data[(length + 3) & ~3:]
                if kind == NLMSG_DONE:
                    return answers
                if kind == NLMSG_ERROR:
                    error = struct.unpack_from("=i", message)[0]
                    if not error:
                        return answers
                    text = ""
                    if head_flags & 0x200:  # NLM_F_ACK_TLVS, behind the request, or its head
                        skip = 4 + (16 if head_flags & 0x100 else
                                    (struct.unpack_from("=I", message, 4)[0] + 3) & ~3)
                        text = attributes(message[skip:]).get(1, b"").rstrip(b"\0").decode()
                    raise Refused(-error, text)
                answers.append(message[4:])

    def call(self, cmd, table, values, flags=0):
        payload = b"".join(attribute(table[k.upper()], WIDTHS.get(k.upper(), "I"), v)
                           for k, v in values.items())
        return [self.read(a) for a in self.request(self.family, CMD[cmd], payload, flags)]

    @staticmethod
    def read(answer):
        names = {number: name for name, number in ENERGY.items()}
        found = {}
        for number, data in attributes(answer).items():
            form = WIDTHS.get(names[number], "I")
            found[names[number].lower()] = data.rstrip(b"\0").decode() if form == "s" else \
                struct.unpack("=" + form, data)[0]
        return found

    def push(self, name, kind="BOARD", provenance="MEASURED", **values):
        self.call("ENERGY_SET", ENERGY, {"name": name, "kind": KIND[kind],
                                         "provenance": PROVENANCE[provenance], **values})

    def model(self, **values):
        self.call("MODEL_SET", MODEL, values)

    def delete(self, name):
        self.call("ENERGY_DEL", ENERGY, {"name": name})

    def get(self, name):
        return self.call("ENERGY_GET", ENERGY, {"name": name})[0]

    def dump(self):
        return self.call("ENERGY_GET", ENERGY, {}, NLM_F_DUMP)
