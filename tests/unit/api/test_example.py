#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An application's view: install libferry somewhere, find it by pkg-config, link, run.

usage: test_example.py BUILD-DIRECTORY FERRY MAKE_MODEL STORY.C
"""
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tap import Tap  # noqa: E402


def run(*args, **kwargs):
    return subprocess.run([str(a) for a in args], capture_output=True, text=True, check=False, timeout=100,
                          **kwargs)


def problems_of(result, *claims):
    found = [] if result.returncode == 0 else [f"exit status {result.returncode}: {result.stdout}{result.stderr}"]
    return found + [text for holds, text in claims if not holds]


def main():
    build, ferry, make_model, story_c = sys.argv[1:]
    tap = Tap()
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        root = tmp / "root"
        installed = run("meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", root)
        pc = next(iter(root.rglob("ferry.pc")), None)
        names = {p.name for p in root.rglob("*")}
        tap.check("make install puts everything in place", problems_of(
            installed, *[(n in names, f"{n} is missing") for n in (
                "ferry", "ferry.h", "error.h", "ferry.pc", "libferry.so", "libferry.so.0", "libferry.a", "ferry.1")]))
        if pc is None:
            tap.done()
        env = dict(os.environ, PKG_CONFIG_PATH=str(pc.parent), PKG_CONFIG_SYSROOT_DIR=str(root))
        lib = next(root.rglob("libferry.so.0")).parent
        model = tmp / "model.gguf"
        run(make_model, "-o", model, "--type", "Q8_0")
        alone = None
        for kind in ("shared", "static"):
            flags = run("pkg-config", "--cflags", "--libs", *(["--static"] if kind == "static" else []), "ferry", env=env)
            link = shlex.split(flags.stdout)
            if kind == "static":
                link = [f"-l:libferry.a" if f == "-lferry" else f for f in link]
            program = tmp / kind
            compiled = run("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", story_c, "-o", program, *link,
                           f"-Wl,-rpath,{lib}")
            result = run(program, model, "The ferry") if compiled.returncode == 0 else compiled
            tap.check(f"the example builds and runs against the {kind} library", problems_of(flags) + problems_of(compiled) + problems_of(
                result, ("layers here" in result.stdout, result.stdout)))
            alone = result.stdout
        text = alone.rsplit("[", 1)[0]
        edge = subprocess.Popen([ferry, "edge", "-q", "-m", str(model), "--listen", "127.0.0.1:0"],
                                stdout=subprocess.PIPE, text=True)
        try:
            address = edge.stdout.readline().split()[-1]
            result = run(tmp / "shared", model, "The ferry", address)
        finally:
            edge.terminate()
            edge.wait(timeout=10)
            edge.stdout.close()
        tap.check("with an edge it writes the same text", problems_of(
            result, (result.stdout.rsplit("[", 1)[0] == text, f"{result.stdout!r} is not {text!r}")))
        result = run(tmp / "shared", tmp / "none.gguf", "x")
        tap.check("it reports a missing model in one sentence", [] if result.returncode == 1 and "none.gguf" in result.stderr
                  and len(result.stderr.splitlines()) == 1 else [result.stderr])
        symbols = run("nm", "-D", "--defined-only", next(root.rglob("libferry.so.0")))
        foreign = [line for line in symbols.stdout.splitlines()
                   if not line.split()[-1].lower().startswith("ferry_")]
        tap.check("the library exports nothing but ferry_*", problems_of(symbols) + foreign)
    tap.done()


if __name__ == "__main__":
    main()
