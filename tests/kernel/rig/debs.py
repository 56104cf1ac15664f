# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reading .debs without installing them."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from .errors import RigError


@contextlib.contextmanager
def contents(deb: Path) -> Iterator[IO[bytes]]:
    """The package's files as a tar stream."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        yield process.stdout
        # A reader that has what it wants leaves the rest, and then dpkg-deb's end says nothing.
        complete = process.stdout.read(1) == b""
        process.stdout.close()
        message = process.stderr.read().decode(errors="replace").strip()
        status = process.wait()
    if complete and status != 0:
        raise RigError(f"dpkg-deb could not read {deb}, it ended with {status}: {message}")


def unpack(deb: Path, target: Path) -> None:
    """All of the package's files below a folder."""
    done = subprocess.run(["dpkg-deb", "-x", str(deb), str(target)], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=120.0, check=False)
    if done.returncode != 0:
        raise RigError(f"dpkg-deb could not unpack {deb} into {target}:\n{done.stderr}")
