# SPDX-License-Identifier: LGPL-2.1-or-later
"""What all test files together came to, and the lines a person sees of it."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from pathlib import Path

from tap import Case, Outcome

SHOWN_LINES = 120


@dataclasses.dataclass
class FileResult:
    """One test program or script."""

    name: str
    cases: list[Case]
    seconds: float
    log: str = ""

    def count(self, outcome: Outcome) -> int:
        """How many cases ended so."""
        return sum(case.outcome is outcome for case in self.cases)

    @property
    def bad(self) -> list[Case]:
        """The cases that did not pass."""
        return [case for case in self.cases if case.outcome is not Outcome.PASSED]


class Tally:
    """Collects results and prints each as it comes."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._results: list[FileResult] = []
        logs.mkdir(parents=True, exist_ok=True)

    def add(self, result: FileResult) -> None:
        """Count a result and print its line; after a failure also its log."""
        self._results.append(result)
        self.clear()
        counts = [f"{result.count(outcome)} {outcome.value}" for outcome in Outcome
                  if result.count(outcome) or (outcome is Outcome.PASSED and not result.cases)]
        word = "FAILED" if result.bad else "ok"
        print(f"{word:7} {result.name:44} {', '.join(counts):24} {result.seconds:6.1f} s", flush=True)
        if result.bad:
            self._explain(result)

    def _explain(self, result: FileResult) -> None:
        for case in result.bad:
            print(f"        {case.outcome.value}: {case.name}" + (f": {case.note}" if case.note else ""))
        # What passed is counted already, and has nothing to say.
        lines = [line for line in result.log.splitlines() if not re.match(r"ok \d", line)]
        path = self._logs / (result.name.replace("/", "-").replace(" ", "-") + ".log")
        path.write_text(result.log, encoding="utf-8")
        if len(lines) > SHOWN_LINES:
            print(f"        … the first {len(lines) - SHOWN_LINES} lines are in {path}")
        for line in lines[-SHOWN_LINES:]:
            print(f"        | {line}")
        sys.stdout.flush()

    def progress(self, text: str) -> None:
        """A passing word for somebody who watches; nothing when nobody does."""
        if sys.stdout.isatty():
            sys.stdout.write(f"\r\033[K{text[:100]}")
            sys.stdout.flush()

    def clear(self) -> None:
        """Remove the passing word."""
        if sys.stdout.isatty():
            sys.stdout.write("\r\033[K")

    def finish(self, seconds: float) -> bool:
        """Print the end; the last line is `N passed, N failed`. Returns whether all passed."""
        self.clear()
        passed = sum(result.count(Outcome.PASSED) for result in self._results)
        bad = [(result, case) for result in self._results for case in result.bad]
        self._write(passed)
        print(f"\n{len(self._results)} test files in {seconds:.0f} s; logs in {self._logs}")
        for result, case in bad:
            why = f": {case.note}" if case.note else ""
            what = "skipped, which counts as failed" if case.outcome is Outcome.SKIPPED else "failed"
            print(f"{result.name}: {case.name}: {what}{why}")
        print(f"{passed} passed, {len(bad)} failed", flush=True)
        return passed > 0 and not bad

    def _write(self, passed: int) -> None:
        document = {
            "passed": passed,
            "files": [{"name": result.name, "seconds": round(result.seconds, 3),
                       "cases": [{"name": case.name, "outcome": case.outcome.value, "note": case.note}
                                 for case in result.cases]} for result in self._results]}
        (self._logs / "results.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
