#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The first calls of the bus fuzzer, `./run fuzz bus`, with a fixed seed."""

import os
import sys

import harness
import tap

sys.path.append(os.path.join(harness.SOURCE, 'tests', 'fuzz'))
import bus_play  # noqa: E402

SEED = 1
CALLS = 800


class Fuzz(bus_play.Play):
    def test_first_calls(self):
        """No crash, no growth, no call without an answer."""
        self.play(SEED, int(CALLS / harness.SLOW))
        self.assertGreater(len(self.succeeded), 4, self.succeeded)


if __name__ == '__main__':
    tap.main()
