# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""However it ends, a report comes back if anybody is left to read it, and nothing is left running."""

import os
import signal
from pathlib import Path

import pytest

from tests.kernel.attempts import Alone, denying, try_, wait_until

pytestmark = pytest.mark.kernel

#: A child in the background, one with a session of its own, and the command itself: all sleep.
THREE = "sh -c 'sleep 1000 & setsid sleep 1001 & sleep 1002'"


def test_what_outlives_the_command_is_ended(caller: Path) -> None:
    report = try_(denying(), f"{caller} daemon")
    assert report["command"]["exitCode"] == 0
    assert report["command"]["leftBehind"] == 1
    assert any("left processes running (1)" in note for note in report["notes"])


@pytest.mark.parametrize(
    ("command", "said"),
    [("sh -c 'exit 7'", "it ended with exit code 7"), ("sh -c 'kill -9 $$'", "signal 9 ended it"), ("true", "")],
)
def test_a_command_that_failed_is_told_of(command: str, said: str) -> None:
    failures = [note for note in try_(denying(), command)["notes"] if note.startswith("The command failed")]
    assert [said in note for note in failures] == ([True] if said else [])


def test_orphans_that_have_ended_are_not_told_of(caller: Path) -> None:
    report = try_(denying(), "sh -c '(sleep 0 &); (sleep 0 &); sleep 0.5'")
    assert report["command"]["leftBehind"] == 0


def test_orphans_do_not_pile_up_while_the_command_runs(tmp_path: Path) -> None:
    with Alone(tmp_path, denying(), "sh -c 'for i in $(seq 50); do (sleep 0 &); done; sleep 1000'") as alone:
        alone.wait_for("1000")
        wait_until(lambda: not _zombies(alone))


def _zombies(alone: Alone) -> list[str]:
    states = []
    for pid in alone.pids():
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            states.append(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0])
    return [state for state in states if state == "Z"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_death_of_az(tmp_path: Path, number: signal.Signals) -> None:
    with Alone(tmp_path, denying(), THREE) as alone:
        alone.wait_for("1000"), alone.wait_for("1001"), alone.wait_for("1002")
        alone.process.send_signal(number)
        alone.wait_for_none()


def test_death_of_the_supervisor(tmp_path: Path) -> None:
    with Alone(tmp_path, denying(), THREE) as alone:
        alone.wait_for("1000"), alone.wait_for("1001"), alone.wait_for("1002")
        (supervisor,) = alone.wait_for(str(alone.process.pid))
        os.kill(supervisor, signal.SIGKILL)
        out, _ = alone.process.communicate(timeout=30)
        assert alone.process.returncode == 3
        assert "supervisor of the command was ended from outside" in out
        alone.wait_for_none()


def test_death_of_the_command(tmp_path: Path) -> None:
    with Alone(tmp_path, denying(), "sleep 1002") as alone:
        (command,) = alone.wait_for("1002")
        os.kill(command, signal.SIGKILL)
        report = alone.report()
        assert report["command"]["signal"] == signal.SIGKILL
        assert report["command"]["exitCode"] is None
        alone.wait_for_none()


def test_a_signal_to_the_supervisor_ends_the_command_and_still_reports(tmp_path: Path) -> None:
    with Alone(tmp_path, denying(["clock_nanosleep"]), "sleep 1002") as alone:
        alone.wait_for("1002")
        (supervisor,) = alone.wait_for(str(alone.process.pid))
        os.kill(supervisor, signal.SIGTERM)
        report = alone.report()
        assert report["command"]["endedBy"] == "signal"
        assert report["command"]["signal"] == signal.SIGTERM
        assert report["verdict"] == "blocked"
        alone.wait_for_none()


def test_duration_ends_the_command_as_a_container_is_ended(tmp_path: Path) -> None:
    """SIGTERM first: what a service does to shut down is seen as well."""
    report = try_(denying(["rmdir"]), f"sh -c 'trap \"rmdir {tmp_path}/x; exit 7\" TERM; sleep 1000 & wait'", seconds=1)
    assert report["command"]["endedBy"] == "duration"
    assert report["command"]["exitCode"] == 7
    assert [(one["comm"], one["syscall"]) for one in report["findings"]] == [("rmdir", "rmdir")]


def test_a_command_that_ignores_sigterm_is_killed() -> None:
    report = try_(denying(), "sh -c 'trap : TERM; while :; do sleep 0.2; done'", seconds=0.5)
    assert report["command"]["endedBy"] == "duration"
    assert report["command"]["signal"] == signal.SIGKILL
