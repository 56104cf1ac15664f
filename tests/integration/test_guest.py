#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests of a bare QEMU cross: what is said of them, and what is refused before anything moves."""

import os
import signal
import socket

import guests
import harness
import tap

Variant = guests.Variant
NONE = guests.NONE
GUEST = 'AAAAAAAA-0000-4000-8000-000000000001'


class Crossing(guests.Test):
    def test_whole(self):
        """AttachDomain, Begin, Prepare, AttachDomain there, Perform, Confirm, Finish."""
        self.start_source(uuid=GUEST)
        a = self.attach_source()
        self.assertEqual([a.get(name) for name in ('Name', 'Uuid', 'Driver', 'State', 'Job')],
                         ['harbour cat', GUEST.lower(), 'qemu', 'running', '/'])
        self.assertEqual(a.get('Devices'), [{'device': self.find_device(self.uuid).path, 'guest-address': '0000:00:03.0',
                                             'host-address': self.uuid, 'migrates': True, 'reasons': []}])
        cookie = self.begin_guest()
        self.prepare_guest(cookie)
        self.assertEqual(self.lease.get('State'), 'ready')
        (made,) = self.mdevs()
        self.start_destination(uuid=GUEST)
        error = self.assert_refused('Busy', self.attach_destination)  # both of one daemon, and of one name
        self.assertIn(GUEST.lower(), error.message)
        self.b.set(uuid='00000000-0000-0000-0000-000000000000')
        b = self.attach_destination()
        self.assertEqual([b.get(name) for name in ('Name', 'Uuid', 'State', 'Job')],
                         ['harbour cat there', '', 'incoming', self.destination().path])
        self.assertEqual(b.get('Devices')[0]['host-address'], made)
        job = self.perform_guest()
        self.assertEqual(a.get('Job'), job.path)
        self.assert_crossed()
        self.assertEqual([job.get(name) for name in ('Phase', 'Result', 'Error')], ['finished', 'completed', ('', '')])
        self.assertEqual([each['state'] for each in job.get('Devices')], ['stopped'])
        self.assertEqual([each['state'] for each in self.destination().get('Devices')], ['running'])
        self.assertEqual(self.domains(), {b.path})
        self.assertEqual(b.get('Job'), '/')
        self.assertEqual(self.events(f'{self.job_uuid}.source'), ['begin', 'touched', 'commit', 'done'])
        self.assertEqual(self.events(f'{self.job_uuid}.destination'),
                         ['begin', 'create', 'created', 'loaded', 'commit', 'starting', 'started'])
        self.assertEqual(len(self.mdevs()), 1)

    def test_what_qemu_is_told(self):
        """In that order, and nothing else; no descriptor is left with it."""
        self.cross()
        self.assert_crossed()
        asked = [name for name in self.a.get_last('log') if not name.startswith(('query-', 'qom-')) and name != 'qmp_capabilities']
        self.assertEqual(asked, ['migrate-set-capabilities', 'migrate-set-parameters', 'getfd', 'migrate', 'quit'])
        asked = [name for name in self.b.get('log') if not name.startswith(('query-', 'qom-')) and name != 'qmp_capabilities']
        self.assertEqual(asked, ['migrate-set-capabilities', 'stop', 'getfd', 'migrate-incoming', 'cont'])
        for get in (self.a.get_last, self.b.get):
            self.assertEqual(get('on'), ['events', 'return-path', 'switchover-ack'])
            self.assertEqual(get('files'), 0)

    def test_capabilities(self):
        """Those of ours that both have; what somebody has switched on that would change the way is off."""
        few = ['return-path', 'postcopy-ram', 'multifd', 'xbzrle']
        self.prepare_all(source={'on': ['postcopy-ram', 'multifd', 'xbzrle']}, destination={'capabilities': few})
        self.perform_guest()
        self.assert_crossed()
        self.assertEqual(self.a.get_last('on'), ['return-path', 'xbzrle'])
        self.assertEqual(self.b.get('on'), ['return-path'])

    def test_limits(self):
        self.prepare_all()
        error = self.assert_refused('InvalidArgument', self.perform_guest, bandwidth=Variant('t', 1 << 63))
        self.assertIn('option “bandwidth”', error.message)
        self.assert_refused('InvalidArgument', self.perform_guest, bandwidth=Variant('s', '1M'))
        self.assert_refused('UnknownOption', self.perform_guest, speed=Variant('t', 1))
        self.perform_guest(bandwidth=Variant('t', 7 << 20), **{'downtime-limit-ms': Variant('u', 77)})
        self.assert_crossed()
        self.assertEqual(self.a.get_last('parameters'), {'downtime_limit': 77, 'max_bandwidth': 7 << 20})

    def test_progress(self):
        """As QEMU tells it; what it only makes up is not told."""
        self.hold['a'] = ['active', 'switchover']
        job = self.cross()
        self.wait_for_property(job, 'Phase', 'pre-copy')
        self.wait_for_step(self.a, 'active')
        sent = len(guests.MEMORY) + 8 * 4096
        self.wait_for_property(job, 'BytesDone', sent)
        self.assertEqual(job.get('BytesTotal'), sent + 4096)
        self.a.release()
        self.wait_for_property(job, 'Phase', 'switchover')
        self.a.release()
        self.assert_crossed()
        self.assertGreater(job.get('Downtime'), 0)
        self.assertGreater(job.get('BytesDone'), sent)
        self.assertEqual(job.get('BytesDone'), job.get('BytesTotal'))

    def test_two_devices(self):
        """Of different types, one of them without a name in its QEMU."""
        first = self.uuid
        second = self.sysfs.add_mdev('mtty-1')
        self.wait_for_device(second)
        self.start_source(devices=[self.device(first), self.device(second, 1, id='device[0]')])
        self.attach_source()
        addresses = {each['host-address']: each['guest-address'] for each in self.domain_a.get('Devices')}
        self.assertEqual(addresses, {first: '0000:00:03.0', second: '/machine/peripheral-anon/device[0]'})
        self.prepare_guest(self.begin_guest())
        made = [self.client.get(path, 'org.vferry1.Device', 'Id') for path in self.lease.get('Devices')]
        self.assertEqual(len(made), 2)
        self.start_destination(devices=[self.device(made[1], 1, id='device[0]'), self.device(made[0])])
        self.attach_destination()
        job = self.perform_guest()
        self.assertEqual(self.ends(), ('completed', 'completed'))
        self.wait_for_running('b')
        self.assertEqual([each['state'] for each in job.get('Devices')], ['stopped', 'stopped'])
        self.assertEqual([each['state'] for each in self.destination().get('Devices')], ['running', 'running'])
        self.wait_for_property(self.lease, 'State', 'adopted')

    def test_there_and_back(self):
        self.cross()
        self.assert_crossed()
        self.wait_for(lambda: self.domains() == {self.domain_b.path}, 'the end of the first domain')
        gone, self.a, self.domain_a = self.a, self.b, self.domain_b
        self.prepare_guest(self.begin_guest())
        (path,) = self.lease.get('Devices')
        made = self.client.get(path, 'org.vferry1.Device', 'Id')
        self.b = self.start_qemu('c', [made], incoming=True, stopped=True, name='back')
        self.attach_destination()
        self.perform_guest()
        self.assertEqual(self.ends(), ('completed', 'completed'))
        self.assertEqual(self.running(), {'c'})
        self.wait_for(self.a.has_ended, 'the end of the QEMU that the guest has left')
        self.assertTrue(gone.has_ended())
        self.assertEqual([what[:2] for what in self.ledger()],
                         [['a', 'run'], ['a', 'stop'], ['b', 'run'], ['a', 'end'], ['b', 'stop'], ['c', 'run'], ['b', 'end']])

    def test_again(self):
        """A guest that came back goes the next time."""
        self.hold['a'] = ['switchover']
        self.cross()
        self.wait_for_step(self.a, 'switchover')
        self.source.call('Cancel', NONE)
        self.assert_failed('cancelled')
        self.a.set(hold=[])
        self.prepare_guest(self.begin_guest())
        self.start_destination()
        self.attach_destination()
        self.perform_guest()
        self.assert_crossed()

    def test_without_dash_s(self):
        """A destination that would let the guest run by itself does not."""
        self.hold['a'] = ['word']
        self.prepare_all(destination={'stopped': False})
        self.perform_guest()
        self.wait_for_step(self.a, 'word')
        self.wait_for(lambda: self.b.get('status') == 'completed', 'the destination')
        self.assertEqual(self.b.get('run'), 'paused')
        self.a.release()
        self.assert_crossed()


