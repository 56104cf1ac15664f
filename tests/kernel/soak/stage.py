# SPDX-License-Identifier: LGPL-2.1-or-later
"""A pair of VMs on which points are played, one after the other, without booting in between."""

from __future__ import annotations

import dataclasses
import re
import shlex
import time

from rig.agent import Process, Result
from rig.errors import CommandFailed
from rig.host import Host
from rig.pair import Pair

from . import deeds, oracle, table
from .deeds import Deeds
from .facts import Facts, mark_resets, parse
from .oracle import Clock, Sight
from .points import (ANYTIME, ARMED, CAUSES, CUTS, DEEDS, DOUBT, FAULTS, KILLS, LATE, LIMIT, LIMIT_SECONDS,
                     LOADING_SECONDS, MOMENTS, MOVING_SECONDS, PRE_COPY, RESETS, RETURNS, STOP_COPY, STOPS, STUCK,
                     TWINS, UNDOING, Cell, Point)

PIECE = 64 << 10
PARENT = "/sys/class/mdev_bus/vferry_testdev"
MDEVS = "/sys/bus/mdev/devices"
SOCKET = "/run/soak-ssh"
# The project promises 10 s; this is where a soak stops waiting for a machine with other work.
SETTLE_DEADLINE = 40.0
CLIENT_DEADLINE = 150.0
SLOWEST = 8 << 20  # bytes in a second
MOMENT_DEADLINE = 80.0
# How often a point is played whose strike comes too late.
ATTEMPTS = 3
# When nobody has a device open, by role: a source's is lent, and Begin keeps it.
UNOPENED = (("destination", "reserved"), ("destination", "created"))
# The daemon gives a helper 10 s before it says that the kernel hangs.
HELPER_PATIENCE = 7.0
# What a message on the bus and one to the mover need, while the mover stands still.
CANCEL_SECONDS = 0.5

MASTER = f"""
mkdir -p /root/.ssh
printf 'Host harbour-*\\n ControlPath {SOCKET}\\n' >/root/.ssh/config
systemctl stop soak-ssh.service 2>/dev/null
systemd-run --quiet --unit=soak-ssh --property=Restart=always --property=RestartSec=200ms \\
    ssh -M -N -S {SOCKET} -o ServerAliveInterval=2 -o ServerAliveCountMax=2 PEER
until ssh -O check PEER; do sleep 0.1; done
systemctl start vferryd
"""
BOARD = f"""set -e
CREATE
cd {MDEVS}/UUID/testdev
KNOBS
until vferryctl show UUID; do sleep 0.05; done >/dev/null 2>&1
exec holder --marker MARKER --lend UUID"""
CREATE_PLAINLY = f"echo UUID >{PARENT}/mdev_supported_types/TYPE/create"
# One that vferry removes when it has left.
CREATE_BY_VFERRY = "vferryctl create vferry_testdev TYPE --uuid UUID >/dev/null"
CRASH_DAEMON = "pkill -KILL -x vferryd"
DAEMON_UP = "until vferryctl list >/dev/null 2>&1; do sleep 0.1; done"
# A remove waits for whoever has the device open, without a way back: it is not waited for.
REMOVE = f"""
for device in {MDEVS}/*; do
    [[ ! -e $device/remove ]] || (echo 1 >$device/remove) &
done
for i in {{1..50}}; do
    compgen -G '{MDEVS}/*' >/dev/null || break
    sleep 0.1
done
tc qdisc del dev eth0 root 2>/dev/null
systemctl reset-failed vferryd 2>/dev/null
exec witness"""
# Of the device that the destination has made: there is no other.
FAULT_ATTRIBUTE = f"{MDEVS}/*/testdev/fault"
LINKS = {"slow-link": "rate 40mbit delay 20ms", "lossy-link": "delay 2ms loss 2%"}


