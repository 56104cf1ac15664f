#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes docs/models.md from xml/models/*.xml: generate-models.py [FILE]. Run it when a descriptor has changed; the test models
fails until then."""

import os
import re
import sys
import textwrap
import xml.dom.minidom

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = os.path.join(os.path.dirname(HERE), 'xml', 'models')
HEAD = '''<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->
<!-- Written by docs/generate-models.py from xml/models/*.xml; change those. -->
# The models that vferry knows

What is known of each kind of device, from where, and what nobody but the device can say. [descriptors.md](descriptors.md) tells
how to read and write a descriptor; a file of the same name in `/etc/vferry/models` takes the place of a shipped one.

A parameter that is read nowhere, and one with the rule `firmware`, makes every comparison `unknown`, unless something else
already says `incompatible`: what decides is a rehearsal, or the migration itself. An `equal` or `superset` that is not
*enforced* is the vendor's word and checked by no driver, so that a person with the authority can override it.

'''
UNKNOWN = 'Unknown:'


def tidy(text):
    return ' '.join(text.split())


def children(node, name):
    return [child for child in node.childNodes if child.nodeType == child.ELEMENT_NODE and child.tagName == name]


def comments(node):
    return [tidy(child.data) for child in node.childNodes if child.nodeType == child.COMMENT_NODE]


def text_of(node, name):
    found = children(node, name)
    return tidy(''.join(child.data for child in found[0].childNodes)) if found else ''


class Model:
    """One descriptor, with what it takes from the one that it extends."""

    def __init__(self, path):
        document = xml.dom.minidom.parse(path)
        self.root = document.documentElement
        self.file = os.path.basename(path)
        self.id = self.root.getAttribute('id')
        self.extends = self.root.getAttribute('extends')
        self.source = ' '.join(c for c in comments(document) if not c.startswith('SPDX-'))

    def parameters(self, models):
        own = {p.getAttribute('name'): p for p in children(self.root, 'parameter')}
        inherited = models[self.extends].parameters(models) if self.extends else {}
        return dict(sorted({**inherited, **own}.items()))

    def reason(self, models):
        return text_of(self.root, 'not-migratable') or (models[self.extends].reason(models) if self.extends else '')

    def is_base(self, models):
        return any(other.extends == self.id for other in models.values())

    def matches(self):
        found = {}
        for match in (m for parent in children(self.root, 'match') for m in parent.childNodes if m.nodeType == m.ELEMENT_NODE):
            if match.tagName == 'pci':
                device = match.getAttribute('device') or '*'
                found.setdefault(f'PCI functions with the driver `{match.getAttribute("driver")}`', []).append(
                    f'`{match.getAttribute("vendor")}:{device}`')
            else:
                found.setdefault(f'mdevs of `{match.getAttribute("driver")}`', []).append(f'`{match.getAttribute("type")}`')
        return '; '.join(f'{kind}: {", ".join(ids)}' for kind, ids in found.items())


def reader(parameter):
    for read in children(parameter, 'read'):
        way = next(child for child in read.childNodes if child.nodeType == child.ELEMENT_NODE)
        if way.tagName == 'type-name':
            return 'id of the type'
        where = {'parent': 'the parent', 'physfn': 'the physical function', 'type': 'the type'}.get(
            way.getAttribute('of'), 'the device')
        key = f', `{way.getAttribute("key")}`' if way.hasAttribute('key') else ''
        return f'`{way.getAttribute("path")}` of {where}{key}'
    reasons = [c[len(UNKNOWN):].strip() for c in comments(parameter) if c.startswith(UNKNOWN)]
    if len(reasons) != 1:
        raise ValueError(f'{parameter.getAttribute("name")} is not read, and no comment in it says “{UNKNOWN} …”')
    return f'**unknown**: {reasons[0]}'


def rule(parameter):
    text = f'{parameter.getAttribute("type")}, {parameter.getAttribute("compare")}'
    return text + (', not enforced' if parameter.getAttribute('enforced') == 'no' else '')


def section(model, models):
    lines = [f'## {model.id}', '', text_of(model.root, 'description') + '.', '']
    if model.matches():
        lines += [model.matches() + '.', '']
    if model.reason(models):
        lines += [f'**Not migratable**: {model.reason(models)}.', '']
    if model.extends:
        lines += [f'Has what [{model.extends}](#{anchor(model.extends)}) has, too.', '']
    own = {p.getAttribute('name'): p for p in children(model.root, 'parameter')}
    if own:
        lines += ['| parameter | what | type, rule | read from |', '|---|---|---|---|']
        lines += [f'| `{name}` | {text_of(p, "description")} | {rule(p)} | {reader(p)} |' for name, p in sorted(own.items())]
        lines.append('')
    lines += [*textwrap.wrap(f'Source (`{model.file}`): {model.source}', 120, break_long_words=False, break_on_hyphens=False), '']
    return lines


def anchor(model_id):
    return re.sub(r'[^a-z0-9_-]', '', model_id.lower())


def overview(models):
    """One line for each model that a device can have."""
    lines = ['| model | devices | decided by vferry | stays unknown |', '|---|---|---|---|']
    for model in models.values():
        if model.is_base(models):
            continue
        parameters = model.parameters(models)
        counted = {name: p for name, p in parameters.items() if p.getAttribute('compare') != 'ignore'}
        unknown = [n for n, p in counted.items() if not children(p, 'read') or p.getAttribute('compare') == 'firmware']
        decided = [n for n in counted if n not in unknown]
        said = 'that it cannot migrate' if model.reason(models) else ', '.join(decided)
        lines.append(f'| [{model.id}](#{anchor(model.id)}) | {text_of(model.root, "description")} | {said} | '
                     f'{"" if model.reason(models) else ", ".join(unknown)} |')
    return [*lines, '']


def load():
    found = [Model(os.path.join(MODELS, name)) for name in sorted(os.listdir(MODELS)) if name.endswith('.xml')]
    return {model.id: model for model in sorted(found, key=lambda model: model.id)}


def generate():
    models = load()
    lines = overview(models)
    for model in models.values():
        lines += section(model, models)
    return HEAD + '\n'.join(lines).rstrip() + '\n'


if __name__ == '__main__':
    with open(sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, 'models.md'), 'w', encoding='utf-8') as output:
        output.write(generate())
