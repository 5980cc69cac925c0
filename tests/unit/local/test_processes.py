# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Finding, naming and ending the processes below this one."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from azext_seccomp.local import kernel, processes
from tests.kernel.attempts import wait_until


@pytest.fixture
def sleepers() -> Iterator[list["subprocess.Popen[bytes]"]]:
    started = [subprocess.Popen(["sleep", "1000"]) for _ in range(3)]
    yield started
    for one in started:
        one.kill()
        one.wait()


def test_children_are_told_from_those_that_have_ended(sleepers: list["subprocess.Popen[bytes]"]) -> None:
    sleepers[0].kill()
    os.waitid(os.P_PID, sleepers[0].pid, os.WEXITED | os.WNOWAIT)
    found = processes.children()
    assert [found[one.pid] for one in sleepers] == [False, True, True]


def test_only_what_is_not_spared_is_ended_and_only_what_ran_is_counted(
    sleepers: list["subprocess.Popen[bytes]"],
) -> None:
    others = frozenset(processes.children()) - {one.pid for one in sleepers}
    sleepers[0].kill()
    os.waitid(os.P_PID, sleepers[0].pid, os.WEXITED | os.WNOWAIT)
    assert processes.end_children(10, spare=others | {sleepers[2].pid}) == 1
    assert sleepers[2].poll() is None
    assert not {sleepers[0].pid, sleepers[1].pid} & set(processes.children())


def test_what_may_not_be_ended_is_left(
    sleepers: list["subprocess.Popen[bytes]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set-user-ID program of an account that may start one under a filter, and may not end it."""

    def refuse(*_: int) -> None:
        raise PermissionError

    others = frozenset(processes.children()) - {one.pid for one in sleepers}
    monkeypatch.setattr(processes.os, "kill", refuse)
    assert processes.end_children(0.05, spare=others) == 0
    monkeypatch.undo()
    assert all(one.poll() is None for one in sleepers)


def test_orphans_come_here_as_long_as_they_are_adopted() -> None:
    """In a process of its own: the one of the tests keeps its parents."""
    code = (
        "import subprocess, sys; sys.path.append('.'); from azext_seccomp.local import processes; "
        "processes.adopt_orphans(); "
        "subprocess.run(['sh', '-c', 'sleep 1000 & sleep 1000 & :']); "
        "print(len(processes.children()), processes.end_children(10), len(processes.children()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "2", "0"]


def test_names_follow_what_a_thread_calls_itself() -> None:
    names = processes.Names()
    me = threading.get_native_id()
    before = names.of(me)
    for text in (b"new name", b"x" * 15, b"\xff\n"):
        kernel.prctl(kernel.PR_SET_NAME, ctypes.create_string_buffer(text))
        assert names.of(me) in (text.decode(errors="replace"), text.rstrip(b"\n").decode(errors="replace"))
    kernel.prctl(kernel.PR_SET_NAME, ctypes.create_string_buffer(before.encode()))


def test_a_thread_that_has_ended_has_no_name() -> None:
    names = processes.Names()
    child = subprocess.Popen(["sleep", "1000"])
    wait_until(lambda: names.of(child.pid) == "sleep")
    child.kill()
    child.wait()
    assert names.of(child.pid) == "?"


def test_names_keep_few_files_open(sleepers: list["subprocess.Popen[bytes]"], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes.Names, "_MOST_OPEN", 2)
    names = processes.Names()
    before = len(os.listdir("/proc/self/fd"))
    for one in sleepers * 5:
        assert names.of(one.pid)
    assert len(os.listdir("/proc/self/fd")) <= before + 2


def test_sigsys_ends_what_waits() -> None:
    child = subprocess.Popen(["sleep", "1000"])
    wait_until(lambda: processes.Names().of(child.pid) == "sleep")
    assert processes.end_with_sigsys(child.pid, catchable=False) is False
    assert child.wait() == -signal.SIGSYS
    assert processes.end_with_sigsys(child.pid, catchable=False) is False, "it has ended"
