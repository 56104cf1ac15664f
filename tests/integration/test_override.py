#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Migrating against the comparison: who may, against what, and what remains to be seen of it."""

import json
import os
import signal

import crossing
import polkit
import tap
import tool

Variant = crossing.Variant
MIGRATE = 'org.vferry1.migrate'
OVERRIDE = 'org.vferry1.override'
REASON = 'the rack is on fire'
DESCRIPTOR = '''<model xmlns="https://vferry.org/ns/model/1" id="kernel.org/mtty">
  <match><mdev driver="mtty" type="mtty-*"/></match>
  <parameter name="ports" type="int" compare="equal" enforced="{enforced}">
    <allowed><value>1</value><value>2</value></allowed>
    <read><type-name><map type="mtty-1" value="1"/><map type="mtty-2" value="2"/></type-name></read>
  </parameter>{more}
</model>'''
CLOCK = '<parameter name="clock" type="string" compare="equal"/>'


class Test(crossing.Test):
    enforced = 'no'
    more = ''

    def launch(self):
        """With rules of the test's own in place of the shipped ones."""
        folder = self.make_directory('models')
        with open(os.path.join(folder, 'kernel.org-mtty.xml'), 'w', encoding='utf-8') as file:
            file.write(DESCRIPTOR.format(enforced=self.enforced, more=self.more))
        self.environment['VFERRY_MODEL_PATH'] = folder
        super().launch()

    def override(self, cookie, reason=REASON, **options):
        """Onto a device with one port, where the source has two, unless a test wants another one."""
        options.setdefault('type', Variant('s', 'mtty-1'))
        return self.prepare(cookie, override=Variant('s', reason), **options)

    def assert_nothing_made(self):
        self.assertEqual((self.mdevs(), self.records(), self.sysfs.kernel.created), (set(), [], []))

    def record(self, uuid):
        path = os.path.join(self.environment['VFERRY_STATE_DIR'], 'jobs', f'{uuid}.destination')
        with open(path, encoding='utf-8') as file:
            return file.read()


class Allowed(Test):
    """Nobody checks the number of ports."""

    def test_effect_is_seen(self):
        uuid, cookie = self.begin(self.lend())
        self.assert_refused('Incompatible', self.prepare, cookie, type=Variant('s', 'mtty-1'))
        lease, _, _ = self.override(cookie)
        self.assertEqual(lease.get('State'), 'ready')
        (created,) = self.mdevs()
        self.assertEqual(self.find_device(created).get('Parameters'), {'ports': '1'})
        self.assertEqual(self.job(uuid, 'destination').get('Override'), REASON)
        self.assertIn(REASON, self.record(uuid))
        self.assertIn('<report', self.record(uuid))

    def test_is_in_the_journal(self):
        uuid, cookie = self.begin(self.lend())
        self.override(cookie)
        line = next(line for line in self.daemon.text().splitlines() if 'against the comparison' in line)
        for part in (uuid, f'uid {os.getuid()}', self.client.name, REASON, 'ports'):
            self.assertIn(part, line)

    def test_job_keeps_it(self):
        """Over a crash of the daemon."""
        self.start_store()
        self.daemon.stop()
        self.launch()
        uuid, cookie = self.begin(self.lend())
        self.override(cookie)
        self.daemon.stop(signal.SIGKILL)
        self.launch()
        self.assertEqual(self.job(uuid, 'destination').get('Override'), REASON)

    def test_without_need_it_is_nothing(self):
        uuid, cookie = self.begin(self.lend())
        self.override(cookie, type=Variant('s', 'mtty-2'))
        self.assertEqual(self.job(uuid, 'destination').get('Override'), '')
        self.assertNotIn('against the comparison', self.daemon.text())
        self.assertNotIn(REASON, self.record(uuid))

    def test_what_fits_comes_first(self):
        uuid, cookie = self.begin(self.lend())
        self.prepare(cookie, override=Variant('s', REASON))
        (created,) = self.mdevs()
        self.assertEqual(self.find_device(created).get('Parameters'), {'ports': '2'})
        self.assertEqual(self.job(uuid, 'destination').get('Override'), '')

    def test_both_actions_are_needed(self):
        _, cookie = self.begin(self.lend())
        for allowed in ((MIGRATE,), (OVERRIDE,), ()):
            with self.subTest(allowed=allowed):
                self.polkit.allow(*allowed)
                error = self.assert_refused('NotAuthorized', self.override, cookie)
                self.assertIn(OVERRIDE if MIGRATE in allowed else MIGRATE, error.message)
                self.assert_nothing_made()

    def test_question(self):
        """polkit is asked about the caller, by its name on the bus, and only when there is a reason to."""
        _, cookie = self.begin(self.lend())
        before = len(self.polkit.questions())
        self.assert_refused('Incompatible', self.prepare, cookie, type=Variant('s', 'mtty-1'))
        self.assertEqual([q[2] for q in self.polkit.questions()[before:]], [MIGRATE])
        self.override(cookie)
        kind, name, action, details, _, _ = self.polkit.questions()[-1]
        self.assertEqual((kind, name, action), ('system-bus-name', self.client.name, OVERRIDE))
        self.assertEqual(details, {'method': 'org.vferry1.Manager.Prepare', 'object': '/org/vferry1'})

    def test_without_polkit_it_is_no(self):
        _, cookie = self.begin(self.lend())
        self.polkit.stop()
        self.wait_for(lambda: not self.client.has_owner(polkit.NAME), 'the end of polkitd')
        self.assert_refused('NotAuthorized', self.override, cookie)
        self.assert_nothing_made()

    def test_reason(self):
        _, cookie = self.begin(self.lend())
        for reason in ('', 'x' * 257, 'two\nlines', '\x1b[31mred'):
            with self.subTest(reason=reason):
                error = self.assert_refused('InvalidArgument', self.override, cookie, reason)
                self.assertIn('override', error.message)
        self.assert_refused('InvalidArgument', self.prepare, cookie, override=Variant('b', True))
        self.assert_nothing_made()
        self.override(cookie, 'ü' * 128)


