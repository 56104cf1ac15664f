# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest under QEMU, with two devices: what the kernel refuses costs the migration and not the guest, and then it crosses."""

from __future__ import annotations

import uuid

from rig.ferry import MDEVS, TESTDEV, creation
from rig.guestvm import FIRST_SLOT, MARKER, journey
from stage import STEP_DEADLINE, DemoError, Stage

TYPES = ("mtty-2", "vferry_testdev-1")
STATE_SIZE = 16 << 20
# What docs/howto-qemu.md explains; -m 64 is all that this guest needs.
EXAMPLE = "/usr/share/doc/vferry/examples/guest"
GUEST = "/etc/vferry/guests/counter"
START = f"{GUEST} -m 64 -daemonize 2>/run/counter.log"
MONITOR = "/run/vferry-guest/counter.qmp"
SAYS = "/run/counter.says"
CHECK = f"vferryctl domain check --qmp {MONITOR} ssh://harbour-b"
MIGRATE = f"""vferryctl domain migrate --qmp {MONITOR} \\
  --peer-start '{START}' --peer-qmp {MONITOR} ssh://harbour-b"""


def tell(stage: Stage) -> None:
    """The story."""
    _prepare(stage)
    _start(stage)
    _refuse(stage)
    _cross(stage)


def _prepare(stage: Stage) -> None:
    a, b = stage.a, stage.b
    stage.say("Both hosts have a file that starts the guest's QEMU. harbour-b may ask the kernel before a migration is final.")
    for host in (a, b):
        stage.shell(host, f"install -D -m 755 {EXAMPLE} {GUEST}")
    stage.shell(b, "printf '[migration]\\naccept-from-process=yes\\n' >/etc/vferry/vferry.conf")
    stage.shell(b, "systemctl start vferry-accept.socket && systemctl restart vferryd")

    stage.say(f"harbour-a gets two VFIO devices, a serial card and one with {STATE_SIZE >> 20} MiB of state; harbour-b has none.")
    # In the order of their names, which is that of `ls` below.
    names = sorted(str(uuid.uuid4()) for _ in TYPES)
    for type_id, name in zip(TYPES, names):
        a.run(creation(type_id, name, {"state_size": STATE_SIZE} if "testdev" in type_id else {}))
        a.wait_until(f"vferryctl show {name}", timeout=STEP_DEADLINE)
    stage.shell(a, "vferryctl list")


def _start(stage: Stage) -> None:
    a = stage.a
    stage.say("A guest starts with both. It counts, in memory and in the second device, and tells that and the marker that each of them has.")
    stage.shell(a, f'VFERRY_DEVICES="$(ls {MDEVS})" {START}')
    a.wait_until(f"test $(wc -l <{SAYS}) -gt 4", timeout=STEP_DEADLINE)
    stage.shell(a, f"tail -n 2 {SAYS}")

    stage.say("Can it go to harbour-b?")
    stage.shell(a, CHECK, statuses=(0, 2))


def _refuse(stage: Stage) -> None:
    a, b = stage.a, stage.b
    stage.say("First what goes wrong: the kernel at harbour-b refuses the state at the last step. QEMU alone has given the guest up by then.")
    stage.shell(b, f"echo load-final >{TESTDEV}/defaults/fault")
    said = stage.shell(a, MIGRATE, live=True, statuses=(1,))
    if "the kernel does not take the state" not in said:
        raise DemoError("the migration has failed, but not for what the kernel says")
    stage.say("The migration has failed, and the guest counts on at harbour-a, with its devices.")
    stage.shell(a, f"tail -n 2 {SAYS}")
    stage.shell(b, f"echo none >{TESTDEV}/defaults/fault")


def _cross(stage: Stage) -> None:
    a, b = stage.a, stage.b
    stage.say("And now it crosses.")
    stage.shell(a, MIGRATE, live=True)
    b.wait_until(f"test $(wc -l <{SAYS}) -gt 4", timeout=STEP_DEADLINE)
    stage.say("At harbour-a the guest has told its last number, and its QEMU has ended; at harbour-b it goes on with the next.")
    stage.shell(a, f"tail -n 1 {SAYS}")
    stage.shell(b, f"head -n 2 {SAYS}")
    stage.shell(b, "vferryctl list")
    count = _check(stage)
    stage.say(f"Done: the guest has counted to {count} at two hosts, without a number that is missing or told twice.")


def _check(stage: Stage) -> int:
    """Believe nobody's word for it: what the guest told in both places is one text, and its devices had their markers."""
    stage.a.wait_until("! pgrep -f [q]emu-10", timeout=STEP_DEADLINE)
    told = journey(*(host.read(SAYS).decode() for host in (stage.a, stage.b)))
    wanted = {FIRST_SLOT: MARKER & 0xFF, FIRST_SLOT + 1: MARKER}
    lost = [report for report in told if report.markers != wanted]
    if lost:
        raise DemoError(f"{len(lost)} of {len(told)} lines have other markers than {wanted}, the first is {lost[0]}")
    loaded = stage.b.output(f"cat {MDEVS}/*/testdev/loaded")
    if loaded != "1":
        raise DemoError(f"the kernel at harbour-b has loaded the device's state {loaded} times")
    return told[-1].count
