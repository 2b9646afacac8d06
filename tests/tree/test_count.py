#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The last line of `make check` counts what failed, however it failed."""
import json
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tap import Tap  # noqa: E402

GOOD = '<testcase name="1 - good"/>'
BAD = '<testcase name="2 - bad"><failure/></testcase>'
SKIPPED = '<testcase name="3 - none"><skipped/><system-out>no model</system-out></testcase>'

# What a program said, what meson made of it, and the line that must come of both.
CASES = {
    "all is well": (GOOD + SKIPPED, "OK", 0, "1 passed, 0 failed, 1 skipped"),
    "a test fails": (GOOD + BAD, "ERROR", 1, "1 passed, 1 failed, 0 skipped"),
    "a program crashes between its tests": (GOOD, "ERROR", 1, "1 passed, 1 failed, 0 skipped"),
    "a program hangs": (GOOD, "TIMEOUT", 1, "1 passed, 1 failed, 0 skipped"),
    "nothing runs": ("", "OK", 1, "0 passed, 0 failed, 0 skipped"),
    "only skipped": (SKIPPED, "SKIP", 1, "0 passed, 0 failed, 1 skipped"),
}


def count(root, *files):
    run = subprocess.run([root / "scripts" / "count-tests", *files], capture_output=True, text=True, check=False)
    return run.returncode, (run.stdout.splitlines() or [""])[-1]


def main():
    root = pathlib.Path(sys.argv[1])
    tap = Tap()
    with tempfile.TemporaryDirectory() as tmp:
        for i, (name, (cases, result, status, line)) in enumerate(CASES.items()):
            folder = pathlib.Path(tmp) / str(i)
            folder.mkdir()
            junit = folder / "testlog.junit.xml"
            junit.write_text(f'<testsuites><testsuite name="p.p:s / t" errors="0">{cases}</testsuite></testsuites>')
            (folder / "testlog.json").write_text(json.dumps({"name": "p:s / t", "result": result}) + "\n")
            got = count(root, junit)
            tap.check(name, [] if got == (status, line) else [f"{got} instead of {(status, line)}"])
        got = count(root, pathlib.Path(tmp) / "0" / "testlog.junit.xml", pathlib.Path(tmp) / "missing.xml")
        tap.check("a part that wrote nothing, because it does not build",
                  [] if got == (1, "1 passed, 1 failed, 1 skipped") else [str(got)])
    tap.done()


if __name__ == "__main__":
    main()
