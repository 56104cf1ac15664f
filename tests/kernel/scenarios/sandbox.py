# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a mover may do while it reads the other host's bytes, as the kernel tells it, in the unit's own filters."""

from __future__ import annotations

from rig.ferry import MDEVS, Ferry, expect
from rig.host import Host
from rig.scenario import Context, scenario

NOTHING = "0000000000000000"
STATUS = {"NoNewPrivs": "1", "Seccomp": "2", "CapInh": NOTHING, "CapPrm": NOTHING, "CapEff": NOTHING, "CapAmb": NOTHING}
# the daemon's socket, the record, the device and its stream of state, the connection, wakeups
ALLOWED_FDS = ("/dev/null", "socket:[", "anon_inode:[eventfd]", "anon_inode:[vfio-device]", "/dev/vfio/devices/",
               "/var/lib/vferry/jobs/")
STATE_FDS = ("anon_inode:",)  # a driver gives its data fd what name it likes


LOOK = r"""
set -e
pid=$(pgrep -x vferry-mover)
cat /proc/$pid/status
echo ====
for fd in /proc/$pid/fd/*; do echo ${fd##*/} $(readlink $fd); done
echo ====
cat /proc/$pid/limits
"""


def look(host: Host) -> tuple[dict[str, str], list[str], str]:
    """The one mover's status, what it has open, and its limits."""
    text, fds, limits = host.output(LOOK).split("====\n")
    status = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    return status, fds.splitlines(), limits


def check(host: Host) -> None:
    """It has what its job takes, and no more."""
    status, fds, limits = look(host)
    for key, value in STATUS.items():
        expect(status[key].strip() == value, f"{host.name}: {key} is {status[key]}, not {value}")
    for line in fds:
        number, target = line.split(" ", 1)
        expect(int(number) < 3 or target.startswith(ALLOWED_FDS) or target.startswith(STATE_FDS),
               f"{host.name}: the mover has {target} open")
    expect(sum("/var/lib/vferry" in line for line in fds) == 1, f"{host.name}: one record: {fds}")
    expect("Max core file size        0 " in limits, f"{host.name}: no core file: {limits}")


@scenario(deadline=120, mtty=False, deep_on=("small",))
def during_a_migration(ctx: Context) -> None:
    """Both movers are confined while state moves, and what they are left with is enough to end it."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    ferry.board("vferry_testdev-1", state_size=4 << 20, read_delay_us=400000)
    moving = ferry.start()
    ferry.wait_phase("pre-copy")
    for host in ctx.hosts:
        check(host)
    ctx.a.write(f"{MDEVS}/{ferry.uuid}/testdev/read_delay_us", "0")
    result = moving.wait()
    expect(result.ok, result.describe())
    ferry.adopt()
