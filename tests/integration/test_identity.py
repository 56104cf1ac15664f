#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A UUID is no identity: an mdev that left and came back under its UUID is another device, whatever was known of the one before."""

import os
import signal

import crossing
import harness
import tap

Variant = crossing.Variant
NONE = Variant('(a{sv})', ({},))
WISH = '11111111-2222-4333-8444-555555555555'


class Test(crossing.Test):
    def with_store(self):
        self.daemon.stop()
        self.start_store()
        self.launch()

    def end_daemon(self, how=signal.SIGKILL):
        self.daemon.stop(how)
        self.wait_for(lambda: not self.client.has_owner('org.vferry1'), 'the end of the name')

    def start_create(self, uuid=WISH, **options):
        if uuid:
            options['uuid'] = Variant('s', uuid)
        return self.find_parent('mtty').start_call('CreateDevice', Variant('(sa{sv}a{sv})', ('mtty-2', {}, options)),
                                                   timeout_ms=60000)

    def create(self, uuid=WISH):
        self.finish(self.start_create(uuid))
        return self.wait_for_device(uuid)

    def cross(self, **options):
        """The UUID of a job that moved self.uuid."""
        job, cookie = self.begin(self.lend())
        self.lease, answer, secret = self.prepare(cookie, **options)
        self.go()
        self.wait_for_property(self.perform(job, answer, secret), 'Result', 'completed')
        return job

    def replace(self, type_id='mtty-2'):
        """Somebody else's device of the same UUID."""
        self.sysfs.remove_mdev(WISH)
        self.sysfs.add_mdev(type_id, WISH)

    def adopt(self):
        _, fds = self.client.call_with_fds(self.lease.path, 'org.vferry1.Lease.Adopt', NONE, [])
        for fd in fds:
            os.close(fd)
        self.wait_for_property(self.lease, 'State', 'adopted')

    def notes(self):
        return sorted(os.listdir(os.path.join(self.environment['VFERRY_STATE_DIR'], 'created')))

    def creations(self):
        return [name for name in self.records() if name.endswith('.creation')]

    def assert_stays(self, what=WISH):
        """Long enough for what would remove it."""
        self.sleep(1.5)
        self.assertIn(what, self.sysfs.mdevs)


