#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the scenarios in scenarios/ on a pair of microVMs and reports them as TAP.

The pair is booted when the first scenario needs it and shared as long as nothing is wrong with it.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import importlib.util
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
# The scenarios' folder is part of a checkout: leave nothing in it.
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from rig import beside, terminal  # noqa: E402
from rig.cache import Cache, note  # noqa: E402
from rig.card import Card  # noqa: E402
from rig.errors import DeadlineReached, RigError  # noqa: E402
from rig.explain import Loader, comment  # noqa: E402
from rig.pair import KERNELS, Pair, Supplies  # noqa: E402
from rig.scenario import Context, Scenario, reset_hosts  # noqa: E402

# A scenario that not even its deadline ends takes the whole suite with it, this much later.
WATCHDOG_GRACE = 90.0
BOOT_ATTEMPTS = 2
UNDO_DEADLINE = 60.0


def discover(folder: Path) -> dict[str, Scenario | str]:
    """All scenarios by full name; a file that cannot be imported is there with its traceback."""
    found: dict[str, Scenario | str] = {}
    for path in sorted(folder.glob("*.py")):
        name = f"scenarios.{path.stem}"
        spec = importlib.util.spec_from_file_location(name, path, loader=Loader(name, str(path)))
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except Exception:  # any mistake in a test file is a failed test, not the suite's end
            found[f"{path.stem}/import"] = traceback.format_exc()
            continue
        for value in vars(module).values():
            registered = getattr(value, "vferry_scenario", None)
            if isinstance(registered, Scenario) and registered.function.__module__ == spec.name:
                found[f"{path.stem}/{registered.name}"] = registered
    return found


@contextlib.contextmanager
def deadline(seconds: float, what: str) -> Iterator[None]:
    """Raise DeadlineReached in the main thread, and, should that not help, end the process."""

    def on_alarm(_signal: int, _frame: FrameType | None) -> None:
        raise DeadlineReached(f"{what} has taken more than its {seconds:.0f} s")

    def give_up() -> None:
        print(f"Bail out! {what} could not be ended", flush=True)
        os._exit(1)  # the VMs end with this process

    watchdog = threading.Timer(seconds + WATCHDOG_GRACE, give_up)
    watchdog.daemon = True
    watchdog.start()
    previous = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        watchdog.cancel()


class Report:
    """The results as TAP, over all kernels."""

    def __init__(self, planned: int) -> None:
        self._number = 0
        self.failed = 0
        print(f"1..{planned}", flush=True)

    def add(self, name: str, failure: str | None, seconds: float) -> None:
        """One scenario has ended."""
        if failure is not None:
            # On standard output: what reads both channels hears them in any order.
            print(comment(f"--- {name}:\n{failure.rstrip()}\n---"), flush=True)
        self.count(name, failure is None, seconds)

    def count(self, name: str, passed: bool, seconds: float) -> None:
        """One scenario has ended, and why it failed is told already."""
        self._number += 1
        self.failed += not passed
        print(f"{'ok' if passed else 'not ok'} {self._number} - {name} # {seconds:.1f}s", flush=True)


class Suite:
    """One run over a choice of scenarios on one pair."""

    def __init__(self, pair: Pair, logs: Path, report: Report) -> None:
        self._pair = pair
        self._logs = logs
        self._report = report
        self._booted = False
        self._used = False

    def run(self, chosen: dict[str, Scenario | str]) -> None:
        """Run all and report each."""
        for name, item in chosen.items():
            started = time.monotonic()
            failure = item if isinstance(item, str) else self._run_one(name, item)
            self._report.add(name, failure, time.monotonic() - started)

    def _run_one(self, name: str, item: Scenario) -> str | None:
        failure = self._prepare(item)
        if failure is None:
            failure, undone = self._execute(name, item)
            trouble = self._trouble(item)
            failure = "\n".join(filter(None, (failure, trouble))) or None
            self._used = True
            if failure is not None:
                failure += "\n" + self._keep_logs(name)
            if trouble is not None or item.fresh or not undone:
                self._drop()
        return failure

    def _boot(self) -> str | None:
        for attempt in range(1, BOOT_ATTEMPTS + 1):
            try:
                self._pair.boot()
                self._booted, self._used = True, False
                return None
            except RigError as error:
                note(f"boot {attempt} of {BOOT_ATTEMPTS} failed: {error}")
                failure = f"the pair did not boot: {error}"
                self._drop()
        return failure

    def _drop(self) -> None:
        self._pair.end()
        self._booted = False

    def _prepare(self, item: Scenario) -> str | None:
        """A pair in its first state."""
        if self._booted and self._used and item.fresh:
            self._drop()
        if self._booted and self._used:
            try:
                with deadline(90.0, "resetting the hosts"):
                    reset_hosts(self._pair)
            except (RigError, DeadlineReached) as error:
                note(f"booting a new pair: {error}")
                self._drop()
        if self._booted:
            # What the reset made the kernel say is nobody's failure but its own.
            trouble = self._pair.kernel_trouble()
            if trouble:
                note("booting a new pair, the kernel complained at the reset: "
                     + "; ".join(trouble))
                self._drop()
        return None if self._booted else self._boot()

    def _execute(self, name: str, item: Scenario) -> tuple[str | None, bool]:
        """Why it failed, if it did, and whether everything it deferred was undone."""
        context = Context(self._pair)
        failure = _attempt(lambda: item.function(context), item.deadline, name, item)
        undoing = _attempt(context.finish, UNDO_DEADLINE, f"undoing {name}", item)
        return "\n".join(filter(None, (failure, undoing))) or None, undoing is None

    def _trouble(self, item: Scenario) -> str | None:
        """What makes a failure of any outcome, and the pair unfit for the next."""
        lines = self._pair.kernel_trouble()
        if item.kernel_may_say is not None:
            lines = [line for line in lines if not re.search(item.kernel_may_say, line)]
        trouble = [f"the kernel complained at {line}" for line in lines]
        broken = self._pair.healthy()
        if broken is not None and not item.fresh:
            trouble.append(f"it left the pair unusable: {broken}")
        return "\n".join(trouble) or None

    def _keep_logs(self, name: str) -> str:
        """Where they are."""
        target = self._logs / name.replace("/", "-")
        try:
            with deadline(120.0, "collecting logs"):
                self._pair.save_logs(target)
        except (RigError, DeadlineReached, OSError) as error:
            return f"logs: {target}, incomplete: {error}"
        return f"logs: {target}"


