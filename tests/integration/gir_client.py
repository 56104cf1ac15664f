#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client that has read nothing but the introspection of libvferry-1. It prints what it sees as JSON, one line for each thing."""

import json
import os
import sys

import gi

gi.require_version("Vferry", "1")
from gi.repository import Gio, GLib, Vferry  # noqa: E402


def say(**what):
    print(json.dumps(what), flush=True)


def connect():
    return Vferry.connect_sync(os.environ["DBUS_SYSTEM_BUS_ADDRESS"], None)


def manager(connection):
    return Vferry.ManagerProxy.new_sync(connection, Gio.DBusProxyFlags.NONE, Vferry.BUS_NAME, Vferry.OBJECT_ROOT, None)


def describe_range(parameter):
    whole, low, high, step = parameter.get_range()
    return [low, high, step] if whole else None


def read():
    connection = connect()
    say(version=manager(connection).props.version)
    for thing in Vferry.objects_sync(connection, None).get_objects():
        device, parent, model, domain = thing.get_device(), thing.get_parent(), thing.get_model(), thing.get_domain()
        if domain:
            say(domain=domain.props.name, state=domain.props.state, devices=domain.props.devices.unpack(), job=domain.props.job)
        if device:
            say(device=device.props.id, group=device.props.iommu_group, parameters=device.props.parameters.unpack(),
                migration=device.props.migration)
        if parent:
            say(parent=parent.props.id, offers=[
                [o.get_id(), o.get_type_id(), o.get_model(), o.get_left(), dict(o.get_parameters())] for o in parent.list_offers()])
        if model:
            say(model=model.props.id, parameters=[
                [p.get_name(), p.get_value_type(), p.get_compare(), p.get_allowed(), describe_range(p), p.is_settable()]
                for p in model.list_parameters()])


def call(name):
    connection = connect()
    path = manager(connection).call_lookup_sync(name, Gio.DBusCallFlags.NONE, -1, None)
    path = path[-1] if isinstance(path, (tuple, list)) else path
    device = Vferry.DeviceProxy.new_sync(connection, Gio.DBusProxyFlags.NONE, Vferry.BUS_NAME, path, None)
    xml = device.call_get_xml_sync(GLib.Variant("a{sv}", {}), Gio.DBusCallFlags.NONE, -1, None)
    say(path=path, xml=xml[-1] if isinstance(xml, (tuple, list)) else xml)


def fail(name):
    try:
        call(name)
    except GLib.Error as error:
        say(domain=error.domain, not_found=error.matches(Vferry.error_quark(), Vferry.Error.NOT_FOUND),
            busy=error.matches(Vferry.error_quark(), Vferry.Error.BUSY), message=error.message)


def watch():
    """Until standard input ends."""
    objects = Vferry.objects_sync(connect(), None)
    loop = GLib.MainLoop()

    def added(_objects, thing):
        device, job = thing.get_device(), thing.get_job()
        if device:
            device.connect("notify::state", lambda d, _: say(state=d.props.state))
            say(added=device.props.id)
        if job:
            job.connect("progress", lambda _, done, total, detail: say(done=done, total=total, detail=detail.unpack()))
            job.connect("completed", lambda _, *rest: say(completed=rest[:3], statistics=rest[3].unpack()))
            say(added=job.props.uuid)

    objects.connect("object-added", added)
    objects.connect("object-removed", lambda _, thing: say(removed=thing.get_object_path()))
    GLib.io_add_watch(GLib.IOChannel.unix_new(0), GLib.PRIORITY_LOW, GLib.IOCondition.HUP | GLib.IOCondition.IN,
                      lambda *_: loop.quit())
    say(ready=True)
    loop.run()


if __name__ == "__main__":
    {"read": read, "call": call, "fail": fail, "watch": watch}[sys.argv[1]](*sys.argv[2:])
