# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""``try`` without az, and what its tests count."""

import json
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from azext_seccomp.audit.report import ProfileIdentity
from azext_seccomp.local.attempt import Attempt, attempt
from azext_seccomp.local.run import split_command
from azext_seccomp.profile.codec import decode
from azext_seccomp.profile.model import Profile

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


def build_caller(directory: Path) -> Path:
    """The program of caller.c."""
    source = Path(__file__).with_name("caller.c")
    target = directory / "caller"
    subprocess.run(["gcc", "-O1", "-Wall", "-Werror", "-pthread", "-o", target, source], check=True)
    return target
