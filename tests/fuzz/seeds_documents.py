#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The documents that a fuzzer starts from: good ones, and each kind of bad one, short."""

from __future__ import annotations

import re
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
NS = "https://vferry.org/ns/"
HOST = "<host id='83b8f4f2-509f-382f-3c1e-e6bfe0fa1001' name='a' arch='x86_64' kernel='6.1'/>"
EVERYTHING = (TOP / "tests/unit/data/everything.xml").read_text(encoding="utf-8")
SHIPPED = sorted((TOP / "xml/models").glob("*.xml"))


def model(content: str, attributes: str = "") -> str:
    return f"<model xmlns='{NS}model/1' id='a.b/c'{attributes}><match/>{content}</model>"


def requirement(content: str, attributes: str = "", model_id: str = "a.b/c") -> str:
    return f"<requirement xmlns='{NS}requirement/1'><model id='{model_id}'{attributes}/>{content}</requirement>"


def capabilities(content: str) -> str:
    return f"<capabilities xmlns='{NS}capabilities/1'>{HOST}{content}</capabilities>"


def report(content: str, attributes: str = "verdict='unknown'") -> str:
    return f"<report xmlns='{NS}report/1' {attributes}>{content}</report>"


def parameter(name: str, kind: str, compare: str, attributes: str = "", content: str = "") -> str:
    return f"<parameter name='{name}' type='{kind}' compare='{compare}'{attributes}>{content}</parameter>"


def parameters(**values: str) -> str:
    return "".join(f"<parameter name='{name}' value='{value}'/>" for name, value in values.items())


QUEUES = parameter("queues", "int", "equal", " init='4' off='1'")
SETTABLE = "<read><attribute path='p'/></read><apply><attribute path='p'/></apply>"
OPAQUE = (parameter("version", "enum", "equal", "", "<allowed><value>v1</value><value>v2</value></allowed>" + SETTABLE)
          + "<versions parameter='version'><version name='v1'/><version name='v2'><loads version='v1'/></version></versions>")
RANGES = parameter("n", "int", "at-least", " off='-1'",
                   "<allowed><range min='-1' max='8' step='3'/><range min='100'/><value>64</value></allowed>" + SETTABLE)
WORDS = parameter("s", "set", "superset", " off=''", "<allowed><value>a</value><value>b</value></allowed>" + SETTABLE)
MASK = parameter("m", "bitmask", "superset", " off='0'", "<allowed mask='0xff'/>" + SETTABLE)
ORDER = parameter("e", "enum", "at-most", "", "<allowed><value>low</value><value>high</value></allowed>" + SETTABLE)
FIRMWARE = parameter("fw", "string", "same-major") + parameter("only", "string", "firmware")


def constraint(when: str, then: str) -> str:
    return f"<constraint><when parameter='queues' {when}/><then parameter='queues' {then}/></constraint>"


def bad(good: str) -> dict[str, str]:
    """What no parser of documents takes, whatever it is of."""
    head, rest = good.split(">", 1)
    return {
        "bomb": f"<!DOCTYPE a [<!ENTITY b 'bbbb'><!ENTITY c '&b;&b;&b;'>]>{head}>&c;{rest}",
        "external": f"<!DOCTYPE a SYSTEM 'file:///etc/passwd'>{good}",
        "deep": f"{head}>" + "<x>" * 40 + "</x>" * 40 + rest,
        "unclosed": good[:-8],
        "undefined": f"{head}>&x;{rest}",
        "required": f"{head}><x required='yes'/>{rest}",
        "unknown": f"{head}><x y='z'>t<z/></x>{rest}",
        "text": f"{head}>text{rest}",
        "section": f"{head}><!-- c --><?p i?><![CDATA[ ]]>{rest}",
        "latin": f"<?xml version='1.0' encoding='ISO-8859-1'?>{good}",
        "namespaces": f"{head} xmlns:a='b' a:c='d'><a:e xmlns:a='f' xmlns='g'/>{rest}",
        "twice": f"{head} id='x.y/z' id='x.y/z'>{rest}",
        "references": f"{head}><x>&#65;&#x10ffff;&amp;&#1;</x>{rest}",
        "empty": "",
    }


