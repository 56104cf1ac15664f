# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is done to a migration from outside that none of its own sequence does: commands, and what they answered."""

from __future__ import annotations

import dataclasses
import re

from rig.agent import Process
from rig.errors import CommandFailed
from rig.host import Host

from .points import RELEASE, RETURNS, TWINS, Point

PARENT = "/sys/class/mdev_bus/vferry_testdev"
MDEVS = "/sys/bus/mdev/devices"
JOBS = "/var/lib/vferry/jobs"
MANAGER = "busctl --json=short call org.vferry1 /org/vferry1 org.vferry1.Manager"
ANSWER_SECONDS = 2.0
TWIN_SECONDS = 5.0
SWAP_SECONDS = 30.0
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

# Of the newest record: the UUID that the destination is about to give.
ANNOUNCED = f"""grep -h '^create ' "$(ls -t {JOBS}/*.destination | head -n 1)" | grep -Eo "'uuid': <'{UUID}" \
| grep -Eo '{UUID}'"""
# Whoever has it open lets go of it some time, and then it is somebody else's before anybody looks.
SWAP = f"""
uuid=GIVEN
[[ $uuid ]] || uuid=$(ls {MDEVS} | head -n 1)
[[ $uuid ]] || uuid=$({ANNOUNCED})
device={MDEVS}/$uuid
until [[ ! -e $device || $(cat $device/testdev/migration_state) == closed ]]; do sleep 0.03; done 2>/dev/null
[[ ! -e $device ]] || echo 1 >$device/remove
until echo $uuid >{PARENT}/mdev_supported_types/TYPE/create; do sleep 0.03; done 2>/dev/null
echo stranger $uuid $(stat -Lc %i $device)"""
# Two at once, of the UUID that a destination has promised to its lease.
CREATE = f"""
uuid=$({ANNOUNCED})
for i in 1 2; do
    (vferryctl create vferry_testdev TYPE --uuid $uuid >/dev/null; echo created $?) &
done
wait
[[ ! -e {MDEVS}/$uuid ]] || echo there $uuid $(stat -Lc %i {MDEVS}/$uuid)"""
# Another device whose holder wants to have it there under the same UUID.
BOARD = f"""
echo UUID >{PARENT}/mdev_supported_types/TYPE/create
until vferryctl show UUID; do sleep 0.05; done >/dev/null 2>&1
exec holder --lend UUID"""
PREPARE = "exec vferryctl migrate --address ADDRESS --uuid WANTED UUID ssh://PEER"
NEWEST = f'basename "$(ls -t {JOBS}/*.destination | head -n 1)" .destination; {ANNOUNCED}'
# The daemon is another one, and its caller asks what became of the job, again.
AGAIN = f"""
pkill -KILL -x vferryd
until vferryctl list >/dev/null 2>&1; do sleep 0.1; done
for i in 1 2; do {MANAGER} METHOD 'sa{{sv}}' JOB 0; done"""
LOOK = f"stat -Lc %i {MDEVS}/UUID && cat {MDEVS}/UUID/testdev/opens"


@dataclasses.dataclass(frozen=True)
class Stranger:
    """A device that has come under the UUID of one that has gone. Nobody here has anything to do with it."""

    uuid: str
    inode: str


