# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rules for the house: who may see whom, where a source lies, and that nothing goes in circles."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

import csource
from tree import File, Finding, Tree

# What everything of the daemon sees below it.
UNDER_DAEMON = {"common", "xml", "dbus"}
# What a plugin sees of the daemon: the contract, what stands under it, and the objects in its calls. Registry, gate, bus
# objects, leases and what a record means are the daemon's own.
CONTRACT = {"common", "xml", "daemon/base", "daemon/driver", "daemon/host/device.h", "daemon/keep/kept.h"}
# Who may see whom. A file is in the room with the longest name that its path begins with, "*" is any one
# folder; it sees its room, and what begins with a name in its room's set, which can be a single header.
ARROWS: dict[str, set[str]] = {
    "common": set(),
    "xml": {"common"},
    "xml/text": {"common"},
    "xml/model": {"common", "xml/text"},
    "xml/host": {"common", "xml/text", "xml/model"},
    "xml/driver-info": {"common", "xml/text", "xml/model"},
    "xml/compare": {"common", "xml/text", "xml/model", "xml/host"},
    "xml/find": {"common", "xml/text", "xml/model", "xml/host", "xml/compare"},
    "xml/baseline": {"common", "xml/text", "xml/model", "xml/host", "xml/compare", "xml/find"},
    "xml/crossing": {"common", "xml/text", "xml/model", "xml/host"},
    "dbus": {"common"},
    "lib": {"common", "xml", "dbus"},
    "cli": {"common", "xml", "dbus", "lib"},
    "engine": {"common"},
    # a worker: the handover of the engine, and documents that have no meaning yet
    "guest": {"common", "xml/text", "engine"},
    "daemon": UNDER_DAEMON,
    "daemon/base": UNDER_DAEMON,
    "daemon/keep": {*UNDER_DAEMON, "daemon/base"},
    "daemon/host": {*UNDER_DAEMON, "daemon/base"},
    "daemon/gate": {*UNDER_DAEMON, "daemon/base"},
    "daemon/driver": {*UNDER_DAEMON, "daemon/base", "daemon/keep", "daemon/host"},
    "daemon/providers": {*UNDER_DAEMON, "daemon/base", "daemon/keep", "daemon/host"},
    "daemon/bus": {*UNDER_DAEMON, "daemon/base", "daemon/keep", "daemon/host", "daemon/gate", "daemon/driver"},
    "daemon/work": {*UNDER_DAEMON, "daemon/base", "daemon/keep", "daemon/host", "daemon/gate", "daemon/driver",
                    "daemon/providers", "daemon/bus"},
    "daemon/calls": {*UNDER_DAEMON, "daemon/base", "daemon/keep", "daemon/host", "daemon/gate", "daemon/driver",
                     "daemon/providers", "daemon/bus", "daemon/work"},
    "daemon/start": {*UNDER_DAEMON, "daemon/base", "daemon/keep", "daemon/host", "daemon/gate", "daemon/driver",
                     "daemon/providers", "daemon/bus", "daemon/work", "daemon/calls"},
    # the daemon's program puts the plugins in; the daemon's library knows none
    "daemon/main": {*UNDER_DAEMON, "daemon/base", "daemon/start", "plugin/drivers.h"},
    "plugin": {*CONTRACT, "plugin"},
    "plugin/*": {*CONTRACT, "plugin/mover"},
}
# Folders that are all rooms: what lies in them directly, or in a room without arrows, is an offence.
HOUSES = {"daemon", "xml"}
GENERATED = {"vferry-dbus.h": "dbus", "config.h": ""}
# Between angles it is looked for in the same folders.
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', re.MULTILINE)
MESON_PART = re.compile(r"\b(common|xml|dbus|lib|engine|guest|daemon|plugin|cli)_(?:dep|lib|inc)\b")
OURS = re.compile(r"\bvf(?:erry)?_\w+")


def _room(path: str) -> tuple[str, set[str]] | None:
    """The room that a file is in, and what is seen from there."""
    folder = posixpath.dirname(path)
    while folder:
        any_folder = posixpath.join(posixpath.dirname(folder), "*")
        for name in (folder, any_folder):
            if name in ARROWS:
                return folder, ARROWS[name]
        folder = posixpath.dirname(folder)
    return None


def _sees(path: str, other: str) -> bool:
    """Whether a file may include a header."""
    room, target = _room(path), _room(other)
    if room is None or (target is not None and target[0] == room[0]):
        return True
    return any(other == seen or other.startswith(seen + "/") for seen in room[1])


