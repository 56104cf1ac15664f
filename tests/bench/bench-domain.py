#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What it costs a guest to cross with us: two QEMUs on this host, 1 GiB of random memory and no device, moved by two vferry-guest (their own
TLS connection, a lane, the decision on record) and by QEMU alone, over TCP as it is and over its own TLS with a pre-shared key. By turns, in
one run, each pair of QEMUs fresh; a figure is the median of the differences within the rounds, and how far their middle half is apart stands
beside it.

Times are those of QEMU's own events, which all have this host's clock: STOP at the source, RESUME at the destination. What the daemons, the
bus and ssh do before is not in them: the clock starts when the workers are started, or QEMU is told to migrate."""

from __future__ import annotations

import argparse
import array
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(TOP / "tests/kernel"), str(TOP / "tests/integration")]

import gvariant  # noqa: E402  pylint: disable=wrong-import-position
from rig import emulator  # noqa: E402  pylint: disable=wrong-import-position
from rig.apt import Archive  # noqa: E402  pylint: disable=wrong-import-position
from rig.cache import Cache  # noqa: E402  pylint: disable=wrong-import-position

ROUNDS = 30
MIB = 1024
PATIENCE = 60.0
JOB = "5b3f8a44-0000-4000-8000-00000000be0c"
KEY = bytes(range(32))
CAPABILITIES = ("return-path", "events", "switchover-ack")
LIMITS = {"max-bandwidth": 0, "downtime-limit": 300}
# Counts in one place of memory for ever, in real mode: inc ecx; mov [0x1000],ecx; jmp back.
COUNTER = bytes((0xFA, 0x31, 0xC0, 0x8E, 0xD8, 0x66, 0x41, 0x66, 0x89, 0x0E, 0x00, 0x10, 0xEB, 0xF7))
RESET = 0xFFF0


class Monitor:
    """A QMP connection of the benchmark's own."""

    def __init__(self, path: Path) -> None:
        self.events: list[dict[str, Any]] = []
        self._answers: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._file = connect(path).makefile("rw", encoding="utf-8")
        threading.Thread(target=self._listen, daemon=True).start()
        self.ask("qmp_capabilities")

    def _listen(self) -> None:
        for line in self._file:
            message = json.loads(line)
            with self._changed:
                if "event" in message:
                    self.events.append(message)
                elif "QMP" not in message:
                    self._answers.append(message)
                self._changed.notify_all()

    def _wait(self, look: Callable[[], Any], what: str) -> Any:
        with self._changed:
            if not self._changed.wait_for(lambda: look() is not None, PATIENCE):
                raise TimeoutError(f"no {what} within {PATIENCE:.0f} s")
            return look()

    def ask(self, command: str, **arguments: Any) -> Any:
        """What it returns for a command that it must not refuse."""
        self._file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._file.flush()
        answer = self._wait(lambda: self._answers[0] if self._answers else None, f"answer to {command}")
        self._answers.clear()
        if "return" not in answer:
            raise RuntimeError(f"QEMU refuses {command}: {answer}")
        return answer["return"]

    def when(self, name: str, **data: str) -> float:
        """Waits for an event, and says when it was."""
        event = self._wait(lambda: next((each for each in self.events if each["event"] == name
                                         and data.items() <= each.get("data", {}).items()), None), f"{name} {data}")
        return float(event["timestamp"]["seconds"]) + event["timestamp"]["microseconds"] / 1e6


def connect(path: Path) -> socket.socket:
    """To a monitor of a QEMU that is just starting."""
    end = time.monotonic() + PATIENCE
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
            return connection
        except OSError:
            connection.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


class Qemu:
    """One QEMU, and two monitors of it."""

    def __init__(self, command: list[str], environment: dict[str, str], folder: Path, name: str, memory: Path | None) -> None:
        backend = (f"memory-backend-file,id=m,size={MIB}M,mem-path={memory},share=on" if memory
                   else f"memory-backend-ram,id=m,size={MIB}M")
        self.socket = folder / f"{name}.qmp"
        own = folder / f"{name}.own"
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [*command, "-nodefaults", "-display", "none", "-M", "q35,memory-backend=m", "-accel", "tcg", "-m", str(MIB),
             "-object", backend, "-bios", str(folder / "bios"), "-name", name,
             "-qmp", f"unix:{self.socket},server=on,wait=off", "-qmp", f"unix:{own},server=on,wait=off",
             *([] if memory else ["-S", "-incoming", "defer"])],
            env={**os.environ, **environment}, stdin=subprocess.DEVNULL)
        self.monitor = Monitor(own)

    def end(self) -> None:
        """However far it is."""
        self.process.kill()
        self.process.wait()


