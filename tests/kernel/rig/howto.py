# SPDX-License-Identifier: LGPL-2.1-or-later
"""Documents whose commands are run: what a reader types is what a scenario does, and what he is shown is what comes of it.

In a block of the kind `console`, a line `root@HOST# COMMAND` is a command at a host, lines `> …` behind it continue it, and what
follows is what it prints: each line in this order, others between them, with any number for a number, any id for an id, and
anything for `…`. It must end well. All commands at a host are one shell's.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from .agent import Process
from .errors import CommandFailed
from .host import Host

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"root@([\w-]+)# (.*)")
CONTINUED = "> "
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# What may be otherwise another time; each alternative's own pattern is in its place in LOOSE_AS.
LOOSE = re.compile(rf"({UUID})|(\d+(?:\.\d+)?)|( +)|(…)")
LOOSE_AS = (UUID, r"\d+(?:\.\d+)?", " +", ".*")


@dataclasses.dataclass
class Step:
    """A command, and what is shown below it."""

    line: int
    host: str
    command: str
    shown: list[str]


def steps(text: str) -> Iterator[Step]:
    """The commands of a document."""
    for block in BLOCK.finditer(text):
        step = None
        first = text.count("\n", 0, block.start(1)) + 1
        for number, line in enumerate(block.group(1).splitlines(), start=first):
            prompt = PROMPT.fullmatch(line)
            if prompt:
                if step:
                    yield step
                step = Step(number, prompt.group(1), prompt.group(2), [])
            elif step and line.startswith(CONTINUED) and not step.shown:
                step.command += "\n" + line.removeprefix(CONTINUED)
            elif step:
                step.shown.append(line)
        if step:
            yield step


def _as_pattern(line: str) -> re.Pattern[str]:
    """What a line may look like."""
    parts, end = [], 0
    for loose in LOOSE.finditer(line):
        parts += [re.escape(line[end:loose.start()]), LOOSE_AS[loose.lastindex - 1]]  # type: ignore[operator]
        end = loose.end()
    return re.compile("".join(parts) + re.escape(line[end:]) + " *")


def missing(shown: Sequence[str], printed: Sequence[str]) -> str | None:
    """The first line that is shown and was not printed, in this order."""
    rest = iter(printed)
    return next((line for line in shown if not any(map(_as_pattern(line).fullmatch, rest))), None)


class Reader:
    """Who types the commands of a document."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        self._shells: dict[str, Process] = {
            host.name: host.spawn("export LANG=C.UTF-8; exec bash", stdin_open=True, timeout=None) for host in hosts}

    def type(self, number: int, step: Step, timeout: float) -> list[str]:
        """Run a command; returns what it has printed."""
        shell = self._shells[step.host]
        before = len(shell.out)
        shell.send(f"{{ {step.command}\n}} </dev/null 2>&1; echo; echo '@ended' {number} $?\n")
        status = shell.wait_for_output(rf"^@ended {number} (\d+)$", timeout).group(1)
        printed = shell.out[before:].decode("utf-8", "replace").splitlines()[:-1]
        if status != "0":
            raise CommandFailed("\n".join([f"line {step.line}: “{step.command}” ends with {status} at {step.host}:", *printed]))
        lost = missing(step.shown, printed)
        if lost is not None:
            raise CommandFailed("\n".join([f"line {step.line}: “{step.command}” at {step.host} does not print “{lost}”, but:", *printed]))
        return printed


def follow(document: Path, hosts: Sequence[Host], timeout: float = 90.0) -> None:
    """Do what a document says."""
    reader = Reader(hosts)
    for number, step in enumerate(steps(document.read_text("utf-8")), start=1):
        reader.type(number, step, timeout)