class Timing(guests.Test):
    """What comes before what differs between QEMUs, and from one time to the next."""

    def check(self, source=None, destination=None):
        self.cross(source={'late': source or {}}, destination={'late': destination or {}})
        self.assert_crossed()

    def test_source_completes_late(self):
        self.check(source={'completed': 3})

    def test_source_stands_late(self):
        """`completed` and still in finish-migrate."""
        self.check(source={'postmigrate': 3})

    def test_destination_stands_late(self):
        """`completed` and still in inmigrate, where `cont` would let it run by itself."""
        self.check(destination={'paused': 3})

    def test_all_late(self):
        self.check({'completed': 2, 'postmigrate': 2}, {'paused': 2})

    def test_no_events(self):
        """Of an older QEMU; what it does is seen by asking."""
        without = [name for name in guests.CAPABILITIES if name != 'events']
        self.cross(source={'capabilities': without})
        self.assert_crossed()

    def test_no_end_in_sight(self):
        """The guest goes on, and is told why it stays."""
        self.hold['a'] = ['active']
        self.prepare_all()
        job = self.perform_guest(**{'precopy-max-seconds': Variant('u', 1)})
        self.assert_failed()
        self.assertIn('the guest has not come to its switchover within 1 s: 4096 bytes are left, and a pause of 300 ms is allowed',
                      job.get('Error')[1])
        self.assertEqual([what[:2] for what in self.ledger() if what[0] == 'a'], [['a', 'run']])

    def test_status_that_nobody_knows(self):
        """Is no end."""
        self.prepare_all()
        self.a.trap('query-migrate', 'answer', value={'status': 'singing'}, skip=1, times=3)
        self.b.trap('query-migrate', 'answer', value={'status': 'singing'}, skip=1, times=3)
        self.perform_guest()
        self.assert_crossed()

    def test_slow_answers(self):
        """A device holds QEMU's main loop while it saves, and with it every answer."""
        self.prepare_all(source={'hold': ['switchover']})
        self.perform_guest()
        self.wait_for_step(self.a, 'switchover')
        self.a.trap('query-migrate', 'hold', times=1)
        self.wait_for(lambda: self.a.get('stuck'), 'the question')
        self.sleep(1.3)
        self.assertEqual(self.source.get('Result'), '')
        self.a.release()  # the command
        self.a.release()  # the step
        self.assert_crossed()


