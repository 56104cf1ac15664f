# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two daemons that do what the test says, and a migration between them that vferryctl makes."""

import time

from gi.repository import GLib

import cli_case
from cli_case import A, B, DEADLINE, DEVICE_PATH, JOB, JOB_PATH, LEASE_PATH
from fake_daemon import Refusal, device, job

SECRET = bytes(range(32))
MIB = 1 << 20
STATISTICS = {"bytes": GLib.Variant("t", 256 * MIB), "downtime": GLib.Variant("t", 41000),
              "downtime-stop": GLib.Variant("t", 2000),
              "downtime-last-bytes": GLib.Variant("t", 21000),
              "downtime-load": GLib.Variant("t", 12000), "downtime-start": GLib.Variant("t", 6000)}
NEW_PATH = "/org/vferry1/device/9"


class Case(cli_case.Case):
    def setUp(self):
        self.here, self.there = self.host(), self.host()
        self.here.daemon.add(DEVICE_PATH, "Device", device(A))
        self.end = ("completed", "", "")
        self.outcomes = {"Finish": "completed", "Confirm": "completed"}
        self.pace = 20
        self.state = "running"
        self.statistics = STATISTICS
        here, there = self.here.daemon.answers, self.there.daemon.answers
        here["Begin"] = lambda path, args: GLib.Variant("(ss)", (JOB, "<migration/>"))
        here["Perform"] = self.perform
        here["Cancel"] = self.cancel
        here["Confirm"] = lambda path, args: self.outcome("Confirm")
        there["Prepare"] = self.prepare
        there["Finish"] = lambda path, args: self.outcome("Finish")
        there["Release"] = self.release

    def release(self, path, args):
        """As the daemon: not when the source has been there."""
        if self.outcomes["Finish"] == "in-doubt":
            raise Refusal("Busy", "the lease is attached")

    def outcome(self, method):
        if isinstance(self.outcomes[method], Refusal):
            raise self.outcomes[method]
        return GLib.Variant("(s)", (self.outcomes[method],))

    def prepare(self, path, args):
        daemon = self.there.daemon
        daemon.add_now(NEW_PATH, "Device", device(B))
        daemon.add_now(LEASE_PATH, "Lease", {
            "Id": GLib.Variant("s", "lease"), "JobUuid": GLib.Variant("s", JOB),
            "State": GLib.Variant("s", "ready"), "Deadline": GLib.Variant("t", 0),
            "OwnerUid": GLib.Variant("u", 0), "OwnerName": GLib.Variant("s", ":1.1"),
            "Devices": GLib.Variant("ao", [NEW_PATH])})
        return GLib.Variant("(osay)", (LEASE_PATH, "<answer/>", SECRET))

    def perform(self, path, args):
        self.here.daemon.add_now(JOB_PATH, "Job", job(JOB, "source"))
        self.steps = [lambda: self.phase("pre-copy")]
        self.steps += [lambda i=i: self.progress("pre-copy", i * 16 * MIB) for i in range(1, 16)]
        self.steps += [lambda: self.phase("switchover"), lambda: self.progress("switchover", 256 * MIB),
                       lambda: self.phase("committing"), self.complete]
        self.step()
        return GLib.Variant("(o)", (JOB_PATH,))

    def step(self):
        if self.steps:
            self.steps.pop(0)()
            self.here.daemon.later(self.pace, self.step)

    def phase(self, phase):
        self.here.daemon.set_now(JOB_PATH, "Job", {"Phase": GLib.Variant("s", phase)})
        self.here.daemon.emit_now(JOB_PATH, "Job", "PhaseChanged", GLib.Variant("(s)", (phase,)))

    def progress(self, phase, done):
        self.here.daemon.emit_now(JOB_PATH, "Job", "Progress", GLib.Variant("(tta{sv})", (
            done, 256 * MIB, {"phase": GLib.Variant("s", phase), "rate": GLib.Variant("t", 61 * MIB),
                              "round": GLib.Variant("u", 2),
                              "dirty": GLib.Variant("t", 1258291)})))

    def complete(self):
        result, error, message = self.end
        self.here.daemon.set_now(JOB_PATH, "Job", {
            "Phase": GLib.Variant("s", "finished"), "Result": GLib.Variant("s", result),
            "Error": GLib.Variant("(ss)", (error, message)),
            "Devices": GLib.Variant("aa{sv}", [{"state": GLib.Variant("s", self.state)}])})
        self.here.daemon.emit_now(JOB_PATH, "Job", "Completed", GLib.Variant(
            "(sssa{sv})", (result, error, message, self.statistics if result == "completed" else {})))

    def cancel(self, path, args):
        self.steps = []
        self.end = ("cancelled", "org.vferry1.Error.Cancelled", "cancelled")
        self.outcomes = {"Finish": "cancelled", "Confirm": "cancelled"}
        self.here.daemon.later(self.pace, self.complete)

    def calls(self, host):
        return [name for name, _ in host.daemon.calls if name != "Lookup"]

    def arguments(self, host, method):
        return next(args for name, args in host.daemon.calls if name == method)

    def wait_for_call(self, host, method):
        deadline = time.monotonic() + DEADLINE
        while method not in self.calls(host) and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertIn(method, self.calls(host))
