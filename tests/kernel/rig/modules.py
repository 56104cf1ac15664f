# SPDX-License-Identifier: LGPL-2.1-or-later
"""Out-of-tree kernel modules, built against the headers of the guests' kernel."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from . import debs
from .apt import Archive
from .cache import Cache, key_of, note, remove
from .errors import RigError
from .manifest import Manifest, identity

BUILD_DEADLINE = 300.0
MTTY = "samples/vfio-mdev/mtty.c"


def headers(cache: Cache, archive: Archive, manifest: Manifest) -> Path:
    """The folder to build against; its absolute paths lead into the cache."""

    key = key_of(Path(__file__), identity(manifest.headers))
    inside = f"usr/src/linux-headers-{manifest.release}"

    def make(fresh: Path) -> None:
        note(f"unpacking the headers of kernel {manifest.release}")
        for deb in archive.download(manifest.headers):
            debs.unpack(deb, fresh)
        # The package expects to live in /usr/src; `include` knows no path relative to its file.
        makefile = fresh / inside / "Makefile"
        text = makefile.read_text(encoding="utf-8")
        makefile.write_text(text.replace(" /usr/src/", f" {cache.root}/headers/{key}/usr/src/"),
                            encoding="utf-8")

    return cache.entry("headers", key, make) / inside


def build(cache: Cache, archive: Archive, manifest: Manifest, name: str,
          sources: Mapping[str, bytes]) -> Path:
    """`name`.ko from its sources, which include a Kbuild or a Makefile; built once."""
    parts = [item for path in sorted(sources) for item in (path, sources[path])]
    key = key_of(Path(__file__), name, identity(manifest.headers), *parts)

    def make(fresh: Path) -> None:
        against = headers(cache, archive, manifest)
        note(f"building {name}.ko")
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

    return cache.entry(f"module-{name}", key, make) / f"{name}.ko"


def _make(against: Path, folder: Path, name: str) -> None:
    # The kernel wants the compiler it was built with; types for BPF would need pahole.
    compiler = shutil.which("gcc-12") or shutil.which("gcc")
    if compiler is None or shutil.which("make") is None:
        raise RigError(f"building {name}.ko needs gcc and make; install them")
    command = ["make", "-C", str(against), f"M={folder}", f"CC={compiler}",
               f"HOSTCC={compiler}", "CONFIG_DEBUG_INFO_BTF_MODULES=", f"-j{os.cpu_count() or 1}",
               "modules"]
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "ARCH", "CROSS_COMPILE")}
    try:
        done = subprocess.run(command, env={**environment, "LC_ALL": "C"}, capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, timeout=BUILD_DEADLINE,
                              check=False)
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


def from_folder(cache: Cache, archive: Archive, manifest: Manifest, name: str,
                folder: Path) -> Path:
    """A module of the checkout; build products lying about in its folder are not sources."""
    sources = {str(path.relative_to(folder)): path.read_bytes()
               for path in sorted(folder.rglob("*"))
               if path.is_file() and (path.suffix in (".c", ".h")
                                      or path.name in ("Kbuild", "Makefile"))
               and not path.name.endswith(".mod.c")}
    if not sources:
        raise RigError(f"{folder} has no sources for {name}.ko")
    return build(cache, archive, manifest, name, sources)


def mtty(cache: Cache, archive: Archive, manifest: Manifest) -> Path:
    """The kernel's own sample driver; fetching its source costs 150 MB, once."""

    def make(fresh: Path) -> None:
        deb = archive.download([manifest.source])[0]
        note(f"extracting {MTTY} from the kernel's source")
        fresh.write_bytes(_source_file(deb, MTTY))
        remove(deb)  # large, and never needed again

    key = key_of(MTTY, identity([manifest.source]))
    source = cache.entry("mtty-source", key, make)
    return build(cache, archive, manifest, "mtty",
                 {"mtty.c": source.read_bytes(), "Kbuild": b"obj-m := mtty.o\n"})


def _source_file(deb: Path, wanted: str) -> bytes:
    """One file of the tarball inside the linux-source package."""
    with debs.contents(deb) as stream, tarfile.open(fileobj=stream, mode="r|") as package:
        for member in package:
            if not member.name.endswith(".tar.xz"):
                continue
            tarball = package.extractfile(member)
            with tarfile.open(fileobj=tarball, mode="r|xz") as source:
                for inner in source:
                    if inner.name.endswith("/" + wanted):
                        content = source.extractfile(inner)
                        assert content is not None
                        return content.read()
    raise RigError(f"{deb.name} has no {wanted}")
