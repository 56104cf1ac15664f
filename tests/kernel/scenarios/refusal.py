# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is refused before a byte moves, and who may ask."""

from __future__ import annotations

from rig.ferry import MDEVS, Ferry, create, expect
from rig.scenario import Context, scenario

BEFORE = ("small", "refused by the daemon before the kernel is asked for anything")


@scenario(deadline=60, only_on=BEFORE)
def wrong_type_of_mtty(ctx: Context) -> None:
    """The state of two ports is refused by one port, with both values named, before it moves."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    ferry.board("mtty-2")
    result = ferry.start("--type mtty-1").wait()
    ferry.expect_failed(result, "ports", "2", "1", "Incompatible")
    ferry.expect_nothing_left()
    ferry.expect_marker_at_source()


@scenario(deadline=60, mtty=False, only_on=BEFORE)
def wrong_type_of_testdev(ctx: Context) -> None:
    """Two banks do not fit one bank."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    ferry.board("vferry_testdev-2")
    result = ferry.start("--type vferry_testdev-1").wait()
    ferry.expect_failed(result, "banks", "2", "1", "Incompatible")
    ferry.expect_nothing_left()
    ferry.expect_source_runs()


@scenario(deadline=60, mtty=False, only_on=BEFORE)
def nobody_holds_it(ctx: Context) -> None:
    """A device that nobody lent is not opened, and the error says what to do."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    ferry.uuid = create(ctx.a, "vferry_testdev-1")
    ctx.a.wait_until(f"vferryctl show {ferry.uuid}", timeout=10)
    ferry.expect_failed(ferry.start().wait(), "lend")
    opens = ctx.a.output(f"cat {MDEVS}/{ferry.uuid}/testdev/opens")
    expect(opens == "0", f"the device has been opened {opens} times")


@scenario(deadline=60, only_on=BEFORE)
def no_room(ctx: Context) -> None:
    """A destination without an instance left says so."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    for _ in range(12):
        create(ctx.b, "mtty-2")
    ferry.board("mtty-2")
    ferry.expect_failed(ferry.start().wait(), "NoRoom")


@scenario(deadline=60, mtty=False, only_on=BEFORE)
def alice_may_look_but_not_touch(ctx: Context) -> None:
    """Real polkitd: an unprivileged user lists and reads; migrate, cancel and lend are refused."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    ferry.board("vferry_testdev-1", state_size=64 << 20, read_delay_us=20000)
    for command in ("list", f"show {ferry.uuid}", "capabilities", "jobs"):
        ctx.a.run(f"vferryctl {command}", user="alice")
    refused = ferry.start(user="alice").wait()
    ferry.expect_failed(refused, "org.vferry1.migrate", status=4)

    moving = ferry.start()
    ferry.wait_phase("pre-copy")
    job = ferry.job_property(ctx.a, "Uuid")
    cancel = ctx.a.try_run(f"vferryctl cancel {job}", user="alice")
    ferry.expect_failed(cancel, "org.vferry1.migrate", status=4)
    expect(ferry.job_property(ctx.a, "Result") == "", "the job runs on")
    ctx.a.run(f"vferryctl cancel {job}")
    expect(moving.wait().status == 1, "root's cancel ends it")

    device = ctx.a.output("busctl tree --list org.vferry1 | grep /device/ | head -1")
    for command in (f"busctl call org.vferry1 {device} org.vferry1.Device Reclaim 'a{{sv}}' 0",
                    f"holder --lend --no-open {ferry.uuid}"):
        refused = ctx.a.try_run(command, user="alice")
        expect(not refused.ok and "org.vferry1.migrate" in refused.error_text, refused.describe())


@scenario(deadline=60, mtty=False, only_on=BEFORE)
def properties_are_read_only(ctx: Context) -> None:
    """Writing a property is refused, for alice and for root."""
    create(ctx.a, "vferry_testdev-1")
    ctx.a.run("systemctl start vferryd")
    ctx.a.wait_until("busctl tree --list org.vferry1 | grep -q /device/", timeout=10)
    device = ctx.a.output("busctl tree --list org.vferry1 | grep /device/ | head -1")
    for user in ("alice", "root"):
        for path, interface, name in ((device, "Device", "State"),
                                      ("/org/vferry1", "Manager", "Version")):
            result = ctx.a.try_run(f"busctl set-property org.vferry1 {path} org.vferry1.{interface} "
                                   f"{name} s nonsense", user=user)
            expect(not result.ok, f"{user} cannot write {name}: {result.describe()}")
    state = ctx.a.output(f"busctl get-property org.vferry1 {device} org.vferry1.Device State")
    expect("nonsense" not in state, state)
