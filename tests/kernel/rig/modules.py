# SPDX-License-Identifier: LGPL-2.1-or-later
"""Out-of-tree kernel modules, built for the guests' kernels."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from . import debs
from .apt import Archive
from .cache import Cache, key_of, note, remove
from .errors import RigError
from .kernel import Kernel
from .manifest import Manifest, identity

BUILD_DEADLINE = 300.0
MTTY = "samples/vfio-mdev/mtty.c"


def build(cache: Cache, linux: Kernel, name: str, sources: Mapping[str, bytes]) -> Path:
    """`name`.ko for a kernel from its sources, which include a Kbuild or a Makefile; built once."""
    parts = [item for path in sorted(sources) for item in (path, sources[path])]
    key = key_of(Path(__file__), name, linux.identity, *parts)

    def make(fresh: Path) -> None:
        against = linux.tree()
        note(f"building {name}.ko for {linux.release}")
        fresh.mkdir()
        with tempfile.TemporaryDirectory(prefix="vferry-module-") as folder:
            for path, content in sources.items():
                target = Path(folder) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            _make(against, Path(folder), name)
            built = Path(folder) / f"{name}.ko"
            if not built.exists():
                raise RigError(f"the build of {name} ended well but made no {name}.ko")
            _strip(built, fresh / f"{name}.ko")

    return cache.entry(f"module-{name}-{linux.name}", key, make) / f"{name}.ko"


def compiler() -> str:
    """The compiler that Debian 12's kernels are built with."""
    found = shutil.which("gcc-12") or shutil.which("gcc")
    if found is None or shutil.which("make") is None:
        raise RigError("building a kernel's modules needs gcc and make; install them")
    return found


def make_environment() -> dict[str, str]:
    """The environment without what would reach into the kernel's own makefiles."""
    kept = {key: value for key, value in os.environ.items()
            if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "ARCH", "CROSS_COMPILE")}
    return {**kept, "LC_ALL": "C"}


def _make(against: Path, folder: Path, name: str) -> None:
    # Types for BPF would need pahole.
    command = ["make", "-C", str(against), f"M={folder}", f"CC={compiler()}",
               f"HOSTCC={compiler()}", "CONFIG_DEBUG_INFO_BTF_MODULES=",
               f"-j{os.cpu_count() or 1}", "modules"]
    try:
        done = subprocess.run(command, env=make_environment(), capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=BUILD_DEADLINE, check=False)
    except subprocess.TimeoutExpired as error:
        raise RigError(f"building {name}.ko took more than {BUILD_DEADLINE:.0f} s") from error
    if done.returncode != 0:
        raise RigError(f"building {name}.ko failed:\n{(done.stdout + done.stderr)[-6000:]}")
    warnings = [line for line in (done.stdout + done.stderr).splitlines() if "warning:" in line]
    for line in warnings:
        note(line)


def _strip(built: Path, target: Path) -> None:
    done = subprocess.run(["strip", "-g", "-o", str(target), str(built)], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=60.0, check=False)
    if done.returncode != 0:
        raise RigError(f"strip failed on {built}:\n{done.stderr}")


def from_folder(cache: Cache, linux: Kernel, name: str, folder: Path) -> Path:
    """A module of the checkout; build products lying about in its folder are not sources."""
    sources = {str(path.relative_to(folder)): path.read_bytes()
               for path in sorted(folder.rglob("*"))
               if path.is_file() and (path.suffix in (".c", ".h")
                                      or path.name in ("Kbuild", "Makefile"))
               and not path.name.endswith(".mod.c")}
    if not sources:
        raise RigError(f"{folder} has no sources for {name}.ko")
    return build(cache, linux, name, sources)


def mtty(cache: Cache, archive: Archive, manifest: Manifest, linux: Kernel) -> Path:
    """The kernel's own sample driver, which no kernel of Debian's has."""
    source = mtty_source(cache, archive, manifest)
    return build(cache, linux, "mtty",
                 {"mtty.c": source.read_bytes(), "Kbuild": b"obj-m := mtty.o\n"})


def mtty_source(cache: Cache, archive: Archive, manifest: Manifest) -> Path:
    """The sample driver's source; fetching it costs 150 MB, once."""

    def make(fresh: Path) -> None:
        deb = archive.download([manifest.source])[0]
        note(f"extracting {MTTY} from the kernel's source")
        fresh.write_bytes(_source_file(deb, MTTY))
        remove(deb)  # large, and never needed again

    return cache.entry("mtty-source", key_of(MTTY, identity([manifest.source])), make)


@contextlib.contextmanager
def source_tarball(deb: Path) -> Iterator[IO[bytes]]:
    """The compressed tarball inside the linux-source package."""
    with debs.contents(deb) as stream, tarfile.open(fileobj=stream, mode="r|") as package:
        for member in package:
            if member.name.endswith(".tar.xz"):
                tarball = package.extractfile(member)
                assert tarball is not None
                yield tarball
                return
    raise RigError(f"{deb.name} has no source in it")


def _source_file(deb: Path, wanted: str) -> bytes:
    with source_tarball(deb) as tarball, tarfile.open(fileobj=tarball, mode="r|xz") as source:
        for member in source:
            if member.name.endswith("/" + wanted):
                content = source.extractfile(member)
                assert content is not None
                return content.read()
    raise RigError(f"{deb.name} has no {wanted}")
