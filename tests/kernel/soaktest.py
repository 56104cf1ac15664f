#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests of the soak's judgement that need no VM: it must see what it is there to see."""

from __future__ import annotations

import dataclasses
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import tap  # noqa: E402
from scenarios.soak import GUEST_SAMPLE, SAMPLE, guest_sample, sample  # noqa: E402
from rig.agent import Result  # noqa: E402
from soak import deeds, guest_oracle, guest_points, guest_stage, guest_table, oracle, table  # noqa: E402
from soak.facts import Facts, destination_fate, mark_resets, parse, source_fate  # noqa: E402
from soak.points import (  # noqa: E402
    AFTER_STOP, MOMENTS, PRE_COPY, PREPARING, SEED, STOP_COPY, UNDOING, Cell, Point, cells, point)
from soak.stage import Stage, Verdict  # noqa: E402

OURS = "11111111-1111-4111-8111-111111111111"
THEIRS = "22222222-2222-4222-8222-222222222222"
JOB = "33333333-3333-4333-8333-333333333333"


def history(*steps: tuple[float, str, str]) -> str:
    """Lines of a witness."""
    return "".join(f"history {int(time * 1e9)} {device} {state}\n"
                   for time, device, state in steps)


def said(text: str) -> Facts:
    """What a witness printed, with a daemon that is there."""
    return parse("daemon 7 20 0\n" + text + "clock 100000000000\n")


def clock(offset: float, width: float = 0.1) -> oracle.Clock:
    """A guest's clock that is so much behind ours."""
    made = oracle.Clock()
    made.saw(100 + offset - width / 2, 100, 100 + offset + width / 2)
    return made


SENT = ((1, OURS, "running"), (2, OURS, "pre-copy"), (3, OURS, "stop-copy"), (4, OURS, "stop"))
LOADED = ((1, THEIRS, "running"), (1.1, THEIRS, "stop"), (2, THEIRS, "resuming"), (4, THEIRS, "stop"))


