# SPDX-License-Identifier: LGPL-2.1-or-later
"""A vferryd that does what a test tells it, for paths that the real one cannot be brought to:
a destination that refuses, sides that disagree, a job that ends before anybody looked.

It has the real interfaces (dbus/*.xml) and nothing behind them.
"""

import os
import threading
import xml.etree.ElementTree as ElementTree

from gi.repository import Gio, GLib

NAME = "org.vferry1"
ROOT = "/org/vferry1"
OBJECT_MANAGER_XML = """
<node><interface name="org.freedesktop.DBus.ObjectManager">
  <method name="GetManagedObjects"><arg type="a{oa{sa{sv}}}" direction="out"/></method>
  <signal name="InterfacesAdded"><arg type="o"/><arg type="a{sa{sv}}"/></signal>
  <signal name="InterfacesRemoved"><arg type="o"/><arg type="as"/></signal>
</interface></node>"""
DEADLINE = 20


class Refusal(Exception):
    """A method's error reply."""

    def __init__(self, code, message):
        super().__init__(message)
        self.name = code if "." in code else f"{NAME}.Error.{code}"
        self.message = message


def load_interfaces(directory):
    infos = {}
    for name in sorted(os.listdir(directory)):
        if name.startswith("org.vferry1.") and name.endswith(".xml"):
            with open(os.path.join(directory, name), encoding="utf-8") as file:
                text = file.read()
            ElementTree.fromstring(text)
            node = Gio.DBusNodeInfo.new_for_xml(text)
            for info in node.interfaces:
                infos[info.name] = info
    manager = Gio.DBusNodeInfo.new_for_xml(OBJECT_MANAGER_XML)
    infos[manager.interfaces[0].name] = manager.interfaces[0]
    return infos


class FakeDaemon:
    """`answers["Begin"] = lambda path, args: GLib.Variant(...)`; a Refusal that is raised is the error reply."""

    def __init__(self, address, interface_dir, objects=()):
        """`objects`, like add()'s arguments, are there before the name is."""
        self.infos = load_interfaces(interface_dir)
        self.objects = {}
        self.answers = {}
        self.calls = []
        self.ready = threading.Event()
        self.context = GLib.MainContext()
        self.loop = GLib.MainLoop(self.context)
        self.address = address
        self.first_objects = objects
        self.registrations = {}
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        if not self.ready.wait(DEADLINE):
            raise RuntimeError("the fake daemon did not get its name")

    def _run(self):
        self.context.push_thread_default()
        flags = Gio.DBusConnectionFlags
        self.connection = Gio.DBusConnection.new_for_address_sync(
            self.address, flags.AUTHENTICATION_CLIENT | flags.MESSAGE_BUS_CONNECTION, None, None)
        self._register(ROOT, "org.freedesktop.DBus.ObjectManager")
        self._add(ROOT, f"{NAME}.Manager", {
            "Version": GLib.Variant("s", "0.1.0"), "HostId": GLib.Variant("s", "host"),
            "Features": GLib.Variant("as", [])})
        for path, interface, properties in self.first_objects:
            self._add(path, f"{NAME}.{interface}", properties)
        self.owner = Gio.bus_own_name_on_connection(
            self.connection, NAME, Gio.BusNameOwnerFlags.NONE, lambda *_: self.ready.set(), None)
        self.loop.run()
        self.connection.close_sync(None)
        self.context.pop_thread_default()

    def close(self):
        self.loop.quit()
        self.thread.join(DEADLINE)

    def _do(self, function):
        """Runs in the daemon's thread, in turn with the calls."""
        done = threading.Event()

        def run():
            function()
            done.set()
            return False

        source = GLib.idle_source_new()
        source.set_callback(lambda *_: run())
        source.attach(self.context)
        if not done.wait(DEADLINE):
            raise RuntimeError("the fake daemon hangs")

    def _register(self, path, interface):
        self.registrations[(path, interface)] = self.connection.register_object(
            path, self.infos[interface], self._on_call, self._on_get, None)

    def _on_get(self, connection, sender, path, interface, name):
        return self.objects[path][interface][name]

    def _add(self, path, interface, properties):
        self.objects.setdefault(path, {})[interface] = properties
        self._register(path, interface)

    def _managed(self):
        return {path: interfaces for path, interfaces in self.objects.items() if path != ROOT}

    def _on_call(self, connection, sender, path, interface, method, parameters, invocation):
        if method == "GetManagedObjects":
            invocation.return_value(GLib.Variant("(a{oa{sa{sv}}})", (self._managed(),)))
            return
        self.calls.append((method, parameters.unpack()))
        try:
            reply = self.answers[method](path, parameters.unpack())
        except Refusal as refusal:
            invocation.return_dbus_error(refusal.name, refusal.message)
            return
        except KeyError:
            invocation.return_dbus_error(f"{NAME}.Error.NotSupported", f"no answer for {method}")
            return
        invocation.return_value(reply)

    def add_now(self, path, interface, properties):
        """In the daemon's thread: a new object, with InterfacesAdded."""
        self._add(path, f"{NAME}.{interface}", properties)
        self.connection.emit_signal(
            None, ROOT, "org.freedesktop.DBus.ObjectManager", "InterfacesAdded",
            GLib.Variant("(oa{sa{sv}})", (path, {f"{NAME}.{interface}": properties})))

    def add(self, path, interface, properties):
        self._do(lambda: self.add_now(path, interface, properties))

    def remove(self, path):
        def work():
            interfaces = list(self.objects.pop(path))
            for interface in interfaces:
                self.connection.unregister_object(self.registrations.pop((path, interface)))
            self.connection.emit_signal(
                None, ROOT, "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved",
                GLib.Variant("(oas)", (path, interfaces)))
        self._do(work)

    def set_now(self, path, interface, values):
        """In the daemon's thread (an answer or a _do): changes properties, with PropertiesChanged."""
        self.objects[path][f"{NAME}.{interface}"].update(values)
        self.connection.emit_signal(
            None, path, "org.freedesktop.DBus.Properties", "PropertiesChanged",
            GLib.Variant("(sa{sv}as)", (f"{NAME}.{interface}", values, [])))

    def set(self, path, interface, values):
        self._do(lambda: self.set_now(path, interface, values))

    def emit_now(self, path, interface, signal, parameters):
        self.connection.emit_signal(None, path, f"{NAME}.{interface}", signal, parameters)

    def emit(self, path, interface, signal, parameters):
        self._do(lambda: self.emit_now(path, interface, signal, parameters))

    def later(self, milliseconds, function):
        """From an answer: @function in the daemon's thread, after a while."""
        source = GLib.timeout_source_new(milliseconds)
        source.set_callback(lambda *_: function() and False)
        source.attach(self.context)


