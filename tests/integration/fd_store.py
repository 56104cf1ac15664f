# SPDX-License-Identifier: LGPL-2.1-or-later
"""What systemd does for a service with FileDescriptorStoreMax=, as far as vferryd needs it: sd_pid_notify_with_fds(3),
sd_listen_fds_with_names(3). The store outlives the daemon; stop() is the end of the service."""

import array
import ctypes
import json
import os
import select
import socket
import struct
import sys
import threading

from gi.repository import GLib

LISTEN_FDS_START = 3

# The descriptors have to be at 3 and up, and LISTEN_PID is known only to the child.
EXEC = '''
import fcntl, json, os, sys
fds, names = json.loads(sys.argv[1])
high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 1000) for fd in fds]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i)
for fd in fds:
    if fd >= 3 + len(fds):
        os.set_inheritable(fd, False)
if fds:
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=':'.join(names))
os.environ['LD_PRELOAD'] = os.environ.pop('FD_STORE_PRELOAD')
os.execvp(sys.argv[2], sys.argv[2:])
'''


def checksum(data):
    library = ctypes.CDLL('libxxhash.so.0')
    library.XXH3_64bits.restype = ctypes.c_uint64
    return library.XXH3_64bits(data, ctypes.c_size_t(len(data)))


class FdStore:
    def __init__(self, path, limit=512):
        self.path = path
        self.limit = limit
        self.lock = threading.Lock()
        self.entries = []  # [name, fd]
        self.refused = 0
        self.removed = []
        self.busy = False  # reads, and comes to nothing
        self.waiting = []  # what it has read meanwhile
        self.leave_after_barrier = False
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.socket.bind(path)
        self.wake, self.waker = socket.socketpair()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            readable, _, _ = select.select([self.socket, self.wake], [], [])
            if self.wake in readable:
                return
            self.drain()

    def drain(self):
        """What has been sent is read before anybody looks, as systemd does before it notices a service's end."""
        with self.lock:
            while select.select([self.socket], [], [], 0)[0]:
                data, ancillary, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(64 * 4), socket.MSG_CMSG_CLOEXEC)
                fds = array.array('i')
                for level, kind, content in ancillary:
                    if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                        fds.frombytes(content)
                self.handle(dict(line.split('=', 1) for line in data.decode().splitlines()), fds)

    def be_away(self, away=True):
        """Nobody reaches it; what is sent meanwhile is lost."""
        os.rename(*((self.path, self.path + '.away') if away else (self.path + '.away', self.path)))

    def be_busy(self, busy=True):
        """What is sent meanwhile is done afterwards."""
        self.drain()
        with self.lock:
            self.busy = busy
            while self.waiting and not busy:
                self.handle(*self.waiting.pop(0))

    def handle(self, message, fds):
        if self.busy:
            self.waiting.append((message, fds))
            return
        name = message.get('FDNAME', 'stored')
        if message.get('FDSTOREREMOVE') == '1':
            self.removed.append(name)
            self.drop(name)
        for fd in fds:
            if message.get('FDSTORE') == '1' and len(self.entries) < self.limit:
                assert message['FDPOLL'] == '0' and len(name) <= 255 and ':' not in name and name.isprintable()
                self.entries.append([name, fd])
            else:
                self.refused += message.get('BARRIER') != '1'
                if self.leave_after_barrier and message.get('BARRIER') == '1':
                    self.leave_after_barrier = False
                    self.be_away()
                os.close(fd)

    def drop(self, name):
        for entry in [entry for entry in self.entries if entry[0] == name]:
            os.close(entry[1])
            self.entries.remove(entry)

    def names(self):
        self.drain()
        with self.lock:
            return sorted(name for name, _ in self.entries)

    def parts(self, kind):
        """The parts of everything of that kind, sorted."""
        return sorted(name.split('.')[2] for name in self.names() if name.startswith(kind + '.'))

    def lose(self, kind, part=''):
        """As if systemd had never got it."""
        names = [name for name in self.names() if name.startswith(kind + '.') and name.endswith(part)]
        with self.lock:
            for name in names:
                self.drop(name)
        return names

    def find(self, kind, part):
        """The store's own descriptor."""
        (name,) = [name for name in self.names() if name.startswith(kind + '.') and name.endswith('.' + part)]
        return dict(self.entries)[name]

    def change_state(self, kind, **changes):
        """The description of the one thing of that kind (daemon/keep/memo.c); None takes a key out of it."""
        memo = self.find(kind, 'state')
        heads = [struct.unpack('<QQ', os.pread(memo, 16, at)) for at in (0, 65536)]
        number, size = max(heads)
        old = os.pread(memo, size, 65536 * heads.index((number, size)) + 24)
        old = GLib.Variant.new_from_bytes(GLib.VariantType('a{sv}'), GLib.Bytes.new(old), False)
        values = {old.get_child_value(i).get_child_value(0).get_string(): old.get_child_value(i).get_child_value(1).get_variant()
                  for i in range(old.n_children())}
        values.update(changes)
        new = GLib.Variant('a{sv}', {key: value for key, value in values.items() if value is not None})
        new = new.get_data_as_bytes().get_data()
        head = struct.pack('<QQ', number + 1, len(new))
        os.pwrite(memo, head + struct.pack('<Q', checksum(head + new)) + new, (number + 1) % 2 * 65536)

    def put(self, name, fd):
        with self.lock:
            self.entries.append([name, os.dup(fd)])

    def stop(self):
        """systemctl stop: everything is closed."""
        self.drain()
        with self.lock:
            for _, fd in self.entries:
                os.close(fd)
            self.entries.clear()

    def close(self):
        self.be_busy(False)
        self.stop()
        self.waker.send(b'.')
        self.thread.join()
        for thing in (self.socket, self.wake, self.waker):
            thing.close()

    def prepare(self, command, environment):
        """(command, environment, descriptors) of a daemon that gets what is in the store."""
        self.drain()
        with self.lock:
            names, fds = [entry[0] for entry in self.entries], [entry[1] for entry in self.entries]
        environment = dict(environment, NOTIFY_SOCKET=self.path, FDSTORE=str(self.limit), FD_STORE_PRELOAD=environment['LD_PRELOAD'])
        del environment['LD_PRELOAD']
        return [sys.executable, '-I', '-S', '-c', EXEC, json.dumps([fds, names]), *command], environment, fds
