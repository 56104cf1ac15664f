# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests cross between QEMUs onto devices that vferry found and made, and what goes wrong costs the migration, not the guest."""

from __future__ import annotations

from rig.ferry import defaults, expect, mdevs
from rig.guestferry import GuestFerry, ask_kernel
from rig.scenario import Context, scenario

MATRIX = ("debian", "small")


def crosses(ctx: Context, source: str, destination: str) -> None:
    """A guest with an mtty and a test device, the kernel asked before the commit."""
    ask_kernel(ctx, ctx.b)
    ferry = GuestFerry(ctx, ctx.a, ctx.b, (source, destination))
    ferry.begin()
    report = ferry.cross_guest()
    expect(report["result"] == "completed", f"it says so: {report}")
    ferry.expect_intact()
    expect(sorted(mdevs(ctx.b)) == sorted(ferry.there), "the devices are the guest's now, and stay")
    ctx.note(f"{report.get('statistics', report)}")
    ferry.end()


@scenario(deadline=120, qemu=True)
def old_to_new(ctx: Context) -> None:
    """From QEMU 10 to QEMU 11."""
    crosses(ctx, "10", "11")


@scenario(deadline=120, qemu=True, deep_on=MATRIX)
def new_to_old(ctx: Context) -> None:
    """From QEMU 11 to QEMU 10."""
    crosses(ctx, "11", "10")


@scenario(deadline=120, qemu=True, deep_on=MATRIX)
def old_to_old(ctx: Context) -> None:
    """From QEMU 10 to QEMU 10."""
    crosses(ctx, "10", "10")


@scenario(deadline=120, qemu=True, deep_on=MATRIX)
def new_to_new(ctx: Context) -> None:
    """From QEMU 11 to QEMU 11."""
    crosses(ctx, "11", "11")


def refused(ctx: Context, source: str, destination: str) -> None:
    """What the kernel refuses at the last step: the source goes on with its state, where QEMU alone would lose it."""
    ask_kernel(ctx, ctx.b)
    defaults(ctx.b, fault="load-final")
    ferry = GuestFerry(ctx, ctx.a, ctx.b, (source, destination))
    ferry.begin()
    process = ferry.set_off()
    ferry.receive(process)
    ferry.expect_guest_goes_on(process.wait(), "the kernel does not take the state")
    ferry.end()


@scenario(deadline=120, qemu=True, deep_on=("debian",))
def refused_by_kernel(ctx: Context) -> None:
    """The kernel refuses the state before the commit, and the guest goes on at its source (QEMU 11 to 10)."""
    refused(ctx, "11", "10")


@scenario(deadline=120, qemu=True, deep_on=MATRIX)
def refused_by_kernel_new(ctx: Context) -> None:
    """The kernel refuses the state before the commit, and the guest goes on at its source (QEMU 10 to 11)."""
    refused(ctx, "10", "11")
