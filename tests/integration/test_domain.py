#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Domains on the bus, with the fake driver: those that a driver finds, those that callers attach, and jobs on them."""

import os
import socket

import crossing
import harness
import tap
import tool

Variant = harness.Variant
NONE = Variant('(a{sv})', ({},))
FAKE = Variant('s', 'fake')
GUEST = 'aaaaaaaa-0000-4000-8000-000000000001'
FAR = {'fake-duration-ms': Variant('u', 60000)}


class Test(tool.Mixin, crossing.Test):
    fake = True

    def setUp(self):
        super().setUp()
        self.ours, self.theirs = socket.socketpair()
        self.addCleanup(self.ours.close)
        self.addCleanup(self.theirs.close)

    def arguments(self, devices=(), **options):
        options.setdefault('driver', FAKE)  # “qemu” can, too
        options.setdefault('fake-monitor', Variant('h', 0))
        options.setdefault('fake-devices', Variant('as', list(devices) or [self.uuid]))
        return Variant('(a{sv})', ({key: value for key, value in options.items() if value is not None},))

    def attach(self, client=None, fds=None, devices=(), **options):
        """The domain, whose monitor's other end is self.ours."""
        client = client or self.client
        (path,), _ = client.call_with_fds('/org/vferry1', 'org.vferry1.Manager.AttachDomain', self.arguments(devices, **options),
                                          [self.theirs.fileno()] if fds is None else fds)
        return harness.Object(client, path, 'org.vferry1.Domain')

    def domains(self):
        return {path for path, has in self.client.objects().items() if 'org.vferry1.Domain' in has}

    def wait_for_none(self):
        self.wait_for(lambda: not self.domains(), 'the end of the domain')

    def assert_monitor_closed(self):
        """Also the daemon's copy."""
        self.theirs.close()
        self.ours.settimeout(10 * harness.SLOW)
        self.assertEqual(self.ours.recv(1), b'')


