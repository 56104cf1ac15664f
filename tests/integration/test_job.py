#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Jobs on the bus, with the fake driver, and what a new daemon makes of an old one's records."""

import fcntl
import os
import re
import signal
import time

import crossing
import harness
import tap

Variant = crossing.Variant
NONE = Variant('(a{sv})', ({},))
FAKE = Variant('s', 'fake')


class Fake(crossing.Test):
    fake = True

    def cross(self, source=None, destination=None, client=None):
        """(uuid, job at the source) of a pretended migration; the device need not be lent."""
        device = self.wait_for_device(self.uuid)
        uuid, cookie = self.begin(device, client, driver=FAKE)
        _, answer, secret = self.prepare(cookie, client, driver=FAKE, **(destination or {}))
        return uuid, self.perform(uuid, answer, secret, client, **(source or {}))

    def test_progress(self):
        """At most ten a second, never falling, whole at the end, and the same for two subscribers."""
        other = self.connect()
        seen = [client.record('org.vferry1.Job') for client in (self.client, other)]
        size = 7 << 20
        _, job = self.cross(source={'fake-bytes': Variant('t', size), 'fake-duration-ms': Variant('u', 1500)})
        self.wait_for_property(job, 'Result', 'completed')
        self.wait_for(lambda: all([s for s in each if s[0] == job.path and s[1] == 'Completed'] for each in seen),
                      'the signals')
        mine, theirs = [[s for s in each if s[0] == job.path] for each in seen]
        self.assertEqual(mine, theirs)
        progress = [arguments for _, name, arguments in mine if name == 'Progress']
        done = [a[0] for a in progress]
        self.assertEqual(done, sorted(done))
        self.assertTrue(all(a[0] <= a[1] for a in progress))
        self.assertEqual(set(progress[0][2]), {'phase', 'rate', 'round', 'dirty', 'initial-left'})
        phases = [arguments[0] for _, name, arguments in mine if name == 'PhaseChanged']
        self.assertEqual(phases, ['pre-copy', 'switchover', 'loading', 'committing', 'finished'])
        _, name, (result, error, message, statistics) = mine[-1]
        self.assertEqual((name, result, error, message), ('Completed', 'completed', '', ''))
        self.assertEqual(statistics['bytes'], size)
        self.assertGreater(statistics['seconds'], 1)
        self.assertGreaterEqual(len(progress), 5)
        self.assertLessEqual(len(progress), statistics['seconds'] * 10 + 2)
        self.assertEqual((job.get('BytesDone'), job.get('BytesTotal')), (size, size))

    def test_properties(self):
        before = time.time()
        uuid, job = self.cross()
        host = self.manager().get('HostId')
        self.assertEqual((job.get('Uuid'), job.get('Operation'), job.get('Role')), (uuid, 'migrate', 'source'))
        self.assertEqual((job.get('Peer'), job.get('StartedByUid')), (host, os.getuid()))
        self.assertAlmostEqual(job.get('StartTime') / 1e6, before, delta=20)
        self.assertEqual(job.get('Error'), ('', ''))
        (device,) = job.get('Devices')
        self.assertEqual((device['id'], device['device']), (self.uuid, self.find_device(self.uuid).path))
        self.assertEqual(self.end('Confirm', uuid), 'completed')
        self.assertEqual(job.get('Devices')[0]['state'], 'stopped')
        self.assertEqual(self.find_device(self.uuid).get('State'), 'stopped')

    def test_devices_of_destination(self):
        """From the moment on when there is one, as long as there is one, and also for the next daemon."""
        uuid, cookie = self.begin(self.wait_for_device(self.uuid), driver=FAKE)
        lease, *_ = self.prepare(cookie, driver=FAKE, **{'fake-duration-ms': Variant('u', 60000)})
        (made,) = self.mdevs()
        job = self.job(uuid, 'destination')
        path = self.find_device(made).path
        self.assertEqual(job.get('Devices'), [{'id': made, 'state': 'unknown', 'bytes': 0, 'device': path}])
        self.assertEqual(lease.get('Devices'), [path])
        self.sysfs.remove_mdev(made)
        self.wait_until_gone(made)
        self.assertEqual(job.get('Devices'), [{'id': made, 'state': 'unknown', 'bytes': 0}])
        self.assertEqual(lease.get('Devices'), [])
        self.daemon.stop()
        self.launch()
        job = self.wait_for(lambda: self.job(uuid, 'destination'), 'the job')
        self.assertEqual(job.get('Devices')[0]['id'], made)

    def test_endpoints(self):
        """As many as the driver has; one alone is written as 0.1.0 read it."""
        device = self.wait_for_device(self.uuid)
        for number, written in ((1, ['channel']), (3, ['endpoint kind="unix"', 'endpoint kind="file"', 'endpoint kind="tcp"'])):
            with self.subTest(number=number):
                uuid, cookie = self.begin(device, driver=FAKE)
                lease, answer, secret = self.prepare(cookie, driver=FAKE, **{'fake-endpoints': Variant('u', number)})
                self.assertEqual(re.findall(r'<(channel|endpoint kind="[a-z]*")', answer), written)
                self.perform(uuid, answer, secret)
                self.assertEqual(self.end('Confirm', uuid), 'completed')
                self.assertEqual(self.end('Finish', uuid), 'completed')
        _, cookie = self.begin(device, driver=FAKE)
        error = self.assert_refused('InvalidArgument', self.prepare, cookie, driver=FAKE, **{'fake-endpoints': Variant('u', 4)})
        self.assertIn('“fake-endpoints” is 4', error.message)

    def test_adopted_by_the_driver(self):
        """A hypervisor that waited for the devices has them at the end, and nobody calls Adopt."""
        uuid, _ = self.cross(destination={'fake-adopts': Variant('b', True)})
        self.assertEqual(self.end('Finish', uuid), 'completed')
        lease = self.wait_for(lambda: self.find_object('Lease', 'JobUuid', uuid), 'the lease')
        self.wait_for_property(lease, 'State', 'adopted')
        (created,) = self.mdevs()
        self.assertEqual(self.find_device(created).get('State'), 'unknown')
        self.assert_refused('Busy', lease.call, 'Adopt', Variant('(a{sv})', ({},)))
        self.assertIn(created, self.mdevs())

    def test_failed(self):
        uuid, job = self.cross(source={'fake-outcome': Variant('s', 'failed')})
        self.assertEqual(self.end('Confirm', uuid), 'failed')
        self.assertEqual(job.get('Error'), (harness.error_name('Device'), 'as fake-outcome asked'))

    def test_in_doubt(self):
        uuid, job = self.cross(source={'fake-outcome': Variant('s', 'in-doubt')})
        self.assertEqual(self.end('Confirm', uuid), 'in-doubt')
        self.polkit.allow('org.vferry1.migrate', 'org.vferry1.manage-devices')
        self.assert_refused('NotAuthorized', job.call, 'Resolve', Variant('(sa{sv})', ('run', {})))
        self.polkit.allow('org.vferry1.migrate', 'org.vferry1.override')
        job.call('Resolve', Variant('(sa{sv})', ('run', {})))
        self.assertEqual(self.end('Confirm', uuid), 'cancelled')

    def test_cancel(self):
        long = {'fake-duration-ms': Variant('u', 60000)}
        uuid, job = self.cross(source=long, destination=long)
        self.assertEqual(self.find_device(self.uuid).get('State'), 'migrating')
        self.assert_refused('UnknownOption', job.call, 'Cancel', Variant('(a{sv})', ({'x': Variant('u', 1)},)))
        job.call('Cancel', NONE)
        self.assertEqual(self.end('Confirm', uuid), 'cancelled')
        lease = self.find_object('Lease', 'JobUuid', uuid)
        lease.call('Release', NONE)
        self.assertEqual(self.end('Finish', uuid), 'cancelled')

    def test_owner_cancels_without_an_action(self):
        long = {'fake-duration-ms': Variant('u', 60000)}
        _, job = self.cross(source=long, destination=long)
        self.polkit.allow()
        job.call('Cancel', NONE)
        self.assertEqual(job.get('Result'), 'cancelled')

    def test_confirm_waits(self):
        uuid, _ = self.cross(source={'fake-duration-ms': Variant('u', 800)})
        call = self.manager().start_call('Confirm', Variant('(sa{sv})', (uuid, {})))
        self.sleep(0.3)
        self.assertFalse(call.done)
        self.assertEqual(self.finish(call), ('completed',))

    def test_memory_has_an_end(self):
        """Of a user's ended jobs the last 64 are there; what is in doubt, or waits for its adopter, stays."""
        _, cookie = self.begin(self.wait_for_device(self.uuid), driver=FAKE)
        uuid, job = self.cross(source={'fake-outcome': Variant('s', 'in-doubt')})
        self.assertEqual(self.end('Confirm', uuid), 'in-doubt')
        self.assertEqual(self.end('Finish', uuid), 'completed')
        others = [f'00000000-0000-4000-8000-{i:012}' for i in range(66)]
        for other in others:
            self.assert_refused('Device', self.prepare, re.sub(' job="[^"]*"', f' job="{other}"', cookie, count=1), driver=FAKE,
                                **{'fake-fail': Variant('b', True)})
        self.wait_for(lambda: f'{others[1]}.destination' not in self.records(), 'the end of its record')
        for other in others[:2]:
            self.assert_refused('NotFound', self.end, 'Finish', other)
        self.assertEqual({self.end('Finish', other) for other in others[2:]}, {'failed'})
        self.assertEqual(job.get('Result'), 'in-doubt')
        self.assertEqual(self.end('Finish', uuid), 'completed')
        self.assertEqual(self.find_object('Lease', 'JobUuid', uuid).get('State'), 'loaded')

    def test_driver_fails(self):
        """In each call, and the runner says whose mistake it is."""
        device = self.wait_for_device(self.uuid)
        yes = Variant('b', True)
        error = self.assert_refused('Device', self.begin, device, driver=FAKE, **{'fake-fail': yes})
        self.assertIn('driver “fake”: as fake-fail asked', error.message)
        error = self.assert_refused('Failed', self.begin, device, driver=FAKE, **{'fake-shrug': yes})
        self.assertIn('this is a bug in the driver', error.message)
        uuid, cookie = self.begin(device, driver=FAKE)
        self.assert_refused('Device', self.prepare, cookie, driver=FAKE, **{'fake-fail': yes})
        self.assertEqual(self.events(f'{uuid}.destination'), ['begin', 'create', 'created', 'undone'])

    def test_perform_fails(self):
        device = self.wait_for_device(self.uuid)
        uuid, cookie = self.begin(device, driver=FAKE)
        _, answer, secret = self.prepare(cookie, driver=FAKE)
        self.assert_refused('Device', self.perform, uuid, answer, secret, **{'fake-fail': Variant('b', True)})
        self.assertEqual(self.end('Confirm', uuid), 'failed')

    def test_perform_of_a_lent_device_fails(self):
        """Nobody says how the device is: it is still lent."""
        device = self.lend()
        uuid, cookie = self.begin(device, driver=FAKE)
        _, answer, secret = self.prepare(cookie, driver=FAKE)
        self.assert_refused('Device', self.perform, uuid, answer, secret, **{'fake-fail': Variant('b', True)})
        self.assertEqual(device.get('State'), 'lent')
        self.assert_refused('Busy', device.call, 'Remove', NONE)

    def test_options(self):
        device = self.wait_for_device(self.uuid)
        self.assert_refused('UnknownOption', self.begin, device, driver=FAKE, **{'fake-colour': Variant('u', 1)})
        self.assert_refused('InvalidArgument', self.begin, device, driver=FAKE, **{'fake-bytes': Variant('s', '1')})
        self.assert_refused('InvalidArgument', self.begin, device, driver=FAKE, **{'fake-outcome': Variant('s', 'x')})
        self.assert_refused('InvalidArgument', self.begin, device, driver=Variant('u', 1))

    def test_refused(self):
        self.polkit.allow('org.vferry1.manage-devices')
        device = self.wait_for_device(self.uuid)
        self.assert_refused('NotAuthorized', self.begin, device, driver=FAKE)


