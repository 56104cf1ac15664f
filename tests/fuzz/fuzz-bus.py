#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The fuzzer of the bus, on a build with sanitizers: `./run fuzz bus`. See README.md."""

from __future__ import annotations

import argparse
import os
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
CALLS = 100000
SLOW = "3"  # sanitizers
# In the order in which `run` names them, too.
BUILT = ("daemon/main/vferryd", "daemon/main/vferry-helper", "engine/vferry-mover", "tests/support/vf-obey.so")


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--builddir", type=Path, required=True, help="of a build with the fake driver")
    parser.add_argument("--calls", type=int, default=CALLS, help=f"default {CALLS}")
    parser.add_argument("--seed", type=int, required=True)
    args = parser.parse_args()
    top, build = HERE.parent.parent, args.builddir.resolve()
    daemon, helper, mover, obey = (build / name for name in BUILT)
    for path in (daemon, helper, mover, obey):
        if not path.exists():
            parser.error(f"{path} is not built")
    os.environ.update({
        "VFERRY_TEST_SOURCE": str(top), "VFERRY_TEST_DAEMON": str(daemon), "VFERRY_TEST_PROGRAMS": f"{helper}:{mover}",
        "VFERRY_TEST_OBEY": str(obey), "VFERRY_TEST_SLOW": SLOW,
        "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1:verify_asan_link_order=0",
        "LSAN_OPTIONS": f"suppressions={top}/tests/lsan.supp:print_suppressions=0", "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"})
    sys.path[:0] = [str(HERE)]
    sys.dont_write_bytecode = True
    import bus_play  # pylint: disable=import-outside-toplevel # begins this program anew, with a /sys of its own

    class Bus(bus_play.Play):
        """All calls of one seed."""

        def test(self) -> None:
            """No crash, no growth, no call without an answer."""
            self.play(args.seed, args.calls)
            if args.calls < CALLS:
                return  # too few to come everywhere
            self.assertEqual({method.full for method in self.methods} - self.succeeded, set(), "never succeeded")

    result = bus_play.tap.Result(sys.stdout)
    unittest.TestSuite([Bus("test")]).run(result)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
