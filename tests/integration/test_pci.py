#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""PCI functions on the bus: physical ones as parents, those bound to VFIO drivers as devices."""

import os
import resource
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree

import crossing
import harness
import tap

Variant = harness.Variant
DEVICE = 'org.vferry1.Device'
PARENT = 'org.vferry1.Parent'
PROPERTIES = 'org.freedesktop.DBus.Properties'
NONE = Variant('(a{sv})', ({},))
PF = '0000:01:00.0'
VF = '0000:01:10.0'
SECOND = '0000:01:10.2'
QAT = '0000:6b:00.0'
QAT_VF = '0000:6b:00.1'


class Pci:
    """A card with SR-IOV; its first virtual function is bound to VFIO's driver."""

    def add_card(self):
        self.sysfs.add_function(PF, 'igb', {'sriov_totalvfs': 7, 'sriov_numvfs': 1, 'numa_node': 1}, group=4)

    def add_vf(self, address=VF, driver='vfio-pci', number=3, group=9):
        self.sysfs.add_function(address, attributes={'numa_node': 1}, group=group, physfn=PF)
        self.sysfs.bind_function(address, driver, number)


class Discovery(Pci, harness.Test):
    def setUp(self):
        super().setUp()
        self.add_card()

    def test_function_that_was_there(self):
        self.add_vf(driver='mlx5_vfio_pci')
        self.start_daemon()
        device = self.find_device(VF)
        self.assertIsNotNone(device, 'it must be there when the name is')
        self.assertEqual(device.client.get_all(device.path, DEVICE), {
            'Id': VF, 'Kind': 'pci', 'SysfsPath': self.sysfs.function_path(VF), 'Uuid': '', 'Address': VF,
            'Parent': self.find_parent(PF).path, 'Driver': 'mlx5_vfio_pci', 'IommuGroup': 9, 'NumaNode': 1,
            'VfioDev': 'vfio3', 'Model': '', 'ModelSource': '', 'Parameters': {}, 'Migration': [],
            'MigrationSource': 'unknown', 'State': 'unknown'})

    def test_physical_function(self):
        self.start_daemon()
        parent = self.find_parent(PF)
        self.assertEqual(parent.client.get_all(parent.path, PARENT), {
            'Id': PF, 'Kind': 'pci', 'SysfsPath': self.sysfs.function_path(PF), 'Driver': 'igb', 'NumaNode': 1,
            'Offers': []})

    def test_binds_and_unbinds(self):
        self.start_daemon()
        removed = self.client.record('org.freedesktop.DBus.ObjectManager', 'InterfacesRemoved')
        paths = set()
        for _ in range(2):
            if os.path.isdir(self.sysfs.real(self.sysfs.function_path(VF))):
                self.sysfs.bind_function(VF, 'vfio-pci', 3)
            else:
                self.add_vf()
            device = self.wait_for_device(VF)
            paths.add(device.path)
            self.assertEqual(device.get('Parent'), self.find_parent(PF).path)
            self.sysfs.unbind_function(VF)
            self.wait_until_gone(VF)
        self.assertEqual(len(paths), 2)
        self.wait_for(lambda: {signal[2][0] for signal in removed} == paths, 'InterfacesRemoved')

    def test_daemon_out_of_descriptors(self):
        """What it cannot read has not gone, and what it did not see is seen when it can."""
        self.add_vf()
        self.start_daemon()
        device = self.wait_for_device(VF)
        removed = self.client.record('org.freedesktop.DBus.ObjectManager', 'InterfacesRemoved')
        pid = self.daemon.process.pid
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        used = {int(name) for name in os.listdir(f'/proc/{pid}/fd')}
        for left in range(4):
            free = [number for number in range(len(used) + 4) if number not in used]
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[left], limits[1]))
            seen = self.daemon.text().count('change /sys')
            self.sysfs.uevent(device.client.get(device.path, DEVICE, 'SysfsPath'), 'change')
            self.wait_for(lambda: self.daemon.text().count('change /sys') > seen, 'the event')
            self.assertEqual(device.get('VfioDev'), 'vfio3')
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[0], limits[1]))
        self.add_vf(SECOND, number=4, group=10)
        self.wait_for(lambda: f'bind {self.sysfs.function_path(SECOND)}' in self.daemon.text(), 'the event')
        self.sysfs.unbind_function(VF)
        self.wait_for(lambda: f'unbind {self.sysfs.function_path(VF)}' in self.daemon.text(), 'the event')
        self.assertIsNone(self.find_device(SECOND))
        self.assertEqual(removed, [])
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        self.wait_for_device(SECOND)
        self.wait_until_gone(VF)

    def test_host_driver_is_no_device(self):
        self.sysfs.add_function(VF, 'igbvf', group=9, physfn=PF)
        self.add_vf(SECOND, number=4, group=10)
        self.start_daemon()
        self.assertIsNotNone(self.find_device(SECOND))
        self.assertIsNone(self.find_device(VF))

    def test_card_leaves(self):
        self.add_vf()
        self.start_daemon()
        device = self.find_device(VF)
        self.sysfs.remove_function(PF)
        self.wait_for(lambda: not self.find_parent(PF), 'the end of the parent')
        self.wait_for_property(device, 'Parent', '/')
        self.sysfs.remove_function(VF)
        self.wait_until_gone(VF)

    def test_physical_function_lent_itself(self):
        """It is a device and a parent, and a sysfs path or an address means the device."""
        self.start_daemon()
        parent = self.find_parent(PF)
        changes = self.client.record(PROPERTIES, 'PropertiesChanged', parent.path)
        self.sysfs.unbind_function(PF)
        self.wait_for_property(parent, 'Driver', '')
        self.sysfs.bind_function(PF, 'vfio-pci', 0)
        device = self.wait_for_device(PF)
        self.wait_for_property(parent, 'Driver', 'vfio-pci')
        self.assertEqual(device.get('Parent'), '/')
        self.wait_for(lambda: any('Driver' in c[2][1] for c in changes), 'PropertiesChanged')
        for text in (PF, self.sysfs.function_path(PF), f'/sys/bus/pci/devices/{PF}'):
            with self.subTest(text=text):
                self.assertEqual(self.manager().call('Lookup', Variant('(s)', (text,)))[0], device.path)

    def test_lookup(self):
        self.add_vf()
        self.start_daemon()
        for text in (VF, VF[:-1], self.sysfs.function_path(VF), f'/sys/bus/pci/devices/{VF}'):
            with self.subTest(text=text):
                self.assertEqual(self.manager().call('Lookup', Variant('(s)', (text,)))[0],
                                 self.find_device(VF).path)
        self.assertEqual(self.manager().call('Lookup', Variant('(s)', (f'/sys/bus/pci/devices/{PF}',)))[0],
                         self.find_parent(PF).path)
        self.assert_refused('InvalidArgument', self.manager().call, 'Lookup', Variant('(s)', ('0000',)))
        self.assert_refused('NotFound', self.manager().call, 'Lookup', Variant('(s)', (f'/sys/bus/mdev/devices/{VF}',)))

    def test_debugfs(self):
        self.add_vf()
        self.sysfs.say_in_debugfs(VF, state='RUNNING\n', features='stop-copy\npre-copy\ndirty-tracking\n')
        self.start_daemon()
        device = self.find_device(VF)
        self.assertEqual((device.get('Migration'), device.get('MigrationSource')),
                         (['stop-copy', 'pre-copy'], 'debugfs'))
        self.add_vf(SECOND, number=4, group=10)
        self.sysfs.say_in_debugfs(SECOND)
        self.sysfs.uevent(self.sysfs.function_path(SECOND), 'bind')
        self.wait_for_property(self.wait_for_device(SECOND), 'MigrationSource', 'debugfs')
        self.assertEqual(self.find_device(SECOND).get('Migration'), [])

    def test_model(self):
        """What it is, and what could be read of it: on the bus and in the document."""
        self.sysfs.add_function(QAT, '4xxx', {'sriov_totalvfs': 16, 'sriov_numvfs': 1, 'qat/cfg_services': 'sym;asym'})
        self.sysfs.add_function(QAT_VF, attributes={'vendor': '0x8086', 'device': '0x4941', 'revision': '0x40'}, group=9,
                                physfn=QAT)
        self.start_daemon()
        self.sysfs.bind_function(QAT_VF, 'qat_vfio_pci', 3)
        device = self.wait_for_device(QAT_VF)
        self.wait_for_property(device, 'Model', 'kernel.org/vfio/qat-4xxx')
        known = {'device': '0x4941', 'revision': '0x40', 'services': 'asym sym'}
        unread = {'capabilities', 'compression-capabilities', 'rate-committed', 'rate-peak', 'state-version'}
        self.assertEqual(device.get('ModelSource'), 'descriptor')
        self.assertEqual(device.get('Parameters'), known)
        text = self.manager().call('GetCapabilities', NONE)[0]
        root = ElementTree.fromstring(text.encode())
        described = next(e for e in root.iter() if e.get('id') == QAT_VF)
        parameters = {e.get('name'): e for e in described if e.get('name')}
        self.assertEqual({name: e.get('value') for name, e in parameters.items()}, known | dict.fromkeys(unread))
        self.assertEqual(parameters['services'].get('evidence'), 'sysfs-attribute')
        self.assertEqual([e.get('id') for e in root.iter() if e.get('digest')], ['kernel.org/vfio/qat-4xxx'])
        self.assert_valid(text)
        self.sysfs.write(f'{self.sysfs.function_path(QAT)}/qat/cfg_services', 'dc\n')
        self.sysfs.uevent(self.sysfs.function_path(QAT_VF), 'change')
        self.wait_for_property(device, 'Parameters', known | {'services': 'dc'})

    def state_in_document(self, address):
        root = ElementTree.fromstring(self.manager().call('GetCapabilities', NONE)[0].encode())
        return next(e.get('state') for e in root.iter() if e.get('id') == address)

    def test_idle_and_open(self):
        """The kernel enables a function for whoever opens it: only an idle one is an offer to others."""
        self.add_vf()
        self.start_daemon()
        self.assertEqual(self.state_in_document(VF), 'unknown')
        self.sysfs.write(f'{self.sysfs.function_path(VF)}/enable', '0\n')
        self.wait_for(lambda: self.state_in_document(VF) == 'idle', 'the next document')
        self.assertEqual(self.find_device(VF).get('State'), 'unknown')
        self.sysfs.write(f'{self.sysfs.function_path(VF)}/enable', '1\n')
        self.wait_for(lambda: self.state_in_document(VF) == 'open', 'the next document')
        self.sysfs.write(f'{self.sysfs.function_path(VF)}/enable', 'no\n')
        self.wait_for(lambda: self.state_in_document(VF) == 'unknown', 'the next document')
        self.sysfs.add_function(SECOND, attributes={'enable': 1}, group=10, physfn=PF)
        self.sysfs.bind_function(SECOND, 'nvidia', 4)
        self.wait_for_device(SECOND)
        self.assertEqual(self.state_in_document(SECOND), 'unknown', 'its driver enables it for itself')

    def test_document(self):
        self.add_vf()
        self.start_daemon()
        text = self.manager().call('GetCapabilities', NONE)[0]
        find = {element.get('id'): element for element in ElementTree.fromstring(text.encode()).iter()
                if element.get('id')}
        self.assertEqual({key: find[VF].get(key) for key in ('kind', 'path', 'parent', 'model')},
                         {'kind': 'pci', 'path': self.sysfs.function_path(VF), 'parent': PF, 'model': None})
        self.assertEqual({key: find[PF].get(key) for key in ('kind', 'path', 'driver')},
                         {'kind': 'pci', 'path': self.sysfs.function_path(PF), 'driver': 'igb'})
        self.assert_valid(text)

    def assert_valid(self, text):
        with tempfile.NamedTemporaryFile('w', suffix='.xml', encoding='utf-8') as file:
            file.write(text)
            file.flush()
            schema = os.path.join(harness.SOURCE, 'xml', 'schemas', 'capabilities.rng')
            done = subprocess.run(['xmllint', '--nonet', '--noout', '--relaxng', schema, file.name],
                                  capture_output=True, text=True, check=False, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr + text)


