#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ferry bench: what it prints has a form that other programs, and --compare, can read."""
import json
import pathlib
import tempfile

from rig import Tap, expect, ferry, make_model, one_sentence

QUICK = ("-p", 4, "-n", 2, "-r", 2)
MEMBERS = {"model", "n_threads", "n_prompt", "n_decode", "rounds", "prefill_tok_s", "decode_tok_s", "read_gb_s",
           "decode_gb_s", "decode_of_read", "load", "load_s", "reload_s", "bytes_per_token", "peak_rss_bytes", "kv", "deep"}


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        model = make_model(tmp / "m.gguf", "--arch", "llama", "--type", "Q4_0")
        r = ferry("bench", "-m", model, "-t", 2, "--depth", 8, *QUICK, "--json")
        one = json.loads(r.text())
        tap.check("one measurement", expect(
            (r.status == 0, r.err), (set(one) == MEMBERS, f"members {sorted(one)}"), (one["n_threads"] == 2, one),
            (one["prefill_tok_s"] > 0 and one["decode_tok_s"] > 0 and one["read_gb_s"] > 0, one),
            ([d["depth"] for d in one["deep"]] == [8] and one["deep"][0]["decode_tok_s"] > 0, one["deep"])))

        r = ferry("bench", "--sweep", "-m", model, "-m", model, "-t", 2, *QUICK, "--json")
        rows = json.loads(r.text())["results"]
        tap.check("a sweep: each model with one thread and with all", expect(
            (r.status == 0, r.err), ([row["n_threads"] for row in rows] == [1, 2, 1, 2], rows),
            (all(set(row) == MEMBERS for row in rows), rows)))

        saved = tmp / "saved"
        one["prefill_tok_s"], one["decode_tok_s"] = 1e-3, 1e12
        saved.write_text(json.dumps(one))
        r = ferry("bench", "-m", model, "-t", 2, *QUICK, "--compare", saved)
        prefill, decode = (float(word) for word in r.text().split()[-2:])
        tap.check("ratios to a saved measurement", expect(
            (r.status == 0, r.err), (prefill > 1000 and decode == 0, r.text())))
        r = ferry("bench", "-m", model, "-t", 1, *QUICK, "--compare", saved)
        tap.check("none to one of other threads", expect((r.text().split()[-2:] == ["-", "-"], r.text())))
        r = ferry("bench", "-m", model, "-t", 2, *QUICK, "-p", 5, "--compare", saved)
        tap.check("none to one of another prompt", expect((r.text().split()[-2:] == ["-", "-"], r.text())))
        saved.write_text(json.dumps({"results": [one]}))
        r = ferry("bench", "-m", model, "-t", 2, *QUICK, "--compare", saved)
        tap.check("ratios to a saved sweep", expect((r.text().split()[-1] == "0.00", r.text())))

        for name, text in (("no JSON", "{"), ("an array", "[]"), ("another object", "{}"), ("empty results", '{"results": 3}'),
                           ("a wrong member", json.dumps({**one, "decode_tok_s": "1"})),
                           ("no prompt", json.dumps({**one, "n_prompt": None})),
                           ("a wrong line", json.dumps({**one, "deep": [{"depth": 1}]}))):
            saved.write_text(text)
            r = ferry("bench", "-m", model, *QUICK, "--compare", saved)
            tap.check(f"--compare with {name}", one_sentence(r, str(saved)) + expect((r.status == 1, r.status)))
        r = ferry("bench", "-m", model, "--codec", "--json", "-t", 1)
        codecs = json.loads(r.text()) if not r.status else {}
        names = ("f32", "f16", "int8", "int4")
        tap.check("--codec measures each encoding", expect(
            (all(n in codecs for n in names), r.err),
            (codecs and codecs["f32"]["relative_rms_error"] == 0 == codecs["f32"]["perplexity_change"], codecs),
            (codecs and all(codecs[a]["bytes_per_token"] > 1.6 * codecs[b]["bytes_per_token"] and
                            codecs[a]["relative_rms_error"] < codecs[b]["relative_rms_error"] < 0.2
                            for a, b in zip(names, names[1:])), codecs)))
        r = ferry("bench", "-m", model, "--codec", "--sweep")
        tap.check("--codec with --sweep", expect((r.status == 2 and "--codec" in r.err, r.err)))
        r = ferry("bench", "-m", model, "-m", model)
        tap.check("several models without --sweep", expect((r.status == 2 and "--sweep" in r.err, r.err)))
        r = ferry("bench", "-m", model, *QUICK, "--json", "--compare", saved)
        tap.check("--compare with --json", expect((r.status == 2 and "--json" in r.err and not r.out, r.err)))
        r = ferry("bench", "--sweep", "-m", model, "-m", tmp / "missing", *QUICK)
        tap.check("a sweep looks for all models first", one_sentence(r, "missing") + expect(
            (r.status == 1 and not r.out, r.text())))
    tap.done()


if __name__ == "__main__":
    main()
