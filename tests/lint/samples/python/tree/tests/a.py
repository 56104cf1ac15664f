#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import subprocess


def run(command, **options):
    subprocess.run(command, timeout=3)
    subprocess.run(command, check=True)
    os.system(command)
    subprocess.Popen(command, shell=True)
    try:
        run(command)
    except:
        raise
    try:
        subprocess.run(command, **options)
    except Exception:
        pass
    # lint-allow: python: shown to be exempt
    subprocess.call(command)
