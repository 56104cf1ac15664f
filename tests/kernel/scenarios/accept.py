# SPDX-License-Identifier: LGPL-2.1-or-later
"""The kernel is asked whether it takes a loaded state before anything is decided, by who may ask and of whom."""

from __future__ import annotations

import uuid

from rig.agent import Process
from rig.ferry import MDEVS, create, creation, expect
from rig.host import Host
from rig.scenario import Context, scenario

ALICE = 1000
SOCKET = "/run/vferry/accept"
BINARY = "vferry-accept"
YAMA = "/proc/sys/kernel/yama/ptrace_scope"
NOTHING = "0000000000000000"
TAKEN = "completed - STOP asked -"
REFUSED = ("failed org.vferry1.Error.Device RESUMING asked the kernel does not take the state: "
           "change of state from RESUMING to STOP: Invalid argument")
LEFT_ALONE = "failed org.vferry1.Error.Device RUNNING untouched the device is in RUNNING and was left alone"
FORBIDDEN = "failed org.vferry1.Error.NotAuthorized - untouched "
NOT_FOUND = "failed org.vferry1.Error.NotFound - untouched "


class Guest:
    """What a hypervisor is that has loaded a device and not started its guest (programs/incoming.c)."""

    def __init__(self, process: Process, uuid: str = "") -> None:
        self.process = process
        self.uuid = uuid
        self.pid = process.wait_for_output("^loaded ([0-9]+)$", 20).group(1)

    def tell(self, command: str, pattern: str) -> str:
        """A command, and its answer."""
        self.process.send(f"{command}\n")
        return self.process.wait_for_output(pattern, 20).group(0)

    def state(self) -> str:
        """Where the device is, as the guest itself sees it; asked once."""
        return self.tell("state", "^state .*$")


def guests_with(host: Host, *devices: tuple[str, str], node: bool = False, loaded: bool = True) -> list[Guest]:
    """Guests of alice's, each with a device of a type and with a fault that it has loaded, or just open."""
    uuids = [str(uuid.uuid4()) for _ in devices]
    saves, makes = [], []
    for type_id in sorted({type_id for type_id, _ in devices}):
        one = str(uuid.uuid4())
        saves.append(f"{creation(type_id, one, {})} && state-file save {one} /tmp/{type_id}.state && echo 1 >{MDEVS}/{one}/remove")
    for (type_id, fault), one in zip(devices, uuids, strict=True):
        makes.append(creation(type_id, one, {"fault": fault} if fault else {}))
    host.run(" && ".join((*saves, *makes)) + f""" && udevadm settle && chmod a+r /tmp/*.state || exit
for d in {' '.join(uuids)}; do
    d={MDEVS}/$d; group=$(readlink $d/iommu_group); chown alice /dev/vfio/${{group##*/}}
    for n in $d/vfio-dev/*; do n=/dev/vfio/devices/${{n##*/}}; if test -e $n; then chown alice $n /dev/iommu; fi; done
done""")
    processes = [host.spawn(f"exec incoming {'--node ' if node else ''}{one} {f'/tmp/{type_id}.state' if loaded else ''}",
                            user="alice", stdin_open=True)
                 for (type_id, _), one in zip(devices, uuids, strict=True)]
    return [Guest(process, one) for process, one in zip(processes, uuids, strict=True)]


def ask(host: Host, *guests: Guest, options: str = f"--uid {ALICE}") -> list[str]:
    """What the kernel says of the devices that guests have open."""
    return host.output("; ".join(f"asker {options} {guest.pid} {guest.uuid}" for guest in guests)).splitlines()


def end(host: Host, *guests: Guest) -> None:
    """They end, and then nobody has anything open any more: `remove` would wait for that."""
    for guest in guests:
        guest.process.close_stdin()
    for guest in guests:
        result = guest.process.wait(20)
        expect(result.ok, result.describe())
    host.run(" && ".join(f"echo 1 >{MDEVS}/{guest.uuid}/remove" for guest in guests if guest.uuid)
             + f" && ! pgrep -x {BINARY}", timeout=20)


