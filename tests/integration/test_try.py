# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""``az aks seccomp try`` as a user runs it: a real az that nobody has signed in to."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.kernel

RUNTIME_DEFAULT = ("--profile", "RuntimeDefault", "--containerd-version", "1.7.33")
UNSHARE = ("--command", "unshare --user true")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Nobody has ever used az here: its directory is empty."""
    config = tmp_path / "never-used"
    config.mkdir()
    return {**os.environ, "AZURE_CONFIG_DIR": str(config), "AZURE_CORE_COLLECT_TELEMETRY": "false"}


def az(environment: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "azure.cli", "aks", "seccomp", *words]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_it_needs_no_login(environment: dict[str, str]) -> None:
    """The result goes to standard output alone; what the command says goes to standard error."""
    done = az(environment, "try", *RUNTIME_DEFAULT, "--command", "sh -c 'echo said; unshare --user true; exit 4'")
    result: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert "said" in done.stderr
    assert result["command"]["exitCode"] == 4
    assert result["verdict"] == "blocked"
    (finding,) = result["findings"]
    assert (finding["comm"], finding["syscall"], finding["detail"]) == ("unshare", "unshare", "CLONE_NEWUSER")


def test_the_report_is_what_refine_takes_and_then_it_is_clean(environment: dict[str, str], tmp_path: Path) -> None:
    report, before, after = (str(tmp_path / name) for name in ("report.json", "before.json", "after.json"))
    rendered = az(environment, "profile", "render", *RUNTIME_DEFAULT)
    Path(before).write_text(rendered.stdout)
    tried = az(environment, "try", "--profile", before, *UNSHARE, "--report", report, "--fail-on", "blocked")
    assert tried.returncode == 10
    assert json.loads(Path(report).read_text()) == json.loads(tried.stdout)
    refined = az(environment, "profile", "refine", "--profile", before, "--report", report, "--only", "unshare")
    Path(after).write_text(refined.stdout)
    again = az(environment, "try", "--profile", after, *UNSHARE, "--fail-on", "blocked", "fallback", "inconclusive")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["verdict"] == "clean"


def test_the_report_is_a_page_when_its_name_says_so(environment: dict[str, str], tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    tried = az(environment, "try", *RUNTIME_DEFAULT, *UNSHARE, "--report", str(page))
    assert tried.returncode == 0, tried.stderr
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert "<b>unshare</b>" in page.read_text()


def test_the_table_fits_a_terminal(environment: dict[str, str]) -> None:
    done = az(environment, "try", *RUNTIME_DEFAULT, *UNSHARE, "-o", "table")
    lines = done.stdout.splitlines()
    assert [line.split()[:4] for line in lines[2:]] == [["unshare", "unshare", "CLONE_NEWUSER", "blocked"]]
    assert max(map(len, lines)) <= 120
    assert "Verdict: blocked" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--command", "no-such-program"), "was not found"),
        ((*UNSHARE, "--duration", "soon"), "is not a duration"),
        (
            (*UNSHARE, "--arch", "arm64" if os.uname().machine == "x86_64" else "amd64"),
            "cannot be tried on this machine",
        ),
        ((*UNSHARE, "--report", "/no/such/directory/report.json"), "cannot be written"),
        (("--command", "no-such-program", "--report", "report.txt"), "which format"),
    ],
)
def test_one_line_about_what_is_wrong(environment: dict[str, str], words: tuple[str, ...], said: str) -> None:
    done = az(environment, "try", *RUNTIME_DEFAULT, *words, "--only-show-errors")
    assert done.returncode != 0
    assert done.stdout == ""
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_reaches_the_command_and_the_report_still_comes(environment: dict[str, str], tmp_path: Path) -> None:
    """On a terminal, where Ctrl-C goes to every process in the foreground."""
    script = tmp_path / "program"
    script.write_text("#!/bin/sh\ntrap 'unshare --user true; exit 5' INT\necho ready\nwhile :; do sleep 0.1; done\n")
    script.chmod(0o755)
    report = tmp_path / "report.json"
    pid, terminal = pty.fork()
    if pid == 0:
        argv = ["-m", "azure.cli", "aks", "seccomp", "try", *RUNTIME_DEFAULT, "--command", str(script)]
        os.execve(sys.executable, [sys.executable, *argv, "--report", str(report)], environment)
    try:
        _read_until(terminal, b"ready")
        os.write(terminal, b"\x03")
        shown = _read_until(terminal, b'"verdict"')
        _, status = os.waitpid(pid, 0)
    finally:
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0, shown
    result = json.loads(report.read_text())
    assert result["command"]["exitCode"] == 5
    assert result["command"]["endedBy"] == "itself"
    assert [one["syscall"] for one in result["findings"]] == ["unshare"]


def test_a_second_ctrl_c_ends_a_command_that_does_not_mind(environment: dict[str, str], tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    pid, terminal = pty.fork()
    if pid == 0:
        line = "sh -c 'trap : INT; echo ready; while :; do sleep 0.1; done'"
        argv = ["-m", "azure.cli", "aks", "seccomp", "try", *RUNTIME_DEFAULT, "--command", line]
        os.execve(sys.executable, [sys.executable, *argv, "--report", str(report)], environment)
    try:
        _read_until(terminal, b"ready")
        for _ in range(2):
            os.write(terminal, b"\x03")
            time.sleep(1)
        shown = _read_until(terminal, b'"verdict"')
        _, status = os.waitpid(pid, 0)
    finally:
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0, shown
    ended = json.loads(report.read_text())["command"]
    assert (ended["signal"], ended["endedBy"]) == (signal.SIGTERM, "signal")


def _read_until(terminal: int, text: bytes, seconds: float = 60) -> bytes:
    end, got = time.monotonic() + seconds, b""
    while text not in got:
        ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
        assert ready, f"{text!r} never came: {got!r}"
        try:
            got += os.read(terminal, 65536)
        except OSError:
            break  # the other side has closed
    return got
