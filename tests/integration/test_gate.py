#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may call what."""

import os
import re
import signal
import time
import unittest
import xml.etree.ElementTree as ElementTree

from gi.repository import Gio

import crossing
import harness
import polkit
import tap
from harness import Variant

UUID = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001'
NO_OPTIONS = Variant('(a{sv})', ({},))
MANAGE = 'org.vferry1.manage-devices'
MIGRATE = 'org.vferry1.migrate'
ZERO = {'s': '""', 'o': "objectpath '/'", 'u': 'uint32 0', 't': 'uint64 0', 'h': 'handle 0',
        'a{sv}': '@a{sv} {}', 'ao': '@ao []', 'ay': '@ay []'}


def guarded_methods(name):
    """(method, action, arguments) of the interface's methods that are not public."""
    tree = ElementTree.parse(os.path.join(harness.SOURCE, 'dbus', f'{name}.xml'))
    for method in tree.getroot().iter('method'):
        action = next(a.get('value') for a in method.findall('annotation')
                      if a.get('name') == 'org.vferry1.Action')
        if action == 'public':
            continue
        types = [a.get('type') for a in method.findall('arg') if a.get('direction') == 'in']
        text = '(' + ', '.join(ZERO[t] for t in types) + (',)' if len(types) == 1 else ')')
        yield method.get('name'), action, Variant.parse(None, text, None, None)


def methods_with_descriptors():
    """Those that take some."""
    for name in os.listdir(os.path.join(harness.SOURCE, 'dbus')):
        if name.endswith('.xml'):
            tree = ElementTree.parse(os.path.join(harness.SOURCE, 'dbus', name))
            yield from ((name, method.get('name'), arg.get('type')) for method in tree.getroot().iter('method')
                        for arg in method.findall('arg') if arg.get('direction') == 'in' and 'h' in arg.get('type'))