def shipped() -> dict[str, str]:
    """Each together with what it extends."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in SHIPPED}
    by_id = {match.group(1): text for text in texts.values() if (match := re.search(r'\bid="([^"]+)"', text))}
    return {f"shipped-{name}": "\0".join([text, *(by_id[base] for base in re.findall(r'\bextends="([^"]+)"', text))])
            for name, text in texts.items()}


def for_descriptor() -> dict[str, str]:
    base = EVERYTHING.replace("example.org/nic", "example.org/base")
    versions = "<versions><version name='1'/><version name='2'><value parameter='queues'>8</value></version></versions>"
    seeds = {
        "everything": EVERYTHING,
        "extends": model(RANGES, " extends='example.org/base'") + "\0" + base,
        "extends-twice": model(QUEUES, " extends='x.y/z'") + "\0" + model(WORDS) + "\0" + base,
        "extends-itself": model("", " extends='a.b/c'") + "\0" + model("", " extends='a.b/c'"),
        "extends-versions": model(OPAQUE, " extends='x.y/z'") + "\0" + model(QUEUES + versions),
        "opaque": model(OPAQUE), "all": model(RANGES + WORDS + MASK + ORDER + FIRMWARE),
        "unenforced": model(parameter("v", "string", "equal", " enforced='no' unit='u'")),
        "not-migratable": model("<not-migratable>why</not-migratable><alias id='d.e/f'/>"),
        "duplicate": model(QUEUES + QUEUES), "duplicate-alias": model("<alias id='d.e/f'/><alias id='d.e/f'/>"),
        "contradiction": model(QUEUES + constraint("at-least='0'", "at-least='9'") + constraint("at-least='1'", "at-most='8'")),
        "contradiction-off": model(QUEUES + constraint("is='1'", "is-not='1'")),
        "set-constraint": model(WORDS + "<constraint><when parameter='s' has='a'/><then parameter='s' has='a b'/></constraint>"),
        "mask-constraint": model(MASK + "<constraint><then parameter='m' has='0x3'/></constraint>"),
        "type": model(parameter("n", "number", "equal")), "rule": model(parameter("n", "string", "at-least")),
        "enum": model(parameter("n", "enum", "equal")),
        "range": model(parameter("n", "int", "equal", "", "<allowed min='2' max='1'/>")),
        "init": model(parameter("n", "bool", "equal", " init='1'")),
        "id": model("").replace("a.b/c", "a/%2f"), "percent": model("").replace("a.b/c", "a.b/c%20d"),
        "segment": model(parameter("%20", "bool", "equal")),
        "path": model(parameter("n", "bool", "equal", "", "<read><attribute path='../x'/></read>")),
        "pci": model(parameter("n", "int", "equal", "", "<read><pci-config offset='3' width='2'/></read>")),
        "characters": model(parameter("ä", "string", "equal", " init='&quot;&lt;&#127;ä&#x1f600;'")),
        "loads": model(OPAQUE.replace("version='v1'", "version='v3'")),
    }
    return seeds | shipped() | bad(model(QUEUES))


def for_capabilities() -> dict[str, str]:
    schema = EVERYTHING[EVERYTHING.index("<model"):].replace(f' xmlns="{NS}model/1"', "")
    offers = ("<parents><parent id='p' kind='mdev' path='/sys/p' driver='d'>"
              "<offer id='p/t' model='example.org/nic' how='create' type='t' left='3' usable-by='qemu vfio' settable='queues b'>"
              f"{parameters(queues='4')}<parameter name='u'/></offer></parent></parents>")
    devices = ("<devices><device id='d' kind='mdev' path='/sys/d' parent='p' model='example.org/nic' state='idle'>"
               "<parameter name='queues' value='4' evidence='sysfs-attribute'/>"
               "<migration source='debugfs' stop-copy='yes' p2p='no'/></device></devices>")
    seeds = {
        "all": capabilities(f"<models>{schema}</models>{offers}{devices}"), "offers": capabilities(offers),
        "devices": capabilities(devices), "least": capabilities(""), "no-host": f"<capabilities xmlns='{NS}capabilities/1'/>",
        "digest": capabilities(f"<models><model id='a.b/c' digest='sha256:{'0' * 64}' source='kernel'/></models>"),
        "wrong-digest": capabilities("<models><model id='a.b/c' digest='md5:1'/></models>"),
        "duplicate": capabilities(offers.replace("</parents>", "") + offers[9:]),
        "duplicate-model": capabilities("<models><model id='a.b/c'/><model id='a.b/c'/></models>"),
        "left": capabilities(offers.replace("left='3'", "left='-3'")),
        "flag": capabilities(devices.replace("'no'", "'maybe'")),
        "words": capabilities(offers.replace("qemu vfio", "Qemu")),
        "broken-model": capabilities(f"<models><model id='a.b/c'>{OPAQUE.replace('v1', 'v3', 1)}</model></models>"),
    }
    return seeds | bad(capabilities(offers))


def for_requirement() -> dict[str, str]:
    both = RANGES + WORDS + MASK + ORDER
    source = requirement(parameters(n="9", s="a", m="0x3", e="high"))
    other = requirement(parameters(n="64", s="a b c", m="7", e="low", z="1"))
    line = "source='1' destination='2' code='value-differs' overridable='yes'"
    seeds = {
        "pairs": "\0".join((model(both), source, other)),
        "ignored": "\0".join((EVERYTHING, requirement(parameters(queues="8", multiqueue="yes"), "", "example.org/old-nic"))),
        "version": "\0".join((EVERYTHING, requirement(parameters(queues="9"), " version='2'", "example.org/nic"))),
        "version-unknown": "\0".join((EVERYTHING, requirement("", " version='3'", "example.org/nic"))),
        "opaque": "\0".join((model(OPAQUE), requirement("", " version='v1'"), requirement(parameters(version="v2")))),
        "constraint": "\0".join((model(QUEUES + constraint("at-least='2'", "at-most='8'")), requirement(parameters(queues="9")))),
        "firmware": "\0".join((model(FIRMWARE), requirement(parameters(fw="1.2", only="x")), requirement(parameters(fw="1.3")))),
        "not-migratable": "\0".join((model("<not-migratable>why</not-migratable>"), requirement(""))),
        "other-model": "\0".join((model(QUEUES), requirement("", "", "x.y/z"))),
        "offer": "\0".join((for_capabilities()["all"], requirement(parameters(queues="8"), "", "example.org/nic"))),
        "invalid": "\0".join((model(both), requirement(parameters(n="x", m="y")), requirement(parameters(n="z", m="0")))),
        "unread": "\0".join((model(both), requirement("<parameter name='n'/>"), source)),
        "digest": requirement("<parameter name='n' evidence='e'/>", f" digest='sha256:{'1' * 64}' version='2'"),
        "duplicate": requirement(parameters(n="1") + parameters(n="1")), "no-model": f"<requirement xmlns='{NS}requirement/1'/>",
        "long": requirement(parameters(n="x" * 1100)),
        "report": report(f"<model code='matches'>a  b</model><schema code='digest-differs'/><version code='matches'/>"
                         f"<parameter name='n' compare='equal' {line}>It differs.</parameter>"
                         "<constraint code='constraint-violated'>no</constraint>", "verdict='incompatible' override='because'"),
        "report-code": report("<parameter name='n' code='newer'>?</parameter>"),
        "report-verdict": report("", "verdict='perhaps'"), "report-empty": report("", ""),
    }
    seeds |= {f"report-{name}": text for name, text in bad(report("<model code='matches'/>")).items()}
    return seeds | bad(requirement(parameters(n="1")))


def json(content: str, model_id: str = "a.b/c") -> str:
    return '{"models": {"' + model_id + '": {' + content + "}}}"


def params(**members: str) -> str:
    return '"params": {' + ", ".join(f'"{name}": {{{content}}}' for name, content in members.items()) + "}"


def for_migration_info() -> dict[str, str]:
    number = '"type": "int", "init_value": 1, "off_value": 0, "allowed_values": [0, 1, "4-8"], "description": "n"'
    text = '"type": "str", "init_value": "a", "allowed_values": ["a", "b c"]'
    flag = '"type": "bool", "init_value": true, "off_value": false'
    versions = '"versions": ["1", "2"]'
    seeds = {
        "params": json(params(n=number, s=text, b=flag)), "versions": json(versions), "both": json(versions + ", " + params()),
        "two": '{"models": {"a.b/c": {' + versions + '}, "d.e/f": {' + params(b=flag) + "}}}",
        "escape": json(params(s='"type": "str", "init_value": "\\u00e4\\n\\ud83d\\ude00"')),
        "init": json(params(n='"type": "int", "init_value": 9, "allowed_values": ["1-8"]')),
        "range": json(params(n='"type": "int", "init_value": 1, "allowed_values": ["8-1"]')),
        "kind": json(params(n='"type": "int", "init_value": 1.5')), "type": json(params(n='"type": "set", "init_value": 1')),
        "twice": json(params(b=flag) + ", " + params(b=flag)), "name": json('"params": {"../x": {' + flag + "}}"),
        "id": json(versions, "C"), "none": '{"models": {}}', "no-models": "{}", "array": "[]", "number": "1",
        "deep": '{"models": ' + "[" * 40 + "]" * 40 + "}", "open": json(versions)[:-1], "behind": json(versions) + "{}",
        "large-number": json(params(n='"type": "int", "init_value": 9223372036854775808')),
        "newer": '{"x": [null, 1e3], "models": {"a.b/c": {"y": {}, ' + versions + "}}}", "long": json(versions, "a.b/" + "ä" * 60),
        "text": "a.b/c:\n 1\n 2\nd.e/f:\n 1\n", "text-unended": "a.b/c:\n 1", "text-twice": "a.b/c:\n 1\n 1\n",
        "text-model-twice": "a.b/c:\n 1\na.b/c:\n 1\n", "text-no-version": "a.b/c:\n", "text-no-model": " 1\n",
        "text-line": "a.b/c\n", "text-blank": "\n", "text-space": "a.b/c:\n 1 2\n", "empty": "",
        "text-long": "a.b/c:\n 1\nx" + "ä" * 60 + "\n", "zero": json(versions) + "\0",
    }
    return seeds


def documents() -> dict[str, dict[str, bytes]]:
    targets = {"descriptor": for_descriptor(), "capabilities": for_capabilities(), "requirement": for_requirement(),
               "migration-info": for_migration_info()}
    made = {target: {name: text.encode() for name, text in seeds.items()} for target, seeds in targets.items()}
    for seeds in made.values():
        seeds["not-utf8"] = seeds["text"] + b"\xff\xc3"
    return made
