#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Writes the corpus of the demo model: train.txt and heldout.txt, one story after the other, each followed by
an empty line.

A story is a function of the seed and its number alone. Its split is decided by a hash of its plot, its hero
and its island, so no held-out story shares all three with a story of the training set.
"""

import argparse
import os
import random
import zlib

from stories import plots_days, plots_devices, plots_roads, plots_sea, plots_village, plots_winter
from stories.grammar import pick
from stories.story import Story

PLOTS = [
    plot
    for room in (plots_sea, plots_devices, plots_village, plots_winter, plots_roads, plots_days)
    for plot in room.PLOTS
]
HELD_OUT_ONE_IN = 40


def tell(seed, number):
    """One story: its text, and whether it is held out."""
    rng = random.Random(f"ferry stories {seed} {number}")
    plot = pick(rng, PLOTS)
    story = Story(rng)
    plot(story)
    key = f"{plot.__name__}|{story.slots['a']}|{story.slots['isl']}"
    return story.text(), zlib.crc32(key.encode()) % HELD_OUT_ONE_IN == 0


def read(path):
    """The stories of a file that main() wrote."""
    with open(path, encoding="utf-8") as file:
        return [text for text in file.read().split("\n\n") if text]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stories", type=int, default=26000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", default=".", help="directory to write to")
    args = parser.parse_args()

    os.makedirs(args.out, exist_ok=True)
    counts = {"train": 0, "heldout": 0}
    files = {name: open(os.path.join(args.out, name + ".txt"), "w", encoding="utf-8") for name in counts}
    for number in range(args.stories):
        text, held_out = tell(args.seed, number)
        name = "heldout" if held_out else "train"
        files[name].write(text + "\n\n")
        counts[name] += 1
    for name, file in files.items():
        file.close()
        size = os.path.getsize(os.path.join(args.out, name + ".txt"))
        print(f"{name}: {counts[name]} stories, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
