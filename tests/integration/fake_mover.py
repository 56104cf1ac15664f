#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A vferry-mover that does what a test wants: docs/mover-control.md without devices.

It stands under the name vferry-mover in the daemon's folder of programs. $VFERRY_FAKE_MOVER names a folder: `<verb>.json` in it is
a list of steps, [name, argument ...], in place of the ones below; `requests` gets a line for each request.

The tests start it more than a thousand times, so it does without gi, and takes of json, signal and socket what is compiled: a start is 9 ms
of processor then, and was 38 ms."""

import _json
import _signal
import _socket
import os
import select
import sys
import time

import gvariant

FOLDER = os.environ['VFERRY_FAKE_MOVER']
STOPPED = os.path.join(FOLDER, 'stopped')
FLAGS = ['stop-copy', 'p2p', 'pre-copy']

DONE = {'outcome': 'completed', 'device-states': ['running'], 'flags': FLAGS, 'data-size': 96, 'state': 'RUNNING'}
SCRIPTS = {
    'open': [['result', DONE, '/dev/null']],
    'inspect': [['result', DONE]],
    'return': [['record', 'returned'], ['result', DONE]],
    'start': [['record', 'started'], ['result', DONE]],
    'stop': [['result', {'outcome': 'failed', 'error': 'org.vferry1.Error.Busy', 'message': 'not reset', 'device-states': ['running']}]],
    'send': [
        ['phase', 'pre-copy'], ['progress', 40, 96], ['phase', 'switchover'], ['progress', 96, 96],
        ['phase', 'committing'], ['record', 'commit'], ['record', 'done'],
        ['result', {'outcome': 'completed', 'device-states': ['stopped'], 'bytes': 96, 'downtime': 4100}],
    ],
    'receive': [
        ['listening'], ['wait-for', 'go'], ['attached'], ['phase', 'loading'], ['progress', 96, 96],
        ['record', 'loaded'], ['record', 'commit'], ['record', 'started'],
        ['result', {'outcome': 'completed', 'device-states': ['running'], 'bytes': 96}],
    ],
}
TYPES = {'outcome': 's', 'untouched': 'b', 'error': 's', 'message': 's', 'device-states': 'as', 'flags': 'as', 'data-size': 't', 'state': 's'}

DEEP = ('u', 1)  # deeper than D-Bus has it
for _ in range(80):
    DEEP = ('v', DEEP)
DEEP = {'deep': DEEP}


def checksum(data):
    import ctypes
    library = ctypes.CDLL('libxxhash.so.0')
    library.XXH3_64bits.restype = ctypes.c_uint64
    return library.XXH3_64bits(data, ctypes.c_size_t(len(data)))


class Cancelled(Exception):
    pass


class Json:
    """What json.loads() tells its scanner."""
    strict = True
    object_hook = object_pairs_hook = parse_constant = None
    parse_float, parse_int = float, int


load_json = _json.make_scanner(Json)
dump_json = _json.make_encoder(None, None, _json.encode_basestring_ascii, None, ': ', ', ', False, False, False)


class Mover:
    def __init__(self):
        self.control = _socket.socket(fileno=3)
        data, ancillary, _, _ = self.control.recvmsg(65536, _socket.CMSG_SPACE(17 * 4))
        if not data:
            sys.exit(1)
        self.fds = [fd for level, kind, content in ancillary if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS)
                    for fd in memoryview(content[:len(content) // 4 * 4]).cast('i')]
        self.verb, self.arguments = gvariant.load('(sa{sv})', data)
        if self.verb in ('send', 'receive'):
            self.record_fd = self.fds[0]
        elif self.verb in ('return', 'start', 'stop'):
            self.record_fd = self.fds[-1]
        else:
            self.record_fd = -1
        with open(os.path.join(FOLDER, 'requests'), 'a', encoding='utf-8') as file:
            shown = {key: value for key, value in self.arguments.items() if key != 'key'}
            file.write(''.join(dump_json([self.verb, shown, len(self.fds), os.getpid()], 0)) + '\n')

    def script(self):
        try:
            with open(os.path.join(FOLDER, self.verb + '.json'), encoding='utf-8') as file:
                return load_json(file.read(), 0)[0]
        except FileNotFoundError:
            if self.verb == 'inspect' and os.path.exists(STOPPED):
                return [['result', dict(DONE, state='STOP')]]
            return SCRIPTS[self.verb]

    def send(self, verb, arguments, fds=()):
        """The values of the arguments are (type, value)."""
        ancillary = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, b''.join(fd.to_bytes(4, sys.byteorder) for fd in fds))] if fds else []
        self.control.sendmsg([gvariant.dump('(sa{sv})', (verb, arguments))], ancillary)

    def check_cancel(self, seconds):
        """Waits so long; a cancel or the daemon's end interrupts."""
        readable, _, _ = select.select([self.control], [], [], seconds)
        if readable:
            raise Cancelled if self.control.recv(65536) else SystemExit(1)

    def do_phase(self, phase):
        self.send('phase', {'phase': ('s', phase)})

    def do_progress(self, done, total):
        number = {key: ('t', value) for key, value in
                  {'done': done, 'total': total, 'rate': 1000, 'dirty': 0, 'initial-left': 0}.items()}
        self.send('progress', {**number, 'round': ('u', 1), 'devices': ('at', [done])})

    def do_listening(self, port=None):
        self.send('listening', {'address': ('s', self.arguments['address']),
                                'port': ('q', port or self.arguments['port-min'])})

    def do_attached(self):
        self.send('attached', {'peer-address': ('s', '127.0.0.1')})

    def do_record(self, event, details='@a{sv} {}'):
        body = f'{event} {details}'.encode()
        os.write(self.record_fd, body + b' %016x\n' % checksum(body))
        os.fsync(self.record_fd)
        self.note_stopped(event)

    def note_stopped(self, event):
        """A source that has committed is stopped, until it is known how that ended: what the next `inspect` sees."""
        if self.verb == 'send' and event == 'commit':
            with open(STOPPED, 'w', encoding='utf-8'):
                pass
        elif event in ('done', 'returned') and os.path.exists(STOPPED):
            os.unlink(STOPPED)

    def do_sleep(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.check_cancel(max(0, deadline - time.monotonic()))

    def do_wait_for(self, name):
        while not os.path.exists(os.path.join(FOLDER, name)):
            self.check_cancel(0.01)

    def do_wait_for_deaf(self, name):
        while not os.path.exists(os.path.join(FOLDER, name)):
            time.sleep(0.01)

    def do_deaf(self, seconds):
        time.sleep(seconds)

    def do_die(self, signal_number=_signal.SIGKILL):
        os.kill(os.getpid(), signal_number)

    def do_exit(self, status):
        sys.exit(status)

    def do_say(self, verb, arguments=None):
        self.send(verb, {key: (kind, DEEP if value == 'deep' else value)
                         for key, (kind, value) in (arguments or {}).items()})

    @staticmethod
    def do_print(line, number=1):
        for _ in range(number):
            print(line, file=sys.stderr, flush=True)

    def do_garbage(self):
        self.control.send(b'\xff' * 31)

    @staticmethod
    def open_device(path):
        """A number is the port for one that is slow to close."""
        if isinstance(path, int):
            import slow_close
            return slow_close.connect(path).detach()
        return os.open(path, os.O_RDWR)

    def do_result(self, result, path=None):
        arguments = {key: (TYPES[key], value) for key, value in result.items() if key in TYPES}
        statistics = {key: ('t', value) for key, value in result.items() if key not in TYPES}
        arguments['statistics'] = ('a{sv}', statistics)
        fds = [self.open_device(path)] if path else []
        self.send('result', arguments, fds)

    def run(self):
        try:
            for name, *arguments in self.script():
                getattr(self, 'do_' + name.replace('-', '_'))(*arguments)
        except Cancelled:
            if self.verb == 'send':
                self.do_record('returned')
            self.do_result({'outcome': 'cancelled', 'error': 'org.vferry1.Error.Cancelled', 'message': 'cancelled',
                            'device-states': ['running'] if self.verb == 'send' else ['stopped']})


if __name__ == '__main__':
    Mover().run()
