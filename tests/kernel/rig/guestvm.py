# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest of a host's own: a QEMU in it, with VFIO devices, whose guest counts aloud (nested-guest.S).

Scenarios that start one are registered with qemu=True. What the QEMU of the machine's own, which runs the host, is asked is
host.qmp().
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import shlex
from collections.abc import Sequence
from typing import Any

from .agent import Result
from .errors import CommandFailed
from .ferry import MDEVS
from .host import Host
from .qemus import GUEST
from .scenario import Context

FOLDER = "/run/nested"
# What its process is called, whose program is a loader.
PROCESS = "nested-qemu"
# Both QEMUs have it, and so can send to each other.
MACHINE = "pc-q35-10.0"
MEMORY_MIB = 64
# What the guest writes into each device; mtty keeps the lowest byte.
MARKER = 0xCAFE00C5
FIRST_SLOT = 5
FIRST_DESCRIPTOR = 20
# Of nested-guest.S: where it looks for the marker and the pages to write, and how far it counts from line to line.
MARKER_AT, PAGES_AT = 0x6000, 0x6004
STEP = 2
REPORT = re.compile(r"[0-9a-f]{8}( [0-9a-f]{2}:[0-9a-f]{8}(,[0-9a-f]{8})?)*")


@dataclasses.dataclass(frozen=True)
class Report:
    """A line that the guest has told."""

    count: int
    markers: dict[int, int]  # by slot
    counts: dict[int, int]  # what was counted in each test device the time before, by slot


def reports(text: str) -> list[Report]:
    """What a guest has told so far, which must be well formed; a line that has not ended does not count."""
    found = []
    for line in text.split("\n")[:-1]:
        if line == "begin":
            continue
        if not REPORT.fullmatch(line):
            raise CommandFailed(f"“{line}” is no line of the nested guest")
        count, *devices = line.split()
        fields = [re.split("[:,]", device) for device in devices]
        found.append(Report(int(count, 16), {int(slot, 16): int(marker, 16) for slot, marker, *_ in fields},
                            {int(field[0], 16): int(field[2], 16) for field in fields if field[2:]}))
    return found


def journey(*texts: str) -> list[Report]:
    """What was told in one place after the other, which must be one guest's: begun once, and nothing lost or told twice."""
    text = "".join(texts)
    if text.count("begin\n") != 1 or not text.startswith("begin\n"):
        raise CommandFailed(f"the guest has begun not once but {text.count('begin')} times:\n{text[-2000:]}")
    found = reports(text)
    for number, report in enumerate(found, start=1):
        if report.count != number * STEP:
            raise CommandFailed(f"report {number} is of {report.count}, not of {number * STEP}:\n{text[-2000:]}")
    return found


@dataclasses.dataclass(frozen=True)
class Device:
    """An mdev that a guest gets. `descriptor`: as one that QEMU inherits, of VFIO's character device, where iommufd is."""

    uuid: str
    descriptor: bool = False
    properties: str = ""