class NotAnyMore(crossing.Test):
    """A driver that started last time, and does not today."""
    fake = True

    def test_its_jobs(self):
        """Their records decide, and what was made for them is undone without it."""
        uuid, cookie = self.begin(self.wait_for_device(self.uuid), driver=FAKE)
        far = {'fake-duration-ms': Variant('u', 60000)}
        lease, answer, secret = self.prepare(cookie, driver=FAKE, **far)
        self.perform(uuid, answer, secret, **far)
        self.daemon.stop()
        self.environment['VFERRY_FAKE_START'] = 'fail'
        self.launch()
        self.assertEqual((self.end('Finish', uuid), self.end('Confirm', uuid)), ('failed', 'failed'))
        self.wait_for(lambda: not self.mdevs(), 'the end of what was made')
        self.wait_for(lambda: not self.client.objects().get(lease.path), 'the end of the lease')
        self.begin(self.lend())


class DoesNotStart(crossing.Test):
    """A driver that fails when the daemon starts is left out, and the rest of the daemon works."""
    fake = True

    def launch(self):
        self.environment['VFERRY_FAKE_START'] = 'fail'
        super().launch()

    def test_refused_by_name(self):
        device = self.lend()
        error = self.assert_refused('NotSupported', self.begin, device, driver=FAKE)
        self.assertIn('driver “fake” did not start: as VFERRY_FAKE_START asked', error.message)
        self.assertIn('“fake” does not start', self.daemon.text())
        self.begin(device)


