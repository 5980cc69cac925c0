# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Steps under way, drawn on the terminal."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from knack.log import get_logger

from azext_seccomp.progress import Progress

logger = get_logger(__name__)

_NUMBER = re.compile(r"\d+")
_ERASE_LINE = "\r\x1b[K"


class TerminalProgress:
    """One line at the bottom of the terminal that always shows the step under way.

    :param stream: the terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = False

    def step(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """Show ``text`` instead of the step before."""
        count = "" if done is None else f" {done}" if total is None else f" {done}/{total}"
        width = shutil.get_terminal_size().columns - 1  # a full line makes some terminals wrap
        self._write(f"{_ERASE_LINE}{(text + count)[:width]}")
        self._shown = True

    def clear(self) -> None:
        """Leave the terminal as it was."""
        if self._shown:
            self._write(_ERASE_LINE)
            self._shown = False

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class LoggedProgress:
    """A line of the log for each new step, which ``--verbose`` shows; counts in a step make no new one."""

    def __init__(self) -> None:
        self._last = ""

    def step(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """Log ``text`` unless it says the same as the step before."""
        said = _NUMBER.sub("…", text)
        if said != self._last:
            self._last = said
            logger.info("%s", text)


@contextmanager
def terminal_progress(cli_ctx: Any) -> Iterator[Progress]:
    """A progress that draws on standard error if that is a terminal and the user did not turn it off.

    az's own switches turn it off: ``--only-show-errors`` and ``core.disable_progress_bar``.
    """
    off = cli_ctx.only_show_errors or cli_ctx.config.getboolean("core", "disable_progress_bar", False)
    if off or not sys.stderr.isatty():
        yield LoggedProgress()
        return
    progress = TerminalProgress(sys.stderr)
    try:
        yield progress
    finally:
        progress.clear()
