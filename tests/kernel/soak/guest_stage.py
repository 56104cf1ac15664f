# SPDX-License-Identifier: LGPL-2.1-or-later
"""A pair of VMs with QEMUs inside, on which the points of guests are played, one after the other."""

from __future__ import annotations

import dataclasses
import re
import shlex
import time

from rig.agent import Process, Result
from rig.errors import CommandFailed
from rig.ferry import creation
from rig.guestferry import CONFIGURATION
from rig.guestvm import FOLDER, Device, GuestVm, reports
from rig.host import Host
from rig.pair import Pair
from rig.scenario import Context

from . import guest_oracle, guest_table
from .guest_oracle import GONE, RUNNING, GuestSight
from .guest_points import (ACTIVE, CANCEL, CLIENT, KILLS, MOMENTS, MOVING_SECONDS, PAUSE_SECONDS, PAUSES, QEMU,
                           SETUP_THERE, STOPS, SWITCHOVER, TYPES, WAITING, WORKER, GuestPoint)
from .points import CUTS, DOUBT, Cell
from .stage import (CANCEL_SECONDS, CLIENT_DEADLINE, CRASH_DAEMON, DAEMON_UP, MOMENT_DEADLINE, PARENT,
                    PIECE, REMOVE, SETTLE_DEADLINE, Stage, Verdict)

ASKS = (f"mkdir -p /etc/vferry && printf '[migration]\\naccept-from-process=yes\\n' >{CONFIGURATION}"
        " && systemctl start vferry-accept.socket && systemctl restart vferryd")
ASKS_NOT = f"rm -f {CONFIGURATION}; systemctl stop vferry-accept.socket; systemctl restart vferryd"
# Of the test device: much less than is read in the same time, on a machine with other work, too.
DIRTY_RATE = 1 << 17
PREPARED_SECONDS = 60
WAIT_SECONDS = 60
STATUS_SECONDS = 25.0


@dataclasses.dataclass
class GuestPlay:
    """One point while it is played."""

    point: GuestPoint
    source: Host
    destination: Host
    sender: GuestVm | None = None
    taker: GuestVm | None = None
    strikers: dict[str, Process] = dataclasses.field(default_factory=dict)
    since: tuple[float, float] = (0.0, 0.0)
    job: str | None = None
    said: str = ""  # by the strikers
    resolved: bool = False
    returned: bool = False  # it was decided that the source goes on from where it stood
    told: tuple[str, str] = ("", "")

    @property
    def approach(self) -> GuestPoint:
        """What leads to the moment, if it is when nothing goes on any more."""
        if self.point.cell.moment != DOUBT:
            return self.point
        return dataclasses.replace(self.point, cell=Cell("guest-kill-both-workers", "commit-there"))

    @property
    def late(self) -> bool:
        """Whether the strike came when its moment was over."""
        return "late" in self.said.splitlines()

    def host(self, role: str) -> Host:
        """The host that has this role."""
        return self.source if role == "source" else self.destination


def _strike_steps(point: GuestPoint, role: str) -> list[str]:
    if point.base == CANCEL:
        return ["int", CLIENT] if role == "source" else []
    if PAUSES.get(point.base) == role:
        return ["stop", QEMU, "say", "paused", "sleep", str(PAUSE_SECONDS * 1000), "cont", QEMU]
    names = KILLS.get(point.base, {}).get(role)
    return ["kill", ",".join(names)] if names else []


def _from_outside(point: GuestPoint) -> bool:
    return point.base in (CANCEL, *STOPS) or point.base.removeprefix("guest-") in CUTS


