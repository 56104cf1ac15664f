# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon is restarted, killed or stopped under systemd while it has something in its hands."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from rig.agent import Process
from rig.ferry import MDEVS, RECOVERY, Ferry, defaults, expect, mdevs, objects, of_kind
from rig.host import Host
from rig.scenario import Context, scenario

SYSTEMD = ("small", "systemd keeps any descriptor alike; the soak kills on both kernels")
SIZE = 32 << 20
# 64 KiB of state takes so long, in microseconds: nothing ends by itself while daemons come and go,
SLOW = 1000000
# and here a mover, which reads 1 MiB at a time, hears soon that it is to stop.
BRISK = 50000
# A daemon that starts on a busy machine.
START = 45
PRE_COPY = "vferry_testdev-1"
STOP_COPY = "vferry_testdev-stopcopy"
# As quickly as systemd starts another: this one is met at its work, and the next five at their start.
SIX_AT_ONCE = """
last=$(pgrep -x vferryd)
for signal in KILL ABRT SEGV KILL ABRT SEGV; do
    kill -$signal $last
    until pid=$(pgrep -x vferryd) && test "$pid" != $last; do
        if systemctl is-failed vferryd; then exit 1; fi
    done
    last=$pid
done"""
# Where five starts take an emulated guest more than systemd's ten seconds, two are as many.
SLOW_LIMIT = "[Unit]\nStartLimitBurst=2\n"
DROP_IN = "/run/systemd/system/vferryd.service.d"
# A caller who finds nobody: the kill has come to the bus, the next daemon has not.
CALL_MEANWHILE = """
pid=$(systemctl show -P MainPID vferryd)
kill -{signal} $pid
while test -e /proc/$pid || busctl status org.vferry1 2>/dev/null | grep -qx "PID=$pid"; do :; done
busctl get-property org.vferry1 /org/vferry1 org.vferry1.Manager Version"""
# of a source that is over: the record and the description of the job
KEPT_AFTER = 2


def main_pid(host: Host) -> int:
    """The daemon's; 0 when there is none."""
    return int(host.output("systemctl show -P MainPID vferryd"))


def wait_for_another(host: Host, before: int) -> None:
    """Until systemd has started the next daemon and it answers."""
    host.wait_until(
        f'pid=$(systemctl show -P MainPID vferryd); test "$pid" != 0 && test "$pid" != {before} '
        "&& systemctl is-active -q vferryd && busctl status org.vferry1 >/dev/null",
        timeout=START)


def restart(*hosts: Host) -> None:
    """systemctl restart."""
    for host in hosts:
        before = main_pid(host)
        host.run("systemctl restart vferryd", timeout=START)
        wait_for_another(host, before)


def kill(*hosts: Host) -> None:
    """SIGKILL, at all of them before any is waited for."""
    before = [main_pid(host) for host in hosts]
    for host, pid in zip(hosts, before):
        host.run(f"kill -KILL {pid}")
    for host, pid in zip(hosts, before):
        wait_for_another(host, pid)


def kill_with_mover(host: Host) -> None:
    """The daemon and its mover, at once."""
    before = main_pid(host)
    host.run(f"kill -KILL {before} $(pgrep -x vferry-mover)")
    wait_for_another(host, before)


def under_way(ctx: Context, type_id: str, delay: int = BRISK) -> tuple[Ferry, Process]:
    """A migration whose state moves now, slowly."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    ferry.board(type_id, state_size=SIZE, read_delay_us=delay)
    moving = ferry.start(timeout=280)
    ferry.wait_phase("pre-copy" if type_id == PRE_COPY else "switchover", 1)
    return ferry, moving


def expect_same_jobs(ferry: Ferry, jobs: list[str]) -> None:
    """The jobs are under their paths, and have not ended."""
    for host, path in zip((ferry.source, ferry.destination), jobs):
        expect(ferry.job(host) == path, f"the job at {host.name} is still {path}")
        expect(ferry.job_property(host, "Result") == "", f"the job at {host.name} goes on")


def expect_little_kept(host: Host) -> None:
    """Nothing of what is over is still in systemd's store."""
    host.wait_until(
        f'test "$(systemctl show -P NFileDescriptorStore vferryd)" -le {KEPT_AFTER}',
        timeout=RECOVERY)


def expect_completed(ctx: Context, ferry: Ferry, moving: Process) -> None:
    """It ends as if nothing had been."""
    ctx.a.write(f"{MDEVS}/{ferry.uuid}/testdev/read_delay_us", "0")
    result = moving.wait(60)
    expect(result.status == 0, f"the migration completes: {result.describe()}")
    expect(json.loads(result.text)["result"] == "completed", result.text)


