# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest as a scenario sees it: a place to run commands and to read and write files."""

from __future__ import annotations

import shlex
import time
from typing import Any

from .agent import Process, Result
from .errors import CommandFailed, GuestGone
from .vm import Vm


class Host:
    """One of harbour-a and harbour-b. The VM behind it may change when the pair reboots."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self._vm: Vm | None = None

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def attach(self, vm: Vm | None) -> None:
        """Stand for this VM from now on."""
        self._vm = vm

    @property
    def vm(self) -> Vm:
        """The VM behind this host."""
        if self._vm is None:
            raise GuestGone(f"{self.name} is not running")
        return self._vm

    @property
    def alive(self) -> bool:
        """Whether there is a VM and its QEMU runs."""
        return self._vm is not None and self._vm.alive

    def spawn(self, command: str, user: str = "root", timeout: float | None = None,
              stdin: bytes | str = b"", stdin_open: bool = False) -> Process:
        """Start a shell command and return while it runs."""
        content = stdin.encode() if isinstance(stdin, str) else stdin
        return self.vm.agent.start(command, user, timeout, content, stdin_open)

    def try_run(self, command: str, user: str = "root", timeout: float = 60.0,
                stdin: bytes | str = b"") -> Result:
        """Run a shell command to its end, whatever that is."""
        return self.spawn(command, user, timeout, stdin).wait()

    def run(self, command: str, user: str = "root", timeout: float = 60.0,
            stdin: bytes | str = b"", status: int = 0) -> Result:
        """Run a shell command that must end with `status`."""
        result = self.try_run(command, user, timeout, stdin)
        if result.timed_out or result.status != status:
            raise CommandFailed(f"at {self.name} as {user}, {status} was expected: "
                                f"{result.describe()}")
        if result.truncated:
            raise CommandFailed(f"at {self.name}: '{command}' printed more than the rig takes")
        return result

    def output(self, command: str, user: str = "root", timeout: float = 60.0) -> str:
        """What a command that must succeed prints, without the last newline."""
        return self.run(command, user, timeout).text

    def read(self, path: str, timeout: float = 30.0) -> bytes:
        """A file's content."""
        return self.run(f"cat -- {shlex.quote(path)}", timeout=timeout).out

    def write(self, path: str, data: bytes | str, timeout: float = 30.0) -> None:
        """Write a file, or a sysfs attribute (in one write, if it is below 128 KiB)."""
        self.run(f"cat > {shlex.quote(path)}", timeout=timeout, stdin=data)

    def exists(self, path: str) -> bool:
        """Whether there is something at a path."""
        return self.try_run(f"test -e {shlex.quote(path)}").ok

    def wait_until(self, command: str, timeout: float = 20.0, user: str = "root") -> float:
        """Repeat a shell command in the guest until it succeeds; returns the seconds it took."""
        started = time.monotonic()
        loop = f"until {{ {command}\n}} >/tmp/.wait 2>&1; do sleep 0.1; done"
        if user != "root":
            loop = f"until {{ {command}\n}} >/dev/null 2>&1; do sleep 0.1; done"
        result = self.try_run(loop, user, timeout)
        if not result.ok:
            last = self.try_run("cat /tmp/.wait").text if user == "root" else ""
            raise CommandFailed(f"at {self.name}: '{command}' has not succeeded in "
                                f"{timeout:.0f} s; it last printed: {last or '(nothing)'}\n"
                                f"{result.error_text}")
        return time.monotonic() - started

    def qmp(self, command: str, **arguments: Any) -> Any:
        """Run a command on QEMU's control socket."""
        return self.vm.qmp.execute(command, **arguments)

    def kill(self) -> None:
        """Cut the host's power."""
        self.vm.kill()
