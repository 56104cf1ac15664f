#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vferryctl against a daemon that does what the test says."""

import json
import os
import select
import signal
import subprocess
import time

from gi.repository import GLib

import tap
from bus import Bus
from cli_case import (A, B, DBUS, DEADLINE, DEVICE_PATH, JOB, JOB_PATH, POLICY, VFERRYCTL, WRAPPER, Case)
from fake_daemon import FakeDaemon, device, job


class Reading(Case):
    def test_list(self):
        host = self.host()
        host.daemon.add(DEVICE_PATH, "Device", device(A))
        host.daemon.add("/org/vferry1/device/2", "Device", device(
            B, Model=GLib.Variant("s", ""), Parameters=GLib.Variant("a{sv}", {}),
            MigrationSource=GLib.Variant("s", "unknown")))
        result = self.run_tool(host, "list")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout.splitlines(), [
            "DEVICE                                MODEL            PARAMETERS  STATE  MIGRATES",
            f"{B}  -                -           idle   -",
            f"{A}  kernel.org/mtty  ports=2     idle   stop-copy, p2p, pre-copy"])

    def test_list_json_is_one_document(self):
        host = self.host()
        host.daemon.add(DEVICE_PATH, "Device", device(A))
        result = self.run_tool(host, "list", "--json")
        document = json.loads(result.stdout)
        self.assertEqual(document["devices"][0]["id"], A)
        self.assertEqual(document["devices"][0]["parameters"], {"ports": "2"})
        self.assertEqual(document["devices"][0]["sysfs_path"],
                         f"/sys/devices/virtual/mtty/mtty/{A}")

    def test_list_of_nothing_is_quiet_in_a_pipe(self):
        result = self.run_tool(self.host(), "list")
        self.assertEqual((result.returncode, result.stdout), (0, ""))

    def test_escape_sequences_of_a_host_do_not_reach_the_terminal(self):
        host = self.host()
        host.daemon.add(DEVICE_PATH, "Device", device(A, Model=GLib.Variant("s", "a\x1b[2Jb")))
        for verb in (["list"], ["show", A]):
            self.assertNotIn("\x1b", self.run_tool(host, *verb).stdout)

    def test_colour_is_for_terminals(self):
        host = self.host()
        host.daemon.add(DEVICE_PATH, "Device", device(A))
        status, seen = self.run_in_terminal(host, "list")
        self.assertEqual(status, 0)
        self.assertIn("\x1b[1mDEVICE", seen)
        self.assertNotIn("\x1b", self.run_in_terminal(host, "list", NO_COLOR="1")[1])

    def test_show(self):
        host = self.host()
        host.daemon.add(DEVICE_PATH, "Device", device(A))
        result = self.run_tool(host, "show", "83b8")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(f"device                {A}\n", result.stdout)
        self.assertIn("IOMMU group           7\n", result.stdout)
        self.assertNotIn("NUMA", result.stdout)
        self.assertEqual(json.loads(self.run_tool(host, "show", A, "--json").stdout)["numa_node"],
                         -1)

    def test_hint_at_probe(self):
        host = self.host()
        host.daemon.add(DEVICE_PATH, "Device", device(A))
        self.assertNotIn("probe", self.run_in_terminal(host, "list")[1])
        host.daemon.set(DEVICE_PATH, "Device", {"MigrationSource": GLib.Variant("s", "unknown"),
                                                "State": GLib.Variant("s", "unknown")})
        seen = self.run_in_terminal(host, "list")[1]
        self.assertIn("vferryctl probe DEVICE", seen)
        self.assertNotIn("unknown", seen)

    def test_show_model(self):
        host = self.host()
        parameters = [
            {"name": GLib.Variant("s", "ports"), "type": GLib.Variant("s", "int"),
             "compare": GLib.Variant("s", "equal"), "allowed": GLib.Variant("as", ["1", "2"])},
            {"name": GLib.Variant("s", "size"), "type": GLib.Variant("s", "size"),
             "compare": GLib.Variant("s", "at-least"), "unit": GLib.Variant("s", "B"),
             "description": GLib.Variant("s", "How much"), "min": GLib.Variant("x", 4096),
             "max": GLib.Variant("x", 65536), "step": GLib.Variant("t", 4096)},
            {"name": GLib.Variant("s", "text"), "type": GLib.Variant("s", "string"),
             "compare": GLib.Variant("s", "ignore")}]
        host.daemon.add("/org/vferry1/model/1", "Model", {
            "Id": GLib.Variant("s", "example.com/pump"), "Digest": GLib.Variant("s", "sha256:ab"),
            "Source": GLib.Variant("s", "descriptor"), "Description": GLib.Variant("s", "A pump"),
            "Parameters": GLib.Variant("aa{sv}", parameters), "Versions": GLib.Variant("as", [])})
        host.daemon.answers["GetXml"] = lambda path, args: GLib.Variant("(s)", ("<model/>\n",))
        result = self.run_tool(host, "show", "example.com/pump")
        self.assertEqual(result.stdout.splitlines(), [
            "model                 example.com/pump",
            "description           A pump",
            "known from            descriptor",
            "digest                sha256:ab",
            "parameters            ports: 1, 2 (equal)",
            "                      size: 4096 to 65536 in steps of 4096 B (at-least)  How much",
            "                      text: any string (ignore)"])
        self.assertEqual(json.loads(self.run_tool(host, "show", "example.com/pump", "--json").stdout)["parameters"][1]["min"],
                         4096)
        self.assertEqual(self.run_tool(host, "show", "example.com/pump", "--xml").stdout, "<model/>\n")

    def test_explain_what_cannot_migrate(self):
        """Nobody is told that QEMU migrates it."""
        xml = f"""<capabilities xmlns="https://vferry.org/ns/capabilities/1">
            <host id="11111111-2222-4333-8444-000000000001" name="a"/><models><model id="kernel.org/mtty"/></models>
            <devices><device id="{A}" kind="mdev" path="/sys/devices/x" model="kernel.org/mtty" state="idle">
            <migration source="probe"{{}}/></device></devices></capabilities>"""
        host = self.host()
        host.daemon.add(DEVICE_PATH, "Device", device(A))
        for flags, says in (("", False), (' stop-copy="yes"', True)):
            host.daemon.answers["GetCapabilities"] = lambda path, args, text=xml.format(flags): GLib.Variant("(s)", (text,))
            result = self.run_tool(host, "explain", A)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual("Its driver cannot migrate it" in result.stdout, not says)
            self.assertEqual("Who can use and migrate" in result.stdout, says)

    def test_reader_that_has_enough(self):
        """As `| head` does: no complaint."""
        host = self.host()
        host.daemon.add(DEVICE_PATH, "Device", device(A))
        host.daemon.answers["GetCapabilities"] = lambda path, args: GLib.Variant("(s)", ("<x/>",))
        for args in (["capabilities"], ["list", "--json"], ["list"], ["monitor"], ["monitor", "--json"]):
            reader, writer = os.pipe()
            os.close(reader)
            done = subprocess.run([*WRAPPER, VFERRYCTL, *args], env=self.environment(host), stdout=writer,
                                  stderr=subprocess.PIPE, text=True, timeout=DEADLINE, check=False)
            os.close(writer)
            self.assertEqual(done.stderr, "", args)
            self.assertIn(done.returncode, (0, -signal.SIGPIPE), args)

    def test_full_disk(self):
        """What nobody can read was not done."""
        host = self.host()
        host.daemon.add(DEVICE_PATH, "Device", device(A))
        for args in (["list"], ["list", "--json"], ["show", A], ["--version"]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([*WRAPPER, VFERRYCTL, *args], env=self.environment(host), stdout=full,
                                      stderr=subprocess.PIPE, text=True, timeout=DEADLINE, check=False)
            self.assertIn("Cannot write to standard output", done.stderr, args)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertEqual(done.returncode, 3, args)

    def test_unknown_job(self):
        host = self.host()
        result = self.run_tool(host, "cancel", JOB)
        self.assertEqual(result.returncode, 3)
        self.assertEqual(result.stderr.count(host.bus.address), 0)
        self.assertIn(f"there is no job “{JOB}”", result.stderr)

    def test_show_unknown(self):
        result = self.run_tool(self.host(), "show", "nonsense")
        self.assertEqual(result.returncode, 3)
        self.assertIn("nothing here is called “nonsense”", result.stderr)
        self.assertNotIn("GDBus.Error", result.stderr)

    def test_capabilities(self):
        host = self.host()
        host.daemon.answers["GetCapabilities"] = lambda path, args: GLib.Variant(
            "(s)", ("<capabilities name='µ'/>",))
        result = self.run_tool(host, "capabilities", LC_ALL="C")
        self.assertEqual(result.stdout, "<capabilities name='µ'/>\n")
        self.assertEqual(self.run_tool(host, "capabilities", "--json").returncode, 3)

    def test_jobs(self):
        host = self.host()
        host.daemon.add(JOB_PATH, "Job", job(
            JOB, "source", Phase=GLib.Variant("s", "pre-copy"), Rate=GLib.Variant("t", 64 << 20),
            BytesDone=GLib.Variant("t", 1 << 20), BytesTotal=GLib.Variant("t", 256 << 20)))
        result = self.run_tool(host, "jobs")
        self.assertRegex(result.stdout.splitlines()[1],
                         rf"^{JOB}  migrate +source  pre-copy  1 MiB of 256 MiB  64 MiB/s  20")

    def test_no_daemon(self):
        bus = Bus(POLICY)
        self.addCleanup(bus.stop)
        for verb in ("list", "jobs", "capabilities"):
            result = self.run_tool(None, verb, DBUS_SYSTEM_BUS_ADDRESS=bus.address)
            self.assertEqual(result.returncode, 3)
            self.assertIn("systemctl status vferryd", result.stderr)

    def test_no_bus(self):
        result = self.run_tool(None, "list")
        self.assertEqual(result.returncode, 3)
        self.assertRegex(result.stderr, r"^vferryctl: ")

    def test_host_option(self):
        here, there = self.host(), self.host()
        there.daemon.add(DEVICE_PATH, "Device", device(A))
        result = self.run_tool(here, "list", "--host", there.bus.address)
        self.assertIn(A, result.stdout)


class Usage(Case):
    VERBS = ("list", "show", "capabilities", "create", "remove", "probe", "migrate", "jobs", "cancel", "resolve", "monitor")

    def test_help(self):
        for args in ([], *([verb] for verb in self.VERBS)):
            result = self.run_tool(None, *args, "--help")
            self.assertEqual((result.returncode, result.stderr), (0, ""), args)
            self.assertIn(" ".join(["vferryctl", *args]), result.stdout)

    def test_version(self):
        self.assertRegex(self.run_tool(None, "--version").stdout, r"^vferryctl \d+\.\d+\.\d+\n$")

    def test_mistakes(self):
        for args in ([], ["frobnicate"], ["list", "--frobnicate"], ["list", "x"], ["show"],
                     ["migrate", A], ["migrate", A, "harbour-b"], ["cancel"],
                     ["migrate", A, "ssh://-oProxyCommand=x"], ["migrate", A, "ssh://-l@b"],
                     ["migrate", A, "unixexec:path=/bin/true"],
                     ["migrate", A, "unix:path=/x;unixexec:path=/bin/true"],
                     ["migrate", A, "unix:path=/x"],
                     ["migrate", A, "unix:path=/x", "--address", "::1", "--precopy-max", "-1"],
                     ["migrate", A, "unix:path=/x", "--address", "::1", "--uuid", "x"],
                     ["migrate", A, "unix:path=/x", "--address", "harbour-b"],
                     ["create"], ["create", "mtty"], ["remove"], ["remove", A, B], ["probe"],
                     ["resolve", JOB, "--run-at", "both"], ["resolve", JOB, "--this-side", "run"],
                     ["list", "--host", "ssh://a/b"]):
            result = self.run_tool(None, *args)
            self.assertEqual((result.returncode, result.stdout), (3, ""), args)
            self.assertTrue(result.stderr.startswith("vferryctl: "), result.stderr)


class Ssh(Case):
    """systemd-stdio-bridge itself, with an `ssh` that runs it here."""

    def test_list_over_ssh(self):
        there = self.host()
        there.daemon.add(DEVICE_PATH, "Device", device(A))
        environment, directory = self.ssh(
            'printf "%s\\n" "$@" >"$(dirname "$0")/args"\n'
            f'exec systemd-stdio-bridge -p "{there.bus.address}"\n')
        result = self.run_tool(None, "--host", "ssh://pilot@harbour-b:2222", "list", **environment)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(A, result.stdout)
        with open(os.path.join(directory, "args"), encoding="utf-8") as file:
            args = file.read().split("\n")
        self.assertEqual(args[args.index("-l") + 1], "pilot")
        self.assertEqual(args[args.index("-p") + 1], "2222")
        self.assertIn("BatchMode=yes", args)
        self.assertEqual(args[-4:], ["--", "harbour-b", "systemd-stdio-bridge", ""])

    def test_what_ssh_says_is_shown(self):
        environment, _ = self.ssh("echo 'ssh: no route to harbour-b' >&2; exit 255\n")
        result = self.run_tool(None, "--host", "ssh://harbour-b", "list", **environment)
        self.assertEqual(result.returncode, 3)
        self.assertIn("ssh: no route to harbour-b", result.stderr)

    def test_no_ssh(self):
        result = self.run_tool(None, "--host", "ssh://harbour-b", "list", PATH="/nonexistent")
        self.assertEqual(result.returncode, 3)
        self.assertIn("ssh", result.stderr)


class Monitor(Case):
    def start(self, host, *args):
        process = subprocess.Popen([*WRAPPER, VFERRYCTL, "monitor", *args], text=True,
                                   env=self.environment(host), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait, DEADLINE)
        self.addCleanup(process.kill)
        return process

    def read_line(self, process):
        self.assertTrue(select.select([process.stdout], [], [], DEADLINE)[0])
        return os.read(process.stdout.fileno(), 65536).decode()

    def play(self, host):
        host.daemon.add(DEVICE_PATH, "Device", device(A))
        host.daemon.set(DEVICE_PATH, "Device", {"State": GLib.Variant("s", "lent")})
        host.daemon.remove(DEVICE_PATH)
        host.daemon.add(JOB_PATH, "Job", job(JOB, "source"))
        host.daemon.emit(JOB_PATH, "Job", "PhaseChanged", GLib.Variant("(s)", ("pre-copy",)))
        host.daemon.emit(JOB_PATH, "Job", "Progress", GLib.Variant(
            "(tta{sv})", (1, 2, {"initial-left": GLib.Variant("t", 5)})))
        host.daemon.emit(JOB_PATH, "Job", "Completed", GLib.Variant(
            "(sssa{sv})", ("completed", "", "", {"downtime-stop": GLib.Variant("t", 7)})))

    def finish(self, process, text, end):
        deadline = time.monotonic() + DEADLINE
        while end not in text and time.monotonic() < deadline:
            text += self.read_line(process)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(DEADLINE), 0)
        return text

    def test_json(self):
        host = self.host()
        process = self.start(host, "--json")
        first = self.read_line(process)
        self.play(host)
        lines = [json.loads(line) for line in
                 self.finish(process, first, '"completed"').splitlines()]
        self.assertEqual([line["event"] for line in lines],
                         ["appeared", "added", "changed", "removed", "added", "phase", "progress",
                          "completed"])
        self.assertEqual([line["kind"] for line in lines][1:5], ["device"] * 3 + ["job"])
        self.assertEqual(lines[2]["id"], A)
        self.assertEqual(lines[2]["properties"], {"state": "lent"})
        self.assertEqual(lines[6]["detail"]["initial_left"], 5)
        self.assertEqual(lines[7]["statistics"]["downtime_stop"], 7)

    def test_text(self):
        host = self.host()
        process = self.start(host)
        first = self.read_line(process)
        self.play(host)
        text = self.finish(process, first, "completed")
        self.assertRegex(text, rf"(?m)^\d\d:\d\d:\d\d\.\d\d\d  device   {A}  changed  state lent$")
        self.assertRegex(text, rf"(?m) job      {JOB}  progress  done 1 B  total 2 B  initial left 5 B$")
        self.assertRegex(text, r"(?m)completed  result completed  downtime stop 7 µs$")
        self.assertRegex(text, r"(?m)added  model kernel.org/mtty  state idle ")
        self.assertNotRegex(text, "[<>'{}]")
        self.assertEqual(len(text.splitlines()), 8)

    def test_daemon_goes_and_comes(self):
        host = self.host()
        process = self.start(host, "--json")
        text = self.read_line(process)
        host.daemon.close()
        while "vanished" not in text:
            text += self.read_line(process)
        host.daemon = FakeDaemon(host.bus.address, DBUS, [(DEVICE_PATH, "Device", device(A))])
        while "appeared" not in text.splitlines()[-1]:
            text += self.read_line(process)
        host.daemon.set(DEVICE_PATH, "Device", {"State": GLib.Variant("s", "lent")})
        text = self.finish(process, text, "changed")
        # it was there before the name, so nobody announced it
        self.assertEqual(json.loads(text.splitlines()[-1])["id"], A)


if __name__ == "__main__":
    tap.main()
