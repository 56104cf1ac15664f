#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The interfaces as their users meet them: what is documented is what runs, and all of it is documented."""

import os
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom
import xml.etree.ElementTree as ElementTree

import crossing
import harness
import tap

DBUS = os.path.join(harness.SOURCE, 'dbus')
BUS_DOCS = os.path.join(harness.SOURCE, 'docs', 'bus')
ACTION = 'org.vferry1.Action'
KINDS = ('Device', 'Domain', 'Job', 'Lease', 'Manager', 'Model', 'Parent')


def described(kind):
    return ElementTree.parse(os.path.join(DBUS, f'org.vferry1.{kind}.xml')).getroot().find('interface')


def annotations(element):
    """Without those for the code generator, which it keeps to itself."""
    return {a.get('name'): a.get('value') for a in element.findall('annotation')
            if not a.get('name').startswith('org.gtk.GDBus.')}


def arguments(member):
    return [(a.get('name'), a.get('type'), a.get('direction', 'out' if member.tag == 'signal' else 'in'), annotations(a))
            for a in member.findall('arg')]


def members(interface):
    """Everything that introspection can say."""
    return {(member.tag, member.get('name')): (member.get('type'), member.get('access'), annotations(member), arguments(member))
            for member in interface if member.tag != 'annotation'}


class Running(crossing.Test):
    """The daemon's own word, for each kind of object."""
    fake = True

    def launch(self):
        self.environment['VFERRY_FAKE_START'] = 'domain:none of ours'
        super().launch()

    def introspect(self, path):
        text = self.client.call(path, 'org.freedesktop.DBus.Introspectable.Introspect')[0]
        return {i.get('name'): i for i in ElementTree.fromstring(text).findall('interface')}

    def paths(self):
        """One object of each kind."""
        uuid, cookie = self.begin(self.lend())
        lease, answer, secret = self.prepare(cookie)
        found = {'Manager': '/org/vferry1', 'Lease': lease.path, 'Job': self.perform(uuid, answer, secret).path}
        for path, interfaces in self.client.objects().items():
            for interface in interfaces:
                found.setdefault(interface.removeprefix('org.vferry1.'), path)
        return found

    def test_as_described(self):
        paths = self.paths()
        self.assertEqual(sorted(paths), list(KINDS))
        self.maxDiff = None
        for kind, path in paths.items():
            with self.subTest(kind=kind):
                interfaces = self.introspect(path)
                self.assertEqual(members(interfaces[f'org.vferry1.{kind}']), members(described(kind)))
                ours = {name for name in interfaces if name.startswith('org.vferry1.')}
                self.assertEqual(ours, {f'org.vferry1.{kind}'})
        self.assertIn('org.freedesktop.DBus.ObjectManager', self.introspect('/org/vferry1'))

    def test_constant_properties_keep_still(self):
        """What is annotated `const` is never in PropertiesChanged, and the rest has a way to be heard of."""
        changes = self.client.record('org.freedesktop.DBus.Properties', 'PropertiesChanged')
        self.paths()
        self.wait_for(lambda: any('State' in change[2][1] for change in changes), 'a change')
        emits = 'org.freedesktop.DBus.Property.EmitsChangedSignal'
        for kind in KINDS:
            silent = {p.get('name') for p in described(kind).findall('property') if annotations(p).get(emits) in ('const', 'false')}
            for _, _, (interface, changed, invalidated) in changes:
                if interface == f'org.vferry1.{kind}':
                    self.assertEqual(silent & (set(changed) | set(invalidated)), set(), kind)


class Written(unittest.TestCase):
    def comments(self, kind):
        """Member (or '' for the interface itself) -> the comment right before it."""
        document = xml.dom.minidom.parse(os.path.join(DBUS, f'org.vferry1.{kind}.xml'))
        interface = document.getElementsByTagName('interface')[0]
        found = {}
        for element in [interface, *(n for n in interface.childNodes if n.nodeType == n.ELEMENT_NODE)]:
            before = element.previousSibling
            while before is not None and before.nodeType == before.TEXT_NODE:
                before = before.previousSibling
            text = before.data if before is not None and before.nodeType == before.COMMENT_NODE else ''
            found['' if element is interface else element.getAttribute('name')] = text
        return found

    def test_everything_is_documented(self):
        for kind in KINDS:
            comments = self.comments(kind)
            self.assertIn(f'org.vferry1.{kind}:\n', comments.pop(''))
            interface = described(kind)
            for member in interface:
                with self.subTest(kind=kind, member=member.get('name')):
                    text = comments[member.get('name')]
                    self.assertRegex(text, rf'^\s*{member.get("name")}:\n')
                    for argument in member.findall('arg'):
                        self.assertRegex(text, rf'(?m)^ *@{argument.get("name")}: \S')
                    plain = [line for line in text.splitlines()[2:] if line.strip() and not line.strip().startswith('@')]
                    self.assertTrue(plain, 'it says nothing but its name')

    def test_who_may_call_is_said(self):
        for kind in KINDS:
            comments = self.comments(kind)
            for method in described(kind).findall('method'):
                with self.subTest(kind=kind, method=method.get('name')):
                    action = annotations(method)[ACTION]
                    words = 'Everybody may call it.' if action == 'public' else f'the polkit action `{action}`'
                    self.assertIn(words, comments[method.get('name')])

    def test_what_is_generated_is_fresh(self):
        with tempfile.TemporaryDirectory() as scratch:
            subprocess.run([sys.executable, os.path.join(BUS_DOCS, 'generate.py'), scratch], check=True, timeout=60)
            names = sorted(os.listdir(scratch))
            self.assertEqual(names, sorted(name for name in os.listdir(BUS_DOCS) if name.endswith('.rst')))
            for name in names:
                with open(os.path.join(scratch, name), encoding='utf-8') as made, \
                        open(os.path.join(BUS_DOCS, name), encoding='utf-8') as kept:
                    self.assertEqual(made.read(), kept.read(), f'{name}: run docs/bus/generate.py')


if __name__ == '__main__':
    tap.main()
