#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The systemd unit as it was configured, in the eyes of systemd-analyze; its effects are tests/kernel/scenarios/unit.py's."""

import glob
import json
import os
import re
import subprocess
import tempfile
import unittest

import tap

# Of 100, as --threshold= counts. Lower it with every line that is gained; it is not there to be raised.
THRESHOLD = 18


def analyze(*arguments):
    return subprocess.run(['systemd-analyze', '--no-pager', *arguments], capture_output=True, text=True, check=False,
                          timeout=60, env={**os.environ, 'LC_ALL': 'C.UTF-8', 'SYSTEMD_COLORS': '0'})


class Unit(unittest.TestCase):
    def setUp(self):
        self.path = os.environ['VFERRY_TEST_UNIT']
        with open(self.path, encoding='utf-8') as file:
            self.text = file.read()

    def test_exposure(self):
        """The figure of `systemd-analyze security` is printed, and does not get worse."""
        done = analyze('security', '--offline=true', f'--threshold={THRESHOLD}', self.path)
        figure = re.search(r'Overall exposure level for \S+: (\S+)', done.stdout)
        self.assertIsNotNone(figure, done.stdout + done.stderr)
        print(f'# exposure {figure[1]}, at most {THRESHOLD / 10}', flush=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_exceptions_are_explained(self):
        """Whatever the unit leaves open is named in a comment or set to something narrower."""
        done = analyze('security', '--offline=true', '--json=short', self.path)
        for item in json.loads(done.stdout):
            if item['set']:
                continue
            names = re.findall(r'[A-Z][A-Za-z]+(?==)', item['name'])
            for name in names:
                with self.subTest(name):
                    self.assertRegex(self.text, rf'(?m)^#.*\b{name}\b|^{name}=')

    def test_exceptions_are_exceptions(self):
        """What the comments at the end call missing is missing."""
        listed = re.findall(r'(?m)^# ([A-Z][A-Za-z]+(?:=\w+)?(?:, [A-Z][A-Za-z]+(?:=\w+)?)*):', self.text.split('What is not here')[1])
        self.assertGreater(len(listed), 5)
        for name in ', '.join(listed).split(', '):
            self.assertNotRegex(self.text, rf'(?m)^{name.split("=")[0]}=')

    def test_descriptors_have_room(self):
        """A daemon that is handed all that the store holds can still work."""
        store, limit = (int(re.search(rf'(?m)^{name}=(\d+)$', self.text)[1]) for name in ('FileDescriptorStoreMax', 'LimitNOFILE'))
        self.assertGreaterEqual(limit, 4 * store)

    def test_never_given_up(self):
        """However often the daemon ends by itself, systemd keeps its store and starts the next, on every systemd."""
        paths = glob.glob(os.path.join(os.path.dirname(self.path), 'vferryd*.service'))
        self.assertEqual(len(paths), 2)
        for path in paths:
            with open(path, encoding='utf-8') as file:
                found = dict(re.findall(r'(?m)^(StartLimitIntervalSec|Restart\w*|FileDescriptorStorePreserve)=(.*)$', file.read()))
            self.assertEqual((found.pop('StartLimitIntervalSec'), found.pop('Restart')), ('0', 'always'))
            self.assertIn(found, ({'RestartSec': '1'}, {'RestartSec': '100ms', 'RestartSteps': '6', 'RestartMaxDelaySec': '5',
                                                        'FileDescriptorStorePreserve': 'restart'}))

    def test_is_understood(self):
        """systemd knows every directive and every value."""
        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, 'vferryd.service')
            with open(copy, 'w', encoding='utf-8') as file:
                file.write(re.sub(r'(?m)^(ExecStart=).*|^Documentation=.*\n', lambda match: '\n' if not match[1] else 'ExecStart=/bin/true', self.text))
            done = analyze('verify', '--man=no', copy)
        self.assertNotIn(copy, done.stderr)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == '__main__':
    tap.main()
