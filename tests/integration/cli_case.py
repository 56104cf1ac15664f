# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests of vferryctl stand on: hosts that do what the test says, and the tool in a pipe or a terminal."""

import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest

from gi.repository import GLib

from bus import Bus
from fake_daemon import FakeDaemon, Refusal

VFERRYCTL = os.environ["VFERRY_TEST_TOOL"]
# by its path: some tests give the tool a PATH of their own
WRAPPER = [shutil.which(word) or word for word in os.environ.get("VFERRY_TEST_WRAPPER", "").split()]
DBUS = os.path.join(os.environ["VFERRY_TEST_SOURCE"], "dbus")
POLICY = os.path.join(DBUS, "org.vferry1.conf")
DEADLINE = 20 * float(os.environ.get("VFERRY_TEST_SLOW", "1"))
A = "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
B = "4f1c0000-0000-4000-8000-000000000001"
JOB = "11112222-3333-4444-5555-666677778888"
DEVICE_PATH = "/org/vferry1/device/1"
LEASE_PATH = "/org/vferry1/lease/1"
JOB_PATH = "/org/vferry1/job/1"


class Host:
    """One fake daemon on a bus of its own."""

    def __init__(self):
        self.bus = Bus(POLICY)
        self.daemon = FakeDaemon(self.bus.address, DBUS)
        self.daemon.answers["Lookup"] = self.lookup

    def lookup(self, path, args):
        for path_, interfaces in self.daemon.objects.items():
            for properties in interfaces.values():
                names = [properties[key].unpack() for key in ("Id", "Uuid") if key in properties]
                if any(name.startswith(args[0]) for name in names):
                    return GLib.Variant("(o)", (path_,))
        raise Refusal("NotFound", f"nothing here is called “{args[0]}”")

    def close(self):
        self.daemon.close()
        self.bus.stop()


class Case(unittest.TestCase):
    def host(self):
        host = Host()
        self.addCleanup(host.close)
        return host

    def environment(self, host, **more):
        environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
        environment.update(LC_ALL="C.UTF-8", TERM="xterm",
                           DBUS_SYSTEM_BUS_ADDRESS=host.bus.address if host else "unix:path=/none")
        environment.update(more)
        return environment

    def run_tool(self, host, *args, **more):
        return subprocess.run([*WRAPPER, VFERRYCTL, *args], env=self.environment(host, **more), text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE,
                              check=False)

    def run_in_terminal(self, host, *args, columns=100, keys=None, **more):
        """What a person sees; @keys: (text to wait for, bytes to type)."""
        pid, fd = pty.fork()
        if pid == 0:
            os.environ.update(self.environment(host, COLUMNS=str(columns), **more))
            os.execvp([*WRAPPER, VFERRYCTL][0], [*WRAPPER, VFERRYCTL, *args])
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        seen, deadline = b"", time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            if not select.select([fd], [], [], 0.2)[0]:
                continue
            try:
                data = os.read(fd, 65536)
            except OSError:
                break
            if not data:
                break
            seen += data
            if keys and keys[0].encode() in seen:
                os.write(fd, keys[1])
                keys = None
        else:
            os.kill(pid, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.close(fd)
        return status, seen.decode()

    def ssh(self, text):
        directory = tempfile.TemporaryDirectory(prefix="vf-ssh-")
        self.addCleanup(directory.cleanup)
        path = os.path.join(directory.name, "ssh")
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)
        return {"PATH": f"{directory.name}:{os.environ['PATH']}"}, directory.name
