#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is in doubt: Resolve decides, and nothing else does, before a restart and after it."""

import os
import re
import signal

import crossing
import fd_store
import harness
import tap

Variant = crossing.Variant
NONE = Variant('(a{sv})', ({},))
UUID = '11111111-2222-4333-8444-555555555555'
DOUBT = ['result', {'outcome': 'in-doubt', 'error': harness.error_name('InDoubt'), 'message': 'no word',
                    'device-states': ['stopped']}]


class Test(crossing.Test):
    kept = True  # in systemd's store

    def launch(self):
        if self.kept and not self.store:
            self.start_store()
        super().launch()

    def restart(self):
        self.daemon.stop(signal.SIGKILL)
        self.wait_for(lambda: not self.client.has_owner('org.vferry1'), 'the end of the name')
        self.launch()

    def wait_for_doubt(self, role):
        job = self.wait_for(lambda: self.job(self.job_uuid, role), f'the {role} job')
        self.wait_for_property(job, 'Result', 'in-doubt')
        return job

    def lease(self):
        return self.find_object('Lease', 'JobUuid', self.job_uuid)

    def prepare_doubt(self, *steps, client=None, **options):
        """A destination that comes to be in doubt after those steps."""
        self.script('receive', ['listening'], *steps, DOUBT)
        self.job_uuid, cookie = self.begin(self.lend())
        self.prepare(cookie, client, uuid=Variant('s', UUID), **options)

    def resolve(self, role, decision):
        self.job(self.job_uuid, role).call('Resolve', Variant('(sa{sv})', (decision, {})))


class Leases(Test):
    """Of a destination in doubt: nothing but Resolve ends them."""

    BEFORE = [['record', 'loaded']]  # whose source has not been seen
    AFTER = [['attached'], ['record', 'loaded'], ['record', 'commit']]

    def assert_held(self):
        job = self.wait_for_doubt('destination')
        lease = self.lease()
        for method, arguments in (('Release', NONE), ('Renew', Variant('(u)', (600,))), ('Adopt', NONE)):
            error = self.assert_refused('InDoubt', lease.call, method, arguments)
            self.assertIn(self.job_uuid, error.message)
        self.assertEqual(job.get('Result'), 'in-doubt')
        self.assertEqual(lease.get('Deadline'), 0)
        self.assertEqual(self.mdevs(), {UUID})

    def assert_ends(self):
        self.resolve('destination', 'discard')
        self.assertEqual(self.end('Finish', self.job_uuid), 'cancelled')
        self.wait_for(lambda: not self.mdevs(), 'the removal of what was created')

    def check_release(self, steps, state):
        self.prepare_doubt(*steps)
        self.wait_for_doubt('destination')
        self.assertEqual(self.lease().get('State'), state)
        self.assert_held()
        self.restart()
        self.assertEqual(self.lease().get('State'), state)
        self.assert_held()
        self.assert_ends()

    def test_release_of_a_ready_one(self):
        self.check_release(self.BEFORE, 'ready')

    def test_release_of_an_attached_one(self):
        self.check_release(self.AFTER, 'attached')

    def check_owner(self, restarted):
        owner = self.connect()
        self.prepare_doubt(*self.BEFORE, client=owner)
        self.wait_for_doubt('destination')
        if restarted:
            self.restart()
        owner.close()
        self.sleep(0.5)
        self.assert_held()
        self.assert_ends()

    def test_owner_leaves(self):
        self.check_owner(restarted=False)

    def test_owner_leaves_after_a_restart(self):
        self.check_owner(restarted=True)

    def test_deadline(self):
        self.prepare_doubt(*self.BEFORE, deadline=Variant('u', 10))
        self.wait_for_doubt('destination')
        self.sleep(11)
        self.assert_held()
        self.restart()
        self.assert_held()
        self.assert_ends()

    def test_releasing(self):
        """A release that was answered, and a driver that does not let go: what came of it meanwhile counts."""
        self.prepare_doubt(['wait-for-deaf', 'go'], *self.BEFORE)
        self.lease().call('Release', NONE)
        self.go()
        self.wait_for_doubt('destination')
        self.sleep(3.5)
        self.assert_held()
        self.assert_ends()

    def test_of_a_record(self):
        """Nothing came back but the record."""
        self.prepare_doubt(*self.AFTER)
        self.wait_for_doubt('destination')
        self.daemon.stop(signal.SIGKILL)
        self.store.stop()
        self.launch()
        self.assert_held()
        self.assert_ends()


