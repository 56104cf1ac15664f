#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vferryctl where no daemon is: models, and documents compared with documents."""

import json
import os
import tempfile

import tap
from cli_case import Case

SOURCE = os.environ['VFERRY_TEST_SOURCE']
MODELS = os.path.join(SOURCE, 'xml', 'models')
PORTS = '''<parameter name="ports" type="int" compare="{rule}"{more}>
        <allowed><value>1</value><value>2</value><value>4</value></allowed></parameter>'''
A = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001'
B = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1002'
REQUIREMENT = '''<requirement xmlns="https://vferry.org/ns/requirement/1">
  <model id="kernel.org/mtty"/>
  <parameter name="ports" value="{ports}" evidence="mdev-type"/>
</requirement>'''
COOKIE = '''<migration xmlns="https://vferry.org/ns/migration/1" job="11112222-3333-4444-8555-666677778888"
  source="11112222-3333-4444-8555-666677779999"><stream min="1" max="1"/>{devices}</migration>'''
COOKIE_DEVICE = '''<device ref="{ref}">
  <requirement xmlns="https://vferry.org/ns/requirement/1"><model id="kernel.org/mtty"/>
  <parameter name="ports" value="{ports}"/></requirement></device>'''
CAPABILITIES = '''<capabilities xmlns="https://vferry.org/ns/capabilities/1">
  <host id="11111111-2222-4333-8444-{number:012}" name="{name}"/>
  <models><model id="kernel.org/mtty" digest="sha256:{digest}" source="descriptor">{parameter}</model></models>
  <parents><parent id="mtty" kind="mdev" path="/sys/devices/virtual/mtty/mtty">{offers}</parent></parents>
  <devices>{devices}</devices>
</capabilities>'''
OFFER = '''<offer id="mtty/mtty-{ports}" model="kernel.org/mtty" how="create" type="mtty-{ports}" left="{left}"
  usable-by="{usable}"><parameter name="ports" value="{ports}"/></offer>'''
DEVICE = '''<device id="{uuid}" kind="mdev" path="/sys/devices/virtual/mtty/mtty/{uuid}" parent="mtty"
  model="kernel.org/mtty" state="{state}"><parameter name="ports" value="{ports}" evidence="mdev-type"/>
  <migration source="unknown"/></device>'''


class Files(Case):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix='vf-models-')
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), 'w', encoding='utf-8') as file:
            file.write(text)
        return self.path(name)

    def requirement(self, ports=2):
        return self.write(f'requirement-{ports}.xml', REQUIREMENT.format(ports=ports))

    def host(self, name, *ports, number=1, left=3, usable='vfio', rule='equal', more='', devices='', folder=''):
        """A capabilities document with an offer for each number of ports."""
        os.makedirs(self.path(folder), exist_ok=True)
        offers = ''.join(OFFER.format(ports=p, left=left, usable=usable) for p in ports)
        text = CAPABILITIES.format(name=name, number=number, digest='0' * 64, offers=offers, devices=devices,
                                   parameter=PORTS.format(rule=rule, more=more))
        return self.write(os.path.join(folder, f'{name}.xml'), text)

    def tool(self, *args, stdin=None, **more):
        more.setdefault('VFERRY_MODEL_PATH', MODELS)
        done = self.run_tool(None, *args, **more)
        return done.returncode, done.stdout, done.stderr

    def document(self, *args, status=0, **more):
        """What --json prints."""
        found, out, err = self.tool(*args, '--json', **more)
        self.assertEqual(found, status, err)
        return json.loads(out)


