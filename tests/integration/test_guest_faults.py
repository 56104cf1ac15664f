#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests of a bare QEMU, and everything that can end or lie at every step: never two run, and nothing is left."""

import contextlib
import os
import signal

import guests
import harness
import tap

Variant = guests.Variant
NONE = guests.NONE
BEFORE = ('setup', 'active', 'switchover')  # steps of the source's QEMU, in which nobody has all of it
SLOWER = {'late': {'resume': 2}}


class Test(guests.Test):
    @contextlib.contextmanager
    def case(self, **what):
        """One of several over the same daemon."""
        with self.subTest(**what):
            try:
                yield
            finally:
                self.again()

    def come_to(self, step, source=None, destination=None, relay=False):
        """Up to that step, and no further. `loaded`: the destination has promised; `committed`: it has been told to run, and does
        not yet."""
        self.hold['a'] = ['word'] if step == 'loaded' else [step]
        if step == 'committed':
            destination = {**(destination or {}), 'traps': {'cont': {'do': 'hold', 'times': 1}}}
        self.prepare_all(source=source, destination=destination)
        if relay:
            self.put_relay()
        self.perform_guest()
        if step == 'committed':
            self.wait_for(lambda: self.b.get('stuck') == 'cont', 'the commit')
        else:
            self.wait_for_step(self.a, 'word' if step == 'loaded' else step)
        if step == 'loaded':
            self.wait_for(lambda: 'loaded' in self.events(f'{self.job_uuid}.destination'), 'the promise')

    def go_on(self, step):
        (self.b if step == 'committed' else self.a).release()

    def assert_source_died(self):
        """The guest ended with its QEMU, and its copy never ran."""
        self.assertEqual(self.end('Confirm', self.job_uuid), 'failed')
        self.assertEqual(self.running(), set())
        self.assert_undone()
        self.wait_for(lambda: not self.domains(), 'the end of the domains')
        self.assert_monitor_closed('a')

    def assert_discarded(self):
        """The destination's copy ends, and what was made for it with it."""
        self.wait_for_doubt('destination')
        self.resolve('destination', 'discard')
        self.assertEqual(self.end('Finish', self.job_uuid), 'cancelled')
        self.wait_for(self.b.has_ended, 'the end of the QEMU that was to receive it')
        self.wait_for(lambda: not self.made & self.mdevs(), 'the removal of what was made')
        self.assertIn('resolved', self.events(f'{self.job_uuid}.destination'))


