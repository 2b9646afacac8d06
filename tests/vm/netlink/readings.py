# SPDX-License-Identifier: MIT
"""What is pushed can be read, holds for as long as it said, and nothing wrong is taken."""
import errno
import pathlib
import socket
import struct
import subprocess
import time

from genl import NLM_F_DUMP, C, Genl, Refused, attr, attrs, nested, u32

LINK = pathlib.Path("/sys/class/ferry_link/wan0")
FAKE, ESTIMATE, MEASURED = (C["FERRY_PROVENANCE_" + n] for n in ("FAKE", "ESTIMATE", "MEASURED"))

# Key in sysfs and two values: within the range, and beyond its ends (None: there is no beyond).
READINGS = [
    ("tx_rate_kbps", 4294967295, []),
    ("rx_rate_kbps", 12, []),
    ("capacity_kbps", 20000, []),
    ("srtt_us", 60000000, [60000001]),
    ("rttvar_us", 300, [60000001]),
    ("retransmit_ppm", 1000000, [1000001]),
    ("signal_dbm", -71, [-201, 51]),
]


def a(name, value):
    return attr(C["FERRY_LINK_A_" + name.upper()], value)


def sysfs(name):
    return (LINK / name).read_text().rstrip("\n")


def refusals(family, ifindex):
    """(what is wrong, request, errno)"""
    good = a("ifindex", ifindex) + a("provenance", FAKE)
    short = struct.pack("=HH", 6, C["FERRY_LINK_A_SRTT_US"]) + b"\1\0\0\0"
    rows = [
        ("no index", a("provenance", FAKE) + a("srtt_us", 1), errno.EINVAL),
        ("index 0", a("ifindex", 0) + a("provenance", FAKE) + a("srtt_us", 1), errno.ERANGE),
        ("index that nobody has", a("ifindex", 99999) + a("provenance", FAKE) + a("srtt_us", 1), errno.ENODEV),
        ("no provenance", a("ifindex", ifindex) + a("srtt_us", 1), errno.EINVAL),
        ("provenance none", a("ifindex", ifindex) + a("provenance", 0) + a("srtt_us", 1), errno.ERANGE),
        ("provenance kernel", a("ifindex", ifindex) + a("provenance", 4) + a("srtt_us", 1), errno.ERANGE),
        ("no reading", good, errno.EINVAL),
        ("a state that does not exist", good + a("state", 5), errno.ERANGE),
        ("older than it holds", good + a("srtt_us", 1) + a("age_ms", 10000), errno.EINVAL),
        ("an age beyond the limit", good + a("srtt_us", 1) + a("age_ms", 600001), errno.ERANGE),
        ("hardly valid", good + a("srtt_us", 1) + a("valid_ms", 99), errno.ERANGE),
        ("a backlog", good + a("backlog_bytes", 1), errno.EINVAL),
        ("a name", good + a("name", "wan0"), errno.EINVAL),
        ("an attribute that does not exist", good + a("srtt_us", 1) + attr(C["__FERRY_LINK_A_MAX"], 1), errno.EINVAL),
        ("a short number", good + short, errno.EINVAL),
        ("a long number", good + attr(C["FERRY_LINK_A_SRTT_US"], b"\1" * 8), errno.EINVAL),
        ("bytes behind the attributes", good + a("srtt_us", 1) + b"\1\0\0", errno.EINVAL),
        ("a nest where a number belongs", good + attr(C["FERRY_LINK_A_SRTT_US"] | 0x8000, a("srtt_us", 1)), errno.EINVAL),
    ]
    for name, _, beyond in READINGS:
        rows += [(f"{name} {value}", good + a(name, value), errno.ERANGE) for value in beyond]
    for what, payload, number in rows:
        try:
            family.request("LINK_SET", payload)
            yield f"{what} is taken"
        except Refused as refused:
            if refused.errno != number:
                yield f"{what} ends with {refused}, not with {errno.errorcode[number]}"
            if not refused.text:
                yield f"{what} is refused without a sentence"


