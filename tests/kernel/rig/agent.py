# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command channel into a guest; tests/kernel/programs/rig-agent.c is the other end.

A thread reads what the agent sends and hands it to the commands; commands can be started, waited
for and killed from any thread.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from .errors import CommandFailed, GuestGone, RigError

PROTOCOL_VERSION = 1
OUTPUT_LIMIT = 64 << 20
CHUNK = 1 << 20
# What a guest may take to start and to end a command, beyond the command's own deadline.
GRACE = 15.0

Found = TypeVar("Found")

EXITED, SIGNALLED, DEADLINE, NOT_STARTED = range(4)


@dataclasses.dataclass(frozen=True)
class Result:
    """How a command ended. `status` is as in a shell: 128 + n for signal n."""

    command: str
    status: int
    out: bytes
    err: bytes
    seconds: float
    timed_out: bool = False
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """Whether it ended with 0, in time."""
        return self.status == 0 and not self.timed_out

    @property
    def text(self) -> str:
        """Standard output as text, without the last newline."""
        return self.out.decode("utf-8", "replace").rstrip("\n")

    @property
    def error_text(self) -> str:
        """Standard error as text, without the last newline."""
        return self.err.decode("utf-8", "replace").rstrip("\n")

    def describe(self) -> str:
        """Everything about it, for a person who looks at a failure."""
        how = "was killed at its deadline" if self.timed_out else f"ended with {self.status}"
        parts = [f"'{self.command}' {how} after {self.seconds:.1f} s"]
        for name, content in (("stdout", self.text), ("stderr", self.error_text)):
            parts.append(f"--- {name}: {content[-6000:] or '(empty)'}")
        return "\n".join(parts)


