# SPDX-License-Identifier: LGPL-2.1-or-later
"""What can happen to a migration, and when; and the points that a seed gives.

A point depends on the seed and its number alone, so that one that failed can be played by itself.
"""

from __future__ import annotations

import dataclasses
import random
import uuid as uuids

SEED = 20261124  # if no other is asked for
PRE_COPY = "pre-copy"
STOP_COPY = "stop-copy"
# In the order of the protocol. What each means, and how it is met: MOMENTS.
AFTER_STOP = ("loaded", "stopped", "commit", "commit-there", "runs", "started", "done")
# Before the state moves: while Prepare is being answered, and while Perform is.
PREPARING = ("reserved", "created", "performed")
# While what was made is undone, after a cancel.
UNDOING = "undoing"
# When nothing goes on any more: both sides are in doubt; or it has arrived.
DOUBT = "doubt"
ENDED = "ended"
ANYTIME = "-"

@dataclasses.dataclass(frozen=True)
class Moment:
    """When to strike."""

    role: str  # of the host where it is noticed
    steps: tuple[str, ...]  # of programs/striker.c, which wait for it
    before: str  # over, when a record of that host has this line
    there: str = ""  # or one of the other host this one
    hold: str = "vferry-mover"  # who stands still until it has been struck


MOMENTS: dict[str, Moment] = {
    PRE_COPY: Moment("source", ("state", "pre-copy"), "commit"),
    STOP_COPY: Moment("source", ("state", "stop-copy"), "commit"),
    # its line is in the record, LOADED not sent yet
    "loaded": Moment("destination", ("line", ".destination", "loaded"), "commit"),
    # LOADED has come, the commit line is not written yet
    "stopped": Moment("source", ("state", "stop-copy", "state", "stop"), "commit"),
    # the line is in the record, COMMIT not sent yet
    "commit": Moment("source", ("line", ".source", "commit"), "done", "commit"),
    "commit-there": Moment("destination", ("line", ".destination", "commit"), "started"),
    # the line `started` is not written yet
    "runs": Moment("destination", ("loaded-runs",), "started"),
    # STARTED is not sent yet
    "started": Moment("destination", ("line", ".destination", "started"), "", "done"),
    "done": Moment("source", ("line", ".source", "done"), ""),
    # the mdev is announced in the record, and who makes it has only just been started
    "reserved": Moment("destination", ("line", ".destination", "create", "catch", "vferry-helper"),
                       "created", hold="vferry-helper"),
    # it is there, and nobody has opened it; the source has begun and not performed
    "created": Moment("destination", ("line", ".destination", "created"), "loaded", hold="vferryd"),
    # all is ready at the destination, and the source's mover is not there yet
    "performed": Moment("source", ("line", ".source", "begin"), "commit", hold="vferryd"),
    # the device is closed, and who removes it has only just been started
    UNDOING: Moment("destination", ("state", "resuming", "state", "closed", "catch", "vferry-helper"),
                    "undone", hold="vferry-helper"),
}
# What leads to a moment that nothing leads to by itself, at the other host.
CAUSES: dict[str, tuple[str, ...]] = {
    UNDOING: ("sleep", "400", "int", "vferryctl")}

