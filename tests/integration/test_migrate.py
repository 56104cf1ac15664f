#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The five calls from end to end: loans, leases, jobs and records over a mover that a test directs."""

import os
import re
import socket

import crossing
import harness
import tap

Variant = crossing.Variant


class Crossing(crossing.Test):
    def test_whole(self):
        """Lend, Begin, Prepare, Perform, Finish, Confirm, Adopt."""
        device = self.lend()
        self.assertEqual(device.get('State'), 'lent')
        self.assertEqual(device.get('Migration'), ['stop-copy', 'p2p', 'pre-copy'])
        self.assertEqual(device.get('MigrationSource'), 'probe')
        uuid, cookie = self.begin(device)
        self.assertIn('stop-copy-bytes="96"', cookie)
        self.assertIn('value="2"', cookie)
        lease, answer, secret = self.prepare(cookie)
        self.assertEqual(lease.get('State'), 'ready')
        self.assertEqual(len(secret), 32)
        self.assertEqual(len(self.mdevs()), 1)
        (created,) = self.mdevs()
        self.assertIn(created, answer)
        self.assertEqual(self.find_device(created).get('State'), 'leased')
        self.assertEqual(self.events(f'{uuid}.destination'), ['begin', 'create', 'created'])
        self.go()
        job = self.perform(uuid, answer, secret)
        self.assertEqual(self.end('Finish', uuid), 'completed')
        self.assertEqual(self.end('Confirm', uuid), 'completed')
        self.assertEqual(job.get('Result'), 'completed')
        self.assertEqual(job.get('Phase'), 'finished')
        self.assertEqual((job.get('BytesDone'), job.get('BytesTotal')), (96, 96))
        self.assertEqual(job.get('Downtime'), 4100)
        self.assertEqual(device.get('State'), 'stopped')
        self.assertEqual(self.events(f'{uuid}.source'), ['begin', 'commit', 'done'])
        self.wait_for_property(lease, 'State', 'loaded')
        self.assertEqual(self.events(f'{uuid}.destination'),
                         ['begin', 'create', 'created', 'loaded', 'commit', 'started'])
        (handles,), fds = self.client.call_with_fds(lease.path, 'org.vferry1.Lease.Adopt',
                                                    Variant('(a{sv})', ({},)), [])
        self.assertEqual(handles, [0])
        self.assertEqual(len(fds), 1)
        os.close(fds[0])
        self.wait_for_property(lease, 'State', 'adopted')
        self.assertEqual(self.end('Finish', uuid), 'completed')
        self.assertEqual(self.end('Confirm', uuid), 'completed')
        self.assertEqual(len(self.mdevs()), 1)
        self.assertEqual([verb for verb, *_ in self.requests()],
                         ['inspect', 'inspect', 'open', 'receive', 'send'])


