# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guests' root: Debian's packages, unpacked but never configured, and what stands in for that.

It is one initramfs archive, the same for both guests; who a guest is comes from its command line.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from . import debs, newc
from .apt import Archive
from .cache import Cache, key_of, note
from .errors import RigError
from .manifest import Manifest, identity

HOSTS = {"harbour-a": "10.77.0.1", "harbour-b": "10.77.0.2"}
GUEST_FILES = Path(__file__).parent / "guest"

EXCLUDE = re.compile(
    r"usr/share/(man|doc|doc-base|info|locale|i18n|lintian|bug|bash-completion|zsh|fish|gcc|gdb"
    r"|perl5|pam-configs|common-licenses|polkit-1/rules\.d/50|initramfs-tools|tabset|menu|libdrm"
    r"|pixmaps|applications|mime|keyrings|xml|sgml|base-files|factory|ucf|debianutils|dpkg)(/|$)"
    r"|usr/lib/(udev/hwdb\.d|x86_64-linux-gnu/(gconv|perl|audit|e2fsprogs)|kernel/install\.d"
    r"|systemd/(boot|catalog|network|ntp-units\.d|portable|system-generators"
    r"|system-environment-generators|system-preset|user|user-generators|user-preset)"
    r"|udev/rules\.d/(60-|64-|70-|71-|73-|75-|78-|80-debian|80-net|81-|85-)"
    r"|systemd/systemd-(homed|importd|networkd|resolved|timesyncd|portabled|pstore|bless-boot"
    r"|boot-check-no-failures|cryptsetup|veritysetup|integritysetup|growfs|makefs|machined"
    r"|network-generator|networkd-wait-online|sysupdate|userdbd|userwork|localed|timedated"
    r"|hibernate-resume|pcrphase|measure|quotacheck|export|import|pull|dissect)"
    r"|modprobe\.d/(aliases|fbdev-blacklist)|init|sysusers\.d|python3|cgi-bin)"
    r"|usr/(games|include|local|src)(/|$)"
    r"|usr/bin/(systemd-(analyze|repart|sysext|cryptenroll|dissect|creds|inhibit)|localectl"
    r"|timedatectl|homectl|portablectl|networkctl|resolvectl|bootctl|perl.*|mawk-debug)$"
    r"|etc/(rc\d\.d|init\.d|cron\..*|apt|skel|alternatives|logrotate\.d|pam\.d|default|X11)(/|$)"
    r"|var/(lib/(dpkg|apt|pam|ucf|systemd/catalog)|cache|backups|mail|spool|local|opt)(/|$)"
    r"|(boot|media|mnt|srv|home|opt|proc|sys|dev|run)/.")

# Units that only cost time here, or wait for what a guest does not have.
MASKED = (
    "apt-daily.timer", "console-getty.service", "cryptsetup.target", "dbus-org.freedesktop.login1"
    ".service", "dev-hugepages.mount", "e2scrub_all.timer", "fstrim.timer", "getty.target",
    "initrd-cleanup.service", "kmod-static-nodes.service", "ldconfig.service",
    "modprobe@configfs.service", "modprobe@drm.service", "modprobe@efi_pstore.service",
    "modprobe@fuse.service", "modprobe@loop.service", "modprobe@dm_mod.service",
    "proc-sys-fs-binfmt_misc.automount", "remote-fs.target", "serial-getty@ttyS0.service",
    "sys-fs-fuse-connections.mount", "sys-kernel-config.mount", "sys-kernel-tracing.mount",
    "dev-mqueue.mount", "systemd-ask-password-console.path", "systemd-ask-password-wall.path",
    "systemd-binfmt.service", "systemd-firstboot.service", "systemd-hwdb-update.service",
    "systemd-journal-catalog-update.service", "systemd-journal-flush.service",
    "systemd-logind.service", "systemd-machine-id-commit.service", "systemd-pcrphase.service",
    "systemd-pcrphase-sysinit.service", "systemd-pstore.service", "systemd-random-seed.service",
    "systemd-remount-fs.service", "systemd-repart.service", "systemd-sysext.service",
    "systemd-sysusers.service", "systemd-udev-settle.service", "systemd-udev-trigger.service",
    "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service",
    "systemd-tmpfiles-clean.timer", "systemd-user-sessions.service", "dpkg-db-backup.timer",
    "integritysetup.target", "veritysetup.target", "swap.target", "systemd-boot-system-token"
    ".service", "systemd-network-generator.service", "man-db.timer", "ifupdown-wait-online.service",
)

# name: (uid, gid, home, shell)
USERS = {
    "root": (0, 0, "/root", "/bin/bash"),
    "messagebus": (100, 100, "/nonexistent", "/usr/sbin/nologin"),
    "polkitd": (101, 101, "/nonexistent", "/usr/sbin/nologin"),
    "sshd": (102, 65534, "/run/sshd", "/usr/sbin/nologin"),
    "systemd-network": (103, 103, "/", "/usr/sbin/nologin"),
    "alice": (1000, 1000, "/home/alice", "/bin/bash"),
    "bob": (1001, 1001, "/home/bob", "/bin/bash"),
    "nobody": (65534, 65534, "/nonexistent", "/usr/sbin/nologin"),
}
GROUPS = {
    "root": 0, "tty": 5, "disk": 6, "lp": 7, "adm": 4, "kmem": 15, "dialout": 20, "cdrom": 24,
    "floppy": 25, "tape": 26, "sudo": 27, "audio": 29, "utmp": 43, "video": 44, "users": 110,
    "messagebus": 100, "polkitd": 101, "systemd-network": 103, "systemd-journal": 104,
    "input": 105, "kvm": 106, "render": 107, "sgx": 108, "vferry": 200, "alice": 1000,
    "bob": 1001, "nogroup": 65534,
}
MEMBERS = {"vferry": ["bob"]}