class Killed(Test):
    """Before the commit the guest runs at its source again; after it never, unless somebody who knows decides so."""

    # --- the QEMUs

    def test_source_qemu(self):
        for step in BEFORE:
            with self.case(step=step):
                self.come_to(step)
                self.a.kill()
                self.assert_source_died()

    def test_source_qemu_loaded(self):
        """Its copy has all of it, and nobody may say that it is the guest now: only its source could have committed."""
        self.come_to('loaded')
        self.a.kill()
        self.assert_source_died()

    def test_source_qemu_committed(self):
        self.come_to('committed')
        self.a.kill()
        self.go_on('committed')
        self.assertEqual(self.ends(), ('completed', 'completed'))
        self.assertEqual(self.running(), {'b'})

    def test_destination_qemu(self):
        for step in BEFORE:
            with self.case(step=step):
                self.come_to(step, source=SLOWER)
                self.b.kill()
                self.assert_failed()

    def test_destination_qemu_new(self):
        """The source's that goes by `failing`."""
        self.come_to('switchover', source={'ending': 'late', **SLOWER})
        self.b.kill()
        self.assert_failed()

    def test_destination_qemu_committed(self):
        """Nobody runs it then but who decides that."""
        self.come_to('committed')
        self.b.kill()
        self.wait_for_doubt('source')
        self.assertEqual(self.running(), set())
        self.assert_discarded()
        self.resolve('source', 'run')
        self.assertEqual(self.end('Confirm', self.job_uuid), 'cancelled')
        self.assertEqual(self.running(), {'a'})
        self.assertEqual(self.domain_a.get('State'), 'running')

    def test_destination_qemu_loaded(self):
        """Its worker has promised by then, and hears of nothing but the decision."""
        self.come_to('loaded')
        self.b.kill()
        self.go_on('loaded')
        self.wait_for_doubt('source')
        self.assert_discarded()
        self.resolve('source', 'run')
        self.assertEqual(self.end('Confirm', self.job_uuid), 'cancelled')
        self.assertEqual(self.running(), {'a'})

    def test_resolve_what_is_not_there(self):
        """Nobody lets a guest run whose QEMU has ended."""
        self.come_to('committed', relay=True)
        self.relay.cut(0)
        self.a.kill()
        self.b.kill()
        for role in ('source', 'destination'):
            self.wait_for_doubt(role)
            with self.assertRaises(harness.Error) as caught:
                self.resolve(role, 'run')
            self.assertRegex(caught.exception.message, 'QEMU|monitor')
            self.assertEqual(self.job(self.job_uuid, role).get('Result'), 'in-doubt')
            self.resolve(role, 'discard')
        self.assertEqual(self.running(), set())
        self.wait_for(lambda: not self.made & self.mdevs(), 'the removal of what was made')

    def test_both_after(self):
        """What becomes of them later is nobody's business here."""
        self.cross()
        self.assert_crossed()
        self.b.kill()
        self.wait_for(lambda: len(self.domains()) == 1, 'the end of the domain')
        self.a.kill()
        self.wait_for(lambda: not self.domains(), 'the end of the other')
        self.assertEqual(self.ends(), ('completed', 'completed'))

    # --- the workers

    def kill_worker(self, number):
        os.kill(self.find_workers()[number], signal.SIGKILL)

    def test_source_worker(self):
        """Another one brings the guest back."""
        for step in BEFORE:
            with self.case(step=step):
                self.come_to(step, source=SLOWER)
                self.kill_worker(0)
                self.assert_failed()
                self.assertIn('signal 9', self.source.get('Error')[1])

    def test_source_worker_untouched(self):
        """QEMU has been asked for nothing yet; whether the guest runs it is asked."""
        self.prepare_all()
        self.a.trap('query-uuid', 'hold', times=1)
        self.perform_guest()
        self.wait_for(lambda: self.a.get('stuck'), 'the look at it')
        self.kill_worker(0)
        self.a.release()
        self.assert_failed()
        self.assertNotIn('touched', self.events(f'{self.job_uuid}.source'))

    def test_source_worker_new(self):
        self.come_to('switchover', source={'ending': 'late', **SLOWER})
        self.kill_worker(0)
        self.assert_failed()

    def test_source_worker_loaded(self):
        """The guest is back, and the other side cannot know that."""
        self.come_to('loaded')
        self.kill_worker(0)
        self.assert_guest_back()
        self.assert_discarded()
        self.assertEqual(self.running(), {'a'})

    def test_source_worker_committed(self):
        self.come_to('committed')
        self.kill_worker(0)
        self.wait_for_doubt('source')
        self.go_on('committed')
        self.assertEqual(self.end('Finish', self.job_uuid), 'completed')
        self.wait_for_running('b')
        self.resolve('source', 'discard')
        self.assertEqual(self.end('Confirm', self.job_uuid), 'completed')
        self.wait_for(self.a.has_ended, 'the end of the QEMU that had the guest')
        self.assertEqual(self.running(), {'b'})

    def test_destination_worker(self):
        for step in BEFORE:
            with self.case(step=step):
                self.come_to(step, source=SLOWER)
                self.kill_worker(1)
                self.assert_failed()

    def test_destination_worker_loaded(self):
        """What it has loaded never ran, and nobody but it could have let it."""
        self.come_to('loaded')
        self.kill_worker(1)
        self.assert_failed()

    def test_destination_worker_committed(self):
        """It may have told QEMU; whoever decides finds out."""
        for heard in (True, False):
            with self.case(heard=heard):
                self.come_to('committed')
                self.kill_worker(1)
                self.wait_for_doubt('source')
                self.wait_for_doubt('destination')
                self.b.ask('release' if heard else 'forget')
                self.assertEqual(self.b.get('run'), 'running' if heard else 'paused')
                self.resolve('destination', 'run')
                self.assertEqual(self.end('Finish', self.job_uuid), 'completed')
                self.resolve('source', 'discard')
                self.assertEqual(self.end('Confirm', self.job_uuid), 'completed')
                self.wait_for(self.a.has_ended, 'the end of the QEMU that had the guest')
                self.assertEqual(self.running(), {'b'})

    # --- whoever asked for it

    def test_client(self):
        """A crossing that has begun is not its caller's to end by leaving."""
        for step in ('active', 'switchover', 'loaded', 'committed'):
            with self.case(step=step):
                own, self.client = self.client, self.connect()
                self.come_to(step)
                self.client.close()
                self.client = own
                self.source = self.job(self.job_uuid, 'source')
                self.go_on(step)
                self.assertEqual(self.ends(), ('completed', 'completed'))
                self.assertEqual(self.running(), {'b'})
                self.wait_for(lambda: not self.domains(), 'the end of the domains')
                self.assert_workers_gone()