class Calls(crossing.Test):
    """What each call refuses, and that nothing is left of it."""

    def test_begin_needs_a_loan(self):
        device = self.wait_for_device(self.uuid)
        error = self.assert_refused('Busy', self.begin, device)
        self.assertIn('lend it first', error.message)

    def test_begin_unknown_device(self):
        self.assert_refused('NotFound', self.manager().call, 'Begin',
                            Variant('(aoa{sv})', (['/org/vferry1/device/none'], {})))
        self.assert_refused('InvalidArgument', self.manager().call, 'Begin', Variant('(aoa{sv})', ([], {})))

    def test_begin_options(self):
        device = self.lend()
        self.assert_refused('UnknownOption', self.begin, device, colour=Variant('s', 'red'))
        self.assert_refused('UnknownOption', self.begin, device, **{'fake-bytes': Variant('t', 1)})
        self.assert_refused('NotSupported', self.begin, device, driver=Variant('s', 'fake'))
        self.begin(device)  # none of them kept the loan

    def test_begin_twice(self):
        device = self.lend()
        uuid, _ = self.begin(device)
        error = self.assert_refused('Busy', self.begin, device)
        self.assertIn(uuid, error.message)

    def test_begin_same_device_twice(self):
        device = self.lend()
        self.assert_refused('InvalidArgument', self.manager().call, 'Begin',
                            Variant('(aoa{sv})', ([device.path, device.path], {})))
        self.begin(device)

    def test_begin_ends_with_its_caller(self):
        device = self.lend()
        other = self.connect()
        uuid, _ = self.begin(device, other)
        other.close()
        self.wait_for(lambda: self.can_begin(device), 'the end of the first Begin')
        self.assert_refused('NotFound', self.perform, uuid, self.answer(uuid), bytes(32))

    def can_begin(self, device):
        try:
            self.begin(device)
        except harness.Error:
            return False
        return True

    def answer(self, job, port=49300, ref=None):
        return (f'<answer xmlns="https://vferry.org/ns/answer/1" job="{job}" destination="{job}" '
                f'expires="1"><channel address="127.0.0.1" port="{port}"/><stream version="1"/>'
                f'<device ref="{ref or self.uuid}" as="{job}"/></answer>')

    def test_many_devices(self):
        """As many as one message of a bus has descriptors for, and not one more."""
        self.sysfs.give_room('mtty', 64)
        paths = []
        for _ in range(17):
            self.uuid = self.sysfs.add_mdev('mtty-1')
            paths.append(self.lend().path)
        begin = lambda some: self.manager().call('Begin', Variant('(aoa{sv})', (some, {})))  # noqa: E731
        self.assertIn('at most 16', self.assert_refused('LimitExceeded', begin, paths).message)
        before = self.mdevs()
        uuid, cookie = begin(paths[:16])
        lease, answer, secret = self.prepare(cookie)
        self.assertEqual(len(self.mdevs() - before), 16)
        self.go()
        self.perform(uuid, answer, secret)
        self.assertEqual(self.end('Confirm', uuid), 'completed')
        self.assertEqual(self.end('Finish', uuid), 'completed')
        self.assertEqual({(verb, fds) for verb, _, fds, _ in self.requests() if verb in ('send', 'receive')},
                         {('send', 17), ('receive', 17)})
        (_,), fds = lease.client.call_with_fds(lease.path, 'org.vferry1.Lease.Adopt', Variant('(a{sv})', ({},)), [])
        for fd in fds:
            os.close(fd)
        self.assertEqual(len(fds), 16)

    def test_begin_device_that_does_not_run(self):
        device = self.lend()
        self.script('inspect', ['result', {'outcome': 'completed', 'flags': ['stop-copy'], 'state': 'STOP'}])
        error = self.assert_refused('Device', self.begin, device)
        self.assertIn('STOP', error.message)

    def test_begin_device_that_is_being_removed(self):
        """Its type has gone, and it has not: it is open."""
        device = self.lend()
        self.sysfs.drop_type_link(self.uuid)
        error = self.assert_refused('NotFound', self.begin, device)
        self.assertIn(self.uuid, error.message)
        self.sysfs.add_type_link(self.uuid, 'mtty-2')
        self.wait_for_property(device, 'Model', 'kernel.org/mtty')
        self.begin(device)  # it kept nothing of the loan

    def test_begin_device_that_begins_to_be_removed(self):
        """While the driver looks at it."""
        device = self.lend()
        self.script('inspect', ['wait-for', 'go'], ['result', {'outcome': 'completed', 'flags': ['stop-copy'], 'state': 'RUNNING'}])
        call = self.manager().start_call('Begin', Variant('(aoa{sv})', ([device.path], {})))
        self.wait_for(lambda: len(self.requests()) == 2, 'the second look')
        self.sysfs.drop_type_link(self.uuid)
        self.sysfs.uevent(self.sysfs.mdevs[self.uuid], 'change')
        self.wait_for_property(device, 'Model', '')
        self.go()
        with self.assertRaises(harness.Error) as caught:
            self.finish(call)
        self.assertEqual(caught.exception.name, harness.error_name('NotFound'))
        self.assertTrue(self.is_free(device))

    def test_prepare_refuses(self):
        _, cookie = self.begin(self.lend())
        text = {key: Variant('s', value) for key, value in
                {'address': '0.0.0.0', 'parent': 'nowhere', 'type': 'mtty-9', 'uuid': 'x', 'driver': 'none'}.items()}
        self.assert_refused('InvalidXml', self.prepare, cookie[:-9])
        self.assert_refused('InvalidArgument', self.prepare, cookie, address=text['address'])
        self.assert_refused('InvalidArgument', self.prepare, cookie, address=Variant('s', 'localhost'))
        self.assert_refused('InvalidArgument', self.prepare, cookie, address=Variant('u', 1))
        self.assert_refused('NotFound', self.prepare, cookie, parent=text['parent'])
        self.assert_refused('NotFound', self.prepare, cookie, type=text['type'])
        self.assert_refused('InvalidArgument', self.prepare, cookie, uuid=text['uuid'])
        self.assert_refused('Busy', self.prepare, cookie, uuid=Variant('s', self.uuid))
        self.assert_refused('NotSupported', self.prepare, cookie, driver=text['driver'])
        self.assert_refused('InvalidArgument', self.prepare, cookie, deadline=Variant('u', 9))
        self.assert_refused('InvalidArgument', self.prepare, cookie, deadline=Variant('u', 3601))
        self.assert_refused('UnknownOption', self.prepare, cookie, colour=Variant('s', 'red'))
        self.assertEqual((self.mdevs(), self.records()), (set(), []))

    def test_prepare_needs_an_address(self):
        _, cookie = self.begin(self.lend())
        error = self.assert_refused('InvalidArgument', self.manager().call, 'Prepare',
                                    Variant('(sa{sv})', (cookie, {})))
        self.assertIn('address', error.message)

    def test_prepare_incompatible(self):
        """Both values are named, and nothing was made."""
        _, cookie = self.begin(self.lend())
        error = self.assert_refused('Incompatible', self.prepare, cookie, type=Variant('s', 'mtty-1'))
        for part in ('mtty-1', 'ports', '2', '1'):
            self.assertIn(part, error.message)
        error = self.assert_refused('Incompatible', self.prepare, cookie.replace('value="2"', 'value="7"'))
        self.assertIn('7', error.message)
        error = self.assert_refused('Incompatible', self.prepare, cookie.replace('kernel.org/mtty', 'kernel.org/other'))
        self.assertIn('kernel.org/other', error.message)
        self.assertEqual((self.mdevs(), self.records(), self.sysfs.kernel.created), (set(), [], []))

    def test_prepare_no_room(self):
        self.sysfs.pools.clear()
        self.sysfs.set_available('mtty', 'mtty-2', 0)
        _, cookie = self.begin(self.lend())
        self.assert_refused('NoRoom', self.prepare, cookie)
        self.assertEqual(self.records(), [])

    def test_prepare_reserves(self):
        """Two do not get the last one: the second is refused although the kernel has created nothing yet."""
        self.sysfs.kernel.stop()
        self.sysfs.set_available('mtty', 'mtty-2', 1)
        _, cookie = self.begin(self.lend())
        manager = self.manager()
        options = {'address': Variant('s', '127.0.0.1')}
        first = manager.start_call('Prepare', Variant('(sa{sv})', (cookie, options)), timeout_ms=60000)
        self.wait_for(lambda: self.find_object('Lease', 'State', 'reserved'), 'the first lease')
        other = re.sub('job="[^"]*"', 'job="00000000-0000-4000-8000-000000000001"', cookie)
        error = self.assert_refused('NoRoom', self.prepare, other)
        self.assertIn('1 of them reserved', error.message)
        with self.assertRaises(harness.Error) as caught:  # the kernel does not answer
            self.finish(first, 30)
        self.assertEqual(caught.exception.name, harness.error_name('Device'))
        self.wait_for(lambda: not self.find_object('Lease', 'State', 'undoing'), 'the end of the lease')
        self.assertEqual(self.find_parent('mtty').get('Offers')[1]['left'], 1)

    def test_prepare_twice(self):
        _, cookie = self.begin(self.lend())
        self.prepare(cookie)
        self.assert_refused('Busy', self.prepare, cookie)
        self.assertEqual(len(self.mdevs()), 1)

    def test_prepare_too_many_devices(self):
        """More than a mover can be given."""
        _, cookie = self.begin(self.lend())
        (device,) = re.findall('<device .*?</device>', cookie, re.DOTALL)
        many = ''.join(device.replace(self.uuid, f'00000000-0000-4000-8000-{i:012}') for i in range(17))
        self.assert_refused('LimitExceeded', self.prepare, cookie.replace(device, many))
        self.assertEqual((self.mdevs(), self.records()), (set(), []))

    def test_result_that_no_bus_takes(self):
        """A mover that is not to be trusted does not get the daemon thrown off the bus."""
        self.script('receive', ['listening'], ['wait-for', 'go'], ['attached'],
                    ['say', 'result', {'outcome': ['s', 'completed'], 'statistics': ['a{sv}', 'deep']}])
        self.uuid_of_job, cookie = self.begin(self.lend())
        self.prepare(cookie)
        self.go()
        self.assertEqual(self.end('Finish', self.uuid_of_job), 'failed')
        self.assertIn('statistics', self.job(self.uuid_of_job, 'destination').get('Error')[1])

    def test_prepare_wishes(self):
        _, cookie = self.begin(self.lend())
        wish = '11111111-2222-4333-8444-555555555555'
        lease, answer, _ = self.prepare(cookie, uuid=Variant('s', wish.upper()), parent=Variant('s', 'mtty'))
        self.assertIn(wish, answer)
        self.assertEqual(self.mdevs(), {wish})
        self.assertEqual(lease.get('Devices'), [self.find_device(wish).path])

    def assert_nothing_left(self, uuid):
        self.wait_for(lambda: not self.mdevs(), 'the removal of what was created')
        self.wait_for(lambda: 'org.vferry1.Lease' not in {i for o in self.client.objects().values() for i in o},
                      'the end of the lease')
        self.assertEqual(self.events(f'{uuid}.destination')[-1], 'undone')

    def test_prepare_fails_at_open(self):
        self.script('open', ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Device', 'message': 'no group'}])
        uuid, cookie = self.begin(self.lend())
        error = self.assert_refused('Device', self.prepare, cookie)
        self.assertIn('driver “vfio”', error.message)
        self.assertIn('no group', error.message)
        self.assert_nothing_left(uuid)
        self.assertEqual(self.end('Finish', uuid), 'failed')

    def test_prepare_fails_without_a_descriptor(self):
        self.script('open', ['result', {'outcome': 'completed', 'flags': ['stop-copy'], 'state': 'RUNNING'}])
        uuid, cookie = self.begin(self.lend())
        self.assert_refused('Peer', self.prepare, cookie)
        self.assert_nothing_left(uuid)

    def test_prepare_fails_at_listen(self):
        for steps in ([['die']], [['exit', 3]], [['garbage']], [['say', 'sing']], [['listening', 80], ['deaf', 60]],
                      [['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.NoRoom', 'message': 'no port'}]]):
            with self.subTest(steps=steps):
                self.script('receive', *steps)
                caller = self.connect()
                device = self.lend(caller, keep=Variant('b', True))
                uuid, cookie = self.begin(device, caller)
                with self.assertRaises(harness.Error):
                    self.prepare(cookie)
                self.assert_nothing_left(uuid)
                caller.close()  # and with it its Begin
                self.wait_for(lambda: self.is_free(device), 'the end of the Begin')

    def is_free(self, device):
        try:
            _, fds = self.client.call_with_fds(device.path, 'org.vferry1.Device.Reclaim', Variant('(a{sv})', ({},)), [])
        except harness.Error:
            return False
        os.close(fds[0])
        self.wait_for_property(self.find_device(self.uuid), 'State', 'unknown')
        return True

    def test_perform_refuses(self):
        device = self.lend()
        uuid, _ = self.begin(device)
        good = self.answer(uuid)
        other = '00000000-0000-4000-8000-000000000009'
        self.assert_refused('NotFound', self.perform, other, self.answer(other), bytes(32))
        self.assert_refused('InvalidArgument', self.perform, 'x', good, bytes(32))
        self.assert_refused('InvalidXml', self.perform, uuid, '<answer/>', bytes(32))
        self.assert_refused('InvalidArgument', self.perform, uuid, self.answer(other), bytes(32))
        self.assert_refused('InvalidArgument', self.perform, uuid, self.answer(uuid, ref='x'), bytes(32))
        self.assert_refused('InvalidArgument', self.perform, uuid, good.replace('version="1"', 'version="2"'), bytes(32))
        self.assert_refused('InvalidArgument', self.perform, uuid, good, bytes(31))
        for name, value in (('downtime-limit-ms', Variant('u', 0)), ('precopy-max-seconds', Variant('u', 0)),
                            ('precopy-max-seconds', Variant('u', 604801)), ('downtime-limit-ms', Variant('u', 86400001)),
                            ('downtime-limit-ms', Variant('s', '1')), ('switchover-ack', Variant('s', 'no'))):
            self.assert_refused('InvalidArgument', self.perform, uuid, good, bytes(32), **{name: value})
        self.assert_refused('UnknownOption', self.perform, uuid, good, bytes(32), colour=Variant('s', 'red'))
        self.assertEqual(self.records(), [])
        job = self.perform(uuid, good, bytes(32), **{'precopy-max-seconds': Variant('u', 604800)})
        self.assert_refused('Busy', self.perform, uuid, good, bytes(32))
        self.wait_for_property(job, 'Result', 'completed')
        _, arguments, fds, _ = self.requests()[-1]
        self.assertEqual(fds, 2)
        self.assertEqual((arguments['precopy-max-seconds'], arguments['downtime-limit-ms'], arguments['switchover-ack']),
                         (604800, 300, True))

    def test_finish_and_confirm_unknown(self):
        for method in ('Finish', 'Confirm'):
            self.assert_refused('NotFound', self.end, method, '00000000-0000-4000-8000-000000000009')
            self.assert_refused('InvalidArgument', self.end, method, 'x')


