#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The shipped descriptors as people read about them."""

import os
import subprocess
import sys
import tempfile
import unittest

import harness
import tap

DOCS = os.path.join(harness.SOURCE, 'docs')


class Written(unittest.TestCase):
    def test_what_is_generated_is_fresh(self):
        with tempfile.TemporaryDirectory() as scratch:
            made = os.path.join(scratch, 'models.md')
            subprocess.run([sys.executable, os.path.join(DOCS, 'generate-models.py'), made], check=True, timeout=60)
            with open(made, encoding='utf-8') as new, open(os.path.join(DOCS, 'models.md'), encoding='utf-8') as kept:
                self.assertEqual(new.read(), kept.read(), 'run docs/generate-models.py')


if __name__ == '__main__':
    tap.main()