class Replaced(Test):
    def left_and_came_back(self):
        """A job whose device went with its guest, and another guest's that vferry made under the same UUID."""
        self.create()
        self.uuid = WISH
        job = self.cross()
        self.sysfs.remove_mdev(WISH)
        self.wait_until_gone(WISH)
        self.create()
        return job

    def test_confirm(self):
        job = self.left_and_came_back()
        self.assertEqual(self.end('Confirm', job), 'completed')
        self.assert_stays()

    def test_confirm_after_a_restart(self):
        self.with_store()
        job = self.left_and_came_back()
        self.end_daemon(signal.SIGTERM)
        self.launch()
        self.assertEqual(self.wait_for_device(WISH).get('State'), 'unknown')  # not what the one before was
        self.assertEqual(self.end('Confirm', job), 'completed')
        self.assert_stays()

    def test_confirm_by_the_record(self):
        job = self.left_and_came_back()
        self.end_daemon()
        self.launch()
        self.wait_for(lambda: self.job(job, 'source'), 'the job')
        self.assertEqual(self.end('Confirm', job), 'completed')
        self.assert_stays()

    def test_confirm_before_the_events(self):
        """It was replaced, and udev has not said so yet."""
        self.create()
        self.uuid = WISH
        job = self.cross()
        self.replace_in_silence()
        self.assertEqual(self.end('Confirm', job), 'completed')
        self.assert_stays()

    def replace_in_silence(self):
        uevent = self.sysfs.uevent
        self.addCleanup(setattr, self.sysfs, 'uevent', uevent)
        self.sysfs.uevent = lambda path, action: None
        real = self.sysfs.real(self.sysfs.mdevs[WISH])
        os.rename(real, self.sysfs.real('/aside'))
        os.mkdir(real)
        for name in ('subsystem', 'mdev_type', 'driver', 'iommu_group'):
            os.symlink(os.readlink(self.sysfs.real(f'/aside/{name}')), f'{real}/{name}')
        self.sysfs.write(f'{self.sysfs.mdevs[WISH]}/remove', '')

    def test_prepare_opens_another_one(self):
        """It is opened by its name, and that was another one's by then."""
        self.script('open', ['wait-for', 'opened'], ['result', {'outcome': 'completed', 'flags': ['stop-copy']}, '/dev/null'])
        _, cookie = self.begin(self.lend())
        options = {'address': Variant('s', '127.0.0.1'), 'uuid': Variant('s', WISH)}
        call = self.manager().start_call('Prepare', Variant('(sa{sv})', (cookie, options)))
        self.wait_for(lambda: 'open' in [verb for verb, *_ in self.requests()], 'the mover')
        self.replace_in_silence()
        self.go('opened')
        error = self.assert_refused('NotFound', self.finish, call)
        self.assertIn(WISH, error.message)
        self.assert_stays()

    def reclaim(self):
        device = self.find_device(self.uuid)
        _, fds = self.client.call_with_fds(device.path, 'org.vferry1.Device.Reclaim', NONE, [])
        os.close(fds[0])
        self.wait_for_property(device, 'State', 'unknown')

    def moved_on(self):
        """A job whose device stays with its holder; only the record of it is left."""
        self.create()
        self.uuid = WISH
        return self.cross()

    def confirm_by_the_record(self, job, between=lambda: None):
        self.end_daemon()
        self.launch()
        self.wait_for(lambda: self.job(job, 'source'), 'the job')
        between()
        self.assertEqual(self.end('Confirm', job), 'completed')
        self.assert_stays()

    def test_confirm_by_the_record_of_what_was_reclaimed(self):
        job = self.moved_on()
        self.reclaim()
        self.wait_for(lambda: self.events(f'{job}.source')[-1] == 'moved-on', 'a word in the record')
        self.confirm_by_the_record(job)

    def test_confirm_by_the_record_of_what_is_lent_since(self):
        job = self.moved_on()

        def use():
            self.wait_for_device(WISH)
            self.lend()
            self.reclaim()
        self.confirm_by_the_record(job, use)
        self.confirm_by_the_record(job)

    def test_probe_opens_another_one(self):
        """As Prepare: what was found is of the device that was named, or of none."""
        self.create()
        device = self.find_device(WISH)
        self.script('open', ['wait-for', 'opened'], ['result', {'outcome': 'completed', 'flags': ['stop-copy']}])
        call = device.start_call('Probe', NONE)
        self.wait_for(lambda: 'open' in [verb for verb, *_ in self.requests()], 'the mover')
        self.replace_in_silence()
        self.go('opened')
        error = self.assert_refused('NotFound', self.finish, call)
        self.assertIn(WISH, error.message)
        self.assert_stays()

    def test_repeated_confirm_after_it_came_back(self):
        """It left, came back in another job, and runs with whoever adopted it."""
        self.with_store()
        other, self.uuid = self.uuid, WISH
        self.create()
        first = self.cross()
        self.assertEqual(self.end('Confirm', first), 'completed')
        self.wait_until_gone(WISH)
        self.uuid = other
        second = self.cross(uuid=Variant('s', WISH))
        self.assertEqual(self.end('Confirm', second), 'completed')
        self.adopt()
        self.end_daemon(signal.SIGTERM)
        self.launch()
        self.wait_for_device(WISH)
        self.assertEqual(self.end('Confirm', first), 'completed')
        self.assert_stays()

    def test_what_probe_found(self):
        """It inherits nothing."""
        self.create()
        self.script('open', ['result', {'outcome': 'completed', 'flags': ['stop-copy', 'pre-copy']}])
        device = self.find_device(WISH)
        device.call('Probe', NONE)
        self.assertEqual(device.get('MigrationSource'), 'probe')
        self.replace()
        self.wait_for(lambda: self.wait_for_device(WISH).path != device.path, 'the other device')
        self.assertEqual(self.find_device(WISH).get('MigrationSource'), 'unknown')
        self.wait_for(lambda: self.notes() == [], 'the end of the note')

    def test_note_of_what_has_gone(self):
        """Created here; while no daemon runs, somebody else makes another one."""
        for type_id in ('mtty-1', 'mtty-2'):
            with self.subTest(type=type_id):
                self.create()
                self.end_daemon(signal.SIGTERM)
                self.replace(type_id)
                self.launch()
                self.uuid = WISH
                self.assertEqual(self.end('Confirm', self.cross()), 'completed')
                self.assert_stays()
                self.sysfs.remove_mdev(WISH)
                self.wait_until_gone(WISH)

    def test_old_note(self):
        """As 0.1.0 wrote it: it does not say which device it means."""
        self.create()
        path = os.path.join(self.environment['VFERRY_STATE_DIR'], 'created', WISH)
        with open(path, encoding='utf-8') as file:
            lines = file.read().split('\n')
        self.end_daemon(signal.SIGTERM)
        with open(path, 'w', encoding='utf-8') as file:
            file.write('\n'.join(lines[:2]))
        self.launch()
        self.uuid = WISH
        self.assertEqual(self.end('Confirm', self.cross()), 'completed')
        self.assert_stays()

    def test_discard_of_a_recovered_destination(self):
        self.script('receive', ['listening'], ['wait-for', 'go'], ['attached'], ['record', 'loaded'],
                    ['record', 'commit'],
                    ['result', {'outcome': 'in-doubt', 'error': 'org.vferry1.Error.InDoubt', 'message': 'no word',
                                'device-states': ['stopped']}])
        job, cookie = self.begin(self.lend())
        _, answer, secret = self.prepare(cookie, uuid=Variant('s', WISH))
        self.go()
        self.perform(job, answer, secret)
        self.wait_for_property(self.job(job, 'destination'), 'Result', 'in-doubt')
        self.end_daemon()
        self.replace()
        self.launch()
        self.wait_for(lambda: self.job(job, 'destination'), 'the job')
        self.assertEqual(self.wait_for_device(WISH).get('State'), 'unknown')
        self.job(job, 'destination').call('Resolve', Variant('(sa{sv})', ('discard', {})))
        self.wait_for(lambda: self.events(f'{job}.destination')[-1] == 'undone', 'the end of the lease')
        self.assert_stays()

    def test_retry_of_a_stuck_lease(self):
        """The kernel removes the one that was stuck; the next of its UUID is somebody else's."""
        real = os.readlink(os.path.join(self.environment['VFERRY_LIBEXEC_DIR'], 'vferry-helper'))
        held = os.path.join(self.mover, 'held')
        self.install_program('vferry-helper', f'[ "$1" = mdev-remove ] && [ -e {held} ] && '
                             f'echo "(16, \'still open\', \'\')" && exit 0\nexec {real} "$@"')
        job, cookie = self.begin(self.lend())
        lease, *_ = self.prepare(cookie, uuid=Variant('s', WISH))
        self.go('held')
        lease.call('Release', NONE)
        self.wait_for_property(lease, 'State', 'stuck')
        self.replace()  # its holder closed it
        os.unlink(held)
        self.wait_for(lambda: self.events(f'{job}.destination')[-1] == 'undone', 'the end of the lease', 20)
        self.assert_stays()


