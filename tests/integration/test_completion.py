#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What Tab offers: the completion in bash, with a daemon that does what the test says."""

import os
import re
import subprocess
import tempfile
import time

from gi.repository import GLib

import tap
from bus import Bus
from cli_case import A, B, DEADLINE, DEVICE_PATH, JOB, JOB_PATH, POLICY, VFERRYCTL, Case
from fake_daemon import device, job

SCRIPT = os.path.join(os.environ["VFERRY_TEST_SOURCE"], "cli", "completion", "vferryctl")
FRAMEWORK = "/usr/share/bash-completion/bash_completion"
OTHER_JOB = "99992222-3333-4444-5555-666677778888"
# The function gets what bash would give it; the answers are printed one a line.
ASK = """
. "$FRAMEWORK" && . "$SCRIPT" || exit 9
compopt() { :; }
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE=$LINE COMP_POINT=${#COMP_LINE} COMP_TYPE=9 COMP_KEY=9
_vferryctl "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


class Completion(Case):
    def complete(self, host, *words, cwd=None, **more):
        """What is offered for the last of @words."""
        environment = self.environment(host, FRAMEWORK=FRAMEWORK, SCRIPT=SCRIPT, LINE=" ".join((VFERRYCTL, *words)), **more)
        # as bash does, COMP_WORDBREAKS
        pieces = [piece for word in words for piece in (re.split("([:=])", word) if word else [""])]
        if pieces and not pieces[-1] and words[-1]:
            pieces.pop()
        done = subprocess.run(["bash", "--norc", "-c", ASK, "bash", VFERRYCTL, *pieces], env=environment, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE, check=False, cwd=cwd)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [line.rstrip() for line in done.stdout.splitlines() if line]

    def busy_host(self):
        host = self.host()
        host.daemon.add(DEVICE_PATH, "Device", device(A))
        host.daemon.add("/org/vferry1/device/2", "Device", device(
            "0000:06:0d.1", MigrationSource=GLib.Variant("s", "unknown")))
        offers = [{"type": GLib.Variant("s", name), "model": GLib.Variant("s", "kernel.org/mtty"),
                   "left": GLib.Variant("t", 3)} for name in ("mtty-1", "mtty-2")]
        host.daemon.add("/org/vferry1/parent/1", "Parent", {
            "Id": GLib.Variant("s", "mtty"), "Kind": GLib.Variant("s", "mdev"),
            "Offers": GLib.Variant("aa{sv}", offers)})
        host.daemon.add("/org/vferry1/parent/2", "Parent", {
            "Id": GLib.Variant("s", "other"), "Kind": GLib.Variant("s", "mdev"),
            "Offers": GLib.Variant("aa{sv}", [{"type": GLib.Variant("s", "thing")}])})
        host.daemon.add(JOB_PATH, "Job", job(JOB, "source", Phase=GLib.Variant("s", "pre-copy")))
        host.daemon.add("/org/vferry1/job/2", "Job", job(
            OTHER_JOB, "source", Phase=GLib.Variant("s", "finished"), Result=GLib.Variant("s", "in-doubt")))
        return host

    def test_verbs(self):
        """All that the tool knows, without a daemon."""
        self.assertEqual(self.complete(None, ""), [
            "list", "show", "capabilities", "find", "compare", "baseline", "explain", "models", "create", "remove", "probe",
            "migrate", "domain", "jobs", "cancel", "resolve", "monitor"])
        self.assertEqual(self.complete(None, "mi"), ["migrate"])
        self.assertEqual(self.complete(None, "--json", "c"), ["capabilities", "compare", "create", "cancel"])

    def test_options(self):
        self.assertEqual(self.complete(None, "list", "--"), ["--help", "--parents", "--leases", "--host=", "--json"])
        self.assertIn("--downtime-limit=", self.complete(None, "migrate", A, "--d"))
        self.assertEqual(self.complete(None, "--v"), ["--version"])
        self.assertEqual(self.complete(None, "resolve", JOB, "--run-at", ""), ["source", "destination", "nowhere"])
        self.assertEqual(self.complete(None, "resolve", JOB, "--run-at=n"), ["nowhere"])
        self.assertEqual(self.complete(None, "create", "--uuid", ""), [])

    def test_devices(self):
        host = self.busy_host()
        for verb in ("migrate", "remove", "probe"):
            self.assertEqual(self.complete(host, verb, ""), ["0000:06:0d.1", A])
        self.assertEqual(self.complete(host, "migrate", "--driver", "fake", "83"), [A])
        self.assertEqual(self.complete(host, "migrate", A, "83"), [])

    def test_domains(self):
        host = self.busy_host()
        guest = {"Name": GLib.Variant("s", "cat"), "Uuid": GLib.Variant("s", OTHER_JOB), "Driver": GLib.Variant("s", "qemu"),
                 "State": GLib.Variant("s", "running"), "Job": GLib.Variant("o", "/"), "Devices": GLib.Variant("aa{sv}", [])}
        host.daemon.add("/org/vferry1/domain/1", "Domain", guest)
        host.daemon.add("/org/vferry1/domain/2", "Domain", guest | {"Name": GLib.Variant("s", ""), "Uuid": GLib.Variant("s", JOB)})
        self.assertEqual(self.complete(host, "domain", ""), ["list", "show", "attach", "check", "migrate"])
        for word in ("show", "check", "migrate"):
            self.assertEqual(sorted(self.complete(host, "domain", word, "")), [JOB, "cat"])
        self.assertEqual(self.complete(host, "domain", "migrate", "--wait", "9", "c"), ["cat"])
        self.assertNotIn("cat", self.complete(host, "domain", "migrate", "--qmp", "/run/qmp", ""))
        self.assertEqual(self.complete(host, "domain", "show", "cat", ""), [])
        self.assertIn("cat", self.complete(host, "show", ""))
        self.assertIn("--peer-start=", self.complete(host, "domain", "migrate", "--p"))
        self.assertNotIn("--peer-start=", self.complete(host, "domain", "check", "--"))

    def test_address_with_colons(self):
        """bash takes a word apart at colons and wants only what is behind the last one."""
        self.assertEqual(self.complete(self.busy_host(), "probe", "0000:06:0"), ["0d.1"])

    def test_create(self):
        host = self.busy_host()
        host.daemon.add("/org/vferry1/model/1", "Model", {
            "Id": GLib.Variant("s", "kernel.org/mtty"), "Parameters": GLib.Variant("aa{sv}", [
                {"name": GLib.Variant("s", name), "type": GLib.Variant("s", "int"), "compare": GLib.Variant("s", "equal")}
                for name in ("ports", "speed")])})
        self.assertEqual(self.complete(host, "create", ""), ["mtty", "other"])
        self.assertEqual(self.complete(host, "create", "mtty", ""), ["mtty-1", "mtty-2", "kernel.org/mtty"])
        self.assertEqual(self.complete(host, "create", "mtty", "kernel.org/mtty", ""), ["ports=", "speed="])
        self.assertEqual(self.complete(host, "create", "mtty", "kernel.org/mtty", "po"), ["ports="])

    def test_documents_and_devices(self):
        """What is compared is a device or a file; the rest are files."""
        host = self.busy_host()
        with tempfile.TemporaryDirectory() as folder:
            for name in ("a.xml", "b.xml", "c.txt"):
                with open(os.path.join(folder, name), "w", encoding="utf-8"):
                    pass
            where = {"cwd": folder}
            files = ["a.xml", "b.xml"]
            for verb in ("find", "compare"):
                self.assertEqual(sorted(self.complete(host, verb, "", **where)), sorted([A, "0000:06:0d.1", *files]))
                self.assertEqual(sorted(self.complete(host, verb, A, "", **where)), files)
            self.assertEqual(sorted(self.complete(host, "baseline", "", **where)), files)
            self.assertEqual(sorted(self.complete(host, "models", "check", "", **where)), files)
        self.assertIn("qemu", self.complete(host, "find", A, "--for", ""))

    def test_models(self):
        models = {"VFERRY_MODEL_PATH": os.path.join(os.environ["VFERRY_TEST_SOURCE"], "xml", "models")}
        self.assertEqual(self.complete(None, "models", ""), ["list", "show", "check"])
        self.assertEqual(self.complete(None, "models", "show", "kernel.org/mt", **models), ["kernel.org/mtty"])
        self.assertEqual(self.complete(None, "explain", "vferry.org/", **models), ["vferry.org/testdev"])

    def test_jobs(self):
        host = self.busy_host()
        self.assertEqual(self.complete(host, "cancel", ""), [JOB, OTHER_JOB])
        self.assertEqual(self.complete(host, "resolve", ""), [OTHER_JOB])

    def test_everything_that_can_be_shown(self):
        self.assertEqual(self.complete(self.busy_host(), "show", ""),
                         ["0000:06:0d.1", A, "mtty", "other", "kernel.org/mtty", JOB, OTHER_JOB])

    def test_other_host(self):
        here, there = self.host(), self.busy_host()
        there.daemon.add("/org/vferry1/device/3", "Device", device(B))
        self.assertEqual(self.complete(here, "--host", there.bus.address, "probe", "4"), [B])

    def test_nothing_and_at_once_without_a_daemon(self):
        bus = Bus(POLICY)
        self.addCleanup(bus.stop)
        for address in (bus.address, "unix:path=/none"):
            begin = time.monotonic()
            for words in (["probe", ""], ["show", ""], ["create", ""], ["create", "mtty", ""], ["resolve", ""]):
                self.assertEqual(self.complete(None, *words, DBUS_SYSTEM_BUS_ADDRESS=address), [])
            self.assertLess(time.monotonic() - begin, DEADLINE)

    def test_daemon_that_hangs(self):
        host = self.host()
        host.daemon._do(lambda: host.daemon.later(0, lambda: time.sleep(8)))
        begin = time.monotonic()
        self.assertEqual(self.complete(host, "probe", ""), [])
        self.assertLess(time.monotonic() - begin, 7)


if __name__ == "__main__":
    tap.main()