class Refused(guests.Test):
    """Before anything moves: the sentence says what is wrong, and the guest has not noticed."""

    def begin_refused(self, code, *parts):
        error = self.assert_refused(code, self.begin_guest)
        for part in parts:
            self.assertIn(part, error.message)
        self.assertEqual(self.domain_a.get('Job'), '/')
        self.assert_workers_gone()
        self.domain_a.call('Detach', NONE)
        self.assert_monitor_closed('a')

    def perform_refused(self, name, *parts):
        job = self.perform_guest()
        self.assert_failed()
        message = job.get('Error')[1]
        self.assertIn(harness.error_name(name), [each.get('Error')[0] for each in (job, self.destination())], message)
        for part in parts:
            self.assertIn(part, message)
        self.assertEqual([what[:2] for what in self.ledger() if what[0] == 'a'], [['a', 'run']])
        self.assertNotIn('migrate', self.a.get('log'))
        self.assertNotIn('touched', self.events(f'{self.job_uuid}.source'))
        self.assertNotIn('cont', self.b_log)

    def perform_guest(self, *arguments, **options):
        self.b_log = (self.b.look() or {}).get('log', []) if self.b else []
        return super().perform_guest(*arguments, **options)

    def test_paused(self):
        self.start_source(stopped=True)
        self.assertEqual(self.attach_source().get('State'), 'paused')
        self.begin_refused('Device', 'domain harbour cat does not run (it is paused)')

    def test_paused_since(self):
        """The look at Begin counts."""
        self.start_source()
        self.assertEqual(self.attach_source().get('State'), 'running')
        self.a.obey('stop')
        self.begin_refused('Device', 'domain harbour cat does not run (it is paused)')
        self.a.obey('cont')

    def test_paused_after_begin(self):
        self.prepare_all()
        self.a.obey('stop')
        job = self.perform_guest()
        self.assertEqual(self.end('Confirm', self.job_uuid), 'failed')
        self.assertIn('the guest does not run', job.get('Error')[1])
        self.assertEqual(self.a.get('run'), 'paused')  # as whoever paused it wanted
        self.assertEqual(self.running(), set())
        self.assertEqual([each['state'] for each in job.get('Devices')], ['stopped'])
        self.assert_undone()

    def test_migrating_already(self):
        self.start_source()
        self.attach_source()
        self.a.trap('query-migrate', 'answer', value={'status': 'active'})
        self.begin_refused('Busy', 'somebody else has QEMU migrate domain harbour cat already')

    def test_migrating_after_begin(self):
        self.prepare_all()
        self.a.trap('query-migrate', 'answer', value={'status': 'pre-switchover'})
        self.perform_refused('Busy', 'somebody else has QEMU migrate the guest already')

    def test_reason_of_a_device(self):
        second = self.sysfs.add_mdev('mtty-1')
        self.wait_for_device(second)
        reason = f'{second.upper()}: VFIO migration is not supported in kernel'
        self.start_source(devices=[self.device(self.uuid), self.device(second, 1)], reasons=[reason])
        self.attach_source()
        self.assertEqual([(each['migrates'], each['reasons']) for each in self.domain_a.get('Devices')], [(True, []), (False, [reason])])
        self.begin_refused('NotSupported', f'device 0000:00:04.0 ({second} here) of domain harbour cat cannot migrate: {reason}')

    def test_reason_of_the_guest(self):
        """Is every device's."""
        reason = 'Migration is disabled when VirtFS export path is mounted'
        self.start_source(reasons=[reason, '\x1b[31m' + 'x' * 1000])
        self.attach_source()
        (device,) = self.domain_a.get('Devices')
        self.assertEqual((device['migrates'], device['reasons'][0]), (False, reason))
        self.assertLess(len(device['reasons'][1]), 500)
        self.assertNotIn('\x1b', device['reasons'][1])
        self.begin_refused('NotSupported', reason)

    def test_reason_after_begin(self):
        self.prepare_all()
        self.a.set(reasons=['a new one'])
        self.perform_refused('NotSupported', 'cannot migrate: a new one')

    def test_reason_at_the_destination(self):
        self.prepare_all(destination={'reasons': ['no migration here']})
        self.perform_refused('NotSupported', 'cannot migrate: no migration here')

    def test_machine_type(self):
        self.prepare_all(source={'machine': 'pc-q35-4.2'})
        self.perform_refused('Incompatible', 'the machine type is “pc-q35-10.0” here and “pc-q35-4.2” at the other side')

    def test_memory(self):
        self.prepare_all(destination={'memory': 1 << 29})
        self.perform_refused('Incompatible', f'the guest has {1 << 29} bytes of memory here and {1 << 28} at the other side')

    def test_addresses(self):
        self.start_source()
        self.attach_source()
        self.prepare_guest(self.begin_guest())
        (made,) = self.mdevs()
        self.start_destination(devices=[self.device(made, slot=9)])
        self.attach_destination()
        self.perform_refused('Incompatible', '“pcie.0/09.0” here and “pcie.0/03.0” at the other side')

    def test_return_path(self):
        self.prepare_all(source={'capabilities': ['events']})
        self.perform_refused('NotSupported', 'has no migration capability “return-path”')

    def test_return_path_there(self):
        self.prepare_all(destination={'capabilities': ['events']})
        self.perform_refused('NotSupported', 'has no migration capability “return-path”')

    def test_nobody_is_there(self):
        """Perform before the QEMU that is to receive it is attached."""
        self.start_source()
        self.attach_source()
        self.prepare_guest(self.begin_guest())
        job = self.perform_guest()
        self.assert_guest_back()
        self.assertIn('no QEMU is attached to the lease', job.get('Error')[1])
        self.assertEqual(self.end('Finish', self.job_uuid), 'failed')
        self.wait_for(lambda: not self.mdevs(), 'the removal of what was made')
        self.assert_workers_gone()

    def test_source_has_ended(self):
        self.prepare_all()
        self.a.kill()
        self.wait_for(lambda: self.domains() == {self.domain_b.path}, 'the end of the domain')
        error = self.assert_refused('NotFound', self.perform_guest)
        self.assertIn('domain harbour cat has gone', error.message)
        self.lease.call('Release', NONE)
        self.assert_undone('cancelled')


