#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vferryctl migrate and cancel between two daemons that do what the test says."""

import json
import os
import re
import signal
import subprocess
import time

from gi.repository import GLib

import cli_migration
import tap
from cli_case import A, B, DEADLINE, DEVICE_PATH, JOB, JOB_PATH, LEASE_PATH, VFERRYCTL, WRAPPER, Case
from cli_migration import MIB, NEW_PATH, SECRET, STATISTICS
from fake_daemon import ROOT, Refusal, job


class Migration(cli_migration.Case):
    def migrate(self, *options, **environment):
        """From the beginning, whatever an earlier one left."""
        for host, path in ((self.here, JOB_PATH), (self.there, LEASE_PATH), (self.there, NEW_PATH)):
            if path in host.daemon.objects:
                host.daemon.remove(path)
        host.daemon.calls.clear()
        self.here.daemon.calls.clear()
        return self.run_tool(self.here, "migrate", *options, "--address", "10.77.0.2", A[:8],
                             self.there.bus.address, **environment)

    def test_all_five_calls(self):
        result = self.migrate()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.calls(self.here), ["Begin", "Perform", "Confirm"])
        self.assertEqual(self.calls(self.there), ["Prepare", "Finish"])
        self.assertEqual(self.arguments(self.here, "Begin"), ([DEVICE_PATH], {}))
        self.assertEqual(self.arguments(self.there, "Prepare"),
                         ("<migration/>", {"address": "10.77.0.2"}))
        self.assertEqual(self.arguments(self.here, "Perform"),
                         (JOB, "<answer/>", list(SECRET), {}))
        self.assertEqual(self.arguments(self.there, "Finish")[0], JOB)
        there = self.there.bus.address
        self.assertEqual(result.stdout.splitlines(), [
            f"preparing   {there}: created {B} (kernel.org/mtty, ports=2)",
            "pre-copy",
            f"switchover  loaded; committed; running at {there}",
            "            downtime 41 ms (stop 2, last bytes 21, load 12, start 6)"])
        self.assertEqual(result.stderr, "")

    def test_options_reach_their_calls(self):
        result = self.migrate("--driver", "fake", "--parent", "mtty", "--type", "mtty-2", "--uuid",
                              B.upper(), "--downtime-limit", "50", "--precopy-max", "7")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.arguments(self.here, "Begin")[1], {"driver": "fake"})
        self.assertEqual(self.arguments(self.there, "Prepare")[1], {
            "address": "10.77.0.2", "driver": "fake", "parent": "mtty", "type": "mtty-2", "uuid": B})
        self.assertEqual(self.arguments(self.here, "Perform")[3],
                         {"downtime-limit-ms": 50, "precopy-max-seconds": 7})

    def test_without_switchover_ack(self):
        """Sent only to a daemon that knows it; that the device was stopped early is said."""
        result = self.migrate("--no-switchover-ack")
        self.assertEqual((result.returncode, self.calls(self.here)), (1, []), result.stderr)
        self.assertIn("the daemon here is too old for --no-switchover-ack", result.stderr)
        self.here.daemon.set(ROOT, "Manager", {"Features": GLib.Variant("as", ["switchover-ack"])})
        self.addCleanup(self.here.daemon.set, ROOT, "Manager", {"Features": GLib.Variant("as", [])})
        self.statistics = STATISTICS | {"initial-bytes-unloaded": GLib.Variant("t", 5 * MIB)}
        result = self.migrate("--no-switchover-ack")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.arguments(self.here, "Perform")[3], {"switchover-ack": False})
        self.assertEqual(result.stdout.splitlines()[-1], "            stopped before 5 MiB of initial bytes were loaded there")

    def test_json_is_one_document(self):
        result = self.migrate("--json")
        document = json.loads(result.stdout)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual({key: document[key] for key in
                          ("job", "result", "source_result", "destination_result", "created", "error")},
                         {"job": JOB, "result": "completed", "source_result": "completed",
                          "destination_result": "completed", "created": [B], "error": None})
        self.assertEqual(document["statistics"]["downtime_last_bytes"], 21000)

    def test_job_that_ends_before_perform_returns(self):
        def perform(path, args):
            self.here.daemon.add_now(JOB_PATH, "Job", job(JOB, "source"))
            self.complete()
            return GLib.Variant("(o)", (JOB_PATH,))
        self.here.daemon.answers["Perform"] = perform
        result = self.migrate()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("downtime 41 ms", result.stdout)

    def test_bar(self):
        self.pace = 60
        status, seen = self.run_in_terminal(
            self.here, "migrate", "--address", "10.77.0.2", A, self.there.bus.address, columns=90)
        self.assertEqual(status, 0, seen)
        frames = [re.sub(r"\x1b\[[0-9;]*[mK]", "", frame) for frame in re.split(r"[\r\n]+", seen)]
        bars = [frame for frame in frames if frame.startswith("pre-copy")]
        self.assertGreater(len(bars), 3)
        self.assertLess(len(bars), 15)
        self.assertTrue(all(len(bar) < 90 for bar in bars), bars)
        self.assertIn("61 MiB/s", bars[-1])
        self.assertRegex(bars[-2], "━.* MiB of 256 MiB.* left")
        amounts = [int(re.search("([0-9]+) MiB of 256 MiB", bar)[1]) for bar in bars[:-1]]
        self.assertEqual(amounts, sorted(set(amounts)), bars)
        self.assertNotRegex(bars[-1], "─| left")
        self.assertIn("            downtime 41 ms (stop 2, last bytes 21, load 12, start 6)", frames)

    def test_bar_fits_a_narrow_terminal(self):
        _, seen = self.run_in_terminal(self.here, "migrate", "--address", "10.77.0.2", A,
                                       self.there.bus.address, columns=30)
        frames = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;]*[mK]", "", seen))
        bars = [frame for frame in frames if frame.startswith("pre-copy")]
        self.assertTrue(bars)
        self.assertTrue(all(len(bar) < 30 for bar in bars), bars)

    def test_over_ssh(self):
        environment, _ = self.ssh(
            f'exec systemd-stdio-bridge -p "{self.there.bus.address}"\n')
        result = self.run_tool(self.here, "migrate", A, "ssh://root@localhost", **environment)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(self.arguments(self.there, "Prepare")[1]["address"], ("127.0.0.1", "::1"))
        self.assertIn("running at localhost", result.stdout)

    def test_ssh_host_without_an_address(self):
        environment, _ = self.ssh("exit 1\n")
        result = self.run_tool(self.here, "migrate", A, "ssh://harbour-b.invalid", **environment)
        self.assertEqual(result.returncode, 3)
        self.assertRegex(result.stderr, r"“ssh://harbour-b.invalid” .*\(.*harbour-b\.invalid.*\): give its --address")
        self.assertEqual(self.calls(self.here), [])

    def test_destination_refuses(self):
        def prepare(path, args):
            raise Refusal("Incompatible", "ports: the source has 2, the destination 1")
        self.there.daemon.answers["Prepare"] = prepare
        result = self.migrate()
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"{self.there.bus.address}: ports: the source has 2, the destination 1",
                      result.stderr)
        self.assertEqual(self.calls(self.there), ["Prepare"])
        self.assertEqual(self.calls(self.here), ["Begin"])
        document = json.loads(self.migrate("--json").stdout)
        self.assertEqual(document["result"], "failed")
        self.assertEqual(document["error"]["name"], "org.vferry1.Error.Incompatible")

    def test_not_authorised(self):
        for name in ("NotAuthorized", "org.freedesktop.DBus.Error.AccessDenied"):
            def prepare(path, args, name=name):
                raise Refusal(name, "polkit says no")
            self.there.daemon.answers["Prepare"] = prepare
            result = self.migrate()
            self.assertEqual(result.returncode, 4)
            for words in ("polkit says no", f"org.vferry1.migrate at {self.there.bus.address}",
                          "/vferry-group.rules /etc/polkit-1/rules.d/"):
                self.assertIn(words, result.stderr)

    def test_perform_refused(self):
        def perform(path, args):
            raise Refusal("Busy", "the device is in another job")
        self.here.daemon.answers["Perform"] = perform
        result = self.migrate()
        self.assertEqual(result.returncode, 1)
        self.assertEqual(self.calls(self.there), ["Prepare", "Release"])

    def test_failed(self):
        self.end = ("failed", "org.vferry1.Error.Device", "write of device state at byte 65536")
        self.outcomes = {"Finish": "failed", "Confirm": "failed"}
        result = self.migrate()
        self.assertEqual(result.returncode, 1)
        self.assertIn("failed      write of device state at byte 65536", result.stdout)
        self.assertIn("the device stays at", result.stderr)
        self.assertEqual(self.calls(self.there), ["Prepare", "Release", "Finish"])
        document = json.loads(self.migrate("--json").stdout)
        self.assertEqual(document["error"]["name"], "org.vferry1.Error.Device")
        self.assertEqual(document["result"], "failed")

    def test_source_that_does_not_run_again(self):
        self.end = ("failed", "org.vferry1.Error.Device", "PRE_COPY -> RUNNING: Input/output error")
        self.outcomes = {"Finish": "failed", "Confirm": "failed"}
        self.state = "failed-needs-reset"
        result = self.migrate()
        self.assertEqual(result.returncode, 1)
        self.assertIn("is now in the state failed-needs-reset", result.stderr)
        self.assertNotIn("stays at", result.stderr)
        self.assertEqual(json.loads(self.migrate("--json").stdout)["source_state"], self.state)

    def test_in_doubt(self):
        for source, destination in (("in-doubt", "in-doubt"), ("in-doubt", "failed"),
                                    ("failed", "in-doubt"), ("completed", "in-doubt"),
                                    ("failed", "completed")):
            self.end = (source, "org.vferry1.Error.InDoubt", "the link was cut")
            self.outcomes = {"Finish": destination, "Confirm": source}
            result = self.migrate()
            self.assertEqual(result.returncode, 2)
            self.assertIn(f"vferryctl resolve {JOB} {self.there.bus.address}\n", result.stderr)
            self.assertNotIn("nothing is left", result.stdout + result.stderr)
            document = json.loads(self.migrate("--json").stdout)
            self.assertEqual(document["result"], "in-doubt")
            self.assertEqual(document["resolve"],
                             f"vferryctl resolve {JOB} {self.there.bus.address}")

    def test_destination_cannot_be_asked(self):
        self.outcomes["Finish"] = Refusal("org.freedesktop.DBus.Error.NoReply", "it left")
        result = self.migrate()
        self.assertEqual(result.returncode, 0)
        self.assertIn("cannot be asked how it ended: it left", result.stderr)

    def test_source_daemon_vanishes(self):
        def perform(path, args):
            self.here.daemon.add_now(JOB_PATH, "Job", job(JOB, "source"))
            self.here.daemon.later(200, self.here.daemon.loop.quit)
            return GLib.Variant("(o)", (JOB_PATH,))
        self.here.daemon.answers["Perform"] = perform
        self.outcomes["Finish"] = Refusal("Failed", "not yet")
        process = self.start()
        _, err = process.communicate(timeout=3 * DEADLINE)  # it waits for a restart
        self.assertEqual(process.returncode, 2)
        self.assertIn(f"vferryctl resolve {JOB}", err)

    def start(self, *options):
        process = subprocess.Popen(
            [*WRAPPER, VFERRYCTL, "migrate", *options, "--address", "10.77.0.2", A,
             self.there.bus.address], env=self.environment(self.here), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.kill)
        return process

    def test_interrupt_cancels(self):
        self.pace = 100
        process = self.start()
        self.wait_for_call(self.here, "Perform")
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=DEADLINE)
        self.assertEqual(process.returncode, 1)
        self.assertEqual(self.calls(self.here), ["Begin", "Perform", "Cancel", "Confirm"])
        self.assertEqual(self.calls(self.there), ["Prepare", "Release", "Finish"])
        self.assertIn("Cancelling", err)
        self.assertIn("cancelled   the device stays at", out)
        self.assertIn("nothing is left at", out)

    def test_second_interrupt_leaves_the_job_alone(self):
        self.pace = 100
        self.here.daemon.answers["Cancel"] = lambda path, args: None
        process = self.start()
        self.wait_for_call(self.here, "Perform")
        process.send_signal(signal.SIGINT)
        self.wait_for_call(self.here, "Cancel")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=DEADLINE)
        self.assertEqual(process.returncode, 2)
        self.assertIn("goes on without us", err)
        self.assertEqual(self.calls(self.there), ["Prepare"])

    def test_too_late_to_cancel(self):
        def cancel(path, args):
            raise Refusal("Busy", "it is committed")
        self.here.daemon.answers["Cancel"] = cancel
        self.pace = 50
        process = self.start()
        self.wait_for_call(self.here, "Perform")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=DEADLINE)
        self.assertEqual(process.returncode, 0, err)
        self.assertIn("Cannot cancel: it is committed", err)

    def test_interrupt_before_perform(self):
        def prepare(path, args):
            os.kill(self.process.pid, signal.SIGINT)
            time.sleep(0.3)
            return self.prepare(path, args)
        self.there.daemon.answers["Prepare"] = prepare
        self.process = self.start()
        out, err = self.process.communicate(timeout=DEADLINE)
        self.assertEqual(self.process.returncode, 1, err)
        self.assertEqual(self.calls(self.here), ["Begin"])
        self.assertEqual(self.calls(self.there), ["Prepare", "Release"])
        self.assertIn("Cancelled before anything moved", err)

    def test_secret_is_shown_nowhere(self):
        for options in ([], ["--json"]):
            result = self.migrate(*options)
            for form in (SECRET.hex(), "0, 1, 2, 3", "\x04\x05\x06"):
                self.assertNotIn(form, result.stdout + result.stderr)


