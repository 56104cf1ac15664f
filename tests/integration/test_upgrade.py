#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Another build takes over while everything is in flight, as on an upgrade of the package: systemd ends the daemon and keeps
its store, and the next one has other programs beside it. `./run upgrade` makes both builds and says here where they are.

$VFERRY_TEST_BUILDS names the two, FROM and TO, each as ROOT=SOURCE: where it is installed, and the sources of its own fake mover,
which speaks to its daemon as that one expects it."""

import glob
import os
import signal
import subprocess

import crossing
import harness
import tap

Variant = crossing.Variant
NONE = Variant('(a{sv})', ({},))
SENT = [['phase', 'committing'], ['record', 'commit'], ['record', 'done'],
        ['result', {'outcome': 'completed', 'device-states': ['stopped'], 'bytes': 96, 'downtime': 4100}]]
RECEIVED = [['record', 'loaded'], ['record', 'commit'], ['record', 'started'],
            ['result', {'outcome': 'completed', 'device-states': ['running'], 'bytes': 96}]]
CUT = ['result', {'outcome': 'failed', 'error': harness.error_name('Peer'), 'message': 'cut', 'device-states': ['running']}]
DOUBT = ['result', {'outcome': 'in-doubt', 'error': harness.error_name('InDoubt'), 'message': 'no word', 'device-states': ['stopped']}]
# What belongs to a build, or to the moment, and not to what is in flight.
OF_A_DAEMON = {('org.vferry1.Manager', 'Version'), ('org.vferry1.Manager', 'Features'), ('org.vferry1.Job', 'Rate'),
               ('org.vferry1.Job', 'ExpectedDowntime'), ('org.vferry1.Device', 'Migration'), ('org.vferry1.Device', 'MigrationSource')}
# What a daemon says that has not got all of it.
LOSSES = ('cannot go on', 'is let go', 'left alone', 'belongs to nothing', 'is no record', 'did not note')


class Build:
    def __init__(self, text):
        self.root, source = text.split('=', 1)
        self.daemon = self.find('vferryd')
        self.helper = self.find('vferry-helper')
        self.tool = self.find('bin/vferryctl')
        self.mover = os.path.join(source, 'tests', 'integration', 'fake_mover.py')
        self.data = os.path.join(self.root, 'usr', 'share', 'vferry')
        self.libraries = os.path.dirname(self.find('libvferry-1.so.0'))

    def find(self, name):
        found = [path for path in glob.glob(f'{self.root}/usr/**/{name}', recursive=True) if os.path.isfile(path)]
        if len(found) != 1:
            raise FileNotFoundError(f'{self.root} has {len(found)} files named {name}')
        return found[0]


OLD, NEW = (Build(text) for text in os.environ['VFERRY_TEST_BUILDS'].split(':'))


class Test(crossing.Test):
    def setUp(self):
        self.build = OLD
        super().setUp()

    def daemon_program(self):
        return self.build.daemon

    def launch(self):
        if not self.store:
            self.start_store()
        self.install(self.build)
        super().launch()

    def install(self, build):
        """As a package does: what runs keeps its file under no name."""
        self.build = build
        helper = os.path.join(self.environment['VFERRY_LIBEXEC_DIR'], 'vferry-helper')
        if os.path.lexists(helper):
            os.unlink(helper)
        os.symlink(build.helper, helper)
        self.install_program('vferry-mover', f'LD_PRELOAD= exec {build.mover}')
        self.environment.update(VFERRY_MODEL_PATH=os.path.join(build.data, 'models'),
                                VFERRY_SCHEMA_DIR=os.path.join(build.data, 'schemas'))

    def end_daemon(self, how=signal.SIGTERM):
        self.assertEqual(self.daemon.stop(how), 0 if how == signal.SIGTERM else -how)
        self.wait_for(lambda: not self.client.has_owner('org.vferry1'), 'the end of the name')

    def upgrade(self, how=signal.SIGTERM, meanwhile=()):
        self.end_daemon(how)
        for each in meanwhile:
            each()
        self.build = NEW
        self.launch()

    def lend_another(self, client=None, **options):
        self.uuid = self.sysfs.add_mdev('mtty-2')
        return self.lend(client, **options)

    def reclaim(self, device):
        _, fds = self.client.call_with_fds(device.path, 'org.vferry1.Device.Reclaim', NONE, [])
        self.assertEqual([os.readlink(f'/proc/self/fd/{fd}') for fd in fds], ['/dev/null'])
        os.close(fds[0])
        self.wait_for_property(device, 'State', 'unknown')

    def adopt(self, lease):
        _, fds = self.client.call_with_fds(lease.path, 'org.vferry1.Lease.Adopt', NONE, [])
        self.assertEqual([os.readlink(f'/proc/self/fd/{fd}') for fd in fds], ['/dev/null'])
        os.close(fds[0])
        self.wait_for_property(lease, 'State', 'adopted')

    def assert_crossed(self, uuid):
        self.assertEqual((self.end('Finish', uuid), self.end('Confirm', uuid)), ('completed', 'completed'))

    def assert_nothing_lost(self):
        for line in self.daemon.text().splitlines():
            self.assertFalse([loss for loss in LOSSES if loss in line], line)
        self.assertEqual(self.store.refused, 0)

    def look(self):
        """Everything on the bus: (object, interface, property) -> value. Who is lent, a job or a lease keeps its path; any other
        device or parent is called by its id here, wherever its path stands, since a path is one daemon's."""
        objects = self.client.objects()
        names = {}
        for path, interfaces in objects.items():
            device, parent = (interfaces.get(f'org.vferry1.{name}', {}) for name in ('Device', 'Parent'))
            if parent or device and device['State'] not in ('lent', 'migrating'):
                names[path] = 'the one called ' + (device or parent)['Id']

        def named(value):
            if isinstance(value, list):
                return [named(each) for each in value]
            if isinstance(value, dict):
                return {key: named(each) for key, each in value.items()}
            return names.get(value, value) if isinstance(value, str) else value

        return {(named(path), interface, name): named(value) for path, interfaces in objects.items()
                for interface, values in interfaces.items() if interface != 'org.vferry1.Model'
                for name, value in values.items() if (interface, name) not in OF_A_DAEMON
                # of which builds before called some by the source's names
                and not (self.build is OLD and name == 'Devices' and values.get('Role') == 'destination')}

    def assert_found_again(self, before):
        """What a build says beyond that is new in it, but there is no other object."""
        now = self.look()
        for key, value in before.items():
            with self.subTest(key=key):
                self.assertEqual(now.get(key), value)
        self.assertEqual({thing for thing, *_ in now}, {thing for thing, *_ in before})

    def is_alive(self, pid):
        try:
            with open(f'/proc/{pid}/stat', encoding='utf-8') as file:
                return file.read().rsplit(')', 1)[1].split()[0] != 'Z'
        except FileNotFoundError:
            return False

    def notes(self):
        return os.listdir(os.path.join(self.environment['VFERRY_STATE_DIR'], 'created'))

    def start_all(self, *kinds):
        self.sysfs.give_room('mtty', 1000)
        self.inspected('RUNNING')  # of one device nothing is to be believed of all
        things = [kind(self) for kind in kinds]
        for thing in things:
            thing.start()
        self.sleep(0.3)  # the last changes are on the bus
        return things

    def go_on_with(self, things):
        for thing in things:
            with self.subTest(thing=thing.name):
                thing.go_on()

    def assert_all_over(self):
        """Only what the records and the memory of the jobs need is kept, and what somebody has stays."""
        while device := self.find_object('Device', 'State', 'lent'):
            self.reclaim(device)
        self.wait_for(lambda: not self.store.parts('loan'), 'the end of the loans')
        self.assertLessEqual(set(self.store.parts('source') + self.store.parts('destination')), {'record', 'state'})
        leases = [interfaces['org.vferry1.Lease'] for interfaces in self.client.objects().values() if 'org.vferry1.Lease' in interfaces]
        self.assertLessEqual({lease['State'] for lease in leases}, {'adopted'})


