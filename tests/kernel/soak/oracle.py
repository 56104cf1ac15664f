# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether what was seen of a migration may be."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from . import table
from .facts import Facts, Step, destination_fate, source_fate
from .points import Cell, Point

RUNNING = ("running", "running-p2p", "pre-copy", "pre-copy-p2p")
STANDING = ("stop", "stop-copy", "error", "closed")
# What ends a record: nothing is left to be done or decided about it.
FINAL = {"source": {"done", "returned", "resolved"}, "destination": {"undone", "started"}}


class Clock:
    """Where a guest's clock is on ours, as an interval: each look at it was between two of ours."""

    MEMORY = 12  # looks; the clocks of emulated guests drift

    def __init__(self) -> None:
        self._bounds: list[tuple[float, float]] = []

    def saw(self, before: float, guest: float, after: float) -> None:
        """The guest's clock was `guest` at some time between `before` and `after` of ours."""
        self._bounds = [*self._bounds[-self.MEMORY + 1:], (before - guest, after - guest)]

    def earliest(self, guest: float) -> float:
        """Our time when the guest's clock was this, at the earliest."""
        low = max((low for low, _ in self._bounds), default=-math.inf)
        return guest + min(low, *(high for _, high in self._bounds), math.inf)

    def latest(self, guest: float) -> float:
        """And at the latest."""
        high = min((high for _, high in self._bounds), default=math.inf)
        return guest + max(high, *(low for low, _ in self._bounds), -math.inf)


@dataclasses.dataclass(frozen=True)
class Span:
    """A device with the guest's state in it ran from here to there."""

    first: float
    last: float  # infinite while it runs
    returned: bool = False  # it had stood before


def source_spans(history: Sequence[Step], device: str, since: float) -> list[Span]:
    """When the source's device ran. Before `since` it was another one with the same name."""
    spans: list[Span] = []
    begun: float | None = None
    stood = False
    for step in history:
        if step.device != device or step.time <= since:
            continue
        if step.state == "reset":  # what it runs from here on is not the guest
            return spans + ([Span(begun, step.time, stood)] if begun is not None else [])
        if step.state in RUNNING and begun is None:
            begun = step.time
        elif step.state in STANDING and begun is not None:
            spans.append(Span(begun, step.time, stood))
            begun = None
        stood = stood or step.state in ("stop", "stop-copy")
    return spans + ([Span(begun, math.inf, stood)] if begun is not None else [])


def loaded_spans(history: Sequence[Step], since: float) -> list[Span]:
    """When a device ran that was loaded after `since`. Before it is loaded, what it runs is nobody's."""
    spans: list[Span] = []
    loading: set[str] = set()
    running: dict[str, float] = {}
    for step in history:
        if step.time <= since:
            continue
        if step.state == "resuming":
            loading.add(step.device)
        elif step.state in RUNNING and step.device in loading:
            running.setdefault(step.device, step.time)
        elif step.state in STANDING and step.device in running:
            spans.append(Span(running.pop(step.device), step.time))
        if step.state == "reset" and step.device in running:
            spans.append(Span(running.pop(step.device), step.time))
        if step.state in ("closed", "reset"):
            loading.discard(step.device)
    return spans + [Span(first, math.inf) for first in running.values()]


@dataclasses.dataclass
class Sight:
    """Both hosts at one time, and which migration it is about."""

    point: Point
    job: str | None
    source: Facts
    destination: Facts
    source_clock: Clock
    destination_clock: Clock
    since: tuple[float, float]  # the source's clock when the point began, and the destination's
    resolved: bool = False
    # whose device has gone, by role: what has its name now is another one
    left: frozenset[str] = frozenset()

    @property
    def made(self) -> dict[str, str]:
        """The devices at the destination: there is none but what the migration made."""
        return self.destination.mdevs

    @property
    def fates(self) -> tuple[str, str]:
        """What became of either side."""
        return (source_fate(self.source, self.job, self.point.uuid, "source" in self.left),
                destination_fate(self.destination, self.job, self.made, "destination" in self.left))

    @property
    def outcome(self) -> str:
        """As the table has it."""
        return "/".join(self.fates)


def both_ran(sight: Sight) -> list[str]:
    """The promise. It is judged at every look, whatever else is wrong."""
    ours = source_spans(sight.source.history, sight.point.uuid, sight.since[0])
    theirs = loaded_spans(sight.destination.history, sight.since[1])
    found = []
    if sight.source.mdevs.get(sight.point.uuid) == "running" and "running" in sight.made.values() \
            and any(span.last == math.inf for span in theirs):
        found.append("BOTH SIDES RUN")
    # No clock is needed: without somebody's decision, one of these excludes the other for ever.
    if not sight.resolved and theirs and any(span.returned for span in ours):
        found.append("BOTH SIDES RAN: the source came back, and the destination has run")
    for here in ours:
        for there in theirs:
            if _surely_overlap(sight, here, there):
                found.append(f"BOTH SIDES RAN AT ONCE: source {here}, destination {there}")
    return found


