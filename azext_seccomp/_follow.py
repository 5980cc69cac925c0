# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What an audit tells while it runs: lines on standard error, beside the progress and never in the result."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from knack.log import get_logger

from azext_seccomp._progress import TerminalProgress

if TYPE_CHECKING:
    from azext_seccomp.gadget.event import Event
    from azext_seccomp.progress import Progress

_COLUMNS = ("node", "namespace", "pod", "container", "comm", "pid", "tid", "code", "syscall")

logger = get_logger(__name__)


class TerminalListener:
    """Implements ``audit.plan.Listener``.

    :param follow: show each event on a line of its own, in the gadget's columns.
    :param watches_only: it is the user who runs what is to be audited.
    """

    def __init__(self, progress: Progress, *, follow: bool, watches_only: bool) -> None:
        self._progress = progress
        self._follow = follow
        self._watches_only = watches_only
        self._header_shown = False

    def ready(self, localhost_profile: str, seconds: int) -> None:
        """Say that it is the user's turn, and which value to use."""
        if self._watches_only:
            self._clear()
            logger.warning(
                "Ready. Watching for %s s. Run the workload with this seccompProfile in its containers: "
                "type: Localhost, localhostProfile: %s",
                seconds,
                localhost_profile,
            )

    def event(self, event: Event) -> None:
        """Show one event; its text was made fit for a terminal when it was read."""
        if not self._follow:
            return
        self._clear()
        if not self._header_shown:
            self._header_shown = True
            self._line(*(name.upper() for name in _COLUMNS))
        self._line(*(str(getattr(event, name)) for name in _COLUMNS))

    def _line(self, *cells: str) -> None:
        sys.stderr.write("  ".join(cell or "-" for cell in cells) + "\n")
        sys.stderr.flush()

    def _clear(self) -> None:
        if isinstance(self._progress, TerminalProgress):
            self._progress.clear()
