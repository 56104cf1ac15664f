# SPDX-License-Identifier: LGPL-2.1-or-later
"""A private view of Debian's archive: own sources, lists and state, nothing installed.

apt runs with a configuration of its own in the cache folder and an empty dpkg status, so that it
resolves whole closures and leaves the machine's package state alone. The mirror, the keyring and
the way to reach it (proxy, checks) are the machine's own.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import urllib.parse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from .cache import Cache, note, remove
from .errors import DownloadFailed, RigError

RELEASE = "bookworm"


def suites_of(release: str) -> tuple[str, str]:
    """A release and its backports."""
    return release, f"{release}-backports"


SUITES = suites_of(RELEASE)
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
HELPER = "/usr/lib/apt/apt-helper"
COMMAND_DEADLINE = 600.0
DOWNLOAD_ATTEMPTS = 3


@dataclasses.dataclass(frozen=True)
class Package:
    """One .deb in the archive."""

    name: str
    version: str
    filename: str
    uri: str
    size: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Mirror:
    """Where the machine gets Debian from, and the options by which it trusts it."""

    uri: str
    options: str


def _run(command: Sequence[str], environment: dict[str, str] | None = None,
         folder: Path = Path("/")) -> str:
    """Run a tool of apt's in a folder and return what it printed."""
    env = {**os.environ, "LC_ALL": "C", **(environment or {})}
    try:
        done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=COMMAND_DEADLINE, check=False)
    except FileNotFoundError as error:
        raise RigError(f"{command[0]} is not there; the rig needs Debian's apt") from error
    except subprocess.TimeoutExpired as error:
        raise RigError(f"'{' '.join(command[:3])} …' took more than {COMMAND_DEADLINE:.0f} s"
                       ) from error
    if done.returncode != 0:
        tail = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise RigError(f"'{' '.join(command[:4])} …' failed with {done.returncode}:\n{tail}")
    return done.stdout


def _trust(entry: str, uri: str) -> str:
    """The trust options of a source, of either format, in the words of the one-line format.

    `entry` is file:number, as apt names it.
    """
    path = Path(entry.rpartition(":")[0])
    text = path.read_text("utf-8", "replace") if path.is_file() else ""
    parts = text.split("\n\n") if path.suffix == ".sources" else text.splitlines()
    part = "\n".join(part for part in parts if uri in part and not part.startswith("#"))
    signed_by = re.search(r"signed-by[:=]\s*(/[^\s\]]+)", part, re.IGNORECASE)
    trusted = re.search(r"trusted[:=]\s*yes", part, re.IGNORECASE)
    keyring = signed_by.group(1) if signed_by else KEYRING
    return f"signed-by={keyring}" + (" trusted=yes" if trusted else "")


def find_mirror() -> Mirror:
    """The mirror in the machine's apt configuration that serves the release; mirrors have all of them.

    `apt-get indextargets` reads deb822 and one-line sources alike; without --no-release-info it
    would leave out what the machine has no lists of.
    """
    explicit = os.environ.get("VFERRY_DEBIAN_MIRROR")
    if explicit:
        return Mirror(explicit.rstrip("/"), f"signed-by={KEYRING}")
    listing = _run(["apt-get", "indextargets", "--no-release-info", "Created-By: Packages"])
    candidates: list[tuple[int, Mirror]] = []
    for stanza in listing.split("\n\n"):
        fields = dict(re.findall(r"^([\w-]+): (.*)$", stanza, re.MULTILINE))
        uri = fields.get("Repo-URI", "").rstrip("/")
        if fields.get("Component") != "main" or not uri.endswith("/debian"):
            continue
        if not uri.startswith(("http://", "https://", "file:", "mirror+")):
            continue
        options = _trust(fields.get("Sourcesentry", ""), uri)
        candidates.append((0 if fields.get("Release") == RELEASE else 1, Mirror(uri, options)))
    if not candidates:
        raise RigError("the machine's apt configuration names no Debian mirror; "
                       "VFERRY_DEBIAN_MIRROR can")
    return min(candidates, key=lambda candidate: candidate[0])[1]


def _transport_settings() -> list[str]:
    """How the machine reaches its mirror: the Acquire settings that are about transport."""
    wanted = ("Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::ForceIPv",
              "Acquire::Retries", "Acquire::Proxy")
    return [line for line in _run(["apt-config", "dump"]).splitlines() if line.startswith(wanted)]


