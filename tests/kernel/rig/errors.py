# SPDX-License-Identifier: LGPL-2.1-or-later
"""The exceptions of the rig: each message names the thing, the value and the rule."""

from __future__ import annotations


class RigError(Exception):
    """The rig itself could not do its work: a missing tool, a failed download, a VM that died."""


class DownloadFailed(RigError):
    """The archive did not give what it was asked for; it may have newer versions by now."""


class GuestGone(RigError):
    """A guest can no longer be talked to: it was killed, it died, or its agent hangs."""


class CommandFailed(RigError):
    """A command in a guest did not do what its caller required."""


class DeadlineReached(BaseException):
    """The hard deadline of a scenario; a BaseException, so that no `except Exception` eats it."""
