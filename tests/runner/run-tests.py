#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs what `./run test` has built and counts every case.

The last line printed is `N passed, N failed`. A skipped case counts as failed: nobody saw it work.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

import host  # noqa: E402  pylint: disable=wrong-import-position
import stream  # noqa: E402  pylint: disable=wrong-import-position
from tally import Tally  # noqa: E402  pylint: disable=wrong-import-position

LINT_SCRIPTS = {"lint/rules": ["tests/lint/lint.py", "--tap"],
                "lint/runner": ["tests/runner/selftest.py"]}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--logs", type=Path, required=True)
    parser.add_argument("--lint", action="store_true")
    parser.add_argument("--host", action="append", type=host.HostRun.parse, default=[],
                        metavar="SETUP=BUILDDIR=SUITES")
    parser.add_argument("--kernel", metavar="BUILDDIR=DESTDIR")
    parser.add_argument("--upgrade", action="append", default=[], metavar="NAME=BUILDS",
                        help="BUILDS as tests/integration/test_upgrade.py knows them")
    parser.add_argument("--deep", action="store_true", help="of the scenarios the deep ones, and no others")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("names", nargs="*", metavar="GLOB")
    return parser.parse_args()


def _choose(options: argparse.Namespace) -> tuple[list[str], list[str], list[str]]:
    """The names of the lint scripts, the scenarios, and the host's tests that were asked for."""
    globs = options.names
    lint = [name for name in LINT_SCRIPTS if options.lint and host.matches(globs, name)]
    depth = "deep" if options.deep else "all" if globs else "usual"
    scenarios = [name for name in (stream.list_kernel(TOP, depth) if options.kernel else [])
                 if host.matches(globs, *stream.kernel_names(name))]
    tests = [plan.label(test) for plan in options.host for test in plan.tests(globs)]
    return lint, scenarios, tests


def main() -> int:
    """Run everything that was planned."""
    options = _arguments()
    started = time.monotonic()
    lint, scenarios, tests = _choose(options)
    upgrades = [build.split("=", 1) for build in options.upgrade]
    if options.list:
        print("\n".join([*lint, *tests, *(f"upgrade/{name}" for name, _ in upgrades), *(f"kernel/{name}" for name in scenarios)]))
        return 0
    if not lint and not scenarios and not tests and not upgrades:
        print(f"run: no test is called {' or '.join(options.names)}; see ./run test --list",
              file=sys.stderr)
        return 3
    tally = Tally(options.logs)
    with contextlib.ExitStack() as meanwhile:
        if scenarios and tests:
            meanwhile.enter_context(
                stream.filling_cache(TOP, scenarios, options.logs / "kernel-fetch.log"))
        _run(options, lint, upgrades, scenarios, tally)
    return 0 if tally.finish(time.monotonic() - started) else 1


def _run(options: argparse.Namespace, lint: list[str], upgrades: list[list[str]], scenarios: list[str], tally: Tally) -> None:
    """The suites, one after the other."""
    for name in lint:
        command = LINT_SCRIPTS[name]
        stream.run_script([str(TOP / command[0]), *command[1:]], name, tally)
    for plan in options.host:
        host.run(plan, options.names, tally)
    for name, builds in upgrades:
        stream.run_script([str(TOP / "tests/integration/test_upgrade.py")], f"upgrade/{name}", tally,
                          stream.UPGRADE_DEADLINE, VFERRY_TEST_BUILDS=builds)
    if scenarios:
        builddir, destdir = options.kernel.rsplit("=", 1)
        stream.run_kernel(TOP, Path(builddir), Path(destdir), scenarios, tally)


if __name__ == "__main__":
    sys.exit(main())
