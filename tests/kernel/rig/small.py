# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small kernel from Debian's sources, with what Debian's own kernels leave out of VFIO.

No Debian kernel has iommufd, VFIO's character devices or VFIO's debugfs. This one is configured by
small.config on top of allnoconfig and built once; then it is an entry of the cache, found by the
configuration and the sources' version.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
import time
from pathlib import Path

from .apt import Archive
from .cache import Cache, key_of, note, remove
from .errors import RigError
from .kernel import Kernel
from .manifest import Manifest, identity
from .modules import compiler, make_environment, mtty_source, source_tarball

CONFIG = Path(__file__).parent / "small.config"
# Part of an entry's key: one more when a change to this file makes another kernel of the same input.
RECIPE = "1"
BUILD_DEADLINE = 3600.0
NOTE_EVERY = 30.0
# Program, or header: the Debian package that brings it.
TOOLS = {"bc": "bc", "bison": "bison", "flex": "flex", "make": "make", "strip": "binutils",
         "xz": "xz-utils", "depmod": "kmod"}
HEADERS = {"gelf.h": "libelf-dev"}
# What building modules later takes of the tree, beside the two folders that are copied whole.
TREE = ("Makefile", ".config", "Module.symvers", "arch/x86/Makefile", "tools/objtool/objtool")
TREE_FOLDERS = ("include", "scripts", "arch/x86/include")


def _check_tools() -> None:
    """Name everything that is missing at once, before minutes are spent."""
    search = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = {package for tool, package in TOOLS.items() if shutil.which(tool, path=search) is None}
    for header, package in HEADERS.items():
        tried = subprocess.run([compiler(), "-E", "-include", header, "-x", "c", os.devnull],
                               capture_output=True, stdin=subprocess.DEVNULL, timeout=60.0,
                               check=False)
        if tried.returncode != 0:
            missing.add(package)
    if missing:
        raise RigError("building the small kernel needs packages that are not installed: "
                       + " ".join(sorted(missing)))


def _extract(deb: Path, target: Path) -> None:
    target.mkdir()
    packed = target / "source.tar.xz"
    with source_tarball(deb) as tarball, open(packed, "wb") as output:
        shutil.copyfileobj(tarball, output, 1 << 20)
    done = subprocess.run(["tar", "-xJf", packed.name, "--strip-components=1"], cwd=target,
                          capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=BUILD_DEADLINE, check=False)
    if done.returncode != 0:
        raise RigError(f"the kernel's source could not be unpacked:\n{done.stderr[-2000:]}")


class _Progress:
    """Reads what make prints, counts the steps and keeps the end for an error."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._started = self._noted = time.monotonic()
        self._steps = 0
        self._lines: list[str] = []

    def take(self, line: str) -> None:
        """One line of make's."""
        self._lines = [*self._lines[-200:], line]
        self._steps += bool(re.match(r"  [A-Z]", line))
        now = time.monotonic()
        if now - self._noted >= NOTE_EVERY:
            self._noted = now
            note(f"{self._what}: {self._steps} steps in {now - self._started:.0f} s")

    def done(self) -> None:
        """It ended well."""
        note(f"{self._what}: done, {self._steps} steps in {time.monotonic() - self._started:.0f} s")

    @property
    def tail(self) -> str:
        """The last that was printed."""
        return "".join(self._lines)[-6000:]


