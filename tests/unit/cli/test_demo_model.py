#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The model of the demo, against what PyTorch computed from the same file (demo/model/expected.txt)."""
import array
import pathlib
import tempfile

from rig import Tap, expect, ferry

HERE = pathlib.Path(__file__).resolve().parent
DEMO = HERE.parents[2] / "demo" / "model"
PATHS = {"oracle": (["--reference"], 2e-3), "default path": ([], 0.2)}


def read_expected():
    lines = (DEMO / "expected.txt").read_text().splitlines()
    return dict(line.split(" ", 1) for line in lines if not line.startswith("#"))


def logits_of(model, ids, options, first):
    with tempfile.TemporaryDirectory() as tmp:
        out = pathlib.Path(tmp) / "logits"
        r = ferry("logits", "-m", model, "--tokens", ",".join(map(str, ids)), "-o", out, *options)
        if r.status:
            raise SystemExit(f"Bail out! ferry logits: {r.err}")
        values = array.array("f", out.read_bytes())
    n_vocab = len(values) // len(ids)
    return [values[i * n_vocab : (i + 1) * n_vocab] for i in range(first, len(ids))]


def main():
    tap = Tap()
    model = DEMO / "ferry-stories.gguf"
    expected = read_expected()
    prompt = list(map(int, expected["prompt_ids"].split()))
    greedy = list(map(int, expected["greedy_ids"].split()))
    logits = list(map(float, expected["logits"].split()))
    for name, (options, tolerance) in PATHS.items():
        rows = logits_of(model, prompt + greedy[:-1], options, len(prompt) - 1)
        best = [max(range(len(row)), key=row.__getitem__) for row in rows]
        error = max(abs(row[token] - want) for row, token, want in zip(rows, greedy, logits))
        tap.check(f"{name}: the tokens and logits of PyTorch", expect(
            (best == greedy, f"{best} is not {greedy}"),
            (error <= tolerance, f"logits differ by {error}, more than {tolerance}")))
    r = ferry("run", "-m", model, "-p", expected["prompt"], "-n", len(greedy), "--greedy", "--ids")
    tap.check("ferry run goes on with the same tokens", expect(
        (r.status == 0, f"exit status {r.status}: {r.err}"),
        (r.text().strip() == ",".join(map(str, greedy)), f"{r.out!r} is not {greedy}")))
    tap.done()


if __name__ == "__main__":
    main()
