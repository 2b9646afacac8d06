#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ferry plan: decisions, reasons, replays, and what it says to wrong descriptions."""
import json
import pathlib
import tempfile

from rig import Tap, expect, ferry, make_model, one_sentence

DESCRIPTION = {
    "n_layers": 10, "n_embd": 1024,
    "device": {"decode_us": 1000, "prefill_us": 200, "head_us": 500, "power_w": 4},
    "edge": {"decode_us": [100] * 10, "prefill_us": 20, "head_us": 50, "power_w": 60, "returns": True},
    "link": {"rtt_ms": 2, "up_mbit_s": 100, "down_mbit_s": 100},
}


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        good = tmp / "good.json"
        good.write_text(json.dumps(DESCRIPTION))

        modes = {}
        for level in ("tokens", "hidden", "ushape", "none"):
            r = ferry("plan", "-d", good, "--privacy", level, "--json")
            modes[level] = json.loads(r.text())["chosen"]["mode"] if not r.status else r.err
        tap.check("each privacy level takes what it may", expect(
            (modes == {"tokens": "remote", "hidden": "split", "ushape": "ushape", "none": "local"}, modes)))
        energy = json.loads(ferry("plan", "-d", good, "--objective", "energy", "--json").text())
        tap.check("energy keeps the work off an edge that spends more", expect(
            (energy["chosen"]["mode"] == "local", energy), (len(energy["candidates"]) == 4, energy),
            ("Chosen: local" in energy["reason"], energy)))
        r = ferry("plan", "-d", good, "--explain", "--rtt", 100)
        tap.check("--explain prints the table, the facts and the reason", expect(
            ("> local" in r.text() and "RTT 100.00 ms" in r.text() and "Chosen: local" in r.text(), r.text())))
        r = ferry("plan", "-d", good, "--no-carrier")
        tap.check("without carrier it stays here and says why", expect(("the link is down" in r.text(), r.text())))

        model = make_model(tmp / "model.gguf", "--arch", "llama", "--type", "Q8_0")
        n = json.loads(ferry("info", "-m", model, "--json").text())["n_layers"]
        few = tmp / "few.json"
        few.write_text(json.dumps({"device": {"decode_us": 1000}, "edge": {"decode_us": 10}}))
        r = ferry("plan", "-d", few, "-m", model, "--rtt", 0.1, "--up", 1000, "--down", 1000, "--json")
        tap.check("a model file gives layers and bytes", expect(
            (r.status == 0, r.err), (r.status or json.loads(r.text())["chosen"]["k2"] == n, r.text())))

        for kind in ("lte", "wifi", "ethernet"):
            a = ferry("plan", "-d", good, "--trace", kind, "--seed", 3)
            b = ferry("plan", "-d", good, "--trace", kind, "--seed", 3)
            tap.check(f"a replay of {kind} repeats and tells its regret", expect(
                (a.status == 0 and a.out == b.out, a.err), ("regret" in a.text(), a.text()),
                (a.text().count("request") > 8, a.text())))
        trace = tmp / "trace"
        trace.write_text("".join(f"{i * 100} 50000 50000 5 0 {int(i % 50 > 5)}\n" for i in range(300)))
        r = ferry("plan", "-d", good, "--trace", trace, "--json")
        tap.check("a trace comes from a file, too", expect(
            (r.status == 0, r.err), (r.status or json.loads(r.text())["decisions"] > 0, r.text())))

        for name, change, word in (("unknown", {"colour": 1}, "colour"), ("layers", {"n_layers": 0}, "n_layers"),
                                   ("text", {"n_prompt": "x"}, "n_prompt"), ("many", {"kv_bytes": [1, 2]}, "kv_bytes"),
                                   ("range", {"link": {"loss": 2}}, "loss")):
            bad = tmp / "bad.json"
            bad.write_text(json.dumps({**DESCRIPTION, **change}))
            tap.check(f"a wrong description is refused by name: {name}", one_sentence(ferry("plan", "-d", bad), word))
        bad.write_text('{"n_layers": 2, "n_embd": 8}')
        tap.check("a description without costs is refused", one_sentence(ferry("plan", "-d", bad), "decode_us"))
        bad.write_text("{")
        tap.check("what is not JSON is refused", one_sentence(ferry("plan", "-d", bad), "JSON"))
        trace.write_text("0 1 1 1 0 1\nx\n")
        tap.check("a wrong trace is refused by its line", one_sentence(
            ferry("plan", "-d", good, "--trace", trace), "line 2"))
        r = ferry("plan", "-d", good, "--privacy", "none", "--device-memory", 0)
        tap.check("a limit of 0 is none", expect((r.status == 0, r.err)))
    tap.done()


if __name__ == "__main__":
    main()
