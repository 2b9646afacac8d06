#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the checks of this folder, with ferry.ko loaded and as root of a machine that nobody else uses."""
import sys

import events
import readings
import rights


def main():
    wrong = 0
    for title, check in (("rights", rights.problems), ("readings", readings.problems), ("classes", readings.classes),
                         ("a long dump", readings.dump_of_many), ("events", events.problems)):
        found = check()
        for problem in found:
            print(f"FAIL: {title}: {problem}")
        print(f"{title}: {len(found)} wrong")
        wrong += len(found)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