class Judgement(unittest.TestCase):
    """Histories and states."""

    def sight(self, source: str, destination: str, cell: Cell = Cell("plain", "-"),
              offset: float = 0.0) -> oracle.Sight:
        """Both hosts; the destination's clock is `offset` behind."""
        made = dataclasses.replace(point(SEED, 0), uuid=OURS, cell=cell)
        return oracle.Sight(made, JOB, said(source), said(destination), clock(0), clock(offset),
                            (0.5, 0.5))

    def test_a_crossing(self) -> None:
        """One stops, then the other runs."""
        sight = self.sight(history(*SENT), history(*LOADED, (5, THEIRS, "running")))
        self.assertEqual(oracle.both_ran(sight), [])

    def test_fresh_device_is_nobody(self) -> None:
        """What runs before it is loaded is no second side."""
        sight = self.sight(history(*SENT[:2]), history(*LOADED))
        self.assertEqual(oracle.both_ran(sight), [])

    def test_source_came_back(self) -> None:
        """Without any clock: whoever came back may not have been followed."""
        came_back = history(*SENT, (9, OURS, "running-p2p"), (9.1, OURS, "running"))
        sight = self.sight(came_back, history(*LOADED, (5, THEIRS, "running"), (6, THEIRS, "closed")))
        self.assertIn("BOTH SIDES RAN: the source came back", oracle.both_ran(sight)[0])
        sight.resolved = True  # somebody has discarded it, and it was over before
        self.assertEqual(oracle.both_ran(sight), [])

    def test_played_again(self) -> None:
        """A device of the same name that came back before this point began is another one."""
        came_back = history((0.1, OURS, "running"), (0.2, OURS, "stop-copy"), (0.3, OURS, "stop"),
                            (0.4, OURS, "running"), (0.45, OURS, "closed"), *SENT)
        sight = self.sight(came_back, history(*LOADED, (5, THEIRS, "running")))
        self.assertEqual(oracle.both_ran(sight), [])

    def test_overlap(self) -> None:
        """One that still runs when the other begins; by clocks that agree, or differ by hours."""
        early = history(*LOADED[:3], (2.5, THEIRS, "stop"), (2.6, THEIRS, "running"))
        self.assertIn("AT ONCE", oracle.both_ran(self.sight(history(*SENT), early))[0])
        self.assertEqual(oracle.both_ran(self.sight(history(*SENT), early, offset=7200)), [])

    def test_both_at_the_end(self) -> None:
        """The plainest of all."""
        sight = self.sight(history(*SENT, (9, OURS, "running")) + f"mdev {OURS} running\n",
                           history(*LOADED, (5, THEIRS, "running")) + f"mdev {THEIRS} running\n")
        self.assertIn("BOTH SIDES RUN", oracle.both_ran(sight))

    def test_fates(self) -> None:
        """What the daemon says and what the device does make one word."""
        for result, state, fate in (("completed", "stop", "gone"), ("in-doubt", "stop", "doubt"),
                                    ("failed", "running", "runs"), ("failed", "stop", "stuck"),
                                    ("in-doubt", "running", "doubt-but-runs"),
                                    ("completed", "running", "completed-but-runs"),
                                    ("-", "stop", "busy")):
            sight = self.sight(f"job {JOB} source {result} finished stopped\nmdev {OURS} {state}\n", "")
            self.assertEqual(sight.fates[0], fate)
        for result, mdev, fate in (("failed", "", "undone"), ("in-doubt", "stop", "doubt"),
                                   ("completed", "running", "runs"), ("failed", "stop", "not-undone"),
                                   ("completed", "closed", "completed-but-closed")):
            shown = f"job {JOB} destination {result} finished stopped\n"
            sight = self.sight("", shown + (f"mdev {THEIRS} {mdev}\n" if mdev else ""))
            self.assertEqual(sight.fates[1], fate)

    def test_unexpected(self) -> None:
        """A doubt that the table does not have is one too many."""
        source = f"job {JOB} source in-doubt finished stopped\nwhy {JOB} source no word\n"
        wrong = oracle.unexpected(self.sight(source, ""), Cell("kill-source-mover", PRE_COPY))
        self.assertEqual(wrong, ["the outcome is doubt/undone, not runs/undone", "source: no word"])
        self.assertEqual(
            oracle.unexpected(self.sight(source, ""), Cell("kill-destination-mover", "commit")), [])

    def test_left_over(self) -> None:
        """Everything that may stay behind is named."""
        facts = parse(f"daemon 7 20 1\nmover 9\nlease {JOB} stuck\nmdev {OURS} closed\n"
                      f"record {JOB}.source begin\nrecord {JOB}.source commit\nclock 1\n")
        self.assertEqual(len(oracle.left_over(facts, "a", JOB, False)), 5)
        clean = parse(f"daemon 7 20 0\nlease {JOB} adopted\nrecord {JOB}.source begin\n"
                      f"record {JOB}.source returned\nclock 1\n")
        self.assertEqual(oracle.left_over(clean, "a", JOB, False), [])
        for event, found in (("begin", 0), ("touched", 1), ("commit", 1)):
            facts = parse(f"record {JOB}.source begin\nrecord {JOB}.source {event}\nclock 1\n")
            self.assertEqual(len(oracle.left_over(facts, "a", JOB, False)), found)


