#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon is restarted, or killed, while it has something in its hands: with a store of descriptors nobody notices."""

import os
import signal
import subprocess
import time

import bus
import crossing
import harness
import tap

Variant = crossing.Variant
NONE = Variant('(a{sv})', ({},))
WAYS = {'kill': signal.SIGKILL, 'restart': signal.SIGTERM}


class Test(crossing.Test):
    def launch(self):
        if not self.store:
            self.start_store()
        super().launch()

    def end_daemon(self, how=signal.SIGKILL):
        self.daemon.stop(how)
        self.wait_for(lambda: not self.client.has_owner('org.vferry1'), 'the end of the name')

    def restart(self, how=signal.SIGKILL):
        self.end_daemon(how)
        self.launch()

    def cross(self, **options):
        """Until both movers are at work."""
        self.device = self.lend()
        self.job_uuid, cookie = self.begin(self.device)
        self.lease, answer, secret = self.prepare(cookie, **options)
        return self.perform(self.job_uuid, answer, secret)

    def destination(self):
        return self.job(self.job_uuid, 'destination')

    def assert_clean(self):
        """Nothing of what is over stays in the store but the memory of the jobs."""
        self.wait_for(lambda: not self.store.parts('loan'), 'the end of the loan')
        self.assertLessEqual(set(self.store.parts('source') + self.store.parts('destination')), {'record', 'state'})

    def adopt(self):
        _, fds = self.client.call_with_fds(self.lease.path, 'org.vferry1.Lease.Adopt', NONE, [])
        self.assertEqual(os.readlink(f'/proc/self/fd/{fds[0]}'), '/dev/null')
        for fd in fds:
            os.close(fd)
        self.wait_for_property(self.lease, 'State', 'adopted')

    def reclaim(self, device):
        _, fds = self.client.call_with_fds(device.path, 'org.vferry1.Device.Reclaim', NONE, [])
        for fd in fds:
            os.close(fd)
        self.wait_for_property(device, 'State', 'unknown')

    def is_alive(self, verb):
        pid = [pid for name, _, _, pid in self.requests() if name == verb][-1]
        try:
            with open(f'/proc/{pid}/stat', encoding='utf-8') as file:
                return file.read().rsplit(')', 1)[1].split()[0] != 'Z'
        except FileNotFoundError:
            return False


class Loans(Test):
    def test_survives(self):
        device = self.lend()
        for name, how in WAYS.items():
            with self.subTest(how=name):
                self.restart(how)
                self.assertEqual(device.get('State'), 'lent')  # under its old path
                self.assertEqual(device.get('Id'), self.uuid)
                # a lent device refuses a probe, which would tell otherwise
                self.assertEqual((device.get('Migration'), device.get('MigrationSource')), (['stop-copy', 'p2p', 'pre-copy'], 'probe'))
                self.assert_refused('Busy', self.lend)
        self.begin(device)
        self.restart()
        self.assert_refused('Busy', self.reclaim, device)

    def test_reclaimed_after_it(self):
        device = self.lend()
        self.restart()
        self.reclaim(device)
        self.assertEqual(device.get('State'), 'unknown')
        self.assert_clean()
        self.restart()
        self.assertEqual(self.find_device(self.uuid).get('State'), 'unknown')

    def test_lender_leaves_meanwhile(self):
        lender = self.connect()
        self.lend(lender)
        self.end_daemon()
        lender.close()
        self.launch()
        self.wait_for(lambda: self.find_device(self.uuid).get('State') == 'unknown', 'the end of the loan')
        self.assert_clean()

    def test_keep(self):
        lender = self.connect()
        self.lend(lender, keep=Variant('b', True))
        lender.close()
        self.restart()
        self.sleep(0.3)
        device = self.find_device(self.uuid)
        self.assertEqual(device.get('State'), 'lent')
        self.reclaim(device)

    def test_device_gone_meanwhile(self):
        self.lend()
        self.end_daemon()
        self.sysfs.remove_mdev(self.uuid)
        self.launch()
        self.assertIn('is let go', self.daemon.text())
        self.assert_clean()


class Begun(Test):
    """Between Begin and Perform."""

    def test_performed_after_it(self):
        for name, how in WAYS.items():
            with self.subTest(how=name):
                device = self.lend()
                uuid, cookie = self.begin(device)
                self.restart(how)
                lease, answer, secret = self.prepare(cookie)
                self.restart(how)
                self.go()
                job = self.perform(uuid, answer, secret)
                self.assertEqual(self.end('Finish', uuid), 'completed')
                self.assertEqual(self.end('Confirm', uuid), 'completed')
                self.assertEqual(job.get('Result'), 'completed')
                self.lease = lease
                self.adopt()
                self.restart(how)
                self.assertEqual(self.end('Finish', uuid), 'completed')
                self.assertEqual(job.get('Result'), 'completed')
                self.assert_clean()

    def test_caller_leaves_meanwhile(self):
        caller = self.connect()
        device = self.lend(caller, keep=Variant('b', True))
        uuid, _ = self.begin(device, caller)
        self.end_daemon()
        caller.close()
        self.launch()
        self.wait_for(lambda: not self.store.parts('source'), 'the end of the Begin')
        self.assertIsNone(self.job(uuid, 'source'))
        self.reclaim(self.find_device(self.uuid))


