# SPDX-License-Identifier: LGPL-2.1-or-later
"""A newer QEMU than Debian 12's, for what that one does not emulate: a card with SR-IOV.

It is backports' package, unpacked into the cache. Its libraries are the machine's: it needs none
that the machine's own QEMU does not bring along.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path

from . import debs
from .apt import Archive, Package
from .cache import Cache, key_of, note
from .errors import DownloadFailed, RigError
from .manifest import BACKPORTS, identity

PACKAGES = ("qemu-system-x86", "qemu-system-data", "seabios")
BINARY = "usr/bin/qemu-system-x86_64"
FIRMWARE = ("usr/share/qemu", "usr/share/seabios")


@dataclasses.dataclass(frozen=True)
class Emulator:
    """A QEMU that is not installed."""

    root: Path

    @property
    def command(self) -> list[str]:
        """The program, and where it finds its firmware."""
        return [str(self.root / BINARY),
                *(word for folder in FIRMWARE for word in ("-L", str(self.root / folder)))]

    @property
    def environment(self) -> dict[str, str]:
        """Without this it would load the modules of the machine's QEMU, and refuse them."""
        return {"QEMU_MODULE_DIR": str(self.root)}


def _resolve(archive: Archive, refresh: bool) -> list[Package]:
    return archive.once("emulator-manifest", key_of(" ".join(PACKAGES), BACKPORTS),
                        lambda: archive.locate([f"{name}/{BACKPORTS}" for name in PACKAGES]), refresh)


def _check(root: Path) -> None:
    """It must start: a library that is missing is named here, not in the middle of a test."""
    binary = root / BINARY
    started = subprocess.run([str(binary), "--version"], capture_output=True, text=True,
                             stdin=subprocess.DEVNULL, timeout=60.0, check=False)
    if started.returncode != 0:
        raise RigError(f"the emulator from {BACKPORTS} does not start; install "
                       f"qemu-system-x86, whose libraries it uses:\n{started.stderr.strip()}")


def load(cache: Cache, archive: Archive) -> Emulator:
    """The emulator, from the cache or from its packages."""

    def get(refresh: bool) -> Path:
        packages = _resolve(archive, refresh)

        def make(fresh: Path) -> None:
            files = archive.download(packages)
            note(f"unpacking QEMU {packages[0].version}")
            for deb in files:
                debs.unpack(deb, fresh)
            for program in (fresh / "usr/bin").iterdir():
                if program.name != os.path.basename(BINARY):
                    program.unlink()
            _check(fresh)

        return cache.entry("emulator", key_of(Path(__file__), identity(packages)), make)

    try:
        return Emulator(get(False))
    except DownloadFailed as error:
        note(f"the archive may have moved on since QEMU was looked up: {error}")
        return Emulator(get(True))