class Models(Files):
    GOOD = '''<model xmlns="https://vferry.org/ns/model/1" id="example.com/pump">
      <description>A pump</description>
      <alias id="old.example/pump"/>
      <match><pci vendor="1af4" device="10ff"/></match>
      <parameter name="depth" type="size" compare="at-least" unit="bytes" off="0" enforced="no">
        <allowed min="0" max="65536" step="4096"/></parameter>
    </model>'''

    def test_list(self):
        status, out, err = self.tool('models', 'list')
        self.assertEqual((status, err), (0, ''))
        self.assertRegex(out, r'(?m)^MODEL +PARAMETERS +MIGRATES +FILE$')
        self.assertRegex(out, r'(?m)^kernel.org/mtty +ports +- +/.*/kernel.org-mtty.xml$')

    def test_list_json(self):
        document = self.document('models', 'list')
        ids = [model['id'] for model in document['models']]
        self.assertEqual(ids, sorted(ids))
        self.assertIn('vferry.org/testdev', ids)
        self.assertEqual(document['problems'], [])

    def test_bad_file_is_left_out_and_named(self):
        self.write('bad.xml', '<model>\n</model>')
        self.write('good.xml', self.GOOD)
        status, out, err = self.tool('models', 'list', VFERRY_MODEL_PATH=self.directory)
        self.assertEqual(status, 0)
        self.assertIn('example.com/pump', out)
        self.assertIn('bad.xml:1: ', err)
        document = self.document('models', 'list', VFERRY_MODEL_PATH=self.directory)
        (problem,) = document['problems']
        self.assertEqual((problem['file'], problem['line']), (self.path('bad.xml'), 1))

    def test_show(self):
        self.write('good.xml', self.GOOD)
        for name in ('example.com/pump', 'old.example/pump'):
            status, out, err = self.tool('models', 'show', name, VFERRY_MODEL_PATH=self.directory)
            self.assertEqual((status, err), (0, ''))
            for line in (r'model +example.com/pump', r'description +A pump', r'also called +old.example/pump',
                         r'digest +sha256:[0-9a-f]{64}',
                         r'depth +size +0 to 65536 in steps of 4096 +bytes +at-least \(not enforced\) +0 +no'):
                self.assertRegex(out, f'(?m)^{line}$')

    def test_show_json(self):
        self.write('good.xml', self.GOOD)
        document = self.document('models', 'show', 'example.com/pump', VFERRY_MODEL_PATH=self.directory)
        self.assertEqual(document['parameters'], [
            {'name': 'depth', 'type': 'size', 'compare': 'at-least', 'enforced': False, 'unit': 'bytes', 'off': '0',
             'ranges': [{'min': 0, 'max': 65536, 'step': 4096}], 'readable': False, 'settable': False}])

    def test_show_xml_is_a_good_descriptor(self):
        status, out, err = self.tool('models', 'show', 'kernel.org/mtty', '--xml')
        self.assertEqual((status, err), (0, ''))
        status, out, err = self.tool('models', 'check', self.write('kernel.org-mtty.xml', out))
        self.assertEqual((status, out, err), (0, '', ''))

    def test_show_nothing(self):
        status, out, err = self.tool('models', 'show', 'kernel.org/none')
        self.assertEqual((status, out), (3, ''))
        self.assertIn('kernel.org/none', err)

    def test_check(self):
        good = self.write('good.xml', self.GOOD)
        bad = self.write('bad.xml', self.GOOD.replace('compare="at-least"', 'compare="nearly"'))
        self.assertEqual(self.tool('models', 'check', good), (0, '', ''))
        status, out, err = self.tool('models', 'check', good, bad, self.path('none.xml'))
        self.assertEqual((status, out), (1, ''))
        self.assertRegex(err, r'(?m)^/.*/bad.xml:5: .*nearly')
        self.assertRegex(err, r'(?m)^/.*/none.xml')

    def test_check_of_what_is_installed(self):
        """However it is spelt, it is that file, and no other one that describes its model already."""
        good = self.write('good.xml', self.GOOD)
        with tempfile.TemporaryDirectory() as elsewhere:
            os.symlink(good, os.path.join(elsewhere, 'link.xml'))
            for paths in ((good,), (os.path.join(self.directory, '.', 'good.xml'),), (os.path.join(elsewhere, 'link.xml'),),
                          (good, os.path.join(elsewhere, 'link.xml')), (good, good)):
                with self.subTest(paths=paths):
                    self.assertEqual(self.tool('models', 'check', *paths, VFERRY_MODEL_PATH=self.directory), (0, '', ''))

    def test_check_of_what_a_link_puts_in_place(self):
        """It stands before the file of the link's name in a directory behind, as in the daemon."""
        with tempfile.TemporaryDirectory() as behind, tempfile.TemporaryDirectory() as elsewhere:
            for folder, name in ((behind, 'card.xml'), (elsewhere, 'mine.xml')):
                with open(os.path.join(folder, name), 'w', encoding='utf-8') as file:
                    file.write(self.GOOD)
            os.symlink(os.path.join(elsewhere, 'mine.xml'), self.path('card.xml'))
            path = f'{self.directory}:{behind}'
            self.assertEqual(self.tool('models', 'check', os.path.join(elsewhere, 'mine.xml'), VFERRY_MODEL_PATH=path), (0, '', ''))
            status, _, err = self.tool('models', 'check', os.path.join(elsewhere, 'mine.xml'), VFERRY_MODEL_PATH=behind)
            self.assertEqual(status, 1)
            self.assertIn('is described in', err)

    def test_check_where_it_cannot_look(self):
        """What is in a directory that cannot be read may clash."""
        good = self.write('good.xml', self.GOOD)
        status, _, err = self.tool('models', 'check', good, VFERRY_MODEL_PATH=good)  # no directory
        self.assertEqual(status, 1)
        self.assertIn('good.xml', err)

    def test_check_of_another_name(self):
        """The daemon would leave one of them out; one of the same name takes its place."""
        self.write('good.xml', self.GOOD)
        with tempfile.TemporaryDirectory() as elsewhere:
            for name, status in (('other.xml', 1), ('good.xml', 0)):
                path = os.path.join(elsewhere, name)
                with open(path, 'w', encoding='utf-8') as file:
                    file.write(self.GOOD)
                found, _, err = self.tool('models', 'check', path, VFERRY_MODEL_PATH=self.directory)
                self.assertEqual(found, status, err)
                self.assertEqual('example.com/pump is described in ' + self.path('good.xml') in err, status == 1, err)

    def test_check_tells_what_does_not_count(self):
        text = self.GOOD.replace('<match>', '<match hint="none"><later/>').replace('compare="at-least"', 'compare="at-least" ofset="0"')
        odd = self.write('odd.xml', text)
        status, out, err = self.tool('models', 'check', odd)
        self.assertEqual((status, out), (0, ''))
        self.assertRegex(err, r'(?m)^/.*/odd.xml:\d+: <parameter>: .*ofset')
        self.assertRegex(err, r'(?m)^/.*/odd.xml:\d+: <match>: .*hint')
        self.assertRegex(err, r'(?m)^/.*/odd.xml:\d+: <later>: ')
        file = self.document('models', 'check', odd)['files'][0]
        self.assertEqual((file['good'], len(file['problems']), len(file['ignored'])), (True, 0, 3))

    def test_check_json(self):
        good = self.write('good.xml', self.GOOD)
        bad = self.write('bad.xml', '<model')
        document = self.document('models', 'check', good, bad, status=1)
        self.assertFalse(document['good'])
        self.assertEqual([(file['file'], file['good'], len(file['problems'])) for file in document['files']],
                         [(good, True, 0), (bad, False, 1)])

    def test_check_what_extends_what_is_installed(self):
        text = ('<model xmlns="https://vferry.org/ns/model/1" id="example.com/x" extends="{}"><match>'
                '<mdev driver="x" type="x-*"/></match></model>')
        good = self.write('good.xml', text.format('kernel.org/mtty'))
        self.assertEqual(self.tool('models', 'check', good), (0, '', ''))
        bad = self.write('bad.xml', text.format('kernel.org/none'))
        status, _, err = self.tool('models', 'check', bad)
        self.assertEqual(status, 1)
        self.assertIn('kernel.org/none', err)

    def test_check_hostile(self):
        bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><model>&b;</model>'
        for name, text in (('bomb', bomb), ('deep', '<model>' * 10000), ('empty', ' '), ('text', 'hello'),
                           ('large', '<model>' + ' ' * (2 << 20) + '</model>')):
            with self.subTest(name):
                status, _, err = self.tool('models', 'check', self.write(f'{name}.xml', text))
                self.assertEqual(status, 1, err)
                self.assertIn(f'{name}.xml', err)
                self.assertLess(len(err), 1000)

    def test_usage(self):
        for args in ((), ('sing',), ('show',), ('show', 'a.b/c', 'd'), ('check',), ('list', 'x'), ('list', '--xml'),
                     ('show', 'kernel.org/mtty', '--xml', '--json')):
            with self.subTest(args=args):
                status, out, err = self.tool('models', *args)
                self.assertEqual((status, out), (3, ''))
                self.assertIn('vferryctl', err)
        status, _, err = self.tool('--host', 'ssh://harbour-b', 'models', 'list')
        self.assertEqual(status, 3)
        self.assertIn('this host', err)

    def test_explain(self):
        status, out, err = self.tool('explain', 'kernel.org/mtty')
        self.assertEqual((status, err), (0, ''))
        self.assertIn('kernel.org/mtty is a model', out)
        self.assertRegex(out, r'(?m)^  ports: .*must be the same at the destination; it is read from the device\'s type')
        document = self.document('explain', 'kernel.org/mtty')
        self.assertEqual((document['kind'], document['id']), ('model', 'kernel.org/mtty'))
        self.assertEqual(document['parameters'], [
            {'name': 'ports', 'compare': 'equal', 'counts': True, 'enforced': True, 'readable': True}])

    def test_explain_what_nobody_can_read(self):
        self.write('good.xml', self.GOOD)
        _, out, _ = self.tool('explain', 'example.com/pump', VFERRY_MODEL_PATH=self.directory)
        self.assertIn('which the device itself does not check', out)
        self.assertIn('always unknown', out)
        self.assertIn('1af4:10ff', out)

    def test_explain_what_matches(self):
        self.write('nic.xml', '''<model xmlns="https://vferry.org/ns/model/1" id="example.com/nic"><match>
            <pci vendor="1af4" subsystem-vendor="1028"/><pci vendor="10de" driver="card"/></match></model>''')
        status, out, _ = self.tool('explain', 'example.com/nic', VFERRY_MODEL_PATH=self.directory)
        self.assertEqual(status, 0)
        self.assertIn('PCI functions 1af4:* (subsystem 1028:*) are of it.', out)
        self.assertIn('PCI functions 10de:* are of it while the driver card is bound to them.', out)

    def test_explain_what_nobody_describes(self):
        status, out, err = self.tool('explain', 'example.com/none')
        self.assertEqual((status, out), (3, ''))
        self.assertIn('no descriptor here describes a model “example.com/none”', err)

    def program(self, text):
        path = self.write('program', f'#!/bin/sh\n[ "$1" = --print-migration-info-json ] || exit 1\n{text}\n')
        os.chmod(path, 0o755)
        return path

    def test_program_that_says_nothing(self):
        for text in ('exit 0', 'exit 3', 'echo []', 'echo {}', 'yes {'):
            with self.subTest(text):
                status, out, err = self.tool('models', 'show', '--program', self.program(text))
                self.assertIn(status, (1, 3), err)
                self.assertEqual(out, '')
                self.assertIn('program', err)


