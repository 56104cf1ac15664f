# SPDX-License-Identifier: LGPL-2.1-or-later
"""Archives in the kernel's initramfs format.

See the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.

A tree is built in memory from .debs, folders and texts, so that owners and modes are what the guest
needs whoever runs the rig. The kernel unpacks several archives one after the other: later ones
replace files of earlier ones.
"""

from __future__ import annotations

import dataclasses
import os
import re
import stat
import tarfile
from pathlib import Path
from typing import IO

# Merged /usr, and /var/run: archives name the real folder, so that no entry replaces a link.
MOVED = {
    "bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib32": "usr/lib32",
    "lib64": "usr/lib64", "libx32": "usr/libx32", "var/run": "run", "var/lock": "run/lock",
}


@dataclasses.dataclass
class Node:
    """One entry; `data` is a file's content or a link's target."""

    mode: int
    data: bytes = b""
    uid: int = 0
    gid: int = 0


def canonical(path: str) -> str:
    """The path below the root without its leading dot or slash, with merged folders resolved."""
    path = os.path.normpath(path.lstrip("./") or ".")
    for old, new in MOVED.items():
        if path == old or path.startswith(old + "/"):
            return new + path[len(old):]
    return path


class Tree:
    """The entries of one archive."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}

    def _put(self, path: str, node: Node) -> None:
        path = canonical(path)
        old = self.nodes.get(path)
        if old is not None and stat.S_ISDIR(old.mode) and not stat.S_ISDIR(node.mode):
            return  # a package's own compatibility link where the folder is
        self.nodes[path] = node
        parent = os.path.dirname(path)
        if parent and parent not in self.nodes:
            self._put(parent, Node(stat.S_IFDIR | 0o755))

    def directory(self, path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> None:
        """Add a folder, or set the owner and mode of one."""
        self._put(path, Node(stat.S_IFDIR | mode, uid=uid, gid=gid))

    def file(self, path: str, data: bytes | str, mode: int = 0o644, uid: int = 0,
             gid: int = 0) -> None:
        """Add a file."""
        content = data.encode() if isinstance(data, str) else data
        self._put(path, Node(stat.S_IFREG | mode, content, uid, gid))

    def symlink(self, path: str, target: str) -> None:
        """Add a symbolic link at exactly this path."""
        self.nodes[path.strip("/")] = Node(stat.S_IFLNK | 0o777, target.encode())

    def tar(self, stream: IO[bytes], exclude: re.Pattern[str]) -> None:
        """Add what a package contains, except the paths that `exclude` matches from their start."""
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                path = canonical(member.name)
                if path == "." or canonical(path) != path or exclude.match(path):
                    continue
                if member.isdir():
                    if path not in self.nodes:
                        self.directory(path, member.mode)
                elif member.issym():
                    self._put(path, Node(stat.S_IFLNK | 0o777, member.linkname.encode()))
                elif member.islnk():
                    self._put(path, self.nodes[canonical(member.linkname)])
                elif member.isfile():
                    content = archive.extractfile(member)
                    assert content is not None
                    self._put(path, Node(stat.S_IFREG | member.mode, content.read(),
                                         member.uid, member.gid))

    def folder(self, source: Path, target: str = "") -> None:
        """Add everything below a folder of the host, owned by root."""
        for parent, folders, files in os.walk(source):
            base = os.path.join(target, os.path.relpath(parent, source))
            for name in sorted(folders + files):
                path = Path(parent) / name
                inside = os.path.join(base, name)
                mode = path.lstat().st_mode
                if stat.S_ISLNK(mode):
                    self._put(inside, Node(stat.S_IFLNK | 0o777, os.readlink(path).encode()))
                elif stat.S_ISDIR(mode):
                    self.directory(inside)
                elif stat.S_ISREG(mode):
                    self.file(inside, path.read_bytes(), stat.S_IMODE(mode))

    def size(self) -> int:
        """The bytes of all contents."""
        return sum(len(node.data) for node in self.nodes.values())

    def write(self, output: IO[bytes]) -> None:
        """Write the archive; parents come before what is in them."""
        for number, path in enumerate(sorted(self.nodes), start=1):
            node = self.nodes[path]
            _write_entry(output, path, number, node)
        _write_entry(output, "TRAILER!!!", 0, Node(0))
        output.write(bytes(-output.tell() % 512))


def _write_entry(output: IO[bytes], path: str, number: int, node: Node) -> None:
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(node.mode) else 1
    fields = (number, node.mode, node.uid, node.gid, links, 0, len(node.data), 0, 0, 0, 0,
              len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    output.write(header + bytes(-len(header) % 4))
    output.write(node.data)
    output.write(bytes(-len(node.data) % 4))
