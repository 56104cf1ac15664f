# SPDX-License-Identifier: LGPL-2.1-or-later
"""A made-up /sys with ten thousand mdevs, always the same: half of them ports of mtty cards (the kernel's sample), half vGPUs
whose driver says much of each type. It lies in a tmpfs that is mounted over /sys in a mount namespace of our own, so that
nothing stands between a program and the files; libudev has to be told that this is no sysfs (VERIFY)."""

from __future__ import annotations

import os
import subprocess
import uuid
from pathlib import Path

CARDS = 200  # of each kind
MDEVS = 25  # on each card
VGPU_TYPES = 12
VERIFY = {"SYSTEMD_DEVICE_VERIFY_SYSFS": "0"}  # systemd, docs/ENVIRONMENT.md


def _write(path: Path, **files: str) -> None:
    path.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (path / name).write_text(text, encoding="utf-8")


def _link(path: Path, target: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(os.path.relpath(target, path.parent))


class DeviceTree:
    """Makes it under `root`, which is /sys."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.number = 0
        for name in ("bus/mdev/devices", "bus/mdev/drivers", "bus/pci/devices", "class/vfio-dev", "class/mtty"):
            _write(root / name)
        _write(root / "bus/pci/drivers/nvidia")
        _write(root / "module/nvidia", version="570.133.20\n")
        _link(root / "bus/pci/drivers/nvidia/module", root / "module/nvidia")
        for i in range(CARDS):
            self._add_serial_card(i)
            self._add_graphics_card(i)

    @property
    def devices(self) -> int:
        """How many mdevs and parents there are."""
        return self.number + 2 * CARDS

    def _add_card(self, card: Path, types: dict[str, dict[str, str]], driver: str) -> None:
        _link(self.root / "class/mdev_bus" / card.name, card)
        for type_id, files in types.items():
            _write(card / "mdev_supported_types" / type_id, device_api="vfio-pci\n", create="", **files)
        names = list(types)
        for i in range(MDEVS):
            self._add_mdev(card, names[i % len(names)], driver)

    def _add_serial_card(self, i: int) -> None:
        card = self.root / f"devices/virtual/mtty/mtty{i}"
        _write(card, uevent="")
        _link(card / "subsystem", self.root / "class/mtty")
        self._add_card(card, {f"mtty-{ports}": {"name": f"{ports} port serial\n", "available_instances": f"{24 // ports}\n"}
                              for ports in (1, 2)}, "mtty")

    def _add_graphics_card(self, i: int) -> None:
        address = f"0000:{i:02x}:00.0"
        card = self.root / "devices/pci0000:00" / address
        _write(card, uevent=f"DRIVER=nvidia\nPCI_SLOT_NAME={address}\n", vendor="0x10de\n", device="0x1b38\n",
               subsystem_vendor="0x10de\n", subsystem_device="0x11d9\n", numa_node=f"{i % 2}\n", enable="1\n", **{"class": "0x030200\n"})
        _link(card / "subsystem", self.root / "bus/pci")
        _link(card / "driver", self.root / "bus/pci/drivers/nvidia")
        _link(self.root / "bus/pci/devices" / address, card)
        self._add_card(card, {f"nvidia-{156 + n}": {
            "name": f"GRID P40-{2 * n + 1}B\n", "available_instances": "12\n",
            "description": f"num_heads=4, frl_config=45, framebuffer={1024 * (n + 1)}M, max_resolution=5120x2880, max_instance={24 // (n + 1)}\n"}
            for n in range(VGPU_TYPES)}, "nvidia")

    def _add_mdev(self, card: Path, type_id: str, driver: str) -> None:
        self.number += 1
        name = str(uuid.uuid5(uuid.NAMESPACE_OID, str(self.number)))
        mdev = card / name
        _write(mdev, uevent="DRIVER=vfio_mdev\n", remove="")
        if driver == "nvidia":
            _write(mdev / "nvidia", vgpu_params="\n")
        vfio = mdev / f"vfio-dev/vfio{self.number}"
        _write(vfio, uevent="", dev=f"511:{self.number}\n")
        _link(vfio / "subsystem", self.root / "class/vfio-dev")
        _link(mdev / "subsystem", self.root / "bus/mdev")
        _link(mdev / "driver", self.root / "bus/mdev/drivers" / driver)
        _link(mdev / "mdev_type", card / "mdev_supported_types" / type_id)
        _link(mdev / "iommu_group", self.root / "kernel/iommu_groups" / str(self.number))
        _link(self.root / "bus/mdev/devices" / name, mdev)


def mount() -> DeviceTree:
    """Only in a mount namespace of our own."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/sys"], check=True, timeout=60.0)
    return DeviceTree(Path("/sys"))
