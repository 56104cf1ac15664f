#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compare and Find of the daemon, and the verbs of the tool that ask it."""

import json
import os
import re
import subprocess
import tempfile
import time

import harness
import tap
import tool
from harness import Variant

UUID = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001'
REQUIREMENT = '''<requirement xmlns="https://vferry.org/ns/requirement/1">
  <model id="{model}"/><parameter name="ports" value="{ports}"/></requirement>'''


def requirement(ports=2, model='kernel.org/mtty'):
    return REQUIREMENT.format(ports=ports, model=model)


class Test(tool.Mixin, harness.Test):
    def setUp(self):
        super().setUp()
        self.sysfs.add_mtty_parent()
        self.sysfs.add_mdev('mtty-2', UUID)
        self.start_daemon()
        self.wait_for_device(UUID)

    def compare(self, text, **options):
        return self.manager().call('Compare', Variant('(sa{sv})', (text, options)))

    def find(self, text, **options):
        return self.manager().call('Find', Variant('(sa{sv})', (text, options)))[0]

    def check_schema(self, name, text):
        with tempfile.NamedTemporaryFile('w', suffix='.xml', encoding='utf-8') as file:
            file.write(text)
            file.flush()
            schema = os.path.join(harness.SOURCE, 'xml', 'schemas', f'{name}.rng')
            done = subprocess.run(['xmllint', '--nonet', '--noout', '--relaxng', schema, file.name],
                                  capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr + text)

    def write(self, name, text):
        path = os.path.join(self.make_directory('documents'), name)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        return path


