#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vferryctl resolve: what both sides know, what is offered, and in which order it is done."""

import json

from gi.repository import GLib

import tap
from cli_case import JOB, JOB_PATH, Case
from fake_daemon import Refusal, job


class Resolve(Case):
    def setUp(self):
        self.here, self.there = self.host(), self.host()
        self.order = []

    def side(self, host, role, result, state, path=JOB_PATH):
        host.daemon.add(path, "Job", job(
            JOB, role, Result=GLib.Variant("s", result),
            Error=GLib.Variant("(ss)", ("org.vferry1.Error.InDoubt", "the link was cut")),
            Devices=GLib.Variant("aa{sv}", [{"id": GLib.Variant("s", "x"),
                                             "state": GLib.Variant("s", state)}])))

        def resolve(path_, args):
            properties = host.daemon.objects[path_]["org.vferry1.Job"]
            self.order.append((properties["Role"].unpack(), args[0]))

        host.daemon.answers["Resolve"] = resolve

    def in_doubt(self):
        self.side(self.here, "source", "in-doubt", "stopped")
        self.side(self.there, "destination", "in-doubt", "stopped")

    def resolve(self, *options, here=None, there=None):
        return self.run_tool(here or self.here, "resolve", JOB[:8],
                             (there or self.there).bus.address, *options)

    def test_run_at_source(self):
        self.in_doubt()
        result = self.resolve("--run-at", "source")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.order, [("destination", "discard"), ("source", "run")])

    def test_run_at_destination(self):
        self.in_doubt()
        result = self.resolve("--run-at", "destination")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.order, [("source", "discard"), ("destination", "run")])

    def test_typed_at_the_destination(self):
        self.in_doubt()
        result = self.resolve("--run-at", "destination", here=self.there, there=self.here)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.order, [("source", "discard"), ("destination", "run")])

    def test_both_sides_on_one_host(self):
        self.side(self.here, "source", "in-doubt", "stopped")
        self.side(self.here, "destination", "in-doubt", "stopped", "/org/vferry1/job/2")
        result = self.run_tool(self.here, "resolve", JOB, "--run-at", "source")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.order, [("destination", "discard"), ("source", "run")])

    def test_discard_that_fails_starts_nothing(self):
        self.in_doubt()

        def refuse(path, args):
            raise Refusal("NotAuthorized", "polkit says no")

        self.there.daemon.answers["Resolve"] = refuse
        result = self.resolve("--run-at", "source")
        self.assertEqual(result.returncode, 4)
        self.assertIn("org.vferry1.override", result.stderr)
        self.assertEqual(self.order, [])

    def test_what_is_not_safe_is_refused(self):
        self.side(self.here, "source", "in-doubt", "stopped")
        self.side(self.there, "destination", "completed", "running")
        result = self.resolve("--run-at", "source")
        self.assertEqual(result.returncode, 1)
        self.assertIn("not safe", result.stderr)
        self.assertIn("the device runs there", result.stderr)
        self.assertEqual(self.order, [])
        self.assertEqual(self.resolve("--run-at", "nowhere").returncode, 0)
        self.assertEqual(self.order, [("source", "discard")])

    def test_without_a_terminal_nothing_is_decided(self):
        self.in_doubt()
        result = self.resolve()
        self.assertEqual(result.returncode, 2)
        self.assertEqual(self.order, [])
        for words in ("source ", "the link was cut", "run the device at",
                      "--run-at"):
            self.assertIn(words, result.stderr)

    def test_asks_on_a_terminal(self):
        self.in_doubt()
        status, seen = self.run_in_terminal(self.here, "resolve", JOB, self.there.bus.address,
                                            keys=("Where shall it run?", b"source\n"))
        self.assertEqual(status, 0, seen)
        self.assertEqual(self.order, [("destination", "discard"), ("source", "run")])

    def test_enter_leaves_it(self):
        self.in_doubt()
        status, _ = self.run_in_terminal(self.here, "resolve", JOB, self.there.bus.address,
                                         keys=("Where shall it run?", b"\n"))
        self.assertEqual((status, self.order), (2, []))

    def test_nothing_in_doubt(self):
        self.side(self.here, "source", "completed", "stopped")
        self.side(self.there, "destination", "completed", "running")
        result = self.resolve("--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(result.stdout)["resolved"], False)

    def test_not_ended(self):
        self.side(self.here, "source", "in-doubt", "stopped")
        self.side(self.there, "destination", "", "unknown")
        self.assertEqual(self.resolve("--run-at", "source").returncode, 1)
        self.assertEqual(self.order, [])

    def test_unknown_at_the_other_side(self):
        self.side(self.here, "source", "in-doubt", "stopped")
        result = self.resolve("--run-at", "source")
        self.assertEqual(result.returncode, 3)
        self.assertIn("in the role “destination”", result.stderr)
        self.assertEqual(self.order, [])

    def test_other_side_out_of_reach(self):
        self.side(self.here, "source", "in-doubt", "stopped")
        result = self.run_tool(self.here, "resolve", JOB, "unix:path=/nonexistent/bus")
        self.assertEqual(result.returncode, 3)
        self.assertIn("--i-have-checked-the-other-side", result.stderr)

    def test_this_side(self):
        self.side(self.here, "source", "in-doubt", "stopped")
        result = self.run_tool(self.here, "resolve", JOB, "--this-side", "run")
        self.assertEqual((result.returncode, self.order), (3, []))
        result = self.run_tool(self.here, "resolve", JOB, "--this-side", "run",
                               "--i-have-checked-the-other-side")
        self.assertEqual((result.returncode, self.order), (0, [("source", "run")]), result.stderr)


if __name__ == "__main__":
    tap.main()