# What is killed: role of the host, names of the processes.
KILLS: dict[str, dict[str, tuple[str, ...]]] = {
    "kill-source-mover": {"source": ("vferry-mover",)},
    "kill-destination-mover": {"destination": ("vferry-mover",)},
    "kill-both-movers": {"source": ("vferry-mover",), "destination": ("vferry-mover",)},
    "kill-source-daemon": {"source": ("vferryd",)},
    "kill-destination-daemon": {"destination": ("vferryd",)},
    "kill-both-daemons": {"source": ("vferryd",), "destination": ("vferryd",)},
    "kill-source-both": {"source": ("vferryd", "vferry-mover")},
    "kill-destination-both": {"destination": ("vferryd", "vferry-mover")},
    "kill-client": {"source": ("vferryctl",)},
}
# Whose daemon is stopped by its administrator, for good as far as its mover can see.
STOPS = {"stop-source-daemon": "source", "stop-destination-daemon": "destination"}
RESET = "/sys/bus/mdev/devices/*/testdev/reset"
# Who loses a device's state, and how: by its holder's VFIO_DEVICE_RESET, or its administrator's FLR.
RESETS: dict[str, tuple[str, tuple[str, ...]]] = {
    "holder-resets-source": ("source", ("hup", "holder", "sleep", "100")),
    "reset-source": ("source", ("write", RESET, "1")),
    "reset-destination": ("destination", ("write", RESET, "1")),
}
# Whose mdev goes, as soon as nobody has it open any more, and is another one under the same UUID.
RETURNS = {"return-source": "source", "return-destination": "destination"}
# The lease's owner releases it.
RELEASE = "release"
# Somebody else wants the UUID that a destination is about to give its device: CreateDevice, or Prepare.
TWINS = {"twin-create": "CreateDevice", "twin-prepare": "Prepare"}
# Where these are made.
DEEDS = {**RETURNS, RELEASE: "destination", **{twin: "destination" for twin in TWINS}}
# The daemon of the host that was struck is killed as well.
CRASH = "-and-crash"
# How long the cable is out, as a range of seconds. A side gives its peer up after 5 s of silence, or 7.
CUTS: dict[str, tuple[float, float]] = {
    "cut-short": (0.3, 1.5), "cut-edge": (4.0, 8.0), "cut-long": (11.0, 12.0)}

# A fault that the device has from the start: role of the host, type or "" for any, the knob.
# SIZE stands for the size of the state.
FAULTS: dict[str, tuple[str, str, str]] = {
    "source-refuses-pre-copy": ("source", "vferry_testdev-1", "refuse pre-copy"),
    "source-refuses-pre-copy-p2p": ("source", "vferry_testdev-2", "refuse pre-copy-p2p"),
    "source-refuses-stop-copy": ("source", "", "refuse stop-copy"),
    "source-refuses-stop": ("source", "", "refuse stop"),
    "source-refuses-running-p2p": ("source", "", "refuse running-p2p"),
    "source-refuses-running": ("source", "", "refuse running"),
    "source-io-in-pre-copy": ("source", "vferry_testdev-2", "io-after SIZE/2"),
    "source-io-in-stop-copy": ("source", "vferry_testdev-stopcopy", "io-after SIZE/2"),
    "source-io-at-once": ("source", "", "io-after 0"),
    "source-io-at-the-end": ("source", "", "io-after SIZE"),
    "source-errors-at-pre-copy": ("source", "vferry_testdev-1", "error pre-copy"),
    "source-errors-at-stop-copy": ("source", "", "error stop-copy"),
    "source-errors-at-stop": ("source", "", "error stop"),
    "source-errors-half-way": ("source", "", "error-after SIZE/2"),
    "source-hangs-at-stop-copy": ("source", "", "hang stop-copy"),
    "source-hangs-half-way": ("source", "", "hang-after SIZE/2"),
    "destination-refuses-stop": ("destination", "", "refuse stop"),
    "destination-refuses-resuming": ("destination", "", "refuse resuming"),
    "destination-refuses-running": ("destination", "", "refuse running"),
    "destination-refuses-running-p2p": ("destination", "", "refuse running-p2p"),
    "destination-io-in-pre-copy": ("destination", "vferry_testdev-1", "io-after SIZE/2"),
    "destination-io-in-stop-copy": ("destination", "vferry_testdev-stopcopy", "io-after SIZE/2"),
    "destination-io-at-the-end": ("destination", "", "io-after SIZE"),
    "destination-errors-at-resuming": ("destination", "", "error resuming"),
    "destination-errors-at-running": ("destination", "", "error running"),
    "destination-errors-half-way": ("destination", "", "error-after SIZE/2"),
    "destination-hangs-at-resuming": ("destination", "", "hang resuming"),
    "destination-hangs-at-running": ("destination", "", "hang running"),
    "destination-hangs-half-way": ("destination", "", "hang-after SIZE/2"),
    "destination-load-final": ("destination", "", "load-final"),
    # the driver resets it, as soon as it has come to a state or in the middle of it
    "source-resets-at-pre-copy": ("source", "vferry_testdev-1", "reset pre-copy"),
    "source-resets-at-pre-copy-p2p": ("source", "vferry_testdev-2", "reset pre-copy-p2p"),
    "source-resets-at-stop-copy": ("source", "", "reset stop-copy"),
    "source-resets-at-stop": ("source", "", "reset stop"),
    "source-resets-half-way": ("source", "", "reset-after SIZE/2"),
    "source-resets-at-the-end": ("source", "", "reset-after SIZE"),
    "destination-resets-at-stop": ("destination", "", "reset stop"),
    "destination-resets-at-resuming": ("destination", "", "reset resuming"),
    "destination-resets-half-way": ("destination", "", "reset-after SIZE/2"),
    "destination-resets-at-the-end": ("destination", "", "reset-after SIZE"),
}
# A fault that the destination's device gets while it is loaded: it met the state before, on its way to STOP.
ARMED: dict[str, str] = {
    "arm-refuses-running-p2p": "refuse running-p2p",
    "arm-errors-at-running-p2p": "error running-p2p",
    "arm-resets-at-stop": "reset stop",
}
# The state moves for so long, in seconds, and may only for so long; the client's option says the latter.
LIMIT = "limit-before-loaded"
LOADING_SECONDS = 6
LIMIT_SECONDS = 1
# The way back is blocked: what else happens is struck while the source refuses to run again.
STUCK = "refuse running"

