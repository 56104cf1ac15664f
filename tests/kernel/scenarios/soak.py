# SPDX-License-Identifier: LGPL-2.1-or-later
"""A sample of what `./run soak` plays in full."""

from __future__ import annotations

from collections.abc import Sequence

from rig.ferry import expect
from rig.scenario import Context, scenario
from soak import guest_points
from soak.guest_points import GuestPoint
from soak.guest_stage import GuestStage
from soak.points import SEED, Point, cells, point
from soak.stage import Stage, Verdict

# Moments that are over before a scenario could strike, and at which the answer differs from that of the
# neighbours: what can be struck on its way is in faults.py, crash.py and restart.py.
SAMPLE = (
    "kill-destination-mover@commit-there", "kill-source-daemon@commit", "kill-both-daemons@started",
    "kill-source-both@commit", "kill-destination-both@stopped", "cut-long@stopped",
    "cut-short@commit-there",
    "stuck-and-kill-source-mover@stopped",
    "release-and-crash@doubt", "return-destination@created",
    "reset-source@stopped", "reset-destination@stopped")


def sample() -> list[Point]:
    """The points of the first round, in which each cell is once."""
    points = {each.cell.label: each
              for each in (point(SEED, number) for number in range(len(cells())))}
    return [points[label] for label in SAMPLE]


# Of guests: each side's QEMU, worker and daemon, and the cable, where the answers differ.
GUEST_SAMPLE = (
    "guest-kill-source-qemu@accepting", "guest-kill-destination-qemu@loaded", "guest-kill-destination-worker@commit-there",
    "guest-kill-source-both@commit", "guest-kill-both-daemons@switchover", "guest-refused-and-kill-source-worker@switchover")


def guest_sample() -> list[GuestPoint]:
    """The points of the first round of guests, in which each cell is once."""
    points = {each.cell.label: each for each in (
        guest_points.point(SEED, guest_points.FIRST + number) for number in range(len(guest_points.cells())))}
    return [points[label] for label in GUEST_SAMPLE]


def play(ctx: Context, stage: Stage, points: Sequence[Point | GuestPoint]) -> None:
    """Each in turn; all that is wrong is told at the end."""
    ctx.defer(stage.leave)
    stage.prepare()
    wrong = []
    for each in points:
        verdict: Verdict = stage.play(each)  # type: ignore[arg-type]
        ctx.note(f"{each.describe}: {verdict.outcome} {verdict.resolved} ({verdict.seconds:.1f} s)")
        if verdict.violations:
            wrong.append("\n  ".join((
                f"{each.describe} (./run soak --point {each.number}):", *verdict.violations)))
        if verdict.broken:
            break
    expect(not wrong, "\n".join(wrong))


@scenario(deadline=600, mtty=False,
          only_on=("debian", "a sample: ./run soak plays on both"), deep_on=("debian", "small"))
def sampled(ctx: Context) -> None:
    """Whatever is struck, and when: never two sides, what is documented, and nothing left."""
    play(ctx, Stage(ctx.pair), sample())


@scenario(deadline=400, qemu=True, only_on=("small", "a sample: ./run soak plays on both"))
def guests_sampled(ctx: Context) -> None:
    """Whatever is struck while a guest crosses: never two guests, what is documented, and nothing left."""
    play(ctx, GuestStage(ctx.pair), guest_sample())
