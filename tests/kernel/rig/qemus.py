# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMUs that run inside the hosts, and what a guest of theirs boots.

An old one and a new one, each from the backports of a release of Debian's, with its own loader and libraries in a folder of
its own, so that it runs in a root of another release. `qemu-10` and `qemu-11` in the hosts' PATH start them.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from . import debs, newc, overlay
from .apt import Archive, Package, suites_of
from .cache import Cache, key_of, note
from .errors import DownloadFailed, RigError
from .manifest import identity

# Which one comes from which release.
QEMUS = {"10": "bookworm", "11": "trixie"}
# These must come from backports, all from there or none.
PACKAGES = ("qemu-system-x86", "qemu-system-common", "qemu-system-data", "seabios")
# Of all that it would have installed, what can be a library of its.
WANTED = re.compile(r"lib(?!.*-(data|common)$).*|zlib1g|qemu-system-(x86|data)")
PROGRAM = "usr/bin/qemu-system-x86_64"
# Of QEMU's firmware, what a guest with a firmware of its own needs.
FIRMWARE = ("usr/share/qemu/kvmvapic.bin",)
LOADER = "ld-linux-x86-64.so.2"
SEARCHED = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib64", "lib64")
FOLDER = "usr/lib/vferry-rig"
# The guest's program, as firmware: see there.
GUEST_SOURCE = Path(__file__).with_name("nested-guest.S")
GUEST = f"{FOLDER}/nested-guest.bin"
GUEST_SIZE = 65536


def _find(archive: Archive, release: str) -> list[Package]:
    backports = suites_of(release)[1]
    of_backports = {name: f"{name}/{backports}" for name in PACKAGES}
    closure = archive.closure(of_backports.values())
    return archive.locate([of_backports.get(name, name) for name in closure if WANTED.fullmatch(name)])


def _library(root: Path, soname: str) -> Path:
    for folder in SEARCHED:
        path = root / folder / soname
        if path.exists():
            return path.resolve()
    raise RigError(f"QEMU needs {soname}, which none of its packages has")


def _libraries(root: Path) -> dict[str, bytes]:
    """What the program links to, directly or not, and its loader, by soname."""
    found = {LOADER: _library(root, LOADER).read_bytes()}
    pending = [root / PROGRAM]
    while pending:
        new = {soname: _library(root, soname) for soname in overlay.needed(pending) if soname not in found}
        found |= {soname: path.read_bytes() for soname, path in new.items()}
        pending = [*new.values()]
    return found


def _check(name: str, folder: Path) -> str:
    """What it says of itself; it must start, with nothing of this machine's but its kernel."""
    started = subprocess.run([folder / "lib" / LOADER, "--library-path", folder / "lib", folder / "qemu", "--version"],
                             capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60.0, check=False)
    if started.returncode != 0 or f"version {name}." not in started.stdout:
        raise RigError(f"the QEMU for the hosts should be of version {name} and start:\n{started.stdout}{started.stderr}")
    return started.stdout.splitlines()[0]


def _assemble(name: str, root: Path, tree: newc.Tree) -> None:
    """A folder with all that it needs, and a command that starts it from there."""
    here = f"{FOLDER}/qemu-{name}"
    with tempfile.TemporaryDirectory(prefix="vferry-qemu-") as temporary:
        folder = Path(temporary)
        (folder / "lib").mkdir()
        (folder / "share").mkdir()
        (folder / "qemu").write_bytes((root / PROGRAM).read_bytes())
        for soname, content in _libraries(root).items():
            (folder / "lib" / soname).write_bytes(content)
        for path in FIRMWARE:
            (folder / "share" / Path(path).name).write_bytes((root / path).read_bytes())
        for program in (folder / "qemu", folder / "lib" / LOADER):
            program.chmod(0o755)
        note(f"for the hosts: {_check(name, folder)}")
        tree.folder(folder, here)
    tree.file(f"usr/local/bin/qemu-{name}", "#!/bin/sh\n# Runs on its own libraries, whatever the root has.\n"
              f"exec /{here}/lib/{LOADER} --library-path /{here}/lib --argv0 qemu-{name} \\\n"
              f"  /{here}/qemu -L /{here}/share \"$@\"\n", 0o755)


def _load(cache: Cache, name: str, refresh: bool) -> Path:
    release = QEMUS[name]
    archive = Archive(cache, release)
    packages = archive.once("nested-qemu-manifest", key_of(release, *PACKAGES, WANTED.pattern),
                            lambda: _find(archive, release), refresh)

    def make(fresh: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="vferry-unpacked-") as folder:
            for deb in archive.download(packages):
                debs.unpack(deb, Path(folder))
            tree = newc.Tree()
            _assemble(name, Path(folder), tree)
            with open(fresh, "wb") as output:
                tree.write(output)

    return cache.entry(f"nested-qemu-{name}", key_of(Path(__file__), identity(packages)), make)


def load(cache: Cache, name: str) -> Path:
    """An archive with a QEMU, from the cache or from its packages."""
    try:
        return _load(cache, name, False)
    except DownloadFailed as error:
        note(f"the archive may have moved on since QEMU {name} was looked up: {error}")
        return _load(cache, name, True)


def guest(cache: Cache) -> Path:
    """An archive with the program that QEMU's guests run."""

    def make(fresh: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="vferry-guest-") as folder:
            built = Path(folder) / "guest.bin"
            overlay.run_tool(["cc", "-m32", "-nostdlib", "-static", "-Wl,--build-id=none,-Ttext=0,--oformat=binary",
                           "-o", str(built), str(GUEST_SOURCE)])
            program = built.read_bytes()
        if len(program) != GUEST_SIZE:
            raise RigError(f"{GUEST_SOURCE} became {len(program)} bytes; firmware has {GUEST_SIZE}")
        tree = newc.Tree()
        tree.file(GUEST, program)
        with open(fresh, "wb") as output:
            tree.write(output)

    return cache.entry("nested-guest", key_of(Path(__file__), GUEST_SOURCE), make)
