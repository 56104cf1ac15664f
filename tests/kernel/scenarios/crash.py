# SPDX-License-Identifier: LGPL-2.1-or-later
"""Daemons die, and what they left is found again."""

from __future__ import annotations

from rig.agent import Process
from rig.ferry import MDEVS, RECOVERY, Ferry, defaults, expect, mdevs
from rig.host import Host
from rig.scenario import Context, scenario

PROCESSES = ("small", "who lives and who dies is no matter of VFIO; the soak kills on both kernels")
SIZE = 8 << 20
SLOW = 40000


def under_way(ctx: Context, type_id: str = "vferry_testdev-1") -> tuple[Ferry, Process]:
    """A migration whose state moves now, slowly."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    ferry.board(type_id, state_size=SIZE, read_delay_us=SLOW)
    moving = ferry.start(timeout=80)
    ferry.wait_phase("pre-copy" if type_id == "vferry_testdev-1" else "switchover", 1 << 20)
    return ferry, moving


def kill(host: Host, *names: str) -> None:
    """SIGKILL, all at once."""
    host.run("kill -KILL $(pgrep -x '" + "|".join(names) + "')")


@scenario(mtty=False, deadline=120, only_on=PROCESSES)
def destination_daemon_and_mover(ctx: Context) -> None:
    """Daemon and mover of the destination die together: the device is removed at the restart."""
    ferry, moving = under_way(ctx)
    expect(len(mdevs(ctx.b)) == 1, "the device is there before")
    kill(ctx.b, "vferryd", "vferry-mover")
    ferry.expect_source_runs()
    ctx.b.run("systemctl reset-failed vferryd; systemctl start vferryd", timeout=20)
    ferry.expect_nothing_left()
    expect(moving.wait(60).status != 0, "vferryctl fails")


@scenario(mtty=False, deadline=120, only_on=PROCESSES)
def source_client(ctx: Context) -> None:
    """vferryctl dies: the movers decide and finish without it."""
    ferry, moving = under_way(ctx)
    ctx.a.run("kill -KILL $(pgrep -x vferryctl)")
    moving.wait(20)
    ctx.a.write(f"{MDEVS}/{ferry.uuid}/testdev/read_delay_us", "0")
    ctx.a.wait_until(f"grep -qx stop {MDEVS}/{ferry.uuid}/testdev/migration_state", timeout=30)
    new = mdevs(ctx.b)[0]
    ctx.b.wait_until(f"grep -qx running {MDEVS}/{new}/testdev/migration_state", timeout=RECOVERY)
    expect(ferry.job_property(ctx.a, "Result") == "completed", "the source knows")
    ferry.adopt()


@scenario(mtty=False, deadline=60, only_on=PROCESSES)
def prepared_and_forgotten(ctx: Context) -> None:
    """A client that dies after Prepare leaves nothing."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    # the connection for the data is refused, so the migration waits between Prepare and its end
    ctx.b.run("ip addr add 10.77.0.77/32 dev lo")
    ctx.defer(lambda: ctx.b.try_run("ip addr del 10.77.0.77/32 dev lo"))
    ferry.board("vferry_testdev-1")
    ctx.a.run("ip route add blackhole 10.77.0.77/32")
    ctx.defer(lambda: ctx.a.try_run("ip route del blackhole 10.77.0.77/32"))
    moving = ctx.a.spawn(f"vferryctl migrate --json --address 10.77.0.77 {ferry.uuid} "
                         "ssh://harbour-b", timeout=50)
    result = moving.wait()
    expect(result.status == 1, result.describe())
    ferry.expect_source_runs()
    ferry.expect_nothing_left()


@scenario(mtty=False, deadline=120, only_on=PROCESSES)
def in_doubt_and_resolved(ctx: Context) -> None:
    """The destination cannot start after the commit: none runs, both say so, resolve ends it."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    defaults(ctx.b, fault="refuse running")
    ferry.board("vferry_testdev-1", state_size=4 << 20)
    result = ferry.start(timeout=60).wait()
    ferry.expect_failed(result, "vferryctl resolve", status=2)
    for host in ctx.hosts:
        expect(ferry.job_property(host, "Result") == "in-doubt", f"{host.name} is in doubt")
    expect(ferry.state(ctx.a, ferry.uuid) == "stop", "the source stands")
    expect(ferry.state(ctx.b, mdevs(ctx.b)[0]) != "running", "the destination stands")
    job = ferry.job_property(ctx.a, "Uuid")
    refused = ctx.a.try_run(f"vferryctl resolve --run-at source {job} ssh://harbour-b",
                            user="alice")
    expect(refused.status == 4, refused.describe())
    ctx.a.run(f"vferryctl resolve --run-at source {job} ssh://harbour-b")
    ferry.expect_source_runs()
    ferry.expect_nothing_left()
