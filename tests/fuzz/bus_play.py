# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls every method of the daemon, with whatever arguments, as root and as nobody, while devices, movers, callers and the
daemon itself come and go; and sees that it lives, answers, and keeps nothing. A caller chooses the seed and the number of
calls; what a seed does is the same again as far as the daemon's answers come in the same order."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import os
import pwd
import random
import re
import signal
import socket
import sys
import threading
import time
from typing import Any

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integration"))
# pylint: disable=wrong-import-position
import crossing  # noqa: E402
import harness  # noqa: E402
import slow_close  # noqa: E402
import tap  # noqa: E402

import bus_words  # noqa: E402

Variant = harness.Variant
NONE = Variant("(a{sv})", ({},))
ACTIONS = ("org.vferry1.manage-devices", "org.vferry1.migrate", "org.vferry1.override")
PROPERTIES = "org.freedesktop.DBus.Properties"
AT_A_TIME = 24  # calls that wait
CALLERS = 4
# Calls that start a mover or make an mdev cost a process and more: this share of them is made.
DEAR = {"Device.Lend": 0.4, "Device.Probe": 0.1, "Device.Reclaim": 0.4, "Manager.Prepare": 0.5, "Parent.CreateDevice": 0.15,
        "Manager.GetCapabilities": 0.3, "Manager.Compare": 0.3, "Manager.Find": 0.3, "Manager.Baseline": 0.3}
WAITING = ("Manager.Finish", "Manager.Confirm")  # for the end of a job
ANSWER_SECONDS = 40.0
DEAF_SECONDS = 5.0  # for reading one property
SLOW_SECONDS = 8.0  # that a close takes: longer than anybody may be deaf, and shorter than a call of the test waits
SLOW_AT_A_TIME = 4
SLOW_SHARE = 0.1  # of the descriptors that are sent
SETTLE_SECONDS = 60.0
LIFE = (300, 4000)  # calls between two starts of the daemon
MDEVS = 9
HANG_SECONDS = 1.0  # that polkit does not answer
OBJECTS_EVERY = 150
# Of a job that has ended: its record and its description, here or on their way to the store.
FILES_OF_A_JOB = 3
FILES_SPARE = 16
MEMORY_SPARE = 48 << 20
REMEMBERED = 400  # of the last calls, for whoever looks for what came before a fault
# What a sanitizer or GLib says of a fault, and what the daemon does.
FAULT = re.compile(r"ERROR: \w+Sanitizer|runtime error:|CRITICAL|this is a bug(?! in the driver)")
DONE = {"outcome": "completed", "flags": ["stop-copy"], "state": "RUNNING"}
DOUBT = {"outcome": "in-doubt", "error": "org.vferry1.Error.InDoubt", "message": "x", "device-states": ["stopped"]}
SCRIPTS: dict[str, list[list[list[Any]]]] = {
    "inspect": [[["die"]], [["sleep", 0.3], ["result", DONE]], [["result", dict(DONE, state="STOP")]], [["garbage"]]],
    "open": [[["die"]], [["result", DONE]]],
    "send": [[["die"]], [["phase", "pre-copy"], ["deaf", 0.5], ["exit", 1]], [["record", "commit"], ["result", DOUBT]]],
    "receive": [[["listening"], ["die"]], [["listening"], ["attached"], ["deaf", 0.5]],
                [["listening"], ["attached"], ["record", "commit"], ["result", DOUBT]]],
}


@dataclasses.dataclass
class Asked:
    """A call that waits for its answer."""

    what: str
    call: Any
    caller: Any
    since: float
    cookie: str | None = None  # of a Prepare