class Resets(unittest.TestCase):
    """A device that was reset runs, and what it runs is not the guest."""

    LOADED = (*LOADED, (5, THEIRS, "reset"), (5, THEIRS, "running"))

    def sight(self, source: str, destination: str) -> oracle.Sight:
        """Both hosts, as a stage sees them."""
        made = dataclasses.replace(point(SEED, 0), uuid=OURS)
        ours, theirs = said(source), said(destination)
        for facts in (ours, theirs):
            mark_resets(facts, 0.5)
        return oracle.Sight(made, JOB, ours, theirs, clock(0), clock(0), (0.5, 0.5))

    def test_source_is_no_second_side(self) -> None:
        """Its holder may reset what has left; the migration has completed all the same."""
        sight = self.sight(
            history(*SENT, (6, OURS, "reset"), (6, OURS, "running")) + f"mdev {OURS} running\n"
            f"job {JOB} source completed finished stopped\n",
            history(*LOADED, (5, THEIRS, "running")) + f"mdev {THEIRS} running\n"
            f"job {JOB} destination completed finished running\n")
        self.assertEqual(oracle.both_ran(sight), [])
        self.assertEqual(sight.outcome, table.DONE)
        self.assertTrue(oracle.was_reset(sight))

    def test_source_runs_after_a_failure(self) -> None:
        """Without its state, which its holder knows."""
        sight = self.sight(
            history(*SENT[:2], (3, OURS, "reset"), (3, OURS, "running")) + f"mdev {OURS} running\n"
            f"job {JOB} source failed finished running\n", "")
        self.assertEqual(sight.outcome, table.BACK)

    def test_destination_says_that_it_arrived(self) -> None:
        """It runs, and nothing of what was loaded is in it: no side has the guest."""
        sight = self.sight(
            history(*SENT), history(*self.LOADED) + f"mdev {THEIRS} running\n"
            f"job {JOB} destination completed finished running\n")
        self.assertEqual(sight.fates[1], "completed-but-reset")
        self.assertFalse(oracle.reset_while_it_ran(sight))

    def test_reset_of_what_runs(self) -> None:
        """That is its user's own affair: the bytes are not looked for."""
        sight = self.sight("", history(*LOADED, (5, THEIRS, "running"), (6, THEIRS, "reset"), (6, THEIRS, "running")))
        self.assertTrue(oracle.reset_while_it_ran(sight))

    def test_stood_still(self) -> None:
        """Whether the guest was stopped is in the history."""
        self.assertEqual(oracle.stood_still(self.sight(history(*SENT[:2]), "")), [])
        self.assertEqual(len(oracle.stood_still(self.sight(history(*SENT), ""))), 1)

    def test_loaded_anew(self) -> None:
        """What is loaded after a reset is somebody's again."""
        sight = self.sight("", history(*self.LOADED, (6, THEIRS, "resuming"), (7, THEIRS, "running"))
                           + f"mdev {THEIRS} running\n")
        self.assertEqual(sight.made, {THEIRS: "running"})


class Answer:
    """A process that has ended, or a host that always says the same."""

    def __init__(self, text: str, status: int = 0, exists: bool = True) -> None:
        self.name = "harbour-b"
        self.out = text.encode()
        self._result = Result("", status, self.out, b"", 0.0)
        self._exists = exists

    def wait(self) -> Result:
        """As Process."""
        return self._result

    def try_run(self, _command: str) -> Result:
        """As Host."""
        return self._result

    def exists(self, _path: str) -> bool:
        """As Host."""
        return self._exists


