#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""CreateDevice, Remove and Probe."""

import os

import crossing
import harness
import tap

Variant = crossing.Variant
NONE = Variant('(a{sv})', ({},))


class Create(crossing.Test):
    def create(self, what, parameters=None, **options):
        values = {name: Variant('s', value) if isinstance(value, str) else value
                  for name, value in (parameters or {}).items()}
        parent = self.find_parent('mtty')
        (path,) = parent.call('CreateDevice', Variant('(sa{sv}a{sv})', (what, values, options)))
        return harness.Object(self.client, path, 'org.vferry1.Device')

    def notes(self):
        return os.listdir(os.path.join(self.environment['VFERRY_STATE_DIR'], 'created'))

    def test_by_type(self):
        device = self.create('mtty-1')
        self.assertEqual(device.get('Parameters'), {'ports': '1'})
        self.assertEqual(device.get('State'), 'unknown')
        self.wait_for(lambda: self.notes() == [device.get('Id')], 'the note')

    def test_by_model(self):
        device = self.create('kernel.org/mtty', {'ports': '2'})
        self.assertEqual(device.get('Parameters'), {'ports': '2'})

    def test_uuid(self):
        wish = '11111111-2222-4333-8444-555555555555'
        device = self.create('mtty-2', uuid=Variant('s', wish.upper()))
        self.assertEqual(device.get('Uuid'), wish)
        self.assert_refused('Busy', self.create, 'mtty-2', uuid=Variant('s', wish))

    def test_refused(self):
        self.assert_refused('NotFound', self.create, 'mtty-3')
        self.assert_refused('NotFound', self.create, 'kernel.org/other')
        error = self.assert_refused('Incompatible', self.create, 'mtty-1', {'ports': '2'})
        self.assertIn('ports=1', error.message)
        self.assertIn('ports=2', error.message)
        self.assert_refused('InvalidArgument', self.create, 'mtty-1', {'ports': '7'})
        self.assert_refused('InvalidArgument', self.create, 'mtty-1', {'wings': '2'})
        self.assert_refused('InvalidArgument', self.create, 'mtty-1', {'ports': Variant('u', 1)})
        self.assert_refused('InvalidArgument', self.create, 'mtty-1', uuid=Variant('s', 'x'))
        self.assert_refused('UnknownOption', self.create, 'mtty-1', colour=Variant('s', 'red'))
        self.sysfs.pools.clear()
        self.sysfs.set_available('mtty', 'mtty-1', 0)
        self.assert_refused('NoRoom', self.create, 'mtty-1')
        self.polkit.allow('org.vferry1.migrate')
        self.assert_refused('NotAuthorized', self.create, 'mtty-2')
        self.assertEqual((self.sysfs.kernel.created, self.notes()), ([], []))

    def test_fails(self):
        """Nothing is left of it, and its room is free again."""
        self.sysfs.kernel.stop()
        parent = self.find_parent('mtty')
        call = parent.start_call('CreateDevice', Variant('(sa{sv}a{sv})', ('mtty-2', {}, {})), timeout_ms=60000)
        self.wait_for(lambda: parent.get('Offers')[1]['left'] == 10, 'the reservation')
        with self.assertRaises(harness.Error) as caught:
            self.finish(call, 30)
        self.assertEqual(caught.exception.name, harness.error_name('Device'))
        self.assertEqual(parent.get('Offers')[1]['left'], 11)
        self.wait_for(lambda: not self.notes(), 'the end of the note')

    def stop_and(self, change):
        self.daemon.stop()
        self.wait_for(lambda: not self.client.has_owner('org.vferry1'), 'the end of the name')
        change()
        self.launch()

    def test_gone_while_no_daemon_ran(self):
        """Whatever gets its UUID later is not ours; of one that stayed it is still known."""
        stays, goes = (self.create('mtty-1').get('Id') for _ in range(2))
        self.wait_for(lambda: len(self.notes()) == 2, 'the notes')
        self.stop_and(lambda: self.sysfs.remove_mdev(goes))
        self.wait_for(lambda: self.notes() == [stays], 'the end of the note')

    def test_another_boot(self):
        """Made again by somebody else, under the same UUID."""
        created = self.create('mtty-1').get('Id')
        self.wait_for(self.notes, 'the note')
        path = os.path.join(self.environment['VFERRY_STATE_DIR'], 'created', created)

        def reboot():
            with open(path, encoding='utf-8') as file:
                self.assertEqual(file.readline(), 'mtty-1\n')
            with open(path, 'w', encoding='utf-8') as file:
                file.write('mtty-1\n0123456789abcdef0123456789abcdef')

        self.stop_and(reboot)
        self.assertEqual(self.notes(), [])
        self.assertIn(created, self.mdevs())