class Attached(Test):
    def test_properties(self):
        self.wait_for_device(self.uuid)
        domain = self.attach(devices=[self.uuid, 'mute-0000:99:00.0'], **{'fake-uuid': Variant('s', GUEST.upper())})
        self.assertTrue(domain.path.startswith('/org/vferry1/domain/'))
        self.assertEqual([domain.get(name) for name in ('Name', 'Uuid', 'Driver', 'State', 'Job')],
                         ['fake guest', GUEST, 'fake', 'running', '/'])
        self.assertEqual(domain.get('Devices'), [
            {'device': self.find_device(self.uuid).path, 'guest-address': '0000:00:02.0', 'host-address': self.uuid,
             'migrates': True, 'reasons': []},
            {'guest-address': '0000:00:03.0', 'host-address': '0000:99:00.0', 'migrates': False,
             'reasons': ['its driver has no migration']}])
        self.assertEqual(self.manager().call('Lookup', Variant('(s)', (GUEST,))), (domain.path,))

    def test_announced(self):
        self.assertIn('domains', self.manager().get('Features'))
        self.assertEqual(self.manager().get('Features'), sorted(self.manager().get('Features')))

    def test_driver_that_can(self):
        """It must be named where several can; one that cannot says so."""
        error = self.assert_refused('InvalidArgument', self.attach, driver=None)
        self.assertIn('option “driver” is needed: “qemu” and “fake” can attach domains', error.message)
        error = self.assert_refused('NotSupported', self.attach, driver=Variant('s', 'vfio'), name=Variant('s', 'b'))
        self.assertIn('driver “vfio” has no “attach”', error.message)
        error = self.assert_refused('NotSupported', self.attach, driver=Variant('s', 'xen'))
        self.assertIn('“xen”', error.message)

    def test_name(self):
        domain = self.attach(name=Variant('s', 'harbour cat'))
        self.assertEqual(domain.get('Name'), 'harbour cat')
        error = self.assert_refused('Busy', self.attach, name=Variant('s', 'harbour cat'))
        self.assertIn('harbour cat', error.message)
        for bad in ('', 'x' * 256, 'a\nb'):
            self.assert_refused('InvalidArgument', self.attach, name=Variant('s', bad))
        self.attach(devices=['1'], name=Variant('s', 'x' * 255))
        self.assertEqual(self.manager().call('Lookup', Variant('(s)', ('harbour cat',))), (domain.path,))

    def test_uuid_twice(self):
        same = {'fake-uuid': Variant('s', GUEST)}
        self.attach(**same)
        error = self.assert_refused('Busy', self.attach, name=Variant('s', 'another'), **same)
        self.assertIn(GUEST, error.message)
        self.assertEqual(len(self.domains()), 1)

    def test_uuid_of_another(self):
        """Is no name for a guest: who looks it up means the other one."""
        domain = self.attach(**{'fake-uuid': Variant('s', GUEST)})
        for name in (GUEST, GUEST.upper()):
            self.assert_refused('Busy', self.attach, name=Variant('s', name))
        domain.call('Detach', NONE)
        self.attach(name=Variant('s', GUEST.upper()))
        self.assert_refused('Busy', self.attach, **{'fake-uuid': Variant('s', GUEST)})

    def test_name_hides_nothing(self):
        """That somebody would find by the same word."""
        device = self.wait_for_device(self.uuid)
        short = self.uuid[:8]
        lookup = lambda: self.manager().call('Lookup', Variant('(s)', (short,)))
        self.assertEqual(lookup(), (device.path,))
        domain = self.attach(name=Variant('s', short))
        error = self.assert_refused('InvalidArgument', lookup)
        self.assertIn(self.uuid, error.message)
        self.attach(devices=['1'], name=Variant('s', short + ' too'))
        self.sysfs.remove_mdev(self.uuid)
        self.wait_until_gone(self.uuid)
        self.assertEqual(lookup(), (domain.path,))

    def test_descriptors(self):
        """As many as the call brings, and no more than four."""
        error = self.assert_refused('InvalidArgument', self.attach, **{'fake-monitor': Variant('h', 1)})
        self.assertIn('descriptor 1', error.message)
        own = self.theirs.fileno()
        self.assert_refused('InvalidArgument', self.attach, fds=[own] * 5)
        self.assert_refused('InvalidArgument', self.attach, **{'fake-monitor': None})
        self.wait_for(lambda: self.open_files(os.readlink(f'/proc/self/fd/{own}')) == 0, 'the close of all')
        self.attach(fds=[own] * 4, **{'fake-monitor': Variant('h', 3)})
        self.wait_for(lambda: self.open_files(os.readlink(f'/proc/self/fd/{own}')) == 1, 'one descriptor that the driver has')

    def test_options(self):
        self.assert_refused('UnknownOption', self.attach, colour=Variant('s', 'red'))
        self.assert_refused('InvalidArgument', self.attach, name=Variant('u', 1))
        self.assert_refused('InvalidArgument', self.attach, lease=Variant('s', '/'))
        error = self.assert_refused('NotFound', self.attach, lease=Variant('o', '/org/vferry1/lease/no'))
        self.assertIn('/org/vferry1/lease/no', error.message)
        self.assertFalse(self.domains())

    def test_driver_fails(self):
        error = self.assert_refused('Device', self.attach, **{'fake-fail': Variant('b', True)})
        self.assertIn('driver “fake”: as fake-fail asked', error.message)
        self.assertFalse(self.domains())
        self.assert_monitor_closed()

    def test_detach(self):
        domain = self.attach()
        self.assert_refused('UnknownOption', domain.call, 'Detach', Variant('(a{sv})', ({'x': Variant('u', 1)},)))
        self.polkit.allow()  # an owner needs no action
        domain.call('Detach', NONE)
        self.assertFalse(self.domains())
        self.assert_monitor_closed()

    def test_may_not(self):
        self.polkit.allow('org.vferry1.manage-devices')
        self.assert_refused('NotAuthorized', self.attach)

    def test_guest_ends(self):
        """The driver says so."""
        self.attach()
        self.theirs.close()
        self.ours.close()
        self.wait_for_none()

    def test_guest_has_ended(self):
        """Before its domain is there."""
        self.ours.close()
        for number in range(5):
            try:
                self.attach(name=Variant('s', f'guest {number}'))
            except harness.Error as error:
                self.assertIn('the guest has ended', error.message)
        self.wait_for_none()

    def test_owner_leaves(self):
        other = self.connect()
        self.attach(other)
        self.assertTrue(self.domains())
        other.close()
        self.wait_for_none()
        self.assert_monitor_closed()

    def test_owner_leaves_meanwhile(self):
        other = self.connect()
        other.start_call('/org/vferry1', 'org.vferry1.Manager.AttachDomain', self.arguments(**{'fake-hang': Variant('b', True)}),
                         fds=[self.theirs.fileno()])
        self.sleep(0.3)
        self.assertFalse(self.domains())
        other.close()
        self.assert_monitor_closed()
        self.assertFalse(self.domains())

    def test_limit(self):
        for number in range(64):
            self.attach(devices=[str(number)], name=Variant('s', f'guest {number}'))
        error = self.assert_refused('LimitExceeded', self.attach, name=Variant('s', 'one more'))
        self.assertIn('64', error.message)

    def test_devices_are_its_own(self):
        """What a guest has open nobody else touches; afterwards they may."""
        device = self.wait_for_device(self.uuid)
        domain = self.attach()
        for method in ('Probe', 'Remove'):
            error = self.assert_refused('Busy', device.call, method, NONE)
            self.assertIn('in domain fake guest', error.message)
        self.assert_refused('Busy', self.begin, device, driver=FAKE)
        domain.call('Detach', NONE)
        self.begin(device, driver=FAKE)

    def test_devices_come_and_go(self):
        domain = self.attach()
        self.assertIn('device', domain.get('Devices')[0])
        self.sysfs.remove_mdev(self.uuid)
        self.wait_for(lambda: 'device' not in domain.get('Devices')[0], 'the end of the device')

    def test_another_device_of_its_name(self):
        """Is not the guest's, which had the one before open."""
        self.wait_for_device(self.uuid)
        domain = self.attach()
        self.sysfs.remove_mdev(self.uuid)
        self.wait_until_gone(self.uuid)
        self.sysfs.add_mdev('mtty-2', self.uuid)
        device = self.wait_for_device(self.uuid)
        self.assertNotIn('device', domain.get('Devices')[0])
        device.call('Probe', Variant('(a{sv})', ({'driver': FAKE},)))
        self.begin(device, driver=FAKE)

    def test_device_is_seen_later(self):
        """It is the guest's from the start."""
        name = '0F5C7C5A-0000-4000-8000-00000000000A'
        wish = {'uuid': Variant('s', name.lower())}
        domain = self.attach(devices=[name])
        create = lambda: self.find_parent('mtty').call('CreateDevice', Variant('(sa{sv}a{sv})', ('mtty-1', {}, wish)))
        self.assertIn('in domain fake guest', self.assert_refused('Busy', create).message)
        self.sysfs.add_mdev('mtty-2', name.lower())
        device = self.wait_for_device(name.lower())
        self.assertEqual(domain.get('Devices')[0]['device'], device.path)
        self.assert_refused('Busy', device.call, 'Probe', NONE)

    def test_restart(self):
        """What is attached ends with the daemon."""
        self.attach()
        self.daemon.stop()
        self.assert_monitor_closed()
        self.launch()
        self.assertFalse(self.domains())