class Calls(Pci, crossing.Test):
    def setUp(self):
        super().setUp()
        self.add_card()
        self.add_vf()
        self.device = self.wait_for_device(VF)

    def test_probe(self):
        self.device.call('Probe', NONE)
        self.assertEqual(self.device.get('MigrationSource'), 'probe')
        verb, arguments, _, _ = self.requests()[-1]
        self.assertEqual((verb, arguments['device'], arguments['group'], arguments['vfio-dev']), ('open', VF, 9, 'vfio3'))
        self.sysfs.unbind_function(VF)
        self.wait_until_gone(VF)
        self.sysfs.bind_function(VF, 'vfio-pci', 3)
        self.assertEqual(self.wait_for_device(VF).get('MigrationSource'), 'unknown')

    def test_probe_of_a_group_that_is_not_viable(self):
        """The kernel's refusal is passed on with who is to blame."""
        self.sysfs.add_function('0000:01:10.4', 'igbvf', group=9, physfn=PF)
        self.sysfs.add_function('0000:01:10.6', 'pcieport', group=9)
        self.add_vf(SECOND, number=4, group=9)
        self.script('open', ['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Device',
                                        'message': 'the group is not viable'}])
        error = self.assert_refused('Device', self.device.call, 'Probe', NONE)
        self.assertIn('the group is not viable', error.message)
        self.assertIn('group 9', error.message)
        self.assertTrue(error.message.endswith(': 0000:01:10.4 (igbvf)'), error.message)

    def test_remove(self):
        error = self.assert_refused('NotSupported', self.device.call, 'Remove', NONE)
        self.assertIn(VF, error.message)
        self.assertIn('pci', error.message)

    def test_create(self):
        parent = self.find_parent(PF)
        error = self.assert_refused('NotSupported', parent.call, 'CreateDevice',
                                    Variant('(sa{sv}a{sv})', ('mtty-2', {}, {})))
        self.assertIn(PF, error.message)

    def test_prepare(self):
        """A wish for a device of the card, by name, is refused with the reason."""
        mdev = self.lend()
        _, cookie = self.begin(mdev)
        error = self.assert_refused('NotSupported', self.prepare, cookie, parent=Variant('s', PF))
        self.assertIn(PF, error.message)
        self.assertIn('virtual', error.message)

    def test_begin(self):
        """No descriptor says what it is: nothing could be compared."""
        self.uuid = VF
        self.lend()
        error = self.assert_refused('Unknown', self.begin, self.device)
        self.assertIn(VF, error.message)

    def test_loan_ends_with_the_binding(self):
        """The kernel waits with the unbinding for the last descriptor, and one of them is the daemon's."""
        self.uuid = VF
        reader, writer = os.pipe()
        try:
            self.lend(fd=writer)
            self.wait_for_property(self.device, 'State', 'lent')
            os.close(writer)
            os.set_blocking(reader, False)
            self.assertRaises(BlockingIOError, os.read, reader, 1)
            self.sysfs.unbind_function(VF)
            self.wait_until_gone(VF)
            self.wait_for(lambda: os.read(reader, 1) == b'', 'the end of the copy')
        finally:
            os.close(reader)


if __name__ == '__main__':
    tap.main()
