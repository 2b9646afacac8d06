#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`ferry edge` and `ferry run --edge`, as two processes on loopback."""
import json
import pathlib
import socket
import subprocess
import tempfile
import time

from rig import DEADLINE_S, FERRY, Edge, Tap, expect, ferry, make_model, one_sentence

TOKENS = ",".join(str(i) for i in range(1, 24))


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        model = make_model(tmp / "m.gguf", "--arch", "llama", "--type", "Q8_0")
        other = make_model(tmp / "other.gguf", "--arch", "llama", "--type", "Q8_0", "--seed", 99)
        n_layers = json.loads(ferry("info", "-m", model, "--json").text())["n_layers"]
        out = tmp / "logits"
        ferry("logits", "-m", model, "--tokens", TOKENS, "-o", out)
        alone = out.read_bytes()
        ferry("logits", "-m", model, "--tokens", TOKENS, "-o", out, "--kv", "q8")
        alone_q8 = out.read_bytes()
        tap.check("a q8 cache gives other logits than one in f16", expect((alone_q8 != alone, "the same")))
        greedy = ["run", "-m", model, "-p", "The ferry", "-n", 16, "--greedy", "--ids", "--codec", "f32"]
        sampled = ["run", "-m", model, "-p", "The ferry", "-n", 16, "--seed", 3, "--ids", "--temp", 1.2,
                   "--repeat-penalty", 1.3, "--codec", "f32"]
        text, dice = ferry(*greedy).out, ferry(*sampled).out

        with Edge(model) as edge:
            for k in range(n_layers + 1):
                problems = []
                for threads in (1, 2):
                    for batch in (1, 7, 64):
                        r = ferry("logits", "-m", model, "--tokens", TOKENS, "-o", out, "--edge", edge.address,
                                  "--split", k, "-t", threads, "--batch", batch)
                        problems += expect((r.status == 0, r.err),
                                           (out.read_bytes() == alone, f"{threads} threads, batches of {batch}: other bits"))
                r = ferry("logits", "-m", model, "--tokens", TOKENS, "-o", out, "--edge", edge.address, "--split", k,
                          "--kv", "q8", "--batch", 5)
                problems += expect((r.status == 0, r.err), (out.read_bytes() == alone_q8, "q8: other bits"))
                tap.check(f"logits with {k} layers here are those of one node, bit for bit", problems)
                a = ferry(*greedy, "--edge", edge.address, "--split", k)
                b = ferry(*sampled, "--edge", edge.address, "--split", k)
                tap.check(f"tokens with {k} layers here are those of one node", expect(
                    (a.status == 0 and a.out == text, a.err + str(a.out)), (b.status == 0 and b.out == dice, b.err)))
            r = ferry(*greedy, "--edge", edge.address, "--split", "none")
            tap.check("--split none", expect((r.out == text, r.err)))
            r = ferry(*greedy, "--edge", edge.address, "--explain")
            tap.check("--split auto explains itself and gives the same tokens", expect(
                (r.out == text, r.err), ("local" in r.err and "remote" in r.err, r.err)))
            tap.check("--split beyond the model", one_sentence(
                ferry(*greedy, "--edge", edge.address, "--split", n_layers + 1), "layers"))
            tap.check("another model", one_sentence(ferry("run", "-m", other, "-p", "x", "--edge", edge.address,
                                                          "--split", 1), edge.address, "model"))
            r = ferry(*greedy, "--edge", edge.address, "--split", 1, "--stats")
            tap.check("--stats says where the layers ran", expect((r.status == 0, r.err), ("edge" in r.err, r.err)))
            started = time.monotonic()
            status = edge.stop()
            tap.check("SIGTERM ends the edge", expect((status == 0, status), (time.monotonic() - started < 5, "slowly")))
        started = time.monotonic()
        r = ferry(*greedy, "--edge", edge.address, "--split", 1)
        tap.check("nobody listens", one_sentence(r, edge.address) + expect((r.status == 1, r.status)))

        with socket.create_server(("127.0.0.1", 0)) as silent:
            address = "127.0.0.1:%d" % silent.getsockname()[1]
            started = time.monotonic()
            r = ferry(*greedy, "--edge", address, "--split", 1, "--deadline", 700)
            tap.check("an edge that never answers", one_sentence(r, address) + expect(
                (time.monotonic() - started < 30, "took too long")))
        for address, word in (("127.0.0.1", "port"), ("127.0.0.1:0", "127.0.0.1:0"), ("127.0.0.1:99999", "99999"),
                              (":7", ":7"), ("[::1:7", "[::1:7")):
            tap.check(f"address {address}", one_sentence(ferry(*greedy, "--edge", address, "--split", 1), word))
        r = ferry(*greedy, "--edge", "192.0.2.1:7070", "--split", 1)
        tap.check("an edge off loopback needs --insecure", one_sentence(r, "192.0.2.1", "--insecure"))
        r = ferry("edge", "-m", model, "--listen", "0.0.0.0:0")
        tap.check("listening off loopback needs --insecure", one_sentence(r, "0.0.0.0", "--insecure"))
        with socket.create_server(("127.0.0.1", 0)) as taken:
            r = ferry("edge", "-m", model, "--listen", "127.0.0.1:%d" % taken.getsockname()[1])
            tap.check("a port that is taken", one_sentence(r, "127.0.0.1"))
        with Edge(model, "--layers", f"1:{n_layers}") as edge:
            r = ferry(*greedy, "--edge", edge.address, "--split", 1)
            tap.check("an edge with part of the layers serves them", expect((r.out == text, r.err)))
            edge.errors.seek(0)
            tap.check("it does not report connections", expect((b"connected" not in edge.errors.read(), "it does")))
            tap.check("and says no to others", one_sentence(ferry(*greedy, "--edge", edge.address, "--split", 0), "layer"))
        with Edge(model, "--verbose") as edge:
            ferry(*greedy, "--edge", edge.address, "--split", 1)
            edge.errors.seek(0)
            report = edge.errors.read().decode()
            tap.check("--verbose reports each connection and session",
                      expect(("connected" in report, report), ("session 1" in report, report)))
        for layers in ("1", "2:1", "1:1", "1:-1", "-1:2", "1: 2", ":2", "1:", "1:2:", "0x1:2", "123456:123457"):
            r = ferry("edge", "-m", model, "--listen", "127.0.0.1:0", f"--layers={layers}")
            tap.check(f"--layers={layers}", expect((r.status == 2, r.status), ("--layers takes A:B" in r.err, r.err)))
        # It once ended with status 0 where nobody could learn its port.
        with open("/dev/full", "wb") as full:
            run = subprocess.run([*FERRY, "edge", "-m", str(model), "--listen", "127.0.0.1:0"], stdout=full,
                                 stderr=subprocess.PIPE, check=False, timeout=DEADLINE_S)
        tap.check("an edge that cannot say where it listens fails", expect(
            (run.returncode == 1, run.returncode), (b"standard output" in run.stderr, run.stderr)))
        # A closed standard output once was the number of the next file that was opened.
        run = subprocess.run(["sh", "-c", 'exec "$0" "$@" >&-', *FERRY, "run", "-m", str(model), "-p", "x", "-n", "2"],
                             stderr=subprocess.PIPE, check=False, timeout=DEADLINE_S)
        tap.check("a standard output that is closed", expect(
            (run.returncode == 1, run.returncode), (b"Bad file descriptor" in run.stderr, run.stderr)))
        with Edge(model, "--kv", "q8") as edge:
            tap.check("an edge for q8 caches refuses others", one_sentence(
                ferry(*greedy, "--edge", edge.address, "--split", 1), "--kv q8"))
            r = ferry("logits", "-m", model, "--tokens", TOKENS, "-o", out, "--edge", edge.address, "--split", 1, "--kv", "q8")
            tap.check("and takes those", expect((r.status == 0, r.err), (out.read_bytes() == alone_q8, "other bits")))
    tap.done()


if __name__ == "__main__":
    main()
