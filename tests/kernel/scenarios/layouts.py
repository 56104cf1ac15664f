# SPDX-License-Identifier: LGPL-2.1-or-later
"""Drivers that describe themselves: the two layouts of the VFIO Migration documents."""

from __future__ import annotations

from rig.ferry import MDEVS, Ferry, create, expect, mdevs
from rig.host import Host
from rig.scenario import Context, scenario

SAME = ("debian", "the module and the daemon are the same on both kernels")
TYPE_1 = "vferry_testdev-1"
STOP_COPY = "vferry_testdev-stopcopy"
INFO = "vferry.org/testdev-info"
CARD = "vferry.org/testdev-card"
LITE = "vferry.org/testdev-lite"


def loading(layout: str) -> str:
    """Commands that load the test device's module with a layout; the next reset undoes it."""
    return (f'for d in {MDEVS}/*; do [ ! -e "$d" ] || echo 1 > "$d/remove"; done; '
            f"modprobe -r vferry_testdev && modprobe vferry_testdev layout={layout}")


def until_known(model: str) -> str:
    """Commands that wait until the daemon knows a model."""
    return f"until vferryctl capabilities | grep -q 'model=\"{model}\"'; do sleep 0.1; done"


def with_layout(ctx: Context, layout: str) -> None:
    """Both hosts have it."""
    for process in [host.spawn(loading(layout), timeout=30) for host in ctx.hosts]:
        result = process.wait()
        expect(result.ok, result.describe())


def attribute(host: Host, uuid: str, name: str) -> str:
    """An attribute of an mdev."""
    return host.output(f"cat {MDEVS}/{uuid}/{name}")


@scenario(deadline=120, mtty=False, only_on=SAME)
def described(ctx: Context) -> None:
    """A running daemon hears of a driver's own models, and shows them in place of descriptors'."""
    host = ctx.a
    host.run(until_known("vferry.org/testdev"))
    host.run(f"{loading('info')} && {until_known(INFO)}")
    shown = host.output("vferryctl capabilities")
    expect('source="kernel"' in shown, f"the kernel is the source: {shown}")
    expect('id="vferry.org/testdev"' not in shown, f"no descriptor's model is in use: {shown}")
    models = host.output("busctl tree --list org.vferry1 | grep /model/ | while read -r path; do "
                         "busctl get-property org.vferry1 $path org.vferry1.Model Id; done")
    expect(INFO in models, f"the model is on the bus: {models}")

    host.run(f"{loading('models')} && {until_known(LITE)}")
    shown = host.output("vferryctl capabilities")
    for offer in (f"{STOP_COPY}/{CARD}", f"{STOP_COPY}/{LITE}", f"{TYPE_1}/1-v2"):
        expect(f'id="vferry_testdev/{offer}"' in shown, f"{offer} is offered: {shown}")
    expect(INFO not in shown, f"what the module does not say any more is gone: {shown}")


@scenario(deadline=120, mtty=False, only_on=SAME)
def created(ctx: Context) -> None:
    """CreateDevice gives a device of either layout the values that were asked for."""
    host = ctx.a
    host.run(f"{loading('info')} && {until_known(INFO)}")
    uuid = host.output(f"vferryctl create vferry_testdev {TYPE_1} filters=64 mode=sealed rss=no")
    expect(attribute(host, uuid, "migration/filters") == "64", "it has 64 filters")
    expect(attribute(host, uuid, "migration/mode") == "sealed", "it is sealed")
    expect(attribute(host, uuid, "migration/rss") == "0", "it has no rss")
    refused = host.try_run(f"vferryctl create vferry_testdev {TYPE_1} filters=65")
    expect(not refused.ok and "16 to 64" in refused.error_text, refused.describe())

    host.run(f"{loading('models')} && {until_known(LITE)}")
    uuid = host.output(f"vferryctl create vferry_testdev {LITE}")
    expect(attribute(host, uuid, "migration/device_model") == LITE, "it is a lite one")
    uuid = host.output(f"vferryctl create vferry_testdev {TYPE_1} version=1-v1")
    expect(attribute(host, uuid, "migration/version") == "1-v1", "it is of the older version")


