# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""``try`` without az, and what its tests count."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from azext_seccomp.audit.report import ProfileIdentity
from azext_seccomp.local.attempt import Attempt, attempt
from azext_seccomp.local.run import split_command
from azext_seccomp.profile.codec import decode, encode
from azext_seccomp.profile.model import Profile

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")

#: The call that the program of caller.c makes.
CALL = "sched_get_priority_max"


def denying(names: Sequence[str] = (CALL,), action: str = "SCMP_ACT_ERRNO", errno: int | None = None) -> Profile:
    """A profile that lets everything through but ``names``."""
    rule: dict[str, Any] = {"names": list(names), "action": action}
    if errno is not None:
        rule["errnoRet"] = errno
    return profile({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]})


def profile(document: dict[str, Any]) -> Profile:
    """The profile of a JSON document for programs of this machine, 32-bit ones too."""
    architectures = {"architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]}
    return decode(json.dumps(architectures | document).encode(), "test")


def try_(
    under: Profile,
    command: str,
    *,
    enforce: bool = False,
    seconds: float | None = None,
    source: str = "test.json",
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """The report on a command."""
    identity = ProfileIdentity("test", "0" * 64, source)
    return attempt(Attempt(under, identity, notes, split_command(command), seconds, enforce))


def counts(report: dict[str, Any]) -> Counter[tuple[str, str]]:
    """Calls by process name and syscall."""
    found: Counter[tuple[str, str]] = Counter()
    for one in report["findings"]:
        found[one["comm"], one["syscall"]] += one["count"]
    return found


class Alone:
    """``try`` in a process of its own, and everything that it starts, found by a mark in their environment.

    :param prefix: words before those of the process, such as another program that starts it.
    """

    def __init__(
        self,
        directory: Path,
        under: Profile,
        command: str,
        *options: str,
        prefix: Sequence[str] = (),
        preexec: Callable[[], None] | None = None,
    ) -> None:
        path = directory / "profile.json"
        path.write_bytes(encode(under))
        self._mark = f"TRY_TEST_MARK={uuid.uuid4()}"
        name, _, value = self._mark.partition("=")
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "tests.kernel.try_alone", str(path), command, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, name: value},
            preexec_fn=preexec,
        )

    def __enter__(self) -> "Alone":
        return self

    def __exit__(self, *_: object) -> None:
        for pid in [self.process.pid, *self.pids()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.communicate()

    def pids(self, argument: str = "") -> list[int]:
        """Running processes with the mark that have ``argument`` among their words."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    marked = self._mark.encode() in (entry / "environ").read_bytes()
                    if marked and argument.encode() in (entry / "cmdline").read_bytes().split(b"\0") + [b""]:
                        found.append(int(entry.name))
        return found

    def wait_for(self, argument: str, count: int = 1) -> list[int]:
        """Pids as of ``pids`` once there are at least ``count``."""
        return wait_until(lambda: found if len(found := self.pids(argument)) >= count else [])

    def wait_for_none(self) -> None:
        """Wait until nothing with the mark runs any more."""
        wait_until(lambda: not self.pids())

    def report(self) -> dict[str, Any]:
        """What it printed, once it has ended."""
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, out + err
        found: dict[str, Any] = json.loads(out)
        return found


def wait_until(condition: Callable[[], T], seconds: float = 30) -> T:
    """The first true value of ``condition``."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)
    return found


def build_caller(directory: Path) -> Path:
    """The program of caller.c."""
    source = Path(__file__).with_name("caller.c")
    target = directory / "caller"
    subprocess.run(["gcc", "-O1", "-Wall", "-Werror", "-pthread", "-o", target, source], check=True)
    return target
