# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The line on the terminal."""

import io
import sys
from types import SimpleNamespace

import pytest

from azext_seccomp._progress import LoggedProgress, TerminalProgress, terminal_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def context(*, only_show_errors: bool = False, disabled: bool = False) -> SimpleNamespace:
    return SimpleNamespace(
        only_show_errors=only_show_errors, config=SimpleNamespace(getboolean=lambda section, key, default: disabled)
    )


def test_each_step_replaces_the_one_before() -> None:
    terminal = Terminal()
    progress = TerminalProgress(terminal)
    progress.step("Placing the profile", 0, 2)
    progress.step("Waiting for collectors", 3)
    progress.clear()
    assert terminal.getvalue().split("\r\x1b[K") == ["", "Placing the profile 0/2", "Waiting for collectors 3", ""]


def test_a_step_never_takes_a_second_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    terminal = Terminal()
    TerminalProgress(terminal).step("x" * 100)
    assert terminal.getvalue() == "\r\x1b[K" + "x" * 19


def test_nothing_is_drawn_before_a_step() -> None:
    terminal = Terminal()
    TerminalProgress(terminal).clear()
    assert terminal.getvalue() == ""


def test_terminal_is_left_clean_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with pytest.raises(KeyboardInterrupt), terminal_progress(context()) as progress:
        progress.step("Working")
        raise KeyboardInterrupt
    assert terminal.getvalue().endswith("Working\r\x1b[K")


@pytest.mark.parametrize("cli", [context(only_show_errors=True), context(disabled=True)])
def test_turned_off_by_az_s_own_switches(monkeypatch: pytest.MonkeyPatch, cli: SimpleNamespace) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    with terminal_progress(cli) as progress:
        assert isinstance(progress, LoggedProgress)


def test_nothing_is_drawn_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with terminal_progress(context()) as progress:
        assert isinstance(progress, LoggedProgress)


def test_verbose_shows_each_step_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azext_seccomp._progress.logger.propagate", True)
    caplog.set_level("INFO")
    progress = LoggedProgress()
    for left in (3, 2, 1):
        progress.step(f"Watching for {left} s more; events so far:", 7 - left)
    progress.step("Reading the last events")
    assert [record.message for record in caplog.records] == [
        "Watching for 3 s more; events so far:",
        "Reading the last events",
    ]
