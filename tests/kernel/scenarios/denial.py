# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may call what: every method and every property of every object, with the real polkitd."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ElementTree
from typing import NamedTuple

from rig.ferry import Ferry, defaults, expect, mdevs
from rig.host import Host
from rig.scenario import Context, scenario

BUS = ("debian", "between the bus, the daemon and the journal; no kernel decides it")
RULE = "/etc/polkit-1/rules.d/50-vferry-group.rules"
EXAMPLE = "/usr/share/vferry/vferry-group.rules"
REFUSED = "org.vferry1.Error.NotAuthorized"
READ_ONLY = "org.freedesktop.DBus.Error.InvalidArgs"
VFERRY = "org.vferry1."
UNKNOWN_OPTION = "{'nonsense': <1>}"


class Case(NamedTuple):
    """A method: what lets one call it, and a call that changes nothing, with what an answer is.

    needs      the polkit action, or None when reading is all it does
    owner      whether the owner of the job or lease may call it, too
    arguments  GVariant text
    answer     the error of those who may call it, or "ok"
    """

    needs: str | None
    arguments: str
    answer: str
    owner: bool = False


def error(name: str) -> str:
    """A D-Bus error of vferry's."""
    return f"{VFERRY}Error.{name}"


# What vferryd(8) and the descriptions of the interfaces promise. A method without a line here fails
# the test, and a line without a method, too.
CASES = {
    "Manager.GetCapabilities": Case(None, "(@a{sv} {},)", "ok"),
    "Manager.Lookup": Case(None, "('vferry_testdev',)", "ok"),
    "Manager.Compare": Case(None, "('nonsense', @a{sv} {})", error("InvalidXml")),
    "Manager.Baseline": Case(None, "(@as [], @a{sv} {})", error("InvalidArgument")),
    "Manager.Find": Case(None, "('nonsense', @a{sv} {})", error("InvalidXml")),
    "Manager.Begin": Case("migrate", "(@ao [], @a{sv} {})", error("InvalidArgument")),
    "Manager.Prepare": Case("migrate", "('nonsense', @a{sv} {})", error("InvalidXml")),
    "Manager.Perform": Case("migrate", "('nonsense', '', @ay [], @a{sv} {})", error("InvalidArgument")),
    "Manager.Finish": Case("migrate", "('nonsense', @a{sv} {})", error("InvalidArgument")),
    "Manager.Confirm": Case("migrate", "('nonsense', @a{sv} {})", error("InvalidArgument")),
    "Manager.AttachDomain": Case("migrate", "(@a{sv} {},)", error("InvalidArgument")),  # without a monitor
    "Model.GetXml": Case(None, "(@a{sv} {},)", "ok"),
    "Parent.CreateDevice": Case("manage-devices", "('nonsense', @a{sv} {}, @a{sv} {})",
                                error("NotFound")),
    "Device.GetXml": Case(None, "(@a{sv} {},)", "ok"),
    "Device.Probe": Case("manage-devices", f"({UNKNOWN_OPTION},)", error("UnknownOption")),
    "Device.Lend": Case("migrate", f"(handle 0, {UNKNOWN_OPTION})", error("UnknownOption")),
    "Device.Reclaim": Case("migrate", "(@a{sv} {},)", error("NotFound")),  # it is not lent here
    "Device.Remove": Case("manage-devices", f"({UNKNOWN_OPTION},)", error("UnknownOption")),
    "Lease.Renew": Case("manage-devices", "(@u 0,)", error("InvalidArgument"), owner=True),
    "Lease.Adopt": Case("manage-devices", f"({UNKNOWN_OPTION},)", error("UnknownOption"), owner=True),
    "Lease.Release": Case("manage-devices", f"({UNKNOWN_OPTION},)", error("UnknownOption"),
                          owner=True),
    "Job.Cancel": Case("migrate", f"({UNKNOWN_OPTION},)", error("UnknownOption"), owner=True),
    "Job.Resolve": Case("override", "('nonsense', @a{sv} {})", error("InvalidArgument")),
}
# Options that need an action more than their method.
OPTIONS = {
    "Manager.Prepare": Case("override", "('nonsense', {'override': <'why'>})", error("InvalidXml")),
}
# What the bus itself defines, on every object; writing properties is looked at one by one.
STANDARD = {
    "org.freedesktop.DBus.Introspectable.Introspect": "()",
    "org.freedesktop.DBus.Peer.Ping": "()",
    "org.freedesktop.DBus.Peer.GetMachineId": "()",
    "org.freedesktop.DBus.ObjectManager.GetManagedObjects": "()",
    "org.freedesktop.DBus.Properties.Get": "('org.freedesktop.DBus.Peer', 'None')",
    "org.freedesktop.DBus.Properties.GetAll": "('org.freedesktop.DBus.Peer',)",
    "org.freedesktop.DBus.Properties.Set": "",
}
# The rule gives a member of the group all but deciding over others' guests.
GRANTED = {"root": {"migrate", "manage-devices", "override"}, "alice": set(),
           "bob": {"migrate", "manage-devices"}}


class Object(NamedTuple):
    """An object on the bus, by its own description."""

    path: str
    methods: tuple[str, ...]  # INTERFACE.METHOD
    properties: tuple[tuple[str, str], ...]


