# SPDX-License-Identifier: LGPL-2.1-or-later
"""What may come of a strike: the table of docs/migration-stream.md, "Who may run, at every point".

An outcome is a pair: what became of the source and of the destination (facts.Source, facts.Destination).
"""

from __future__ import annotations

from .points import AFTER_STOP, ARMED, CUTS, FAULTS, KILLS, PRE_COPY, STOP_COPY, STOPS, Cell

BACK = "runs/undone"  # nothing has happened
DONE = "gone/runs"  # it has arrived
DESTINATION_IN_DOUBT = "runs/doubt"
SOURCE_IN_DOUBT = "doubt/undone"
BOTH_IN_DOUBT = "doubt/doubt"
ARRIVED_UNHEARD = "doubt/runs"
# The source's device refuses to run again: it says so, and nothing runs at the destination.
STUCK = "stuck/undone"
STUCK_DESTINATION_IN_DOUBT = "stuck/doubt"
# Its administrator has stopped the daemon that held it for an adopter.
GIVEN_UP = "gone/completed-but-closed"

_MOMENTS = (PRE_COPY, STOP_COPY, *AFTER_STOP)


def _row(*outcomes: str | tuple[str, ...]) -> dict[str, frozenset[str]]:
    """An outcome, or several, for each moment in order."""
    assert len(outcomes) == len(_MOMENTS)
    return {moment: frozenset((outcome,) if isinstance(outcome, str) else outcome)
            for moment, outcome in zip(_MOMENTS, outcomes)}


# pre-copy, stop-copy, loaded, stopped, commit, commit-there, runs, started, done.
# At `loaded` the destination's line is written and LOADED is on its way, or not.
_SOURCE_MOVER = _row(
    BACK, BACK, (BACK, DESTINATION_IN_DOUBT), DESTINATION_IN_DOUBT, BOTH_IN_DOUBT,
    ARRIVED_UNHEARD, ARRIVED_UNHEARD, ARRIVED_UNHEARD, DONE)
_DESTINATION_MOVER = _row(
    BACK, BACK, BACK, (BACK, SOURCE_IN_DOUBT), SOURCE_IN_DOUBT,
    BOTH_IN_DOUBT, BOTH_IN_DOUBT, ARRIVED_UNHEARD, DONE)
_NOTHING = _row(*(DONE,) * len(_MOMENTS))

_STRUCK: dict[str, dict[str, frozenset[str]]] = {
    "kill-source-mover": _SOURCE_MOVER,
    "kill-destination-mover": _DESTINATION_MOVER,
    "kill-both-movers": _row(
        BACK, BACK, BACK, BACK, SOURCE_IN_DOUBT,
        BOTH_IN_DOUBT, BOTH_IN_DOUBT, ARRIVED_UNHEARD, DONE),
    # a restart of a daemon is nothing to its mover
    "kill-source-daemon": _NOTHING,
    "kill-destination-daemon": _NOTHING,
    "kill-both-daemons": _NOTHING,
    "kill-source-both": _SOURCE_MOVER,
    "kill-destination-both": _DESTINATION_MOVER,
    "kill-client": _NOTHING,
    # systemd lets go of its store a little after the daemon has ended: the mover may be quicker
    "stop-source-daemon": _row(
        BACK, BACK, (BACK, DONE), (BACK, DONE), DONE, DONE, DONE, DONE, DONE),
    "stop-destination-daemon": _row(
        BACK, BACK, (BACK, SOURCE_IN_DOUBT, GIVEN_UP), (BACK, SOURCE_IN_DOUBT, GIVEN_UP),
        (SOURCE_IN_DOUBT, GIVEN_UP), GIVEN_UP, GIVEN_UP, GIVEN_UP, GIVEN_UP),
    # the request may come too late
    "cancel": _row(BACK, BACK, (BACK, DONE), (BACK, DONE), DONE, DONE, DONE, DONE, DONE),
    "cut-long": _row(
        BACK, BACK, DESTINATION_IN_DOUBT, BOTH_IN_DOUBT, BOTH_IN_DOUBT,
        ARRIVED_UNHEARD, ARRIVED_UNHEARD, ARRIVED_UNHEARD, DONE),
    # TCP may deliver all of it late, a part, or nothing before one side, or both, have given up
    "cut-edge": _row(
        (BACK, DESTINATION_IN_DOUBT, DONE), (BACK, DESTINATION_IN_DOUBT, DONE),
        (BACK, DESTINATION_IN_DOUBT, DONE),
        (BOTH_IN_DOUBT, ARRIVED_UNHEARD, DONE), (BOTH_IN_DOUBT, ARRIVED_UNHEARD, DONE),
        (ARRIVED_UNHEARD, DONE), (ARRIVED_UNHEARD, DONE), (ARRIVED_UNHEARD, DONE), DONE),
    "cut-short": _NOTHING,
    "stuck-and-kill-source-mover": _row(
        STUCK, STUCK, (STUCK, STUCK_DESTINATION_IN_DOUBT), STUCK_DESTINATION_IN_DOUBT,
        BOTH_IN_DOUBT, ARRIVED_UNHEARD, ARRIVED_UNHEARD, ARRIVED_UNHEARD, DONE),
    "stuck-and-kill-destination-mover": _row(
        STUCK, STUCK, STUCK, (STUCK, SOURCE_IN_DOUBT), SOURCE_IN_DOUBT,
        BOTH_IN_DOUBT, BOTH_IN_DOUBT, ARRIVED_UNHEARD, DONE),
    "stuck-and-cancel": _row(
        STUCK, STUCK, (STUCK, DONE), (STUCK, DONE), DONE, DONE, DONE, DONE, DONE),
}

_FAULTY: dict[str, frozenset[str]] = {
    # refused on the way there, and, after STOP_COPY, on the way back, too
    "source-refuses-stop": frozenset((BACK, STUCK)),
    # only a device without pre-copy passes RUNNING_P2P on its way
    "source-refuses-running-p2p": frozenset((BACK, DONE)),
    "source-refuses-running": frozenset((DONE,)),
    # from ERROR only a reset leads back, which is its holder's to make
    "source-errors-at-pre-copy": frozenset((STUCK,)),
    "source-errors-at-stop-copy": frozenset((STUCK,)),
    "source-errors-at-stop": frozenset((STUCK,)),
    "source-errors-half-way": frozenset((STUCK,)),
    # a side that is busy for 30 s is not a lost peer
    "source-hangs-at-stop-copy": frozenset((DONE,)),
    "source-hangs-half-way": frozenset((DONE,)),
    "destination-hangs-at-resuming": frozenset((DONE,)),
    "destination-hangs-at-running": frozenset((DONE,)),
    "destination-hangs-half-way": frozenset((DONE,)),
    "destination-errors-at-running": frozenset((BOTH_IN_DOUBT,)),
    "destination-refuses-running": frozenset((BOTH_IN_DOUBT,)),
}


def allowed(cell: Cell) -> frozenset[str]:
    """The outcomes that the documented sequence has for it."""
    if cell.strike in FAULTS:
        return _FAULTY.get(cell.strike, frozenset((BACK,)))
    if cell.strike in ARMED:
        return frozenset((BOTH_IN_DOUBT,))
    if cell.strike in _STRUCK:
        return _STRUCK[cell.strike][cell.moment]
    return frozenset((DONE,))  # plain, and links that are only bad


assert set(_STRUCK) >= {*KILLS, *STOPS, *CUTS, "cancel"}
