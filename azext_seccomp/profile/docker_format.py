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
from azext_seccomp.profile.json_text import Document, Located, Number

_RULE_KEYS = ("name", "comment", "includes", "excludes")
_NATIVE = {"amd64": "SCMP_ARCH_X86_64", "arm64": "SCMP_ARCH_AARCH64"}
_KERNEL = re.compile(r"(\d{1,3})\.(\d{1,3})(?:[.\-+~].*)?", re.ASCII)
_MIN_KERNEL = re.compile(r"(\d{1,3})\.(\d{1,3})", re.ASCII)

Kernel = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A profile in the form of runtime-spec and what the reader should know of its making."""

    profile: Located
    notes: tuple[str, ...]


class _Filter(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    caps: list[str] | None = None
    arches: list[str] | None = None
    min_kernel: str | None = None


class _Rule(msgspec.Struct, rename="camel"):
    """The part of a rule that Docker adds; all else is passed on as it is."""

    names: list[str] | None = None
    name: str = ""
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
    document: Document, *, arch: str, capabilities: frozenset[str], kernel: Kernel | None, source: str
) -> Rendered:
    """The profile that Docker would hand to runc; places in it are those of ``document``.

    :param document: a profile in Docker's format.
    :param arch: ``amd64`` or ``arm64``.
    :param capabilities: the container's bounding set, with ``CAP_``.
    :param kernel: of the node; None takes every ``minKernel`` as reached.
    :param source: name of the file, for errors.
    :raises InvalidInput: the document breaks Docker's format, or AKS has no nodes of the architecture.
    """
    if arch not in _NATIVE:
        raise InvalidInput(f"AKS has no nodes of architecture {arch}.", fix="Give amd64 or arm64.")
    conditions = _typed(document, source)
    if conditions.architectures and conditions.arch_map:
        raise InvalidInput(f"{source} has both architectures and archMap.", why="Docker refuses that.", fix="Keep one.")
    node = _Node(arch, capabilities, kernel)
    fields = _fields(document.root)
    rules = fields.get("syscalls")
    places = [f"{source}: /syscalls/{index}" for index in range(len(conditions.syscalls or ()))]
    kept = [
        _without_docker_keys(rule, located, place)
        for rule, located, place in zip(conditions.syscalls or (), _items(rules), places, strict=True)
        if node.takes(rule, place)
    ]
    profile = {key: value for key, value in fields.items() if key != "archMap"}
    if rules:
        profile["syscalls"] = Located(kept, rules.offset)
    if conditions.arch_map:
        offset = fields["archMap"].offset
        architectures = _from_map(conditions.arch_map, arch)
        profile["architectures"] = Located([Located(name, offset) for name in architectures], offset)
    return Rendered(Located(profile, document.root.offset), _notes(conditions, len(kept), node))


def _typed(document: Document, source: str) -> _Conditional:
    try:
        return msgspec.convert(_plain(document.root), _Conditional)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{source} is not a profile in Docker's format.", why=f"{error}.") from error


def _plain(located: Located) -> Any:
    """The value without places. Docker's own keys hold no numbers, so these need not be told apart."""
    value = located.value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return 0 if isinstance(value, Number) else value


def _fields(located: Located) -> dict[str, Located]:
    return located.value if isinstance(located.value, dict) else {}


def _items(located: Located | None) -> list[Located]:
    return located.value if located and isinstance(located.value, list) else []


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


def _without_docker_keys(rule: _Rule, located: Located, place: str) -> Located:
    if rule.name and rule.names:
        raise InvalidInput(f"{place} has both name and names.", why="Docker refuses that.", fix="Keep names.")
    fields = _fields(located)
    kept = {key: value for key, value in fields.items() if key not in _RULE_KEYS}
    if rule.name:
        kept["names"] = Located([fields["name"]], fields["name"].offset)
    return Located(kept, located.offset)


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
