#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the inputs that a fuzzer starts from: seeds.py FOLDER makes FOLDER/<target>/seed-*.bin out of the captures and a
few lines of its own. What a fuzzer found goes beside them; see README.md."""

import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

from seeds_documents import documents  # noqa: E402  pylint: disable=wrong-import-position

CAPTURES = HERE.parent / "captures"

RAW, PRECOPY, HELLO, P2P, FAULT, LIMIT = 1, 2, 16, 32, 64, 128  # fuzz.h
NO_DEVICE = 0xffff
(T_HELLO, T_REPLY, T_DATA, T_INITIAL_END, T_INITIAL_LOADED, T_DEVICE_END, T_LOADED, T_COMMIT, T_STARTED, T_HEARTBEAT,
 T_ABORT) = range(1, 12)

# GVariants of engine/message.c: both hellos of a guest's crossing, one whose subject is deep, and what a subject says.
HELLO_SUBJECT = bytes.fromhex(
    "6d6178000000000001000000007504006d696e000000000001000000007504006c616e657300000001000000007506006465"
    "76696365730000617508000000006a6f6200000000006a00007304000000666561747572657300000000000000007072652d"
    "636f707900090061730900007375626a6563740068797065727669736f7200000000000071656d750000730b6d616368696e"
    "650070632d7133352d31302e3000007308006d656d6f72790000000000000000000000740700000000007666696f2d646576"
    "69636573000000000061730d000000006361706162696c69746965730000000072657475726e2d70617468000c0061730d18"
    "2f435c8100617b73767d080f001f002f003c004d006e000501")
REPLY_SUBJECT = bytes.fromhex(
    "76657273696f6e0001000000007508007375626a6563740068797065727669736f7200000000000071656d750000730b6d61"
    "6368696e650070632d7133352d31302e3000007308006d656d6f72790000000000000000000000740700000000007666696f"
    "2d64657669636573000000000061730d000000006361706162696c69746965730000000072657475726e2d70617468000c00"
    "61730d182f435c8100617b73767d08000000666561747572657300000000000000007072652d636f70790009006173090fa5"
    "c6")
HELLO_DEEP = bytes.fromhex(
    "6d6178000000000001000000007504006d696e000000000001000000007504006c616e6573000000ffffffff007506006465"
    "76696365730000617508000000006a6f6200000000006a00007304000000666561747572657300000000000000007072652d"
    "636f707900090061730900007375626a65637400610000000000000078000073007600760076007600760076007600760076"
    "0076007600760076007600760076007600760076007600760076007600760076007600760076007600760076007600760076"
    "0076007600760076007600760076007600760076007600760076007600760076007600760076007600760076007600760076"
    "0076028500617b73767d080f001f002f003c004d006e000501")
SUBJECT = bytes.fromhex(
    "68797065727669736f7200000000000071656d750000730b6d616368696e650070632d7133352d31302e3000007308006d65"
    "6d6f72790000000000000000000000740700000000007666696f2d64657669636573000000000061730d0000000063617061"
    "62696c69746965730000000072657475726e2d70617468000c0061730d182f435c81")


def frames_of(data: bytes) -> list[tuple[int, int, bytes]]:
    frames, at = [], 0
    while at < len(data):
        _, kind, device, length = struct.unpack_from("<IHHI", data, at)
        frames.append((kind, device, data[at + 32:at + 32 + length]))
        at += 32 + length
    return frames


def cooked(kind: int, device: int, payload: bytes, gate: int = 0, count: int = 0) -> bytes:
    return struct.pack("<BBHBH", gate, count, kind, device & 0xff, len(payload)) + payload


def how_of(name: str) -> int:
    return (PRECOPY if "pre-copy" in name or "two" in name else 0) | (1 << 2 | P2P if "two" in name else 0)


def for_destination(name: str, data: bytes) -> dict[str, bytes]:
    how = how_of(name)
    return {
        f"{name}-raw": bytes([how | RAW]) + data,
        f"{name}-frames": bytes([how]) + b"".join(cooked(*frame) for frame in frames_of(data)),
    }


def for_source(name: str, data: bytes) -> dict[str, bytes]:
    how, out, initial = how_of(name), b"", 0
    devices = 2 if "two" in name else 1
    for kind, device, payload in frames_of(data):
        if kind == T_INITIAL_LOADED:
            initial += 1
        gate, count = {T_INITIAL_LOADED: (T_INITIAL_END, initial), T_LOADED: (T_DEVICE_END, devices),
                       T_STARTED: (T_COMMIT, 1), T_ABORT: (T_DATA, 1)}.get(kind, (0, 0))
        out += cooked(kind, device, payload, gate, count)
    return {f"{name}-raw": bytes([how | RAW]) + data, f"{name}-frames": bytes([how]) + out}


def small_destination() -> dict[str, bytes]:
    """The shortest ways through, and a few that are none."""
    state = struct.pack("<QQ", 0, 16) + b"0123456789abcdef"
    data = cooked(T_DATA, 0, state)
    initial = cooked(T_INITIAL_END, 0, b"")
    end = cooked(T_DEVICE_END, 0, struct.pack("<Q", len(state)))
    commit = cooked(T_COMMIT, NO_DEVICE, b"")
    beat = cooked(T_HEARTBEAT, NO_DEVICE, b"")
    skipped = cooked(0x8001, NO_DEVICE, b"later")
    abort = cooked(T_ABORT, NO_DEVICE, b"org.vferry1.Error.Cancelled\0why\0\x1c")
    two = cooked(T_DATA, 1, state) + cooked(T_DEVICE_END, 1, struct.pack("<Q", len(state)))
    return {
        "commit": bytes([HELLO]) + data + end + commit,
        "initial": bytes([HELLO | PRECOPY]) + data + initial + data + cooked(T_DEVICE_END, 0, struct.pack("<Q", 64)) + commit,
        "initial-twice": bytes([HELLO | PRECOPY]) + data + initial + initial,
        "beats": bytes([HELLO]) + beat + data + skipped + beat + end + beat + commit,
        "abort": bytes([HELLO]) + data + abort,
        "abort-late": bytes([HELLO]) + data + end + abort,
        "data-for-commit": bytes([HELLO]) + data + end + data,
        "two": bytes([HELLO | 1 << 2 | P2P]) + data + two + end + commit,
        "limit": bytes([HELLO | LIMIT]) + data * 200,
        "fault": bytes([HELLO | FAULT]) + data * 200,
        "wrong-end": bytes([HELLO]) + data + cooked(T_DEVICE_END, 0, struct.pack("<Q", 1)),
        "none": bytes([HELLO]) + cooked(T_DEVICE_END, 0, bytes(8)) + commit,
        "wrong-way": bytes([HELLO]) + cooked(T_LOADED, NO_DEVICE, b""),
    }


def small_source() -> dict[str, bytes]:
    loaded = cooked(T_LOADED, NO_DEVICE, b"", T_DEVICE_END, 1)
    started = cooked(T_STARTED, NO_DEVICE, b"", T_COMMIT, 1)
    initial = cooked(T_INITIAL_LOADED, 0, b"", T_INITIAL_END, 1)
    abort = b"org.vferry1.Error.Device\0no\0\x19"
    return {
        "commit": bytes([HELLO]) + loaded + started,
        "initial": bytes([HELLO | PRECOPY]) + initial + loaded + started,
        "doubt": bytes([HELLO]) + loaded,
        "loaded-for-started": bytes([HELLO]) + loaded + cooked(T_LOADED, NO_DEVICE, b"", T_COMMIT, 1),
        "early": bytes([HELLO]) + cooked(T_LOADED, NO_DEVICE, b""),
        "early-start": bytes([HELLO]) + cooked(T_STARTED, NO_DEVICE, b""),
        "unannounced": bytes([HELLO]) + cooked(T_INITIAL_LOADED, 0, b""),
        "abort": bytes([HELLO]) + cooked(T_ABORT, NO_DEVICE, abort, T_DATA, 1),
        "abort-late": bytes([HELLO]) + loaded + cooked(T_ABORT, NO_DEVICE, abort, T_COMMIT, 1),
        "fault": bytes([HELLO | FAULT]) + loaded,
        "version": bytes([0]) + cooked(T_REPLY, NO_DEVICE, b"features\0as\0version\0\0\0\0\x02\0\0\0\0u"),
    }


def for_frame() -> dict[str, bytes]:
    seeds = {}
    for name in ("two-devices", "abort-by-destination"):
        for side in ("source", "destination"):
            data = (CAPTURES / f"{name}.{side}.stream").read_bytes()
            length = struct.unpack_from("<I", data, 8)[0]
            how = 2 << 1 | (side == "source")
            seeds[f"{name}-{side}-header"] = bytes([how]) + data[:32 + length]
            for number, (kind, _, payload) in enumerate(frames_of(data)):
                if kind in (T_HELLO, T_REPLY, T_ABORT):
                    seeds[f"{name}-{side}-{number}"] = b"\x80" + payload
    seeds.update({"subject": b"\x80" + HELLO_SUBJECT, "subject-reply": b"\x80" + REPLY_SUBJECT, "subject-deep": b"\x80" + HELLO_DEEP})
    return seeds


def for_mover_message() -> dict[str, bytes]:
    result, progress, listening, attached, phase = range(5)
    said = {
        "result": (result, "{'outcome': <'completed'>, 'device-states': <['stopped']>, 'statistics': <{'bytes': <uint64 5>, "
                           "'seconds': <0.5>, 'rounds': <uint32 1>}>}"),
        "failed": (result, "{'outcome': <'failed'>, 'error': <'org.vferry1.Error.Peer'>, 'message': <'gone \\u001b[m'>, "
                           "'device-states': <['failed-needs-reset', 'running']>}"),
        "inspect": (result, "{'outcome': <'completed'>, 'flags': <['stop-copy', 'p2p', 'pre-copy']>, 'data-size': <uint64 9>, "
                            "'state': <'RUNNING'>}"),
        "progress": (progress, "{'done': <uint64 1>, 'total': <uint64 2>, 'rate': <uint64 3>, 'round': <uint32 4>, "
                               "'dirty': <uint64 5>, 'initial-left': <uint64 6>, 'expected-downtime': <uint64 7>, "
                               "'devices': <[uint64 1, 2]>}"),
        "listening": (listening, "{'address': <'fe80::1%eth0'>, 'port': <uint16 49152>}"),
        "attached": (attached, "{'peer-address': <'10.77.0.1'>}"),
        "phase": (phase, "{'phase': <'pre-copy'>}"),
    }
    seeds = {name: bytes([verb]) + text.encode() for name, (verb, text) in said.items()}
    seeds["datagram"] = b"\x80phase\0" + bytes(2) + b"phase\0\0\0pre-copy\0\0s\x06\x13\x06"
    return seeds


def for_record() -> dict[str, bytes]:
    lines = (b"begin {'job': <'0d5f3b2e-7c41-4d0a-9f6e-2f1c6a3b9d10'>, 'uid': <uint32 0>, 'devices': <['x']>}\n"
             b"loaded @a{sv} {}\ncommit @a{sv} {}\n")
    return {"lines": b"\x01" + lines, "torn": b"\x01" + lines + b"star", "damaged": b"\x00" + lines, "empty": b"\x00",
            "zeros": b"\x00" + bytes(32), "right": b"\x00commit @a{sv} {} ad6c4ea51bd1dc7a\n"}


def for_qmp() -> dict[str, bytes]:
    """A greeting, answers and events, and what ends the conversation."""
    greeted, three = b"\x01", b"\x07"
    answer = b'{"id": 2, "return": {"status": "active", "expected-downtime": 300, "ram": {"transferred": 4096, ' \
             b'"remaining": 8192, "dirty-sync-count": 2, "dirty-pages-rate": 7, "mbps": 1.5}, "vfio": {"transferred": 96}}}'
    return {
        "answer": three + answer + b'\r\n{"id": 3, "return": {"status": "running", "running": true}}',
        "event": greeted + b'{"event": "MIGRATION", "data": {"status": "setup"}, "timestamp": {"seconds": 1}}\r\n',
        "refusal": three + b'{"id": 2, "error": {"class": "CommandNotFound", "desc": "no \\u001b[1m"}}',
        "large": three + b'{"id": 2, "return": {"a": 18446744073709551615, "b": -9223372036854775809, "c": 9223372036853727232}}',
        "pretty": greeted + b'{\n    "event": "a}b\\"{",\n    "data": {\n    }\n}\n',
        "ungreeted": b'\x00{"QMP": {"version": {"qemu": {"micro": 0, "minor": 1, "major": 11}}, "capabilities": []}}',
        "nobody-asked": greeted + b'{"id": 9, "return": {}}',
        "no-json": greeted + b"SSH-2.0-x\r\n",
    }


def for_resume() -> dict[str, bytes]:
    """What was left unread, whole or not, before an answer."""
    answered = b"\x02"
    version = b'{"return": {"qemu": {"micro": 0, "minor": 1, "major": 11}, "package": ""}, "id": 1}\r\n'
    return {
        "nothing": answered,
        "tail": answered + b'turn": {"a": "}{"}, "id": 7}\r\n{"event": "STOP"}\r\n',
        "pretty": answered + b'    "a": 1\r\n    }\r\n}\r\n{\r\n    "event": "STOP"\r\n}\r\n',
        "pretty-answer": b'\x00{\r\n    "return": {\r\n        "qemu": {\r\n            "micro": 0,\r\n            "minor": 1,\r\n'
                         b'            "major": 11\r\n        }\r\n    },\r\n    "id": 1\r\n}\r\n',
        "own-answer": b"\x01" + version + b'{"return": {}, "id": 2}',
        "reset": answered + b'{"error": {"class": "GenericError", "desc": "JSON parse error, stray"}}\r\n\xff\n',
        "lines": answered + b"{\n{\n}\n{\n\n",
        "zeros": answered + b"{\0\n}\n\0\n",
    }


def for_look() -> dict[str, bytes]:
    """Answers in the order in which a look asks: a guest with a device behind a root port, and what goes wrong."""
    ids = [b'{"name": "web"}', b'{"UUID": "00000000-0000-0000-0000-000000000000"}', b'{"base-memory": 4096, "plugged-memory": 0}',
           b'{"status": "running", "running": true}', b'"pc-q35-10.0-machine"']
    pci = b'[{"bus": 0, "devices": [{"bus": 0, "slot": 2, "function": 0, "qdev_id": "rp", "pci_bridge": {"bus": {}, "devices": ' \
          b'[{"bus": 1, "slot": 0, "function": 0, "qdev_id": "d"}]}}]}]'
    device = [b'[{"name": "d", "type": "child<vfio-pci>"}]', b'"/sys/bus/mdev/devices/5C01b7a8-0000-4000-8000-000000000001"',
              b'"/machine/peripheral/rp/rp"', b"0", b'"/machine/q35/pcie.0"', b"16"]
    rest = [b"[]", b'{"status": "none", "blocked-reasons": ["5c01b7a8-0000-4000-8000-000000000001: no \\u001b[1m", 7]}',
            b'[{"capability": "return-path", "state": false}, {"capability": "multifd", "state": true}]']
    cooked = b"\0"
    whole = [*ids, pci, *device, *rest]
    raw = b"".join(b'{"return": %s, "id": %d}\r\n' % (answer, number + 2) for number, answer in enumerate(whole))
    return {
        "whole": cooked + b"\0".join(whole),
        "raw": b"\x01" + raw + b'{"event": "STOP"}',
        "none": cooked + b"\0".join([*ids, b"[]", b"[]", *rest]),
        "cut": cooked + b"\0".join(whole[:7]),
        "odd": cooked + b"\0".join([b"[]", b"7", b"{}", ids[3], b"{}", b"{}", b"7", *rest]),
        "endless": cooked + b"\0".join([*ids, pci, device[0], b'""', b'"host"', *[b'"/machine/peripheral/d/d"', b"0"] * 9, *rest]),
        "other-side": b"\x02" + SUBJECT,
    }


def main() -> None:
    folder = Path(sys.argv[1])
    seeds: dict[str, dict[str, bytes]] = {
        "destination": small_destination(), "source": small_source(), "frame": for_frame(),
        "mover-message": for_mover_message(), "qmp": for_qmp(), "resume": for_resume(), "look": for_look(),
        "record": for_record(), **documents()}
    for path in sorted(CAPTURES.glob("*.stream")):
        name, side = path.name.split(".")[:2]
        if side == "source":
            seeds["destination"].update(for_destination(name, path.read_bytes()))
        else:
            seeds["source"].update(for_source(name, path.read_bytes()))
    for target, inputs in seeds.items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for name, data in inputs.items():
            (folder / target / f"seed-{name}.bin").write_bytes(data)


if __name__ == "__main__":
    main()
