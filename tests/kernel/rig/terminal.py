# SPDX-License-Identifier: LGPL-2.1-or-later
"""A person's terminal, connected to a shell in a guest."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty

from .errors import GuestGone
from .host import Host


def interact(host: Host) -> int:
    """Run a login shell at a host until it ends, on the terminal that standard input is; returns its exit status."""
    size = os.get_terminal_size()
    shell = host.spawn(f"stty rows {size.lines} cols {size.columns} 2>/dev/null; "
                       f"TERM={os.environ.get('TERM', 'linux')} COLUMNS={size.columns} "
                       f"LINES={size.lines} script -qfec 'bash -il' /dev/null", stdin_open=True)
    before = termios.tcgetattr(sys.stdin)
    shown = 0
    try:
        tty.setraw(sys.stdin)
        while True:
            output = shell.out
            os.write(1, output[shown:])
            shown = len(output)
            if not shell.running:
                result = shell.wait()
                os.write(1, result.out[shown:])
                os.write(2, result.err)
                return result.status
            if select.select([sys.stdin], [], [], 0.03)[0]:
                shell.send(os.read(0, 4096))
    except GuestGone:
        return 1
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
