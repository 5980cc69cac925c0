# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The long-running programs of the stand: started detached, known by a pid file, ended by process id."""

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

from .cgroups import ControlGroups
from .layout import Layout
from .shell import StandError, environment, run, wait_until

DAEMON_GROUP = "daemons"
# Leaves the caller's session and process tree, enters the group, tells its id, becomes the program. The id stays the
# same over exec.
JOIN = 'echo $$ >"$1"; echo $$ >"$2.new"; mv "$2.new" "$2"; log=$3; shift 3; exec "$@" >"$log" 2>&1'


class Daemons:
    """Starts and ends the stand's programs."""

    def __init__(self, layout: Layout, groups: ControlGroups) -> None:
        self._layout = layout
        self._groups = groups

    def start(self, name: str, *argv: str | Path, env: Mapping[str, str] | None = None) -> None:
        """Start a program; its output goes to ``log/<name>.log``.

        :param name: what the program is called in the stand, ``node1-kubelet``.
        """
        for directory in (self._layout.logs, self._layout.pid_files):
            directory.mkdir(parents=True, exist_ok=True)
        pid_file = self._pid_file(name)
        pid_file.unlink(missing_ok=True)
        entrance = self._groups.entrance(DAEMON_GROUP)
        run(
            "setsid", "--fork", "sh", "-ec", JOIN, "join", entrance, pid_file, self.log(name), *argv,
            env=env or environment(),
        )  # fmt: skip
        wait_until(pid_file.exists, f"start of {name}", 10, interval=0.01)

    def pid(self, name: str) -> int | None:
        """Process id, or None when it is not running (the id must still be one of the stand's processes)."""
        try:
            pid = int(self._pid_file(name).read_text())
            group = Path(f"/proc/{pid}/cgroup").read_text()
        except (OSError, ValueError):
            return None
        return pid if f"/{self._groups.name}/" in group else None

    def stop(self, name: str, *, kill: bool = False, seconds: float = 15) -> None:
        """End a program and wait for its end; nothing happens when it does not run.

        :param kill: end it by SIGKILL, as a crash would.
        """
        pid = self.pid(name)
        if pid is not None:
            os.kill(pid, signal.SIGKILL if kill else signal.SIGTERM)
            wait_until(lambda: self.pid(name) is None, f"end of {name}", seconds, interval=0.05)
        self._pid_file(name).unlink(missing_ok=True)

    def wait_ready(self, name: str, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until a program serves.

        :raises StandError: it ended, or is not ready in time; shows the end of its log.
        """

        def ready_or_ended() -> bool:
            if self.pid(name) is None:
                raise StandError(f"{name} ended")
            return ready()

        try:
            wait_until(ready_or_ended, f"{name} ready", seconds)
        except StandError as error:
            tail = self.log(name).read_text(errors="replace").splitlines()[-8:]
            raise StandError("\n  ".join([f"{error}; the end of {self.log(name)}:", *tail])) from error

    def names(self) -> list[str]:
        """Names of all programs that were started and not stopped."""
        return sorted(file.name for file in self._layout.pid_files.glob("*") if file.suffix != ".new")

    def log(self, name: str) -> Path:
        return self._layout.logs / f"{name}.log"

    def _pid_file(self, name: str) -> Path:
        return self._layout.pid_files / name
