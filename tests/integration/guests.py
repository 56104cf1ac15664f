# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of guests have in common: one daemon that is source and destination at once, its own vferry-guest, and two QEMUs
that do what a test wants (fake_qemu.py)."""

import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading

import crossing
import fake_qemu
import harness

Variant = harness.Variant
NONE = Variant('(a{sv})', ({},))
QEMU = Variant('s', 'qemu')
CAPABILITIES = fake_qemu.CAPABILITIES
BEFORE = ('setup', 'active', 'switchover')  # steps of the source's QEMU, in which nobody has all of it
SLOWER = {'late': {'resume': 2}}
MEMORY = 'the memory of the guest'


class Fake:
    """A QEMU that the test has started, and what it says of itself."""

    def __init__(self, folder, label, **config):
        self.label = label
        self.ledger = os.path.join(folder, 'ledger')
        self.path = os.path.join(folder, label + '.qmp')
        config = {'label': label, 'path': self.path, 'ledger': self.ledger, **config}
        if os.path.exists(self.path):  # of one that has ended
            os.unlink(self.path)
        environment = {key: value for key, value in os.environ.items() if key not in ('LD_PRELOAD', 'UMOCKDEV_DIR')}
        self.process = subprocess.Popen([sys.executable, '-IS', os.path.join(crossing.HERE, 'fake_qemu.py'), json.dumps(config)],
                                        env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.hear()

    def hear(self):
        if not select.select([self.process.stdout], [], [], 20 * harness.SLOW)[0]:
            raise AssertionError(f'QEMU {self.label} does not answer its test')
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def ask(self, what, **arguments):
        try:
            self.process.stdin.write(json.dumps({'do': what, **arguments}) + '\n')
            self.process.stdin.flush()
        except BrokenPipeError:
            return None
        return self.hear()

    def look(self):
        """What it is; None: it has ended."""
        return self.ask('look')

    def get(self, name):
        return (self.look() or {}).get(name)

    def get_last(self, name):
        """Of one that was told to quit, and has."""
        with open(self.path + '.last', encoding='utf-8') as file:
            return json.load(file)[name]

    def set(self, **config):
        return self.ask('set', **config)

    def trap(self, command, do, **more):
        self.set(traps={command: {'do': do, **more}})

    def release(self):
        return self.ask('release')

    def obey(self, command):
        """From another monitor of it."""
        return self.ask('obey', command=command)

    def connect(self):
        own = socket.socket(socket.AF_UNIX)
        own.connect(self.path)
        return own

    def has_ended(self):
        return self.process.poll() is not None

    def kill(self):
        if self.has_ended():
            return
        self.process.kill()
        self.process.wait(20)
        with open(self.ledger, 'a', encoding='utf-8') as file:
            file.write(f'{self.label} end\n')

    def close(self):
        self.process.kill()
        self.process.communicate(timeout=20)


class Relay:
    """Between two workers, so that what is between them can break: the first connection is the session's, the second the lane."""

    def __init__(self, port):
        self.port = port
        self.pairs = []
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.own = self.listener.getsockname()[1]
        self.wake, self.waker = socket.socketpair()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        other = {}
        while True:
            readable, _, _ = select.select([self.listener, self.wake, *other], [], [])
            if self.wake in readable:
                order = self.wake.recv(1)[0]
                if order == 255:
                    return
                for each in self.pairs[order]:
                    other.pop(each, None)
                    each.shutdown(socket.SHUT_RDWR)
                    each.close()
                self.wake.send(b'.')
                continue
            if self.listener in readable:
                near, _ = self.listener.accept()
                far = socket.create_connection(('127.0.0.1', self.port))
                self.pairs.append((near, far))
                other.update({near: far, far: near})
                continue
            for each in readable:
                try:
                    data = each.recv(1 << 16)
                    if data:
                        other[each].sendall(data)
                except OSError:
                    data = b''
                if not data and each in other:
                    try:
                        other[each].shutdown(socket.SHUT_WR)
                    except OSError:
                        pass
                    del other[each]

    def cut(self, number):
        self.waker.send(bytes([number]))
        self.waker.recv(1)

    def close(self):
        self.waker.send(b'\xff')
        self.thread.join()
        for each in (self.listener, self.wake, self.waker, *sum(self.pairs, ())):
            each.close()


