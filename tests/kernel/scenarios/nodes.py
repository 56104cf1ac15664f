# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which way a device is opened: its own node and iommufd where the kernel has them, else its group."""

from __future__ import annotations

import json

from rig.ferry import MDEVS, Ferry, create, expect
from rig.scenario import Context, scenario

NODES = "it needs VFIO's character devices and iommufd"
OPENED_AS = {"debian": "anon_inode:[vfio-device]", "small": "/dev/vfio/devices/vfio"}


@scenario(deadline=90, mtty=False)
def way_in(ctx: Context) -> None:
    """The destination's device is opened through its node where there is one, else its group."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    ferry.board("vferry_testdev-1")
    ferry.cross()
    held = ctx.b.output("readlink /proc/$(pgrep -x vferryd)/fd/*")
    for kernel, target in OPENED_AS.items():
        expect((target in held) == (kernel == ctx.kernel),
               f"a device is opened as {OPENED_AS[ctx.kernel]}, in the daemon's descriptors: {held}")
    ferry.adopt()


@scenario(deadline=90, mtty=False, only_on=("small", NODES))
def node_is_lent(ctx: Context) -> None:
    """A holder that opened the device through its node lends it, and it crosses."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    ferry.board("vferry_testdev-2", holder_options="--node")
    ferry.cross()
    ferry.adopt()


@scenario(deadline=60, mtty=False)
def open_elsewhere(ctx: Context) -> None:
    """A device that somebody has open is busy, and a probe says so; it is not opened."""
    ways = {"debian": {"": "/dev/vfio/"}, "small": {"": "open elsewhere", "--node": "open elsewhere"}}
    for way, words in ways[ctx.kernel].items():
        uuid = create(ctx.a, "vferry_testdev-1")
        ctx.a.wait_until(f"vferryctl show {uuid}")
        holder = ctx.a.spawn(f"exec holder {way} --marker 0x5afe {uuid}", timeout=None)
        holder.wait_for_output("^wrote", 20)
        probe = ctx.a.try_run(f"vferryctl probe {uuid}", timeout=30)
        expect(probe.status == 1 and words in probe.error_text, f"it is busy: {probe.describe()}")
        expect(ctx.a.output(f"cat {MDEVS}/{uuid}/testdev/opens") == "1", "only the holder opened it")
        holder.kill()
        holder.wait(10)


@scenario(deadline=60, mtty=False)
def flags_without_opening(ctx: Context) -> None:
    """How a device migrates is read from debugfs where that is, and unknown without; never opened."""
    uuid = create(ctx.a, "vferry_testdev-1")
    ctx.a.wait_until(f"vferryctl show {uuid}")
    device = json.loads(ctx.a.output(f"vferryctl show --json {uuid}"))
    shown = (device["migration_source"], device["migration"])
    # 6.12's debugfs shows the state, so that there is one; which features beyond the mandatory, later kernels say.
    expected = {"debian": ("unknown", []), "small": ("debugfs", ["stop-copy"])}
    expect(shown == expected[ctx.kernel], f"it is {expected[ctx.kernel]}, not {shown}")
    expect(ctx.a.output(f"cat {MDEVS}/{uuid}/testdev/opens") == "0", "nobody opened it")
