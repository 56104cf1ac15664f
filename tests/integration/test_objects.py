#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How the hardware looks on the bus."""

import os
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree

import harness
import tap
from harness import Variant

UUID = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001'
OTHER = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1002'
DEVICE = 'org.vferry1.Device'
MODEL = 'org.vferry1.Model'
PARENT = 'org.vferry1.Parent'
PROPERTIES = 'org.freedesktop.DBus.Properties'
NO_OPTIONS = Variant('(a{sv})', ({},))


def check_against_schema(test, text):
    with tempfile.NamedTemporaryFile('w', suffix='.xml', encoding='utf-8') as file:
        file.write(text)
        file.flush()
        schema = os.path.join(harness.SOURCE, 'xml', 'schemas', 'capabilities.rng')
        done = subprocess.run(['xmllint', '--nonet', '--noout', '--relaxng', schema, file.name],
                              capture_output=True, text=True, check=False, timeout=60)
        test.assertEqual(done.returncode, 0, done.stderr + text)


class Hotplug(harness.Test):
    def setUp(self):
        super().setUp()
        self.sysfs.add_mtty_parent()

    def offer(self, type_id):
        parent = self.find_parent('mtty')
        return next(offer for offer in parent.get('Offers') if offer['type'] == type_id)

    def test_device_that_was_there(self):
        self.sysfs.add_mdev('mtty-2', UUID)
        self.start_daemon()
        device = self.find_device(UUID)
        self.assertIsNotNone(device, 'it must be there when the name is')
        self.assertEqual(device.client.get_all(device.path, DEVICE), {
            'Id': UUID, 'Kind': 'mdev', 'SysfsPath': f'{harness.sysfs.MTTY}/{UUID}', 'Uuid': UUID,
            'Address': '', 'Parent': self.find_parent('mtty').path, 'Driver': 'mtty', 'IommuGroup': 0,
            'NumaNode': -1, 'VfioDev': 'vfio0', 'Model': 'kernel.org/mtty', 'ModelSource': 'descriptor',
            'Parameters': {'ports': '2'}, 'Migration': [], 'MigrationSource': 'unknown',
            'State': 'unknown'})

    def test_start_is_quiet(self):
        """Nobody listens before there is a name: what was there is on the bus without a word about each."""
        added = self.client.record('org.freedesktop.DBus.ObjectManager', 'InterfacesAdded', name=None)
        self.sysfs.add_mdev('mtty-2', UUID)
        self.start_daemon()
        self.assertIsNotNone(self.find_device(UUID))
        self.assertEqual(added, [])
        self.sysfs.add_mdev('mtty-1', OTHER)
        self.wait_for(lambda: added, 'InterfacesAdded')
        self.assertEqual([arguments[1][DEVICE]['Id'] for _, _, arguments in added], [OTHER])

    def test_device_comes_and_goes(self):
        self.start_daemon()
        added = self.client.record('org.freedesktop.DBus.ObjectManager', 'InterfacesAdded')
        removed = self.client.record('org.freedesktop.DBus.ObjectManager', 'InterfacesRemoved')
        self.sysfs.add_mdev('mtty-1', UUID)
        device = self.wait_for_device(UUID)
        self.assertEqual(device.get('Parameters'), {'ports': '1'})
        self.wait_for(lambda: added, 'InterfacesAdded')
        self.assertEqual(added[0][2][0], device.path)
        self.assertEqual(added[0][2][1][DEVICE]['Id'], UUID)
        self.sysfs.remove_mdev(UUID)
        self.wait_until_gone(UUID)
        self.wait_for(lambda: removed, 'InterfacesRemoved')
        self.assertEqual(removed[0][2], (device.path, [DEVICE]))

    def test_path_is_never_used_again(self):
        self.start_daemon()
        paths = set()
        for _ in range(3):
            self.sysfs.add_mdev('mtty-1', UUID)
            paths.add(self.wait_for_device(UUID).path)
            self.sysfs.remove_mdev(UUID)
            self.wait_until_gone(UUID)
        self.daemon.stop()
        self.start_daemon()
        self.sysfs.add_mdev('mtty-1', UUID)
        paths.add(self.wait_for_device(UUID).path)
        self.assertEqual(len(paths), 4)
        for path in paths:
            self.assertNotIn(UUID[:8], path)

    def test_properties_follow_the_steps_of_a_creation(self):
        """add, then the vfio-dev, then bind: the object is there from the first on."""
        self.start_daemon()
        self.sysfs.add_mdev('mtty-2', UUID, steps=('add',))
        device = self.wait_for(lambda: self.find_device(UUID), 'the device')
        self.assertEqual((device.get('Driver'), device.get('VfioDev')), ('', ''))
        changes = self.client.record(PROPERTIES, 'PropertiesChanged', device.path)
        self.sysfs.add_vfio_dev(UUID, 7)
        self.wait_for_property(device, 'VfioDev', 'vfio7')
        self.sysfs.bind(UUID)
        self.wait_for_property(device, 'Driver', 'mtty')
        self.wait_for(lambda: any('Driver' in c[2][1] for c in changes), 'PropertiesChanged')
        self.assertIn('vfio7', [c[2][1].get('VfioDev') for c in changes])

    def test_type_link_after_bind(self):
        """The kernel makes the link last and sends no event for it."""
        self.start_daemon()
        self.sysfs.add_mdev('mtty-2', UUID, type_link=False)
        device = self.wait_for_device(UUID)
        self.assertEqual(device.get('Model'), '')
        self.sysfs.add_type_link(UUID, 'mtty-2')
        self.wait_for_property(device, 'Model', 'kernel.org/mtty')
        self.assertEqual(device.get('Parameters'), {'ports': '2'})

    def test_one_pool_for_all_types(self):
        self.start_daemon()
        parent = self.find_parent('mtty')
        changes = self.client.record(PROPERTIES, 'PropertiesChanged', parent.path)
        self.assertEqual((self.offer('mtty-1')['left'], self.offer('mtty-2')['left']), (24, 12))
        self.sysfs.add_mdev('mtty-2', UUID)
        self.wait_for(lambda: self.offer('mtty-1')['left'] == 22, 'the other type')
        self.assertEqual(self.offer('mtty-2')['left'], 11)
        self.wait_for(lambda: changes, 'PropertiesChanged')
        self.assertEqual(list(changes[-1][2][1]), ['Offers'])
        self.sysfs.remove_mdev(UUID)
        self.wait_for(lambda: self.offer('mtty-1')['left'] == 24, 'the room given back')

    def test_room_given_back_late(self):
        """Some drivers count an instance as free only after the last event of its removal."""
        self.sysfs.pools.clear()
        self.sysfs.add_mdev('mtty-2', UUID)
        self.sysfs.set_available('mtty', 'mtty-2', 11)
        self.start_daemon()
        self.sysfs.remove_mdev(UUID)
        self.wait_until_gone(UUID)
        self.sysfs.set_available('mtty', 'mtty-2', 12)
        self.wait_for(lambda: self.offer('mtty-2')['left'] == 12, 'the room')

    def test_available_must_be_a_number(self):
        for text in ('-1', '12 ', 'twelve', '99999999999999999999', ''):
            self.sysfs.write(f'{harness.sysfs.MTTY}/mdev_supported_types/mtty-1/available_instances', text)
            with self.subTest(text=text):
                self.start_daemon()
                self.assertEqual(self.offer('mtty-1')['left'], 0)
                self.assertEqual(self.daemon.stop(), 0)

    def test_large_available(self):
        self.sysfs.write(f'{harness.sysfs.MTTY}/mdev_supported_types/mtty-1/available_instances',
                         '18446744073709551615\n')
        self.start_daemon()
        self.assertEqual(self.offer('mtty-1')['left'], 2**64 - 1)

    def test_offers(self):
        self.start_daemon()
        parent = self.find_parent('mtty')
        self.assertEqual(self.client.get_all(parent.path, PARENT), {
            'Id': 'mtty', 'Kind': 'mdev', 'SysfsPath': harness.sysfs.MTTY, 'Driver': 'mtty', 'NumaNode': -1,
            'Offers': [
                {'id': 'mtty/mtty-1', 'type': 'mtty-1', 'name': 'Single port serial', 'device-api': 'vfio-pci',
                 'left': 24, 'model': 'kernel.org/mtty', 'parameters': {'ports': '1'}},
                {'id': 'mtty/mtty-2', 'type': 'mtty-2', 'name': 'Dual port serial', 'device-api': 'vfio-pci',
                 'left': 12, 'model': 'kernel.org/mtty', 'parameters': {'ports': '2'}}]})

    def test_parent_leaves_and_comes_back(self):
        self.sysfs.add_mdev('mtty-1', UUID)
        self.start_daemon()
        self.sysfs.remove_parent('mtty')
        self.wait_for(lambda: not self.find_parent('mtty'), 'the end of the parent')
        self.assertIsNone(self.find_device(UUID))
        self.sysfs.parents['mtty'] = harness.sysfs.MTTY
        self.sysfs.link('/sys/class/mdev_bus/mtty', harness.sysfs.MTTY)
        self.sysfs.add_mdev('mtty-1', OTHER)
        device = self.wait_for_device(OTHER)
        self.assertEqual(device.get('Parent'), self.find_parent('mtty').path)

    def test_unknown_model(self):
        self.sysfs.add_parent('0000:00:07.0', '/sys/devices/pci0000:00/0000:00:07.0', 'pci',
                              {'rng-a': {'available': 1}}, driver='rng', attributes={'numa_node': 1})
        self.sysfs.add_mdev('rng-a', UUID, '0000:00:07.0')
        self.start_daemon()
        device = self.find_device(UUID)
        self.assertEqual(device.get('Model'), '')
        self.assertEqual(device.get('ModelSource'), '')
        self.assertEqual(device.get('Parameters'), {})
        self.assertEqual(device.get('NumaNode'), 1)
        parent = self.find_parent('0000:00:07.0')
        self.assertEqual((parent.get('Driver'), parent.get('NumaNode')), ('rng', 1))
        self.assertNotIn('model', parent.get('Offers')[0])

    def test_name_that_is_no_uuid(self):
        self.sysfs.testbed.add_from_string(
            f'P: {harness.sysfs.MTTY[4:]}/not-a-uuid\nE: SUBSYSTEM=mdev\n')
        self.sysfs.add_mdev('mtty-1', UUID)
        self.start_daemon()
        self.assertIsNotNone(self.find_device(UUID))
        self.assertIsNone(self.find_device('not-a-uuid'))

    def test_many(self):
        self.sysfs.pools.clear()
        uuids = [f'83b8f4f2-509f-382f-3c1e-{i:012x}' for i in range(50)]
        for uuid in uuids:
            self.sysfs.add_mdev('mtty-1', uuid)
        self.start_daemon()
        ids = {i[DEVICE]['Id'] for i in self.client.objects().values() if DEVICE in i}
        self.assertEqual(ids, set(uuids))


