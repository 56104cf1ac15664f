#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests of the rig that need no VM: its archives, its cache, its mirror, and how its runner judges."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]
sys.dont_write_bytecode = True

import suite  # noqa: E402  pylint: disable=wrong-import-position
import tap  # noqa: E402  pylint: disable=wrong-import-position
from rig import apt, beside, guestvm, howto, newc, overlay, qemus, small  # noqa: E402  pylint: disable=wrong-import-position
from rig.cache import Cache, key_of  # noqa: E402  pylint: disable=wrong-import-position
from rig.errors import CommandFailed, RigError  # noqa: E402  pylint: disable=wrong-import-position
from rig.scenario import Context, Scenario, scenario  # noqa: E402  pylint: disable=wrong-import-position


class Folder(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory(prefix="vferry-selftest-")
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)


class Newc(Folder):
    """Archives for the kernel."""

    def test_merged_folders(self) -> None:
        """Nothing in an archive stands where the guests have a link."""
        tree = newc.Tree()
        for path in ("lib/udev/rules.d/1", "./sbin/init", "var/run/x", "/usr/bin/y", "library/z"):
            tree.file(path, "")
        self.assertEqual({path for path in tree.nodes if tree.nodes[path].mode & 0o100000}, {
            "usr/lib/udev/rules.d/1", "usr/sbin/init", "run/x", "usr/bin/y", "library/z"})

    def test_parents_come_first(self) -> None:
        """The kernel makes no folders that are not in the archive."""
        tree = newc.Tree()
        tree.file("a/b/c", "x", 0o600, 7, 8)
        tree.symlink("a/l", "b/c")
        with open(self.folder / "archive", "w+b") as stream:
            tree.write(stream)
            size = stream.tell()
        self.assertEqual(size % 512, 0)
        self.assertEqual(overlay.base_paths(self.folder / "archive"), {"a", "a/b", "a/b/c", "a/l"})
        data = (self.folder / "archive").read_bytes()
        self.assertLess(data.index(b"a/b\0"), data.index(b"a/b/c\0"))
        header = data[data.index(b"a/b/c\0") - 110:][:110]
        fields = [int(header[at:at + 8], 16) for at in range(6, 110, 8)]
        self.assertEqual(fields[1:4], [0o100600, 7, 8])

    def test_packages(self) -> None:
        """Owners, modes and hard links of a package survive, excluded paths do not."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for name, kind in (("./bin/su", tarfile.REGTYPE), ("./bin/link", tarfile.LNKTYPE),
                               ("./usr/share/doc/su", tarfile.REGTYPE)):
                member = tarfile.TarInfo(name)
                member.type, member.mode, member.gid = kind, 0o4755, 42
                member.linkname = "./bin/su" if kind == tarfile.LNKTYPE else ""
                archive.addfile(member)
        packed.seek(0)
        tree = newc.Tree()
        tree.tar(packed, newc.re.compile("usr/share/doc/"))
        self.assertEqual((tree.nodes["usr/bin/su"].mode, tree.nodes["usr/bin/su"].gid),
                         (0o104755, 42))
        self.assertEqual(tree.nodes["usr/bin/link"], tree.nodes["usr/bin/su"])
        self.assertNotIn("usr/share/doc/su", tree.nodes)


class TheCache(Folder):
    """Entries appear whole, once, and old ones go."""

    def test_made_once(self) -> None:
        """Of many that want an entry at the same time, one makes it."""
        made = []

        def make(fresh: Path) -> None:
            made.append(fresh)
            time.sleep(0.2)
            fresh.write_text("x")

        threads = [threading.Thread(target=lambda: Cache(self.folder).entry("kind", "key", make))
                   for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual(len(made), 1)

    def test_apart(self) -> None:
        """While something that takes long is made, others make other entries."""
        cache = Cache(self.folder)

        def slow(fresh: Path) -> None:
            other = threading.Thread(
                target=lambda: Cache(self.folder).entry("kind", "quick", Path.touch))
            other.start()
            other.join(10)
            self.assertTrue((self.folder / "kind/quick").exists())
            fresh.touch()

        self.assertTrue(cache.entry("kind-slow", "key", slow, apart=True).exists())

    def test_a_failure_leaves_nothing(self) -> None:
        """What was half made is not there, and is made anew the next time."""
        cache = Cache(self.folder)

        def broken(fresh: Path) -> None:
            fresh.mkdir()
            (fresh / "half").touch()
            raise RigError("no")

        with self.assertRaises(RigError):
            cache.entry("kind", "key", broken)
        self.assertEqual(list((self.folder / "kind").iterdir()), [])
        self.assertTrue(cache.entry("kind", "key", Path.touch).exists())

    def test_old_entries_go(self) -> None:
        """Only the last few of a kind stay, those in use among them."""
        cache = Cache(self.folder)
        for number in range(6):
            os.utime(cache.entry("kind", str(number), Path.touch), (number, number))
            cache.entry("kind", "0", Path.touch)
        left = {path.name for path in (self.folder / "kind").iterdir()}
        self.assertIn("0", left)
        self.assertIn("5", left)
        self.assertLessEqual(len(left), 3)

    def test_new_entry_stays(self) -> None:
        """An entry that brings an old time along is not the first to go."""
        cache = Cache(self.folder)

        def aged(fresh: Path) -> None:
            fresh.touch()
            os.utime(fresh, (1, 1))

        for number in range(6):
            self.assertTrue(cache.entry("kind", str(number), aged).exists())

    def test_keys(self) -> None:
        """A key tells apart what concatenation would not, and follows a file's content."""
        self.assertNotEqual(key_of("ab", "c"), key_of("a", "bc"))
        path = self.folder / "file"
        path.write_text("1")
        before = key_of(path)
        path.write_text("2")
        self.assertNotEqual(before, key_of(path))


