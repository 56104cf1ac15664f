# SPDX-License-Identifier: LGPL-2.1-or-later
"""PCI functions on the bus: a card with SR-IOV behind an IOMMU, and VFIO's driver bound to its functions."""

from __future__ import annotations

import json
from typing import Any

from rig.card import BRIDGE, NEIGHBOURS, PF, VFS
from rig.ferry import create, expect
from rig.host import Host
from rig.scenario import Context, scenario

FUNCTIONS = "/sys/bus/pci/devices"
DRIVER = "vfio-pci"
SLEEPS = ("debian", "the small kernel has no power management, by which an open shows")


def bind(host: Host, address: str, driver: str = DRIVER) -> None:
    """Bind a driver to a function that has none, as driverctl and libvirt do."""
    host.write(f"{FUNCTIONS}/{address}/driver_override", driver)
    host.write("/sys/bus/pci/drivers_probe", address)


def unbind(host: Host, address: str) -> None:
    """Take a function's driver away, and any wish for one."""
    host.write(f"{FUNCTIONS}/{address}/driver/unbind", address)
    host.write(f"{FUNCTIONS}/{address}/driver_override", "\n")


def make_functions(ctx: Context, *bound: str) -> Host:
    """Have the card's virtual functions made, until the scenario ends, and VFIO's driver bound to these."""
    host = ctx.a
    host.run("modprobe -a igb vfio_pci")
    ctx.defer(lambda: host.write(f"{FUNCTIONS}/{PF}/sriov_numvfs", "0"))
    host.write(f"{FUNCTIONS}/{PF}/sriov_drivers_autoprobe", "0")
    host.write(f"{FUNCTIONS}/{PF}/sriov_numvfs", str(len(VFS)))
    for address in bound:
        bind(host, address)
    return host


def take(ctx: Context, address: str) -> None:
    """Bind VFIO's driver to a function that the host uses, until the scenario ends."""
    host = ctx.a

    def give_back() -> None:
        unbind(host, address)
        host.write("/sys/bus/pci/drivers_probe", address)

    host.run("modprobe vfio_pci")
    if host.exists(f"{FUNCTIONS}/{BRIDGE}/driver"):  # its hot plug is a driver of the host's, too
        unbind(host, BRIDGE)
    unbind(host, address)
    ctx.defer(give_back)
    bind(host, address)


def listed(host: Host, what: str = "devices") -> dict[str, dict[str, Any]]:
    """What vferryctl lists, by id."""
    text = host.output("vferryctl list --json" + ("" if what == "devices" else f" --{what}"))
    return {one["id"]: one for one in json.loads(text)[what]}


def wait_for(host: Host, address: str) -> None:
    """Wait until a function is a device, with all that belongs to one."""
    host.wait_until(f"vferryctl show {address} | grep -q 'kind.*pci' && "
                    f"vferryctl show {address} | grep -q {DRIVER}", timeout=15)


def wait_until_gone(host: Host, address: str) -> None:
    """Wait until a function is no device."""
    host.wait_until(f"! vferryctl show {address}", timeout=15)


def numa_node(host: Host) -> int:
    """The card's memory node; a kernel without NUMA knows none."""
    return 0 if host.exists("/sys/devices/system/node/node0") else -1


def wait_for_state(host: Host, address: str, state: str) -> None:
    """Wait until other hosts are told so, by a document that may be a second old: only an idle function is an offer."""
    document = f"vferryctl capabilities | xmllint --xpath \"string(//*[@id='{address}']/@state)\" -"
    host.wait_until(f"test \"$({document})\" = {state}", timeout=15)


def open_time(host: Host, address: str) -> int:
    """How long a function has been awake: VFIO's driver lets it sleep while nobody has it open."""
    return int(host.read(f"{FUNCTIONS}/{address}/power/runtime_active_time"))


