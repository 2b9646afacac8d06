#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`ferry edge` as a service: several models, a socket that is handed over, the watchdog, how it ends."""
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

from rig import DEADLINE_S, FERRY, Edge, Tap, expect, ferry, make_model, one_sentence

PROMPT = ["-p", "The ferry", "-n", 8, "--greedy", "--ids"]


def handed_over(model, *args, env=None):
    """An edge that gets its socket as systemd gives it: descriptor 3, and LISTEN_PID of the process itself."""
    listener = socket.create_server(("127.0.0.1", 0))

    def be_the_manager():
        os.dup2(listener.fileno(), 3)
        os.set_inheritable(3, True)

    script = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"'
    process = subprocess.Popen(["sh", "-c", script, *FERRY, "edge", "-m", str(model), *args], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, preexec_fn=be_the_manager, close_fds=False, env=env)
    address = "127.0.0.1:%d" % listener.getsockname()[1]
    listener.close()
    return process, address


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as directory:
        tmp = pathlib.Path(directory)
        first, second = make_model(tmp / "first.gguf"), make_model(tmp / "second.gguf", "--seed", 4)
        texts = [ferry("run", "-m", m, *PROMPT).out for m in (first, second)]
        tap.check("the models differ", expect((texts[0] != texts[1], "they do not")))

        with Edge(first, "-m", second) as edge:
            for m, text in zip((first, second), texts):
                r = ferry("run", "-m", m, *PROMPT, "--edge", edge.address, "--split", 1, "--codec", "f32")
                tap.check(f"an edge serves {m.name} beside another", expect((r.status == 0 and r.out == text, r.err)))
            sizes = {}
            for codec in ("f32", "f16", "int8", "int4", "auto", None):
                r = ferry("run", "-m", first, *PROMPT, "--edge", edge.address, "--split", 1, "--stats",
                          *(["--codec", codec] if codec else []))
                tap.check(f"--codec {codec}", expect((r.status == 0, r.err)))
                sizes[codec] = r.err
            edge.process.send_signal(signal.SIGTERM)
            tap.check("it ends when nothing is left to do", expect((edge.process.wait(timeout=DEADLINE_S) == 0, "badly")))
        r = ferry("edge", "-m", first, "-m", first, "--listen", "127.0.0.1:0")
        tap.check("the same model twice", one_sentence(r, "already"))

        with tempfile.TemporaryDirectory() as run:
            manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            manager.bind(run + "/notify")
            manager.settimeout(DEADLINE_S)
            env = dict(os.environ, NOTIFY_SOCKET=run + "/notify", WATCHDOG_USEC="200000")
            process, address = handed_over(first, env=env)
            said = [manager.recv(100).decode() for _ in range(4)]
            tap.check("the service manager hears READY and the watchdog", expect(
                ("READY=1" in said, said), (said.count("WATCHDOG=1") >= 2, said)))
            r = ferry("run", "-m", first, *PROMPT, "--edge", address, "--split", 0)
            tap.check("a socket that was handed over is served", expect((r.out == texts[0], r.err)))
            process.send_signal(signal.SIGTERM)
            tap.check("and given back with status 0", expect((process.wait(timeout=DEADLINE_S) == 0, "badly")))
            started = time.monotonic()
            while not said[-1].startswith("STOPPING") and time.monotonic() - started < DEADLINE_S:
                said.append(manager.recv(100).decode())
            tap.check("STOPPING is said", expect((said[-1] == "STOPPING=1", said)))
            manager.close()
            process.stdout.close()
            process.stderr.close()
    tap.done()


if __name__ == "__main__":
    main()