class Interfaces(harness.Test):
    def setUp(self):
        super().setUp()
        self.sysfs.add_mtty_parent()
        self.sysfs.add_mdev('mtty-2', UUID)
        self.start_daemon()

    def test_version(self):
        done = harness.run_program(os.environ['VFERRY_TEST_DAEMON'], '--version')
        self.assertEqual(done.stdout, f'vferryd {self.manager().get("Version")}\n')

    def test_host_id(self):
        host_id = self.manager().get('HostId')
        self.assertRegex(host_id, '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$')
        with open('/etc/machine-id', encoding='ascii') as file:
            self.assertNotIn(host_id.replace('-', '')[:12], file.read())

    def test_features(self):
        self.assertIn('override', self.manager().get('Features'))
        self.assertIn('switchover-ack', self.manager().get('Features'))

    def test_properties_cannot_be_written(self):
        device = self.find_device(UUID)
        for path, interface, name, value in (
                (device.path, DEVICE, 'State', Variant('s', 'idle')),
                (device.path, DEVICE, 'Model', Variant('s', 'kernel.org/mtty')),
                (self.find_parent('mtty').path, PARENT, 'Id', Variant('s', 'x')),
                ('/org/vferry1', 'org.vferry1.Manager', 'HostId', Variant('s', 'x'))):
            with self.subTest(property=name):
                before = self.client.get(path, interface, name)
                with self.assertRaises(harness.Error) as caught:
                    self.client.call(path, f'{PROPERTIES}.Set', Variant('(ssv)', (interface, name, value)))
                self.assertEqual(caught.exception.name, 'org.freedesktop.DBus.Error.InvalidArgs')
                self.assertEqual(self.client.get(path, interface, name), before)


