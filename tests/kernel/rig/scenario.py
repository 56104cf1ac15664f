# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a scenario is: a function with a name, a deadline and a few wishes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeVar

from .cache import note
from .errors import CommandFailed
from .host import Host
from .pair import KERNELS, Pair

RESET_DEADLINE = 60.0


class Context:
    """What a scenario works with: two hosts, the cable, and a way to undo."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.a: Host = pair.a
        self.b: Host = pair.b
        self.hosts = pair.hosts
        self.link = pair.link
        self.kernel = pair.kernel_name
        self._undo: list[Callable[[], object]] = []

    def note(self, text: str) -> None:
        """Tell what is happening, on stderr."""
        note(f"  {text}")

    def defer(self, action: Callable[[], object]) -> None:
        """Run this when the scenario is over, last first; if it fails, so does the scenario."""
        self._undo.append(action)

    def reset_hosts(self) -> None:
        """Back to how they booted: no commands, jobs, state or mdevs; modules loaded anew."""
        reset_hosts(self.pair)

    def revive(self, host: Host) -> None:
        """Boot a host again whose power was cut. The scenario should be registered as fresh."""
        self.pair.revive(host)

    def finish(self) -> None:
        """Run what was deferred."""
        while self._undo:
            self._undo.pop()()


def reset_hosts(pair: Pair) -> None:
    """Bring both hosts of a booted pair back to how they booted."""
    pair.link.heal()
    running = [host.spawn("/usr/libexec/vferry-rig/reset", timeout=RESET_DEADLINE)
               for host in pair.hosts]
    for host, process in zip(pair.hosts, running):
        result = process.wait()
        if not result.ok:
            raise CommandFailed(f"{host.name} could not be reset: {result.describe()}")


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A registered scenario."""

    function: Callable[[Context], None]
    name: str
    deadline: float
    fresh: bool
    mtty: bool
    kernel_may_say: str | None
    only_on: str | None = None
    card: bool = False
    deep_on: tuple[str, ...] = ()
    qemu: bool = False

    def is_of(self, kernel: str, depth: str) -> bool:
        """Whether it is one of the usual or the deep tests of this kernel."""
        return depth == "all" or (kernel in self.deep_on) == (depth == "deep")

    def runs_on(self, kernel: str) -> bool:
        """Whether it is one of the tests of this kernel."""
        return self.only_on in (None, kernel)

    @property
    def summary(self) -> str:
        """The first line of its documentation."""
        return (self.function.__doc__ or "").strip().split("\n")[0]


Function = TypeVar("Function", bound=Callable[[Context], None])


def scenario(name: str | None = None, *, deadline: float = 60.0, fresh: bool = False,
             mtty: bool = True, kernel_may_say: str | None = None,
             only_on: tuple[str, str] | None = None, card: bool = False,
             deep_on: tuple[str, ...] = (), qemu: bool = False) -> Callable[[Function], Function]:
    """Register a function of a file in tests/kernel/scenarios/ as a test.

    name            within its file; the function's name with dashes if not given
    deadline        seconds it may take, without booting; then it has failed
    fresh           it kills a VM or leaves the kernel changed: it gets a newly booted pair, and the
                    next scenario another one
    mtty            whether it needs the kernel's sample driver (a download of 150 MB, once)
    kernel_may_say  a pattern of kernel complaints that it provokes on purpose
    only_on         the one kernel that it runs on, and why not on the other
    card            it runs at one host alone, ctx.a, which has a card with SR-IOV (rig/card.py)
    deep_on         kernels on which it is one of the deep tests, `./run test --deep`: it takes long, and what it sees
                    there more than elsewhere is little
    qemu            it starts guests in the hosts (rig/guestvm.py): it runs on a pair of 2 GiB each that has QEMUs inside
    """
    if only_on is not None and (only_on[0] not in KERNELS or not only_on[1]):
        raise ValueError(f"only_on is a kernel ({' or '.join(KERNELS)}) and a reason")

    def register(function: Function) -> Function:
        setattr(function, "vferry_scenario", Scenario(
            function, name or function.__name__.replace("_", "-"), deadline, fresh, mtty,
            kernel_may_say, only_on[0] if only_on else None, card, deep_on, qemu))
        return function

    return register