class Jobs(Test):
    """A job about a domain: its devices are the job's, and the hypervisor has them open."""

    def begin_domain(self, *paths, **options):
        return self.manager().call('Begin', Variant('(aoa{sv})', (paths, options)))

    def test_migrates(self):
        device = self.wait_for_device(self.uuid)
        domain = self.attach(devices=[self.uuid, '0000:99:00.0'])
        uuid, cookie = self.begin_domain(domain.path)
        self.assertEqual(domain.get('Job'), '/')
        error = self.assert_refused('Busy', domain.call, 'Detach', NONE)
        self.assertIn(uuid, error.message)
        _, answer, secret = self.prepare(cookie, driver=FAKE)
        job = self.perform(uuid, answer, secret, **{'fake-duration-ms': Variant('u', 1000)})
        self.assertEqual([each['id'] for each in job.get('Devices')], [self.uuid])
        self.assertEqual(domain.get('Job'), job.path)
        self.assertEqual(device.get('State'), 'migrating')
        for method in ('Remove', 'Probe'):
            self.assert_refused('Busy', device.call, method, NONE)
        self.assertEqual(self.end('Confirm', uuid), 'completed')
        self.assertEqual(domain.get('Job'), '/')
        self.assertEqual(device.get('State'), 'stopped')
        domain.call('Detach', NONE)

    def test_in_doubt(self):
        """The guest is in doubt with it."""
        domain = self.attach()
        uuid, cookie = self.begin_domain(domain.path)
        _, answer, secret = self.prepare(cookie, driver=FAKE)
        job = self.perform(uuid, answer, secret, **{'fake-outcome': Variant('s', 'in-doubt')})
        self.assertEqual(self.end('Confirm', uuid), 'in-doubt')
        self.assertEqual(domain.get('Job'), job.path)
        self.assert_refused('Busy', domain.call, 'Detach', NONE)
        self.assert_refused('Busy', self.begin_domain, domain.path)
        job.call('Resolve', Variant('(sa{sv})', ('run', {})))
        self.assertEqual(domain.get('Job'), '/')
        self.begin_domain(domain.path)

    def test_owner_leaves(self):
        """During the job the domain stays."""
        other = self.connect()
        domain = self.attach(other)
        uuid, cookie = self.begin_domain(domain.path)
        _, answer, secret = self.prepare(cookie, driver=FAKE)
        job = self.perform(uuid, answer, secret, **FAR)
        other.close()
        self.sleep(0.3)
        self.assertTrue(self.domains())
        job.call('Cancel', NONE)
        self.wait_for_none()
        self.assert_monitor_closed()

    def test_guest_ends_before(self):
        """What was begun with it is not performed."""
        device = self.wait_for_device(self.uuid)
        uuid, cookie = self.begin_domain(self.attach().path)
        _, answer, secret = self.prepare(cookie, driver=FAKE)
        self.theirs.close()
        self.ours.close()
        self.wait_for_none()
        error = self.assert_refused('NotFound', self.perform, uuid, answer, secret)
        self.assertIn('domain fake guest has gone', error.message)
        self.assertIsNone(self.job(uuid, 'source'))
        self.assertEqual(device.get('State'), 'unknown')

    def test_guest_ends_meanwhile(self):
        """Its job is the driver's to end, and holds the devices until then, but no descriptor."""
        device = self.wait_for_device(self.uuid)
        uuid, cookie = self.begin_domain(self.attach().path)
        _, answer, secret = self.prepare(cookie, driver=FAKE)
        job = self.perform(uuid, answer, secret, **FAR)
        self.ours.close()
        self.wait_for_none()
        own = os.readlink(f'/proc/self/fd/{self.theirs.fileno()}')
        self.wait_for(lambda: self.open_files(own) == 0, 'the end of the monitor')
        self.assert_refused('Busy', device.call, 'Remove', NONE)
        job.call('Cancel', NONE)
        self.assertEqual(self.end('Confirm', uuid), 'cancelled')
        device.call('Probe', Variant('(a{sv})', ({'driver': FAKE},)))

    def test_begin_is_given_up(self):
        """By a caller who leaves, or a driver that fails."""
        domain = self.attach()
        self.assert_refused('Device', self.begin_domain, domain.path, **{'fake-fail': Variant('b', True)})
        other = self.connect()
        self.manager(other).call('Begin', Variant('(aoa{sv})', ([domain.path], {})))
        self.assert_refused('Busy', self.begin_domain, domain.path)
        other.close()
        self.wait_for(lambda: not self.is_refused(domain), 'the end of the Begin')

    def is_refused(self, domain):
        try:
            domain.call('Detach', NONE)
        except harness.Error:
            return True
        return False

    def test_neither_mixed_nor_two(self):
        device = self.wait_for_device(self.uuid)
        first, second = self.attach(), self.attach(name=Variant('s', 'other'), devices=['0000:99:00.0'])
        for paths in ((first.path, second.path), (device.path, first.path), (first.path, device.path), (first.path, first.path)):
            error = self.assert_refused('InvalidArgument', self.begin_domain, *paths)
            self.assertIn('/org/vferry1/domain/', error.message)
        error = self.assert_refused('NotFound', self.begin_domain, '/org/vferry1/domain/none')
        self.assertIn('/org/vferry1/domain/none', error.message)
        error = self.assert_refused('NotSupported', self.begin_domain, second.path)
        self.assertIn('domain other has no device that is known here', error.message)

    def test_driver(self):
        self.wait_for_device(self.uuid)
        domain = self.attach()
        error = self.assert_refused('InvalidArgument', self.begin_domain, domain.path, driver=Variant('s', 'vfio'))
        self.assertIn('domain fake guest is driver “fake”\'s', error.message)
        self.begin_domain(domain.path, driver=FAKE)

    def test_device_that_does_not_migrate(self):
        self.wait_for_device(self.uuid)
        domain = self.attach(devices=[self.uuid, 'mute-0000:99:00.0'])
        error = self.assert_refused('NotSupported', self.begin_domain, domain.path)
        self.assertIn('device 0000:00:03.0 (0000:99:00.0 here) of domain fake guest cannot migrate: its driver has no migration',
                      error.message)
        self.assertEqual(domain.get('Job'), '/')

    def test_device_in_two_domains(self):
        self.wait_for_device(self.uuid)
        self.attach()
        error = self.assert_refused('Busy', self.attach, name=Variant('s', 'other'))
        self.assertIn('in domain fake guest', error.message)

    def test_restart(self):
        """The domain has gone, and with it the job that was begun; one that was performed ends as its record says."""
        domain = self.attach()
        uuid, cookie = self.begin_domain(domain.path)
        _, answer, secret = self.prepare(cookie, driver=FAKE)
        self.perform(uuid, answer, secret, **FAR)
        self.daemon.stop()
        self.launch()
        job = self.wait_for(lambda: self.job(uuid, 'source'), 'the job')
        self.assertEqual(job.get('Result'), 'failed')
        self.assertFalse(self.domains())