def device(ident, **changes):
    properties = {
        "Id": GLib.Variant("s", ident), "Kind": GLib.Variant("s", "mdev"),
        "SysfsPath": GLib.Variant("s", f"/sys/devices/virtual/mtty/mtty/{ident}"),
        "Uuid": GLib.Variant("s", ident), "Address": GLib.Variant("s", ""),
        "Parent": GLib.Variant("o", "/"), "Driver": GLib.Variant("s", "mtty"),
        "IommuGroup": GLib.Variant("i", 7), "NumaNode": GLib.Variant("i", -1),
        "VfioDev": GLib.Variant("s", "vfio0"), "Model": GLib.Variant("s", "kernel.org/mtty"),
        "ModelSource": GLib.Variant("s", "descriptor"),
        "Parameters": GLib.Variant("a{sv}", {"ports": GLib.Variant("s", "2")}),
        "Migration": GLib.Variant("as", ["stop-copy", "p2p", "pre-copy"]),
        "MigrationSource": GLib.Variant("s", "probe"), "State": GLib.Variant("s", "idle")}
    properties.update(changes)
    return properties


def job(uuid, role, **changes):
    properties = {
        "Uuid": GLib.Variant("s", uuid), "Operation": GLib.Variant("s", "migrate"),
        "Role": GLib.Variant("s", role), "Phase": GLib.Variant("s", "preparing"),
        "BytesDone": GLib.Variant("t", 0), "BytesTotal": GLib.Variant("t", 0),
        "Rate": GLib.Variant("t", 0), "ExpectedDowntime": GLib.Variant("t", 0),
        "Downtime": GLib.Variant("t", 0), "StartTime": GLib.Variant("t", 1763726400000000),
        "StartedByUid": GLib.Variant("u", 1000), "Peer": GLib.Variant("s", "peer"), "Override": GLib.Variant("s", ""),
        "Devices": GLib.Variant("aa{sv}", [{"state": GLib.Variant("s", "unknown")}]),
        "Result": GLib.Variant("s", ""), "Error": GLib.Variant("(ss)", ("", ""))}
    properties.update(changes)
    return properties
