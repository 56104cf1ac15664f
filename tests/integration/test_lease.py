#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Loans and leases: who may have what, how long, and what is left when they go."""

import os
import socket
import time

import bus
import crossing
import harness
import slow_close
import tap

Variant = crossing.Variant
NONE = Variant('(a{sv})', ({},))


class Loans(crossing.Test):
    def reclaim(self, device):
        (index,), fds = device.client.call_with_fds(device.path, 'org.vferry1.Device.Reclaim', NONE, [])
        self.assertEqual((index, len(fds)), (0, 1))
        os.close(fds[0])
        self.wait_for_property(device, 'State', 'unknown')

    def test_lend_and_reclaim(self):
        device = self.lend()
        self.assert_refused('Busy', self.lend)
        self.reclaim(device)
        self.assertEqual(device.get('State'), 'unknown')
        self.assert_refused('NotFound', self.reclaim, device)
        self.lend()

    def test_reclaim_during_a_begin(self):
        device = self.lend()
        self.begin(device)
        self.assert_refused('Busy', self.reclaim, device)

    def test_ends_with_the_lender(self):
        lender = self.connect()
        device = self.lend(lender)
        lender.close()
        device = harness.Object(self.client, device.path, device.interface)
        self.wait_for_property(device, 'State', 'unknown')
        self.lend()

    def test_keep(self):
        lender = self.connect()
        device = self.lend(lender, keep=Variant('b', True))
        lender.close()
        self.sleep(0.3)
        device = harness.Object(self.client, device.path, device.interface)
        self.assertEqual(device.get('State'), 'lent')
        self.reclaim(device)

    def open_devices(self):
        """By what the tests lend."""
        return self.open_files(self.lent)

    def lend_alone(self):
        """Kept, and the lender has closed its own: the daemon's copy is the only one there is."""
        self.lent = os.path.join(self.make_directory('lent'), 'device')
        lender = self.connect()
        fd = os.open(self.lent, os.O_RDWR | os.O_CREAT)
        device = self.lend(lender, fd, keep=Variant('b', True))
        os.close(fd)
        lender.close()
        return harness.Object(self.client, device.path, device.interface)

    def assert_still_lent(self, device):
        self.wait_for(lambda: 'did not get it' in self.daemon.text(), 'the refusal to be noticed')
        self.assertEqual(device.get('State'), 'lent')
        self.assertEqual(self.open_devices(), 1)
        self.reclaim(device)
        self.wait_for(lambda: not self.open_devices(), 'the end of the copy')

    def test_reclaimer_without_descriptors(self):
        """The bus refuses the answer to a connection that cannot take it: the only copy is not thrown away."""
        device = self.lend_alone()
        with bus.PlainConnection(self.bus.address) as reclaimer:
            reclaimer.call('org.vferry1', device.path, 'org.vferry1.Device', 'Reclaim', NONE)
            self.assert_still_lent(device)

    def test_reclaimer_that_leaves(self):
        """During the dialogue, say."""
        device = self.lend_alone()
        self.polkit.hang()
        reclaimer = self.connect()
        before = len(self.polkit.questions())
        reclaimer.start_call(device.path, 'org.vferry1.Device.Reclaim', NONE)
        self.wait_for(lambda: len(self.polkit.questions()) > before, 'the question')
        reclaimer.close()
        self.sleep(0.3)
        self.polkit.hang(False)
        self.sleep(0.3)
        self.assertEqual((device.get('State'), self.open_devices()), ('lent', 1))
        self.reclaim(device)

    def test_reclaimer_that_wants_no_answer(self):
        device = self.lend_alone()
        self.client.connection.call('org.vferry1', device.path, 'org.vferry1.Device', 'Reclaim', NONE, None,
                                    bus.Gio.DBusCallFlags.NONE, -1, None, None)
        self.assert_still_lent(device)

    def closing(self):
        """Whether a thread of the daemon is at it."""
        return 'close' in self.threads()

    def test_close_that_waits(self):
        """As that of a device that is reset, or of a file whose server does not answer: nobody else waits."""
        with socket.create_server(('127.0.0.1', 0)) as server:
            fd = slow_close.connect(server.getsockname()[1])
            reader, _ = server.accept()
        lender = self.connect()
        device = self.lend(lender, fd.fileno())
        device = harness.Object(self.client, device.path, device.interface)
        fd.close()
        lender.close()
        self.wait_for_property(device, 'State', 'unknown')
        self.wait_for(self.closing, 'the close')
        self.lend()
        reader.close()
        self.wait_for(lambda: not self.closing(), 'the end of the close')

    def test_reclaim_twice_at_once(self):
        """Both would have what only one may use."""
        device = self.lend()
        calls = [device.start_call('Reclaim', NONE) for _ in range(2)]
        errors = []
        for call in calls:  # which of them is the first, polkit decides
            try:
                self.finish(call)
            except harness.Error as error:
                errors.append(error.name)
        self.assertEqual(len(errors), 1)
        # the first is on its way, or has just arrived
        self.assertIn(errors[0], (harness.error_name('Busy'), harness.error_name('NotFound')))
        self.wait_for_property(device, 'State', 'unknown')

    def test_ends_with_the_device(self):
        self.lend()
        self.sysfs.remove_mdev(self.uuid)
        self.wait_until_gone(self.uuid)

    def test_gone_unseen(self):
        """Who names it is told, before the event comes."""
        for way in (lambda device: self.lend(), self.begin):
            device = self.wait_for_device(self.uuid)
            self.sysfs.lose_mdev(self.uuid)
            with self.assertRaises(harness.Error) as caught:
                way(device)
            self.assertIn(f'device {self.uuid} has gone', caught.exception.message)
            self.wait_until_gone(self.uuid)
            self.uuid = self.sysfs.add_mdev('mtty-2')

    def test_options(self):
        self.assert_refused('UnknownOption', self.lend, colour=Variant('s', 'red'))
        self.assert_refused('InvalidArgument', self.lend, keep=Variant('s', 'yes'))
        self.assert_refused('NotSupported', self.lend, driver=Variant('s', 'none'))

    def test_without_a_descriptor(self):
        device = self.wait_for_device(self.uuid)
        self.assert_refused('InvalidArgument', device.call, 'Lend', Variant('(ha{sv})', (0, {})))

    def test_with_another_descriptor(self):
        device = self.wait_for_device(self.uuid)
        with open(os.devnull, 'rb') as file:
            error = self.assert_refused('InvalidArgument', self.client.call_with_fds, device.path,
                                        'org.vferry1.Device.Lend', Variant('(ha{sv})', (0, {})), [file.fileno()] * 2)
        self.assertIn('no other', error.message)

    def test_another_file(self):
        """The real reason is that this is no device."""
        self.script('inspect', ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Device',
                                           'message': 'inappropriate ioctl'}])
        error = self.assert_refused('InvalidArgument', self.lend)
        self.assertIn('/dev/null', error.message)
        self.assertIn('inappropriate ioctl', error.message)

    def test_no_migration(self):
        self.script('inspect', ['result', {'outcome': 'completed', 'flags': [], 'state': 'RUNNING'}])
        self.assert_refused('NotSupported', self.lend)
        device = self.find_device(self.uuid)
        self.assertEqual((device.get('Migration'), device.get('MigrationSource')), ([], 'probe'))

    def test_mover_dies(self):
        self.script('inspect', ['die'])
        with self.assertRaises(harness.Error):
            self.lend()
        self.assertEqual(self.find_device(self.uuid).get('State'), 'unknown')
        os.unlink(os.path.join(self.mover, 'inspect.json'))
        self.lend()

    def test_no_mover(self):
        os.unlink(os.path.join(self.environment['VFERRY_LIBEXEC_DIR'], 'vferry-mover'))
        error = self.assert_refused('Failed', self.lend)
        self.assertIn('vferry-mover', error.message)

    def test_refused(self):
        self.polkit.allow()
        self.assert_refused('NotAuthorized', self.lend)


