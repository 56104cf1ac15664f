#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a host with ten thousand mdevs costs: from the start of vferryd to its name on a private bus, against a program that
does nothing but find them with libudev and read the same attributes (udev-walk.c); and GetCapabilities over the bus,
against `xmllint --noout` of the document that it returns. By turns, in one run; a figure is the median of the rounds.

What counts is the processor's time, user and system, of all threads of vferryd and of the bus together: other processes of the
machine do not count, and who made the bus work would not look cheaper. What the clock says is shown, too."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(TOP / "tests/integration")]
INSIDE = "VFERRY_BENCH_INSIDE"
ROUNDS = 5
PATIENCE = 120.0
MANAGER = ("/org/vferry1", "org.vferry1.Manager.GetCapabilities")


def enter() -> None:
    """A mount namespace, where /sys is ours alone; who is not root is, in a user namespace."""
    if INSIDE in os.environ:
        return
    rights = [] if os.geteuid() == 0 else ["--map-root-user"]
    os.environ[INSIDE] = "yes"
    os.execvp("unshare", ["unshare", "--mount", *rights, sys.executable, *sys.argv])


enter()

import gi  # noqa: E402  pylint: disable=wrong-import-position

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402  pylint: disable=wrong-import-position

import bus  # noqa: E402  pylint: disable=wrong-import-position
import device_tree  # noqa: E402  pylint: disable=wrong-import-position


def processor_seconds(pid: int) -> float:
    """Of all its threads, those that have ended, too: the clock that clock_getcpuclockid(3) names."""
    return time.clock_gettime((~pid << 3) | 2)


@dataclasses.dataclass
class Cost:
    """Seconds."""

    clock: float
    processor: float


class Meter:
    """What is spent from now on by these processes."""

    def __init__(self, *pids: int) -> None:
        self._pids = pids
        self._processor = sum(map(processor_seconds, pids))
        self._clock = time.monotonic()

    def read(self) -> Cost:
        """So far."""
        clock = time.monotonic() - self._clock
        return Cost(clock, sum(map(processor_seconds, self._pids)) - self._processor)


def time_command(command: list[str]) -> Cost:
    """From its start to its end."""
    start = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command[0]} ended with status {process.returncode}")
    return Cost(time.monotonic() - start, usage.ru_utime + usage.ru_stime)


class Daemon:
    """One vferryd, from its start to its name."""

    def __init__(self, program: str, private: bus.Bus, folder: str) -> None:
        self.bus = private.process.pid
        self.client = private.connect()
        self.client.connection.set_exit_on_close(False)
        loop = GLib.MainLoop()
        self.client.connection.signal_subscribe("org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged", None,
                                                "org.vferry1", Gio.DBusSignalFlags.NONE, lambda *_: loop.quit())
        self.client.has_owner("org.vferry1")  # the bus has the subscription
        GLib.timeout_add(int(PATIENCE * 1000), loop.quit)
        environment = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=private.address, VFERRY_STATE_DIR=f"{folder}/state",
                           VFERRY_RUN_DIR=f"{folder}/run", VFERRY_LIBEXEC_DIR=os.path.dirname(program),
                           VFERRY_MODEL_PATH=str(TOP / "xml/models"), VFERRY_SCHEMA_DIR=str(TOP / "xml/schemas"))
        meter = Meter(self.bus)
        self.process = subprocess.Popen([program], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        loop.run()
        self.start = meter.read()
        self.start.processor += processor_seconds(self.process.pid)
        if not self.client.has_owner("org.vferry1"):
            raise SystemExit("vferryd is not on the bus")

    def settle(self) -> None:
        """Until it has done what it does after it has its name."""
        before, now = -1.0, processor_seconds(self.process.pid)
        while now != before:
            time.sleep(0.3)
            before, now = now, processor_seconds(self.process.pid)

    def ask(self) -> tuple[Cost, str]:
        """What it costs, and the document."""
        meter = Meter(self.bus, self.process.pid)
        (document,) = self.client.call(*MANAGER, GLib.Variant("(a{sv})", ({},)), timeout_ms=int(PATIENCE * 1000))
        return meter.read(), document

    def peak(self) -> float:
        """MiB that it had at most."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(status.split("VmHWM:", 1)[1].split()[0]) / 1024

    def stop(self) -> None:
        """And its connection."""
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.client.close()


def figure(name: str, value: float, unit: str, **more: Any) -> None:
    """One line of what README.md describes."""
    print(json.dumps({"figure": name, "value": value, "unit": unit, **more}), flush=True)


def judge(name: str, rounds: list[tuple[Cost, Cost]], what: str, target: float) -> None:
    """Ours and theirs, of each round. The target is one for later: what it takes is known, and not done yet."""
    figure(name, statistics.median(ours.processor / theirs.processor for ours, theirs in rounds), "ratio", target=target,
           better="lower", later=True,
           measured={"value": statistics.median(ours.processor for ours, _ in rounds), "unit": "s"},
           against={"what": what, "value": statistics.median(theirs.processor for _, theirs in rounds), "unit": "s"})
    figure(f"{name}-clock", statistics.median(ours.clock / theirs.clock for ours, theirs in rounds), "ratio",
           measured={"value": statistics.median(ours.clock for ours, _ in rounds), "unit": "s"})


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--daemon", required=True)
    parser.add_argument("--walk", required=True)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    tree = device_tree.mount()
    os.environ.update(device_tree.VERIFY)
    found = subprocess.run([options.walk], check=True, stdout=subprocess.PIPE, text=True, timeout=PATIENCE).stdout.split()
    if int(found[0]) != tree.devices:
        raise SystemExit(f"libudev finds {found[0]} of {tree.devices} devices")
    print(f"{tree.devices} devices and parents, {found[1]} attributes", file=sys.stderr)
    starts, calls, again = [], [], []
    with tempfile.TemporaryDirectory(prefix="vferry-bench-") as folder:
        private = bus.Bus(str(TOP / "dbus/org.vferry1.conf"))
        for _ in range(options.rounds):
            walk = time_command([options.walk])
            daemon = Daemon(options.daemon, private, folder)
            starts.append((daemon.start, walk))
            daemon.settle()
            first, document = daemon.ask()
            again.append(daemon.ask()[0].processor)
            path = Path(folder, "capabilities.xml")
            path.write_text(document, encoding="utf-8")
            calls.append((first, time_command(["xmllint", "--noout", str(path)])))
            memory = daemon.peak()
            daemon.stop()
        private.stop()
    if document.count("<device ") != tree.number:
        raise SystemExit(f"GetCapabilities has {document.count('<device ')} devices")
    judge("start", starts, "libudev that reads the same", 1.5)
    judge("capabilities", calls, "xmllint --noout of it", 2)
    figure("capabilities-again", statistics.median(again), "s")
    figure("capabilities-size", len(document.encode()) / 2**20, "MiB")
    figure("memory", memory, "MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
