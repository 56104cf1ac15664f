# SPDX-License-Identifier: LGPL-2.1-or-later
"""vferryctl against the real daemon of a harness.Test."""

import os
import subprocess

TOOL = os.environ['VFERRY_TEST_TOOL']
WRAPPER = os.environ.get('VFERRY_TEST_WRAPPER', '').split()


class Mixin:
    def start_tool(self, *args, stdin=subprocess.DEVNULL, **more):
        environment = {key: value for key, value in os.environ.items()
                       if key not in ('LD_PRELOAD', 'UMOCKDEV_DIR')}
        environment.update(DBUS_SYSTEM_BUS_ADDRESS=self.bus.address, LC_ALL='C.UTF-8')
        environment.update(more)
        process = subprocess.Popen([*WRAPPER, TOOL, *args], env=environment, text=True, stdin=stdin,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.kill)
        return process

    def finish_tool(self, process):
        """(status, output, errors). The daemon's signals and the test bed's sysfs need us meanwhile."""
        self.wait_for(lambda: process.poll() is not None, 'the end of vferryctl', 40)
        out, err = process.communicate(timeout=5)
        return process.returncode, out, err

    def tool(self, *args, **more):
        return self.finish_tool(self.start_tool(*args, **more))
