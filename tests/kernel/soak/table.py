# SPDX-License-Identifier: LGPL-2.1-or-later
"""What may come of a strike: the table of docs/migration-stream.md, "Who may run, at every point".

An outcome is a pair: what became of the source and of the destination (facts.Source, facts.Destination).
"""

from __future__ import annotations

from .points import (AFTER_STOP, ARMED, CUTS, DOUBT, FAULTS, KILLS, LIMIT, PRE_COPY, RELEASE, RESETS, RETURNS,
                     STOP_COPY, STOPS, TWINS, UNDOING, Cell)

BACK = "runs/undone"  # nothing has happened
DONE = "gone/runs"  # it has arrived
DESTINATION_IN_DOUBT = "runs/doubt"
SOURCE_IN_DOUBT = "doubt/undone"
BOTH_IN_DOUBT = "doubt/doubt"
ARRIVED_UNHEARD = "doubt/runs"
# The source's device refuses to run again: it says so, and nothing runs at the destination.
STUCK = "stuck/undone"
STUCK_DESTINATION_IN_DOUBT = "stuck/doubt"
# It has arrived, and its adopter has let it go.
ADOPTED = "gone/left"
# The source's device is another one, which nobody touches.
LEFT = "left/undone"
# Its administrator has stopped the daemon that held it for an adopter.
GIVEN_UP = "gone/completed-but-closed"

_MOMENTS = (PRE_COPY, STOP_COPY, *AFTER_STOP)


def _row(*outcomes: str | tuple[str, ...]) -> dict[str, frozenset[str]]:
    """An outcome, or several, for each moment in order."""
    assert len(outcomes) == len(_MOMENTS)
    return {moment: frozenset((outcome,) if isinstance(outcome, str) else outcome)
            for moment, outcome in zip(_MOMENTS, outcomes)}


# pre-copy, stop-copy, loaded, stopped, commit, commit-there, runs, started, done.
# At `loaded` the destination's line is written and LOADED is on its way, or not; at `commit` the source's, and COMMIT.
_SOURCE_MOVER = _row(
    BACK, BACK, (BACK, DESTINATION_IN_DOUBT), DESTINATION_IN_DOUBT, (BOTH_IN_DOUBT, ARRIVED_UNHEARD),
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
        BACK, BACK, (DESTINATION_IN_DOUBT, BOTH_IN_DOUBT), BOTH_IN_DOUBT, BOTH_IN_DOUBT,
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
        (BOTH_IN_DOUBT, ARRIVED_UNHEARD), ARRIVED_UNHEARD, ARRIVED_UNHEARD, ARRIVED_UNHEARD, DONE),
    "stuck-and-kill-destination-mover": _row(
        STUCK, STUCK, STUCK, (STUCK, SOURCE_IN_DOUBT), SOURCE_IN_DOUBT,
        BOTH_IN_DOUBT, BOTH_IN_DOUBT, ARRIVED_UNHEARD, DONE),
    "stuck-and-cancel": _row(
        STUCK, STUCK, (STUCK, DONE), (STUCK, DONE), DONE, DONE, DONE, DONE, DONE),
}

# A reset at a source takes the state, so that nothing may arrive that was not on its way. Once the decision is
# written, all of it is there, and what the source's device does, which is its holder's, is not the guest.
_RESET_SOURCE = {**dict.fromkeys((PRE_COPY, STOP_COPY, "loaded", "stopped"), BACK),
                 **dict.fromkeys(("commit", "commit-there", "runs", "started", "done"), DONE)}
# A destination that has lost it before its last look says so. After that look only the source has it: it has
# stopped and may have committed, and the destination may not start what it has.
_RESET_DESTINATION = {**dict.fromkeys((PRE_COPY, STOP_COPY, "loaded"), BACK),
                      **dict.fromkeys(("stopped", "commit", "commit-there"), BOTH_IN_DOUBT)}
_DEEDS: dict[str, dict[str, str | tuple[str, ...]]] = {
    **{strike: _RESET_SOURCE if role == "source" else _RESET_DESTINATION
       for strike, (role, _) in RESETS.items()},
    # who lent it has gone: what it was in the middle of may go on or not, but never with the other device
    "return-source": {"created": (DONE, LEFT), "performed": (DONE, LEFT), PRE_COPY: (DONE, LEFT), "commit": DONE, "done": DONE,
                      DOUBT: BOTH_IN_DOUBT, "ended": DONE},
    "return-destination": {"reserved": BACK, "created": BACK, "performed": DONE, PRE_COPY: DONE, "loaded": DONE,
                           "commit-there": DONE, "started": DONE, UNDOING: BACK, DOUBT: BOTH_IN_DOUBT,
                           "ended": ADOPTED},
    # what was promised to a source that is there is not undone; what it answered is judged, too
    RELEASE: {**dict.fromkeys(("reserved", "created"), (BACK, DONE)), "performed": BACK,
              **dict.fromkeys((PRE_COPY, STOP_COPY, "loaded", "commit", "commit-there", "runs", "started", "done"), DONE),
              UNDOING: BACK, DOUBT: BOTH_IN_DOUBT},
    **{twin: {"reserved": (DONE, BACK)} for twin in TWINS},
}
# While Prepare is being answered a daemon's death undoes what it has begun.
_CRASHED: dict[tuple[str, str], str | tuple[str, ...]] = {
    **{(strike, moment): BACK for strike in (RELEASE, *TWINS, "return-destination")
       for moment in ("reserved", "created")},
    # nobody may have heard the request; if he was answered, that is judged
    (RELEASE, "performed"): (BACK, DONE),
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
        # lost at the final check, before LOADED; or when it was to run
        return frozenset((BACK if cell.moment == STOP_COPY else BOTH_IN_DOUBT,))
    if cell.base in _DEEDS:
        outcome = _DEEDS[cell.base][cell.moment]
        if cell.crashes:
            outcome = _CRASHED.get((cell.base, cell.moment), outcome)
        return frozenset((outcome,) if isinstance(outcome, str) else outcome)
    if cell.base == LIMIT:  # the initial bytes are not there when the time is over: nothing stops
        return frozenset((BACK,))
    if cell.strike in _STRUCK:
        return _STRUCK[cell.strike][cell.moment]
    return frozenset((DONE,))  # plain, and links that are only bad


assert set(_STRUCK) >= {*KILLS, *STOPS, *CUTS, "cancel"}
assert set(_DEEDS) == {*RESETS, *RETURNS, *TWINS, RELEASE}