@scenario(card=True, deadline=90, deep_on=("debian",))
def functions_come_and_go(ctx: Context) -> None:
    """Virtual functions appear as devices when VFIO's driver is bound, and go when it is unbound."""
    ctx.a.run("systemctl start vferryd")
    monitor = ctx.a.spawn("exec vferryctl monitor --json", timeout=80)
    host = make_functions(ctx, *VFS[:2])
    parent = listed(host, "parents")[PF]
    node = numa_node(host)
    expect((parent["kind"], parent["driver"], parent["numa_node"], parent["offers"]) == ("pci", "igb", node, []),
           f"the card's physical function is a parent: {parent}")
    for address in VFS[:2]:
        wait_for(host, address)
        device = json.loads(host.output(f"vferryctl show --json {address}"))
        group = host.output(f"basename $(readlink {FUNCTIONS}/{address}/iommu_group)")
        name = host.output(f"ls {FUNCTIONS}/{address}/vfio-dev")
        said = {key: device[key] for key in ("kind", "address", "uuid", "parent", "driver", "iommu_group",
                                             "numa_node", "vfio_dev", "model", "state")}
        expect(said == {"kind": "pci", "address": address, "uuid": "", "parent": parent["path"], "driver": DRIVER,
                        "iommu_group": int(group), "numa_node": node, "vfio_dev": name, "model": "",
                        "state": "unknown"}, f"the device is described: {device}")
    expect(VFS[2] not in listed(host), "a function without a driver is no device")
    before = listed(host)[VFS[0]]["path"]
    unbind(host, VFS[0])
    wait_until_gone(host, VFS[0])
    bind(host, VFS[0])
    wait_for(host, VFS[0])
    expect(listed(host)[VFS[0]]["path"] != before, "bound again, it is another device")
    host.write(f"{FUNCTIONS}/{PF}/sriov_numvfs", "0")
    for address in VFS[:2]:
        wait_until_gone(host, address)
    expect(PF in listed(host, "parents"), "the parent stays")
    for address in VFS[:2]:
        expect(address in monitor.out.decode(), f"the monitor saw {address}")


@scenario(card=True, deep_on=("small",))
def functions_that_were_there(ctx: Context) -> None:
    """A daemon that starts late finds them, beside mdevs, and describes them as the schema says."""
    host = make_functions(ctx, VFS[0])
    host.run("modprobe igbvf")
    bind(host, VFS[1], "igbvf")
    uuid = create(host, "vferry_testdev-1")
    host.run("systemctl restart vferryd")
    expect(set(listed(host)) == {VFS[0], uuid}, f"they are listed: {set(listed(host))}")
    host.run("vferryctl capabilities > /tmp/capabilities.xml", user="alice")
    host.run("xmllint --noout --relaxng /usr/share/vferry/schemas/capabilities.rng /tmp/capabilities.xml")
    host.run(f"grep -q \"device id=[\\\"']{VFS[0]}[\\\"'] kind=[\\\"']pci[\\\"']\" /tmp/capabilities.xml")
    # from the host's driver to VFIO's and back
    unbind(host, VFS[1])
    bind(host, VFS[1])
    wait_for(host, VFS[1])
    unbind(host, VFS[1])
    bind(host, VFS[1], "igbvf")
    wait_until_gone(host, VFS[1])


@scenario(card=True, only_on=SLEEPS)
def discovery_opens_no_function(ctx: Context) -> None:
    """Starting, listing and describing leaves every function asleep; opening one would wake it."""
    host = make_functions(ctx, *VFS)
    before = {address: open_time(host, address) for address in VFS}
    host.run("systemctl restart vferryd")
    for address in VFS:
        wait_for(host, address)
    host.run("vferryctl list && vferryctl list --parents && vferryctl capabilities")
    host.run("systemctl stop vferryd")
    expect({address: open_time(host, address) for address in VFS} == before, "no function has been opened")
    host.run(f"holder --exit {VFS[0]}")
    expect(open_time(host, VFS[0]) > before[VFS[0]], "this is how one would have known")


