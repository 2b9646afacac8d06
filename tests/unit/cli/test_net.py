#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ferry net, as far as it goes without the kernel module: its words, and their names."""
import pathlib
import re

from rig import Tap, expect, ferry, one_sentence

ABI = pathlib.Path(__file__).resolve().parents[3] / "Documentation/ABI/testing"


def documented(name, inside):
    """Names of the files of a device of the class."""
    text = (ABI / f"sysfs-class-{name}").read_text()
    return set(re.findall(rf"^What:\s*/sys/class/{name}/<{inside}>/(\w+)$", text, re.M))


def keys(*words):
    """The keys that the sentence about a wrong one lists."""
    said = ferry("net", "push", *words, "swim=1").err
    return {key.strip(",") for key in said.split("its keys are ")[1].split()}


def main():
    tap = Tap()
    r = ferry("net", "--help")
    tap.check("net has --help", expect((r.status == 0, r.err), ("push link DEVICE" in r.text(), r.text())))
    for verb in ("show", "push", "remove"):
        r = ferry("net", verb, "--help")
        tap.check(f"net {verb} has --help", expect((r.status == 0, r.err), (f"ferry net {verb}" in r.text(), r.text())))
    link = documented("ferry_link", "netdev")
    tap.check("keys of a link are named as in sysfs", expect(
        (keys("link", "lo") == link - {"backlog_bytes"} | {"valid_ms"}, f"{keys('link', 'lo')} and {link}")))
    for words, parts in [
        (("swim",), ("show", "push", "remove")),
        (("show", "swim"), ("link", "energy", "mode", "swim")),
        (("show", "link", "lo"), ("show",)),
        (("--json",), ("verb", "show")),
        (("--json", "swim"), ("swim", "show")),
        (("push",), ("DEVICE", "KEY=VALUE", "saver")),
        (("push", "link", "lo"), ("KEY=VALUE",)),
        (("push", "link", "lo", "srtt_us"), ("srtt_us", "KEY=VALUE")),
        (("push", "link", "lo", "srtt_us="), ("srtt_us", "whole number")),
        (("push", "link", "lo", "srtt_us=-1"), ("srtt_us", "-1")),
        (("push", "link", "lo", "srtt_us= 1"), ("srtt_us",)),
        (("push", "link", "lo", "srtt_us=60000001"), ("60000000", "60000001")),
        (("push", "link", "lo", "srtt_us=99999999999999999999"), ("srtt_us",)),
        (("push", "link", "lo", "signal_dbm=-201"), ("-200", "50", "-201")),
        (("push", "link", "lo", "backlog_bytes=1"), ("backlog_bytes", "keys are")),
        (("push", "link", "lo", "source=kernel"), ("fake", "estimate", "measured", "'kernel'")),
        (("push", "energy", "psu", "kind=total"), ("battery", "'total'")),
        (("push", "energy", "psu", "power_uw=1000000000001"), ("power_uw", "1000000000000")),
        (("push", "energy", "psu", "mirror_of=" + "x" * 32), ("mirror_of", "31")),
        (("push", "model", "idle_uw=1W"), ("idle_uw", "1W")),
        (("push", "mode", "turbo"), ("normal", "saver", "critical", "turbo")),
        (("remove", "link", "lo"), ("remove energy NAME",)),
    ]:
        r = ferry("net", *words)
        tap.check("net " + " ".join(words), one_sentence(r, *parts) + expect((r.status == 2, r.status)))
    if not pathlib.Path("/sys/module/ferry").exists():
        for words in (("show",), ("push", "mode", "saver"), ("push", "link", "lo", "srtt_us=1", "source=fake")):
            r = ferry("net", *words)
            tap.check("without the module: net " + " ".join(words),
                      one_sentence(r, "not loaded", "modprobe") + expect((r.status == 1, r.status)))
    tap.done()


if __name__ == "__main__":
    main()