def steps(point: GuestPoint) -> dict[str, list[str]]:
    """What each host's striker does. If anything is to happen elsewhere, the worker that has come to the moment is held
    there until it has."""
    if point.cell.moment not in MOMENTS:
        return {}
    moment = MOMENTS[point.cell.moment]
    role = moment.role
    other = "destination" if role == "source" else "source"
    strike, there = _strike_steps(point, role), _strike_steps(point, other)
    here = [*moment.steps, *(["sleep", str(point.delay_ms)] if point.delay_ms else [])]
    check = ["before", f".{role}", moment.before] if moment.before else []
    if moment.there:
        there = ["before", f".{other}", moment.there, *there]
    if there or _from_outside(point):
        pause = ["sleep", str(int(CANCEL_SECONDS * 1000))] if strike else []
        here += ["stop", moment.hold, "say", "now", "hear", *check, *strike, *pause, "cont", moment.hold]
    else:
        # a call that it was in is ended before it is
        dying = any(WORKER in word for word in strike)
        at_once = 2 if point.base in PAUSES else len(strike)
        here += [*strike[:at_once], *(["sleep", "20"] if dying else []), *check, *strike[at_once:]]
    return {role: here, other: ["hear", *there]} if there else {role: here}


def status_of(guest: GuestVm | None) -> str | None:
    """What a QEMU says of its guest, by the rig's own monitor; GONE when its process has ended."""
    if guest is None:
        return None
    try:
        answer = guest.ask("query-status", STATUS_SECONDS)
        return str(answer["return"]["status"]) if guest.alive else GONE
    except CommandFailed:
        return "mute" if guest.alive else GONE


