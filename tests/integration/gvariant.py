# SPDX-License-Identifier: LGPL-2.1-or-later
"""GVariant's bytes as GLib has them, for a program that has no time to wait for gi. Every type of D-Bus but handles, signatures and object
paths; a variant is a (type, value) to write and a bare value to read."""

import struct

FIXED = {'b': '?', 'y': 'B', 'n': 'h', 'q': 'H', 'i': 'i', 'u': 'I', 'x': 'q', 't': 'Q', 'd': 'd'}
SIZES = {kind: struct.calcsize(code) for kind, code in FIXED.items()}


def first(kinds):
    """How long the first type of `kinds` is."""
    if kinds[0] == 'a':
        return 1 + first(kinds[1:])
    depth = 0
    for at, letter in enumerate(kinds):
        depth += (letter in '({') - (letter in ')}')
        if not depth:
            return at + 1
    raise ValueError(kinds)


def members(kind):
    """The types in a tuple's or an entry's."""
    rest, found = kind[1:-1], []
    while rest:
        length = first(rest)
        found.append(rest[:length])
        rest = rest[length:]
    return found


def alignment(kind):
    if kind[0] in '({':
        return max(map(alignment, members(kind)), default=1)
    return alignment(kind[1:]) if kind[0] == 'a' else 8 if kind == 'v' else SIZES.get(kind, 1)


def fixed_size(kind):
    """Of each value of the type, or 0."""
    if kind[0] not in '({':
        return SIZES.get(kind, 0)
    size = 0
    for each in members(kind):
        if not fixed_size(each):
            return 0
        size += -size % alignment(each) + fixed_size(each)
    return size + -size % alignment(kind)


def offset_size(size):
    return 1 if size <= 0xff else 2 if size <= 0xffff else 4


def finish(body, ends):
    """With where its parts end, which are so wide as the whole then needs."""
    width = next(width for width in (1, 2, 4) if len(body) + width * len(ends) < 1 << 8 * width)
    return body + b''.join(end.to_bytes(width, 'little') for end in ends)


def dump(kind, value):
    if kind in FIXED:
        return struct.pack(FIXED[kind], value)
    if kind == 's':
        return value.encode() + b'\0'
    if kind == 'v':
        return dump(*value) + b'\0' + value[0].encode()
    body, ends = b'', []
    if kind[0] == 'a':
        for each in value.items() if isinstance(value, dict) else value:
            body += bytes(-len(body) % alignment(kind[1:])) + dump(kind[1:], each)
            ends.append(len(body))
        return body if fixed_size(kind[1:]) else finish(body, ends)
    kinds = members(kind)
    for each, part in zip(kinds, value):
        body += bytes(-len(body) % alignment(each)) + dump(each, part)
        ends.append(len(body))
    if fixed_size(kind):
        return body + bytes(-len(body) % alignment(kind))
    return finish(body, [end for end, each in zip(ends[:-1], kinds) if not fixed_size(each)][::-1])


def load(kind, data):
    if kind in FIXED:
        return struct.unpack(FIXED[kind], data)[0]
    if kind == 's':
        return data[:-1].decode()
    if kind == 'v':
        content, _, inner = data.rpartition(b'\0')
        return load(inner.decode(), content)
    return load_array(kind[1:], data) if kind[0] == 'a' else load_members(members(kind), data)


def load_array(kind, data):
    size = fixed_size(kind)
    if size:
        parts = [data[at:at + size] for at in range(0, len(data), size)]
    elif data:
        width = offset_size(len(data))
        table = int.from_bytes(data[-width:], 'little')
        ends = [int.from_bytes(data[at:at + width], 'little') for at in range(table, len(data), width)]
        starts = [0, *(end + -end % alignment(kind) for end in ends)]
        parts = [data[start:end] for start, end in zip(starts, ends)]
    else:
        parts = []
    values = [load(kind, part) for part in parts]
    return dict(values) if kind[0] == '{' else values


def load_members(kinds, data):
    width, at, values, table = offset_size(len(data)), 0, [], len(data)
    for number, kind in enumerate(kinds):
        at += -at % alignment(kind)
        size = fixed_size(kind)
        if size:
            end = at + size
        elif number + 1 < len(kinds):
            table -= width
            end = int.from_bytes(data[table:table + width], 'little')
        else:
            end = table
        values.append(load(kind, data[at:end]))
        at = end
    return tuple(values)