class Devices(Test):
    """Nobody touches the device of a job in doubt, or of a mover that is still at work."""

    def lend_it(self, uuid):
        own, self.uuid = self.uuid, uuid
        try:
            self.lend()
        finally:
            self.uuid = own

    def create(self, uuid):
        self.find_parent('mtty').call('CreateDevice', Variant('(sa{sv}a{sv})', ('mtty-2', {}, {'uuid': Variant('s', uuid)})))

    def assert_untouchable(self, uuid, code='InDoubt'):
        """Whoever is refused hears which job it is."""
        device = self.wait_for_device(uuid)
        for name, touch in (('Lend', lambda: self.lend_it(uuid)), ('Begin', lambda: self.begin(device)),
                            ('Remove', lambda: device.call('Remove', NONE)), ('Probe', lambda: device.call('Probe', NONE))):
            with self.subTest(call=name):
                self.assertIn(self.job_uuid, self.assert_refused(code, touch).message)
        self.assertIn(uuid, self.sysfs.mdevs)

    def restart_by_record(self):
        self.daemon.stop(signal.SIGKILL)
        self.wait_for(lambda: not self.client.has_owner('org.vferry1'), 'the end of the name')
        self.store.stop()
        self.launch()

    def source_in_doubt(self):
        self.script('send', ['phase', 'committing'], ['record', 'commit'], DOUBT)
        self.job_uuid, cookie = self.begin(self.lend())
        _, answer, secret = self.prepare(cookie)
        self.perform(self.job_uuid, answer, secret)
        self.wait_for_doubt('source')

    def destination_in_doubt(self):
        self.prepare_doubt(['attached'], ['record', 'loaded'], ['record', 'commit'])
        self.wait_for_doubt('destination')

    def test_source(self):
        self.source_in_doubt()
        self.assert_untouchable(self.uuid)
        self.restart()
        self.wait_for_doubt('source')
        self.assert_untouchable(self.uuid)
        self.restart_by_record()
        self.wait_for_doubt('source')
        self.assert_untouchable(self.uuid)
        self.resolve('source', 'discard')
        self.lend()

    def test_destination(self):
        self.destination_in_doubt()
        self.assert_untouchable(UUID)
        self.restart()
        self.wait_for_doubt('destination')
        self.assert_untouchable(UUID)
        self.restart_by_record()
        self.wait_for_doubt('destination')
        self.assert_untouchable(UUID)
        self.assertEqual(self.lease().get('Devices'), [self.find_device(UUID).path])
        self.resolve('destination', 'discard')
        self.wait_until_gone(UUID)
        self.create(UUID)

    def damage_record(self, role):
        path = os.path.join(self.environment['VFERRY_STATE_DIR'], 'jobs', f'{self.job_uuid}.{role}')
        with open(path, 'a', encoding='utf-8') as file:
            file.write('what? {} 0123456789abcdef\n')

    def test_damaged_record(self):
        """Nobody can read what became of it: it stays in doubt, and of one that only the record knows the devices stay as they are."""
        self.destination_in_doubt()
        self.damage_record('destination')
        self.restart()
        self.wait_for_doubt('destination')
        self.assert_untouchable(UUID)
        self.restart_by_record()
        self.wait_for(lambda: 'left alone' in self.daemon.text(), 'a word about it')
        self.assert_untouchable(UUID)
        os.unlink(os.path.join(self.environment['VFERRY_STATE_DIR'], 'jobs', f'{self.job_uuid}.destination'))
        self.restart()
        self.lend_it(UUID)

    def test_damaged_record_of_a_source(self):
        self.source_in_doubt()
        self.damage_record('source')
        self.restart()
        self.wait_for_doubt('source')
        self.assert_untouchable(self.uuid)
        self.resolve('source', 'discard')
        self.assertEqual(self.end('Confirm', self.job_uuid), 'completed')

    def test_run_by_the_record(self):
        """The loan came back, and so what has the state: the guest can go on."""
        self.source_in_doubt()
        self.restart_with_the_loan()
        self.wait_for_doubt('source')
        self.resolve('source', 'run')
        self.assertEqual(self.end('Confirm', self.job_uuid), 'cancelled')
        self.assertEqual(self.events(f'{self.job_uuid}.source')[-2:], ['returned', 'resolved'])
        self.reclaim()

    def test_run_without_the_movers_word(self):
        """It runs, and `started` could not be written: who adopts it keeps it, whatever the next daemon has to go by."""
        self.destination_in_doubt()
        self.script('start', ['result', {'outcome': 'completed', 'device-states': ['running']}])
        self.resolve('destination', 'run')
        self.assertEqual(self.events(f'{self.job_uuid}.destination')[-1], 'resolved')
        _, fds = self.client.call_with_fds(self.lease().path, 'org.vferry1.Lease.Adopt', NONE, [])
        os.close(fds[0])
        self.wait_for_property(self.lease(), 'State', 'adopted')
        self.restart_by_record()
        job = self.wait_for(lambda: self.job(self.job_uuid, 'destination'), 'the job by its record')
        self.assertEqual(job.get('Result'), 'completed')
        self.assertIsNone(self.lease())
        self.sleep(0.5)
        self.assertIn(UUID, self.sysfs.mdevs)

    def test_return_without_the_movers_word(self):
        """The daemon was killed when it had recorded the decision, before it knew that it had."""
        self.source_in_doubt()
        memo = self.store.find('source', 'state')
        before = os.pread(memo, 1 << 17, 0)
        self.script('return', ['result', {'outcome': 'completed', 'device-states': ['running']}])
        self.resolve('source', 'run')
        self.assertEqual(self.events(f'{self.job_uuid}.source')[-1], 'resolved')
        self.daemon.stop(signal.SIGKILL)
        self.wait_for(lambda: not self.client.has_owner('org.vferry1'), 'the end of the name')
        os.pwrite(memo, before, 0)
        self.store.change_state('source', **{'run-decided': Variant('u', 0)})
        self.launch()
        self.assertEqual(self.end('Confirm', self.job_uuid), 'cancelled')
        self.assertEqual(self.wait_for_device(self.uuid).get('State'), 'lent')

    def test_uuid_of_a_destination(self):
        """Somebody else removed what was made for it: nobody makes another one in its place before that is decided."""
        self.destination_in_doubt()
        self.restart_by_record()
        self.wait_for_doubt('destination')
        self.sysfs.remove_mdev(UUID)
        self.wait_until_gone(UUID)
        _, cookie = self.begin(self.lend())
        for touch in (lambda: self.create(UUID), lambda: self.prepare(cookie, uuid=Variant('s', UUID))):
            self.assertIn(self.job_uuid, self.assert_refused('InDoubt', touch).message)
        self.assertNotIn(UUID, self.sysfs.mdevs)

    def forget_inodes(self, role):
        """As 0.1.0 wrote it: names alone."""
        path = os.path.join(self.environment['VFERRY_STATE_DIR'], 'jobs', f'{self.job_uuid}.{role}')
        with open(path, encoding='utf-8') as file:
            bodies = [line.rstrip('\n')[:-17] for line in file]
        bodies = [re.sub(r"'inodes?': <(\[[^]]*\]|[^>]*)>(, )?", '', body).replace(', }', '}') for body in bodies]
        self.assertNotIn('inode', ''.join(bodies))
        with open(path, 'w', encoding='utf-8') as file:
            file.writelines(f'{body} {fd_store.checksum(body.encode()):016x}\n' for body in bodies)

    def replace_meanwhile(self, *older):
        self.source_in_doubt()
        self.daemon.stop(signal.SIGKILL)
        self.store.stop()
        self.sysfs.remove_mdev(self.uuid)
        for role in older:
            self.forget_inodes(role)
        self.wait_for(lambda: not self.client.has_owner('org.vferry1'), 'the end of the name')
        self.launch()
        self.wait_for_doubt('source')
        self.sysfs.add_mdev('mtty-2', self.uuid)

    def test_another_of_its_name(self):
        """What has the UUID now is another device, and not in doubt."""
        self.replace_meanwhile()
        self.lend()

    def test_record_of_an_older_daemon(self):
        """That knows nothing but names: whatever has one may be all there is."""
        self.replace_meanwhile('source')
        self.assert_untouchable(self.uuid)

    def test_record_of_an_older_daemon_at_a_destination(self):
        self.destination_in_doubt()
        self.daemon.stop(signal.SIGKILL)
        self.wait_for(lambda: not self.client.has_owner('org.vferry1'), 'the end of the name')
        self.store.stop()
        self.forget_inodes('destination')
        self.launch()
        self.wait_for_doubt('destination')
        self.assert_untouchable(UUID)

    def test_source_mover_at_work(self):
        """Of an earlier daemon, and so of nobody here."""
        self.script('send', ['phase', 'pre-copy'], ['wait-for-deaf', 'sent'], ['record', 'returned'])
        self.job_uuid, cookie = self.begin(self.lend())
        _, answer, secret = self.prepare(cookie)
        self.wait_for_property(self.perform(self.job_uuid, answer, secret), 'Phase', 'pre-copy')
        self.restart_by_record()
        self.assert_untouchable(self.uuid, 'Busy')
        self.go('sent')
        self.wait_for(lambda: self.job(self.job_uuid, 'source'), 'the job by its record')
        self.lend()

    def reclaim(self):
        device = self.find_device(self.uuid)
        _, fds = self.client.call_with_fds(device.path, 'org.vferry1.Device.Reclaim', NONE, [])
        os.close(fds[0])
        self.wait_for_property(device, 'State', 'unknown')

    def restart_with_the_loan(self):
        """It comes back, and nothing of the job but its record."""
        self.daemon.stop(signal.SIGKILL)
        self.wait_for(lambda: not self.client.has_owner('org.vferry1'), 'the end of the name')
        self.assertTrue(self.store.lose('source'))
        self.launch()
        self.assertEqual(self.wait_for_device(self.uuid).get('State'), 'lent')

    def test_reclaim_while_a_mover_is_at_work(self):
        """The daemon was killed before it had put the mover's socket into the store: its holder would run what may be committed."""
        self.script('send', ['phase', 'pre-copy'], ['wait-for-deaf', 'sent'], ['record', 'returned'])
        self.job_uuid, cookie = self.begin(self.lend())
        _, answer, secret = self.prepare(cookie)
        self.wait_for_property(self.perform(self.job_uuid, answer, secret), 'Phase', 'pre-copy')
        self.restart_with_the_loan()
        self.assertIn(self.job_uuid, self.assert_refused('Busy', self.reclaim).message)
        self.go('sent')
        self.wait_for(lambda: self.job(self.job_uuid, 'source'), 'the job by its record')
        self.reclaim()

    def test_reclaim_in_doubt(self):
        self.source_in_doubt()
        self.restart_with_the_loan()
        self.wait_for_doubt('source')
        self.assertIn(self.job_uuid, self.assert_refused('Busy', self.reclaim).message)
        self.resolve('source', 'discard')
        self.assertEqual(self.find_device(self.uuid).get('State'), 'stopped')
        self.reclaim()

    def test_destination_mover_at_work(self):
        self.script('receive', ['listening'], ['attached'], ['record', 'loaded'], ['record', 'commit'],
                    ['wait-for-deaf', 'received'], ['record', 'started'])
        self.job_uuid, cookie = self.begin(self.lend())
        self.prepare(cookie, uuid=Variant('s', UUID))
        self.wait_for(lambda: 'commit' in self.events(f'{self.job_uuid}.destination'), 'the commit')
        self.restart_by_record()
        self.assert_untouchable(UUID, 'Busy')
        self.go('received')
        self.wait_for(lambda: self.job(self.job_uuid, 'destination'), 'the job by its record')
        self.lend_it(UUID)

    def test_lease(self):
        """Before it is loaded, and until it is adopted."""
        self.script('receive', ['listening'], ['wait-for', 'go'], ['attached'], ['record', 'loaded'], ['record', 'commit'],
                    ['record', 'started'], ['result', {'outcome': 'completed', 'device-states': ['running'], 'bytes': 96}])
        self.job_uuid, cookie = self.begin(self.lend())
        lease, *_ = self.prepare(cookie, uuid=Variant('s', UUID))
        self.assert_untouchable(UUID, 'Busy')
        self.restart()
        self.assert_untouchable(UUID, 'Busy')
        self.go()
        self.wait_for_property(lease, 'State', 'loaded')
        self.assert_untouchable(UUID, 'Busy')
        self.restart()
        self.assert_untouchable(UUID, 'Busy')
        _, fds = self.client.call_with_fds(lease.path, 'org.vferry1.Lease.Adopt', NONE, [])
        os.close(fds[0])
        self.wait_for_property(lease, 'State', 'adopted')
        self.restart()
        self.lend_it(UUID)

    def hold_back(self, where, verb='mdev-create'):
        """A helper with that to do waits for `made`, before or after it has done it."""
        helper = os.path.join(self.environment['VFERRY_LIBEXEC_DIR'], 'vferry-helper')
        real = os.readlink(helper)
        wait = f'while [ ! -e {self.mover}/made ]; do LD_PRELOAD= sleep 0.05; done'
        made = {'before': f'{wait}; exec {real} "$@"', 'after': f'{real} "$@"; status=$?; {wait}; exit $status'}[where]
        self.install_program('vferry-helper', f'if [ "$1" = {verb} ]; then {made}; fi\nexec {real} "$@"')

    def test_uuid_of_a_prepare(self):
        """Two who want one UUID at once: the second is refused before anything is done, or recorded, for it."""
        self.hold_back('before')
        self.job_uuid, cookie = self.begin(self.lend())
        options = {'address': Variant('s', '127.0.0.1'), 'uuid': Variant('s', UUID)}
        first = self.manager().start_call('Prepare', Variant('(sa{sv})', (cookie, options)))
        self.wait_for(lambda: self.records() and 'create' in self.events(f'{self.job_uuid}.destination'), 'the announcement')
        other = cookie.replace(self.job_uuid, '22222222-2222-4333-8444-555555555555')
        for touch in (lambda: self.create(UUID), lambda: self.create(UUID.upper()),
                      lambda: self.prepare(other, uuid=Variant('s', UUID))):
            self.assertIn(self.job_uuid, self.assert_refused('Busy', touch).message)
        self.assertEqual(self.records(), [f'{self.job_uuid}.destination'])
        self.go('made')
        self.finish(first)

    def test_leaving(self):
        """What has gone to another host is removed, and until then nobody's."""
        self.create(UUID)
        self.lend_it(UUID)
        self.job_uuid, cookie = self.begin(self.find_device(UUID))
        _, answer, secret = self.prepare(cookie)
        self.go()
        self.perform(self.job_uuid, answer, secret)
        self.hold_back('before', 'mdev-remove')
        self.assertEqual(self.end('Confirm', self.job_uuid), 'completed')
        device = self.find_device(UUID)
        for touch in (lambda: self.lend_it(UUID), lambda: self.begin(device), lambda: device.call('Remove', NONE),
                      lambda: device.call('Probe', NONE)):
            self.assertIn('left this host', self.assert_refused('Busy', touch).message)
        self.go('made')
        self.wait_until_gone(UUID)
        self.wait_for(lambda: self.can_create(UUID), 'the end of the removal')

    def can_create(self, uuid):
        try:
            self.create(uuid)
        except harness.Error:
            return False
        return True

    def test_create(self):
        """What CreateDevice makes is nobody's before its reply, nor is its UUID."""
        self.hold_back('after')
        arguments = ('mtty-2', {}, {'uuid': Variant('s', UUID)})
        call = self.find_parent('mtty').start_call('CreateDevice', Variant('(sa{sv}a{sv})', arguments))
        device = self.wait_for_device(UUID)
        for touch in (lambda: self.lend_it(UUID), lambda: self.begin(device), lambda: device.call('Remove', NONE),
                      lambda: device.call('Probe', NONE)):
            self.assertIn('worked on', self.assert_refused('Busy', touch).message)
        self.go('made')
        self.finish(call)
        self.lend_it(UUID)


