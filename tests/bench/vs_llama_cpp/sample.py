# SPDX-License-Identifier: MIT
"""One measurement: a program runs once, and what the rest of the machine did meanwhile is noted."""
import json
import os
import pathlib
import resource
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
CPUS = os.cpu_count() or 1


class SampleError(Exception):
    """One sentence: which program failed, and its last words."""


def busy_seconds():
    """CPU seconds that the machine was busy, time stolen by its host included."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(
        int, pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


def children_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def wait_for_quiet(limit, patience_s):
    """Until others use less than `limit` of the CPUs for a second, or patience ends."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        busy, start = busy_seconds(), time.monotonic()
        time.sleep(1)
        if (busy_seconds() - busy) / (time.monotonic() - start) / CPUS < limit:
            return


def take(command, timeout_s):
    """The program's JSON object, with "others_cpu": the share of all CPUs that went to others."""
    command = [str(c) for c in command]
    busy, own, start = busy_seconds(), children_seconds(), time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise SampleError(f"{' '.join(command)}: nothing after {timeout_s} s") from None
    except OSError as e:
        raise SampleError(f"{command[0]}: {e.strerror}") from None
    wall = time.monotonic() - start
    others = (busy_seconds() - busy) - (children_seconds() - own)
    if done.returncode:
        words = done.stderr.strip().splitlines()
        raise SampleError(f"{' '.join(command)}: {words[-1] if words else f'exit status {done.returncode}'}")
    try:
        result = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise SampleError(f"{' '.join(command)}: its output is no JSON") from None
    result["others_cpu"] = max(0.0, others / wall / CPUS)
    return result


def take_undisturbed(command, timeout_s, limit, attempts, patience_s):
    """The first sample that others disturbed less than `limit`, else the least disturbed one."""
    best = None
    for _ in range(attempts):
        wait_for_quiet(limit, patience_s)
        result = take(command, timeout_s)
        if best is None or result["others_cpu"] < best["others_cpu"]:
            best = result
        if best["others_cpu"] < limit:
            break
    best["disturbed"] = best["others_cpu"] >= limit
    return best
