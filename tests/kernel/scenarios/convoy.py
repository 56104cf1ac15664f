# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several devices in one job."""

from __future__ import annotations

from rig.ferry import MDEVS, TESTDEV, Ferry, expect, mdevs
from rig.host import Host
from rig.scenario import Context, scenario

REMOTE_BUS = "/run/there.bus"


def entered(host: Host) -> list[tuple[str, str]]:
    """Device and state, in the order in which the test devices of a host entered them."""
    lines = host.output(f"cat {TESTDEV}/history").splitlines()
    return [(line.split()[1], line.split()[2]) for line in lines]


def expect_together(host: Host, devices: list[str], first: str, then: str) -> None:
    """All devices have entered one state for the last time before any of them entered another."""
    order = entered(host)
    last = {item: place for place, item in enumerate(order)}
    for one in devices:
        for other in devices:
            expect(last.get((one, first), len(order)) < last.get((other, then), -1),
                   f"at {host.name} all are in {first} before one is in {then}: {order}")


@scenario(deadline=120, mtty=False, deep_on=("debian",))
def two_stop_together(ctx: Context) -> None:
    """Two devices that can talk to each other pass through the P2P states, on both sides."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    devices = []
    for marker in ("0x0ddba110", "0xc0ffee"):
        ferry.board("vferry_testdev-1", marker=marker)
        devices.append(ferry.uuid)
    tunnel = ctx.a.spawn(f"exec ssh -N -L {REMOTE_BUS}:/run/dbus/system_bus_socket harbour-b",
                         timeout=None)
    ctx.a.wait_until(f"test -S {REMOTE_BUS}")
    result = ctx.a.run(f"convoy unix:path={REMOTE_BUS} {ctx.b.address} {' '.join(devices)}",
                       timeout=80)
    tunnel.kill()
    expect(result.text == "completed", result.describe())
    expect_together(ctx.a, devices, "pre-copy-p2p", "stop-copy")
    there = mdevs(ctx.b)
    expect(len(there) == 2, f"two devices are there: {there}")
    expect_together(ctx.b, there, "running-p2p", "running")
    for uuid in devices:
        expect(ferry.state(ctx.a, uuid) == "stop", f"{uuid} has stopped")
    for uuid in there:
        expect(ctx.b.output(f"cat {MDEVS}/{uuid}/testdev/loaded") == "1", f"{uuid} was loaded")
