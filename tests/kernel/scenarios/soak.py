# SPDX-License-Identifier: LGPL-2.1-or-later
"""A sample of what `./run soak` plays in full."""

from __future__ import annotations

from rig.ferry import expect
from rig.scenario import Context, scenario
from soak.points import SEED, Point, cells, point
from soak.stage import Stage

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


@scenario(deadline=600, mtty=False,
          only_on=("debian", "a sample: ./run soak plays on both"), deep_on=("debian", "small"))
def sampled(ctx: Context) -> None:
    """Whatever is struck, and when: never two sides, what is documented, and nothing left."""
    stage = Stage(ctx.pair)
    ctx.defer(stage.leave)
    stage.prepare()
    wrong = []
    for each in sample():
        verdict = stage.play(each)
        ctx.note(f"{each.describe}: {verdict.outcome} {verdict.resolved} ({verdict.seconds:.1f} s)")
        if verdict.violations:
            wrong.append("\n  ".join((
                f"{each.describe} (./run soak --point {each.number}):", *verdict.violations)))
        if verdict.broken:
            break
    expect(not wrong, "\n".join(wrong))