class Slow:
    """Descriptors whose last close waits for a while, wherever it happens: in the bus, too, for which whoever made them may
    be waiting. Hence the thread."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._readers: dict[threading.Timer, socket.socket] = {}

    def open(self) -> int:
        """A new one."""
        mine = slow_close.connect(self._server.getsockname()[1])
        reader, _ = self._server.accept()
        timer = threading.Timer(SLOW_SECONDS * harness.SLOW, reader.close)
        self._readers[timer] = reader
        timer.start()
        descriptor: int = mine.detach()
        return descriptor

    def __len__(self) -> int:
        self._readers = {timer: reader for timer, reader in self._readers.items() if timer.is_alive()}
        return len(self._readers)

    def release(self) -> None:
        """None of them waits any longer."""
        for timer, reader in self._readers.items():
            timer.cancel()
            timer.join()
            reader.close()
        self._readers.clear()

    def close(self) -> None:
        """All of it."""
        self.release()
        self._server.close()


class Play(crossing.Test):  # type: ignore[misc]
    """A subclass has a test that calls play()."""

    fake = True

    def setUp(self) -> None:
        super().setUp()
        self.go()
        self.daemon.stop()
        self.start_store()
        os.chmod(self.bus.directory.name, 0o711)
        self.environment["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=8"
        self.methods = bus_words.methods(os.path.join(harness.SOURCE, "dbus"))
        self.waiting: list[Asked] = []
        self.count: collections.Counter[str] = collections.Counter()
        self.succeeded: set[str] = set()
        self.errors: collections.Counter[str] = collections.Counter()
        self.recent: collections.deque[str] = collections.deque(maxlen=REMEMBERED)
        self.hangs_until = 0.0
        self.slow = Slow()
        self.addCleanup(self.slow.close)
        self.launch()

    # --- what happens beside the calls

    def connect_as(self, user: str) -> Any:
        """A caller who is this user for the bus; the others wait meanwhile, since a process is one user."""
        if os.geteuid() != 0 or user == "root":
            return self.bus.connect()
        with self.sysfs.lock:
            os.seteuid(pwd.getpwnam(user).pw_uid)
            try:
                return self.bus.connect()
            finally:
                os.seteuid(0)

    def renew_caller(self) -> None:
        """One leaves, another comes."""
        number = self.chance.randrange(CALLERS)
        leaving, self.callers[number] = self.callers[number], self.connect_as("root" if number % 2 else "nobody")
        self.waiting = [asked for asked in self.waiting if asked.caller is not leaving]
        leaving.close()

    def change_mover(self) -> None:
        """From now on movers do what they should, or something else."""
        verb = self.chance.choice(list(SCRIPTS))
        path = os.path.join(self.mover, verb + ".json")
        if self.chance.random() < 0.5:
            self.script(verb, *self.chance.choice(SCRIPTS[verb]))
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def change_devices(self) -> None:
        """One appears or vanishes, nobody knows why."""
        with self.sysfs.lock:
            if len(self.sysfs.mdevs) < MDEVS and self.chance.random() < 0.6:
                self.sysfs.add_mdev(self.chance.choice(("mtty-1", "mtty-2")))
            elif self.sysfs.mdevs:
                self.sysfs.remove_mdev(self.chance.choice(sorted(self.sysfs.mdevs)))

    def change_polkit(self) -> None:
        """It mostly says yes."""
        if self.chance.random() < 0.3:
            self.polkit.allow(*self.chance.sample(ACTIONS, self.chance.randrange(3)))
        elif self.chance.random() < 0.1:
            self.polkit.hang()
            self.hangs_until = time.monotonic() + HANG_SECONDS
        else:
            self.polkit.allow(*ACTIONS)

    def happen(self) -> None:
        """Now and then something does."""
        how = self.chance.random()
        if how < 0.004:
            self.renew_caller()
        elif how < 0.010:
            self.change_mover()
        elif how < 0.016:
            self.change_devices()
        elif how < 0.022:
            self.change_polkit()

    # --- calls

    def look(self) -> None:
        """What is there to be called, and whether the daemon hears: where the bus does, nothing may keep it from it."""
        before = time.monotonic()
        asked = [self.client.start_call(path, method, name=name) for name, path, method in (
            ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.GetId"),
            ("org.vferry1", "/org/vferry1", "org.freedesktop.DBus.ObjectManager.GetManagedObjects"))]
        heard = [0.0, 0.0]
        while not all(heard):
            self.iterate()
            now = time.monotonic()
            heard = [now if call.done and not at else at for call, at in zip(asked, heard)]
            if now - (heard[0] or now) > DEAF_SECONDS * harness.SLOW:
                self.fail_here("the daemon does not hear")
            if now - before > ANSWER_SECONDS * harness.SLOW:
                self.fail_here("the bus does not hear")
            time.sleep(0.002)
        (self.objects,) = asked[1].result()
        self.words.paths = [path for path in self.objects if "/model/" not in path] + ["/org/vferry1"]
        ids = [value for interfaces in self.objects.values() for properties in interfaces.values()
               for name, value in properties.items() if name in ("Id", "Uuid", "JobUuid", "SysfsPath")]
        self.words.ids = [word for word in ids if word]

    def having(self, interface: str) -> list[str]:
        """The objects that have the interface."""
        full = f"org.vferry1.{interface}"
        return ["/org/vferry1"] if interface == "Manager" else [path for path, has in self.objects.items() if full in has]

    def target(self, interface: str) -> str:
        """An object that has the interface, or any."""
        having = self.having(interface)
        if having and self.chance.random() < 0.97:
            return self.chance.choice(having)
        return self.chance.choice(self.words.paths)

    def descriptors(self, wanted: bool) -> list[int]:
        """To go with a message; the caller closes them."""
        count = self.chance.choice((1, 1, 1, 0, 2)) if wanted else self.chance.choice((0,) * 19 + (1,))
        found = []
        for _ in range(count):
            if len(self.slow) < SLOW_AT_A_TIME and self.chance.random() < SLOW_SHARE:
                found.append(self.slow.open())
            elif self.chance.random() < 0.2:
                found.append(os.memfd_create("fuzz"))
            else:
                found.append(os.open("/dev/null", os.O_RDWR))
        return found

    def sense(self, method: bus_words.Method) -> tuple[str, Variant] | None:
        """A call that goes on with what came before, as a manager of guests makes it; None when there is nothing."""
        devices = self.having("Device")
        fake = {"driver": Variant("s", "fake"), "fake-duration-ms": Variant("u", self.chance.randrange(300)),
                "fake-outcome": Variant("s", self.chance.choice(("completed", "completed", "failed", "in-doubt")))}
        options = fake if self.chance.random() < 0.8 else {}
        if method.name == "Begin" and self.chance.random() < 0.2:
            options["operation"] = Variant("s", self.chance.choice(("rehearse", "save")))
        saves = [uuid for uuid, cookie in self.begun.items() if 'kind="save"' in cookie]
        if method.name == "Perform" and saves and self.chance.random() < 0.3:
            return "/org/vferry1", Variant("(ssaya{sv})", (self.chance.choice(saves), "", b"", {}))
        if method.name == "Begin" and devices:
            return "/org/vferry1", Variant("(aoa{sv})", ([self.chance.choice(devices + self.having("Domain"))], options))
        if method.name == "AttachDomain":
            return "/org/vferry1", Variant("(a{sv})", (self.attachment(),))
        if method.name == "Prepare" and self.begun:
            options["address"] = Variant("s", "127.0.0.1")
            return "/org/vferry1", Variant("(sa{sv})", (self.chance.choice(list(self.begun.values())[-6:]), options))
        if method.name == "Perform" and self.prepared:
            options.pop("driver", None)
            return "/org/vferry1", Variant("(ssaya{sv})", (*self.prepared.pop(), options))
        if method.name in ("Finish", "Confirm") and self.begun:
            return "/org/vferry1", Variant("(sa{sv})", (self.chance.choice(list(self.begun)), {}))
        if [kind for _, kind in method.arguments] == ["a{sv}"]:
            return self.target(method.interface), NONE
        if method.name in ("Compare", "Find"):
            return "/org/vferry1", Variant("(sa{sv})", (self.chance.choice([text for text in self.words.documents if "<requirement" in text]), {}))
        if method.name == "Resolve":
            return self.target("Job"), Variant("(sa{sv})", (self.chance.choice(("run", "discard")), {}))
        if method.name == "Lend" and devices:
            return self.chance.choice(devices), Variant("(ha{sv})", (0, {"keep": Variant("b", self.chance.random() < 0.5)}))
        if method.name == "CreateDevice":
            return self.target("Parent"), Variant("(sa{sv}a{sv})", (self.chance.choice(("mtty-1", "mtty-2")), {}, {}))
        return None

    def attachment(self) -> dict[str, Variant]:
        """Options of AttachDomain that the fake driver takes, and perhaps a lease that waits for a guest."""
        known = self.words.ids[-8:]
        options = {"driver": Variant("s", "fake"), "fake-monitor": Variant("h", 0), "name": Variant("s", f"guest {self.chance.randrange(20)}"),
                   "fake-devices": Variant("as", self.chance.sample(known, min(len(known), self.chance.randrange(3))))}
        leases = self.having("Lease")
        if leases and self.chance.random() < 0.3:
            options["lease"] = Variant("o", self.chance.choice(leases))
        return options

    def other_call(self) -> tuple[str, str, Variant | None]:
        """One that no interface of ours has."""
        path = self.chance.choice(self.words.paths)
        interface = "org.vferry1." + self.chance.choice(("Manager", "Device", "Domain", "Job", "Lease", "Parent", "Model", "None"))
        name = self.chance.choice(("Id", "State", "Result", "Devices", "Features", "Nothing"))
        return path, *self.chance.choice((
            (f"{PROPERTIES}.Get", Variant("(ss)", (interface, name))), (f"{PROPERTIES}.GetAll", Variant("(s)", (interface,))),
            (f"{PROPERTIES}.Set", Variant("(ssv)", (interface, name, self.words.value("v").get_variant()))),
            ("org.freedesktop.DBus.Introspectable.Introspect", None), ("org.freedesktop.DBus.Peer.Ping", None),
            (f"{interface}.Nothing", Variant.new_tuple(self.words.value(self.words.kind())))))

    def ask(self) -> None:
        """One more call."""
        cookie = None
        if self.chance.random() < 0.06:
            path, member, arguments = self.other_call()
            what, files = member.removeprefix("org.vferry1."), self.descriptors(False)
        else:
            method = self.chance.choice(self.methods)
            if self.chance.random() > DEAR.get(method.full, 1) or (not self.having(method.interface) and self.chance.random() < 0.95):
                return
            what, member = method.full, f"org.vferry1.{method.full}"
            files = self.descriptors(any("h" in kind for _, kind in method.arguments))
            self.words.descriptors = len(files)
            sensible = self.sense(method) if self.chance.random() < 0.6 else None
            path, arguments = sensible or (self.target(method.interface), self.words.arguments(method))
            if method.name == "Prepare" and arguments.n_children() and arguments.get_child_value(0).is_of_type(bus_words.GLib.VariantType("s")):
                cookie = arguments.get_child_value(0).get_string()
        caller = self.chance.choice(self.callers)
        try:
            call = caller.start_call(path, member, arguments, timeout_ms=2**31 - 1, fds=files)
        finally:
            for descriptor in files:
                os.close(descriptor)
        self.recent.append(f"{caller.name} {path} {member} {arguments.print_(False)[:500] if arguments else ''}")
        self.waiting.append(Asked(what, call, caller, time.monotonic(), cookie))
        self.count[what] += 1

    def hear(self) -> None:
        """The answers that have come, and whether one is missing."""
        self.iterate()
        now = time.monotonic()
        if 0 < self.hangs_until < now:
            self.polkit.hang(False)
            self.hangs_until = 0.0
        for asked in list(self.waiting):
            if asked.call.done:
                self.waiting.remove(asked)
                self.learn(asked)
            elif now - asked.since > ANSWER_SECONDS * harness.SLOW and asked.what not in WAITING:
                self.fail_here(f"{asked.what} has not been answered in {now - asked.since:.0f} s")

    def learn(self, asked: Asked) -> None:
        """What later calls can use."""
        try:
            result = asked.call.result()
        except harness.Error as error:
            self.errors[error.name] += 1
            if FAULT.search(error.message):
                self.fail_here(f"{asked.what}: {error}")
            return
        self.succeeded.add(asked.what)
        if asked.what == "Manager.Begin":
            self.begun[result[0]] = result[1]
            while len(self.begun) > 60:
                del self.begun[next(iter(self.begun))]
        elif asked.what == "Manager.Prepare":
            uuids = [uuid for uuid, cookie in self.begun.items() if cookie == asked.cookie]
            if uuids:
                self.prepared.append((uuids[0], result[1], bytes(result[2])))
        for document in (word for word in result if isinstance(word, str) and word.startswith("<")):
            self.words.learn(document)

    # --- the daemon's life

    def fail_here(self, why: str) -> None:
        """With what came before."""
        for line in self.recent:
            print(f"# {line}")
        self.fail(f"{why} (after {sum(self.count.values())} calls, seed {self.seed})")

    def check_log(self) -> None:
        """The daemon has had nothing to say of itself."""
        found = [line for line in self.daemon.text().splitlines() if FAULT.search(line)]
        if found:
            self.fail_here(f"the daemon said: {found[0]}")

    def end_daemon(self, how: signal.Signals) -> None:
        """What it was asked last is not answered."""
        self.slow.release()
        status = self.daemon.stop(how)
        self.check_log()
        if status != (0 if how == signal.SIGTERM else -how):
            self.fail_here(f"the daemon ended with {status} when it was sent {how.name}")
        self.wait_for(lambda: not self.client.has_owner("org.vferry1"), "the end of the name", SETTLE_SECONDS)
        self.wait_for(lambda: all(asked.call.done for asked in self.waiting), "an end of what waits", SETTLE_SECONDS)
        self.waiting.clear()

    def start_again(self) -> None:
        """Another daemon, with what the first has left in the store, and another polkit."""
        self.end_daemon(self.chance.choice((signal.SIGKILL, signal.SIGTERM)))
        if self.chance.random() < 0.3:
            self.polkit.stop()
            self.start_polkit(*ACTIONS)
        self.launch()
        self.look()

    def tidy(self) -> bool:
        """Ends whatever is under way; whether nothing is."""
        self.look()
        busy = False
        for path, has in self.objects.items():
            job, lease, device, domain = (has.get(f"org.vferry1.{name}") for name in ("Job", "Lease", "Device", "Domain"))
            if job and job["Result"] == "":
                step = "Job.Cancel", NONE
            elif job and job["Result"] == "in-doubt":
                step = "Job.Resolve", Variant("(sa{sv})", ("discard" if job["Role"] == "destination" else "run", {}))
            elif lease and lease["State"] != "adopted":
                step = "Lease.Adopt" if lease["State"] == "loaded" else "Lease.Release", NONE
            elif domain:
                step = "Domain.Detach", NONE
            elif device and device["State"] == "lent":
                step = "Device.Reclaim", NONE
            elif device and len(self.sysfs.mdevs) > 1:
                step = "Device.Remove", NONE
            else:
                continue
            busy = True
            self.waiting.append(Asked(step[0], self.client.start_call(path, f"org.vferry1.{step[0]}", step[1]), self.client,
                                      time.monotonic()))
        deadline = time.monotonic() + 5 * harness.SLOW
        while any(asked.what not in WAITING for asked in self.waiting) and time.monotonic() < deadline:
            self.hear()
            time.sleep(0.01)
        return not busy

    def settle(self) -> tuple[int, int, int]:
        """Everything ends, and what the daemon has then: open files, objects and bytes of memory."""
        self.polkit.hang(False)
        self.hangs_until = 0.0
        self.polkit.allow(*ACTIONS)
        for verb in SCRIPTS:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.mover, verb + ".json"))
        # what was begun and not performed has its devices as long as its caller is there, and who waits for its end waits for long
        for _ in range(CALLERS):
            self.callers.append(self.connect_as("root" if len(self.callers) % 2 else "nobody"))
            self.callers.pop(0).close()
        self.waiting.clear()
        deadline = time.monotonic() + SETTLE_SECONDS * harness.SLOW
        while not self.tidy():
            if time.monotonic() > deadline:
                busy = {path: properties for path, has in self.objects.items() for name, properties in has.items()
                        if name.endswith(("Job", "Lease", "Device")) and (properties.get("Result") or properties.get("State"))}
                self.fail_here(f"it does not come to rest: {busy}")
        self.slow.release()
        self.begun.clear()
        self.prepared.clear()
        pid = self.daemon.process.pid
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            memory = int(re.findall(r"VmRSS:\s+(\d+)", file.read())[0]) << 10
        return len(os.listdir(f"/proc/{pid}/fd")), len(self.objects), memory

    def check_growth(self, before: tuple[int, int, int], after: tuple[int, int, int]) -> None:
        """Between two rests: what is remembered of ended jobs may be more, and nothing else."""
        jobs = sum("org.vferry1.Job" in has for has in self.objects.values())
        print(f"# at rest: {after[0]} files, {after[1]} objects ({jobs} ended jobs), {after[2] >> 20} MiB; "
              f"before {before[0]}, {before[1]}, {before[2] >> 20} MiB", flush=True)
        if after[0] > before[0] + FILES_OF_A_JOB * jobs + FILES_SPARE:
            self.fail_here(f"{before[0]} open files have become {after[0]}")
        if after[1] - jobs > before[1] + MDEVS:
            self.fail_here(f"{before[1]} objects have become {after[1]}")
        if after[2] > before[2] + MEMORY_SPARE:
            self.fail_here(f"{before[2]} bytes of memory have become {after[2]}")

    def live(self, calls: int) -> None:
        """So many calls of one daemon."""
        end = sum(self.count.values()) + calls
        looked = 0
        while (made := sum(self.count.values())) < end:
            if not self.daemon.is_running():
                self.check_log()
                self.fail_here(f"the daemon ended with {self.daemon.process.wait(1)}")
            if made >= looked:
                self.look()
                looked = made + OBJECTS_EVERY
            self.hear()
            if len(self.waiting) < AT_A_TIME:
                self.happen()
                self.ask()
            elif all(asked.what in WAITING for asked in self.waiting):
                self.renew_caller()
            else:
                time.sleep(0.002)

    def play(self, seed: int, calls: int) -> None:
        """All of it; a third of the calls are one daemon's, at whose rests what it has is measured."""
        self.seed = seed
        self.chance = random.Random(seed)
        self.words = bus_words.Words(self.chance, bus_words.documents(os.path.join(harness.SOURCE, "tests", "captures", "documents")))
        self.begun: dict[str, str] = {}  # UUID -> cookie
        self.prepared: list[tuple[str, str, bytes]] = []  # UUID, answer, secret
        self.callers = [self.connect_as("root" if number % 2 else "nobody") for number in range(CALLERS)]
        self.look()
        begun = time.monotonic()
        while (left := calls * 2 // 3 - sum(self.count.values())) > 0:
            self.live(min(left, self.chance.randrange(*LIFE)))
            self.start_again()
        before = self.settle()
        for _ in range(3):
            self.live(calls // 9)
            self.check_growth(before, self.settle())
        self.end_daemon(signal.SIGTERM)
        for caller in self.callers:
            caller.close()
        self.report(time.monotonic() - begun)

    def report(self, seconds: float) -> None:
        """In numbers."""
        made = sum(self.count.values())
        print(f"# bus: {made} calls in {seconds:.0f} s, {made / seconds:.0f} a second, seed {self.seed}")
        print(f"# errors: {dict(self.errors.most_common())}")
        print(f"# never succeeded: {sorted({method.full for method in self.methods} - self.succeeded)}", flush=True)
