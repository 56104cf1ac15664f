# SPDX-License-Identifier: LGPL-2.1-or-later
"""Devices made, looked into and removed by hand, without a migration."""

from __future__ import annotations

import json

from rig.ferry import MDEVS, expect
from rig.scenario import Context, scenario

BUS = ("debian", "between the bus, the daemon and the journal; no kernel decides it")


@scenario(deadline=60, mtty=False, only_on=BUS)
def create_probe_remove(ctx: Context) -> None:
    """The kernel has what was asked for, a probe opens it once, and nothing is left of it."""
    uuid = ctx.a.output("vferryctl create vferry_testdev vferry.org/testdev state-size=65536 banks=2")
    listed = json.loads(ctx.a.output(f"vferryctl show {uuid} --json"))
    expect(listed["parameters"]["state-size"] == "65536" and listed["parameters"]["banks"] == "2",
           f"it is what was asked for: {listed['parameters']}")
    expect(ctx.a.output(f"cat {MDEVS}/{uuid}/testdev/state_size") == "65536", "the kernel has the value")
    expect(ctx.a.output(f"cat {MDEVS}/{uuid}/testdev/opens") == "0", "making it opens nothing")
    probed = ctx.a.output(f"vferryctl probe {uuid}")
    expect(probed.startswith(f"{uuid} migrates: stop-copy"), f"a probe tells: {probed}")
    expect(ctx.a.output(f"cat {MDEVS}/{uuid}/testdev/opens") == "1", "a probe opens it once")
    expect(ctx.a.output(f"vferryctl remove {uuid[:8]}") == f"removed {uuid}", "it is removed by a prefix of its id")
    ctx.a.run(f"test ! -e {MDEVS}/{uuid}")


@scenario(deadline=60, mtty=False, only_on=BUS)
def others_are_refused(ctx: Context) -> None:
    """An ordinary user learns which action is missing and how to get it; nothing is made."""
    result = ctx.a.run("vferryctl create vferry_testdev vferry_testdev-1", user="alice", status=4)
    for words in ("org.vferry1.manage-devices", "/usr/share/vferry/vferry-group.rules /etc/polkit-1/rules.d/"):
        expect(words in result.error_text, f"“{words}” is in {result.error_text}")
    expect(ctx.a.output(f"ls {MDEVS}") == "", "nothing was made")