class GuestStage(Stage):
    """Plays points of guests."""

    def __init__(self, pair: Pair) -> None:
        super().__init__(pair)
        self._context = Context(pair)

    def prepare(self) -> None:
        """As for bare devices, and either side may ask the kernel."""
        super().prepare()
        for host in self._pair.hosts:
            host.run(ASKS, timeout=60)

    def leave(self) -> None:
        """Take back what prepare() did."""
        super().leave()
        for host in self._pair.hosts:
            host.try_run(ASKS_NOT)

    # --- looking

    def _look_at_guest(self, play: GuestPlay, command: str = "exec witness") -> GuestSight:
        """Both hosts and both QEMUs."""
        before = time.monotonic()
        looking = {role: play.host(role).spawn(f"cat {FOLDER}/*.says 2>/dev/null | tr '\\n' '|'; echo; {command}", timeout=30)
                   for role in ("source", "destination")}
        statuses = (status_of(play.sender) or GONE, status_of(play.taker))
        facts, told = {}, []
        for role, process in looking.items():
            result = process.wait()
            after = time.monotonic()
            if not result.ok:
                raise CommandFailed(f"at {play.host(role).name}: {result.describe()}")
            says, text = result.out.decode("utf-8", "replace").split("\n", 1)
            told.append(says.replace("|", "\n"))
            facts[role] = self._read(play.host(role), text, before, after)
        play.told = (told[0], told[1])
        if play.job is None:
            new = (facts["source"].all_jobs() | facts["destination"].all_jobs()) - self._known
            play.job = min(new, default=None)
        return GuestSight(
            play.point, play.job, facts["source"], facts["destination"],  # type: ignore[arg-type]
            self._clocks[play.source.name], self._clocks[play.destination.name], play.since, play.resolved,
            statuses=statuses, told=play.told)

    # --- playing

    def _attempt(self, point: GuestPoint) -> Verdict:  # type: ignore[override]
        verdict = Verdict(point)  # type: ignore[arg-type]
        a, b = self._pair.hosts
        play = GuestPlay(point, *((a, b) if point.forth else (b, a)))
        try:
            self._play_guest(play, verdict)
        except CommandFailed as error:
            verdict.violations.append(f"the point could not be played: {error}")
            verdict.broken = True
        if verdict.violations:
            for name, guest in (("sender", play.sender), ("taker", play.taker)):
                if guest and guest.errors.strip():
                    verdict.violations.append(f"the {name} printed: {guest.errors.strip()[-600:]}")
            if play.said:
                verdict.violations.append("the strikers said: " + ", ".join(play.said.splitlines()))
        return verdict

    def _play_guest(self, play: GuestPlay, verdict: Verdict) -> None:
        self._board(play)
        moving = play.source.spawn(
            f"exec vferryctl domain migrate --json --wait {WAIT_SECONDS} --qmp {self._sender(play).socket} "
            f"--address {play.destination.address} ssh://{play.destination.name} 2>&1", timeout=CLIENT_DEADLINE)
        attaching = self._receive(play, moving)
        missed = self._strike_guest(play)
        verdict.late = int(play.late)
        result = moving.wait()
        attached = attaching.wait() if attaching else None
        if play.point.base in STOPS:
            play.host(STOPS[play.point.base]).run("systemctl start vferryd", timeout=30)
        if play.taker and play.point.cell.moment == WAITING:
            play.taker.kill()  # it belongs to nobody, and whoever started it is told that it is of no use
        ended = time.monotonic()
        sight = self._settle_guest(play, verdict)
        verdict.settle_seconds = time.monotonic() - ended
        verdict.outcome, verdict.client = sight.outcome, result.status
        self._judge_guest(play, sight, result, missed, verdict)
        if verdict.violations and attached and not attached.ok:
            verdict.violations.append(f"attach: {attached.describe()}")
        if "doubt" in sight.fates:
            sight = self._resolve_guest(play, sight, verdict)
        self._check_survivor(play, sight, verdict)
        self._part(play, sight, verdict)

    @staticmethod
    def _sender(play: GuestPlay) -> GuestVm:
        assert play.sender is not None
        return play.sender

    def _board(self, play: GuestPlay) -> None:
        """Everything up to the migration."""
        point = play.point
        slow = point.cell.moment in (SETUP_THERE, ACTIVE, SWITCHOVER)
        knobs: dict[str, int | str] = {
            "fault": "none", "state_size": point.size, "dirty_rate": DIRTY_RATE, "write_delay_us": 0,
            "read_delay_us": int(MOVING_SECONDS * 1e6 * PIECE / point.size) if slow else 0}
        play.source.run(f"rm -rf {FOLDER}; " + " && ".join(
            creation(type_id, uuid, knobs if type_id.startswith("vferry_testdev") else {})
            for type_id, uuid in zip(TYPES, point.uuids)), timeout=30)
        play.destination.run(f"rm -rf {FOLDER}; cd {PARENT}/defaults && echo {shlex.quote(point.fault)} >fault"
                             " && echo 0 >read_delay_us && echo 0 >write_delay_us && echo 0 >dirty_rate")
        play.sender = GuestVm(self._context, play.source, [Device(uuid) for uuid in point.uuids], point.versions[0],
                              name="sender")
        for uuid in point.uuids:
            play.source.wait_until(f"vferryctl show {uuid}", timeout=30)
        play.sender.wait_alive(40)
        sight = self._look_at_guest(play)
        play.job = None
        play.since = (sight.source.clock, sight.destination.clock)
        self._known |= sight.source.all_jobs() | sight.destination.all_jobs()
        for role, words in steps(play.approach).items():
            play.strikers[role] = play.host(role).spawn(
                f"exec striker {shlex.join(words)}", timeout=CLIENT_DEADLINE, stdin_open=True)
        for striker in play.strikers.values():
            striker.wait_for_output("^ready", 20)

    def _receive(self, play: GuestPlay, moving: Process) -> Process | None:
        """What the destination's administrator does; a strike before that is made here."""
        told = moving.wait_for_output(r"(?s)start the guest there.*--lease (\S+)", PREPARED_SECONDS)
        there = re.findall(r"(\S+) at \S+ \(here \S+\)", told.group(0))
        play.taker = GuestVm(self._context, play.destination, [Device(uuid) for uuid in there], play.point.versions[1],
                             incoming=True, name="taker")
        play.taker.ask("query-status", 40)
        if play.point.cell.moment == WAITING:
            self._strike_waiting(play)
            return None
        return play.destination.spawn(f"exec vferryctl domain attach --lease {told.group(1)} --qmp {play.taker.socket}",
                                      timeout=60)

    @staticmethod
    def _strike_waiting(play: GuestPlay) -> None:
        """Before the destination's QEMU is attached: nobody comes after that."""
        for role in ("source", "destination"):
            words = _strike_steps(play.point, role)
            if words:
                play.host(role).run(f"exec striker {shlex.join(words)}")
        if play.point.base in STOPS:
            play.host(STOPS[play.point.base]).run("systemctl stop vferryd", timeout=30)
        if play.point.base == "guest-kill-destination-qemu":
            # who started it gives up, too
            play.source.run(f"exec striker int {CLIENT}")

    def _strike_guest(self, play: GuestPlay) -> str | None:
        """Wait for the moment and strike; why it did not come to it, if it did not."""
        if not play.strikers:
            return None
        moment = MOMENTS[play.approach.cell.moment]
        here = play.strikers.pop(moment.role)
        strikers = [here, *play.strikers.values()]
        try:
            self._strike_at(play, here)
        except CommandFailed as error:
            here.kill()
            play.host(moment.role).try_run(f"pkill -CONT -x {moment.hold}")
            return f"moment {play.approach.cell.moment} did not come: {error}"
        finally:
            play.said = b"".join(each.out for each in strikers).decode("utf-8", "replace")
        return None

    def _strike_at(self, play: GuestPlay, here: Process) -> None:
        point = play.approach
        others = list(play.strikers.values())
        held = bool(others) or _from_outside(point)
        here.wait_for_output("^now" if held else "^struck", MOMENT_DEADLINE)
        if not held:
            return
        for other in others:
            other.send("\n")
            other.wait_for_output("^(struck|paused)", 20)
        cut = point.base.removeprefix("guest-") in CUTS
        if cut:
            self._pair.link.cut(point.silently)
        elif point.base in STOPS:
            play.host(STOPS[point.base]).run("systemctl stop vferryd", timeout=30)
        elif point.base == CANCEL:
            time.sleep(CANCEL_SECONDS)
        here.send("\n")
        here.wait_for_output("^struck", 20)
        if cut:
            time.sleep(point.cut_seconds)
            self._pair.link.heal()
            play.source.wait_until(f"ping -c 1 -W 1 {play.destination.address}")

    def _settle_guest(self, play: GuestPlay, verdict: Verdict) -> GuestSight:
        """Look until nothing goes on any more and it is as it should be, or time is up."""
        deadline = time.monotonic() + SETTLE_DEADLINE
        while True:
            sight = self._look_at_guest(play)
            both = guest_oracle.both_ran(sight)
            verdict.violations += [what for what in both if what not in verdict.violations]
            good = guest_oracle.settled(sight) and (
                play.late or sight.outcome in guest_table.allowed(play.point.cell))
            if good or both or time.monotonic() > deadline:
                return sight
            time.sleep(0.3)

    @staticmethod
    def _judge_guest(play: GuestPlay, sight: GuestSight, result: Result, missed: str | None, verdict: Verdict) -> None:
        if missed:
            verdict.violations.append(missed)
        if not guest_oracle.settled(sight):
            verdict.violations.append(f"it has not settled after {SETTLE_DEADLINE:.0f} s: {sight.outcome}, "
                                      f"{sight.source.movers} and {sight.destination.movers} workers")
        if not play.late:
            verdict.violations += guest_oracle.unexpected(sight, play.point.cell)
        if result.timed_out:
            verdict.violations.append(f"vferryctl hangs: {result.describe()}")
        arrived = sight.outcome in (guest_table.DONE, guest_table.LOST_THERE)
        if result.status == 0 and not arrived:
            verdict.violations.append(f"vferryctl says that it arrived: {result.text}")
        if arrived and result.status == 1 and play.point.base not in (*STOPS, CANCEL):
            verdict.violations.append(f"vferryctl says that it failed: {result.text}")
        if verdict.violations:
            verdict.violations.append(f"vferryctl: {result.status} {result.text[-600:]}")

    # --- ending

    def _resolve_guest(self, play: GuestPlay, sight: GuestSight, verdict: Verdict) -> GuestSight:
        """As its advice says: ask what is safe, choose, look."""
        command = f"vferryctl resolve {play.job} ssh://{play.destination.name}"
        sight = self._wait_in_doubt(play, sight)
        asked = play.source.try_run(command, timeout=60)
        offered = re.findall(r"(?m)^  (source|destination|nowhere) ", asked.error_text)
        if asked.status != 2 or not offered:
            verdict.violations.append(f"resolve offers nothing: {asked.describe()}")
            return sight
        verdict.violations += [f"{what}: {asked.error_text}" for what in guest_oracle.wrong_offers(sight, offered)]
        sides = [side for side in offered if side != "nowhere"
                 and sight.statuses[0 if side == "source" else 1] != GONE] or ["nowhere"]
        decision = sides[int(play.point.choice * len(sides))]
        done = play.source.try_run(f"{command} --run-at {decision}", timeout=60)
        if decision == "source" and sight.statuses[1] == RUNNING:
            # it has run there since, which its daemon can see: the way back is closed
            if done.status == 0:
                verdict.violations.append(f"resolve lets the source go on, and the destination runs: {done.describe()}")
            decision = "destination"
            done = play.source.try_run(f"{command} --run-at {decision}", timeout=60)
        verdict.resolved = decision
        if done.status != 0:
            verdict.violations.append(f"resolve: {done.describe()}")
        play.resolved, play.returned = True, decision == "source"
        deadline = time.monotonic() + SETTLE_DEADLINE
        while True:
            after = self._look_at_guest(play)
            wrong = guest_oracle.both_ran(after, play.returned) + guest_oracle.ill_resolved(after, decision)
            if not wrong or time.monotonic() > deadline:
                verdict.violations += wrong
                return after
            time.sleep(0.3)

    def _wait_in_doubt(self, play: GuestPlay, sight: GuestSight) -> GuestSight:
        """While nobody decides, the daemons may end and begin again, and a QEMU may end."""
        if play.point.crashes:
            for host in (play.source, play.destination):
                host.run(CRASH_DAEMON + "\n" + DAEMON_UP, timeout=40)
        if play.point.cell.moment != DOUBT:
            return sight
        for role in ("source", "destination"):
            words = _strike_steps(play.point, role)
            if words:
                play.host(role).run(f"exec striker {shlex.join(words)}")
        time.sleep(1.0)  # for the daemon to see it
        return self._look_at_guest(play)

    def _check_survivor(self, play: GuestPlay, sight: GuestSight, verdict: Verdict) -> None:
        """Whoever runs tells on, and has in its devices what it had left there; nobody else does."""
        running = [guest for guest, status in zip((play.sender, play.taker), sight.statuses) if status == RUNNING]
        if len(running) != 1:
            if running or not any(fate in ("lost", "gone", "undone") for fate in sight.fates):
                verdict.violations.append(f"{len(running)} QEMUs run a guest: {' and '.join(map(str, sight.statuses))}")
            return
        assert running[0] is not None
        try:
            verdict.violations += guest_oracle.wrong_devices([running[0].wait_alive(30)])
            last = self._look_at_guest(play)
            verdict.violations += guest_oracle.both_ran(last, play.returned)
            verdict.violations += guest_oracle.wrong_devices(reports("".join(last.told)))
        except CommandFailed as error:
            verdict.violations.append(f"STATE LOST: the guest does not answer: {error}")

    def _part(self, play: GuestPlay, sight: GuestSight, verdict: Verdict) -> None:
        """The guest ends, what was not made by vferry is removed, and nothing may be left."""
        for guest in (play.sender, play.taker):
            if guest:
                guest.kill()
        for striker in play.strikers.values():
            striker.kill()
        deadline = time.monotonic() + SETTLE_DEADLINE
        while True:
            last = self._look_at_guest(play, REMOVE)
            left = [what for role, facts in (("source", last.source), ("destination", last.destination))
                    for what in guest_oracle.left_over(facts, play.host(role).name, play.job,
                                                       sight.fates[0] in ("stuck", "lost"))]
            if not left or time.monotonic() > deadline:
                break
        verdict.violations += [f"left over: {what}" for what in left]
        verdict.broken = verdict.broken or bool(left)
