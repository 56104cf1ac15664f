# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rig tests itself: what every other scenario takes for granted."""

from __future__ import annotations

import hashlib
import time

from rig.errors import CommandFailed
from rig.ferry import expect
from rig.scenario import Context, scenario

RIG = ("debian", "this part of the rig knows no kernel")
UUID = "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
MTTY = "/sys/class/mdev_bus/mtty/mdev_supported_types"


@scenario(deadline=30)
def boots(ctx: Context) -> None:
    """Both hosts run the kernel and systemd, and are who they should be."""
    for host in ctx.hosts:
        expect(host.output("cat /proc/1/comm") == "systemd", "PID 1 is systemd")
        expect(host.output("hostname") == host.name, f"{host.name} has its name")
        host.run(f"ip -4 addr show dev eth0 | grep -q {host.address}/24")
        expect(host.output("systemctl --failed --no-legend") == "", "no unit has failed")
        host.run("dmesg | grep -E 'WARNING: |BUG: |Oops'", status=1)
        expect(host.output("uname -r").startswith("6.12"), "a kernel of the 6.12 series runs")
    ids = {host.output("cat /etc/machine-id") for host in ctx.hosts}
    expect(len(ids) == 2 and all(len(one) == 32 for one in ids),
           f"the hosts have two different machine ids, not {ids}")


@scenario(deadline=60, only_on=RIG)
def ssh_both_ways(ctx: Context) -> None:
    """Root and alice reach the other host as themselves, without a prompt."""
    for here, there in ((ctx.a, ctx.b), (ctx.b, ctx.a)):
        for user in ("root", "alice"):
            answer = here.output(f"ssh {there.name} 'id -un; uname -n'", user=user)
            expect(answer.split() == [user, there.name], f"{user} came to {answer!r}")
    ctx.a.run("ssh -o User=root harbour-b true", user="alice", status=255)
    bus = ctx.a.output("busctl -H root@harbour-b call org.freedesktop.DBus /org/freedesktop/DBus "
                       "org.freedesktop.DBus GetNameOwner s org.freedesktop.systemd1")
    expect(bus.startswith("s "), f"the bus over ssh answered {bus!r}")


@scenario(deadline=60, only_on=RIG)
def link_is_cut_and_healed(ctx: Context) -> None:
    """A cut cable loses the carrier, or, cut silently, just the packets; both heal."""
    ping = f"ping -c 1 -W 1 {ctx.b.address}"
    ctx.a.run(ping)
    for silently in (False, True):
        ctx.link.cut(silently)
        ctx.a.run(ping, status=1) if silently else ctx.a.wait_until(f"! {ping}")
        if silently:
            expect(ctx.a.output("cat /sys/class/net/eth0/carrier") == "1", "the carrier stays")
        else:
            ctx.a.wait_until("grep -q 0 /sys/class/net/eth0/carrier")
        ctx.link.heal()
        ctx.a.wait_until(ping)


@scenario(deadline=60, deep_on=("small",))
def link_is_shaped(ctx: Context) -> None:
    """Traffic can be delayed, and a reset ends that and brings up a link that was taken down."""
    ctx.link.shape("delay 300ms")
    slow = ctx.a.output(f"ping -c 2 -q {ctx.b.address}")
    expect(float(slow.rsplit("=", 1)[1].split("/")[0]) > 590, f"600 ms there and back: {slow}")
    ctx.b.run("ip link set eth0 down")
    ctx.reset_hosts()
    ctx.a.wait_until(f"ping -c 1 -W 0.5 {ctx.b.address}")


@scenario(deadline=30, only_on=RIG)
def polkit_decides(ctx: Context) -> None:
    """polkitd answers: root may, an unprivileged user may not, a rule changes its mind."""
    check = "pkcheck --action-id org.freedesktop.systemd1.manage-units --process $$"
    ctx.a.run(check)
    refused = ctx.a.try_run(check, user="alice")
    expect(refused.status in (1, 2, 3), f"alice is refused: {refused.describe()}")
    rule = "/etc/polkit-1/rules.d/50-rig.rules"
    ctx.defer(lambda: ctx.a.run(f"rm {rule}"))
    ctx.a.write(rule, "polkit.addRule(function(action, subject) { "
                      "if (subject.isInGroup('vferry')) return polkit.Result.YES; });")
    ctx.a.wait_until(check, user="bob")
    ctx.a.run(check, user="alice", status=refused.status)


@scenario(deadline=30, only_on=RIG)
def unprivileged_is_unprivileged(ctx: Context) -> None:
    """alice is nobody special, bob is in the group vferry."""
    expect(ctx.a.output("id -un; id -Gn", user="alice").split() == ["alice", "alice"],
           "alice has no groups but her own")
    expect(ctx.a.output("id -Gn", user="bob").split() == ["bob", "vferry"],
           "bob is in the group vferry")
    ctx.a.run(f"echo {UUID} > {MTTY}/mtty-1/create", user="alice", status=1)
    ctx.a.run("cat /etc/shadow", user="alice", status=1)
    ctx.a.run("grep -q '^CapEff:.0*$' /proc/self/status", user="alice")