class Test(crossing.Test):
    kept = False   # in systemd's store
    hasty = False  # a vferry-guest with less patience

    def setUp(self):
        super().setUp()
        self.fakes = {}
        self.monitors = {}  # label -> what the daemon's copy of it shows as
        self.a = self.b = self.domain_a = self.domain_b = None
        self.job_uuid = self.lease = self.source = None
        self.relay = None
        self.hold = {'a': [], 'b': []}

    def launch(self):
        real = {os.path.basename(path): path for path in os.environ['VFERRY_TEST_PROGRAMS'].split(':')}
        program = os.environ['VFERRY_TEST_HASTY_GUEST'] if self.hasty else real['vferry-guest']
        self.install_program('vferry-guest', f'echo $$ >> {self.mover}/workers\nLD_PRELOAD= exec {program}')
        if self.kept and not self.store:
            self.start_store()
        super().launch()

    def tearDown(self):
        self.assert_never_two()
        super().tearDown()

    # --- QEMUs

    def device(self, uuid, number=0, **more):
        return {'id': f'hostdev{number}', 'sysfsdev': f'/sys/bus/mdev/devices/{uuid}', 'slot': 3 + number, **more}

    def start_qemu(self, label, uuids, **config):
        if 'devices' not in config:
            config['devices'] = [self.device(uuid, i) for i, uuid in enumerate(uuids)]
        config.setdefault('hold', self.hold.get(label, []))
        fake = Fake(self.directory.name, label, **config)
        self.fakes[label] = fake
        self.addCleanup(fake.close)
        return fake

    def start_source(self, **config):
        self.wait_for_device(self.uuid)
        self.a = self.start_qemu('a', [self.uuid], **{'marker': MEMORY, 'name': 'harbour cat', **config})
        return self.a

    def start_destination(self, **config):
        """As whoever is to receive the guest starts it: with what was made for it."""
        made = [os.path.basename(self.client.get(path, 'org.vferry1.Device', 'Id')) for path in self.lease.get('Devices')]
        self.b = self.start_qemu('b', made, **{'incoming': True, 'stopped': True, 'name': 'harbour cat there', **config})
        return self.b

    def attach(self, fake, client=None, **options):
        """Its monitor is nobody's but the daemon's after that."""
        own = fake.connect()
        self.monitors[fake.label] = os.readlink(f'/proc/self/fd/{own.fileno()}')
        try:
            return self.attach_fd(own.fileno(), client, **options)
        finally:
            own.close()

    def attach_fd(self, fd, client=None, **options):
        client = client or self.client
        options = {'driver': QEMU, 'qmp': Variant('h', 0), **options}
        (path,), _ = client.call_with_fds('/org/vferry1', 'org.vferry1.Manager.AttachDomain',
                                          Variant('(a{sv})', ({k: v for k, v in options.items() if v is not None},)), [fd])
        return harness.Object(client, path, 'org.vferry1.Domain')

    def attach_source(self, **options):
        self.domain_a = self.attach(self.a, **options)
        return self.domain_a

    def attach_destination(self, **options):
        self.domain_b = self.attach(self.b, lease=Variant('o', self.lease.path), **options)
        return self.domain_b

    def domains(self):
        return {path for path, has in self.client.objects().items() if 'org.vferry1.Domain' in has}

    # --- a crossing

    def begin_guest(self, client=None, **options):
        self.job_uuid, cookie = self.manager(client).call('Begin', Variant('(aoa{sv})', ([self.domain_a.path], options)))
        return cookie

    def prepare_guest(self, cookie, client=None, **options):
        before = self.mdevs()
        self.lease, self.answer, self.secret = self.prepare(cookie, client, driver=QEMU, **options)
        self.made = self.mdevs() - before

    def prepare_all(self, source=None, destination=None, **options):
        """Until nothing but Perform is left."""
        self.start_source(**(source or {}))
        self.attach_source()
        self.prepare_guest(self.begin_guest(), **options)
        self.start_destination(**(destination or {}))
        self.attach_destination()

    def perform_guest(self, client=None, **options):
        self.source = self.perform(self.job_uuid, self.answer, self.secret, client, **options)
        return self.source

    def put_relay(self):
        """Between the two workers, from Perform on."""
        (port,) = re.findall(r'\bport="(\d+)"', self.answer)
        self.relay = Relay(int(port))
        self.addCleanup(self.relay.close)
        self.answer = self.answer.replace(f'port="{port}"', f'port="{self.relay.own}"')

    def cross(self, **options):
        """Until a held step, or to the end."""
        self.prepare_all(**options)
        return self.perform_guest()

    def destination(self):
        return self.job(self.job_uuid, 'destination')

    def wait_for_step(self, fake, step):
        self.wait_for(lambda: fake.has_ended() or fake.get('held') == step, f'step {step} of QEMU {fake.label}')
        self.assertFalse(fake.has_ended(), f'QEMU {fake.label} has ended')

    def ends(self):
        """What came of it, at the source and at the destination."""
        return self.end('Confirm', self.job_uuid), self.end('Finish', self.job_uuid)

    # --- workers

    def workers(self):
        """The pids of all so far that have not ended."""
        path = os.path.join(self.mover, 'workers')
        if not os.path.exists(path):
            return []
        with open(path, encoding='utf-8') as file:
            return [int(line) for line in file if self.is_alive(int(line))]

    @staticmethod
    def is_alive(pid):
        try:
            with open(f'/proc/{pid}/stat', encoding='utf-8') as file:
                return file.read().rsplit(')', 1)[1].split()[0] != 'Z'
        except (FileNotFoundError, ProcessLookupError):
            return False

    def find_workers(self):
        """(source's, destination's): who listens was there first."""
        receiving, sending = self.wait_for(lambda: len(self.workers()) == 2 and self.workers(), 'both workers')
        return sending, receiving

    # --- expectations

    def ledger(self):
        path = os.path.join(self.directory.name, 'ledger')
        if not os.path.exists(path):
            return []
        with open(path, encoding='utf-8') as file:
            return [line.rstrip('\n').split(' ', 2) for line in file]

    def running(self):
        """Whose guests run, as the ledger has it; never two at any time."""
        running = set()
        for label, what, *memory in self.ledger():
            if what == 'run':
                running.add(label)
                self.assertEqual(memory, [MEMORY], f'what the guest at {label} remembers')
            else:
                running.discard(label)
            self.assertLessEqual(len(running), 1, f'guests run at {running}: {self.ledger()}')
        return running

    def assert_never_two(self):
        self.running()

    def wait_for_running(self, *labels):
        self.wait_for(lambda: self.running() == set(labels), f'that the guest runs at {labels}')

    def assert_workers_gone(self):
        self.wait_for(lambda: not self.workers(), 'the end of the workers')

    def assert_monitor_closed(self, label):
        self.wait_for(lambda: self.open_files(self.monitors[label]) == 0, f'the close of the monitor of {label}')

    def assert_guest_back(self, result='failed'):
        """It runs at the source, as before, and could go again."""
        self.assertEqual(self.end('Confirm', self.job_uuid), result)
        self.assertEqual(self.running(), {'a'})
        self.assertEqual(self.a.get('run'), 'running')
        self.assertEqual([each['state'] for each in self.source.get('Devices')], ['running'])
        self.assertNotIn('commit', self.events(f'{self.job_uuid}.source'))
        self.assertEqual(self.domain_a.get('Job'), '/')

    def assert_undone(self, result='failed'):
        """The copy has ended, and nothing is left of what was made for it."""
        self.assertEqual(self.end('Finish', self.job_uuid), result)
        self.wait_for(self.b.has_ended, 'the end of the QEMU that was to receive it')
        self.wait_for(lambda: not self.made & self.mdevs(), 'the removal of what was made')
        self.assertIsNone(self.find_object('Lease', 'JobUuid', self.job_uuid))
        self.assertEqual(self.events(f'{self.job_uuid}.destination')[-1], 'undone')
        self.assertNotIn('b', [label for label, what, *_ in self.ledger() if what == 'run'])
        self.wait_for(lambda: len(self.domains()) <= 1, 'the end of the domain')
        self.assert_workers_gone()
        self.assert_monitor_closed('b')

    def assert_failed(self, result='failed', there='failed'):
        self.assert_guest_back(result)
        self.assert_undone(there)

    def assert_crossed(self):
        self.assertEqual(self.ends(), ('completed', 'completed'))
        self.assertEqual(self.running(), {'b'})
        self.assertEqual(self.b.get('run'), 'running')
        self.wait_for(self.a.has_ended, 'the end of the QEMU that the guest has left')
        self.wait_for_property(self.lease, 'State', 'adopted')
        self.assertEqual(self.domain_b.get('State'), 'running')
        self.assertEqual(self.events(f'{self.job_uuid}.source')[-2:], ['commit', 'done'])
        self.assertIn('started', self.events(f'{self.job_uuid}.destination'))
        self.assertLessEqual(self.made, self.mdevs())
        self.assert_workers_gone()
        for label, left in (('a', 0), ('b', 1)):  # the domain's own
            self.wait_for(lambda label=label, left=left: self.open_files(self.monitors[label]) == left, f'the close of the job\'s monitor of {label}')

    def wait_for_doubt(self, role):
        job = self.wait_for(lambda: self.job(self.job_uuid, role), f'the {role} job')
        self.wait_for_property(job, 'Result', 'in-doubt')
        return job

    def resolve(self, role, decision):
        self.job(self.job_uuid, role).call('Resolve', Variant('(sa{sv})', (decision, {})))

    def again(self):
        """Everything but the daemon is new."""
        self.assert_never_two()
        for fake in self.fakes.values():
            fake.kill()
        self.wait_for(lambda: not self.domains(), 'the end of the domains')
        self.assert_workers_gone()
        os.unlink(os.path.join(self.directory.name, 'ledger'))

    def restart(self, how=signal.SIGKILL):
        self.daemon.stop(how)
        self.wait_for(lambda: not self.client.has_owner('org.vferry1'), 'the end of the name')
        self.launch()


