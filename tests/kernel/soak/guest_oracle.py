# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether what was seen of a guest's migration may be: what oracle.py says of its test device, and what only guests show."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from rig.errors import CommandFailed
from rig.guestvm import FIRST_SLOT, MARKER, Report, journey

from . import guest_table, oracle
from .facts import ENDED_BEFORE_COMMIT, Facts
from .guest_points import TYPES
from .oracle import Sight
from .points import Cell

GONE = "gone"  # of a QEMU: its process has ended
RUNNING = "running"


def source_fate(facts: Facts, job: str | None, status: str) -> str:
    """runs, stuck, doubt, gone, lost: or busy, or what does not fit together. `status`: what its QEMU says."""
    shown = facts.job(job, "source") if job else None
    runs = status == RUNNING
    if shown and not shown.result:
        return "busy"
    if shown and shown.result in ("completed", "in-doubt"):
        word = "gone" if shown.result == "completed" else "doubt"
        return f"{shown.result}-but-runs" if runs else word
    if status == GONE:
        return "lost"
    if shown is None:
        return "runs" if runs and "commit" not in facts.record(job or "", "source") else "unknown"
    if runs:
        return "runs"
    return "stuck" if "running" not in shown.states else f"said-to-run-but-{status}"


def destination_fate(facts: Facts, job: str | None, status: str | None) -> str:
    """undone, doubt, runs, lost: or busy, or what does not fit together. `status`: None where no QEMU was started."""
    shown = facts.job(job, "destination") if job else None
    if shown is None or shown.result in ENDED_BEFORE_COMMIT:
        if status == RUNNING:
            return "undone-but-runs"
        left = bool(facts.mdevs) or bool(job and job in facts.leases) or status not in (None, GONE)
        return "not-undone" if left else "undone"
    if not shown.result:
        return "busy"
    if shown.result == "in-doubt":
        return "doubt"
    return {RUNNING: "runs", GONE: "lost"}.get(status or "", f"completed-but-{status}")


@dataclasses.dataclass
class GuestSight(Sight):
    """Both hosts at one time, what either QEMU says, and what the guest has told at either."""

    statuses: tuple[str, str | None] = (GONE, None)
    told: tuple[str, str] = ("", "")

    @property
    def fates(self) -> tuple[str, str]:
        """What became of either side."""
        return (source_fate(self.source, self.job, self.statuses[0]),
                destination_fate(self.destination, self.job, self.statuses[1]))


def both_ran(sight: GuestSight, returned: bool = False) -> list[str]:
    """The promise. `returned`: somebody has decided that the source goes on from where it stood, whatever was told there."""
    found = oracle.both_ran(sight)
    if sight.statuses == (RUNNING, RUNNING):
        found.append("BOTH SIDES RUN: both QEMUs say so")
    if sight.job and sight.statuses[0] == RUNNING and "commit" in sight.source.record(sight.job, "source") \
            and not sight.resolved:
        found.append("BOTH SIDES MAY RUN: the source runs after its decision")
    here, there = sight.told
    try:
        journey(here, "" if returned else there)
    except CommandFailed as error:
        found.append(f"BOTH SIDES RAN: what the guest has told is not one guest's: {error}")
    return found


def wrong_devices(reports: Sequence[Report]) -> list[str]:
    """What the guest has found in its devices each time that it told: what it had left there."""
    for report in reports:
        for slot, type_id in enumerate(TYPES, start=FIRST_SLOT):
            marker = MARKER & 0xFF if type_id.startswith("mtty") else MARKER
            if report.markers.get(slot) != marker:
                return [f"STATE LOST: at {report.count} the marker in {type_id} is {report.markers.get(slot, 0):#x}"]
            if report.counts.get(slot, report.count - 1) != report.count - 1:
                return [f"STATE LOST: at {report.count} the count in {type_id} is {report.counts[slot]}"]
    return []


def settled(sight: GuestSight) -> bool:
    """Whether nothing goes on any more."""
    return oracle.settled(sight) and not any("said-to-run" in fate or fate in ("not-undone", "undone-but-runs")
                                             for fate in sight.fates)


def unexpected(sight: GuestSight, cell: Cell) -> list[str]:
    """Whether the documented sequence has this outcome."""
    return oracle.not_among(sight, guest_table.allowed(cell))


def wrong_offers(sight: GuestSight, offered: Sequence[str]) -> list[str]:
    """Of what `resolve` offers: nobody may be sent to where the guest is no more, nor to be a second one."""
    source, destination = sight.statuses
    found = []
    if "source" in offered and source == GONE:
        found.append("resolve offers the source, whose QEMU has ended")
    if "destination" in offered and destination == GONE:
        found.append("resolve offers the destination, whose QEMU has ended")
    return found


def ill_resolved(sight: GuestSight, decision: str) -> list[str]:
    """After `resolve`: nothing is in doubt, and who was to run runs, alone."""
    source, destination = sight.fates
    found = [f"{side} is {fate} after resolve" for side, fate in (("source", source), ("destination", destination))
             if fate not in ("runs", "gone", "lost", "undone")]
    wanted = {"source": ("runs", "undone"), "destination": ("gone", "runs")}.get(decision)
    if wanted and (source, destination) != wanted and (decision, source) != ("destination", "lost"):
        found.append(f"decided for {decision}, it is {sight.outcome}")
    return found


def left_over(facts: Facts, host: str, job: str | None, stuck: bool) -> list[str]:
    """At the end, when both QEMUs have ended and the devices that were not vferry's are removed."""
    return oracle.left_over(facts, host, job, stuck) + [f"domain {domain} at {host}" for domain in facts.domains] + [
        f"{facts.qemus} QEMU(s) at {host}"] * bool(facts.qemus)
