# SPDX-License-Identifier: LGPL-2.1-or-later
"""What may come of a strike at a guest: docs/migration-stream.md, as table.py has it for bare devices.

What is new: a guest whose own QEMU was killed is lost, at the side that had it, and nobody says otherwise.
"""

from __future__ import annotations

from . import guest_points as points
from .guest_points import ACCEPTING, ACTIVE, AFTER_LOAD, CANCEL, FAULTS, PLAIN, REFUSED_AND, SETUP, SETUP_THERE, SWITCHOVER
from .points import DOUBT, Cell
from .table import (ARRIVED_UNHEARD, BACK, BOTH_IN_DOUBT, DESTINATION_IN_DOUBT, DONE, SOURCE_IN_DOUBT)

# Its own QEMU was killed: before the decision at the source, after it at the destination.
LOST = "lost/undone"
LOST_THERE = "gone/lost"

_MOMENTS = (SETUP, ACTIVE, SWITCHOVER, ACCEPTING, *AFTER_LOAD)
Outcomes = str | tuple[str, ...]


def _row(*outcomes: Outcomes) -> dict[str, frozenset[str]]:
    """For each moment in order; what is before the kernel's word is one outcome for all three."""
    assert len(outcomes) == len(_MOMENTS) - 2
    spread = (outcomes[0],) * 3 + outcomes[1:]
    return {moment: frozenset((outcome,) if isinstance(outcome, str) else outcome)
            for moment, outcome in zip(_MOMENTS, spread)}


# before, accepting, loaded, commit, commit-there, runs, started, done
_SOURCE_WORKER = _row(BACK, BACK, (BACK, DESTINATION_IN_DOUBT), (BOTH_IN_DOUBT, ARRIVED_UNHEARD),
                      ARRIVED_UNHEARD, ARRIVED_UNHEARD, ARRIVED_UNHEARD, DONE)
_DESTINATION_WORKER = _row(BACK, BACK, (BACK, SOURCE_IN_DOUBT), SOURCE_IN_DOUBT, BOTH_IN_DOUBT, BOTH_IN_DOUBT,
                           ARRIVED_UNHEARD, DONE)
_NOTHING = _row(*(DONE,) * 8)
# What has accepted when the daemon dies that was to hear it is asked again, and cannot say so twice.
_ASKED_AGAIN = {**_NOTHING, ACCEPTING: frozenset((DONE, BACK))}
# Nobody is left to say at the destination that it was loaded: the source has it, or has decided.
_SOURCE_QEMU = _row(LOST, LOST, LOST, DONE, DONE, DONE, DONE, DONE)
# After LOADED only the source decides, and what it decides on has gone.
_DESTINATION_QEMU = _row(BACK, BACK, (BACK, BOTH_IN_DOUBT), BOTH_IN_DOUBT, BOTH_IN_DOUBT, (BOTH_IN_DOUBT, LOST_THERE),
                         LOST_THERE, LOST_THERE)

_STRUCK: dict[str, dict[str, frozenset[str]]] = {
    "guest-kill-source-qemu": _SOURCE_QEMU,
    "guest-kill-destination-qemu": _DESTINATION_QEMU,
    "guest-kill-source-worker": _SOURCE_WORKER,
    "guest-kill-destination-worker": _DESTINATION_WORKER,
    "guest-kill-both-workers": _row(BACK, BACK, BACK, SOURCE_IN_DOUBT, BOTH_IN_DOUBT, BOTH_IN_DOUBT, ARRIVED_UNHEARD, DONE),
    "guest-kill-source-daemon": _NOTHING,
    "guest-kill-destination-daemon": _ASKED_AGAIN,
    "guest-kill-both-daemons": _ASKED_AGAIN,
    "guest-kill-source-both": _SOURCE_WORKER,
    "guest-kill-destination-both": _DESTINATION_WORKER,
    "guest-kill-source-qemu-and-worker": _row(
        LOST, LOST, (LOST, "lost/doubt"), (BOTH_IN_DOUBT, ARRIVED_UNHEARD), ARRIVED_UNHEARD, ARRIVED_UNHEARD,
        ARRIVED_UNHEARD, DONE),
    "guest-kill-destination-qemu-and-worker": _row(
        BACK, BACK, (BACK, SOURCE_IN_DOUBT), SOURCE_IN_DOUBT, BOTH_IN_DOUBT, BOTH_IN_DOUBT, LOST_THERE, LOST_THERE),
    "guest-kill-asker": _row(BACK, (BACK, DONE), DONE, DONE, DONE, DONE, DONE, DONE),
    "guest-kill-client": _NOTHING,
    # whoever asks it may give it up, as long as that costs nothing but the migration
    "guest-pause-source-qemu": _row((BACK, DONE), (BACK, DONE), (BACK, DONE), DONE, DONE, DONE, DONE, DONE),
    "guest-pause-destination-qemu": _row((BACK, DONE), (BACK, DONE), (BACK, DONE), DONE, DONE, DONE, DONE, DONE),
    "guest-stop-source-daemon": _row(BACK, BACK, (BACK, DONE), DONE, DONE, DONE, DONE, DONE),
    # its QEMU has the devices, whoever holds the lease: what was committed runs
    "guest-stop-destination-daemon": _row(
        BACK, BACK, (BACK, SOURCE_IN_DOUBT, DONE), (SOURCE_IN_DOUBT, DONE), DONE, DONE, DONE, DONE),
    CANCEL: _row(BACK, BACK, (BACK, DONE), DONE, DONE, DONE, DONE, DONE),
    "guest-cut-long": _row(
        BACK, (BACK, DESTINATION_IN_DOUBT), (DESTINATION_IN_DOUBT, BOTH_IN_DOUBT), BOTH_IN_DOUBT,
        ARRIVED_UNHEARD, ARRIVED_UNHEARD, ARRIVED_UNHEARD, DONE),
    "guest-cut-edge": _row(
        (BACK, DESTINATION_IN_DOUBT, DONE), (BACK, DESTINATION_IN_DOUBT, DONE), (BACK, DESTINATION_IN_DOUBT, DONE),
        (BOTH_IN_DOUBT, ARRIVED_UNHEARD, DONE), (ARRIVED_UNHEARD, DONE), (ARRIVED_UNHEARD, DONE), (ARRIVED_UNHEARD, DONE),
        DONE),
    "guest-cut-short": _NOTHING,
}


def allowed(cell: Cell) -> frozenset[str]:
    """The outcomes that the documented sequence has for it."""
    if cell.strike == PLAIN:
        return frozenset((DONE,))
    lost = points.base_of(cell.strike).startswith("guest-kill-source-qemu")
    # nothing that the destination has is ever accepted, or nothing has moved
    if cell.strike in FAULTS or cell.strike.startswith(REFUSED_AND) or cell.moment == points.WAITING:
        return frozenset((LOST if lost else BACK,))
    if cell.moment == DOUBT:
        return frozenset((BOTH_IN_DOUBT,))
    if cell.moment == SETUP_THERE:
        return _STRUCK[cell.strike][ACTIVE]
    return _STRUCK[cell.strike][cell.moment]


assert set(_STRUCK) == {*points.KILLS, *points.STOPS, *points.PAUSES, CANCEL, "guest-cut-short", "guest-cut-edge", "guest-cut-long"}