@dataclasses.dataclass
class Verdict:
    """What came of a point."""

    point: Point
    outcome: str = ""
    client: int | None = None  # how vferryctl ended
    resolved: str = ""  # the decision, if it was in doubt
    violations: list[str] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    settle_seconds: float = 0.0  # from the client's end
    broken: bool = False  # the stage cannot go on
    late: int = 0  # strikes that came when their moment was over
    kernel: str = ""

    def to_json(self) -> dict[str, object]:
        """For --json."""
        return {
            "seed": self.point.seed, "point": self.point.number, "kernel": self.kernel,
            "strike": self.point.cell.strike, "moment": self.point.cell.moment,
            "what": self.point.describe, "outcome": self.outcome, "client": self.client,
            "resolved": self.resolved, "late": self.late,
            "violations": self.violations, "seconds": round(self.seconds, 1),
            "settle_seconds": round(self.settle_seconds, 1)}


@dataclasses.dataclass
class Play:
    """One point while it is played."""

    point: Point
    source: Host
    destination: Host
    holder: Process | None = None
    strikers: dict[str, Process] = dataclasses.field(default_factory=dict)
    since: dict[str, float] = dataclasses.field(default_factory=dict)
    job: str | None = None
    said: str = ""  # by the strikers
    adopted: bool = False
    slow: bool = False
    deeds: Deeds = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.deeds = Deeds(self.point)

    @property
    def approach(self) -> Point:
        """What leads to the moment, if it is one of those when nothing goes on any more."""
        cells = {DOUBT: Cell("kill-both-movers", "commit-there")}
        if self.point.cell.moment not in LATE:
            return self.point
        return dataclasses.replace(self.point, cell=cells.get(self.point.cell.moment, Cell("plain", ANYTIME)))

    @property
    def late(self) -> bool:
        """Whether the strike came when its moment was over, or took so long that who was held is given up."""
        return self.slow or "late" in self.said.splitlines()

    def host(self, role: str) -> Host:
        """The host that has this role."""
        return self.source if role == "source" else self.destination


def _struck_role(point: Point) -> str:
    """Whose daemon is killed, where one is killed as well."""
    base = point.cell.base
    return RESETS[base][0] if base in RESETS else DEEDS.get(base, "source")


def _strike_steps(point: Point, role: str) -> list[str]:
    """The steps of a striker that strike at one host."""
    if point.cell.strike in ARMED:
        fault = ARMED[point.cell.strike]
        return ["write", FAULT_ATTRIBUTE, fault] if role == "destination" else []
    if point.cell.base in (*RESETS, LIMIT) and role == _struck_role(point):
        reset = list(RESETS[point.cell.base][1]) if point.cell.base in RESETS else []
        return reset + (["kill", "vferryd"] if point.cell.crashes else [])
    strike = point.cell.strike.removeprefix("stuck-and-")
    if strike == "cancel":
        return ["int", "vferryctl"] if role == "source" else []
    names = KILLS.get(strike, {}).get(role)
    return ["kill", ",".join(names)] if names else []


def _from_outside(point: Point) -> bool:
    """Whether the strike, or what it needs, is not a signal in a guest."""
    return (point.cell.strike in (*CUTS, *STOPS) or point.cell.strike.endswith("cancel")
            or deeds.is_deed(point))


