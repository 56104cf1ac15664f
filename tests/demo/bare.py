# SPDX-License-Identifier: LGPL-2.1-or-later
"""One device, one crossing: programs that stand in for a virtual machine monitor hold it."""

from __future__ import annotations

import time

from rig.ferry import MDEVS, create, defaults
from rig.host import Host
from stage import STEP_DEADLINE, DemoError, Stage

# Enough to see it move, at what an emulated processor carries.
STATE_SIZE = 64 << 20
TYPE = "vferry_testdev-1"
MARKER = "written at harbour-a"


def tell(stage: Stage) -> None:
    """The story."""
    a, b = stage.a, stage.b
    stage.say(f"harbour-a gets a VFIO device with {STATE_SIZE >> 20} MiB of state; harbour-b has none.")
    defaults(a, state_size=STATE_SIZE)
    device = create(a, TYPE)
    a.wait_until(f"vferryctl show {device}", timeout=STEP_DEADLINE)
    stage.shell(a, "vferryctl list")

    stage.say("A program opens the device, writes a few words into it, and lends it to vferryd.")
    stage.start(a, f"holder --marker '{MARKER}' --lend {device}", "lent")

    stage.say("The device moves to harbour-b, while the program goes on holding it.")
    started = time.monotonic()
    stage.shell(a, f"vferryctl migrate {device[:8]} ssh://harbour-b", live=True)
    moved = time.monotonic() - started

    stage.say("At harbour-b another program takes the device over and reads what is in it.")
    read = stage.start(b, f"adopter --stay --expect '{MARKER}' {_lease(b)}", "state")
    _check(b, read)
    stage.shell(b, "vferryctl list")
    stage.say(f"Done: {STATE_SIZE >> 20} MiB of device state crossed in {moved:.1f} s and arrived whole.")


def _lease(host: Host) -> str:
    tree = host.output("busctl tree --list org.vferry1")
    leases = [line for line in tree.split() if line.startswith("/org/vferry1/lease/")]
    if len(leases) != 1:
        raise DemoError(f"{host.name} has {len(leases)} leases after the migration, not one")
    return leases[0]


def _check(host: Host, read: str) -> None:
    """Believe nobody's word for it: the bytes and the kernel's own states."""
    if MARKER not in read:
        raise DemoError(f"the adopter read '{read.strip()}', not '{MARKER}'")
    state = host.output(f"cat {MDEVS}/*/testdev/migration_state")
    if state != "running":
        raise DemoError(f"the kernel at {host.name} says the device is '{state}', not running")
