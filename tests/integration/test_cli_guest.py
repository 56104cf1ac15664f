#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vferryctl domain between daemons that do what the test says."""

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time

from gi.repository import GLib

import cli_migration
import tap
from cli_case import A, B, DEADLINE, JOB, JOB_PATH, LEASE_PATH, VFERRYCTL, WRAPPER
from fake_daemon import ROOT, Refusal, device, job

GUEST = "aaaaaaaa-0000-4000-8000-000000000001"
DOMAIN_PATH = "/org/vferry1/domain/7"
INCOMING_PATH = "/org/vferry1/domain/8"
INCOMING_JOB_PATH = "/org/vferry1/job/8"
HOST = "99990000-0000-4000-8000-000000000009"
ANSWER = f"""<answer xmlns='https://vferry.org/ns/answer/1' job='{JOB}' destination='{HOST}' expires='1763726400000000'>
  <endpoint kind='tcp' address='10.77.0.2' port='49300'/><stream version='1' features=''/>
  <device ref='{A}' as='{B}'/>
</answer>"""
# sshd's part: a bridge to the other host's bus, or whatever the shell makes of the words
SSH = """for last; do :; done
if [ "$last" = systemd-stdio-bridge ]; then exec systemd-stdio-bridge -p "$THERE"; fi
DBUS_SYSTEM_BUS_ADDRESS=$THERE exec sh -c "$last"
"""


def strings(**properties):
    return {key: GLib.Variant("s", value) for key, value in properties.items()}


def guest_device(guest="0000:00:02.0", host=A, migrates=True, reasons=(), path="/org/vferry1/device/1"):
    element = {"guest-address": GLib.Variant("s", guest), "host-address": GLib.Variant("s", host),
               "migrates": GLib.Variant("b", migrates), "reasons": GLib.Variant("as", reasons)}
    return element | ({"device": GLib.Variant("o", path)} if path else {})


def domain(name="cat", uuid=GUEST, devices=None, **changes):
    properties = strings(Name=name, Uuid=uuid, Driver="qemu", State="running") | {
        "Devices": GLib.Variant("aa{sv}", [guest_device()] if devices is None else devices),
        "Job": GLib.Variant("o", "/")}
    return properties | changes


class Case(cli_migration.Case):
    def setUp(self):
        super().setUp()
        directory = tempfile.TemporaryDirectory(prefix="vf-qmp-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.handed = {}
        for host in (self.here, self.there):
            host.daemon.set(ROOT, "Manager", {"Features": GLib.Variant("as", ["domains", "switchover-ack"])})
        self.here.daemon.answers["AttachDomain"] = self.attach_here
        self.here.daemon.answers["Detach"] = self.detach

    def monitor(self, name="qmp"):
        """The path of a socket where somebody listens."""
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        path = os.path.join(self.directory, name)
        listener.bind(path)
        listener.listen(64)
        return path

    def attach_here(self, path, args):
        self.here.daemon.add_now(DOMAIN_PATH, "Domain", domain())
        return GLib.Variant("(o)", (DOMAIN_PATH,))

    def detach(self, path, args):
        return None

    def start_domain(self, *args, host=None, **more):
        process = subprocess.Popen([*WRAPPER, VFERRYCTL, "domain", *args], env=self.environment(host or self.here, **more),
                                   text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.kill)
        return process

    def domain(self, *args, host=None, **more):
        return self.run_tool(host or self.here, "domain", *args, **more)

    def wait_until(self, condition, what):
        deadline = time.monotonic() + DEADLINE
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.02)


class Words(Case):
    def test_unknown(self):
        result = self.domain("dance")
        self.assertEqual(result.returncode, 3)
        self.assertIn("There is no command “domain dance”", result.stderr)
        result = self.run_tool(self.here, "domain")
        self.assertEqual(result.returncode, 3)
        self.assertIn("“domain” needs a second word", result.stderr)
        self.assertIn("There is no command “do”", self.run_tool(self.here, "do").stderr)

    def test_help(self):
        result = self.domain("--help")
        self.assertEqual(result.returncode, 0)
        self.assertEqual(re.findall(r"(?m)^  domain (\w+)", result.stdout), ["list", "show", "attach", "check", "migrate"])
        self.assertNotIn("cancel", result.stdout)
        self.assertIn("--peer-start", self.domain("migrate", "--help").stdout)

    def test_wrong_number(self):
        for args in (("list", "x"), ("show",), ("attach",), ("check",), ("check", "a", "b", "c"), ("check", "--qmp", "x", "a", "b"),
                     ("migrate", "cat"), ("migrate", "--qmp", "x"), ("migrate", "--qmp", "x", "cat", "ssh://b")):
            with self.subTest(args=args):
                result = self.domain(*args)
                self.assertEqual((result.returncode, result.stdout), (3, ""), result.stderr)