class Models(harness.Test):
    """What the daemon knows, whether or not the host has such a device."""

    DESCRIPTOR = '''<model xmlns="https://vferry.org/ns/model/1" id="example.com/pump">
      <description>A pump</description>
      <match><mdev driver="pump" type="*"/></match>
      <parameter name="depth" type="size" compare="at-least" unit="B">
        <description>How deep</description>
        <allowed min="4096" max="65536" step="4096"/>
        <read><attribute path="pump/depth"/></read>
        <apply><attribute path="pump/depth"/></apply>
      </parameter>
      <parameter name="colour" type="string" compare="equal"/>
    </model>'''

    EVERYTHING = '''<model xmlns="https://vferry.org/ns/model/1" id="example.com/valve">
      <alias id="old.example/valve"/>
      <not-migratable>It leaks.</not-migratable>
      <match><pci vendor="1af4" device="10ff"/></match>
      <parameter name="bits" type="bitmask" compare="superset"><allowed mask="0xff"/></parameter>
      <parameter name="level" type="int" compare="at-least" init="0" off="0" enforced="no">
        <allowed><range min="0" max="4" step="2"/><range min="12" max="14"/><value>9</value></allowed>
      </parameter>
      <parameter name="words" type="set" compare="superset">
        <allowed><value>a</value><value>b</value></allowed>
      </parameter>
      <versions>
        <version name="1"/>
        <version name="2"><value parameter="level">2</value></version>
      </versions>
    </model>'''

    def start(self, *descriptors):
        folder = self.make_directory('models')
        for i, text in enumerate(descriptors):
            with open(os.path.join(folder, f'{i}.xml'), 'w', encoding='utf-8') as file:
                file.write(text)
        environment = self.make_environment()
        environment['VFERRY_MODEL_PATH'] += f':{folder}'
        self.start_daemon(environment=environment)

    def model(self, model_id):
        found = self.find_object('Model', 'Id', model_id)
        self.assertIsNotNone(found, model_id)
        return found

    def test_one_object_for_each(self):
        self.start(self.DESCRIPTOR)
        ids = sorted(i[MODEL]['Id'] for i in self.client.objects().values() if MODEL in i)
        folder = os.path.join(harness.SOURCE, 'xml', 'models')
        shipped = [ElementTree.parse(os.path.join(folder, name)).getroot().get('id') for name in os.listdir(folder)]
        self.assertEqual(ids, sorted(shipped + ['example.com/pump']))

    def test_properties(self):
        self.start(self.DESCRIPTOR)
        pump = self.model('example.com/pump')
        properties = self.client.get_all(pump.path, MODEL)
        self.assertRegex(properties.pop('Digest'), '^sha256:[0-9a-f]{64}$')
        self.assertEqual(properties, {
            'Id': 'example.com/pump', 'Source': 'descriptor', 'Description': 'A pump', 'Versions': [],
            'Aliases': [], 'NotMigratable': '',
            'Parameters': [
                {'name': 'colour', 'type': 'string', 'compare': 'equal', 'enforced': True, 'readable': False, 'settable': False},
                {'name': 'depth', 'type': 'size', 'compare': 'at-least', 'unit': 'B', 'description': 'How deep',
                 'min': 4096, 'max': 65536, 'step': 4096, 'enforced': True, 'readable': True, 'settable': True}]})

    def test_allowed_values(self):
        self.start()
        self.assertEqual(self.model('kernel.org/mtty').get('Parameters'), [
            {'name': 'ports', 'type': 'int', 'compare': 'equal', 'allowed': ['1', '2'],
             'description': 'Number of serial ports of the card', 'enforced': True, 'readable': True, 'settable': False}])

    def test_all_of_the_language(self):
        self.start(self.EVERYTHING)
        valve = self.model('example.com/valve')
        self.assertEqual(valve.get('Versions'), ['1', '2'])
        self.assertEqual(valve.get('Aliases'), ['old.example/valve'])
        self.assertEqual(valve.get('NotMigratable'), 'It leaks.')
        common = {'enforced': True, 'readable': False, 'settable': False}
        self.assertEqual(valve.get('Parameters'), [
            {'name': 'bits', 'type': 'bitmask', 'compare': 'superset', 'mask': 255, **common},
            {'name': 'level', 'type': 'int', 'compare': 'at-least', 'allowed': ['9'],
             'ranges': [(0, 4, 2), (12, 14, 1)], 'init': '0', 'off': '0', **common, 'enforced': False},
            {'name': 'words', 'type': 'set', 'compare': 'superset', 'allowed': ['a', 'b'], **common}])

    def test_xml_is_that_of_the_capabilities(self):
        self.sysfs.add_mtty_parent()
        self.start()
        model = self.model('kernel.org/mtty')
        text = model.call('GetXml', NO_OPTIONS)[0]
        check_against_schema(self, text)
        alone = ElementTree.fromstring(text.encode())
        self.assertEqual((alone.get('id'), alone.get('digest')), ('kernel.org/mtty', model.get('Digest')))
        whole = ElementTree.fromstring(self.manager().call('GetCapabilities', NO_OPTIONS)[0].encode())
        inside = whole.find(f'.//{alone.tag}')
        self.assertEqual(*[ElementTree.canonicalize(ElementTree.tostring(e), strip_text=True)
                           for e in (alone, inside)])

    def test_unknown_option(self):
        self.start()
        options = Variant('(a{sv})', ({'colour': Variant('s', 'red')},))
        self.assert_refused('UnknownOption', self.model('kernel.org/mtty').call, 'GetXml', options)

    def test_lookup(self):
        self.start()
        for text in ('kernel.org/mtty', 'kernel.org/mt'):
            path, = self.manager().call('Lookup', Variant('(s)', (text,)))
            self.assertEqual(path, self.model('kernel.org/mtty').path)


