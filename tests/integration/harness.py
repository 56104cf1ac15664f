# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a test of the daemon stands on: a private bus, a polkit that a test commands, a sysfs that a test fills, and vferryd
between them.

    class Hotplug(harness.Test):
        def test_appears(self):
            self.sysfs.add_mtty_parent()
            self.start_daemon()
            uuid = self.sysfs.add_mdev('mtty-2')
            device = self.wait_for_device(uuid)
            self.assertEqual(device.get('Model'), 'kernel.org/mtty')
"""

import functools
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PRELOAD = 'libumockdev-preload.so.0'
if PRELOAD not in os.environ.get('LD_PRELOAD', ''):
    # the test bed redirects /sys in this process, too
    os.execvp('umockdev-wrapper', ['umockdev-wrapper', sys.executable, *sys.argv])

import gi  # noqa: E402

gi.require_version('UMockdev', '1.0')
from gi.repository import GLib  # noqa: E402

import bus  # noqa: E402
import fd_store  # noqa: E402
import polkit  # noqa: E402
import sysfs  # noqa: E402

SOURCE = os.environ.get('VFERRY_TEST_SOURCE',
                        os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
SLOW = float(os.environ.get('VFERRY_TEST_SLOW', '1'))
ROOT = '/org/vferry1'

Error = bus.Error
Variant = GLib.Variant


def error_name(code):
    return f'org.vferry1.Error.{code}'


@functools.cache
def find_asan(program):
    """libasan must come before every other preloaded library."""
    listing = subprocess.run(['ldd', program], capture_output=True, text=True, check=True, timeout=60).stdout
    return ''.join(line.split()[2] + ':' for line in listing.splitlines() if 'libasan' in line)


def run_program(program, *arguments):
    """To its end, on the machine's own /sys."""
    environment = {k: v for k, v in os.environ.items() if k not in ('LD_PRELOAD', 'UMOCKDEV_DIR')}
    environment['LC_ALL'] = 'C.UTF-8'
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False,
                          timeout=60 * SLOW, env=environment)


class Object:
    """One object of the daemon, read through one client."""

    def __init__(self, client, path, interface):
        self.client = client
        self.path = path
        self.interface = interface

    def get(self, name):
        return self.client.get(self.path, self.interface, name)

    def call(self, method, arguments=None, **options):
        return self.client.call(self.path, f'{self.interface}.{method}', arguments, **options)

    def start_call(self, method, arguments=None, **options):
        return self.client.start_call(self.path, f'{self.interface}.{method}', arguments, **options)


