# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What az and the supervisor tell each other: one request, one report, as JSON over a pipe each."""

from typing import Literal

import msgspec

EndedBy = Literal["", "duration", "signal"]
"""What ended the command early; empty when it ended by itself."""


class Request(msgspec.Struct, frozen=True):
    """What to run, and under which profile."""

    profile: str  # runtime-spec JSON
    argv: list[bytes]
    environment: list[bytes]  # NAME=value each
    enforce: bool
    seconds: float | None


class Denial(msgspec.Struct, frozen=True):
    """One kind of denied call and how often it was made; times in seconds since the epoch."""

    comm: str
    syscall: str
    architecture: str
    action: str
    errno: int | None
    detail: str
    count: int
    first: float
    last: float


class Ending(msgspec.Struct, frozen=True):
    """How the command ended: its exit code, or minus the number of the signal that ended it."""

    exit_code: int
    ended_by: EndedBy
    left_behind: int  # processes of the command that outlived it and were ended
    whole_processes: int = 0  # that were ended where the profile ends one thread


class Problem(msgspec.Struct, frozen=True):
    """An error of ``azext_seccomp.errors`` on its way to az."""

    kind: str
    what: str
    why: str
    fix: str


class Report(msgspec.Struct, frozen=True):
    """What came of a request: a problem, or how the command ended and what was denied to it."""

    problem: Problem | None = None
    ending: Ending | None = None
    no_new_privileges: bool = False
    denied: list[Denial] = []
    startup: list[Denial] = []
    uncounted: int = 0
    started_at: float = 0.0
    ended_at: float = 0.0