def _accounts(tree: newc.Tree) -> None:
    passwd = [f"{name}:x:{uid}:{gid}::{home}:{shell}\n"
              for name, (uid, gid, home, shell) in USERS.items()]
    group = [f"{name}:x:{gid}:{','.join(MEMBERS.get(name, []))}\n"
             for name, gid in GROUPS.items()]
    tree.file("etc/passwd", "".join(passwd))
    tree.file("etc/group", "".join(group))
    tree.file("etc/shadow", "".join(f"{name}:*:1::::::\n" for name in USERS), 0o640)
    tree.file("etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files\n")


def _make_key(folder: Path, name: str) -> tuple[str, str]:
    """A key pair of ssh-keygen's: private and public text."""
    path = folder / name
    try:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f",
                        str(path)], check=True, stdin=subprocess.DEVNULL, capture_output=True,
                       timeout=60.0)
    except FileNotFoundError as error:
        raise RigError("ssh-keygen is not there; install openssh-client") from error
    except subprocess.CalledProcessError as error:
        raise RigError(f"ssh-keygen failed: {error.stderr.decode(errors='replace')}") from error
    return path.read_text("ascii"), path.with_suffix(".pub").read_text("ascii")


def _ssh(tree: newc.Tree) -> None:
    """Everyone may log in as themselves at the other host; keys are made here and stay here."""
    known = []
    with tempfile.TemporaryDirectory(prefix="vferry-keys-") as folder:
        for host, address in HOSTS.items():
            private, public = _make_key(Path(folder), host)
            tree.file(f"etc/ssh/host_key_{host}", private, 0o600)
            known.append(f"{host},{address} {' '.join(public.split()[:2])}\n")
        for name in ("root", "alice", "bob"):
            uid, gid, home, _ = USERS[name]
            private, public = _make_key(Path(folder), name)
            tree.directory(home, 0o700, uid, gid)
            tree.directory(f"{home}/.ssh", 0o700, uid, gid)
            tree.file(f"{home}/.ssh/id_ed25519", private, 0o600, uid, gid)
            tree.file(f"{home}/.ssh/authorized_keys", public, 0o600, uid, gid)
    tree.file("etc/ssh/ssh_known_hosts", "".join(known))


def _links(tree: newc.Tree) -> None:
    for path in ("bin", "sbin", "lib", "lib64"):
        tree.symlink(path, f"usr/{path}")
    tree.symlink("var/run", "/run")
    tree.symlink("var/lock", "/run/lock")
    tree.symlink("init", "usr/lib/systemd/systemd")
    tree.symlink("usr/bin/sh", "dash")
    tree.symlink("usr/bin/awk", "mawk")
    tree.symlink("etc/mtab", "../proc/self/mounts")
    tree.symlink("etc/systemd/system/default.target", "/usr/lib/systemd/system/multi-user.target")
    for unit in MASKED:
        tree.symlink(f"etc/systemd/system/{unit}", "/dev/null")
    wants = "etc/systemd/system/multi-user.target.wants"
    tree.directory(wants)
    for unit in ("ssh.service", "rig-agent.service", "rig-setup.service", "rig-log.service"):
        where = "/usr/lib/systemd/system" if unit == "ssh.service" else "/etc/systemd/system"
        tree.symlink(f"{wants}/{unit}", f"{where}/{unit}")


def _assemble(files: list[Path]) -> newc.Tree:
    tree = newc.Tree()
    for folder in ("proc", "sys", "dev", "run", "tmp", "root", "home", "var/lib", "var/log",
                   "var/tmp", "etc/polkit-1/rules.d", "var/lib/polkit-1", "usr/local/bin"):
        tree.directory(folder)
    for deb in files:
        with debs.contents(deb) as stream:
            tree.tar(stream, EXCLUDE)
    _links(tree)
    _accounts(tree)
    _ssh(tree)
    tree.directory("tmp", 0o1777)
    tree.directory("var/tmp", 0o1777)
    tree.directory("root", 0o700)
    tree.file("etc/hosts", "127.0.0.1 localhost\n" + "".join(
        f"{address} {host}\n" for host, address in HOSTS.items()))
    # Empty, not absent: absent would be a first boot, with every unit's preset applied.
    tree.file("etc/machine-id", "")
    tree.file("etc/ld.so.conf", "/usr/local/lib/x86_64-linux-gnu\n/usr/local/lib\n")
    helper = tree.nodes.get("usr/lib/dbus-1.0/dbus-daemon-launch-helper")
    if helper is None:
        raise RigError("the root has no dbus-daemon-launch-helper: dbus' package has changed")
    helper.mode, helper.gid = 0o104754, GROUPS["messagebus"]
    tree.folder(GUEST_FILES)
    return tree


def load(cache: Cache, archive: Archive, manifest: Manifest) -> Path:
    """The base archive, from the cache or assembled from the packages."""
    sources = [Path(__file__), Path(newc.__file__),
               *sorted(path for path in GUEST_FILES.rglob("*") if path.is_file())]

    def make(fresh: Path) -> None:
        files = archive.download(manifest.root)
        note(f"assembling the guests' root from {len(files)} packages")
        tree = _assemble(files)
        with open(fresh, "wb") as output:
            tree.write(output)

    names = "\n".join(str(path.relative_to(Path(__file__).parent)) for path in sources)
    key = key_of(identity(manifest.root), names, *sources)
    return cache.entry("root", key, make)