class Worker:
    """A vferry-guest with one request (docs/mover-control.md)."""

    def __init__(self, program: str, verb: str, arguments: dict[str, tuple[str, Any]], fds: list[int]) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.settimeout(PATIENCE)
        number = theirs.fileno()
        self._process = subprocess.Popen([program], close_fds=False, stdin=subprocess.DEVNULL,  # pylint: disable=consider-using-with
                                         preexec_fn=lambda: os.dup2(number, 3))  # pylint: disable=subprocess-popen-preexec-fn
        theirs.close()
        self.tell(verb, arguments, fds)

    def tell(self, verb: str, arguments: dict[str, tuple[str, Any]], fds: list[int]) -> None:
        """A message."""
        self._ours.sendmsg([gvariant.dump("(sa{sv})", (verb, arguments))],
                           [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])

    def wait(self, verb: str) -> dict[str, Any]:
        """The arguments of the first message of this kind."""
        while True:
            data = self._ours.recv(65536)
            if not data:
                raise RuntimeError(f"the worker ended without “{verb}”")
            said, arguments = gvariant.load("(sa{sv})", data)
            if said == "result" and arguments["outcome"] != "completed":
                raise RuntimeError(f"the worker: {arguments}")
            if said == verb:
                return dict(arguments)

    def end(self) -> None:
        """It has nothing more to say."""
        self._ours.close()
        self._process.wait(PATIENCE)