class Compare(Files):
    def test_fits(self):
        status, out, err = self.tool('compare', self.requirement(), self.host('b', 1, 2))
        self.assertEqual((status, err), (0, ''))
        self.assertIn('b: identical (to create: mtty/mtty-2)\n', out)
        self.assertRegex(out, r'(?m)^NAME +SOURCE +DESTINATION +RULE +CODE$')
        self.assertRegex(out, r'(?m)^ports +2 +2 +equal +matches$')

    def test_does_not_fit(self):
        status, out, _ = self.tool('compare', self.requirement(), self.host('b', 1))
        self.assertEqual(status, 1)
        self.assertRegex(out, r'(?m)^ports +2 +1 +equal +value-differs$')
        self.assertRegex(out, r'(?m)^The source has ports=2.*ports=1')

    def test_more_fits(self):
        host = self.host('b', 4, rule='at-least')
        document = self.document('compare', self.requirement(), host)
        (destination,) = document['destinations']
        self.assertEqual((destination['verdict'], destination['object'], destination['how'], destination['host_name']),
                         ('superset', 'mtty/mtty-4', 'create', 'b'))
        ports = next(line for line in destination['lines'] if line['name'] == 'ports')
        self.assertEqual((ports['source'], ports['destination'], ports['compare'], ports['code'], ports['subject']),
                         ('2', '4', 'at-least', 'fits', 'parameter'))
        self.assertEqual(document['requirement']['model'], 'kernel.org/mtty')
        self.assertEqual(document['requirement']['parameters'],
                         [{'name': 'ports', 'value': '2', 'evidence': 'mdev-type'}])

    def test_unknown(self):
        status, out, _ = self.tool('compare', self.requirement(), self.host('b', 2, rule='firmware'))
        self.assertEqual(status, 2)
        self.assertIn('firmware-decides', out)

    def test_override_is_announced(self):
        host = self.host('b', 1, more=' enforced="no"')
        (destination,) = self.document('compare', self.requirement(), host, status=1)['destinations']
        self.assertTrue(destination['overridable'])
        (destination,) = self.document('compare', self.requirement(), self.host('c', 1), status=1)['destinations']
        self.assertFalse(destination['overridable'])

    def test_another_model(self):
        requirement = self.write('other.xml', REQUIREMENT.format(ports=2).replace('mtty', 'other'))
        status, out, _ = self.tool('compare', requirement, self.host('b', 2))
        self.assertEqual(status, 1)
        self.assertIn('model-unknown', out)

    def test_several(self):
        """The worst counts."""
        good, bad = self.host('b', 2), self.host('c', 1, number=2)
        status, out, _ = self.tool('compare', self.requirement(), good, bad)
        self.assertEqual(status, 1)
        self.assertLess(out.index('b: identical'), out.index('c: incompatible'))
        self.host('d', 2, folder='fleet')
        self.host('e', 2, folder='fleet')
        document = self.document('compare', self.requirement(), self.path('fleet'))
        self.assertEqual([d['host_name'] for d in document['destinations']], ['d', 'e'])

    def test_device_of_the_destination(self):
        devices = DEVICE.format(uuid=A, ports=1, state='open') + DEVICE.format(uuid=B, ports=2, state='open')
        host = self.host('b', 1, devices=devices)
        status, out, _ = self.tool('compare', self.requirement(), host, '--object', B)
        self.assertEqual(status, 0)
        self.assertIn(f'b: identical (device {B})', out)
        self.assertEqual(self.tool('compare', self.requirement(), host, '--object', A)[0], 1)
        self.assertEqual(self.tool('compare', self.requirement(1), host, '--object', 'mtty')[0], 0)
        self.assertEqual(self.tool('compare', self.requirement(2), host)[0], 1)  # it is open
        status, _, err = self.tool('compare', self.requirement(), host, '--object', 'none')
        self.assertEqual(status, 3)
        self.assertIn('none', err)

    def test_consumer(self):
        host = self.host('b', 2, usable='vfio')
        self.assertEqual(self.tool('compare', self.requirement(), host, '--for', 'vfio')[0], 0)
        status, out, _ = self.tool('compare', self.requirement(), host, '--for', 'qemu=10.0')
        self.assertEqual(status, 1)
        self.assertIn('consumer-cannot-use', out)
        status, _, err = self.tool('compare', self.requirement(), host, '--for', 'bochs')
        self.assertEqual(status, 3)
        self.assertIn('bochs', err)

    def test_cookie(self):
        host = self.host('b', 1)
        two = COOKIE_DEVICE.format(ref=A, ports=1) + COOKIE_DEVICE.format(ref=B, ports=2)
        one = self.write('one.xml', COOKIE.format(devices=COOKIE_DEVICE.format(ref=A, ports=1)))
        both = self.write('both.xml', COOKIE.format(devices=two))
        self.assertEqual(self.tool('compare', one, host)[0], 0)
        self.assertEqual(self.tool('compare', both, host, '--device', A)[0], 0)
        self.assertEqual(self.tool('compare', both, host, '--device', B)[0], 1)
        for device, words in ((None, '--device'), (A[:8], '--device'), ('xyz', A)):
            status, _, err = self.tool('compare', both, host, *(['--device', device] if device else []))
            self.assertEqual(status, 3, err)
            self.assertIn(words, err)

    def test_device_of_capabilities(self):
        source = self.host('a', devices=DEVICE.format(uuid=A, ports=2, state='open'))
        self.assertEqual(self.tool('compare', source, self.host('b', 2))[0], 0)
        self.assertEqual(self.tool('compare', source, self.host('c', 1), '--device', A[:8])[0], 1)
        status, _, err = self.tool('compare', self.host('d', 1), self.host('b', 2))
        self.assertEqual(status, 3)
        self.assertIn('no device', err)

    def test_bad_input(self):
        good, host = self.requirement(), self.host('b', 2)
        bad = self.write('bad.xml', '<requirement')
        for args in ((bad, host), (good, bad), (good, self.path('none.xml')), (self.path('none.xml'), host), (good, good),
                     (self.path('none/none'), host)):
            with self.subTest(args=args):
                status, _, err = self.tool('compare', *args)
                self.assertEqual(status, 3, err)
                self.assertIn('vferryctl: ', err)
        self.assertEqual(self.tool('compare')[0], 3)
        # the second is small enough for a file, and too large for a requirement
        for size in (17 << 20, 2 << 20):
            large = self.write('large.xml', '<requirement>' + ' ' * size)
            for verb in ('compare', 'find'):
                status, _, err = self.tool(verb, large, host)
                self.assertEqual(status, 3, err)
                self.assertIn('large', err)

    def test_no_destination(self):
        """Nothing that was looked at is nothing that fits."""
        os.mkdir(self.path('empty'))
        for args in (('compare', self.requirement()), ('find', self.requirement()), ('baseline', self.host('b', 2))):
            with self.subTest(args=args):
                status, out, err = self.tool(*args, self.path('empty'))
                self.assertEqual((status, out), (3, ''), err)
                self.assertIn('empty', err)

    def test_host_that_does_not_answer(self):
        """Which one is said."""
        for args in (('compare', self.requirement()), ('baseline',)):
            with self.subTest(args=args):
                status, _, err = self.tool(*args, '--host', 'unix:path=/none', '--host', 'unix:path=/nothing')
                self.assertEqual(status, 3)
                self.assertIn('/none', err)

    def test_bad_destination_does_not_hide_the_good(self):
        bad = self.write('bad.xml', '<capabilities')
        status, out, err = self.tool('compare', self.requirement(), bad, self.host('b', 2))
        self.assertEqual(status, 3)
        self.assertIn('b: identical', out)
        self.assertIn('bad.xml', err)
        document = self.document('compare', self.requirement(), bad, self.host('b', 2), status=3)
        self.assertEqual(['error' in d for d in document['destinations']], [True, False])


