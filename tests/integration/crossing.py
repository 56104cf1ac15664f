# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of loans, leases and jobs have in common: one daemon that is source and destination at once, over a fake mover."""

import functools
import json
import os
import py_compile
import tempfile

import harness

Variant = harness.Variant
HERE = os.path.dirname(os.path.abspath(__file__))


@functools.cache
def compile_mover():
    """The fake mover where its start need not compile it: the folder, which goes with this process."""
    folder = tempfile.TemporaryDirectory(prefix='vferry-mover-')
    for name in ('fake_mover', 'gvariant', 'slow_close'):
        py_compile.compile(os.path.join(HERE, name + '.py'), os.path.join(folder.name, name + '.pyc'), doraise=True)
    return folder


class Test(harness.Test):
    fake = False  # the fake driver, too

    def setUp(self):
        super().setUp()
        self.mover = self.make_directory('mover')
        self.environment = self.make_environment()
        self.environment['VFERRY_FAKE_MOVER'] = self.mover
        self.install_program('vferry-mover', f'LD_PRELOAD= exec /usr/bin/python3 -ES {compile_mover().name}/fake_mover.pyc')
        self.start_polkit('org.vferry1.manage-devices', 'org.vferry1.migrate', 'org.vferry1.override')
        self.sysfs.add_mtty_parent()
        self.uuid = self.sysfs.add_mdev('mtty-2')
        self.sysfs.obey()
        self.launch()

    def install_program(self, name, command):
        """A shell script in place of one of the daemon's programs."""
        path = os.path.join(self.environment['VFERRY_LIBEXEC_DIR'], name)
        if os.path.lexists(path):
            os.unlink(path)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(f'#!/bin/sh\n{command}\n')
        os.chmod(path, 0o755)
        return path

    def launch(self):
        self.start_daemon(*(['--driver-fake'] if self.fake else []), environment=self.environment)

    def script(self, verb, *steps):
        path = os.path.join(self.mover, verb + '.json')
        with open(path + '.new', 'w', encoding='utf-8') as file:
            json.dump(steps, file)
        os.rename(path + '.new', path)

    def inspected(self, state):
        """What the kernel says of every device from now on."""
        self.script('inspect', ['result', {'outcome': 'completed', 'flags': ['stop-copy'], 'state': state}])

    def go(self, name='go'):
        with open(os.path.join(self.mover, name), 'w', encoding='utf-8'):
            pass

    def requests(self):
        """[verb, arguments, number of fds, pid] of every mover so far."""
        path = os.path.join(self.mover, 'requests')
        if not os.path.exists(path):
            return []
        with open(path, encoding='utf-8') as file:
            return [json.loads(line) for line in file]

    def records(self):
        folder = os.path.join(self.environment['VFERRY_STATE_DIR'], 'jobs')
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    def events(self, name):
        """The events in a record, in order."""
        path = os.path.join(self.environment['VFERRY_STATE_DIR'], 'jobs', name)
        with open(path, encoding='utf-8') as file:
            return [line.split(' ', 1)[0] for line in file]

    def lend(self, client=None, fd=None, **options):
        """Returns the device. The mover takes any descriptor for a device."""
        device = self.wait_for_device(self.uuid, client)
        own = os.open('/dev/null', os.O_RDWR) if fd is None else fd
        try:
            device.client.call_with_fds(device.path, 'org.vferry1.Device.Lend',
                                        Variant('(ha{sv})', (0, options)), [own])
        finally:
            if fd is None:
                os.close(own)
        return device

    def start_lend(self, device):
        """Until the driver looks at it, which it does until go()."""
        looks = len(self.requests())
        self.script('inspect', ['wait-for', 'go'], ['result', {'outcome': 'completed', 'flags': ['stop-copy'], 'state': 'RUNNING'}])
        fd = os.open('/dev/null', os.O_RDWR)
        try:
            call = device.start_call('Lend', Variant('(ha{sv})', (0, {})), fds=[fd])
            self.wait_for(lambda: len(self.requests()) > looks, 'the look')
        finally:
            os.close(fd)
        return call

    def begin(self, device, client=None, **options):
        return self.manager(client).call('Begin', Variant('(aoa{sv})', ([device.path], options)))

    def prepare(self, cookie, client=None, **options):
        """(lease, answer, secret)"""
        options.setdefault('address', Variant('s', '127.0.0.1'))
        path, answer, secret = self.manager(client).call('Prepare', Variant('(sa{sv})', (cookie, options)))
        return harness.Object(client or self.client, path, 'org.vferry1.Lease'), answer, bytes(secret)

    def perform(self, uuid, answer, secret, client=None, **options):
        (path,) = self.manager(client).call('Perform', Variant('(ssaya{sv})', (uuid, answer, secret, options)))
        return harness.Object(client or self.client, path, 'org.vferry1.Job')

    def job(self, uuid, role):
        path = self.client.find('org.vferry1.Job', Uuid=uuid, Role=role)
        return harness.Object(self.client, path, 'org.vferry1.Job') if path else None

    def end(self, method, uuid):
        (outcome,) = self.manager().call(method, Variant('(sa{sv})', (uuid, {})))
        return outcome

    def open_files(self, path):
        """How often the daemon has it open, besides its standard streams; others come and go meanwhile."""
        folder = f'/proc/{self.daemon.process.pid}/fd'
        found = 0
        for number in os.listdir(folder):
            try:
                found += int(number) > 2 and os.readlink(f'{folder}/{number}') == path
            except FileNotFoundError:  # closed since
                pass
        return found

    def threads(self):
        """The names of the daemon's, as they are now."""
        folder = f'/proc/{self.daemon.process.pid}/task'
        names = []
        for task in os.listdir(folder):
            try:
                with open(f'{folder}/{task}/comm', encoding='utf-8') as file:
                    names.append(file.read().strip())
            except (FileNotFoundError, ProcessLookupError):  # it has just ended
                pass
        return names

    def mdevs(self):
        return set(self.sysfs.mdevs) - {self.uuid}


