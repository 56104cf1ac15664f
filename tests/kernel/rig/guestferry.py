# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that goes from one host to another, as its users have it go: vferryctl at its source, and a QEMU that waits at the other."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from .agent import Process, Result
from .ferry import MDEVS, RECOVERY, Ferry, create, expect
from .guestvm import FIRST_SLOT, MARKER, PROCESS, Device, GuestVm, Report, journey
from .host import Host
from .scenario import Context

TYPES = ("mtty-2", "vferry_testdev-1")
CONFIGURATION = "/etc/vferry/vferry.conf"


def ask_kernel(ctx: Context, host: Host) -> None:
    """Have a host ask the kernel before a commit, as an administrator allows it, until the end of the scenario."""
    host.run(f"mkdir -p /etc/vferry && printf '[migration]\\naccept-from-process=yes\\n' >{CONFIGURATION}"
             " && systemctl start vferry-accept.socket && systemctl restart vferryd")
    ctx.defer(lambda: host.try_run(f"rm -f {CONFIGURATION}; systemctl stop vferry-accept.socket; systemctl restart vferryd"))


class GuestFerry(Ferry):
    """One guest with devices of these types; the QEMU at either side is of that version."""

    def __init__(self, ctx: Context, source: Host, destination: Host, versions: tuple[str, str] = ("10", "10"),
                 types: Sequence[str] = TYPES) -> None:
        super().__init__(ctx, source, destination)
        self.types = types
        self.versions = versions
        self.sender: GuestVm | None = None
        self.taker: GuestVm | None = None
        self.there: list[str] = []

    def begin(self, options: str = "", **knobs: int | str) -> GuestVm:
        """Make the devices and start the guest with them; knobs go to the test devices."""
        here = [create(self.source, type_id, **(knobs if type_id.startswith("vferry_testdev") else {}))
                for type_id in self.types]
        self.sender = GuestVm(self.ctx, self.source, [Device(uuid) for uuid in here], self.versions[0],
                              name="sender", options=options)
        self.uuid = here[-1]
        for uuid in here:
            self.source.wait_until(f"vferryctl show {uuid}")
        self.sender.wait_alive()
        return self.sender

    def set_off(self, *options: str, timeout: float = 120.0) -> Process:
        """Start vferryctl, which waits for the guest at the destination; the report comes as JSON, behind what it tells."""
        assert self.sender is not None
        return self.source.spawn(
            f"vferryctl domain migrate --json --qmp {self.sender.socket} --address {self.destination.address} "
            f"{' '.join(options)} ssh://{self.destination.name} 2>&1", timeout=timeout)

    def receive(self, process: Process, options: str = "") -> GuestVm:
        """What the destination's administrator does, as vferryctl says: start a QEMU with what was prepared, and attach it."""
        told = process.wait_for_output(r"(?s)start the guest there.*--lease (\S+)", 60)
        lease = told.group(1)
        self.there = re.findall(r"(\S+) at \S+ \(here \S+\)", told.group(0))
        expect(len(self.there) == len(self.types), f"it names each device: {told.group(0)}")
        self.taker = GuestVm(self.ctx, self.destination, [Device(uuid) for uuid in self.there], self.versions[1],
                             incoming=True, name="taker", options=options)
        expect(self.taker.status() == "inmigrate", "it waits")
        self.destination.run(f"vferryctl domain attach --lease {lease} --qmp {self.taker.socket}", timeout=30)
        return self.taker

    def cross_guest(self, *options: str) -> dict[str, Any]:
        """Migrate, and expect that it completes: the guest runs there, and only there."""
        process = self.set_off(*options)
        taker = self.receive(process)
        result = process.wait()
        expect(result.status == 0, f"the migration completes: {result.describe()} {taker.errors}")
        report: dict[str, Any] = json.loads(result.text[result.text.index("{"):])
        taker.wait_alive()
        return report

    def told(self) -> list[Report]:
        """What the guest has told here and there, as one guest."""
        assert self.sender is not None
        return journey(self.sender.told(), self.taker.told() if self.taker else "")

    def expect_intact(self) -> None:
        """Each device has had its marker all the way, and its state was loaded once."""
        told = self.told()
        for slot, (type_id, uuid) in enumerate(zip(self.types, self.there), start=FIRST_SLOT):
            marker = MARKER & 0xFF if type_id.startswith("mtty") else MARKER
            expect(all(report.markers[slot] == marker for report in told), f"{type_id} has its marker all the way")
            if type_id.startswith("vferry_testdev"):
                loaded = self.destination.output(f"cat {MDEVS}/{uuid}/testdev/loaded")
                expect(loaded == "1", "its state was loaded once")

    def expect_guest_goes_on(self, result: Result, *words: str) -> None:
        """The migration failed with these words, the guest runs here, with its devices' state, and there nothing is left."""
        self.expect_failed(result, *words)
        assert self.sender is not None
        expect(self.sender.status() == "running", "it runs at its source")
        last = self.sender.wait_alive()
        for slot, type_id in enumerate(self.types, start=FIRST_SLOT):
            marker = MARKER & 0xFF if type_id.startswith("mtty") else MARKER
            expect(last.markers[slot] == marker, f"{type_id} has its marker")
        self.destination.wait_until(f"! pgrep -x {PROCESS}", timeout=RECOVERY)
        self.expect_nothing_left()

    def end(self) -> None:
        """Whoever still has the guest ends."""
        for guest in (self.sender, self.taker):
            if guest:
                guest.kill()
