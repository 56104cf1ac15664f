#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Shows a migration to a person: two small VMs, one device, one crossing, nothing left out.

What is printed behind a prompt is the real command and its real output.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import sys
import time
import uuid as uuids
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tests/kernel"))
sys.dont_write_bytecode = True

from rig.agent import Process  # noqa: E402  pylint: disable=wrong-import-position
from rig.errors import RigError  # noqa: E402  pylint: disable=wrong-import-position
from rig.ferry import MDEVS, create, defaults  # noqa: E402  pylint: disable=wrong-import-position
from rig.host import Host  # noqa: E402  pylint: disable=wrong-import-position
from rig.pair import Pair, Supplies  # noqa: E402  pylint: disable=wrong-import-position

# Enough to see it move, at what an emulated processor carries.
STATE_SIZE = 64 << 20
TYPE = "vferry_testdev-1"
MARKER = "written at harbour-a"
STEP_DEADLINE = 60.0
POLL = 0.05


class DemoError(Exception):
    """What the demo was to show did not happen."""


class Demo:
    """The story, on a booted pair."""

    def __init__(self, pair: Pair, elapsed: float) -> None:
        self._pair = pair
        self._zero = time.monotonic() - elapsed
        self._live = sys.stdout.isatty()

    @property
    def seconds(self) -> float:
        """Since ./run was started."""
        return time.monotonic() - self._zero

    def say(self, text: str) -> None:
        """One step, in a sentence."""
        print(f"\n[{self.seconds:3.0f} s] {text}", flush=True)

    def shell(self, host: Host, command: str, live: bool = False) -> str:
        """Run a command as a person at this host would, and show it and what it prints."""
        print(f"   root@{host.name}# {command}", flush=True)
        if live and self._live:
            columns = shutil.get_terminal_size().columns - 4
            inner = f"stty cols {columns} rows 24; exec {command}"
            command = f"TERM={shlex.quote(os.environ.get('TERM', 'linux'))} script -qfec {shlex.quote(inner)} /dev/null"
        process = host.spawn(f"export LANG=C.UTF-8; {command}", timeout=STEP_DEADLINE)
        self._follow(process)
        result = process.wait()
        if not result.ok:
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

    def tell(self) -> None:
        """The story."""
        a, b = self._pair.hosts
        for host in (a, b):
            host.run("systemctl start vferryd", timeout=STEP_DEADLINE)
        self.say(f"harbour-a gets a VFIO device with {STATE_SIZE >> 20} MiB of state; harbour-b has none.")
        defaults(a, state_size=STATE_SIZE)
        device = create(a, TYPE)
        a.wait_until(f"vferryctl show {device}", timeout=STEP_DEADLINE)
        self.shell(a, "vferryctl list")

        self.say("A program opens the device, writes a few words into it, and lends it to vferryd.")
        self._start(a, f"holder --marker '{MARKER}' --lend {device}", "lent")

        self.say("The device moves to harbour-b, while the program goes on holding it.")
        started = time.monotonic()
        self.shell(a, f"vferryctl migrate {device[:8]} ssh://harbour-b", live=True)
        moved = time.monotonic() - started

        self.say("At harbour-b another program takes the device over and reads what is in it.")
        read = self._start(b, f"adopter --stay --expect '{MARKER}' {self._lease(b)}", "state")
        self._check(b, read)
        self.shell(b, "vferryctl list")
        self.say(f"Done: {STATE_SIZE >> 20} MiB of device state crossed in {moved:.1f} s and arrived whole.")

    def _start(self, host: Host, command: str, word: str) -> str:
        """Start a program that stays; returns what it prints up to and with the line of a word."""
        print(f"   root@{host.name}# {command} &", flush=True)
        process = host.spawn(f"exec {command}")
        process.wait_for_output(rf"^.*\b{word}\b.*\n", STEP_DEADLINE)
        text = process.out.decode("utf-8", "replace")
        print("".join(f"   {line}\n" for line in text.splitlines()), end="", flush=True)
        return text

    def _lease(self, host: Host) -> str:
        tree = host.output("busctl tree --list org.vferry1")
        leases = [line for line in tree.split() if line.startswith("/org/vferry1/lease/")]
        if len(leases) != 1:
            raise DemoError(f"{host.name} has {len(leases)} leases after the migration, not one")
        return leases[0]

    def _check(self, host: Host, read: str) -> None:
        """Believe nobody's word for it: the bytes and the kernel's own states."""
        if MARKER not in read:
            raise DemoError(f"the adopter read '{read.strip()}', not '{MARKER}'")
        state = host.output(f"cat {MDEVS}/*/testdev/migration_state")
        if state != "running":
            raise DemoError(f"the kernel at {host.name} says the device is '{state}', not running")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--builddir", type=Path, required=True)
    parser.add_argument("--destdir", type=Path, required=True)
    parser.add_argument("--logs", type=Path, required=True)
    parser.add_argument("--elapsed", type=float, default=0.0, help="seconds that came before")
    return parser.parse_args()


def main() -> int:
    """Boot, tell, end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    options = _arguments()
    try:
        # The kernel's sample driver is 150 MB of source away and not needed here.
        supplies = Supplies(options.builddir, options.destdir, want_mtty=False)
        with Pair(supplies) as pair:
            demo = Demo(pair, options.elapsed)
            demo.say("Two hosts boot: harbour-a and harbour-b, microVMs joined by one cable.")
            try:
                pair.boot()
                demo.tell()
            except (DemoError, RigError):
                pair.save_logs(options.logs)
                print(f"\nlogs of both hosts: {options.logs}", file=sys.stderr)
                raise
    except (DemoError, RigError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
