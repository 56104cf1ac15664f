#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMUs that lie, break the protocol, never answer and freeze: it costs their own guest, and never makes two of it."""

import signal

import guests
import harness
import tap

Variant = guests.Variant
NONE = guests.NONE


class Lies(guests.FaultTest):
    """A QEMU that its guest has taken over can say what it likes: that costs its own guest, and never makes two of it."""

    hasty = True
    LOOKS = {'source': 3, 'destination': 2}  # before anything is asked to move

    def trap(self, side, command, do, **more):
        """In the middle of the crossing. The source's is asked whether its guest runs once more before that."""
        skip = {'query-migrate': self.LOOKS[side], 'query-status': self.LOOKS[side] + (side == 'source')}.get(command, 0)
        return {side: {'traps': {command: {'do': do, 'skip': skip, **more}}}}

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
        """When all of it has gone, as it says."""
        self.come_to('loaded')
        self.wait_for_property(self.source, 'Phase', 'switchover')
        self.a.trap('query-status', 'answer', value={'status': 'running', 'running': True}, times=1)
        self.go_on('loaded')
        self.assert_failed()
        self.assertIn('somebody has let the guest run here again', self.source.get('Error')[1])

    def test_stops_and_runs(self):
        """At once, as it says: how far it is, is asked all the same."""
        self.come_to('active')
        self.a.set(traps={'query-status': {'do': 'answer', 'value': {'status': 'running', 'running': True}}})
        self.a.release()
        self.wait_for(lambda: self.a.get('run') == 'postmigrate', 'that it has gone')
        self.assertEqual(self.ends(), ('failed', 'failed'))
        self.assertIn('somebody has let the guest run here again', self.source.get('Error')[1])

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

    def test_has_another_guest(self):
        """Since it was attached: that is nobody's of ours, and stays."""
        running = {'do': 'answer', 'value': {'status': 'running', 'running': True}}
        refusal = {'do': 'refuse', 'words': 'The incoming migration has already been started'}
        for traps in ({'query-status': {**running, 'skip': 1}}, {'query-status': {**running, 'skip': 2}, 'migrate-incoming': refusal}):
            with self.case(traps=traps):
                self.cross(destination={'traps': traps})
                self.assertEqual(self.ends(), ('failed', 'failed'))
                self.wait_for_running('a')
                self.assert_workers_gone()
                self.assertNotIn('quit', self.b.get('log'))

    def test_has_another_guest_later(self):
        """Nobody has come for it."""
        self.prepare_all(destination={'traps': {'query-status': {'do': 'answer', 'value': {'status': 'running', 'running': True}, 'skip': 1}}})
        self.lease.call('Release', NONE)
        self.assertEqual(self.end('Finish', self.job_uuid), 'cancelled')
        self.assert_workers_gone()
        self.assertNotIn('quit', self.b.get('log'))

    def loaded_early(self, times):
        return {'query-migrate': {'do': 'merge', 'value': {'status': 'completed'}, 'skip': 2},
                'query-status': {'do': 'answer', 'value': {'status': 'paused', 'running': False}, 'skip': 2, 'times': times}}

    def test_not_loaded_after_all(self):
        """It is asked again before anything is promised in its name."""
        self.check(destination={'traps': self.loaded_early(1), 'hold': ['loaded']})

    def test_loaded_before_it_is(self):
        """The source knows, by the word that came back over the lane."""
        self.cross(destination={'traps': self.loaded_early(2), 'hold': ['loaded']})
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

    def test_left_as_it_was(self):
        """What the source's QEMU was set to it is set to again, and it keeps no descriptor."""
        refusal = {'do': 'refuse', 'words': 'not today'}
        before = {'downtime_limit': 301, 'max_bandwidth': 1 << 27, 'avail_switchover_bandwidth': 5}
        usual = {'on': ['multifd', 'xbzrle'], 'parameters': {**before, 'max_postcopy_bandwidth': 7}}
        cases = [({'traps': {name: {**refusal, 'times': 1}}}, {}) for name in ('migrate-set-parameters', 'migrate')]
        for source, destination in (*cases, ({}, {'traps': {'migrate-incoming': refusal}})):
            with self.case(source=source, destination=destination):
                self.check(source={**usual, **source}, destination=destination)
                self.assertEqual([self.a.get(name) for name in ('on', 'files', 'parameters')],
                                 [usual['on'], 0, usual['parameters']])

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
        self.come_to('active', source=guests.SLOWER)
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
        self.assertEqual([each['state'] for each in self.destination().get('Devices')], ['unknown'])
        self.assertEqual(self.domain_b.get('State'), 'unknown')
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
        self.come_to('switchover', source={'traps': trap, **guests.SLOWER})
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