TYPES = ("vferry_testdev-1", "vferry_testdev-2", "vferry_testdev-stopcopy")
SIZES_MIB = (4, 8, 16, 32)
# One in each round has a state of this size, and nothing else happens to it.
HUGE = "huge"
HUGE_MIB = 3 << 10
# What is struck in a state that nothing leads out of by itself is struck there, once more.
LATE = (DOUBT, ENDED)
# How long the state takes to move when a strike is to hit it on its way.
MOVING_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class Cell:
    """One strike at one moment."""

    strike: str
    moment: str

    @property
    def base(self) -> str:
        """The strike without the killed daemon."""
        return self.strike.removesuffix(CRASH)

    @property
    def crashes(self) -> bool:
        """Whether a daemon is killed as well."""
        return self.strike.endswith(CRASH)

    @property
    def label(self) -> str:
        """For a table and for --only."""
        return self.strike if self.moment == ANYTIME else f"{self.strike}@{self.moment}"


@dataclasses.dataclass(frozen=True)
class Point:
    """Everything that a point is."""

    seed: int
    number: int
    cell: Cell
    forth: bool  # from a to b
    type_id: str
    size: int
    delay_ms: int  # from the moment to the strike
    cut_seconds: float
    silently: bool
    marker: str
    uuid: str
    twin: str  # UUID of another device, where the strike needs one
    there: str  # UUID of the device at the destination, where its caller names it
    choice: float  # which of the safe decisions is taken when it is in doubt: 0 to 1

    @property
    def describe(self) -> str:
        """One column of a line."""
        way = "a→b" if self.forth else "b→a"
        words = [self.cell.strike]
        if self.cell.strike in CUTS:
            words.append(f"{self.cut_seconds:.1f}s{'' if self.silently else ' carrier'}")
        if self.cell.moment != ANYTIME:
            words.append(f"@{self.cell.moment}")
            words.append(f"+{self.delay_ms}ms" if self.delay_ms else "")
        kind = self.type_id.removeprefix("vferry_testdev-")
        return f"{way} {kind:8} {self.size >> 20:2} MiB  {' '.join(filter(None, words))}"


def _with_crash(strike: str, *moments: str) -> list[Cell]:
    """A strike at each moment; and where the moment is marked, with a daemon killed as well."""
    return [Cell(strike + suffix, moment.removesuffix("!"))
            for moment in moments for suffix in (("", CRASH) if moment.endswith("!") else ("",))]


