# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rules for files of any kind: licences, translations, scripts, and words that stay at home."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tree import File, Finding, Tree

# The specification's own syntax, so that the rule does not take itself for an example.
SPDX = re.compile("SPDX-License-" + r"Identifier:\s*([\w.+-]+)")
LICENCE = "LGPL-2.1-or-later"
MODULE_LICENCE = "GPL-2.0-only"
MODULE = "tests/kernel/module/"
# These have no comments, or are the licences themselves.
WITHOUT_SPDX = re.compile(r"(^LICENSES/|\.(json|bin|der|pem|png|pot|svg|stream|hex)$|(^|/)COPYING$)")
SPDX_LINES = 5

TRANSLATED = re.compile(r'(?<![\w"])(?:_|N_|C_|NC_|ngettext|g_dngettext)\s*\(\s*"')
POTFILES = "po/POTFILES.in"
GLUED = re.compile(r'(?<![\w"])N?_\(\s*(?:"(?:[^"\\]|\\.)*"\s*|PRI\w+\s*)*(G_\w+_(?:FORMAT|MODIFIER))\b')

# Where somebody happened to work is of no use to anybody else, and a mirror's name is the machine's.
PLACES = re.compile(
    r"(?<![\w.])/work/|(?<![\w.])/tmp/vf\b|(?<![\w.])/root/(?!\.)|(?<![\w/.-])(?:facts|shared|seeds)/"
    r"|\b(?:deb|security|snapshot|ftp)\.debian\.org|\bpypi\.org|\bregistry\.npmjs\.org"
    r"|\bproxy\.golang\.org|\bcrates\.io")
NOT_SEARCHED = re.compile(r"^(tests/lint/|LICENSES/)")

PLUGIN_HEADINGS = ("External interfaces", "Threat model", "What it refuses")


def spdx(tree: Tree) -> Iterator[Finding]:
    """Every file names its licence in its first lines, and LICENSES/ has the text."""
    used: dict[str, File] = {}
    for file in tree.files:
        if WITHOUT_SPDX.search(str(file)) or not file.data:
            continue
        match = SPDX.search("\n".join(file.lines[:SPDX_LINES]))
        wanted = MODULE_LICENCE if str(file).startswith(MODULE) else LICENCE
        if match is None:
            yield file.at(1, f"no SPDX line; it should be {wanted}")
        else:
            used.setdefault(match.group(1), file)
            if match.group(1) != wanted:
                yield file.at(1, f"the licence is {match.group(1)}, should be {wanted}")
    for licence, file in used.items():
        if tree.get(f"LICENSES/{licence}.txt") is None:
            yield file.at(1, f"LICENSES/{licence}.txt is missing")


def translated_files(tree: Tree) -> list[str]:
    """The files that have strings to translate."""
    return [str(file) for file in tree.named(r"\.[ch]$") if not str(file).startswith("tests/")
            and TRANSLATED.search(file.text)]


def potfiles(tree: Tree) -> Iterator[Finding]:
    """po/POTFILES.in lists exactly the files with strings to translate."""
    potfile = tree.get(POTFILES)
    wanted = set(translated_files(tree))
    if potfile is None:
        if wanted:
            yield Finding(POTFILES, 1, "it is missing")
        return
    listed = {line.strip(): number for number, line in enumerate(potfile.lines, start=1)
              if line.strip() and not line.startswith("#")}
    for path in sorted(wanted - listed.keys()):
        yield potfile.at(len(potfile.lines), f"{path} has strings to translate and is not listed")
    for path, number in listed.items():
        file = tree.get(path)
        if file is None:
            yield potfile.at(number, f"{path} is not there")
        elif path.endswith((".c", ".h")) and path not in wanted:
            yield potfile.at(number, f"{path} has nothing to translate")


def glued_strings(tree: Tree) -> Iterator[Finding]:
    """xgettext sees a sentence to its end: it knows the macros of inttypes.h, and not GLib's."""
    for path in translated_files(tree):
        file = tree.get(path)
        for match in GLUED.finditer(file.text):
            line = file.text.count("\n", 0, match.start()) + 1
            yield file.at(line, f"the catalogue's sentence ends at {match.group(1)}; use PRI… of inttypes.h or %zu")


def places(tree: Tree) -> Iterator[Finding]:
    """Nothing names the machine it was written on, or a mirror."""
    for file in tree.files:
        if NOT_SEARCHED.match(str(file)) or b"\0" in file.data[:4096]:
            continue
        for number, line in enumerate(file.lines, start=1):
            if match := PLACES.search(line):
                yield file.at(number, f"'{match.group()}' means something on one machine only")


def python(tree: Tree) -> Iterator[Finding]:
    """Python runs as Debian's, waits with a limit, starts no shell, and hides no error."""
    for file in tree.files:
        if file.path.suffix != ".py" and not re.match(r"#!.*python", file.lines[0]):
            continue
        if file.lines[0].startswith("#!") and file.lines[0] != "#!/usr/bin/python3":
            yield file.at(1, f"'{file.lines[0]}': Debian's modules are there for /usr/bin/python3 only")
        try:
            module = ast.parse(file.text)
        except SyntaxError as error:
            yield file.at(error.lineno or 1, f"no Python: {error.msg}")
            continue
        for node in ast.walk(module):
            yield from _python_node(file, node)


def _python_node(file: File, node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, ast.ExceptHandler):
        if node.type is None:
            yield file.at(node.lineno, "a bare except catches the interrupt, too")
        elif isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException") and all(
                isinstance(step, (ast.Pass, ast.Continue)) for step in node.body):
            yield file.at(node.lineno, "an error caught and forgotten")
    if not isinstance(node, ast.Call):
        return
    called = ast.unparse(node.func)
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    shell = keywords.get("shell")
    if called in ("os.system", "os.popen", "eval", "exec") or (
            isinstance(shell, ast.Constant) and shell.value is True):
        yield file.at(node.lineno, f"{called}: nothing goes through a shell or an evaluator")
    if called in ("subprocess.run", "subprocess.call", "subprocess.check_call",
                  "subprocess.check_output") and not keywords.keys() & {"timeout", None}:
        yield file.at(node.lineno, f"{called} without timeout= can wait for ever")


def plugin_readmes(tree: Tree) -> Iterator[Finding]:
    """Every plugin says what it touches, who could harm it, and what it refuses."""
    plugins = {file.path.parts[1] for file in tree.named(r"^plugin/[^/]+/[^/]+\.c$")}
    for plugin in sorted(plugins):
        readme = tree.get(f"plugin/{plugin}/README.md")
        if readme is None:
            yield Finding(f"plugin/{plugin}/README.md", 1, "it is missing")
            continue
        headings = {line.lstrip("# ").strip() for line in readme.lines if line.startswith("#")}
        for heading in PLUGIN_HEADINGS:
            if heading not in headings:
                yield readme.at(1, f"it has no heading '{heading}'")