class Strangers(unittest.TestCase):
    """What has come under the UUID of one that has gone, and what was promised to whom."""

    def deeds(self, strike: str) -> deeds.Deeds:
        """At a point with this strike."""
        return deeds.Deeds(dataclasses.replace(point(SEED, 0), cell=Cell(strike, "reserved")))

    def wrong(self, host: Answer, made: bool = False) -> list[str]:
        """What the judge says of it."""
        return deeds.wrong_stranger(host, deeds.Stranger(OURS, "41"), made)  # type: ignore[arg-type]

    def test_left_alone(self) -> None:
        """Every way of touching it is seen."""
        self.assertEqual(self.wrong(Answer("41\n0\n")), [])
        self.assertIn("WAS REMOVED", self.wrong(Answer("", status=1))[0])
        self.assertIn("WAS REPLACED", self.wrong(Answer("42\n0\n"))[0])
        self.assertIn("was opened", self.wrong(Answer("41\n1\n"))[0])
        self.assertIn("made by vferry", self.wrong(Answer("41\n0\n", exists=False), made=True)[0])

    def test_release(self) -> None:
        """A lease that was given back has undone everything; one that was not has undone nothing by that."""
        made = self.deeds("release")
        self.assertEqual(deeds.wrong_release(made, table.DONE), [])
        made.release = Answer("released\n")  # type: ignore[assignment]
        self.assertEqual(deeds.wrong_release(made, table.BACK), [])
        self.assertEqual(len(deeds.wrong_release(made, table.BOTH_IN_DOUBT)), 1)
        made.release = Answer("", status=1)  # type: ignore[assignment]
        self.assertEqual(deeds.wrong_release(made, table.BOTH_IN_DOUBT), [])

    def test_twins(self) -> None:
        """One device has one maker, and who was told so has it."""
        for text, wrong in (("created 1\ncreated 1\n", 0), ("created 0\ncreated 0\n", 1), ("created 0\n", 1),
                            (f"created 0\ncreated 2\nthere {OURS} 41\n", 0)):
            made = self.deeds("twin-create")
            made.twins = Answer(text)  # type: ignore[assignment]
            self.assertEqual(len(made.end_twins()), wrong)
        self.assertEqual(made.strangers(), {"destination": deeds.Stranger(OURS, "41")})

    def test_has_come(self) -> None:
        """By its own word, and not before."""
        made = self.deeds("return-destination")
        made.swaps["destination"] = Answer("")  # type: ignore[assignment]
        self.assertEqual(made.strangers(), {})
        made.swaps["destination"] = Answer(f"stranger {OURS} 41\n")  # type: ignore[assignment]
        self.assertEqual(made.strangers(), {"destination": deeds.Stranger(OURS, "41")})

    def test_fates(self) -> None:
        """Whose device has gone is told by the job alone."""
        for result, fate in (("completed", "gone"), ("in-doubt", "doubt"), ("failed", "left"), ("-", "busy")):
            facts = said(f"job {JOB} source {result} finished unknown\n")
            self.assertEqual(source_fate(facts, JOB, OURS, left=True), fate)
        self.assertEqual(source_fate(said(""), JOB, OURS, left=True), "left")
        facts = said(f"job {JOB} destination completed finished running\n")
        self.assertEqual(destination_fate(facts, JOB, {}, left=True), "left")


class LateStage(Stage):
    """One on which the first strikes come too late."""

    def __init__(self, late: int) -> None:  # pylint: disable=super-init-not-called
        self.left = late
        self.played = 0

    def _attempt(self, wanted: Point) -> Verdict:
        self.played += 1
        self.left -= 1
        return Verdict(wanted, late=int(self.left >= 0))


class Late(unittest.TestCase):
    """A strike that was not at its moment says nothing about it."""

    def test_again(self) -> None:
        """It is played until it was, and said how often that took."""
        stage = LateStage(2)
        verdict = stage.play(point(SEED, 0))
        self.assertEqual((stage.played, verdict.late, verdict.violations), (3, 2, []))

    def test_not_for_ever(self) -> None:
        """One that is always late has not passed."""
        stage = LateStage(100)
        verdict = stage.play(point(SEED, 0))
        self.assertEqual(stage.played, 3)
        self.assertEqual(verdict.violations, ["the strike came too late 3 times"])


class Points(unittest.TestCase):
    """What a seed gives."""

    def test_each_cell_in_each_round(self) -> None:
        """And each has an expectation."""
        everything = cells()
        for turn in range(2):
            numbers = range(turn * len(everything), (turn + 1) * len(everything))
            self.assertEqual({point(7, number).cell for number in numbers}, set(everything))
        self.assertTrue(all(table.allowed(cell) for cell in everything))

    def test_a_point_stands_alone(self) -> None:
        """The same seed and number give the same point."""
        self.assertEqual(point(7, 300), point(7, 300))
        self.assertNotEqual(point(7, 300), point(8, 300))
        self.assertEqual(len({point(7, 300).uuid, point(7, 300).twin, point(7, 300).there}), 3)

    def test_moments_are_reached(self) -> None:
        """Only a device that can is struck in pre-copy."""
        for number in range(1000):
            made = point(SEED, number)
            if made.cell.moment == PRE_COPY:
                self.assertNotEqual(made.type_id, "vferry_testdev-stopcopy")
        self.assertEqual(set(MOMENTS), {PRE_COPY, STOP_COPY, *AFTER_STOP, *PREPARING, UNDOING})

    def test_sample(self) -> None:
        """./run test has all that it names."""
        self.assertEqual([each.cell.label for each in sample()], list(SAMPLE))