class SmallKernel(unittest.TestCase):
    """The small kernel's configuration."""

    def test_what_kconfig_dropped(self) -> None:
        """A line that Kconfig dropped or changed is found, whatever the reason."""
        got = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=m\nCONFIG_F=y\n"
        self.assertEqual(small.unmet("# words\nCONFIG_A=y\n# CONFIG_B is not set\n"
                                     "# CONFIG_E is not set\n", got), [])
        self.assertEqual(small.unmet("CONFIG_B=y\nCONFIG_C=y\nCONFIG_D=y\n"
                                     "# CONFIG_F is not set\n", got),
                         ["CONFIG_B=y", "CONFIG_C=y", "CONFIG_D=y", "CONFIG_F=n"])

    def test_missing_packages(self) -> None:
        """What is not installed is named, all of it, before anything is built."""
        with mock.patch.object(small, "TOOLS", {"no-such-tool": "tool-package", "sh": "dash"}), \
                mock.patch.object(small, "HEADERS", {"no/such.h": "header-package"}), \
                self.assertRaisesRegex(RigError, ": header-package tool-package$"):
            small._check_tools()  # pylint: disable=protected-access


class NestedGuest(unittest.TestCase):
    """What a nested guest tells."""

    LINES = "begin\n00000002 05:000000c5 06:cafe00c5,00000001\n00000004 05:000000c5 06:00000000,00000003\n"

    def test_reports(self) -> None:
        """Each line is understood; what is only begun is none, and what is no line is refused."""
        first, second = guestvm.reports(self.LINES + "000000")
        self.assertEqual((first.count, first.markers, first.counts), (2, {5: 0xC5, 6: 0xCAFE00C5}, {6: 1}))
        self.assertEqual((second.count, second.markers[6]), (4, 0))
        with self.assertRaisesRegex(CommandFailed, "“0000000g” is no line"):
            guestvm.reports("0000000g\n")

    def test_journey(self) -> None:
        """Cut anywhere, the two texts of one guest are one; a restart, a loss and a repetition are not."""
        for cut in range(len(self.LINES) + 1):
            self.assertEqual(len(guestvm.journey(self.LINES[:cut], self.LINES[cut:])), 2)
        begun, first, second = self.LINES.splitlines(keepends=True)
        for texts in ((begun + first, begun + first), (first, second), (begun, second), (begun + first, first + second)):
            with self.assertRaises(CommandFailed):
                guestvm.journey(*texts)

    def test_what_qemu_runs_on(self) -> None:
        """Of a closure the libraries stay, and QEMU itself."""
        for name in ("libc6", "libglib2.0-0t64", "zlib1g", "qemu-system-x86", "qemu-system-data"):
            self.assertTrue(qemus.WANTED.fullmatch(name), name)
        for name in ("debconf", "libasound2-data", "qemu-system-common", "seabios", "passwd"):
            self.assertFalse(qemus.WANTED.fullmatch(name), name)


