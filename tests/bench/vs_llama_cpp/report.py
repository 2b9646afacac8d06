# SPDX-License-Identifier: MIT
"""Medians, spread and ratios, as a table."""
import statistics

SIDES = ("ours", "theirs_native", "theirs_node")


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "samples": values}


def pair_ratios(ours, theirs):
    """Round by round: both of a pair ran within seconds of each other, so drift cancels."""
    return spread([a / b for a, b in zip(ours, theirs)])


def summarise(point, samples):
    """point: {"what": "prefill" or "decode", ...}; samples: {side: [result of each round]}."""
    field = point["what"] + "_tok_s"
    row = dict(point)
    for side, results in samples.items():
        row[side] = spread([r[field] for r in results])
        row[side]["disturbed"] = sum(r["disturbed"] for r in results)
        row[side]["others_cpu"] = statistics.median(r["others_cpu"] for r in results)
    for side in SIDES[1:]:
        if "ours" in row and side in row:
            row[f"ours_to_{side}"] = pair_ratios(row["ours"]["samples"], row[side]["samples"])
    return row


def name_of(row):
    if row["what"] == "prefill":
        return f"prefill {row['n_prompt']}"
    return f"decode at {row['context']}"


def cell(values, digits):
    return f"{values['median']:.{digits}f} [{values['min']:.{digits}f}..{values['max']:.{digits}f}]"


def compared(sides):
    return [s for s in sides if s != "ours"] if "ours" in sides else []


def header(sides):
    return ["type", "what", *[f"{s} tok/s" for s in sides], *[f"ours/{s}" for s in compared(sides)], "of the read",
            "CPU of others"]


def cells(row, sides):
    """One line of the table: tok/s as median [min..max], ratios likewise."""
    shares = [f"{s.removeprefix('theirs_')} {row[s]['median'] / row['read_limit_tok_s'] * 100:.0f} %"
              for s in sides if row["what"] == "decode"]
    disturbed = sum(row[s]["disturbed"] for s in sides)
    others = max(row[s]["others_cpu"] for s in sides)
    return [row["type"], name_of(row), *[cell(row[s], 1) for s in sides],
            *[cell(row[f"ours_to_{s}"], 2) for s in compared(sides)], ", ".join(shares) or "-",
            f"{others * 100:.0f} %" + (f", {disturbed} samples disturbed" if disturbed else "")]


def lines_of(rows, sides):
    table = [header(sides), *[cells(row, sides) for row in rows]]
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    return ["  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in table]