class Cut(Test):
    """What is between the two hosts breaks."""

    def test_lane(self):
        for step in BEFORE:
            with self.case(step=step):
                self.come_to(step, source=SLOWER, relay=True)
                self.relay.cut(1)
                self.assert_failed()

    def test_lane_loaded(self):
        """It has done its work."""
        self.come_to('loaded', relay=True)
        self.relay.cut(1)
        self.go_on('loaded')
        self.assert_crossed()

    def test_session(self):
        for step in BEFORE:
            with self.case(step=step):
                self.come_to(step, source=SLOWER, relay=True)
                self.relay.cut(0)
                self.assert_failed()

    def test_session_loaded(self):
        self.come_to('loaded', source=SLOWER, relay=True)
        self.relay.cut(0)
        self.assert_guest_back()
        self.assert_discarded()
        self.assertEqual(self.running(), {'a'})

    def test_session_committed(self):
        """The destination runs it, and the source cannot know."""
        self.come_to('committed', relay=True)
        self.relay.cut(0)
        self.wait_for_doubt('source')
        self.go_on('committed')
        self.assertEqual(self.end('Finish', self.job_uuid), 'completed')
        self.assertEqual(self.running(), {'b'})
        self.resolve('source', 'discard')
        self.wait_for(self.a.has_ended, 'the end of the QEMU that had the guest')

    def test_run_where_it_runs_not(self):
        """Resolve at the source, while the destination has been discarded."""
        self.come_to('committed', relay=True)
        self.relay.cut(0)
        self.wait_for_doubt('source')
        self.b.kill()
        self.assert_discarded()
        self.resolve('source', 'run')
        self.assertEqual(self.end('Confirm', self.job_uuid), 'cancelled')
        self.wait_for_running('a')


class Cancelled(Test):
    def test_source(self):
        for step in (*BEFORE, 'loaded'):
            for ending in ('early', 'late'):
                with self.case(step=step, ending=ending):
                    self.come_to(step, source={'ending': ending, **SLOWER})
                    self.source.call('Cancel', NONE)
                    self.assert_failed('cancelled')

    def test_destination(self):
        for step in BEFORE:
            with self.case(step=step):
                self.come_to(step, source=SLOWER)
                self.destination().call('Cancel', NONE)
                self.assert_failed('cancelled', 'cancelled')

    def test_too_late(self):
        self.come_to('committed')
        for job in (self.source, self.destination()):
            with self.assertRaises(harness.Error):
                job.call('Cancel', NONE)
        self.go_on('committed')
        self.assert_crossed()

    def test_destination_has_promised(self):
        """It is the source's to decide."""
        self.come_to('loaded')
        try:
            self.destination().call('Cancel', NONE)
        except harness.Error:
            pass
        self.go_on('loaded')
        self.assert_crossed()