class NoFake(crossing.Test):
    def test_not_there(self):
        error = self.assert_refused('NotSupported', self.begin, self.lend(), driver=FAKE)
        self.assertIn('fake', error.message)


class Recovery(crossing.Test):
    """The daemon is killed at some point; the next one finds its records."""

    def restart(self):
        self.daemon.process.send_signal(signal.SIGKILL)
        self.daemon.process.wait(20)
        self.wait_for(lambda: not self.client.has_owner('org.vferry1'), 'the end of the daemon')
        self.launch()

    def wait_for_job(self, uuid, role, result):
        job = self.wait_for(lambda: self.job(uuid, role), f'the {role} job', 20)
        self.wait_for_property(job, 'Result', result)
        return job

    def prepared(self):
        uuid, cookie = self.begin(self.lend())
        _, answer, secret = self.prepare(cookie)
        return uuid, answer, secret

    def test_prepared_is_undone(self):
        uuid, *_ = self.prepared()
        self.restart()
        job = self.wait_for_job(uuid, 'destination', 'failed')
        self.assertIn('restarted', job.get('Error')[1])
        self.wait_for(lambda: not self.mdevs(), 'the removal of what was created')
        self.wait_for(lambda: self.events(f'{uuid}.destination')[-1] == 'undone', 'the record')
        self.wait_for(lambda: not self.find_object('Lease', 'JobUuid', uuid), 'the end of the lease')
        self.assertEqual(self.end('Finish', uuid), 'failed')
        self.restart()  # there is nothing left to do, but to say how it ended
        self.wait_for_job(uuid, 'destination', 'failed')
        self.assertEqual(self.end('Finish', uuid), 'failed')
        self.assertEqual(self.events(f'{uuid}.destination').count('undone'), 1)

    def test_announced_is_undone(self):
        """Killed between the record and the word that the device is there."""
        uuid, cookie = self.begin(self.lend())
        self.sysfs.kernel.stop()
        self.manager().start_call('Prepare', Variant('(sa{sv})', (cookie, {'address': Variant('s', '127.0.0.1')})))
        self.wait_for(lambda: self.records() and self.events(f'{uuid}.destination')[-1:] == ['create'], 'the record')
        self.sleep(0.3)
        self.sysfs.obey()
        self.wait_for(lambda: self.mdevs(), 'the device')
        self.restart()
        self.wait_for_job(uuid, 'destination', 'failed')
        self.wait_for(lambda: not self.mdevs(), 'the removal of what was created')

    def test_source_is_lost(self):
        self.script('send', ['phase', 'pre-copy'], ['sleep', 60])
        uuid, answer, secret = self.prepared()
        self.perform(uuid, answer, secret)
        self.restart()
        job = self.wait_for_job(uuid, 'source', 'failed')
        self.assertIn('holder', job.get('Error')[1])
        self.assertEqual(self.find_device(self.uuid).get('State'), 'unknown')
        self.assertEqual(self.end('Confirm', uuid), 'failed')

    def test_source_in_doubt(self):
        """With the fd gone, the only thing left is to give it up."""
        self.script('send', ['record', 'commit'], ['sleep', 60])
        uuid, answer, secret = self.prepared()
        self.perform(uuid, answer, secret)
        self.wait_for(lambda: 'commit' in self.events(f'{uuid}.source'), 'the commit')
        self.restart()
        job = self.wait_for_job(uuid, 'source', 'in-doubt')
        self.assert_refused('NotSupported', job.call, 'Resolve', Variant('(sa{sv})', ('run', {})))
        self.assertEqual(job.get('Result'), 'in-doubt')
        job.call('Resolve', Variant('(sa{sv})', ('discard', {})))
        self.assertEqual(self.end('Confirm', uuid), 'completed')
        self.restart()
        self.wait_for_job(uuid, 'source', 'completed')
        self.assertEqual(self.end('Confirm', uuid), 'completed')

    def destination_in_doubt(self):
        self.script('receive', ['listening'], ['attached'], ['record', 'loaded'], ['record', 'commit'], ['sleep', 60])
        uuid, *_ = self.prepared()
        self.wait_for(lambda: 'commit' in self.events(f'{uuid}.destination'), 'the commit')
        self.restart()
        return uuid, self.wait_for_job(uuid, 'destination', 'in-doubt')

    def test_destination_in_doubt(self):
        uuid, job = self.destination_in_doubt()
        self.assertEqual(len(self.mdevs()), 1)
        self.assert_refused('NotSupported', job.call, 'Resolve', Variant('(sa{sv})', ('run', {})))
        job.call('Resolve', Variant('(sa{sv})', ('discard', {})))
        self.wait_for(lambda: not self.mdevs(), 'the removal of what was created')
        self.assertEqual(self.end('Finish', uuid), 'cancelled')
        self.assertEqual(self.events(f'{uuid}.destination')[-2:], ['resolved', 'undone'])

    def test_in_doubt_survives_another_restart(self):
        uuid, _ = self.destination_in_doubt()
        self.restart()
        self.wait_for_job(uuid, 'destination', 'in-doubt')

    def test_mover_at_work(self):
        """Its record is locked: it is left alone until it has finished."""
        self.script('receive', ['listening'], ['attached'], ['record', 'loaded'], ['record', 'commit'],
                    ['deaf', 3], ['record', 'started'])
        uuid, *_ = self.prepared()
        self.wait_for(lambda: 'commit' in self.events(f'{uuid}.destination'), 'the commit')
        self.restart()
        self.sleep(1.2)
        self.assertIsNone(self.job(uuid, 'destination'))
        self.wait_for_job(uuid, 'destination', 'completed')
        self.assertEqual(self.end('Finish', uuid), 'completed')
        (created,) = self.mdevs()  # what runs here stays, and is known as created here
        self.wait_for(lambda: os.listdir(os.path.join(self.environment['VFERRY_STATE_DIR'], 'created')) == [created],
                      'the note')
        self.sysfs.remove_mdev(created)
        self.wait_for(lambda: not os.listdir(os.path.join(self.environment['VFERRY_STATE_DIR'], 'created')),
                      'the end of the note')

    def test_source_mover_at_work(self):
        """It brings the device back by itself, and the new daemon says so."""
        self.script('send', ['phase', 'pre-copy'], ['deaf', 2], ['record', 'returned'])
        uuid, answer, secret = self.prepared()
        job = self.perform(uuid, answer, secret)
        self.wait_for_property(job, 'Phase', 'pre-copy')
        start = job.get('StartTime')
        self.restart()
        job = self.wait_for_job(uuid, 'source', 'failed')
        self.assertEqual(job.get('StartTime'), start)
        self.assertIn('run here again', job.get('Error')[1])

    def test_clock_set_meanwhile(self):
        """Finished long ago, says the clock on the wall: who asks is answered all the same."""
        self.script('send', ['record', 'returned'],
                    ['result', {'outcome': 'failed', 'message': 'cut', 'device-states': ['running']}])
        uuid, answer, secret = self.prepared()
        self.perform(uuid, answer, secret)
        self.assertEqual(self.end('Confirm', uuid), 'failed')
        name = f'{uuid}.source'
        os.utime(os.path.join(self.environment['VFERRY_STATE_DIR'], 'jobs', name), (1, 1))
        self.restart()
        self.assertEqual(self.end('Confirm', uuid), 'failed')
        self.assertIn(name, self.records())

    def test_damaged_record(self):
        """Nobody guesses what it said: it stays, and the daemon starts."""
        folder = os.path.join(self.environment['VFERRY_STATE_DIR'], 'jobs')
        name = '11111111-2222-4333-8444-555555555555.destination'
        with open(os.path.join(folder, name), 'w', encoding='utf-8') as file:
            file.write('begin {} 0123456789abcdef\ncreate {} 0123456789abcdef\n')
        self.restart()
        self.wait_for(lambda: 'left alone' in self.daemon.text(), 'a word about it')
        self.assertIn(name, self.records())

    def test_foreign_file(self):
        folder = os.path.join(self.environment['VFERRY_STATE_DIR'], 'jobs')
        with open(os.path.join(folder, 'README'), 'w', encoding='utf-8') as file:
            file.write('hello\n')
        self.restart()
        self.wait_for(lambda: 'README is no record' in self.daemon.text(), 'a word about it')
        self.assertIn('README', self.records())

    def scans(self):
        """How often the records were looked at: each look complains of a foreign file."""
        return self.daemon.text().count('README is no record')

    def wait_for_a_mover(self, name):
        """One whose record is locked, and which the new daemon waits for."""
        folder = os.path.join(self.environment['VFERRY_STATE_DIR'], 'jobs')
        for each in ('README', name):
            with open(os.path.join(folder, each), 'w', encoding='utf-8'):
                pass
        mover = open(os.path.join(folder, name), 'r+', encoding='utf-8')
        self.addCleanup(mover.close)
        fcntl.flock(mover, fcntl.LOCK_EX)
        self.restart()
        self.wait_for(lambda: self.scans() > 1, 'the second look')
        return os.path.join(folder, name)

    def assert_nothing_is_waited_for(self):
        self.sleep(1.5)
        before = self.scans()
        self.sleep(2.5)
        self.assertEqual(self.scans(), before)

    def test_waited_for_and_gone(self):
        os.unlink(self.wait_for_a_mover('11111111-2222-4333-8444-555555555555.source'))
        self.assert_nothing_is_waited_for()

    def test_waited_for_and_our_own(self):
        """The record of a job that this daemon has begun is none that another one left."""
        uuid = '11111111-2222-4333-8444-555555555555'
        path = self.wait_for_a_mover(f'{uuid}.destination')
        _, cookie = self.begin(self.lend())
        seen = self.scans()
        self.wait_for(lambda: self.scans() > seen, 'another look, and time until the next')
        os.unlink(path)
        self.prepare(re.sub(' job="[^"]*"', f' job="{uuid}"', cookie, count=1))
        self.assert_nothing_is_waited_for()
        self.assertEqual(self.job(uuid, 'destination').get('Result'), '')

    def test_empty_record(self):
        """Killed before its first line was written: nothing had been done."""
        folder = os.path.join(self.environment['VFERRY_STATE_DIR'], 'jobs')
        name = '11111111-2222-4333-8444-555555555555.source'
        with open(os.path.join(folder, name), 'w', encoding='utf-8'):
            pass
        self.restart()
        self.wait_for(lambda: name not in self.records(), 'the end of the record')

    def test_no_state_directory(self):
        """Without a ledger it does nothing rather than something that it would forget."""
        self.daemon.stop()
        path = self.environment['VFERRY_STATE_DIR'] + '/file'
        with open(path, 'w', encoding='utf-8'):
            pass
        self.environment['VFERRY_STATE_DIR'] = path
        daemon = self.launch_daemon(environment=self.environment)
        self.wait_for(lambda: not daemon.is_running(), 'the end of the daemon')
        self.assertEqual(daemon.process.returncode, 1)
        self.assertIn('cannot use the directory', daemon.text())


if __name__ == '__main__':
    tap.main()