@scenario(deadline=120, mtty=False, only_on=SAME)
def parameters_cross(ctx: Context) -> None:
    """A device with parameters finds one that is made like it, all else switched off."""
    with_layout(ctx, "info")
    ferry = Ferry(ctx, ctx.a, ctx.b)
    ferry.board(TYPE_1, parameters={"filters": "32", "rss": "0", "mode": "sealed", "pages": "512"})
    ferry.cross()
    there = mdevs(ctx.b)[0]
    for name, value in {"filters": "32", "rss": "0", "mode": "sealed", "pages": "512"}.items():
        is_now = attribute(ctx.b, there, f"migration/{name}")
        expect(is_now == value, f"{name} is {value} there, not {is_now}")
    ferry.adopt()


@scenario(deadline=120, mtty=False, only_on=SAME)
def versions_cross(ctx: Context) -> None:
    """A device of a model that is not its type's default is made of the same model there."""
    with_layout(ctx, "models")
    ferry = Ferry(ctx, ctx.a, ctx.b)
    ferry.board(STOP_COPY, parameters={"device_model": LITE})
    ferry.cross()
    there = mdevs(ctx.b)[0]
    expect(attribute(ctx.b, there, "migration/device_model") == LITE, "it is a lite one")
    expect(attribute(ctx.b, there, "migration/version") == "v1", "it has the version")
    ferry.adopt()


@scenario(deadline=120, mtty=False, only_on=SAME)
def parameters_refused(ctx: Context) -> None:
    """A parameter that the type there does not have is refused before anything moves."""
    with_layout(ctx, "info")
    ferry = Ferry(ctx, ctx.a, ctx.b)
    ferry.board(TYPE_1, parameters={"filters": "32"})
    ferry.expect_failed(ferry.start(f"--type {STOP_COPY}").wait(), "filters", "32", "Incompatible")
    ferry.expect_nothing_left()
    ferry.expect_source_runs()


@scenario(deadline=120, mtty=False, only_on=SAME)
def versions_refused(ctx: Context) -> None:
    """So is a version, and a host whose driver does not know the model."""
    with_layout(ctx, "models")
    ferry = Ferry(ctx, ctx.a, ctx.b)
    ferry.board(TYPE_1)
    ferry.expect_failed(ferry.start(f"--type {STOP_COPY}").wait(), "version", "1-v2",
                        "Incompatible")
    ferry.expect_nothing_left()
    ctx.b.run(f"{loading('info')} && {until_known(INFO)}")
    ferry.expect_failed(ferry.start().wait(), CARD, "Incompatible")
    ferry.expect_nothing_left()
    ferry.expect_source_runs()


@scenario(deadline=120, mtty=False, only_on=SAME)
def module_refuses(ctx: Context) -> None:
    """The layout is one of three, and what its files say is kept while the device is open."""
    host = ctx.a
    host.run("modprobe -r vferry_testdev; ! modprobe vferry_testdev layout=other")
    host.run("modprobe vferry_testdev layout=info")
    uuid = create(host, TYPE_1)
    refused = {"filters": "15", "rss": "maybe", "mode": "open", "pages": "0", "banks": "2"}
    host.run("; ".join(f"! printf {value} > {MDEVS}/{uuid}/migration/{name} || exit 1"
                       for name, value in refused.items()))
    ferry = Ferry(ctx, ctx.a, ctx.b)
    ferry.board(TYPE_1)
    busy = {"filters": "16", "rss": "0", "mode": "sealed", "pages": "1"}
    host.run("; ".join(f"! printf {value} > {MDEVS}/{ferry.uuid}/migration/{name} || exit 1"
                       for name, value in busy.items()))
