# SPDX-License-Identifier: LGPL-2.1-or-later
"""Just enough C: code without comments and strings, and where functions begin and end."""

from __future__ import annotations

import dataclasses
import re

TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""",
    re.DOTALL | re.VERBOSE)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.MULTILINE)
# The name before a parameter list at file level.
SIGNATURE = re.compile(r"\b([A-Za-z_]\w*)\s*\(")
MACRO = re.compile(r"__attribute__|G_(GNUC|DEFINE|DECLARE)_\w+|G_STATIC_ASSERT\w*|MODULE_\w+|module_\w+")
# A brace that opens a type, an initialiser or a language block.
NO_FUNCTION = re.compile(r"^\s*typedef\b|\bextern\s*\"[^\"]*\"\s*$|\b(?:struct|union|enum)\s*\w*\s*$")


@dataclasses.dataclass(frozen=True)
class Function:
    """A function's definition; lines count from 1 and include the braces."""

    name: str
    static: bool
    line: int
    last: int

    @property
    def length(self) -> int:
        """Lines from its name to its closing brace."""
        return self.last - self.line + 1


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def strip(text: str, directives: bool = False) -> str:
    """The text with comments blanked and strings emptied; every line stays where it was."""

    def replace(match: re.Match[str]) -> str:
        content = match.group()
        return _blank(content) if match.group("comment") else (
            content[0] + _blank(content[1:-1]) + content[-1])

    stripped = TOKEN.sub(replace, text)
    return DIRECTIVE.sub(lambda match: _blank(match.group()), stripped) if directives else stripped


def functions(text: str) -> list[Function]:
    """All functions defined in a source file."""
    code = strip(text, directives=True)
    found = []
    depth = start = 0
    current: tuple[str, bool, int] | None = None
    for match in re.finditer(r"[{};]", code):
        position, symbol = match.start(), match.group()
        if symbol == "{":
            if depth == 0:
                current = _header(code, start, position)
            depth += 1
        elif symbol == "}":
            depth = max(depth - 1, 0)
            if depth == 0:
                if current is not None:
                    found.append(Function(*current, code.count("\n", 0, position) + 1))
                current, start = None, position + 1
        elif depth == 0:
            start = position + 1
    return found


def _header(code: str, start: int, end: int) -> tuple[str, bool, int] | None:
    """Name, storage and line of the function whose body opens at `end`."""
    header = code[start:end]
    if "=" in header or NO_FUNCTION.search(header):
        return None
    match = next((match for match in SIGNATURE.finditer(header) if not MACRO.fullmatch(match.group(1))),
                 None)
    if match is None or ")" not in header[match.end():]:
        return None
    line = code.count("\n", 0, start + match.start()) + 1
    return match.group(1), re.search(r"\bstatic\b", header[:match.start()]) is not None, line
