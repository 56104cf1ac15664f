#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How the hardware looks on the bus."""

import harness
import tap


class Hotplug(harness.Test):
    def test_device_that_was_there(self):
        self.sysfs.add_mtty_parent()
        uuid = self.sysfs.add_mdev('mtty-2')
        self.start_daemon()
        device = self.find_device(uuid)
        self.assertIsNotNone(device)
        self.assertEqual(device.get('Model'), 'kernel.org/mtty')
        self.assertEqual(device.get('Parameters'), {'ports': '2'})


if __name__ == '__main__':
    tap.main()