@scenario(deadline=30, deep_on=("small",))
def mdev_comes_and_goes(ctx: Context) -> None:
    """The kernel's mtty makes a mediated device with a VFIO group, and udevd sees both."""
    device = f"/sys/bus/mdev/devices/{UUID}"
    with_monitor = ctx.a.spawn("stdbuf -oL udevadm monitor --udev --subsystem-match=mdev",
                               timeout=25)
    with_monitor.wait_for_output("UDEV - the event")
    time.sleep(0.3)
    ctx.a.write(f"{MTTY}/mtty-2/create", UUID)
    ctx.a.wait_until(f"test -e {device}/vfio-dev && test -e {device}/mdev_type")
    group = ctx.a.output(f"basename $(readlink {device}/iommu_group)")
    ctx.a.run(f"test -c /dev/vfio/{group}")
    ctx.a.write(f"{device}/remove", "1")
    expect(not ctx.a.exists(device), "the device is gone")
    with_monitor.wait_for_output(rf"remove +\S+/{UUID} \(mdev\)")
    with_monitor.kill()
    busy = ctx.a.try_run(f"echo nonsense > {MTTY}/mtty-2/create")
    expect("Invalid argument" in busy.error_text, f"a bad uuid is EINVAL: {busy.describe()}")


@scenario(deadline=60, deep_on=("small",))
def reset_recreates_devices(ctx: Context) -> None:
    """After a reset there are no devices, no leftover commands and freshly loaded modules."""
    ctx.a.write(f"{MTTY}/mtty-1/create", UUID)
    left = ctx.a.spawn("sleep 1000")
    ctx.a.run("(setsid sleep 1001 >/dev/null 2>&1 &)")
    ctx.reset_hosts()
    expect(left.wait(5).status == 137, "a command that was left running was killed")
    ctx.a.run("pgrep -f 'sleep 100[01]'", status=1)
    expect(ctx.a.output("ls /sys/bus/mdev/devices") == "", "no mdev is left")
    expect(ctx.a.exists(f"{MTTY}/mtty-1"), "mtty is there again")


@scenario(deadline=60, only_on=RIG)
def agent_is_binary_safe(ctx: Context) -> None:
    """Files and streams of every byte value arrive as they were sent, in both directions."""
    data = bytes(range(256)) * 4096 * 3 + b"\0\r\n\x1a"
    ctx.a.write("/tmp/bytes", data)
    expect(ctx.a.read("/tmp/bytes") == data, "the file came back as it was")
    echoed = ctx.a.run("tee /dev/stderr | sha256sum -", stdin=data)
    expect(echoed.err == data, "standard input came back on standard error")
    expect(echoed.text.split()[0] == hashlib.sha256(data).hexdigest(), "the guest saw the same")
    failed = ctx.a.try_run("printf 'a\\0b'; printf 'c' >&2; exit 7")
    expect((failed.status, failed.out, failed.err) == (7, b"a\0b", b"c"), failed.describe())


@scenario(deadline=60, only_on=RIG)
def agent_runs_many(ctx: Context) -> None:
    """Commands run side by side, talk, are killed, and end at their deadlines."""
    started = time.monotonic()
    sleepers = [ctx.a.spawn(f"sleep 2; echo {number}") for number in range(16)]
    answers = [process.wait().text for process in sleepers]
    expect(answers == [str(number) for number in range(16)], f"each its own answer: {answers}")
    expect(time.monotonic() - started < 20, "sixteen sleeps of 2 s ran at the same time")

    talk = ctx.a.spawn("while read -r line; do echo \"<$line>\"; done; echo end", stdin_open=True)
    talk.send("one\n")
    talk.wait_for_output("<one>", 10)
    talk.close_stdin()
    expect(talk.wait().text == "<one>\nend", "it saw the end of its input")

    late = ctx.a.try_run("trap '' TERM; echo before; sleep 30", timeout=1)
    expect(late.timed_out and late.text == "before" and late.seconds < 10, late.describe())
    killed = ctx.a.spawn("sleep 30")
    killed.kill(15)
    expect(killed.wait().status == 128 + 15, "a signal is seen as one")
    try:
        ctx.a.run("true", user="mallory")
        raise AssertionError("a user who is not there ran a command")
    except CommandFailed as error:
        expect("there is no user 'mallory'" in str(error), str(error))
    # The shell's end is the command's, even if something it started keeps the pipe open.
    quick = ctx.a.run("sleep 20 & echo done", timeout=10)
    expect(quick.text == "done" and quick.seconds < 5, quick.describe())


@scenario(deadline=240, fresh=True, only_on=RIG, deep_on=("debian",))
def power_cut_and_back(ctx: Context) -> None:
    """A host whose power is cut is gone, the other stays, and it comes back on a new cable."""
    for victim, witness in ((ctx.b, ctx.a), (ctx.a, ctx.b)):
        witness.run("touch /run/stayed")
        boot_id = victim.output("cat /proc/sys/kernel/random/boot_id")
        victim.kill()
        witness.run(f"ping -c 1 -W 1 {victim.address}", status=1)
        ctx.revive(victim)
        witness.wait_until(f"ping -c 1 -W 1 {victim.address}")
        expect(victim.output("cat /proc/sys/kernel/random/boot_id") != boot_id, "it is a new boot")
        witness.run("test -e /run/stayed")
        victim.run(f"ssh {witness.name} true")
