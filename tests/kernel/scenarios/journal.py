# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an operator finds in the journal."""

from __future__ import annotations

import json
import uuid as uuids
from typing import Any

from rig.ferry import Ferry, defaults, expect
from rig.host import Host
from rig.scenario import Context, scenario

BUS = ("debian", "between the bus, the daemon and the journal; no kernel decides it")
# daemon/base/log.c
STARTED = "e3e57054a3c445f295fd9217f6bed6b3"
IN_DOUBT = "4ece4fc7e3a84171bd6e14f2e578f6e3"
RESOLVED = "89acbb706e0b44198b975420d1ac8638"
RECOVERED = "23413d7b6d334a88a625e1e466155d88"
FAILED = "9046bf4f07574a429dde34e00c9766f4"
CRASHED = "45e78ec0c88c4a39ae48f5ac471a3ddb"
DAMAGED = "6fffe0e27f074cf7b48e5c54a2e9f8f2"
UNAVAILABLE = "a3d4f8e7949d4b32945599eb38567811"


def entries(host: Host, match: str) -> list[dict[str, Any]]:
    """The journal's entries with a field."""
    host.run("journalctl --sync")
    return [json.loads(line) for line in
            host.output(f"journalctl -o json --no-pager -u vferryd {match}").splitlines()]


def event(host: Host, message_id: str, match: str = "") -> dict[str, Any]:
    """The one entry of an event."""
    found = entries(host, f"MESSAGE_ID={message_id} {match}")
    expect(len(found) == 1, f"there is one {message_id} {match} at {host.name}: {found}")
    return found[0]


def host_id(host: Host) -> str:
    """Manager.HostId."""
    answer = host.output("busctl -j get-property org.vferry1 /org/vferry1 org.vferry1.Manager HostId")
    return str(json.loads(answer)["data"])


@scenario(mtty=False, deadline=150, only_on=BUS)
def a_job_in_doubt(ctx: Context) -> None:
    """Start, doubt, restart and decision are there with their fields, and journalctl explains them."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    defaults(ctx.b, fault="refuse running")
    ferry.board("vferry_testdev-1", state_size=65536)
    expect(ferry.start().wait().status == 2, "it ends in doubt")
    job = ferry.job_property(ctx.a, "Uuid")
    for host, peer in ((ctx.a, ctx.b), (ctx.b, ctx.a)):
        for message_id, phase in ((STARTED, "preparing"), (IN_DOUBT, "finished")):
            entry = event(host, message_id, f"VFERRY_JOB={job}")
            expect(entry["VFERRY_PEER"] == host_id(peer), f"the peer of {entry}")
            expect(entry["VFERRY_PHASE"] == phase, f"the phase of {entry}")
            expect(entry["_SYSTEMD_UNIT"] == "vferryd.service", f"the unit of {entry}")
    of_source = event(ctx.a, IN_DOUBT, f"VFERRY_JOB={job}")
    expect(of_source["VFERRY_DEVICE"] == ferry.uuid, f"the device of {of_source}")
    expect(of_source["PRIORITY"] == "2", "somebody has to look at it")
    of_device = entries(ctx.a, f"VFERRY_DEVICE={ferry.uuid}")
    expect(len(of_device) >= 3, f"one query tells the device's story: {of_device}")

    ctx.a.run("journalctl --update-catalog")
    shown = ctx.a.output(f"journalctl -x --no-pager MESSAGE_ID={IN_DOUBT} VFERRY_JOB={job}")
    for words in ("A person has to decide", job, "man:vferryd(8)"):
        expect(words in shown, f"“{words}” is in {shown}")

    ctx.a.run("systemctl restart vferryd", timeout=30)
    ctx.a.wait_until(f"vferryctl jobs | grep {job[:8]} | grep -q in-doubt", timeout=10)
    recovered = event(ctx.a, RECOVERED, f"VFERRY_JOB={job}")
    expect("in-doubt" in recovered["MESSAGE"], f"the next daemon knows it: {recovered}")
    ctx.a.run(f"vferryctl resolve --run-at source {job} ssh://harbour-b", timeout=30)
    for host in ctx.hosts:
        expect("uid 0" in event(host, RESOLVED, f"VFERRY_JOB={job}")["MESSAGE"], "who decided")


@scenario(mtty=False, deadline=150, only_on=BUS)
def what_goes_wrong(ctx: Context) -> None:
    """A mover that crashes, a damaged record and a polkit that is gone are told as what they are."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    ferry.board("vferry_testdev-1", state_size=32 << 20, read_delay_us=10000)
    moving = ferry.start()
    ferry.wait_phase("pre-copy")
    job = ferry.job_property(ctx.a, "Uuid")
    ctx.a.run("kill -SEGV $(pgrep -x vferry-mover)")
    expect(moving.wait().status == 1, "the migration fails")
    crash = event(ctx.a, CRASHED, f"VFERRY_JOB={job}")
    expect("signal 11" in crash["MESSAGE"], f"the crash: {crash}")
    failed = event(ctx.a, FAILED, f"VFERRY_JOB={job}")
    expect(failed["VFERRY_DEVICE"] == ferry.uuid, f"and what it comes to: {failed}")

    damaged = str(uuids.uuid4())
    ctx.b.write(f"/var/lib/vferry/jobs/{damaged}.source", "this is no record\n")
    ctx.b.run("systemctl restart vferryd", timeout=30)
    ctx.b.wait_until(f"journalctl --sync; journalctl MESSAGE_ID={DAMAGED} | grep -q {damaged}",
                     timeout=10)
    expect(damaged in event(ctx.b, DAMAGED, f"VFERRY_JOB={damaged}")["MESSAGE"], "it is named")

    ctx.defer(lambda: ctx.b.run("systemctl unmask --runtime polkit"))
    ctx.b.run("systemctl mask --runtime --now polkit")
    for _ in range(2):
        call = "busctl call org.vferry1 /org/vferry1 org.vferry1.Manager Begin 'aoa{sv}' 0 0"
        ctx.b.run(call, user="alice", status=1, timeout=60)
    pid = ctx.b.output("systemctl show -P MainPID vferryd")
    silent = event(ctx.b, UNAVAILABLE, f"_PID={pid}")
    expect(silent["VFERRY_ACTION"] == "org.vferry1.migrate", f"what was asked for: {silent}")
