#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes docs/bus/*.rst from dbus/*.xml: generate.py [DIRECTORY]. Run it when an interface has changed; the test bus_docs fails
until then."""

import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
INTERFACES = os.path.join(os.path.dirname(os.path.dirname(HERE)), 'dbus')
HEAD = '.. SPDX-License-Identifier: LGPL-2.1-or-later\n.. Written by docs/bus/generate.py from dbus/{}.xml; change that.\n\n'


def tidy(text):
    """gdbus-codegen leaves many empty lines and as many spaces at their ends."""
    lines = [line.rstrip() for line in text.splitlines()]
    return re.sub('\n{3,}', '\n\n', '\n'.join(lines)).strip() + '\n'


def generate(directory):
    names = sorted(name[:-len('.xml')] for name in os.listdir(INTERFACES) if name.endswith('.xml'))
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(['gdbus-codegen', '--generate-rst', 'bus', '--output-directory', scratch,
                        *(os.path.join(INTERFACES, f'{name}.xml') for name in names)], check=True, timeout=60)
        for name in names:
            with open(os.path.join(scratch, f'bus-{name}.rst'), encoding='utf-8') as made:
                text = HEAD.format(name) + tidy(made.read())
            with open(os.path.join(directory, f'{name}.rst'), 'w', encoding='utf-8') as file:
                file.write(text)


if __name__ == '__main__':
    generate(sys.argv[1] if len(sys.argv) > 1 else HERE)