def finish(ctx: Context, ferry: Ferry, moving: Process) -> None:
    """It completes, and is adopted with its marker."""
    expect_completed(ctx, ferry, moving)
    ferry.adopt()
    expect_little_kept(ctx.a)


def through(ctx: Context, type_id: str, *blows: tuple[Callable[..., None], tuple[Host, ...]]) -> None:
    """One migration that all of this happens to."""
    ferry, moving = under_way(ctx, type_id, SLOW)
    jobs = [ferry.job(host) for host in ctx.hosts]
    for way, hosts in blows:
        way(*hosts)
        ctx.note(f"{way.__name__} at {' and '.join(host.name for host in hosts)}")
        expect_same_jobs(ferry, jobs)
    finish(ctx, ferry, moving)


@scenario(mtty=False, deadline=300, only_on=SYSTEMD)
def in_pre_copy(ctx: Context) -> None:
    """While the device runs at the source either daemon, and both, come and go: nobody notices."""
    through(ctx, PRE_COPY, (restart, (ctx.a,)), (kill, (ctx.b,)), (restart, ctx.hosts))


@scenario(mtty=False, deadline=300, only_on=SYSTEMD)
def in_stop_copy(ctx: Context) -> None:
    """The same while the device stands."""
    through(ctx, STOP_COPY, (kill, (ctx.a,)), (restart, (ctx.b,)), (kill, ctx.hosts))


@scenario(mtty=False, deadline=240, only_on=SYSTEMD)
def lent_and_loaded(ctx: Context) -> None:
    """A loan survives at the source, a loaded device at the destination, until it is adopted."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    ferry.board(PRE_COPY, state_size=4 << 20)
    restart(ctx.a)
    kill(ctx.a)
    ferry.cross()
    lease = ferry.lease()
    restart(*ctx.hosts)
    kill(*ctx.hosts)
    expect(ferry.lease() == lease, "the lease is under its path")
    ferry.adopt()
    restart(ctx.b)
    expect_little_kept(ctx.a)


def in_hand(host: Host) -> dict[str, tuple[str, int]]:
    """Each job with its result and the bytes that it has moved, each lease with its state."""
    found = objects(host)
    return {path: (job["Result"]["data"], int(job["BytesDone"]["data"]))
            for path, job in of_kind(found, "Job").items()} | \
           {path: (lease["State"]["data"], 0) for path, lease in of_kind(found, "Lease").items()}


def states(host: Host) -> dict[str, str]:
    """The same without the bytes, which may grow."""
    return {path: state for path, (state, _) in in_hand(host).items()}


def loaded_and_moving(ctx: Context) -> tuple[Ferry, str, Ferry, Process]:
    """One device is loaded at b, under this lease, while the state of another is on its way there."""
    first, second = Ferry(ctx, ctx.a, ctx.b), Ferry(ctx, ctx.a, ctx.b)
    first.board(PRE_COPY, state_size=4 << 20)
    first.cross()
    lease = first.lease()
    second.board(STOP_COPY, marker="0x5ea1e9", state_size=SIZE, read_delay_us=SLOW)
    moving = second.start(timeout=280)
    deadline = time.monotonic() + START
    while not any(result == "" and moved > 0 for result, moved in in_hand(ctx.a).values()):
        expect(time.monotonic() < deadline, f"the second moves: {in_hand(ctx.a)}")
    return first, lease, second, moving


@scenario(mtty=False, deadline=300, only_on=SYSTEMD, deep_on=("debian", "small"))
def ten_crashes(ctx: Context) -> None:
    """The daemons crash ten times, faster than they start and at their work: nothing in flight is lost, nor is who calls."""
    for host in ctx.hosts:
        host.run(f"mkdir -p {DROP_IN} && echo '{SLOW_LIMIT}' >{DROP_IN}/limit.conf && systemctl daemon-reload")
        ctx.defer(lambda host=host: host.run(f"rm -r {DROP_IN} && systemctl daemon-reload"))
    first, lease, second, moving = loaded_and_moving(ctx)
    before = [states(host) for host in ctx.hosts]
    for crashing in [host.spawn(SIX_AT_ONCE, timeout=120) for host in ctx.hosts]:
        result = crashing.wait()
        expect(result.ok, f"systemd does not give up: {result.describe()}")
    for signal in ("KILL", "ABRT", "SEGV", "TERM"):
        for calling in [host.spawn(CALL_MEANWHILE.format(signal=signal), timeout=START) for host in ctx.hosts]:
            result = calling.wait()
            expect(result.ok, f"who calls when it has died of SIG{signal} is answered: {result.describe()}")
        expect([states(host) for host in ctx.hosts] == before, f"after SIG{signal} all is as it was")
    expect_completed(ctx, second, moving)
    (other,) = (path for path in states(ctx.b) if "/lease/" in path and path != lease)
    for ferry, path in ((first, lease), (second, other)):
        ctx.b.run(f"adopter --expect {ferry.marker} {path}", timeout=20)


def in_doubt(ctx: Context) -> tuple[Ferry, str]:
    """Committed, and the destination could not start: then every daemon dies."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    defaults(ctx.b, fault="refuse running")
    ferry.board(PRE_COPY, state_size=4 << 20)
    expect(ferry.start(timeout=60).wait().status == 2, "it ends in doubt")
    job = ferry.job_property(ctx.a, "Uuid")
    kill(*ctx.hosts)
    restart(*ctx.hosts)
    for host in ctx.hosts:
        expect(ferry.job_property(host, "Result") == "in-doubt", f"{host.name} is still in doubt")
    expect(ferry.state(ctx.a, ferry.uuid) == "stop", "the source stands")
    return ferry, job


