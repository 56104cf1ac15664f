#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The counting of test results, tested: a runner that miscounts makes every other test worthless."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

import host  # noqa: E402  pylint: disable=wrong-import-position
import stream  # noqa: E402  pylint: disable=wrong-import-position
from tally import FileResult, Tally  # noqa: E402  pylint: disable=wrong-import-position
from tap import Case, Outcome, Reader  # noqa: E402  pylint: disable=wrong-import-position

_SPEC = importlib.util.spec_from_file_location(
    "bench", Path(__file__).resolve().parent.parent / "bench/run-bench.py")
assert _SPEC is not None and _SPEC.loader is not None
bench = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(bench)


def read(text: str, status: int = 0, timed_out: bool = False) -> list[tuple[str, str]]:
    """Name and outcome of each case in a program's output."""
    reader = Reader()
    cases = [case for line in text.splitlines() for case in reader.feed(line)]
    return [(case.name, case.outcome.value) for case in cases + reader.finish(status, timed_out)]


PROGRAM = ("the program itself", "failed")


class ReaderTest(unittest.TestCase):
    """TAP as programs print it, and as they should not."""

    def test_passes(self) -> None:
        self.assertEqual(read("# random seed: x\n1..2\n# Start of a tests\nok 1 /a\nok 2 /b\n"),
                         [("/a", "passed"), ("/b", "passed")])

    def test_plan_at_the_end(self) -> None:
        self.assertEqual(read("ok 1 - a\n1..1\n"), [("a", "passed")])

    def test_duration_is_no_part_of_the_name(self) -> None:
        self.assertEqual(read("1..1\nok 1 - rig/boot # 3.1s\n"), [("rig/boot", "passed")])

    def test_failure(self) -> None:
        self.assertEqual(read("1..1\nnot ok 1 /a\n", 1), [("/a", "failed")])

    def test_skip_is_no_pass(self) -> None:
        self.assertEqual(read("1..1\nok 1 /a # SKIP no bus\n"), [("/a", "skipped")])

    def test_skip_all_is_no_pass(self) -> None:
        self.assertEqual(read("1..0 # SKIP no bus\n"), [("all of it", "skipped")])

    def test_todo_that_fails_is_a_failure(self) -> None:
        self.assertEqual(read("1..1\nnot ok 1 /a # TODO later\n"), [("/a", "failed")])

    def test_crash_midway(self) -> None:
        self.assertEqual(read("1..3\nok 1 /a\n", -11), [("/a", "passed"), PROGRAM])

    def test_crash_at_the_end(self) -> None:
        self.assertEqual(read("1..1\nok 1 /a\n", -6), [("/a", "passed"), PROGRAM])

    def test_exit_status_alone(self) -> None:
        # LeakSanitizer and valgrind speak so, after all cases have passed
        self.assertEqual(read("1..1\nok 1 /a\n", 99), [("/a", "passed"), PROGRAM])

    def test_failed_assertion_bails_out(self) -> None:
        self.assertEqual(read("1..2\nnot ok /a - ERROR\nBail out! ERROR\n", -6),
                         [("/a - ERROR", "failed"), ("bail out", "failed")])

    def test_quiet_stop(self) -> None:
        self.assertEqual(read("1..3\nok 1 /a\n"), [("/a", "passed"), PROGRAM])

    def test_more_than_planned(self) -> None:
        self.assertEqual(read("1..1\nok 1 /a\nok 2 /b\n")[-1], PROGRAM)

    def test_number_twice(self) -> None:
        self.assertEqual(read("1..2\nok 1 /a\nok 1 /b\n")[-1], PROGRAM)

    def test_no_plan(self) -> None:
        self.assertEqual(read("ok 1 /a\n")[-1], PROGRAM)

    def test_nothing(self) -> None:
        self.assertEqual(read(""), [PROGRAM])
        self.assertEqual(read("1..0\n"), [PROGRAM])

    def test_time_limit(self) -> None:
        self.assertEqual(read("1..2\nok 1 /a\n", -9, True)[-1], PROGRAM)

    def test_two_plans(self) -> None:
        self.assertEqual(read("1..1\n1..1\nok 1 /a\n")[0], ("plan", "failed"))

    def test_chatter_is_no_case(self) -> None:
        self.assertEqual(read("1..1\nokay then\n  ok 7 nested\nok 1 /a\n"), [("/a", "passed")])