class Enforced(Test):
    enforced = 'yes'

    def test_what_the_device_refuses_stays_refused(self):
        _, cookie = self.begin(self.lend())
        error = self.assert_refused('Incompatible', self.override, cookie)
        self.assertIn('ports', error.message)
        self.assert_refused('Incompatible', self.override, cookie.replace('kernel.org/mtty', 'kernel.org/other'))
        self.assert_nothing_made()
        self.assertNotIn('against the comparison', self.daemon.text())


class Unread(Test):
    enforced = 'yes'
    more = CLOCK

    def test_what_nobody_can_read(self):
        uuid, cookie = self.begin(self.lend())
        error = self.assert_refused('Unknown', self.prepare, cookie)
        self.assertIn('clock', error.message)
        self.override(cookie, type=Variant('s', 'mtty-2'))
        self.assertEqual(self.job(uuid, 'destination').get('Override'), REASON)

    def test_not_together_with_what_is_enforced(self):
        _, cookie = self.begin(self.lend())
        self.assert_refused('Incompatible', self.override, cookie)
        self.assert_nothing_made()


class Tool(tool.Mixin, Test):
    def migrate(self, *options):
        return self.tool('migrate', self.uuid[:8], self.bus.address, '--address', '127.0.0.1', '--type', 'mtty-1',
                         *options)

    def test_migrate(self):
        self.lend()
        self.go()
        status, _, err = self.migrate('--override', REASON)
        self.assertEqual((status, err), (0, ''))
        status, out, _ = self.tool('jobs')
        self.assertRegex(out, rf'destination .* {REASON}\n')
        status, out, _ = self.tool('jobs', '--json')
        self.assertEqual(sorted(job['override'] for job in json.loads(out)['jobs']), ['', REASON])
        uuid = json.loads(out)['jobs'][0]['uuid']
        self.assertIn(uuid, self.tool('show', uuid)[1])

    def test_not_authorised(self):
        self.lend()
        self.polkit.allow(MIGRATE)
        status, _, err = self.migrate('--override', REASON)
        self.assertEqual(status, 4)
        self.assertIn(OVERRIDE, err)
        self.assertNotIn('vferry-group.rules', err)  # which does not grant it
        self.assertEqual(self.mdevs(), set())

    def test_bad_reason(self):
        self.lend()
        status, _, err = self.migrate('--override', '')
        self.assertEqual(status, 3)
        self.assertIn('override', err)


if __name__ == '__main__':
    tap.main()