class Thing:
    """Something in flight. start() with the old build, meanwhile() while no daemon runs, go_on() with the new one."""

    def __init__(self, test):
        self.test = test
        self.name = type(self).__name__.lower()

    def start(self):
        raise NotImplementedError

    def meanwhile(self):
        pass

    def go_on(self):
        raise NotImplementedError

    def go(self):
        self.test.go(self.name)


class Loan(Thing):
    def start(self):
        self.device = self.test.lend_another()

    def go_on(self):
        self.test.assert_refused('Busy', self.device.call, 'Remove', NONE)
        self.test.reclaim(self.device)


class KeptLoan(Loan):
    def start(self):
        lender = self.test.connect()
        path = self.test.lend_another(lender, keep=Variant('b', True)).path
        lender.close()
        self.device = harness.Object(self.test.client, path, 'org.vferry1.Device')


class Left(Thing):
    """Its lender goes while no daemon looks."""

    def start(self):
        self.lender = self.test.connect()
        self.device = self.test.lend_another(self.lender)

    def meanwhile(self):
        self.lender.close()

    def go_on(self):
        self.lender.close()
        device = harness.Object(self.test.client, self.device.path, self.device.interface)
        self.test.wait_for_property(device, 'State', 'unknown')


class Crossing(Thing):
    """A job, and a lease for it. `sends` and `receives` are what its movers do until they are told to go on."""

    sends = [['phase', 'pre-copy'], ['progress', 40, 96]]
    receives = [['attached'], ['phase', 'loading'], ['progress', 40, 96]]
    sent = SENT
    received = RECEIVED

    def begin(self):
        self.caller = self.test.connect()
        self.uuid, self.cookie = self.test.begin(self.test.lend_another(), self.caller)

    def prepare(self, **options):
        self.test.script('receive', ['listening'], *self.receives, ['wait-for', self.name], *self.received)
        self.lease, self.answer, self.secret = self.test.prepare(self.cookie, **options)

    def perform(self):
        self.test.script('send', *self.sends, ['wait-for', self.name], *self.sent)
        self.source = self.test.perform(self.uuid, self.answer, self.secret)
        self.destination = self.test.job(self.uuid, 'destination')
        self.test.wait_for_property(self.source, 'BytesDone', 40)

    def start(self):
        self.begin()
        self.prepare()
        self.perform()
        self.test.wait_for_property(self.destination, 'BytesDone', 40)

    def go_on(self):
        """With the movers that it has."""
        movers = len(self.test.requests())
        self.go()
        self.test.assert_crossed(self.uuid)
        self.test.assertEqual((self.source.get('BytesDone'), self.source.get('Downtime')), (96, 4100))
        self.test.assertEqual(len(self.test.requests()), movers)
        self.test.adopt(self.lease)