class Seen(Case):
    def setUp(self):
        super().setUp()
        self.here.daemon.add(DOMAIN_PATH, "Domain", domain(devices=[
            guest_device(), guest_device("0000:00:03.0", "0000:99:00.0", False, ["its driver has no migration"], None)]))
        self.here.daemon.add(INCOMING_PATH, "Domain", domain("cattle", "aaaaaaaa-1111-4000-8000-000000000001", []))

    def test_list(self):
        result = self.domain("list")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertRegex(result.stdout, rf"(?m)^cat +{GUEST} +qemu +running +{A}, 0000:99:00.0 +1 of 2$")
        self.assertRegex(result.stdout, r"(?m)^cattle +aaaaaaaa-1111-\S+ +qemu +running +- +-$")
        document = json.loads(self.domain("list", "--json").stdout)
        self.assertEqual([each["name"] for each in document["domains"]], ["cat", "cattle"])
        self.assertEqual(document["domains"][0]["devices"][0], {
            "guest_address": "0000:00:02.0", "host_address": A, "migrates": True, "reasons": [], "device": "/org/vferry1/device/1",
            "id": A, "model": "kernel.org/mtty"})
        self.assertIsNone(document["domains"][0]["devices"][1]["id"])

    def test_list_of_none(self):
        self.assertEqual(self.domain("list", host=self.there).stdout, "")
        self.assertEqual(json.loads(self.domain("list", "--json", host=self.there).stdout), {"domains": []})

    def test_show(self):
        for name in ("cat", GUEST, GUEST.upper(), DOMAIN_PATH, GUEST[:9] + "0"):
            with self.subTest(name=name):
                result = self.domain("show", name)
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                self.assertRegex(result.stdout, rf"(?m)^UUID +{GUEST}$")
        self.assertRegex(result.stdout, rf"(?m)^0000:00:02.0 +{A} +{A} +kernel.org/mtty +yes$")
        self.assertRegex(result.stdout, r"(?m)^0000:00:03.0 +0000:99:00.0 +- +- +no$")
        self.assertIn("\n0000:00:03.0: its driver has no migration\n", result.stdout)
        self.assertEqual(json.loads(self.domain("show", "catt", "--json").stdout)["name"], "cattle")
        self.assertEqual(self.run_tool(self.here, "show", GUEST).stdout, result.stdout)

    def test_names_that_are_none(self):
        for name, status, words in (("dog", 3, "no domain “dog”"), ("aaaaaaaa", 3, "could be cat or cattle"), ("ca", 3, "no domain")):
            with self.subTest(name=name):
                result = self.domain("show", name)
                self.assertEqual((result.returncode, result.stdout), (status, ""))
                self.assertIn(words, result.stderr)