def _surely_overlap(sight: Sight, here: Span, there: Span) -> bool:
    first = max(sight.source_clock.latest(here.first), sight.destination_clock.latest(there.first))
    last = min(sight.source_clock.earliest(here.last), sight.destination_clock.earliest(there.last))
    return first < last


def stood_still(sight: Sight) -> list[str]:
    """A source that may not be stopped before the destination has its initial bytes was not."""
    stood = [step.state for step in sight.source.history if step.device == sight.point.uuid
             and step.time > sight.since[0] and step.state in ("stop-copy", "stop")]
    return [f"the guest stood still in {stood[0]}, for bytes that were not there"] if stood else []


def was_reset(sight: Sight) -> bool:
    """Whether the source's device was reset, by its holder, its administrator or its driver."""
    return any(step.state == "reset" and step.device == sight.point.uuid and step.time > sight.since[0]
               for step in sight.source.history)


def reset_while_it_ran(sight: Sight) -> bool:
    """Whether the destination's device was reset, by its administrator, when it ran already."""
    return any(step.state == "reset" and any(span.last == step.time for span in
                                             loaded_spans(sight.destination.history, sight.since[1]))
               for step in sight.destination.history)


def settled(sight: Sight) -> bool:
    """Whether nothing goes on any more."""
    return (sight.source.daemon is not None and sight.destination.daemon is not None
            and not sight.source.movers and not sight.destination.movers
            and "busy" not in sight.fates and "unknown" not in sight.fates
            and sight.destination.leases.get(sight.job or "") not in
            ("reserved", "ready", "undoing"))


def not_among(sight: Sight, expected: frozenset[str]) -> list[str]:
    """Whether the outcome is one of these, and what the sides say of it if it is not."""
    if sight.outcome in expected:
        return []
    said = [f"{role}: {facts.why[sight.job, role]}"
            for role, facts in (("source", sight.source), ("destination", sight.destination))
            if sight.job and (sight.job, role) in facts.why]
    return [f"the outcome is {sight.outcome}, not {' or '.join(sorted(expected))}", *said]


def unexpected(sight: Sight, cell: Cell) -> list[str]:
    """Whether the documented sequence has this outcome."""
    return not_among(sight, table.allowed(cell))


def ill_resolved(sight: Sight, decision: str, before: str) -> list[str]:
    """After `resolve`: nothing is in doubt, and who was to run runs."""
    source, destination = sight.fates
    found = [f"{side} is {fate} after resolve"
             for side, fate in (("source", source), ("destination", destination))
             if fate not in ("runs", "gone", "stuck", "undone", "left")]
    if decision == "source" and source != "runs":
        found.append(f"resolved to run at the source, which is {source}")
    if decision == "destination" and destination != "runs":
        found.append(f"resolved to run at the destination, which is {destination}")
    # a source whose device refuses to run again is no less stuck for it
    there = "stuck/runs" if before.startswith("stuck/") else "gone/runs"
    one_side_only = {"source": "runs/undone", "destination": there}
    if decision in one_side_only and sight.outcome != one_side_only[decision]:
        found.append(f"after {before}, decided for {decision}, it is {sight.outcome}")
    return found


def left_over(facts: Facts, host: str, job: str | None, stuck: bool) -> list[str]:
    """At the end, when the holder and the adopter have let go and the devices are removed."""
    found = []
    if facts.movers:
        found.append(f"{facts.movers} mover(s) at {host}")
    if facts.device_fds:
        found.append(f"{facts.device_fds} device fd(s) in the daemon at {host}")
    # an adopted one holds nothing; it is shown as long as its job
    found += [f"lease of {owner} is {state} at {host}" for owner, state in facts.leases.items()
              if state != "adopted"]
    found += [f"mdev {uuid} is {state} at {host}" for uuid, state in facts.mdevs.items()]
    for role, final in FINAL.items():
        events = facts.record(job, role) if job else []
        # a source that cannot run again has no end to write down, nor has one that has touched nothing
        untouched = role == "source" and not {"touched", "commit"} & set(events)
        if events and not final & set(events) and not (stuck and role == "source") and not untouched:
            found.append(f"the record of the {role} is undecided: {' '.join(events)}")
    return found