class Daemon:
    """vferryd as a child process."""

    def __init__(self, program, arguments, environment, store=None):
        self.log = tempfile.TemporaryFile(mode='w+', encoding='utf-8', errors='replace')
        wrapper = os.environ.get('VFERRY_TEST_WRAPPER', '').split()
        command, fds = [*wrapper, program, *arguments], ()
        if store:
            command, environment, fds = store.prepare(command, environment)
        self.process = subprocess.Popen(command, env=environment, pass_fds=fds, stdout=self.log, stderr=self.log)

    def is_running(self):
        return self.process.poll() is None

    def stop(self, how=signal.SIGTERM):
        """The exit status."""
        if self.is_running():
            self.process.send_signal(how)
        try:
            return self.process.wait(20 * SLOW)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20 * SLOW)
            raise AssertionError('the daemon does not end') from None

    def text(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read()


class Test(unittest.TestCase):
    """Everything is new for each test, and gone after it."""

    match_rules = 512  # that the bus lets a connection have, as it does without a configuration

    def setUp(self):
        self.daemon = None
        self.polkit = None
        self.store = None
        self.directory = tempfile.TemporaryDirectory(prefix='vferry-test-')
        self.addCleanup(self.directory.cleanup)
        self.sysfs = sysfs.Sysfs()
        self.addCleanup(self.sysfs.stop)
        self.bus = bus.Bus(os.path.join(SOURCE, 'dbus', 'org.vferry1.conf'), self.match_rules)
        self.addCleanup(self.bus.stop)
        self.client = self.connect()

    def tearDown(self):
        if self.daemon and self.daemon.is_running():
            self.assertEqual(self.daemon.stop(), 0, 'the exit status of the daemon')

    def run(self, result=None):
        """Shows the log of the daemon under a test that failed."""
        bad = len(result.failures) + len(result.errors) if result else 0
        super().run(result)
        if result and len(result.failures) + len(result.errors) > bad and self.daemon:
            for line in self.daemon.text().splitlines():
                print(f'# vferryd: {line}')
            sys.stdout.flush()

    # --- processes

    def daemon_program(self):
        return os.environ['VFERRY_TEST_DAEMON']

    def make_environment(self):
        """Of the daemon; a test may change it before start_daemon()."""
        program = self.daemon_program()
        environment = dict(os.environ)
        environment.update({
            'LD_PRELOAD': ':'.join([find_asan(program) + os.environ['VFERRY_TEST_OBEY'], PRELOAD]),
            'UMOCKDEV_DIR': self.sysfs.root,  # GLib's setenv does not reach os.environ
            'DBUS_SYSTEM_BUS_ADDRESS': self.bus.address,
            'G_DEBUG': 'fatal-criticals',
            'LC_ALL': 'C.UTF-8',
            'VFERRY_STATE_DIR': self.make_directory('state'),
            'VFERRY_RUN_DIR': self.make_directory('run'),
            'VFERRY_MODEL_PATH': os.path.join(SOURCE, 'xml', 'models'),
            'VFERRY_SCHEMA_DIR': os.path.join(SOURCE, 'xml', 'schemas'),
            'VFERRY_LIBEXEC_DIR': self.make_libexec(),
        })
        return environment

    def make_directory(self, name):
        path = os.path.join(self.directory.name, name)
        os.makedirs(path, mode=0o700, exist_ok=True)
        return path

    def make_libexec(self):
        """The programs that the daemon starts, in one folder as when installed."""
        folder = self.make_directory('libexec')
        for program in filter(None, os.environ.get('VFERRY_TEST_PROGRAMS', '').split(':')):
            link = os.path.join(folder, os.path.basename(program))
            if not os.path.lexists(link):
                os.symlink(program, link)
        return folder

    def start_store(self, **options):
        """systemd's store of descriptors, for every daemon from now on."""
        self.store = fd_store.FdStore(os.path.join(self.directory.name, 'notify'), **options)
        self.addCleanup(self.store.close)
        return self.store

    def launch_daemon(self, *arguments, environment=None):
        """Starts it and does not wait for its name."""
        if self.daemon is None:
            self.addCleanup(self.kill_daemon)
        self.daemon = Daemon(self.daemon_program(), ['--verbose', *arguments],
                             environment or self.make_environment(), self.store)
        return self.daemon

    def start_daemon(self, *arguments, environment=None):
        self.launch_daemon(*arguments, environment=environment)
        self.wait_for(lambda: not self.daemon.is_running() or self.client.has_owner('org.vferry1'),
                      'the name org.vferry1', 30)
        self.assertTrue(self.daemon.is_running(), 'the daemon ended')
        return self.daemon

    def kill_daemon(self):
        if self.daemon.is_running():
            self.daemon.process.kill()
            self.daemon.process.wait(20)

    def start_polkit(self, *allowed):
        self.polkit = polkit.Polkit(self.bus)
        self.addCleanup(self.polkit.stop)
        self.polkit.allow(*allowed)
        return self.polkit

    def connect(self):
        """Another caller."""
        client = self.bus.connect()
        self.addCleanup(client.close)
        return client

    # --- waiting

    def iterate(self):
        """Delivers what has arrived: signals and answers."""
        while GLib.MainContext.default().iteration(False):
            pass

    def wait_for(self, condition, what, seconds=10):
        """Until `condition` returns something true, which is returned."""
        started = time.monotonic()
        while True:
            self.iterate()
            value = condition()
            if value:
                return value
            waited = time.monotonic() - started
            if waited > seconds * SLOW:
                self.fail(f'{what}: not within {seconds * SLOW:.0f} s')
            time.sleep(min(max(0.005, waited / 32), 0.1))  # a look takes time from those who are waited for

    def sleep(self, seconds):
        """For what must not happen."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.iterate()
            time.sleep(0.05)

    def finish(self, call, seconds=20):
        """The result of a start_call()."""
        self.wait_for(lambda: call.done, 'an answer', seconds)
        return call.result()

    # --- objects

    def manager(self, client=None):
        return Object(client or self.client, ROOT, 'org.vferry1.Manager')

    def find_object(self, interface, key, value, client=None):
        """The object whose property `key` is `value`, or None."""
        full = f'org.vferry1.{interface}'
        path = self.client.find(full, **{key: value})
        return Object(client or self.client, path, full) if path else None

    def find_device(self, device_id, client=None):
        return self.find_object('Device', 'Id', device_id, client)

    def find_parent(self, parent_id, client=None):
        return self.find_object('Parent', 'Id', parent_id, client)

    def wait_for_device(self, device_id, client=None):
        """Until it is on the bus and complete."""
        def look():
            device = self.find_device(device_id, client)
            return device if device and device.get('VfioDev') and device.get('Driver') else None
        return self.wait_for(look, f'device {device_id}')

    def wait_until_gone(self, device_id):
        self.wait_for(lambda: not self.find_device(device_id), f'the end of device {device_id}')

    def wait_for_property(self, thing, name, value, seconds=10):
        self.wait_for(lambda: thing.get(name) == value, f'{name} = {value!r}', seconds)

    # --- expectations

    def assert_refused(self, code, function, *arguments, **options):
        """The error, for a look at its message."""
        with self.assertRaises(Error) as caught:
            function(*arguments, **options)
        self.assertEqual(caught.exception.name, error_name(code), caught.exception.message)
        return caught.exception
