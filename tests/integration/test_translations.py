#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The catalogues in po/, and the tool in another language."""

import os
import re
import subprocess
import tempfile

import tap
from cli_case import A, DEADLINE, DEVICE_PATH, Case
from fake_daemon import device

PO = os.path.join(os.environ['VFERRY_TEST_SOURCE'], 'po')
CATALOGUES = os.environ['VFERRY_TEST_CATALOGUES']
# what meson's preset `glib` gives xgettext, as far as strings are concerned
XGETTEXT = ['xgettext', '--from-code=UTF-8', '--no-location', '--keyword=_', '--keyword=N_', '--keyword=C_:1c,2',
            '--keyword=NC_:1c,2', '--keyword=g_dngettext:2,3', '--flag=C_:2:pass-c-format', '--flag=g_strdup_printf:1:c-format',
            '--flag=g_set_error:4:c-format', '--flag=g_print:1:c-format', '--flag=g_printerr:1:c-format']


def languages():
    with open(os.path.join(PO, 'LINGUAS'), encoding='utf-8') as file:
        return [line.strip() for line in file if line.strip() and not line.startswith('#')]


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE, **options)


class Catalogues(Case):
    def merged(self, language, scratch):
        """The catalogue as it would be after an update from today's sources."""
        template = os.path.join(scratch, 'vferry.pot')
        done = run(*XGETTEXT, '-f', os.path.join(PO, 'POTFILES.in'), '-o', template, cwd=os.path.dirname(PO))
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        path = os.path.join(scratch, f'{language}.po')
        done = run('msgmerge', '-q', '--no-fuzzy-matching', '-o', path, os.path.join(PO, f'{language}.po'), template)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        return path

    def test_correct(self):
        """Formats agree, headers are there, nothing is left over."""
        for language in languages():
            with self.subTest(language=language):
                path = os.path.join(PO, f'{language}.po')
                done = run('msgfmt', '--check', '-o', '/dev/null', path)
                self.assertEqual((done.returncode, done.stderr), (0, ''))
                with open(path, encoding='utf-8') as file:
                    self.assertNotRegex(file.read(), '(?m)^#~|^#,.*fuzzy')

    def test_complete(self):
        for language in languages():
            with self.subTest(language=language), tempfile.TemporaryDirectory() as scratch:
                path = self.merged(language, scratch)
                missing = run('msgattrib', '--untranslated', '--no-obsolete', '--no-wrap', path).stdout
                strings = re.findall('(?m)^msgid (.*)', missing)[1:]
                self.assertEqual(strings, [], f'{language}: ninja vferry-update-po, then translate')


class Speaking(Case):
    """In a real locale, made for the test: LANGUAGE counts for nothing in C.UTF-8."""

    @classmethod
    def setUpClass(cls):
        cls.locales = tempfile.TemporaryDirectory(prefix='vferry-locale-')
        for name in ('de_DE', 'fr_FR'):
            subprocess.run(['localedef', '-i', name, '-f', 'UTF-8', os.path.join(cls.locales.name, f'{name}.UTF-8')],
                           check=True, timeout=120, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        cls.locales.cleanup()

    def tool(self, host, language, *arguments):
        return self.run_tool(host, *arguments, LC_ALL=f'{language}.UTF-8', LOCPATH=self.locales.name,
                             VFERRY_LOCALE_DIR=CATALOGUES)

    def test_help(self):
        self.assertIn('Setzt VFIO-Geräte von Host zu Host über.', self.tool(None, 'de_DE', '--help').stdout)
        self.assertIn('Transborde des périphériques VFIO', self.tool(None, 'fr_FR', '--help').stdout)
        self.assertIn('Ferries VFIO devices', self.tool(None, 'C', '--help').stdout)

    def test_help_of_a_verb_without_arguments(self):
        """The translation of nothing is the head of the catalogue."""
        for verb in ('list', 'capabilities', 'jobs', 'monitor'):
            with self.subTest(verb=verb):
                lines = self.tool(None, 'de_DE', verb, '--help').stdout.splitlines()
                self.assertEqual(lines[1].split('[')[0], f'  vferryctl {verb} ')
                self.assertEqual(lines[1].split(']')[1].strip(), '')

    def test_tables_and_messages(self):
        host = self.host()
        host.daemon.add(DEVICE_PATH, 'Device', device(A))
        result = self.tool(host, 'de_DE', 'list')
        self.assertEqual(result.stdout.splitlines(), [
            'GERÄT                                 MODELL           PARAMETER  ZUSTAND  MIGRIERT',
            f'{A}  kernel.org/mtty  ports=2    idle     stop-copy, p2p, pre-copy'])
        result = self.tool(host, 'fr_FR', 'migrate', A, 'harbour-b')
        self.assertEqual(result.returncode, 3)
        self.assertIn('n’est pas une adresse\u00a0:', result.stderr)

    def test_json_speaks_no_language(self):
        host = self.host()
        host.daemon.add(DEVICE_PATH, 'Device', device(A))
        self.assertEqual(*[self.tool(host, language, 'list', '--json').stdout for language in ('de_DE', 'C')])

    def test_sentence_with_a_large_number(self):
        """Where a macro of GLib's once cut the sentence off in the catalogue."""
        result = self.tool(None, 'de_DE', 'migrate', A, 'unix:path=/x', '--address', '::1', '--precopy-max', 'x')
        self.assertEqual(result.stderr, 'vferryctl: --precopy-max ist „x“, muss aber eine Zahl von 1 bis 604800 sein\n')


if __name__ == '__main__':
    tap.main()
