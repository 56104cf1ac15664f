# SPDX-License-Identifier: LGPL-2.1-or-later
"""The cache folder: entries are named by their content's key, made once, and never changed.

Several runs may use the folder at the same time. An entry appears by rename and is complete from
then on, so reading needs no lock; making one is serialised by a lock file.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from .errors import RigError

# How many entries of one kind stay: the one in use, and those of a branch or two beside it.
KEEP_ENTRIES = 3
# Whoever holds the lock may be downloading the whole rig over a slow line.
LOCK_DEADLINE = 900.0
# A kernel on a slow machine.
APART_DEADLINE = 5400.0
# A whole suite on a slow machine.
TURN_DEADLINE = 3600.0


def key_of(*parts: str | bytes | Path) -> str:
    """A name for everything that went into an entry; a Path stands for that file's content."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            data = part.read_bytes()
        else:
            data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()[:20]


def default_root() -> Path:
    """`$VFERRY_CACHE`, or vferry's folder in the user's cache directory."""
    explicit = os.environ.get("VFERRY_CACHE")
    if explicit:
        return Path(explicit).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base).absolute() / "vferry"


class Cache:
    """One cache folder."""

    def __init__(self, root: Path | None = None, has_turn: bool = False) -> None:
        """`has_turn`: whoever started this process waited for a turn for it."""
        self.root = root or default_root()
        self._has_turn = has_turn
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RigError(f"the cache folder {self.root} cannot be made: {error}; "
                           "VFERRY_CACHE can name another one") from error
        self._depth = 0
        self._turn: TextIO | None = None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder's lock; nests within one process."""
        if self._depth:
            yield
            return
        with open(self.root / "lock", "w", encoding="ascii") as lock:
            self._wait_for(lock.fileno(), LOCK_DEADLINE,
                           f"waiting for another run that is filling {self.root}")
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1

    def take_turn(self) -> None:
        """Wait until no other process has a pair, and have it until this one ends: emulated VMs
        of two runs would only slow each other past their deadlines."""
        if self._has_turn:
            return
        self._turn = open(self.root / "pair", "w", encoding="ascii")
        self._wait_for(self._turn.fileno(), TURN_DEADLINE, "waiting for the VMs of another run to end")
        self._has_turn = True

    def _wait_for(self, descriptor: int, seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        told = False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                pass
            if time.monotonic() > deadline:
                raise RigError(f"{what}, but it has not ended in {seconds:.0f} s")
            if not told:
                note(what)
                told = True
            time.sleep(0.2)

    def has(self, kind: str, key: str) -> bool:
        """Whether the entry has been made already."""
        return (self.root / kind / key).exists()

    def entry(self, kind: str, key: str, make: Callable[[Path], None], apart: bool = False) -> Path:
        """The entry's path; `make` fills a new folder, or makes a file, at the path it is given.

        What takes minutes is made `apart`, under a lock of its kind: others need not wait for it.
        """
        path = self.root / kind / key
        if not path.exists():
            with self._locked_apart(kind) if apart else self.locked():
                if not path.exists():
                    self._make(path, make)
        os.utime(path)
        return path

    @contextlib.contextmanager
    def _locked_apart(self, kind: str) -> Iterator[None]:
        with open(self.root / f"lock-{kind}", "w", encoding="ascii") as lock:
            self._wait_for(lock.fileno(), APART_DEADLINE,
                           f"waiting for another run that is making {kind} in {self.root}")
            yield

    def _make(self, path: Path, make: Callable[[Path], None]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        for stale in path.parent.glob(".new-*"):
            remove(stale)
        fresh = path.parent / f".new-{os.getpid()}"
        try:
            make(fresh)
            os.utime(fresh)  # unpacking a package can have set the folder's time to its own
            os.rename(fresh, path)
        finally:
            remove(fresh)
        self._prune(path.parent)

    def _prune(self, folder: Path) -> None:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
        entries.sort(key=lambda entry: entry.stat().st_mtime, reverse=True)
        for entry in entries[KEEP_ENTRIES:]:
            remove(entry)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def note(text: str) -> None:
    """Tell the person who waits what is going on; stdout belongs to the test results."""
    print(f"rig: {text}", file=sys.stderr, flush=True)
