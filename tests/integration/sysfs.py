# SPDX-License-Identifier: LGPL-2.1-or-later
"""A sysfs with mdev parents, mdevs and PCI functions, through umockdev: what the kernel and udev would show and say."""

import os
import re
import threading
import uuid as uuids

from gi.repository import UMockdev

MTTY = '/sys/devices/virtual/mtty/mtty'
TESTDEV = '/sys/devices/virtual/vferry-testdev/testdev0'
BRIDGE = '/sys/devices/pci0000:00/0000:00:02.0'


class Sysfs:
    """All paths are as the daemon sees them, /sys/..."""

    def __init__(self):
        self.testbed = UMockdev.Testbed.new()
        self.root = self.testbed.get_root_dir()
        self.parents = {}  # name -> path
        self.mdevs = {}    # uuid -> path
        self.pools = {}    # parent name -> (free units, type -> units each)
        self.numbers = 0
        self.left = []     # open directories of what has been removed
        self.kernel = None
        self.lock = threading.RLock()

    def real(self, path):
        return self.root + path

    def write(self, path, text):
        with open(self.real(path), 'w', encoding='utf-8') as file:
            file.write(text)

    def read(self, path):
        with open(self.real(path), encoding='utf-8') as file:
            return file.read()

    def link(self, path, target):
        """A relative symbolic link from `path` to the path `target`."""
        real = self.real(path)
        os.makedirs(os.path.dirname(real), exist_ok=True)
        os.symlink(os.path.relpath(target, os.path.dirname(path)), real)

    def uevent(self, path, action):
        self.testbed.uevent(path, action)

    # --- parents

    def add_parent(self, name, path, subsystem, types, pool=None, driver=None, attributes=None):
        """`name` is the last part of `path`. `types`: id -> dict(available=, name=, device_api=). `pool`: (units, {type: units of one}) makes
        available_instances follow what is created, as one pool shared by all types."""
        lines = [f'P: {path[4:]}', f'E: SUBSYSTEM={subsystem}']
        if driver:
            lines.append(f'L: driver=../../../../bus/{subsystem}/drivers/{driver}')
        lines += [f'A: {key}={value}\\n' for key, value in (attributes or {}).items()]
        for type_id, of_type in types.items():
            base = f'mdev_supported_types/{type_id}'
            lines += [f'A: {base}/available_instances={of_type["available"]}\\n',
                      f'A: {base}/device_api={of_type.get("device_api", "vfio-pci")}\\n',
                      f'A: {base}/name={of_type.get("name", type_id)}\\n',
                      f'A: {base}/create=']
        with self.lock:
            self.testbed.add_from_string('\n'.join(lines) + '\n')
            self.link(f'/sys/class/mdev_bus/{name}', path)
            self.parents[name] = path
            if pool:
                self.pools[name] = [pool[0], pool[1]]
        return path

    def add_mtty_parent(self):
        """The kernel's sample driver: 24 ports, mtty-1 takes one, mtty-2 two."""
        return self.add_parent('mtty', MTTY, 'mtty', {
            'mtty-1': {'available': 24, 'name': 'Single port serial'},
            'mtty-2': {'available': 12, 'name': 'Dual port serial'},
        }, pool=(24, {'mtty-1': 1, 'mtty-2': 2}))

    def remove_parent(self, name):
        """As mdev_unregister_parent(): the devices first, then the types. No uevent of its own reaches the daemon here
        (umockdev does not carry udev's tags)."""
        path = self.parents[name]
        os.unlink(self.real(f'/sys/class/mdev_bus/{name}'))
        for uuid in [u for u, p in self.mdevs.items() if os.path.dirname(p) == path]:
            self.remove_mdev(uuid)
        del self.parents[name]

    def set_available(self, parent, type_id, number):
        path = f'{self.parents[parent]}/mdev_supported_types/{type_id}/available_instances'
        self.write('/written', f'{number}\n')  # nobody finds it empty
        os.replace(self.real('/written'), self.real(path))

    def give_room(self, parent, units):
        """So many are left in its pool."""
        with self.lock:
            self.pools[parent][0] = units
            for type_id, of_one in self.pools[parent][1].items():
                self.set_available(parent, type_id, units // of_one)

    def take(self, parent, type_id, sign):
        if parent not in self.pools:
            return
        pool = self.pools[parent]
        pool[0] -= sign * pool[1][type_id]
        for each, units in pool[1].items():
            self.set_available(parent, each, pool[0] // units)

    # --- mdevs

    def add_mdev(self, type_id, uuid=None, parent='mtty', attributes=None, steps=('add', 'vfio-dev', 'bind'),
                 type_link=True):
        """With the uevents of a creation; leave out steps to stop half-way. Returns the UUID."""
        uuid = uuid or str(uuids.uuid4())
        path = f'{self.parents[parent]}/{uuid}'
        with self.lock:
            number = self.numbers
            self.numbers += 1
            self.mdevs[uuid] = path
            self.take(parent, type_id, 1)
            lines = [f'P: {path[4:]}', 'E: SUBSYSTEM=mdev', 'A: remove=',
                     f'L: iommu_group=../../../../../kernel/iommu_groups/{number}']
            lines += [f'A: {name}={value}\\n' for name, value in (attributes or {}).items()]
            self.testbed.add_from_string('\n'.join(lines) + '\n')  # this sends the add
            if 'vfio-dev' in steps:
                self.add_vfio_dev(uuid, number)
            if type_link:
                self.add_type_link(uuid, type_id)
            if 'bind' in steps:
                self.bind(uuid)
        return uuid

    def add_vfio_dev(self, uuid, number):
        self.testbed.add_from_string(
            f'P: {self.mdevs[uuid][4:]}/vfio-dev/vfio{number}\nE: SUBSYSTEM=vfio-dev\n')

    def add_type_link(self, uuid, type_id):
        path = self.mdevs[uuid]
        self.link(f'{path}/mdev_type', f'{os.path.dirname(path)}/mdev_supported_types/{type_id}')

    def drop_type_link(self, uuid):
        """As the kernel does first when an mdev is to be removed that somebody has open."""
        os.unlink(self.real(f'{self.mdevs[uuid]}/mdev_type'))

    def bind(self, uuid):
        path = self.mdevs[uuid]
        self.link(f'{path}/driver', '/sys/bus/mdev/drivers/' + path.split('/')[4])
        self.uevent(path, 'bind')

    def remove_mdev(self, uuid):
        with self.lock:
            path = self.mdevs.pop(uuid)
            parent = os.path.basename(os.path.dirname(path))
            type_link = self.real(f'{path}/mdev_type')
            if os.path.islink(type_link):
                self.take(parent, os.path.basename(os.readlink(type_link)), -1)
            self.remove_vfio_devs(path)
            self.uevent(path, 'remove')
            self.remove_directory(path)

    def remove_directory(self, path):
        """Unlike sysfs, the test bed's file system would use the inode again, but not while it is open."""
        self.left.append(os.open(self.real(path), os.O_PATH))
        self.testbed.remove_device(path)

    def lose_mdev(self, uuid):
        """It is gone, and the event that says so never comes."""
        with self.lock:
            path = self.mdevs.pop(uuid)
            for name in os.listdir(self.real(f'{path}/vfio-dev')):
                self.testbed.remove_device(f'{path}/vfio-dev/{name}')
            self.testbed.remove_device(path)

    def remove_vfio_devs(self, path):
        vfio_dir = self.real(f'{path}/vfio-dev')
        for name in os.listdir(vfio_dir) if os.path.isdir(vfio_dir) else []:
            child = f'{path}/vfio-dev/{name}'
            self.uevent(child, 'remove')
            self.remove_directory(child)

    # --- PCI functions

    @staticmethod
    def function_path(address):
        return f'{BRIDGE}/{address}'

    def add_function(self, address, driver=None, attributes=None, group=None, physfn=None):
        """A function, with the add event: a PF if `attributes` has sriov_totalvfs, a VF if it has a `physfn`."""
        path = self.function_path(address)
        lines = [f'P: {path[4:]}', 'E: SUBSYSTEM=pci']
        lines += [f'A: {name}={value}\\n' for name, value in (attributes or {}).items()]
        if driver:
            lines.append(f'L: driver=../../../../bus/pci/drivers/{driver}')
        if group is not None:
            lines.append(f'L: iommu_group=../../../../kernel/iommu_groups/{group}')
        if physfn:
            lines.append(f'L: physfn=../{physfn}')
        with self.lock:
            self.testbed.add_from_string('\n'.join(lines) + '\n')
            if group is not None:
                self.link(f'/sys/kernel/iommu_groups/{group}/devices/{address}', path)
        return path

    def bind_function(self, address, driver, number=None):
        """Binds a driver; one of VFIO's, which makes the device vfio`number`, if there is a number."""
        path = self.function_path(address)
        with self.lock:
            self.link(f'{path}/driver', f'/sys/bus/pci/drivers/{driver}')
            if number is not None:
                self.testbed.add_from_string(f'P: {path[4:]}/vfio-dev/vfio{number}\nE: SUBSYSTEM=vfio-dev\n')
            self.uevent(path, 'bind')

    def unbind_function(self, address):
        path = self.function_path(address)
        with self.lock:
            self.remove_vfio_devs(path)
            os.unlink(self.real(f'{path}/driver'))
            self.uevent(path, 'unbind')

    def remove_function(self, address):
        path = self.function_path(address)
        with self.lock:
            self.remove_vfio_devs(path)
            for name in ('sriov_totalvfs', 'sriov_numvfs'):  # the kernel's order: attributes, event, directory
                if os.path.exists(self.real(f'{path}/{name}')):
                    os.unlink(self.real(f'{path}/{name}'))
            self.uevent(path, 'remove')
            self.testbed.remove_device(path)

    def say_in_debugfs(self, device, **files):
        """What the kernel says of a device's migration: state=, features=; nothing for a driver that has none."""
        folder = self.real(f'/sys/kernel/debug/vfio/{device}') + ('/migration' if files else '')
        os.makedirs(folder, exist_ok=True)
        for name, text in files.items():
            with open(f'{folder}/{name}', 'w', encoding='utf-8') as file:
                file.write(text)

    # --- a kernel that obeys

    def obey(self):
        """From now on a UUID written to a type's `create` makes an mdev, and `1` to an mdev's `remove` removes it, a moment
        later: umockdev's attributes are plain files. tests/support/obey.c makes the daemon's helper wait for the first, and
        fail when there is one already."""
        self.kernel = Kernel(self)
        self.kernel.start()

    def stop(self):
        if self.kernel:
            self.kernel.stop()
        self.testbed = None
        while self.left:
            os.close(self.left.pop())


class Kernel(threading.Thread):
    UUID = re.compile('[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}')

    def __init__(self, sysfs):
        super().__init__(daemon=True)
        self.sysfs = sysfs
        self.finished = threading.Event()
        self.created = []
        self.removed = []

    def look(self):
        for name, path in list(self.sysfs.parents.items()):
            types = f'{path}/mdev_supported_types'
            for type_id in os.listdir(self.sysfs.real(types)):
                attribute = f'{types}/{type_id}/create'
                uuid = self.sysfs.read(attribute).strip().lower()
                if self.UUID.fullmatch(uuid) and uuid not in self.sysfs.mdevs:
                    self.created.append((type_id, uuid))
                    self.sysfs.add_mdev(type_id, uuid, name)
                if uuid:
                    self.sysfs.write(attribute, '')  # for tests/support/obey.c: that it is done
        for uuid, path in list(self.sysfs.mdevs.items()):
            if self.sysfs.read(f'{path}/remove').strip() == '1':
                self.removed.append(uuid)
                self.sysfs.remove_mdev(uuid)

    def run(self):
        while not self.finished.wait(0.01):
            with self.sysfs.lock:
                self.look()

    def stop(self):
        self.finished.set()
        self.join(10)
