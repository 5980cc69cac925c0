# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""containerd's RuntimeDefault profile, for each of its versions, each architecture and each set of capabilities.

The facts are in ``data/runtime_default.json``, made from containerd's ``contrib/seccomp/seccomp_default.go`` by
scripts/runtime_default_tables.py.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from azext_seccomp.errors import InvalidInput, Unsupported
from azext_seccomp.profile.capabilities import DEFAULT
from azext_seccomp.profile.model import Action, Arg, Op, Profile, Rule

_Version = tuple[int, int, int]
_Table = Mapping[str, frozenset[str]]

_VERSION = re.compile(r"v?([0-9]{1,4})\.([0-9]{1,4})(?:\.([0-9]{1,4}))?(?![0-9])")
_OPERATORS = {"<": Op.LT, ">": Op.GT, "==": Op.EQ, "!=": Op.NE}


@dataclass(frozen=True, slots=True)
class Rendered:
    """A RuntimeDefault profile.

    :param table: the containerd version in which the profile became what it is.
    :param notes: whole sentences on what was assumed.
    """

    profile: Profile
    table: str
    notes: tuple[str, ...] = ()


def render(
    containerd_version: str,
    arch: str,
    capabilities: frozenset[str] = DEFAULT,
    kernel: str | None = None,
) -> Rendered:
    """The profile that containerd gives to a container of type RuntimeDefault.

    :param containerd_version: such as 1.7.24; 1.7 is its newest known release. What a distribution appends is passed
        over.
    :param arch: of the node, amd64 or arm64.
    :param capabilities: the bounding set of the container, full names.
    :param kernel: release of the node's kernel, such as 5.15.0-1064-azure; None: 4.8 or later, as on every AKS node.
    :raises InvalidInput: a version or an architecture that is none.
    :raises Unsupported: containerd before 1.6.
    """
    if arch not in ("amd64", "arm64"):
        raise InvalidInput(f"AKS has no nodes of architecture {arch}.", fix="Give amd64 or arm64.")
    table, notes = _choose(containerd_version)
    sections = list(_sections(arch, capabilities, kernel))
    rules = tuple(rule for section in sections for rule in _rules(_tables()[table].get(section, frozenset())))
    architectures = tuple(sorted(_tables()[table][f"architectures {arch}"]))
    return Rendered(Profile(Action.ERRNO, architectures=architectures, rules=rules), table, notes)


def known_versions() -> tuple[str, ...]:
    """The containerd versions at which the profile changed, oldest first."""
    return tuple(sorted(_tables(), key=lambda text: _parse(text, "containerd")))


def _sections(arch: str, capabilities: frozenset[str], kernel: str | None) -> Iterator[str]:
    yield "always"
    if kernel is None or _parse(kernel, "Linux")[:2] >= (4, 8):
        yield "kernel 4.8"
    yield f"architecture {arch}"
    for capability in sorted(capabilities):
        yield f"capability {capability}"
    if "CAP_SYS_ADMIN" not in capabilities:
        yield "without CAP_SYS_ADMIN"


def _rules(entries: frozenset[str]) -> Iterator[Rule]:
    """Entries are names, alone or with what a rule says: ``errno 38``, ``arg0 < 38``, ``arg0 & 2114060288`` (no such
    bit set).
    """
    plain = tuple(sorted(entry for entry in entries if " " not in entry))
    if plain:
        yield Rule(plain, Action.ALLOW)
    for entry in sorted(entries.difference(plain)):
        name, *words = entry.split()
        if words[0] == "errno":
            yield Rule((name,), Action.ERRNO, errno_ret=int(words[1]))
        else:
            index, operator, value = int(words[0].removeprefix("arg")), words[1], int(words[2])
            condition = Arg(index, value, _OPERATORS.get(operator, Op.MASKED_EQ))
            yield Rule((name,), Action.ALLOW, args=(condition,))


def _choose(text: str) -> tuple[str, tuple[str, ...]]:
    """The table for a version, and what has to be said about it."""
    version = _parse(text, "containerd")
    series: dict[str, Any] = _document()["series"]
    of = {_parse(name, "containerd")[:2]: name for name in series}
    if version[:2] < min(of):
        raise Unsupported(
            f"The RuntimeDefault profile of containerd {text} is not known.",
            fix=f"Give {min(of)[0]}.{min(of)[1]} or later; no supported AKS node has an older containerd.",
        )
    if version[:2] not in of:
        newest = series[of[max(key for key in of if key < version[:2])]]
        return _newest(newest), (f"containerd {text} is not known; this is the profile of {newest['checked_to']}.",)
    found = series[of[version[:2]]]
    if text.strip().lstrip("v").count(".") < 2:
        return _newest(found), (f"containerd {text} names no release; this is the profile of {found['checked_to']}.",)
    table = [name for since, name in found["tables"].items() if _parse(since, "containerd") <= version][-1]
    if version > _parse(found["checked_to"], "containerd"):
        return table, (f"containerd {text} is not known; this is the profile of {found['checked_to']}.",)
    return table, ()


def _newest(series: dict[str, Any]) -> str:
    return str(list(series["tables"].values())[-1])


def _parse(text: str, what: str) -> _Version:
    match = _VERSION.match(text.strip())
    if match is None:
        raise InvalidInput(
            f"{text} is not a version of {what}.",
            fix="Give it as the node shows it, starting with two or three numbers.",
        )
    return int(match.group(1)), int(match.group(2)), int(match.group(3) or 0)


@cache
def _document() -> dict[str, Any]:
    text = (resources.files("azext_seccomp.profile") / "data" / "runtime_default.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


@cache
def _tables() -> Mapping[str, _Table]:
    """Every table in full; the file has only what each adds to the one before and removes from it."""
    tables: dict[str, _Table] = {}
    current: dict[str, frozenset[str]] = {}
    for name, change in _document()["tables"].items():
        current = dict(current)
        for section, entries in change["removes"].items():
            current[section] = current[section] - set(entries)
        for section, entries in change["adds"].items():
            current[section] = current.get(section, frozenset()) | set(entries)
        tables[name] = current
    return tables
