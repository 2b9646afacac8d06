#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks of energy_sources.test.sh. ferry.ko and the fake machine of tests/vm/fake are loaded."""
import errno
import os
import pathlib
import re
import select
import stat
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from ferry_genl import Ferry, Refused  # noqa: E402

CLASS = pathlib.Path("/sys/class/ferry_energy")
FAKE = pathlib.Path("/sys/module/fake/parameters")
BATTERY = "psy-fake_battery"


def fail(text):
    print("FAIL:", text)
    for path in sorted(CLASS.glob("*/*")):
        if path.is_file():
            print("  ", path, read_or_error(path))
    sys.exit(1)


def expect(what, actual, expected):
    if actual != expected:
        fail(f"{what} is {actual!r}, not {expected!r}")


def read_or_error(path):
    try:
        return pathlib.Path(path).read_text().strip()
    except OSError as error:
        return errno.errorcode[error.errno]


def read(source, name):
    return read_or_error(CLASS / source / name)


def wait_for(what, condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            fail(f"{what}: not within {seconds} s")
        time.sleep(0.1)


def refused(what, number, call, *args, **values):
    try:
        call(*args, **values)
    except Refused as error:
        if error.errno != number or not error.strerror:
            fail(f"{what}: {errno.errorcode[error.errno]} '{error.strerror}'")
        return
    fail(f"{what} is accepted")


def battery_and_thermal_zone():
    """R-34, and what the kernel's own readers find."""
    wait_for("power of the battery", lambda: read(BATTERY, "power_uw").isdigit(), 6)
    expect("its power", read(BATTERY, "power_uw"), "5000000")
    for name, value in {"kind": "battery", "source": "measured", "state": "live", "charging": "0",
                        "temperature_mdeg": "31200", "mirror_of": "none",
                        # 37528912 of 50000000 uWh, in steps of a thousandth for everybody
                        "battery_ppm": "750000", "battery_uwh": "37528912"}.items():
        expect(f"{name} of the battery", read(BATTERY, name), value)
    expect("temperature", read("thermal-fake_soc", "temperature_mdeg"), "45000")
    expect("kind of the zone", read("thermal-fake_soc", "kind"), "thermal")
    expect("source of the zone", read("thermal-fake_soc", "source"), "measured")
    expect("power of a thermometer", read("thermal-fake_soc", "power_uw"), "ENOENT")
    expect("zone that is not there", (CLASS / "thermal-missing").exists(), False)
    for source in (BATTERY, "total"):
        for name, mode in {"power_uw": 0o444, "energy_uj": 0o400}.items():
            expect(f"mode of {source}/{name}",
                   stat.S_IMODE((CLASS / source / name).stat().st_mode), mode)
    expect("mode of battery_uwh",
           stat.S_IMODE((CLASS / BATTERY / "battery_uwh").stat().st_mode), 0o400)
    as_nobody = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c",
         f"cat {CLASS}/total/power_uw && ! cat {CLASS}/*/energy_uj {CLASS}/*/battery_uwh"],
        capture_output=True, text=True, check=False)
    if as_nobody.returncode or as_nobody.stderr.count("Permission denied") < 3:
        fail(f"what a user may read: {as_nobody}")

    poll = select.poll()
    with (CLASS / BATTERY / "power_uw").open() as watched:
        watched.read()
        poll.register(watched, select.POLLPRI)
        (FAKE / "battery_uw").write_text("-5123456")
        if not poll.poll(5000):
            fail("a change of power wakes nobody")
    # The average of the second in which it changed lies between; then the new one, rounded.
    wait_for("new power", lambda: read(BATTERY, "power_uw") == "5120000", 5)
    wait_for("total", lambda: read("total", "power_uw") == "5120000", 3)
    # Once a second, although every reading wakes the sampler.
    ages = []
    for _ in range(10):
        ages.append(int(read(BATTERY, "age_ms")))
        time.sleep(0.1)
    if max(ages) < 800:
        fail(f"the battery is read more often than once a second: {ages}")
    expect("what the total is made of", read("total", "scope"), "supply")


