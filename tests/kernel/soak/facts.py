# SPDX-License-Identifier: LGPL-2.1-or-later
"""What programs/witness.c tells of a host, and what it means for one migration."""

from __future__ import annotations

import dataclasses

ENDED_BEFORE_COMMIT = ("failed", "cancelled")


@dataclasses.dataclass(frozen=True)
class Job:
    """One side of a job, as the daemon shows it."""

    uuid: str
    role: str
    result: str  # "" while it runs
    phase: str
    states: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Step:
    """A state that a device has entered."""

    time: float  # seconds of the guest's CLOCK_MONOTONIC
    device: str
    state: str


@dataclasses.dataclass
class Facts:
    """One host at one time."""

    clock: float = 0.0
    daemon: int | None = None  # its pid; None: nobody has the name
    daemon_fds: int = 0
    device_fds: int = 0
    movers: int = 0
    qemus: int = 0  # of nested guests
    domains: list[str] = dataclasses.field(default_factory=list)
    jobs: list[Job] = dataclasses.field(default_factory=list)
    why: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)
    leases: dict[str, str] = dataclasses.field(default_factory=dict)  # job -> state
    mdevs: dict[str, str] = dataclasses.field(default_factory=dict)  # uuid -> state
    records: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    history: list[Step] = dataclasses.field(default_factory=list)

    def job(self, uuid: str, role: str) -> Job | None:
        """A job by name."""
        return next((job for job in self.jobs if (job.uuid, job.role) == (uuid, role)), None)

    def record(self, uuid: str, role: str) -> list[str]:
        """The events of a record; none when there is no record."""
        return self.records.get(f"{uuid}.{role}", [])

    def all_jobs(self) -> set[str]:
        """The UUIDs of jobs on the bus and in records."""
        return ({job.uuid for job in self.jobs}
                | {name.split(".")[0] for name in self.records if name.endswith((".source", ".destination"))})


def _word(text: str) -> str:
    return "" if text == "-" else text


def parse(text: str) -> Facts:
    """What a witness printed; a kind that is not known is a mistake of ours."""
    facts = Facts()
    for line in text.splitlines():
        kind, *words = line.split(" ")
        if kind == "clock":
            facts.clock = int(words[0]) / 1e9
        elif kind == "daemon":
            facts.daemon, facts.daemon_fds, facts.device_fds = (int(word) for word in words)
        elif kind == "mover":
            facts.movers += 1
        elif kind == "qemu":
            facts.qemus += 1
        elif kind == "domain":
            facts.domains.append(" ".join(words))
        elif kind == "job":
            uuid, role, result, phase, states = words
            facts.jobs.append(Job(uuid, role, _word(result), _word(phase),
                                  tuple(filter(None, _word(states).split(",")))))
        elif kind == "why":
            facts.why[words[0], words[1]] = " ".join(words[2:])
        elif kind == "lease":
            facts.leases[words[0]] = words[1]
        elif kind == "mdev":
            facts.mdevs[words[0]] = words[1]
        elif kind == "record":
            facts.records.setdefault(words[0], []).append(words[1])
        elif kind == "history":
            facts.history.append(Step(int(words[0]) / 1e9, words[1], words[2]))
        else:
            raise ValueError(f"witness says: {line}")
    return facts


def mark_resets(facts: Facts, since: float) -> None:
    """A device that runs because it was reset, and was loaded with nothing since, does not run the guest."""
    empty: set[str] = set()
    for step in facts.history:
        if step.time > since and step.state == "reset":
            empty.add(step.device)
        elif step.state in ("resuming", "closed"):
            empty.discard(step.device)
    for device in empty:
        if facts.mdevs.get(device) == "running":
            facts.mdevs[device] = "reset"


def source_fate(facts: Facts, job: str | None, device: str, left: bool = False) -> str:
    """runs, stuck, doubt, gone: or busy, or what does not fit together; left: its device has gone for good."""
    shown = facts.job(job, "source") if job else None
    state = facts.mdevs.get(device, "absent")
    if left:
        ends = {"": "busy", "completed": "gone", "in-doubt": "doubt"}
        return ends.get(shown.result, "left") if shown else "left"
    # one that was reset has come back without its state, which is its holder's doing; but it is no second side
    if state == "reset":
        state = "running" if not shown or shown.result in ENDED_BEFORE_COMMIT else "stop"
    runs = state == "running"
    if shown is None:
        return "runs" if runs and "commit" not in facts.record(job or "", "source") else "unknown"
    if not shown.result:
        return "busy"
    if shown.result == "completed":
        return "gone" if not runs else "completed-but-runs"
    if shown.result == "in-doubt":
        return "doubt" if not runs else "doubt-but-runs"
    if runs:
        return "runs"
    return "stuck" if "running" not in shown.states else f"said-to-run-but-{state}"


def destination_fate(facts: Facts, job: str | None, devices: dict[str, str], left: bool = False) -> str:
    """undone, doubt, runs: or busy, or what does not fit together; left: adopted, and gone since."""
    shown = facts.job(job, "destination") if job else None
    running = [state for state in devices.values() if state == "running"]
    if shown is None or shown.result in ENDED_BEFORE_COMMIT:
        if devices or (job and job in facts.leases):
            return "not-undone"
        return "undone"
    if not shown.result:
        return "busy"
    if shown.result == "in-doubt":
        return "doubt"
    if left and not devices:
        return "left"
    return "runs" if running else f"completed-but-{','.join(devices.values()) or 'absent'}"
