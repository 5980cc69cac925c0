# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Which container a process belongs to, also when the process has ended."""

import os
import re
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from .netlink import EVENT_EXEC, EVENT_EXIT, EVENT_FORK

CONTAINER_ID = re.compile(r"[0-9a-f]{64}")
# How long an ended process is remembered. Records of it come within milliseconds; the time is for a reader that was
# held up.
REMEMBER_SECONDS = 60.0
ANCESTORS = 64
READ_LIMIT = 16384


class Processes:
    """Container and parent of processes, from the kernel's process events and from ``/proc``."""

    def __init__(self, proc: Path) -> None:
        """:param proc: procfs of the initial pid namespace."""
        self._proc = proc
        self._container: dict[int, str] = {}
        self._parent: dict[int, int] = {}
        self._comm: dict[int, str] = {}
        self._ended: deque[tuple[float, int]] = deque()
        self._ended_at: dict[int, float] = {}

    def assign(self, pid: int, container: str) -> None:
        """Note a process whose container is known from elsewhere (a container's first process)."""
        self._container[pid] = container

    def take(self, events: Iterable[tuple[int, int, int]]) -> None:
        """Take process events in their order."""
        for what, pid, child in events:
            if what == EVENT_FORK:
                self._forked(pid, child)
            elif what == EVENT_EXEC:
                self._comm.pop(pid, None)
                self.container(pid)  # looked up now: it may have ended when its first record is read
            elif what == EVENT_EXIT:
                now = time.monotonic()
                self._ended_at[pid] = now
                self._ended.append((now, pid))
        self._forget()

    def container(self, pid: int) -> str | None:
        """Id of the container that a process is or was in; None for a process of the host or an unknown one."""
        for _ in range(ANCESTORS):
            known = self._container.get(pid)
            if known is not None:
                return known
            lines = self._read(pid, "cgroup")
            if lines is not None:
                return self._remember(pid, lines)
            parent = self._parent.get(pid)
            if parent is None:
                return None
            pid = parent
        return None

    def parent(self, pid: int) -> int:
        """Id of the process that forked this one; 0 when unknown."""
        known = self._parent.get(pid)
        if known is None:
            status = self._read(pid, "stat") or ""
            fields = status.rpartition(")")[2].split()
            known = int(fields[1]) if len(fields) > 1 else 0
            if known:
                self._parent[pid] = known
        return known

    def comm(self, pid: int) -> str:
        """Name of a process, as of its first use; empty when it had ended by then."""
        known = self._comm.get(pid)
        if known is None:
            known = self._comm[pid] = (self._read(pid, "comm") or "").rstrip("\n")
        return known

    def _forked(self, parent: int, child: int) -> None:
        self._ended_at.pop(child, None)
        self._comm.pop(child, None)
        self._parent[child] = parent
        container = self._container.get(parent)
        if container is None:
            self._container.pop(child, None)
        else:
            self._container[child] = container

    def _remember(self, pid: int, cgroups: str) -> str | None:
        found: list[str] = CONTAINER_ID.findall(cgroups)
        if not found:
            return None
        self._container[pid] = found[-1]
        return found[-1]

    def _read(self, pid: int, file: str) -> str | None:
        # several hundred times a second on a busy machine: without the layers of pathlib and io
        try:
            descriptor = os.open(f"{self._proc}/{pid}/{file}", os.O_RDONLY)
        except OSError:
            return None
        try:
            return os.read(descriptor, READ_LIMIT).decode(errors="replace")
        except OSError:  # it ended in the meantime
            return None
        finally:
            os.close(descriptor)

    def _forget(self) -> None:
        limit = time.monotonic() - REMEMBER_SECONDS
        while self._ended and self._ended[0][0] < limit:
            ended, pid = self._ended.popleft()
            if self._ended_at.get(pid) == ended:  # otherwise the id is in use again
                del self._ended_at[pid]
                self._container.pop(pid, None)
                self._parent.pop(pid, None)
                self._comm.pop(pid, None)
