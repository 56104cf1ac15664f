# SPDX-License-Identifier: LGPL-2.1-or-later
"""The hardened unit: what it takes away is gone, and what vferryd needs is there."""

from __future__ import annotations

from rig.ferry import Ferry, expect
from rig.host import Host
from rig.scenario import Context, scenario

UNIT = "/usr/lib/systemd/system/vferryd.service"
TRIED = "/run/systemd/system/confined.service"
TRIES = "/run/confined.out"

# What tests/kernel/programs/confined.c tries, and what comes of it inside the unit.
INSIDE = {
    "write-state": "ok", "write-run": "ok", "write-tmp": "ok", "sysfs-device": "ok", "null": "ok",
    "container": "ok", "helper": "ok", "internet": "ok",
    "write-etc": "EROFS", "write-usr": "EROFS", "write-other-run": "EROFS", "tunable": "EROFS",
    "sysrq": "EROFS", "sysfs-module": "EROFS", "sysfs-system": "EROFS", "control-group": "EROFS",
    "sysfs-kernel": "EROFS",
    "read-home": "EACCES", "read-root": "EACCES", "see-init": "EACCES", "kernel-log": "EACCES",
    "shell": "EACCES",
    "packets": "EAFNOSUPPORT", "vsock": "EAFNOSUPPORT",
    "setuid-file": "EPERM", "console": "EPERM", "namespace": "EPERM", "mount": "EPERM",
    "trace": "EPERM", "code": "EPERM", "clock": "EPERM", "hostname": "EPERM", "module": "EPERM",
    "realtime": "EPERM", "other-user": "EPERM", "keyring": "EPERM",
}


def status_of(host: Host, pid: str) -> dict[str, str]:
    """The fields of /proc/PID/status."""
    lines = host.output(f"cat /proc/{pid}/status").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def expect_confined(host: Host, pid: str, who: str) -> None:
    """A process has no capability, gains none, and has a filter of system calls."""
    status = status_of(host, pid)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        expect(int(status[name], 16) == 0, f"{who} has {name} {status[name]}")
    expect(status["NoNewPrivs"] == "1", f"{who} gains no privileges")
    expect(status["Seccomp"] == "2", f"{who} has a filter of system calls")
    expect(status["Uid"].split() == ["0"] * 4, f"{who} is root: {status['Uid']}")


def try_inside(host: Host) -> dict[str, str]:
    """Start confined as systemd would start vferryd: the same unit, another command."""
    host.run(f"sed -e 's,^Type=.*,Type=oneshot,' -e '/^BusName=/d' -e '/^Restart=/d' "
             "-e 's,^ExecStart=.*,ExecStart=/usr/local/bin/confined,' "
             "-e '/^ExecPaths=/s,$, /usr/local/bin,' "
             f"-e '/^ExecStart=/aStandardOutput=truncate:{TRIES}' {UNIT} > {TRIED} "
             "&& systemctl daemon-reload && systemctl start confined.service")
    return dict(line.split() for line in host.output(f"cat {TRIES}").splitlines())


@scenario(deadline=60, deep_on=("small",))
def confines(ctx: Context) -> None:
    """From inside, everything that the unit takes away is gone, and what vferryd needs is there."""
    ctx.defer(lambda: ctx.a.run(f"rm -f {TRIED} {TRIES} && systemctl daemon-reload"))
    ctx.a.run("systemctl start vferryd", timeout=20)
    ctx.a.run("test -s /sys/module/printk/parameters/time -a -c /dev/ttyS0 -a -d /home/alice")
    tried = try_inside(ctx.a)
    inside = dict(INSIDE)
    if not ctx.a.exists("/proc/sysrq-trigger"):
        inside["sysrq"] = "ENOENT"  # the small kernel has none
    wrong = {name: f"{tried.get(name)} instead of {wanted}" for name, wanted in inside.items()
             if tried.get(name) != wanted}
    expect(not wrong, f"inside the unit: {wrong}")
    expect(tried.keys() == INSIDE.keys(), f"nothing was tried for nothing: {tried.keys()}")


@scenario(deadline=60, mtty=False, deep_on=("small",))
def has_no_power(ctx: Context) -> None:
    """Neither the daemon nor a mover at work has a capability, at either side."""
    ferry = Ferry(ctx, ctx.a, ctx.b)
    ferry.board("vferry_testdev-1", state_size=8 << 20, read_delay_us=20000)
    moving = ferry.start()
    ferry.wait_phase("pre-copy")
    for host in ctx.hosts:
        expect_confined(host, host.output("pgrep -x vferryd"), f"vferryd of {host.name}")
        expect_confined(host, host.output("pgrep -x vferry-mover"), f"the mover of {host.name}")
    ctx.a.write(f"/sys/bus/mdev/devices/{ferry.uuid}/testdev/read_delay_us", "0")
    result = moving.wait()
    expect(result.status == 0, f"and the migration completes: {result.describe()}")