class Find(Files):
    def test_ranked(self):
        self.host('b', 1, 2, left=1, folder='fleet')
        self.host('c', 2, left=9, number=2, folder='fleet')
        self.host('d', 1, number=3, folder='fleet')
        status, out, err = self.tool('find', self.requirement(), self.path('fleet'))
        self.assertEqual((status, err), (0, ''))
        lines = out.splitlines()
        self.assertRegex(lines[0], r'^HOST +OFFER +HOW +LEFT +PARAMETERS +VERDICT$')
        self.assertRegex(lines[1], r'^c +mtty/mtty-2 +create +9 +ports=2 +identical$')
        self.assertRegex(lines[2], r'^b +mtty/mtty-2 +create +1 +ports=2 +identical$')
        self.assertRegex(out, r'(?m)^d +mtty/mtty-1 +value-differs +.*ports=1')

    def test_json(self):
        self.host('b', 1, 2, folder='fleet')
        document = self.document('find', self.requirement(), self.path('fleet'), '--refused')
        self.assertEqual((document['hosts'], document['fitting'], document['fitting_hosts']), (1, 1, 1))
        (offer,) = document['offers']
        self.assertEqual((offer['host_name'], offer['id'], offer['left'], offer['verdict']),
                         ('b', 'mtty/mtty-2', 3, 'identical'))
        (refusal,) = document['refusals']
        self.assertEqual((refusal['id'], refusal['code']), ('mtty/mtty-1', 'value-differs'))

    def test_exit_status(self):
        status, out, _ = self.tool('find', self.requirement(), self.host('b', 1))
        self.assertEqual(status, 1)
        self.assertIn('The host cannot take kernel.org/mtty (ports=2).', out)
        self.assertEqual(self.tool('find', self.requirement(), self.host('c', 2, left=0))[0], 1)
        status, out, _ = self.tool('find', self.requirement(), self.host('d', 2, rule='firmware'))
        self.assertEqual(status, 2)
        self.assertRegex(out, '(?m)^d: mtty/mtty-2: ')

    def test_limit(self):
        for number in range(5):
            self.host(f'h{number}', 2, number=number, folder='fleet')
        document = self.document('find', self.requirement(), self.path('fleet'), '--limit', '2')
        self.assertEqual((len(document['offers']), document['fitting']), (2, 5))
        for limit in ('0', 'x', '-1'):
            self.assertEqual(self.tool('find', self.requirement(), self.path('fleet'), '--limit', limit)[0], 3)

    def test_consumer(self):
        host = self.host('b', 2, usable='vfio')
        self.assertEqual(self.tool('find', self.requirement(), host, '--for', 'vfio')[0], 0)
        status, out, _ = self.tool('find', self.requirement(), host, '--for', 'libvirt')
        self.assertEqual(status, 1)
        self.assertIn('consumer-cannot-use', out)

    def test_device_of_a_document(self):
        source = self.host('a', devices=DEVICE.format(uuid=A, ports=2, state='open'))
        document = self.document('find', source, self.host('b', 2))
        self.assertEqual(document['requirement']['parameters'][0]['value'], '2')

    def test_devices_that_migrate_together(self):
        """QEMU wants the P2P states then, and of what is still to be made nobody knows them."""
        one, other = (COOKIE_DEVICE.format(ref=ref, ports=2) for ref in (A, B))
        alone, both = (self.write(*file) for file in (('one.xml', COOKIE.format(devices=one)),
                                                      ('both.xml', COOKIE.format(devices=one + other))))
        host = self.host('b', 2, usable='qemu vfio')
        self.assertEqual(self.tool('find', alone, host, '--for', 'qemu')[0], 0)
        self.assertEqual(self.tool('find', both, host, '--device', A, '--for', 'vfio')[0], 0)
        document = self.document('find', both, host, '--device', A, '--for', 'qemu', status=2)
        self.assertEqual([offer['code'] for offer in document['offers']], ['p2p-unknown'])

    def test_unreadable_is_a_refusal(self):
        bad = self.write('bad.xml', '<capabilities')
        status, out, _ = self.tool('find', self.requirement(), bad, self.host('b', 2))
        self.assertEqual(status, 0)
        self.assertIn('unreadable', out)
        status, out, _ = self.tool('find', self.requirement(), bad)
        self.assertEqual(status, 3)
        self.assertIn('No host could be looked at', out)
        status, out, _ = self.tool('find', self.requirement(), bad, self.host('c', 1))
        self.assertEqual(status, 3)
        self.assertIn('1 of 2 could not be.', out)

    def test_bad_input(self):
        host = self.host('b', 2)
        for args in ((), (self.path('none.xml'), host), (host, host), (self.requirement(), self.path('none'))):
            with self.subTest(args=args):
                self.assertEqual(self.tool('find', *args)[0], 3)

    def test_unreachable_host(self):
        """Is said with what there is."""
        status, out, _ = self.tool('find', self.requirement(), self.host('b', 2), '--host', 'unix:path=/none', '--host',
                                   'unix:path=/nothing')
        self.assertEqual(status, 0)
        self.assertEqual(out.count('unreachable'), 2)
        self.assertEqual(self.tool('find', self.requirement())[0], 3)


