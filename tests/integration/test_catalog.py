#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The journal catalog says what every event of the daemon means, in every language, and nothing else."""

import os
import re
import subprocess
import tempfile
import unittest

import tap

SOURCE = os.environ['VFERRY_TEST_SOURCE']
LANGUAGES = ('', 'de', 'fr')
ID = re.compile(r'\{"([^"]*)", LOG_\w+\}')
FIELD = re.compile(r'@(\w+)@')


def read(*path):
    with open(os.path.join(SOURCE, *path), encoding='utf-8') as file:
        return file.read()


def catalog_file(language):
    return 'vferry.' + (language + '.' if language else '') + 'catalog'


def entries(language):
    """What a catalog has, in its order: (id, header lines, body)."""
    text = re.sub(r'(?m)^#.*\n', '', read('dbus', catalog_file(language)))
    found = []
    for part in re.split(r'(?m)^-- ', text)[1:]:
        head, _, body = part.partition('\n\n')
        number, *lines = head.splitlines()
        found.append((number, dict(line.split(': ', 1) for line in lines), body))
    return found


class Catalog(unittest.TestCase):
    def setUp(self):
        self.ids = ID.findall(read('daemon', 'base', 'log.c'))

    def test_ids(self):
        """Real ids, each for one event."""
        events = re.findall(r'(?m)^    VF_EVENT_\w+', read('daemon', 'base', 'log.h'))
        self.assertEqual(len(self.ids), len(events))
        self.assertEqual(len(self.ids), len(set(self.ids)))
        for number in self.ids:
            self.assertRegex(number, '^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$')

    def test_is_complete(self):
        """Each event has its entry, in the order of the code, and no entry is of nobody."""
        for language in LANGUAGES:
            with self.subTest(language):
                self.assertEqual([number for number, _, _ in entries(language)], self.ids)

    def test_entries(self):
        """What happened, where more is said, and what to do; lines that fit beside the journal's."""
        for language in LANGUAGES:
            for number, head, body in entries(language):
                with self.subTest(language=language, id=number):
                    self.assertEqual(list(head), ['Subject', 'Defined-By', 'Documentation'])
                    self.assertEqual(head['Defined-By'], 'vferry')
                    self.assertGreaterEqual(body.strip().count('\n\n'), 1, 'it has what happened, and what to do')
                    self.assertLessEqual(max(map(len, body.splitlines())), 80)

    def test_fields(self):
        """They are fields that the daemon writes, and a translation has those of the original."""
        known = set(re.findall(r'"(VFERRY_\w+)"', read('daemon', 'base', 'log.h')))
        english = {number: set(FIELD.findall(str(head) + body)) for number, head, body in entries('')}
        for number, fields in english.items():
            self.assertLessEqual(fields, known, number)
        for language in LANGUAGES[1:]:
            for number, head, body in entries(language):
                with self.subTest(language=language, id=number):
                    self.assertEqual(set(FIELD.findall(str(head) + body)), english[number])

    def test_manual(self):
        """vferryd(8) lists every event and every field."""
        manual = read('docs', 'man', 'vferryd.8.rst')
        self.assertEqual(re.findall(r'(?m)^([0-9a-f]{32})  ', manual), self.ids)
        fields = re.findall(r'"(VFERRY_\w+)"', read('daemon', 'base', 'log.h'))
        self.assertEqual(sorted(re.findall(r'(?m)^``(VFERRY_\w+)``  ', manual)), sorted(fields))

    def test_compiles(self):
        """journalctl takes the files as they are, and finds each entry again."""
        with tempfile.TemporaryDirectory() as root:
            folder = os.path.join(root, 'usr/lib/systemd/catalog')
            os.makedirs(folder)
            os.makedirs(os.path.join(root, 'var/lib/systemd/catalog'))
            for language in LANGUAGES:
                os.symlink(os.path.join(SOURCE, 'dbus', catalog_file(language)), os.path.join(folder, catalog_file(language)))
            done = subprocess.run(['journalctl', f'--root={root}', '--update-catalog'], capture_output=True, text=True,
                                  check=False, timeout=60)
            self.assertEqual((done.returncode, done.stderr), (0, ''))
            done = subprocess.run(['journalctl', f'--root={root}', '--list-catalog'], capture_output=True, text=True,
                                  check=False, timeout=60, env={**os.environ, 'LC_ALL': 'C.UTF-8'})
            self.assertEqual(sorted(line.split()[0] for line in done.stdout.splitlines()), sorted(self.ids), done.stderr)


if __name__ == '__main__':
    tap.main()