class Daemon(Test):
    """Is killed, and its descriptors are with systemd."""

    kept = True

    def restart(self, how=signal.SIGKILL):
        super().restart(how)
        self.source = self.wait_for(lambda: self.job(self.job_uuid, 'source'), 'the job')

    def test_killed(self):
        """The workers go on, and the next daemon finds them."""
        for step in (*BEFORE, 'loaded', 'committed'):
            with self.case(step=step):
                self.come_to(step)
                self.restart()
                self.go_on(step)
                self.assertEqual(self.ends(), ('completed', 'completed'))
                self.assertEqual(self.running(), {'b'})
                self.wait_for_property(self.lease, 'State', 'adopted')
                self.assert_workers_gone()
                self.assert_monitor_closed('a')
                self.assert_monitor_closed('b')
                kept = {part for role in ('source', 'destination') for part in self.store.parts(role)}
                self.assertFalse(kept & {'monitor', 'guest', 'control', 'process'})

    def test_fails_after(self):
        """The next daemon has what it takes to bring the guest back, and to end the copy."""
        for step in BEFORE:
            with self.case(step=step):
                self.come_to(step, source=SLOWER)
                workers = self.find_workers()
                self.restart()
                for pid in workers:
                    os.kill(pid, signal.SIGKILL)
                self.assertEqual(self.ends(), ('failed', 'failed'))
                self.wait_for_running('a')
                self.wait_for(self.b.has_ended, 'the end of the QEMU that was to receive it')
                self.wait_for(lambda: not self.made & self.mdevs(), 'the removal of what was made')

    def test_workers_die_meanwhile(self):
        self.come_to('switchover', source=SLOWER)
        workers = self.find_workers()
        self.daemon.stop(signal.SIGKILL)
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        self.wait_for(lambda: not self.client.has_owner('org.vferry1'), 'the end of the name')
        self.launch()
        self.assertEqual(self.ends(), ('failed', 'failed'))
        self.wait_for_running('a')
        self.wait_for(self.b.has_ended, 'the end of the QEMU that was to receive it')
        self.wait_for(lambda: not self.made & self.mdevs(), 'the removal of what was made')

    def test_waits_for_a_source(self):
        """The QEMU that is attached to the lease is so under the next daemon."""
        self.start_source()
        self.attach_source()
        cookie = self.begin_guest()
        self.prepare_guest(cookie)
        self.start_destination()
        self.attach_destination()
        super().restart()
        self.wait_for(lambda: self.find_object('Lease', 'State', 'ready'), 'the lease')
        self.lease.call('Release', NONE)
        self.assertEqual(self.end('Finish', self.job_uuid), 'cancelled')
        self.wait_for(self.b.has_ended, 'the end of the QEMU that was to receive it')
        self.wait_for(lambda: not self.made & self.mdevs(), 'the removal of what was made')
        self.assertEqual(self.running(), {'a'})

    def check_doubt(self, decisions, runs):
        """In doubt at both sides, and decided under the next daemon."""
        self.come_to('committed', relay=True)
        self.relay.cut(0)
        os.kill(self.find_workers()[-1], signal.SIGKILL)
        self.wait_for_doubt('source')
        self.wait_for_doubt('destination')
        self.b.set(traps={})
        self.b.ask('forget')
        self.restart()
        self.wait_for_doubt('source')
        self.wait_for_doubt('destination')
        self.assertEqual(self.running(), set())
        for role in ('source', 'destination'):
            if decisions[role] == 'discard':
                self.resolve(role, 'discard')
        for role in ('source', 'destination'):
            if decisions[role] == 'run':
                self.resolve(role, 'run')
        self.wait_for_running(runs)
        other = self.a if runs == 'b' else self.b
        self.wait_for(other.has_ended, 'the end of the other QEMU')
        self.assert_workers_gone()

    def test_resolved_here(self):
        self.check_doubt({'source': 'run', 'destination': 'discard'}, 'a')
        self.wait_for(lambda: not self.made & self.mdevs(), 'the removal of what was made')
        self.assertEqual(self.ends(), ('cancelled', 'cancelled'))

    def test_resolved_there(self):
        self.check_doubt({'source': 'discard', 'destination': 'run'}, 'b')
        self.assertLessEqual(self.made, self.mdevs())
        self.assertEqual(self.ends(), ('completed', 'completed'))

    def test_discard_where_it_runs(self):
        """Is refused."""
        self.come_to('committed')
        os.kill(self.find_workers()[1], signal.SIGKILL)
        self.wait_for_doubt('destination')
        self.go_on('committed')
        self.wait_for_running('b')
        error = self.assert_refused('Busy', self.resolve, 'destination', 'discard')
        self.assertIn('the guest runs here', error.message)
        self.assertFalse(self.b.has_ended())
        self.resolve('destination', 'run')
        self.assertEqual(self.end('Finish', self.job_uuid), 'completed')