class HostTest(unittest.TestCase):
    """meson's log lines."""

    def result(self, result: str, tap: bool, stdout: str = "", status: int = 0) -> FileResult:
        """What a log line comes to."""
        return host.read_result("x", {"stdout": stdout, "result": result, "returncode": status,
                                      "duration": 1.0, "stderr": "why"}, tap)

    def test_exit_code_protocol(self) -> None:
        self.assertEqual(self.result("OK", False).cases[0].outcome, Outcome.PASSED)
        self.assertEqual(self.result("FAIL", False, "", 1).cases[0].outcome, Outcome.FAILED)
        self.assertEqual(self.result("SKIP", False, "", 77).cases[0].outcome, Outcome.SKIPPED)
        self.assertEqual(self.result("TIMEOUT", False, "", -9).cases[0].outcome, Outcome.FAILED)

    def test_tap_that_timed_out(self) -> None:
        cases = self.result("TIMEOUT", True, "1..1\nok 1 a\n", -9).cases
        self.assertEqual([case.outcome for case in cases], [Outcome.PASSED, Outcome.FAILED])

    def test_log_has_both_streams(self) -> None:
        self.assertEqual(self.result("OK", True, "1..1\nok 1 a\n").log, "1..1\nok 1 a\nwhy")

    def test_names(self) -> None:
        self.assertTrue(host.matches([], "unit/a", "a"))
        self.assertTrue(host.matches(["a"], "unit/a", "a"))
        self.assertTrue(host.matches(["unit/*"], "unit/a", "a"))
        self.assertFalse(host.matches(["b"], "unit/a", "a"))

    def test_names_of_scenarios(self) -> None:
        names = stream.kernel_names("small/faults/cut")
        for glob in ("faults/*", "small/*", "kernel/small/faults/cut", "kernel/faults/cut"):
            self.assertTrue(host.matches([glob], *names), glob)
        self.assertFalse(host.matches(["debian/*"], *names))

    def test_names_in_the_log(self) -> None:
        known = ["unit/a", "integration/b"]
        suites = ("unit", "integration")
        self.assertEqual(host.logged_name("vferry:unit / a", suites, known), "unit/a")
        self.assertEqual(host.logged_name("integration / b", suites, known), "integration/b")
        self.assertEqual(host.logged_name("b", suites, known), "integration/b")

    def test_plan_argument(self) -> None:
        self.assertEqual(host.HostRun.parse("plain=/x=y/z=unit,integration"),
                         host.HostRun("plain", Path("/x=y/z"), ("unit", "integration")))

    def test_order(self) -> None:
        """meson's own, which it forgets when it is told names."""
        tests = [host.HostTest("unit", "b", True), host.HostTest("unit", "a", True), host.HostTest("unit", "same", True, -1),
                 host.HostTest("integration", "same", True, 2), host.HostTest("integration", "z", True, 1)]
        self.assertEqual(host.in_order(tests), ["same", "z", "a", "b"])

    def test_part_of_a_suite(self) -> None:
        """A whole suite, and of another just one test."""
        plan = host.HostRun.parse("plain=/x=unit,integration/b")
        self.assertEqual(plan.suites, ("unit", "integration"))
        listing = json.dumps([{"suite": [f"vferry:{suite}"], "name": name, "protocol": "tap", "priority": 0}
                              for suite in plan.suites for name in ("a", "b")])
        with mock.patch.object(host.subprocess, "run", lambda *_, **__: mock.Mock(stdout=listing)):
            found = [test.full_name for test in plan.tests([])]
        self.assertEqual(found, ["unit/a", "unit/b", "integration/b"])


class TallyTest(unittest.TestCase):
    """The last line and the verdict."""

    def run_tally(self, *results: FileResult) -> tuple[bool, str]:
        """The verdict, and all that was printed."""
        printed = io.StringIO()
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(printed):
            tally = Tally(Path(folder))
            for result in results:
                tally.add(result)
            verdict = tally.finish(1.0)
        return verdict, printed.getvalue()

    def test_all_passed(self) -> None:
        verdict, text = self.run_tally(FileResult("a", [Case("1", Outcome.PASSED)] * 2, 0.1))
        self.assertTrue(verdict)
        self.assertEqual(text.splitlines()[-1], "2 passed, 0 failed")

    def test_skip_counts_as_failed(self) -> None:
        verdict, text = self.run_tally(FileResult("a", [Case("1", Outcome.PASSED),
                                                        Case("2", Outcome.SKIPPED, "no bus")], 0.1))
        self.assertFalse(verdict)
        self.assertEqual(text.splitlines()[-1], "1 passed, 1 failed")
        self.assertIn("a: 2: skipped, which counts as failed: no bus", text)

    def test_nothing_ran(self) -> None:
        self.assertFalse(self.run_tally()[0])

    def test_long_logs_say_where_the_rest_is(self) -> None:
        log = "".join(f"line {number}\n" for number in range(200))
        _, text = self.run_tally(FileResult("a", [Case("1", Outcome.FAILED)], 0.1, log))
        self.assertIn("… the first 80 lines are in", text)
        self.assertIn("| line 199", text)