class HowTo(unittest.TestCase):
    """Documents whose commands are run."""

    def test_steps(self) -> None:
        """Each command is whole, with what is shown below it; other blocks are none of ours."""
        text = ("# Do\n```sh\nroot@a# no\n```\n```console\nroot@harbour-a# cat <<END\n> one\n> END\none\n> of it\n"
                "root@harbour-b# true\n```\nthen\n\n```console\nroot@harbour-a# false\n```\n")
        self.assertEqual([(step.line, step.host, step.command, step.shown) for step in howto.steps(text)], [
            (6, "harbour-a", "cat <<END\none\nEND", ["one", "> of it"]), (11, "harbour-b", "true", []), (16, "harbour-a", "false", [])])

    def test_what_is_printed(self) -> None:
        """Numbers, ids and the spaces between columns may differ; words, their order and whole lines may not."""
        printed = ["warning", "ID 1bdc2cc7-16dd-4c36-9b7e-c7c6f06b5d8a is  at 12 of 1.5", "", "end (really)"]
        for shown in (["ID d833e6d1-8c48-4d8c-8b98-b97172dfe96c  is at 2.25 of 7"], ["ID …", "end (really)"], []):
            self.assertIsNone(howto.missing(shown, printed))
        for shown in (["end (really)", "ID …"], ["end"], ["ID 7"], ["ID …", "ID …"], ["end .really."]):
            self.assertIsNotNone(howto.missing(shown, printed), shown)


class Mirror(Folder):
    """The machine's own mirror is found in what apt says."""

    STANZA = ("MetaKey: main/binary-amd64/Packages\nRelease: {release}\nComponent: {component}\n"
              "Repo-URI: {uri}\nCreated-By: Packages\n")

    def find(self, *stanzas: tuple[str, str, str]) -> str:
        """What find_mirror() makes of these releases, components and addresses."""
        listing = "\n".join(self.STANZA.format(release=release, component=component, uri=uri)
                            for release, component, uri in stanzas)
        with mock.patch.object(apt, "_run", return_value=listing), \
                mock.patch.dict(os.environ, clear=True):
            return apt.find_mirror().uri

    def test_prefers_the_release(self) -> None:
        """The one that serves the release, not another of Debian's, and nobody else's."""
        self.assertEqual(self.find(
            ("nodistro", "main", "https://example.org/node/"),
            ("trixie", "main", "http://one.example/debian/"),
            ("bookworm-security", "main", "http://two.example/debian-security/"),
            ("bookworm", "contrib", "http://three.example/debian/"),
            ("bookworm", "main", "http://four.example/debian/")), "http://four.example/debian")

    def test_trust(self) -> None:
        """The keyring and the trust of a source, of either format, go over to ours."""
        one_line = self.folder / "sources.list"
        one_line.write_text("deb http://other.example/debian sid main\n"
                            "deb [arch=amd64 signed-by=/k/one.gpg] http://m.example/debian b main\n")
        deb822 = self.folder / "debian.sources"
        deb822.write_text("Types: deb\nURIs: http://other.example/x\nSigned-By: /k/other.gpg\n\n"
                          "Types: deb\nURIs: http://m.example/debian\nTrusted: yes\n"
                          "Signed-By: /k/two.gpg\n")
        for path, expected in ((one_line, "signed-by=/k/one.gpg"),
                               (deb822, "signed-by=/k/two.gpg trusted=yes"),
                               (self.folder / "gone", f"signed-by={apt.KEYRING}")):
            # pylint: disable-next=protected-access
            self.assertEqual(apt._trust(f"{path}:1", "http://m.example/debian"), expected)

    def test_none(self) -> None:
        """A machine without one is told what to do."""
        with self.assertRaisesRegex(RigError, "VFERRY_DEBIAN_MIRROR"):
            self.find(("nodistro", "main", "https://example.org/node/"))


class FakePair:
    """A pair without VMs, that notes what is done to it."""

    def __init__(self) -> None:
        self.kernel_name = "debian"
        self.done: list[str] = []
        self.trouble: list[str] = []
        self.sick: str | None = None
        self.boots_fail = 0
        self.a = self.b = self.link = mock.MagicMock()
        self.hosts = ()

    def boot(self) -> None:
        """Succeed, or fail as often as told."""
        self.done.append("boot")
        self.sick = None
        if self.boots_fail:
            self.boots_fail -= 1
            raise RigError("it does not boot")

    def end(self) -> None:
        """Note it."""
        self.done.append("end")

    def healthy(self) -> str | None:
        """As told."""
        return self.sick

    def kernel_trouble(self) -> list[str]:
        """As told, once."""
        trouble, self.trouble = self.trouble, []
        return trouble

    def save_logs(self, target: Path) -> None:
        """Note it."""
        self.done.append(f"logs {target.name}")