class Documents(harness.Test):
    NS = '{https://vferry.org/ns/capabilities/1}'

    def setUp(self):
        super().setUp()
        self.sysfs.add_mtty_parent()
        self.sysfs.add_mdev('mtty-2', UUID)
        self.start_daemon()

    def capabilities(self):
        return self.manager().call('GetCapabilities', NO_OPTIONS)[0]

    def test_capabilities_are_valid(self):
        check_against_schema(self, self.capabilities())

    def test_capabilities_say_what_is_there(self):
        root = ElementTree.fromstring(self.capabilities().encode())
        find = {e.get('id'): e for e in root.iter() if e.get('id')}
        self.assertEqual(root.find(f'{self.NS}host').get('id'), self.manager().get('HostId'))
        device = find[UUID]
        self.assertEqual((device.get('model'), device.get('parent'), device.get('state')),
                         ('kernel.org/mtty', 'mtty', 'unknown'))
        parameter = device.find(f'{self.NS}parameter')
        self.assertEqual((parameter.get('name'), parameter.get('value'), parameter.get('evidence')),
                         ('ports', '2', 'mdev-type'))
        self.assertEqual(find['mtty/mtty-2'].get('left'), '11')
        self.assertEqual(find['mtty/mtty-1'].find(f'{self.NS}parameter').get('value'), '1')
        self.assertRegex(find['kernel.org/mtty'].get('digest'), '^sha256:[0-9a-f]{64}$')

    def test_capabilities_of_an_empty_host(self):
        self.sysfs.remove_parent('mtty')
        self.wait_until_gone(UUID)
        check_against_schema(self, self.capabilities())

    def test_strange_names_stay_valid(self):
        self.daemon.stop()
        path = harness.sysfs.MTTY + '/mdev_supported_types/mtty-1'
        self.sysfs.write(f'{path}/name', '<&"\x01 GRID P40-2B é\n')
        self.start_daemon()
        check_against_schema(self, self.capabilities())

    def test_device_xml(self):
        text = self.find_device(UUID).call('GetXml', NO_OPTIONS)[0]
        root = ElementTree.fromstring(text.encode())
        self.assertEqual((root.tag, root.get('id')), (f'{self.NS}device', UUID))
        check_against_schema(self, text)

    def test_unknown_option(self):
        options = Variant('(a{sv})', ({'colour': Variant('s', 'red')},))
        error = self.assert_refused('UnknownOption', self.manager().call, 'GetCapabilities', options)
        self.assertIn('colour', error.message)
        self.assert_refused('UnknownOption', self.find_device(UUID).call, 'GetXml', options)


