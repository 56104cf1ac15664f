#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests of a bare QEMU, and everything that can end at every step: never two run, and nothing is left."""

import os
import signal

import guests
import harness
import tap

NONE = guests.NONE


class Killed(guests.FaultTest):
    """Before the commit the guest runs at its source again; after it never, unless somebody who knows decides so."""

    # --- the QEMUs

    def test_source_qemu(self):
        for step in guests.BEFORE:
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
        for step in guests.BEFORE:
            with self.case(step=step):
                self.come_to(step, source=guests.SLOWER)
                self.b.kill()
                self.assert_failed()

    def test_destination_qemu_new(self):
        """The source's that goes by `failing`."""
        self.come_to('switchover', source={'ending': 'late', **guests.SLOWER})
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

    def test_after(self):
        """What becomes of it later is nobody's business here."""
        self.cross()
        self.assert_crossed()
        self.b.kill()
        self.wait_for(lambda: not self.domains(), 'the end of the domain')
        self.assertEqual(self.ends(), ('completed', 'completed'))

    # --- one that does not end when it is told to

    QUITS = ({'do': 'refuse', 'words': 'not now'}, {'do': 'silence'}, {'do': 'close'})

    def test_left_goes_on(self):
        """The guest has left it: that is over, whatever it does, and it can only be said to whoever reads the log."""
        for trap in self.QUITS:
            with self.case(trap=trap['do']):
                self.prepare_all(source={'traps': {'quit': trap}})
                self.perform_guest()
                self.assertEqual(self.ends(), ('completed', 'completed'))
                self.assertEqual(self.running(), {'b'})
                self.assertEqual(self.a.get('run'), 'postmigrate')
                self.assertIn('done', self.events(f'{self.job_uuid}.source'))
                self.a.kill()

    def test_destination_goes_on(self):
        """What it has been given of the guest never runs, and the job does not wait for it."""
        for trap in self.QUITS:
            with self.case(trap=trap['do']):
                self.hold['a'] = ['active']
                self.prepare_all(destination={'traps': {'quit': trap}})
                self.perform_guest()
                self.wait_for_step(self.a, 'active')
                self.source.call('Cancel', NONE)
                self.assert_guest_back('cancelled')
                self.assertEqual(self.end('Finish', self.job_uuid), 'failed')
                self.assertFalse(self.b.has_ended())
                self.b.kill()
                self.assert_undone()

    # --- the workers

    def kill_worker(self, number):
        os.kill(self.find_workers()[number], signal.SIGKILL)

    def test_source_worker(self):
        """Another one brings the guest back."""
        for step in guests.BEFORE:
            with self.case(step=step):
                self.come_to(step, source=guests.SLOWER)
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
        self.come_to('switchover', source={'ending': 'late', **guests.SLOWER})
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
        for step in guests.BEFORE:
            with self.case(step=step):
                self.come_to(step, source=guests.SLOWER)
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


class Cut(guests.FaultTest):
    """What is between the two hosts breaks."""

    def test_lane(self):
        for step in guests.BEFORE:
            with self.case(step=step):
                self.come_to(step, source=guests.SLOWER, relay=True)
                self.relay.cut(1)
                self.assert_failed()

    def test_lane_loaded(self):
        """It has done its work."""
        self.come_to('loaded', relay=True)
        self.relay.cut(1)
        self.go_on('loaded')
        self.assert_crossed()

    def test_session(self):
        for step in guests.BEFORE:
            with self.case(step=step):
                self.come_to(step, source=guests.SLOWER, relay=True)
                self.relay.cut(0)
                self.assert_failed()

    def test_session_loaded(self):
        self.come_to('loaded', source=guests.SLOWER, relay=True)
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


class Cancelled(guests.FaultTest):
    def test_source(self):
        for step in (*guests.BEFORE, 'loaded'):
            for ending in ('early', 'late'):
                with self.case(step=step, ending=ending):
                    self.come_to(step, source={'ending': ending, **guests.SLOWER})
                    self.source.call('Cancel', NONE)
                    self.assert_failed('cancelled')

    def test_destination(self):
        for step in guests.BEFORE:
            with self.case(step=step):
                self.come_to(step, source=guests.SLOWER)
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