class Runner(unittest.TestCase):
    """How the runner judges scenarios and treats the pair."""

    def run_suite(self, *functions: Callable[[Context], None], fresh: bool = False,
                  may_say: str | None = None) -> list[bool]:
        """Run these as scenarios; whether each passed."""
        chosen: dict[str, Scenario | str] = {
            f"x/{number}": Scenario(function, str(number), 0.5, fresh, False, may_say)
            for number, function in enumerate(functions)}
        with self.captured() as output:
            report = suite.Report(len(chosen))
            suite.Suite(self.pair, Path("logs"), report).run(chosen)  # type: ignore[arg-type]
        self.said = output.getvalue()
        lines = [line for line in self.said.splitlines() if not line.startswith("#")]
        self.assertEqual(lines[0], f"1..{len(functions)}")
        for number, line in enumerate(lines[1:], start=1):
            self.assertRegex(line, rf"^(not )?ok {number} - x/{number - 1} # \d+\.\ds$")
        passed = [line.startswith("ok") for line in lines[1:]]
        self.assertEqual(report.failed, passed.count(False))
        return passed

    @contextlib.contextmanager
    def captured(self) -> Iterator[io.StringIO]:
        """Standard output as a text; diagnostics are none of this test's."""
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(io.StringIO()):
            yield output

    def setUp(self) -> None:
        self.said = ""
        self.pair = FakePair()
        patch = mock.patch.object(suite, "reset_hosts", lambda pair: pair.done.append("reset"))
        patch.start()
        self.addCleanup(patch.stop)

    def test_shares_the_pair(self) -> None:
        """One boot, a reset between two scenarios, none before the first."""
        self.assertEqual(self.run_suite(lambda ctx: None, lambda ctx: None), [True, True])
        self.assertEqual(self.pair.done, ["boot", "reset"])

    def test_fresh(self) -> None:
        """Each has a pair of its own."""
        self.run_suite(lambda ctx: None, lambda ctx: None, fresh=True)
        self.assertEqual(self.pair.done, ["boot", "end", "boot", "end"])

    def test_failure_keeps_logs(self) -> None:
        """A failure has logs, and the pair is used on."""

        def fails(_ctx: Context) -> None:
            raise CommandFailed("no")

        self.assertEqual(self.run_suite(fails, lambda ctx: None), [False, True])
        self.assertEqual(self.pair.done, ["boot", "logs x-0", "reset"])

    def test_failure_is_explained(self) -> None:
        """Why, and where the logs are, comes before the result, on the same channel; a guest's own TAP is none."""

        def fails(_ctx: Context) -> None:
            raise CommandFailed("'walk' ended with 1\nnot ok 7 - walks # 1.0s")

        self.run_suite(fails)
        lines = self.said.splitlines()
        self.assertEqual(lines[1:4], ["# --- x/0:", "# 'walk' ended with 1", "# not ok 7 - walks # 1.0s"])
        self.assertIn("# logs: logs/x-0", lines)
        self.assertTrue(lines[-1].startswith("not ok 1 - "))

    def test_deadline(self) -> None:
        """A scenario that hangs, and catches what it can, ends at its deadline."""

        def hangs(_ctx: Context) -> None:
            with contextlib.suppress(Exception):
                time.sleep(20)

        started = time.monotonic()
        self.assertEqual(self.run_suite(hangs), [False])
        self.assertLess(time.monotonic() - started, 5)

    def test_kernel_trouble(self) -> None:
        """A kernel that complains fails the scenario and costs the pair."""
        complaint = "harbour-a: WARNING: CPU: 0"

        def provokes(_ctx: Context) -> None:
            self.pair.trouble.append(complaint)

        self.assertEqual(self.run_suite(provokes), [False])
        self.assertEqual(self.pair.done, ["boot", "logs x-0", "end"])
        self.assertEqual(self.run_suite(provokes, may_say="WARNING: CPU"), [True])

    def test_sick_pair(self) -> None:
        """A pair that is left unusable fails the scenario, and the next has a new one."""

        def kills(_ctx: Context) -> None:
            self.pair.sick = "harbour-b is not running"

        self.assertEqual(self.run_suite(kills, lambda ctx: None), [False, True])
        self.assertEqual(self.pair.done, ["boot", "logs x-0", "end", "boot"])

    def test_undoing(self) -> None:
        """What was deferred runs last first, also after a failure; if it fails, so does the test."""
        order: list[int] = []

        def defers(ctx: Context) -> None:
            ctx.defer(lambda: order.append(1))
            ctx.defer(lambda: order.append(2))
            raise CommandFailed("no")

        def cannot(ctx: Context) -> None:
            ctx.defer(lambda: 1 // 0)

        self.assertEqual(self.run_suite(defers, cannot), [False, False])
        self.assertEqual(order, [2, 1])
        self.assertEqual(self.pair.done[-1], "end")

    def test_boot(self) -> None:
        """A boot that fails is tried once more, then the scenario has failed."""
        self.pair.boots_fail = 1
        self.assertEqual(self.run_suite(lambda ctx: None), [True])
        self.pair.boots_fail = 2
        self.assertEqual(self.run_suite(lambda ctx: None), [False])


class Beside(unittest.TestCase):
    """The suites of two kernels at the same time."""

    def run_both(self, *scripts: str) -> tuple[int, list[tuple[str, bool, float]], str]:
        """What shell scripts in their place come to: a status, results, and what was said."""
        results: list[tuple[str, bool, float]] = []
        commands = {str(number): ["sh", "-c", script] for number, script in enumerate(scripts)}
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            status = beside.run(commands, lambda *result: results.append(result))
        return status, results, said.getvalue()

    def test_results(self) -> None:
        """All of both are counted, and what one said before a result stays together."""
        quick = "echo 1..1; echo quick says; sleep 0.3; echo 'so >' >&2; echo 'ok 1 - a/quick # 0.3s'"
        slow = "echo 1..1; sleep 0.1; echo slow says; sleep 0.6; echo 'not ok 1 - b/slow # 0.7s'; exit 1"
        status, results, said = self.run_both(quick, slow)
        self.assertEqual(results, [("a/quick", True, 0.3), ("b/slow", False, 0.7)])
        self.assertEqual(said, "# quick says\n# so >\n# slow says\n")
        self.assertEqual(status, 1)

    def test_ends_early(self) -> None:
        """One that dies, or says why it gives up, is no success."""
        status, results, said = self.run_both("echo 'ok 1 - a # 1.0s'", "echo last words; kill -KILL $$")
        self.assertEqual((results, said), ([("a", True, 1.0)], "# last words\n"))
        self.assertNotEqual(status, 0)
        self.assertEqual(self.run_both("exit 0", "echo 'Bail out! no kernel'; exit 1"), (1, [], "Bail out! no kernel\n"))

    def test_ended(self) -> None:
        """When the one who counts fails, nobody goes on."""
        started = time.monotonic()
        with self.assertRaises(ZeroDivisionError):
            beside.run({"0": ["sh", "-c", "echo 'ok 1 - a # 0.0s'; sleep 60"], "1": ["sleep", "60"]},
                       lambda *result: 1 // 0)  # type: ignore[arg-type,return-value]
        self.assertLess(time.monotonic() - started, 30)


class Discovery(Folder):
    """Which scenarios there are."""

    def test_files(self) -> None:
        """Functions are found by their registration, and a broken file is a failed test."""
        (self.folder / "good.py").write_text(
            "from rig.scenario import scenario\n"
            "@scenario(deadline=5)\ndef it_works(ctx):\n  'It works.'\n"
            "@scenario('other')\ndef x(ctx): pass\ndef helper(): pass\n")
        (self.folder / "bad.py").write_text("import nothing_of_this_name\n")
        found = suite.discover(self.folder)
        self.assertEqual(list(found), ["bad/import", "good/it-works", "good/other"])
        self.assertIsInstance(found["bad/import"], str)
        good = found["good/it-works"]
        assert isinstance(good, Scenario)
        self.assertEqual((good.deadline, good.summary), (5, "It works."))

    def failure(self, body: str) -> str:
        """What a scenario with this body fails with."""
        (self.folder / "one.py").write_text(
            "from rig.ferry import expect\nfrom rig.scenario import scenario\n"
            "class Host:\n  asked = 0\n  def state(self, name):\n    self.asked += 1\n    return f'{name}{self.asked}'\n"
            f"@scenario()\ndef it(ctx):\n  host = Host()\n  {body}\n")
        found = suite.discover(self.folder)["one/it"]
        assert isinstance(found, Scenario), found
        with self.assertRaises(AssertionError) as caught:
            found.function(mock.MagicMock())
        return str(caught.exception)

    def test_values_of_a_failure(self) -> None:
        """A bare comparison in a scenario says what was there instead, and asks for it only once."""
        self.assertEqual(self.failure("expect(host.state('a') == 'running' and host.asked, 'the source runs')"),
                         "expected: the source runs\n  host.state('a') was 'a1'")
        self.assertEqual(self.failure("assert 1 < len(host.state('bc')) != 3"),
                         "expected: 1 < len(host.state('bc')) != 3\n  len(host.state('bc')) was 3")
        self.assertEqual(self.failure("assert not host.state('b'), f'nothing is at {host.asked}'"),
                         "expected: nothing is at 1\n  host.state('b') was 'b1'")
        self.assertEqual(self.failure("expect(all(host.state(x) == 'd' for x in 'ab') or host.asked > 5, 'd')"),
                         "expected: d\n  all((host.state(x) == 'd' for x in 'ab')) was False\n  host.asked was 1")
        self.assertIn("… (9002 characters)", self.failure("assert 'x' * 9000 == host.state('')"))

    def choose(self, kernel: str, *globs: str, depth: str = "usual") -> dict[str, list[str]]:
        """The full names that a choice comes to, by kernel."""
        (self.folder / "one.py").write_text(
            "from rig.scenario import scenario\n"
            "@scenario()\ndef everywhere(ctx): pass\n"
            "@scenario(only_on=('small', 'it needs iommufd'))\ndef there(ctx): pass\n"
            "@scenario(deep_on=('debian',))\ndef matrix(ctx): pass\n")
        options = argparse.Namespace(scenarios=self.folder, kernel=kernel, only=list(globs), depth=depth)
        # pylint: disable-next=protected-access
        return {name: list(items) for name, items in suite._choose(options).items()}

    def test_kernels(self) -> None:
        """A scenario runs on each kernel, or on the one it names; globs may name the kernel."""
        both = {"debian": ["debian/one/everywhere"],
                "small": ["small/one/everywhere", "small/one/there", "small/one/matrix"]}
        self.assertEqual(self.choose("both"), both)
        self.assertEqual(self.choose("both", "one/*"), both)
        self.assertEqual(self.choose("both", "small/*"), {"small": both["small"]})
        self.assertEqual(self.choose("debian", "*/there"), {})

    def test_deep(self) -> None:
        """What is deep on a kernel is none of its usual scenarios, and of the deep ones nothing else is one."""
        self.assertEqual(self.choose("both", depth="deep"), {"debian": ["debian/one/matrix"]})
        self.assertEqual(self.choose("debian", depth="all"), {"debian": ["debian/one/everywhere", "debian/one/matrix"]})
        ours = argparse.Namespace(scenarios=suite.HERE / "scenarios", kernel="both", only=[], depth="deep")
        # pylint: disable-next=protected-access
        self.assertIn("debian/soak/sampled", suite._choose(ours)["debian"])

    def test_groups(self) -> None:
        """What needs the card runs apart; a group of no scenarios is not booted at all."""
        (self.folder / "one.py").write_text(
            "from rig.scenario import scenario\n"
            "@scenario()\ndef two(ctx): pass\n"
            "@scenario(card=True)\ndef alone(ctx): pass\n")
        found = suite.discover(self.folder)
        with mock.patch.object(suite, "Pair", lambda supplies: "pair"), \
                mock.patch.object(suite, "Card", lambda supplies: "card"):
            for names, expected in (
                    (["one/two", "one/alone"], [("pair", ["one/two"]), ("card", ["one/alone"])]),
                    (["one/two"], [("pair", ["one/two"])]),
                    (["one/alone"], [("card", ["one/alone"])])):
                # pylint: disable-next=protected-access
                groups = suite._groups(mock.MagicMock(), {name: found[name] for name in names})
                self.assertEqual([(rig, list(items)) for rig, items in groups], expected)

    def test_only_on(self) -> None:
        """Who leaves out a kernel says which one is left, and why."""
        for wrong in (("sparc", "because"), ("small", "")):
            with self.assertRaisesRegex(ValueError, "reason"):
                scenario(only_on=wrong)

    def test_exit_status(self) -> None:
        """A choice that names nothing is a failure, not a success with no tests."""
        done = subprocess.run([sys.executable, str(HERE / "suite.py"), "--only", "no/such"],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no/such", done.stderr)


if __name__ == "__main__":
    tap.main()
