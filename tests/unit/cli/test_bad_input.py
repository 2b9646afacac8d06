#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bad input: one sentence that names the matter, the right exit status, no hang."""
import os
import pathlib
import tempfile

from rig import Tap, expect, ferry, make_model, one_sentence


def usage(result, *words):
    """argp's form: the sentence, then a line that points to --help."""
    return expect(
        (result.status == 2, f"exit status {result.status}"), (not result.out, result.out),
        (len(result.err.splitlines()) <= 2, result.err),
        *[(w in result.err, f"'{w}' is missing in {result.err!r}") for w in words])


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        model = make_model(tmp / "m.gguf", "--arch", "llama", "--type", "F32")
        size = model.stat().st_size

        r = ferry()
        tap.check("no command", expect((r.status == 2, r.status), ("usage" in r.err, r.err)))
        tap.check("unknown command", one_sentence(ferry("swim"), "swim", "--help"))
        for args, words in [
            (("run", "--swim"), ("--swim",)),
            (("run", "-p", "x"), ("-m",)),
            (("run", "-m", model), ("-p",)),
            (("run", "-m", model, "-p", "x", "-n", "-1"), ("-n", "-1")),
            (("run", "-m", model, "-p", "x", "-n", "99999999999999999999"), ("-n",)),
            (("run", "-m", model, "-p", "x", "-t", "0"), ("-t",)),
            (("run", "-m", model, "-p", "x", "-t", "1000"), ("-t",)),
            (("run", "-m", model, "-p", "x", "--temp", "nan"), ("--temp",)),
            (("run", "-m", model, "-p", "x", "--split", "half", "--edge", "127.0.0.1:1"), ("--split", "half")),
            (("run", "-m", model, "-p", "x", "--split", "1"), ("--split 1", "--edge")),
            (("run", "-m", model, "-p", "x", "--codec", "int5"), ("--codec", "int5")),
            (("edge", "-m", model, "-m", model, "--listen", "127.0.0.1:0", "--layers", "0:1"), ("--layers", "one model")),
            (("logits", "-m", model, "--tokens", "1", "-o", "x", "--split", "0"), ("--split 0", "--edge")),
            (("run", "-m", model, "-p", "x", "--kv", "q4"), ("--kv", "q8", "q4")),
            (("edge", "-m", model, "--listen", "127.0.0.1:0", "--kv", ""), ("--kv",)),
            (("bench", "-m", model, "-r", "1e3"), ("-r",)),
            (("tokenize", "-m", model), ("-f", "-p")),
            (("logits", "-m", model, "-o", "x"), ("--tokens",)),
            (("edge", "-m", model), ("--listen",)),
        ]:
            tap.check("usage: " + " ".join(str(a) for a in args if a != model), usage(ferry(*args), *words))

        r = ferry("run", "-m", tmp / "none.gguf", "-p", "x")
        tap.check("missing file", one_sentence(r, "none.gguf") + expect((r.status == 1, r.status)))
        tap.check("a directory", one_sentence(ferry("run", "-m", tmp, "-p", "x"), str(tmp), "directory"))
        (tmp / "empty.gguf").write_bytes(b"")
        tap.check("an empty file", one_sentence(ferry("run", "-m", tmp / "empty.gguf", "-p", "x"), "empty.gguf"))
        (tmp / "text.gguf").write_bytes(b"Once upon a time there was no model.\n" * 40)
        tap.check("no GGUF", one_sentence(ferry("info", "-m", tmp / "text.gguf"), "text.gguf", "GGUF"))
        os.mkfifo(tmp / "fifo.gguf")
        tap.check("a FIFO does not hang", one_sentence(ferry("info", "-m", tmp / "fifo.gguf"), "fifo.gguf"))
        (tmp / "half.gguf").write_bytes(model.read_bytes()[:size // 2])
        tap.check("half a file", one_sentence(ferry("run", "-m", tmp / "half.gguf", "-p", "x"), "half.gguf"))
        (tmp / "a\033[31mred.gguf").write_bytes(b"x" * 100)
        r = ferry("info", "-m", tmp / "a\033[31mred.gguf")
        tap.check("a name cannot steer the terminal", one_sentence(r) + expect(("\033" not in r.err, r.err)))
        if os.getuid():
            (tmp / "secret.gguf").write_bytes(b"x")
            (tmp / "secret.gguf").chmod(0)
            tap.check("no permission", one_sentence(ferry("info", "-m", tmp / "secret.gguf"), "secret.gguf", "ermission"))

        for args in (("-p", ""), ("-p", "", "--no-bos"), ("-f", "/dev/null"), ("-p", "", "--chat", "--template", "chatml")):
            tap.check("empty prompt: " + " ".join(args), one_sentence(ferry("run", "-m", model, *args), "prompt", "empty"))
        tap.check("prompt longer than the context", one_sentence(
            ferry("run", "-m", model, "-p", "word " * 500, "-c", 64), "context"))
        r = ferry("run", "-m", model, "-p", b"caf\xc3 \xff\xfe ol\xe9".decode("latin1"), "-n", 2, "--greedy", "--ids")
        tap.check("any characters in a prompt", expect((r.status == 0, r.err)))
        (tmp / "bytes").write_bytes(bytes(range(1, 256)))
        r = ferry("run", "-m", model, "-f", tmp / "bytes", "-n", 2, "--greedy", "--ids")
        tap.check("invalid UTF-8 in a prompt", expect((r.status == 0, r.err)))
        (tmp / "zero").write_bytes(b"Hello\0world")
        tap.check("a zero byte in a message", one_sentence(
            ferry("run", "-m", model, "-f", tmp / "zero", "--chat", "--template", "chatml"), str(tmp / "zero")))
        r = ferry("tokenize", "-m", model, "-f", "no/" * 600 + "file")
        tap.check("a long path leaves room for the reason", one_sentence(r, "no/file", "No such file"))
        out = tmp / "out"
        tap.check("a token id that is no number", one_sentence(
            ferry("logits", "-m", model, "--tokens", "1,two", "-o", out), "two"))
        tap.check("a token id outside the vocabulary", one_sentence(
            ferry("logits", "-m", model, "--tokens", "1,99999", "-o", out), "99999"))
        tap.check("an output that cannot be written", one_sentence(
            ferry("logits", "-m", model, "--tokens", "1", "-o", tmp / "no" / "dir"), "no/dir"))
        tap.check("a failed command leaves no output file", expect((not out.exists(), "it does")))
        tap.check("a text too short for perplexity", one_sentence(
            ferry("perplexity", "-m", model, "-f", "-", stdin=b""), "token"))
        narrow = make_model(tmp / "narrow.gguf", "--context", 1)
        tap.check("a context too small for perplexity's windows", one_sentence(
            ferry("perplexity", "-m", narrow, "-f", "-", stdin=b"The ferry crosses."), "narrow.gguf", "context"))
        tap.check("--chat without a known template", one_sentence(
            ferry("run", "-m", model, "-p", "x", "--chat"), "--template"))
        tap.check("--template that does not exist", one_sentence(
            ferry("run", "-m", model, "-p", "x", "--chat", "--template", "klingon"), "klingon", "chatml"))
        full = pathlib.Path("/dev/full")
        if full.exists():
            import subprocess
            from rig import FERRY
            with full.open("wb") as f:
                run = subprocess.run([*FERRY, "info", "-m", str(model)], stdout=f, stderr=subprocess.PIPE, check=False)
            tap.check("a full disk under standard output", expect(
                (run.returncode == 1, run.returncode), (b"standard output" in run.stderr, run.stderr)))
        poisoned = make_model(tmp / "nan.gguf", "--arch", "llama", "--type", "Q8_0", "--poison", "blk.1.ffn_down.weight")
        tap.check("NaN in a scale names its tensor", one_sentence(
            ferry("run", "-m", poisoned, "-p", "x", "-n", 4), "nan.gguf", "blk.1.ffn_down.weight"))
    tap.done()


if __name__ == "__main__":
    main()