def describe(host: Host, path: str) -> Object:
    """Ask an object what it has."""
    root = ElementTree.fromstring(host.output(f"busctl introspect --xml-interface org.vferry1 {path}"))
    methods, properties = [], []
    for interface in root.iter("interface"):
        name = interface.attrib["name"]
        methods += [f"{name}.{method.attrib['name']}" for method in interface.iter("method")]
        properties += [(name, one.attrib["name"]) for one in interface.iter("property")]
    return Object(path, tuple(methods), tuple(properties))


def one_of_each(host: Host) -> list[Object]:
    """The root and one object of each kind."""
    kinds: dict[str, str] = {}
    for path in host.output("busctl tree --list org.vferry1").split():
        parts = path.split("/")
        if path == "/org/vferry1" or len(parts) == 5:
            kinds.setdefault("/".join(parts[:4]), path)
    return [describe(host, path) for path in kinds.values()]


def expected(user: str, case: Case, rule: bool, owner: str) -> str:
    """What comes of a call."""
    granted = GRANTED[user] if rule or user == "root" else set()
    if case.needs is None or case.needs in granted or (case.owner and user == owner):
        return case.answer
    return REFUSED


def try_everything(host: Host, user: str, objects: list[Object], rule: bool, owner: str) -> list[str]:
    """Make every call as one user; returns what did not come out as it should."""
    lines, wanted = [], []
    for one in objects:
        for method in one.methods:
            interface, _, name = method.rpartition(".")
            if method in STANDARD and not STANDARD[method]:
                continue
            cases = [table[method.removeprefix(VFERRY)] for table in (CASES, OPTIONS)
                     if method.removeprefix(VFERRY) in table]
            for case in cases:
                lines.append(f"call\t{one.path}\t{interface}\t{name}\t{case.arguments}")
                wanted.append(expected(user, case, rule, owner))
            if cases:
                continue
            if method.endswith("Properties.GetAll"):
                for own in {interface for interface, _ in one.properties}:
                    lines.append(f"call\t{one.path}\t{interface}\t{name}\t('{own}',)")
                    wanted.append("ok")
            elif not method.endswith("Properties.Get"):  # which comes before each Set
                lines.append(f"call\t{one.path}\t{interface}\t{name}\t{STANDARD[method]}")
                wanted.append("ok")
        for interface, name in one.properties:
            lines.append(f"set\t{one.path}\t{interface}\t{name}")
            wanted.append(READ_ONLY)
    answers = host.run("try-calls", user=user, stdin="\n".join(lines) + "\n").text.splitlines()
    expect(len(answers) == len(lines), f"each call has an answer: {len(answers)} of {len(lines)}")
    return [f"{user} with{'' if rule else 'out'} the rule: {' '.join(line.split(chr(9))[1:4])}: "
            f"{answer}, not {right}"
            for line, answer, right in zip(lines, answers, wanted) if answer != right]


def check_cases(objects: list[Object]) -> None:
    """The table above has exactly what is on the bus."""
    there = {method for one in objects for method in one.methods}
    ours = {method.removeprefix(VFERRY) for method in there if method.startswith(VFERRY)}
    expect(ours == CASES.keys(), f"cases and methods agree: {sorted(ours ^ CASES.keys())}")
    others = {method for method in there if not method.startswith(VFERRY)}
    expect(others <= STANDARD.keys(), f"the rest is known: {sorted(others - STANDARD.keys())}")


def allow_group(ctx: Context, allowed: bool) -> None:
    """Install or remove the optional rule, and wait until polkitd has noticed."""
    for host in ctx.hosts:
        host.run(f"install -m 644 {EXAMPLE} {RULE}" if allowed else f"rm -f {RULE}")
    for host in ctx.hosts:
        host.wait_until(("" if allowed else "! ") +
                        "pkcheck --action-id org.vferry1.migrate --process $$", user="bob")


@scenario(deadline=150, mtty=False, only_on=BUS)
def everybody_and_everything(ctx: Context) -> None:
    """Root, a member of the group and a stranger may do what the documents say, and nobody writes."""
    ctx.defer(lambda: [host.run(f"rm -f {RULE}") for host in ctx.hosts])
    ferry = Ferry(ctx, ctx.a, ctx.b)
    allow_group(ctx, True)
    defaults(ctx.b, fault="refuse running")
    ferry.board("vferry_testdev-1", state_size=65536)
    result = ferry.start(user="bob").wait()
    expect(result.status == 2, f"bob has a job in doubt: {result.describe()}")
    objects = one_of_each(ctx.b)
    check_cases(objects)
    started, wrong = time.monotonic(), []
    for rule in (True, False):
        allow_group(ctx, rule)
        for user in ("root", "bob", "alice"):
            wrong += try_everything(ctx.b, user, objects, rule, "bob")
    expect(not wrong, "\n".join(wrong))
    ctx.note(f"{sum(len(one.methods) + len(one.properties) for one in objects)} methods and "
             f"properties, 3 users, with and without the rule, in {time.monotonic() - started:.0f} s")
    expect(len(mdevs(ctx.b)) == 1 and ferry.job_property(ctx.b, "Result") == "in-doubt",
           "and nothing has changed")
