# SPDX-License-Identifier: LGPL-2.1-or-later
"""A migration as scenarios drive it: a device with a holder here, vferryctl, an adopter there."""

from __future__ import annotations

import json
import shlex
import uuid as uuids
from typing import Any

from . import explain
from .agent import Process, Result
from .host import Host
from .scenario import Context

TESTDEV = "/sys/class/mdev_bus/vferry_testdev"
MDEVS = "/sys/bus/mdev/devices"
# What the project promises after a failure before the commit.
RECOVERY = 10.0
# busctl's tree would ask each object for its children.
HAS_LEASE = "busctl introspect --xml-interface org.vferry1 /org/vferry1/lease | grep -q '<node name'"


def expect(condition: object, what: str) -> None:
    """Fail with a sentence; in a scenario also with the values that the condition was about (explain.py)."""
    if not condition:
        raise AssertionError(explain.sentence(what, condition))


def parent_of(type_id: str) -> str:
    """The mdev parent that makes a type."""
    return "mtty" if type_id.startswith("mtty-") else "vferry_testdev"


def knobs_in(folder: str, knobs: dict[str, int | str]) -> str:
    """Commands that write each knob; a command for each would take a shell's start in an emulated guest."""
    return "".join(f" && echo {shlex.quote(str(value))} >{folder}/{name}"
                   for name, value in knobs.items())


def creation(type_id: str, uuid: str, knobs: dict[str, int | str]) -> str:
    """Commands that make an mdev by plain sysfs writes."""
    types = f"/sys/class/mdev_bus/{parent_of(type_id)}/mdev_supported_types"
    return f"echo {uuid} >{types}/{type_id}/create" + knobs_in(f"{MDEVS}/{uuid}/testdev", knobs)


def create(host: Host, type_id: str, **knobs: int | str) -> str:
    """Make an mdev by plain sysfs writes; knobs go to its testdev folder."""
    uuid = str(uuids.uuid4())
    host.run(creation(type_id, uuid, knobs))
    return uuid


def mdevs(host: Host) -> list[str]:
    """The mdevs of a host."""
    return host.output(f"ls {MDEVS}").split()


def defaults(host: Host, **knobs: int | str) -> None:
    """Give every test device that is made at this host from now on these knobs."""
    if knobs:
        host.run("true" + knobs_in(f"{TESTDEV}/defaults", knobs))


def objects(host: Host) -> dict[str, Any]:
    """All objects of vferryd by path, with their interfaces: in one call, where busctl's tree is one for each object."""
    answer = host.output("busctl -j call org.vferry1 /org/vferry1 org.freedesktop.DBus.ObjectManager GetManagedObjects")
    found: dict[str, Any] = json.loads(answer)["data"][0]
    return found


def of_kind(found: dict[str, Any], kind: str) -> dict[str, Any]:
    """Of objects those with an interface of vferry's, by path, with its properties."""
    return {path: interfaces[f"org.vferry1.{kind}"] for path, interfaces in found.items()
            if f"org.vferry1.{kind}" in interfaces}