class Begun(Crossing):
    def start(self):
        self.begin()

    def go_on(self):
        self.prepare()
        self.perform()
        super().go_on()


class Ready(Crossing):
    """Nobody has connected yet: a new mover will, to an old one."""

    receives = []
    received = [['attached'], ['phase', 'loading'], *RECEIVED]

    def start(self):
        self.begin()
        self.prepare()

    def go_on(self):
        self.lease.call('Renew', Variant('(u)', (120,)))
        self.perform()
        super().go_on()


class UnderWay(Crossing):
    pass


class EndsMeanwhile(Crossing):
    """The last words of both movers wait for the next daemon."""

    def start(self):
        super().start()
        pids = {verb: pid for verb, _, _, pid in self.test.requests()}  # of the last ones
        self.movers = [pids['send'], pids['receive']]

    def meanwhile(self):
        self.go()
        self.test.wait_for(lambda: not any(map(self.test.is_alive, self.movers)), 'the end of both movers')


class Committed(Crossing):
    """The decision is on disk, on both sides."""

    sends = [['phase', 'committing'], ['progress', 40, 96], ['record', 'commit']]
    sent = SENT[2:]
    receives = [['attached'], ['phase', 'loading'], ['progress', 40, 96], ['record', 'loaded'], ['record', 'commit']]
    received = RECEIVED[2:]


class Loaded(Crossing):
    """Over, within its ten minutes; nobody has come for the device."""

    def start(self):
        super().start()
        self.go()
        self.test.assert_crossed(self.uuid)
        self.test.wait_for_property(self.lease, 'State', 'loaded')


class Adopted(Loaded):
    def start(self):
        super().start()
        self.test.adopt(self.lease)

    def go_on(self):
        self.test.assert_crossed(self.uuid)
        self.test.assert_refused('Busy', self.test.adopt, self.lease)


class Failed(Crossing):
    sent = [['record', 'returned'], CUT]
    received = [['result', dict(CUT[1], **{'device-states': ['stopped']})]]

    def start(self):
        super().start()
        self.go()
        self.test.assertEqual((self.test.end('Finish', self.uuid), self.test.end('Confirm', self.uuid)), ('failed', 'failed'))

    def go_on(self):
        self.test.assertEqual((self.test.end('Finish', self.uuid), self.test.end('Confirm', self.uuid)), ('failed', 'failed'))
        self.test.assertIn('cut', self.source.get('Error')[1])


