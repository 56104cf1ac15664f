# SPDX-License-Identifier: LGPL-2.1-or-later
"""One host instead of two, with PCI devices that an IOMMU stands before."""

from __future__ import annotations

from .cache import note
from .pair import Link, Pair, Supplies
from .vm import MEMORY_MIB, Machine, Vm

# The card, an Intel 82576, and what it has when its virtual functions are made: they follow the
# first function at the offset and in the stride that its data sheet names.
PF = "0000:11:00.0"
VFS = ("0000:11:10.0", "0000:11:10.2", "0000:11:10.4")
# A bridge from PCI Express to PCI cannot tell what is behind it apart: one IOMMU group.
BRIDGE = "0000:12:00.0"
NEIGHBOURS = ("0000:13:01.0", "0000:13:02.0")

DEVICES = (
    "-device", "intel-iommu,intremap=on",
    # The card's bus is near a memory node, as it is on a machine with several sockets.
    "-object", f"memory-backend-ram,id=near,size={MEMORY_MIB}M",
    "-numa", "node,nodeid=0,memdev=near",
    "-device", "pxb-pcie,id=far,bus_nr=0x10,bus=pcie.0,numa_node=0",
    "-device", "pcie-root-port,id=berth1,bus=far,chassis=1,addr=0",
    "-device", "pcie-root-port,id=berth2,bus=far,chassis=2,addr=1",
    "-device", "igb,bus=berth1,romfile=",
    "-device", "pcie-pci-bridge,id=shared,bus=berth2",
    "-device", "virtio-rng-pci,bus=shared,addr=1",
    "-device", "virtio-rng-pci,bus=shared,addr=2",
)
# A hub with nothing else on it: this QEMU is not safe with a card that is connected to nothing.
NO_CABLE = "hubport,id=cable,hubid=1"


class Card(Pair):
    """harbour-a alone. Scenarios see it as a pair of which there is only `a`."""

    def __init__(self, supplies: Supplies) -> None:
        super().__init__(supplies)
        self.hosts = (self.a,)
        self.link = Link(self.hosts)

    def boot(self) -> None:
        """Boot it and wait until it is ready."""
        self.end()
        image = self.prepare()
        emulator = self._supplies.newer_qemu()
        self._supplies.cache.take_turn()
        machine = Machine(MEMORY_MIB, emulator.command, emulator.environment, DEVICES, ("intel_iommu=on",))
        vm = Vm(self.a.name, image, self.folder, NO_CABLE, machine)
        self.a.attach(vm)
        seconds = vm.wait_ready()
        self._checked = {}
        note(f"{self.a.name} with the card is ready after {seconds:.1f} s")
