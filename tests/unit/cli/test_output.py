#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Standard descriptors that are full, closed, or left by whoever read them."""
import os
import pathlib
import pty
import re
import subprocess
import tempfile
import tty

from rig import DEADLINE_S, FERRY, Edge, Result, Tap, expect, ferry, make_model, one_sentence


def redirected(redirections, *args):
    """Runs the command as a shell would with e.g. '>&-'."""
    return Result(subprocess.run(["sh", "-c", f'exec "$@" {redirections}', "sh", *FERRY, *map(str, args)],
                                 stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=DEADLINE_S))


def on_terminal(*args):
    """Standard output of the command on a terminal that changes nothing itself."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    out = b""
    with subprocess.Popen([*FERRY, *map(str, args)], stdin=subprocess.DEVNULL, stdout=theirs,
                          stderr=subprocess.DEVNULL) as process:
        os.close(theirs)
        try:
            while chunk := os.read(ours, 4096):
                out += chunk
        except OSError:  # what Linux says when the other side is closed
            pass
        process.wait(timeout=DEADLINE_S)
    os.close(ours)
    return out


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        model = make_model(tmp / "m.gguf", "--arch", "llama", "--type", "Q8_0")
        text = tmp / "text"
        text.write_text("The ferry crosses the river. " * 20)
        greedy = ("run", "-m", model, "-p", "The ferry", "-n", 200, "--greedy", "--ignore-eos", "--codec", "f32")
        results = {
            "info": ("info", "-m", model), "tokenize": ("tokenize", "-m", model, "-p", "x"),
            "perplexity": ("perplexity", "-m", model, "-f", text), "run": greedy,
            "bench": ("bench", "-m", model, "-p", 4, "-n", 2, "-r", 1, "--json"),
            "edge": ("edge", "-m", model, "--listen", "127.0.0.1:0", "-q"),
            "help": ("run", "--help"), "version": ("--version",),
        }
        for redirection, what in ((">/dev/full", "a full disk under"), (">&-", "a closed")):
            for name, args in results.items():
                r = redirected(redirection, *args)
                tap.check(f"{what} standard output: {name}", one_sentence(r, "standard output") + expect(
                    (r.status == 1, f"exit status {r.status}")))
        with Edge(model) as edge:
            split = (*greedy, "--edge", edge.address, "--split", 1)
            r = redirected(">&-", *split)
            tap.check("text meant for a closed standard output goes to no socket", one_sentence(
                r, "standard output", "Bad file descriptor"))
            r = redirected("2>&- <&-", *split, "--stats", "--explain")
            tap.check("a closed standard error changes no result", expect(
                (r.status == 0, r.status), (r.out == ferry(*greedy).out, r.out)))
            redirected(">/dev/full", *split)
            edge.stop()
            edge.errors.seek(0)
            served = re.search(rb"served (\d+) tokens", edge.errors.read())
        # 200 and its prompt for the second run, and one token each for those without a reader.
        tap.check("text that cannot be written is not computed", expect(
            (served is not None and int(served[1]) < 300, served)))

        process = subprocess.Popen([*FERRY, "edge", "-v", "-m", str(model), "--listen", "127.0.0.1:0"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            address = process.stdout.readline().decode().split()[-1]
            process.stderr.close()
            r = ferry("run", "-m", model, "-p", "x", "-n", 2, "--greedy", "--edge", address, "--split", 1)
            tap.check("an edge goes on when nobody reads its log", expect(
                (r.status == 0, r.err), (process.poll() is None, f"it ended: {process.poll()}")))
        finally:
            process.terminate()
            status = process.wait(timeout=DEADLINE_S)
            process.stdout.close()
        tap.check("and ends well", expect((status == 0, status)))
        wild = ("run", "-m", model, "-p", "x", "-n", 300, "--temp", 1000, "--top-k", 0, "--top-p", 1, "--min-p", 0,
                "--seed", 1, "--ignore-eos")
        piped, shown = ferry(*wild).out, on_terminal(*wild)
        controls = set(range(0x20)) - set(b"\n\t") | {0x7f}
        tap.check("text that steers a terminal is tamed there, and only there", expect(
            (set(piped) & controls != set(), f"a bad sample: {piped!r}"),
            (not set(shown) & controls, f"{shown!r}"), (len(shown) == len(piped), f"{len(shown)}, {len(piped)} bytes")))
    tap.done()


if __name__ == "__main__":
    main()
