# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests cross with QEMU alone: what the scenarios of guests and vferry take for granted."""

from __future__ import annotations

from rig.ferry import MDEVS, create, defaults, expect
from rig.guestvm import FIRST_SLOT, MARKER, Device, GuestVm, Report, journey
from rig.scenario import Context, scenario

PORT = 4444
TYPES = ("mtty-2", "vferry_testdev-1")
ACK = ("return-path", "switchover-ack")
MATRIX = ("debian", "small")


class Crossing:
    """A guest with devices of these types, in one QEMU at harbour-a, and another one that waits at harbour-b."""

    def __init__(self, ctx: Context, source: str, destination: str, types: tuple[str, ...] = TYPES,
                 properties: str = "") -> None:
        self.ctx = ctx
        self.types = types
        here, self.there = ([create(host, type_id) for type_id in types] for host in ctx.hosts)
        self.sender = GuestVm(ctx, ctx.a, [Device(uuid, properties=properties) for uuid in here], source)
        # Where there is iommufd, as vferry will give it its devices.
        self.taker = GuestVm(ctx, ctx.b, [Device(uuid, ctx.kernel == "small", properties) for uuid in self.there],
                             destination, incoming=True)

    def cross(self, *capabilities: str, **parameters: int) -> list[Report]:
        """Migrate, let it run there, and return what it has told here and there, as one guest."""
        for guest in (self.sender, self.taker):
            guest.allow(*capabilities)
        if parameters:
            self.sender.execute("migrate-set-parameters", **parameters)
        self.sender.wait_alive()
        self.sender.execute("migrate", uri=self.taker.listen(PORT))
        for guest in (self.sender, self.taker):
            expect(guest.wait_migrated() == "completed", f"it completes: {guest.execute('query-migrate')} {guest.errors}")
        expect((self.sender.status(), self.taker.status()) == ("postmigrate", "paused"), "it runs nowhere")
        self.taker.execute("cont")
        self.taker.wait_alive()
        told = journey(self.sender.told(), self.taker.told())
        expect((self.sender.status(), self.taker.status()) == ("postmigrate", "running"), "it runs only there")
        moved = self.sender.execute("query-migrate")
        self.ctx.note(f"{told[-1].count} counted, {moved['vfio']['transferred']} bytes of device state, "
                      f"downtime {moved['downtime']} of {moved['total-time']} ms")
        return told

    def expect_intact(self, told: list[Report]) -> None:
        """Each device has had its marker all the way, and its state was loaded once."""
        for slot, (type_id, uuid) in enumerate(zip(self.types, self.there), start=FIRST_SLOT):
            marker = MARKER & 0xFF if type_id.startswith("mtty") else MARKER
            expect(all(report.markers[slot] == marker for report in told), f"{type_id} has its marker all the way")
            if type_id.startswith("vferry_testdev"):
                expect(all(report.counts[slot] == report.count - 1 for report in told), "what was counted last is in it")
                loaded = self.ctx.b.output(f"cat {MDEVS}/{uuid}/testdev/loaded")
                expect(loaded == "1", "its state was loaded once")

    def end(self) -> None:
        """Both QEMUs end when they are told to."""
        for guest in (self.sender, self.taker):
            ended = guest.quit()
            expect(ended.status == 0, ended.describe())


def crosses(ctx: Context, source: str, destination: str) -> None:
    """From one QEMU to another: the same guest, with the same devices."""
    crossing = Crossing(ctx, source, destination)
    crossing.expect_intact(crossing.cross(*ACK))
    crossing.end()


def uses_channels(ctx: Context, source: str, destination: str) -> None:
    """The same, with the devices' state on multifd's channels.

    A thread saves each device. Where all have ended before QEMU counts them, as they do with a state of a few bytes, it aborts
    (util/thread-pool.c, "max_threads > 0"; seen with 10.0.2). Here the first device takes a while, and as its state comes all at
    the end, QEMU is told that the link can take it: it has nothing else to measure that by, and would wait for ever.
    """
    defaults(ctx.a, read_delay_us=5000)
    crossing = Crossing(ctx, source, destination, ("vferry_testdev-stopcopy", "mtty-2"),
                        ",x-migration-multifd-transfer=on")
    crossing.expect_intact(crossing.cross(*ACK, "multifd", avail_switchover_bandwidth=1 << 30))
    crossing.end()


def loses_state(ctx: Context, source: str, destination: str) -> None:
    """What the kernel refuses at the last step is lost, and QEMU lets the guest run: the guest's reports show it."""
    defaults(ctx.b, fault="load-final")
    crossing = Crossing(ctx, source, destination)
    told = crossing.cross(*ACK)
    mtty, testdev = range(FIRST_SLOT, FIRST_SLOT + 2)
    expect((told[0].markers[testdev], told[-1].markers[testdev]) == (MARKER, 0), "the test device has lost its marker")
    expect(told[-1].markers[mtty] == MARKER & 0xFF, "mtty has its own")
    expect(ctx.b.output(f"cat {MDEVS}/{crossing.there[1]}/testdev/loaded") == "0", "no state was loaded")
    crossing.end()


@scenario(deadline=90, qemu=True, deep_on=("debian",))
def old_to_new(ctx: Context) -> None:
    """A guest with an mtty and a test device goes from QEMU 10 to QEMU 11."""
    crosses(ctx, "10", "11")


@scenario(deadline=90, qemu=True, deep_on=MATRIX)
def new_to_old(ctx: Context) -> None:
    """It goes from QEMU 11 to QEMU 10."""
    crosses(ctx, "11", "10")


@scenario(deadline=90, qemu=True, deep_on=MATRIX)
def old_to_old(ctx: Context) -> None:
    """It goes from QEMU 10 to QEMU 10."""
    crosses(ctx, "10", "10")


@scenario(deadline=90, qemu=True, deep_on=MATRIX)
def new_to_new(ctx: Context) -> None:
    """It goes from QEMU 11 to QEMU 11."""
    crosses(ctx, "11", "11")


@scenario(deadline=90, qemu=True, deep_on=MATRIX)
def over_channels(ctx: Context) -> None:
    """The devices' state goes over multifd's channels, from QEMU 10 to QEMU 11."""
    uses_channels(ctx, "10", "11")


@scenario(deadline=90, qemu=True, deep_on=MATRIX)
def channels_back(ctx: Context) -> None:
    """The devices' state goes over multifd's channels, from QEMU 11 to QEMU 10."""
    uses_channels(ctx, "11", "10")


@scenario(deadline=90, qemu=True, deep_on=("debian",))
def lost_in_old(ctx: Context) -> None:
    """A refused state is lost in QEMU 10, and seen to be."""
    loses_state(ctx, "11", "10")


@scenario(deadline=90, qemu=True, deep_on=MATRIX)
def lost_in_new(ctx: Context) -> None:
    """A refused state is lost in QEMU 11, and seen to be."""
    loses_state(ctx, "10", "11")