@scenario(mtty=False, deadline=240, only_on=SYSTEMD)
def in_doubt_to_source(ctx: Context) -> None:
    """In doubt, restarted, and then resolved: it runs at the source."""
    ferry, job = in_doubt(ctx)
    ctx.a.run(f"vferryctl resolve --run-at source {job} ssh://harbour-b", timeout=60)
    ferry.expect_source_runs()
    ferry.expect_nothing_left()


@scenario(mtty=False, deadline=240, only_on=SYSTEMD)
def in_doubt_to_destination(ctx: Context) -> None:
    """In doubt, restarted, and then resolved: it runs at the destination, where its state was kept."""
    ferry, job = in_doubt(ctx)
    # vferryctl offers no such thing for a device that has refused once; its administrator may know better
    refused = ctx.a.try_run(f"vferryctl resolve --run-at destination {job} ssh://harbour-b")
    expect(refused.status == 1, refused.describe())
    ctx.b.write(f"{MDEVS}/{mdevs(ctx.b)[0]}/testdev/fault", "none")
    for host, decision in ((ctx.a, "discard"), (ctx.b, "run")):
        host.run(f"busctl call org.vferry1 {ferry.job(host)} org.vferry1.Job Resolve 'sa{{sv}}' "
                 f"{decision} 0", timeout=60)
    ctx.b.wait_until(f"grep -qx running {MDEVS}/{mdevs(ctx.b)[0]}/testdev/migration_state",
                     timeout=RECOVERY)
    expect(ferry.state(ctx.a, ferry.uuid) == "stop", "the source stands")
    ferry.adopt()


@scenario(mtty=False, deadline=240, only_on=SYSTEMD)
def source_with_mover(ctx: Context) -> None:
    """Daemon and mover of the source die at once: the next daemon has the device brought back."""
    ferry, moving = under_way(ctx, STOP_COPY)
    kill_with_mover(ctx.a)
    ferry.expect_source_runs()
    ferry.expect_nothing_left()
    expect(moving.wait(60).status == 1, "vferryctl fails")
    expect(ferry.job_property(ctx.a, "Result") == "failed", "the source's job has failed")


@scenario(mtty=False, deadline=240, only_on=SYSTEMD)
def source_stopped(ctx: Context) -> None:
    """systemctl stop at the source: its mover brings the device back, by itself."""
    for type_id in (PRE_COPY, STOP_COPY):
        ferry, moving = under_way(ctx, type_id)
        ctx.a.run("systemctl stop vferryd", timeout=START)
        ferry.expect_source_runs()
        ferry.expect_nothing_left()
        # vferryctl has the bus start it; nobody else has called it yet
        expect(moving.wait(60).status != 0, "vferryctl fails")
        ctx.a.run("systemctl is-active vferryd")
        expect(ferry.job_property(ctx.a, "Result") == "failed", "the record says how it ended")
        ctx.reset_hosts()


@scenario(mtty=False, deadline=240, only_on=SYSTEMD)
def destination_stopped(ctx: Context) -> None:
    """systemctl stop at the destination: the source runs again; the next start removes the device."""
    for type_id in (PRE_COPY, STOP_COPY):
        ferry, moving = under_way(ctx, type_id)
        ctx.b.run("systemctl stop vferryd", timeout=START)
        ferry.expect_source_runs()
        ctx.b.run("systemctl start vferryd", timeout=START)
        ferry.expect_nothing_left()
        expect(moving.wait(60).status != 0, "vferryctl fails")
        ctx.reset_hosts()
