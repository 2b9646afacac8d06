#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""--cache and the default directory: the text is the same whatever the cache is, and never fails for it."""
import json
import os
import pathlib
import subprocess
import tempfile

from rig import FERRY, Edge, Tap, expect, ferry, make_model


def packed(folder):
    return sorted(folder.glob("*.packed")) if folder.is_dir() else []


def warned(result, *words):
    """One warning, and the command did what it should."""
    lines = result.err.splitlines()
    return expect((result.status == 0, result.err), (len(lines) == 1, result.err),
                  *[(w in result.err, f"'{w}' is missing in {result.err!r}") for w in ("warning", *words)])


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        model = make_model(tmp / "m.gguf", "--arch", "llama", "--type", "Q8_0")
        greedy = ["run", "-m", model, "-p", "The ferry", "-n", 8, "--greedy", "--ids", "--codec", "f32"]
        text = ferry(*greedy, "--cache", "none").out
        bare = {k: v for k, v in os.environ.items() if k not in ("CACHE_DIRECTORY", "XDG_CACHE_HOME", "HOME")}

        home = tmp / "home"
        home.mkdir()
        r = ferry(*greedy, env={**bare, "HOME": home})
        kept = packed(home / ".cache" / "ferry")
        tap.check("by default packed weights are kept below HOME", expect(
            (r.out == text and not r.err, r.err), (len(kept) == 1, kept),
            ((home / ".cache").stat().st_mode & 0o77 == 0, "others may look into .cache")))
        before = kept[0].stat()
        r = ferry(*greedy, env={**bare, "HOME": home})
        tap.check("the second start uses them", expect(
            (r.out == text and not r.err, r.err), (kept[0].stat().st_ino == before.st_ino, "made again")))
        for variable, value, where in (("XDG_CACHE_HOME", tmp / "xdg", tmp / "xdg" / "ferry"),
                                       ("CACHE_DIRECTORY", f"{tmp}/one:{tmp}/two", tmp / "one")):
            r = ferry(*greedy, env={**bare, "HOME": tmp / "nowhere", variable: value})
            tap.check(f"${variable} goes before HOME", expect(
                (r.out == text and not r.err, r.err), (len(packed(where)) == 1, "no file")))
        r = ferry(*greedy, env={**bare, "XDG_CACHE_HOME": "relative"})
        tap.check("without a place a warning says how to name one", warned(r, "--cache") + expect(
            (r.out == text, r.out), (not pathlib.Path("relative").exists(), "made a relative directory")))

        r = ferry(*greedy, "--cache", tmp / "named")
        tap.check("--cache DIR", expect((r.out == text and not r.err, r.err), (len(packed(tmp / "named")) == 1, "no file")))
        for bad in (tmp / "not" / "there", model, "/proc/ferry"):
            r = ferry(*greedy, "--cache", bad)
            tap.check(f"a directory that cannot be: {str(bad).replace(str(tmp), '')}",
                      warned(r, str(bad)) + expect((r.out == text, r.out)))
        path = packed(tmp / "named")[0]
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        r = ferry(*greedy, "--cache", tmp / "named")
        tap.check("a damaged file is made again", expect(
            (r.out == text and not r.err, r.err), (path.read_bytes() != data, "it is still there")))

        command = [str(a) for a in (*FERRY, *greedy, "--cache", tmp / "both")]
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)]
        results = [p.communicate(timeout=60) for p in both]
        tap.check("several processes start at once", expect(
            *[(out == text and not err, f"{out!r} {err!r}") for out, err in results],
            (os.listdir(tmp / "both") == [path.name], os.listdir(tmp / "both"))))

        if "FERRY_EMULATED" in os.environ:
            tap.skip("an edge and a device share a file", "user emulation has no io_uring")
        else:
            with Edge(model, "--cache", tmp / "edge", "--quiet") as edge:
                r = ferry(*greedy, "--edge", edge.address, "--split", 1, "--cache", tmp / "edge")
                tap.check("an edge and a device share a file", expect(
                    (r.out == text and not r.err, r.err), (len(packed(tmp / "edge")) == 1, "no file")))

        tokens = ["--tokens", "1,2,3"]
        ferry("logits", "-m", model, *tokens, "-o", tmp / "a", "--cache", "none")
        ferry("logits", "-m", model, *tokens, "-o", tmp / "b", "--cache", tmp / "named")
        tap.check("logits are the same bits", expect(((tmp / "a").read_bytes() == (tmp / "b").read_bytes(), "they differ")))
        (tmp / "text").write_text("Once upon a time there was a ferry. " * 5)
        r = ferry("perplexity", "-m", model, "-f", tmp / "text", "--cache", tmp / "score")
        tap.check("perplexity keeps them too", expect((r.status == 0, r.err), (len(packed(tmp / "score")) == 1, "no file")))
        bench = ["bench", "-m", model, "-p", 4, "-n", 2, "-r", 1, "--json", "--cache"]
        loads = [json.loads(ferry(*bench, where).text())["load"] for where in (tmp / "new", tmp / "new", "none")]
        tap.check("bench says what the start did", expect(
            (loads == ["packed into a file", "from a file of packed weights", "packed in memory"], loads)))
    tap.done()


if __name__ == "__main__":
    main()