class Process:
    """A command in a guest, from its start to its end."""

    def __init__(self, agent: "Agent", number: int, command: str, timeout: float | None) -> None:
        self._agent = agent
        self._number = number
        self.command = command
        self._timeout = timeout
        self._started = time.monotonic()
        self._changed = threading.Condition()
        self._out = bytearray()
        self._err = bytearray()
        self._end: tuple[int, bool, int, str] | None = None
        self._seconds = 0.0
        self._failure: Exception | None = None

    # What the reader thread calls.
    def _feed(self, kind: bytes, payload: bytes) -> None:
        with self._changed:
            if kind == b"O":
                self._out += payload
            elif kind == b"R":
                self._err += payload
            else:
                how, cut, value = struct.unpack_from("<BBI", payload)
                self._end = (how, bool(cut), value, payload[6:].decode("utf-8", "replace"))
                self._seconds = time.monotonic() - self._started
            self._changed.notify_all()

    def _fail(self, failure: Exception) -> None:
        with self._changed:
            self._failure = failure
            self._changed.notify_all()

    # What scenarios call.
    @property
    def running(self) -> bool:
        """Whether it has not ended yet, as far as is known here."""
        with self._changed:
            return self._end is None and self._failure is None

    @property
    def out(self) -> bytes:
        """What it has printed so far."""
        with self._changed:
            return bytes(self._out)

    @property
    def err(self) -> bytes:
        """What it has printed on standard error so far."""
        with self._changed:
            return bytes(self._err)

    def _wait_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait with the lock held until the condition holds or the process has ended."""
        deadline = time.monotonic() + timeout
        while not condition():
            if self._failure is not None or self._end is not None:
                break
            left = deadline - time.monotonic()
            if left <= 0 or not self._changed.wait(left):
                break
        return condition()

    def wait(self, timeout: float | None = None) -> Result:
        """Wait for its end; raises GuestGone if the guest is, CommandFailed if time runs out."""
        if timeout is None:
            timeout = (self._timeout or 60.0) + GRACE
        with self._changed:
            self._wait_until(lambda: self._end is not None, timeout)
            if self._end is None:
                if self._failure is not None:
                    raise GuestGone(f"'{self.command}': {self._failure}") from self._failure
                raise CommandFailed(
                    f"'{self.command}' has not ended after {timeout:.0f} s; so far:\n"
                    f"--- stdout: {bytes(self._out[-4000:]).decode('utf-8', 'replace')}\n"
                    f"--- stderr: {bytes(self._err[-4000:]).decode('utf-8', 'replace')}")
            how, cut, value, text = self._end
            if how == NOT_STARTED:
                raise CommandFailed(f"'{self.command}' could not be started: {text}")
            status = 128 + value if how == SIGNALLED else 137 if how == DEADLINE else value
            err = bytes(self._err) + (f"[{text}]".encode() if text else b"")
            return Result(self.command, status, bytes(self._out), err, self._seconds,
                          how == DEADLINE, cut)

    def wait_for_output(self, pattern: str, timeout: float = 20.0) -> re.Match[str]:
        """Wait until its standard output has a match for a pattern."""
        return self.wait_for(re.compile(pattern, re.MULTILINE).search, f"/{pattern}/", timeout)

    def wait_for(self, look: Callable[[str], Found | None], what: str, timeout: float = 20.0) -> Found:
        """Wait until `look` finds something in its standard output; `what` names it."""

        def search() -> Found | None:
            return look(self._out.decode("utf-8", "replace"))

        with self._changed:
            self._wait_until(lambda: search() is not None, timeout)
            found = search()
            if found is None:
                why = "it has ended" if self._end else f"{timeout:.0f} s have passed"
                raise CommandFailed(
                    f"'{self.command}' has not printed {what} and {why}; so far:\n"
                    f"--- stdout: {bytes(self._out[-4000:]).decode('utf-8', 'replace')}\n"
                    f"--- stderr: {bytes(self._err[-4000:]).decode('utf-8', 'replace')}")
            return found

    def send(self, data: bytes | str) -> None:
        """Write to its standard input (only if it was started with `stdin_open`)."""
        content = data.encode() if isinstance(data, str) else data
        for start in range(0, len(content), CHUNK):
            self._agent.send_frame(b"I", self._number, content[start:start + CHUNK])

    def close_stdin(self) -> None:
        """End its standard input."""
        self._agent.send_frame(b"I", self._number, b"")

    def kill(self, signal: int = 9) -> None:
        """Send a signal to it and all in its process group."""
        self._agent.send_frame(b"K", self._number, struct.pack("<I", signal))


class Agent:
    """A connection to the agent of one guest."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        self._socket = connection
        self._socket.settimeout(None)
        self._name = name
        self._send_lock = threading.Lock()
        self._lock = threading.Lock()
        self._processes: dict[int, Process] = {}
        self._numbers = itertools.count(1)
        self._ready = threading.Event()
        self._pong = threading.Event()
        self._failure: Exception | None = None
        self._reader = threading.Thread(target=self._read_loop, name=f"agent-{name}", daemon=True)
        self._reader.start()

    def wait_ready(self, timeout: float) -> None:
        """Wait until the guest has started its agent."""
        self._ready.wait(timeout)
        if self._failure is not None:
            raise GuestGone(f"{self._name}: {self._failure}") from self._failure
        if not self._ready.is_set():
            raise GuestGone(f"{self._name}: its agent did not answer in {timeout:.0f} s")

    def ping(self, timeout: float = GRACE) -> bool:
        """Whether the agent answers."""
        self._pong.clear()
        try:
            self.send_frame(b"P", 0, b"")
        except GuestGone:
            return False
        return self._pong.wait(timeout) and self._failure is None

    def start(self, command: str, user: str = "root", timeout: float | None = 60.0,
              stdin: bytes = b"", stdin_open: bool = False) -> Process:
        """Start a shell command; the agent kills it after `timeout` seconds, if any."""
        number = next(self._numbers)
        process = Process(self, number, command, timeout)
        with self._lock:
            self._processes[number] = process
        milliseconds = 0 if timeout is None else max(1, int(timeout * 1000))
        head = struct.pack("<IIB", milliseconds, OUTPUT_LIMIT, 1)
        request = head + user.encode() + b"\0" + command.encode() + b"\0"
        self.send_frame(b"E", number, request)
        if stdin:
            process.send(stdin)
        if not stdin_open:
            process.close_stdin()
        return process

    def running(self) -> list[Process]:
        """The commands that have not ended."""
        with self._lock:
            return [process for process in self._processes.values() if process.running]

    def send_frame(self, kind: bytes, number: int, payload: bytes) -> None:
        """Send one frame; a guest that takes nothing any more ends the connection."""
        frame = struct.pack("<IcI", 5 + len(payload), kind, number) + payload
        with self._send_lock:
            if self._failure is not None:
                raise GuestGone(f"{self._name}: {self._failure}") from self._failure
            try:
                self._socket.sendall(frame)
            except OSError as error:
                raise GuestGone(f"{self._name}: its agent takes no commands: {error}") from error

    def _receive(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = self._socket.recv(min(size - len(data), CHUNK))
            if not part:
                raise RigError("the VM has ended")
            data += part
        return bytes(data)

    def _read_loop(self) -> None:
        try:
            while True:
                length, kind, number = struct.unpack("<IcI", self._receive(9))
                self._handle(kind, number, self._receive(length - 5))
        except (OSError, RigError, struct.error) as error:
            self._failure = error
            self._ready.set()
            self._pong.set()
            with self._lock:
                processes = list(self._processes.values())
            for process in processes:
                process._fail(error)  # pylint: disable=protected-access

    def _handle(self, kind: bytes, number: int, payload: bytes) -> None:
        if kind == b"H":
            version = struct.unpack("<I", payload)[0]
            if version != PROTOCOL_VERSION:
                raise RigError(f"the guest's agent speaks protocol {version}, "
                               f"this rig {PROTOCOL_VERSION}")
            self._ready.set()
        elif kind == b"P":
            self._pong.set()
        else:
            with self._lock:
                process = self._processes.get(number)
                if kind == b"X":
                    self._processes.pop(number, None)
            if process is not None:
                process._feed(kind, payload)  # pylint: disable=protected-access

    def close(self) -> None:
        """End the connection."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the VM has already closed it
        self._socket.close()
        self._reader.join(5.0)