def _steps(point: Point) -> dict[str, list[str]]:
    """What each host's striker does. If anything is to happen elsewhere, the mover that has come to the moment
    is held there until it has."""
    if point.cell.moment not in MOMENTS:
        return {}
    moment = MOMENTS[point.cell.moment]
    role = moment.role
    other = "destination" if role == "source" else "source"
    there = _strike_steps(point, other)
    here = [*moment.steps, *(["sleep", str(point.delay_ms)] if point.delay_ms else [])]
    if point.cell.moment == UNDOING:
        cause = ["state", STOP_COPY if point.type_id.endswith("stopcopy") else PRE_COPY, *CAUSES[UNDOING]]
        return {role: [*here, "say", "now", "hear", "cont", moment.hold], other: cause}
    check = ["before", f".{role}", moment.before] if moment.before else []
    if moment.there:  # to be seen while this side stands still
        there = ["before", f".{other}", moment.there, *there]
    if there or _from_outside(point):
        here += ["stop", moment.hold, "say", "now", "hear", *check, *_strike_steps(point, role),
                 *(["sleep", str(int(CANCEL_SECONDS * 1000))] if _strike_steps(point, role) else []),
                 "cont", moment.hold]
    elif point.cell.base.startswith("holder-"):  # it is another process
        here += ["stop", moment.hold, *_strike_steps(point, role), *check, "cont", moment.hold]
    else:
        strike = _strike_steps(point, role)
        # a call that it was in is ended before it is
        dying = any("vferry-mover" in word for word in strike)
        here += [*strike, *(["sleep", "20"] if dying else []), *check]
    return {role: here, other: ["hear", *there]} if there else {role: here}