class Attach(Case):
    def refused(self, path, words, status=3, **more):
        result = self.domain("attach", "--qmp", path, **more)
        self.assertEqual((result.returncode, result.stdout), (status, ""), result.stderr)
        self.assertIn(words, result.stderr)
        self.assertNotIn("AttachDomain", self.calls(self.here))

    def test_stays_until_interrupted(self):
        process = self.start_domain("attach", "--qmp", self.monitor(), "--name", "cat")
        self.assertRegex(process.stdout.readline(), "^domain +cat$")
        self.assertEqual(self.arguments(self.here, "AttachDomain"), ({"driver": "qemu", "qmp": 0, "name": "cat"},))
        time.sleep(0.3)
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=DEADLINE)
        self.assertEqual((process.returncode, err), (0, "vferryctl: cat is detached.\n"))
        self.assertEqual(self.calls(self.here), ["AttachDomain", "Detach"])

    def test_job_keeps_it(self):
        def detach(path, args):
            raise Refusal("Busy", f"job {JOB} runs on domain cat")
        self.here.daemon.answers["Detach"] = detach
        process = self.start_domain("attach", "--qmp", self.monitor())
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=DEADLINE)
        self.assertEqual(process.returncode, 1)
        self.assertIn(f"job {JOB} runs on domain cat", err)

    def test_guest_goes(self):
        process = self.start_domain("attach", "--qmp", self.monitor())
        process.stdout.readline()
        self.here.daemon.remove(DOMAIN_PATH)
        _, err = process.communicate(timeout=DEADLINE)
        self.assertEqual((process.returncode, err), (0, "vferryctl: cat has gone.\n"))

    def test_goes_at_once(self):
        def attach(path, args):
            return GLib.Variant("(o)", (DOMAIN_PATH,))
        self.here.daemon.answers["AttachDomain"] = attach
        result = self.domain("attach", "--qmp", self.monitor())
        self.assertEqual(result.returncode, 3)
        self.assertIn("has just vanished", result.stderr)

    def test_daemon_goes(self):
        process = self.start_domain("attach", "--qmp", self.monitor())
        process.stdout.readline()
        self.here.daemon.loop.quit()
        _, err = process.communicate(timeout=DEADLINE)
        self.assertEqual(process.returncode, 3)
        self.assertIn("The daemon has ended, and cat is attached no longer", err)

    def test_json(self):
        process = self.start_domain("attach", "--json", "--qmp", self.monitor())
        self.wait_for_call(self.here, "AttachDomain")
        time.sleep(0.3)
        process.terminate()
        out, _ = process.communicate(timeout=DEADLINE)
        self.assertEqual(json.loads(out)["devices"][0]["model"], "kernel.org/mtty")

    def test_lease(self):
        """The job keeps it, so that there is nothing to wait for."""
        result = self.domain("attach", "--qmp", self.monitor(), "--lease", LEASE_PATH)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.arguments(self.here, "AttachDomain"), ({"driver": "qemu", "qmp": 0, "lease": LEASE_PATH},))
        self.assertNotIn("Detach", self.calls(self.here))

    def test_lease_by_its_id(self):
        self.here.daemon.add(LEASE_PATH, "Lease", {"Id": GLib.Variant("s", "lease-7")})
        result = self.domain("attach", "--qmp", self.monitor(), "--lease", "lease-7")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.arguments(self.here, "AttachDomain")[0]["lease"], LEASE_PATH)

    def test_lease_that_is_none(self):
        for lease in ("nothing", "/org//vferry1", "/"):
            result = self.domain("attach", "--qmp", self.monitor(lease.replace("/", "-")), "--lease", lease)
            self.assertEqual(result.returncode, 3 if lease != "/" else 0, result.stderr)

    def test_no_such_socket(self):
        self.refused(os.path.join(self.directory, "none"), "No such file or directory")
        self.refused("", "No such file or directory")

    def test_no_socket(self):
        path = os.path.join(self.directory, "file")
        with open(path, "w", encoding="utf-8"):
            pass
        self.refused(path, f"“{path}”: it is not a socket")
        self.refused(self.directory, "it is not a socket")

    def test_path_too_long(self):
        path = os.path.join(self.directory, "x" * 108)
        self.refused(path, f"at most 107 bytes (unix(7)), and this has {len(path)}")

    def test_loop_of_links(self):
        path = os.path.join(self.directory, "loop")
        os.symlink(path, path)
        self.refused(path, "Too many levels of symbolic links")

    def test_may_not(self):
        """Not even root, without its capabilities."""
        path = self.monitor()
        os.chmod(path, 0)
        drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.getuid() == 0 else []
        result = subprocess.run([*drop, *WRAPPER, VFERRYCTL, "domain", "attach", "--qmp", path], env=self.environment(self.here),
                                text=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE, check=False)
        self.assertEqual(result.returncode, 3)
        self.assertIn(f"“{path}”: Permission denied", result.stderr)

    def test_nobody_listens(self):
        path = os.path.join(self.directory, "left")
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(path)
        self.refused(path, "nobody listens at it")

    def test_other_type(self):
        path = os.path.join(self.directory, "datagrams")
        other = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(other.close)
        other.bind(path)
        self.refused(path, "a socket of another type")

    def test_too_many_wait(self):
        """We do not wait with them."""
        path = os.path.join(self.directory, "busy")
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(path)
        listener.listen(0)
        first = socket.socket(socket.AF_UNIX)
        self.addCleanup(first.close)
        first.connect(path)
        self.refused(path, "too many wait for it already", status=1)

    def test_daemon_refuses(self):
        for code, status, words in (("Busy", 1, "there is a domain cat"), ("NotAuthorized", 4, "vferry-group.rules"),
                                    ("Device", 1, "it is no QEMU")):
            def attach(path, args, code=code, words=words):
                raise Refusal(code, words)
            self.here.daemon.answers["AttachDomain"] = attach
            result = self.domain("attach", "--qmp", self.monitor(code))
            self.assertEqual((result.returncode, result.stdout), (status, ""))
            self.assertIn(words, result.stderr)

    def test_daemon_takes_none(self):
        self.here.daemon.set(ROOT, "Manager", {"Features": GLib.Variant("as", [])})
        self.refused(self.monitor(), "the daemon takes no guests", status=1)

    def test_elsewhere(self):
        """A descriptor does not go through ssh."""
        environment, _ = self.ssh(SSH)
        result = self.run_tool(self.there, "--host", "ssh://harbour-a", "domain", "attach", "--qmp", self.monitor(),
                               THERE=self.here.bus.address, **environment)
        self.assertEqual(result.returncode, 3)
        self.assertIn("no descriptor crosses from one host to another: give --qmp to vferryctl at harbour-a", result.stderr)
        self.assertEqual(self.calls(self.here), [])


CAPABILITIES = """<capabilities xmlns='https://vferry.org/ns/capabilities/1'>
  <host id='{host}' name='{name}' arch='x86_64' kernel='6.12.95'/>
  <models><model id='kernel.org/mtty' digest='sha256:{digest}' source='descriptor'>
    <parameter name='ports' type='int' compare='equal'><allowed><value>1</value><value>2</value></allowed></parameter></model></models>
  <parents><parent id='mtty' kind='mdev' path='/sys/devices/virtual/mtty/mtty' driver='mtty'>
    <offer id='mtty/mtty-{ports}' model='kernel.org/mtty' how='create' type='mtty-{ports}' left='{left}' usable-by='{users}'>
      <parameter name='ports' value='{ports}'/></offer></parent></parents>
  <devices>{devices}</devices>
</capabilities>"""
DEVICE = """<device id='{id}' kind='mdev' path='/sys/bus/mdev/devices/{id}' parent='mtty' {model} state='open'>
  {parameter}<migration source='probe' stop-copy='yes' p2p='yes' pre-copy='yes'/></device>"""
