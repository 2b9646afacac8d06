# SPDX-License-Identifier: MIT
"""The models that both sides run, made once and kept in the cache."""
import pathlib
import shutil
import subprocess

SPARE_BYTES = 1 << 30  # left free on the disk
READ_BYTES = 1 << 20
MAKE_S = 900


class ModelError(Exception):
    """One sentence that says what is missing and what to do."""


class Maker:
    def __init__(self, program, folder):
        self.program = program
        self.folder = folder
        if not program.exists():
            raise ModelError(f"{program} is missing; build it with: ninja -C {program.parents[2]} tests/bench/make_big_model")

    def call(self, shape, kind, *more):
        try:
            done = subprocess.run([str(self.program), "--shape", shape, "--type", kind, *map(str, more)],
                                  capture_output=True, text=True, check=False, timeout=MAKE_S)
        except subprocess.TimeoutExpired:
            raise ModelError(f"{self.program.name}: nothing after {MAKE_S} s") from None
        if done.returncode:
            raise ModelError(done.stderr.strip().splitlines()[0] if done.stderr.strip() else "make_big_model failed")
        return done.stdout

    def path(self, shape, kind):
        return self.folder / f"{shape}-{kind}.gguf"

    def prepare(self, shape, kinds):
        """Paths by type. What is there and has the right size is kept."""
        sizes = {kind: int(self.call(shape, kind, "--print-size")) for kind in kinds}
        missing = {kind: n for kind, n in sizes.items()
                   if not self.path(shape, kind).exists() or self.path(shape, kind).stat().st_size != n}
        self.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder).free
        if missing and sum(missing.values()) + SPARE_BYTES > free:
            raise ModelError(f"the models need {sum(missing.values()) / 1e9:.1f} GB and 1 GB to spare; {self.folder} has "
                             f"{free / 1e9:.1f} GB left. Name fewer --types or another --cache")
        for kind in missing:
            print(f"making {self.path(shape, kind).name}, {missing[kind] / 1e6:.0f} MB", flush=True)
            self.call(shape, kind, "-o", self.path(shape, kind))
        return {kind: self.path(shape, kind) for kind in kinds}


def warm(path):
    """Read the file once, so that no side pays for the disk."""
    available = 0
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            available = int(line.split()[1]) * 1024
    if path.stat().st_size > available:
        raise ModelError(f"{path} has {path.stat().st_size / 1e9:.1f} GB and {available / 1e9:.1f} GB of memory are "
                         "available; it would be read from the disk")
    with path.open("rb", buffering=0) as f:
        while f.read(READ_BYTES):
            pass
