#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Standard descriptors that are full, closed, or left by whoever read them."""
import pathlib
import re
import subprocess
import tempfile

from rig import DEADLINE_S, FERRY, Edge, Result, Tap, expect, ferry, make_model, one_sentence


def redirected(redirections, *args):
    """Runs the command as a shell would with e.g. '>&-'."""
    return Result(subprocess.run(["sh", "-c", f'exec "$@" {redirections}', "sh", FERRY, *map(str, args)],
                                 stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=DEADLINE_S))


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        model = make_model(tmp / "m.gguf", "--arch", "llama", "--type", "Q8_0")
        text = tmp / "text"
        text.write_text("The ferry crosses the river. " * 20)
        greedy = ("run", "-m", model, "-p", "The ferry", "-n", 200, "--greedy", "--ignore-eos")
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

        process = subprocess.Popen([FERRY, "edge", "-v", "-m", str(model), "--listen", "127.0.0.1:0"],
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
    tap.done()


if __name__ == "__main__":
    main()