def _attempt(step: Callable[[], object], seconds: float, what: str, item: Scenario) -> str | None:
    """Run a step of a scenario within a time, and describe how it failed, if it did."""
    try:
        with deadline(seconds, what):
            step()
        return None
    except DeadlineReached as error:
        return f"{error}\n{_where(error, item)}"
    except RigError as error:
        return f"{error}\n{_where(error, item)}"
    except Exception:  # whatever a scenario raises is its failure
        return traceback.format_exc()


def _where(error: BaseException, item: Scenario) -> str:
    """The lines of the scenario's own file on the way to an error."""
    own = item.function.__code__.co_filename
    return "".join(f"  at {Path(own).name}:{frame.lineno}: {frame.line}\n"
                   for frame in traceback.extract_tb(error.__traceback__)
                   if frame.filename == own)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--list", action="store_true", help="name the scenarios and end")
    parser.add_argument("--only", action="append", metavar="GLOB", default=[],
                        help="only scenarios whose name matches, with its kernel's or without; can "
                             "be given several times")
    parser.add_argument("--depth", choices=("usual", "deep", "all"), default="all",
                        help="without the deep ones, those alone, or all (the default)")
    parser.add_argument("--builddir", type=Path, help="meson's build directory, for test programs")
    parser.add_argument("--destdir", type=Path, help="what `meson install --destdir` made")
    parser.add_argument("--kernel", choices=(*KERNELS, "both"), default=KERNELS[0],
                        help="Debian's own (the default), or the small one built here, which has "
                             "iommufd and VFIO's character devices")
    parser.add_argument("--scenarios", type=Path, default=HERE / "scenarios", metavar="FOLDER")
    parser.add_argument("--fetch", action="store_true", help="fill the cache and end")
    parser.add_argument("--refresh", action="store_true",
                        help="ask the archive for newer versions first")
    parser.add_argument("--without-mtty", action="store_true",
                        help="leave out the kernel's sample driver (--fetch, --shell)")
    parser.add_argument("--with-qemus", action="store_true",
                        help="a pair whose hosts have QEMUs inside (--shell)")
    parser.add_argument("--has-turn", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--shell", choices=("a", "b"), help="boot a pair and open a shell at one")
    return parser.parse_args()


def _choose(options: argparse.Namespace) -> dict[str, dict[str, Scenario | str]]:
    """For each kernel the scenarios that run on it and were asked for, by full name."""
    found = discover(options.scenarios)
    chosen = {}
    for kernel in KERNELS if options.kernel == "both" else (options.kernel,):
        names = {f"{kernel}/{name}": (name, item) for name, item in found.items()
                 if isinstance(item, str) or (item.runs_on(kernel) and item.is_of(kernel, options.depth))}
        chosen[kernel] = {full: item for full, (name, item) in names.items()
                          if not options.only or any(fnmatch.fnmatch(wanted, glob)
                                                     for glob in options.only
                                                     for wanted in (name, full))}
    return {kernel: items for kernel, items in chosen.items() if items}


def _list(chosen: dict[str, dict[str, Scenario | str]]) -> None:
    for items in chosen.values():
        for name, item in items.items():
            print(f"{name:48} " + ("cannot be imported" if isinstance(item, str) else
                                   f"{item.deadline:4.0f}s {item.summary}"))


def _run_suite(options: argparse.Namespace) -> int:
    chosen = _choose(options)
    if not chosen and not options.only:
        return 0
    if not chosen:
        print(f"no scenario is called {' or '.join(options.only)}", file=sys.stderr)
        return 1
    if options.list:
        _list(chosen)
        return 0
    if len(chosen) > 1 and not options.refresh and beside.is_room(_memory(chosen)):
        return _run_beside(options, chosen)
    logs = (options.builddir or Path.cwd()) / "kernel-logs"
    with contextlib.ExitStack() as ends:
        try:
            groups = [(ends.enter_context(pair), items)
                      for kernel, supplies in _supplies(options, chosen).items()
                      for pair, items in _groups(supplies, chosen[kernel])]
            for pair, _ in groups:
                pair.prepare()  # a kernel that cannot be built is known before minutes of tests
        except RigError as error:
            print(comment(str(error)), f"Bail out! {str(error).splitlines()[0]}", sep="\n", flush=True)
            raise
        report = Report(sum(map(len, chosen.values())))
        for pair, items in groups:
            Suite(pair, logs.absolute(), report).run(items)
            pair.close()
    count = sum(map(len, chosen.values()))
    note(f"{count - report.failed} passed, {report.failed} failed")
    return 1 if report.failed else 0


def _memory(chosen: dict[str, dict[str, Scenario | str]]) -> int:
    """What a pair of each kernel takes at most at the same time."""
    return sum(beside.LARGE_PAIR_MEMORY if any(isinstance(item, Scenario) and item.qemu for item in items.values())
               else beside.PAIR_MEMORY for items in chosen.values())


def _run_beside(options: argparse.Namespace, chosen: dict[str, dict[str, Scenario | str]]) -> int:
    """Each kernel's scenarios in a process of their own; both pairs are one run to others."""
    Cache().take_turn()
    report = Report(sum(map(len, chosen.values())))
    command = [sys.executable, "-B", __file__, "--has-turn", "--scenarios", str(options.scenarios)]
    for name in ("builddir", "destdir"):
        if getattr(options, name):
            command += [f"--{name}", str(getattr(options, name))]
    status = beside.run({kernel: [*command, "--kernel", kernel, *(f"--only={name}" for name in items)]
                         for kernel, items in chosen.items()}, report.count)
    return 1 if report.failed else status


def _supplies(options: argparse.Namespace, chosen: dict[str, dict[str, Scenario | str]]
              ) -> dict[str, Supplies]:
    """What each kernel's pair boots; one cache, because a process has its turn only once."""
    cache = Cache(has_turn=options.has_turn)
    supplies = {}
    for kernel, items in chosen.items():
        mtty = any(isinstance(item, Scenario) and item.mtty for item in items.values())
        supplies[kernel] = Supplies(options.builddir, options.destdir, mtty,
                                    options.refresh and not supplies, kernel, cache)
    return supplies


def _groups(supplies: Supplies, items: dict[str, Scenario | str]
            ) -> Iterator[tuple[Pair, dict[str, Scenario | str]]]:
    """The scenarios of a kernel by what they run on."""
    with_card = {name: item for name, item in items.items()
                 if isinstance(item, Scenario) and item.card}
    with_qemus = {name: item for name, item in items.items()
                  if isinstance(item, Scenario) and item.qemu}
    plain = {name: item for name, item in items.items() if name not in {*with_card, *with_qemus}}
    if plain:
        yield Pair(supplies), plain
    if with_qemus:
        yield Pair(supplies, with_qemus=True), with_qemus
    if with_card:
        yield Card(supplies), with_card


def _fetch(options: argparse.Namespace) -> int:
    for kernel in KERNELS if options.kernel == "both" else (options.kernel,):
        Supplies(options.builddir, options.destdir, not options.without_mtty,
                 options.refresh and kernel == KERNELS[0], kernel).fetch()
    return 0


def _run_shell(options: argparse.Namespace) -> int:
    if not sys.stdin.isatty():
        print("a shell needs a terminal on standard input", file=sys.stderr)
        return 2
    if options.kernel == "both":
        print("a shell runs on one kernel: --kernel debian or --kernel small", file=sys.stderr)
        return 2
    with Pair(Supplies(options.builddir, options.destdir, not options.without_mtty,
                       options.refresh, options.kernel), options.with_qemus) as pair:
        pair.boot()
        return terminal.interact(pair.a if options.shell == "a" else pair.b)


def main() -> int:
    """Do what the command line says."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    options = _arguments()
    try:
        if options.fetch:
            return _fetch(options)
        return _run_shell(options) if options.shell else _run_suite(options)
    except RigError as error:
        print(f"rig: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
