#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vferryctl with the real daemon, which is source and destination at once; only the movers pretend."""

import json
import os
import subprocess
import time

import crossing
import harness
import tap
import tool


class Case(tool.Mixin, crossing.Test):
    pass


class Tool(Case):
    def migrate(self, *options):
        return self.tool('migrate', self.uuid[:8], self.bus.address, '--address', '127.0.0.1', *options)

    def test_reading(self):
        self.lend()
        status, out, err = self.tool('list')
        self.assertEqual((status, err), (0, ''))
        self.assertRegex(out, rf'{self.uuid} +kernel.org/mtty +ports=2 +lent +stop-copy, p2p, pre-copy\n')
        status, out, _ = self.tool('list', '--parents')
        self.assertRegex(out, r'mtty +mtty-2 +kernel.org/mtty +ports=2 +\d+\n')
        status, out, _ = self.tool('show', self.uuid[:8])
        self.assertRegex(out, r'state +lent\n')
        status, out, _ = self.tool('show', self.uuid, '--xml')
        self.assertIn(f'id="{self.uuid}"', out)
        status, out, _ = self.tool('capabilities')
        schema = os.path.join(harness.SOURCE, 'xml', 'schemas', 'capabilities.rng')
        check = subprocess.run(['xmllint', '--noout', '--relaxng', schema, '-'], input=out, text=True,
                               capture_output=True, timeout=20, check=False)
        self.assertEqual(check.returncode, 0, check.stderr)

    def test_of_a_device_that_has_left(self):
        """Its holder has it open still, and the kernel, which removes it, does not tell its type any more."""
        self.lend()
        self.go()
        self.assertEqual(self.migrate()[0], 0)
        self.sysfs.drop_type_link(self.uuid)
        self.sysfs.uevent(self.sysfs.mdevs[self.uuid], 'change')
        device = self.wait_for_device(self.uuid)
        self.wait_for_property(device, 'Model', '')
        self.assertEqual(device.get('State'), 'stopped')
        status, out, err = self.tool('explain', self.uuid)
        self.assertEqual((status, err), (0, ''))
        self.assertIn('being removed', out)
        self.assertNotIn('descriptor', out)
        for call in (('find', self.uuid), ('migrate', self.uuid, self.bus.address, '--address', '127.0.0.1')):
            status, out, err = self.tool(*call)
            self.assertNotEqual(status, 0)
            self.assertIn('being removed', err, call)

    def test_reading_pci(self):
        self.sysfs.add_function('0000:01:00.0', 'igb', {'sriov_totalvfs': 7, 'numa_node': 1})
        self.sysfs.add_function('0000:01:10.0', attributes={'numa_node': 1}, group=9, physfn='0000:01:00.0')
        self.sysfs.bind_function('0000:01:10.0', 'mlx5_vfio_pci', 3)
        self.wait_for_device('0000:01:10.0')
        status, out, err = self.tool('list')
        self.assertEqual((status, err), (0, ''))
        self.assertRegex(out, r'(?m)^0000:01:10.0 +- +- +- +-$')
        status, out, _ = self.tool('list', '--parents')
        self.assertRegex(out, r'(?m)^0000:01:00.0 +- +- +- +-$')
        status, out, _ = self.tool('show', '0000:01:10')
        for line in (r'kind +pci', r'kernel driver +mlx5_vfio_pci', r'IOMMU group +9', r'NUMA node +1', r'VFIO device +vfio3'):
            self.assertRegex(out, f'(?m)^{line}$')
        status, out, err = self.tool('remove', '0000:01:10.0')
        self.assertEqual((status, out), (1, ''))
        self.assertIn('pci', err)
        status, out, err = self.tool('create', '0000:01:00.0', 'mtty-2')
        self.assertEqual((status, out), (1, ''))
        self.assertIn('physical function', err)

    def test_migrate(self):
        self.lend()
        self.go()
        status, out, err = self.migrate()
        self.assertEqual((status, err), (0, ''), out)
        (created,) = self.mdevs()
        lines = out.splitlines()
        self.assertEqual(lines[0], f'preparing   {self.bus.address}: created {created} (kernel.org/mtty, ports=2)')
        self.assertIn(f'switchover  loaded; committed; running at {self.bus.address}', lines)
        self.assertRegex(lines[-1], r'^            downtime 4 ms')
        status, out, _ = self.tool('jobs', '--json')
        jobs = json.loads(out)['jobs']
        self.assertEqual(sorted(job['role'] for job in jobs), ['destination', 'source'])
        self.assertEqual({job['result'] for job in jobs}, {'completed'})

    def test_migrate_json(self):
        self.lend()
        self.go()
        status, out, err = self.migrate('--json', '--parent', 'mtty', '--type', 'mtty-2',
                                        '--downtime-limit', '50', '--precopy-max', '604800', '--no-switchover-ack')
        self.assertEqual((status, err), (0, ''), out)
        document = json.loads(out)
        self.assertEqual(document['result'], 'completed')
        self.assertEqual(document['created'], list(self.mdevs()))
        (_, arguments, _, _) = next(line for line in self.requests() if line[0] == 'send')
        self.assertEqual(arguments['downtime-limit-ms'], 50)
        self.assertEqual(arguments['precopy-max-seconds'], 604800)
        self.assertIs(arguments['switchover-ack'], False)

    def test_wrong_type_is_refused_with_both_values(self):
        self.lend()
        status, out, err = self.migrate('--json', '--type', 'mtty-1')
        self.assertEqual(status, 1, err)
        self.assertEqual(json.loads(out)['error']['name'], 'org.vferry1.Error.Incompatible')
        for word in ('ports', '2', '1'):
            self.assertIn(word, err)
        self.assertEqual(self.mdevs(), set())

    def test_not_authorised(self):
        self.lend()
        self.polkit.allow()
        status, _, err = self.migrate()
        self.assertEqual(status, 4)
        self.assertIn('org.vferry1.migrate', err)
        self.assertIn('/vferry-group.rules /etc/polkit-1/rules.d/', err)
        self.assertEqual(self.mdevs(), set())

    def test_cancel(self):
        self.lend()
        self.script('send', ['phase', 'pre-copy'], ['progress', 40, 96], ['sleep', 60])
        migration = self.start_tool('migrate', self.uuid, self.bus.address, '--address', '127.0.0.1')
        self.wait_for(lambda: 'send' in [request[0] for request in self.requests()], 'the send', 20)
        uuid = next(request[1]['job'] for request in self.requests() if request[0] == 'send')
        status, out, err = self.tool('cancel', uuid)
        self.assertEqual((status, out), (0, 'cancelled; the device stays at its source\n'), err)
        status, out, err = self.finish_tool(migration)
        self.assertEqual(status, 1, err)
        self.wait_for(lambda: not self.mdevs(), 'the end of what was created', 20)

    def test_source_that_never_reaches_the_destination(self):
        """The lease is released at once, not at its deadline."""
        self.lend()
        self.script('send', ['record', 'returned'],
                    ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Peer',
                                'message': 'connect to 127.0.0.1: Connection refused',
                                'device-states': ['running']}])
        begin = time.monotonic()
        status, out, err = self.migrate()
        self.assertEqual(status, 1, err)
        self.assertLess(time.monotonic() - begin, 15 * harness.SLOW)
        self.assertIn('Connection refused', out)
        self.assertIn('nothing is left at', err)
        self.wait_for(lambda: not self.mdevs(), 'the end of what was created', 5)

    def test_failed(self):
        self.lend()
        self.script('send', ['phase', 'pre-copy'], ['record', 'returned'],
                    ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Device',
                                'message': 'read of device state at byte 7: Input/output error',
                                'device-states': ['running']}])
        self.script('receive', ['listening'], ['attached'], ['sleep', 0.3],
                    ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Peer',
                                'message': 'the source aborted', 'device-states': ['stopped']}])
        status, out, err = self.migrate()
        self.assertEqual(status, 1, err)
        self.assertIn('read of device state at byte 7', out)
        self.wait_for(lambda: not self.mdevs(), 'the end of what was created', 20)

    def in_doubt(self):
        self.lend()
        self.script('send', ['phase', 'committing'], ['record', 'commit'],
                    ['result', {'outcome': 'in-doubt', 'error': 'org.vferry1.Error.InDoubt',
                                'message': 'the link was cut', 'device-states': ['stopped']}])
        self.script('receive', ['listening'], ['attached'], ['phase', 'loading'], ['record', 'loaded'],
                    ['result', {'outcome': 'in-doubt', 'error': 'org.vferry1.Error.InDoubt',
                                'message': 'the link was cut', 'device-states': ['stopped']}])
        status, out, err = self.migrate('--json')
        self.assertEqual(status, 2, err)
        document = json.loads(out)
        self.assertEqual(document['result'], 'in-doubt')
        self.assertEqual(document['resolve'].split()[:2], ['vferryctl', 'resolve'])
        return document['resolve'].split()[1:]

    def test_resolve_at_destination(self):
        command = self.in_doubt()
        status, _, err = self.tool(*command, '--run-at', 'destination')
        self.assertEqual(status, 0, err)
        self.assertIn('start', [request[0] for request in self.requests()])
        self.assertEqual(self.tool(*command)[0], 0, 'nothing is left to decide')

    def test_resolve_at_source(self):
        command = self.in_doubt()
        status, _, err = self.tool(*command, '--run-at', 'source')
        self.assertEqual(status, 0, err)
        self.assertIn('return', [request[0] for request in self.requests()])
        self.wait_for(lambda: not self.mdevs(), 'the end of what was discarded', 20)
        status, _, err = self.tool(*command)
        self.assertEqual(status, 0, err)

    def test_monitor(self):
        monitor = self.start_tool('monitor', '--json')
        self.assertIn('appeared', monitor.stdout.readline())
        self.lend()
        self.go()
        self.assertEqual(self.migrate()[0], 0)
        monitor.terminate()
        status, out, err = self.finish_tool(monitor)
        self.assertEqual((status, err), (0, ''))
        events = [json.loads(line) for line in out.splitlines()]
        kinds = {(event['kind'], event['event']) for event in events}
        for expected in (('device', 'added'), ('device', 'changed'), ('lease', 'added'), ('job', 'added'),
                         ('job', 'phase'), ('job', 'progress'), ('job', 'completed')):
            self.assertIn(expected, kinds)


