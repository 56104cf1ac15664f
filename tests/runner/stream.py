# SPDX-License-Identifier: LGPL-2.1-or-later
"""Suites that print TAP while they run: the microVM scenarios and the lint."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tally import FileResult, Tally
from tap import Reader

PYTHON = "/usr/bin/python3"
TOOK = re.compile(r"# ([\d.]+)s$")
# Twice what it takes on two cores that have nothing else to do, and the small kernel's build.
KERNEL_DEADLINE = 3000.0
LINT_DEADLINE = 120.0
UPGRADE_DEADLINE = 600.0
# How long a suite may take to end its VMs once it was told to.
END_GRACE = 20.0


def list_kernel(top: Path, depth: str) -> list[str]:
    """The names of all scenarios, or the usual or deep ones, each with its kernel in front."""
    listing = subprocess.run([PYTHON, "-B", str(top / "tests/kernel/suite.py"), "--kernel", "both",
                              "--depth", depth, "--list"], check=True, stdout=subprocess.PIPE, text=True,
                             timeout=60.0).stdout
    return [line.split()[0] for line in listing.splitlines() if line.strip()]


def kernel_names(name: str) -> list[str]:
    """What a scenario can be called by: with its kernel and without, with its suite and without."""
    bare = name.split("/", 1)[1]
    return [name, bare, f"kernel/{name}", f"kernel/{bare}"]


@contextlib.contextmanager
def filling_cache(top: Path, names: list[str], log: Path) -> Iterator[None]:
    """Meanwhile have made what the scenarios' kernels take minutes to build, once for a machine: the host's tests
    mostly wait. Whether that went well is seen when the scenarios need it."""
    kernels = {name.split("/", 1)[0] for name in names}
    command = [PYTHON, "-B", str(top / "tests/kernel/suite.py"), "--fetch", "--kernel",
               kernels.pop() if len(kernels) == 1 else "both"]
    with open(log, "wb") as output, \
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                             start_new_session=True) as process:
        try:
            yield
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)


def run_kernel(top: Path, builddir: Path, destdir: Path, names: list[str], tally: Tally) -> None:
    """Run scenarios; each is a test file of its own."""
    command = [PYTHON, "-B", str(top / "tests/kernel/suite.py"), "--kernel", "both", "--depth", "all",
               "--builddir", str(builddir), "--destdir", str(destdir)]
    for name in names:
        command += ["--only", name]
    _stream(command, KERNEL_DEADLINE, "kernel", True, tally)


def run_script(command: list[str], name: str, tally: Tally, deadline: float = LINT_DEADLINE, **environment: str) -> None:
    """Run a script that prints TAP as one test file."""
    settings = [f"{key}={value}" for key, value in environment.items()]
    _stream(["/usr/bin/env", *settings, PYTHON, "-B", *command], deadline, name, False, tally)


def _pump(stream: IO[str], channel: str, lines: "queue.Queue[tuple[str, str | None]]") -> None:
    for line in stream:
        lines.put((channel, line))
    lines.put((channel, None))


class _Streaming:
    """Turns two streams of lines into results."""

    def __init__(self, name: str, each: bool, tally: Tally) -> None:
        self._name = name
        self._each = each
        self._tally = tally
        self._reader = Reader()
        self._started = self._since = time.monotonic()
        self._cases: list = []
        self._log: list[str] = []

    def take(self, channel: str, line: str) -> None:
        """One line of the program's output or error output."""
        self._log.append(line)
        if channel == "err":
            self._tally.progress(line.rstrip())
            return
        cases = self._reader.feed(line)
        self._cases += cases
        if cases and self._each:
            took = TOOK.search(line)  # several may run at the same time
            self._emit(f"{self._name}/{cases[0].name}", float(took.group(1)) if took else None)

    def end(self, status: int, timed_out: bool) -> None:
        """The program has ended."""
        self._cases += self._reader.finish(status, timed_out)
        if not self._each:
            self._since = self._started
        if self._cases or not self._each:
            self._emit(self._name)

    def _emit(self, name: str, seconds: float | None = None) -> None:
        now = time.monotonic()
        took = now - self._since if seconds is None else seconds
        self._tally.add(FileResult(name, self._cases, took, "".join(self._log)))
        self._since, self._cases, self._log = now, [], []


def _stream(command: list[str], deadline: float, name: str, each: bool, tally: Tally) -> None:
    started = time.monotonic()
    lines: "queue.Queue[tuple[str, str | None]]" = queue.Queue()
    streaming = _Streaming(name, each, tally)
    timed_out = False
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.PIPE, errors="replace", start_new_session=True) as process:
        for stream, channel in ((process.stdout, "out"), (process.stderr, "err")):
            threading.Thread(target=_pump, args=(stream, channel, lines), daemon=True).start()
        open_channels = 2
        while open_channels:
            left = started + deadline - time.monotonic()
            try:
                channel, line = lines.get(timeout=max(left, 0.01))
            except queue.Empty:
                if timed_out:
                    break
                timed_out = True
                _end(process)
                deadline += END_GRACE
                continue
            if line is None:
                open_channels -= 1
            else:
                streaming.take(channel, line)
        status = process.wait(END_GRACE)
    streaming.end(status, timed_out)


def _end(process: "subprocess.Popen[str]") -> None:
    """Have a suite end, its VMs with it."""
    process.terminate()
    try:
        process.wait(END_GRACE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