def _make(tree: Path, what: str, *arguments: str, environment: dict[str, str] | None = None
          ) -> None:
    """Run make in the tree, at low priority: whoever works here meanwhile should not notice."""
    command = ["nice", "make", f"CC={compiler()}", f"HOSTCC={compiler()}", *arguments]
    progress = _Progress(what)
    with subprocess.Popen(command, cwd=tree, env={**make_environment(), **(environment or {})},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace",
                          start_new_session=True) as process:
        assert process.stdout is not None
        watchdog = threading.Timer(BUILD_DEADLINE, process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            for line in process.stdout:
                progress.take(line)
            status = process.wait()
        except BaseException:
            os.killpg(process.pid, 9)
            raise
        finally:
            watchdog.cancel()
    if status != 0:
        raise RigError(f"{what} failed with {status}:\n{progress.tail}")
    if len(arguments) > 1:
        progress.done()


def settings(text: str) -> dict[str, str]:
    """What a configuration says of each option, without the words for people; "n" if not set."""
    found = re.findall(r"^(?:# (CONFIG_\w+) is not set|(CONFIG_\w+)=(.*))$", text, re.MULTILINE)
    return {unset or name: "n" if unset else value for unset, name, value in found}


def unmet(wanted: str, got: str) -> list[str]:
    """What a fragment wants and Kconfig dropped or changed; an unknown option is one not set."""
    have = settings(got)
    return [f"{name}={value}" for name, value in settings(wanted).items()
            if have.get(name, "n") != value]


def _configure(tree: Path) -> None:
    _make(tree, "configuring the small kernel", "allnoconfig",
          environment={"KCONFIG_ALLCONFIG": str(CONFIG)})
    dropped = unmet(CONFIG.read_text("utf-8"), (tree / ".config").read_text("utf-8"))
    if dropped:
        raise RigError(f"Kconfig did not take these lines of {CONFIG.name}, because they depend on "
                       "others or are no more: " + ", ".join(dropped))


def _keep_image(tree: Path, target: Path) -> None:
    done = subprocess.run(["strip", "-g", "-o", str(target), str(tree / "vmlinux")],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120.0,
                          check=False)
    if done.returncode != 0:
        raise RigError(f"strip failed on the small kernel:\n{done.stderr}")


def _keep_modules(tree: Path, target: Path) -> str:
    """The installed modules and their metadata; returns the kernel's release."""
    staging = tree / "staging"
    _make(tree, "installing the small kernel's modules", "modules_install",
          environment={"INSTALL_MOD_PATH": str(staging), "INSTALL_MOD_STRIP": "1",
                       "DEPMOD": "true"})
    installed = next((staging / "lib/modules").iterdir())
    (installed / "build").unlink(missing_ok=True)
    shutil.move(installed, target)
    return installed.name


def _keep_tree(tree: Path, target: Path) -> None:
    """What modules are built against."""
    ignore = shutil.ignore_patterns("*.o", "*.cmd", "dt-bindings")
    for folder in TREE_FOLDERS:
        shutil.copytree(tree / folder, target / folder, symlinks=True, ignore=ignore)
    for name in TREE:
        if (tree / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(tree / name, target / name)


def _build(deb: Path, fresh: Path) -> None:
    tree = fresh / "tree"
    fresh.mkdir()
    _extract(deb, tree)
    _configure(tree)
    _make(tree, "building the small kernel", f"-j{os.cpu_count() or 1}", "vmlinux", "modules")
    _keep_image(tree, fresh / "vmlinux")
    (fresh / "release").write_text(_keep_modules(tree, fresh / "modules"), "utf-8")
    _keep_tree(tree, fresh / "build")
    remove(tree)


def load(cache: Cache, archive: Archive, manifest: Manifest) -> Kernel:
    """The small kernel, from the cache or built: minutes of all processors, once."""

    def make(fresh: Path) -> None:
        _check_tools()
        deb = archive.download([manifest.source])[0]
        note(f"building a small kernel from {manifest.source.name} {manifest.source.version}: "
             "about 6 minutes on two cores with nothing else to do, once")
        _build(deb, fresh)
        mtty_source(cache, archive, manifest)  # before the package, which both come from, goes
        remove(deb)

    wanted = settings(CONFIG.read_text("utf-8"))
    key = key_of(repr(sorted(wanted.items())), identity([manifest.source]), RECIPE)
    entry = cache.entry("kernel-small", key, make, apart=True)
    release = (entry / "release").read_text("utf-8")
    return Kernel("small", release, entry / "vmlinux", entry / "modules", key,
                  lambda: entry / "build")
