# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The part of an audit report that a profile can be refined with. A report is a file, and believed in nothing."""

import re
from dataclasses import dataclass
from typing import Literal

import msgspec

from azext_seccomp.errors import InvalidInput

#: Far more than an audit keeps.
MAX_FINDINGS = 200_000

_SYSCALL = re.compile(r"[a-z_][a-z0-9_]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Observed:
    """A syscall that an audit saw refused.

    :param calls: how often.
    """

    syscall: str
    calls: int


@dataclass(frozen=True, slots=True)
class Report:
    """The syscalls of a report, by name, and the hash of the profile it was made with (empty when it tells none)."""

    observed: tuple[Observed, ...]
    profile_sha256: str


class _Finding(msgspec.Struct, rename={"finding_class": "class"}):
    syscall: str
    finding_class: Literal["blocked", "fallback", "logged", "startup"]
    count: int
    action: str = ""


class _Profile(msgspec.Struct):
    sha256: str = ""


class _Document(msgspec.Struct):
    findings: list[_Finding]
    profile: _Profile = msgspec.field(default_factory=_Profile)


def read_report(data: bytes, name: str) -> Report:
    """What ``az aks seccomp audit`` or ``try`` printed with ``-o json``.

    Calls that a profile lets through and only logs are left out. Calls of the container runtime at the start are
    taken in: a profile that refuses them keeps the container from starting.

    :param name: of the file, for messages.
    :raises InvalidInput: not such a report.
    """
    try:
        document = msgspec.json.decode(data, type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(
            f"{name} is not a report of az aks seccomp audit.", why=f"{error}.", fix="Give the output of audit -o json."
        ) from error
    if len(document.findings) > MAX_FINDINGS:
        raise InvalidInput(f"{name} has more than {MAX_FINDINGS} findings.")
    calls: dict[str, int] = {}
    for place, finding in enumerate(document.findings):
        if not _SYSCALL.fullmatch(finding.syscall) or finding.count < 0:
            raise InvalidInput(f"{name}: /findings/{place} names no syscall, or has a negative count.")
        if finding.finding_class != "logged":
            calls[finding.syscall] = calls.get(finding.syscall, 0) + finding.count
    return Report(tuple(Observed(*item) for item in calls.items()), document.profile.sha256)
