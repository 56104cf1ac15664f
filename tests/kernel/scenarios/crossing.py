# SPDX-License-Identifier: LGPL-2.1-or-later
"""Devices cross, in both directions, with their state."""

from __future__ import annotations

from rig.ferry import HAS_LEASE, MDEVS, Ferry, expect, mdevs, objects, of_kind
from rig.host import Host
from rig.scenario import Context, scenario

CHANGES = ("debian", "who changes the state is the test device")
ONE_WAY = ("debian", "the other direction runs on both kernels")
LARGE = 256 << 20
LARGE_THERE = ("debian", "the small kernel has the other direction")
LARGE_BACK = ("small", "Debian's has the other direction")


def crosses(ctx: Context, source: Host, destination: Host, type_id: str, **knobs: int) -> None:
    """Board, cross, adopt; afterwards the source is stopped and the destination runs."""
    ferry = Ferry(ctx, source, destination)
    ferry.board(type_id, **knobs)
    report = ferry.cross(timeout=100)
    expect(report["result"] == "completed", f"the report says completed: {report}")
    if parent(type_id) == "vferry_testdev":
        new = mdevs(destination)
        expect(len(new) == 1, f"one device is at {destination.name}, not {new}")
        expect(ferry.state(source, ferry.uuid) == "stop", "the source is left stopped")
        expect(ferry.state(destination, new[0]) == "running", "the destination runs")
        if "state_size" in knobs:
            listed = destination.output("vferryctl list")
            expect(f"state-size={knobs['state_size']}" in listed, f"it is shown as it is: {listed}")
        loaded = destination.output(f"cat {MDEVS}/{new[0]}/testdev/loaded")
        expect(loaded == "1", f"the kernel loaded one state, not {loaded}")
    ferry.adopt()


def parent(type_id: str) -> str:
    """The mdev parent that makes a type."""
    return "mtty" if type_id.startswith("mtty-") else "vferry_testdev"


@scenario(deadline=60)
def mtty_1_there(ctx: Context) -> None:
    """A single-port mtty goes from a to b with its scratch register."""
    crosses(ctx, ctx.a, ctx.b, "mtty-1")


@scenario(deadline=60, only_on=ONE_WAY, deep_on=("debian", "small"))
def mtty_1_back(ctx: Context) -> None:
    """A single-port mtty goes from b to a."""
    crosses(ctx, ctx.b, ctx.a, "mtty-1")


@scenario(deadline=60, deep_on=("debian", "small"))
def mtty_2_there(ctx: Context) -> None:
    """A dual-port mtty goes from a to b."""
    crosses(ctx, ctx.a, ctx.b, "mtty-2")


@scenario(deadline=60, only_on=ONE_WAY)
def mtty_2_back(ctx: Context) -> None:
    """A dual-port mtty goes from b to a."""
    crosses(ctx, ctx.b, ctx.a, "mtty-2")


@scenario(deadline=120, mtty=False, only_on=LARGE_THERE)
def large_there(ctx: Context) -> None:
    """A test device with 256 MiB of state goes from a to b."""
    crosses(ctx, ctx.a, ctx.b, "vferry_testdev-2", state_size=LARGE)


@scenario(deadline=120, mtty=False, only_on=LARGE_BACK)
def large_back(ctx: Context) -> None:
    """A test device with 256 MiB of state goes from b to a."""
    crosses(ctx, ctx.b, ctx.a, "vferry_testdev-2", state_size=LARGE)


@scenario(deadline=60, mtty=False, deep_on=("debian",))
def without_precopy(ctx: Context) -> None:
    """A device that cannot pre-copy is stopped at once and still crosses whole."""
    crosses(ctx, ctx.a, ctx.b, "vferry_testdev-stopcopy", state_size=16 << 20)


@scenario(deadline=90, mtty=False, only_on=CHANGES)
def while_it_changes(ctx: Context) -> None:
    """A device that changes 2 MiB a second while it runs converges and crosses."""
    crosses(ctx, ctx.a, ctx.b, "vferry_testdev-1", state_size=32 << 20, dirty_rate=2 << 20)


@scenario(deadline=120, mtty=False)
def there_and_back_again(ctx: Context) -> None:
    """The adopted device can be lent again and goes home with what was written first."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    ferry.board("vferry_testdev-1", marker="0x0ddba110")
    ferry.cross()
    lease = ferry.lease()
    ctx.b.run(HAS_LEASE)  # or it would say nothing where it must not hold
    adopter = ctx.b.spawn(f"exec adopter --expect 0x0ddba110 --lend {lease}", timeout=None)
    adopter.wait_for_output("^lent", 20)
    there = mdevs(ctx.b)[0]
    result = ctx.b.run(f"vferryctl migrate --json --address {ctx.a.address} {there} ssh://harbour-a",
                       timeout=60)
    expect("completed" in result.text, result.describe())
    back = [uuid for uuid in mdevs(ctx.a) if uuid != ferry.uuid]
    expect(len(back) == 1, f"one new device is at harbour-a, not {back}")
    home = next(iter(of_kind(objects(ctx.a), "Lease")))
    ctx.a.run(f"adopter --expect 0x0ddba110 {home}")
