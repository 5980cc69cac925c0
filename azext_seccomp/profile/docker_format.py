# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Docker's extension of the profile format, rendered for one node and one set of capabilities.

Docker decides when a container starts which rules apply (``includes``, ``excludes``) and which architectures
(``archMap``). containerd reads plain runtime-spec and drops those keys silently, so a conditional rule would hold
always. The rules here are those of ``setupSeccomp`` in github.com/moby/profiles, ``seccomp/seccomp_linux.go``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from azext_seccomp.errors import InvalidInput

#: Keys that only Docker knows, at the top and in a rule.
TOP_KEYS = ("archMap",)
RULE_KEYS = ("name", "comment", "includes", "excludes")

_NATIVE = {"amd64": "SCMP_ARCH_X86_64", "arm64": "SCMP_ARCH_AARCH64"}
_KERNEL = re.compile(r"(\d{1,3})\.(\d{1,3})(?:[.\-+~].*)?", re.ASCII)
_MIN_KERNEL = re.compile(r"(\d{1,3})\.(\d{1,3})", re.ASCII)

Kernel = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A runtime-spec document and what the reader should know of its making."""

    document: dict[str, Any]
    notes: tuple[str, ...]


class _Filter(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    caps: list[str] | None = None
    arches: list[str] | None = None
    min_kernel: str | None = None


class _Rule(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    action: Any = None
    names: list[str] | None = None
    name: str = ""
    errno_ret: Any = None
    args: Any = None
    comment: str = ""
    includes: _Filter | None = None
    excludes: _Filter | None = None


class _Architecture(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    architecture: str
    sub_architectures: list[str] | None = None


class _Conditional(msgspec.Struct, rename="camel"):
    """The part of a document that Docker adds; all else is passed on as it is."""

    arch_map: list[_Architecture] | None = None
    architectures: list[str] | None = None
    syscalls: list[_Rule] | None = None


def parse_kernel(release: str) -> Kernel:
    """Kernel and major revision of a release such as ``5.15.0-1089-azure``; Docker looks at nothing else.

    :raises InvalidInput: it does not start with two numbers.
    """
    found = _KERNEL.fullmatch(release)
    if not found:
        raise InvalidInput(
            f"{release!r} is not a kernel version.", fix="Give it like 5.15 or 6.8.0-1030-azure (see uname -r)."
        )
    return int(found[1]), int(found[2])


def render(
    document: dict[str, Any], *, arch: str, capabilities: frozenset[str], kernel: Kernel | None, source: str
) -> Rendered:
    """The runtime-spec document that Docker would hand to runc.

    :param document: the parsed JSON of a profile in Docker's format.
    :param arch: ``amd64`` or ``arm64``.
    :param capabilities: the container's bounding set, with ``CAP_``.
    :param kernel: of the node; None takes every ``minKernel`` as reached.
    :param source: name of the file, for errors.
    :raises InvalidInput: the document breaks Docker's format.
    """
    profile = _typed(document, source)
    if profile.architectures and profile.arch_map:
        raise InvalidInput(
            f"{source} has both architectures and archMap.", why="Docker refuses that.", fix="Keep one of them."
        )
    node = _Node(arch, capabilities, kernel)
    rules = [
        _plain(rule, f"{source}: /syscalls/{place}")
        for place, rule in enumerate(profile.syscalls or ())
        if node.takes(rule, f"{source}: /syscalls/{place}")
    ]
    rendered = {key: value for key, value in document.items() if key not in (*TOP_KEYS, "syscalls")}
    architectures = profile.architectures or _from_map(profile.arch_map or (), arch)
    if architectures:
        rendered["architectures"] = architectures
    rendered["syscalls"] = rules
    return Rendered(rendered, _notes(profile, len(rules), node))


def _typed(document: dict[str, Any], source: str) -> _Conditional:
    try:
        return msgspec.convert(document, _Conditional)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{source} is not a profile in Docker's format.", why=str(error)) from error


@dataclass(frozen=True, slots=True)
class _Node:
    arch: str
    capabilities: frozenset[str]
    kernel: Kernel | None

    def takes(self, rule: _Rule, place: str) -> bool:
        """Whether Docker keeps the rule: no exclusion hits, and every inclusion is met."""
        excludes, includes = rule.excludes or _Filter(), rule.includes or _Filter()
        excluded = (
            self.arch in (excludes.arches or ())
            or any(capability in self.capabilities for capability in excludes.caps or ())
            or (excludes.min_kernel is not None and self._reaches(excludes.min_kernel, f"{place}/excludes/minKernel"))
        )
        included = (
            (not includes.arches or self.arch in includes.arches)
            and all(capability in self.capabilities for capability in includes.caps or ())
            and (includes.min_kernel is None or self._reaches(includes.min_kernel, f"{place}/includes/minKernel"))
        )
        return included and not excluded

    def _reaches(self, least: str, place: str) -> bool:
        if not least:  # Docker reads an empty text as version 0.0
            return True
        found = _MIN_KERNEL.fullmatch(least)
        if not found or (int(found[1]), int(found[2])) == (0, 0):
            raise InvalidInput(
                f"{place}: {least!r} is not a kernel version.", fix='Docker reads "<kernel>.<major>", like "4.8".'
            )
        return self.kernel is None or self.kernel >= (int(found[1]), int(found[2]))


def _plain(rule: _Rule, place: str) -> dict[str, Any]:
    if rule.name and rule.names:
        raise InvalidInput(f"{place} has both name and names.", why="Docker refuses that.", fix="Keep names.")
    optional = {"errnoRet": rule.errno_ret, "args": rule.args}
    return {
        "names": [rule.name] if rule.name else rule.names or [],
        "action": rule.action,
        **{key: value for key, value in optional.items() if value is not None},
    }


def _from_map(arch_map: Sequence[_Architecture], arch: str) -> list[str]:
    native = _NATIVE[arch]
    for entry in arch_map:
        if entry.architecture == native:
            return [native, *(entry.sub_architectures or ())]
    return []


def _notes(profile: _Conditional, kept: int, node: _Node) -> tuple[str, ...]:
    total = len(profile.syscalls or ())
    notes = [f"Rendered Docker's format for {node.arch}: {kept} of {total} rules apply."]
    filters = [part for rule in profile.syscalls or () for part in (rule.includes, rule.excludes) if part]
    if node.kernel is None and any(part.min_kernel for part in filters):
        notes.append("No kernel version was given: every minKernel counts as reached (nodes of AKS run 5.15 or newer).")
    return tuple(notes)