class FigureTest(unittest.TestCase):
    """What benchmark programs print."""

    def test_target(self) -> None:
        for better, value, met in (("higher", 0.85, True), ("higher", 0.849, False),
                                   ("lower", 0.85, True), ("lower", 0.86, False)):
            figure = bench.read_figure(json.dumps({"figure": "a", "value": value, "unit": "ratio",
                                                   "target": 0.85, "better": better}))
            self.assertIs(figure["met"], met)

    def test_target_for_later(self) -> None:
        line = {"figure": "a", "value": 3, "unit": "ratio", "target": 2, "better": "lower", "later": True, "program": "b"}
        figure = {"program": "b", **bench.read_figure(json.dumps(line))}
        self.assertEqual((figure["met"], bench.fails(figure)), (False, False))
        self.assertIn("not met yet", bench.describe(figure))
        self.assertTrue(bench.fails({**figure, "later": False}))

    def test_without_target(self) -> None:
        self.assertNotIn("met", bench.read_figure('{"figure": "a", "value": 1, "unit": "s"}'))

    def test_nonsense_is_refused(self) -> None:
        for line in ("fast", "[]", '{"figure": "a", "unit": "s"}', '{"figure": "a", "value": NaN, "unit": "s"}',
                     '{"figure": "a", "value": true, "unit": "s"}',
                     '{"figure": "a", "value": 1, "unit": "s", "target": 1}',
                     '{"figure": "a", "value": 1, "unit": "s", "later": true}',
                     '{"figure": "a", "value": 1, "unit": "s", "target": 1, "better": "lower", "later": 1}',
                     '{"figure": "a", "value": 1, "unit": "s", "target": 1, "better": "more"}'):
            with self.assertRaises(bench.BenchError):
                bench.read_figure(line)

    def test_silence_and_failure_are_errors(self) -> None:
        for script in ("", "import sys; sys.exit(1)"):
            with self.assertRaises(bench.BenchError):
                bench.run_program("x", [stream.PYTHON, "-c", script])


class StreamTest(unittest.TestCase):
    """Programs that print TAP while they run."""

    def test_seconds(self) -> None:
        """What a case says of its time counts; others may have run at the same time."""
        found = self.results("print('1..2\\nok 1 - a # 7.5s\\nok 2 - b')")
        self.assertEqual(found[0].seconds, 7.5)
        self.assertLess(found[1].seconds, 7.0)

    def outcomes(self, script: str, deadline: float = 20.0) -> list[tuple[str, str]]:
        """What became of a script's cases."""
        return [(result.name, case.outcome.value)
                for result in self.results(script, deadline) for case in result.cases]

    def results(self, script: str, deadline: float = 20.0) -> list[FileResult]:
        """A script's results, each of them a file of its own."""
        found: list[FileResult] = []

        class Recorder(Tally):
            """Keeps what a Tally would print."""

            def add(self, result: FileResult) -> None:
                found.append(result)

        with tempfile.TemporaryDirectory() as folder:
            stream._stream(  # pylint: disable=protected-access
                [stream.PYTHON, "-c", script], deadline, "k", True, Recorder(Path(folder)))
        return found

    def test_each_case_is_a_file(self) -> None:
        self.assertEqual(self.outcomes("print('1..2\\nok 1 - a\\nok 2 - b # 1s')"),
                         [("k/a", "passed"), ("k/b", "passed")])

    def test_death_of_the_suite(self) -> None:
        self.assertEqual(
            self.outcomes("import os; print('1..2\\nok 1 - a', flush=True); os.abort()"),
            [("k/a", "passed"), ("k", "failed")])

    def test_suite_that_hangs(self) -> None:
        self.assertEqual(
            self.outcomes("import time; print('1..2\\nok 1 - a', flush=True); time.sleep(60)", 1.0),
            [("k/a", "passed"), ("k", "failed")])


def main() -> int:
    """Run everything above and say so in TAP."""
    cases = list(_flatten(unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])))
    print(f"1..{len(cases)}")
    for number, case in enumerate(cases, start=1):
        result = unittest.TestResult()
        case.run(result)
        good = result.wasSuccessful() and not result.skipped
        print(f"{'ok' if good else 'not ok'} {number} - {case.id().split('.', 1)[-1]}", flush=True)
        for _, trace in result.failures + result.errors:
            print(trace, file=sys.stderr)
    return 0


def _flatten(suite: unittest.TestSuite) -> "list[unittest.TestCase]":
    found: list[unittest.TestCase] = []
    for item in suite:
        found += _flatten(item) if isinstance(item, unittest.TestSuite) else [item]
    return found


if __name__ == "__main__":
    sys.exit(main())
