#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""scripts/demo: what it shows, and that nothing of it stays behind."""
import os
import pathlib
import subprocess
import tempfile
import time

from rig import DEADLINE_S, FERRY, Tap, expect, make_model

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
BUILD = pathlib.Path(FERRY[-1]).resolve().parent.parent.parent


def environment(model):
    return {**os.environ, "BUILD": str(BUILD), "MODEL": str(model), "TOKENS": "8", "PROMPT": "The ferry"}


def edges_of(model):
    """Processes that serve the model of this test, whoever started them."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(model).encode() in command and b"\0edge\0" in command:
            found.append(process.name)
    return found


def pins():
    return sorted(map(str, pathlib.Path("/sys/fs/bpf").glob("ferry/*")))


def namespaces(pid):
    folder = pathlib.Path("/run/netns")
    return [p.name for p in folder.glob(f"ferry-*-{pid}")] if folder.exists() else []


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as tmp:
        model = make_model(pathlib.Path(tmp) / "a model.gguf", "--arch", "llama")
        before = pins()
        run = subprocess.run([ROOT / "scripts" / "demo"], env=environment(model), capture_output=True, text=True,
                             timeout=4 * DEADLINE_S, check=False)
        tap.check("the demo shows the same tokens wherever the layers run", expect(
            (run.returncode == 0, f"exit status {run.returncode}: {run.stderr}"),
            (run.stdout.count("the same 8 tokens") == 3, run.stdout), ("Chosen: " in run.stdout, run.stdout)))
        if "two network namespaces" in run.stdout:
            tap.check("as root it shows what is sent by class, or says why not", expect(
                ("second 1: " in run.stdout and " prefill " in run.stdout or "classes are not shown: " in run.stdout,
                 run.stdout), (pins() == before, "pins are left")))
        tap.check("its edge ends with it", edges_of(model))

        # Once, the reader of the demo's output went away and an edge and two namespaces stayed.
        demo = subprocess.Popen([ROOT / "scripts" / "demo"], env=environment(model), stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL)
        demo.stdout.readline()
        demo.stdout.close()
        status = demo.wait(timeout=4 * DEADLINE_S)
        for _ in range(100):
            if not edges_of(model):
                break
            time.sleep(0.1)
        tap.check("nothing stays where the reader of its output goes", expect(
            (status != 0, "it did not notice")) + edges_of(model) + namespaces(demo.pid))
    tap.done()


if __name__ == "__main__":
    main()
