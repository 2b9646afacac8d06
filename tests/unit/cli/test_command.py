#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The fixed forms of the command line."""
import json
import pathlib
import struct
import tempfile

from rig import Tap, expect, ferry, make_model

TOKENS = "1,2,3,4,5,6,7,8"


def floats(path):
    data = pathlib.Path(path).read_bytes()
    return struct.unpack(f"<{len(data) // 4}f", data)


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        model = make_model(tmp / "a model.gguf", "--arch", "llama", "--type", "Q8_0")
        info = json.loads(ferry("info", "-m", model, "--json").text())
        tap.check("info counts a position of the KV cache once, not a tile of them", expect(
            (info["kv_bytes_per_position"] == info["n_layers"] * info["n_head_kv"] * 2 * info["n_head_dim"] * 2, info)))
        n_vocab = info["n_vocab"]

        r = ferry("--version")
        tap.check("--version", expect((r.status == 0, r.err), (r.text().startswith("ferry 0."), r.text())))
        r = ferry("--help")
        tap.check("--help lists the commands", expect(
            (r.status == 0, r.err),
            *[(c in r.text(), f"no {c}") for c in ("run", "edge", "info", "tokenize", "logits", "perplexity", "bench", "plan")]))
        problems = []
        for command in ("run", "edge", "info", "tokenize", "logits", "perplexity", "bench"):
            r = ferry(command, "--help")
            problems += expect((r.status == 0 and f"ferry {command}" in r.text() and "-m" in r.text(), f"{command}: {r.text()}"))
        tap.check("every command has --help", problems)

        tap.check("info describes a model", expect(
            (info["architecture"] == "llama", info), (info["n_layers"] > 0, info), (len(info["id"]) == 64, info),
            (ferry("info", "-m", model).status == 0, "plain form fails"),
            (ferry("info", model, "--tensors").text().count("blk.0.") >= 9, "--tensors misses some")))

        text = "The ferry crosses the river.\n  Twice — ünïcode \U0001f6a2!"
        r = ferry("tokenize", "-m", model, "-p", text)
        ids = r.text().split()
        back = ferry("tokenize", "-m", model, "-p", " ".join(ids), "--decode")
        tap.check("tokenize goes both ways", expect(
            (r.status == 0 and len(ids) > 3, r.err), (back.out == text.encode(), f"{back.out!r}")))
        (tmp / "text").write_text(text)
        r2 = ferry("tokenize", "-m", model, "-f", tmp / "text")
        r3 = ferry("tokenize", "-m", model, "-f", "-", stdin=text.encode())
        r4 = ferry("tokenize", "-m", model, "-f", tmp / "text", "--json", "--bos")
        tap.check("tokenize reads files and standard input, prints JSON", expect(
            (r2.out == r.out, r2.err), (r3.out == r.out, r3.err),
            (json.loads(r4.text())["ids"] == [info["tokenizer"]["bos"]] + [int(i) for i in ids], r4.text())))

        out, ref = tmp / "logits", tmp / "reference"
        r = ferry("logits", "-m", model, "--tokens", TOKENS, "-o", out)
        r2 = ferry("logits", "-m", model, "--tokens", TOKENS, "-o", ref, "--reference")
        fast, slow = floats(out), floats(ref)
        error = sum((a - b) ** 2 for a, b in zip(fast, slow)) / sum(b * b for b in slow)
        tap.check("logits writes [n_tokens][n_vocab]; the default path agrees with the oracle", expect(
            (r.status == 0 and r2.status == 0, r.err + r2.err), (len(fast) == len(slow) == 8 * n_vocab, len(fast)),
            (0 < error <= 5e-4, f"NMSE {error}")))
        r = ferry("logits", "-m", model, "--tokens", TOKENS, "-o", ref, "--batch", 3, "-t", 2)
        tap.check("logits do not depend on batch or threads", expect((floats(ref) == fast, "they differ")))

        r = ferry("run", "-m", model, "-p", "The ferry", "-n", 12, "--greedy", "--ids")
        run_ids = r.text().strip().split(",")
        again = ferry("run", "-m", model, "-p", "The ferry", "-n", 12, "--greedy", "--ids", "-t", 2)
        tap.check("run --ids prints ids separated by commas, the same with two threads", expect(
            (r.status == 0, r.err), (1 <= len(run_ids) <= 12 and all(i.isdigit() for i in run_ids), r.text()),
            (again.out == r.out, again.text())))
        a = ferry("run", "-m", model, "-p", "x", "-n", 20, "--seed", 5, "--ids", "--temp", 1.5)
        b = ferry("run", "-m", model, "-p", "x", "-n", 20, "--seed", 5, "--ids", "--temp", 1.5)
        c = ferry("run", "-m", model, "-p", "x", "-n", 20, "--seed", 6, "--ids", "--temp", 1.5)
        tap.check("the same seed gives the same text, another seed another", expect(
            (a.status == 0 and a.out == b.out, a.err), (a.out != c.out, "seeds 5 and 6 agree")))

        (tmp / "text").write_text(text * 20)
        r = ferry("perplexity", "-m", model, "-f", tmp / "text", "--json", "-c", 64)
        p = json.loads(r.text())
        r2 = json.loads(ferry("perplexity", "-m", model, "-f", tmp / "text", "--json", "-c", 64, "--reference").text())
        tap.check("perplexity scores every token but the first, as the oracle does", expect(
            (p["n_scored"] == p["n_tokens"] - 1, p), (p["perplexity"] > 1, p),
            (abs(p["nll"] - r2["nll"]) < 1e-2, f"{p['nll']} against {r2['nll']}")))

        r = ferry("bench", "-m", model, "-t", 2, "-p", 16, "-n", 4, "-r", 1, "--json")
        b = json.loads(r.text())
        tap.check("bench reports what it promises", expect(
            *[(b.get(k, 0) > 0, f"{k}: {b.get(k)}") for k in ("prefill_tok_s", "decode_tok_s", "read_gb_s",
                                                              "decode_gb_s", "load_s", "peak_rss_bytes")]))
    tap.done()


if __name__ == "__main__":
    main()