class Attach(guests.Test):
    """What is no QEMU is not attached, and nothing is left of it."""

    def refused(self, code, fd, *parts, **options):
        error = self.assert_refused(code, self.attach_fd, fd, **options)
        for part in parts:
            self.assertIn(part, error.message)
        self.assertFalse(self.domains())
        self.assert_workers_gone()

    def test_no_socket(self):
        for path in ('/dev/null', '/proc/self/exe', '/'):
            fd = os.open(path, os.O_RDONLY)
            self.addCleanup(os.close, fd)
            self.refused('InvalidArgument', fd, 'option “qmp” is no connected unix socket')

    def test_other_sockets(self):
        listener = socket.create_server(('127.0.0.1', 0))
        tcp = socket.create_connection(listener.getsockname())
        lonely = socket.socket(socket.AF_UNIX)
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for each in (listener, tcp, lonely):
            self.refused('InvalidArgument', each.fileno(), 'option “qmp” is no connected unix socket')
        self.refused('InvalidArgument', near.fileno(), 'is no connected unix stream socket')
        for each in (listener, tcp, lonely, near, far):
            each.close()

    def test_options(self):
        self.start_source()
        own = self.a.connect()
        self.addCleanup(own.close)
        self.refused('InvalidArgument', own.fileno(), 'option “qmp” is needed', qmp=None)
        self.refused('InvalidArgument', own.fileno(), 'qmp', qmp=Variant('s', self.a.path))
        self.refused('InvalidArgument', own.fileno(), 'descriptor 3', qmp=Variant('h', 3))
        self.refused('UnknownOption', own.fileno(), 'monitor', monitor=Variant('h', 0))

    def test_no_qmp(self):
        for greeting, part in (('http', 'it does not speak QMP: its message begins with byte 0x48'), ('close', 'has closed its monitor'),
                               ('versionless', 'does not say which version it is'), ('twice', 'QEMU greets twice'),
                               ('huge', 'a QMP message has more than')):
            with self.subTest(greeting=greeting):
                fake = self.start_qemu(greeting, [], greeting=greeting, stopped=True)
                error = self.assert_refused('Peer', self.attach, fake)
                self.assertIn(part, error.message)
                self.assertFalse(self.domains())
                self.assert_workers_gone()
                self.assert_monitor_closed(greeting)
                fake.kill()

    def test_caller_leaves(self):
        """While QEMU is asked."""
        self.start_source(traps={'query-uuid': {'do': 'hold'}})
        other = self.connect()
        own = self.a.connect()
        self.monitors['a'] = os.readlink(f'/proc/self/fd/{own.fileno()}')
        self.manager(other).start_call('AttachDomain', Variant('(a{sv})', ({'driver': guests.QEMU, 'qmp': Variant('h', 0)},)),
                                       fds=[own.fileno()])
        self.wait_for(lambda: self.a.get('stuck'), 'the question')
        own.close()
        other.close()
        self.assert_monitor_closed('a')
        self.a.release()
        self.assert_workers_gone()
        self.assertFalse(self.domains())
        self.assertEqual(self.a.get('run'), 'running')

    def test_worker_dies(self):
        self.start_source(traps={'query-uuid': {'do': 'hold', 'times': 1}})
        own = self.a.connect()
        call = self.manager().start_call('AttachDomain', Variant('(a{sv})', ({'driver': guests.QEMU, 'qmp': Variant('h', 0)},)),
                                         fds=[own.fileno()])
        own.close()
        self.wait_for(lambda: self.a.get('stuck'), 'the question')
        (worker,) = self.workers()
        os.kill(worker, signal.SIGKILL)
        with self.assertRaises(harness.Error) as caught:
            self.finish(call)
        self.assertIn('signal 9', caught.exception.message)
        self.assertFalse(self.domains())
        self.a.release()
        self.attach_source()

    def test_detached(self):
        """The guest runs on, and can be attached again."""
        self.start_source()
        for _ in range(2):
            self.attach_source().call('Detach', NONE)
            self.assert_monitor_closed('a')
            self.assertEqual(self.a.get('run'), 'running')
        self.assertFalse(self.domains())

    def test_ends(self):
        self.start_source()
        self.attach_source()
        self.a.kill()
        self.wait_for(lambda: not self.domains(), 'the end of the domain')
        self.assert_monitor_closed('a')

    def test_no_device(self):
        self.start_source(devices=[])
        self.attach_source()
        self.assertEqual(self.domain_a.get('Devices'), [])
        error = self.assert_refused('NotSupported', self.begin_guest)
        self.assertIn('domain harbour cat has no device that is known here', error.message)

    def test_hostile_words(self):
        """Are cut, and fit for print."""
        self.wait_for_device(self.uuid)
        self.start_source(name='\x1b[2J\n' + 'x' * 5000, uuid='../../../etc/passwd', machine='\n' * 1000, devices=[
            self.device('../../../etc/\x07passwd'), self.device(self.uuid, 1, id='y' * 300),
            {'id': 'host', 'host': '0000:99:00.0', 'sysfsdev': ''}, {'id': 'none', 'sysfsdev': 'z' * 5000}])
        self.attach_source()
        name, uuid = self.domain_a.get('Name'), self.domain_a.get('Uuid')
        self.assertRegex(name, r'^\?\[2J\?x+')
        self.assertLessEqual(len(name.encode()), 255)
        self.assertEqual(uuid, '')
        for device in self.domain_a.get('Devices'):
            self.assertNotIn('device', device)
            for word in (device['guest-address'], device['host-address']):
                self.assertTrue(word.isprintable())
                self.assertLessEqual(len(word.encode()), 255)
        self.assertIn('0000:99:00.0', [device['host-address'] for device in self.domain_a.get('Devices')])
        self.assert_refused('NotSupported', self.begin_guest)

    def test_device_of_another(self):
        """Whatever QEMU says: what somebody else has, it does not get."""
        device = self.lend()
        self.start_source()
        error = self.assert_refused('Busy', self.attach_source)
        self.assertIn(f'device {self.uuid} is lent', error.message)
        device.call('Reclaim', NONE)
        self.attach_source()
        self.prepare_guest(self.begin_guest())
        liar = self.start_qemu('liar', self.made, stopped=True, name='liar')
        error = self.assert_refused('Busy', self.attach, liar)
        self.assertRegex(error.message, f'device {self.made.pop()} is in (job|lease)')
        liar.set(devices=[self.device(self.uuid)])
        error = self.assert_refused('Busy', self.attach, liar)
        self.assertRegex(error.message, f'device {self.uuid} is in (job|domain)')
        self.assertEqual(self.domains(), {self.domain_a.path})

    def test_devices_change(self):
        """What a guest had when it was attached is not all that it has."""
        second = self.sysfs.add_mdev('mtty-1')
        self.wait_for_device(second)
        self.start_source()
        self.attach_source()
        for devices in ([self.uuid, second], [second], [self.uuid]):
            self.a.set(devices=[self.device(uuid, i) for i, uuid in enumerate(devices)])
            error = self.assert_refused('Busy', self.begin_guest)
            self.assertIn('domain harbour cat has other devices now', error.message)
            self.assertEqual({each['host-address'] for each in self.domain_a.get('Devices')}, set(devices))
        self.begin_guest()

    def test_device_twice(self):
        self.start_source(devices=[self.device(self.uuid), self.device(self.uuid, 1)])
        self.attach_source()
        self.assert_refused('InvalidArgument', self.begin_guest)
        self.assertEqual(self.domain_a.get('Job'), '/')

    def test_too_many_devices(self):
        self.start_source(devices=[self.device(f'00000000-0000-4000-8000-{i:012}', i) for i in range(100)])
        error = self.assert_refused('LimitExceeded', self.attach_source)
        self.assertIn('VFIO devices', error.message)