class Archive:
    """apt with a configuration of its own, in the cache folder, for one release and its backports."""

    def __init__(self, cache: Cache, release: str = RELEASE) -> None:
        self._cache = cache
        self._suites = suites_of(release)
        self._folder = cache.root / ("apt" if release == RELEASE else f"apt-{release}")
        self.debs = cache.root / "debs"

    def refresh(self) -> None:
        """Write the configuration and fetch the suites' lists."""
        remove(self._folder)
        for folder in ("etc/apt.conf.d", "etc/preferences.d", "etc/trusted.gpg.d",
                       "state/lists/partial", "cache/archives/partial", "log"):
            (self._folder / folder).mkdir(parents=True)
        (self._folder / "status").touch()
        mirror = find_mirror()
        sources = [f"deb [{mirror.options}] {mirror.uri} {suite} main\n"
                   for suite in self._suites]
        (self._folder / "sources.list").write_text("".join(sources), encoding="utf-8")
        self._configure()
        self._apt("apt-get", "update")

    def forget_lists(self) -> None:
        """Drop the lists: once versions are resolved, only addresses and checksums are needed."""
        remove(self._folder / "state")
        remove(self._folder / "cache")

    def _configure(self) -> None:
        folder = self._folder
        settings = [
            f'Dir::Etc "{folder}/etc";',
            f'Dir::Etc::sourcelist "{folder}/sources.list";',
            'Dir::Etc::sourceparts "/dev/null";',
            f'Dir::State "{folder}/state";',
            f'Dir::State::status "{folder}/status";',
            f'Dir::Cache "{folder}/cache";',
            f'Dir::Log "{folder}/log";',
            'APT::Architecture "amd64";',
            'APT::Architectures "amd64";',
            'APT::Install-Recommends "false";',
            # Root's apt would drop to a user who cannot write to the cache folder.
            'APT::Sandbox::User "root";',
            'Acquire::Languages "none";',
            'Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";',
            'Debug::NoLocking "true";',
            *_transport_settings(),
        ]
        (folder / "apt.conf").write_text("\n".join(settings) + "\n", encoding="utf-8")

    def _apt(self, *command: str) -> str:
        # Not where the user is: `apt-get download` says nothing of what lies there already.
        return _run(command, {"APT_CONFIG": str(self._folder / "apt.conf")}, self._folder)

    def closure(self, names: Iterable[str]) -> list[str]:
        """The names of everything that installing these into an empty system would unpack."""
        listing = self._apt("apt-get", "install", "-y", "-qq", "--print-uris", *names)
        found = re.findall(r"^'[^']+' ([^_ ]+)_", listing, re.MULTILINE)
        if not found:
            raise RigError(f"apt resolved {' '.join(names)} to no packages at all")
        return found

    def depends(self, name: str, suite: str) -> list[str]:
        """The names in a package's Depends, first alternatives only."""
        record = self._apt("apt-cache", "show", f"{name}/{suite}")
        line = re.search(r"^Depends: (.*)$", record, re.MULTILINE)
        if line is None:
            raise RigError(f"{name} in {suite} depends on nothing; expected a metapackage")
        return [item.split()[0].split(":")[0] for item in line.group(1).split(", ")]

    def locate(self, names: Sequence[str]) -> list[Package]:
        """Address, version, size and checksum of each package; `name/suite` names a suite."""
        listing = self._apt("apt-get", "download", "-qq", "--print-uris", *names)
        packages = []
        for line in listing.splitlines():
            match = re.fullmatch(r"'([^']+)' (\S+) (\d+) SHA256:([0-9a-f]{64})", line.strip())
            if match is None:
                raise RigError(f"apt's answer '{line}' is not an address, a size and a SHA256")
            uri, filename, size, sha256 = match.groups()
            name, version, _ = urllib.parse.unquote(filename).rsplit("_", 2)
            packages.append(Package(name, version, filename, uri, int(size), sha256))
        lacking = {name.split("/")[0] for name in names} - {package.name for package in packages}
        if lacking:
            raise RigError(f"apt named no address for {', '.join(sorted(lacking))}")
        return packages

    def once(self, kind: str, key: str, find: Callable[[], list[Package]],
             refresh: bool) -> list[Package]:
        """What `find` names, asked of new lists the first time, and kept in the cache afterwards."""
        if refresh:
            (self._cache.root / kind / key).unlink(missing_ok=True)

        def make(fresh: Path) -> None:
            note(f"looking up packages in {' and '.join(self._suites)}")
            self.refresh()
            found = find()
            self.forget_lists()
            fresh.write_text(json.dumps([dataclasses.asdict(package) for package in found]),
                             encoding="utf-8")

        text = self._cache.entry(kind, key, make).read_text(encoding="utf-8")
        return [Package(**fields) for fields in json.loads(text)]

    def download(self, packages: Sequence[Package]) -> list[Path]:
        """The packages' files, downloaded and checked where they are not there yet."""
        paths = [self.debs / package.filename for package in packages]
        if not all(path.exists() for path in paths):
            with self._cache.locked():
                self._download_missing(packages, paths)
        return paths

    def _download_missing(self, packages: Sequence[Package], paths: Sequence[Path]) -> None:
        missing = [package for package, path in zip(packages, paths) if not path.exists()]
        if missing:
            total = sum(package.size for package in missing) / 1e6
            note(f"downloading {len(missing)} package(s), {total:.1f} MB, from Debian's archive")
            self._download(missing)

    def _download(self, packages: Sequence[Package]) -> None:
        partial = self.debs / "partial"
        partial.mkdir(parents=True, exist_ok=True)
        if not (self._folder / "apt.conf").exists():
            raise RigError(f"{self._folder}/apt.conf is gone; remove {self._folder.parent} "
                           "and let the rig fill its cache anew")
        for attempt in range(1, DOWNLOAD_ATTEMPTS + 1):
            todo = [package for package in packages
                    if not (self.debs / package.filename).exists()]
            arguments: list[str] = []
            for package in todo:
                arguments += [package.uri, str(partial / package.filename),
                              f"SHA256:{package.sha256}"]
            try:
                self._apt(HELPER, "download-file", *arguments)
            except RigError as error:
                if attempt == DOWNLOAD_ATTEMPTS:
                    raise DownloadFailed(str(error)) from error
                note(f"attempt {attempt} of {DOWNLOAD_ATTEMPTS}: {error}")
                continue
            for package in todo:
                os.rename(partial / package.filename, self.debs / package.filename)
            return