class Forged(Test):
    """A mover that was taken over has its job's record, and writes there what only the daemon would: nothing comes of it for other devices."""

    def assert_spared(self, role, result):
        self.end_daemon()
        self.launch()
        job = self.wait_for(lambda: self.job(self.job_uuid, role), 'the job by its record')
        self.assertEqual(job.get('Result'), result)
        self.wait_for_device(WISH)
        self.uuid = WISH
        self.lend()
        self.assertEqual(self.end('Confirm' if role == 'source' else 'Finish', self.job_uuid), result)
        self.assert_stays()

    def inode(self, uuid):
        return os.stat(self.sysfs.real(self.sysfs.mdevs[uuid])).st_ino

    def test_made(self):
        self.create()
        path, inode = os.path.dirname(self.sysfs.mdevs[WISH]), self.inode(WISH)
        self.script('receive', ['listening'],
                    ['record', 'create', f"{{'parent': <'{path}'>, 'type': <'mtty-2'>, 'uuid': <'{WISH}'>, 'wished': <false>}}"],
                    ['record', 'created', f"{{'uuid': <'{WISH}'>, 'inode': <uint64 {inode}>}}"], ['attached'], ['wait-for', 'never'])
        self.job_uuid, cookie = self.begin(self.lend())
        lease, *_ = self.prepare(cookie)
        self.wait_for_property(lease, 'State', 'attached')
        self.assert_spared('destination', 'failed')

    def test_begun(self):
        self.create()
        self.script('send', ['phase', 'committing'],
                    ['record', 'begin', f"{{'driver': <'vfio'>, 'devices': <['{WISH}']>, 'inodes': <[uint64 {self.inode(WISH)}]>, 'boot': <'{self.boot()}'>}}"],
                    ['record', 'commit'], ['record', 'done'], ['result', {'outcome': 'completed', 'device-states': ['stopped']}])
        self.job_uuid, cookie = self.begin(self.lend())
        _, answer, secret = self.prepare(cookie)
        self.wait_for_property(self.perform(self.job_uuid, answer, secret), 'Result', 'completed')
        self.end_daemon()
        self.launch()
        self.wait_for(lambda: self.job(self.job_uuid, 'source'), 'the job by its record')
        self.assertEqual(self.end('Confirm', self.job_uuid), 'completed')
        self.assert_stays()

    @staticmethod
    def boot():
        with open('/proc/sys/kernel/random/boot_id', encoding='ascii') as file:
            return file.read().strip().replace('-', '')