class Source(Test):
    """The mover of the source goes on; what it said while nobody listened is heard."""

    PHASES = (
        ('preparing', []),
        ('pre-copy', [['phase', 'pre-copy'], ['progress', 40, 96]]),
        ('switchover', [['phase', 'pre-copy'], ['phase', 'switchover']]),
        ('loading', [['phase', 'switchover'], ['phase', 'loading']]),
        ('committing', [['phase', 'committing'], ['record', 'commit']]),
    )
    DONE = [['phase', 'committing'], ['record', 'commit'], ['record', 'done'],
            ['result', {'outcome': 'completed', 'device-states': ['stopped'], 'bytes': 96, 'downtime': 4100}]]

    def start_in(self, phase, steps, *rest):
        self.script('send', *steps, ['wait-for', 'on-' + phase], *rest)
        job = self.cross()
        self.wait_for_property(job, 'Phase', phase)
        return job

    def test_completes(self):
        """In every phase."""
        for phase, steps in self.PHASES:
            for name, how in WAYS.items():
                with self.subTest(phase=phase, how=name):
                    job = self.start_in(phase, steps, *[step for step in self.DONE if step not in steps])
                    start = job.get('StartTime')
                    self.restart(how)
                    self.assertEqual(job.get('Phase'), phase)
                    self.assertEqual(job.get('StartTime'), start)
                    self.assertEqual(self.device.get('State'), 'migrating')
                    self.go('on-' + phase)
                    self.assertEqual(self.end('Confirm', self.job_uuid), 'completed')
                    self.assertEqual((job.get('Result'), job.get('BytesDone'), job.get('Downtime')),
                                     ('completed', 96, 4100))
                    self.destination().call('Cancel', NONE)
                    self.assertEqual(self.end('Finish', self.job_uuid), 'cancelled')
                    self.assertEqual([verb for verb, *_ in self.requests()][-1], 'send')
                    os.unlink(os.path.join(self.mover, 'on-' + phase))
                    self.assert_clean()

    def test_ends_meanwhile(self):
        """Its last words wait for the next daemon."""
        job = self.start_in('pre-copy', [['phase', 'pre-copy']], ['progress', 96, 96], *self.DONE)
        self.end_daemon()
        self.go('on-pre-copy')
        self.wait_for(lambda: not self.is_alive('send'), 'the end of the mover')
        self.launch()
        self.assertEqual(self.end('Confirm', self.job_uuid), 'completed')
        self.assertEqual((job.get('Result'), job.get('BytesDone'), job.get('Downtime')), ('completed', 96, 4100))

    def test_cancel_after_it(self):
        job = self.start_in('pre-copy', [['phase', 'pre-copy']])
        self.restart()
        job.call('Cancel', NONE)
        self.assertEqual(self.end('Confirm', self.job_uuid), 'cancelled')
        self.assertEqual(self.device.get('State'), 'lent')
        self.begin(self.device)

    def test_mover_killed_meanwhile(self):
        """Both die: another mover brings the device back."""
        job = self.start_in('pre-copy', [['phase', 'pre-copy']])
        self.end_daemon()
        os.kill([pid for name, _, _, pid in self.requests() if name == 'send'][-1], signal.SIGKILL)
        self.launch()
        self.assertEqual(self.end('Confirm', self.job_uuid), 'failed')
        self.assertEqual(self.requests()[-1][0], 'return')
        self.assertEqual(self.events(f'{self.job_uuid}.source')[-1], 'returned')
        self.assertEqual(self.device.get('State'), 'lent')
        self.assertIn('ended without a result', job.get('Error')[1])
        self.begin(self.device)

    def test_mover_killed_after_it(self):
        self.start_in('switchover', [['phase', 'switchover']])
        self.restart()
        os.kill([pid for name, _, _, pid in self.requests() if name == 'send'][-1], signal.SIGKILL)
        self.assertEqual(self.end('Confirm', self.job_uuid), 'failed')
        self.assertEqual(self.device.get('State'), 'lent')

    def in_doubt(self):
        self.script('send', ['phase', 'committing'], ['record', 'commit'], ['die'])
        job = self.cross()
        self.assertEqual(self.end('Confirm', self.job_uuid), 'in-doubt')
        return job

    def resolve(self, job, decision):
        job.call('Resolve', Variant('(sa{sv})', (decision, {})))

    def test_in_doubt(self):
        """What was possible stays possible."""
        for decision, result, state in (('run', 'cancelled', 'lent'), ('discard', 'completed', 'stopped')):
            with self.subTest(decision=decision):
                job = self.in_doubt()
                self.restart()
                self.assertEqual(job.get('Result'), 'in-doubt')
                self.assertEqual(self.device.get('State'), 'stopped')
                self.assert_refused('InDoubt', self.begin, self.device)
                self.resolve(job, decision)
                self.assertEqual(self.end('Confirm', self.job_uuid), result)
                self.restart()
                self.assertEqual(job.get('Result'), result)
                self.assertEqual(self.find_device(self.uuid).get('State'), state)
                if decision == 'run':
                    self.reclaim(self.device)

    def test_resolved_and_killed(self):
        """It was decided to run, and runs; that the daemon did not live to see it does not make it a question again."""
        self.script('return', ['record', 'returned'], ['wait-for-deaf', 'never'])
        job = self.in_doubt()
        job.start_call('Resolve', Variant('(sa{sv})', ('run', {})))
        self.wait_for(lambda: self.events(f'{self.job_uuid}.source')[-1] == 'returned', 'the return')
        self.end_daemon()
        self.go('never')
        self.launch()
        self.assertEqual(job.get('Result'), 'cancelled')
        self.assert_refused('Busy', self.resolve, job, 'discard')
        self.begin(self.device)  # the loan is free again

    def test_reset_resolved_and_killed(self):
        """That its state is lost is on record, too."""
        self.script('return', ['record', 'reset', "{'device': <uint32 0>}"], ['record', 'returned'], ['wait-for-deaf', 'never'])
        job = self.in_doubt()
        job.start_call('Resolve', Variant('(sa{sv})', ('run', {})))
        self.wait_for(lambda: self.events(f'{self.job_uuid}.source')[-1] == 'returned', 'the return')
        self.end_daemon()
        self.go('never')
        self.launch()
        self.assertEqual(job.get('Result'), 'cancelled')
        self.assertEqual(job.get('Devices')[0]['state'], 'failed-needs-reset')

    def test_killed_while_it_is_resolved(self):
        """A mover may be at it: the decision to run is gone through with, and none against it is heard."""
        self.script('return', ['wait-for-deaf', 'returning'], ['record', 'returned'])
        job = self.in_doubt()
        job.start_call('Resolve', Variant('(sa{sv})', ('run', {})))
        self.wait_for(lambda: self.requests()[-1][0] == 'return', 'the mover that returns')
        self.script('return', ['wait-for', 'again'], ['record', 'returned'],
                    ['result', {'outcome': 'completed', 'device-states': ['running']}])
        self.restart()
        error = self.assert_refused('Busy', self.resolve, job, 'discard')
        self.assertIn('being resolved', error.message)
        self.go('again')
        self.wait_for_property(job, 'Result', 'cancelled')
        self.assertEqual(self.device.get('State'), 'lent')
        self.go('returning')

    def test_lender_leaves_meanwhile(self):
        """The job goes on; the loan ends with it."""
        self.script('send', ['phase', 'pre-copy'], ['wait-for', 'stop'], ['record', 'returned'],
                    ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Peer', 'message': 'cut',
                                'device-states': ['running']}])
        lender = self.connect()
        device = self.lend(lender)
        uuid, cookie = self.begin(harness.Object(self.client, device.path, device.interface))
        _, answer, secret = self.prepare(cookie)
        job = self.perform(uuid, answer, secret)
        self.end_daemon()
        lender.close()
        self.launch()
        self.sleep(0.3)
        self.assertEqual(job.get('Result'), '')
        self.go('stop')
        self.assertEqual(self.end('Confirm', uuid), 'failed')
        self.wait_for(lambda: self.find_device(self.uuid).get('State') == 'unknown', 'the end of the loan')


