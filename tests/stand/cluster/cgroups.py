# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Control groups of the stand: they bound what belongs to it, so that ending it needs no guess by program name.

Daemons run in ``<name>/daemons`` and containers below ``<name>/nodeN`` of every hierarchy. Whatever was started by
whichever way (a shim, a container's process, a process that left its session) is listed in the ``pids`` hierarchy.
"""

import os
import signal
from pathlib import Path

from .shell import StandError, wait_until

ROOT = Path("/sys/fs/cgroup")
PIDS = ROOT / "pids"


class ControlGroups:
    """The groups below ``name`` in all hierarchies (cgroup version 1)."""

    def __init__(self, name: str) -> None:
        self.name = name

    def create(self, *path: str) -> None:
        """Make ``<name>/<path>`` in every hierarchy.

        :raises StandError: this machine has no version 1 hierarchy ``pids``.
        """
        if not (PIDS / "cgroup.procs").exists():
            raise StandError(f"the nodes need the cgroup version 1 hierarchy {PIDS}")
        for hierarchy in _hierarchies("cgroup"):
            group = hierarchy
            for part in (self.name, *path):
                parent, group = group, group / part
                group.mkdir(exist_ok=True)
                for setting in ("cpuset.cpus", "cpuset.mems"):  # empty in a new group, which then takes no process
                    if (group / setting).exists():
                        (group / setting).write_text((parent / setting).read_text())

    def entrance(self, *path: str) -> Path:
        """File that a process writes its id to in order to join."""
        return PIDS.joinpath(self.name, *path, "cgroup.procs")

    def members(self, *path: str) -> set[int]:
        """Ids of the processes in ``<name>/<path>`` and below."""
        found: set[int] = set()
        for directory, _, files in os.walk(PIDS.joinpath(self.name, *path)):
            if "cgroup.procs" in files:
                found.update(_read_ids(Path(directory, "cgroup.procs")))
        return found

    def kill(self, *path: str) -> None:
        """End every process in ``<name>/<path>`` and below.

        :raises StandError: one of them lives on.
        """

        def ended() -> bool:
            alive = self.members(*path)
            for pid in alive:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            return not alive

        wait_until(ended, f"end of the processes of {'/'.join((self.name, *path))}", 20, interval=0.2)

    def remove(self, *path: str) -> None:
        """Remove the groups, from the leaves up. Version 2 as well: runc makes directories there too."""
        for hierarchy in _hierarchies("cgroup", "cgroup2"):
            for directory, _, _ in os.walk(hierarchy.joinpath(self.name, *path), topdown=False):
                wait_until(lambda group=Path(directory): _removed(group), f"removal of {directory}", 10)  # type: ignore[misc]


def _removed(group: Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # a process of it has been killed but not reaped yet
        return False
    return True


def _read_ids(file: Path) -> list[int]:
    try:
        return [int(line) for line in file.read_text().split()]
    except OSError:  # the group was removed in the meantime
        return []


def _hierarchies(*types: str) -> list[Path]:
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [Path(fields[1]) for fields in mounts if fields[2] in types and fields[1].startswith(f"{ROOT}/")]