class SourceInDoubt(Crossing):
    """Its mover has died behind the commit, and so has the other host for all that it knows."""

    sends = [['progress', 40, 96], ['phase', 'committing'], ['record', 'commit'], ['die']]
    decision, outcome = 'run', 'cancelled'

    def start(self):
        self.begin()
        self.prepare()
        self.perform()
        self.test.assertEqual(self.test.end('Confirm', self.uuid), 'in-doubt')
        self.destination.call('Cancel', NONE)
        self.test.assertEqual(self.test.end('Finish', self.uuid), 'cancelled')

    def go_on(self):
        self.source.call('Resolve', Variant('(sa{sv})', (self.decision, {})))
        self.test.assertEqual(self.test.end('Confirm', self.uuid), self.outcome)


class SourceGivenUp(SourceInDoubt):
    decision, outcome = 'discard', 'completed'

    def go_on(self):
        self.test.inspected('STOP')
        super().go_on()
        self.test.inspected('RUNNING')


class DestinationInDoubt(Crossing):
    received = [['record', 'loaded'], ['record', 'commit'], DOUBT]
    sent = [['record', 'returned'], CUT]
    decision, outcome = 'run', 'completed'

    def start(self):
        super().start()
        self.go()
        self.test.assertEqual((self.test.end('Finish', self.uuid), self.test.end('Confirm', self.uuid)), ('in-doubt', 'failed'))

    def go_on(self):
        self.destination.call('Resolve', Variant('(sa{sv})', (self.decision, {})))
        self.test.assertEqual(self.test.end('Finish', self.uuid), self.outcome)
        if self.decision == 'run':
            self.test.adopt(self.lease)


class DestinationGivenUp(DestinationInDoubt):
    decision, outcome = 'discard', 'cancelled'


class Released(Crossing):
    """Its owner was told so, and the old mover hears nothing: the next daemon carries it out."""

    def prepare(self, **options):
        self.test.script('receive', ['listening'], ['wait-for-deaf', self.name])
        self.lease, self.answer, self.secret = self.test.prepare(self.cookie, **options)

    def start(self):
        self.begin()
        self.prepare()
        self.lease.call('Release', NONE)

    def go_on(self):
        self.caller.close()  # nobody will perform it
        self.test.assertEqual(self.test.end('Finish', self.uuid), 'cancelled')
        self.test.wait_for(lambda: not self.test.find_object('Lease', 'JobUuid', self.uuid), 'the end of the lease')


class Created(Thing):
    def start(self):
        (path,) = self.test.find_parent('mtty').call('CreateDevice', Variant('(sa{sv}a{sv})', ('mtty-1', {}, {})))
        self.uuid = self.test.client.get(path, 'org.vferry1.Device', 'Id')
        self.test.wait_for(lambda: self.uuid in self.test.notes(), 'the note')

    def go_on(self):
        self.test.assertIn(self.uuid, self.test.notes())
        self.test.find_device(self.uuid).call('Remove', NONE)
        self.test.wait_until_gone(self.uuid)


class Stuck(Crossing):
    """The old helper does not remove what was created, and the new one does."""

    receives = []

    def start(self):
        self.begin()
        self.prepare()
        self.test.install_program('vferry-helper', 'exit 1')
        self.lease.call('Release', NONE)
        self.test.wait_for_property(self.lease, 'State', 'stuck')

    def go_on(self):
        self.caller.close()
        self.test.wait_for(lambda: not self.test.find_object('Lease', 'JobUuid', self.uuid), 'the end of the lease')
        self.test.assertEqual(self.test.end('Finish', self.uuid), 'cancelled')


class Together(Test):
    """All of it in one daemon at once."""

    KINDS = (Loan, KeptLoan, Left, Begun, Ready, UnderWay, EndsMeanwhile, Committed, Loaded, Adopted, Failed, SourceInDoubt,
             SourceGivenUp, DestinationInDoubt, DestinationGivenUp, Released, Created)

    def test_found_again(self):
        """By the new build, and by the new build again from what it has written itself."""
        things = self.start_all(*[kind for kind in self.KINDS if kind is not EndsMeanwhile])
        before, records = self.look(), self.records()
        for _ in range(2):
            self.upgrade()
            self.assert_found_again(before)
            self.assertEqual(self.records(), records)
            self.assert_nothing_lost()
            before = self.look()
        self.go_on_with(things)
        self.assert_all_over()
        self.assert_nothing_lost()

    def test_goes_on(self):
        """While no daemon runs, and with one look less; then all of it anew, with nothing but the new build."""
        things = self.start_all(*self.KINDS, Stuck)
        for _ in range(2):
            self.upgrade(meanwhile=[thing.meanwhile for thing in things])
            self.go_on_with(things)
            self.assert_all_over()
            for name in {thing.name for thing in things}:
                path = os.path.join(self.mover, name)
                if os.path.exists(path):
                    os.unlink(path)
            things = self.start_all(*self.KINDS)
        self.go_on_with([thing for thing in things if not isinstance(thing, EndsMeanwhile)])

    def test_killed(self):
        """By itself, before the package is there: an upgrade that follows a crash."""
        things = self.start_all(*[kind for kind in self.KINDS if kind is not EndsMeanwhile])
        before = self.look()
        self.upgrade(signal.SIGKILL)
        self.assert_found_again(before)
        self.go_on_with(things)
        self.assert_all_over()