class Methods(Test):
    def test_features(self):
        self.assertLessEqual({'baseline', 'compare', 'find', 'override'}, set(self.manager().get('Features')))

    def test_compare_with_the_host(self):
        verdict, report = self.compare(requirement(2))
        self.assertEqual(verdict, 'identical')
        self.check_schema('report', report)
        verdict, report = self.compare(requirement(7))
        self.assertEqual(verdict, 'incompatible')
        self.check_schema('report', report)
        self.assertIn('value-differs', report)
        verdict, report = self.compare(requirement(2, 'kernel.org/other'))
        self.assertEqual(verdict, 'incompatible')
        self.assertIn('model-unknown', report)

    def test_compare_with_an_object(self):
        device = Variant('o', self.find_device(UUID).path)
        parent = Variant('o', self.find_parent('mtty').path)
        self.assertEqual(self.compare(requirement(2), object=device)[0], 'identical')
        self.assertEqual(self.compare(requirement(1), object=device)[0], 'incompatible')
        self.assertEqual(self.compare(requirement(1), object=parent)[0], 'identical')

    def test_compare_for_a_consumer(self):
        self.assertEqual(self.compare(requirement(), consumer=Variant('s', 'vfio'))[0], 'identical')
        verdict, report = self.compare(requirement(), consumer=Variant('s', 'qemu=1.0'))
        self.assertEqual(verdict, 'incompatible')
        self.assertIn('consumer-too-old', report)
        self.check_schema('report', report)

    def test_compare_refuses(self):
        good = requirement()
        self.assert_refused('InvalidXml', self.compare, 'nonsense')
        self.assert_refused('InvalidXml', self.compare, good[:-3])
        self.assert_refused('InvalidXml', self.compare, '<!DOCTYPE x [<!ENTITY a "a">]>' + good)
        self.assert_refused('LimitExceeded', self.compare, good + ' ' * (1 << 20))
        self.assert_refused('UnknownOption', self.compare, good, colour=Variant('s', 'red'))
        self.assert_refused('InvalidArgument', self.compare, good, object=Variant('s', 'mtty'))
        self.assert_refused('InvalidArgument', self.compare, good, consumer=Variant('s', 'bochs'))
        self.assert_refused('InvalidArgument', self.compare, good, consumer=Variant('u', 1))
        self.assert_refused('NotFound', self.compare, good, object=Variant('o', '/org/vferry1/device/none'))

    def test_find(self):
        offers = self.find(requirement(1))
        self.check_schema('offers', offers)
        self.assertEqual(re.findall('<offer [^>]* id="([^"]*)"', offers), ['mtty/mtty-1'])
        self.assertIn('value-differs', offers)
        self.assertNotIn('value-differs', self.find(requirement(1), refusals=Variant('b', False)))
        self.assertNotIn('<offer ', self.find(requirement(1), consumer=Variant('s', 'qemu=1.0')))

    def test_find_follows_the_room(self):
        self.sysfs.pools.clear()
        self.sysfs.set_available('mtty', 'mtty-1', 0)
        self.sysfs.add_mdev('mtty-1')
        self.wait_for(lambda: 'no-room' in self.find(requirement(1)), 'the end of the room')
        self.assertEqual(self.compare(requirement(1))[0], 'identical')

    def test_find_refuses(self):
        self.assert_refused('InvalidXml', self.find, '<requirement/>')
        self.assert_refused('UnknownOption', self.find, requirement(), colour=Variant('s', 'red'))
        for value in (Variant('u', 0), Variant('u', 10001), Variant('s', '1')):
            self.assert_refused('InvalidArgument', self.find, requirement(), limit=value)
        self.find(requirement(), limit=Variant('u', 1))

    def baseline(self, *documents, **options):
        return self.manager().call('Baseline', Variant('(asa{sv})', (documents, options)))

    def another_host(self, number, **changes):
        """This host under another id, changed."""
        xml = self.manager().call('GetCapabilities', Variant('(a{sv})', ({},)))[0]
        xml = re.sub('<host id="[^"]*" name="[^"]*"',
                     f'<host id="11111111-2222-4333-8444-{number:012}" name="h{number}"', xml)
        for old, new in changes.items():
            xml = xml.replace(old, new)
        return xml

    def test_baseline(self):
        wanted, report = self.baseline(self.another_host(1), self.another_host(2))
        self.check_schema('requirement', wanted)
        self.check_schema('baseline', report)
        self.assertIn('kernel.org/mtty', wanted)
        self.assertEqual(self.compare(wanted)[0], 'identical')
        self.assertEqual(self.baseline(self.another_host(1), model=Variant('s', 'kernel.org/mtty'))[0], wanted)

    def test_baseline_conflict(self):
        one = re.sub('<offer [^>]*mtty-2".*?</offer>', '', self.another_host(1), flags=re.DOTALL)
        two = re.sub('<offer [^>]*mtty-1".*?</offer>', '', self.another_host(2), flags=re.DOTALL)
        one, two = (re.sub('<device .*?</device>', '', text, flags=re.DOTALL) for text in (one, two))
        wanted, report = self.baseline(one, two)
        self.assertEqual(wanted, '')
        self.check_schema('baseline', report)
        self.assertIn('ports', report)

    def test_baseline_refuses(self):
        good = self.another_host(1)
        self.assert_refused('InvalidArgument', self.baseline)
        self.assert_refused('InvalidXml', self.baseline, good, 'nonsense')
        self.assert_refused('InvalidXml', self.baseline, good, requirement())
        self.assert_refused('UnknownOption', self.baseline, good, colour=Variant('s', 'red'))
        self.assert_refused('InvalidArgument', self.baseline, good, model=Variant('s', 'no model'))
        self.assert_refused('NotFound', self.baseline, good, model=Variant('s', 'kernel.org/none'))
        error = self.assert_refused('LimitExceeded', self.baseline, *[good + ' ' * (9 << 20)] * 3)
        self.assertIn('24 MiB', error.message)

    def test_baseline_of_many_keeps_nobody_waiting(self):
        documents = [self.another_host(number) for number in range(2000)]
        call = self.manager().start_call('Baseline', Variant('(asa{sv})', (documents, {})), timeout_ms=60000)
        begun = time.monotonic()
        self.manager(self.connect()).call('Lookup', Variant('(s)', ('mtty',)))
        self.assertLess(time.monotonic() - begun, 5 * harness.SLOW)
        self.assertIn('kernel.org/mtty', self.finish(call, 60)[0])

    def test_nobody_is_asked(self):
        self.start_polkit()
        self.compare(requirement())
        self.find(requirement())
        self.assertEqual(self.polkit.questions(), [])

    def test_many_at_once(self):
        """Some wait, more than a few of one caller are refused, and others are still served."""
        big = requirement() + ' ' * 900000
        calls = [self.manager().start_call('Compare', Variant('(sa{sv})', (big, {}))) for _ in range(40)]
        other = self.manager(self.connect())
        self.assertEqual(other.call('Compare', Variant('(sa{sv})', (requirement(), {})))[0], 'identical')
        results = []
        for call in calls:
            try:
                results.append(self.finish(call)[0])
            except harness.Error as error:
                self.assertEqual(error.name, harness.error_name('Busy'))
                results.append('busy')
        self.assertGreaterEqual(results.count('identical'), 8)
        self.assertEqual(set(results) - {'busy'}, {'identical'})
        self.assertEqual(self.compare(requirement())[0], 'identical')


