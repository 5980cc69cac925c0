# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What an audit tells while it runs: lines on standard error, beside the progress and never in the result."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from knack.log import get_logger

from azext_seccomp._progress import TerminalProgress

if TYPE_CHECKING:
    from azext_seccomp.audit.plan import PlannedContainer
    from azext_seccomp.gadget.event import Event
    from azext_seccomp.progress import Progress

_COLUMNS = ("node", "namespace", "pod", "container", "comm", "pid", "tid", "code", "syscall")
_PLAN_COLUMNS = ("Namespace", "Workload", "Container", "Action", "Before", "Then")
_PLAN_LEGEND = (
    "restart: its pods are replaced by pods under the audit profile, and when the audit ends by pods as they were. "
    "copy: a copy runs beside it, and it is left as it is."
)

logger = get_logger(__name__)


class TerminalListener:
    """Implements ``audit.plan.Listener``.

    :param follow: show each event on a line of its own, in the gadget's columns.
    :param watches_only: it is the user who runs what is to be audited.
    :param agreed: the user has agreed already to what happens to workloads.
    """

    def __init__(self, progress: Progress, *, follow: bool, watches_only: bool, agreed: bool) -> None:
        self._progress = progress
        self._follow = follow
        self._watches_only = watches_only
        self._agreed = agreed
        self._header_shown = False
        self.noticed: list[str] = []
        """What has been shown already."""

    def agree(self, planned: Sequence[PlannedContainer]) -> None:
        """Show what is going to happen to workloads, and ask.

        :raises CLIError: the user does not agree, or there is no terminal to ask at.
        """
        from azure.cli.core.util import user_confirmation
        from tabulate import tabulate

        self._clear()
        rows = [(one.namespace, one.workload, one.container, one.action, one.before, one.detail) for one in planned]
        table = tabulate(rows, headers=_PLAN_COLUMNS, tablefmt="simple", disable_numparse=True)
        if self._agreed:
            for line in [*table.splitlines(), _PLAN_LEGEND]:
                logger.warning("%s", line)
            return
        sys.stderr.write(f"{table}\n\n{_PLAN_LEGEND}\n")
        sys.stderr.flush()
        user_confirmation("Go on?")

    def notice(self, text: str) -> None:
        """Show a sentence."""
        self.noticed.append(text)
        self._clear()
        logger.warning("%s", text)

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
