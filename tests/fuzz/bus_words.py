# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is said to the daemon: for each argument of each method, by its type and its name in dbus/*.xml, something that
makes sense, something that nearly does, or anything of that type; and now and then something of another."""

from __future__ import annotations

import dataclasses
import glob
import os
import random
import re
from collections.abc import Callable
from typing import Any

from gi.repository import Gio, GLib

# `address` (s): as the documentation of a method names an option
OPTION = re.compile(r"`([a-z0-9-]+)` \(([a-z{}()]+)[,)]")
# of plugin/fake, which only tests are offered
FAKE_OPTIONS = {"fake-outcome": "s", "fake-bytes": "t", "fake-duration-ms": "u", "fake-fail": "b", "fake-shrug": "b", "driver": "s"}
FAKE_METHODS = ("Begin", "Prepare", "Perform")
FAKE_ATTACH = {"fake-monitor": "h", "fake-devices": "as", "fake-uuid": "s", "fake-fail": "b"}
BASIC = "ybnqiuxtdsogh"
DEEPEST = 4
LONGEST = 200000  # bytes of a text
NUMBERS = (0, 1, 2, 7, 10, 120, 127, 128, 255, 256, 3600, 3601, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
WORDS = ("", "run", "discard", "completed", "failed", "cancelled", "in-doubt", "vfio", "fake", "mtty-1", "mtty-2", "mtty", "127.0.0.1",
         "::1", "qemu=10.0", "libvirt", "%s%n", "../../etc", "/", "/org/vferry1", "00000000-0000-0000-0000-000000000000",
         "<a/>", "<!DOCTYPE a>", "\u202e", "\x01", "\ud7ff", "A" * 300, "0000:06:0d.1")
# what a number in an option of this name is, where anything at all would take long
BOUNDED = {"fake-duration-ms": 400, "precopy-max-seconds": 5}
BITS = {"y": (0, 8), "n": (1, 16), "q": (0, 16), "i": (1, 32), "u": (0, 32), "x": (1, 64), "t": (0, 64)}
MAKERS: dict[str, Callable[[Any], GLib.Variant]] = {
    "y": GLib.Variant.new_byte, "n": GLib.Variant.new_int16, "q": GLib.Variant.new_uint16, "i": GLib.Variant.new_int32,
    "u": GLib.Variant.new_uint32, "x": GLib.Variant.new_int64, "t": GLib.Variant.new_uint64}


@dataclasses.dataclass(frozen=True)
class Method:
    """One method of one interface."""

    interface: str
    name: str
    arguments: tuple[tuple[str, str], ...]  # name, type
    options: dict[str, str]

    @property
    def full(self) -> str:
        """Device.Lend"""
        return f"{self.interface}.{self.name}"

    def __hash__(self) -> int:
        return hash(self.full)


def methods(folder: str) -> list[Method]:
    """All that the daemon has, as its introspection says."""
    found = []
    for path in sorted(glob.glob(os.path.join(folder, "org.vferry1.*.xml"))):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        documented = {name: dict(OPTION.findall(comment)) for comment, name in
                      re.findall(r"<!--((?:(?!-->).)*)-->\s*<method name=\"(\w+)\"", text, re.DOTALL)}
        for interface in Gio.DBusNodeInfo.new_for_xml(text).interfaces:
            for method in interface.methods:
                options = dict(documented.get(method.name, {}))
                if method.name in FAKE_METHODS:
                    options.update(FAKE_OPTIONS)
                if method.name == "AttachDomain":
                    options.update(FAKE_ATTACH)
                found.append(Method(interface.name.rsplit(".", 1)[1], method.name,
                                    tuple((argument.name, argument.signature) for argument in method.in_args), options))
    return found


def documents(folder: str) -> list[str]:
    """Requirements, capabilities and the like, to begin with."""
    found = []
    for path in sorted(glob.glob(os.path.join(folder, "*.xml"))):
        with open(path, encoding="utf-8") as file:
            found.append(file.read())
    return found


def split(signature: str) -> list[str]:
    """Its complete types."""
    found = []
    while signature:
        end = 0
        while signature[end] == "a":
            end += 1
        depth = 0
        while True:
            depth += (signature[end] in "({") - (signature[end] in ")}")
            end += 1
            if not depth:
                break
        found.append(signature[:end])
        signature = signature[end:]
    return found


class Words:
    """Known words grow with what the daemon has answered."""

    def __init__(self, chance: random.Random, examples: list[str]) -> None:
        self._chance = chance
        self._examples = examples
        self.paths: list[str] = ["/org/vferry1"]
        self.ids: list[str] = []
        self.documents = examples
        self.descriptors = 0  # of the message that is being made

    def learn(self, document: str) -> None:
        """One that the daemon has written: the newest are most likely to be understood."""
        self.documents = [*self._examples, *self.documents[len(self._examples):][-40:], document]

    def pick(self, known: list[str]) -> str:
        """One of them, or any word."""
        return self._chance.choice(known) if known and self._chance.random() < 0.9 else self._chance.choice(WORDS)

    def spoil(self, text: str) -> str:
        """Nearly the same."""
        if not text:
            return "x"
        at = self._chance.randrange(len(text))
        how = self._chance.randrange(5)
        if how == 0:
            return text[:at] + chr(self._chance.choice((32, 34, 38, 60, 62, 0x7f, 0xe9, 0x202e, 0x1f600))) + text[at + 1:]
        if how == 1:
            return text[:at]
        if how == 2:
            return (text * 8)[:LONGEST]
        if how == 3:
            return text[:at] + text[at + self._chance.randrange(1, 40):]
        return text[:at] + self._chance.choice(WORDS) + text[at:]

    def text(self, name: str) -> str:
        """For an argument or an option of this name."""
        known = {"requirement": self.documents, "capabilities": self.documents, "cookie": self.documents, "answer": self.documents,
                 "decision": ["run", "discard"], "type": ["mtty-1", "mtty-2"], "driver": ["fake", "vfio"], "address": ["127.0.0.1"],
                 "fake-outcome": ["completed", "failed", "cancelled", "in-doubt"], "parent": ["mtty"]}.get(name, self.ids)
        word = self.pick(known)
        return self.spoil(word) if self._chance.random() < 0.15 else word

    def number(self, kind: str, name: str = "") -> GLib.Variant:
        """Any, often one at which something changes."""
        signed, bits = BITS[kind]
        if name in BOUNDED:
            value = self._chance.randrange(BOUNDED[name])
        elif self._chance.random() < 0.6:
            value = self._chance.choice(NUMBERS)
        else:
            value = self._chance.getrandbits(bits)
        value &= (1 << bits) - 1
        return MAKERS[kind](value - (1 << bits) if signed and value >> (bits - 1) else value)

    def basic(self, kind: str, name: str) -> GLib.Variant:
        """A value of a type of one letter."""
        if kind in BITS:
            return self.number(kind, name)
        if kind == "b":
            return GLib.Variant.new_boolean(self._chance.random() < 0.5)
        if kind == "d":
            return GLib.Variant.new_double(self._chance.choice((0.0, -1.0, 1e308, float("inf"), float("nan"))))
        if kind == "o":
            return GLib.Variant.new_object_path(self._chance.choice(self.paths) if self._chance.random() < 0.95 else "/org/vferry1/job/0_0")
        if kind == "g":
            return GLib.Variant.new_signature(self._chance.choice(("", "s", "a{sv}", "(aoa{sv})")))
        if kind == "h":
            more = self._chance.choice((0, 0, 0, 0, 1, 200))
            return GLib.Variant.new_handle(self._chance.randrange(max(1, self.descriptors)) + more)
        return GLib.Variant.new_string(self.text(name))

    def value(self, signature: str, name: str = "", depth: int = 0) -> GLib.Variant:
        """A value of any one complete type."""
        if signature == "v":
            inner = self.kind(depth)
            return GLib.Variant.new_variant(self.value(inner, name, depth + 1))
        if len(signature) == 1:
            return self.basic(signature, name)
        if signature[0] == "a":
            element = signature[1:]
            count = self._chance.choice((0, 1, 1, 1, 2, 9, 40) if depth < 2 else (0, 1))
            return GLib.Variant.new_array(GLib.VariantType.new(element), [self.value(element, name, depth + 1) for _ in range(count)])
        parts = [self.value(part, name, depth + 1) for part in split(signature[1:-1])]
        return GLib.Variant.new_dict_entry(*parts) if signature[0] == "{" else GLib.Variant.new_tuple(*parts)

    def kind(self, depth: int = 0) -> str:
        """Some complete type."""
        how = self._chance.random()
        if depth >= DEEPEST or how < 0.6:
            return self._chance.choice(BASIC)
        if how < 0.75:
            return "a" + self.kind(depth + 1)
        if how < 0.85:
            return f"a{{s{self.kind(depth + 1)}}}"
        if how < 0.95:
            return f"({self.kind(depth + 1)}{self.kind(depth + 1)})"
        return "v"

    def options(self, known: dict[str, str]) -> GLib.Variant:
        """Mostly none, some of the known ones, now and then one that nobody knows or of another type."""
        found = {}
        for key, kind in known.items():
            if self._chance.random() < 0.2:
                wrong = self._chance.random() < 0.05
                found[key] = self.value(self.kind() if wrong else kind, key)
        if self._chance.random() < 0.04:
            found[self.pick(list(known))] = self.value("v").get_variant()
        return GLib.Variant("a{sv}", found)

    def arguments(self, method: Method) -> GLib.Variant:
        """All of one call."""
        if self._chance.random() < 0.03:
            return GLib.Variant.new_tuple(*[self.value(self.kind()) for _ in range(self._chance.randrange(4))])
        return GLib.Variant.new_tuple(*[self.options(method.options) if kind == "a{sv}" and name == "options" else
                                        self.value(kind, name) for name, kind in method.arguments])
