# SPDX-License-Identifier: LGPL-2.1-or-later
"""dbusmock template: polkitd as far as vferryd sees it. Unlike dbusmock's own it remembers the questions, and can
answer that authentication is needed."""

import dbus

from dbusmock import MOCK_IFACE

BUS_NAME = 'org.freedesktop.PolicyKit1'
MAIN_OBJ = '/org/freedesktop/PolicyKit1/Authority'
MAIN_IFACE = 'org.freedesktop.PolicyKit1.Authority'
SYSTEM_BUS = True


def load(mock, _parameters):
    mock.AddProperties(MAIN_IFACE, dbus.Dictionary({
        'BackendName': 'mock', 'BackendVersion': '1', 'BackendFeatures': dbus.UInt32(1)}, signature='sv'))
    mock.allowed = []
    mock.challenged = []
    mock.hanging = False
    mock.held = []
    mock.questions = []
    mock.cancelled = []


@dbus.service.method(MAIN_IFACE, in_signature='(sa{sv})sa{ss}us', out_signature='(bba{ss})',
                     async_callbacks=('answer', '_error'))
def CheckAuthorization(self, subject, action, details, flags, cancellation, answer, _error):
    self.questions.append((str(subject[0]), str(subject[1].get('name', '')), str(action),
                           dict(details), int(flags), str(cancellation)))
    verdict = (action in self.allowed, action in self.challenged, dbus.Dictionary({}, signature='ss'))
    if self.hanging:
        self.held.append((answer, verdict))
    else:
        answer(verdict)


@dbus.service.method(MAIN_IFACE, in_signature='s')
def CancelCheckAuthorization(self, cancellation):
    self.cancelled.append(str(cancellation))


@dbus.service.method(MOCK_IFACE, in_signature='asas')
def SetAnswers(self, allowed, challenged):
    self.allowed = list(allowed)
    self.challenged = list(challenged)


@dbus.service.method(MOCK_IFACE, in_signature='b')
def SetHanging(self, hanging):
    """When it ends, what was held is answered as it would have been."""
    self.hanging = bool(hanging)
    if not hanging:
        for answer, verdict in self.held:
            answer(verdict)
        self.held = []


@dbus.service.method(MOCK_IFACE, out_signature='a(sssa{ss}us)')
def GetQuestions(self):
    return dbus.Array(self.questions, signature='(sssa{ss}us)')


@dbus.service.method(MOCK_IFACE, out_signature='as')
def GetCancelled(self):
    return dbus.Array(self.cancelled, signature='s')