class Found(Test):
    """The driver puts a domain on the bus when it starts, and takes it off at the end."""

    def launch(self):
        self.environment['VFERRY_FAKE_START'] = f'domain:{self.uuid}'
        super().launch()

    def test_there_from_the_start(self):
        domain = self.wait_for(lambda: self.find_object('Domain', 'Name', 'found'), 'the domain')
        self.assertEqual([domain.get(name) for name in ('Uuid', 'Driver', 'State')], ['', 'fake', 'running'])
        self.assertEqual(domain.get('Devices')[0]['device'], self.wait_for_device(self.uuid).path)
        error = self.assert_refused('NotSupported', domain.call, 'Detach', NONE)
        self.assertIn('nobody attached domain found', error.message)
        self.assert_refused('Busy', self.attach, name=Variant('s', 'found'))
        self.polkit.allow('org.vferry1.migrate')
        self.assert_refused('NotAuthorized', domain.call, 'Detach', NONE)
        self.assertEqual(self.daemon.stop(), 0)

    def test_tool(self):
        """Verbs that show what is there know it."""
        monitor = self.start_tool('monitor')
        monitor.stdout.readline()
        self.wait_for_device(self.uuid)
        status, out, _ = self.tool('show', 'found')
        self.assertEqual(status, 0)
        self.assertRegex(out, rf'^domain +found\nhypervisor driver +fake\nstate +running\n\n.*\n.* {self.uuid} +kernel.org/mtty +yes\n$')
        self.assertEqual(self.tool('show', '--json', 'found')[0], 0)
        self.assertEqual(self.tool('list')[0], 0)
        status, _, err = self.tool('probe', 'found')
        self.assertEqual(status, 3)
        self.assertIn('“found” is a domain, not a device', err)
        self.attach(devices=['1']).call('Detach', NONE)
        monitor.terminate()
        _, out, _ = self.finish_tool(monitor)
        self.assertRegex(out, r'domain +fake guest +added')