class Destination(Test):
    RECEIVED = [['record', 'commit'], ['record', 'started'],
                ['result', {'outcome': 'completed', 'device-states': ['running'], 'bytes': 96}]]
    STEPS = (
        ('ready', []),
        ('attached', [['attached'], ['phase', 'loading'], ['progress', 40, 96]]),
        ('loaded', [['attached'], ['phase', 'loading'], ['record', 'loaded']]),
        ('committed', [['attached'], ['phase', 'loading'], ['record', 'loaded'], ['phase', 'committing'],
                       ['record', 'commit']]),
    )

    def start_at(self, step, steps, *rest):
        self.script('send', ['wait-for', 'sent'], *Source.DONE)
        self.script('receive', ['listening'], *steps, ['wait-for', 'on-' + step], *rest)
        self.cross()
        self.wait_for_property(self.lease, 'State', 'ready' if step == 'ready' else 'attached')
        for record in [words[1] for words in steps if words[0] == 'record']:
            self.wait_for(lambda: record in self.events(f'{self.job_uuid}.destination'), f'the line “{record}”')
        (self.created,) = self.mdevs()

    def finish_source(self):
        self.go('sent')
        self.assertEqual(self.end('Confirm', self.job_uuid), 'completed')
        os.unlink(os.path.join(self.mover, 'sent'))
        self.reclaim_quietly()

    def reclaim_quietly(self):
        if self.find_device(self.uuid).get('State') == 'lent':
            self.reclaim(self.find_device(self.uuid))

    def test_completes(self):
        """At every step, and it can be adopted."""
        for step, steps in self.STEPS:
            for name, how in WAYS.items():
                with self.subTest(step=step, how=name):
                    self.start_at(step, steps, *([['attached']] if step == 'ready' else []), *self.RECEIVED)
                    deadline = self.lease.get('Deadline')
                    self.restart(how)
                    self.assertEqual(self.lease.get('State'), 'ready' if step == 'ready' else 'attached')
                    self.assertEqual(self.lease.get('Deadline'), deadline)
                    self.assertEqual(self.lease.get('Devices'), [self.find_device(self.created).path])
                    device = self.find_device(self.created)
                    self.assertEqual((device.get('State'), device.get('MigrationSource')), ('leased', 'probe'))
                    self.assertEqual(device.get('Migration'), ['stop-copy', 'p2p', 'pre-copy'])
                    self.go('on-' + step)
                    self.assertEqual(self.end('Finish', self.job_uuid), 'completed')
                    self.finish_source()
                    self.restart(how)
                    self.assertEqual(self.lease.get('State'), 'loaded')
                    self.adopt()
                    self.restart(how)
                    self.assertEqual(self.lease.get('State'), 'adopted')
                    self.assertEqual(self.end('Finish', self.job_uuid), 'completed')
                    os.unlink(os.path.join(self.mover, 'on-' + step))
                    self.sysfs.remove_mdev(self.created)
                    self.assert_clean()

    def test_attached_as_it_dies(self):
        """The job knew of its source, and the lease did not yet: no deadline counts any more."""
        self.script('send', ['wait-for', 'sent'], *Source.DONE)
        self.script('receive', ['listening'], ['wait-for', 'source'], ['attached'], ['wait-for', 'loaded'], *self.RECEIVED)
        self.cross(deadline=Variant('u', 10))
        self.go('source')
        self.wait_for_property(self.lease, 'State', 'attached')
        self.end_daemon()
        memo = self.store.find('lease', 'state')
        numbers = [int.from_bytes(os.pread(memo, 8, at), 'little') for at in (0, 65536)]
        os.pwrite(memo, b'torn', 40 if numbers[0] > numbers[1] else 65536 + 40)
        self.launch()
        self.assertEqual(self.lease.get('State'), 'attached')
        self.sleep(11)
        self.assertEqual(self.destination().get('Result'), '')
        self.go('loaded')
        self.assertEqual(self.end('Finish', self.job_uuid), 'completed')
        self.assertEqual(self.lease.get('State'), 'loaded')

    def test_word_of_the_source_lost(self):
        """A daemon may have died with it in its hands: what a destination says later says it, too."""
        for word in (['phase', 'loading'], ['progress', 40, 96]):
            with self.subTest(word=word[0]):
                self.script('send', ['wait-for', 'sent'], *Source.DONE)
                self.script('receive', ['listening'], word, ['wait-for', 'never'])
                self.cross()
                self.wait_for_property(self.lease, 'State', 'attached')
                self.destination().call('Cancel', NONE)
                self.assert_undone('cancelled')
                self.job(self.job_uuid, 'source').call('Cancel', NONE)
                self.assertEqual(self.end('Confirm', self.job_uuid), 'cancelled')
                self.reclaim(self.find_device(self.uuid))

    def assert_undone(self, result):
        self.assertEqual(self.end('Finish', self.job_uuid), result)
        self.wait_for(lambda: not self.mdevs(), 'the removal of what was created')
        self.wait_for(lambda: not self.find_object('Lease', 'JobUuid', self.job_uuid), 'the end of the lease')
        self.assertEqual(self.events(f'{self.job_uuid}.destination')[-1], 'undone')

    def test_released_after_it(self):
        self.start_at(*self.STEPS[0])
        self.restart()
        self.lease.call('Renew', Variant('(u)', (60,)))
        self.restart()
        self.lease.call('Release', NONE)
        self.assert_undone('cancelled')

    def test_released_before_it(self):
        """By an owner who was told so: nobody renews it, and the next daemon carries it out."""
        self.script('send', ['wait-for', 'sent'])
        self.script('receive', ['listening'], ['wait-for-deaf', 'never'])
        self.cross()
        self.lease.call('Release', NONE)
        for _ in range(2):
            error = self.assert_refused('Busy', self.lease.call, 'Renew', Variant('(u)', (600,)))
            self.assertIn('released', error.message)
            self.restart()
        self.assert_undone('cancelled')

    def test_clock_set_meanwhile(self):
        """The deadline is so many seconds away, whatever the clock on the wall says."""
        self.start_at(*self.STEPS[0])
        for hours in (-2, 2):
            with self.subTest(hours=hours):
                self.end_daemon()
                self.store.change_state('lease', deadline=Variant('x', int((time.time() + 3600 * hours) * 1e6)))
                self.launch()
                self.sleep(0.5)
                self.assertEqual(self.lease.get('State'), 'ready')
                self.assertAlmostEqual(self.lease.get('Deadline') / 1e6, time.time() + 115, delta=60)
        self.end_daemon()
        self.store.change_state('lease', ends=Variant('x', 1))
        self.launch()
        self.assert_undone('failed')

    def test_deadline_of_an_older_daemon(self):
        """One that knew only the clock on the wall."""
        self.start_at(*self.STEPS[0])
        self.end_daemon()
        self.store.change_state('lease', ends=None)
        self.launch()
        self.sleep(0.5)
        self.assertEqual(self.lease.get('State'), 'ready')
        self.end_daemon()
        self.store.change_state('lease', ends=None, deadline=Variant('x', 1))
        self.launch()
        self.assert_undone('failed')

    def test_devices_of_an_older_daemon(self):
        """One that did not note which devices it had made: what its job has open is that, of anything else nobody knows."""
        self.start_at(*self.STEPS[0])
        self.end_daemon()
        path = self.sysfs.mdevs[self.created]
        mdevs = Variant('a(sss)', [(path, self.created, 'mtty-2'), (f'{os.path.dirname(path)}/{self.uuid}', self.uuid, 'mtty-2')])
        self.store.change_state('lease', mdevs=mdevs)
        self.store.change_state('destination', inodes=None)
        self.launch()
        self.lease.call('Release', NONE)
        self.assert_undone('cancelled')
        self.assertIn(self.uuid, self.sysfs.mdevs)
        self.assertIn('did not note', self.daemon.text())

    def test_deadline_counts_on(self):
        self.script('send', ['wait-for', 'sent'])
        self.script('receive', ['listening'], ['wait-for', 'never'])
        self.cross(deadline=Variant('u', 10))
        self.end_daemon()
        self.sleep(6)
        self.launch()
        self.wait_for(lambda: not self.mdevs(), 'the deadline', 8)
        self.assert_undone('failed')
        self.assertIn('deadline', self.destination().get('Error')[1])

    def test_owner_leaves_meanwhile(self):
        self.script('receive', ['listening'], ['wait-for', 'never'])
        owner = self.connect()
        _, cookie = self.begin(self.lend())
        self.lease, _, _ = self.prepare(cookie, owner)
        self.end_daemon()
        owner.close()
        self.launch()
        self.wait_for(lambda: not self.mdevs(), 'the end of the lease')

    def test_cancel_after_it(self):
        self.start_at(*self.STEPS[1])
        self.restart()
        self.destination().call('Cancel', NONE)
        self.assert_undone('cancelled')

    def test_mover_killed_meanwhile(self):
        self.start_at(*self.STEPS[2])
        self.end_daemon()
        os.kill([pid for name, _, _, pid in self.requests() if name == 'receive'][-1], signal.SIGKILL)
        self.launch()
        self.assert_undone('failed')

    def test_mover_killed_meanwhile_after_commit(self):
        """In doubt, and the only state that there is was kept: it can run."""
        for decision in ('run', 'discard'):
            with self.subTest(decision=decision):
                self.start_at(*self.STEPS[3])
                self.end_daemon()
                os.kill([pid for name, _, _, pid in self.requests() if name == 'receive'][-1], signal.SIGKILL)
                self.launch()
                self.assertEqual(self.end('Finish', self.job_uuid), 'in-doubt')
                self.restart()
                job = self.destination()
                self.assertEqual(job.get('Result'), 'in-doubt')
                self.assert_refused('InDoubt', self.lease.call, 'Adopt', NONE)
                job.call('Resolve', Variant('(sa{sv})', (decision, {})))
                self.finish_source()
                if decision == 'run':
                    self.assertIn('start', [verb for verb, *_ in self.requests()])
                    self.assertEqual(self.end('Finish', self.job_uuid), 'completed')
                    self.adopt()
                    self.sysfs.remove_mdev(self.created)
                else:
                    self.assert_undone('cancelled')

    def test_stuck(self):
        """What the kernel did not remove is tried again by the next daemon."""
        helper = os.path.join(self.environment['VFERRY_LIBEXEC_DIR'], 'vferry-helper')
        real = os.readlink(helper)
        self.start_at(*self.STEPS[0])
        self.install_program('vferry-helper', 'exit 1')
        self.lease.call('Release', NONE)
        self.wait_for_property(self.lease, 'State', 'stuck')
        self.restart()
        self.wait_for_property(self.lease, 'State', 'stuck')
        os.unlink(helper)
        os.symlink(real, helper)
        self.assert_undone('cancelled')


