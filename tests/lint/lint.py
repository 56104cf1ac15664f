#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The house rules as a program; every rule has a broken sample that it must catch.

A line that has to break a rule says so, on itself or on the line before: `lint-allow: RULE: why`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

import rules_bus  # noqa: E402  pylint: disable=wrong-import-position
import rules_c  # noqa: E402  pylint: disable=wrong-import-position
import rules_files  # noqa: E402  pylint: disable=wrong-import-position
import rules_rooms  # noqa: E402  pylint: disable=wrong-import-position
from tree import Finding, Tree  # noqa: E402  pylint: disable=wrong-import-position

Rule = Callable[[Tree], Iterator[Finding]]
RULES: dict[str, Rule] = {
    "arrows": rules_rooms.arrows,
    "banned-calls": rules_c.banned_calls,
    "budgets": rules_c.budgets,
    "bus-actions": rules_bus.bus_actions,
    "bus-properties": rules_bus.bus_properties,
    "circles": rules_rooms.circles,
    "glued-strings": rules_files.glued_strings,
    "names": rules_c.names,
    "once": rules_c.once,
    "places": rules_files.places,
    "plugin-readmes": rules_files.plugin_readmes,
    "potfiles": rules_files.potfiles,
    "python": rules_files.python,
    "rooms": rules_rooms.rooms,
    "spdx": rules_files.spdx,
}
SAMPLES = HERE / "samples"


def check(rule: str, tree: Tree) -> list[Finding]:
    """What a rule finds, less what the files allow themselves with a reason."""
    found = []
    for finding in sorted(set(RULES[rule](tree))):
        file = tree.get(finding.path)
        if file is None or not file.allowed(rule, finding.line):
            found.append(finding)
    return found


def check_sample(rule: str) -> list[str]:
    """How a rule differs on its sample from what the sample's `expected` says."""
    folder = SAMPLES / rule
    expected = set((folder / "expected").read_text(encoding="utf-8").split())
    if not expected:
        return [f"{folder}/expected is empty: the sample proves nothing"]
    found = {f"{finding.path}:{finding.line}" for finding in check(rule, Tree(folder / "tree"))}
    return ([f"it overlooks {place}" for place in sorted(expected - found)]
            + [f"it complains about {place}" for place in sorted(found - expected)])


def style_note(tree: Tree) -> str | None:
    """Files that clang-format would change: a note, since versions of it disagree."""
    tool = shutil.which("clang-format")
    files = [str(file) for file in tree.named(r"\.[ch]$") if not str(file).startswith("tests/kernel/module")]
    if tool is None or not files:
        return None
    drift = [path for path in files if subprocess.run(
        [tool, "--dry-run", "-Werror", path], cwd=tree.root, capture_output=True, timeout=60.0,
        check=False).returncode]
    return f"clang-format would change {len(drift)} of {len(files)} C files" if drift else None


def _print_tap(tree: Tree) -> bool:
    print(f"1..{2 * len(RULES)}")
    number = failed = 0
    for rule in RULES:
        findings = [f"{finding.path}:{finding.line}: {rule}: {finding.message}"
                    for finding in check(rule, tree)]
        for name, wrong in ((rule, findings), (f"{rule} catches its sample", check_sample(rule))):
            number += 1
            failed += bool(wrong)
            for text in wrong:
                print(f"# {text}")
            print(f"{'not ok' if wrong else 'ok'} {number} - {name}")
    return not failed


def _print_findings(tree: Tree, rules: list[str]) -> bool:
    count = 0
    for rule in rules:
        for finding in check(rule, tree):
            count += 1
            print(f"{finding.path}:{finding.line}: {rule}: {finding.message}")
        for text in check_sample(rule):
            count += 1
            print(f"tests/lint/samples/{rule}:1: {rule}: {text}")
    if note := style_note(tree):
        print(f"note: {note}", file=sys.stderr)
    print(f"{len(rules)} rules, {count} findings")
    return not count


def _fix_potfiles(tree: Tree) -> None:
    path = tree.root / rules_files.POTFILES
    others = [line for line in path.read_text(encoding="utf-8").splitlines()
              if line and not line.startswith("#") and not line.endswith((".c", ".h"))]
    listed = sorted([*others, *rules_files.translated_files(tree)])
    path.write_text("\n".join([f"# SPDX-License-{'Identifier'}: {rules_files.LICENCE}", *listed]) + "\n",
                    encoding="utf-8")


def main() -> int:
    """Check the tree that this file is in."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--tap", action="store_true", help="report as TAP, samples included")
    parser.add_argument("--fix-potfiles", action="store_true", help=f"write {rules_files.POTFILES} anew")
    parser.add_argument("rules", nargs="*", metavar="RULE", help=f"of {', '.join(RULES)}")
    options = parser.parse_args()
    unknown = [rule for rule in options.rules if rule not in RULES]
    if unknown:
        parser.error(f"there is no rule {unknown[0]}; the rules are {', '.join(RULES)}")
    tree = Tree(HERE.parent.parent)
    if options.fix_potfiles:
        _fix_potfiles(tree)
        tree = Tree(tree.root)
    good = _print_tap(tree) if options.tap else _print_findings(tree, options.rules or list(RULES))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
