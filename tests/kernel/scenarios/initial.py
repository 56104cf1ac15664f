# SPDX-License-Identifier: LGPL-2.1-or-later
"""Initial bytes: a source stands still only when they are loaded, or when somebody wanted it so."""

from __future__ import annotations

from rig.ferry import TESTDEV, Ferry, defaults, expect
from rig.scenario import Context, scenario

EITHER = ("debian", "what decides is the test device, the same on both kernels")
# 64 KiB take so long to load, 1 MiB 3.2 s: more than the limit.
SLOW = 200000
LIMIT = ("--precopy-max", "1")


def states(ctx: Context, uuid: str) -> list[str]:
    """What the source's device went through, oldest first."""
    lines = ctx.a.output(f"cat {TESTDEV}/history").splitlines()
    return [line.split()[2] for line in lines if line.split()[1] == uuid]


@scenario(mtty=False, deadline=90, only_on=EITHER)
def limit_passes(ctx: Context) -> None:
    """A slow loader and a short limit: failed in time, never stopped; or stopped, as asked for."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    defaults(ctx.b, write_delay_us=SLOW)
    ferry.board("vferry_testdev-1", state_size=1 << 20)
    ferry.expect_failed(ferry.start(*LIMIT).wait(), "initial bytes", "1 s")
    went = states(ctx, ferry.uuid)
    expect(went[-2:] == ["pre-copy", "running"] and "stop-copy" not in went, f"it only ran: {went}")
    ferry.expect_source_runs()
    ferry.expect_nothing_left()
    statistics = ferry.cross(*LIMIT, "--no-switchover-ack")["statistics"]
    expect(statistics.get("initial_bytes_unloaded", 0) >= 1 << 20, f"the report says so: {statistics}")
    ferry.adopt()


@scenario(mtty=False, deadline=90, only_on=EITHER)
def asks_again(ctx: Context) -> None:
    """A device that finds initial bytes as it is to be stopped goes on in pre-copy, and crosses whole."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    ferry.board("vferry_testdev-1", state_size=1 << 20, reinit="at pre-copy-p2p")
    statistics = ferry.cross()["statistics"]
    expect("initial_bytes_unloaded" not in statistics, f"all were loaded: {statistics}")
    went = states(ctx, ferry.uuid)
    again = "pre-copy pre-copy-p2p pre-copy pre-copy-p2p stop-copy stop"
    expect(again in " ".join(went), f"it went back: {went}")
    ferry.adopt()