def _knobs(point: Point, role: str) -> dict[str, str]:
    """The attributes that a device of this role starts with."""
    knobs = {"fault": "none", "read_delay_us": "0", "write_delay_us": "0", "dirty_rate": "0"}
    strike = point.cell.strike
    if role == "source":
        knobs["state_size"] = str(point.size)
        knobs["dirty_rate"] = str(1 << 20)
        if point.cell.moment in (PRE_COPY, STOP_COPY, UNDOING):
            knobs["read_delay_us"] = str(int(MOVING_SECONDS * 1e6 * PIECE / point.size))
        if strike.startswith("stuck-and-"):
            knobs["fault"] = STUCK
    elif point.cell.base == LIMIT:
        knobs["write_delay_us"] = str(int(LOADING_SECONDS * 1e6 * PIECE / point.size))
    if strike in FAULTS and FAULTS[strike][0] == role:
        fault = FAULTS[strike][2]
        knobs["fault"] = fault.replace("SIZE/2", str(point.size // 2)).replace("SIZE", str(point.size))
    return knobs


def _write(knobs: dict[str, str]) -> str:
    return "\n".join(f"echo {shlex.quote(value)} >{name}" for name, value in knobs.items())


class Stage:
    """Plays points; knows the clocks of its guests and what was there before."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._clocks: dict[str, Clock] = {}
        self._known: set[str] = set()  # jobs of earlier points

    def prepare(self) -> None:
        """After a boot or a reset: one connection each way that all points use."""
        self._clocks = {host.name: Clock() for host in self._pair.hosts}
        a, b = self._pair.hosts
        for host, peer in ((a, b), (b, a)):
            host.run(MASTER.replace("PEER", peer.name), timeout=60)

    def leave(self) -> None:
        """Take back what prepare() did."""
        for host in self._pair.hosts:
            host.run("systemctl stop soak-ssh; rm -f /root/.ssh/config")

    # --- looking

    def _parse(self, host: Host, process: Process, before: float) -> Facts:
        result = process.wait()
        after = time.monotonic()
        if not result.ok:
            raise CommandFailed(f"at {host.name}: {result.describe()}")
        return self._read(host, result.text, before, after)

    def _read(self, host: Host, text: str, before: float, after: float) -> Facts:
        """What a witness told that was asked after `before`; its clock was there until `after`."""
        facts = parse(text)
        self._clocks[host.name].saw(before, facts.clock, after)
        return facts

    def _look(self, play: Play, command: str = "exec witness") -> Sight:
        """Both hosts, at once."""
        before = time.monotonic()
        looking = {role: play.host(role).spawn(command, timeout=30)
                   for role in ("source", "destination")}
        source, destination = (self._parse(play.host(role), looking[role], before)
                               for role in ("source", "destination"))
        strangers = play.deeds.strangers()
        for role, facts in (("source", source), ("destination", destination)):
            mark_resets(facts, play.since.get(role, 0.0))
            if role in strangers:
                facts.mdevs.pop(strangers[role].uuid, None)
        if play.job is None:
            new = (source.all_jobs() | destination.all_jobs()) - self._known
            play.job = min(new, default=None)
        return Sight(play.point, play.job, source, destination,
                     self._clocks[play.source.name], self._clocks[play.destination.name],
                     (play.since.get("source", 0.0), play.since.get("destination", 0.0)),
                     left=frozenset(strangers) & frozenset(play.deeds.swaps))

    # --- playing

    def play(self, point: Point) -> Verdict:
        """One point from its beginning to a clean pair; again, if the strike came too late to be its own."""
        started = time.monotonic()
        for late in range(ATTEMPTS):
            verdict = self._attempt(point)
            verdict.late += late
            if verdict.late == late or verdict.violations:
                break
        else:
            verdict.violations.append(f"the strike came too late {ATTEMPTS} times")
        verdict.seconds = time.monotonic() - started
        return verdict

    def _attempt(self, point: Point) -> Verdict:
        verdict = Verdict(point)
        a, b = self._pair.hosts
        play = Play(point, *((a, b) if point.forth else (b, a)))
        try:
            self._play(play, verdict)
        except CommandFailed as error:
            verdict.violations.append(f"the point could not be played: {error}")
            verdict.broken = True
        return verdict

    def _play(self, play: Play, verdict: Verdict) -> None:
        self._begin(play)
        moving = self._set_off(play)
        missed = self._strike(play)
        verdict.late = int(play.late)
        result = moving.wait()
        if play.point.cell.strike in STOPS:
            play.host(STOPS[play.point.cell.strike]).run("systemctl start vferryd", timeout=30)
        ended = time.monotonic()
        verdict.violations += play.deeds.end_twins(play.slow)
        sight = self._settle(play, play.approach.cell, verdict)
        # if what leads to it came too late, it is no doubt that is struck
        if play.point.cell.moment in LATE and not play.late:
            verdict.violations += oracle.unexpected(sight, play.approach.cell)
            self._strike_late(play, sight, verdict)
            sight = self._settle(play, play.point.cell, verdict)
        verdict.settle_seconds = time.monotonic() - ended
        verdict.outcome, verdict.client = sight.outcome, result.status
        self._judge(play, sight, result, missed, verdict)
        if "doubt" in sight.fates:
            sight = self._resolve(play, sight, verdict)
        self._disembark(play, sight, verdict)

    def _begin(self, play: Play) -> None:
        """Everything up to the migration."""
        point = play.point
        sight = self._look(play)
        play.job = None
        play.since = {"source": sight.source.clock, "destination": sight.destination.clock}
        self._known |= sight.source.all_jobs() | sight.destination.all_jobs()
        ours = point.cell.base == "return-source"
        script = (BOARD.replace("CREATE", CREATE_BY_VFERRY if ours else CREATE_PLAINLY)
                  .replace("UUID", point.uuid).replace("TYPE", point.type_id)
                  .replace("MARKER", point.marker).replace("KNOBS", _write(_knobs(point, "source"))))
        play.holder = play.source.spawn(script, timeout=None)
        play.destination.run(f"cd {PARENT}/defaults\n" + _write(_knobs(point, "destination")))
        if point.cell.strike in LINKS:
            self._pair.link.shape(LINKS[point.cell.strike])
        for role, steps in _steps(play.approach).items():
            play.strikers[role] = play.host(role).spawn(
                f"exec striker {shlex.join(steps)}", timeout=CLIENT_DEADLINE, stdin_open=True)
        for striker in play.strikers.values():
            striker.wait_for_output("^ready", 20)
        play.holder.wait_for_output("^lent", 30)
        play.deeds.board_twin(play.source)

    def _set_off(self, play: Play) -> Process:
        base = play.point.cell.base
        limit = f"--precopy-max {LIMIT_SECONDS} " if base == LIMIT else ""
        # nobody else can have thought of a UUID that vferry draws
        named = f"--uuid {play.point.there} " if base in (*TWINS, "return-destination") else ""
        return play.source.spawn(
            f"exec vferryctl migrate --json {limit}{named}--address {play.destination.address} "
            f"{play.point.uuid} ssh://{play.destination.name}",
            timeout=CLIENT_DEADLINE + play.point.size / SLOWEST)

    def _strike(self, play: Play) -> str | None:
        """Wait for the moment and strike; why it did not come to it, if it did not."""
        point = play.approach
        if not play.strikers:
            return None
        role = MOMENTS[point.cell.moment].role
        here = play.strikers.pop(role)
        strikers = [here, *play.strikers.values()]
        try:
            return self._strike_with(play, here)
        finally:
            play.said = b"".join(each.out for each in strikers).decode("utf-8", "replace")

    def _strike_with(self, play: Play, here: Process) -> str | None:
        point = play.approach
        others = list(play.strikers.values())
        held = bool(others) or _from_outside(point)
        try:
            here.wait_for_output("^now" if held else "^struck", MOMENT_DEADLINE)
        except CommandFailed as error:
            here.kill()
            moment = MOMENTS[point.cell.moment]
            play.host(moment.role).try_run(f"pkill -CONT -x {moment.hold}")
            return f"moment {point.cell.moment} did not come: {error}"
        if not held:
            return None
        began = time.monotonic()
        for other in others:
            if point.cell.moment != UNDOING:
                other.send("\n")
            other.wait_for_output("^struck", 20)
        if deeds.is_deed(point):
            self._do(play)
        if point.cell.strike in CUTS:
            self._pair.link.cut(point.silently)
        elif point.cell.strike in STOPS:
            play.host(STOPS[point.cell.strike]).run("systemctl stop vferryd", timeout=30)
        elif point.cell.strike.endswith("cancel"):
            time.sleep(CANCEL_SECONDS)
        play.slow = MOMENTS[point.cell.moment].hold == "vferry-helper" and \
            time.monotonic() - began > HELPER_PATIENCE
        here.send("\n")
        here.wait_for_output("^struck", 20)
        if point.cell.strike in CUTS:
            time.sleep(point.cut_seconds)
            self._pair.link.heal()
            # a neighbour that was asked for in vain is not asked for again at once, and then there is "no route"
            play.source.wait_until(f"ping -c 1 -W 1 {play.destination.address}")
        return None

    def _do(self, play: Play) -> None:
        """What is no signal and no cable, at its moment."""
        point = play.point
        role = _struck_role(point)
        if point.cell.base in RETURNS:
            if role == "source":
                self._lose_holder(play)
            play.deeds.swap(role, play.host(role))
            if point.cell.moment in LATE or (role, point.cell.moment) in UNOPENED:
                play.deeds.await_strangers()
        elif point.cell.base in TWINS:
            play.job = play.deeds.twin(play.source, play.destination)
        else:
            play.deeds.give_back(play.destination)
        if point.cell.crashes and point.cell.moment not in LATE:
            play.host(role).run(CRASH_DAEMON)

    @staticmethod
    def _lose_holder(play: Play) -> None:
        """A guest ends, whatever becomes of its device."""
        assert play.holder is not None
        play.holder.kill()
        play.holder.wait(10)

    def _strike_late(self, play: Play, sight: Sight, verdict: Verdict) -> None:
        """Once more, when nothing goes on; on one that the daemons have from the store, if they are killed."""
        point = play.point
        role = _struck_role(point)
        if point.cell.crashes:
            for host in (play.source, play.destination):
                host.run(CRASH_DAEMON + "\n" + DAEMON_UP, timeout=30)
        if role == "destination" and sight.fates[1] == "runs":
            self._adopt(play, sight, verdict)
        # a daemon keeps what is in doubt open, until it is stopped for good
        stops = point.cell.moment == DOUBT and point.cell.base in RETURNS
        if stops:
            play.host(role).run("systemctl stop vferryd", timeout=30)
        self._do(play)
        if stops:
            play.host(role).run("systemctl start vferryd", timeout=30)
        if point.cell.crashes:
            play.host(role).run(CRASH_DAEMON + "\n" + DAEMON_UP, timeout=30)

    def _settle(self, play: Play, cell: Cell, verdict: Verdict) -> Sight:
        """Look until nothing goes on any more and it is as it should be, or time is up."""
        deadline = time.monotonic() + SETTLE_DEADLINE
        while True:
            sight = self._look(play)
            both = oracle.both_ran(sight)
            verdict.violations += [what for what in both if what not in verdict.violations]
            good = oracle.settled(sight) and (
                play.late or sight.outcome in table.allowed(cell))
            if good or both or time.monotonic() > deadline:
                return sight
            time.sleep(0.3)

    def _judge(self, play: Play, sight: Sight, result: Result, missed: str | None,
               verdict: Verdict) -> None:
        if missed:
            verdict.violations.append(missed)
        if not oracle.settled(sight):
            verdict.violations.append(f"it has not settled after {SETTLE_DEADLINE:.0f} s")
        if not play.late:
            verdict.violations += oracle.unexpected(sight, play.point.cell)
        if result.timed_out:
            verdict.violations.append(f"vferryctl hangs: {result.describe()}")
        if play.point.cell.base == LIMIT:
            verdict.violations += oracle.stood_still(sight)
        verdict.violations += deeds.wrong_release(play.deeds, sight.outcome)
        if result.status == 0 and sight.outcome not in (table.DONE, table.GIVEN_UP, table.ADOPTED):
            verdict.violations.append(f"vferryctl says that it arrived: {result.text}")
        if sight.outcome == table.DONE and result.status == 1 and \
                    play.point.cell.strike not in (*STOPS, "cancel"):
            verdict.violations.append(f"vferryctl says that it failed: {result.error_text}")
        # a reset, which is not ours, has taken the source's state
        if sight.fates[0] == "runs" and not oracle.was_reset(sight):
            self._check_holder(play, verdict)
        if verdict.violations and play.said:
            verdict.violations.append("the strikers said: " + ", ".join(play.said.splitlines()))
        if verdict.violations and play.deeds.release:
            verdict.violations.append(f"Release: {play.deeds.release.wait().describe()}")

    def _check_holder(self, play: Play, verdict: Verdict) -> None:
        """The source runs: with its bytes."""
        assert play.holder is not None
        before = len(play.holder.out)
        play.holder.kill(10)  # SIGUSR1
        try:
            play.holder.wait_for_output(
                rf"(?s)\A.{{{before}}}.*holds {play.point.marker[2:]} ", 20)
        except CommandFailed as error:
            verdict.violations.append(f"STATE LOST: the holder has it no more: {error}")

    # --- ending

    def _resolve(self, play: Play, sight: Sight, verdict: Verdict) -> Sight:
        """As its advice says: ask what is safe, choose, look."""
        command = f"vferryctl resolve JOB ssh://{play.destination.name}".replace(
            "JOB", str(play.job))
        asked = play.source.try_run(command, timeout=60)
        offered = re.findall(r"(?m)^  (source|destination|nowhere) ", asked.error_text)
        if asked.status != 2 or not offered:
            verdict.violations.append(f"resolve offers nothing: {asked.describe()}")
            return sight
        # a source that refuses to run stays in doubt, and may be asked again
        useless = ("nowhere", "source") if play.point.cell.strike.startswith("stuck-") else ("nowhere",)
        running = [side for side in offered if side not in useless] or ["nowhere"]
        decision = running[int(play.point.choice * len(running))]
        verdict.resolved = decision
        done = play.source.try_run(f"{command} --run-at {decision}", timeout=60)
        if done.status != 0:
            verdict.violations.append(f"resolve: {done.describe()}")
        deadline = time.monotonic() + SETTLE_DEADLINE
        while True:
            after = self._look(play)
            after.resolved = True
            wrong = oracle.both_ran(after) + oracle.ill_resolved(after, decision, sight.outcome)
            if not wrong or time.monotonic() > deadline:
                verdict.violations += wrong
                return after
            time.sleep(0.3)

    def _compare(self, play: Play, sight: Sight, verdict: Verdict) -> None:
        """What runs there is what has stopped here, to the last byte."""
        sums = [host.try_run(f"cat {MDEVS}/{uuid}/testdev/checksum").text.strip()
                for host, uuid in ((play.source, play.point.uuid),
                                   *((play.destination, made) for made in sight.made))]
        if sight.source.mdevs.get(play.point.uuid) == "stop" and len(set(sums)) != 1:
            verdict.violations.append(f"STATE LOST: the checksums are {' and '.join(sums)}")

    def _adopt(self, play: Play, sight: Sight, verdict: Verdict) -> None:
        """Take the device over, with its bytes, as a VMM would: until the daemon knows that it is in good hands."""
        if not oracle.reset_while_it_ran(sight):
            self._compare(play, sight, verdict)
        expected = "" if oracle.reset_while_it_ran(sight) else f"--expect {play.point.marker} "
        play.adopted = True
        adopter = play.destination.spawn(
            f"exec adopter --stay {expected}--wait 10 {play.job}", timeout=60)
        deadline = time.monotonic() + SETTLE_DEADLINE
        try:
            adopter.wait_for_output("^adopted", 50)
            while self._look(play).destination.leases.get(str(play.job)) != "adopted":
                if time.monotonic() > deadline:
                    raise CommandFailed("the lease does not say so")
        except CommandFailed as error:
            verdict.violations.append(f"it cannot be adopted: {error}")
        if adopter.running:
            adopter.kill()
        else:
            result = adopter.wait()
            lost = "STATE LOST: " if "did not come along" in result.error_text else ""
            verdict.violations.append(f"{lost}the adopter has ended: {result.describe()}")

    def _meet_strangers(self, play: Play, verdict: Verdict) -> None:
        """Whoever has come under a name that was ours is left alone: now, after a restart, and whoever asks again."""
        try:
            play.deeds.await_strangers()
        except CommandFailed as error:
            verdict.violations.append(f"a device is kept that nobody uses: {error}")
        strangers = play.deeds.strangers()
        if not strangers:
            play.deeds.forget()
            return
        asked = [play.host(role).spawn(deeds.AGAIN.replace("METHOD", method).replace("JOB", str(play.job)), timeout=60)
                 for role, method in (("source", "Confirm"), ("destination", "Finish"))]
        for process in asked:
            process.wait()
        for role, stranger in strangers.items():
            verdict.violations += deeds.wrong_stranger(play.host(role), stranger, stranger == play.deeds.made)
        play.deeds.forget()

    def _disembark(self, play: Play, sight: Sight, verdict: Verdict) -> None:
        """Everybody lets go, everything that was made by us is removed, and nothing may be left."""
        if sight.fates[1] in ("runs", "completed-but-reset") and not play.adopted:
            self._adopt(play, sight, verdict)
        self._lose_holder(play)
        for striker in play.strikers.values():
            striker.kill()
        self._meet_strangers(play, verdict)
        deadline = time.monotonic() + SETTLE_DEADLINE
        while True:
            last = self._look(play, REMOVE)
            stuck = sight.fates[0] == "stuck"
            left = [what for role, facts in (("source", last.source),
                                             ("destination", last.destination))
                    for what in oracle.left_over(facts, play.host(role).name, play.job, stuck)]
            if not left or time.monotonic() > deadline:
                break
        verdict.violations += [f"left over: {what}" for what in left]
        verdict.broken = verdict.broken or bool(left)