C = "83b8f4f2-509f-382f-3c1e-e6bfe0fa1002"


class Check(Case):
    ours = [A]
    has_model = True

    def setUp(self):
        super().setUp()
        self.here.daemon.add(DOMAIN_PATH, "Domain", domain())
        self.offer = {"ports": 2, "left": 3, "users": "qemu vfio"}
        self.here.daemon.answers["GetCapabilities"] = lambda path, args: GLib.Variant("(s)", (self.source(),))
        self.there.daemon.answers["GetCapabilities"] = lambda path, args: GLib.Variant("(s)", (self.capabilities(
            "b", "", **self.offer),))

    def source(self):
        model = "model='kernel.org/mtty'" if self.has_model else ""
        parameter = "<parameter name='ports' value='2' evidence='mdev-type'/>" if self.has_model else ""
        devices = "".join(DEVICE.format(id=each, model=model, parameter=parameter) for each in self.ours)
        return self.capabilities("a", devices, ports=2, left=0, users="qemu")

    def capabilities(self, name, devices, **offer):
        return CAPABILITIES.format(host=HOST, name=f"harbour-{name}", digest="0" * 64, devices=devices, **offer)

    def check(self, status, *words, peer=True):
        arguments = ["check", "cat"] + [self.there.bus.address] * peer
        result = self.domain(*arguments)
        self.assertEqual((result.returncode, result.stderr), (status, ""), result.stdout)
        for word in words:
            self.assertRegex(result.stdout, word)
        document = json.loads(self.domain(*arguments, "--json").stdout)
        self.assertEqual(document["verdict"], {0: "fits", 1: "unfit", 2: "unknown"}[status])
        return document

    def set_domain(self, *devices, **changes):
        self.here.daemon.set(DOMAIN_PATH, "Domain", {"Devices": GLib.Variant("aa{sv}", devices)} | changes)

    def test_fits(self):
        document = self.check(0, r"0000:00:02\.0 .*fits +it migrates\n", r"fits +mtty/mtty-2\n", "cat can go to ")
        self.assertEqual([(line["device"], line["verdict"], line["code"]) for line in document["lines"]],
                         [("0000:00:02.0", "fits", "migrates"), ("0000:00:02.0", "fits", "identical")])

    def test_without_destination(self):
        document = self.check(0, "Nothing here speaks against a migration of cat", peer=False)
        self.assertIsNone(document["destination"])
        self.assertNotIn("GetCapabilities", self.calls(self.here))

    def test_does_not_migrate(self):
        self.set_domain(guest_device(migrates=False, reasons=["no dirty tracking", "its driver has no migration"]))
        self.check(1, "does not fit +no dirty tracking", "does not fit +its driver has no migration", "cat cannot be migrated",
                   peer=False)
        self.set_domain(guest_device(migrates=False))
        self.check(1, "does not fit +it does not migrate", peer=False)

    def test_no_device(self):
        self.set_domain()
        self.check(1, "it has no VFIO device", peer=False)

    def test_state(self):
        for state, status in (("paused", 0), ("incoming", 1), ("shut-off", 1), ("unknown", 2)):
            self.set_domain(guest_device(), State=GLib.Variant("s", state))
            self.check(status, *([f"“{state}”"] if status else []), peer=False)

    def test_busy(self):
        self.set_domain(guest_device(), Job=GLib.Variant("o", JOB_PATH))
        self.check(1, f"job {JOB_PATH} runs on it", peer=False)

    def test_device_that_vferry_does_not_know(self):
        self.set_domain(guest_device(path=None))
        self.check(0, peer=False)
        self.check(2, "unknown +vferry does not know it", "Whether cat can go to ")

    def test_unknown_model(self):
        self.has_model = False
        self.check(2, "nobody there knows what model the device")

    def test_does_not_fit(self):
        self.offer["ports"] = 1
        document = self.check(1, r"does not fit +mtty/mtty-1: .*ports=2.*ports=1", "cat cannot go to ")
        self.assertEqual(document["lines"][1]["code"], "value-differs")

    def test_not_for_this_driver(self):
        self.offer["users"] = "vfio"
        self.check(1, "does not fit +mtty/mtty-2: ")

    def test_no_room_for_all(self):
        """Each fits, and both do not."""
        self.ours = [A, C]
        self.here.daemon.add("/org/vferry1/device/2", "Device", device(C))
        self.set_domain(guest_device(), guest_device("0000:00:03.0", C, path="/org/vferry1/device/2"))
        self.check(2, "unknown +mtty/mtty-2: ")  # whether a new one has the P2P states, which two of QEMU's need
        self.offer["left"] = 1
        document = self.check(1, r"0000:00:03\.0 .*does not fit +mtty/mtty-2: no more is left beside the guest's other devices")
        self.assertEqual(document["lines"][-1]["code"], "no-room")

    def test_nobody_answers(self):
        """1 would be an answer."""
        def refuse(path, args):
            raise Refusal("Failed", "not today")
        self.there.daemon.answers["GetCapabilities"] = refuse
        result = self.domain("check", "cat", self.there.bus.address)
        self.assertEqual((result.returncode, result.stdout), (3, ""))
        self.assertIn("not today", result.stderr)
        for arguments in (["dog"], ["cat", "unix:path=/none"], ["cat", "harbour-b"]):
            self.assertEqual(self.domain("check", *arguments).returncode, 3)

    def test_attached_for_it(self):
        result = self.domain("check", "--qmp", self.monitor(), self.there.bus.address)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.calls(self.here), ["AttachDomain", "GetCapabilities"])

        def attach(path, args):
            raise Refusal("Device", "it is no QEMU")
        self.here.daemon.answers["AttachDomain"] = attach
        result = self.domain("check", "--qmp", self.monitor("other"))
        self.assertEqual((result.returncode, result.stdout), (3, ""))
        self.assertIn("it is no QEMU", result.stderr)

    def attach_here(self, path, args):
        return GLib.Variant("(o)", (DOMAIN_PATH,))