class FaultTest(Test):
    """Something ends, or lies, at a step of a crossing."""

    @contextlib.contextmanager
    def case(self, **what):
        """One of several over the same daemon."""
        with self.subTest(**what):
            try:
                yield
            finally:
                self.again()

    def come_to(self, step, source=None, destination=None, relay=False):
        """Up to that step, and no further. `loaded`: the destination has promised; `committed`: it has been told to run, and does
        not yet."""
        self.hold['a'] = ['word'] if step == 'loaded' else [step]
        if step == 'committed':
            destination = {**(destination or {}), 'traps': {'cont': {'do': 'hold', 'times': 1}}}
        self.prepare_all(source=source, destination=destination)
        if relay:
            self.put_relay()
        self.perform_guest()
        if step == 'committed':
            self.wait_for(lambda: self.b.get('stuck') == 'cont', 'the commit')
        else:
            self.wait_for_step(self.a, 'word' if step == 'loaded' else step)
        if step == 'loaded':
            self.wait_for(lambda: 'loaded' in self.events(f'{self.job_uuid}.destination'), 'the line')
            # QEMU is asked once more between that and the promise
            self.wait_for(lambda: self.b.get('log')[-2:] == ['query-status'] * 2, 'the last question')

    def go_on(self, step):
        (self.b if step == 'committed' else self.a).release()

    def assert_source_died(self):
        """The guest ended with its QEMU, and its copy never ran."""
        self.assertEqual(self.end('Confirm', self.job_uuid), 'failed')
        self.assertEqual(self.running(), set())
        self.assert_undone()
        self.wait_for(lambda: not self.domains(), 'the end of the domains')
        self.assert_monitor_closed('a')

    def assert_discarded(self):
        """The destination's copy ends, and what was made for it with it."""
        self.wait_for_doubt('destination')
        self.resolve('destination', 'discard')
        self.assertEqual(self.end('Finish', self.job_uuid), 'cancelled')
        self.wait_for(self.b.has_ended, 'the end of the QEMU that was to receive it')
        self.wait_for(lambda: not self.made & self.mdevs(), 'the removal of what was made')
        self.assertIn('resolved', self.events(f'{self.job_uuid}.destination'))