class Devices(Case):
    """create, remove and probe."""

    WISH = '11111111-2222-4333-8444-555555555555'

    def assert_failed(self, status, words, *args):
        code, out, err = self.tool(*args)
        self.assertEqual((code, out), (status, ''), err)
        for word in words:
            self.assertIn(word, err)
        self.assertEqual(self.mdevs(), set())

    def test_create_and_remove(self):
        status, out, err = self.tool('create', 'mtty', 'kernel.org/mtty', 'ports=1')
        self.assertEqual((status, err), (0, ''))
        (created,) = self.mdevs()
        self.assertEqual(out, f'{created}\n', 'what a shell can use')
        self.assertEqual(self.find_device(created).get('Parameters'), {'ports': '1'})
        self.assertEqual(self.tool('remove', created), (0, f'removed {created}\n', ''))
        self.wait_until_gone(created)

    def test_json(self):
        status, out, err = self.tool('create', 'mtty', 'mtty-2', '--uuid', self.WISH.upper(), '--json')
        self.assertEqual((status, err), (0, ''))
        self.assertEqual((json.loads(out)['id'], json.loads(out)['model']), (self.WISH, 'kernel.org/mtty'))
        status, out, err = self.tool('remove', self.WISH[:6], '--json')
        self.assertEqual((status, err), (0, ''))
        self.assertEqual(json.loads(out), {'id': self.WISH, 'removed': True})

    def test_create_refused(self):
        self.wait_for_device(self.uuid)
        for status, words, args in (
                (3, ['no type “mtty-3”'], ['mtty', 'mtty-3']),
                (3, ['nothing', 'nowhere'], ['nowhere', 'mtty-1']),
                (3, ['not a parent'], [self.uuid, 'mtty-1']),
                (3, ['wings'], ['mtty', 'mtty-1', 'wings=2']),
                (3, ['ports', '7'], ['mtty', 'mtty-1', 'ports=7']),
                (3, ['NAME=VALUE'], ['mtty', 'mtty-1', 'ports']),
                (3, ['NAME=VALUE'], ['mtty', 'mtty-1', '=2']),
                (3, ['twice'], ['mtty', 'mtty-1', 'ports=1', 'ports=1']),
                (3, ['--uuid'], ['mtty', 'mtty-1', '--uuid', 'x']),
                (1, ['ports=1', 'ports=2'], ['mtty', 'mtty-1', 'ports=2']),
                (1, [self.uuid], ['mtty', 'mtty-1', '--uuid', self.uuid])):
            with self.subTest(args=args):
                self.assert_failed(status, words, 'create', *args)

    def test_no_room_is_said_before_what_does_not_fit(self):
        self.sysfs.pools.clear()
        self.sysfs.set_available('mtty', 'mtty-1', 0)
        self.assert_failed(1, ['no “mtty-1” left'], 'create', 'mtty', 'kernel.org/mtty', 'ports=1')

    def test_remove_refused(self):
        self.assert_failed(3, ['not a device'], 'remove', 'mtty')
        self.assert_failed(3, ['ffffffff'], 'remove', 'ffffffff')
        self.lend()
        self.assert_failed(1, ['lent'], 'remove', self.uuid)

    def test_probe(self):
        self.wait_for_device(self.uuid)
        self.assertRegex(self.tool('list')[1], rf'{self.uuid} +kernel.org/mtty +ports=2 +- +-\n')
        self.assertIn('vferryctl probe', self.tool('show', self.uuid)[1])
        self.assertEqual(self.tool('probe', self.uuid[:8]),
                         (0, f'{self.uuid} migrates: stop-copy, p2p, pre-copy\n', ''))
        status, out, err = self.tool('probe', self.uuid, '--json')
        self.assertEqual((status, err), (0, ''))
        self.assertEqual(json.loads(out)['migration_source'], 'probe')
        self.assertNotIn('vferryctl probe', self.tool('show', self.uuid)[1])

    def test_probe_of_a_device_in_use(self):
        self.script('open', ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Busy',
                                        'message': 'open elsewhere'}])
        self.wait_for_device(self.uuid)
        self.assert_failed(1, ['open elsewhere'], 'probe', self.uuid)

    def test_not_authorised(self):
        self.wait_for_device(self.uuid)
        self.polkit.allow('org.vferry1.migrate')
        for args in (['create', 'mtty', 'mtty-1'], ['remove', self.uuid], ['probe', self.uuid]):
            self.assert_failed(4, ['org.vferry1.manage-devices', '/vferry-group.rules /etc/polkit-1/rules.d/'], *args)
        _, _, err = self.tool('probe', self.uuid)
        self.assertEqual(err.count('org.vferry1.manage-devices'), 1, err)


if __name__ == '__main__':
    tap.main()
