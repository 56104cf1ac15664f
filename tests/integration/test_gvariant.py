# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bytes that the fake mover reads and writes are GLib's."""

import unittest

from gi.repository import GLib

import gvariant
import tap

NAMED = {'b': True, 's': 'é', 'as': ['', 'x' * 7], 'at': [1, 2 ** 40], 'q': 65535, 'y': 7, 'x': -3, 'd': 0.5}
VALUES = [
    ('(ybu)', (1, True, 7)), ('(us)', (7, 'seven')), ('(say)', ('key', [1, 2, 3])), ('(sas)', ('', ['a', ''])), ('(ttb)', (1, 2, False)),
    ('a(us)', [(1, 'one'), (2, '')]), ('a(yt)', [(1, 2), (3, 4)]), ('aas', [[], ['x'], []]), ('as', []), ('at', []), ('a{sv}', {}),
    *((f'(s{kind})', ('wide', ['x' * size, 'y'])) for kind in ('as',) for size in (200, 246, 247, 248, 249, 65500, 65521, 65522, 65523, 70000)),
    ('(sa{sv})', ('all', {kind: (kind, value) for kind, value in NAMED.items()})),
    ('(sa{sv})', ('deep', {'in': ('a{sv}', {'in': ('v', ('(st)', ('deeper', 1)))})})),
]


def pack(kind, value):
    """By GLib."""
    if kind == 'v':
        return GLib.Variant('v', pack(*value))
    if kind == 'a{sv}':
        return GLib.Variant(kind, {key: pack(*each) for key, each in value.items()})
    if kind[0] == '(':
        return GLib.Variant.new_tuple(*map(pack, gvariant.members(kind), value))
    return GLib.Variant(kind, value)


class Bytes(unittest.TestCase):
    def test_written(self):
        for kind, value in VALUES:
            with self.subTest(kind=kind, value=str(value)[:60]):
                self.assertEqual(gvariant.dump(kind, value), pack(kind, value).get_data_as_bytes().get_data() or b'')

    def test_read(self):
        for kind, value in VALUES:
            with self.subTest(kind=kind, value=str(value)[:60]):
                packed = pack(kind, value)
                self.assertEqual(gvariant.load(kind, packed.get_data_as_bytes().get_data() or b''), packed.unpack())


if __name__ == '__main__':
    tap.main()
