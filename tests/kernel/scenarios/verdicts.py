# SPDX-License-Identifier: LGPL-2.1-or-later
"""What vferry says of two devices is what the kernel then does, for every pair of what there is."""

from __future__ import annotations

import shlex
import time
import uuid as uuids
from typing import NamedTuple

from rig.ferry import MDEVS, expect, parent_of
from rig.host import Host
from rig.scenario import Context, scenario

SAME = ("debian", "both kernels load the same modules; the programs open groups")
FOLDER = "/run/verdicts"
LAYOUTS = ("none", "info", "models")
TYPE_1 = "vferry_testdev-1"
TYPE_2 = "vferry_testdev-2"
STOP_COPY = "vferry_testdev-stopcopy"
LITE = "vferry.org/testdev-lite"
CARD = "vferry.org/testdev-card"
YES = ("identical", "superset")


class Configuration(NamedTuple):
    """A device: its type, and what is written to its files before it is opened."""

    name: str
    layout: str
    type_id: str
    writes: tuple[tuple[str, str], ...] = ()

    @property
    def uuid(self) -> str:
        """The same each time, so that it can be made again."""
        return str(uuids.uuid5(uuids.NAMESPACE_DNS, f"{self.name}.vferry.org"))


CONFIGURATIONS = (
    Configuration("mtty-1", "none", "mtty-1"),
    Configuration("mtty-2", "none", "mtty-2"),
    Configuration("one-bank", "none", TYPE_1),
    Configuration("small", "none", TYPE_1, (("testdev/state_size", "65536"),)),
    Configuration("two-banks", "none", TYPE_2),
    Configuration("stop-copy", "none", STOP_COPY),
    Configuration("info", "info", TYPE_1),
    Configuration("info-small", "info", TYPE_1, (("migration/pages", "16"),)),
    Configuration("info-filters", "info", TYPE_1, (("migration/filters", "32"),)),
    Configuration("info-no-rss", "info", TYPE_1, (("migration/rss", "0"),)),
    Configuration("info-sealed", "info", TYPE_1, (("migration/mode", "sealed"),)),
    Configuration("info-two-banks", "info", TYPE_2),
    Configuration("info-stop-copy", "info", STOP_COPY),
    Configuration("models-1-v1", "models", TYPE_1, (("migration/version", "1-v1"),)),
    Configuration("models-1-v2", "models", TYPE_1),
    Configuration("models-2-v1", "models", TYPE_2, (("migration/version", "2-v1"),)),
    Configuration("models-stop-copy", "models", STOP_COPY,
                  (("migration/device_model", CARD),)),
    Configuration("models-lite", "models", STOP_COPY, (("migration/device_model", LITE),)),
)


def of_layout(layout: str) -> list[Configuration]:
    """Those that exist while the module has this layout."""
    return [item for item in CONFIGURATIONS if item.layout == layout]


def board(layout: str) -> str:
    """The module with a layout, and its devices."""
    lines = ["set -eu", f'for d in {MDEVS}/*; do [ ! -e "$d" ] || echo 1 > "$d/remove"; done',
             "modprobe -r vferry_testdev", f"modprobe vferry_testdev layout={layout}"]
    for item in of_layout(layout):
        types = f"/sys/class/mdev_bus/{parent_of(item.type_id)}/mdev_supported_types"
        lines.append(f"printf {item.uuid} > {types}/{item.type_id}/create")
        lines += [f"printf {shlex.quote(value)} > {MDEVS}/{item.uuid}/{path}"
                  for path, value in item.writes]
    return "\n".join([*lines, "udevadm settle", f"mkdir -p {FOLDER}", f"cd {FOLDER}", ""])


def save_all(host: Host, layout: str) -> None:
    """The state of each device of a layout, and the capabilities that vferryd tells meanwhile."""
    devices = of_layout(layout)
    saves = [f"state-file save {item.uuid} {item.name}.state" for item in devices]
    host.run(board(layout) + "\n".join([*saves, "systemctl restart vferryd"]), timeout=120)
    known = " && ".join(f"grep -q {item.uuid} {layout}.xml" for item in devices)
    host.wait_until(f"cd {FOLDER} && vferryctl capabilities > {layout}.xml && {known}", timeout=60)


def load_all(host: Host, layout: str) -> dict[tuple[str, str], str]:
    """What the kernel says when each state is loaded into each device of a layout."""
    files = " ".join(f"{item.name}.state" for item in CONFIGURATIONS)
    loads = [f"state-file load {item.uuid} {files}" for item in of_layout(layout)]
    names = {item.uuid: item.name for item in CONFIGURATIONS}
    answers = {}
    for line in host.output(board(layout) + "\n".join(loads), timeout=120).splitlines():
        uuid, file, answer = line.split(" ", 2)
        answers[file.removesuffix(".state"), names[uuid]] = answer
    return answers


def compare_all(host: Host) -> dict[tuple[str, str], str]:
    """What vferry says of the same pairs."""
    sides = " ".join(f"{item.layout}.xml {item.uuid}" for item in CONFIGURATIONS)
    names = {item.uuid: item.name for item in CONFIGURATIONS}
    answers = {}
    for line in host.output(f"cd {FOLDER} && verdict {sides}").splitlines():
        source, there, answer = line.split(" ", 2)
        answers[names[source], names[there]] = answer
    return answers


@scenario(deadline=300, only_on=SAME)
def all_pairs(ctx: Context) -> None:
    """Of every ordered pair of 18 devices, compare says what save and load then do."""
    host = ctx.a
    started = time.monotonic()
    for layout in LAYOUTS:
        save_all(host, layout)
    done: dict[tuple[str, str], str] = {}
    for layout in LAYOUTS:
        done |= load_all(host, layout)
    said = compare_all(host)
    ctx.note(f"took {time.monotonic() - started:.1f} s")

    pairs = [(source.name, there.name) for source in CONFIGURATIONS for there in CONFIGURATIONS]
    unknown = [pair for pair in pairs if said[pair].split()[0] == "unknown"]
    false_yes = [pair for pair in pairs if said[pair].split()[0] in YES and done[pair] != "ok"]
    false_no = [pair for pair in pairs
                if said[pair].split()[0] == "incompatible" and done[pair] == "ok"]
    agree = len(pairs) - len(unknown) - len(false_yes) - len(false_no)
    loaded = sum(done[pair] == "ok" for pair in pairs)
    ctx.note(f"{len(pairs)} ordered pairs of {len(CONFIGURATIONS)} configurations "
             f"({len(pairs) - len(CONFIGURATIONS)} of two different ones), {loaded} load: "
             f"{agree} agree, {len(false_yes)} false yes, {len(false_no)} false no, "
             f"{len(unknown)} unknown")
    wrong = [f"{source} to {there}: vferry says {said[source, there]}, "
             f"the kernel {done[source, there]}"
             for source, there in [*false_yes, *false_no, *unknown]]
    expect(not wrong, "\n".join(wrong))
    refused = [pair for pair in pairs if done[pair] != "ok"]
    expect(len(refused) >= 40 and loaded > len(CONFIGURATIONS),
           f"both answers are there: {loaded} load, {len(refused)} are refused")