class Cancel(Case):
    def test_cancel(self):
        host = self.host()

        def cancel(path, args):
            host.daemon.later(50, lambda: host.daemon.set_now(
                JOB_PATH, "Job", {"Result": GLib.Variant("s", "cancelled")}))

        host.daemon.add(JOB_PATH, "Job", job(JOB, "source"))
        host.daemon.answers["Cancel"] = cancel
        result = self.run_tool(host, "cancel", JOB[:6])
        self.assertEqual((result.returncode, result.stdout),
                         (0, "cancelled; the device stays at its source\n"))
        document = json.loads(self.run_tool(host, "cancel", JOB, "--json").stdout)
        self.assertEqual(document, {"job": JOB, "result": "cancelled"})

    def test_refusals(self):
        host = self.host()
        host.daemon.add(JOB_PATH, "Job", job(JOB, "source"))
        for code, status in (("Busy", 1), ("NotAuthorized", 4)):
            def cancel(path, args, code=code):
                raise Refusal(code, "no")
            host.daemon.answers["Cancel"] = cancel
            self.assertEqual(self.run_tool(host, "cancel", JOB).returncode, status)

    def test_prefix_of_two(self):
        host = self.host()
        host.daemon.add(JOB_PATH, "Job", job(JOB, "source"))
        host.daemon.add("/org/vferry1/job/2", "Job", job(JOB[:-1] + "9", "source"))
        result = self.run_tool(host, "cancel", JOB[:-1])
        self.assertEqual(result.returncode, 3)
        self.assertIn("could be", result.stderr)
        self.assertEqual(self.run_tool(host, "cancel", "1").returncode, 3)


if __name__ == "__main__":
    tap.main()
