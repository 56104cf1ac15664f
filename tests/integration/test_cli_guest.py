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


if __name__ == "__main__":
    tap.main()
