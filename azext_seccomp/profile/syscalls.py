# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Names and numbers of syscalls, by architecture, as libseccomp knows them.

The table is ``data/syscalls.json``, made by scripts/syscall_tables.py.
"""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from azext_seccomp.errors import InvalidInput

#: x32 numbers carry this bit where the kernel and seccomp filters see them (``arch/x86/include/uapi/asm/unistd.h``).
X32_BIT = 0x40000000

#: What other programs call the architectures: uname, libseccomp and the runtime-spec.
_ALIASES = {
    "x86_64": "amd64",
    "SCMP_ARCH_X86_64": "amd64",
    "x86": "i386",
    "i686": "i386",
    "386": "i386",
    "SCMP_ARCH_X86": "i386",
    "SCMP_ARCH_X32": "x32",
    "aarch64": "arm64",
    "SCMP_ARCH_AARCH64": "arm64",
    "SCMP_ARCH_ARM": "arm",
}


@dataclass(frozen=True, slots=True)
class Architecture:
    """How a program can enter the kernel.

    :param token: its name in a profile.
    :param bits: the width of a syscall's arguments as libseccomp compares them. (x32 programs pass 64 bits, of which it
        looks at the lower half.)
    :param native: the architecture of the nodes on which it occurs.
    """

    name: str
    token: str
    bits: int
    native: str


ARCHITECTURES: Mapping[str, Architecture] = {
    architecture.name: architecture
    for architecture in (
        Architecture("amd64", "SCMP_ARCH_X86_64", 64, "amd64"),
        Architecture("i386", "SCMP_ARCH_X86", 32, "amd64"),
        Architecture("x32", "SCMP_ARCH_X32", 32, "amd64"),
        Architecture("arm64", "SCMP_ARCH_AARCH64", 64, "arm64"),
        Architecture("arm", "SCMP_ARCH_ARM", 32, "arm64"),
    )
}


def architecture(name: str) -> Architecture:
    """The architecture called ``name``: amd64, i386, x32, arm64, arm or one of their aliases.

    :raises InvalidInput: another name.
    """
    found = ARCHITECTURES.get(_ALIASES.get(name, name))
    if found is None:
        raise InvalidInput(f"The architecture {name} is not known.", fix=f"Known are {', '.join(ARCHITECTURES)}.")
    return found


def known() -> frozenset[str]:
    """Every syscall name that the newest libseccomp knows, of any architecture. runc ignores rules for other names."""
    return frozenset(_table().numbers)


def number(name: str, arch: str) -> int | None:
    """The number of ``name`` on ``arch``, for x32 with :data:`X32_BIT`; None when ``arch`` has no such syscall."""
    return numbers(arch).get(name)


def name_of(number: int, arch: str) -> str | None:
    """The name of a number on ``arch``; None when nobody knows it."""
    return _names(architecture(arch).name).get(number)


@cache
def numbers(arch: str) -> Mapping[str, int]:
    """All names that ``arch`` has, with their numbers."""
    wanted = architecture(arch).name
    table = _table()
    column = table.architectures.index(wanted)
    bit = X32_BIT if wanted == "x32" else 0
    found = ((name, row[column]) for name, row in table.numbers.items())
    return {name: number | bit for name, number in found if number is not None}


def since(name: str) -> tuple[int, int, int] | None:
    """The first libseccomp from 2.5.1 on that knows ``name``; older ones make runc ignore it. None: nobody knows."""
    table = _table()
    if name not in table.numbers:
        return None
    return version(table.since.get(name, table.oldest))


def version(text: str) -> tuple[int, int, int]:
    """A libseccomp version as numbers.

    :raises InvalidInput: not three numbers.
    """
    parts = text.split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
        raise InvalidInput(f"{text} is not a version of libseccomp.", fix="Give three numbers, for example 2.5.5.")
    major, minor, patch = (int(part) for part in parts)
    return major, minor, patch


def nearest(name: str) -> str | None:
    """The known name that ``name`` may be a slip of; None when none is close."""
    found = difflib.get_close_matches(name[:64], sorted(known()), n=1, cutoff=0.75)
    return found[0] if found else None


@dataclass(frozen=True, slots=True)
class _Table:
    architectures: list[str]
    numbers: dict[str, list[int | None]]
    since: dict[str, str]
    oldest: str


@cache
def _table() -> _Table:
    text = (resources.files("azext_seccomp.profile") / "data" / "syscalls.json").read_text("utf-8")
    document = json.loads(text)
    return _Table(document["architectures"], document["syscalls"], document["since"], document["releases"][0])


@cache
def _names(arch: str) -> Mapping[int, str]:
    return {number: name for name, number in numbers(arch).items()}
