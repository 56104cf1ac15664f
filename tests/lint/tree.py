# SPDX-License-Identifier: LGPL-2.1-or-later
"""The files that rules look at, and what they find."""

from __future__ import annotations

import dataclasses
import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

SKIPPED_FOLDERS = re.compile(r"(\.git|__pycache__|build|build-.*|.*_cache)$")
# Broken on purpose: each rule is shown to catch its own.
SAMPLES = PurePosixPath("tests/lint/samples")
ALLOW = re.compile(r"lint-allow: ([a-z-]+): \S")


@dataclasses.dataclass(frozen=True, order=True)
class Finding:
    """One offence against a rule."""

    path: str
    line: int
    message: str


class File:
    """One file of the tree."""

    def __init__(self, root: Path, path: PurePosixPath) -> None:
        self._root = root
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    @functools.cached_property
    def data(self) -> bytes:
        """Its bytes."""
        return (self._root / self.path).read_bytes()

    @functools.cached_property
    def text(self) -> str:
        """Its text; what is no UTF-8 is replaced."""
        return self.data.decode("utf-8", "replace")

    @functools.cached_property
    def lines(self) -> list[str]:
        """Its lines."""
        return self.text.split("\n")

    @property
    def folder(self) -> str:
        """The top folder it is in, or ""."""
        return self.path.parts[0] if len(self.path.parts) > 1 else ""

    def at(self, line: int, message: str) -> Finding:
        """An offence in this file."""
        return Finding(str(self.path), line, message)

    def allowed(self, rule: str, line: int) -> bool:
        """Whether the line, or the one before it, says `lint-allow: RULE: reason`."""
        nearby = self.lines[max(line - 2, 0):line]
        return any(match.group(1) == rule for text in nearby for match in ALLOW.finditer(text))


class Tree:
    """A checkout, or a sample of one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = [File(root, path) for path in sorted(_walk(root))]

    def named(self, pattern: str) -> Iterator[File]:
        """Files whose path matches a regular expression."""
        compiled = re.compile(pattern)
        return (file for file in self.files if compiled.search(str(file)))

    def c_files(self) -> Iterator[File]:
        """Sources and headers of C, before and after they are configured."""
        return self.named(r"\.[ch](\.in)?$")

    @functools.cached_property
    def _by_name(self) -> dict[str, list[File]]:
        found: dict[str, list[File]] = {}
        for file in self.files:
            found.setdefault(file.path.name, []).append(file)
        return found

    def ending(self, path: str) -> list[File]:
        """The files whose path is this, or ends in it."""
        return [file for file in self._by_name.get(path.rsplit("/", 1)[-1], [])
                if f"/{file}".endswith(f"/{path}")]

    def get(self, path: str) -> File | None:
        """The file at a path."""
        return next((file for file in self.ending(path) if str(file) == path), None)


def _walk(root: Path) -> Iterator[PurePosixPath]:
    for folder, folders, names in os.walk(root):
        here = Path(folder).relative_to(root)
        folders[:] = [name for name in folders if not SKIPPED_FOLDERS.match(name)
                      and PurePosixPath(here, name) != SAMPLES]
        for name in names:
            if not name.endswith(".pyc") and not (here / name == Path(".git")):
                yield PurePosixPath(here, name)
