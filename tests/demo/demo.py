#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Shows a migration to a person: two small VMs, one guest, one crossing, nothing left out."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tests/kernel"))
sys.dont_write_bytecode = True

import bare  # noqa: E402  pylint: disable=wrong-import-position
import guest  # noqa: E402  pylint: disable=wrong-import-position
from rig.errors import RigError  # noqa: E402  pylint: disable=wrong-import-position
from rig.pair import Pair, Supplies  # noqa: E402  pylint: disable=wrong-import-position
from stage import STEP_DEADLINE, DemoError, Stage  # noqa: E402  pylint: disable=wrong-import-position


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--builddir", type=Path, required=True)
    parser.add_argument("--destdir", type=Path, required=True)
    parser.add_argument("--logs", type=Path, required=True)
    parser.add_argument("--elapsed", type=float, default=0.0, help="seconds that came before")
    parser.add_argument("--bare", action="store_true", help="a device without a guest")
    return parser.parse_args()


def _play(options: argparse.Namespace, pair: Pair) -> None:
    stage = Stage(pair, options.elapsed)
    stage.say("Two hosts boot: harbour-a and harbour-b, microVMs joined by one cable.")
    pair.boot()
    for host in pair.hosts:
        host.run("systemctl start vferryd", timeout=STEP_DEADLINE)
    (bare if options.bare else guest).tell(stage)


def main() -> int:
    """Boot, tell, end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    options = _arguments()
    try:
        # The kernel's sample driver is 150 MB of source away, and QEMUs for the hosts are 60 MB: only where they are needed.
        supplies = Supplies(options.builddir, options.destdir, want_mtty=not options.bare)
        with Pair(supplies, with_qemus=not options.bare) as pair:
            try:
                _play(options, pair)
            except (DemoError, RigError):
                pair.save_logs(options.logs)
                print(f"\nlogs of both hosts: {options.logs}", file=sys.stderr)
                raise
    except (DemoError, RigError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
