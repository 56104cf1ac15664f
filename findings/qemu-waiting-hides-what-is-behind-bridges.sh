#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A QEMU that waits for a migration does not list a device behind a PCIe root port in query-pci, and
# nothing says so: the list is just shorter.
#
# Seen with QEMU 7.2 (Debian 12), and by hand with 10.0.2 (its backports). A q35 machine has a root port
# `root1` with the device `behind` in it, as libvirt puts every device of a q35 guest, and a device `beside`
# it on the root bus. The same command line is started three times: to run, with -S, and with
# -S -incoming defer. Each is asked for the qdev ids that query-pci knows.
#
# Expected by whoever compares the two sides of a migration before it begins: the same devices at the
# same places, since both were started with the same words; a client that found its device at the source
# looks for it at the destination.
# Seen: "runs: beside behind; stands: beside; waits: beside". The numbers of buses are the firmware's,
# which has run at the source only: until then the port's secondary bus is 0, and query-pci walks by
# number. The properties `addr` and `parent_bus` of the device (qom-get) are there in all three, and
# are what QEMU itself names a device by in a migration's stream.
#
# Ends with 0 as long as that is so, with 1 when it has changed, with 2 when it could not be tried.
set -euo pipefail

VERSIONS=(qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 qemu-system-common=1:7.2+dfsg-7+deb12u18+b3
          qemu-system-data=1:7.2+dfsg-7+deb12u18 seabios=1.16.2-1)
LIBRARIES=(libaio1 libbpf1 libcapstone4 libdaxctl1 libfdt1 libibverbs1 libjpeg62-turbo libndctl6 libnl-route-3-200
           libnuma1 libpixman-1-0 libpmem1 libpng16-16 librdmacm1 libslirp0 liburing2 libvdeplug2)
PATIENCE=60

folder=$(mktemp -d)
trap 'kill "${qemu:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q=2 "${VERSIONS[@]}" "${LIBRARIES[@]}" >download.log 2>&1 || { cat download.log >&2; exit 2; }
for package in ./*.deb; do
    dpkg-deb -x "$package" root
done
export LD_LIBRARY_PATH=$folder/root/usr/lib/x86_64-linux-gnu:$folder/root/lib/x86_64-linux-gnu
export QEMU_MODULE_DIR=$folder/root/usr/lib/x86_64-linux-gnu/qemu

cat >ask.py <<'PYTHON'
import json
import socket
import sys
import time

path, runs, patience = sys.argv[1], sys.argv[2] == 'runs', float(sys.argv[3])
end = time.monotonic() + patience


def connect():
    while True:
        try:
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(path)
            return connection.makefile('rw')
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def ask(command, **arguments):
    monitor.write(json.dumps({'execute': command, 'arguments': arguments}) + '\n')
    monitor.flush()
    while True:
        answer = json.loads(monitor.readline())
        if 'event' not in answer:
            return answer['return']


def ids(devices):
    for device in devices:
        if device['qdev_id'] and device['qdev_id'] != 'root1':
            yield device['qdev_id']
        yield from ids(device.get('pci_bridge', {}).get('devices', []))


monitor = connect()
monitor.readline()
ask('qmp_capabilities')
found = sorted(ids(ask('query-pci')[0]['devices']))
while runs and 'behind' not in found and time.monotonic() < end:  # the firmware is at it
    time.sleep(0.1)
    found = sorted(ids(ask('query-pci')[0]['devices']))
where = {name: ask('qom-get', path='/machine/peripheral/behind', property=name) for name in ('addr', 'parent_bus')}
if where != {'addr': 0, 'parent_bus': '/machine/peripheral/root1/root1'}:
    found.append(f'at {where}')
print(' '.join(sorted(found, reverse=True)) if len(found) < 2 else ' '.join(sorted(found, key=('beside', 'behind').index)))
PYTHON

seen=""
for how in runs stands waits; do
    options=()
    [ "$how" = runs ] || options+=(-S)
    [ "$how" != waits ] || options+=(-incoming defer)
    rm -f monitor
    root/usr/bin/qemu-system-x86_64 -L root/usr/share/qemu -L root/usr/share/seabios -nodefaults -no-user-config \
        -display none -M q35 -m 64 -accel tcg -qmp unix:monitor,server=on,wait=off "${options[@]}" \
        -device pcie-root-port,id=root1,chassis=1,addr=4 -device virtio-rng-pci,id=behind,bus=root1 \
        -device virtio-rng-pci,id=beside,addr=5 2>qemu.err &
    qemu=$!
    found=$(/usr/bin/python3 ask.py monitor "$how" "$PATIENCE" 2>ask.err) || { cat qemu.err ask.err >&2; exit 2; }
    kill "$qemu"
    wait "$qemu" 2>/dev/null || true
    seen+="${seen:+; }$how: $found"
done
echo "$seen"
[ "$seen" = "runs: beside behind; stands: beside; waits: beside" ]