class Adopted(Test):
    """The daemon ends in the middle of Adopt: two would be one too many, and none would be, too."""

    def loaded(self):
        self.go()
        self.cross()
        self.assertEqual(self.end('Finish', self.job_uuid), 'completed')

    def adopt_by(self, client, **options):
        _, fds = client.call_with_fds(self.lease.path, 'org.vferry1.Lease.Adopt', Variant('(a{sv})', (options,)), [])
        for fd in fds:
            os.close(fd)
        self.wait_for_property(self.lease, 'State', 'adopted')

    def sent(self, adopter):
        """Killed after its reply had been sent, or just before: it cannot know."""
        self.loaded()
        self.end_daemon()
        self.store.change_state('lease', adopter=Variant('s', adopter.name))
        self.launch()

    def assert_kept_from(self, client):
        for restarted in (False, True):
            if restarted:
                self.restart()
            self.assertEqual(self.lease.get('State'), 'loaded')
            error = self.assert_refused('Busy', self.adopt_by, client)
            self.assertIn('again', error.message)

    def test_who_asked_asks_again(self):
        adopter = self.connect()
        self.sent(adopter)
        self.assert_kept_from(self.client)
        self.adopt_by(adopter)

    def test_who_asked_has_gone(self):
        """It may have given them to somebody; who knows that it did not says so."""
        adopter = self.connect()
        self.sent(adopter)
        adopter.close()
        self.assert_kept_from(self.client)
        self.assertIn('adopt-again', self.manager().get('Features'))
        self.adopt_by(self.client, again=Variant('b', True))
        self.assert_refused('Busy', self.adopt_by, self.client, again=Variant('b', True))

    def test_in_the_middle(self):
        """The bus stands still, so that the daemon dies between its reply and the word that it arrived."""
        self.loaded()
        adopter = self.connect()
        self.assert_refused('Busy', adopter.call, self.lease.path, 'org.vferry1.Lease.Renew', Variant('(u)', (60,)))
        self.daemon.process.send_signal(signal.SIGSTOP)
        call = adopter.start_call(self.lease.path, 'org.vferry1.Lease.Adopt', NONE)
        adopter.has_owner('org.vferry1')  # the bus has passed it on
        self.bus.process.send_signal(signal.SIGSTOP)
        self.addCleanup(self.bus.process.send_signal, signal.SIGCONT)
        self.daemon.process.send_signal(signal.SIGCONT)
        memo = self.store.find('lease', 'state')
        self.wait_for(lambda: b'adopter' in os.pread(memo, 1 << 20, 0), 'the note')
        self.daemon.stop(signal.SIGKILL)
        self.bus.process.send_signal(signal.SIGCONT)
        self.wait_for(lambda: call.done, 'an answer, or that there will be none')
        self.wait_for(lambda: not self.client.has_owner('org.vferry1'), 'the end of the name')
        self.launch()
        self.assert_kept_from(self.client)
        self.adopt_by(adopter)

    def test_not_delivered(self):
        """And noticed before the end: others may have it."""
        self.loaded()
        self.client.connection.call('org.vferry1', self.lease.path, 'org.vferry1.Lease', 'Adopt', NONE, None,
                                    bus.Gio.DBusCallFlags.NONE, -1, None, None)
        self.wait_for(lambda: 'stay here' in self.daemon.text(), 'the refusal to be noticed')
        self.restart()
        self.adopt_by(self.connect())