class Bench:
    """What all rounds have in common."""

    def __init__(self, program: str, folder: Path) -> None:
        qemu = emulator.load(Cache(), Archive(Cache()))
        self.command, self.environment = qemu.command, qemu.environment
        self.program = program
        self.folder = folder
        self.memory = folder / "memory"
        bios = bytearray(b"\xf4" * 65536)
        bios[:len(COUNTER)] = COUNTER
        bios[RESET:RESET + 3] = b"\xe9" + ((-RESET - 3) & 0xFFFF).to_bytes(2, "little")
        (folder / "bios").write_bytes(bios)
        (folder / "keys").mkdir()
        (folder / "keys/keys.psk").write_text(f"qemu:{KEY.hex()}\n", encoding="ascii")

    @contextmanager
    def pair(self, name: str) -> Iterator[tuple[Qemu, Qemu]]:
        """A guest, and a QEMU that waits for it; random memory that nobody has compressed."""
        with self.memory.open("wb") as file:
            for _ in range(MIB):
                file.write(os.urandom(1 << 20))
        both = [Qemu(self.command, self.environment, self.folder, f"{name}-{side}", self.memory if side == "a" else None)
                for side in "ab"]
        try:
            yield both[0], both[1]
        finally:
            for qemu in both:
                qemu.end()

    def ours(self, source: Qemu, destination: Qemu) -> float:
        """Has the workers move it; when it began."""
        records = [os.open(self.folder / f"record-{side}", os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
                   for side in "ab"]
        monitors = [connect(qemu.socket) for qemu in (source, destination)]
        common = {"job": ("s", JOB), "address": ("s", "127.0.0.1"), "key": ("ay", KEY), "features": ("as", [])}
        begun = time.time()
        taker = Worker(self.program, "receive", {**common, "port-min": ("q", 0), "port-max": ("q", 0), "accept-seconds": ("u", 60),
                                                 "size-max": ("t", 1 << 40)}, [records[1]])
        port = taker.wait("listening")["port"]
        taker.tell("guest", {}, [monitors[1].fileno()])
        giver = Worker(self.program, "send", {**common, "port": ("q", port), "downtime-limit-ms": ("u", LIMITS["downtime-limit"]),
                                              "precopy-max-seconds": ("u", 60), "switchover-ack": ("b", True)},
                       [records[0], monitors[0].fileno()])
        for worker in (giver, taker):
            worker.wait("result")
            worker.end()
        for descriptor in (*records, *(monitor.detach() for monitor in monitors)):
            os.close(descriptor)
        return begun

    def alone(self, source: Qemu, destination: Qemu, tls: bool) -> float:
        """Has QEMU move it, as a client of its monitor would; when it began."""
        begun = time.time()
        for qemu, endpoint in ((source, "client"), (destination, "server")):
            monitor = qemu.monitor
            monitor.ask("migrate-set-capabilities",
                        capabilities=[{"capability": name, "state": True} for name in CAPABILITIES])
            if tls:
                monitor.ask("object-add", **{"qom-type": "tls-creds-psk", "id": "keys", "endpoint": endpoint,
                                             "dir": str(self.folder / "keys"),
                                             **({"username": "qemu"} if endpoint == "client" else {}),
                                             "priority": "NORMAL:-CIPHER-ALL:+AES-128-GCM"})
                monitor.ask("migrate-set-parameters", **{"tls-creds": "keys"})
        source.monitor.ask("migrate-set-parameters", **LIMITS)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            uri = f"tcp:127.0.0.1:{free.getsockname()[1]}"
        destination.monitor.ask("migrate-incoming", uri=uri)
        source.monitor.ask("migrate", uri=uri)
        for qemu in (source, destination):
            qemu.monitor.when("MIGRATION", status="completed")
        destination.monitor.ask("cont")
        return begun

    def measure(self, name: str) -> dict[str, float]:
        """One crossing: seconds until QEMU begins, of pause, and in all."""
        with self.pair(name) as (source, destination):
            ways = {"ours": self.ours, "tcp": lambda a, b: self.alone(a, b, False), "tls": lambda a, b: self.alone(a, b, True)}
            begun = ways[name](source, destination)
            resumed = destination.monitor.when("RESUME")
            return {"before": source.monitor.when("MIGRATION", status="active") - begun,
                    "pause": resumed - source.monitor.when("STOP"), "total": resumed - begun}


def spread(values: list[float]) -> str:
    """The middle half."""
    quarters = statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3
    return f"{quarters[0]:.4g} to {quarters[2]:.4g}"


def print_figures(rounds: list[dict[str, dict[str, float]]]) -> None:
    """What run-bench.py reads."""

    def median(way: str, what: str) -> float:
        return statistics.median(each[way][what] for each in rounds)

    def figure(name: str, values: list[float], unit: str, target: float | None, **more: Any) -> None:
        line: dict[str, Any] = {"figure": f"{name} ({spread(values)})", "value": statistics.median(values), "unit": unit, **more}
        if target is not None:
            line |= {"target": target, "better": "lower"}
        print(json.dumps(line), flush=True)

    for rival, what in (("tcp", "QEMU alone, TCP"), ("tls", "QEMU alone, its TLS")):
        judged = rival == "tls"  # what goes over a network unsealed is no rival: it is shown
        for key, name, target in (("before", "until it begins", 50.0), ("pause", "pause", 5.0)):
            figure(f"{name}, more than {what}", [1e3 * (each["ours"][key] - each[rival][key]) for each in rounds], "ms",
                   target if judged else None, measured={"value": 1e3 * median("ours", key), "unit": "ms"},
                   against={"what": what, "value": 1e3 * median(rival, key), "unit": "ms"})
        figure(f"in all, as a part of {what}", [each["ours"]["total"] / each[rival]["total"] for each in rounds], "ratio",
               1.03 if judged else None, measured={"value": median("ours", "total"), "unit": "s"},
               against={"what": what, "value": median(rival, "total"), "unit": "s"})


def main() -> int:
    """Rounds of three crossings, each time in another order."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worker", required=True, help="vferry-guest")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    rounds = []
    ways = ["ours", "tcp", "tls"]
    with tempfile.TemporaryDirectory(prefix="vferry-bench-", dir="/dev/shm") as folder:
        bench = Bench(options.worker, Path(folder))
        for number in range(options.rounds):
            order = ways[number % 3:] + ways[:number % 3]
            rounds.append({way: bench.measure(way) for way in order})
            print(f"round {number + 1}: " + ", ".join(
                f"{way} {each['total']:.2f} s, pause {1e3 * each['pause']:.1f} ms" for way, each in sorted(rounds[-1].items())),
                file=sys.stderr, flush=True)
    print_figures(rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
