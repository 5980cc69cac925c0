# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""One thing that is wrong with a profile, and where the profile is going to be used."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from azext_seccomp.errors import InvalidInput
from azext_seccomp.profile.model import Profile, Rule

Severity = Literal["error", "warning"]

_NAMES_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is or may be wrong.

    :param code: a stable word for it.
    :param pointer: JSON pointer of the place; empty when it is the profile as a whole.
    :param line: of the file, from 1; 0 when there is no such line.
    """

    severity: Severity
    code: str
    message: str
    fix: str
    pointer: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """Where the profile is going to be used.

    :param arch: of the nodes, ``amd64`` or ``arm64``.
    :param runc: version of runc as (major, minor); None when it is not known.
    """

    arch: str = "amd64"
    runc: tuple[int, int] | None = None


def warning(code: str, message: str, fix: str, pointer: str = "") -> Finding:
    """A finding that works and may surprise."""
    return Finding("warning", code, message, fix, pointer)


def error(code: str, message: str, fix: str, pointer: str = "") -> Finding:
    """A finding that containerd or runc refuses, or reads otherwise than it was meant."""
    return Finding("error", code, message, fix, pointer)


def rules_with_pointers(profile: Profile) -> Iterator[tuple[str, Rule]]:
    """Every rule with its JSON pointer."""
    for index, rule in enumerate(profile.rules):
        yield f"/syscalls/{index}", rule


def listed(names: Sequence[str]) -> str:
    """Some of ``names``, and how many more there are."""
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def parse_runc(text: str) -> tuple[int, int]:
    """Major and minor of a version of runc such as 1.1.15 or v1.3.3-1.

    :raises InvalidInput: it does not start with two numbers.
    """
    found = re.match(r"v?(\d{1,4})\.(\d{1,4})(?!\d)", text, re.ASCII)
    if not found:
        raise InvalidInput(f"{text} is not a version of runc.", fix="Give it as runc --version shows it, like 1.3.3.")
    return int(found[1]), int(found[2])
