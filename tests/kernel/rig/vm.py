# SPDX-License-Identifier: LGPL-2.1-or-later
"""One microVM: a QEMU process, its control socket, its console log and its agent."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from .agent import Agent
from .errors import GuestGone, RigError
from .qmp import Qmp, connect
from .rootfs import HOSTS

BOOT_DEADLINE = 180.0
MEMORY_MIB = 1024
# With guests of its own.
LARGE_MEMORY_MIB = 2048
# What the emulator has translated; when it is full, it begins with nothing again. A boot and seven scenarios are 230.
TRANSLATIONS_MIB = 512
# One: with two, guests of this QEMU now and then do not finish booting, and both together have
# enough for the two cores of a small machine.
CPUS = 1
# Plain and cheap to emulate, with what libraries choose their implementations by.
CPU_MODEL = "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt,+rdrand,+aes,+pclmulqdq"


@dataclasses.dataclass(frozen=True)
class Image:
    """What a VM boots."""

    kernel: Path
    initrd: Path
    modules: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Machine:
    """What a VM is, beyond what all are."""

    memory: int = MEMORY_MIB
    emulator: Sequence[str] = ()  # the machine's own QEMU if empty
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    devices: Sequence[str] = ()
    command_line: Sequence[str] = ()


PLAIN = Machine()


def accelerator() -> str:
    """TCG works wherever the tests run; KVM is an explicit choice."""
    wanted = os.environ.get("VFERRY_RIG_ACCEL", "tcg")
    if wanted not in ("tcg", "kvm"):
        raise RigError(f"VFERRY_RIG_ACCEL is '{wanted}'; it can be tcg or kvm")
    if wanted == "kvm" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise RigError("VFERRY_RIG_ACCEL is kvm, but /dev/kvm is not there or not ours to open")
    return wanted


def _command_line(name: str, image: Image, machine: Machine) -> str:
    machine_id = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
    return " ".join((
        "console=ttyS0", "quiet", "panic=-1", "net.ifnames=0", "nokaslr", "mitigations=off",
        # At one address in each process, a library's code is translated once: the emulator keeps its translations by
        # address, and TRANSLATIONS_MIB of them are soon full where each process has addresses of its own.
        "norandmaps",
        "nowatchdog", "no_timer_check", "audit=0", "apparmor=0", "selinux=0", "cryptomgr.notests",
        # These want modules from user space, long before there is any.
        "initcall_blacklist=init_encrypted,crypto_kdf108_init,jent_mod_init",
        "systemd.show_status=0", "systemd.firstboot=off",
        f"systemd.hostname={name}", f"systemd.machine_id={machine_id}",
        f"rig.address={HOSTS[name]}", f"rig.modules={','.join(image.modules)}",
        *machine.command_line))


def _own_emulator() -> list[str]:
    qemu = shutil.which("qemu-system-x86_64")
    if qemu is None:
        raise RigError("qemu-system-x86_64 is not there; install qemu-system-x86")
    return [qemu]


class Vm:
    """One guest, from its start to its end."""

    def __init__(self, name: str, image: Image, folder: Path, netdev: str,
                 machine: Machine = PLAIN) -> None:
        self.name = name
        self.log = folder / f"{name}.serial"
        self.daemon_log = folder / f"{name}.vferryd"
        self._errors = folder / f"{name}.qemu"
        self._qmp_path = folder / f"{name}.qmp"
        self._agent_path = folder / f"{name}.agent"
        for path in (self.log, self.daemon_log, self._errors, self._qmp_path, self._agent_path):
            path.unlink(missing_ok=True)
        self.started = time.monotonic()
        with open(self._errors, "wb") as errors:
            self._process = subprocess.Popen(
                self._arguments(image, netdev, machine), stdin=subprocess.DEVNULL, stdout=errors,
                stderr=errors, start_new_session=True,
                env={**os.environ, **machine.environment})
        self._qmp: Qmp | None = None
        self._agent: Agent | None = None
        try:
            deadline = self.started + 20.0
            self._qmp = Qmp(self._qmp_path, deadline)
            self._agent = Agent(connect(self._agent_path, deadline), name)
        except RigError as error:
            self.kill()
            raise RigError(f"{name} did not start: {error}\n{self._qemu_says()}") from error

    def _arguments(self, image: Image, netdev: str, machine: Machine) -> list[str]:
        qemu = machine.emulator or _own_emulator()
        kvm = accelerator() == "kvm"
        number = list(HOSTS).index(self.name) + 1
        return [
            # The VM ends with whoever started it, however that happens.
            "setpriv", "--pdeathsig", "KILL", "--",
            *qemu, "-name", self.name, "-M", "q35,kernel-irqchip=split" if kvm else "q35",
            "-nodefaults", "-no-user-config",
            "-display", "none", "-no-reboot", "-m", str(machine.memory), "-smp", str(CPUS),
            "-accel", "kvm" if kvm else f"tcg,thread=multi,tb-size={TRANSLATIONS_MIB}",
            "-cpu", "host" if kvm else CPU_MODEL,
            "-kernel", str(image.kernel), "-initrd", str(image.initrd),
            "-append", _command_line(self.name, image, machine),
            "-serial", f"file:{self.log}", "-serial", f"file:{self.daemon_log}",
            "-qmp", f"unix:{self._qmp_path},server=on,wait=off",
            "-chardev", f"socket,id=agent,path={self._agent_path},server=on,wait=off",
            "-device", "virtio-serial-pci", "-device",
            "virtserialport,chardev=agent,name=org.vferry.rig,nr=1",
            # A hub, so that the cable can be exchanged while the card stays in the guest.
            "-netdev", "hubport,id=card,hubid=0",
            "-device", f"virtio-net-pci,netdev=card,id=nic,romfile=,mac=52:54:00:77:00:0{number}",
            "-netdev", netdev, "-netdev", "hubport,id=socket,hubid=0,netdev=cable",
            *machine.devices,
        ]

    def _qemu_says(self) -> str:
        return self._errors.read_text("utf-8", "replace")[-2000:].strip() or "QEMU said nothing"

    @property
    def qmp(self) -> Qmp:
        """The control connection."""
        if self._qmp is None:
            raise GuestGone(f"{self.name} has no control connection")
        return self._qmp

    @property
    def agent(self) -> Agent:
        """The command channel."""
        if self._agent is None:
            raise GuestGone(f"{self.name} has no command channel")
        return self._agent

    @property
    def alive(self) -> bool:
        """Whether QEMU runs."""
        return self._process.poll() is None

    def wait_ready(self, timeout: float = BOOT_DEADLINE) -> float:
        """Wait until systemd has started everything; returns the seconds since the start."""
        try:
            self.agent.wait_ready(timeout)
            left = max(5.0, self.started + timeout - time.monotonic())
            state = self.agent.start("systemctl is-system-running --wait", timeout=left).wait()
        except RigError as error:
            raise GuestGone(f"{self.name} did not boot: {error}\n{self._qemu_says()}\n"
                            f"--- console: {self.console()[-4000:]}") from error
        if state.text != "running":
            failed = self.agent.start("systemctl --failed --no-legend; journalctl -b -p 4 "
                                      "--no-pager -n 60").wait()
            raise RigError(f"{self.name} came up as '{state.text}', not 'running':\n{failed.text}")
        return time.monotonic() - self.started

    def console(self) -> str:
        """What came out of the serial port so far."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def kill(self) -> None:
        """End it at once, as a power cut does."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait(20.0)
        if self._agent is not None:
            self._agent.close()
        if self._qmp is not None:
            self._qmp.close()

    def shut_down(self, timeout: float = 40.0) -> None:
        """Let the guest end itself in order, and kill it if it does not."""
        try:
            self.agent.start("systemctl poweroff --no-block", timeout=10.0)
            self._process.wait(timeout)
        except (GuestGone, subprocess.TimeoutExpired):
            pass  # killed just below
        self.kill()
