#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vferryd as a process."""

import os
import signal

import harness
import tap

class Process(harness.Test):
    def wait_for_end(self, daemon, seconds=20):
        self.wait_for(lambda: not daemon.is_running(), 'the end of the daemon', seconds)
        return daemon.process.returncode

    def test_ends_on_sigterm(self):
        self.start_daemon()
        self.assertEqual(self.daemon.stop(signal.SIGTERM), 0)
        self.assertFalse(self.client.has_owner('org.vferry1'))

    def test_ends_on_sigint(self):
        self.start_daemon()
        self.assertEqual(self.daemon.stop(signal.SIGINT), 0)

    def test_only_one(self):
        first = self.start_daemon()
        second = self.launch_daemon()
        self.assertEqual(self.wait_for_end(second), 1)
        self.assertTrue(first.is_running())
        self.assertIn('org.vferry1', second.text())
        self.assertEqual(first.stop(), 0)

    def test_ends_with_the_bus(self):
        self.start_daemon()
        self.bus.process.terminate()
        self.assertEqual(self.wait_for_end(self.daemon), 1)
        self.assertIn('the bus has gone', self.daemon.text())

    def test_without_a_bus(self):
        environment = self.make_environment()
        environment['DBUS_SYSTEM_BUS_ADDRESS'] = 'unix:path=/nonexistent'
        self.launch_daemon(environment=environment)
        self.assertEqual(self.wait_for_end(self.daemon), 1)
        self.assertIn('cannot start', self.daemon.text())

    def test_bad_descriptor(self):
        """It is named in the log, and the others count."""
        folder = self.make_directory('models')
        with open(os.path.join(folder, 'a.xml'), 'w', encoding='utf-8') as file:
            file.write('<model xmlns="https://vferry.org/ns/model/1">\n')
        environment = self.make_environment()
        environment['VFERRY_MODEL_PATH'] = folder + ':' + environment['VFERRY_MODEL_PATH']
        self.sysfs.add_mtty_parent()
        uuid = self.sysfs.add_mdev('mtty-1')
        self.start_daemon(environment=environment)
        self.assertIn('a.xml:', self.daemon.text())
        self.assertEqual(self.find_device(uuid).get('Model'), 'kernel.org/mtty')

    def test_help(self):
        done = harness.run_program(os.environ['VFERRY_TEST_DAEMON'], '--help')
        self.assertEqual(done.returncode, 0)
        self.assertIn('--version', done.stdout)

    def test_usage(self):
        for argument in ('--colour', 'now'):
            done = harness.run_program(os.environ['VFERRY_TEST_DAEMON'], argument)
            self.assertEqual(done.returncode, 3, done.stderr)


if __name__ == '__main__':
    tap.main()