class Discards(Test):
    """Of a destination whose device runs, while systemd does not say that it has let go of it: two sides might run."""

    def setUp(self):
        super().setUp()
        self.inspected('RUNNING')
        self.prepare_doubt(['attached'], ['record', 'loaded'], ['record', 'commit'])
        self.wait_for_doubt('destination')
        self.assertIn('device0', self.store.parts('destination'))

    def assert_undecided(self, timeout_ms=25000):
        job = self.job(self.job_uuid, 'destination')
        error = self.assert_refused('Busy', job.call, 'Resolve', Variant('(sa{sv})', ('discard', {})), timeout_ms=timeout_ms)
        self.assertIn('systemd does not confirm', error.message)
        self.assertEqual(job.get('Result'), 'in-doubt')
        self.assertNotIn('resolved', self.events(f'{self.job_uuid}.destination'))
        self.assertEqual(self.mdevs(), {UUID})

    def assert_discarded(self):
        self.resolve('destination', 'discard')
        self.assertNotIn('device0', self.store.parts('destination'))
        self.assertIn('resolved', self.events(f'{self.job_uuid}.destination'))
        self.assertEqual(self.end('Finish', self.job_uuid), 'cancelled')
        self.wait_for(lambda: not self.mdevs(), 'the removal of what was created')

    def test_systemd_is_busy(self):
        """Nothing was touched: it may run here, too."""
        self.store.be_busy()
        self.assert_undecided(90000)
        self.store.be_busy(False)
        self.assertIn('device0', self.store.parts('destination'))
        self.resolve('destination', 'run')
        self.assertEqual(self.end('Finish', self.job_uuid), 'completed')

    def test_systemd_cannot_be_reached(self):
        self.store.be_away()
        for _ in range(2):
            self.assert_undecided()
        self.store.be_away(False)
        self.assert_discarded()

    def lose_removal(self):
        """systemd answers once, and never hears that it is to let go."""
        self.store.leave_after_barrier = True
        self.assert_undecided()
        self.assertIn('device0', self.store.parts('destination'))

    def test_removal_is_lost(self):
        """It is sent again."""
        self.lose_removal()
        self.assert_undecided()
        self.assert_refused('NotSupported', self.resolve, 'destination', 'run')  # what is closed here has no state
        self.store.be_away(False)
        self.assert_discarded()

    def test_killed_after_a_lost_removal(self):
        self.lose_removal()
        self.store.be_away(False)
        self.restart()
        self.wait_for_doubt('destination')
        self.assertIn('device0', self.store.parts('destination'))
        self.assert_discarded()


if __name__ == '__main__':
    tap.main()