class Records(Test):
    """The daemon is killed, and nothing is left of it but its records."""

    def restart(self, how=signal.SIGKILL):
        self.daemon.stop(how)
        self.assert_workers_gone()
        super().restart(how)

    def test_killed(self):
        """The guest goes on where it was, its copy ends."""
        for step in (*BEFORE, 'loaded'):
            with self.case(step=step):
                self.come_to(step, source=SLOWER)
                self.restart()
                self.wait_for_running('a')
                self.wait_for(self.b.has_ended, 'the end of the QEMU that was to receive it')
                self.assertEqual(self.ends(), ('failed', 'failed'))
                self.wait_for(lambda: not self.made & self.mdevs(), 'the removal of what was made')

    def test_committed(self):
        """What is decided is carried out."""
        self.come_to('committed')
        self.daemon.stop(signal.SIGKILL)
        self.go_on('committed')
        self.wait_for_running('b')
        self.restart()
        self.assertEqual(self.ends(), ('completed', 'completed'))
        self.assertLessEqual(self.made, self.mdevs())

    def test_after(self):
        """The guest keeps what was made for it, whoever is asked."""
        self.cross()
        self.assert_crossed()
        self.restart()
        self.assertEqual(self.ends(), ('completed', 'completed'))
        self.sleep(0.3)
        self.assertLessEqual(self.made, self.mdevs())
        self.assertEqual(self.running(), {'b'})