def _links(path: str, part: str) -> bool:
    """Whether a folder's meson.build may name a library: it is its own, or something of it is seen."""
    room = _room(path)
    return room is None or part in {name.split("/", 1)[0] for name in (room[0], *room[1])}


def _includes(file: File) -> Iterator[tuple[int, str]]:
    """What a file includes, and on which line."""
    # comments blanked: an include in one is none
    text = csource.TOKEN.sub(lambda match: re.sub(r"[^\n]", " ", match.group()) if match.group("comment")
                             else match.group(), file.text)
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start(1)) + 1, match.group(1)


def _candidates(tree: Tree, file: File, name: str) -> list[str]:
    """The headers that an include could mean: those of its own folder, else any of that name."""
    if name in GENERATED:
        return [f"{GENERATED[name]}/{name}"] if GENERATED[name] else []
    own = posixpath.normpath(file.path.parent / name)
    if tree.get(own) is not None:
        return [own]
    # from whichever of the folders where headers are looked for
    return [str(other) for other in tree.ending(re.sub(r"^(\.\./)+", "", name))]


def arrows(tree: Tree) -> Iterator[Finding]:
    """Rooms include and link only what is below them, and what they include has one meaning."""
    for file in tree.c_files():
        room = _room(str(file))
        if room is None:
            continue
        for line, name in _includes(file):
            found = _candidates(tree, file, name)
            seen = [other for other in found if _sees(str(file), other)]
            if found and not seen:
                yield file.at(line, f"{room[0]} must not see {found[0]}")
            elif len(seen) > 1:
                yield file.at(line, f"{name} could be any of {', '.join(seen)}")
    for file in tree.named(r"(^|/)meson\.build$"):
        for number, line in enumerate(file.lines, start=1):
            for match in MESON_PART.finditer(line.split("#")[0]):
                if not _links(str(file), match.group(1)):
                    yield file.at(number, f"{file.path.parent} must not link {match.group(1)}")


def rooms(tree: Tree) -> Iterator[Finding]:
    """In a folder of rooms every source lies in one that has its arrows."""
    for file in tree.c_files():
        if file.folder not in HOUSES:
            continue
        room = _room(str(file))
        if len(file.path.parts) == 2:
            yield file.at(1, f"it lies in {file.folder}/ itself; a source lies in a room")
        elif room is None or room[0] in HOUSES:
            yield file.at(1, f"{'/'.join(file.path.parts[:2])} is no room that the arrows know")


# A unit is a source with its header; it knows another one when it includes that one's header or names one
# of its functions, the first time in this file on this line.
Edges = dict[str, dict[str, tuple[File, int]]]


def _unit(path: str) -> str:
    return re.sub(r"\.[ch](\.in)?$", "", path)


def _edges(tree: Tree) -> Edges:
    files = [file for file in tree.c_files() if _room(str(file)) is not None]
    owners = {(file.folder, function.name): _unit(str(file)) for file in files if str(file).endswith(".c")
              for function in csource.functions(file.text) if not function.static}
    edges: Edges = {}
    for file in files:
        known = edges.setdefault(_unit(str(file)), {})
        for line, name in _includes(file):
            for other in _candidates(tree, file, name):
                if other.split("/", 1)[0] == file.folder and _sees(str(file), other):
                    known.setdefault(_unit(other), (file, line))
        if str(file).endswith(".c"):
            code = csource.strip(file.text)
            for match in OURS.finditer(code):
                owner = owners.get((file.folder, match.group()))
                if owner is not None and owner not in known:
                    known[owner] = (file, code.count("\n", 0, match.start()) + 1)
        known.pop(_unit(str(file)), None)
    return edges


def _reach(edges: Edges, start: str) -> set[str]:
    """All that a unit knows, at first hand or not."""
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        for other in edges.get(waiting.pop(), {}):
            if other not in reached:
                reached.add(other)
                waiting.append(other)
    return reached


def circles(tree: Tree) -> Iterator[Finding]:
    """No source of a library knows one that knows it."""
    edges = _edges(tree)
    reach = {unit: _reach(edges, unit) for unit in edges}
    found = {frozenset(other for other in reach[unit] if unit in reach.get(other, set()))
             for unit in edges if unit in reach[unit]}
    for circle in found:
        first = min(circle)
        file, line = next(place for other, place in sorted(edges[first].items()) if other in circle)
        yield file.at(line, f"{', '.join(sorted(circle))} know each other")