class Leases(crossing.Test):
    def ready(self, client=None, **options):
        self.uuid_of_job, cookie = self.begin(self.lend())
        lease, self.answer, self.secret = self.prepare(cookie, client, **options)
        return harness.Object(self.client, lease.path, lease.interface)

    def assert_undone(self, seconds=10):
        self.wait_for(lambda: not self.find_object('Lease', 'JobUuid', self.uuid_of_job), 'the end of the lease', seconds)
        self.wait_for(lambda: not self.mdevs(), 'the removal of what was created')
        self.assertEqual(self.events(f'{self.uuid_of_job}.destination')[-1], 'undone')

    def test_properties(self):
        lease = self.ready()
        self.assertEqual(lease.get('JobUuid'), self.uuid_of_job)
        self.assertEqual(lease.get('OwnerUid'), os.getuid())
        self.assertEqual(lease.get('OwnerName'), self.client.name)
        self.assertEqual(len(lease.get('Devices')), 1)
        self.assertAlmostEqual(lease.get('Deadline') / 1e6, time.time() + 120, delta=10)

    def test_release(self):
        lease = self.ready()
        lease.call('Release', NONE)
        self.assert_undone()
        self.assertEqual(self.end('Finish', self.uuid_of_job), 'cancelled')
        self.wait_for(lambda: self.find_parent('mtty').get('Offers')[1]['left'] == 11, 'the room given back')

    def test_release_options(self):
        lease = self.ready()
        self.assert_refused('UnknownOption', lease.call, 'Release', Variant('(a{sv})', ({'force': Variant('b', True)},)))
        self.assert_refused('UnknownOption', lease.call, 'Adopt', Variant('(a{sv})', ({'force': Variant('b', True)},)))

    def test_owner_leaves(self):
        owner = self.connect()
        self.ready(owner)
        owner.close()
        self.assert_undone()
        job = self.job(self.uuid_of_job, 'destination')
        self.assertEqual(job.get('Result'), 'cancelled')
        self.assertIn('left the bus', job.get('Error')[1])

    def test_owner_leaves_during_prepare(self):
        """What was being created goes, too."""
        self.script('receive', ['wait-for', 'go'], ['listening'], ['deaf', 60])
        self.uuid_of_job, cookie = self.begin(self.lend())
        owner = self.connect()
        options = {'address': Variant('s', '127.0.0.1')}
        self.manager(owner).start_call('Prepare', Variant('(sa{sv})', (cookie, options)))
        self.wait_for(lambda: 'receive' in [verb for verb, *_ in self.requests()], 'the mover')
        owner.close()
        self.sleep(0.2)
        self.go()
        self.assert_undone()

    def test_cancel_during_prepare(self):
        """Nothing listens yet that could be asked to stop."""
        self.script('open', ['sleep', 1], ['result', {'outcome': 'completed', 'flags': ['stop-copy']}, '/dev/null'])
        self.uuid_of_job, cookie = self.begin(self.lend())
        options = {'address': Variant('s', '127.0.0.1')}
        call = self.manager().start_call('Prepare', Variant('(sa{sv})', (cookie, options)))
        self.wait_for(lambda: 'open' in [verb for verb, *_ in self.requests()], 'the mover')
        self.job(self.uuid_of_job, 'destination').call('Cancel', NONE)
        with self.assertRaises(harness.Error) as caught:
            self.finish(call)
        self.assertEqual(caught.exception.name, harness.error_name('Cancelled'))
        self.assert_undone()
        self.assertNotIn('receive', [verb for verb, *_ in self.requests()])

    def test_owner_leaves_while_the_source_comes(self):
        """What has committed before anybody could stop it stays, and its devices with it."""
        self.script('receive', ['listening'], ['wait-for-deaf', 'go'], ['attached'], ['record', 'loaded'],
                    ['record', 'commit'], ['record', 'started'],
                    ['result', {'outcome': 'completed', 'device-states': ['running'], 'bytes': 96}])
        owner = self.connect()
        lease = self.ready(owner)
        owner.close()
        self.sleep(0.5)
        self.go()
        self.wait_for_property(lease, 'State', 'loaded')
        self.assertEqual(self.end('Finish', self.uuid_of_job), 'completed')
        self.assertEqual(len(self.mdevs()), 1)

    def test_owner_leaves_a_deaf_mover(self):
        """One that does not stop when it is asked is stopped."""
        self.script('receive', ['listening'], ['deaf', 60])
        owner = self.connect()
        self.ready(owner)
        owner.close()
        self.assert_undone()
        self.assertIn('left the bus', self.job(self.uuid_of_job, 'destination').get('Error')[1])

    def test_owner_leaves_after_attached(self):
        """The migration holds the lease now."""
        self.script('receive', ['listening'], ['attached'], ['wait-for', 'never'])
        owner = self.connect()
        lease = self.ready(owner)
        self.wait_for_property(lease, 'State', 'attached')
        owner.close()
        self.sleep(0.3)
        self.assertEqual(lease.get('State'), 'attached')
        self.assertEqual(lease.get('Deadline'), 0)
        self.assert_refused('Busy', lease.call, 'Release', NONE)
        self.assert_refused('Busy', lease.call, 'Renew', Variant('(u)', (60,)))
        self.assert_refused('Busy', lease.call, 'Adopt', NONE)

    def test_deadline(self):
        self.ready(deadline=Variant('u', 10))
        self.assert_undone(20)
        job = self.job(self.uuid_of_job, 'destination')
        self.assertEqual(job.get('Result'), 'failed')
        self.assertIn('deadline', job.get('Error')[1])

    def test_renew(self):
        lease = self.ready()
        self.assert_refused('InvalidArgument', lease.call, 'Renew', Variant('(u)', (9,)))
        self.assert_refused('InvalidArgument', lease.call, 'Renew', Variant('(u)', (3601,)))
        lease.call('Renew', Variant('(u)', (3600,)))
        self.assertAlmostEqual(lease.get('Deadline') / 1e6, time.time() + 3600, delta=10)

    def loaded(self):
        self.go()
        lease = self.ready()
        self.assertEqual(self.end('Finish', self.uuid_of_job), 'completed')
        return lease

    def test_what_runs_is_not_released(self):
        lease = self.loaded()
        self.assertEqual(lease.get('State'), 'loaded')
        self.assert_refused('Busy', lease.call, 'Release', NONE)
        self.assertEqual(len(self.mdevs()), 1)

    def test_adopt_once(self):
        lease = self.loaded()
        _, fds = self.client.call_with_fds(lease.path, 'org.vferry1.Lease.Adopt', NONE, [])
        self.assertEqual(os.readlink(f'/proc/self/fd/{fds[0]}'), '/dev/null')
        os.close(fds[0])
        self.wait_for_property(lease, 'State', 'adopted')
        self.assert_refused('Busy', lease.call, 'Adopt', NONE)
        self.assertEqual(self.find_device(list(self.mdevs())[0]).get('State'), 'unknown')

    def test_adopt_twice_at_once(self):
        """Both would have what only one may use."""
        lease = self.loaded()
        calls = [lease.start_call('Adopt', NONE) for _ in range(2)]
        self.finish(calls[0])
        self.assert_refused('Busy', self.finish, calls[1])
        self.wait_for_property(lease, 'State', 'adopted')

    def open_devices(self):
        return self.open_files('/dev/null')

    def test_adopted_devices_are_closed_here(self):
        lease = self.loaded()
        before = self.open_devices()
        _, fds = self.client.call_with_fds(lease.path, 'org.vferry1.Lease.Adopt', NONE, [])
        os.close(fds[0])
        self.wait_for_property(lease, 'State', 'adopted')
        self.wait_for(lambda: self.open_devices() == before - 1, 'the end of the copy')

    def test_adopter_without_descriptors(self):
        """The bus refuses the reply to a connection that cannot take it: the devices stay here."""
        lease = self.loaded()
        with bus.PlainConnection(self.bus.address) as adopter:
            adopter.call('org.vferry1', lease.path, 'org.vferry1.Lease', 'Adopt', NONE)
            self.wait_for(lambda: 'stay here' in self.daemon.text(), 'the refusal to be noticed')
        self.assertEqual(lease.get('State'), 'loaded')
        _, fds = self.client.call_with_fds(lease.path, 'org.vferry1.Lease.Adopt', NONE, [])
        os.close(fds[0])
        self.wait_for_property(lease, 'State', 'adopted')

    def test_adopter_that_leaves(self):
        """A state that nobody received is not thrown away."""
        lease = self.loaded()
        before = self.open_devices()
        adopter = self.connect()
        adopter.start_call(lease.path, 'org.vferry1.Lease.Adopt', NONE)
        adopter.connection.flush_sync(None)
        adopter.close()
        self.sleep(0.5)
        if lease.get('State') == 'loaded':  # else it was quick enough to get them
            self.assertEqual(self.open_devices(), before)
            _, fds = self.client.call_with_fds(lease.path, 'org.vferry1.Lease.Adopt', NONE, [])
            os.close(fds[0])

    def test_owner_needs_no_action(self):
        """An owner may, whatever polkit says; others may not."""
        lease = self.ready()
        self.polkit.allow()
        lease.call('Renew', Variant('(u)', (60,)))
        lease.call('Release', NONE)
        self.assert_undone()

    def test_stuck(self):
        """A kernel that waits: shown, retried, and ended when the device is closed."""
        helper = os.path.join(self.environment['VFERRY_LIBEXEC_DIR'], 'vferry-helper')
        real = os.readlink(helper)
        lease = self.ready()
        self.install_program('vferry-helper', 'LD_PRELOAD= exec sleep 600')
        lease.call('Release', NONE)
        self.wait_for_property(lease, 'State', 'undoing')
        self.wait_for_property(lease, 'State', 'stuck')
        self.assertEqual(len(self.mdevs()), 1)
        self.assertEqual(self.end('Finish', self.uuid_of_job), 'cancelled')
        os.unlink(helper)
        os.symlink(real, helper)
        self.assert_undone(20)
        for name in os.listdir('/proc'):
            if name.isdigit():
                try:
                    with open(f'/proc/{name}/stat', encoding='utf-8') as file:
                        parent = file.read().rsplit(')', 1)[1].split()[1]
                    if int(parent) == self.daemon.process.pid:
                        os.kill(int(name), 9)  # the sleeping helper
                except OSError:
                    pass

    def test_create_that_comes_too_late(self):
        """Nobody waits for it any more: who made it takes it back."""
        helper = os.path.join(self.environment['VFERRY_LIBEXEC_DIR'], 'vferry-helper')
        real = os.readlink(helper)
        self.install_program('vferry-helper', f'[ "$1" != mdev-create ] || sleep 11\nexec {real} "$@"')
        self.uuid_of_job, cookie = self.begin(self.lend())
        error = self.assert_refused('Device', self.prepare, cookie)
        self.assertIn('10000 ms', error.message)
        self.assertEqual(self.sysfs.kernel.created, [])
        self.assert_undone()
        self.wait_for(lambda: self.sysfs.kernel.removed, 'the end of the late device')
        self.assertEqual(len(self.sysfs.kernel.created), 1)
        self.assertEqual(self.mdevs(), set())
        self.assertIn('is not waited for any more', self.daemon.text())
        self.assertNotIn('outstanding operation', self.daemon.text())  # the pipe was closed at once

    def test_wrong_device_is_not_removed(self):
        """The helper looks whether it is the device that was meant, and says why not."""
        lease = self.ready()
        (created,) = self.mdevs()
        path = self.sysfs.real(self.sysfs.mdevs[created])
        os.unlink(f'{path}/mdev_type')
        self.sysfs.add_type_link(created, 'mtty-1')
        lease.call('Release', NONE)
        self.wait_for_property(lease, 'State', 'stuck')
        self.assertIn('not the expected mdev', self.daemon.text())
        os.unlink(f'{path}/mdev_type')
        self.sysfs.add_type_link(created, 'mtty-2')
        self.assert_undone(20)


if __name__ == '__main__':
    tap.main()
