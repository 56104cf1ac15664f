# SPDX-License-Identifier: LGPL-2.1-or-later
"""What subscribers see while a device moves."""

from __future__ import annotations

import json

from rig.agent import Process
from rig.ferry import Ferry, expect
from rig.scenario import Context, scenario

BUS = ("debian", "what the bus says of a job")


def progress_of(monitor: Process, ferry: Ferry) -> list[tuple[float, int, int]]:
    """(time, done, total) of each Progress signal that a monitor printed."""
    seen = []
    for line in monitor.out.decode().splitlines():
        event = json.loads(line)
        if event.get("event") == "progress":
            seen.append((float(event["time"]), int(event["done"]), int(event["total"])))
    return seen


@scenario(mtty=False, deadline=120, only_on=BUS)
def two_subscribers(ctx: Context) -> None:
    """At most ten signals a second, bytes never fall, the end is whole, two see the same."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    ferry.board("vferry_testdev-1", state_size=32 << 20, dirty_rate=1 << 20)
    monitors = [ctx.a.spawn("exec vferryctl monitor --json", user=user, timeout=100)
                for user in ("root", "alice")]
    ctx.a.wait_until("test $(pgrep -c -f 'vferryctl monitor') -ge 2", timeout=10)
    ctx.a.run("sleep 2")
    ferry.cross(timeout=90)
    for monitor in monitors:
        monitor.wait_for_output('"completed"', 20)
    first, second = (progress_of(monitor, ferry) for monitor in monitors)
    expect(len(first) >= 3, f"there are several signals: {first}")
    expect([entry[1:] for entry in first] == [entry[1:] for entry in second],
           f"both saw the same: {first} and {second}")
    done = [entry[1] for entry in first]
    expect(done == sorted(done), f"bytes never fall: {done}")
    for start, (when, _, _) in enumerate(first):
        in_one_second = [entry for entry in first[start:] if entry[0] - when < 1.0]
        expect(len(in_one_second) <= 11, f"{len(in_one_second)} signals within a second")
    expect(first[-1][1] == first[-1][2], f"the total equals the bytes at the end: {first[-1]}")
    expect(int(ferry.job_property(ctx.a, "BytesTotal")) ==
           int(ferry.job_property(ctx.a, "BytesDone")), "so do the properties")
