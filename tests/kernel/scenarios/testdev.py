# SPDX-License-Identifier: LGPL-2.1-or-later
"""vferry_testdev keeps linux/vfio.h's word, so that what fails elsewhere is not its fault."""

from __future__ import annotations

from rig.ferry import MDEVS, TESTDEV, create, expect
from rig.scenario import Context, scenario

SAME = ("debian", "both kernels have the vfio core of the same sources; the walk opens groups")
# Long runs of the module alone, which changes rarely: the migrations stand on what the others see of it.
LONG = ("debian",)


def walk(ctx: Context, *groups: str) -> None:
    """Run groups of testdev-walk at harbour-a; every point must hold."""
    result = ctx.a.try_run(f"testdev-walk {' '.join(groups)}", timeout=100)
    lines = result.text.splitlines()
    for line in lines:
        if line.startswith("# ") and (" took " in line or " save " in line):
            ctx.note(line[2:])
    failed = [line for line in lines if line.startswith("not ok")]
    points = sum(line.startswith("ok") for line in lines)
    expect(result.ok and not failed and lines[-1] == f"1..{points}",
           "\n".join(failed[:20]) or result.describe())


@scenario(deadline=60, mtty=False, only_on=SAME)
def identity(ctx: Context) -> None:
    """Each type is the PCI function, and has the banks and the flags, that it says."""
    walk(ctx, "identity")


@scenario(deadline=60, mtty=False, deep_on=("small",))
def arcs(ctx: Context) -> None:
    """Every ordered pair of migration states is allowed or refused as the uAPI says."""
    walk(ctx, "arcs")


@scenario(deadline=60, mtty=False, only_on=SAME)
def precopy(ctx: Context) -> None:
    """Initial bytes fall, dirty bytes come and go, ENOMSG and poll agree, one fd to the end; REINIT for who asked."""
    walk(ctx, "precopy", "reinit", "polling")


@scenario(deadline=60, mtty=False, only_on=SAME)
def transfer(ctx: Context) -> None:
    """States of several sizes load into the other device, whatever the writes' sizes."""
    walk(ctx, "transfer")


@scenario(deadline=60, mtty=False, only_on=SAME)
def refusals(ctx: Context) -> None:
    """Another type's, another size's, a damaged and a truncated state are refused in time."""
    walk(ctx, "refusals")


@scenario(deadline=60, mtty=False, only_on=SAME)
def device_faults(ctx: Context) -> None:
    """Each fault on demand strikes where it should and nowhere else."""
    walk(ctx, "faults")


@scenario(deadline=60, mtty=False, only_on=SAME)
def resets(ctx: Context) -> None:
    """A reset by the driver, at each state, or by an administrator takes the state and says so."""
    walk(ctx, "resets")


@scenario(deadline=60, mtty=False, deep_on=("small",))
def life(ctx: Context) -> None:
    """Open, close, reset and remove clear, end and free what they should."""
    walk(ctx, "life")


@scenario(deadline=60, mtty=False, only_on=SAME, deep_on=LONG)
def storm(ctx: Context) -> None:
    """Six processes at once on one device leave it whole."""
    walk(ctx, "storm")


@scenario(deadline=120, mtty=False, only_on=SAME, deep_on=LONG)
def large_state(ctx: Context) -> None:
    """256 MiB are saved and loaded in seconds."""
    walk(ctx, "large")


@scenario(deadline=120, mtty=False, only_on=SAME, deep_on=LONG)
def cycles(ctx: Context) -> None:
    """200 devices come and go and leave no memory and no hold on the module behind."""
    walk(ctx, "cycles")
    ctx.a.run("modprobe -r vferry_testdev && modprobe vferry_testdev")


@scenario(deadline=60, mtty=False, only_on=SAME)
def defaults(ctx: Context) -> None:
    """A new device takes the parent's defaults; one that exists keeps its own."""
    ctx.defer(lambda: ctx.a.run("modprobe -r vferry_testdev && modprobe vferry_testdev"))
    wanted = {"state_size": "8192", "dirty_rate": "4096", "read_delay_us": "5",
              "write_delay_us": "6", "fault": "io-after 77"}
    before = create(ctx.a, "vferry_testdev-1")
    for name, value in wanted.items():
        ctx.a.write(f"{TESTDEV}/defaults/{name}", value)
        ctx.a.run(f"! echo nonsense > {TESTDEV}/defaults/{name}")
    after = create(ctx.a, "vferry_testdev-2")
    for name, value in wanted.items():
        shown = ctx.a.output(f"cat {MDEVS}/{after}/testdev/{name}")
        expect(shown == value, f"{name} of a new device is {value}, not {shown}")
    shown = ctx.a.output(f"cat {MDEVS}/{before}/testdev/state_size")
    expect(shown == "1048576", f"the older device keeps its state size, not {shown}")


@scenario(deadline=60, mtty=False, deep_on=("small",))
def max_devices(ctx: Context) -> None:
    """The module's parameter sets the room, within limits."""
    ctx.defer(lambda: ctx.a.run("modprobe -r vferry_testdev; modprobe vferry_testdev"))
    ctx.a.run("modprobe -r vferry_testdev && modprobe vferry_testdev max_devices=1")
    create(ctx.a, "vferry_testdev-1")
    types = ctx.a.output(f"cat {TESTDEV}/mdev_supported_types/*/available_instances")
    expect(types.split() == ["0", "0", "0"], f"one device fills it: {types!r}")
    ctx.a.run(f"echo 1 > {MDEVS}/*/remove && modprobe -r vferry_testdev")
    for count in (0, 65):
        ctx.a.run(f"! modprobe vferry_testdev max_devices={count}")