class Calls(Test):
    """A call that a restart interrupts fails; nothing is left of what it had begun."""

    def test_prepare(self):
        self.script('receive', ['wait-for', 'never'], ['listening'])
        uuid, cookie = self.begin(self.lend())
        call = self.manager().start_call('Prepare', Variant('(sa{sv})', (cookie, {'address': Variant('s', '127.0.0.1')})))
        self.wait_for(lambda: 'receive' in [verb for verb, *_ in self.requests()], 'the mover')
        self.restart()
        with self.assertRaises(harness.Error):
            self.finish(call)
        self.wait_for(lambda: not self.mdevs(), 'the removal of what was created')
        self.assertEqual(self.end('Finish', uuid), 'failed')
        self.assertEqual(self.store.parts('lease') + self.store.parts('destination'), [])
        self.assertEqual(self.find_device(self.uuid).get('State'), 'lent')


    def test_prepare_released(self):
        """Its job is over by then, and its lease in no store: the record says that something is left."""
        real = os.path.realpath(os.path.join(self.environment['VFERRY_LIBEXEC_DIR'], 'vferry-helper'))
        reached = os.path.join(self.mover, 'reached')
        self.install_program('vferry-helper', f'[ "$1" = mdev-create ] || exec {real} "$@"\ntouch {reached}\n'
                             f'while [ ! -e {self.mover}/on ]; do sleep 0.05; done\nexec {real} "$@"')
        uuid, cookie = self.begin(self.lend())
        call = self.manager().start_call('Prepare', Variant('(sa{sv})', (cookie, {'address': Variant('s', '127.0.0.1')})))
        self.wait_for(lambda: os.path.exists(reached), 'the helper')
        self.wait_for(lambda: self.find_object('Lease', 'JobUuid', uuid), 'the lease').call('Release', NONE)
        self.wait_for_property(self.job(uuid, 'destination'), 'Result', 'cancelled')
        self.restart(signal.SIGKILL)
        self.go('on')
        with self.assertRaises(harness.Error):
            self.finish(call)
        self.wait_for(lambda: self.events(f'{uuid}.destination')[-1] == 'undone', 'the end of what was begun', 20)
        self.assertEqual(self.mdevs(), set())


