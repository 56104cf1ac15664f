# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rules for C: what nobody calls, names, and sizes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import csource
from tree import Finding, Tree

BANNED = {
    "alloca": "a size from outside would end the stack; use g_malloc",
    "atof": "it cannot fail; use vf_number_*", "atoi": "it cannot fail; use vf_number_*",
    "atol": "it cannot fail; use vf_number_*", "atoll": "it cannot fail; use vf_number_*",
    "gets": "it knows no size", "mktemp": "it races; use g_mkdtemp or O_TMPFILE",
    "popen": "it runs a shell; use GSubprocess",
    "signal": "its handlers differ by system; use sigaction or g_unix_signal_add",
    "sprintf": "it knows no size; use g_strdup_printf", "strcat": "it knows no size",
    "strcpy": "it knows no size", "strtok": "it keeps state; use g_strsplit",
    "sscanf": "it overlooks what follows; use vf_number_*",
    "system": "it runs a shell; use GSubprocess", "tmpnam": "it races",
    "vsprintf": "it knows no size; use g_strdup_vprintf",
}
BANNED_CALL = re.compile(r"(?<![\w.>])(" + "|".join(sorted(BANNED)) + r")\s*\("
                         # to ignore a signal, or not to, means the same everywhere
                         r"(?!\s*\w+\s*,\s*SIG_(?:IGN|DFL)\s*\))")
MODULE = "tests/kernel/module/"

# The error domain is public, and used by what is below the library.
PUBLIC_BELOW = {"vferry_error_quark"}
MAX_FUNCTION = 100
MAX_FILE = 1000


def banned_calls(tree: Tree) -> Iterator[Finding]:
    """Nobody calls what cannot be called safely, or jumps."""
    for file in tree.c_files():
        code = csource.strip(file.text)
        for match in BANNED_CALL.finditer(code):
            yield file.at(code.count("\n", 0, match.start()) + 1,
                          f"{match.group(1)}(): {BANNED[match.group(1)]}")
        if not str(file).startswith(MODULE):
            for match in re.finditer(r"\bgoto\b", code):
                yield file.at(code.count("\n", 0, match.start()) + 1,
                              "goto: let g_autoptr and small functions clean up")


def names(tree: Tree) -> Iterator[Finding]:
    """`vferry_` is the public library; inside it is `vf_`, and nothing else leaves a file."""
    for file in tree.named(r"^(common|xml|engine|guest|daemon|plugin|cli|lib)/.*\.c$"):
        public = file.folder == "lib"
        prefix = "vferry_" if public else "vf_"
        for function in csource.functions(file.text):
            if function.name == "main" or function.name in PUBLIC_BELOW:
                continue
            if function.static:
                if function.name.startswith(("vf_", "vferry_")) and not _class_member(function.name):
                    yield file.at(function.line,
                                  f"{function.name} is static; vf_ and vferry_ are for what leaves a file")
            elif not function.name.startswith(prefix):
                yield file.at(function.line, f"{function.name} leaves its file and must begin with {prefix}")


def _class_member(name: str) -> bool:
    """G_DEFINE_TYPE derives these names from the type's."""
    return re.search(r"_(init|class_init|iface_init|interface_init|finalize|dispose|constructed|"
                     r"get_property|set_property|default_init)$", name) is not None


def budgets(tree: Tree) -> Iterator[Finding]:
    """Functions stay below 100 lines and files below 1000."""
    for file in tree.named(r"(\.([ch]|py)|^run)$"):
        length = len(file.lines) - (1 if file.text.endswith("\n") else 0)
        if length > MAX_FILE:
            yield file.at(MAX_FILE + 1, f"{length} lines; a file stops at {MAX_FILE}")
    for file in tree.c_files():
        for function in csource.functions(file.text):
            if function.length > MAX_FUNCTION:
                yield file.at(function.line, f"{function.name} has {function.length} lines; "
                                             f"a function stops at {MAX_FUNCTION}")
    for file in tree.named(r"\.py$"):
        for node in ast.walk(ast.parse(file.text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MAX_FUNCTION:
                    yield file.at(node.lineno, f"{node.name} has {length} lines; "
                                               f"a function stops at {MAX_FUNCTION}")

HEADERS = r"^(common|xml|lib|dbus|engine|guest|daemon|plugin|cli)/.*\.h(\.in)?$"
TYPE = re.compile(r"^(?:\}|typedef\s[^{;()]*?)\s*\b(\w+);|\bG_DECLARE_\w+\(\s*(\w+)", re.MULTILINE)


def once(tree: Tree) -> Iterator[Finding]:
    """A type, and a header's name, means one thing: who reads it need not ask whose it is."""
    names: dict[str, str] = {}
    types: dict[str, str] = {}
    for file in sorted(tree.named(HEADERS), key=str):
        first = names.setdefault(file.path.name, str(file))
        if first != str(file):
            yield file.at(1, f"{first} has this name, too")
        code = csource.strip(file.text)
        for match in TYPE.finditer(code):
            name = match.group(1) or match.group(2)
            first = types.setdefault(name, str(file))
            if first != str(file):
                yield file.at(code.count("\n", 0, match.end()) + 1, f"{first} has a {name}, too")
