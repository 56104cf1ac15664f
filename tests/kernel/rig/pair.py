# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two guests and the cable between them."""

from __future__ import annotations

import atexit
import concurrent.futures
import contextlib
import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from . import emulator, kernel, manifest, modules, overlay, qemus, rootfs, small
from .apt import Archive
from .cache import Cache, note
from .errors import DownloadFailed, GuestGone
from .host import Host
from .vm import LARGE_MEMORY_MIB, PLAIN, Image, Machine, Vm

CHECKOUT_MODULE = Path(__file__).parent.parent / "module"
# What hosts with QEMUs have besides.
NESTED_FILES = Path(__file__).parent / "nested"
TESTDEV = "vferry_testdev"
# Debian's own, and one of ours with what Debian leaves out; see small.py.
KERNELS = ("debian", "small")
FOLDER_PREFIX = "vferry-rig-"
# The kernel's own words for a defect in itself or in a module of ours.
KERNEL_TROUBLE = re.compile(
    r"WARNING: |BUG: |Oops: |general protection fault|Kernel panic|\bUBSAN: |\bKASAN: "
    r"|INFO: task .* blocked for more than|possible circular locking|refcount_t: "
    r"|unable to handle|scheduling while atomic|sysfs: cannot create duplicate|list_(add|del) ")

GUEST_LOGS = {
    "dmesg": "dmesg",
    "journal": "journalctl -b --no-pager -o short-monotonic",
    "processes": "ps -eo pid,ppid,user,stat,wchan:24,args",
}


def _sweep() -> None:
    """Remove the folders of runs that were killed: each holds an image of 170 MB."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*-*"):
        owner = folder.name.removeprefix(FOLDER_PREFIX).split("-")[0]
        with contextlib.suppress(OSError):
            if owner.isdecimal() and folder.stat().st_uid == os.getuid() \
                    and not Path("/proc", owner).exists():
                shutil.rmtree(folder, ignore_errors=True)


class Supplies:
    """What pairs boot from, made or taken from the cache when first asked for."""

    def __init__(self, builddir: Path | None = None, destdir: Path | None = None,
                 want_mtty: bool = True, refresh: bool = False, kernel_name: str = KERNELS[0],
                 cache: Cache | None = None) -> None:
        self._builddir = builddir
        self._destdir = destdir
        self._want_mtty = want_mtty
        self.kernel_name = kernel_name
        self.cache = cache or Cache()
        self._archive = Archive(self.cache)
        self._manifest = manifest.load(self.cache, self._archive, refresh)

    def _kernel(self) -> kernel.Kernel:
        load = small.load if self.kernel_name == "small" else kernel.load
        return load(self.cache, self._archive, self._manifest)

    def _modules(self, linux: kernel.Kernel) -> list[Path]:
        """What is built beside a kernel; the small one was built with the sample driver."""
        found = []
        if self._want_mtty and self.kernel_name == "debian":
            found.append(modules.mtty(self.cache, self._archive, self._manifest, linux))
        return [*found, modules.from_folder(self.cache, linux, TESTDEV, CHECKOUT_MODULE)]

    def fetch(self) -> None:
        """Fill the cache."""
        self._parts()
        self.newer_qemu()
        self._nested()

    def newer_qemu(self) -> emulator.Emulator:
        """The QEMU that emulates what the machine's own does not."""
        return emulator.load(self.cache, self._archive)

    def _parts(self) -> tuple[kernel.Kernel, list[Path], Path, Path, Path]:
        try:
            return self._gather()
        except DownloadFailed as error:
            note(f"the archive may have moved on since its versions were looked up: {error}")
            self._manifest = manifest.load(self.cache, self._archive, refresh=True)
            return self._gather()

    def _gather(self) -> tuple[kernel.Kernel, list[Path], Path, Path, Path]:
        linux = self._kernel()
        base = rootfs.load(self.cache, self._archive, self._manifest)
        extra = self._modules(linux)
        agent = overlay.find_agent(self.cache, self._builddir)
        return linux, extra, base, kernel.module_archive(self.cache, linux, extra), agent

    def _nested(self) -> list[Path]:
        """What the hosts run guests of their own with."""
        return [*(qemus.load(self.cache, name) for name in qemus.QEMUS), qemus.guest(self.cache)]

    def image(self, folder: Path, with_qemus: bool = False) -> Image:
        """Put together what both guests of a pair boot."""
        linux, extra, base, module_archive, agent = self._parts()
        nested = self._nested() if with_qemus else []
        initrd = folder / "initrd"
        with open(initrd, "wb") as output:
            for part in (base, module_archive, *nested):
                with open(part, "rb") as stream:
                    shutil.copyfileobj(stream, output, 1 << 20)
            overlay.write(output, base, agent, self._builddir, self._destdir,
                          [NESTED_FILES] if with_qemus else [])
        return Image(linux.image, initrd, [*(["mtty"] if self._want_mtty else []), TESTDEV])