class Baseline(Files):
    def test_what_all_have(self):
        self.host('b', 1, 2, folder='fleet')
        self.host('c', 2, 4, number=2, folder='fleet')
        status, out, err = self.tool('baseline', self.path('fleet'))
        self.assertEqual((status, err), (0, ''))
        self.assertIn('value="2"', out)
        wanted = self.write('wanted.xml', out)
        self.assertEqual(self.tool('compare', wanted, self.path('fleet'))[0], 0)
        document = self.document('baseline', self.path('fleet'), '--model', 'kernel.org/mtty')
        self.assertEqual((document['verdict'], document['hosts'], document['fitting']), ('found', 2, 2))
        self.assertEqual(document['requirement']['parameters'][0]['value'], '2')
        self.assertEqual((document['conflicts'], document['undecided']), ([], []))

    def test_conflict(self):
        for number, (name, ports) in enumerate((('b', 2), ('c', 2), ('d', 1))):
            self.host(name, ports, number=number, folder='fleet')
        status, out, _ = self.tool('baseline', self.path('fleet'))
        self.assertEqual(status, 1)
        self.assertRegex(out, r'(?m)^d +ports +2 +1 +value-differs$')
        self.assertIn('the other 2 can take kernel.org/mtty (ports=2)', out)
        document = self.document('baseline', self.path('fleet'), status=1)
        self.assertEqual(document['verdict'], 'conflict')
        self.assertEqual([line['host_name'] for line in document['conflicts']], ['d'])

    def test_unknown(self):
        status, out, err = self.tool('baseline', self.host('b', 2, rule='firmware'))
        self.assertEqual(status, 2)
        self.assertIn('<requirement', out)
        self.assertIn('firmware-decides', err)

    def test_bad_input(self):
        good, bad = self.host('b', 2), self.write('bad.xml', '<capabilities')
        for args in ((), (bad,), (good, bad), (good, self.path('none')), (self.requirement(),),
                     (good, '--model', 'kernel.org/none'), (good, '--host', 'unix:path=/none'),
                     (good, self.write('large.xml', ' ' * (17 << 20)))):
            with self.subTest(args=args):
                status, out, err = self.tool('baseline', *args)
                self.assertEqual((status, out), (3, ''), err)
                self.assertIn('vferryctl', err)


if __name__ == '__main__':
    tap.main()
