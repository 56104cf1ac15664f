#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# GDBus tells nobody when the bus refuses a match rule: the subscription looks alive, and is deaf.
#
# Seen with GLib 2.74.6 and dbus-daemon 1.14.10 (Debian 12), Python's GObject introspection as the
# client. The bus allows 20 match rules on a connection; 100 subscriptions are made on one, for
# NameOwnerChanged with arg0 100 different names, as a service does that watches each of its callers
# by g_bus_watch_name() or g_dbus_connection_signal_subscribe(). Each of them returns an id, no call
# returns an error and nothing is printed. Then all 100 names come and go.
#
# Expected by whoever reads the documentation of either side: an error, a warning, or 100 names heard.
# Seen: "100 ids, 20 names heard, nothing on stderr"; only the bus' own log knows. GDBus sends
# AddMatch without asking for an answer. The limit of a system bus is 512 if nobody has set another
# (max_match_rules_per_connection), which a service with a rule for each caller can meet. One rule
# without arg0, and a table of names in the client, is one rule however many they are.
#
# Ends with 0 as long as that is so, with 1 when it has changed, with 2 when it could not be tried.
set -euo pipefail

VERSIONS=(libglib2.0-0=2.74.6-2+deb12u9 python3-gi=3.42.2-3+b1 libgirepository-1.0-1=1.74.0-3
          gir1.2-glib-2.0=1.74.0-3 dbus-daemon=1.14.10-1~deb12u1 dbus-bin=1.14.10-1~deb12u1
          libdbus-1-3=1.14.10-1~deb12u1)
RULES=20
NAMES=100

folder=$(mktemp -d)
trap 'kill "${bus:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q=2 "${VERSIONS[@]}" >download.log 2>&1 || { cat download.log >&2; exit 2; }
for package in ./*.deb; do
    dpkg-deb -x "$package" root
done
libraries=$(dirname "$(find "$folder/root" -name 'libglib-2.0.so.0')")
export LD_LIBRARY_PATH=$libraries GI_TYPELIB_PATH=$libraries/girepository-1.0
export PYTHONPATH=$folder/root/usr/lib/python3/dist-packages

cat >bus.conf <<XML
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=$folder/bus</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
  <limit name="max_match_rules_per_connection">$RULES</limit>
</busconfig>
XML
root/usr/bin/dbus-daemon --config-file=bus.conf --nofork --print-address=3 3>address 2>bus.log &
bus=$!
for _ in $(seq 100); do
    [ ! -s address ] || break
    sleep 0.1
done

cat >client.py <<'PYTHON'
import sys
from gi.repository import Gio, GLib

address, count = sys.argv[1], int(sys.argv[2])


def connect():
    flags = (Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
             | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION)
    return Gio.DBusConnection.new_for_address_sync(address, flags, None, None)


def call(bus, method, *arguments):
    bus.call_sync('org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus', method,
                  GLib.Variant(*arguments) if arguments else None, None, 0, -1, None)


listener, speaker = connect(), connect()
names = [f'org.example.Name{number}' for number in range(count)]
heard = set()
ids = [listener.signal_subscribe(
    'org.freedesktop.DBus', 'org.freedesktop.DBus', 'NameOwnerChanged', '/org/freedesktop/DBus',
    name, Gio.DBusSignalFlags.NONE, lambda *a: heard.add(a[5].unpack()[0])) for name in names]
call(listener, 'GetId')  # the bus answers in order: every rule before it has been looked at
for name in names:
    call(speaker, 'RequestName', '(su)', (name, 0))
    call(speaker, 'ReleaseName', '(s)', (name,))
call(listener, 'GetId')  # and every signal has come
while GLib.MainContext.default().iteration(False):
    pass
print(f'{sum(1 for number in ids if number)} ids, {len(heard)} names heard', end='')
PYTHON
seen=$(/usr/bin/python3 client.py "$(cat address)" "$NAMES" 2>client.err) || { cat client.err >&2; exit 2; }
if [ -s client.err ]; then
    cat client.err >&2
else
    seen+=", nothing on stderr"
fi
echo "$seen"
[ "$seen" = "$NAMES ids, $RULES names heard, nothing on stderr" ]