class Failures(crossing.Test):
    """Whatever happens to a mover: the source runs again or is known not to, and a destination that never ran is undone."""

    def cross(self):
        """Until both movers are at work."""
        self.lender = self.connect()
        self.device = self.lend(self.lender)
        self.device = harness.Object(self.client, self.device.path, self.device.interface)
        uuid, cookie = self.begin(self.device)
        self.lease, answer, secret = self.prepare(cookie)
        job = self.perform(uuid, answer, secret)
        return uuid, job

    def assert_source_back(self, uuid, job, result='failed'):
        self.assertEqual(self.end('Confirm', uuid), result)
        self.assertEqual(job.get('Devices')[0]['state'], 'running')
        self.assertEqual(self.device.get('State'), 'lent')
        self.assertEqual(self.events(f'{uuid}.source')[-1], 'returned')
        self.begin(self.device)  # the loan is free again

    def assert_destination_undone(self, uuid, result='failed'):
        self.assertEqual(self.end('Finish', uuid), result)
        self.wait_for(lambda: not self.mdevs(), 'the removal of what was created')
        self.assertIsNone(self.find_object('Lease', 'JobUuid', uuid))
        self.assertEqual(self.events(f'{uuid}.destination')[-1], 'undone')

    def test_source_mover_killed(self):
        """A new one brings the device back."""
        self.script('send', ['phase', 'pre-copy'], ['progress', 10, 96], ['die'])
        uuid, job = self.cross()
        self.assert_source_back(uuid, job)
        name, message = job.get('Error')
        self.assertEqual(name, harness.error_name('Failed'))
        self.assertIn('signal 9', message)
        self.assertEqual([r[:3] for r in self.requests() if r[0] == 'return'], [['return', {'touched-only': True}, 2]])

    def test_source_mover_killed_before_it_touched(self):
        """Its holder has stopped the device meanwhile: what the new mover finds so, nobody says to run."""
        self.script('send', ['die'])
        self.script('return', ['result', {'outcome': 'completed', 'device-states': ['stopped']}])
        uuid, job = self.cross()
        self.assertEqual(self.end('Confirm', uuid), 'failed')
        self.assertEqual(job.get('Devices')[0]['state'], 'stopped')
        self.assertNotIn('brought back', job.get('Error')[1])

    def test_source_reset_meanwhile(self):
        """It runs again, and not as it was: its holder hears it."""
        self.script('send', ['die'])
        self.script('return', ['record', 'returned'],
                    ['result', {'outcome': 'completed', 'device-states': ['failed-needs-reset']}])
        uuid, job = self.cross()
        self.assertEqual(self.end('Confirm', uuid), 'failed')
        self.assertEqual(job.get('Devices')[0]['state'], 'failed-needs-reset')
        self.assertIn('was reset meanwhile', job.get('Error')[1])

    def test_source_mover_breaks_out(self):
        """The kernel's signal for a forbidden system call is told apart; the device comes back."""
        self.script('send', ['die', 31])
        uuid, job = self.cross()
        self.assert_source_back(uuid, job)
        self.assertIn('killed by its sandbox', job.get('Error')[1])

    def test_source_mover_exits(self):
        self.script('send', ['exit', 7])
        uuid, job = self.cross()
        self.assert_source_back(uuid, job)
        self.assertIn('status 7', job.get('Error')[1])

    def test_source_mover_talks_nonsense(self):
        """It is killed, and the device comes back."""
        for steps in ([['garbage']], [['say', 'progress', {'done': ['s', 'x']}]], [['say', 'phase']],
                      [['phase', 'sinking']], [['phase', 'finished']], [['progress', 1, 96]] * 1100,
                      [['result', {'outcome': 'sunk'}]]):
            with self.subTest(steps=steps[:2]):
                self.script('send', *steps, ['deaf', 60])
                uuid, job = self.cross()
                self.assertEqual(self.end('Confirm', uuid), 'failed')
                self.assertEqual(job.get('Error')[0], harness.error_name('Peer'))
                self.assertEqual(self.device.get('State'), 'lent')
                self.reclaim()

    def test_source_mover_talks_out_of_turn(self):
        """Only what a source may say, phases only forwards; what does is killed, and the record decides."""
        listening = ['say', 'listening', {'address': ['s', '::1'], 'port': ['q', 49300]}]
        for steps, part in (([listening], '“listening”, which is no answer to “send”'),
                            ([['attached']], '“attached”, which is no answer to “send”'),
                            ([['phase', 'preparing']], '“preparing”, which is no phase'),
                            ([['phase', 'loading'], ['phase', 'switchover']], '“switchover” after “loading”'),
                            ([['phase', 'loading'], ['phase', 'loading']], '“loading” after “loading”'),
                            ([['record', 'commit'], ['attached']], '“attached”')):
            with self.subTest(steps=steps):
                self.script('send', *steps, ['deaf', 60])
                uuid, job = self.cross()
                committed = ['record', 'commit'] in steps
                self.assertEqual(self.end('Confirm', uuid), 'in-doubt' if committed else 'failed')
                self.assertIn(part, job.get('Error')[1])
                if not committed:
                    self.reclaim()

    def test_destination_mover_talks_out_of_turn(self):
        for steps, part in (([['listening'], ['listening']], '“listening” a second time'),
                            ([['attached']], '“attached” before “listening”'),
                            ([['phase', 'loading']], '“phase” before “listening”'),
                            ([['progress', 1, 96]], '“progress” before “listening”'),
                            ([['listening'], ['attached'], ['attached']], '“attached” a second time')):
            with self.subTest(steps=steps):
                self.script('receive', *steps, ['deaf', 60])
                caller = self.connect()
                uuid, cookie = self.begin(self.lend(caller), caller)
                if steps[0] == ['listening']:
                    self.lease, _, _ = self.prepare(cookie)
                else:
                    error = self.assert_refused('Peer', self.prepare, cookie)
                    self.assertIn(part, error.message)
                self.assert_destination_undone(uuid)
                self.assertIn(part, self.job(uuid, 'destination').get('Error')[1])
                caller.close()  # and with it its Begin
                self.wait_for(self.can_lend, 'the end of the loan')
                self.client.call_with_fds(self.wait_for_device(self.uuid).path, 'org.vferry1.Device.Reclaim',
                                          Variant('(a{sv})', ({},)), [])

    def test_inspection_that_talks(self):
        """A request with one answer has one."""
        self.script('inspect', ['progress', 1, 96], ['deaf', 60])
        error = self.assert_refused('Peer', self.lend)
        self.assertIn('“progress”, which is no answer to “inspect”', error.message)

    def test_listens_elsewhere(self):
        """The port that it was not given is nobody's, and it is killed for it."""
        self.script('receive', ['listening', 80], ['attached'],
                    ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.NoRoom', 'message': 'not heard'}], ['deaf', 60])
        _, cookie = self.begin(self.lend())
        error = self.assert_refused('Peer', self.prepare, cookie)
        self.assertIn('at port 80, outside', error.message)
        self.assertIn('vferry-mover receive has broken its protocol', self.daemon.text())

    def test_broken_protocol_is_logged(self):
        """With what it broke; what it had given as its result before that stays the result."""
        done = [['record', 'commit'], ['record', 'done'], ['result', {'outcome': 'completed', 'device-states': ['stopped']}]]
        for steps, result, part in (([['garbage']], 'failed', 'a message of 31 bytes is malformed'),
                                    ([['say', 'sing']], 'failed', 'said “sing”, which is unknown'),
                                    ([*done, ['phase', 'pre-copy']], 'completed', 'said “phase” after its result')):
            with self.subTest(steps=steps):
                self.script('send', *steps, ['deaf', 60])
                uuid, job = self.cross()
                self.assertEqual(self.end('Confirm', uuid), result)
                self.assertEqual(job.get('Result'), result)
                lines = [line for line in self.daemon.text().splitlines() if 'has broken its protocol' in line]
                self.assertIn('vferry-mover send', lines[-1])
                self.assertIn(part, lines[-1])
                if result == 'failed':
                    self.reclaim()

    def test_what_a_mover_prints(self):
        """Is in the log, fit for print, and not more than others can bear."""
        self.script('send', ['print', 'a word \x1b[31m of mine'], ['print', 'x' * 2000, 200], ['record', 'commit'], ['record', 'done'],
                    ['result', {'outcome': 'completed', 'device-states': ['stopped']}])
        uuid, job = self.cross()
        self.assertEqual(self.end('Confirm', uuid), 'completed')
        self.assertEqual(job.get('Result'), 'completed')
        self.wait_for(lambda: 'more lines are left out' in self.daemon.text(), 'the end of what was printed', 60)
        log = self.daemon.text()
        self.assertIn('vferry-mover send: a word ?[31m of mine\n', log)
        self.assertIn('vferry-mover send: ' + 'x' * 500 + '\n', log)
        self.assertNotIn('x' * 501, log)
        self.assertLess(log.count('x' * 500), 250)

    def reclaim(self):
        _, fds = self.client.call_with_fds(self.device.path, 'org.vferry1.Device.Reclaim', Variant('(a{sv})', ({},)), [])
        for fd in fds:
            os.close(fd)
        self.wait_for_property(self.device, 'State', 'unknown')

    def test_source_cannot_be_brought_back(self):
        self.script('send', ['die'])
        self.script('return', ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Device',
                                          'message': 'stuck in ERROR', 'device-states': ['failed-needs-reset']}])
        uuid, job = self.cross()
        self.assertEqual(self.end('Confirm', uuid), 'failed')
        self.assertEqual(self.device.get('State'), 'failed-needs-reset')
        self.assertIn('stuck in ERROR', job.get('Error')[1])

    def test_source_reports_failure(self):
        """The mover brought it back itself."""
        self.script('send', ['record', 'returned'],
                    ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Peer', 'message': 'the link is cut',
                                'device-states': ['running']}])
        uuid, job = self.cross()
        self.assert_source_back(uuid, job)
        self.assertEqual(job.get('Error'), (harness.error_name('Peer'), 'the link is cut'))
        self.assertNotIn('return', [verb for verb, *_ in self.requests()])

    def test_source_killed_after_commit(self):
        """Nobody may guess: in doubt, and the fd is kept for whoever decides."""
        self.script('send', ['phase', 'committing'], ['record', 'commit'], ['die'])
        uuid, job = self.cross()
        self.assertEqual(self.end('Confirm', uuid), 'in-doubt')
        self.assertEqual(job.get('Error')[0], harness.error_name('InDoubt'))
        self.assertEqual(self.device.get('State'), 'stopped')
        self.assert_refused('InDoubt', self.begin, self.device)
        self.assert_refused('Busy', job.call, 'Cancel', Variant('(a{sv})', ({},)))
        for method in ('Remove', 'Probe'):  # the open device is all there is of its state
            error = self.assert_refused('InDoubt', self.device.call, method, Variant('(a{sv})', ({},)))
            self.assertIn(uuid, error.message)
        return uuid, job

    def test_source_that_lies_after_commit(self):
        """Whatever the mover says: what has committed is not brought back, or two would run."""
        self.script('send', ['record', 'commit'],
                    ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Peer', 'message': 'cut',
                                'device-states': ['stopped']}])
        uuid, job = self.cross()
        self.assertEqual(self.end('Confirm', uuid), 'in-doubt')
        self.assertIn('cut', job.get('Error')[1])
        self.assertNotIn('return', [verb for verb, *_ in self.requests()])
        self.assertEqual(self.device.get('State'), 'stopped')

    def test_source_that_leaves_it_stopped(self):
        """It failed and could not bring the device back itself: a new one does."""
        self.script('send', ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Device', 'message': 'refused',
                                        'device-states': ['stopped']}])
        uuid, job = self.cross()
        self.assert_source_back(uuid, job)
        self.assertEqual(job.get('Error'), (harness.error_name('Device'), 'refused'))

    def test_source_that_was_stopped_before(self):
        """Its holder has stopped it, or has begun a migration of its own: that is not ours to undo."""
        self.script('send', ['result', {'outcome': 'failed', 'untouched': True, 'error': 'org.vferry1.Error.Device',
                                        'message': 'in STOP', 'device-states': ['stopped']}])
        uuid, job = self.cross()
        self.assertEqual(self.end('Confirm', uuid), 'failed')
        self.assertEqual(job.get('Devices')[0]['state'], 'stopped')
        self.assertNotIn('return', [verb for verb, *_ in self.requests()])
        self.assertNotIn('returned', self.events(f'{uuid}.source'))

    def test_source_that_lies_about_a_commit(self):
        """Whatever it says: after a commit on record it is in doubt, and nobody makes it run."""
        self.script('send', ['record', 'commit'],
                    ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Device', 'message': 'refused',
                                'device-states': ['running']}])
        uuid, _ = self.cross()
        self.assertEqual(self.end('Confirm', uuid), 'in-doubt')
        self.assertNotIn('return', [verb for verb, *_ in self.requests()])

    def test_source_whose_disk_died_at_the_commit(self):
        """What it could neither write nor take back is read, and it runs on: what looks like a reset is the guest's."""
        self.script('send', ['record', 'commit'],
                    ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Failed', 'message': 'cannot write “commit”',
                                'device-states': ['running']}])
        self.inspected('RUNNING')
        self.script('stop', ['result', {'outcome': 'completed', 'device-states': ['failed-needs-reset']}])
        uuid, job = self.cross()
        self.assertEqual(self.end('Confirm', uuid), 'in-doubt')
        self.assert_refused('Busy', self.resolve, job, 'discard')
        self.assertNotIn('stop', [verb for verb, *_ in self.requests()])
        self.resolve(job, 'run')

    def test_source_brought_back_in_part(self):
        """A device that runs again is not called dead because its record is full, or another one is."""
        self.script('send', ['die'])
        self.script('return', ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Device', 'message': 'no',
                                          'device-states': ['running']}])
        uuid, job = self.cross()
        self.assertEqual(self.end('Confirm', uuid), 'failed')
        self.assertEqual(job.get('Devices')[0]['state'], 'running')

    def test_source_that_nobody_can_bring_back(self):
        """What is not known is not called dead, either: a reset would cost the guest its device."""
        self.script('send', ['die'])
        self.script('return', ['die'])
        uuid, job = self.cross()
        self.assertEqual(self.end('Confirm', uuid), 'failed')
        self.assertEqual(job.get('Devices')[0]['state'], 'unknown')

    def test_destination_that_lies_after_commit(self):
        """The only state there is is not thrown away."""
        self.script('receive', ['listening'], ['attached'], ['record', 'loaded'], ['record', 'commit'],
                    ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Device', 'message': 'refused',
                                'device-states': ['failed-needs-reset']}])
        uuid, _ = self.cross()
        self.assertEqual(self.end('Finish', uuid), 'in-doubt')
        job = self.job(uuid, 'destination')
        self.assertEqual(job.get('Devices')[0]['state'], 'failed-needs-reset')
        self.assertEqual(len(self.mdevs()), 1)

    def test_source_killed_after_done(self):
        self.script('send', ['record', 'commit'], ['record', 'done'], ['die'])
        uuid, _ = self.cross()
        self.assertEqual(self.end('Confirm', uuid), 'completed')
        self.assertEqual(self.device.get('State'), 'stopped')

    def resolve(self, job, decision):
        job.call('Resolve', Variant('(sa{sv})', (decision, {})))

    def test_source_resolved_to_run(self):
        uuid, job = self.test_source_killed_after_commit()
        self.assert_refused('InvalidArgument', self.resolve, job, 'maybe')
        self.resolve(job, 'run')
        self.assertEqual(self.end('Confirm', uuid), 'cancelled')
        self.assertEqual(self.device.get('State'), 'lent')
        self.assertEqual(self.events(f'{uuid}.source'), ['begin', 'commit', 'returned', 'resolved'])
        self.assert_refused('Busy', self.resolve, job, 'run')

    def test_source_resolved_to_discard(self):
        uuid, job = self.test_source_killed_after_commit()
        self.resolve(job, 'discard')
        self.assertEqual(self.end('Confirm', uuid), 'completed')
        self.assertEqual(self.device.get('State'), 'stopped')
        self.assertEqual(self.events(f'{uuid}.source'), ['begin', 'commit', 'resolved'])

    def test_discard_after_a_run_that_failed(self):
        """Some of the devices, or all, may run by then: the kernel is asked, and nothing of the discard is on record."""
        for state in ('RUNNING', 'RUNNING_P2P', 'PRE_COPY'):
            with self.subTest(state=state):
                uuid, job = self.test_source_killed_after_commit()
                self.script('return', ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Failed',
                                                  'message': 'no space for “returned”', 'device-states': ['running']}])
                self.script('inspect', ['result', {'outcome': 'completed', 'flags': ['stop-copy'], 'state': state}])
                self.assert_refused('Failed', self.resolve, job, 'run')
                error = self.assert_refused('Busy', self.resolve, job, 'discard')
                self.assertIn(state, error.message)
                self.assertEqual(job.get('Result'), 'in-doubt')
                self.assertEqual(self.events(f'{uuid}.source'), ['begin', 'commit'])
                for verb in ('return', 'inspect'):
                    os.unlink(os.path.join(self.mover, verb + '.json'))
                self.resolve(job, 'run')
                self.assertEqual(self.end('Confirm', uuid), 'cancelled')
                self.reclaim()

    def test_source_reset_in_doubt_resolved_to_run(self):
        """Whoever decides so hears that the state is gone."""
        uuid, job = self.test_source_killed_after_commit()
        self.script('return', ['record', 'returned'],
                    ['result', {'outcome': 'completed', 'device-states': ['failed-needs-reset']}])
        self.resolve(job, 'run')
        self.assertEqual(self.end('Confirm', uuid), 'cancelled')
        self.assertEqual(job.get('Devices')[0]['state'], 'failed-needs-reset')

    def test_source_reset_in_doubt_resolved_to_discard(self):
        """It runs, but nothing of the guest's: it is stopped, and the other side may run."""
        uuid, job = self.test_source_killed_after_commit()
        self.script('inspect', ['result', {'outcome': 'completed', 'flags': ['stop-copy'], 'state': 'RUNNING'}])
        error = self.assert_refused('Busy', self.resolve, job, 'discard')
        self.assertIn('RUNNING', error.message)
        self.assertEqual(self.events(f'{uuid}.source'), ['begin', 'commit'])
        self.script('stop', ['result', {'outcome': 'completed', 'device-states': ['failed-needs-reset']}])
        self.resolve(job, 'discard')
        self.assertEqual(self.end('Confirm', uuid), 'completed')
        self.assertEqual(job.get('Devices')[0]['state'], 'failed-needs-reset')
        self.assertEqual(self.events(f'{uuid}.source'), ['begin', 'commit', 'resolved'])
        self.assertEqual([r[:3] for r in self.requests() if r[0] == 'stop'], [['stop', {}, 2]] * 2)

    def test_lender_leaves_after_a_discard(self):
        """What was discarded need not be confirmed to let go of the device."""
        _, job = self.test_source_killed_after_commit()
        self.resolve(job, 'discard')
        self.assert_loan_ends_with_its_lender()

    def test_lender_leaves_unconfirmed(self):
        """Nor what was completed, when its client has died."""
        self.go()
        _, job = self.cross()
        self.wait_for_property(job, 'Result', 'completed')
        self.assert_loan_ends_with_its_lender()

    def assert_loan_ends_with_its_lender(self):
        self.assert_refused('Busy', self.lend, self.client)
        self.lender.close()
        self.wait_for(self.can_lend, 'the end of the loan')

    def can_lend(self):
        try:
            return self.lend(self.client)
        except harness.Error:
            return None

    def test_source_resolve_fails(self):
        """It stays in doubt, and can be tried again."""
        uuid, job = self.test_source_killed_after_commit()
        self.script('return', ['die'])
        with self.assertRaises(harness.Error):
            self.resolve(job, 'run')
        self.assertEqual(job.get('Result'), 'in-doubt')
        self.script('return', ['record', 'returned'], ['result', {'outcome': 'completed', 'device-states': ['running']}])
        self.resolve(job, 'run')
        self.assertEqual(self.end('Confirm', uuid), 'cancelled')

    def test_destination_mover_killed(self):
        """Before the commit everything is undone, loaded or not."""
        self.script('receive', ['listening'], ['wait-for', 'go'], ['attached'], ['record', 'loaded'], ['die'])
        self.script('send', ['wait-for', 'go'], ['record', 'returned'],
                    ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Peer', 'message': 'it is gone',
                                'device-states': ['running']}])
        uuid, job = self.cross()
        self.go()
        self.assert_destination_undone(uuid)
        self.assert_source_back(uuid, job)

    def test_destination_reports_failure(self):
        self.script('receive', ['listening'], ['attached'],
                    ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Device',
                                'message': 'write of device state at byte 65536: Bad address',
                                'device-states': ['failed-needs-reset']}])
        uuid, _ = self.cross()
        self.assert_destination_undone(uuid)
        self.assertIn('byte 65536', self.job(uuid, 'destination').get('Error')[1])

    def in_doubt_at_destination(self):
        self.script('receive', ['listening'], ['attached'], ['record', 'loaded'],
                    ['result', {'outcome': 'in-doubt', 'error': 'org.vferry1.Error.InDoubt', 'message': 'no word',
                                'device-states': ['stopped']}])
        uuid, _ = self.cross()
        self.assertEqual(self.end('Finish', uuid), 'in-doubt')
        self.assertEqual(len(self.mdevs()), 1)
        self.assertEqual(self.lease.get('State'), 'attached')
        error = self.assert_refused('InDoubt', self.lease.call, 'Adopt', Variant('(a{sv})', ({},)))
        self.assertIn('resolve', error.message)
        self.assert_refused('InDoubt', self.lease.call, 'Release', Variant('(a{sv})', ({},)))
        return uuid, self.job(uuid, 'destination')

    def test_destination_resolved_to_run(self):
        uuid, job = self.in_doubt_at_destination()
        self.resolve(job, 'run')
        self.assertEqual(self.end('Finish', uuid), 'completed')
        self.assertEqual(self.lease.get('State'), 'loaded')
        self.assertEqual(self.events(f'{uuid}.destination')[-2:], ['started', 'resolved'])
        _, fds = self.client.call_with_fds(self.lease.path, 'org.vferry1.Lease.Adopt', Variant('(a{sv})', ({},)), [])
        self.assertEqual(len(fds), 1)
        os.close(fds[0])

    def assert_discarded(self, state):
        uuid, job = self.in_doubt_at_destination()
        self.inspected(state)
        self.resolve(job, 'discard')
        self.assert_destination_undone(uuid, 'cancelled')
        self.assertEqual(self.events(f'{uuid}.destination')[-2:], ['resolved', 'undone'])
        self.assertEqual([verb for verb, *_ in self.requests()].count('inspect'), 3)  # after Lend's and Begin's

    def test_destination_resolved_to_discard(self):
        self.assert_discarded('STOP')

    def test_destination_that_failed_resolved_to_discard(self):
        self.assert_discarded('ERROR')

    def test_destination_that_runs_resolved_to_discard(self):
        """Its mover was killed between the start and the line about it: it has no guest, and ends with its last descriptor."""
        self.assert_discarded('RUNNING')

    def test_destination_that_changes_is_not_discarded(self):
        """A `run` that was answered with an error may still be carried out: the kernel is asked first."""
        uuid, job = self.in_doubt_at_destination()
        before = self.events(f'{uuid}.destination')
        self.script('start', ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Failed',
                                         'message': 'no space for “started”', 'device-states': ['running']}])
        self.assert_refused('Failed', self.resolve, job, 'run')
        for state in ('RESUMING', 'PRE_COPY'):
            self.inspected(state)
            error = self.assert_refused('Busy', self.resolve, job, 'discard')
            self.assertIn(state, error.message)
        self.script('inspect', ['die'])  # as at its deadline, when the kernel does not answer
        error = self.assert_refused('Busy', self.resolve, job, 'discard')
        self.assertIn('signal 9', error.message)
        self.assertEqual((job.get('Result'), len(self.mdevs())), ('in-doubt', 1))
        self.assertEqual(self.events(f'{uuid}.destination'), before)
        os.unlink(os.path.join(self.mover, 'start.json'))
        self.resolve(job, 'run')
        self.assertEqual(self.end('Finish', uuid), 'completed')

    def test_destination_that_is_slow_to_close(self):
        """Nobody hears that it never runs here, and it is not removed, while it is open."""
        with socket.create_server(('127.0.0.1', 0)) as server:
            self.script('open', ['result', {'outcome': 'completed', 'flags': ['stop-copy']}, server.getsockname()[1]])
            uuid, job = self.in_doubt_at_destination()
            reader, _ = server.accept()
        self.inspected('STOP')
        call = job.start_call('Resolve', Variant('(sa{sv})', ('discard', {})))
        self.wait_for(lambda: 'close' in self.threads(), 'the close')
        self.sleep(0.5)
        self.assertFalse(call.done)
        self.assertNotIn('resolved', self.events(f'{uuid}.destination'))
        self.assertEqual((job.get('Result'), self.lease.get('State')), ('in-doubt', 'attached'))
        self.assertEqual(len(self.mdevs()), 1)
        reader.close()
        self.finish(call)
        self.assert_destination_undone(uuid, 'cancelled')

    def test_destination_that_is_slow_to_close_undone(self):
        with socket.create_server(('127.0.0.1', 0)) as server:
            self.script('open', ['result', {'outcome': 'completed', 'flags': ['stop-copy']}, server.getsockname()[1]])
            self.script('receive', ['listening'], ['attached'], ['die'])
            uuid, job = self.cross()
            reader, _ = server.accept()
        job = self.job(uuid, 'destination')
        self.wait_for_property(job, 'Result', 'failed')
        self.sleep(0.5)
        self.assertEqual((self.lease.get('State'), len(self.mdevs())), ('undoing', 1))
        reader.close()
        self.assert_destination_undone(uuid)

    def test_destination_killed_after_commit(self):
        self.script('receive', ['listening'], ['attached'], ['record', 'loaded'], ['record', 'commit'], ['die'])
        uuid, _ = self.cross()
        self.assertEqual(self.end('Finish', uuid), 'in-doubt')
        self.assertEqual(len(self.mdevs()), 1)

    def test_destination_killed_after_started(self):
        self.script('receive', ['listening'], ['attached'], ['record', 'loaded'], ['record', 'commit'],
                    ['record', 'started'], ['die'])
        uuid, _ = self.cross()
        self.assertEqual(self.end('Finish', uuid), 'completed')
        self.assertEqual(self.lease.get('State'), 'loaded')

    def test_cancel_at_source(self):
        self.script('send', ['phase', 'pre-copy'], ['progress', 1, 96], ['sleep', 60])
        uuid, job = self.cross()
        self.wait_for_property(job, 'Phase', 'pre-copy')
        job.call('Cancel', Variant('(a{sv})', ({},)))
        self.assert_source_back(uuid, job, 'cancelled')
        self.assert_refused('Busy', job.call, 'Cancel', Variant('(a{sv})', ({},)))

    def test_cancel_at_destination(self):
        uuid, _ = self.cross()
        self.job(uuid, 'destination').call('Cancel', Variant('(a{sv})', ({},)))
        self.assert_destination_undone(uuid, 'cancelled')

    def test_lender_leaves_during_the_job(self):
        """The job goes on; the loan ends with it."""
        self.script('send', ['phase', 'pre-copy'], ['wait-for', 'stop'], ['record', 'returned'],
                    ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Peer', 'message': 'cut',
                                'device-states': ['running']}])
        lender = self.connect()
        self.device = self.lend(lender)
        self.device = harness.Object(self.client, self.device.path, self.device.interface)
        uuid, cookie = self.begin(self.device)
        _, answer, secret = self.prepare(cookie)
        job = self.perform(uuid, answer, secret)
        self.wait_for_property(job, 'Phase', 'pre-copy')
        lender.close()
        self.sleep(0.3)
        self.assertEqual(job.get('Result'), '')
        self.go('stop')
        self.assertEqual(self.end('Confirm', uuid), 'failed')
        self.wait_for_property(self.device, 'State', 'unknown')
        self.assert_refused('Busy', self.begin, self.device)  # nobody lends it any more

    def test_source_that_vferry_created_is_removed(self):
        """A device that came here goes on to a third host: then it is removed here, as it was made here."""
        self.go()
        uuid, _ = self.cross()
        self.assertEqual(self.end('Finish', uuid), 'completed')
        self.assertEqual(self.end('Confirm', uuid), 'completed')
        (created,) = self.mdevs()
        _, fds = self.client.call_with_fds(self.lease.path, 'org.vferry1.Lease.Adopt', Variant('(a{sv})', ({},)), [])
        os.close(fds[0])
        self.wait_for_property(self.lease, 'State', 'adopted')
        self.uuid, before = created, self.uuid
        uuid, _ = self.cross()
        self.assertEqual(self.end('Finish', uuid), 'completed')
        self.assertEqual(self.end('Confirm', uuid), 'completed')
        self.wait_for(lambda: created not in self.sysfs.mdevs, 'the removal of the source')
        self.assertIn(before, self.sysfs.mdevs, 'one that vferry did not create stays')


if __name__ == '__main__':
    tap.main()
