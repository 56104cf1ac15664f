# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a demo tells its story on: two hosts, and a person who watches.

What is printed behind a prompt is the real command and its real output.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time

from rig.agent import Process
from rig.host import Host
from rig.pair import Pair

STEP_DEADLINE = 120.0
POLL = 0.05


class DemoError(Exception):
    """What the demo was to show did not happen."""


class Stage:
    """A booted pair, and what is told of it."""

    def __init__(self, pair: Pair, elapsed: float) -> None:
        self.a, self.b = pair.hosts
        self._zero = time.monotonic() - elapsed
        self._live = sys.stdout.isatty()

    @property
    def seconds(self) -> float:
        """Since ./run was started."""
        return time.monotonic() - self._zero

    def say(self, text: str) -> None:
        """One step, in a sentence."""
        print(f"\n[{self.seconds:3.0f} s] {text}", flush=True)

    def _prompt(self, host: Host, command: str) -> None:
        print(f"   root@{host.name}# " + command.replace("\n", "\n   > "), flush=True)

    def shell(self, host: Host, command: str, live: bool = False, statuses: tuple[int, ...] = (0,)) -> str:
        """Run a command as a person at this host would, and show it and what it prints; it must end with one of these."""
        self._prompt(host, command)
        if live and self._live:
            columns = shutil.get_terminal_size().columns - 4
            inner = f"stty cols {columns} rows 24; exec {command}"
            command = f"TERM={shlex.quote(os.environ.get('TERM', 'linux'))} script -qfec {shlex.quote(inner)} /dev/null"
        process = host.spawn(f"export LANG=C.UTF-8; exec 2>&1; {command}", timeout=STEP_DEADLINE)
        self._follow(process)
        result = process.wait()
        if result.timed_out or result.status not in statuses:
            raise DemoError(f"at {host.name}: {result.describe()}")
        return result.text

    def _follow(self, process: Process) -> None:
        """Print what a process prints, as it comes, until it ends."""
        shown = 0
        deadline = time.monotonic() + STEP_DEADLINE
        fresh = True
        while time.monotonic() < deadline:
            running = process.running
            output = process.out
            text = output[shown:].decode("utf-8", "ignore")
            # A character that has come in part waits for its rest.
            shown += len(text.encode())
            for piece in text.replace("\r\n", "\n").splitlines(keepends=True):
                sys.stdout.write(("   " if fresh else "") + piece.replace("\r", "\r   "))
                fresh = piece.endswith("\n")
            sys.stdout.flush()
            if not running:
                break
            time.sleep(POLL)
        if not fresh:
            print(flush=True)

    def start(self, host: Host, command: str, word: str) -> str:
        """Start a program that stays; returns what it prints up to and with the line of a word."""
        self._prompt(host, f"{command} &")
        process = host.spawn(f"exec {command}")
        process.wait_for_output(rf"^.*\b{word}\b.*\n", STEP_DEADLINE)
        text = process.out.decode("utf-8", "replace")
        print("".join(f"   {line}\n" for line in text.splitlines()), end="", flush=True)
        return text
