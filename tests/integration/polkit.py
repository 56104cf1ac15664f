# SPDX-License-Identifier: LGPL-2.1-or-later
"""polkitd as far as vferryd sees it. It remembers the questions, can answer that authentication is needed, and need not answer."""

import threading

from gi.repository import Gio, GLib

NAME = 'org.freedesktop.PolicyKit1'
PATH = '/org/freedesktop/PolicyKit1/Authority'
INTERFACE = Gio.DBusNodeInfo.new_for_xml("""<node>
  <interface name="org.freedesktop.PolicyKit1.Authority">
    <property name="BackendName" type="s" access="read"/>
    <property name="BackendVersion" type="s" access="read"/>
    <property name="BackendFeatures" type="u" access="read"/>
    <method name="CheckAuthorization">
      <arg type="(sa{sv})" direction="in"/>
      <arg type="s" direction="in"/>
      <arg type="a{ss}" direction="in"/>
      <arg type="u" direction="in"/>
      <arg type="s" direction="in"/>
      <arg type="(bba{ss})" direction="out"/>
    </method>
    <method name="CancelCheckAuthorization">
      <arg type="s" direction="in"/>
    </method>
  </interface>
</node>""").interfaces[0]
PROPERTIES = {'BackendName': GLib.Variant('s', 'mock'), 'BackendVersion': GLib.Variant('s', '1'),
              'BackendFeatures': GLib.Variant('u', 1)}


class Polkit:
    """A polkitd that refuses every action but those that a test allows.

    A thread of the test that answers while the test waits for the daemon: to start a process for each test would take most of the
    time of many."""

    def __init__(self, bus):
        self._lock = threading.Lock()
        self._allowed = self._challenged = ()
        self._hanging = False
        self._held = []
        self._questions = []
        self._context = GLib.MainContext.new()
        self._loop = GLib.MainLoop.new(self._context, False)
        self._client = bus.connect()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self._ready.wait()
        self._client.call('/org/freedesktop/DBus', 'org.freedesktop.DBus.RequestName', GLib.Variant('(su)', (NAME, 0)),
                          name='org.freedesktop.DBus')

    def _serve(self):
        self._context.push_thread_default()
        self._client.connection.register_object(PATH, INTERFACE, self._on_call,
                                                lambda *arguments: PROPERTIES[arguments[4]], None)
        self._ready.set()
        self._loop.run()
        self._context.pop_thread_default()

    def _on_call(self, _connection, _sender, _path, _interface, method, arguments, call):
        if method != 'CheckAuthorization':
            call.return_value(None)
            return
        subject, action, details, flags, cancellation = arguments.unpack()
        with self._lock:
            self._questions.append((subject[0], subject[1].get('name', ''), action, details, flags, cancellation))
            verdict = GLib.Variant('((bba{ss}))', ((action in self._allowed, action in self._challenged, {}),))
            if self._hanging:
                self._held.append((call, verdict))
                return
        call.return_value(verdict)

    def allow(self, *actions):
        """Only these from now on, for everybody."""
        with self._lock:
            self._allowed, self._challenged = actions, ()

    def challenge(self, *actions):
        """These need a password from now on, the others are refused."""
        with self._lock:
            self._allowed, self._challenged = (), actions

    def hang(self, hang=True):
        """Answers nothing until hang(False): then what was held, as it would have been."""
        with self._lock:
            self._hanging = hang
            held, self._held = ([], self._held) if hang else (self._held, [])
        for call, verdict in held:
            call.return_value(verdict)

    def questions(self):
        """All so far: (subject kind, bus name, action, details, flags, cancellation id)."""
        with self._lock:
            return list(self._questions)

    def stop(self):
        """It leaves the bus, as it does when its process ends."""
        self._client.close()
        quitting = GLib.idle_source_new()  # before the loop runs it would take no notice of a quit()
        quitting.set_callback(lambda *_: self._loop.quit())
        quitting.attach(self._context)
        self._thread.join()
