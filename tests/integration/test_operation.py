#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a job does: rehearsals, saves and restores, with the fake driver, and whoever cannot."""

import os
import re

import crossing
import fd_store
import harness
import tap

Variant = harness.Variant
NONE = Variant('(a{sv})', ({},))
FAKE = Variant('s', 'fake')


class Test(crossing.Test):
    fake = True

    def begin_to(self, operation, device=None, **options):
        return self.begin(device or self.wait_for_device(self.uuid), driver=FAKE, operation=Variant('s', operation), **options)

    def write_events(self, name, events):
        """As a mover writes them."""
        with open(os.path.join(self.environment['VFERRY_STATE_DIR'], 'jobs', name), 'a', encoding='utf-8') as file:
            for event in events:
                body = f'{event} @a{{sv}} {{}}'
                file.write(f'{body} {fd_store.checksum(body.encode()):016x}\n')

    def text(self, cookie):
        return re.findall(r'<operation .*/>', cookie)


class Rehearsal(Test):
    def test_nothing_moves(self):
        """Both sides complete, the source runs on, and what was made for it goes."""
        device = self.lend()
        uuid, cookie = self.begin_to('rehearse')
        self.assertEqual(self.text(cookie), ['<operation kind="rehearse" required="yes"/>'])
        lease, answer, secret = self.prepare(cookie, driver=FAKE)
        self.assertEqual(len(self.mdevs()), 1)
        job = self.perform(uuid, answer, secret)
        other = self.job(uuid, 'destination')
        self.assertEqual((job.get('Operation'), other.get('Operation')), ('rehearse', 'rehearse'))
        self.assertEqual(job.get('Peer'), self.manager().get('HostId'))
        self.assertEqual(self.end('Confirm', uuid), 'completed')
        self.assertEqual(device.get('State'), 'lent')
        self.assertEqual(job.get('Devices')[0]['state'], 'running')
        self.assertEqual(self.end('Finish', uuid), 'completed')
        self.assertEqual(other.get('Devices')[0]['state'], 'stopped')
        self.wait_for(lambda: not self.mdevs(), 'the end of what was made')
        self.wait_for(lambda: not self.client.objects().get(lease.path), 'the end of the lease')
        self.assertIsNotNone(self.find_device(self.uuid))
        self.begin_to('migrate')  # it is free again

    def test_created_source_stays(self):
        """After a migration vferry removes a source that it made; after a rehearsal its guest is still there."""
        parent = self.find_parent('mtty')
        (path,) = parent.call('CreateDevice', Variant('(sa{sv}a{sv})', ('mtty-1', {}, {})))
        device = harness.Object(self.client, path, 'org.vferry1.Device')
        made = device.get('Id')
        for operation, stays in (('rehearse', True), ('migrate', False)):
            uuid, cookie = self.begin_to(operation, device)
            _, answer, secret = self.prepare(cookie, driver=FAKE)
            self.perform(uuid, answer, secret)
            self.assertEqual(self.end('Confirm', uuid), 'completed')
            self.sleep(0.5)
            self.wait_for(lambda stays=stays: (made in self.sysfs.mdevs) == stays, f'what becomes of it after {operation}')

    def test_nobody_adopts(self):
        uuid, cookie = self.begin_to('rehearse')
        self.prepare(cookie, driver=FAKE, **{'fake-adopts': Variant('b', True)})
        self.assertEqual(self.end('Finish', uuid), 'completed')
        self.wait_for(lambda: not self.mdevs(), 'the end of what was made')
        self.assertIn('nobody can have adopted', self.daemon.text())


    def test_never_in_doubt(self):
        """Whatever the driver says: to decide it could let two run, or end the guest."""
        device = self.lend()
        doubt = {'fake-outcome': Variant('s', 'in-doubt')}
        uuid, cookie = self.begin_to('rehearse')
        _, answer, secret = self.prepare(cookie, driver=FAKE, **doubt)
        job = self.perform(uuid, answer, secret, **doubt)
        for method, role in (('Confirm', 'source'), ('Finish', 'destination')):
            self.assertEqual(self.end(method, uuid), 'failed')
            for decision in ('run', 'discard'):
                self.assert_refused('Busy', self.job(uuid, role).call, 'Resolve', Variant('(sa{sv})', (decision, {})))
        self.assertEqual(job.get('Error')[0], harness.error_name('Failed'))
        self.wait_for(lambda: not self.mdevs(), 'the end of what was made')
        self.begin_to('migrate', device)

    def test_restart(self):
        """A daemon that has nothing but the record, in which somebody has written what no rehearsal does."""
        uuid, cookie = self.begin_to('rehearse')
        far = {'fake-duration-ms': Variant('u', 60000)}
        _, answer, secret = self.prepare(cookie, driver=FAKE, **far)
        self.perform(uuid, answer, secret, **far)
        self.daemon.stop()
        for role, events in (('source', ('commit', 'done')), ('destination', ('loaded', 'commit', 'started'))):
            self.write_events(f'{uuid}.{role}', events)
        self.launch()
        for role in ('source', 'destination'):
            job = self.wait_for(lambda role=role: self.job(uuid, role), 'the job')
            self.assertEqual((job.get('Operation'), job.get('Result')), ('rehearse', 'failed'))
        self.wait_for(lambda: not self.mdevs(), 'the end of what was made')
        self.assertIsNotNone(self.find_device(self.uuid))


