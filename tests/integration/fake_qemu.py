#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A QEMU as far as its monitor shows: QMP on a unix socket, and a guest that crosses to another one over a descriptor.

    fake_qemu.py '{"path": ..., "ledger": ..., "name": ...}'

It does what QEMU 10.0 and 11.1 were seen to do, also where nobody would guess it. The test speaks to it over its standard
streams, one line of JSON each way. What its guest does is in the ledger that all of them share: `NAME run MEMORY`, before it
runs, and `NAME stop` after it does, so that two at once cannot be missed.

Nothing happens by time: a step that a test holds waits for it, and what comes late comes after so many questions."""

import array
import json
import os
import select
import signal
import socket
import struct
import sys

CAPABILITIES = ['xbzrle', 'auto-converge', 'events', 'postcopy-ram', 'x-ignore-shared', 'return-path', 'pause-before-switchover',
                'multifd', 'switchover-ack', 'mapped-ram', 'validate-uuid', 'background-snapshot']
DEFAULTS = {
    'label': '', 'version': [10, 0, 2], 'name': '', 'uuid': '00000000-0000-0000-0000-000000000000', 'machine': 'pc-q35-10.0', 'memory': 1 << 28,
    'devices': [], 'capabilities': CAPABILITIES, 'reasons': [], 'oob': True, 'greeting': 'normal',
    'incoming': False, 'stopped': False,  # -incoming defer, -S
    'on': [], 'parameters': {}, 'marker': '', 'pages': 8,
    'hold': [],      # steps: setup, active, switchover, word (source); setup, active, loaded (destination)
    'traps': {},     # command: what happens in place of its answer
    'ending': 'early',   # a failure: `failed`, then the guest runs (10.0); 'late': `failing`, the guest runs, `failed` (11.1)
    'late': {},      # 'resume', 'completed', 'postmigrate', 'paused': after so many questions
}


class Broken(Exception):
    """The other side, or what leads there."""


class Cancelled(Exception):
    pass


class Qemu:
    def __init__(self, config):
        self.config = {**DEFAULTS, **config}
        self.label = self.config['label']
        self.memory = self.config['marker']
        self.run = 'inmigrate' if self.config['incoming'] else 'prelaunch'
        self.autostart = not self.config['stopped']
        self.status = None
        self.error = None
        self.on = set(self.config['on'])
        self.log = []
        self.arrived = []    # descriptors without a name
        self.files = {}
        self.later = []      # [command, number, function]
        self.step = None     # a generator: the migration that is under way
        self.held = None     # the step that waits for the test
        self.released = set()
        self.stream = None
        self.sent = 0
        self.parameters = dict(self.config['parameters'])
        self.client = None
        self.negotiated = False
        self.bytes = b''
        self.stuck = None    # a command that is not answered before the test says so
        self.orders = b''
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.config['path'])
        self.listener.listen(1)
        if not self.config['incoming'] and self.autostart:
            self.set_running()

    # --- the guest

    def write(self, text):
        fd = os.open(self.config['ledger'], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(fd, f'{self.label} {text}\n'.encode())
        os.close(fd)

    def set_running(self):
        if self.run == 'running':
            return
        self.write(f'run {self.memory}')
        self.run = 'running'
        self.event('RESUME')

    def set_stopped(self, how):
        running = self.run == 'running'
        self.run = how
        if running:
            self.write('stop')
            self.event('STOP')

    def end(self):
        self.write('end')
        with open(self.config['path'] + '.last', 'w', encoding='utf-8') as file:
            json.dump(self.look(), file)
        sys.exit(0)

    def look(self):
        return {'run': self.run, 'status': self.status, 'held': self.held, 'log': self.log, 'on': sorted(self.on),
                'stuck': self.stuck and self.stuck['execute'], 'memory': self.memory, 'parameters': self.parameters,
                'files': len(self.arrived) + len(self.files) + bool(self.stream)}

    # --- a migration

    def after(self, command, what, function):
        """When it has been answered so often."""
        number = self.config['late'].get(what, 0)
        if number == 0:
            function()
        else:
            self.later.append([command, number, function])

    def count(self, command):
        for each in list(self.later):
            if each[0] == command:
                each[1] -= 1
                if each[1] == 0:
                    self.later.remove(each)
                    each[2]()

    def set_status(self, status):
        self.status = status
        if 'events' in self.on:
            self.event('MIGRATION', {'status': status})

    def send(self, kind, data=b''):
        try:
            self.stream.sendall(struct.pack('>cI', kind, len(data)) + data)
        except OSError as error:
            raise Broken(f'Unable to write to socket: {error.strerror}') from None
        self.sent += len(data)

    def receive(self, size):
        """A generator, too: waits for so many bytes."""
        data = b''
        while len(data) < size:
            yield self.stream
            try:
                more = self.stream.recv(size - len(data))
            except OSError as error:
                raise Broken(f'Unable to read from socket: {error.strerror}') from None
            if not more:
                raise Broken('Not a migration stream' if not self.sent and not data else 'Unable to read from socket: end of file')
            data += more
        return data

    def receive_frame(self):
        kind, size = struct.unpack('>cI', (yield from self.receive(5)))
        return kind, (yield from self.receive(size))

    def save(self):
        self.set_status('setup')
        yield 'setup'
        self.set_status('active')
        self.send(b'Q', self.memory.encode())
        for _ in range(self.config['pages']):
            self.send(b'R', bytes(4096))
        yield 'active'
        self.set_stopped('finish-migrate')
        self.set_status('device')
        yield 'switchover'
        for device in self.config['devices']:
            self.send(b'D', device['id'].encode())
        self.send(b'E')
        if 'return-path' in self.on:
            kind, _ = yield from self.receive_frame()
            if kind != b'L':
                raise Broken('the destination says nonsense')
        yield 'word'
        self.after('query-migrate', 'completed', self.complete_save)

    def complete_save(self):
        self.set_status('completed')
        self.close_stream()
        self.after('query-status', 'postmigrate', lambda: self.set_stopped('postmigrate'))

    def load(self):
        self.set_status('setup')
        yield 'setup'
        self.set_status('active')
        devices = []
        while True:
            kind, data = yield from self.receive_frame()
            if kind == b'Q':
                self.memory = data.decode()
                yield 'active'
            elif kind == b'D':
                devices.append(data.decode())
            elif kind == b'E':
                break
            self.sent += len(data)
        if sorted(devices) != sorted(device['id'] for device in self.config['devices']):
            raise Broken('Unknown savevm section')
        yield 'loaded'
        if 'return-path' in self.on:
            self.send(b'L')
        self.close_stream()
        self.set_status('completed')
        self.after('query-status', 'paused', self.complete_load)

    def complete_load(self):
        if self.run != 'inmigrate':
            return
        self.run = 'paused'
        if self.autostart:
            self.set_running()

    def close_stream(self):
        if self.stream:
            self.stream.close()
            self.stream = None

    def fail(self, end, words=None):
        """What has been seen of both versions: `failed` before the guest runs again, or after it."""
        self.step = self.held = None
        self.close_stream()
        self.error = words
        if self.config['incoming']:
            self.set_status(end)
        elif self.run != 'finish-migrate':
            self.set_status(end)
        elif self.config['ending'] == 'early':
            self.set_status(end)
            self.after('query-status', 'resume', self.set_running)
        else:
            self.set_status('cancelling' if end == 'cancelled' else 'failing')

            def finish():
                self.set_running()
                self.set_status(end)
            self.after('query-migrate', 'resume', finish)

    def go_on(self, thrown=None):
        """The migration's next steps, as far as it comes without waiting."""
        while self.step:
            try:
                wanted = self.step.throw(thrown) if thrown else next(self.step)
                thrown = None
            except StopIteration:
                self.step = None
                return
            except Cancelled:
                self.fail('cancelled')
                return
            except Broken as error:
                self.fail('failed', str(error))
                return
            if isinstance(wanted, str):
                if wanted not in self.config['hold'] or wanted in self.released:
                    continue
                self.held = wanted
            return

    # --- the monitor

    def tell(self, message):
        if self.client:
            try:
                self.client.sendall(json.dumps(message).encode() + b'\r\n')
            except OSError:
                pass

    def event(self, name, data=None):
        if self.negotiated:
            self.tell({'timestamp': {'seconds': 1, 'microseconds': 0}, 'event': name, **({'data': data} if data else {})})

    def greet(self):
        how = self.config['greeting']
        numbers = dict(zip(('major', 'minor', 'micro'), self.config['version']))
        greeting = {'QMP': {'version': {'qemu': numbers, 'package': 'fake'}, 'capabilities': ['oob'] if self.config['oob'] else []}}
        if how in ('normal', 'twice'):
            self.tell(greeting)
        if how == 'twice':
            self.tell(greeting)
        if how == 'http':
            self.client.sendall(b'HTTP/1.0 400 Bad Request\r\n\r\n')
        if how == 'versionless':
            self.tell({'QMP': {'capabilities': []}})
        if how == 'huge':
            self.send_huge()
        if how == 'close':
            self.hang_up()

    def send_huge(self, size=100 << 20):
        """In one string, which never ends."""
        try:
            self.client.sendall(b'{"return": "')
            for _ in range(size >> 16):
                self.client.sendall(b'x' * 65536)
        except OSError:
            pass

    def hang_up(self):
        if self.client:
            self.client.shutdown(socket.SHUT_RDWR)
            self.client.close()
            self.client = None

    def refuse(self, identity, words, kind='GenericError'):
        self.tell({'error': {'class': kind, 'desc': words}, **({} if identity is None else {'id': identity})})

    def hear(self):
        try:
            data, ancillary, _, _ = self.client.recvmsg(65536, socket.CMSG_SPACE(4 * 4))
        except OSError:
            data, ancillary = b'', []
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array('i')
                fds.frombytes(content)
                self.arrived.extend(fds)
        if not data:
            self.client.close()
            self.client = None
            return
        self.bytes += data

    def take_lines(self):
        while not self.stuck and self.client and b'\n' in self.bytes:
            line, self.bytes = self.bytes.split(b'\n', 1)
            if b'\xff' in line:
                self.refuse(None, 'JSON parse error, stray input')
                continue
            try:
                message = json.loads(line)
            except ValueError:
                self.refuse(None, 'JSON parse error, invalid keyword')
                continue
            self.log.append(message.get('execute') or message.get('exec-oob'))
            self.obey(message)

    def obey(self, message):
        command, identity = message.get('execute') or message.get('exec-oob'), message.get('id')
        if command == 'qmp_capabilities':
            self.negotiated = True
        elif not self.negotiated:
            self.refuse(identity, f'Expecting capabilities negotiation with \'qmp_capabilities\' before command \'{command}\'',
                        'CommandNotFound')
            return
        trap = self.config['traps'].get(command)
        if trap and trap.get('skip', 0) > 0:
            trap['skip'] -= 1
        elif trap and trap.get('times', 1 << 30) > 0:
            trap['times'] = trap.get('times', 1 << 30) - 1
            if getattr(self, 'trap_' + trap['do'])(message, trap):
                return
        self.answer(message)

    def answer(self, message):
        command, identity = message.get('execute') or message.get('exec-oob'), message.get('id')
        function = getattr(self, 'do_' + command.replace('-', '_'), None)
        if not function:
            self.refuse(identity, f'The command {command} has not been found', 'CommandNotFound')
            return
        try:
            value = function(**{key.replace('-', '_'): each for key, each in message.get('arguments', {}).items()})
        except ValueError as error:
            self.refuse(identity, str(error))
            return
        self.tell({'return': {} if value is None else value, 'id': identity})
        self.count(command)
        if command in ('migrate', 'migrate-incoming'):
            self.go_on()
        if command == 'quit':
            self.end()

    # --- traps: True when that was all

    def trap_answer(self, message, trap):
        """Nothing is done, and that is said."""
        self.tell({'return': trap['value'], 'id': message['id']})
        return True

    def trap_merge(self, message, trap):
        """The true answer, but for that."""
        function = getattr(self, 'do_' + message['execute'].replace('-', '_'))
        self.tell({'return': {**function(), **trap['value']}, 'id': message['id']})
        self.count(message['execute'])
        return True

    def trap_refuse(self, message, trap):
        self.refuse(message['id'], trap['words'])
        return True

    def trap_silence(self, message, trap):
        return True

    def trap_hold(self, message, trap):
        self.stuck = message
        return True

    def trap_close(self, message, trap):
        self.hang_up()
        return True

    def trap_half(self, message, trap):
        self.client.sendall(b'{"return": {"status": "comp')
        self.hang_up()
        return True

    def trap_die(self, message, trap):
        os.kill(os.getpid(), signal.SIGKILL)

    def trap_quit(self, message, trap):
        self.end()

    def trap_huge(self, message, trap):
        self.send_huge()
        return True

    def trap_flood(self, message, trap):
        """Events, without an end."""
        while self.client:
            try:
                self.client.sendall(b'{"event": "STOP", "data": {}}\r\n' * 1000)
            except OSError:
                self.client = None
        return True

    def trap_twice(self, message, trap):
        self.answer(message)
        self.answer(message)
        return True

    def trap_stray(self, message, trap):
        self.tell({'return': {}, 'id': 7777777})
        return False

    def trap_nonsense(self, message, trap):
        self.client.sendall(trap['text'].encode() + b'\r\n')
        return True

    # --- commands

    def do_qmp_capabilities(self, enable=()):
        if 'oob' in enable and not self.config['oob']:
            raise ValueError('Capability oob is not available')

    def do_query_version(self):
        return {'qemu': dict(zip(('major', 'minor', 'micro'), self.config['version'])), 'package': 'fake'}

    def do_query_name(self):
        return {'name': self.config['name']} if self.config['name'] else {}

    def do_query_uuid(self):
        return {'UUID': self.config['uuid']}

    def do_query_memory_size_summary(self):
        return {'base-memory': self.config['memory'], 'plugged-memory': 0}

    def do_query_status(self):
        return {'status': self.run, 'running': self.run == 'running'}

    def do_query_pci(self):
        devices = [{'bus': 0, 'slot': 0, 'function': 0, 'qdev_id': '', 'id': {}, 'class_info': {}, 'regions': []}]
        devices += [{'bus': 0, 'slot': device.get('slot', 3 + i), 'function': 0, 'qdev_id': '' if '[' in device['id'] else device['id'], 'id': {}, 'class_info': {},
                     'regions': []} for i, device in enumerate(self.config['devices'])]
        return [{'bus': 0, 'devices': devices}]

    def do_qom_list(self, path):
        anonymous = {'/machine/peripheral': False, '/machine/peripheral-anon': True}
        if path not in anonymous:
            raise ValueError(f"Device '{path}' not found")
        return [{'name': 'type', 'type': 'string'}] + [
            {'name': device['id'], 'type': f'child<{device.get("type", "vfio-pci")}>'} for device in self.config['devices']
            if ('[' in device['id']) == anonymous[path]]

    def do_qom_get(self, path, property):  # pylint: disable=redefined-builtin
        if (path, property) == ('/machine', 'type'):
            return self.config['machine'] + '-machine'
        for i, device in enumerate(self.config['devices']):
            if not path.endswith('/' + device['id']):
                continue
            if property in ('sysfsdev', 'host'):
                return device.get(property, '')
            if property == 'addr':
                return device.get('slot', 3 + i) * 8
            if property == 'parent_bus':
                return '/machine/q35/pcihost/pcie.0'
        raise ValueError(f"Property '{path}.{property}' not found")

    def do_query_migrate_capabilities(self):
        return [{'capability': name, 'state': name in self.on} for name in self.config['capabilities']]

    def do_migrate_set_capabilities(self, capabilities):
        for each in capabilities:
            if each['capability'] not in self.config['capabilities']:
                raise ValueError(f"Invalid parameter '{each['capability']}'")
            (self.on.add if each['state'] else self.on.discard)(each['capability'])

    def do_migrate_set_parameters(self, **parameters):
        self.parameters.update(parameters)

    def do_query_migrate_parameters(self):
        return {key.replace('_', '-'): value for key, value in self.parameters.items()}

    def do_closefd(self, fdname):
        if fdname not in self.files:
            raise ValueError(f"File descriptor named '{fdname}' not found")
        os.close(self.files.pop(fdname))

    def do_getfd(self, fdname):
        if not self.arrived:
            raise ValueError('No file descriptor supplied via SCM_RIGHTS')
        self.files[fdname] = self.arrived.pop(0)

    def take_stream(self, uri):
        if not uri.startswith('fd:') or uri[3:] not in self.files:
            raise ValueError(f"File descriptor named '{uri[3:]}' has not been found")
        self.stream = socket.socket(fileno=self.files.pop(uri[3:]))

    def do_migrate(self, uri):
        if self.run == 'postmigrate':
            raise ValueError("Can't migrate the vm that was paused due to previous migration")
        if self.step:
            raise ValueError("There's a migration process in progress")
        if self.config['reasons']:
            raise ValueError('disallowing migration blocker: ' + self.config['reasons'][0])
        self.take_stream(uri)
        self.status, self.error, self.step = None, None, self.save()

    def do_migrate_incoming(self, uri, exit_on_error=True):
        if not self.config['incoming'] or self.status:
            raise ValueError("'-incoming' was not specified on the command line" if not self.config['incoming']
                             else f'Illegal migration incoming state: {self.status}')
        self.take_stream(uri)
        self.step = self.load()

    def do_migrate_cancel(self):
        if self.step and not self.config['incoming']:
            self.go_on(Cancelled())

    def do_query_migrate(self):
        answer = {'status': self.status} if self.status else {}
        if self.config['reasons']:
            answer['blocked-reasons'] = self.config['reasons']
        if self.error:
            answer['error-desc'] = self.error
        if self.status and not self.config['incoming']:
            left = 0 if self.run in ('finish-migrate', 'postmigrate') else 4096
            answer['ram'] = {'transferred': self.sent, 'remaining': left, 'total': self.config['memory'], 'dirty-sync-count': 2,
                             'dirty-pages-rate': 10, 'mbps': 100.5}
            answer['vfio'] = {'transferred': 96}
            answer['expected-downtime'] = 41
        return answer

    def do_stop(self):
        if self.run == 'inmigrate':
            self.autostart = False
        elif self.run == 'running':
            self.set_stopped('paused')

    def do_cont(self):
        if self.run == 'inmigrate':
            self.autostart = True  # it runs as soon as it is there, whatever anybody decides until then
        elif self.run == 'finish-migrate':
            raise ValueError('Migration is not finalized yet')
        else:
            self.set_running()

    def do_quit(self):
        pass

    # --- what the test says

    def take_orders(self):
        data = os.read(0, 65536)
        if not data:
            self.end()
        self.orders += data
        while b'\n' in self.orders:
            line, self.orders = self.orders.split(b'\n', 1)
            getattr(self, 'order_' + (order := json.loads(line)).pop('do'))(**order)
            print(json.dumps(self.look()), flush=True)

    def order_look(self):
        pass

    def order_set(self, **config):
        self.config.update(config)

    def order_forget(self):
        """The command that is held, as if it had never come."""
        self.stuck = None

    def order_release(self):
        """The step that is held, or the command."""
        if self.stuck:
            message, self.stuck = self.stuck, None
            self.answer(message)
            self.take_lines()
        elif self.held:
            self.released.add(self.held)
            self.held = None
            self.go_on()

    def order_obey(self, command):
        """As somebody else at another monitor of it says."""
        getattr(self, 'do_' + command)()

    def on_stream(self):
        """A step that is held takes no bytes; that the lane has ended it sees."""
        self.go_on(Broken('Unable to write to socket: Broken pipe') if self.held else None)

    def serve(self):
        print(json.dumps({'ready': True}), flush=True)
        while True:
            # one client at a time; the next one waits for its turn
            wanted = [0] + ([self.listener] if not self.client else [self.client] if not self.stuck else [])
            streams = [self.stream] if self.step and self.stream and self.held != 'word' else []
            poller = select.poll()
            for each in wanted:
                poller.register(each, select.POLLIN)
            for each in streams:
                poller.register(each, select.POLLRDHUP if self.held else select.POLLIN | select.POLLRDHUP)
            ready = {fd for fd, _ in poller.poll()}
            if 0 in ready:
                self.take_orders()
            elif self.listener.fileno() in ready:
                self.client, _ = self.listener.accept()
                self.bytes, self.negotiated = b'', False
                self.greet()
            elif self.client and self.client.fileno() in ready:
                self.hear()
                self.take_lines()
            elif self.stream and self.stream.fileno() in ready:
                self.on_stream()


if __name__ == '__main__':
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    Qemu(json.loads(sys.argv[1])).serve()
