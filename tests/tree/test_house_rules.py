#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What CONTRIBUTING.md asks of every file, as far as a program can see it."""
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tap import Tap  # noqa: E402

MAX_LINES = 800
MAX_COLUMNS = 100
CODE = {".c", ".h", ".py", ".sh", ".build"}
LICENCES = ("MIT", "GPL-2.0-only", "(GPL-2.0-only OR BSD-2-Clause)",
            "GPL-2.0-only WITH Linux-syscall-note", "(GPL-2.0-only WITH Linux-syscall-note) OR MIT")


def source_files(root):
    """Tracked and new files, as git sees them; every file where this is no checkout."""
    listed = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard"],
                            capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        names = listed.stdout.splitlines()
    else:
        names = [str(p.relative_to(root)) for p in root.rglob("*")
                 if not any(part.startswith((".", "build")) for part in p.relative_to(root).parts)]
    return [root / n for n in names if (root / n).is_file()]


def is_code(path):
    if path.suffix in CODE or path.name in ("Makefile", "Kbuild", "meson_options.txt"):
        return True
    if path.suffix or path.stat().st_size > 1 << 20:
        return False
    with path.open("rb") as f:
        return f.read(2) == b"#!"


def spdx_problems(files):
    found = []
    for path in files:
        head = path.read_text(errors="replace").splitlines()[:3]
        tags = [m.group(1).strip() for line in head
                if (m := re.search(r"SPDX-License-Identifier: (.*?)(\s*\*/)?$", line))]
        if not tags:
            found.append(f"{path}: no SPDX-License-Identifier in its first three lines")
        elif tags[0] not in LICENCES:
            found.append(f"{path}: licence {tags[0]} is none of this project's")
    return found


def length_problems(files):
    found = []
    for path in files:
        n = len(path.read_text(errors="replace").splitlines())
        if n > MAX_LINES and "generated" not in path.name:
            found.append(f"{path}: {n} lines; over {MAX_LINES} there are two concepts in it")
    return found


def width_problems(files):
    """Lines of C, tabs counted as 8. Text that a user reads may stay in one piece, to be found."""
    found = []
    for path in files:
        if path.suffix not in (".c", ".h"):
            continue
        for n, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if len(line.expandtabs(8)) > MAX_COLUMNS and '"' not in line:
                found.append(f"{path}:{n}: wider than {MAX_COLUMNS} columns")
    return found


def name_problems(files):
    attic = {"utils", "util", "misc", "common", "helpers"}
    return [f"{p}: a file is named by the noun it owns" for p in files if p.stem in attic]


def readme_problems(root, files):
    """A folder has a README.md, or one above it speaks for it; a room of userspace has its own."""
    found = []
    for folder in sorted({p.parent for p in files}):
        above = [folder, *folder.parents]
        above = above[:above.index(root)]
        if not above or above[-1].name.startswith("."):
            continue
        own = folder.parent == root / "userspace"
        if not any((d / "README.md").exists() for d in (above[:1] if own else above)):
            found.append(f"{folder}: no README.md says what lives there")
    return found


def version_problems(files, root):
    """Kernel versions may be mentioned in kmod/compat only."""
    kmod = root / "kmod"
    return [f"{p}: only kmod/compat may ask for the kernel's version" for p in files
            if kmod in p.parents and kmod / "compat" not in p.parents
            and re.search(r"LINUX_VERSION_CODE|KERNEL_VERSION", p.read_text(errors="replace"))]


def abort_problems(files, root):
    """No assert may depend on bytes from a file or a socket: the runtime has none at all."""
    call = re.compile(r"\b(assert|abort|exit)\s*\(")
    found = []
    for p in files:
        if root / "userspace" not in p.parents or root / "userspace" / "cli" in p.parents:
            continue
        if p.suffix not in (".c", ".h"):
            continue
        text = re.sub(r"/\*.*?\*/|//[^\n]*|\"(\\.|[^\"\\])*\"", "", p.read_text(), flags=re.S)
        for m in call.finditer(text):
            found.append(f"{p}: {m.group(1)}() in the library")
    return found


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    files = source_files(root)
    code = [p for p in files if is_code(p)]
    tap = Tap()
    tap.check("every code file names its licence", spdx_problems(code))
    tap.check(f"no file is longer than {MAX_LINES} lines", length_problems(code))
    tap.check(f"no line of C is wider than {MAX_COLUMNS} columns", width_problems(code))
    tap.check("files are named by a noun", name_problems(code))
    tap.check("every folder says what lives there", readme_problems(root, code))
    tap.check("kernel versions stay in kmod/compat", version_problems(code, root))
    tap.check("the library never asserts, aborts or exits", abort_problems(code, root))
    tap.done()


if __name__ == "__main__":
    main()