class Owner(guests.Test):
    def test_leaves(self):
        """Of the lease, before a source has come: its QEMU ends with what was made for it."""
        self.start_source()
        self.attach_source()
        other = self.connect()
        self.prepare_guest(self.begin_guest(), other)
        self.lease = harness.Object(self.client, self.lease.path, self.lease.interface)
        self.start_destination()
        self.attach(self.b, other, lease=Variant('o', self.lease.path))
        other.close()
        self.assert_undone('cancelled')
        self.assertEqual(self.running(), {'a'})


class Lease(guests.Test):
    """Who is to receive a guest has what was made for it, and waits."""

    def setUp(self):
        super().setUp()
        self.start_source()
        self.attach_source()
        self.prepare_guest(self.begin_guest())

    def refused(self, code, *parts):
        error = self.assert_refused(code, self.attach_destination)
        for part in parts:
            self.assertIn(part, error.message)
        self.assertEqual(self.domains(), {self.domain_a.path})
        self.assertEqual(self.lease.get('State'), 'ready')
        self.assert_monitor_closed('b')
        self.b.kill()
        self.start_destination()
        self.attach_destination()
        self.perform_guest()
        self.assert_crossed()

    def test_another_device(self):
        self.start_destination(devices=[self.device('00000000-0000-4000-8000-000000000001')])
        self.refused('InvalidArgument', 'the QEMU does not have device', *self.mdevs())

    def test_not_incoming(self):
        self.start_destination(incoming=False)
        self.refused('Device', 'the QEMU does not wait for a guest (it is paused)')

    def test_taken(self):
        """It was told to receive by somebody else, and that came to nothing."""
        self.start_destination(traps={'query-migrate': {'do': 'answer', 'value': {'status': 'setup'}, 'skip': 1}})
        self.attach_destination()
        job = self.perform_guest()
        self.assert_failed()
        self.assertIn('migrate the guest already', job.get('Error')[1])

    def test_second(self):
        self.start_destination()
        self.attach_destination()
        second = self.start_qemu('second', self.mdevs(), incoming=True, stopped=True)
        error = self.assert_refused('Busy', self.attach, second, lease=Variant('o', self.lease.path))
        self.assertIn('domain harbour cat there is attached to the lease', error.message)
        self.perform_guest()
        self.assert_crossed()

    def test_in_place_of_one_that_ended(self):
        self.start_destination()
        self.attach_destination()
        self.b.kill()
        self.wait_for(lambda: self.domains() == {self.domain_a.path}, 'the end of the domain')
        self.start_destination()
        self.attach_destination()
        self.perform_guest()
        self.assert_crossed()

    def test_released(self):
        """Its QEMU ends: what it would have received comes no more."""
        self.start_destination()
        self.attach_destination()
        self.lease.call('Release', NONE)
        self.assert_undone('cancelled')
        self.assertEqual(self.a.get('run'), 'running')

    def test_too_late(self):
        self.start_destination(hold=['active'])
        self.attach_destination()
        self.perform_guest()
        self.wait_for_step(self.b, 'active')
        second = self.start_qemu('second', self.mdevs(), incoming=True, stopped=True)
        error = self.assert_refused('Busy', self.attach, second, lease=Variant('o', self.lease.path))
        self.assertIn('“ready”', error.message)
        error = self.assert_refused('Busy', self.domain_b.call, 'Detach', NONE)
        self.assertIn(self.job_uuid, error.message)
        self.b.release()
        self.assert_crossed()


if __name__ == '__main__':
    tap.main()