@scenario(card=True)
def probe_finds_no_migration(ctx: Context) -> None:
    """The card's functions cannot be migrated: a probe says so, and leaves the function to others."""
    host = make_functions(ctx, VFS[0])
    host.run("systemctl restart vferryd")
    wait_for(host, VFS[0])
    refused = host.run(f"vferryctl probe {VFS[0]}", status=1)
    expect("NotSupported" in refused.error_text or "cannot migrate" in refused.error_text, refused.describe())
    host.wait_until("! pgrep vferry-mover", timeout=10)
    expect(listed(host)[VFS[0]]["state"] == "unknown", "its state is what it was")
    host.run(f"holder --exit {VFS[0]}")
    lent = host.try_run(f"holder --lend --exit {VFS[0]}")
    expect(lent.status == 1 and "cannot migrate" in lent.error_text, lent.describe())
    host.run(f"holder --exit {VFS[0]}")


@scenario(card=True, only_on=SLEEPS, deadline=90)
def unbound_while_open(ctx: Context) -> None:
    """The kernel waits for whoever has the function open; on the bus it is gone at once."""
    host = make_functions(ctx, VFS[0])
    host.run("systemctl restart vferryd")
    wait_for(host, VFS[0])
    wait_for_state(host, VFS[0], "idle")
    holder = host.spawn(f"exec holder {VFS[0]}", stdin_open=True)
    host.wait_until(f"grep -q active {FUNCTIONS}/{VFS[0]}/power/runtime_status")
    wait_for_state(host, VFS[0], "open")
    unbinding = host.spawn(f"echo {VFS[0]} > {FUNCTIONS}/{VFS[0]}/driver/unbind", timeout=50)
    wait_until_gone(host, VFS[0])
    expect(unbinding.running, "the kernel waits")
    holder.kill()
    expect(unbinding.wait().ok, "the kernel is done when it is closed")


@scenario(card=True)
def group_with_a_host_driver(ctx: Context) -> None:
    """Of a group that the host uses too no function can be opened, and the refusal names whose fault it is."""
    host = ctx.a
    first, second = NEIGHBOURS
    group = host.output(f"readlink {FUNCTIONS}/{first}/iommu_group")
    expect(group == host.output(f"readlink {FUNCTIONS}/{second}/iommu_group"), "both are in one group")
    host.run("systemctl restart vferryd")
    take(ctx, first)
    wait_for(host, first)
    refused = host.run(f"vferryctl probe {first}", status=1)
    expect(f"{second} (virtio-pci)" in refused.error_text, refused.describe())
    take(ctx, second)
    wait_for(host, second)
    expect(len({listed(host)[address]["iommu_group"] for address in NEIGHBOURS}) == 1, "they show their group")
    refused = host.run(f"vferryctl probe {first}", status=1)
    expect("cannot migrate" in refused.error_text, refused.describe())


@scenario(card=True, only_on=("small", "Debian's kernels have no debugfs for VFIO"))
def debugfs_tells(ctx: Context) -> None:
    """Whether a device migrates is known from debugfs before anybody opens it."""
    host = ctx.a
    function = NEIGHBOURS[0]
    take(ctx, function)
    uuid = create(host, "vferry_testdev-1")
    host.run("systemctl restart vferryd")
    wait_for(host, function)
    devices = listed(host)
    expect((devices[function]["migration"], devices[function]["migration_source"]) == ([], "debugfs"),
           f"the function cannot: {devices[function]}")
    expect((devices[uuid]["migration"], devices[uuid]["migration_source"]) == (["stop-copy"], "debugfs"),
           f"the mdev can: {devices[uuid]}")
    expect(host.read(f"/sys/bus/mdev/devices/{uuid}/testdev/opens").strip() == b"0", "nobody has opened it")
    host.run(f"vferryctl probe {uuid}")
    probed = listed(host)[uuid]
    expect("pre-copy" in probed["migration"] and probed["migration_source"] == "probe", f"a probe knows: {probed}")
