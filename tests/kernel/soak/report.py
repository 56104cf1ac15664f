# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a soak prints."""

from __future__ import annotations

import collections
import json
import sys
import time
from pathlib import Path

from .stage import Verdict


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


class Report:
    """Lines as points end, a bar on a terminal, totals at the end."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._started = time.monotonic()
        self._bar = sys.stdout.isatty()
        self.verdicts: list[Verdict] = []
        self.plain: list[Verdict] = []
        self.failures: list[str] = []  # of what is no point
        self.replaced = 0

    @property
    def failed(self) -> list[Verdict]:
        """Those with violations."""
        return [verdict for verdict in (*self.verdicts, *self.plain) if verdict.violations]

    def _line(self, text: str) -> None:
        print(("\r\033[K" if self._bar else "") + text, flush=True)

    def begin(self, what: str) -> None:
        """What is played now, and how long all will take."""
        if not self._bar:
            return
        done = len(self.verdicts)
        passed = time.monotonic() - self._started
        left = _span(passed / done * (self._total - done)) if done else "…"
        filled = 20 * done // max(self._total, 1)
        print(f"\r\033[K[{'#' * filled}{'.' * (20 - filled)}] {done}/{self._total}, "
              f"{left} left, {len(self.failed)} failed: {what}", end="", flush=True)

    def end(self, verdict: Verdict) -> None:
        """One line for a point, and one for each thing that is wrong."""
        plain = verdict.point.cell.strike.endswith("plain")
        (self.plain if plain else self.verdicts).append(verdict)
        number = "         plain" if plain else \
            f"{len(self.verdicts):4}/{self._total:<4} #{verdict.point.number:<4}"
        resolved = f", resolved: {verdict.resolved}" if verdict.resolved else ""
        late = f", {verdict.late} too late before" if verdict.late else ""
        self._line(f"{number} {'FAILED' if verdict.violations else 'ok    '} "
                   f"{verdict.seconds:5.1f} s  {verdict.point.describe}: "
                   f"{verdict.outcome or '?'}{resolved}{late}")
        for what in verdict.violations:
            self._line("    " + what.replace("\n", "\n    "))
        if verdict.violations and not plain:
            self._line(f"    again: ./run soak --kernel {verdict.kernel} --seed {verdict.point.seed} "
                       f"--point {verdict.point.number}")

    def other(self, what: str, failure: str | None) -> None:
        """Something that is no point has passed, or failed so."""
        self._line(f"               {'FAILED' if failure else 'ok    '}          {what}")
        if failure:
            self.failures.append(f"{what}: {failure}")
            self._line("    " + failure.replace("\n", "\n    "))

    def totals(self) -> None:
        """Strike by outcome, phase by outcome, and the numbers that were promised."""
        cells: dict[str, collections.Counter[str]] = {}
        for verdict in self.verdicts:
            cell = cells.setdefault(verdict.point.cell.label, collections.Counter())
            cell[verdict.outcome or "?"] += 1
            cell["failed"] += bool(verdict.violations)
        self._line("")
        self._line(f"{'strike@moment':44} points  outcome (source/destination)")
        for label, counts in sorted(cells.items()):
            failed = counts.pop("failed")
            outcomes = ", ".join(f"{what} {n}" for what, n in counts.most_common())
            self._line(f"{label:44} {sum(counts.values()):6}  {outcomes}"
                       f"{f'  {failed} FAILED' if failed else ''}")
        everything = (*self.verdicts, *self.plain)
        doubts = [verdict for verdict in everything if "doubt" in verdict.outcome]
        both = [verdict for verdict in everything
                if any("BOTH" in what for what in verdict.violations)]
        lost = [verdict for verdict in everything
                if any("STATE LOST" in what for what in verdict.violations)]
        left = [verdict for verdict in everything
                if any("left over" in what for what in verdict.violations)]
        slowest = max((verdict.settle_seconds for verdict in everything), default=0.0)
        self._line("")
        self._line(f"{len(self.verdicts)} points and {len(self.plain)} plain crossings in "
                   f"{_span(time.monotonic() - self._started)}; {self.replaced} pairs replaced")
        self._line(f"strikes that came too late, and were made again: "
                   f"{sum(verdict.late for verdict in everything)}")
        self._line(f"two sides running: {len(both)}; lost states: {len(lost)}; in doubt: {len(doubts)}, resolved: "
                   f"{sum(bool(verdict.resolved) for verdict in doubts)}; left over: {len(left)}; "
                   f"longest to settle: {slowest:.1f} s")
        failed = len(self.failed) + len(self.failures)
        self._line(f"{len(everything) - len(self.failed)} passed, {failed} failed")

    def save(self, path: Path, seed: int) -> None:
        """For programs."""
        path.write_text(json.dumps({
            "seed": seed, "replaced": self.replaced, "failures": self.failures,
            "points": [verdict.to_json() for verdict in self.verdicts],
            "plain": [verdict.to_json() for verdict in self.plain]}, indent=1) + "\n", "utf-8")