def tell(first: int, last: int, marker: int = 0xCAFE00C5) -> str:
    """What the guest tells of these counts, with what is in its devices."""
    return "".join(f"{count:08x} 05:000000{marker & 0xff:02x} 06:{marker:08x},{count - 1:08x}\n"
                   for count in range(first, last + 1, 2))


class Guests(unittest.TestCase):
    """What only guests show."""

    def sight(self, source: str = "", destination: str = "", statuses: tuple[str, str | None] = ("running", None),
              told: tuple[str, str] = ("begin\n", "")) -> guest_oracle.GuestSight:
        """Both hosts and both QEMUs."""
        made = dataclasses.replace(guest_points.point(SEED, guest_points.FIRST), uuids=(THEIRS, OURS))
        return guest_oracle.GuestSight(
            made, JOB, said(source), said(destination), clock(0), clock(0), (0.5, 0.5),  # type: ignore[arg-type]
            statuses=statuses, told=told)

    def fates(self, source: str, destination: str, *statuses: str | None) -> str:
        """Of two jobs with these results."""
        words = [f"job {JOB} {role} {result} finished stopped\n" if result else ""
                 for role, result in (("source", source), ("destination", destination))]
        return self.sight(*words, statuses=(statuses[0] or "gone", statuses[1])).outcome

    def test_fates(self) -> None:
        """What the daemon says and what QEMU says make one word."""
        for source, destination, here, there, outcome in (
                ("completed", "completed", "postmigrate", "running", table.DONE),
                ("completed", "completed", "gone", "running", table.DONE),
                ("completed", "completed", "postmigrate", "gone", guest_table.LOST_THERE),
                ("completed", "completed", "running", "running", "completed-but-runs/runs"),
                ("completed", "completed", "postmigrate", "paused", "gone/completed-but-paused"),
                ("failed", "failed", "running", "gone", table.BACK),
                ("failed", "failed", "running", None, table.BACK),
                ("failed", "failed", "running", "running", "runs/undone-but-runs"),
                ("failed", "failed", "running", "paused", "runs/not-undone"),
                ("failed", "failed", "gone", "gone", guest_table.LOST),
                ("failed", "failed", "postmigrate", "gone", "stuck/undone"),
                ("in-doubt", "in-doubt", "postmigrate", "paused", table.BOTH_IN_DOUBT),
                ("in-doubt", "completed", "running", "running", "in-doubt-but-runs/runs"),
                ("-", "-", "running", "inmigrate", "busy/busy"),
                ("", "", "running", None, table.BACK),
                ("", "", "gone", None, guest_table.LOST)):
            self.assertEqual(self.fates(source, destination, here, there), outcome)

    def test_one_guest(self) -> None:
        """It goes on there where it stopped here, in the middle of a line or not."""
        text = "begin\n" + tell(2, 20)
        for cut in (6, 30, 100, len(text)):
            self.assertEqual(guest_oracle.both_ran(self.sight(told=(text[:cut], text[cut:]))), [])

    def test_two_guests(self) -> None:
        """Told twice, or begun twice, or something is missing."""
        for here, there in ((tell(2, 10), tell(10, 12)), (tell(2, 10), "begin\n"), (tell(2, 10), tell(14, 16))):
            wrong = guest_oracle.both_ran(self.sight(told=("begin\n" + here, there)))
            self.assertIn("BOTH SIDES RAN", wrong[0])
        # somebody has decided for the source, where the destination's QEMU was killed
        self.assertEqual(guest_oracle.both_ran(
            self.sight(told=("begin\n" + tell(2, 10), tell(10, 12))), returned=True), [])

    def test_both_say_so(self) -> None:
        """The plainest of all; and one that runs although it has given itself away."""
        self.assertIn("BOTH SIDES RUN: both QEMUs say so",
                      guest_oracle.both_ran(self.sight(statuses=("running", "running"))))
        committed = self.sight(f"record {JOB}.source begin\nrecord {JOB}.source commit\n")
        self.assertIn("runs after its decision", guest_oracle.both_ran(committed)[0])
        committed.resolved = True
        self.assertEqual(guest_oracle.both_ran(committed), [])

    def test_devices(self) -> None:
        """A device that was reset has neither the marker nor the count."""
        good = guest_stage.reports(tell(2, 8))
        self.assertEqual(guest_oracle.wrong_devices(good), [])
        self.assertIn("STATE LOST", guest_oracle.wrong_devices(guest_stage.reports(tell(2, 8, 0)))[0])
        self.assertIn("count in", guest_oracle.wrong_devices(
            guest_stage.reports("0000002a 05:000000c5 06:cafe00c5,00000000\n"))[0])

    def test_offers(self) -> None:
        """Nobody is sent where nothing is."""
        sight = self.sight(statuses=("postmigrate", "gone"))
        self.assertEqual(guest_oracle.wrong_offers(sight, ["source", "nowhere"]), [])
        self.assertEqual(len(guest_oracle.wrong_offers(sight, ["source", "destination"])), 1)

    def test_resolved(self) -> None:
        """The one that was chosen runs, and no other."""
        for source, destination, here, there, decision, wrong in (
                ("failed", "failed", "running", "gone", "source", 0),
                ("failed", "failed", "postmigrate", "gone", "source", 2),
                ("completed", "completed", "postmigrate", "running", "destination", 0),
                ("completed", "in-doubt", "postmigrate", "paused", "destination", 2)):
            words = [f"job {JOB} {role} {result} finished stopped\n"
                     for role, result in (("source", source), ("destination", destination))]
            sight = self.sight(*words, statuses=(here, there))
            self.assertEqual(len(guest_oracle.ill_resolved(sight, decision)), wrong, (here, there, decision))

    def test_left_over(self) -> None:
        """A QEMU, and a domain of one that has ended."""
        facts = parse("daemon 7 20 0\nqemu 9\ndomain sender running\nclock 1\n")
        self.assertEqual(guest_oracle.left_over(facts, "a", JOB, False), ["domain sender running at a", "1 QEMU(s) at a"])

    def test_points(self) -> None:
        """Each cell is in each round and has an expectation; a point stands alone; both kinds have other numbers."""
        everything = guest_points.cells()
        self.assertGreaterEqual(len(everything), 120)
        numbers = range(guest_points.FIRST, guest_points.FIRST + len(everything))
        self.assertEqual({guest_points.point(7, number).cell for number in numbers}, set(everything))
        self.assertTrue(all(guest_table.allowed(cell) for cell in everything))
        self.assertTrue(all(cell.label.startswith("guest-") for cell in everything))
        self.assertEqual(guest_points.point(7, numbers[3]), guest_points.point(7, numbers[3]))
        self.assertEqual([each.cell.label for each in guest_sample()], list(GUEST_SAMPLE))

    def test_steps(self) -> None:
        """Whoever has come to the moment is held until it is struck elsewhere."""
        made = dataclasses.replace(guest_points.point(SEED, guest_points.FIRST), delay_ms=0)
        here = guest_stage.steps(dataclasses.replace(made, cell=Cell("guest-kill-destination-qemu", "loaded")))
        self.assertEqual([*here], ["destination"])
        self.assertNotIn("stop", here["destination"])
        there = guest_stage.steps(dataclasses.replace(made, cell=Cell("guest-kill-source-qemu", "loaded")))
        self.assertEqual(there["source"], ["hear", "kill", "nested-qemu"])
        self.assertIn("stop", there["destination"])
        pause = guest_stage.steps(dataclasses.replace(made, cell=Cell("guest-pause-destination-qemu", "accepting")))
        self.assertLess(pause["destination"].index("before"), pause["destination"].index("sleep"))


if __name__ == "__main__":
    tap.main()