class Saving(Test):
    def test_save_and_restore(self):
        """Neither has a peer, and what was saved can be restored more than once."""
        uuid, cookie = self.begin_to('save')
        self.assertEqual(self.text(cookie), ['<operation kind="save" required="yes"/>'])
        job = self.perform(uuid, '', b'')
        self.assertEqual((job.get('Operation'), job.get('Role'), job.get('Peer')), ('save', 'source', ''))
        self.assertEqual(self.end('Confirm', uuid), 'completed')
        self.assertEqual(job.get('Devices')[0]['state'], 'stopped')
        jobs = set()
        for _ in range(2):
            lease, answer, secret = self.restore(cookie)
            self.assertEqual((answer, secret), ('', b''))
            restored = self.job(lease.get('JobUuid'), 'destination')
            self.assertEqual((restored.get('Operation'), restored.get('Peer')), ('restore', ''))
            self.assertEqual(self.end('Finish', restored.get('Uuid')), 'completed')
            self.wait_for_property(lease, 'State', 'loaded')
            jobs.add(restored.get('Uuid'))
        self.assertEqual(len(jobs | {uuid}), 3)
        self.assertEqual(len(self.mdevs()), 2)

    def restore(self, cookie, **options):
        path, answer, secret = self.manager().call('Prepare', Variant('(sa{sv})', (cookie, {'driver': FAKE, **options})))
        return harness.Object(self.client, path, 'org.vferry1.Lease'), answer, bytes(secret)

    def test_over_at_once(self):
        """Before Prepare is answered."""
        _, cookie = self.begin_to('save')
        lease, answer, _ = self.restore(cookie, **{'fake-duration-ms': Variant('u', 0)})
        self.assertEqual((answer, lease.get('State')), ('', 'loaded'))
        self.assertEqual(self.end('Finish', lease.get('JobUuid')), 'completed')
        lease.call('Adopt', NONE)
        self.wait_for_property(lease, 'State', 'adopted')
        lease, *_ = self.restore(cookie, **{'fake-duration-ms': Variant('u', 0), 'fake-adopts': Variant('b', True)})
        self.assertEqual(lease.get('State'), 'adopted')
        error = self.assert_refused('Device', self.restore, cookie,
                                    **{'fake-duration-ms': Variant('u', 0), 'fake-outcome': Variant('s', 'failed')})
        self.assertIn('as fake-outcome asked', error.message)
        self.wait_for(lambda: len(self.mdevs()) == 2, 'the end of what failed')

    def test_save_with_an_answer(self):
        """Somebody else's answer, or a secret, is for another job."""
        device = self.wait_for_device(self.sysfs.add_mdev('mtty-2'))
        other, cookie = self.begin(device, driver=FAKE)
        _, answer, secret = self.prepare(cookie, driver=FAKE)
        uuid, _ = self.begin_to('save')
        for bad in ((answer, b''), ('', secret), (answer, secret), (' ', b'')):
            error = self.assert_refused('InvalidArgument', self.perform, uuid, *bad)
            self.assertIn('“save”, which has no peer', error.message)
        self.perform(uuid, '', b'')
        self.perform(other, answer, secret)

    def test_only_a_save_has_no_answer(self):
        for operation in ('migrate', 'rehearse'):
            device = self.wait_for_device(self.sysfs.add_mdev('mtty-1'))
            uuid, cookie = self.begin_to(operation, device)
            self.assert_refused('InvalidXml', self.perform, uuid, '', b'')
            _, answer, secret = self.prepare(cookie, driver=FAKE)
            self.assert_refused('InvalidArgument', self.perform, uuid, answer, b'')
            self.perform(uuid, answer, secret)

    def test_address(self):
        _, cookie = self.begin_to('save')
        error = self.assert_refused('InvalidArgument', self.restore, cookie, address=Variant('s', '127.0.0.1'))
        self.assertIn('address', error.message)
        self.assertFalse(self.mdevs())

    def test_record(self):
        """A daemon that has nothing but the record knows what it was."""
        uuid, _ = self.begin_to('save')
        self.perform(uuid, '', b'', **{'fake-duration-ms': Variant('u', 60000)})
        self.daemon.stop()
        self.launch()
        job = self.wait_for(lambda: self.job(uuid, 'source'), 'the job')
        self.assertEqual((job.get('Operation'), job.get('Result')), ('save', 'failed'))