class Created(Test):
    """What a creation leaves behind, whenever the daemon ends, and that it takes nothing else along."""

    def hold(self, before='', after=''):
        """A helper that stops around the creation until go('on'). It is done with the record then, not before."""
        real = os.path.realpath(os.path.join(self.environment['VFERRY_LIBEXEC_DIR'], 'vferry-helper'))
        wait = f'touch {self.mover}/reached; while [ ! -e {self.mover}/on ]; do sleep 0.05; done'
        self.install_program('vferry-helper', f'''[ "$1" = mdev-create ] || exec {real} "$@"
{wait if before else ':'}
{f'answer=$({real} "$@"); {wait}; echo "$answer"' if after else f'exec {real} "$@"'}''')

    def wait_until_held(self):
        self.wait_for(lambda: os.path.exists(os.path.join(self.mover, 'reached')), 'the helper')

    def assert_nothing_left(self):
        self.wait_for(lambda: not self.mdevs() and not self.creations(), 'the end of what was made', 20)
        self.assertEqual(self.notes(), [])

    def test_killed_before_the_creation(self):
        """The helper goes on without it, and takes back what it makes."""
        self.hold(before='yes')
        self.start_create()
        self.wait_until_held()
        self.end_daemon()
        self.launch()
        self.go('on')
        self.wait_for(lambda: self.sysfs.kernel.removed, 'the end of what was made')
        self.assert_nothing_left()

    def test_killed_after_the_creation(self):
        """Before it heard of it."""
        self.hold(after='yes')
        self.start_create()
        self.wait_until_held()
        self.assertEqual(self.mdevs(), {WISH})
        self.end_daemon()
        self.launch()
        self.sleep(0.3)
        self.assertEqual(self.mdevs(), {WISH})  # its maker still has the record
        self.go('on')
        self.assert_nothing_left()

    def test_killed_while_it_appears(self):
        """The device is there, and not whole."""
        add = self.sysfs.add_mdev
        self.sysfs.add_mdev = lambda *arguments: add(*arguments, steps=('add',))
        self.start_create()
        self.wait_for(lambda: self.find_device(WISH), 'the device')
        self.wait_for(lambda: self.creations(), 'the record')
        self.wait_for(lambda: self.events(self.creations()[0]) == ['begin', 'create', 'created'], 'the word that it is made')
        self.end_daemon()
        self.launch()
        self.assert_nothing_left()

    def test_killed_after_the_answer(self):
        self.create()
        self.assertEqual(self.creations(), [])
        self.end_daemon()
        self.launch()
        self.assert_stays()
        self.assertEqual(self.notes(), [WISH])

    def test_killed_between_note_and_record(self):
        """What is noted was made whole: it stays."""
        self.create()
        with open(os.path.join(self.environment['VFERRY_STATE_DIR'], 'created', WISH), encoding='utf-8') as file:
            inode = int(file.read().split('\n')[2])
        self.assertEqual(inode, os.stat(self.sysfs.real(self.sysfs.mdevs[WISH])).st_ino)
        self.hold(after='yes')
        kept = self.start_create('22222222-2222-4333-8444-555555555555')
        self.wait_until_held()
        (name,) = self.creations()
        path = os.path.join(self.environment['VFERRY_STATE_DIR'], 'jobs', name)
        self.assertEqual(self.events(name), ['begin', 'create', 'created'])
        copy = path.replace(name, '33333333-2222-4333-8444-555555555555.creation')
        os.link(path, copy)
        self.go('on')
        self.finish(kept)
        self.wait_for(lambda: self.creations() == [os.path.basename(copy)], 'the end of the record')
        self.end_daemon()
        self.launch()
        self.wait_for(lambda: not self.creations(), 'the end of the other name of the record')
        self.assert_stays('22222222-2222-4333-8444-555555555555')

    def test_another_one_meanwhile(self):
        """Made, and the daemon killed; before the next one runs, somebody else's has the UUID."""
        self.hold(after='yes')
        self.start_create()
        self.wait_until_held()
        self.end_daemon()
        self.replace()
        self.go('on')
        self.launch()
        self.wait_for(lambda: not self.creations(), 'the end of the record')
        self.assert_stays()
        self.assertEqual(self.notes(), [])

    def test_two_of_one_uuid(self):
        """The kernel makes one; the other creation's end is not its."""
        calls = [self.start_create(), self.start_create()]
        results = []
        for call in calls:
            try:
                results.append(self.finish(call, 30))
            except harness.Error as error:
                results.append(error.name)
        self.assertEqual([harness.error_name('Busy')], [result for result in results if isinstance(result, str)])
        self.wait_for(lambda: not self.creations(), 'the end of both records')
        self.assertEqual(self.notes(), [WISH])
        self.end_daemon()
        self.launch()
        self.assert_stays()
        self.uuid = WISH
        self.assertEqual(self.end('Confirm', self.cross()), 'completed')
        self.wait_for(lambda: WISH not in self.sysfs.mdevs, 'the removal of what was created and has left')

    def refused_and_killed(self, call, *arguments):
        """Somebody else made one of that UUID first; the kernel has refused ours, and its record does not say so yet."""
        self.hold(before='yes')
        call(*arguments)
        self.wait_until_held()
        self.sysfs.uevent, uevent = lambda path, action: None, self.sysfs.uevent
        self.sysfs.add_mdev('mtty-2', WISH)
        self.sysfs.uevent = uevent
        self.end_daemon()
        self.go('on')
        self.launch()

    def test_create_refused_and_killed(self):
        self.refused_and_killed(self.start_create)
        self.wait_for(lambda: not self.creations(), 'the end of the record')
        self.assert_stays()

    def test_prepare_refused_and_killed(self):
        job, cookie = self.begin(self.lend())
        options = {'address': Variant('s', '127.0.0.1'), 'uuid': Variant('s', WISH)}
        self.refused_and_killed(self.manager().start_call, 'Prepare', Variant('(sa{sv})', (cookie, options)))
        self.wait_for(lambda: self.events(f'{job}.destination') == ['begin', 'create', 'undone'], 'the end of the lease')
        self.assert_stays()


if __name__ == '__main__':
    tap.main()
