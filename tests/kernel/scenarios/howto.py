# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the documents tell people to do, done as it stands there."""

from __future__ import annotations

from pathlib import Path

from rig.ferry import MDEVS, expect, mdevs
from rig.guestvm import FIRST_SLOT, MARKER, journey
from rig.howto import follow, steps
from rig.scenario import Context, scenario

DOCS = Path(__file__).resolve().parents[3] / "docs"
SAYS = "/run/web1.says"
CHANGED = f"/etc/vferry/guests /etc/vferry/vferry.conf /etc/systemd/system/vferry-guest@.service /run/vferry-guest {SAYS}*"


@scenario(deadline=240, qemu=True)
def qemu(ctx: Context) -> None:
    """A guest goes there and back by the commands of docs/howto-qemu.md alone, and is the same guest, with its devices' state."""

    def undo() -> None:
        for host in ctx.hosts:
            host.try_run(f"systemctl stop vferry-guest@web1 vferry-accept.socket; systemctl disable vferry-accept.socket; rm -rf {CHANGED}; "
                         "systemctl daemon-reload; systemctl restart vferryd")

    ctx.defer(undo)
    document = DOCS / "howto-qemu.md"
    told = [step for step in steps(document.read_text("utf-8")) if "domain migrate" in step.command]
    expect(len(told) == 2, "the document moves it there and back")
    follow(document, ctx.hosts)
    ctx.a.wait_until(f"test $(wc -l <{SAYS}) -gt 4")
    first, last = ctx.a.output(f"ls -tr {SAYS}.*").split()
    texts = [host.read(path).decode() for host, path in ((ctx.a, first), (ctx.b, SAYS), (ctx.a, last))]
    wanted = {FIRST_SLOT: MARKER & 0xFF, FIRST_SLOT + 1: MARKER}
    expect(all(report.markers == wanted for report in journey(*texts)), "each device has its marker all the way")
    expect(len(mdevs(ctx.a)) == 2, "at harbour-a it has two devices: those that it left there have gone")
    ctx.b.wait_until(f'test -z "$(ls {MDEVS})"')