class Link:
    """The cable. `cut` as a rule loses the carrier; silently, packets just vanish."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        self._hosts = hosts

    def _set(self, name: str, up: bool) -> None:
        for host in self._hosts:
            host.qmp("set_link", name=name, up=up)

    def cut(self, silently: bool = False) -> None:
        """Cut it at both ends."""
        self._set("cable" if silently else "nic", False)

    def heal(self) -> None:
        """Undo cut(), of either kind."""
        self._set("cable", True)
        self._set("nic", True)

    def shape(self, netem: str) -> None:
        """Make it slower or worse in both directions, as tc-netem(8) says: "rate 80mbit delay 5ms".

        Undone by the reset between scenarios.
        """
        for host in self._hosts:
            host.run(f"tc qdisc replace dev eth0 root netem {netem}")


class Pair:
    """harbour-a and harbour-b, booted on demand, ended for sure."""

    def __init__(self, supplies: Supplies, with_qemus: bool = False) -> None:
        """`with_qemus`: the hosts have QEMUs (qemus.py), and memory for guests of their own."""
        self._supplies = supplies
        self._with_qemus = with_qemus
        self._machine = Machine(LARGE_MEMORY_MIB) if with_qemus else PLAIN
        self.kernel_name = supplies.kernel_name
        _sweep()
        # UNIX socket paths have 107 characters; build directories can be deep.
        self.folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{os.getpid()}-"))
        self._image: Image | None = None
        self._cables = itertools.count(1)
        self._checked: dict[str, int] = {}
        self.a, self.b = (Host(name, address) for name, address in rootfs.HOSTS.items())
        self.hosts = (self.a, self.b)
        self.link = Link(self.hosts)
        atexit.register(self.close)

    def _cable(self, number: int, server: bool) -> str:
        return (f"stream,id=cable,server={'on' if server else 'off'},addr.type=unix,"
                f"addr.path={self.folder}/cable-{number}")

    def prepare(self) -> Image:
        """Make what the pair boots; boot() does it too, but not apart from booting."""
        if self._image is None:
            self._image = self._supplies.image(self.folder, self._with_qemus)
        return self._image

    def boot(self) -> None:
        """Boot both, in parallel, and wait until both are ready."""
        self.end()
        image = self.prepare()
        self._supplies.cache.take_turn()
        cable = next(self._cables)
        for host in self.hosts:
            # The first listens on the cable's socket once its control socket has greeted.
            host.attach(Vm(host.name, image, self.folder, self._cable(cable, host is self.a),
                           self._machine))
        with concurrent.futures.ThreadPoolExecutor(len(self.hosts)) as pool:
            waiting = [pool.submit(host.vm.wait_ready) for host in self.hosts]
            try:
                seconds = [ready.result() for ready in waiting]
            except BaseException:
                self.end()  # lets whoever still waits fail at once
                raise
        self._checked = {}
        note(f"both harbours are ready: {self.a.name} after {seconds[0]:.1f} s, {self.b.name} "
             f"after {seconds[1]:.1f} s")

    def revive(self, host: Host) -> None:
        """Boot one host again after its power was cut, on a new cable to the one that stayed."""
        image = self.prepare()
        other = self.b if host is self.a else self.a
        if host.alive:
            host.kill()
        cable = next(self._cables)
        other.qmp("netdev_del", id="socket")
        other.qmp("netdev_del", id="cable")
        other.qmp("netdev_add", type="stream", id="cable", server=True,
                  addr={"type": "unix", "path": f"{self.folder}/cable-{cable}"})
        other.qmp("netdev_add", type="hubport", id="socket", hubid=0, netdev="cable")
        vm = Vm(host.name, image, self.folder, self._cable(cable, False), self._machine)
        host.attach(vm)
        self._checked.pop(host.name, None)
        seconds = vm.wait_ready()
        note(f"{host.name} is ready again after {seconds:.1f} s")

    def healthy(self) -> str | None:
        """What is wrong with the pair, or None."""
        for host in self.hosts:
            if not host.alive:
                return f"{host.name} is not running"
            if not host.vm.agent.ping():
                return f"the agent of {host.name} does not answer"
        return None

    def kernel_trouble(self) -> list[str]:
        """What the guests' kernels complained about since this was last asked."""
        found = []
        for host in self.hosts:
            log = self._kernel_log(host)
            start = self._checked.get(host.name, 0)
            self._checked[host.name] = len(log)
            found += [f"{host.name}: {line}" for line in log[start:]
                      if KERNEL_TROUBLE.search(line)]
        return found

    def _kernel_log(self, host: Host) -> list[str]:
        # The console has everything since the setup script raised its level, and outlives the VM.
        return host.vm.console().splitlines()

    def save_logs(self, target: Path) -> None:
        """Keep what helps to understand a failure; a guest that hangs has only its console."""
        target.mkdir(parents=True, exist_ok=True)
        for host in self.hosts:
            try:
                vm = host.vm
            except GuestGone:
                continue  # not booted
            (target / f"{host.name}.serial").write_text(vm.console(), "utf-8")
            shutil.copy(vm.daemon_log, target / f"{host.name}.vferryd")
            if not host.alive or not vm.agent.ping(5.0):
                note(f"of {host.name} there is only the console")
                continue
            for name, command in GUEST_LOGS.items():
                (target / f"{host.name}.{name}").write_bytes(host.try_run(command, timeout=20).out)

    def end(self) -> None:
        """End both VMs."""
        for host in self.hosts:
            try:
                host.vm.kill()
            except GuestGone:
                pass  # never booted
            host.attach(None)

    def close(self) -> None:
        """End both VMs and remove their folder."""
        atexit.unregister(self.close)
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> "Pair":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
