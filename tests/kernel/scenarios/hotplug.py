# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the kernel does appears on the bus."""

from __future__ import annotations

import json
import time
from typing import NamedTuple

from rig.ferry import MDEVS, TESTDEV, create, expect
from rig.host import Host
from rig.scenario import Context, scenario

SCHEMA = ("debian", "a document of the daemon's")


def devices(ctx: Context) -> list[str]:
    """The ids that vferryctl lists at harbour-a."""
    return [one["id"] for one in json.loads(ctx.a.output("vferryctl list --json"))["devices"]]


@scenario(deadline=60, deep_on=("debian",))
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


@scenario(deadline=60, deep_on=("debian",))
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


@scenario(deadline=60, mtty=False, deep_on=("debian",))
def a_knob_shows(ctx: Context) -> None:
    """A device that was configured before the daemon started is read with its value."""
    uuid = create(ctx.a, "vferry_testdev-1", state_size=65536)
    ctx.a.run("systemctl restart vferryd")
    ctx.a.wait_until(f"vferryctl show {uuid} | grep -q 65536", timeout=10)


@scenario(deadline=90, mtty=False)
def discovery_opens_nothing(ctx: Context) -> None:
    """Starting, hotplug, listing, describing and looking up open no device; the trace sees a probe."""
    uuid = create(ctx.a, "vferry_testdev-1")
    trace = ctx.a.spawn("exec opens", timeout=None)
    trace.wait_for_output("^watching")
    ctx.a.run("systemctl restart vferryd", timeout=30)
    ctx.a.wait_until(f"vferryctl show {uuid}", timeout=10)
    ctx.a.run("vferryctl capabilities && vferryctl list && busctl tree org.vferry1 "
              f"&& busctl call org.vferry1 /org/vferry1 org.vferry1.Manager Lookup s {uuid}")
    path = ctx.a.output(f"busctl -j call org.vferry1 /org/vferry1 org.vferry1.Manager Lookup s {uuid}")
    device = json.loads(path)["data"][0]
    ctx.a.run(f"busctl introspect org.vferry1 {device}")
    ctx.a.run(f"cycler 5 {TESTDEV}/mdev_supported_types/vferry_testdev-1")
    opened = trace.out.decode().split("\n", 1)[1]
    expect(opened == "", f"nobody has opened anything: {opened}")
    opens = ctx.a.output(f"cat {MDEVS}/{uuid}/testdev/opens")
    expect(opens == "0", f"the device has been opened {opens} times")
    ctx.a.run(f"busctl call org.vferry1 {device} org.vferry1.Device Probe 'a{{sv}}' 0")
    trace.wait_for_output("^open /dev/vfio/", 10)
    opens = ctx.a.output(f"cat {MDEVS}/{uuid}/testdev/opens")
    expect(int(opens) > 0, "and so does the device itself")


METER = "/run/vferry/heap-meter"
# What allocators have parked for later use is not in use.
METERED = f"""[Service]
Environment=LD_PRELOAD=/usr/local/bin/heap-meter.so HEAP_METER={METER}
Environment=G_SLICE=always-malloc GLIBC_TUNABLES=glibc.malloc.tcache_count=0
ExecPaths=/usr/local/bin
"""
HEAP_GROWTH = 16 << 10


class Holdings(NamedTuple):
    """What a daemon has when nothing goes on."""

    fds: int
    objects: int
    heap: int


def holdings(host: Host) -> Holdings:
    """Ask the daemon, the bus and the kernel."""
    host.run("udevadm settle")
    host.run(f"rm -f {METER}.out; echo -n x > {METER}")
    host.wait_until(f"test -s {METER}.out", timeout=10)
    pid = host.output("systemctl show -P MainPID vferryd")
    return Holdings(int(host.output(f"ls /proc/{pid}/fd | wc -l")),
                    int(host.output("busctl tree --list org.vferry1 | wc -l")),
                    int(host.output(f"cat {METER}.out")))


def soak_hotplug(ctx: Context, cycles: int, warm_up: int = 20) -> None:
    """Devices come and go so many times, and the daemon keeps nothing of them."""
    host, drop_in = ctx.a, "/run/systemd/system/vferryd.service.d/heap-meter.conf"
    ctx.defer(lambda: host.run(f"rm -f {drop_in} && systemctl daemon-reload"))
    host.run(f"mkdir -p {drop_in.rpartition('/')[0]}")
    host.write(drop_in, METERED)
    host.run("systemctl daemon-reload && systemctl restart vferryd", timeout=30)
    type_path = f"{TESTDEV}/mdev_supported_types/vferry_testdev-1"
    host.run(f"cycler {warm_up} {type_path}", timeout=15.0 + warm_up * 3)
    before = holdings(host)
    started = time.monotonic()
    host.run(f"cycler {cycles} {type_path}", timeout=15.0 + cycles * 3)
    took = time.monotonic() - started
    after = holdings(host)
    ctx.note(f"{cycles} cycles in {took:.0f} s after {warm_up}: descriptors {before.fds} -> "
             f"{after.fds}, objects {before.objects} -> {after.objects}, heap in use "
             f"{before.heap} -> {after.heap} ({after.heap - before.heap:+})")
    expect(after.fds == before.fds, f"no descriptor is left: {before} {after}")
    expect(after.objects == before.objects, f"no object is left: {before} {after}")
    expect(after.heap - before.heap < HEAP_GROWTH, f"no memory is left: {before} {after}")


@scenario(deadline=200, mtty=False, deep_on=("debian",))
def nothing_is_kept(ctx: Context) -> None:
    """20 devices that came and went, then 60 more: no descriptor, no object, no memory is kept."""
    soak_hotplug(ctx, 60)  # 200 take minutes on a busy machine


@scenario(deadline=60, only_on=SCHEMA)
def capabilities_follow_the_schema(ctx: Context) -> None:
    """The document is valid, and an unprivileged user may read it."""
    create(ctx.a, "mtty-2")
    ctx.a.run("systemctl start vferryd")
    ctx.a.wait_until("vferryctl list | grep -q kernel.org/mtty", timeout=10)
    ctx.a.run("vferryctl capabilities > /tmp/capabilities.xml", user="alice")
    ctx.a.run("xmllint --noout --relaxng /usr/share/vferry/schemas/capabilities.rng "
              "/tmp/capabilities.xml")