class Daemon(guests.FaultTest):
    """Is killed, and its descriptors are with systemd."""

    kept = True

    def restart(self, how=signal.SIGKILL):
        super().restart(how)
        self.source = self.wait_for(lambda: self.job(self.job_uuid, 'source'), 'the job')

    def test_killed(self):
        """The workers go on, and the next daemon finds them."""
        for step in (*guests.BEFORE, 'loaded', 'committed'):
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
        for step in guests.BEFORE:
            with self.case(step=step):
                self.come_to(step, source=guests.SLOWER)
                workers = self.find_workers()
                self.restart()
                for pid in workers:
                    os.kill(pid, signal.SIGKILL)
                self.assertEqual(self.ends(), ('failed', 'failed'))
                self.wait_for_running('a')
                self.wait_for(self.b.has_ended, 'the end of the QEMU that was to receive it')
                self.wait_for(lambda: not self.made & self.mdevs(), 'the removal of what was made')

    def test_workers_die_meanwhile(self):
        self.come_to('switchover', source=guests.SLOWER)
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

    def test_ends_in_doubt(self):
        """Whoever decides hears that there is no guest to run, before he discards the other one for it: under the next daemon, too."""
        self.come_to('committed', relay=True)
        self.relay.cut(0)
        os.kill(self.find_workers()[-1], signal.SIGKILL)
        for role in ('source', 'destination'):
            self.wait_for_doubt(role)
            self.assert_states(role, 'stopped')
        self.b.kill()
        self.assert_states('destination', 'failed-needs-reset')
        self.assert_states('source', 'stopped')
        self.restart()
        self.wait_for_doubt('source')
        self.assert_states('destination', 'failed-needs-reset')
        self.a.kill()
        self.assert_states('source', 'failed-needs-reset')

    def test_has_ended_before_the_doubt(self):
        """With its worker, so that nobody has heard of it from QEMU."""
        self.come_to('committed')
        self.b.kill()
        self.wait_for_doubt('destination')
        self.assert_states('destination', 'failed-needs-reset')

    def assert_states(self, role, state):
        self.wait_for(lambda: {device['state'] for device in self.job(self.job_uuid, role).get('Devices')} == {state},
                      f'devices of the {role} that are {state}')

    def test_begun(self):
        """The domain ends with its daemon, and with it what was only begun: whoever had attached it does so again."""
        self.start_source()
        self.attach_source()
        cookie = self.begin_guest()
        super().restart()
        self.assertEqual(self.store.names(), [])
        self.attach_source()
        self.assert_refused('NotFound', self.perform, self.job_uuid, cookie, bytes(32))
        self.prepare_guest(self.begin_guest())
        self.start_destination()
        self.attach_destination()
        self.perform_guest()
        self.assert_crossed()

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

    def test_monitor_lost(self):
        """Whoever cannot ask the QEMU lets nobody run it elsewhere before it has ended."""
        self.come_to('committed')
        worker = self.find_workers()[1]
        os.kill(worker, signal.SIGSTOP)  # before it can write down that the guest runs
        self.go_on('committed')
        self.wait_for_running('b')
        os.kill(worker, signal.SIGKILL)
        self.wait_for_doubt('destination')
        self.daemon.stop(signal.SIGKILL)
        self.assertTrue(self.store.lose('destination', 'monitor'))
        self.wait_for(lambda: not self.client.has_owner('org.vferry1'), 'the end of the name')
        self.launch()
        self.wait_for_doubt('destination')
        self.script('open', ['result', {'outcome': 'failed', 'error': harness.error_name('Device'), 'message': 'Device or resource busy'}])
        error = self.assert_refused('Busy', self.resolve, 'destination', 'discard')
        self.assertRegex(error.message, f'end that QEMU first. Device {self.made.pop()} cannot be opened.*: Device or resource busy')
        self.assertEqual(self.running(), {'b'})
        self.b.kill()
        os.unlink(os.path.join(self.mover, 'open.json'))
        self.resolve('destination', 'discard')
        self.resolve('source', 'run')
        self.wait_for_running('a')

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


class Records(guests.FaultTest):
    """The daemon is killed, and nothing is left of it but its records."""

    def restart(self, how=signal.SIGKILL):
        self.daemon.stop(how)
        self.assert_workers_gone()
        super().restart(how)

    def test_killed(self):
        """The guest goes on where it was, its copy ends."""
        for step in (*guests.BEFORE, 'loaded'):
            with self.case(step=step):
                self.come_to(step, source=guests.SLOWER)
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


if __name__ == '__main__':
    tap.main()
