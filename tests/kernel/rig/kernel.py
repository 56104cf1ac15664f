# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's prebuilt kernel, and the few of its modules that the guests load."""

from __future__ import annotations

import ctypes
import dataclasses
import lzma
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from . import debs, newc
from .apt import Archive
from .cache import Cache, key_of, note
from .errors import RigError
from .manifest import Manifest, identity

# What the guests need beyond what is built in; what these depend on comes with them.
WANTED = ("vfio_iommu_type1", "vfio", "mdev", "virtio_net", "vfio_pci", "autofs4",
          "sch_netem", "igb", "igbvf")
METADATA = ("modules.builtin", "modules.builtin.modinfo", "modules.order")


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A kernel image and its modules, as files, and what more modules are built against."""

    name: str
    release: str
    image: Path
    modules: Path
    identity: str
    tree: Callable[[], Path]


def _module_name(path: str) -> str:
    return Path(path).name.removesuffix(".ko.xz").replace("-", "_")


def _dependencies(module: bytes) -> list[str]:
    """The names in the module's own `depends` (.modinfo, include/linux/module.h)."""
    match = re.search(rb"\0depends=([^\0]*)\0", module)
    if match is None or not match.group(1):
        return []
    return [name.replace("-", "_") for name in match.group(1).decode("ascii").split(",")]


def _extract_modules(archive: tarfile.TarFile, target: Path) -> None:
    members = {_module_name(member.name): member for member in archive.getmembers()
               if member.name.endswith(".ko.xz")}
    todo = list(WANTED)
    done: set[str] = set()
    while todo:
        name = todo.pop()
        if name in done:
            continue
        done.add(name)
        if name not in members:
            raise RigError(f"Debian's kernel package has no module {name}")
        stream = archive.extractfile(members[name])
        assert stream is not None
        module = lzma.decompress(stream.read())
        inside = members[name].name.split("/kernel/", 1)[1].removesuffix(".xz")
        path = target / "kernel" / inside
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(module)
        todo += _dependencies(module)


def _uncompressed(image: bytes) -> bytes:
    """The ELF kernel inside a bzImage, so that no guest has to decompress it, emulated.

    The offsets are those of Documentation/arch/x86/boot.rst. QEMU boots it by its PVH entry point.
    Debian compresses with zstd, which Python lacks but apt brings along.
    """
    setup = (image[0x1f1] or 4) * 512 + 512
    offset, length = (int.from_bytes(image[at:at + 4], "little") for at in (0x248, 0x24c))
    payload = image[setup + offset:setup + offset + length]
    if payload[:4] != b"\x28\xb5\x2f\xfd":
        raise RigError("the kernel is not compressed with zstd")
    size = int.from_bytes(payload[-4:], "little")
    library = ctypes.CDLL("libzstd.so.1")
    library.ZSTD_decompress.restype = ctypes.c_size_t
    library.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p,
                                        ctypes.c_size_t]
    buffer = ctypes.create_string_buffer(size)
    written = library.ZSTD_decompress(buffer, size, payload[:-4], len(payload) - 4)
    if written != size or buffer.raw[:4] != b"\x7fELF":
        raise RigError(f"the kernel's payload of {len(payload)} bytes is not {size} bytes of ELF")
    return buffer.raw


def _extract(deb: Path, release: str, target: Path) -> None:
    modules = target / "modules"
    modules.mkdir(parents=True)
    with tempfile.TemporaryFile() as unpacked:
        with debs.contents(deb) as package:
            shutil.copyfileobj(package, unpacked, 1 << 20)
        unpacked.seek(0)
        with tarfile.open(fileobj=unpacked, mode="r:") as archive:
            for member in archive.getmembers():
                name = Path(member.name).name
                if name != f"vmlinuz-{release}" and name not in METADATA:
                    continue
                stream = archive.extractfile(member)
                assert stream is not None
                if name in METADATA:
                    (modules / name).write_bytes(stream.read())
                else:
                    (target / "vmlinux").write_bytes(_uncompressed(stream.read()))
            _extract_modules(archive, modules)


def headers(cache: Cache, archive: Archive, manifest: Manifest) -> Path:
    """The folder to build modules against; its absolute paths lead into the cache."""

    key = key_of(Path(__file__), identity(manifest.headers))
    inside = f"usr/src/linux-headers-{manifest.release}"

    def make(fresh: Path) -> None:
        note(f"unpacking the headers of kernel {manifest.release}")
        for deb in archive.download(manifest.headers):
            debs.unpack(deb, fresh)
        # The package expects to live in /usr/src; `include` knows no path relative to its file.
        makefile = fresh / inside / "Makefile"
        text = makefile.read_text(encoding="utf-8")
        makefile.write_text(text.replace(" /usr/src/", f" {cache.root}/headers/{key}/usr/src/"),
                            encoding="utf-8")

    return cache.entry("headers", key, make) / inside


def load(cache: Cache, archive: Archive, manifest: Manifest) -> Kernel:
    """Debian's kernel, from the cache or from its package."""

    def make(fresh: Path) -> None:
        deb = archive.download([manifest.kernel])[0]
        note(f"unpacking kernel {manifest.release}")
        _extract(deb, manifest.release, fresh)

    key = key_of(Path(__file__), identity([manifest.kernel]))
    entry = cache.entry("kernel", key, make)
    return Kernel("debian", manifest.release, entry / "vmlinux", entry / "modules",
                  identity(manifest.headers), lambda: headers(cache, archive, manifest))


def module_archive(cache: Cache, kernel: Kernel, extra: list[Path]) -> Path:
    """An archive with /lib/modules: the kernel's, ours beside them, and depmod's indexes."""

    def make(fresh: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="vferry-depmod-") as folder:
            inside = Path(folder) / "lib/modules" / kernel.release
            shutil.copytree(kernel.modules, inside)
            (inside / "updates").mkdir()
            for module in extra:
                shutil.copy(module, inside / "updates" / module.name)
            _depmod(folder, kernel.release)
            tree = newc.Tree()
            tree.folder(inside, f"usr/lib/modules/{kernel.release}")
            with open(fresh, "wb") as output:
                tree.write(output)

    key = key_of(Path(__file__), str(kernel.modules), *extra)
    return cache.entry(f"module-archive-{kernel.name}", key, make)


def _depmod(folder: str, release: str) -> None:
    tool = shutil.which("depmod", path="/usr/sbin:/sbin:/usr/bin")
    if tool is None:
        raise RigError("depmod is not there; install kmod")
    done = subprocess.run([tool, "-b", folder, release], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=120.0, check=False)
    if done.returncode != 0:
        raise RigError(f"depmod failed with {done.returncode}:\n{done.stderr}")
