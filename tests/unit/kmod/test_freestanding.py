#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R-49: kmod/core compiles for 32 bits and needs nothing that a 32-bit kernel lacks.

A kernel has no compiler runtime: a 64-bit division or a conversion that the compiler leaves to a
function (__udivdi3, __aeabi_uldivmod, ...) fails when the module is loaded. So the headers are
compiled as the kernel would and the object may refer to div64_u64() and the memory functions only.
"""
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tap import Tap  # noqa: E402

# name, compiler and what makes it compile for 32 bits
TARGETS = [
    ("i686", ["gcc", "-m32"]),
    ("i686 by clang", ["clang", "-m32"]),
    ("armv7 by clang", ["clang", "--target=armv7-linux-gnueabihf"]),
    ("armhf", ["arm-linux-gnueabihf-gcc"]),
]
MEMORY = {"memset", "memcpy", "memmove", "memcmp"}
# 32-bit division, and 64-bit shifts and products, which arch/arm/lib of the kernel has.
ARM = {"__aeabi_" + name for name in ("idiv", "uidiv", "idivmod", "uidivmod", "llsl", "llsr", "lasr",
                                      "lmul")}
MAY_REFER_TO = {"div64_u64"} | MEMORY | ARM | {f"__aeabi_{name}{n}" for n in ("", "4", "8")
                                               for name in MEMORY | {"memclr"}}
MATH64 = "__u64 div64_u64(__u64 dividend, __u64 divisor);\n"
DIVISION = """#include <linux/types.h>
__u64 quotient(__u64 a, __u64 b);
__u64 quotient(__u64 a, __u64 b) { return a / b; }
"""


def run(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    except OSError as e:
        return subprocess.CompletedProcess(command, 127, "", str(e))


def system_headers():
    """Where <asm/types.h> is; for another architecture it is looked for elsewhere."""
    multiarch = run(["gcc", "-print-multiarch"]).stdout.strip()
    return ["-isystem", f"/usr/include/{multiarch}"] if multiarch else []


def references(compiler, optimization, source, includes, tmp):
    """Symbols that the object of @source needs, and what the compiler said if there is none."""
    obj = tmp / "core.o"
    built = run([*compiler, optimization, "-std=gnu11", "-ffreestanding", "-fno-pic", "-Wall", "-Wextra",
                 "-Werror", "-D__KERNEL__", "-c", str(source), "-o", str(obj), *includes])
    if built.returncode:
        return None, built.stderr
    listed = run(["nm", "-u", str(obj)])
    if listed.returncode:
        return None, listed.stderr
    return {line.split()[-1] for line in listed.stdout.splitlines() if line.strip()}, ""


def left_out(source, includes, core):
    """Headers of the core that the object does not have."""
    listed = run(["gcc", "-M", "-D__KERNEL__", str(source), *includes])
    return [header.name for header in sorted(core.glob("*.h")) if f"/{core.name}/{header.name}" not in listed.stdout]


def main():
    root = pathlib.Path(sys.argv[1])
    source = root / "tests" / "unit" / "kmod" / "freestanding.c"
    tap = Tap()
    with tempfile.TemporaryDirectory() as folder:
        tmp = pathlib.Path(folder)
        (tmp / "linux").mkdir()
        (tmp / "linux" / "math64.h").write_text(MATH64)
        (tmp / "division.c").write_text(DIVISION)
        own = ["-I", str(tmp), "-I", str(root / "kmod"), "-I", str(root / "include" / "uapi")]
        tap.check("all of kmod/core is looked at", left_out(source, own, root / "kmod" / "core"))
        for name, compiler in TARGETS:
            headers = system_headers() if len(compiler) > 1 else []
            # A compiler that cannot even do this is not here; one that can must find the division.
            found, said = references(compiler, "-O2", tmp / "division.c", own + headers, tmp)
            if found is None:
                tap.n += 1
                print(f"ok {tap.n} - {name} # SKIP " + (said.strip().splitlines() or ["?"])[0])
                continue
            tap.check(f"{name}: a 64-bit division is found where there is one",
                      [] if found - MAY_REFER_TO else ["the object refers to nothing"])
            for optimization in ("-O2", "-Os"):
                found, said = references(compiler, optimization, source, own + headers, tmp)
                wrong = [said] if found is None else sorted(found - MAY_REFER_TO)
                tap.check(f"{name}: kmod/core at {optimization} needs no compiler runtime", wrong)
    tap.done()


if __name__ == "__main__":
    main()
