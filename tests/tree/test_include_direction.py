#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rooms of userspace/ may include each other in one direction only.

The table below is the architecture (Documentation/architecture.md): what each room may
include beside itself and include/. A room that is missing from it may not exist.
"""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tap import Tap  # noqa: E402

MAY_INCLUDE = {
    "base": [],
    "model": ["base"],
    "compute": ["base", "model"],
    "engine": ["base", "model", "compute"],
    "telemetry": ["base"],
    "plan": ["base"],
    "wire": ["base"],
    "node": ["base", "model", "compute", "engine", "telemetry", "plan", "wire"],
    "api": ["base", "model", "compute", "engine", "telemetry", "plan", "wire", "node"],
    "net": ["base", "telemetry"],
    "store": ["base", "model", "wire"],
    "train": ["base", "model", "compute", "engine", "wire", "store"],
    "serve": ["base", "model", "compute", "engine", "telemetry", "plan", "wire", "node", "api", "net",
              "store"],
    "tc": [],
    "cli": ["base", "model", "compute", "engine", "telemetry", "plan", "wire", "node", "api", "net",
            "store", "train", "serve", "tc"],
}

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)
# userspace/ is on the search path, so a room can be reached by these as well.
ANGLED = re.compile(r"^\s*#\s*include\s*<([^>]+)>", re.M)


def problems_of(userspace):
    """Every include below the folder `userspace` that points the wrong way, as sentences."""
    found = []
    for path in sorted(userspace.rglob("*.[ch]")):
        room = path.relative_to(userspace).parts[0]
        if room not in MAY_INCLUDE:
            found.append(f"{path}: room {room} is not in the table of the architecture")
            continue
        text = path.read_text()
        for name in ANGLED.findall(text):
            if (userspace / name).exists():
                found.append(f"{path}: <{name}> is no header of the system")
        for name in INCLUDE.findall(text):
            parts = name.split("/")
            if parts[0] in ("ferry", "linux"):
                continue  # include/ferry and include/uapi/linux, open to all
            if parts[0] == "bpf" and room in ("net", "wire") and not name.endswith(".skel.h"):
                continue  # what a BPF program and its loader agree on
            if ".." in parts:
                found.append(f"{path}: \"{name}\" climbs out of its room")
            elif len(parts) == 1:
                found.append(f"{path}: \"{name}\" does not name its room")
            elif parts[0] != room and parts[0] not in MAY_INCLUDE[room]:
                found.append(f"{path}: room {room} may not include \"{name}\"")
    return found


def api_problems(include):
    """What applications include stands on its own."""
    return [f"{path}: the public API may not include \"{name}\"" for path in sorted(include.rglob("*.h"))
            for name in INCLUDE.findall(path.read_text()) if name.split("/")[0] != "ferry"]


def core_problems(core):
    """kmod/core is compiled into the kernel and into userspace: it may include only itself and
    what both have. The one exception is the kernel's 64-bit division, which time.h wraps."""
    both = {"linux/types.h", "linux/ferry.h", "stdint.h", "stdbool.h", "stddef.h"}
    found = []
    for path in sorted(core.glob("*.h")):
        for name in re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(), re.M):
            if path.name == "time.h" and name == "linux/math64.h":
                continue
            if name not in both and not (core / name).exists():
                found.append(f"{path}: kmod/core may not include {name}")
    return found


def test_of_the_test(tap, tmp):
    """A tree with one include of each wrong kind, to see that each is found."""
    cases = {
        "base/a.c": '#include "model/gguf.h"\n',
        "plan/b.c": '#include "engine/forward.h"\n',
        "wire/c.c": '#include "../base/error.h"\n',
        "cli/d.c": '#include "e.h"\n',
        "attic/f.c": '#include "base/error.h"\n',
        "plan/g.c": '#include <math.h>\n#include <engine/good.h>\n',
    }
    for name, text in cases.items():
        path = tmp / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp / "engine").mkdir()
    (tmp / "engine" / "good.h").write_text("")
    (tmp / "engine" / "good.c").write_text('#include "model/model.h"\n#include "ferry/error.h"\n')
    found = problems_of(tmp)
    missed = [name for name in cases if not any(name in f for f in found)]
    wrong = [f for f in found if "good.c" in f]
    tap.check("the checker finds each wrong include", missed + wrong)


def main():
    import tempfile

    root = pathlib.Path(sys.argv[1])
    tap = Tap()
    with tempfile.TemporaryDirectory() as tmp:
        test_of_the_test(tap, pathlib.Path(tmp))
    tap.check("rooms include only what the architecture allows", problems_of(root / "userspace"))
    tap.check("the public API includes only itself", api_problems(root / "include" / "ferry"))
    tap.check("kmod/core includes only what kernel and userspace share",
              core_problems(root / "kmod" / "core"))
    tap.done()


if __name__ == "__main__":
    main()