@dataclasses.dataclass
class Deeds:
    """What has been done at a point, and goes on."""

    point: Point
    swaps: dict[str, Process] = dataclasses.field(default_factory=dict)  # by role
    release: Process | None = None
    twins: Process | None = None
    holder: Process | None = None  # of a twin's device
    made: Stranger | None = None  # by a twin: somebody else's, too

    def swap(self, role: str, host: Host) -> None:
        """From now on: as soon as nobody has it open, a device is another one."""
        given = self.point.uuid if role == "source" else ""
        self.swaps[role] = host.spawn(
            SWAP.replace("GIVEN", given).replace("TYPE", self.point.type_id), timeout=None)

    def give_back(self, host: Host) -> None:
        """Release the lease; the daemon may stand still."""
        self.release = host.spawn("exec adopter --release any", timeout=60)
        self._await(self.release)

    def board_twin(self, source: Host) -> None:
        """What takes its time, before the moment comes: another device with a holder."""
        if self.point.cell.base == "twin-prepare":
            self.holder = source.spawn(BOARD.replace("UUID", self.point.twin)
                                       .replace("TYPE", self.point.type_id), timeout=None)
            self.holder.wait_for_output("^lent", 30)

    def twin(self, source: Host, destination: Host) -> str:
        """Want what a destination has promised to a job; which job."""
        job, wanted = destination.output(NEWEST).split()
        if TWINS[self.point.cell.base] == "CreateDevice":
            self.twins = destination.spawn(CREATE.replace("TYPE", self.point.type_id), timeout=60)
        else:
            command = (PREPARE.replace("ADDRESS", destination.address).replace("WANTED", wanted)
                       .replace("UUID", self.point.twin).replace("PEER", destination.name))
            self.twins = source.spawn(command, timeout=100)
        self._await(self.twins, TWIN_SECONDS)
        if TWINS[self.point.cell.base] != "CreateDevice" and self.twins.running:
            self.twins.kill()  # it would get what is free by then, by right
        return job

    @staticmethod
    def _await(process: Process, seconds: float = ANSWER_SECONDS) -> None:
        """For a moment: who is to answer may be held by us."""
        try:
            process.wait_for_output("^(released|created).*\n", seconds)
        except CommandFailed:
            pass

    def strangers(self) -> dict[str, Stranger]:
        """Those that are there by now, by role."""
        found: dict[str, Stranger] = {}
        for role, process in self.swaps.items():
            said = re.search(rb"(?m)^stranger (\S+) (\d+)$", process.out)
            if said:
                found[role] = Stranger(*(word.decode() for word in said.groups()))
        if self.made:
            found["destination"] = self.made
        return found

    def await_strangers(self) -> None:
        """Nobody may keep a device for ever that has no use for it."""
        for process in self.swaps.values():
            process.wait_for_output("^stranger .*\n", SWAP_SECONDS)

    def forget(self) -> None:
        """They are looked after by nobody any more."""
        if self.holder:
            self.holder.kill()
        self.swaps.clear()
        self.made = None

    def end_twins(self, slow: bool = False) -> list[str]:
        """What is wrong with what two creators were told."""
        if not self.twins:
            return []
        result = self.twins.wait()
        if TWINS[self.point.cell.base] != "CreateDevice":
            return ["the other one has got what was promised"] if result.ok and not slow else []
        said = result.text
        good = len(re.findall("(?m)^created 0$", said))
        there = re.search(r"(?m)^there (\S+) (\d+)$", said)
        if good > 1:
            return [f"{good} callers were told that they have made one device"]
        if good and not there:
            return ["a device was made, and is not there"]
        if good and there:
            self.made = Stranger(*there.groups())
        return []


def released(deeds: Deeds) -> bool | None:
    """Whether the lease's owner was told that it is released; None: nobody asked."""
    return deeds.release.wait().ok if deeds.release else None


def wrong_release(deeds: Deeds, outcome: str) -> list[str]:
    """A lease that was released holds nothing and decides nothing."""
    told = released(deeds)
    if told and not outcome.endswith("/undone"):
        return [f"the lease was released, and the outcome is {outcome}"]
    return []


def wrong_stranger(host: Host, stranger: Stranger, made_by_us: bool) -> list[str]:
    """It is there, it is the same, and nobody has touched it."""
    said = host.try_run(LOOK.replace("UUID", stranger.uuid))
    if not said.ok:
        return [f"SOMEBODY ELSE'S DEVICE WAS REMOVED: {stranger.uuid} at {host.name}"]
    inode, opens = said.text.split()
    wrong = []
    if inode != stranger.inode:
        wrong.append(f"SOMEBODY ELSE'S DEVICE WAS REPLACED: {stranger.uuid} at {host.name}")
    if opens != "0":
        wrong.append(f"somebody else's device {stranger.uuid} was opened at {host.name}")
    if made_by_us and not host.exists(f"/var/lib/vferry/created/{stranger.uuid}"):
        wrong.append(f"nothing says any more that {stranger.uuid} at {host.name} was made by vferry")
    return wrong


def is_deed(point: Point) -> bool:
    """Whether a strike is one of these."""
    return point.cell.base in (*RETURNS, RELEASE, *TWINS)
