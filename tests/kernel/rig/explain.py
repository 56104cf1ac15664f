# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a failed expectation saw: `expect(a == b, what)` and `assert a == b` also say what a and b were.

A condition is a bool when expect() gets it, so the values are noted on the way there: the scenarios are
compiled with a note around each side of their conditions, `host.output(…)` is `_noted.value("host.output(…)", host.output(…))`.
Asking again afterwards would not do, since what is asked are machines that go on meanwhile.
"""

from __future__ import annotations

import ast
import importlib.machinery
from types import CodeType, ModuleType
from typing import Any, TypeVar

SHOWN = 2000  # characters of one value
NAME = "_noted"

Value = TypeVar("Value")


class Untrue:
    """A condition that does not hold, with the values of its parts."""

    def __init__(self, parts: dict[str, object]) -> None:
        self._parts = parts

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return "".join(f"\n  {text} was {_shown(value)}" for text, value in self._parts.items())


class Noted:
    """The parts of one condition, as they are evaluated."""

    def __init__(self) -> None:
        self._parts: dict[str, object] = {}

    def value(self, text: str, value: Value) -> Value:
        """A part, which goes on as it is."""
        self._parts[text] = value
        return value

    def condition(self, condition: object) -> object:
        """All of it."""
        return condition if condition else Untrue(self._parts)

    def require(self, condition: object, what: str | None, text: str) -> None:
        """An assert."""
        if not condition:
            raise AssertionError(sentence(text if what is None else str(what), self.condition(condition)))


def sentence(what: str, condition: object) -> str:
    """What a failure is told as: what should have been, and what was."""
    return f"expected: {what}{condition if isinstance(condition, Untrue) else ''}"


def comment(text: str) -> str:
    """As TAP has it: a guest's words are no results."""
    return "\n".join(line if line.startswith("#") else f"# {line}".rstrip() for line in text.splitlines())


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"


class _Noting(ast.NodeTransformer):
    """Puts the notes in."""

    def visit_Call(self, node: ast.Call) -> ast.AST:  # pylint: disable=invalid-name
        """expect(CONDITION, WHAT)"""
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "expect" and node.args:
            node.args[0] = _call(node, "condition", _parts(node.args[0]), first=True)
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.AST:  # pylint: disable=invalid-name
        """assert CONDITION, WHAT"""
        text = ast.unparse(node.test)
        self.generic_visit(node)
        call = _call(node, "require", _parts(node.test), node.msg or ast.Constant(None), ast.Constant(text), first=True)
        return ast.copy_location(ast.Expr(call), node)


def _parts(node: ast.expr) -> ast.expr:
    """The same condition, each side of which is noted."""
    if isinstance(node, ast.BoolOp):
        node.values = [_parts(value) for value in node.values]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        node.operand = _parts(node.operand)
    elif isinstance(node, ast.Compare):
        node.left = _note(node.left)
        node.comparators = [_note(value) for value in node.comparators]
    else:
        return _note(node)
    return node


def _note(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.Constant):
        return node
    return _call(node, "value", ast.Constant(ast.unparse(node)), node)


def _call(where: ast.AST, method: str, *args: ast.expr, first: bool = False) -> ast.expr:
    """A call of the notes of this condition; `first` begins them."""
    notes: ast.expr = ast.Name(NAME, ast.Load())
    if first:
        new = ast.Call(ast.Name(Noted.__name__, ast.Load()), [], [])
        notes = ast.NamedExpr(ast.Name(NAME, ast.Store()), new)
    return ast.copy_location(ast.Call(ast.Attribute(notes, method, ast.Load()), list(args), []), where)


class Loader(importlib.machinery.SourceFileLoader):
    """Imports a file with its notes."""

    def path_stats(self, path: Any) -> Any:
        """Neither reads nor writes what Python has compiled without them."""
        raise OSError("compiled anew")

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> CodeType:
        """As the base class."""
        tree = ast.fix_missing_locations(_Noting().visit(ast.parse(data, path)))
        code: CodeType = compile(tree, path, "exec", dont_inherit=True)
        return code

    def exec_module(self, module: ModuleType) -> None:
        """The notes are known by name there."""
        vars(module)[Noted.__name__] = Noted
        super().exec_module(module)