class Remove(crossing.Test):
    def test_remove(self):
        device = self.wait_for_device(self.uuid)
        device.call('Remove', NONE)
        self.wait_until_gone(self.uuid)

    def test_in_use(self):
        device = self.lend()
        self.assert_refused('Busy', device.call, 'Remove', NONE)
        self.assert_refused('Busy', device.call, 'Probe', NONE)

    def assert_in_use(self, device):
        for method in ('Remove', 'Probe'):
            error = self.assert_refused('Busy', device.call, method, NONE)
            self.assertIn('lent', error.message)

    def test_being_lent(self):
        """The driver looks at it just now."""
        device = self.wait_for_device(self.uuid)
        call = self.start_lend(device)
        self.assert_in_use(device)
        self.go()
        self.finish(call)
        self.assert_in_use(device)

    def test_lent_and_failed(self):
        """Its holder may reset it, and go on, and lends it still."""
        self.script('send', ['die'])
        self.script('return', ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Device', 'message': 'stuck',
                                          'device-states': ['failed-needs-reset']}])
        device = self.lend()
        uuid, cookie = self.begin(device)
        _, answer, secret = self.prepare(cookie)
        self.perform(uuid, answer, secret)
        self.assertEqual(self.end('Confirm', uuid), 'failed')
        self.assertEqual(device.get('State'), 'failed-needs-reset')
        self.assert_in_use(device)

    def test_open(self):
        """The kernel waits, the daemon does not."""
        device = self.wait_for_device(self.uuid)
        self.install_program('vferry-helper', 'LD_PRELOAD= exec sleep 7')
        call = device.start_call('Remove', NONE)
        # calls are authorised side by side: the second must not overtake it
        self.wait_for(lambda: 'Device.Remove by' in self.daemon.text(), 'the call')
        self.sleep(0.3)
        self.assert_refused('Busy', device.call, 'Probe', NONE)
        self.assertEqual(self.manager().get('Version')[:1], '0')
        with self.assertRaises(harness.Error) as caught:
            self.finish(call)
        self.assertEqual(caught.exception.name, harness.error_name('Busy'))
        self.assertIn('closed', caught.exception.message)

    def test_options(self):
        device = self.wait_for_device(self.uuid)
        self.assert_refused('UnknownOption', device.call, 'Remove', Variant('(a{sv})', ({'x': Variant('u', 1)},)))
        self.polkit.allow('org.vferry1.migrate')
        self.assert_refused('NotAuthorized', device.call, 'Remove', NONE)


