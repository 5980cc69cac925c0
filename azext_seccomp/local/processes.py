# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The processes below this one: found, ended, waited for."""

import contextlib
import os
import signal
import time

from azext_seccomp.local import kernel

_ROUND_SECONDS = 0.01


def adopt_orphans(adopt: bool = True) -> None:
    """From now on a descendant whose parent ends becomes a child of this process, not of init; or no longer.

    Source: prctl(2), PR_SET_CHILD_SUBREAPER.

    :raises OSError: a filter around this process refuses it.
    """
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, int(adopt))


def die_with_parent(signal_number: int, parent: int) -> bool:
    """Have the kernel send ``signal_number`` to this process when ``parent`` ends; False when it has ended already."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal_number)
    return os.getppid() == parent


def children() -> dict[int, bool]:
    """The direct children of this process that nobody has waited for: their pids, and whether they still run."""
    me = os.getpid()
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                # the second field is the command's name in brackets, which may hold anything: go on after the last one
                state, parent, *_ = file.read().rpartition(b")")[2].split()
                if int(parent) == me:
                    found[int(name)] = state != b"Z"
    return found


def reap_children() -> dict[int, int]:
    """Wait for all children that have ended; their pids and exit codes, negative for the signal that ended them."""
    ended = {}
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended[found[0]] = os.waitstatus_to_exitcode(found[1])
    return ended


class Names:
    """The names of threads, read as often as they are asked for: a program may change its name, and exec does.

    The files stay open, which saves most of the time that a look takes. When a thread has ended its file says so, even
    if a new thread has got the same number.
    """

    _MOST_OPEN = 128
    _LONGEST = 64

    def __init__(self) -> None:
        self._files: dict[int, int] = {}

    def of(self, thread: int) -> str:
        """The name of a thread; ``?`` for one that has ended."""
        for _ in range(2):
            try:
                file = self._files[thread] if thread in self._files else self._open(thread)
                return os.pread(file, self._LONGEST, 0).rstrip(b"\n").decode(errors="replace")
            except OSError:
                self._close(thread)
        return "?"

    def _open(self, thread: int) -> int:
        if len(self._files) >= self._MOST_OPEN:
            self._close(next(iter(self._files)))  # the one that was opened first
        file = self._files[thread] = os.open(f"/proc/{thread}/comm", os.O_RDONLY | os.O_CLOEXEC)
        return file

    def _close(self, thread: int) -> None:
        if thread in self._files:
            os.close(self._files.pop(thread))


def end_children(seconds: float, spare: frozenset[int] = frozenset()) -> int:
    """Kill every child, and with ``adopt_orphans`` every descendant, and wait for them.

    :param seconds: how long to go on; a process in an uninterruptible call may outlast it.
    :param spare: pids that are not to be touched.
    :returns: how many processes were still running.
    """
    killed: set[int] = set()
    end = time.monotonic() + seconds
    while (found := {pid: runs for pid, runs in children().items() if pid not in spare}) and time.monotonic() < end:
        for pid, runs in found.items():
            if runs:
                with contextlib.suppress(ProcessLookupError, PermissionError):  # it may have become another user's
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
        if not any(_reap(pid) for pid in found):
            time.sleep(_ROUND_SECONDS)
    return len(killed)


def _reap(pid: int) -> bool:
    """Wait for ``pid`` if it has ended."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return False


def end_with_sigsys(thread: int, *, catchable: bool) -> bool:
    """End the process of a thread that waits in a call, as the kernel does for a call that a filter forbids so.

    The signal that the kernel forces on it cannot be forced from outside; where the process has made other plans for
    SIGSYS, it gets SIGKILL.

    :param catchable: a handler of SIGSYS may take it (TRAP).
    :returns: whether other threads ended with it.
    """
    try:
        status = _status(thread)
        bit = 1 << (signal.SIGSYS - 1)
        handled = int(status["SigCgt"], 16) & bit
        shut_out = int(status["SigBlk"], 16) & bit or int(status["SigIgn"], 16) & bit
        process = int(status["Tgid"])
        if shut_out or (handled and not catchable):
            os.kill(process, signal.SIGKILL)
        else:
            kernel.signal_thread(process, thread, signal.SIGSYS)
        return int(status["Threads"]) > 1
    except (ProcessLookupError, FileNotFoundError):  # it has ended in the meantime
        return False


def _status(thread: int) -> dict[str, str]:
    with open(f"/proc/{thread}/status", encoding="utf-8", errors="replace") as file:
        pairs = (line.partition(":") for line in file)
        return {name: value.strip() for name, _, value in pairs}
