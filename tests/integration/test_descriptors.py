#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What callers send along takes as long to close as they like, and nobody waits for it."""

import os
import signal
import time

from gi.repository import Gio

import crossing
import harness
import slow_close
import tap

Variant = crossing.Variant
DEVICE = 'org.vferry1.Device'
MANAGER = 'org.vferry1.Manager'
LEND = Variant('(ha{sv})', (0, {}))
NONE = Variant('(a{sv})', ({},))
OF_USER = 16  # daemon/base/closers.h


class Test(crossing.Test):
    def setUp(self):
        super().setUp()
        self.server = slow_close.Server()
        self.addCleanup(self.server.close)
        self.device = self.wait_for_device(self.uuid)
        self.wait_for(lambda: not self.closing(), 'the end of what was closed before')
        self.before = self.count_descriptors()

    def closing(self):
        """How many threads of the daemon are at it."""
        return self.threads().count('close')

    def count_descriptors(self):
        return len(os.listdir(f'/proc/{self.daemon.process.pid}/fd'))

    def send(self, messages, client=None):
        """(message, number of descriptors) each, so that the daemon has the last copy of every one of these."""
        client = client or self.connect()
        self.daemon.process.send_signal(signal.SIGSTOP)
        for message, number in messages:
            fds = Gio.UnixFDList.new_from_array(self.server.make(number))
            message.set_unix_fd_list(fds)
            client.connection.send_message(message, Gio.DBusSendMessageFlags.NONE)
            client.connection.flush_sync(None)
            for fd in fds.steal_fds():
                os.close(fd)
        client.has_owner(client.name)  # the bus has them all, and has passed them on
        self.daemon.process.send_signal(signal.SIGCONT)
        return client

    def assert_answers(self):
        """The main loop, and GDBus' own thread."""
        started = time.monotonic()
        self.client.call('/org/vferry1', 'org.freedesktop.DBus.Peer.Ping', timeout_ms=20000)
        self.manager().call('GetCapabilities', NONE, timeout_ms=20000)
        self.assertLess(time.monotonic() - started, 10 * harness.SLOW)

    def assert_closed(self):
        """As soon as the other ends let go."""
        self.server.let_go()
        self.wait_for(lambda: not self.closing(), 'the end of the closes')
        self.wait_for(lambda: self.count_descriptors() <= self.before, 'as many descriptors as before')

    def check(self, message, number=1):
        """It is closed slowly, and everybody goes on."""
        self.send([(message, number)])
        self.wait_for(lambda: self.closing() == number, 'the closes')
        self.assert_answers()
        self.assertEqual(self.closing(), number)
        self.assert_closed()

    @staticmethod
    def method(path, interface, name, body=None):
        message = Gio.DBusMessage.new_method_call('org.vferry1', path, interface, name)
        if body is not None:
            message.set_body(body)
        return message

    def lend(self, body=LEND, path=None):
        return self.method(path or self.device.path, DEVICE, 'Lend', body)

    def test_public(self):
        self.check(self.method('/org/vferry1', MANAGER, 'GetCapabilities', NONE))
        self.check(self.method('/org/vferry1', MANAGER, 'Find', Variant('(sa{sv})', ('x', {}))), 3)

    def test_what_gdbus_answers(self):
        freedesktop = 'org.freedesktop.DBus.'
        for message in (
                self.method('/org/vferry1', freedesktop + 'Peer', 'Ping'),
                self.method('/org/vferry1', freedesktop + 'Introspectable', 'Introspect'),
                self.method('/org/vferry1', freedesktop + 'ObjectManager', 'GetManagedObjects'),
                self.method('/org/vferry1', freedesktop + 'Properties', 'Get', Variant('(ss)', (MANAGER, 'HostId'))),
                self.method('/org/vferry1', freedesktop + 'Properties', 'Set',
                            Variant('(ssv)', (MANAGER, 'HostId', Variant('s', 'x')))),
                self.method('/org/vferry1', MANAGER, 'Unknown'),
                self.method('/org/vferry1', MANAGER, 'GetCapabilities', Variant('(s)', ('x',))),
                self.method('/org/vferry1', DEVICE, 'Lend', LEND),
                self.method('/nowhere', MANAGER, 'GetCapabilities', NONE),
                self.lend(Variant('(s)', ('x',))),
                self.lend(path='/org/vferry1/device/none')):
            with self.subTest(path=message.get_path(), method=message.get_member()):
                self.check(message)

    def test_signal(self):
        message = Gio.DBusMessage.new_signal('/org/vferry1', 'org.example.Shout', 'Shouted')
        message.set_destination('org.vferry1')
        self.check(message)

    def test_guarded(self):
        self.check(self.method('/org/vferry1', MANAGER, 'Begin', Variant('(aoa{sv})', ([], {}))), 2)

    def test_attach_what_is_no_monitor(self):
        options = {'driver': Variant('s', 'qemu'), 'qmp': Variant('h', 0)}
        self.check(self.method('/org/vferry1', MANAGER, 'AttachDomain', Variant('(a{sv})', (options,))))

    def test_lend_refused(self):
        self.polkit.allow()
        self.check(self.lend())

    def test_lend_with_others(self):
        self.check(self.lend(), 2)

    def test_lend_that_is_wrong(self):
        self.check(self.lend(Variant('(ha{sv})', (1, {}))))
        self.check(self.lend(Variant('(ha{sv})', (0, {'colour': Variant('s', 'red')}))))
        self.check(self.lend(Variant('(ha{sv})', (0, {'driver': Variant('s', 'none')}))))

    def test_lend_of_what_is_lent(self):
        fd = os.open(os.devnull, os.O_RDWR)
        self.client.call_with_fds(self.device.path, f'{DEVICE}.Lend', LEND, [fd])
        os.close(fd)
        self.before = self.count_descriptors()
        self.check(self.lend())

    def test_lend_of_no_device(self):
        """The loan's copy; the mover has ended."""
        self.script('inspect', ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Device', 'message': 'no device'}])
        self.check(self.lend())

    def test_sender_leaves(self):
        """While polkit thinks."""
        self.polkit.allow()
        self.polkit.hang()
        client = self.send([(self.lend(), 1)])
        self.wait_for(self.polkit.questions, 'the question')
        client.close()
        self.polkit.hang(False)
        self.wait_for(self.closing, 'the close')
        self.assert_answers()
        self.assert_closed()

    def test_device_leaves(self):
        self.polkit.hang()
        self.send([(self.lend(), 1)])
        self.wait_for(self.polkit.questions, 'the question')
        self.sysfs.remove_mdev(self.uuid)
        self.wait_until_gone(self.uuid)
        self.polkit.hang(False)
        self.wait_for(self.closing, 'the close')
        self.assert_answers()
        self.assert_closed()

    def test_flood(self):
        """So many threads, however many descriptors."""
        messages = [(self.method('/org/vferry1', MANAGER, 'Begin', Variant('(s)', ('x',))), 16) for _ in range(20)]
        self.send(messages)
        self.wait_for(lambda: self.closing() == OF_USER and self.count_descriptors() > self.before + 200, 'the flood')
        self.assert_answers()
        self.assertEqual(self.closing(), OF_USER)
        self.wait_for(lambda: 'take long to close' in self.daemon.text(), 'the warning')
        self.assert_closed()

    def test_flood_of_lends(self):
        """Who waits for his own is told."""
        self.polkit.allow()
        self.send([(self.lend(), 1) for _ in range(OF_USER)])
        self.wait_for(lambda: self.closing() == OF_USER, 'the closes')
        with open(os.devnull, 'rb') as file:
            error = self.assert_refused('LimitExceeded', self.client.call_with_fds, self.device.path, f'{DEVICE}.Lend', LEND,
                                        [file.fileno()])
        self.assertIn(f'{OF_USER} descriptors of uid {os.getuid()} ', error.message)
        self.assert_answers()
        self.assert_closed()
        self.polkit.allow('org.vferry1.migrate')
        with open(os.devnull, 'rb') as file:
            self.client.call_with_fds(self.device.path, f'{DEVICE}.Lend', LEND, [file.fileno()])

    def test_end_of_the_daemon(self):
        """It does not wait either."""
        self.send([(self.method('/org/vferry1', MANAGER, 'GetCapabilities', NONE), 16)])
        self.wait_for(self.closing, 'the closes')
        self.assertEqual(self.daemon.stop(), 0)

    def test_probe(self):
        """What the mover opened: the daemon's copy is the last."""
        self.script('open', ['result', {'outcome': 'completed', 'flags': ['stop-copy'], 'state': 'RUNNING'}, self.server.port])
        call = self.device.start_call('Probe', NONE)
        self.server.others.append(self.server.socket.accept()[0])
        self.finish(call)
        self.wait_for(self.closing, 'the close')
        self.assert_answers()
        self.assert_closed()


if __name__ == '__main__':
    tap.main()
