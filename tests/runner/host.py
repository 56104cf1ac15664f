# SPDX-License-Identifier: LGPL-2.1-or-later
"""The unit and integration suites: meson runs them, their output is read here."""

from __future__ import annotations

import dataclasses
import fnmatch
import json
import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tally import FileResult, Tally
from tap import Case, Outcome, Reader

MESON = "/usr/bin/meson"
# On top of each test's own limit, which meson enforces.
DEADLINE = 1500.0
PROGRESS = re.compile(r"\s*(\d+/\d+) (.*?)  +\S")


@dataclasses.dataclass(frozen=True)
class HostTest:
    """A test as meson knows it."""

    suite: str
    name: str
    tap: bool
    priority: int = 0

    @property
    def full_name(self) -> str:
        """As it is shown and chosen."""
        return f"{self.suite}/{self.name}"


@dataclasses.dataclass(frozen=True)
class HostRun:
    """Suites, or single tests of one, of one build directory under one setup."""

    setup: str
    builddir: Path
    parts: tuple[str, ...]

    @staticmethod
    def parse(text: str) -> "HostRun":
        """SETUP=BUILDDIR=PART[,PART], each part a SUITE or a SUITE/TEST"""
        setup, rest = text.split("=", 1)
        builddir, parts = rest.rsplit("=", 1)
        return HostRun(setup, Path(builddir), tuple(parts.split(",")))

    @property
    def suites(self) -> tuple[str, ...]:
        """Those that it has something of."""
        return tuple(dict.fromkeys(part.split("/", maxsplit=1)[0] for part in self.parts))

    def tests(self, globs: list[str]) -> list[HostTest]:
        """The tests that were chosen."""
        listing = subprocess.run([MESON, "introspect", "--tests", str(self.builddir)], check=True,
                                 capture_output=True, text=True, timeout=60.0).stdout
        found = []
        for item in json.loads(listing):
            suite = next((suite.split(":")[-1] for suite in item["suite"]
                          if suite.split(":")[-1] in self.suites), None)
            if suite is None:
                continue
            test = HostTest(suite, item["name"], item["protocol"] == "tap", item["priority"])
            if (suite in self.parts or test.full_name in self.parts) and matches(globs, test.full_name, test.name):
                found.append(test)
        return found

    def label(self, test: HostTest) -> str:
        """The test's name in this run."""
        return test.full_name + ("" if self.setup == "plain" else f" [{self.setup}]")


def matches(globs: list[str], *names: str) -> bool:
    """Whether something was asked for; everything is when nothing was named."""
    return not globs or any(fnmatch.fnmatchcase(name, glob) for glob in globs for name in names)


def run(plan: HostRun, globs: list[str], tally: Tally) -> None:
    """Run the chosen tests, side by side, and count each case of each."""
    expected = {test.full_name: test for test in plan.tests(globs)}
    if not expected:
        return
    logbase = f"testlog-{plan.setup}"
    command = [MESON, "test", "-C", str(plan.builddir), "--no-rebuild", "--logbase", logbase,
               "--num-processes", str(_processes(plan))]
    for suite in plan.suites:
        command += ["--suite", suite]
    if plan.setup != "plain":
        command += ["--setup", plan.setup]
        logbase += f"-{plan.setup}"
    log = plan.builddir / "meson-logs" / f"{logbase}.json"
    log.unlink(missing_ok=True)
    _watch(command + in_order(expected.values()), plan, tally)
    _report(plan, log, expected, tally)


def in_order(tests: Iterable[HostTest]) -> list[str]:
    """Their names, who has priority first: meson begins them as they are named to it (1.0, mtest.py, tests_from_args)."""
    return list(dict.fromkeys(test.name for test in sorted(tests, key=lambda test: (-test.priority, test.full_name))))


def _processes(plan: HostRun) -> int:
    """Most tests wait most of the time: for deadlines, for peers. With sanitizers they also work, and under valgrind hardly anything else."""
    return (os.cpu_count() or 1) + {"sanitizers": 4, "valgrind": 1}.get(plan.setup, 6)


def _report(plan: HostRun, log: Path, expected: dict[str, HostTest], tally: Tally) -> None:
    left = dict(expected)
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
        item = json.loads(line)
        test = left.pop(logged_name(item["name"], plan.suites, expected), None)
        # A test of another suite may have the same name as one that was chosen.
        if test is not None:
            tally.add(read_result(plan.label(test), item, test.tap))
    for test in left.values():
        tally.add(FileResult(plan.label(test),
                             [Case("all of it", Outcome.FAILED, "meson did not run it")], 0.0))


def logged_name(logged: str, suites: tuple[str, ...], known: Iterable[str]) -> str:
    """The full name of a test in meson's log, which names a suite only where there is a choice."""
    suite, _, name = logged.rpartition(" / ")
    if suite:
        return f"{suite.split(':')[-1]}/{name}"
    return next((full for full in known if full in {f"{suite}/{name}" for suite in suites}), name)


def _watch(command: list[str], plan: HostRun, tally: Tally) -> None:
    """Let meson run, and show which test has ended."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, errors="replace") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if match := PROGRESS.match(line):
                tally.progress(f"[{plan.setup}] {match.group(1)} {match.group(2)}")
        try:
            process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()


def read_result(label: str, item: dict, tap: bool) -> FileResult:
    """What one line of meson's log says of a test."""
    output = item.get("stdout") or ""
    timed_out = item["result"] == "TIMEOUT"
    status = item["returncode"]
    if tap:
        reader = Reader()
        cases = [case for line in output.splitlines() for case in reader.feed(line)]
        cases += reader.finish(status, timed_out)
    elif item["result"] == "OK":
        cases = [Case("all of it", Outcome.PASSED)]
    elif item["result"] == "SKIP":
        cases = [Case("all of it", Outcome.SKIPPED)]
    else:
        cases = [Case("all of it", Outcome.FAILED,
                      "time limit" if timed_out else f"exit status {status}")]
    return FileResult(label, cases, item["duration"], output + (item.get("stderr") or ""))