def takes(ctx: Context, *devices: tuple[str, str], node: bool = False) -> None:
    """A good state is taken, once, and the guest runs with it; a bad one is refused, and stays where it is."""
    guests = guests_with(ctx.a, *devices, node=node)
    said = ask(ctx.a, *guests, guests[0])
    for guest, (type_id, fault), line in zip(guests, devices, said):
        expect(line == (REFUSED if fault else TAKEN), f"{type_id} with the fault “{fault}”: {line}")
        state = guest.state()
        expect(state == f"state {'resuming' if fault else 'stop'} ok", f"{type_id} with the fault “{fault}”: {state}")
    expect("the device is in STOP and was left alone" in said[-1], f"once only: {said[-1]}")
    expect(guests[0].tell("run", "^run .*$") == "run ok", "and it runs")
    end(ctx.a, *guests)


@scenario(deadline=60, deep_on=("small",))
def through_the_group(ctx: Context) -> None:
    """Out of processes that came by their group's node, with both kinds of driver."""
    takes(ctx, ("mtty-2", ""), ("vferry_testdev-1", ""), ("vferry_testdev-1", "load-final"))


@scenario(deadline=60, mtty=False, only_on=("small", "it needs VFIO's character devices and iommufd"))
def through_the_node(ctx: Context) -> None:
    """The same by the device's own node, and by a descriptor that was inherited, for which nobody needs a capability."""
    takes(ctx, ("vferry_testdev-1", ""), ("vferry_testdev-1", "load-final"), node=True)
    guests = guests_with(ctx.a, ("vferry_testdev-1", ""), ("vferry_testdev-1", "load-final"), node=True)
    for guest, wanted, state in zip(guests, (TAKEN, REFUSED), ("stop", "resuming"), strict=True):
        said = guest.tell("ask 10000", "^(completed|failed|late|no answer).*$")
        expect(said == wanted, f"alice asks by herself: {said}")
        expect(guest.state() == f"state {state} ok", f"it is in {state}")
    end(ctx.a, *guests)


@scenario(deadline=60, mtty=False, deep_on=("small",))
def who_may_not(ctx: Context) -> None:
    """Another user's process, another device, one that is not loaded, without power or leave: nothing is touched."""
    (holder,) = guests_with(ctx.a, ("vferry_testdev-1", ""))
    (runner,) = guests_with(ctx.a, ("vferry_testdev-1", ""), loaded=False)
    nobody = Guest(ctx.a.spawn("exec incoming", user="alice", stdin_open=True))
    idle = create(ctx.a, "vferry_testdev-1")
    of_alice = f"--uid {ALICE}"
    asked = (
        ("another user", "--uid 0", holder, holder.uuid, FORBIDDEN, f"is of the user with uid {ALICE}"),
        ("not allowed", f"{of_alice} --forbidden", holder, holder.uuid, FORBIDDEN, "accept-from-process"),
        ("no capability", f"{of_alice} --powerless", holder, holder.uuid, FORBIDDEN, "without the capability CAP_SYS_PTRACE"),
        ("another inode", f"{of_alice} --other-inode", holder, holder.uuid, NOT_FOUND, "another device than the lease's"),
        ("another's device", of_alice, holder, runner.uuid, NOT_FOUND, f"does not hold “{runner.uuid}”"),
        ("nobody's device", of_alice, holder, idle, NOT_FOUND, f"does not hold “{idle}”"),
        ("no device at all", of_alice, nobody, holder.uuid, NOT_FOUND, f"does not hold “{holder.uuid}”"),
        ("not loaded", of_alice, runner, runner.uuid, LEFT_ALONE, "RESUMING"),
    )
    said = ctx.a.output("; ".join(f"asker {options} {guest.pid} {of}" for _, options, guest, of, _, _ in asked))
    for (what, _, _, _, begin, part), line in zip(asked, said.splitlines(), strict=True):
        expect(line.startswith(begin) and part in line, f"{what}: {line}")
    seen = ctx.a.output(f"cat {MDEVS}/{holder.uuid}/testdev/migration_state {MDEVS}/{runner.uuid}/testdev/migration_state "
                        f"{MDEVS}/{idle}/testdev/opens").split()
    expect(seen == ["resuming", "running", "0"], f"nothing was touched, and nothing opened: {seen}")
    expect(ask(ctx.a, holder) == [TAKEN], "and who may ask is answered")
    end(ctx.a, holder, runner, nobody)