class Gate(harness.Test):
    def setUp(self):
        super().setUp()
        self.sysfs.add_mtty_parent()
        self.sysfs.add_mdev('mtty-2', UUID)

    def assert_all_refused(self, thing):
        for method, action, arguments in guarded_methods(thing.interface):
            with self.subTest(method=method):
                with open(os.devnull, 'rb') as file:
                    error = self.assert_refused(
                        'NotAuthorized', self.client.call_with_fds, thing.path,
                        f'{thing.interface}.{method}', arguments, [file.fileno()])
                self.assertIn(action, error.message)
                self.assertIn('/etc/polkit-1/rules.d', error.message)

    def confirm(self, **options):
        """A guarded method that does nothing without a job."""
        return self.manager().call('Confirm', Variant('(sa{sv})', (UUID, {})), **options)

    def start_confirm(self, client=None, name=UUID, **options):
        return self.manager(client).start_call('Confirm', Variant('(sa{sv})', (name, {})), **options)

    def hold(self, number, client=None, **options):
        """So many calls that wait for polkit."""
        before = len(self.polkit.questions())
        calls = [self.start_confirm(client, flags=Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION, **options)
                 for _ in range(number)]
        self.wait_for(lambda: len(self.polkit.questions()) == before + number, 'the questions')
        return calls

    def connect_as(self, uid):
        """A caller who is another user."""
        os.chmod(self.bus.directory.name, 0o755)
        os.setresuid(uid, uid, 0)
        try:
            return self.connect()
        finally:
            os.setresuid(0, 0, 0)

    def count_memory(self):
        """In KiB."""
        with open(f'/proc/{self.daemon.process.pid}/status', encoding='utf-8') as file:
            return int(re.search(r'VmRSS:\s+(\d+)', file.read())[1])

    def count_descriptors(self):
        return len(os.listdir(f'/proc/{self.daemon.process.pid}/fd'))

    def assert_let_through(self, function, *arguments, **options):
        with self.assertRaises(harness.Error) as caught:
            function(*arguments, **options)
        self.assertNotEqual(caught.exception.name, harness.error_name('NotAuthorized'))

    def test_every_guarded_method_of_the_manager(self):
        self.start_polkit()
        self.start_daemon()
        self.assert_all_refused(self.manager())

    def test_every_guarded_method_of_a_device(self):
        self.start_polkit()
        self.start_daemon()
        self.assert_all_refused(self.find_device(UUID))

    def test_every_guarded_method_of_a_parent(self):
        self.start_polkit()
        self.start_daemon()
        self.assert_all_refused(self.find_parent('mtty'))

    def test_without_polkit(self):
        self.start_daemon()
        self.assert_all_refused(self.manager())
        self.assert_all_refused(self.find_device(UUID))

    def test_allowed(self):
        self.start_polkit(MIGRATE)
        self.start_daemon()
        self.assert_let_through(self.confirm)

    def test_the_action_counts(self):
        self.start_polkit(MANAGE)
        self.start_daemon()
        self.assert_refused('NotAuthorized', self.confirm)

    def test_verdict_is_not_remembered(self):
        self.start_polkit(MIGRATE)
        self.start_daemon()
        self.assert_let_through(self.confirm)
        self.polkit.allow()
        self.assert_refused('NotAuthorized', self.confirm)

    def test_reading_asks_nobody(self):
        self.start_polkit()
        self.start_daemon()
        self.manager().call('GetCapabilities', NO_OPTIONS)
        self.manager().call('Lookup', Variant('(s)', (UUID,)))
        self.find_device(UUID).call('GetXml', NO_OPTIONS)
        self.assertEqual(self.polkit.questions(), [])

    def test_question(self):
        self.start_polkit()
        self.start_daemon()
        device = self.find_device(UUID)
        self.assert_refused('NotAuthorized', device.call, 'Remove', NO_OPTIONS)
        (kind, name, action, details, flags, _), = self.polkit.questions()
        self.assertEqual((kind, name, action), ('system-bus-name', self.client.name, MANAGE))
        self.assertEqual(details, {'method': 'org.vferry1.Device.Remove', 'object': device.path})
        self.assertEqual(flags, 0)

    def test_interaction_only_when_the_caller_allows(self):
        self.start_polkit()
        self.start_daemon()
        self.polkit.challenge(MIGRATE)
        error = self.assert_refused('NotAuthorized', self.confirm)
        self.assertIn('authentication is needed', error.message)
        self.assert_refused('NotAuthorized', self.confirm,
                            flags=Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION)
        self.assertEqual([q[4] for q in self.polkit.questions()], [0, 1])

    def test_polkit_comes_back(self):
        self.start_polkit(MIGRATE)
        self.start_daemon()
        self.assert_let_through(self.confirm)
        self.polkit.stop()
        self.wait_for(lambda: not self.client.has_owner(polkit.NAME), 'the end of polkitd')
        self.assert_refused('NotAuthorized', self.confirm)
        self.start_polkit(MIGRATE)
        self.assert_let_through(self.confirm)

    def test_polkit_thinks(self):
        """Everything else goes on meanwhile, more questions than GDBus has threads included."""
        self.start_polkit(MIGRATE)
        self.start_daemon()
        self.polkit.hang()
        calls = [self.start_confirm() for _ in range(40)]
        self.wait_for(lambda: len(self.polkit.questions()) == 40, 'the questions')
        started = time.monotonic()
        self.manager().call('GetCapabilities', NO_OPTIONS)
        self.assertLess(time.monotonic() - started, 5 * harness.SLOW)
        self.assertFalse(any(call.done for call in calls))
        self.polkit.hang(False)
        for call in calls:
            self.assert_let_through(self.finish, call)

    def test_polkit_never_answers(self):
        """Refused before the caller's own patience ends."""
        self.start_polkit(MIGRATE)
        self.start_daemon()
        self.polkit.hang()
        error = self.assert_refused('NotAuthorized', self.confirm, timeout_ms=60000)
        self.assertIn('did not answer', error.message)

    def test_descriptors_do_not_wait(self):
        """But for the one that is lent."""
        self.assertEqual(list(methods_with_descriptors()), [('org.vferry1.Device.xml', 'Lend', 'h')])  # as gate.c has it
        self.start_polkit()
        self.start_daemon()
        self.polkit.hang()
        self.hold(1)
        before = self.count_descriptors()
        with open(os.devnull, 'rb') as file:
            self.hold(30, fds=[file.fileno()] * 16)
            self.wait_for(lambda: self.count_descriptors() == before, 'the end of theirs, which are closed in threads')
            lend = self.find_device(UUID).start_call('Lend', Variant('(ha{sv})', (0, {})), fds=[file.fileno()])
            self.wait_for(lambda: len(self.polkit.questions()) == 32, 'the question')
        self.wait_for(lambda: self.count_descriptors() == before + 1, 'the one that is lent, and no other')
        self.polkit.hang(False)
        self.assert_refused('NotAuthorized', self.finish, lend)
        self.wait_for(lambda: self.count_descriptors() == before, 'the end of what was not lent')

    def test_a_user_has_so_many_waiting(self):
        self.start_polkit(MIGRATE)
        self.start_daemon()
        self.polkit.hang()
        calls = self.hold(20) + self.hold(20, self.connect())
        for client in self.client, self.connect():
            error = self.assert_refused('LimitExceeded', self.finish, self.start_confirm(client))
            self.assertIn(f'40 calls of uid {os.getuid()} ', error.message)
        self.assertEqual(len(self.polkit.questions()), 40)
        self.polkit.hang(False)
        for call in calls:
            self.assert_let_through(self.finish, call)
        self.assert_let_through(self.confirm)

    def test_a_newcomer_has_so_many_waiting(self):
        """The daemon does not know yet who it is."""
        self.start_polkit(MIGRATE)
        self.start_daemon()
        self.polkit.hang()
        caller = self.connect()
        self.daemon.process.send_signal(signal.SIGSTOP)
        calls = [self.start_confirm(caller) for _ in range(100)]
        caller.has_owner(caller.name)  # the bus has them all
        self.daemon.process.send_signal(signal.SIGCONT)
        self.wait_for(lambda: sum(call.done for call in calls) == 60 and len(self.polkit.questions()) == 40, 'the others')
        refused = [call for call in calls if call.done]
        errors = [self.assert_refused('LimitExceeded', call.result) for call in refused]
        # the bus may say who it is before the last of them is counted
        for error in errors:
            self.assertRegex(error.message, f'40 calls of ({caller.name}|uid {os.getuid()}) ')
        self.polkit.hang(False)
        for call in set(calls) - set(refused):
            self.assert_let_through(self.finish, call)

    def test_a_user_has_so_much_waiting(self):
        self.start_polkit(MIGRATE)
        self.start_daemon()
        self.polkit.hang()
        calls = self.hold(2, name='x' * (30 << 20))
        error = self.assert_refused('LimitExceeded', self.finish, self.start_confirm(name='x' * (30 << 20)))
        self.assertIn('60 MiB', error.message)
        self.assertIn('64 MiB', error.message)
        calls += self.hold(1)
        self.polkit.hang(False)
        for call in calls:
            self.assert_let_through(self.finish, call)

    def test_small_arguments_take_little(self):
        """No more than their size, when they wait. What watches memory itself keeps some that is free: then they only wait."""
        watched = harness.find_asan(os.environ['VFERRY_TEST_DAEMON']) or os.environ.get('VFERRY_TEST_WRAPPER')
        self.start_polkit()
        self.start_daemon()
        self.polkit.hang()
        arguments = Variant('(aoa{sv})', (['/'] * 100000, {}))  # 600 kB
        used = []
        for number in range(6):
            self.manager().start_call('Begin', arguments)
            self.wait_for(lambda wanted=number + 1: len(self.polkit.questions()) == wanted, 'the question')
            used.append(self.count_memory())
        if not watched:
            self.assertLess(used[-1] - used[0], 5 * 2048, used)

    @unittest.skipUnless(os.getuid() == 0, 'only root can be several users')
    def test_others_do_not_keep_root_out(self):
        """Nor does the bus, which counts what the daemon waits for."""
        self.start_polkit(MIGRATE)
        self.start_daemon()
        self.polkit.hang()
        third = self.connect_as(3)
        calls = self.hold(40, self.connect_as(1)) + self.hold(40, self.connect_as(2))
        error = self.assert_refused('LimitExceeded', self.finish, self.start_confirm(third))
        self.assertIn('80 calls of all users ', error.message)
        calls += self.hold(40)
        self.assert_refused('LimitExceeded', self.confirm)
        self.polkit.hang(False)
        for call in calls:
            self.assert_let_through(self.finish, call)
        self.assert_let_through(self.finish, self.start_confirm(third))

    def test_caller_leaves_meanwhile(self):
        self.start_polkit(MIGRATE)
        self.start_daemon()
        self.polkit.hang()
        caller = self.bus.connect()
        self.start_confirm(caller)
        self.wait_for(self.polkit.questions, 'the question')
        caller.close()
        self.polkit.hang(False)
        self.assert_let_through(self.confirm)

    def test_object_leaves_meanwhile(self):
        self.start_polkit(MANAGE)
        self.start_daemon()
        self.polkit.hang()
        call = self.find_device(UUID).start_call('Remove', NO_OPTIONS)
        self.wait_for(self.polkit.questions, 'the question')
        self.sysfs.remove_mdev(UUID)
        self.wait_until_gone(UUID)
        self.polkit.hang(False)
        self.assert_refused('NotFound', self.finish, call)

    def test_stop_meanwhile(self):
        self.start_polkit(MANAGE)
        self.start_daemon()
        self.polkit.hang()
        self.find_device(UUID).start_call('Remove', NO_OPTIONS)
        self.wait_for(self.polkit.questions, 'the question')
        self.assertEqual(self.daemon.stop(), 0)

    def test_unknown_method(self):
        self.start_polkit(MANAGE, MIGRATE)
        self.start_daemon()
        with self.assertRaises(harness.Error) as caught:
            self.manager().call('Destroy')
        self.assertEqual(caught.exception.name, 'org.freedesktop.DBus.Error.UnknownMethod')
        self.assertEqual(self.polkit.questions(), [])

    def test_wrong_arguments(self):
        self.start_polkit()
        self.start_daemon()
        with self.assertRaises(harness.Error) as caught:
            self.manager().call('Confirm', Variant('(u)', (1,)))
        self.assertEqual(caught.exception.name, 'org.freedesktop.DBus.Error.InvalidArgs')

    def test_who_did_what_is_logged(self):
        self.start_polkit(MIGRATE)
        self.start_daemon()
        self.assert_let_through(self.confirm)
        self.polkit.allow()
        self.assert_refused('NotAuthorized', self.confirm)
        log = self.daemon.text()
        self.assertRegex(log, re.escape(f'org.vferry1.Manager.Confirm by {self.client.name} (uid {os.getuid()})'))
        self.assertIn(f'org.vferry1.Manager.Confirm is refused to {self.client.name}', log)


class Watches(crossing.Test):
    match_rules = 30

    def test_lender_leaves_among_many(self):
        """Callers use up none of the daemon's match rules, which nobody would say."""
        for _ in range(2 * self.match_rules):
            self.assert_refused('InvalidArgument', self.manager(self.connect()).call, 'Begin', Variant('(aoa{sv})', ([], {})))
        lender = self.connect()
        self.lend(lender)
        self.assertEqual(self.find_device(self.uuid).get('State'), 'lent')
        lender.close()
        self.wait_for(lambda: self.find_device(self.uuid).get('State') == 'unknown', 'the end of the loan')


if __name__ == '__main__':
    tap.main()