class Refused(Test):
    def test_driver_that_cannot(self):
        """It says so before anything moves, on either side."""
        device = self.lend()
        for operation in ('rehearse', 'save'):
            error = self.assert_refused('NotSupported', self.begin, device, operation=Variant('s', operation))
            self.assertIn(f'driver “vfio” does not know the operation “{operation}”', error.message)
        for operation, other in (('rehearse', 'rehearse'), ('save', 'restore')):
            uuid, cookie = self.begin_to(operation, self.wait_for_device(self.sysfs.add_mdev('mtty-1')))
            there = self.mdevs()
            error = self.assert_refused('NotSupported', self.prepare, cookie)
            self.assertIn(f'driver “vfio” does not know the operation “{other}”', error.message)
            self.assertEqual(self.mdevs(), there)
            self.assertNotIn(f'{uuid}.destination', self.records())
        self.assertEqual(device.get('State'), 'lent')
        self.begin(device)

    def test_no_such_operation(self):
        device = self.wait_for_device(self.uuid)
        for bad in ('', 'restore', 'Migrate', 'teleport'):
            error = self.assert_refused('InvalidArgument', self.begin_to, bad, device)
            self.assertIn(f'“{bad}”', error.message)
        self.assert_refused('InvalidArgument', self.begin, device, operation=Variant('u', 1))
        self.assert_refused('InvalidArgument', self.begin, device, driver=Variant('u', 1))
        self.begin_to('migrate', device)

    def test_cookie_of_tomorrow(self):
        _, cookie = self.begin_to('rehearse')
        self.assert_refused('InvalidXml', self.prepare, cookie.replace('"rehearse"', '"teleport"'), driver=FAKE)
        self.assertFalse(self.mdevs())

    def test_announced(self):
        features = self.manager().get('Features')
        self.assertLessEqual({'rehearse', 'save', 'restore'}, set(features))
        self.assertNotIn('migrate', features)


class Without(crossing.Test):
    def test_not_announced(self):
        self.assertFalse({'rehearse', 'save', 'restore'} & set(self.manager().get('Features')))


if __name__ == '__main__':
    tap.main()
