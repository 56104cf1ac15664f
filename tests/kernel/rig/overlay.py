# SPDX-License-Identifier: LGPL-2.1-or-later
"""What each run adds to the guests' root: what meson installed, and the test programs."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from . import newc
from .cache import Cache, key_of, note
from .errors import RigError

AGENT = "usr/libexec/vferry-rig/rig-agent"
PROGRAMS = "usr/local/bin"
LIBRARIES = "usr/lib/x86_64-linux-gnu"
# Where the guest's loader looks without a cache of its own.
SEARCHED = (LIBRARIES, "usr/lib", "usr/lib/x86_64-linux-gnu/systemd")


def is_program(path: Path) -> bool:
    """Whether the file is an executable ELF file or library."""
    if not path.is_file() or path.is_symlink():
        return False
    with open(path, "rb") as stream:
        header = stream.read(18)
    return header[:4] == b"\x7fELF" and header[16:18] in (b"\x02\x00", b"\x03\x00")


def find_agent(cache: Cache, builddir: Path | None) -> Path:
    """The agent that meson built, or, without a build directory, one built here."""
    if builddir is not None:
        built = builddir / "tests/kernel/programs/rig-agent"
        if built.exists():
            return built
    source = Path(__file__).parent.parent / "programs/rig-agent.c"

    def make(fresh: Path) -> None:
        flags = run_tool(["pkg-config", "--cflags", "--libs", "glib-2.0"]).split()
        run_tool(["cc", "-std=gnu11", "-O2", "-D_GNU_SOURCE", "-o", str(fresh), str(source), *flags])

    return cache.entry("agent", key_of(source), make)


def run_tool(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=60.0)
    except FileNotFoundError as error:
        raise RigError(f"{command[0]} is not there, and the rig needs it") from error
    if done.returncode != 0:
        raise RigError(f"'{' '.join(command)}' failed with {done.returncode}:\n{done.stderr}")
    return done.stdout


def needed(programs: Iterable[Path]) -> set[str]:
    """The sonames these programs want (the NEEDED entries of their dynamic sections)."""
    names = [str(path) for path in programs]
    if not names:
        return set()
    return set(re.findall(r"\(NEEDED\)\s+Shared library: \[([^\]]+)\]",
                          run_tool(["readelf", "-d", *names])))


def _host_library(soname: str, asked_by: str) -> Path:
    ldconfig = shutil.which("ldconfig", path="/usr/sbin:/sbin")
    listing = run_tool([ldconfig or "ldconfig", "-p"])
    match = re.search(rf"^\s*{re.escape(soname)} \(libc6,x86-64[^)]*\) => (\S+)$", listing,
                      re.MULTILINE)
    if match is None:
        raise RigError(f"{asked_by} needs {soname}, which neither the guests nor this machine have")
    return Path(match.group(1))


def base_paths(base: Path) -> set[str]:
    """The paths in an archive that newc.Tree wrote."""
    paths = set()
    with open(base, "rb") as stream:
        while True:
            header = stream.read(110)
            size, length = int(header[54:62], 16), int(header[94:102], 16)
            name = stream.read(length)[:-1].decode()
            if name == "TRAILER!!!":
                return paths
            paths.add(name)
            position = stream.tell()
            stream.seek(-position % 4 + size + -size % 4, os.SEEK_CUR)


def _add_missing_libraries(tree: newc.Tree, base: Path, programs: list[Path]) -> None:
    """What our binaries link to and the root lacks comes from the machine that built them."""
    present = base_paths(base) | set(tree.nodes)
    pending = programs
    while pending:
        missing = sorted(soname for soname in needed(pending)
                         if not any(f"{folder}/{soname}" in present for folder in SEARCHED))
        pending = []
        for soname in missing:
            library = _host_library(soname, "a program in the overlay").resolve()
            note(f"{soname} is not in the guests' root; taking this machine's")
            tree.file(f"{LIBRARIES}/{soname}", library.read_bytes(), 0o755)
            present.add(f"{LIBRARIES}/{soname}")
            pending.append(library)


def write(output: IO[bytes], base: Path, agent: Path, builddir: Path | None,
          destdir: Path | None, folders: Iterable[Path] = ()) -> None:
    """Append the run's own archive, with what is in folders."""
    tree = newc.Tree()
    for folder in folders:
        tree.folder(folder)
    programs = [agent]
    tree.file(AGENT, agent.read_bytes(), 0o755)
    if builddir is not None:
        for path in sorted((builddir / "tests/kernel/programs").glob("*")):
            if is_program(path) and path.name != agent.name:
                tree.file(f"{PROGRAMS}/{path.name}", path.read_bytes(), 0o755)
                programs.append(path)
    if destdir is not None:
        if not destdir.is_dir():
            raise RigError(f"--destdir {destdir} is not a folder; meson install --destdir makes it")
        tree.folder(destdir)
        programs += [path for path in destdir.rglob("*") if is_program(path)]
    _add_missing_libraries(tree, base, programs)
    for path, node in tree.nodes.items():
        if stat.S_ISREG(node.mode) and path.startswith("usr/local/lib"):
            raise RigError(f"{path} in {destdir} is outside the loader's folders; "
                           "configure with --prefix=/usr")
    tree.write(output)
