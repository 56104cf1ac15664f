# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU's control socket (docs/interop/qmp-spec.txt of QEMU): one request at a time."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

from .errors import RigError


class Qmp:
    """A connection to one QEMU, past its greeting."""

    def __init__(self, path: Path, deadline: float) -> None:
        self._lock = threading.Lock()
        self._received = b""
        self.events: list[dict[str, Any]] = []
        self._socket = connect(path, deadline)
        try:
            self._read(deadline)
            self.execute("qmp_capabilities")
        except BaseException:
            self._socket.close()
            raise

    def execute(self, command: str, timeout: float = 20.0, **arguments: Any) -> Any:
        """Run one command and return its result."""
        request: dict[str, Any] = {"execute": command}
        if arguments:
            request["arguments"] = arguments
        with self._lock:
            deadline = time.monotonic() + timeout
            self._socket.settimeout(timeout)
            try:
                self._socket.sendall(json.dumps(request).encode() + b"\n")
            except OSError as error:
                raise RigError(f"QEMU does not take '{command}': {error}") from error
            while True:
                answer = self._read(deadline)
                if "return" in answer:
                    return answer["return"]
                if "error" in answer:
                    raise RigError(f"QEMU refuses '{command}' {arguments}: "
                                   f"{answer['error'].get('desc', answer['error'])}")
                self.events.append(answer)

    def _read(self, deadline: float) -> dict[str, Any]:
        while b"\n" not in self._received:
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                data = self._socket.recv(65536)
            except TimeoutError as error:
                raise RigError("QEMU did not answer on its control socket in time") from error
            except OSError as error:
                raise RigError(f"QEMU's control socket failed: {error}") from error
            if not data:
                raise RigError("QEMU closed its control socket: it has ended")
            self._received += data
        line, self._received = self._received.split(b"\n", 1)
        message = json.loads(line)
        assert isinstance(message, dict)
        return message

    def close(self) -> None:
        """End the connection."""
        self._socket.close()


def connect(path: Path, deadline: float) -> socket.socket:
    """Connect to a UNIX socket that somebody is about to listen on."""
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(path))
            return connection
        except OSError as error:
            connection.close()
            if time.monotonic() > deadline:
                raise RigError(f"nobody listens on {path}: {error}") from error
        time.sleep(0.01)