class Ferry:
    """One device that goes from one host to another."""

    def __init__(self, ctx: Context, source: Host, destination: Host) -> None:
        self.ctx = ctx
        self.source = source
        self.destination = destination
        self.uuid = ""
        self.holder: Process | None = None
        self.marker = ""
        starting = [host.spawn("systemctl start vferryd", timeout=20) for host in (source, destination)]
        for start in starting:
            result = start.wait()
            expect(result.ok, f"vferryd starts: {result.describe()}")

    def board(self, type_id: str, marker: str = "0xc0ffee5afe", holder_options: str = "",
              parameters: dict[str, str] | None = None, **knobs: int | str) -> None:
        """Make a device, hold it, write the marker (hex) to it and lend it."""
        self.uuid = str(uuids.uuid4())
        given = knobs_in(f"{MDEVS}/{self.uuid}/migration", dict(parameters or {}))
        self.marker = marker[:4] if type_id.startswith("mtty") else marker
        place = "--scratch" if type_id.startswith("mtty") else ""
        self.holder = self.source.spawn(
            f"{creation(type_id, self.uuid, knobs)}{given} || exit\n"
            f"until vferryctl show {self.uuid}; do sleep 0.05; done >/dev/null 2>&1\n"
            f"exec holder {holder_options} {place} --marker {self.marker} --lend {self.uuid}",
            timeout=None)
        self.holder.wait_for_output("^lent", RECOVERY + 20)

    def start(self, *options: str, timeout: float = 60.0, user: str = "root") -> Process:
        """Start vferryctl migrate; the report comes as JSON."""
        return self.source.spawn(
            f"vferryctl migrate --json --address {self.destination.address} "
            f"{' '.join(options)} {self.uuid} ssh://{self.destination.name}",
            user=user, timeout=timeout)

    def mend(self) -> None:
        """No fault and no delay any more, in this device and in those that are made at the destination."""
        good: dict[str, int | str] = {"fault": "none", "read_delay_us": 0, "write_delay_us": 0}
        self.source.run("true" + knobs_in(f"{MDEVS}/{self.uuid}/testdev", good))
        defaults(self.destination, **good)

    def cross(self, *options: str, timeout: float = 60.0) -> dict[str, Any]:
        """Migrate, and expect that it completes."""
        result = self.start(*options, timeout=timeout).wait()
        expect(result.status == 0, f"the migration completes: {result.describe()}")
        report: dict[str, Any] = json.loads(result.text)
        return report

    def adopt(self) -> None:
        """Adopt the one lease at the destination; the marker must have come along."""
        place = "--scratch" if len(self.marker) == 4 else ""
        lease = self.lease()
        self.destination.run(f"adopter {place} --expect {self.marker} {lease}", timeout=20)

    def lease(self) -> str:
        """The object path of the only lease at the destination."""
        leases = of_kind(objects(self.destination), "Lease")
        expect(len(leases) == 1, f"there is one lease at {self.destination.name}, not {[*leases]}")
        return next(iter(leases))

    def job(self, host: Host) -> str:
        """The object path of the only job of a host."""
        return self._job(host)[0]

    def job_property(self, host: Host, name: str) -> Any:
        """A property of the only job of a host."""
        return self._job(host)[1][name]["data"]

    def _job(self, host: Host) -> tuple[str, dict[str, Any]]:
        jobs = of_kind(objects(host), "Job")
        expect(len(jobs) == 1, f"there is one job at {host.name}, not {[*jobs]}")
        return next(iter(jobs.items()))

    def wait_phase(self, phase: str, least: int = 0, timeout: float = 60.0) -> None:
        """Wait until the source's job is in a phase and has moved so many bytes."""
        self.source.run(f"await-phase {phase} {least}", timeout=timeout)

    def state(self, host: Host, uuid: str) -> str:
        """The migration state that the kernel shows for a test device."""
        return host.output(f"cat {MDEVS}/{uuid}/testdev/migration_state")

    def expect_source_runs(self) -> None:
        """The source's device runs again, in time, and still has its bytes."""
        took = self.source.wait_until(
            f"grep -qx running {MDEVS}/{self.uuid}/testdev/migration_state", timeout=RECOVERY)
        self.ctx.note(f"the source runs again after {took:.1f} s")
        self.expect_marker_at_source()

    def expect_marker_at_source(self) -> None:
        """The holder reads back what it wrote."""
        assert self.holder is not None
        before = len(self.holder.out)
        self.holder.kill(10)  # SIGUSR1
        self.holder.wait_for_output(rf"(?s)\A.{{{before}}}.*holds {self.marker[2:]} ", 10)

    def expect_nothing_left(self) -> None:
        """No device, lease or worker process is left at the destination, in time."""
        took = self.destination.wait_until(
            f'test -z "$(ls {MDEVS})" && ! pgrep -x vferry-mover >/dev/null '
            f"&& ! {{ {HAS_LEASE}; }}", timeout=RECOVERY)
        self.ctx.note(f"nothing is left at the destination after {took:.1f} s")

    def expect_failed(self, result: Result, *words: str, status: int = 1) -> None:
        """vferryctl has failed, and its error has these words."""
        expect(result.status == status, f"vferryctl ends with {status}: {result.describe()}")
        for word in words:
            expect(word in result.error_text or word in result.text,
                   f"“{word}” is in what vferryctl says: {result.describe()}")