def counters(ferry):
    """R-35: wraps, restarts, widths, loss."""
    end = 262143328850
    ferry.push("rapl", "PACKAGE", counter_uj=end - 999999, counter_max_uj=end, valid_ms=1000)
    time.sleep(0.2)
    ferry.push("rapl", "PACKAGE", counter_uj=200000, counter_max_uj=end, valid_ms=1000)
    expect("energy across a wrap", ferry.get("rapl")["energy_uj"], 1200000)
    time.sleep(0.1)
    ferry.push("rapl", "PACKAGE", counter_uj=100, counter_max_uj=end, valid_ms=1000)
    expect("energy after a restart", ferry.get("rapl")["energy_uj"], 1200000)
    time.sleep(0.1)
    ferry.push("rapl", "PACKAGE", counter_uj=100100, counter_max_uj=end, valid_ms=1000)
    lost = time.monotonic()
    expect("energy after that", ferry.get("rapl")["energy_uj"], 1300000)
    ferry.push("narrow", "PACKAGE", counter_uj=65000, counter_bits=16)
    time.sleep(0.01)
    ferry.push("narrow", "PACKAGE", counter_uj=464, counter_bits=16)
    expect("energy of 16 bits", int(read("narrow", "energy_uj")), 1000)
    wait_for("lost source is stale", lambda: read("rapl", "state") == "stale", 2)
    if time.monotonic() - lost < 0.9:
        fail("a reading that still holds is called stale")
    expect("power of a lost source", read("rapl", "power_uw"), "unknown")
    expect("source of a lost source", read("rapl", "source"), "none")


def values_grow_old_one_by_one(ferry):
    """A temperature that a collector no longer sends is not that of its last power."""
    ferry.push("halves", "BATTERY", power_uw=1000000, temperature_mdeg=21000, battery_ppm=500000, valid_ms=1500)
    expect("a temperature that holds", read("halves", "temperature_mdeg"), "21000")
    for _ in range(4):
        time.sleep(0.5)
        ferry.push("halves", "BATTERY", power_uw=1000000, valid_ms=1500)
    expect("state of what is still fed", read("halves", "state"), "live")
    for name in ("temperature_mdeg", "battery_ppm"):
        expect(f"{name} that is said no more", read("halves", name), "unknown")
        expect(f"{name} by netlink", ferry.get("halves").get(name), None)
    expect("temperature in hwmon",
           [read_or_error(path) for path in (CLASS / "halves").glob("hwmon*/temp1_input")], ["ENODATA"])
    ferry.delete("halves")


def refusals(ferry):
    refused("another total", errno.EBUSY, ferry.push, "total", "BOARD", power_uw=1)
    for name in ("model", "mode", "version", "none", "psy-BAT0", "thermal-soc", "ferry_total", "",
                 "a/b", "..", "a b", "\u00fc"):
        refused(f"the name {name!r}", errno.EINVAL, ferry.push, name, power_uw=1)
    refused("a kind that changes", errno.EINVAL, ferry.push, "rapl", "BOARD", power_uw=1)
    refused("a pushed total", errno.EINVAL, ferry.push, "mine", "TOTAL", power_uw=1)
    refused("a counter beyond its end", errno.ERANGE, ferry.push, "narrow", "PACKAGE",
            counter_uj=65536, counter_bits=16)
    refused("two ends of a counter", errno.EINVAL, ferry.push, "narrow", "PACKAGE",
            counter_uj=5, counter_bits=16, counter_max_uj=9)
    refused("a reading that no longer holds", errno.EINVAL, ferry.push, "narrow", "PACKAGE",
            power_uw=5, age_ms=2000, valid_ms=2000)
    refused("a reading older than the last", errno.ESTALE, ferry.push, "narrow", "PACKAGE",
            counter_uj=5, counter_bits=16, age_ms=9000)
    refused("a source of the kernel's", errno.EBUSY, ferry.delete, BATTERY)
    refused("a source that is not there", errno.ENOENT, ferry.delete, "nobody")
    refused("a look at it", errno.ENOENT, ferry.get, "nobody")
    refused("a model of nothing", errno.EINVAL, ferry.model)
    refused("a new source with a counter beyond its end", errno.ERANGE, ferry.push, "fresh",
            counter_uj=65536, counter_bits=16)
    expect("source that was refused", (CLASS / "fresh").exists(), False)
    for number in range(40):
        try:
            ferry.push(f"many{number}", power_uw=1, valid_ms=100)
        except Refused as error:
            expect("refusal of one source too many", error.errno, errno.ENOSPC)
            break
    else:
        fail("there is no end of sources")
    expect("sources in a dump", len(ferry.dump()), 33)
    for number in range(number):
        ferry.delete(f"many{number}")
    names = [source["name"] for source in ferry.dump()]
    expect("sources", sorted(names), sorted(path.name for path in CLASS.iterdir() if path.is_dir()))
    ferry.delete("narrow")
    ferry.delete("rapl")