class Tool(Test):
    """vferryctl follows its job across it."""

    def start(self):
        environment = {key: value for key, value in os.environ.items() if key not in ('LD_PRELOAD', 'UMOCKDEV_DIR')}
        environment.update(DBUS_SYSTEM_BUS_ADDRESS=self.bus.address, LC_ALL='C.UTF-8')
        process = subprocess.Popen([*os.environ.get('VFERRY_TEST_WRAPPER', '').split(), os.environ['VFERRY_TEST_TOOL'],
                                    'migrate', self.uuid, self.bus.address, '--address', '127.0.0.1'],
                                   env=environment, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        self.addCleanup(process.kill)
        return process

    def finish_tool(self, process, seconds=20):
        self.wait_for(lambda: process.poll() is not None, 'the end of vferryctl', seconds)
        out, err = process.communicate(timeout=5)
        return process.returncode, out, err

    def started(self):
        self.script('send', ['phase', 'pre-copy'], ['progress', 40, 96], ['wait-for', 'sent'], *Source.DONE)
        self.lend()
        tool = self.start()
        job = self.wait_for(lambda: self.find_object('Job', 'Phase', 'pre-copy'), 'the job')
        self.sleep(0.3)  # until it has heard of it, too
        return tool, job

    def test_completes(self):
        tool, _ = self.started()
        self.restart()
        self.sleep(0.5)
        self.restart(signal.SIGTERM)
        self.go()
        self.go('sent')
        status, out, err = self.finish_tool(tool)
        self.assertEqual((status, err), (0, ''))
        self.assertIn('running at', out)

    def test_completes_meanwhile(self):
        tool, _ = self.started()
        self.end_daemon()
        self.go()
        self.go('sent')
        self.wait_for(lambda: not self.is_alive('send'), 'the end of the mover')
        self.launch()
        status, out, err = self.finish_tool(tool)
        self.assertEqual((status, err), (0, ''))
        self.assertIn('running at', out)


class Doubtful(Test):
    """What comes back is not whole: it is let go, and the record decides."""

    def under_way(self):
        self.script('send', ['phase', 'pre-copy'], ['wait-for', 'sent'], *Source.DONE)
        self.script('receive', ['listening'], ['attached'], ['wait-for', 'received'], *Destination.RECEIVED)
        self.cross()
        self.wait_for_property(self.lease, 'State', 'attached')
        self.end_daemon()

    def assert_by_record(self, role, result):
        self.launch()
        self.wait_for(lambda: self.job(self.job_uuid, role), f'the {role} by its record')
        self.assertEqual(self.job(self.job_uuid, role).get('Result'), result)
        self.assertIn('cannot go on', self.daemon.text())

    def test_source_lost(self):
        for part in ('state', 'record', 'control', 'process'):
            with self.subTest(part=part):
                self.under_way()
                self.assertEqual(len(self.store.lose('source', '.' + part)), 1)
                self.assert_by_record('source', 'failed')
                self.assertEqual(self.find_device(self.uuid).get('State'), 'lent')
                self.reclaim(self.find_device(self.uuid))
                self.destination().call('Cancel', NONE)
                self.assertEqual(self.end('Finish', self.job_uuid), 'cancelled')

    def test_destination_lost(self):
        for kind, part in (('destination', '.state'), ('destination', '.record'), ('destination', '.control'),
                           ('destination', '.process'), ('destination', '.device0'), ('lease', '.state')):
            with self.subTest(kind=kind, part=part):
                self.under_way()
                self.assertEqual(len(self.store.lose(kind, part)), 1)
                self.assert_by_record('destination', 'failed')
                self.wait_for(lambda: not self.mdevs(), 'the removal of what was created')
                self.job(self.job_uuid, 'source').call('Cancel', NONE)
                self.assertEqual(self.end('Confirm', self.job_uuid), 'cancelled')
                self.reclaim(self.find_device(self.uuid))
                self.assert_clean()

    def test_destination_in_doubt_lost(self):
        """While a mover that was to run it may still be at it, nobody can say that it never will."""
        self.script('send', ['phase', 'pre-copy'], ['wait-for', 'sent'], *Source.DONE)
        self.script('receive', ['listening'], ['attached'], ['record', 'loaded'], ['record', 'commit'], ['die'])
        self.script('start', ['wait-for-deaf', 'starting'])
        self.cross()
        self.assertEqual(self.end('Finish', self.job_uuid), 'in-doubt')
        self.destination().start_call('Resolve', Variant('(sa{sv})', ('run', {})))
        self.wait_for(lambda: 'start' in [verb for verb, *_ in self.requests()], 'the mover that starts it')
        self.end_daemon()
        self.assertEqual(len(self.store.lose('destination', '.device0')), 1)
        self.launch()
        self.sleep(1.5)
        self.assertIsNone(self.destination())
        self.go('starting')
        self.wait_for(self.destination, 'the job by its record')
        self.assertEqual(self.destination().get('Result'), 'in-doubt')
        self.assertIn('cannot go on', self.daemon.text())
        self.assert_refused('NotSupported', self.destination().call, 'Resolve', Variant('(sa{sv})', ('run', {})))
        self.destination().call('Resolve', Variant('(sa{sv})', ('discard', {})))
        self.assertEqual(self.end('Finish', self.job_uuid), 'cancelled')
        self.wait_for(lambda: not self.mdevs(), 'the removal of what was created')

    def test_state_of_another_version(self):
        self.under_way()
        os.pwrite(self.store.find('source', 'state'), bytes(200), 0)
        os.pwrite(self.store.find('source', 'state'), bytes(200), 65536)
        self.assert_by_record('source', 'failed')

    def test_torn_state(self):
        """One that was being written when the daemon died: the one before counts."""
        self.under_way()
        memo = self.store.find('source', 'state')
        numbers = [int.from_bytes(os.pread(memo, 8, at), 'little') for at in (0, 65536)]
        self.assertEqual(abs(numbers[0] - numbers[1]), 1)
        os.pwrite(memo, b'torn', 40 if numbers[0] > numbers[1] else 65536 + 40)
        self.launch()
        self.go('sent')
        self.assertEqual(self.end('Confirm', self.job_uuid), 'completed')

    def test_loan_lost(self):
        """The mover of a source works on, but nobody could take over from it: it is asked to return the device."""
        self.under_way()
        self.store.lose('loan')
        self.assert_by_record('source', 'failed')
        self.assertEqual(self.find_device(self.uuid).get('State'), 'unknown')

    def test_strange_names(self):
        with open('/dev/null', 'rb') as file:
            for name in ('stored', 'x', 'loan', 'loan.x', 'source.a.b.c', 'lease..', 'destination.x.state', 'a.b.c'):
                self.store.put(name, file.fileno())
            self.store.put('twice.a.b', file.fileno())
            self.store.put('twice.a.b', file.fileno())
        self.restart()
        self.assertEqual(self.store.names(), [])
        self.assertIn('belongs to nothing here', self.daemon.text())
        self.lend()

    def test_full(self):
        """What did not fit is let go at the restart, and the rest goes on."""
        self.restart(signal.SIGTERM)
        self.store.limit = 7
        self.under_way()
        self.assertGreater(self.store.refused, 0)
        self.store.limit = 512
        self.launch()
        self.wait_for(lambda: self.job(self.job_uuid, 'source') and self.destination(), 'both by the record, or on')
        self.go('sent')
        self.go('received')
        self.assertIn(self.end('Confirm', self.job_uuid), ('completed', 'failed'))
        self.assertEqual(self.end('Finish', self.job_uuid), 'failed')


class Room(Test):
    """A store with an end: what would not fit is not begun, and whatever is begun is kept."""

    def launch_with(self, places):
        self.end_daemon(signal.SIGTERM)
        self.store.limit = places
        self.launch()

    def lend_another(self):
        own, self.uuid = self.uuid, self.other
        try:
            return self.lend()
        finally:
            self.uuid = own

    def setUp(self):
        super().setUp()
        self.other = self.sysfs.add_mdev('mtty-2')

    def test_just_enough(self):
        """For a loan 2, for a source 4, for a destination with its lease and device 6."""
        self.launch_with(12)
        self.script('send', ['phase', 'pre-copy'], ['wait-for', 'sent'], *Source.DONE)
        job = self.cross()
        self.wait_for_property(job, 'Phase', 'pre-copy')
        error = self.assert_refused('LimitExceeded', self.lend_another)
        self.assertIn('FileDescriptorStoreMax', error.message)
        self.restart()
        self.assert_refused('LimitExceeded', self.lend_another)
        self.go('sent')
        self.go()
        self.assertEqual(self.end('Finish', self.job_uuid), 'completed')
        self.assertEqual(self.end('Confirm', self.job_uuid), 'completed')
        self.lend_another()
        self.adopt()
        self.assertEqual(self.store.refused, 0)

    def test_begun(self):
        """What is promised to a Begin is still promised after a restart, and taken back with it."""
        self.launch_with(7)
        caller = self.connect()
        device = self.lend()
        _, cookie = self.begin(device, caller)
        for _ in range(2):
            self.assert_refused('LimitExceeded', self.prepare, cookie)
            self.assert_refused('LimitExceeded', self.lend_another)
            self.restart()
        self.assertEqual((self.mdevs() - {self.other}, self.records()), (set(), []))
        self.assertIsNone(self.find_object('Lease', 'State', 'reserved'))
        caller.close()
        self.wait_for(lambda: not self.store.parts('source'), 'the end of the Begin')
        self.lend_another()

    def test_begin(self):
        self.launch_with(5)
        device = self.lend()
        self.assert_refused('LimitExceeded', self.begin, device)
        self.reclaim(device)  # it was not kept from its lender
        self.lend()
        self.lend_another()


class Stopped(Test):
    """systemctl stop: the store is closed, movers see end of file."""

    def test_mover_hears_of_it(self):
        self.script('send', ['phase', 'pre-copy'], ['sleep', 60])
        self.wait_for_property(self.cross(), 'Phase', 'pre-copy')
        pid = [pid for verb, _, _, pid in self.requests() if verb == 'send'][-1]
        self.end_daemon(signal.SIGTERM)
        self.sleep(0.3)
        self.assertTrue(os.path.exists(f'/proc/{pid}'))
        self.store.stop()
        self.wait_for(lambda: not self.is_alive('send'), 'the end of the mover')

    def test_no_store(self):
        """As ever: the records decide."""
        self.daemon.stop()
        self.store.close()
        store, self.store = self.store, None
        harness.Test.start_daemon(self, environment=self.environment)
        self.assertIn('no descriptor store', self.daemon.text())
        self.script('send', ['phase', 'pre-copy'], ['sleep', 60])
        self.cross()
        self.daemon.stop(signal.SIGKILL)
        self.wait_for(lambda: not self.client.has_owner('org.vferry1'), 'the end of the name')
        harness.Test.start_daemon(self, environment=self.environment)
        self.wait_for(lambda: self.job(self.job_uuid, 'source'), 'the job by its record')
        self.assertEqual(self.job(self.job_uuid, 'source').get('Result'), 'failed')
        store.__init__(store.path + '2')


if __name__ == '__main__':
    tap.main()
