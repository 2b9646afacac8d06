# SPDX-License-Identifier: MIT
"""What the tests of the command share: running it, small models, an edge that ends with the test."""
import atexit
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tap import Tap  # noqa: E402,F401

# The command lines of programs: where they are built for another processor, meson says what runs them.
EMULATOR = shlex.split(os.environ.get("MESON_EXE_WRAPPER", ""))
FERRY, MAKE_MODEL = ([*EMULATOR, program] for program in sys.argv[1:3])
# of a whole command: only a hang takes so long, on a busy machine with sanitizers too
DEADLINE_S = 900 if EMULATOR else 300


# Packed weights of a test's models end with the test.
CACHE = tempfile.TemporaryDirectory()
atexit.register(CACHE.cleanup)
os.environ["XDG_CACHE_HOME"] = CACHE.name
os.environ.pop("CACHE_DIRECTORY", None)
# Nor do tests know the keys of whoever runs them: with keys, links are encrypted.
KEYS = tempfile.TemporaryDirectory()
atexit.register(KEYS.cleanup)
os.environ["XDG_CONFIG_HOME"] = KEYS.name
os.environ.pop("CONFIGURATION_DIRECTORY", None)


class Result:
    def __init__(self, run):
        self.status = run.returncode
        self.out = run.stdout
        self.err = run.stderr.decode(errors="replace")

    def text(self):
        return self.out.decode()


def ferry(*args, stdin=b"", timeout=DEADLINE_S, env=None):
    """Runs the command; a hang becomes an exception, and so a failed test."""
    return Result(subprocess.run([*FERRY, *map(str, args)], input=stdin, capture_output=True,
                                 check=False, timeout=timeout, env=env))


def make_model(path, *args):
    subprocess.run([*MAKE_MODEL, "-o", str(path), *map(str, args)], check=True, timeout=DEADLINE_S)
    return path


class Edge:
    """`ferry edge` on a free port, of loopback unless told otherwise; @within: a command that runs it."""

    def __init__(self, model, *args, listen="127.0.0.1:0", within=()):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [*within, *FERRY, "edge", "-m", str(model), "--listen", listen, *map(str, args)],
            stdout=subprocess.PIPE, stderr=self.errors)
        line = self.process.stdout.readline().decode()
        if not line.startswith("listening on "):
            self.process.kill()
            self.process.wait()
            self.errors.seek(0)
            raise RuntimeError(f"edge said '{line}' {self.errors.read().decode()}")
        self.address = line.split()[2]

    def stop(self):
        """SIGTERM, as an operator would; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "did not stop"

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.stop()
        self.process.stdout.close()
        self.errors.close()


def expect(*claims):
    """Problems as Tap.check() wants them: the texts of the claims that do not hold."""
    return [text for holds, text in claims if not holds]


def one_sentence(result, *words):
    """What every failure owes its user: one line on standard error that names the matter."""
    lines = [line for line in result.err.splitlines() if line.strip()]
    return expect(
        (result.status in (1, 2), f"exit status {result.status}"),
        (len(lines) == 1, f"{len(lines)} lines on standard error: {result.err!r}"),
        (not result.out, f"standard output is not empty: {result.out[:80]!r}"),
        *[(w in result.err, f"'{w}' is missing in {result.err!r}") for w in words])
