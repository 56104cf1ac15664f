# SPDX-License-Identifier: LGPL-2.1-or-later
"""What can happen to a guest that crosses between two QEMUs, and when; and the points that a seed gives.

As points.py, for what a hypervisor moves. Their numbers begin where no point of a bare device is.
"""

from __future__ import annotations

import dataclasses
import random
import uuid as uuids

from .points import ANYTIME, CUTS, DOUBT, Cell, Moment

FIRST = 10000  # number of the first one
WORKER, CLIENT, DAEMON, QEMU, ACCEPT = "vferry-guest", "vferryctl", "vferryd", "nested-qemu", "vferry-accept"

# All is prepared, the destination's QEMU has started, and nobody has attached it.
WAITING = "waiting"
SETUP, SETUP_THERE, ACTIVE, SWITCHOVER, ACCEPTING = "setup", "setup-there", "active", "switchover", "accepting"
# As in points.py.
AFTER_LOAD = ("loaded", "commit", "commit-there", "runs", "started", "done")
MOMENTS: dict[str, Moment] = {
    # the line is in the record, and QEMU is not told anything yet
    SETUP: Moment("source", ("line", ".source", "touched"), "commit", hold=WORKER),
    # the destination's QEMU has heard the first word
    SETUP_THERE: Moment("destination", ("state", "resuming"), "loaded", hold=WORKER),
    ACTIVE: Moment("source", ("state", "pre-copy"), "commit", hold=WORKER),
    SWITCHOVER: Moment("source", ("state", "pre-copy", "state", "stop-copy"), "commit", hold=WORKER),
    # the kernel has just accepted, and nobody knows yet
    ACCEPTING: Moment("destination", ("state", "resuming", "state", "stop"), "loaded", hold=WORKER),
    "loaded": Moment("destination", ("line", ".destination", "loaded"), "commit", hold=WORKER),
    "commit": Moment("source", ("line", ".source", "commit"), "done", "commit", hold=WORKER),
    "commit-there": Moment("destination", ("line", ".destination", "commit"), "started", hold=WORKER),
    "runs": Moment("destination", ("loaded-runs",), "started", hold=WORKER),
    "started": Moment("destination", ("line", ".destination", "started"), "", "done", hold=WORKER),
    "done": Moment("source", ("line", ".source", "done"), "", hold=WORKER),
}

KILLS: dict[str, dict[str, tuple[str, ...]]] = {
    "guest-kill-source-qemu": {"source": (QEMU,)},
    "guest-kill-destination-qemu": {"destination": (QEMU,)},
    "guest-kill-source-worker": {"source": (WORKER,)},
    "guest-kill-destination-worker": {"destination": (WORKER,)},
    "guest-kill-both-workers": {"source": (WORKER,), "destination": (WORKER,)},
    "guest-kill-source-daemon": {"source": (DAEMON,)},
    "guest-kill-destination-daemon": {"destination": (DAEMON,)},
    "guest-kill-both-daemons": {"source": (DAEMON,), "destination": (DAEMON,)},
    "guest-kill-source-both": {"source": (DAEMON, WORKER)},
    "guest-kill-destination-both": {"destination": (DAEMON, WORKER)},
    "guest-kill-source-qemu-and-worker": {"source": (QEMU, WORKER)},
    "guest-kill-destination-qemu-and-worker": {"destination": (QEMU, WORKER)},
    "guest-kill-asker": {"destination": (ACCEPT,)},
    "guest-kill-client": {"source": (CLIENT,)},
}
# Whose QEMU stands still for a while, as on a host that has no time for it.
PAUSES = {"guest-pause-source-qemu": "source", "guest-pause-destination-qemu": "destination"}
PAUSE_SECONDS = 4
STOPS = {"guest-stop-source-daemon": "source", "guest-stop-destination-daemon": "destination"}
CANCEL = "guest-cancel"
PLAIN = "guest-plain"
# The kernel refuses the state at its last step, or does not say: the destination never has the guest.
FAULTS = {"guest-refused": "load-final", "guest-unanswered": "hang stop"}
REFUSED_AND = "guest-refused-and-"

VERSIONS = ("10", "11")
SIZES_MIB = (2, 4, 8)
TYPES = ("mtty-2", "vferry_testdev-1")
# How long a test device's state takes to move, so that there is a time in which it does.
MOVING_SECONDS = 1.5


def base_of(strike: str) -> str:
    """The strike without the fault that the destination's device has."""
    return "guest-" + strike.removeprefix(REFUSED_AND) if strike.startswith(REFUSED_AND) else strike


