#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvferry-1 through its introspection: gir_client.py, which knows nothing else, against vferryd and a fake of it."""

import json
import os
import subprocess
import sys

import harness
import tap
from cli_case import A, DBUS, DEVICE_PATH, JOB, JOB_PATH
from fake_daemon import FakeDaemon, device, job

UUID = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001'
CLIENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'gir_client.py')
LIBRARIES = os.environ['VFERRY_TEST_LIBRARIES']
Variant = harness.Variant


class Case(harness.Test):
    def start_client(self, *arguments):
        environment = {k: v for k, v in os.environ.items() if k not in ('LD_PRELOAD', 'UMOCKDEV_DIR')}
        asan = harness.find_asan(os.path.join(LIBRARIES, 'libvferry-1.so.0'))
        # Python itself is never free of leaks
        environment.update(DBUS_SYSTEM_BUS_ADDRESS=self.bus.address, GI_TYPELIB_PATH=LIBRARIES,
                           LD_LIBRARY_PATH=LIBRARIES, LD_PRELOAD=asan.rstrip(':'), G_DEBUG='fatal-criticals',
                           ASAN_OPTIONS=environment.get('ASAN_OPTIONS', '') + ':detect_leaks=0')
        process = subprocess.Popen([sys.executable, CLIENT, *arguments], env=environment, text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.kill)
        return process

    def finish_client(self, process):
        out, err = process.communicate(timeout=30 * harness.SLOW)
        self.assertEqual((process.returncode, err), (0, ""), err)
        return [json.loads(line) for line in out.splitlines()]

    def client_says(self, *arguments):
        return self.finish_client(self.start_client(*arguments))


class Daemon(Case):
    def setUp(self):
        super().setUp()
        self.sysfs.add_mtty_parent()
        self.sysfs.add_mdev('mtty-2', UUID)
        self.start_daemon()

    def find(self, lines, kind):
        return {line[kind]: line for line in lines if kind in line}

    def test_properties_and_values(self):
        lines = self.client_says('read')
        self.assertEqual(lines[0], {'version': self.manager().get('Version')})
        self.assertEqual(self.find(lines, 'device')[UUID],
                         {'device': UUID, 'group': 0, 'parameters': {'ports': '2'}, 'migration': []})
        self.assertEqual(self.find(lines, 'parent')['mtty']['offers'], [
            ['mtty/mtty-1', 'mtty-1', 'kernel.org/mtty', 22, {'ports': '1'}],
            ['mtty/mtty-2', 'mtty-2', 'kernel.org/mtty', 11, {'ports': '2'}]])
        models = self.find(lines, 'model')
        self.assertEqual(models['kernel.org/mtty']['parameters'], [['ports', 'int', 'equal', ['1', '2'], None, False]])
        self.assertIn(['state-size', 'size', 'equal', [], [4096, 8589934592, 4096], True],
                      models['vferry.org/testdev']['parameters'])

    def test_domain(self):
        self.daemon.stop()
        environment = self.make_environment()
        environment['VFERRY_FAKE_START'] = f'domain:{UUID}'
        self.start_daemon('--driver-fake', environment=environment)
        domain = self.find(self.client_says('read'), 'domain')['found']
        self.assertEqual((domain['state'], domain['job']), ('running', '/'))
        self.assertEqual(domain['devices'][0]['device'], self.wait_for_device(UUID).path)

    def test_method(self):
        line, = self.client_says('call', UUID[:8])
        self.assertEqual(line['path'], self.find_device(UUID).path)
        self.assertIn(f'id="{UUID}"', line['xml'])

    def test_error_of_our_domain(self):
        line, = self.client_says('fail', 'nowhere')
        self.assertEqual((line['domain'], line['not_found'], line['busy']), ('vferry-error-quark', True, False))
        self.assertIn('nowhere', line['message'])

    def test_device_comes_and_goes(self):
        client = self.start_client('watch')
        self.assertEqual(json.loads(client.stdout.readline()), {'ready': True})
        other = self.sysfs.add_mdev('mtty-1')
        path = self.wait_for_device(other).path
        self.sysfs.remove_mdev(other)
        self.wait_until_gone(other)
        self.assertEqual([json.loads(client.stdout.readline()) for _ in range(2)], [{'added': other}, {'removed': path}])
        self.assertEqual(self.finish_client(client), [])


class Signals(Case):
    """What only a migration would say."""

    def test_signals_have_their_arguments(self):
        daemon = FakeDaemon(self.bus.address, DBUS)
        self.addCleanup(daemon.close)
        client = self.start_client('watch')
        self.assertEqual(json.loads(client.stdout.readline()), {'ready': True})
        daemon.add(DEVICE_PATH, 'Device', device(A))
        self.assertEqual(json.loads(client.stdout.readline()), {'added': A})
        daemon.set(DEVICE_PATH, 'Device', {'State': Variant('s', 'lent')})
        self.assertEqual(json.loads(client.stdout.readline()), {'state': 'lent'})
        daemon.add(JOB_PATH, 'Job', job(JOB, 'source'))
        self.assertEqual(json.loads(client.stdout.readline()), {'added': JOB})
        daemon.emit(JOB_PATH, 'Job', 'Progress', Variant('(tta{sv})', (2**40, 2**41, {'round': Variant('u', 3)})))
        self.assertEqual(json.loads(client.stdout.readline()), {'done': 2**40, 'total': 2**41, 'detail': {'round': 3}})
        daemon.emit(JOB_PATH, 'Job', 'Completed', Variant('(sssa{sv})', ('failed', 'org.vferry1.Error.Peer', 'gone', {})))
        self.assertEqual(json.loads(client.stdout.readline()),
                         {'completed': ['failed', 'org.vferry1.Error.Peer', 'gone'], 'statistics': {}})
        self.finish_client(client)


if __name__ == '__main__':
    tap.main()
