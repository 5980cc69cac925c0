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


def adopt_orphans() -> None:
    """From now on a descendant whose parent ends becomes a child of this process, not of init.

    Source: prctl(2), PR_SET_CHILD_SUBREAPER.
    """
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(signal_number: int, parent: int) -> bool:
    """Have the kernel send ``signal_number`` to this process when ``parent`` ends; False when it has ended already."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal_number)
    return os.getppid() == parent


def children() -> list[int]:
    """Pids of the direct children of this process, ended ones that nobody waited for included."""
    me = os.getpid()
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                # the second field is the command's name in brackets, which may hold anything: go on after the last one
                if int(file.read().rpartition(b")")[2].split()[1]) == me:
                    found.append(int(name))
    return found


def end_children(seconds: float, spare: frozenset[int] = frozenset()) -> int:
    """Kill every child, and with ``adopt_orphans`` every descendant, and wait for them.

    :param seconds: how long to go on; a process in an uninterruptible call may outlast it.
    :param spare: pids that are not to be touched.
    :returns: how many processes were killed.
    """
    killed: set[int] = set()
    end = time.monotonic() + seconds
    while (pids := [pid for pid in children() if pid not in spare]) and time.monotonic() < end:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        ended = {pid for pid in pids if _reap(pid)}
        killed |= ended
        if not ended:
            time.sleep(_ROUND_SECONDS)
    return len(killed)


def _reap(pid: int) -> bool:
    """Wait for ``pid`` if it has ended."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return False
