#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the fuzz targets for a while, as many at a time as there are cores: `./run fuzz`. What they learn stays in the build
folder for the next run; an input that breaks a rule is kept there, named, and makes the run fail."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
PYTHON = "/usr/bin/python3"
BUS = "bus"  # has no inputs, but a seed
DEFAULT_SECONDS = 600
DEFAULT_CALLS = 100000
CALL_SECONDS = 0.2  # of which a few hundred are made in a second
INPUT_SECONDS = 25  # one that takes longer is a finding
MEGABYTES = 1024  # and so is one that takes more
# What an input is likely to be made of.
DICTIONARIES = {name: HERE / "documents.dict" for name in ("capabilities", "descriptor", "migration-info", "requirement")}


@dataclass
class Outcome:
    target: str
    status: int
    runs: int
    per_second: int
    learnt: int
    log: Path
    findings: list[Path]

    def line(self) -> str:
        if self.target == BUS and self.status == 0:
            return f"{BUS}: {self.runs} calls, {self.per_second} a second"
        if self.status == 0:
            return f"{self.target}: {self.runs} inputs, {self.per_second} a second, {self.learnt} new in the corpus"
        kept = ", ".join(map(str, self.findings)) or "no input kept"
        return f"{self.target}: FAILED with status {self.status}: {kept}; see {self.log}"


def number(text: str, key: str) -> int:
    found = re.search(rf"^stat::{key}:\s+(\d+)", text, re.MULTILINE)
    return int(found.group(1)) if found else 0


def fuzz(target: str, programs: Path, work: Path, seconds: int) -> Outcome:
    grown, log = work / "corpus" / target, work / f"{target}.log"
    grown.mkdir(parents=True, exist_ok=True)
    prefix = work / f"finding-{target}-"
    before = set(work.glob(f"finding-{target}-*"))
    dictionary = [f"-dict={DICTIONARIES[target]}"] if target in DICTIONARIES else []
    environment = {**os.environ, "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}
    with log.open("wb") as out:
        status = subprocess.run(
            ["nice", programs / f"fuzz-{target}", f"-max_total_time={seconds}", f"-timeout={INPUT_SECONDS}",
             f"-rss_limit_mb={MEGABYTES}", f"-artifact_prefix={prefix}", "-print_final_stats=1", *dictionary, grown, CORPUS / target],
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=environment, check=False,
            timeout=2 * seconds + 300).returncode
    text = log.read_text(errors="replace")
    return Outcome(target, status, number(text, "number_of_executed_units"), number(text, "average_exec_per_sec"),
                   number(text, "new_units_added"), log, sorted(set(work.glob(f"finding-{target}-*")) - before))


def fuzz_bus(daemon: Path, work: Path, calls: int, seed: int) -> Outcome:
    """Calls instead of inputs; bus_play.py says what is a finding."""
    work.mkdir(parents=True, exist_ok=True)
    log = work / f"{BUS}.log"
    with log.open("wb") as out:
        status = subprocess.run(
            ["nice", PYTHON, "-B", HERE / "fuzz-bus.py", f"--builddir={daemon}", f"--calls={calls}", f"--seed={seed}"],
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, check=False, timeout=calls * CALL_SECONDS + 600).returncode
    found = re.search(r"^# bus: (\d+) calls .* (\d+) a second", log.read_text(errors="replace"), re.MULTILINE)
    return Outcome(BUS, status, int(found.group(1)) if found else 0, int(found.group(2)) if found else 0, 0, log, [])


def minimize(target: str, programs: Path, work: Path) -> None:
    """Takes into the tree what adds to what is there."""
    subprocess.run([programs / f"fuzz-{target}", "-merge=1", CORPUS / target, work / "corpus" / target],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=1800)
    for path in (CORPUS / target).iterdir():
        if not path.suffix:
            path.rename(path.with_name(f"found-{path.name[:12]}.bin"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="run fuzz", description=__doc__)
    parser.add_argument("--builddir", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--daemon", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=int, default=DEFAULT_SECONDS, help=f"for each target (default {DEFAULT_SECONDS})")
    parser.add_argument("--keep", action="store_true", help="add to tests/fuzz/corpus what reaches something new")
    parser.add_argument("--calls", type=int, default=DEFAULT_CALLS, help=f"of {BUS} (default {DEFAULT_CALLS})")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"), help=f"of {BUS} (default: another each time)")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="default: all")
    args = parser.parse_args()
    known = [BUS, *sorted(path.name for path in CORPUS.iterdir())]
    unknown = [name for name in args.targets if name not in known]
    if unknown or args.seconds < 1 or args.calls < 1:
        print(f"run fuzz: the targets are {', '.join(known)}; the seconds and the calls are at least 1", file=sys.stderr)
        return 3
    programs, work = args.builddir / "tests" / "fuzz", args.builddir / "fuzz"
    failed = False
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        waiting = [pool.submit(fuzz_bus, args.daemon, work, args.calls, args.seed) if name == BUS else
                   pool.submit(fuzz, name, programs, work, args.seconds) for name in args.targets or known]
        for done in waiting:
            outcome = done.result()
            failed = failed or outcome.status != 0
            print(outcome.line(), flush=True)
            if args.keep and outcome.status == 0 and outcome.target != BUS:
                minimize(outcome.target, programs, work)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