class CleanUp(crossing.Test):
    """A device that vferry made goes when it has left this host, and only then: Confirm may come late, as the end of a job's
    memory does."""

    def setUp(self):
        super().setUp()
        self.start_store()
        self.daemon.stop()
        self.launch()
        (path,) = self.find_parent('mtty').call('CreateDevice', Variant('(sa{sv}a{sv})', ('mtty-2', {}, {})))
        self.device = harness.Object(self.client, path, 'org.vferry1.Device')
        self.uuid = self.device.get('Id')

    def complete(self):
        """The UUID of a job that took the device away, and was not confirmed."""
        self.device = self.lend()
        uuid, cookie = self.begin(self.device)
        _, answer, secret = self.prepare(cookie)
        self.go()
        job = self.perform(uuid, answer, secret)
        self.wait_for_property(job, 'Result', 'completed')
        return uuid

    def reclaim(self):
        _, fds = self.client.call_with_fds(self.device.path, 'org.vferry1.Device.Reclaim', NONE, [])
        for fd in fds:
            os.close(fd)
        self.wait_for_property(self.device, 'State', 'unknown')

    def restart(self):
        self.daemon.stop()
        self.launch()

    def assert_stays(self, uuid, state):
        """Whoever says so: the holder goes on with it."""
        self.assertEqual(self.end('Confirm', uuid), 'completed')
        self.sleep(0.5)
        self.assertIn(self.uuid, self.sysfs.mdevs)
        self.assertEqual(self.find_device(self.uuid).get('State'), state)

    def test_removed(self):
        uuid = self.complete()
        self.assertEqual(self.end('Confirm', uuid), 'completed')
        self.wait_until_gone(self.uuid)

    def test_removed_after_a_restart(self):
        uuid = self.complete()
        self.restart()
        self.assertEqual(self.end('Confirm', uuid), 'completed')
        self.wait_until_gone(self.uuid)

    def test_reclaimed(self):
        uuid = self.complete()
        self.reclaim()
        self.assert_stays(uuid, 'unknown')
        self.restart()
        self.assert_stays(uuid, 'unknown')

    def test_lent_again(self):
        uuid = self.complete()
        self.reclaim()
        self.lend()
        self.assert_stays(uuid, 'lent')
        self.restart()
        self.assert_stays(uuid, 'lent')
        self.begin(self.device)

    def test_being_lent_again(self):
        """The driver looks at it just now."""
        uuid = self.complete()
        os.unlink(os.path.join(self.mover, 'go'))
        self.reclaim()
        call = self.start_lend(self.device)
        self.assert_stays(uuid, 'unknown')
        self.go()
        self.finish(call)
        self.assert_stays(uuid, 'lent')

    def test_in_a_job_that_failed(self):
        """With the same loan, after a reset that nobody here saw."""
        self.script('send', ['record', 'commit'], ['record', 'done'],
                    ['result', {'outcome': 'completed', 'device-states': ['stopped']}])
        first = self.complete()
        self.script('send', ['die'])
        second, cookie = self.begin(self.device)
        _, answer, secret = self.prepare(cookie)
        self.perform(second, answer, secret)
        self.assertEqual(self.end('Confirm', second), 'failed')
        self.assert_stays(first, 'lent')
        self.begin(self.device)

    def test_in_doubt(self):
        first = self.complete()
        self.script('send', ['record', 'commit'], ['die'])
        second, cookie = self.begin(self.device)
        _, answer, secret = self.prepare(cookie)
        self.perform(second, answer, secret)
        self.assertEqual(self.end('Confirm', second), 'in-doubt')
        self.assert_stays(first, 'stopped')
        self.restart()
        self.assert_stays(first, 'stopped')
        self.job(second, 'source').call('Resolve', Variant('(sa{sv})', ('run', {})))


class Probe(crossing.Test):
    fake = True

    def test_probe(self):
        device = self.wait_for_device(self.uuid)
        self.assertEqual(device.get('MigrationSource'), 'unknown')
        device.call('Probe', NONE)
        self.assertEqual((device.get('Migration'), device.get('MigrationSource')),
                         (['stop-copy', 'p2p', 'pre-copy'], 'probe'))
        verb, arguments, _, _ = self.requests()[-1]
        self.assertEqual((verb, arguments['device'], arguments['vfio-dev']), ('open', self.uuid, device.get('VfioDev')))

    def test_driver(self):
        """The named one opens it; without a name, the one that says it can."""
        device = self.wait_for_device(self.uuid)
        device.call('Probe', Variant('(a{sv})', ({'driver': Variant('s', 'fake')},)))
        self.assertEqual((device.get('Migration'), device.get('MigrationSource')), (['stop-copy'], 'probe'))
        self.assertEqual([verb for verb, *_ in self.requests() if verb == 'open'], [])
        error = self.assert_refused('NotSupported', device.call, 'Probe', Variant('(a{sv})', ({'driver': Variant('s', 'qemu')},)))
        self.assertIn('qemu', error.message)
        self.assert_refused('UnknownOption', device.call, 'Probe', Variant('(a{sv})', ({'fake-bytes': Variant('t', 1)},)))
        self.assert_refused('InvalidArgument', device.call, 'Probe', Variant('(a{sv})', ({'driver': Variant('u', 1)},)))

    def test_busy(self):
        self.script('open', ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Busy', 'message': 'open elsewhere'}])
        device = self.wait_for_device(self.uuid)
        self.assert_refused('Busy', device.call, 'Probe', NONE)
        self.assertEqual(device.get('MigrationSource'), 'unknown')


if __name__ == '__main__':
    tap.main()
