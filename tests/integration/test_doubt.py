#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is in doubt: Resolve decides, and nothing else does, before a restart and after it."""

import os
import signal

import crossing
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


if __name__ == '__main__':
    tap.main()
