#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plays seeded points, each a migration that something happens to, and judges each from outside.

See README.md, "The soak". `./run soak` builds and calls this.
"""

from __future__ import annotations

import argparse
import fnmatch
import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from rig.cache import Cache, note  # noqa: E402
from rig.errors import DeadlineReached, RigError  # noqa: E402
from rig.pair import KERNELS, Pair, Supplies  # noqa: E402
from rig.scenario import Context, reset_hosts  # noqa: E402
from scenarios.hotplug import soak_hotplug  # noqa: E402
from soak.points import SEED, Point, plain, point  # noqa: E402
from soak.report import Report  # noqa: E402
from soak.stage import SLOWEST, Stage, Verdict  # noqa: E402
from suite import deadline  # noqa: E402

POINTS = 320
PLAIN_EVERY = 10
HOTPLUG_CYCLES = 200
HOTPLUG_DEADLINE = 900.0
POINT_DEADLINE = 300.0
BOOT_ATTEMPTS = 3


class Soak:
    """One run over many points, on one pair as long as it is good."""

    def __init__(self, pair: Pair, report: Report, logs: Path, kernel: str) -> None:
        self._pair = pair
        self._report = report
        self._logs = logs
        self._kernel = kernel
        self._stage: Stage | None = None

    def _boot(self) -> Stage:
        for attempt in range(1, BOOT_ATTEMPTS + 1):
            try:
                self._pair.boot()
                stage = Stage(self._pair)
                stage.prepare()
                return stage
            except RigError as error:
                note(f"boot {attempt} of {BOOT_ATTEMPTS} failed: {error}")
                self._pair.end()
        raise RigError(f"no pair has booted in {BOOT_ATTEMPTS} attempts")

    def _mend(self) -> None:
        """After a point that left something: the reset of the suite, or a new pair."""
        try:
            with deadline(120.0, "resetting the hosts"):
                reset_hosts(self._pair)
                stage = Stage(self._pair)
                stage.prepare()
            self._stage = stage
        except (RigError, DeadlineReached) as error:
            note(f"booting a new pair: {error}")
            self._pair.end()
            self._report.replaced += 1
            self._stage = None

    def _play(self, wanted: Point) -> Verdict:
        if self._stage is None:
            self._stage = self._boot()
        verdict = Verdict(wanted)
        try:
            with deadline(POINT_DEADLINE + wanted.size / SLOWEST, "the point"):
                verdict = self._stage.play(wanted)
        except (RigError, DeadlineReached) as error:
            verdict.violations.append(str(error))
            verdict.broken = True
        verdict.kernel = self._kernel
        verdict.violations += [f"the kernel complained at {line}"
                               for line in self._pair.kernel_trouble()]
        return verdict

    def point(self, wanted: Point) -> None:
        """Play one, report it, and leave the stage fit for the next."""
        self._report.begin(wanted.describe)
        verdict = self._play(wanted)
        self._report.end(verdict)
        if verdict.violations:
            name = f"soak-{wanted.seed}-{wanted.number}"
            try:
                with deadline(120.0, "collecting logs"):
                    self._pair.save_logs(self._logs / name)
                note(f"the logs are in {self._logs / name}")
            except (RigError, DeadlineReached, OSError) as error:
                note(f"the logs of {name} are incomplete: {error}")
        if verdict.broken:
            self._mend()


    def hotplug(self) -> None:
        """Devices that come and go, without migrations."""
        self._report.begin(f"{HOTPLUG_CYCLES} hotplug cycles")
        if self._stage is None:
            self._stage = self._boot()
        context = Context(self._pair)
        try:
            with deadline(HOTPLUG_DEADLINE, "hotplug"):
                reset_hosts(self._pair)
                soak_hotplug(context, HOTPLUG_CYCLES)
                context.finish()
            self._report.other(f"{HOTPLUG_CYCLES} hotplug cycles", None)
        except (RigError, DeadlineReached, AssertionError) as error:
            self._report.other(f"{HOTPLUG_CYCLES} hotplug cycles", str(error))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--builddir", type=Path, required=True, help="meson's build directory")
    parser.add_argument("--destdir", type=Path, required=True,
                        help="what `meson install --destdir` made")
    parser.add_argument("--kernel", choices=(*KERNELS, "both"), default="both",
                        help="points with even numbers are played on the first of the kernels, odd "
                             "ones on the second; another value than both: all on this one")
    parser.add_argument("--seed", type=int, default=SEED, help=f"default: {SEED}")
    parser.add_argument("--points", type=int, default=POINTS, metavar="N",
                        help=f"how many; default: {POINTS}")
    parser.add_argument("--point", type=int, action="append", metavar="K", default=[],
                        help="only this one; can be given several times")
    parser.add_argument("--only", action="append", metavar="GLOB", default=[],
                        help="only strikes like this, as in kill-*@commit; can be given several times")
    parser.add_argument("--list", action="store_true", help="name the points and end")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    return parser.parse_args()


def _choose(options: argparse.Namespace) -> list[Point]:
    if options.points < 1:
        print(f"soak: --points is {options.points}, but must be at least 1", file=sys.stderr)
        sys.exit(3)
    points = [point(options.seed, number) for number in options.point or range(options.points)]
    if options.only:
        points = [each for each in points
                  if any(fnmatch.fnmatch(each.cell.label, glob) for glob in options.only)]
    if not points:
        print(f"soak: no strike is called {' or '.join(options.only)}; --list names them", file=sys.stderr)
        sys.exit(3)
    return points


def _by_kernel(options: argparse.Namespace, points: list[Point]) -> dict[str, list[Point]]:
    if options.kernel != "both":
        return {options.kernel: points}
    shares = {kernel: [each for each in points if each.number % len(KERNELS) == place]
              for place, kernel in enumerate(KERNELS)}
    return {kernel: share for kernel, share in shares.items() if share}


def _play(soak: Soak, points: list[Point]) -> None:
    for count, wanted in enumerate(points, start=1):
        soak.point(wanted)
        if count % PLAIN_EVERY == 0:
            soak.point(plain(wanted.seed, wanted.number))


def _run(options: argparse.Namespace, points: list[Point]) -> int:
    report = Report(len(points))
    logs = (options.builddir / "kernel-logs").absolute()
    cache = Cache()  # a process has its turn only once
    print(f"soak: {len(points)} points, seed {options.seed}", flush=True)
    try:
        for kernel, share in _by_kernel(options, points).items():
            print(f"kernel: {kernel}", flush=True)
            supplies = Supplies(options.builddir, options.destdir, want_mtty=False,
                                kernel_name=kernel, cache=cache)
            with Pair(supplies) as pair:
                soak = Soak(pair, report, logs, kernel)
                _play(soak, share)
                if not options.only and not options.point:
                    soak.hotplug()
    except KeyboardInterrupt:
        note("interrupted")
    report.totals()
    if options.json:
        report.save(options.json, options.seed)
    complete = len(report.verdicts) == len(points)
    return 0 if complete and not report.failed and not report.failures else 1


def main() -> int:
    """Do what the command line says."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = _arguments()
    points = _choose(options)
    if options.list:
        for wanted in points:
            print(f"{wanted.number:4} {wanted.describe}")
        return 0
    try:
        return _run(options, points)
    except RigError as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