def problems():
    subprocess.run("ip link add wan0 type dummy && ip link set wan0 up", shell=True, check=True)
    ifindex = int(pathlib.Path("/sys/class/net/wan0/ifindex").read_text())
    family = Genl()
    found = list(refusals(family, ifindex))
    if sysfs("source") != "kernel" or sysfs("srtt_us") != "unknown":
        found.append("something that was refused left a trace")

    # One push of everything, and it stands in sysfs and in the answers.
    push = a("ifindex", ifindex) + a("provenance", MEASURED) + a("state", C["FERRY_LINK_STATE_DEGRADED"])
    push += a("valid_ms", 60000) + a("age_ms", 1000) + b"".join(a(name, value) for name, value, _ in READINGS)
    family.request("LINK_SET", push)
    answer = family.request("LINK_GET", a("ifindex", ifindex))[0][1]
    dumped = {u32(link[C["FERRY_LINK_A_IFINDEX"]]): link for _, link in family.request("LINK_GET", b"", NLM_F_DUMP)}
    for name, value, _ in READINGS:
        expected = struct.pack("=i" if value < 0 else "=I", value)
        for where, link in (("answer", answer), ("dump", dumped[ifindex])):
            if link.get(C["FERRY_LINK_A_" + name.upper()]) != expected:
                found.append(f"{name} in the {where} is {link.get(C['FERRY_LINK_A_' + name.upper()])}")
        if sysfs(name) != str(value):
            found.append(f"{name} in sysfs is {sysfs(name)}, not {value}")
    if (sysfs("state"), sysfs("source")) != ("degraded", "measured"):
        found.append(f"state and source are {sysfs('state')} and {sysfs('source')}")
    if not 1000 <= int(sysfs("age_ms")) < 60000:
        found.append(f"age_ms is {sysfs('age_ms')}")
    if set(dumped) != {int(p.read_text()) for p in pathlib.Path("/sys/class/net").glob("*/ifindex")}:
        found.append(f"the dump has the links {set(dumped)}")
    only = family.request("LINK_GET", a("ifindex", ifindex), NLM_F_DUMP)
    if len(only) != 1 or only[0][1][C["FERRY_LINK_A_NAME"]] != b"wan0\0":
        found.append(f"a dump of one link has {only}")

    # A reading that is soon over: the source falls back to what holds longer, and the value is gone.
    family.request("LINK_SET", a("ifindex", ifindex) + a("provenance", FAKE) + a("srtt_us", 5) + a("valid_ms", 1500))
    if sysfs("source") != "fake" or sysfs("srtt_us") != "5":
        found.append(f"source is {sysfs('source')}, srtt_us {sysfs('srtt_us')}")
    deadline = time.monotonic() + 60
    while sysfs("source") == "fake" and time.monotonic() < deadline:
        time.sleep(0.1)
    if sysfs("source") == "fake" or sysfs("srtt_us") != "unknown":
        found.append(f"after its time source is {sysfs('source')}, srtt_us {sysfs('srtt_us')}")

    # The kernel knows best that a link does not work.
    family.request("LINK_SET", a("ifindex", ifindex) + a("provenance", FAKE) + a("state", C["FERRY_LINK_STATE_UP"]))
    subprocess.run("ip link set wan0 down", shell=True, check=True)
    if sysfs("state") != "down":
        found.append(f"the state of a device that is down is {sysfs('state')}")
    subprocess.run("ip link del wan0", shell=True, check=True)
    try:
        family.request("LINK_GET", a("ifindex", ifindex))
        found.append("a link can be read after its device is gone")
    except Refused as refused:
        if refused.errno != errno.ENODEV or not refused.text:
            found.append(f"a link that is gone ends with {refused}")
    return found


def classes():
    """With a qdisc ferry the answer has what it has counted, class by class, as sysfs has it."""
    found = []
    subprocess.run("ip link add wan0 type dummy && ip link set wan0 up", shell=True, check=True)
    ifindex = int(pathlib.Path("/sys/class/net/wan0/ifindex").read_text())
    family = Genl()
    if C["FERRY_LINK_A_CLASSES"] in family.request("LINK_GET", a("ifindex", ifindex))[0][1]:
        found.append("there are counters of classes without a qdisc")
    if sysfs("default/packets") != "unknown":
        found.append(f"without a qdisc default/packets is {sysfs('default/packets')}")
    subprocess.run("tc qdisc add dev wan0 root ferry && ip addr add 10.9.0.1/24 dev wan0", shell=True, check=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(50):
            sender.sendto(b"x" * 100, ("10.9.0.2", 9))
    deadline = time.monotonic() + 30
    while sysfs("default/packets") in ("0", "unknown") and time.monotonic() < deadline:
        time.sleep(0.2)
    answer = family.request("LINK_GET", a("ifindex", ifindex))[0][1]
    nests = list(nested(answer.get(C["FERRY_LINK_A_CLASSES"], b"")))
    if [kind for kind, _ in nests] != [C["TCA_FERRY_STATS_CLASS"]] * C["FERRY_CLASS_COUNT"]:
        found.append(f"the nests of the classes are {nests}")
    for number, (_, counters) in enumerate(nests):
        stats = attrs(counters)
        packets, = struct.unpack("=Q", stats[C["TCA_FERRY_CSTATS_PACKETS"]])
        sources = struct.unpack("=5Q", stats[C["TCA_FERRY_CSTATS_SOURCES"]])
        if stats[C["TCA_FERRY_CSTATS_ID"]] != bytes([number]) or sum(sources) != packets:
            found.append(f"class {number} has {stats}")
        if number == C["FERRY_CLASS_DEFAULT"] and (not packets or sysfs("default/by_default") == "unknown"):
            found.append(f"class default has sent {packets} packets")
    subprocess.run("ip link del wan0", shell=True, check=True)
    return found


def dump_of_many():
    """A dump that takes many messages has every link once."""
    names = [f"many{i}" for i in range(300)]
    batch = "".join(f"link add {name} type dummy\n" for name in names)
    subprocess.run(["ip", "-batch", "-"], input=batch.encode(), check=True)
    links = [link[C["FERRY_LINK_A_NAME"]].rstrip(b"\0").decode() for _, link in
             Genl().request("LINK_GET", b"", NLM_F_DUMP)]
    batch = "".join(f"link del {name}\n" for name in names)
    subprocess.run(["ip", "-batch", "-"], input=batch.encode(), check=True)
    if sorted(links) != sorted(["lo", *names]):
        return [f"a dump of 301 links has {len(links)}, {len(set(links))} of them different"]
    return []
