#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vferryctl domain with the real daemon, which is source and destination at once; only the hypervisor driver pretends."""

import json
import os
import socket

import crossing
import harness
import tap
import tool

WAIT_MS = 2000  # the pretended source comes to the destination so late, when a guest is to be attached there


class Test(tool.Mixin, crossing.Test):
    fake = True

    def launch(self):
        self.environment['VFERRY_FAKE_DEVICES'] = f'{self.uuid} {self.more_devices()}'.strip()
        self.environment['VFERRY_FAKE_DURATION_MS'] = str(int(WAIT_MS * harness.SLOW))
        super().launch()

    def more_devices(self):
        return ''

    def setUp(self):
        super().setUp()
        self.wait_for_device(self.uuid)
        self.path, self.listener = self.monitor('qmp')

    def monitor(self, name):
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        path = os.path.join(self.directory.name, name)
        listener.bind(path)
        listener.listen(2)
        return path, listener

    def attach(self, *options):
        """The tool, which stays, and the guest's end of what it has handed over."""
        process = self.start_tool('domain', 'attach', '--driver', 'fake', '--name', 'cat', '--qmp', self.path, *options)
        self.wait_for(lambda: self.find_object('Domain', 'Name', 'cat'), 'the domain')
        process.stdout.readline()  # it has seen the domain, too
        guest, _ = self.listener.accept()
        self.addCleanup(guest.close)
        return process, guest

    def domains(self):
        return [path for path, has in self.client.objects().items() if 'org.vferry1.Domain' in has]


class Attached(Test):
    def test_until_interrupted(self):
        process, guest = self.attach()
        status, out, _ = self.tool('domain', 'show', 'cat')
        self.assertEqual(status, 0)
        self.assertRegex(out, rf'(?m)^0000:00:02.0 +{self.uuid} +{self.uuid} +kernel.org/mtty +yes$')
        self.assertRegex(self.tool('domain', 'list')[1], rf'(?m)^cat +- +fake +running +{self.uuid} +yes$')
        process.terminate()
        status, _, err = self.finish_tool(process)
        self.assertEqual((status, err), (0, 'vferryctl: cat is detached.\n'))
        self.assertEqual(self.domains(), [])
        guest.settimeout(10 * harness.SLOW)
        self.assertEqual(guest.recv(1), b'', 'nobody has the monitor any more')

    def test_guest_goes(self):
        process, guest = self.attach()
        guest.close()
        status, _, err = self.finish_tool(process)
        self.assertEqual((status, err), (0, 'vferryctl: cat has gone.\n'))

    def test_tool_is_killed(self):
        process, _ = self.attach()
        process.kill()
        self.wait_for(lambda: not self.domains(), 'the end of the domain')

    def test_refused(self):
        self.attach()
        status, out, err = self.tool('domain', 'attach', '--driver', 'fake', '--name', 'cat', '--qmp', self.path)
        self.assertEqual((status, out), (1, ''))
        self.assertIn('there is a domain cat here already', err)
        status, _, err = self.tool('domain', 'attach', '--driver', 'xen', '--qmp', self.path)
        self.assertEqual(status, 1)
        self.assertIn('“xen”', err)
        self.polkit.allow()
        status, _, err = self.tool('domain', 'attach', '--driver', 'fake', '--qmp', self.path)
        self.assertEqual(status, 4)
        self.assertIn('org.vferry1.migrate', err)

    def test_check(self):
        self.attach()
        self.assertEqual(self.tool('domain', 'check', 'cat')[0], 0)
        status, out, err = self.tool('domain', 'check', '--json', 'cat', self.bus.address)
        self.assertEqual((status, err), (0, ''), out)
        self.assertEqual([line['code'] for line in json.loads(out)['lines']], ['migrates', 'identical'])


class Mute(Test):
    def more_devices(self):
        return 'mute-0000:99:00.0'

    def test_check(self):
        self.attach()
        status, out, _ = self.tool('domain', 'check', 'cat', self.bus.address)
        self.assertEqual(status, 1)
        self.assertRegex(out, r'0000:00:03.0 .*does not fit +its driver has no migration')
        status, _, err = self.tool('domain', 'migrate', 'cat', self.bus.address, '--address', '127.0.0.1')
        self.assertEqual(status, 1)
        self.assertIn('cannot migrate: its driver has no migration', err)


class Migrate(Test):
    def migrate(self, *options):
        return self.start_tool('domain', 'migrate', '--driver', 'fake', '--name', 'cat', '--qmp', self.path, self.bus.address,
                               '--address', '127.0.0.1', *options)

    def test_all_of_it(self):
        peer, _ = self.monitor('peer')
        seen = os.path.join(self.directory.name, 'seen')
        status, out, err = self.finish_tool(self.migrate('--peer-qmp', peer, '--peer-start', f'echo "$VFERRY_DEVICES" >{seen}'))
        self.assertEqual((status, err), (0, ''), out)
        (created,) = self.mdevs()
        with open(seen, encoding='utf-8') as file:
            self.assertEqual(file.read(), f'{self.uuid}={created}\n')
        self.assertIn(f'running at {self.bus.address}', out)

    def test_somebody_attaches_it(self):
        process = self.migrate('--json')
        lease = self.wait_for(lambda: self.find_object('Lease', 'State', 'ready'), 'the lease')
        peer, _ = self.monitor('peer')
        status, out, err = self.tool('domain', 'attach', '--driver', 'fake', '--qmp', peer, '--lease', lease.path)
        self.assertEqual((status, err), (0, ''), out)
        self.assertRegex(out, r'(?m)^state +incoming$')
        status, out, err = self.finish_tool(process)
        self.assertEqual(status, 0, err)
        self.assertEqual(json.loads(out)['result'], 'completed')

    def test_source_goes_before(self):
        """Nothing is left of what was prepared."""
        process = self.migrate('--peer-start', 'sleep 1000', '--wait', '100')
        guest, _ = self.listener.accept()
        self.wait_for(self.mdevs, 'the device')
        guest.close()
        status, _, err = self.finish_tool(process)
        self.assertEqual(status, 1)
        self.assertIn('domain cat has gone', err)
        self.wait_for(lambda: not self.mdevs(), 'the end of what was created', 20)

    def test_command_fails(self):
        status, _, err = self.finish_tool(self.migrate('--peer-start', 'exit 9'))
        self.assertEqual(status, 1)
        self.assertIn('exit status 9', err)
        self.wait_for(lambda: not self.mdevs(), 'the end of what was created', 20)
        self.assertEqual(self.domains(), [], 'the source guest is as it was before')


if __name__ == '__main__':
    tap.main()
