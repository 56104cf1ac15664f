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
from soak import guest_points  # noqa: E402
from soak.guest_points import GuestPoint  # noqa: E402
from soak.guest_stage import GuestStage  # noqa: E402
from soak.points import SEED, Point, plain, point  # noqa: E402
from soak.report import Report  # noqa: E402
from soak.stage import SLOWEST, Stage, Verdict  # noqa: E402
from suite import deadline  # noqa: E402

POINTS = 320
GUEST_POINTS = 202
PLAIN_EVERY = 10
HOTPLUG_CYCLES = 200
HOTPLUG_DEADLINE = 900.0
POINT_DEADLINE = 300.0
BOOT_ATTEMPTS = 3

AnyPoint = Point | GuestPoint


class Soak:
    """One run over many points, on one pair as long as it is good."""

    def __init__(self, pair: Pair, report: Report, logs: Path, kernel: str, kind: type[Stage]) -> None:
        self._pair = pair
        self._kind = kind
        self._report = report
        self._logs = logs
        self._kernel = kernel
        self._stage: Stage | None = None

    def _boot(self) -> Stage:
        for attempt in range(1, BOOT_ATTEMPTS + 1):
            try:
                self._pair.boot()
                stage = self._kind(self._pair)
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
                stage = self._kind(self._pair)
                stage.prepare()
            self._stage = stage
        except (RigError, DeadlineReached) as error:
            note(f"booting a new pair: {error}")
            self._pair.end()
            self._report.replaced += 1
            self._stage = None

    def _play(self, wanted: AnyPoint) -> Verdict:
        if self._stage is None:
            self._stage = self._boot()
        verdict = Verdict(wanted)  # type: ignore[arg-type]
        try:
            with deadline(POINT_DEADLINE + wanted.size / SLOWEST, "the point"):
                verdict = self._stage.play(wanted)  # type: ignore[arg-type]
        except (RigError, DeadlineReached) as error:
            verdict.violations.append(str(error))
            verdict.broken = True
        verdict.kernel = self._kernel
        verdict.violations += [f"the kernel complained at {line}"
                               for line in self._pair.kernel_trouble()]
        return verdict

    def point(self, wanted: AnyPoint) -> None:
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
    parser.add_argument("--guest-points", type=int, default=GUEST_POINTS, metavar="N",
                        help=f"how many of guests, which come after them; default: {GUEST_POINTS}")
    parser.add_argument("--point", type=int, action="append", metavar="K", default=[],
                        help="only this one; can be given several times")
    parser.add_argument("--only", action="append", metavar="GLOB", default=[],
                        help="only strikes like this, as in kill-*@commit; can be given several times")
    parser.add_argument("--list", action="store_true", help="name the points and end")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    return parser.parse_args()


def _is_guest(number: int) -> bool:
    return number >= guest_points.FIRST


def _point(seed: int, number: int) -> AnyPoint:
    return guest_points.point(seed, number) if _is_guest(number) else point(seed, number)


def _plain(wanted: AnyPoint) -> AnyPoint:
    make = guest_points.plain if _is_guest(wanted.number) else plain
    return make(wanted.seed, wanted.number)


def _choose(options: argparse.Namespace) -> list[AnyPoint]:
    for name, least in (("points", 0 if options.guest_points > 0 else 1), ("guest_points", 0)):
        if getattr(options, name) < least:
            print(f"soak: --{name.replace('_', '-')} is {getattr(options, name)}, but must be at least {least}",
                  file=sys.stderr)
            sys.exit(3)
    numbers = options.point or [*range(options.points),
                                *range(guest_points.FIRST, guest_points.FIRST + options.guest_points)]
    points = [_point(options.seed, number) for number in numbers]
    if options.only:
        points = [each for each in points
                  if any(fnmatch.fnmatch(each.cell.label, glob) for glob in options.only)]
    if not points:
        print(f"soak: no strike is called {' or '.join(options.only)}; --list names them", file=sys.stderr)
        sys.exit(3)
    return points


def _shares(options: argparse.Namespace, points: list[AnyPoint]) -> list[tuple[str, bool, list[AnyPoint]]]:
    """Kernel, whether they are guests, and those: each has a pair of its own."""
    shares = []
    for place, kernel in enumerate(KERNELS):
        mine = [each for each in points if options.kernel == kernel
                or (options.kernel == "both" and each.number % len(KERNELS) == place)]
        for guests in (False, True):
            share = [each for each in mine if _is_guest(each.number) == guests]
            if share:
                shares.append((kernel, guests, share))
    return shares


def _play(soak: Soak, points: list[AnyPoint]) -> None:
    for count, wanted in enumerate(points, start=1):
        soak.point(wanted)
        if count % PLAIN_EVERY == 0:
            soak.point(_plain(wanted))


def _run(options: argparse.Namespace, points: list[AnyPoint]) -> int:
    report = Report(len(points))
    logs = (options.builddir / "kernel-logs").absolute()
    cache = Cache()  # a process has its turn only once
    print(f"soak: {len(points)} points, seed {options.seed}", flush=True)
    try:
        for kernel, guests, share in _shares(options, points):
            print(f"kernel: {kernel}{', guests' if guests else ''}", flush=True)
            supplies = Supplies(options.builddir, options.destdir, want_mtty=guests,
                                kernel_name=kernel, cache=cache)
            with Pair(supplies, with_qemus=guests) as pair:
                soak = Soak(pair, report, logs, kernel, GuestStage if guests else Stage)
                _play(soak, share)
                if not options.only and not options.point and not guests:
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
            print(f"{wanted.number:5} {wanted.describe}")
        return 0
    try:
        return _run(options, points)
    except RigError as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
