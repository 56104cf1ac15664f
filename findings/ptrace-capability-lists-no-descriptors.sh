#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# CAP_SYS_PTRACE alone takes a descriptor out of another user's process, and cannot list them.
#
# Seen with Linux 6.18; capsh of libcap 2.66 (Debian 12) drops the other capabilities. A process of uid 65534
# has /dev/null open as descriptor 7. Root, with CAP_SYS_PTRACE as its only capability, lists /proc/PID/fd, reads the
# link of number 7, which it knows already, and takes that descriptor with pidfd_getfd(2).
#
# Expected by whoever reads proc(5) ("governed by a ptrace access mode check"): that who may attach to a process may see
# what it has open, and so can look for the descriptor that he is after.
# Seen: "list: EACCES, link: EACCES, take: yes". The folder has mode 0500 and is the process's user's, and the ordinary rule for
# files stands before the one for ptrace (proc_fd_permission() in fs/proc/fd.c): listing takes CAP_DAC_READ_SEARCH, too.
# A service that looks for a descriptor so is given both capabilities, or is told the number.
#
# Ends with 0 as long as that is so, with 1 when it has changed, with 2 when it could not be tried (it takes root).
set -euo pipefail

VERSIONS=(libcap2-bin=1:2.66-4+deb12u3+b1 libcap2=1:2.66-4+deb12u3+b1)
NOBODY=65534
DESCRIPTOR=7

[ "$(id -u)" = 0 ] || { echo "it takes root" >&2; exit 2; }
folder=$(mktemp -d)
trap 'kill "${holder:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q=2 "${VERSIONS[@]}" >download.log 2>&1 || { cat download.log >&2; exit 2; }
for package in ./*.deb; do
    dpkg-deb -x "$package" root
done
libraries=$(dirname "$(find "$folder/root" -name 'libcap.so.2')")

cat >look.py <<PYTHON
import ctypes
import errno
import os
import sys

libc = ctypes.CDLL(None, use_errno=True)
pid = int(sys.argv[1])


def attempt(function):
    try:
        return function()
    except OSError as error:
        return errno.errorcode[error.errno]


def take():
    fd = libc.syscall(438, os.pidfd_open(pid), $DESCRIPTOR, 0)  # pidfd_getfd
    if fd < 0:
        raise OSError(ctypes.get_errno(), 'pidfd_getfd')
    same = os.path.sameopenfile(fd, os.open('/dev/null', os.O_RDONLY))
    return 'yes' if same else 'another'


print(f"list: {attempt(lambda: ' '.join(sorted(os.listdir(f'/proc/{pid}/fd'))))}, "
      f"link: {attempt(lambda: os.readlink(f'/proc/{pid}/fd/$DESCRIPTOR'))}, take: {attempt(take)}")
PYTHON

# It has run a program as that user: one that has only changed its ids is root's in /proc.
exec 3< <(exec setpriv --reuid="$NOBODY" --regid="$NOBODY" --clear-groups \
    /bin/bash -c "exec $DESCRIPTOR</dev/null; echo ready; exec sleep 60")
holder=$!
read -r _ <&3
seen=$(LD_LIBRARY_PATH=$libraries "$(find root -name capsh)" --drop="$(
    LD_LIBRARY_PATH=$libraries "$(find root -name capsh)" --print | sed -n 's/^Bounding set =//p' |
        tr ',' '\n' | grep -vx cap_sys_ptrace | paste -sd,)" -- -c "exec /usr/bin/python3 look.py $holder") ||
    exit 2
echo "$seen"
[ "$seen" = "list: EACCES, link: EACCES, take: yes" ]
