# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whatever breaks before the commit: the source runs again and nothing is left over there."""

from __future__ import annotations

from rig.ferry import Ferry, defaults, expect
from rig.scenario import Context, scenario

# What breaks is the test device, a process or the cable: half of it on each kernel, and the soak does all on both.
AT_SOURCE = ("debian", "what breaks at the destination is tried on the other")
AT_DESTINATION = ("small", "what breaks at the source is tried on the other")
SIZE = 8 << 20
HALF_WAY = SIZE // 2
# Slow enough that something can happen in between: 64 KiB take so long, the state some seconds.
SLOW = 40000


def broken(ctx: Context, type_id: str = "vferry_testdev-1", source: dict[str, int | str] | None = None,
           destination: dict[str, int | str] | None = None, words: tuple[str, ...] = ()) -> None:
    """Migrate with knobs that make it fail; look at both sides; then it works without them."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    defaults(ctx.b, **(destination or {}))
    ferry.board(type_id, state_size=SIZE, **(source or {}))
    ferry.expect_failed(ferry.start().wait(), *words)
    expect(ferry.job_property(ctx.a, "Result") == "failed", "the source's job has failed")
    ferry.expect_source_runs()
    ferry.expect_nothing_left()
    works_again(ferry)


def works_again(ferry: Ferry) -> None:
    """The same device crosses after its faults are gone."""
    ferry.mend()
    report = ferry.cross()
    expect(report["result"] == "completed", f"it crosses afterwards: {report}")
    ferry.adopt()


@scenario(mtty=False, deadline=90, only_on=AT_SOURCE)
def source_refuses_pre_copy(ctx: Context) -> None:
    """The source's device refuses PRE_COPY."""
    broken(ctx, source={"fault": "refuse pre-copy"}, words=("PRE_COPY", "harbour-a"))


@scenario(mtty=False, deadline=90, only_on=AT_SOURCE)
def source_refuses_stop_copy(ctx: Context) -> None:
    """The source's device refuses STOP_COPY after a whole pre-copy."""
    broken(ctx, source={"fault": "refuse stop-copy"}, words=("STOP_COPY",))


@scenario(mtty=False, deadline=90, only_on=AT_DESTINATION)
def destination_refuses_resuming(ctx: Context) -> None:
    """The destination's device refuses RESUMING."""
    broken(ctx, destination={"fault": "refuse resuming"}, words=("RESUMING",))


@scenario(mtty=False, deadline=90, only_on=AT_SOURCE)
def read_fails_in_pre_copy(ctx: Context) -> None:
    """A read of state fails half-way, in pre-copy."""
    broken(ctx, source={"fault": f"io-after {HALF_WAY}"}, words=("read",))


@scenario(mtty=False, deadline=90, only_on=AT_SOURCE)
def read_fails_in_stop_copy(ctx: Context) -> None:
    """A read of state fails half-way, in stop-copy."""
    broken(ctx, "vferry_testdev-stopcopy", source={"fault": f"io-after {HALF_WAY}"},
           words=("read",))


@scenario(mtty=False, deadline=90, only_on=AT_DESTINATION)
def write_fails_in_pre_copy(ctx: Context) -> None:
    """The destination's device fails a write half-way while the source runs."""
    broken(ctx, destination={"fault": f"io-after {HALF_WAY}"}, words=("write",))


@scenario(mtty=False, deadline=90, only_on=AT_DESTINATION)
def write_fails_in_stop_copy(ctx: Context) -> None:
    """The destination's device fails a write half-way while the source stands."""
    broken(ctx, "vferry_testdev-stopcopy", destination={"fault": f"io-after {HALF_WAY}"},
           words=("write",))


@scenario(mtty=False, deadline=90, only_on=AT_DESTINATION)
def final_check_fails(ctx: Context) -> None:
    """The destination's device takes all bytes and says no at RESUMING -> STOP."""
    broken(ctx, destination={"fault": "load-final"}, words=("RESUMING", "STOP"))


@scenario(mtty=False, deadline=90, only_on=AT_DESTINATION)
def final_check_fails_without_pre_copy(ctx: Context) -> None:
    """The same for a device that was stopped from the start."""
    broken(ctx, "vferry_testdev-stopcopy", destination={"fault": "load-final"},
           words=("RESUMING", "STOP"))


def interrupted(ctx: Context, phase: str, strike: str, status: int = 1,
                outcome: str = "failed") -> None:
    """Strike while the state moves in a phase; look at both sides; then it works."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    type_id = "vferry_testdev-1" if phase == "pre-copy" else "vferry_testdev-stopcopy"
    ferry.board(type_id, state_size=SIZE, read_delay_us=SLOW)
    moving = ferry.start(timeout=80)
    ferry.wait_phase(phase, 1 << 20)
    if strike == "cut":
        ctx.link.cut(silently=True)
    elif strike == "cancel":
        ctx.a.run(f"vferryctl cancel {ferry.job_property(ctx.a, 'Uuid')}")
    else:
        host = ctx.a if strike == "source" else ctx.b
        host.run("kill -KILL $(pgrep -x vferry-mover)")
    ferry.expect_source_runs()
    if strike == "cut":
        # the client's own connection is cut, too: the destination must find out by itself
        ferry.expect_nothing_left()
        ctx.link.heal()
    result = moving.wait(60)
    expect(result.status == status, result.describe())
    expect(ferry.job_property(ctx.a, "Result") == outcome, f"the job is {outcome}")
    ferry.expect_nothing_left()
    works_again(ferry)


@scenario(mtty=False, deadline=120, only_on=AT_SOURCE)
def source_mover_killed_in_pre_copy(ctx: Context) -> None:
    """SIGKILL of the source's mover while the source runs."""
    interrupted(ctx, "pre-copy", "source")


@scenario(mtty=False, deadline=120, only_on=AT_SOURCE)
def source_mover_killed_in_stop_copy(ctx: Context) -> None:
    """SIGKILL of the source's mover while the source stands: it must run again."""
    interrupted(ctx, "switchover", "source")


@scenario(mtty=False, deadline=120, only_on=AT_DESTINATION)
def destination_mover_killed_in_pre_copy(ctx: Context) -> None:
    """SIGKILL of the destination's mover while the source runs."""
    interrupted(ctx, "pre-copy", "destination")


@scenario(mtty=False, deadline=120, only_on=AT_DESTINATION)
def destination_mover_killed_in_stop_copy(ctx: Context) -> None:
    """SIGKILL of the destination's mover while the source stands."""
    interrupted(ctx, "switchover", "destination")


@scenario(mtty=False, deadline=120, only_on=AT_SOURCE)
def cancel_in_pre_copy(ctx: Context) -> None:
    """A cancel while the source runs."""
    interrupted(ctx, "pre-copy", "cancel", outcome="cancelled")


@scenario(mtty=False, deadline=120, only_on=AT_SOURCE)
def cancel_in_stop_copy(ctx: Context) -> None:
    """A cancel while the source stands."""
    interrupted(ctx, "switchover", "cancel", outcome="cancelled")


@scenario(mtty=False, deadline=150, only_on=AT_SOURCE)
def link_cut_in_pre_copy(ctx: Context) -> None:
    """The cable is pulled while the source runs."""
    interrupted(ctx, "pre-copy", "cut")


@scenario(mtty=False, deadline=150, only_on=AT_SOURCE)
def link_cut_in_stop_copy(ctx: Context) -> None:
    """The cable is pulled while the source stands."""
    interrupted(ctx, "switchover", "cut")
