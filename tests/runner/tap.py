# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads a program's TAP strictly: what it did not say counts against it.

https://testanything.org/tap-version-13-specification.html. Stricter than it in one point: a skipped
case has not been shown to work, so it is no pass.
"""

from __future__ import annotations

import dataclasses
import enum
import re

PLAN = re.compile(r"1\.\.(\d+)\s*(?:#\s*(.*))?$")
CASE = re.compile(r"(ok|not ok)\b\s*(\d+)?\s*(?:-\s*)?(.*)$")
DIRECTIVE = re.compile(r"(?:^|\s)#\s*(SKIP|TODO)\b:?\s*(.*)$", re.IGNORECASE)


class Outcome(enum.Enum):
    """What became of a case."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclasses.dataclass(frozen=True)
class Case:
    """One test case."""

    name: str
    outcome: Outcome
    note: str = ""


class Reader:
    """One program's output, line by line."""

    def __init__(self) -> None:
        self.planned: int | None = None
        self._numbers: list[int] = []
        self._failures = 0
        self._bailed = False

    def feed(self, line: str) -> list[Case]:
        """The cases that this line reports."""
        line = line.rstrip("\r\n")
        if match := PLAN.match(line):
            return self._plan(int(match.group(1)), match.group(2) or "")
        if line.startswith("Bail out!"):
            self._bailed = True
            return self._count([Case("bail out", Outcome.FAILED, line[len("Bail out!"):].strip())])
        if match := CASE.match(line):
            return self._count(self._case(*match.groups()))
        return []

    def finish(self, status: int, timed_out: bool = False) -> list[Case]:
        """What is wrong with the output as a whole, given the program's exit status."""
        wrong = []
        ran = len(self._numbers)
        if timed_out:
            wrong.append("it ran into its time limit")
        if self.planned is None:
            wrong.append(f"it announced no plan; {ran} cases ran")
        elif ran != self.planned:
            wrong.append(f"{ran} of {self.planned} planned cases ran")
        elif sorted(self._numbers) != list(range(1, ran + 1)):
            wrong.append(f"its cases are numbered {self._numbers}, not 1 to {ran}")
        elif ran == 0:
            wrong.append("it has no cases")
        if status != 0 and not timed_out and (not self._failures or status < 0 or status > 128):
            wrong.append(f"it ended with signal {-status}" if status < 0 else
                         f"it ended with status {status}")
        # A program that bailed out has said why it is incomplete.
        if not wrong or (self._bailed and not timed_out):
            return []
        return [Case("the program itself", Outcome.FAILED, "; ".join(wrong))]

    def _plan(self, count: int, comment: str) -> list[Case]:
        if self.planned is not None:
            return self._count([Case("plan", Outcome.FAILED, "it announced two plans")])
        self.planned = count
        if count == 0 and comment.upper().startswith("SKIP"):
            self.planned = 1
            self._numbers.append(1)
            return [Case("all of it", Outcome.SKIPPED, comment[len("SKIP"):].strip())]
        return []

    def _case(self, verdict: str, number: str | None, rest: str) -> list[Case]:
        self._numbers.append(int(number) if number else len(self._numbers) + 1)
        outcome = Outcome.PASSED if verdict == "ok" else Outcome.FAILED
        note = ""
        if match := DIRECTIVE.search(rest):
            word, note = match.group(1).upper(), match.group(2)
            rest = rest[:match.start()]
            if word == "SKIP" and outcome is Outcome.PASSED:
                outcome = Outcome.SKIPPED
        # A trailing comment (a duration) is no part of the name.
        name = rest.split(" # ")[0].strip() or f"case {self._numbers[-1]}"
        return [Case(name, outcome, note.strip())]

    def _count(self, cases: list[Case]) -> list[Case]:
        self._failures += sum(case.outcome is Outcome.FAILED for case in cases)
        return cases
