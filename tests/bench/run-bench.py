#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs benchmark programs and says of each figure whether it meets its target."""

from __future__ import annotations

import argparse
import fnmatch
import json
import math
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

MESON = "/usr/bin/meson"
DEADLINE = 900.0
BETTER = ("higher", "lower")


class BenchError(Exception):
    """A program that did not do what README.md asks of it."""


def programs(builddir: Path, globs: list[str]) -> dict[str, list[str]]:
    """Name and command of the chosen programs."""
    listing = subprocess.run([MESON, "introspect", "--benchmarks", str(builddir)], check=True,
                             capture_output=True, text=True, timeout=60.0).stdout
    return {item["name"]: item["cmd"] for item in json.loads(listing)
            if not globs or any(fnmatch.fnmatchcase(item["name"], glob) for glob in globs)}


def _number(figure: dict[str, Any], key: str) -> float:
    value = figure.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise BenchError(f"'{key}' is {value!r}, not a number")
    return float(value)


def read_figure(line: str) -> dict[str, Any]:
    """A checked figure; `met` is added where there is a target."""
    try:
        figure = json.loads(line)
    except json.JSONDecodeError as error:
        raise BenchError(f"'{line[:60]}' is no JSON: {error}") from error
    if not isinstance(figure, dict):
        raise BenchError(f"'{line[:60]}' is no object")
    for key in ("figure", "unit"):
        if not isinstance(figure.get(key), str):
            raise BenchError(f"'{key}' is missing in '{line[:60]}'")
    value = _number(figure, "value")
    if "later" in figure and "target" not in figure:
        raise BenchError(f"'later' is for a target in '{line[:60]}'")
    if ("target" in figure) != ("better" in figure):
        raise BenchError(f"'target' and 'better' go together in '{line[:60]}'")
    if "target" in figure:
        target = _number(figure, "target")
        if figure["better"] not in BETTER:
            raise BenchError(f"'better' is {figure['better']!r}, not {' or '.join(BETTER)}")
        if not isinstance(figure.get("later", False), bool):
            raise BenchError(f"'later' is {figure['later']!r}, not true or false")
        figure["met"] = value >= target if figure["better"] == "higher" else value <= target
    return figure


def run_program(name: str, command: list[str]) -> list[dict[str, Any]]:
    """All figures of one program."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                              timeout=DEADLINE, check=False)
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"it took more than {DEADLINE:.0f} s") from error
    if done.returncode != 0:
        raise BenchError(f"it ended with status {done.returncode}")
    figures = [{"program": name, **read_figure(line)} for line in done.stdout.splitlines() if line.strip()]
    if not figures:
        raise BenchError("it printed no figure")
    return figures


def fails(figure: dict[str, Any]) -> bool:
    """Whether the run fails because of it."""
    return figure.get("met") is False and not figure.get("later")


def _quantity(side: dict[str, Any]) -> str:
    return f"{side['value']:.4g} {side['unit']}"


def describe(figure: dict[str, Any]) -> str:
    """A figure as a line for a person."""
    parts = [f"{figure['program']}/{figure['figure']}: {_quantity(figure)}"]
    if "measured" in figure:
        parts.append(_quantity(figure["measured"]))
    if "against" in figure:
        parts.append(f"{figure['against'].get('what', 'limit')} {_quantity(figure['against'])}")
    if "target" in figure:
        sign = ">=" if figure["better"] == "higher" else "<="
        verdict = "met" if figure["met"] else "not met yet" if figure.get("later") else "MISSED"
        parts.append(f"target {sign} {figure['target']:g}: {verdict}")
    return "; ".join(parts)


def main() -> int:
    """Run the chosen programs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--builddir", type=Path, required=True)
    parser.add_argument("--json", action="store_true", help="one document on stdout, nothing else")
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    chosen = programs(options.builddir, options.names)
    if not chosen:
        known = ", ".join(programs(options.builddir, []))
        print(f"bench: there is no benchmark {' or '.join(options.names)}, but there are {known}", file=sys.stderr)
        return 3
    figures: list[dict[str, Any]] = []
    errors: list[dict[str, str]] = []
    for name, command in chosen.items():
        try:
            found = run_program(name, command)
        except BenchError as error:
            errors.append({"program": name, "error": str(error)})
            print(f"{name}: {error}", file=sys.stderr)
            continue
        figures += found
        if not options.json:
            print("\n".join(map(describe, found)), flush=True)
    if options.json:
        print(json.dumps({"machine": {"kernel": platform.release(), "cpus": os.cpu_count()},
                          "figures": figures, "errors": errors}, indent=1))
    return 1 if errors or any(map(fails, figures)) else 0


if __name__ == "__main__":
    sys.exit(main())