@dataclasses.dataclass(frozen=True)
class GuestPoint:
    """Everything that a point is."""

    seed: int
    number: int
    cell: Cell
    forth: bool  # from a to b
    versions: tuple[str, str]  # of QEMU, at the source and at the destination
    size: int  # of the test device's state
    delay_ms: int
    cut_seconds: float
    silently: bool
    uuids: tuple[str, ...]  # of the devices at the source, as TYPES
    choice: float
    crashes: bool  # both daemons are killed in between, when it is in doubt

    @property
    def uuid(self) -> str:
        """The test device's, which has a history."""
        return self.uuids[-1]

    @property
    def base(self) -> str:
        """What is done."""
        return base_of(self.cell.strike)

    @property
    def fault(self) -> str:
        """That the destination's device has from the start."""
        if self.cell.strike.startswith(REFUSED_AND):
            return FAULTS["guest-refused"]
        return FAULTS.get(self.cell.strike, "none")

    @property
    def describe(self) -> str:
        """One column of a line."""
        words = [self.cell.strike]
        if self.base.removeprefix("guest-") in CUTS:
            words.append(f"{self.cut_seconds:.1f}s{'' if self.silently else ' carrier'}")
        if self.cell.moment != ANYTIME:
            words.append(f"@{self.cell.moment}")
            words.append(f"+{self.delay_ms}ms" if self.delay_ms else "")
        return (f"{'a→b' if self.forth else 'b→a'} QEMU {'→'.join(self.versions)} {self.size >> 20:2} MiB  "
                f"{' '.join(filter(None, words))}")


def cells() -> list[Cell]:
    """All of them, in a fixed order."""
    early = (SETUP, ACTIVE, SWITCHOVER, ACCEPTING)
    everywhere = (*early, *AFTER_LOAD)
    struck = [Cell(strike, moment) for strike in KILLS if "-qemu-and-" not in strike and strike != "guest-kill-asker"
              for moment in everywhere]
    struck += [Cell(f"guest-kill-{role}-qemu-and-worker", moment) for role in ("source", "destination")
               for moment in (ACTIVE, ACCEPTING, "loaded", "commit", "commit-there")]
    struck += [Cell(f"guest-kill-destination-{what}", SETUP_THERE) for what in ("qemu", "worker", "daemon", "both")]
    struck += [Cell(strike, moment) for strike in STOPS
               for moment in (ACTIVE, SWITCHOVER, ACCEPTING, "loaded", "commit", "commit-there", "runs")]
    struck += [Cell(strike, moment) for strike in PAUSES for moment in (
        ACTIVE, SWITCHOVER, ACCEPTING, "loaded", "commit", *(("commit-there", "runs") if "destination" in strike else ()))]
    struck += [Cell(f"guest-kill-{role}-qemu", DOUBT) for role in ("source", "destination")]
    struck += [Cell(CANCEL, moment) for moment in (*early, "loaded", "commit", "commit-there")]
    struck += [Cell(f"guest-{cut}", moment) for cut in CUTS for moment in (ACTIVE, SWITCHOVER, ACCEPTING, *AFTER_LOAD[:-1])]
    struck += [Cell(f"guest-{what}", WAITING) for what in (
        "kill-source-qemu", "kill-destination-qemu", "kill-source-daemon", "kill-destination-daemon", "kill-client",
        "cancel", "stop-source-daemon", "stop-destination-daemon")]
    struck += [Cell(REFUSED_AND + what, moment) for what in (
        "kill-source-qemu", "kill-destination-qemu", "kill-source-worker", "kill-destination-worker", "kill-source-daemon",
        "kill-destination-daemon", "kill-client", "cancel") for moment in (SWITCHOVER,)]
    struck += [Cell("guest-kill-asker", SWITCHOVER)]
    return struck + [Cell(fault, ANYTIME) for fault in FAULTS]


def point(seed: int, number: int) -> GuestPoint:
    """One point: each round goes through all cells in an order of its own."""
    order = cells()
    turn, place = divmod(number - FIRST, len(order))
    random.Random(f"{seed}/guest/{turn}").shuffle(order)
    dice = random.Random(f"{seed}/guest/{number}")
    cell = order[place]
    low, high = CUTS.get(base_of(cell.strike).removeprefix("guest-"), (0.0, 0.0))
    return GuestPoint(
        seed=seed, number=number, cell=cell, forth=dice.random() < 0.5,
        versions=(dice.choice(VERSIONS), dice.choice(VERSIONS)), size=dice.choice(SIZES_MIB) << 20,
        delay_ms=dice.randrange(int(MOVING_SECONDS * 500)) if cell.moment == ACTIVE else 0,
        cut_seconds=round(dice.uniform(low, high), 1), silently=dice.random() < 0.5,
        uuids=tuple(str(uuids.UUID(int=dice.getrandbits(128), version=4)) for _ in TYPES), choice=dice.random(),
        crashes=dice.random() < 0.5)


def plain(seed: int, number: int) -> GuestPoint:
    """A crossing to which nothing happens, after point `number`."""
    dice = random.Random(f"{seed}/guest/{number}/plain")
    return dataclasses.replace(
        point(seed, number), cell=Cell(PLAIN, ANYTIME), delay_ms=0,
        versions=(dice.choice(VERSIONS), dice.choice(VERSIONS)),
        uuids=tuple(str(uuids.UUID(int=dice.getrandbits(128), version=4)) for _ in TYPES))
