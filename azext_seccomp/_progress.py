# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Steps under way, drawn on the terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from azext_seccomp.progress import Progress, Silent

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


@contextmanager
def terminal_progress(cli_ctx: Any) -> Iterator[Progress]:
    """A progress that draws on standard error if that is a terminal and the user did not turn it off.

    az's own switches turn it off: ``--only-show-errors`` and ``core.disable_progress_bar``.
    """
    off = cli_ctx.only_show_errors or cli_ctx.config.getboolean("core", "disable_progress_bar", False)
    if off or not sys.stderr.isatty():
        yield Silent()
        return
    progress = TerminalProgress(sys.stderr)
    try:
        yield progress
    finally:
        progress.clear()
