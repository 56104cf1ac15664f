#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vferryctl where no daemon is: models."""

import json
import os
import tempfile

import tap
from cli_case import Case

SOURCE = os.environ['VFERRY_TEST_SOURCE']
MODELS = os.path.join(SOURCE, 'xml', 'models')


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
        status, out, err = self.tool('models', 'check', self.write('again.xml', out))
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


if __name__ == '__main__':
    tap.main()
