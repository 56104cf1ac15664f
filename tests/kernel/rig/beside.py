# SPDX-License-Identifier: LGPL-2.1-or-later
"""The suites of several kernels side by side, each in a process with a pair of its own.

One pair leaves the processors idle half of the time: its hosts wait for each other, and for deadlines.
"""

from __future__ import annotations

import os
import queue
import re
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import IO

from .explain import comment

PAIR_MEMORY = 3 << 30
# With guests in its hosts.
LARGE_PAIR_MEMORY = 4 << 30
RESULT = re.compile(r"(ok|not ok) \d+ - (.*) # ([\d.]+)s$")
END_SECONDS = 30.0


def is_room(memory: int) -> bool:
    """Whether the machine has two processors, and so much memory free."""
    with open("/proc/meminfo", encoding="ascii") as lines:
        sizes = {line.split(":")[0]: int(line.split()[1]) << 10 for line in lines}
    return (os.cpu_count() or 1) >= 2 and sizes["MemAvailable"] > memory


def _pump(stream: IO[str], name: str, lines: "queue.Queue[tuple[str, str | None]]") -> None:
    for line in stream:
        lines.put((name, line.rstrip("\n")))
    lines.put((name, None))


class _Child:
    """The suite of one kernel."""

    def __init__(self, name: str, command: Sequence[str], lines: "queue.Queue[tuple[str, str | None]]") -> None:
        self.said: list[str] = []
        # It ends with whoever started it, and its VMs with it.
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", "--", *command], text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, errors="replace")
        threading.Thread(target=_pump, args=(self.process.stdout, name, lines), daemon=True).start()

    def tell(self) -> None:
        """What it has said since its last result, in one piece, and before the next result, whatever reads both channels."""
        if self.said:
            print(comment("\n".join(self.said)), flush=True)
            self.said.clear()

    def end(self) -> int:
        """Its exit status; it is told to end if it has not."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(END_SECONDS)


def run(commands: dict[str, Sequence[str]], result: Callable[[str, bool, float], None]) -> int:
    """Run each command, a suite that prints TAP, and tell its results as they come; the worst exit status."""
    lines: "queue.Queue[tuple[str, str | None]]" = queue.Queue()
    children = {name: _Child(name, command, lines) for name, command in commands.items()}
    left = len(children)
    try:
        while left:
            name, line = lines.get()
            if line is None:
                left -= 1
                children[name].process.wait()
                children[name].tell()
            elif match := RESULT.match(line):
                children[name].tell()
                result(match.group(2), match.group(1) == "ok", float(match.group(3)))
            elif line.startswith("Bail out!"):
                print(line, flush=True)
            elif not re.match(r"1\.\.\d+$", line):
                children[name].said.append(line)
    finally:
        statuses = [child.end() for child in children.values()]
    return max(map(abs, statuses))