class DoesNotStart(Test):
    """A driver that has found one, and then fails: it is as if it were not here."""

    def launch(self):
        self.environment['VFERRY_FAKE_START'] = f'domain:{self.uuid} fail'
        super().launch()

    def test_nothing_is_left(self):
        device = self.wait_for_device(self.uuid)
        self.assertFalse(self.domains())
        self.assertNotIn('save', self.manager().get('Features'))
        self.assert_refused('NotSupported', self.attach)
        device.call('Probe', NONE)


class Only(crossing.Test):
    def test_need_not_be_named(self):
        self.assertIn('domains', self.manager().get('Features'))
        error = self.assert_refused('InvalidArgument', self.manager().call, 'AttachDomain', NONE)
        self.assertIn('option “qmp” is needed', error.message)


class Waiting(Test):
    """A guest at a destination, for a lease."""

    def setUp(self):
        super().setUp()
        device = self.wait_for_device(self.uuid)
        self.job_uuid, cookie = self.begin(device, driver=FAKE)
        self.lease, self.answer, self.secret = self.prepare(cookie, driver=FAKE, **FAR)
        (self.made,) = self.mdevs()

    def attach_to_lease(self, client=None, **options):
        return self.attach(client, devices=[self.made], lease=Variant('o', self.lease.path), **options)

    def test_attached(self):
        domain = self.attach_to_lease()
        self.assertEqual(domain.get('State'), 'incoming')
        self.assertEqual(domain.get('Job'), self.job(self.job_uuid, 'destination').path)
        error = self.assert_refused('Busy', domain.call, 'Detach', NONE)
        self.assertIn(self.job_uuid, error.message)
        error = self.assert_refused('Busy', self.attach_to_lease, name=Variant('s', 'second'))
        self.assertIn('domain fake guest is attached to the lease', error.message)
        self.lease.call('Release', NONE)
        self.wait_for(lambda: domain.get('Job') == '/', 'the end of the job')
        domain.call('Detach', NONE)
        self.wait_for(lambda: not self.find_object('Lease', 'JobUuid', self.job_uuid), 'the end of the lease')
        self.assert_refused('NotFound', self.attach_to_lease)

    def test_attach_fails(self):
        """The lease is as it was."""
        self.assert_refused('Device', self.attach_to_lease, **{'fake-fail': Variant('b', True)})
        self.assertEqual(self.lease.get('State'), 'ready')
        self.attach_to_lease()

    def test_guest_ends(self):
        """Another one may wait in its place."""
        self.attach_to_lease()
        self.theirs.close()
        self.ours.close()
        self.wait_for_none()
        self.ours, self.theirs = socket.socketpair()
        self.addCleanup(self.ours.close)
        self.addCleanup(self.theirs.close)
        domain = self.attach_to_lease()
        self.assertEqual(domain.get('Job'), self.job(self.job_uuid, 'destination').path)
        self.assert_refused('Busy', self.attach_to_lease, name=Variant('s', 'second'))

    def test_owner_leaves(self):
        """The domain stays until the job is over."""
        other = self.connect()
        self.attach_to_lease(other)
        other.close()
        self.sleep(0.3)
        self.assertTrue(self.domains())
        self.lease.call('Release', NONE)
        self.wait_for_none()

    def test_another_driver_has_it(self):
        uuid, cookie = self.begin(self.lend_another())
        lease, *_ = self.prepare(cookie)
        error = self.assert_refused('InvalidArgument', self.attach, lease=Variant('o', lease.path))
        self.assertIn('driver “vfio”', error.message)

    def lend_another(self):
        self.uuid = self.sysfs.add_mdev('mtty-1')
        return self.lend()

    def test_too_late(self):
        lease, *_ = self.prepare(self.begin(self.another(), driver=FAKE)[1], driver=FAKE, **{'fake-duration-ms': Variant('u', 20)})
        self.wait_for(lambda: lease.get('State') in ('attached', 'loaded'), 'the source')
        error = self.assert_refused('Busy', self.attach, lease=Variant('o', lease.path))
        self.assertIn('“ready”', error.message)

    def another(self):
        return self.wait_for_device(self.sysfs.add_mdev('mtty-1'))


if __name__ == '__main__':
    tap.main()
