# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rules for the bus interfaces: nothing is written through a property, everything has an action."""

from __future__ import annotations

import xml.parsers.expat
from collections.abc import Iterator

from tree import File, Finding, Tree

ACTION = "org.vferry1.Action"
ACTIONS = {"org.vferry1.manage-devices", "org.vferry1.migrate", "org.vferry1.override"}
# The methods that only read. Everything else changes something and is not public.
READING = {"Baseline", "Compare", "Find", "GetCapabilities", "GetXml", "Lookup"}


class _Interfaces:
    """Walks an introspection document and notes the lines of its methods and properties."""

    def __init__(self, file: File) -> None:
        self.methods: list[tuple[int, str, str, str | None]] = []
        self.properties: list[tuple[int, str, str]] = []
        self._interface = ""
        self._method: tuple[int, str] | None = None
        self._action: str | None = None
        self._parser = xml.parsers.expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.Parse(file.data, True)

    def _start(self, element: str, attributes: dict[str, str]) -> None:
        line = self._parser.CurrentLineNumber
        if element == "interface":
            self._interface = attributes.get("name", "")
        elif element == "method":
            self._method, self._action = (line, attributes.get("name", "")), None
        elif element == "property":
            self.properties.append((line, attributes.get("name", ""), attributes.get("access", "")))
        elif element == "annotation" and self._method and attributes.get("name") == ACTION:
            self._action = attributes.get("value")

    def _end(self, element: str) -> None:
        if element == "method" and self._method:
            self.methods.append((self._method[0], self._interface, self._method[1], self._action))
            self._method = None


def _interfaces(tree: Tree) -> Iterator[tuple[File, _Interfaces]]:
    for file in tree.named(r"^dbus/org\.vferry1\.[A-Za-z]+\.xml$"):
        yield file, _Interfaces(file)


def bus_properties(tree: Tree) -> Iterator[Finding]:
    """No property can be written: a change is a method, and goes through the gate."""
    for file, found in _interfaces(tree):
        for line, name, access in found.properties:
            if access != "read":
                yield file.at(line, f"property {name} has access '{access}', must be 'read'")


def bus_actions(tree: Tree) -> Iterator[Finding]:
    """Every method says who may call it, and only known readers are public."""
    for file, found in _interfaces(tree):
        for line, interface, name, action in found.methods:
            method = f"{interface}.{name}"
            if action is None:
                yield file.at(line, f"{method} has no {ACTION} annotation")
            elif action != "public" and action not in ACTIONS:
                yield file.at(line, f"{method} asks for {action}, which is no action of ours")
            elif action == "public" and name not in READING:
                yield file.at(line, f"{method} is public, and not on the list of methods that only read")