def frozen_and_fake(ferry):
    """R-37: beside what is known by MIRROR_OF (R-36), a counter that never moves under load."""
    zero = 0
    try:
        with open("/dev/cpu/0/msr", "rb", buffering=0) as msr:
            zero = int.from_bytes(os.pread(msr.fileno(), 8, 0x611), "little")
    except OSError:
        pass  # this kernel has no msr: 0 is what it would say
    # The battery's power goes up and down; hwmon shows the same; a collector pushes both of its
    # mirrors, one of which it knows to be one.
    for second in range(16):
        uw = 5000000 + second * 7 % 5 * 400000
        (FAKE / "battery_uw").write_text(str(uw))
        for _ in range(2):
            ferry.push("msr", "PACKAGE", counter_uj=zero, counter_bits=32)
            ferry.push("mirror", "BATTERY", power_uw=uw, mirror_of=BATTERY)
            ferry.push("unknown", "BATTERY", power_uw=uw, temperature_mdeg=1000)
            # The load: a fifth of the only processor. A machine that counts time by instructions
            # is slow at more.
            busy = time.monotonic() + 0.1
            while time.monotonic() < busy:
                pass
            time.sleep(0.4)
    expect("state of the counter", read("msr", "state"), "frozen")
    expect("source of a counter that never moves", read("msr", "source"), "none")
    expect("its power", read("msr", "power_uw"), "unknown")
    (FAKE / "battery_uw").write_text("6000000")
    for _ in range(6):
        ferry.push("mirror", "BATTERY", power_uw=6000000, mirror_of=BATTERY)
        ferry.push("unknown", "BATTERY", power_uw=6000000)
        time.sleep(0.5)
    expect("declared mirror", read("mirror", "mirror_of"), BATTERY)
    expect("power of a mirror", read("mirror", "power_uw"), "6000000")
    if read("unknown", "mirror_of") not in (BATTERY, "mirror"):
        fail(f"a mirror that nobody declared: {read('unknown', 'mirror_of')}")
    expect("total with every mirror", read("total", "power_uw"), "6000000")
    expect("source of the total", read("total", "source"), "measured")


def hwmon():
    """In the shape of hwmon: Ferry's own chips, and the kernel's mirrors beside them."""
    chips = {read_or_error(path / "name"): path for path in pathlib.Path("/sys/class/hwmon").iterdir()}
    for name in ("ferry_total", "ferry_mirror", "fake_ina", "fake_battery"):
        if name not in chips:
            fail(f"hwmon has no chip {name}: {sorted(chips)}")
    expect("power of the chip", read_or_error(chips["ferry_total"] / "power1_average"),
           read("total", "power_uw"))
    expect("its interval", read_or_error(chips["ferry_total"] / "power1_average_interval"), "1000")
    expect("temperature that came later",
           read_or_error(chips["ferry_unknown"] / "temp1_input"), "1000")
    # As libsensors reads it, which knows chips by their bus.
    shown = subprocess.run(["sensors", "-u"], capture_output=True, text=True, check=False)
    if not re.search(r"ferry_total-\S+\n(?:.*\n)*?total:\n\s+power1_average: 6\.000\n", shown.stdout):
        fail(f"sensors does not show the total: {shown}")
    expect("chips for what the kernel mirrors", [name for name in chips if name.startswith("ferry_psy")],
           [])


def estimate(ferry):
    """R-37: with nothing else, the model's word, with its error."""
    for name in ("mirror", "unknown", "msr"):
        ferry.delete(name)
    ferry.model(idle_uw=2000000, busy_uw=1, error_ppm=150000)
    wait_for("estimate", lambda: read("model", "power_uw").isdigit(), 5)
    expect("source of the model", read("model", "source"), "estimate")
    expect("its power", read("model", "power_uw"), "2000000")
    expect("its error", read("model", "uncertainty_uw"), "300000")
    expect("total while there is a battery", read("total", "scope"), "supply")
    (FAKE / "charging").write_text("Y")
    wait_for("total of the model", lambda: read("total", "scope") == "model", 4)
    expect("source of the total", read("total", "source"), "estimate")
    expect("power of the total", read("total", "power_uw"), "2000000")
    expect("error of the total", read("total", "uncertainty_uw"), "300000")
    ferry.push("toy", "BOARD", "FAKE", power_uw=3000000)
    time.sleep(1.1)
    ferry.push("toy", "BOARD", "FAKE", power_uw=3000000)
    expect("source of a fake", read("toy", "source"), "fake")
    wait_for("total of a fake", lambda: read("total", "source") == "fake", 3)
    ferry.model(idle_uw=0, busy_uw=0)
    expect("model without coefficients", (CLASS / "model").exists(), False)


def main():
    ferry = Ferry()
    battery_and_thermal_zone()
    counters(ferry)
    values_grow_old_one_by_one(ferry)
    refusals(ferry)
    frozen_and_fake(ferry)
    hwmon()
    estimate(ferry)


main()