class Lookup(harness.Test):
    def setUp(self):
        super().setUp()
        self.sysfs.add_mtty_parent()
        self.sysfs.add_mdev('mtty-2', UUID)
        self.sysfs.add_mdev('mtty-1', OTHER)
        self.start_daemon()

    def lookup(self, text):
        return self.manager().call('Lookup', Variant('(s)', (text,)))[0]

    def test_found(self):
        device = self.find_device(UUID).path
        for text in (UUID, UUID.upper(), UUID[:-1] + '1', f'/sys/bus/mdev/devices/{UUID}',
                     f'{harness.sysfs.MTTY}/{UUID}'):
            with self.subTest(text=text):
                self.assertEqual(self.lookup(text), device)

    def test_parent(self):
        parent = self.find_parent('mtty').path
        for text in ('mtty', '/sys/class/mdev_bus/mtty', harness.sysfs.MTTY):
            with self.subTest(text=text):
                self.assertEqual(self.lookup(text), parent)

    def test_unique_prefix(self):
        self.sysfs.add_mdev('mtty-1', 'abcd0000-509f-382f-3c1e-e6bfe0fa1003')
        device = self.wait_for_device('abcd0000-509f-382f-3c1e-e6bfe0fa1003')
        self.assertEqual(self.lookup('abcd'), device.path)
        self.assertEqual(self.lookup('ABCD0'), device.path)
        self.assert_refused('NotFound', self.lookup, 'abc')

    def test_prefix_of_several(self):
        error = self.assert_refused('InvalidArgument', self.lookup, UUID[:8])
        self.assertIn(UUID, error.message)
        self.assertIn(OTHER, error.message)

    def test_not_found(self):
        for text in ('', 'ffff', '/', '/sys', '/etc/passwd', f'/sys/bus/mdev/devices/../devices/{UUID}',
                     '/org/vferry1', '%s%n'):
            with self.subTest(text=text):
                self.assert_refused('NotFound', self.lookup, text)


if __name__ == '__main__':
    tap.main()