class Records(Test):
    """The store is gone, too, as after a power failure or `systemctl stop`: what is on disk decides."""

    RESULTS = {Ready: (None, 'failed'), UnderWay: ('failed', 'failed'), Committed: ('in-doubt', 'in-doubt'),
               Loaded: ('completed', 'completed'), Adopted: ('completed', 'completed'), Failed: ('failed', 'failed'),
               SourceInDoubt: ('in-doubt', 'failed'), DestinationInDoubt: ('failed', 'in-doubt')}

    def wait_for_results(self, thing):
        for role, result in zip(('source', 'destination'), self.RESULTS[type(thing)]):
            if result:
                job = self.wait_for(lambda: self.job(thing.uuid, role), f'the {role} of {thing.name}', 20)
                self.wait_for_property(job, 'Result', result)
                if result == 'in-doubt':
                    job.call('Resolve', Variant('(sa{sv})', ('discard', {})))
                    self.wait_for_property(job, 'Result', 'completed' if role == 'source' else 'cancelled')

    def test_judged(self):
        things = self.start_all(*self.RESULTS, Created)
        stays = {self.client.get(path, 'org.vferry1.Device', 'Id') for thing in things if isinstance(thing, Loaded)
                 for path in thing.lease.get('Devices')}
        self.upgrade(signal.SIGKILL, [self.store.stop])
        for thing in things[:-1]:
            with self.subTest(thing=thing.name):
                self.wait_for_results(thing)
        things[-1].go_on()
        created = {uuid for _, uuid in self.sysfs.kernel.created}
        self.wait_for(lambda: created & set(self.sysfs.mdevs) == stays, 'the removal of what was created')
        self.assertNotIn('left alone', self.daemon.text())


class Calls(Test):
    def test_interrupted(self):
        """It fails, and nothing is left of what it had begun."""
        self.script('receive', ['wait-for', 'never'], ['listening'])
        uuid, cookie = self.begin(self.lend())
        call = self.manager().start_call('Prepare', Variant('(sa{sv})', (cookie, {'address': Variant('s', '127.0.0.1')})))
        self.wait_for(lambda: 'receive' in [verb for verb, *_ in self.requests()], 'the mover')
        self.upgrade()
        with self.assertRaises(harness.Error):
            self.finish(call)
        self.wait_for(lambda: not self.mdevs(), 'the removal of what was created')
        self.assertEqual(self.end('Finish', uuid), 'failed')
        self.assertEqual(self.store.parts('lease') + self.store.parts('destination'), [])

    def test_followed(self):
        """By the vferryctl of before, which waits meanwhile."""
        environment = {key: value for key, value in os.environ.items() if key not in ('LD_PRELOAD', 'UMOCKDEV_DIR')}
        environment.update(DBUS_SYSTEM_BUS_ADDRESS=self.bus.address, LC_ALL='C.UTF-8', LD_LIBRARY_PATH=OLD.libraries)
        self.script('send', ['phase', 'pre-copy'], ['progress', 40, 96], ['wait-for', 'sent'], *SENT)
        self.lend()
        tool = subprocess.Popen([OLD.tool, 'migrate', self.uuid, self.bus.address, '--address', '127.0.0.1'], env=environment,
                                text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(tool.kill)
        self.wait_for(lambda: self.find_object('Job', 'Phase', 'pre-copy'), 'the job')
        self.sleep(0.3)  # until it has heard of it, too
        self.upgrade()
        self.go('sent')
        self.go()
        self.wait_for(lambda: tool.poll() is not None, 'the end of vferryctl', 20)
        out, err = tool.communicate(timeout=5)
        self.assertEqual((tool.returncode, err), (0, ''))
        self.assertIn('running at', out)


if __name__ == '__main__':
    tap.main()
