# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the kernel does appears on the bus."""

from __future__ import annotations

import json

from rig.ferry import MDEVS, create, expect
from rig.scenario import Context, scenario

SCHEMA = ("debian", "a document of the daemon's")


def devices(ctx: Context) -> list[str]:
    """The ids that vferryctl lists at harbour-a."""
    return [one["id"] for one in json.loads(ctx.a.output("vferryctl list --json"))["devices"]]


@scenario(deadline=60)
def plain_sysfs_writes(ctx: Context) -> None:
    """Creating and removing an mdev by hand appears on the bus, with the room left."""
    ctx.a.run("systemctl start vferryd")
    monitor = ctx.a.spawn("exec vferryctl monitor --json", timeout=50)
    ctx.a.wait_until("busctl status org.vferry1")
    before = devices(ctx)
    uuid = create(ctx.a, "mtty-2")
    ctx.a.wait_until(f"vferryctl show {uuid} | grep -q kernel.org/mtty", timeout=10)
    expect(devices(ctx) == sorted(before + [uuid]), "the new device is listed")
    ctx.a.wait_until("vferryctl capabilities | grep mtty-2 | grep -q \"left=[\\\"']11[\\\"']\"", timeout=10)
    ctx.a.write(f"{MDEVS}/{uuid}/remove", "1")
    ctx.a.wait_until(f"! vferryctl show {uuid}", timeout=10)
    ctx.a.wait_until("vferryctl capabilities | grep mtty-2 | grep -q \"left=[\\\"']12[\\\"']\"", timeout=10)
    expect(uuid in monitor.out.decode(), f"the monitor saw {uuid}: {monitor.out.decode()[-2000:]}")


@scenario(deadline=60)
def modules_come_and_go(ctx: Context) -> None:
    """A parent vanishes with its module, with its devices, and comes back."""
    ctx.a.run("systemctl start vferryd")
    create(ctx.a, "mtty-1")
    ctx.a.wait_until("vferryctl list | grep -q kernel.org/mtty", timeout=10)
    ctx.a.run("modprobe -r mtty")
    ctx.a.wait_until("! vferryctl capabilities | grep -q 'parent id=.mtty'", timeout=10)
    ctx.a.wait_until("! vferryctl list | grep -q kernel.org/mtty", timeout=10)
    ctx.a.run("modprobe mtty")
    ctx.a.wait_until("vferryctl capabilities | grep -q 'parent id=.mtty'", timeout=10)


@scenario(deadline=60, mtty=False)
def a_knob_shows(ctx: Context) -> None:
    """A device that was configured before the daemon started is read with its value."""
    uuid = create(ctx.a, "vferry_testdev-1", state_size=65536)
    ctx.a.run("systemctl restart vferryd")
    ctx.a.wait_until(f"vferryctl show {uuid} | grep -q 65536", timeout=10)


@scenario(deadline=60, mtty=False)
def discovery_opens_nothing(ctx: Context) -> None:
    """Starting, listing and describing leaves every device unopened."""
    uuid = create(ctx.a, "vferry_testdev-1")
    ctx.a.run("systemctl restart vferryd")
    ctx.a.wait_until(f"vferryctl show {uuid}", timeout=10)
    ctx.a.run("vferryctl capabilities && vferryctl list")
    opens = ctx.a.output(f"cat {MDEVS}/{uuid}/testdev/opens")
    expect(opens == "0", f"the device has been opened {opens} times")


@scenario(deadline=60, only_on=SCHEMA)
def capabilities_follow_the_schema(ctx: Context) -> None:
    """The document is valid, and an unprivileged user may read it."""
    create(ctx.a, "mtty-2")
    ctx.a.run("systemctl start vferryd")
    ctx.a.wait_until("vferryctl list | grep -q kernel.org/mtty", timeout=10)
    ctx.a.run("vferryctl capabilities > /tmp/capabilities.xml", user="alice")
    ctx.a.run("xmllint --noout --relaxng /usr/share/vferry/schemas/capabilities.rng "
              "/tmp/capabilities.xml")