def look(host: Host) -> dict[str, str]:
    """The status of the one vferry-accept there is, with what it has open."""
    text = host.output(f"p=$(pgrep -x {BINARY}) && cat /proc/$p/status && echo Open: $(readlink /proc/$p/fd/*)")
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


@scenario(deadline=60, mtty=False, deep_on=("debian",))
def driver_that_blocks(ctx: Context) -> None:
    """Nobody waits for a driver that does not answer: the rest goes on, and its copy goes when the driver lets it."""
    ctx.a.write("/sys/module/vferry_testdev/parameters/hang_seconds", "4")
    guests = guests_with(ctx.a, ("vferry_testdev-1", "hang stop"), ("vferry_testdev-1", ""))
    slow, good = guests
    asking = ctx.a.spawn(f"asker --uid {ALICE} --deadline 1500 {slow.pid} {slow.uuid}")
    ctx.a.wait_until(f"grep -q '^Seccomp:.*2' /proc/$(pgrep -x {BINARY})/status")
    status = look(ctx.a)
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        expect(status[name] == NOTHING, f"nothing is left of its power: {name} is {status[name]}")
    expect(status["Open"].count("vfio") == 1 and "pidfd" not in status["Open"], f"one device: {status['Open']}")
    result = asking.wait()
    expect((result.status, result.text) == (1, "late"), f"nobody waits: {result.describe()}")
    expect(ask(ctx.a, good) == [TAKEN], "another device is asked meanwhile")
    expect(ctx.a.try_run(f"pgrep -x {BINARY}").ok, "while the driver has not answered yet")
    ctx.a.wait_until(f"! pgrep -x {BINARY}", timeout=20)
    end(ctx.a, *guests)


@scenario(deadline=60, mtty=False, deep_on=("small",))
def by_its_unit(ctx: Context) -> None:
    """Its unit is off; when it is on, root's connection has the kernel asked, within all that the unit takes away."""
    (guest,) = guests_with(ctx.a, ("vferry_testdev-1", ""))
    way = f"asker --socket {SOCKET} --uid"
    question = f"{guest.pid} {guest.uuid}"
    off = ctx.a.try_run(f"{way} {ALICE} {question}")
    expect(off.status == 1 and "No such file" in off.error_text, f"it is off: {off.describe()}")
    ctx.defer(lambda: ctx.a.run("systemctl stop vferry-accept.socket"))
    ctx.a.run("systemctl start vferry-accept.socket", timeout=20)
    other = ctx.a.try_run(f"{way} {ALICE} {question}", user="alice")
    expect(other.status == 1 and "Permission denied" in other.error_text, f"it is root's: {other.describe()}")
    said = ctx.a.output(f"{way} 0 {question}; {way} {ALICE} {question}").splitlines()
    expect(said[0].startswith(FORBIDDEN), f"whose process it is counts here, too: {said[0]}")
    expect(said[1] == TAKEN, f"the kernel takes it: {said[1]}")
    ctx.a.wait_until(f"! pgrep -x {BINARY}")
    failed = ctx.a.output("systemctl list-units --all --plain --no-legend 'vferry-accept@*'")
    expect(failed == "", f"nothing is left of the units: {failed}")
    end(ctx.a, guest)


@scenario(deadline=60, fresh=True, mtty=False, only_on=("debian", "the small kernel has no Yama"), deep_on=("debian",))
def yama_says_no(ctx: Context) -> None:
    """Where nobody may look into any process, that is said."""
    (guest,) = guests_with(ctx.a, ("vferry_testdev-1", ""))
    ctx.a.write(YAMA, "3")  # until the next boot
    (said,) = ask(ctx.a, guest)
    expect(said.startswith(FORBIDDEN) and "kernel.yama.ptrace_scope is 3" in said, said)
    expect(guest.state() == "state resuming ok", "it was left alone")
    end(ctx.a, guest)
