# SPDX-License-Identifier: LGPL-2.1-or-later
"""Devices that break for good (ERROR) or do not answer for 30 seconds."""

from __future__ import annotations

import json
import time

from rig.ferry import MDEVS, TESTDEV, Ferry, defaults, expect
from rig.host import Host
from rig.scenario import Context, scenario

SIZE = 8 << 20
HANG = 30.0  # the module's hang_seconds
# Longer than a side's patience with a silent peer, and than the daemon's with a new device.
SHORT_HANG = 20
AFTER = 4 << 20
DRIVER = "what a driver does that hangs or breaks is the test device's doing, not the kernel's"


def hang_shortly(host: Host) -> None:
    """The faults that hang do so for a shorter time, until the module is loaded anew."""
    host.write("/sys/module/vferry_testdev/parameters/hang_seconds", str(SHORT_HANG))


def never_ran(host: Host, but: str = "") -> None:
    """No device of a host has run after it began to load, by the module's own account."""
    loading: set[str] = set()
    for line in host.output(f"cat {TESTDEV}/history").splitlines():
        _, uuid, state = line.split()
        if state == "resuming":
            loading.add(uuid)
        elif state == "reset":
            loading.discard(uuid)
        expect(not (uuid in loading - {but} and state.startswith("running")),
               f"{uuid} runs at {host.name}")


def state_of(host: Host, uuid: str) -> str:
    """What vferryctl shows as a device's state."""
    return str(json.loads(host.output(f"vferryctl show --json {uuid}"))["state"])


def source_breaks(ctx: Context, type_id: str, fault: str, *words: str) -> None:
    """The source's device enters ERROR: it is named so, stays where it is, and nothing runs there."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    ferry.board(type_id, state_size=SIZE, fault=fault)
    ferry.expect_failed(ferry.start(timeout=40).wait(), *words)
    expect(ferry.job_property(ctx.a, "Result") == "failed", "the source's job has failed")
    expect(ferry.state(ctx.a, ferry.uuid) == "error", "nobody reset the lent device")
    shown = state_of(ctx.a, ferry.uuid)
    expect(shown == "failed-needs-reset", f"it is failed-needs-reset, not {shown}")
    ferry.expect_nothing_left()
    never_ran(ctx.b)


def destination_breaks(ctx: Context, type_id: str, fault: str, *words: str) -> None:
    """The destination's device enters ERROR before it ran: it is removed, and the source runs."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    defaults(ctx.b, fault=fault)
    ferry.board(type_id, state_size=SIZE)
    ferry.expect_failed(ferry.start(timeout=40).wait(), *words)
    ferry.expect_source_runs()
    ferry.expect_nothing_left()
    never_ran(ctx.b)
    defaults(ctx.b, fault="none")
    ferry.cross()
    ferry.adopt()


@scenario(mtty=False, deadline=90, deep_on=("debian",))
def source_in_pre_copy(ctx: Context) -> None:
    """The source's device breaks half-way while it runs."""
    source_breaks(ctx, "vferry_testdev-1", f"error-after {AFTER}", "harbour-a")


@scenario(mtty=False, deadline=90, only_on=("small", DRIVER))
def source_at_its_stop(ctx: Context) -> None:
    """The source's device breaks on the way to STOP_COPY."""
    source_breaks(ctx, "vferry_testdev-1", "error stop-copy", "STOP_COPY")


@scenario(mtty=False, deadline=90, deep_on=("debian",))
def destination_in_loading(ctx: Context) -> None:
    """The destination's device breaks half-way while the source stands."""
    destination_breaks(ctx, "vferry_testdev-stopcopy", f"error-after {AFTER}", "write")


@scenario(mtty=False, deadline=90, only_on=("small", DRIVER))
def destination_at_its_end(ctx: Context) -> None:
    """The destination's device breaks on the way out of RESUMING."""
    destination_breaks(ctx, "vferry_testdev-1", "error stop", "STOP")


@scenario(mtty=False, deadline=150, only_on=("small", DRIVER), deep_on=("debian", "small"))
def source_hangs(ctx: Context) -> None:
    """A read hangs while the source stands, and the user cancels: it runs when the read is back."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    hang_shortly(ctx.a)
    ferry.board("vferry_testdev-stopcopy", state_size=SIZE, fault=f"hang-after {AFTER}")
    moving = ferry.start(timeout=100)
    ferry.wait_phase("switchover", AFTER - (2 << 20))
    cancel = ctx.a.spawn(f"vferryctl cancel {ferry.job_property(ctx.a, 'Uuid')}", timeout=60)
    time.sleep(5.0)
    expect(cancel.running and ferry.state(ctx.a, ferry.uuid) == "stop-copy",
           "the cancel waits, as the device does")
    result = moving.wait(100)
    expect(result.status == 1 and cancel.wait(20).ok, result.describe())
    expect(ferry.job_property(ctx.a, "Result") == "cancelled", "then the job is cancelled")
    ferry.expect_source_runs()
    ferry.expect_nothing_left()
    never_ran(ctx.b)


@scenario(mtty=False, deadline=150, only_on=("small", DRIVER), deep_on=("debian", "small"))
def destination_hangs(ctx: Context) -> None:
    """A write hangs there while the source stands, and the user cancels: it runs at once."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    hang_shortly(ctx.b)
    defaults(ctx.b, fault=f"hang-after {AFTER}")
    ferry.board("vferry_testdev-stopcopy", state_size=SIZE)
    moving = ferry.start(timeout=100)
    ferry.wait_phase("switchover")
    # how much of what was sent counts as moved by then depends on the buffers between
    stuck = "cat /proc/$(pgrep -x vferry-mover)/task/*/stat | grep -q ') D '"
    ctx.b.wait_until(f"{stuck} && sleep 0.5 && {stuck}", timeout=20)
    ctx.a.run(f"vferryctl cancel {ferry.job_property(ctx.a, 'Uuid')}", timeout=15)
    ferry.expect_source_runs()
    expect(ctx.b.try_run("pgrep -x vferry-mover").ok, "the one there still hangs")
    result = moving.wait(100)
    expect(result.status == 1, result.describe())
    ctx.b.wait_until("! pgrep -x vferry-mover", timeout=HANG + 20)
    ferry.expect_nothing_left()
    never_ran(ctx.b)


@scenario(mtty=False, deadline=150, only_on=("small", DRIVER), deep_on=("debian", "small"))
def answers_late(ctx: Context) -> None:
    """A write takes 30 s longer while the source stands: nobody gives up, and it crosses."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    defaults(ctx.b, fault=f"hang-after {AFTER}")
    ferry.board("vferry_testdev-stopcopy", state_size=SIZE)
    report = ferry.cross(timeout=100)
    expect(report["statistics"]["downtime"] > HANG * 1e6, f"it stood still meanwhile: {report}")
    expect(ferry.state(ctx.a, ferry.uuid) == "stop", "the source has stopped")
    ferry.adopt()


@scenario(mtty=False, deadline=150, only_on=("small", DRIVER))
def prepare_gives_up(ctx: Context) -> None:
    """The new device hangs before anything moved: the daemon says so before it is back."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    hang_shortly(ctx.b)
    defaults(ctx.b, fault="hang stop")
    ferry.board("vferry_testdev-1")
    ferry.expect_failed(ferry.start(timeout=60).wait(), "harbour-b", "took longer than")
    expect(ferry.state(ctx.a, ferry.uuid) == "running", "the source was not touched")
    ctx.b.wait_until("! pgrep -x vferry-mover", timeout=HANG)
    ferry.expect_nothing_left()
    never_ran(ctx.b)
