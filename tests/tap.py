# SPDX-License-Identifier: MIT
"""Just enough TAP for the tests that are Python programs."""
import sys


class Tap:
    def __init__(self):
        self.n = 0
        self.failed = 0

    def check(self, name, problems):
        """One test: passes where the list of problems is empty."""
        self.n += 1
        for problem in problems:
            print(f"# {problem}")
        if problems:
            self.failed += 1
        print(f"{'not ok' if problems else 'ok'} {self.n} - {name}")

    def skip(self, name, reason):
        self.n += 1
        print(f"ok {self.n} - {name} # SKIP {reason}")

    def done(self):
        print(f"1..{self.n}")
        sys.exit(1 if self.failed else 0)