class Tool(Test):
    def test_compare_with_this_host(self):
        path = self.write('requirement.xml', requirement(1))
        status, out, err = self.tool('compare', path)
        self.assertEqual((status, err), (0, ''))
        self.assertRegex(out, r': identical \(to create: mtty/mtty-1\)\n')
        status, out, _ = self.tool('compare', self.write('seven.xml', requirement(7)))
        self.assertEqual(status, 1)

    def test_device_is_a_requirement(self):
        for name in (UUID, UUID[:8], f'{harness.sysfs.MTTY}/{UUID}'):
            status, out, err = self.tool('compare', name, '--json')
            self.assertEqual(status, 0, err)
            document = json.loads(out)
            self.assertEqual(document['requirement']['parameters'],
                             [{'name': 'ports', 'value': '2', 'evidence': 'mdev-type'}])
            self.assertEqual(document['destinations'][0]['verdict'], 'identical')
        status, _, err = self.tool('compare', 'ffff')
        self.assertEqual(status, 3)
        self.assertIn('ffff', err)
        self.assertEqual(self.tool('compare', UUID, '--device', UUID)[0], 3)

    def test_find(self):
        status, out, err = self.tool('find', UUID)
        self.assertEqual((status, err), (0, ''))
        self.assertRegex(out, r'(?m)mtty/mtty-2 +create +11 +ports=2 +identical$')
        status, out, _ = self.tool('find', UUID[:8], '--for', 'vfio', '--refused', '--json')
        document = json.loads(out)
        self.assertEqual([offer['id'] for offer in document['offers']], ['mtty/mtty-2'])
        self.assertIn('mtty/mtty-1', [refusal['id'] for refusal in document['refusals']])

    def test_find_at_hosts(self):
        """The same daemon twice, at once; and one that is not there."""
        status, out, err = self.tool('find', UUID, '--host', self.bus.address, '--host', self.bus.address,
                                     '--host', 'unix:path=/none', '--json')
        self.assertEqual(status, 0, err)
        document = json.loads(out)
        self.assertEqual(len(document['offers']), 2)
        self.assertEqual([refusal['code'] for refusal in document['refusals']][-1:], ['unreachable'])

    def test_find_in_files(self):
        _, xml, _ = self.tool('capabilities')
        self.write('here.xml', xml)
        status, out, _ = self.tool('find', UUID, self.make_directory('documents'))
        self.assertEqual(status, 0)
        self.assertIn('mtty/mtty-2', out)

    def test_explain_device(self):
        status, out, err = self.tool('explain', UUID[:8])
        self.assertEqual((status, err), (0, ''))
        for words in (f'{UUID} is a mediated device on the parent mtty', 'kernel.org/mtty', 'ports is 2 (from the device',
                      'must be the same at the destination', 'All that counts is known', 'vferryctl probe', 'vfio'):
            self.assertIn(words, out)
        document = json.loads(self.tool('explain', UUID, '--json')[1])
        self.assertEqual((document['kind'], document['id']), ('device', UUID))
        self.assertEqual(document['parameters'], [
            {'name': 'ports', 'compare': 'equal', 'counts': True, 'enforced': True, 'readable': True, 'value': '2',
             'evidence': 'mdev-type'}])

    def test_explain_model_of_the_daemon(self):
        status, out, _ = self.tool('explain', 'kernel.org/mtty', '--host', self.bus.address)
        self.assertEqual(status, 0)
        self.assertIn('it can be read', out)

    def test_explain_what_is_not(self):
        self.assertEqual(self.tool('explain', 'nothing')[0], 3)
        self.assertEqual(self.tool('explain', 'mtty')[0], 3)  # a parent
        self.assertEqual(self.tool('explain')[0], 3)


class Unknown(tool.Mixin, harness.Test):
    def test_explain_unknown_model(self):
        self.sysfs.add_parent('0000:00:07.0', '/sys/devices/pci0000:00/0000:00:07.0', 'pci',
                              {'rng-a': {'available': 1}}, driver='rng')
        self.sysfs.add_mdev('rng-a', UUID, '0000:00:07.0')
        self.start_daemon()
        self.wait_for_device(UUID)
        status, out, _ = self.tool('explain', UUID)
        self.assertEqual(status, 0)
        self.assertIn('Nobody there knows its model', out)
        status, _, err = self.tool('find', UUID)
        self.assertEqual(status, 2)
        self.assertIn('model', err)


if __name__ == '__main__':
    tap.main()
