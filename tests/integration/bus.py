# SPDX-License-Identifier: LGPL-2.1-or-later
"""A private bus under the rules of a system bus."""

import os
import pwd
import socket
import subprocess
import tempfile

from gi.repository import Gio, GLib

CALL_TIMEOUT_MS = int(20000 * float(os.environ.get('VFERRY_TEST_SLOW', '1')))

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <limit name="max_connections_per_user">256</limit>
  <limit name="max_match_rules_per_connection">{match_rules}</limit>
  <auth>EXTERNAL</auth>
  <listen>unix:path={directory}/bus</listen>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <include>{policy}</include>
  <policy user="{user}">
    <allow own="org.vferry1"/>
    <allow own="org.freedesktop.PolicyKit1"/>
    <allow send_destination="org.freedesktop.PolicyKit1"/>
  </policy>
</busconfig>
"""


class Bus:
    """One dbus-daemon. Its clients have the rights of an ordinary user on a system bus."""

    def __init__(self, policy, match_rules=512):
        self.directory = tempfile.TemporaryDirectory(prefix='vferry-bus-')
        self.address = f'unix:path={self.directory.name}/bus'
        config = os.path.join(self.directory.name, 'bus.conf')
        with open(config, 'w', encoding='utf-8') as file:
            file.write(CONFIG.format(directory=self.directory.name, policy=policy, match_rules=match_rules,
                                     user=pwd.getpwuid(os.getuid()).pw_name))
        environment = {k: v for k, v in os.environ.items() if k not in ('LD_PRELOAD', 'UMOCKDEV_DIR')}
        self.log = open(os.path.join(self.directory.name, 'log'), 'w+', encoding='utf-8')
        self.process = subprocess.Popen(
            ['dbus-daemon', f'--config-file={config}', '--nofork', '--nopidfile', '--print-address=1'],
            stdout=subprocess.PIPE, stderr=self.log, env=environment)
        if not self.process.stdout.readline():
            self.log.seek(0)
            raise RuntimeError(f'the private bus does not start: {self.log.read()}')

    def connect(self):
        """A client of its own, with its own unique name."""
        return Client(self.address)

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()
        self.log.close()
        self.directory.cleanup()


class Error(Exception):
    """A call was answered with an error: .name as on the bus, .message."""

    def __init__(self, error):
        self.name = Gio.DBusError.get_remote_error(error) or ''
        Gio.DBusError.strip_remote_error(error)
        self.message = error.message
        super().__init__(f'{self.name}: {self.message}')


class Client:
    """A connection to the private bus."""

    def __init__(self, address):
        self.connection = Gio.DBusConnection.new_for_address_sync(
            address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
            | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
        self.name = self.connection.get_unique_name()

    def close(self):
        if not self.connection.is_closed():
            self.connection.close_sync(None)

    def call(self, path, method, arguments=None, name='org.vferry1', timeout_ms=CALL_TIMEOUT_MS,
             flags=Gio.DBusCallFlags.NONE):
        """`method` is Interface.Method; `arguments` a GLib.Variant tuple. Returns a tuple of Python values."""
        return self.call_packed(path, method, arguments, name, timeout_ms, flags).unpack()

    def call_packed(self, path, method, arguments=None, name='org.vferry1', timeout_ms=CALL_TIMEOUT_MS,
                    flags=Gio.DBusCallFlags.NONE):
        """The same, and returns a GLib.Variant tuple."""
        interface, member = method.rsplit('.', 1)
        try:
            return self.connection.call_sync(name, path, interface, member, arguments, None, flags, timeout_ms, None)
        except GLib.Error as error:
            raise Error(error) from None

    def call_with_fds(self, path, method, arguments, fds, name='org.vferry1', timeout_ms=CALL_TIMEOUT_MS):
        """The same with file descriptors: `h` in the arguments is an index into fds. Returns (values, fds); the
        caller closes those."""
        interface, member = method.rsplit('.', 1)
        sent = Gio.UnixFDList.new()
        for fd in fds:
            sent.append(fd)
        try:
            reply, received = self.connection.call_with_unix_fd_list_sync(
                name, path, interface, member, arguments, None, Gio.DBusCallFlags.NONE, timeout_ms, sent,
                None)
        except GLib.Error as error:
            raise Error(error) from None
        return reply.unpack(), received.steal_fds() if received else []

    def start_call(self, path, method, arguments=None, name='org.vferry1', timeout_ms=CALL_TIMEOUT_MS,
                   flags=Gio.DBusCallFlags.NONE, fds=()):
        """Does not wait; the returned Call has .done, and .result() once it is."""
        interface, member = method.rsplit('.', 1)
        sent = Gio.UnixFDList.new()
        for fd in fds:
            sent.append(fd)
        call = Call()
        self.connection.call_with_unix_fd_list(name, path, interface, member, arguments, None, flags, timeout_ms, sent,
                                               None, call.finish)
        return call

    def get(self, path, interface, name):
        return self.call(path, 'org.freedesktop.DBus.Properties.Get',
                         GLib.Variant('(ss)', (interface, name)))[0]

    def get_all(self, path, interface):
        return self.call(path, 'org.freedesktop.DBus.Properties.GetAll',
                         GLib.Variant('(s)', (interface,)))[0]

    def objects(self):
        """path -> interface -> property -> value"""
        return self.call('/org/vferry1', 'org.freedesktop.DBus.ObjectManager.GetManagedObjects')[0]

    def find(self, interface, **wanted):
        """The path of the object with such properties of the interface, or None. What nobody asked for stays packed: that is most of
        what objects() takes its time for, and a test that waits asks often."""
        objects = self.call_packed('/org/vferry1', 'org.freedesktop.DBus.ObjectManager.GetManagedObjects').get_child_value(0)
        for number in range(objects.n_children()):
            entry = objects.get_child_value(number)
            properties = entry.get_child_value(1).lookup_value(interface, None)
            if properties and all((value := properties.lookup_value(name, None)) and value.unpack() == wanted[name] for name in wanted):
                return entry.get_child_value(0).get_string()
        return None

    def has_owner(self, name):
        return self.call('/org/freedesktop/DBus', 'org.freedesktop.DBus.NameHasOwner',
                         GLib.Variant('(s)', (name,)), name='org.freedesktop.DBus')[0]

    def record(self, interface=None, member=None, path=None, name='org.vferry1'):
        """A list that grows by (path, member, arguments) with each signal of the daemon (name=None: of anybody, also before
        there is that name); needs the main context to be iterated, as harness.Test.wait_for does."""
        signals = []

        def on_signal(_connection, _sender, object_path, _interface, signal, parameters):
            signals.append((object_path, signal, parameters.unpack()))

        self.connection.signal_subscribe(name, interface, member, path, None,
                                         Gio.DBusSignalFlags.NONE, on_signal)
        return signals


class Call:
    """A call under way."""

    def __init__(self):
        self.done = False
        self.reply = None
        self.error = None

    def finish(self, connection, result):
        try:
            self.reply = connection.call_finish(result)
        except GLib.Error as error:
            self.error = Error(error)
        self.done = True

    def result(self):
        if self.error:
            raise self.error
        return self.reply.unpack()


class PlainConnection:
    """A caller that never agreed to receive descriptors, which no library lets one be."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(10)
        self.socket.connect(address.removeprefix('unix:path=').split(',')[0])
        uid = str(os.getuid()).encode().hex()
        self.socket.sendall(b'\0AUTH EXTERNAL ' + uid.encode() + b'\r\n')
        if not self.socket.recv(256).startswith(b'OK '):
            raise ConnectionError('the bus does not let us in')
        self.socket.sendall(b'BEGIN\r\n')
        self.serial = 0
        self.call('org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus', 'Hello', None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def call(self, name, path, interface, method, body):
        """Sends it; the answer is not read."""
        message = Gio.DBusMessage.new_method_call(name, path, interface, method)
        self.serial += 1
        message.set_serial(self.serial)
        if body is not None:
            message.set_body(body)
        self.socket.sendall(bytes(message.to_blob(Gio.DBusCapabilityFlags.NONE)))