class Lies(Test):
    """A QEMU that its guest has taken over can say what it likes: that costs its own guest, and never makes two of it."""

    hasty = True
    LOOKS = {'source': 3, 'destination': 2}  # before anything is asked to move

    def trap(self, side, command, do, **more):
        """In the middle of the crossing."""
        return {side: {'traps': {command: {'do': do, 'skip': self.LOOKS[side] if command in ('query-migrate', 'query-status') else 0, **more}}}}

    def check(self, source=None, destination=None, back=True):
        """The crossing fails, and the guest is where it was."""
        job = self.cross(source=source, destination=destination)
        self.assertEqual(self.ends(), ('failed', 'failed'))
        if back:
            self.assertEqual([each['state'] for each in job.get('Devices')], ['running'])
        self.wait_for_running('a')
        self.assertNotIn('commit', self.events(f'{self.job_uuid}.source'))
        self.wait_for(lambda: not self.made & self.mdevs(), 'the removal of what was made')
        self.assert_workers_gone()
        self.wait_for(lambda: self.open_files(self.monitors['b']) <= (not self.b.has_ended()), 'the close of the monitor')
        self.assertNotIn('b', [label for label, what, *_ in self.ledger() if what == 'run'])
        messages = [each.get('Error')[1] for each in (job, self.destination())]
        return ' / '.join(messages)

    def test_says_nothing(self):
        """Neither who never greets, nor who has been spoken to."""
        mute = self.start_qemu('mute', [], greeting='never', stopped=True)
        spoken = self.start_qemu('spoken', [], stopped=True)
        owns = [mute.connect(), spoken.connect()]
        self.addCleanup(owns[0].close)
        self.addCleanup(owns[1].close)
        owns[1].recv(65536)
        owns[1].sendall(b'{"execute": "qmp_capabilities"}\n')
        owns[1].recv(65536)
        calls = [self.manager().start_call('AttachDomain', Variant('(a{sv})', ({'driver': guests.QEMU, 'qmp': Variant('h', 0)},)),
                                           fds=[own.fileno()]) for own in owns]
        for call in calls:
            with self.assertRaises(harness.Error) as caught:
                self.finish(call)
            self.assertEqual(caught.exception.name, harness.error_name('Peer'))
            self.assertIn('nothing greets within', caught.exception.message)
        self.assertFalse(self.domains())
        self.assert_workers_gone()

    def test_completed_while_it_runs(self):
        self.hold['a'] = ['active']
        message = self.check(**self.trap('source', 'query-migrate', 'merge', value={'status': 'completed'}))
        self.assertIn('somebody has let the guest run here again', message)

    def test_runs_again(self):
        """While it is moved, as it says."""
        running = {'status': 'running', 'running': True}
        message = self.check(**self.trap('source', 'query-status', 'answer', value=running, times=1))
        self.assertIn('somebody has let the guest run here again', message)

    def test_somebody_runs_it_again(self):
        """Truly, at the source, when all of it has gone: it stays there."""
        self.prepare_all()
        self.b.set(traps={'query-status': {'do': 'hold', 'skip': self.LOOKS['destination'] - 1, 'times': 1}})
        job = self.perform_guest()
        self.wait_for(lambda: self.a.get('run') == 'postmigrate' and self.b.get('stuck'), 'that it has gone')
        self.a.obey('cont')
        self.b.release()
        self.assertEqual(self.ends(), ('failed', 'failed'))
        self.assertIn('somebody', job.get('Error')[1])
        self.assert_failed()

    def test_runs_there_already(self):
        running = {'status': 'running', 'running': True}
        message = self.check(**self.trap('destination', 'query-status', 'answer', value=running))
        self.assertIn('somebody has let the guest run here before the source gave it up', message)

    def test_loaded_before_it_is(self):
        """The source knows, by the word that came back over the lane."""
        traps = {'query-migrate': {'do': 'merge', 'value': {'status': 'completed'}, 'skip': 2},
                 'query-status': {'do': 'answer', 'value': {'status': 'paused', 'running': False}, 'skip': 2, 'times': 1}}
        self.cross(destination={'traps': traps, 'hold': ['loaded']})
        self.wait_for_step(self.b, 'loaded')
        self.wait_for(lambda: 'loaded' in self.events(f'{self.job_uuid}.destination'), 'the promise')
        self.assertEqual(self.running(), set())
        self.b.release()
        self.assert_crossed()

    def test_contradicts_itself(self):
        for value in ({'status': 'running', 'running': False}, {'status': 'paused', 'running': True}, {'status': 'running'}, {}, [], 'running', 7):
            with self.case(value=value):
                message = self.check(**self.trap('source', 'query-status', 'answer', value=value, times=1))
                self.assertIn('does not say whether the guest runs', message)

    def test_migration_without_sense(self):
        for value in ({'status': 7}, [], 'active', None):
            with self.case(value=value):
                message = self.check(**self.trap('source', 'query-migrate', 'answer', value=value, times=1))
                self.assertIn('query-migrate', message)

    def test_numbers(self):
        """That nobody believes, and that break nothing."""
        for value in ({'ram': {'transferred': -1, 'remaining': 1 << 62, 'dirty-sync-count': 1 << 62, 'mbps': 1e300, 'dirty-pages-rate': 1}},
                      {'ram': [], 'vfio': 7, 'expected-downtime': (1 << 63) - 1}, {'ram': {'transferred': 'all'}, 'error-desc': [1]},
                      {'ram': {'transferred': (1 << 63) - 1, 'remaining': (1 << 63) - 1}, 'vfio': {'transferred': -5}}):
            with self.case(value=value):
                self.cross(**self.trap('source', 'query-migrate', 'merge', value=value))
                self.assert_crossed()

    def test_wont_go(self):
        """It refuses what it is told, with words of its own."""
        for command in ('migrate-set-capabilities', 'migrate-set-parameters', 'getfd', 'migrate'):
            with self.case(command=command):
                message = self.check(**self.trap('source', command, 'refuse', words='not today \x1b[1m'))
                self.assertIn('not today ?[1m', message)
                self.assertEqual([what[:2] for what in self.ledger() if what[0] == 'a'], [['a', 'run']])

    def test_wont_come(self):
        for command in ('migrate-set-capabilities', 'stop', 'getfd', 'migrate-incoming'):
            with self.case(command=command):
                message = self.check(**self.trap('destination', command, 'refuse', words='not today'))
                self.assertIn('not today', message)

    def test_breaks_the_protocol(self):
        """In the middle of it, at either side."""
        cases = [('stray', {}, 'QEMU answers what nobody asked'), ('twice', {}, 'QEMU answers what nobody asked'),
                 ('half', {}, 'has closed its monitor'), ('close', {}, 'has closed its monitor'),
                 ('nonsense', {'text': 'HELLO'}, 'it does not speak QMP'), ('nonsense', {'text': '{"x": 1}'}, 'neither an answer nor an event'),
                 ('nonsense', {'text': '{"return": ' + '[' * 100 + ']' * 100 + ', "id": 1}'}, ''),
                 ('nonsense', {'text': '{"QMP": {"version": {"qemu": {"major": 1, "minor": 1, "micro": 1}}}}'}, 'greets twice')]
        for side in ('source', 'destination'):
            self.hold['a'] = ['active'] if side == 'source' else []  # what cannot be told anything any more at least runs
            last = ('flood', {}, '') if side == 'source' else ('huge', {}, 'a QMP message has more than')
            for kind, more, part in (*cases, last):
                with self.case(side=side, kind=kind, more=more):
                    message = self.check(back=False, **self.trap(side, 'query-migrate', kind, times=1, **more))
                    self.assertIn(part, message)

    def test_closes_at_each_step(self):
        for side, commands in (('source', ('query-migrate-capabilities', 'migrate-set-capabilities', 'getfd', 'migrate')),
                               ('destination', ('migrate-set-capabilities', 'stop', 'getfd', 'migrate-incoming'))):
            for command in commands:
                with self.case(side=side, command=command):
                    message = self.check(back=False, **self.trap(side, command, 'close'))
                    self.assertIn('monitor', message)

    def test_never_answers(self):
        """Once: then it is given up, and what it is told meanwhile it does."""
        for side, commands in (('source', ('getfd', 'migrate', 'query-status')), ('destination', ('stop', 'query-migrate'))):
            for command in commands:
                with self.case(side=side, command=command):
                    message = self.check(**self.trap(side, command, 'silence', times=1))
                    self.assertIn(f'QEMU has not answered “{command}” for', message)

    def test_source_freezes(self):
        """Whatever it comes to when it goes on, its copy is no more."""
        self.come_to('active')
        self.a.process.send_signal(signal.SIGSTOP)
        self.assertEqual(self.ends(), ('failed', 'failed'))
        self.assertIn('the guest could not be brought back to running', self.source.get('Error')[1])
        self.wait_for(self.b.has_ended, 'the end of the QEMU that was to receive it')
        self.a.process.send_signal(signal.SIGCONT)
        self.assertEqual(self.a.get('run'), 'running')
        self.wait_for_running('a')

    def test_destination_freezes(self):
        """It does what it was told as soon as it hears it."""
        self.come_to('active', source=SLOWER)
        self.b.process.send_signal(signal.SIGSTOP)
        self.assert_guest_back()
        self.b.process.send_signal(signal.SIGCONT)
        self.wait_for(self.b.has_ended, 'the end of the QEMU that was to receive it')
        self.assertEqual(self.running(), {'a'})

    def test_destination_freezes_committed(self):
        self.come_to('committed')
        self.wait_for_doubt('destination')
        self.wait_for_doubt('source')
        self.go_on('committed')
        self.wait_for_running('b')
        self.resolve('destination', 'run')
        self.resolve('source', 'discard')
        self.assertEqual(self.ends(), ('completed', 'completed'))
        self.assertEqual(self.running(), {'b'})

    def test_cont_that_comes_to_nothing(self):
        """It says that it lets the guest run, and does not."""
        self.cross(destination={'traps': {'cont': {'do': 'answer', 'value': {}}}})
        self.wait_for_doubt('destination')
        self.assertIn('QEMU was told to let the guest run, and it does not', self.destination().get('Error')[1])
        self.wait_for_doubt('source')
        self.assertEqual(self.running(), set())
        self.assert_discarded()
        self.resolve('source', 'run')
        self.wait_for_running('a')

    def test_wont_run_again(self):
        """The source's: the copy has gone by then, and whoever asked hears it."""
        self.come_to('switchover', source={'late': {'resume': 1000}})
        job = self.source
        job.call('Cancel', NONE)
        self.assertEqual(self.ends(), ('cancelled', 'failed'))
        self.assertIn('the guest stands still for a migration that is over', job.get('Error')[1])
        self.assertEqual([each['state'] for each in job.get('Devices')], ['unknown'])
        self.assertEqual(self.domain_a.get('State'), 'unknown')
        self.assertEqual(self.running(), set())

    def test_wont_be_cancelled(self):
        """It goes on with it, and has nobody to send it to."""
        trap = {'migrate_cancel': {'do': 'answer', 'value': {}}}
        self.come_to('switchover', source={'traps': trap, **SLOWER})
        self.source.call('Cancel', NONE)
        self.assert_failed('cancelled')

    def test_quits(self):
        """By itself, in the middle."""
        for command in ('getfd', 'migrate-incoming', 'query-migrate'):
            with self.case(command=command):
                message = self.check(**self.trap('destination', command, 'quit'))
                self.assertIn('monitor', message)


if __name__ == '__main__':
    tap.main()