def _deeds() -> list[Cell]:
    """What a migration's own sequence does not have in it."""
    return [
        *_with_crash("holder-resets-source", "pre-copy!", "stop-copy", "loaded!", "stopped!", "commit!"),
        *_with_crash("reset-source", "pre-copy", "stop-copy!", "loaded", "stopped!", "commit",
                     "commit-there", "started", "done"),
        *_with_crash("reset-destination", "pre-copy!", "stop-copy", "loaded!", "stopped!", "commit!",
                     "commit-there!"),
        *_with_crash("return-source", "created!", "performed", "pre-copy!", "commit!", "done", "doubt!", "ended!"),
        *_with_crash("return-destination", "reserved!", "created!", "performed!", "pre-copy", "loaded!",
                     "commit-there!", "started", "undoing!", "doubt!", "ended!"),
        *_with_crash(RELEASE, "reserved!", "created", "performed!", "pre-copy!", "stop-copy", "loaded!", "commit",
                     "commit-there!", "runs", "started!", "done", "undoing!", "doubt!"),
        *_with_crash("twin-create", "reserved!"), *_with_crash("twin-prepare", "reserved!"),
        Cell(LIMIT, ANYTIME), Cell(LIMIT + CRASH, PRE_COPY)]


def cells() -> list[Cell]:
    """All of them, in a fixed order."""
    moments = (PRE_COPY, STOP_COPY, *AFTER_STOP)
    struck = [Cell(strike, moment) for strike in (*KILLS, *STOPS, "cancel")
              for moment in moments]
    cuts = [Cell(strike, moment) for strike in CUTS for moment in moments if moment != "done"]
    # where the change that it strikes at is still to come
    armed = [Cell(strike, STOP_COPY if strike == "arm-resets-at-stop" else "loaded") for strike in ARMED]
    blocked = [Cell("stuck-and-" + strike, moment)
               for strike in ("kill-source-mover", "kill-destination-mover", "cancel")
               for moment in (STOP_COPY, "loaded", "stopped")]
    return (struck + cuts + armed + blocked + [Cell("slow-link", ANYTIME), Cell("lossy-link", ANYTIME),
                                        Cell(HUGE, ANYTIME)] + _deeds()
            + [Cell(fault, ANYTIME) for fault in FAULTS])


def _type_for(cell: Cell, dice: random.Random) -> str:
    wanted = FAULTS[cell.strike][1] if cell.strike in FAULTS else ""
    if wanted:
        return wanted
    return dice.choice(TYPES[:2] if cell.moment == PRE_COPY or cell.base == LIMIT else TYPES)


def _delay_for(cell: Cell, type_id: str, dice: random.Random) -> int:
    moving = int(MOVING_SECONDS * 700)
    if cell.moment == PRE_COPY or (cell.moment == STOP_COPY and type_id == TYPES[2]):
        return dice.randrange(moving)
    return 0  # these windows are microseconds; after a pre-copy stop-copy is one, too


def point(seed: int, number: int) -> Point:
    """One point: each round goes through all cells in an order of its own."""
    order = cells()
    turn, place = divmod(number, len(order))
    random.Random(f"{seed}/{turn}").shuffle(order)
    dice = random.Random(f"{seed}/{number}")
    cell = order[place]
    type_id = _type_for(cell, dice)
    low, high = CUTS.get(cell.strike, (0.0, 0.0))
    return Point(
        seed=seed, number=number, cell=cell, forth=dice.random() < 0.5, type_id=type_id,
        size=(HUGE_MIB if cell.strike == HUGE else dice.choice(SIZES_MIB)) << 20, delay_ms=_delay_for(cell, type_id, dice),
        cut_seconds=round(dice.uniform(low, high), 1), silently=dice.random() < 0.5,
        marker=f"0x{dice.getrandbits(64) | 1 << 63:016x}",
        uuid=str(uuids.UUID(int=dice.getrandbits(128), version=4)),
        twin=str(uuids.UUID(int=dice.getrandbits(128), version=4)),
        there=str(uuids.UUID(int=dice.getrandbits(128), version=4)), choice=dice.random())


def plain(seed: int, number: int) -> Point:
    """A crossing to which nothing happens, after point `number`."""
    dice = random.Random(f"{seed}/{number}/plain")
    return dataclasses.replace(
        point(seed, number), cell=Cell("plain", ANYTIME), type_id=dice.choice(TYPES),
        size=dice.choice(SIZES_MIB) << 20,
        uuid=str(uuids.UUID(int=dice.getrandbits(128), version=4)))
