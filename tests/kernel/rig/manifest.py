# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which packages the rig is made of, resolved once to exact versions and checksums."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path

from .apt import SUITES, Archive, Package
from .cache import Cache, key_of, note
from .errors import RigError

BACKPORTS = SUITES[1]

# What a guest runs; apt adds what these depend on.
ROOT_SEEDS = (
    "bash", "bsdutils", "coreutils", "dash", "dbus", "findutils", "grep", "hostname", "iproute2",
    "iputils-ping", "kmod", "libc-bin", "libglib2.0-0", "libjson-glib-1.0-0",
    "libpolkit-gobject-1-0", "libgnutls30", "libseccomp2", "libudev1", "libxml2", "libxml2-utils",
    "libxxhash0", "mawk", "openssh-client", "openssh-server", "polkitd", "procps", "sed",
    "systemd", "systemd-sysv", "udev", "util-linux",
)
# What those depend on only to be installed or configured, which nobody does here.
ROOT_UNWANTED = re.compile(
    r"(perl.*|libperl.*|libfile-find-rule-perl|libtext-glob-perl|libnumber-compare-perl|apt|gpgv"
    r"|dpkg|debconf|ucf|usrmerge|adduser|libgdbm.*|libdb5\.3|tar|sgml-base|xml-core|lsb-base"
    r"|sensible-utils|runit-helper|gcc-12-base|sysvinit-utils|init-system-helpers|shared-mime-info"
    r"|libjson-glib-1\.0-common|dmsetup)")


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The rig's packages by purpose."""

    root: tuple[Package, ...]
    kernel: Package
    headers: tuple[Package, ...]
    source: Package
    release: str

    def to_json(self) -> str:
        """The manifest as it lies in the cache."""
        return json.dumps(dataclasses.asdict(self), indent=1)

    @staticmethod
    def from_json(text: str) -> "Manifest":
        """Read back what to_json() wrote."""
        fields = json.loads(text)
        return Manifest(
            root=tuple(Package(**package) for package in fields["root"]),
            kernel=Package(**fields["kernel"]),
            headers=tuple(Package(**package) for package in fields["headers"]),
            source=Package(**fields["source"]),
            release=fields["release"])


def identity(packages: Sequence[Package]) -> str:
    """A text that changes when any of the packages does."""
    return "\n".join(sorted(f"{package.filename} {package.sha256}" for package in packages))


def _resolve(archive: Archive) -> Manifest:
    archive.refresh()
    root = [name for name in archive.closure(ROOT_SEEDS) if not ROOT_UNWANTED.fullmatch(name)]
    image = archive.depends("linux-image-amd64", BACKPORTS)[0]
    headers = archive.depends("linux-headers-amd64", BACKPORTS)[0]
    release = image.removeprefix("linux-image-")
    version = re.match(r"\d+\.\d+", release)
    if version is None or headers != f"linux-headers-{release}":
        raise RigError(f"backports have the kernel {image} but the headers {headers}; "
                       "both must be of one release")
    header_parts = [name for name in archive.depends(headers, BACKPORTS)
                    if name.startswith(("linux-headers-", "linux-kbuild-"))]
    source = f"linux-source-{version.group()}"
    located = {package.name: package for package in
               archive.locate([*root, image, headers, *header_parts, source])}
    archive.forget_lists()
    return Manifest(root=tuple(located[name] for name in sorted(root)), kernel=located[image],
                    headers=tuple(located[name] for name in [headers, *header_parts]),
                    source=located[source], release=release)


def load(cache: Cache, archive: Archive, refresh: bool = False) -> Manifest:
    """The manifest, resolved with the archive the first time and from the cache afterwards."""
    key = key_of(Path(__file__), " ".join(SUITES))
    path = cache.root / "manifest" / key
    if refresh:
        path.unlink(missing_ok=True)

    def make(fresh: Path) -> None:
        note(f"resolving the rig's packages in {' and '.join(SUITES)}")
        fresh.write_text(_resolve(archive).to_json(), encoding="utf-8")

    return Manifest.from_json(cache.entry("manifest", key, make).read_text(encoding="utf-8"))
