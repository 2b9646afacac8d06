#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The front door: what it lists, and what it would do."""
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tap import Tap  # noqa: E402


def make(root, *arguments):
    """What a `make` with these arguments prints, without those of a make that started this test."""
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL",
                                                            "PREFIX", "DESTDIR", "BUILD", "MODEL")}
    return subprocess.run(["make", "-C", root, *arguments], env=env, capture_output=True, text=True, check=False).stdout


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    tap = Tap()
    targets = re.search(r"^\.PHONY:(.*)$", (root / "Makefile").read_text(), re.M).group(1).split()
    listed = make(root, "help")
    tap.check("make help lists every target", [t for t in targets if f"make {t} " not in listed])
    plan = make(root, "-n", "install", "BUILD=none")
    tap.check("make install leaves the prefix alone", [] if "-Dprefix" not in plan and "DESTDIR= " in plan else [plan])
    # The prefix of an older build directory once won over the one that was given.
    plan = make(root, "-n", "install", "BUILD=none", "PREFIX=/opt/x", "DESTDIR=out")
    tap.check("make install PREFIX= tells the build directory",
              [] if "meson configure none -Dprefix=/opt/x" in plan else [plan])
    tap.check("make install DESTDIR= counts from where make runs", [] if f"DESTDIR={root}/out " in plan else [plan])
    tap.done()


if __name__ == "__main__":
    main()
