# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Running other programs: one way to start them, one error when they fail."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

SYSTEM_DIRECTORIES = "/usr/sbin:/sbin"


class StandError(Exception):
    """The stand cannot be brought up, used or taken down; the text says why."""


def environment(*, prepend: Path | None = None, **more: str) -> dict[str, str]:
    """This process's environment with the system directories on PATH, and ``prepend`` in front of them."""
    path = os.pathsep.join(
        part for part in (str(prepend or ""), os.environ.get("PATH", ""), SYSTEM_DIRECTORIES) if part
    )
    return {**os.environ, "PATH": path, **more}


def run(
    *argv: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end.

    :param check: raise when it fails.
    :raises StandError: the program is missing, or it failed and ``check`` is set; ends with what it wrote to stderr.
    """
    command = [str(part) for part in argv]
    try:
        # an empty input where none is given: nothing here may wait for a terminal
        done = subprocess.run(
            command, cwd=cwd, env=env or environment(), input=stdin or b"", capture_output=True, check=False
        )
    except FileNotFoundError as error:
        raise StandError(f"{command[0]} is not installed") from error
    if check and done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise StandError(f"{' '.join(command[:6])} ended with {done.returncode}: {said[-2000:]}")
    return done


def output(*argv: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Standard output of a program as text, without the last newline."""
    return run(*argv, cwd=cwd, env=env).stdout.decode().rstrip("\n")


def wait_until(condition: Callable[[], bool], what: str, seconds: float, *, interval: float = 0.1) -> None:
    """Wait until ``condition`` holds.

    :raises StandError: it does not within ``seconds``; names ``what``.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise StandError(f"{what}: not there within {seconds:.0f} s")
        time.sleep(interval)
