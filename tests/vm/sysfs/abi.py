#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares what ferry.ko has in sysfs with Documentation/ABI: R-31.

usage: abi.py DOCUMENT...

Every file of the two classes is described, and everything described is there: with the mode that
the description begins with, (RO) or (RO, root); with its unit, where the name of the file ends in
one; at most 4095 bytes long, with one line that ends. What sysfs itself puts beside them (uevent,
subsystem, device, hwmon) is not compared.
"""
import pathlib
import re
import stat
import sys

CLASSES = ("ferry_link", "ferry_energy")
SYSFS_OWN = {"uevent", "subsystem", "device", "power"}
TRAFFIC_CLASSES = {"ctrl", "token", "decode", "prefill", "kv", "default", "model", "sync"}
MODES = {"RO": 0o444, "RO, root": 0o400}
UNITS = {"kbps": "kbit/s", "us": "microseconds", "ms": "milliseconds", "bytes": "bytes", "ppm": "millionths",
         "dbm": "dBm", "uw": "microwatts", "uj": "microjoules", "uwh": "microwatt hours",
         "mdeg": "thousandths of a degree Celsius"}


def described(documents):
    """{pattern: (mode, unit or None)} of the ABI documents."""
    found = {}
    for document in documents:
        text = pathlib.Path(document).read_text()
        for block in re.split(r"\n\n+(?=What:)", text):
            names = re.findall(r"^What:\s*(\S+)", block, re.M)
            words = " ".join(block.split("Description:")[1].split())
            mode = re.match(r"\((RO(?:, root)?)\) ", words)
            unit = re.search(r"Unit: (.*?)\.(?: |$)", words)
            for name in names:
                found[name] = (MODES[mode[1]] if mode else None, unit[1] if unit else None)
    return found


def live(name):
    """(pattern, path) of every file of the class."""
    root = pathlib.Path("/sys/class") / name
    for entry in sorted(root.iterdir()):
        if entry.is_file():
            yield str(entry), entry
            continue
        device = "<netdev>" if name == "ferry_link" else "<source>"
        for path in sorted(entry.resolve().rglob("*")):
            inside = path.relative_to(entry.resolve())
            # What hwmon has in its directories is described by the kernel.
            if inside.parts[0] in SYSFS_OWN or inside.parts[0].startswith("hwmon") or not path.is_file():
                continue
            parts = ["<class>" if name == "ferry_link" and part in TRAFFIC_CLASSES and len(inside.parts) > 1 else part
                     for part in inside.parts]
            yield "/".join([str(root), device, *parts]), path


def unit_of(pattern):
    """What the name of the file says its unit is: the ending of it, or all of it."""
    name = pattern.rsplit("/", 1)[1]
    return UNITS.get(name.rsplit("_", 1)[-1])


def problems(documents):
    wanted = described(documents)
    seen = set()
    for name in CLASSES:
        for pattern, path in live(name):
            seen.add(pattern)
            if pattern not in wanted:
                yield f"{path} is described nowhere"
                continue
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode != wanted[pattern][0]:
                yield f"{path} has mode {mode:o}, and is described otherwise"
            content = path.read_bytes()
            if not 1 < len(content) <= 4095 or not content.endswith(b"\n") or content.count(b"\n") != 1:
                yield f"{path} is not one line: {content!r}"
            if unit_of(pattern) and not re.fullmatch(rb"-?[0-9]+\n|unknown\n", content):
                yield f"{path} is no number: {content!r}"
    for pattern, (_, unit) in wanted.items():
        if pattern not in seen:
            yield f"{pattern} is described, and not there"
        expected = unit_of(pattern)
        if expected and not (unit or "").startswith(expected):
            yield f"{pattern} is in {expected} by its name; its description says: {unit}"
        if unit and not expected:
            yield f"{pattern} has a unit that its name does not end in: {unit}"


def main():
    found = list(problems(sys.argv[1:]))
    for problem in found:
        print(f"FAIL: {problem}")
    return 1 if found or not sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