class GuestVm:
    """One nested QEMU, from its start to its end. It starts while others do: whoever asks it first waits for it."""

    def __init__(self, ctx: Context, host: Host, devices: Sequence[Device], qemu: str = "10", *,
                 incoming: bool = False, name: str = "guest", memory: int = MEMORY_MIB, pages: int = 4,
                 options: str = "") -> None:
        """`incoming`: it stands still and waits for a guest to come; `pages`: to be written at each tick of its timer."""
        self.host = host
        self.name = name
        # For vferry; this one's own monitor is another.
        self.socket = f"{FOLDER}/{name}.qmp"
        self._says = f"{FOLDER}/{name}.says"
        self._pid = f"{FOLDER}/{name}.pid"
        self._numbers = itertools.count(1)
        self._greeted = False
        self._forgotten = 0
        opened, words = self._devices(ctx.kernel, devices)
        command = " ".join((
            f"exec monitored qemu-{qemu} -name {name},process={PROCESS} -M {MACHINE} -accel tcg,tb-size=32 -m {memory}",
            "-nodefaults -no-user-config -display none", f"-pidfile {self._pid}", f"-bios /{GUEST}",
            f"-device loader,addr={MARKER_AT},data={MARKER},data-len=4",
            f"-device loader,addr={PAGES_AT},data={pages},data-len=4",
            f"-chardev file,id=says,path={self._says} -device isa-debugcon,iobase=0xe9,chardev=says",
            "-chardev socket,id=own,fd=3 -qmp chardev:own",
            f"-qmp unix:{self.socket},server=on,wait=off", *(["-S -incoming defer"] if incoming else []),
            words, options))
        self._process = host.spawn(f"mkdir -p {FOLDER} && {opened} {command}", timeout=None, stdin_open=True)

    @staticmethod
    def _devices(kernel: str, devices: Sequence[Device]) -> tuple[str, str]:
        """What opens the descriptors, and QEMU's words for the devices, as this kernel wants them."""
        opened, words = "", []
        if kernel == "small":
            words.append("-object iommufd,id=iommufd0")
        for number, device in enumerate(devices):
            word = (f"-device vfio-pci,id=vfio{number},addr={FIRST_SLOT + number:#x},sysfsdev={MDEVS}/{device.uuid}"
                    # By itself QEMU migrates no device without dirty tracking, as the test device and all on Debian's kernel.
                    f",enable-migration=on,migration-events=on{device.properties}")
            word += ",iommufd=iommufd0" if kernel == "small" else ",x-device-dirty-page-tracking=off"
            if device.descriptor:
                descriptor = FIRST_DESCRIPTOR + number
                opened += f"exec {descriptor}<>/dev/vfio/devices/$(ls {MDEVS}/{device.uuid}/vfio-dev) && "
                word += f",fd={descriptor}"
            words.append(word)
        return opened, " ".join(words)

    @property
    def pid(self) -> int:
        """QEMU's process, once it has started."""
        self._greet()
        return int(self.host.read(self._pid))

    # --- its monitor

    def _greet(self) -> None:
        if not self._greeted:
            self._process.wait_for_output('^{"QMP": ', 40)
            self._greeted = True
            self.execute("qmp_capabilities")

    def ask(self, command: str, timeout: float = 20.0, **arguments: Any) -> dict[str, Any]:
        """Its answer, or refusal; underscores in the arguments' names stand for hyphens."""
        self._greet()
        tag = f"rig-{next(self._numbers)}"
        request: dict[str, Any] = {"execute": command, "id": tag}
        if arguments:
            request["arguments"] = {name.replace("_", "-"): value for name, value in arguments.items()}
        self._process.send(json.dumps(request) + "\n")

        def look(text: str) -> dict[str, Any] | None:
            lines = (json.loads(line) for line in text.split("\n")[:-1] if f'"{tag}"' in line)
            return next((line for line in lines if line.get("id") == tag), None)

        return self._process.wait_for(look, f"the answer to {command}", timeout)

    def execute(self, command: str, timeout: float = 20.0, **arguments: Any) -> Any:
        """What it returns for a command that it must not refuse."""
        answer = self.ask(command, timeout, **arguments)
        if "return" not in answer:
            raise CommandFailed(f"{self.name} at {self.host.name} refuses {command} {arguments}: "
                                f"{answer['error']['desc']}\n{self.errors}")
        return answer["return"]

    def status(self) -> str:
        """Whether its guest runs, and why not."""
        return str(self.execute("query-status")["status"])

    def hmp(self, command: str) -> str:
        """What QEMU's monitor for persons prints."""
        return str(self.execute("human-monitor-command", command_line=command))

    # --- what happens to it

    def _events(self, text: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in text.split("\n")[:-1] if '"event": ' in line]
        return [event for event in found if "event" in event]

    @property
    def events(self) -> list[dict[str, Any]]:
        """All that has happened to it since the last forget_events()."""
        return self._events(self._process.out.decode())[self._forgotten:]

    def forget_events(self) -> None:
        """Wait from now on for what happens from now on."""
        self._forgotten += len(self.events)

    def wait_event(self, name: str, timeout: float = 20.0, **data: str | Sequence[str]) -> dict[str, Any]:
        """The first event of this name of which each of these data is as given, or one of those given."""

        def is_it(event: dict[str, Any]) -> bool:
            return event["event"] == name and all(
                event["data"].get(key.replace("_", "-")) in ([wanted] if isinstance(wanted, str) else wanted)
                for key, wanted in data.items())

        def look(text: str) -> dict[str, Any] | None:
            return next(filter(is_it, self._events(text)[self._forgotten:]), None)

        return self._process.wait_for(look, f"an event {name} {data or ''}", timeout)

    # --- migration

    def allow(self, *capabilities: str) -> None:
        """Set migration capabilities, `events` among them, by which wait_migrated() hears of the end."""
        self.execute("migrate-set-capabilities", capabilities=[
            {"capability": name, "state": True} for name in ("events", *capabilities)])

    def listen(self, port: int) -> str:
        """Take a guest that comes over the link; the address for whoever sends it."""
        uri = f"tcp:{self.host.address}:{port}"
        self.execute("migrate-incoming", uri=uri, exit_on_error=False)
        return uri

    def wait_migrated(self, timeout: float = 40.0) -> str:
        """Wait for the end of a migration: completed, failed or cancelled."""
        event = self.wait_event("MIGRATION", timeout, status=("completed", "failed", "cancelled"))
        return str(event["data"]["status"])

    # --- its guest

    def told(self) -> str:
        """All that its guest has told here."""
        return self.host.read(self._says).decode()

    def wait_alive(self, timeout: float = 20.0) -> Report:
        """Wait for something that its guest tells from now on."""
        self._greet()
        heard = self.host.spawn(f"exec tail -n 0 -f {shlex.quote(self._says)}", timeout=None)
        # The first one may have been begun before.
        line = heard.wait_for_output(rf"\n({REPORT.pattern})\n", timeout)
        heard.kill()
        return reports(line.group(1) + "\n")[0]

    # --- its end

    @property
    def alive(self) -> bool:
        """Whether its process is there, as far as is known here."""
        return self._process.running

    @property
    def errors(self) -> str:
        """What it has printed so far."""
        return self._process.err.decode("utf-8", "replace")

    def quit(self) -> Result:
        """End it in order."""
        self.execute("quit")
        return self._process.wait(20)

    def kill(self, signal: int = 9) -> None:
        """Send it a signal."""
        self._process.kill(signal)