class Migrate(Case):
    def setUp(self):
        super().setUp()
        self.there.daemon.answers["AttachDomain"] = self.attach_there
        self.qmp = self.monitor()
        self.peer = os.path.join(self.directory, "peer")

    def prepare(self, path, args):
        path, _, secret = super().prepare(path, args).unpack()
        self.there.daemon.add_now(INCOMING_JOB_PATH, "Job", job(JOB, "destination"))
        return GLib.Variant("(osay)", (path, ANSWER, secret))

    def attach_there(self, path, args):
        self.there.daemon.add_now(INCOMING_PATH, "Domain", domain(Job=GLib.Variant("o", INCOMING_JOB_PATH)))
        return GLib.Variant("(o)", (INCOMING_PATH,))

    def command(self, *options, to=None):
        return ("migrate", "--qmp", self.qmp, "--address", "10.77.0.2", *options, to or self.there.bus.address)

    def listen(self, before=""):
        """A command that starts what has a monitor: a process in the background that outlives it."""
        pid = os.path.join(self.directory, "pid")
        self.addCleanup(self.end_background, pid)
        program = (f"import os, socket, time; s = socket.socket(socket.AF_UNIX); s.bind({self.peer!r}); s.listen(1); "
                   f"open({pid!r}, 'w').write(str(os.getpid())); time.sleep(60)")
        return f'{before} setsid python3 -c "{program}" >/dev/null 2>&1 & while ! [ -s {pid} ]; do sleep 0.02; done'

    def end_background(self, path):
        try:
            with open(path, encoding="utf-8") as file:
                os.kill(int(file.read()), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            pass

    def test_all_calls(self):
        env = os.path.join(self.directory, "env")
        command = self.listen(f'echo "$VFERRY_JOB $VFERRY_LEASE $VFERRY_DEVICES" >{env}; echo said; ')
        result = self.domain(*self.command("--peer-start", command, "--peer-qmp", self.peer))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.calls(self.here), ["AttachDomain", "Begin", "Perform", "Confirm"])
        self.assertEqual(self.calls(self.there), ["Prepare", "AttachDomain", "Finish"])
        self.assertEqual(self.arguments(self.here, "Begin"), ([DOMAIN_PATH], {}))
        self.assertEqual(self.arguments(self.there, "Prepare")[1], {"address": "10.77.0.2", "driver": "qemu", "deadline": 240})
        self.assertEqual(self.arguments(self.there, "AttachDomain"), ({"driver": "qemu", "qmp": 0, "lease": LEASE_PATH},))
        with open(env, encoding="utf-8") as file:
            self.assertEqual(file.read(), f"{JOB} {LEASE_PATH} {A}={B}\n")
        self.assertEqual(result.stderr, "said\n", "what the command says is no part of our output")
        there = self.there.bus.address
        lines = result.stdout.splitlines()
        self.assertEqual(lines[0], f"preparing   {there}: created {B} (kernel.org/mtty, ports=2)")
        self.assertTrue(lines[1].startswith("starting    "), lines)
        self.assertIn(f"switchover  loaded; committed; running at {there}", lines)

    def test_domain_by_name(self):
        self.here.daemon.add(DOMAIN_PATH, "Domain", domain(Driver=GLib.Variant("s", "libvirt")))
        result = self.domain("migrate", "cat", "--address", "10.77.0.2", "--peer-start", self.listen(), "--peer-qmp", self.peer,
                             "--downtime-limit", "50", "--precopy-max", "7", "--no-switchover-ack", "--type", "mtty-2",
                             "--wait", "60", "--json", self.there.bus.address)
        self.assertEqual(result.returncode, 0, result.stderr)
        document = json.loads(result.stdout)
        self.assertEqual((document["domain"], document["result"], document["created"]), ("cat", "completed", [B]))
        self.assertEqual(self.arguments(self.there, "Prepare")[1], {
            "address": "10.77.0.2", "driver": "libvirt", "deadline": 180, "type": "mtty-2"})
        self.assertEqual(self.arguments(self.there, "AttachDomain")[0]["driver"], "libvirt")
        self.assertEqual(self.arguments(self.here, "Perform")[3],
                         {"downtime-limit-ms": 50, "precopy-max-seconds": 7, "switchover-ack": False})

    def over_ssh(self):
        """The environment: an ssh, and the other host's vferryctl in its PATH."""
        environment, folder = self.ssh(SSH)
        tool = os.path.join(folder, "vferryctl")
        with open(tool, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\nexec {" ".join(WRAPPER)} {VFERRYCTL} "$@"\n')
        os.chmod(tool, 0o755)
        return environment | {"THERE": self.there.bus.address}

    def test_over_ssh(self):
        """The other host's vferryctl opens the monitor."""
        result = self.domain(*self.command("--peer-start", self.listen(), "--peer-qmp", self.peer, to="ssh://harbour-b"),
                             **self.over_ssh())
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(self.calls(self.there), ["Prepare", "AttachDomain", "Finish"])
        self.assertEqual(self.arguments(self.there, "AttachDomain"), ({"driver": "qemu", "qmp": 0, "lease": LEASE_PATH},))
        self.assertNotIn("IN THE GUEST", result.stdout)

    def test_background_keeps_the_streams(self):
        """Of ssh, which would not end then."""
        begin = time.monotonic()
        environment = self.over_ssh()
        result = subprocess.run([*WRAPPER, VFERRYCTL, "domain", *self.command(
            "--peer-start", "sleep 30 & true", "--peer-qmp", self.monitor("peer"), to="ssh://harbour-b")],
            env=self.environment(self.here, **environment), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=DEADLINE, check=False)
        self.assertEqual(result.returncode, 0)
        self.assertLess(time.monotonic() - begin, 25)

    def test_command_attaches_it_itself(self):
        command = f'vferryctl domain attach --lease "$VFERRY_LEASE" --qmp {self.monitor("peer")} >/dev/null'
        result = self.domain(*self.command("--peer-start", command, to="ssh://harbour-b"), **self.over_ssh())
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(self.calls(self.there), ["Prepare", "AttachDomain", "Finish"])

    def failed(self, result, status, *words):
        """Nothing moved, and nothing is left."""
        self.assertEqual(result.returncode, status, result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)
        self.assertNotIn("Perform", self.calls(self.here))
        self.assertEqual(self.calls(self.there)[-1], "Release")

    def test_command_fails(self):
        for to, more in ((None, {}), ("ssh://harbour-b", self.over_ssh())):
            for command, status in (("exit 3", 3), ("no-such-command-here", 127), ("kill -KILL $$", 137), ("exit 124", 124)):
                with self.subTest(command=command, to=to):
                    self.forget()
                    self.failed(self.domain(*self.command("--peer-start", command, "--peer-qmp", self.peer, to=to), **more), 1,
                                f"the command that starts the guest failed with exit status {status}")
                    self.assertNotIn("AttachDomain", self.calls(self.there))

    def forget(self):
        """What an earlier migration left."""
        for host in (self.here, self.there):
            for path in [path for path in host.daemon.objects if path not in (ROOT, "/org/vferry1/device/1")]:
                host.daemon.remove(path)
            host.daemon.calls.clear()

    def sleeper(self):
        """A command that never comes back, and the file with the process that it waits for."""
        pid = os.path.join(self.directory, "sleeper")
        if os.path.exists(pid):
            os.unlink(pid)
        return f"sleep 1000 & echo $! >{pid}.new; mv {pid}.new {pid}; wait", pid

    def assert_ended(self, path):
        with open(path, encoding="utf-8") as file:
            pid = int(file.read())

        def ended():
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                    return file.read().rsplit(")", 1)[1].split()[0] == "Z"
            except FileNotFoundError:
                return True
        self.wait_until(ended, "what the command had started runs on")

    def test_command_never_returns(self):
        """It is ended, and what it has started with it."""
        for to, more in ((None, {}), ("ssh://harbour-b", self.over_ssh())):
            self.forget()
            command, pid = self.sleeper()
            result = self.domain(*self.command("--peer-start", command, "--peer-qmp", self.peer, "--wait", "1", to=to), **more)
            self.failed(result, 1, "the command that starts the guest did not come back within 1 s, and was ended")
            self.assert_ended(pid)

    def test_command_that_does_not_want_to_end(self):
        command = "trap '' TERM; while :; do sleep 0.1; done"
        result = self.domain(*self.command("--peer-start", command, "--peer-qmp", self.peer, "--wait", "1"))
        self.failed(result, 1, "did not come back within 1 s")

    def test_interrupt_during_the_command(self):
        for to, more in ((None, {}), ("ssh://harbour-b", self.over_ssh())):
            self.forget()
            command, pid = self.sleeper()
            process = self.start_domain(*self.command("--peer-start", command, "--peer-qmp", self.peer, to=to), **more)
            self.wait_until(lambda: os.path.exists(pid), "the command does not start")
            process.send_signal(signal.SIGINT)
            self.ended(process, 1, "Cancelled before anything moved")
            self.assert_ended(pid)

    def test_guest_goes_during_the_command(self):
        command, pid = self.sleeper()
        process = self.start_domain(*self.command("--peer-start", command, "--peer-qmp", self.peer))
        self.wait_until(lambda: os.path.exists(pid), "the command does not start")
        self.here.daemon.remove(DOMAIN_PATH)
        self.ended(process, 1, "domain cat has gone")
        self.assert_ended(pid)

    def test_ssh_ends(self):
        environment, _ = self.ssh('for last; do :; done\n'
                                  'if [ "$last" = systemd-stdio-bridge ]; then exec systemd-stdio-bridge -p "$THERE"; fi\n'
                                  'echo "Permission denied (publickey)." >&2; exit 255\n')
        result = self.domain(*self.command("--peer-start", "true", "--peer-qmp", self.peer, to="ssh://harbour-b"),
                             THERE=self.there.bus.address, **environment)
        self.failed(result, 1, "Permission denied (publickey).", "ssh ended (status 255) before the command that starts the guest")

    def test_attach_at_the_destination_fails(self):
        def attach(path, args):
            raise Refusal("Device", "it is no QEMU")
        self.there.daemon.answers["AttachDomain"] = attach
        self.failed(self.domain(*self.command("--peer-start", "true", "--peer-qmp", self.monitor("peer"))), 1, "it is no QEMU")
        self.forget()
        result = self.domain(*self.command("--peer-start", "true", "--peer-qmp", self.peer, to="ssh://harbour-b"),
                             **self.over_ssh())
        self.failed(result, 1, "it is no QEMU", "attaching the guest, which may still wait there, failed with exit status 1")
        self.forget()
        result = self.domain(*self.command("--peer-start", "true", "--peer-qmp", self.peer + "-none"))
        self.failed(result, 3, "No such file or directory")

    def wait_and_see(self, *options, **more):
        process = self.start_domain(*self.command(*options), **more)
        self.wait_for_call(self.there, "Prepare")
        return process

    def test_somebody_starts_it(self):
        process = self.wait_and_see()
        lines = [process.stdout.readline().rstrip("\n") for _ in range(4)]
        self.assertEqual(lines[1:], [
            f"waiting     {self.there.bus.address}: start the guest there, stopped and waiting for a migration, with",
            f"            {B} at 0000:00:02.0 (here {A})",
            f"            and attach it there: vferryctl domain attach --lease {LEASE_PATH} --qmp SOCKET"])
        self.there.daemon.add("/org/vferry1/domain/1", "Domain", domain("dog", ""))  # another one
        self.assertIsNone(process.poll())
        self.there.daemon.add(INCOMING_PATH, "Domain", domain(Job=GLib.Variant("o", INCOMING_JOB_PATH)))
        out, err = process.communicate(timeout=DEADLINE)
        self.assertEqual((process.returncode, err), (0, ""), out)
        self.assertEqual(self.calls(self.there), ["Prepare", "Finish"])

    def test_somebody_attaches_what_is_there(self):
        """A job of a domain is a property that changes."""
        self.there.daemon.add(INCOMING_PATH, "Domain", domain())
        process = self.wait_and_see("--peer-qmp", "/run/a b", "--json")
        time.sleep(0.3)
        self.assertIsNone(process.poll())
        self.there.daemon.set(INCOMING_PATH, "Domain", {"Job": GLib.Variant("o", INCOMING_JOB_PATH)})
        out, err = process.communicate(timeout=DEADLINE)
        self.assertEqual(process.returncode, 0, err)
        self.assertEqual(json.loads(out)["result"], "completed")
        self.assertIn("--qmp '/run/a b'", err)

    def ended(self, process, status, *words):
        _, err = process.communicate(timeout=DEADLINE)
        self.failed(subprocess.CompletedProcess((), process.returncode, "", err), status, *words)

    def test_nobody_starts_it(self):
        self.ended(self.wait_and_see("--wait", "1"), 1, f"nobody has attached a guest to lease {LEASE_PATH} within 1 s")

    def test_lease_goes(self):
        process = self.wait_and_see()
        self.wait_until(lambda: LEASE_PATH in self.there.daemon.objects, "the lease")
        for _ in range(4):
            process.stdout.readline()
        time.sleep(0.3)
        self.there.daemon.remove(LEASE_PATH)
        _, err = process.communicate(timeout=DEADLINE)
        self.assertEqual(process.returncode, 1)
        self.assertIn(f"lease {LEASE_PATH} has gone before a guest was attached to it", err)

    def test_destination_goes(self):
        process = self.wait_and_see()
        for _ in range(4):
            process.stdout.readline()
        time.sleep(0.3)
        self.there.daemon.loop.quit()
        _, err = process.communicate(timeout=DEADLINE)
        self.assertEqual(process.returncode, 1)
        self.assertIn("the daemon there has gone", err)

    def test_guest_goes_while_waiting(self):
        process = self.wait_and_see()
        for _ in range(4):
            process.stdout.readline()
        self.here.daemon.remove(DOMAIN_PATH)
        self.ended(process, 1, "domain cat has gone")

    def test_interrupt_while_waiting(self):
        process = self.wait_and_see()
        for _ in range(4):
            process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        self.ended(process, 1, "Cancelled before anything moved")

    def test_interrupt_while_attaching(self):
        """The daemon lets go of what somebody had attached who leaves."""
        def attach(path, args):
            time.sleep(2)
            return self.attach_here(path, args)
        self.here.daemon.answers["AttachDomain"] = attach
        process = self.start_domain(*self.command())
        self.wait_for_call(self.here, "AttachDomain")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(DEADLINE), -signal.SIGINT)
        process.communicate(timeout=DEADLINE)
        self.assertEqual(self.calls(self.there), [])

    def test_interrupt_during_prepare(self):
        def prepare(path, args):
            os.kill(self.process.pid, signal.SIGINT)
            time.sleep(0.3)
            return self.prepare(path, args)
        self.there.daemon.answers["Prepare"] = prepare
        self.process = self.start_domain(*self.command("--peer-start", "touch " + self.peer))
        self.ended(self.process, 1, "Cancelled before anything moved")
        self.assertFalse(os.path.exists(self.peer), "nothing is started for nothing")

    def test_interrupt_during_the_job(self):
        self.pace = 100
        process = self.start_domain(*self.command("--peer-start", "true", "--peer-qmp", self.monitor("peer")))
        self.wait_for_call(self.here, "Perform")
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=DEADLINE)
        self.assertEqual(process.returncode, 1)
        self.assertEqual(self.calls(self.here)[2:], ["Perform", "Cancel", "Confirm"])
        self.assertRegex(out, "(?m)^cancelled   the guest stays at .*; nothing is left at ")

    def test_source_cannot_be_attached(self):
        def attach(path, args):
            raise Refusal("Device", "it is no QEMU")
        self.here.daemon.answers["AttachDomain"] = attach
        result = self.domain(*self.command())
        self.assertEqual(result.returncode, 1)
        self.assertEqual((self.calls(self.here), self.calls(self.there)), (["AttachDomain"], []))
        self.qmp += "-none"
        result = self.domain(*self.command())
        self.assertEqual(result.returncode, 3)
        self.assertIn("No such file or directory", result.stderr)

    def test_perform_refused(self):
        def perform(path, args):
            raise Refusal("Busy", "the guest is in another job")
        self.here.daemon.answers["Perform"] = perform
        result = self.domain(*self.command("--peer-start", "true", "--peer-qmp", self.monitor("peer")))
        self.assertEqual(result.returncode, 1)
        self.assertIn("the guest is in another job", result.stderr)
        self.assertEqual(self.calls(self.there), ["Prepare", "AttachDomain", "Release"])

    def test_failed(self):
        self.end = ("failed", "org.vferry1.Error.Device", "the guest cannot be stopped")
        self.outcomes = {"Finish": "failed", "Confirm": "failed"}
        result = self.domain(*self.command("--peer-start", "true", "--peer-qmp", self.monitor("peer")))
        self.assertEqual(result.returncode, 1)
        self.assertIn("the guest cannot be stopped", result.stdout)
        self.assertIn("the guest stays at", result.stderr)

    def test_in_doubt(self):
        self.end = ("in-doubt", "org.vferry1.Error.InDoubt", "the link was cut")
        self.outcomes = {"Finish": "in-doubt", "Confirm": "in-doubt"}
        result = self.domain(*self.command("--peer-start", "true", "--peer-qmp", self.monitor("peer")))
        self.assertEqual(result.returncode, 2)
        self.assertIn("decide who runs the guest", result.stderr)
        self.assertIn(f"vferryctl resolve {JOB}", result.stderr)

    def test_answer_that_is_none(self):
        there = self.there.daemon.answers

        def prepare(path, args):
            path, _, secret = self.prepare(path, args).unpack()
            return GLib.Variant("(osay)", (path, "<answer/>", secret))
        there["Prepare"] = prepare
        self.failed(self.domain(*self.command("--peer-start", "true")), 3, "answer")

    def test_options(self):
        for option, words in ((("--wait", "0"), "--wait"), (("--wait", "3001"), "--wait"), (("--uuid", B), "--uuid"),
                              (("--downtime-limit", "x"), "--downtime-limit"), (("--address", "here"), "--address")):
            result = self.domain(*self.command(*option))
            self.assertEqual(result.returncode, 3)
            self.assertIn(words, result.stderr)
        self.assertEqual(self.calls(self.here), [])


if __name__ == "__main__":
    tap.main()
