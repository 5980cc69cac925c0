# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Who owns the seccompProfile of a container, and how it becomes theirs again after an audit.

Whoever writes a field owns it from then on (``metadata.managedFields``), and a server-side apply that changes a field
of somebody else is a conflict. So a write that puts back a value still takes the field away from whoever applied it.

``fieldsV1`` is a set of paths written as a tree (structured-merge-diff, ``fieldpath/serialize.go`` and
``serialize-pe.go``): ``f:NAME`` is a field, ``k:{"name":"app"}`` the element of a list with that key; an empty map
says that the path to it is in the set, ``"."`` the same of one with others below it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from azext_seccomp.cluster.interface import JsonObject
from azext_seccomp.cluster.namespace import MANAGED_BY

_Field = Literal[".", "type", "localhostProfile"]
_Path = tuple[str, ...]

_SELF: Literal["."] = "."
_FIELDS: tuple[_Field, ...] = (_SELF, "type", "localhostProfile")


class ProfileOwner(msgspec.Struct, frozen=True):
    """A manager of fields, and what it owns of one container's seccompProfile (``.``: the map itself)."""

    manager: str
    operation: Literal["Apply", "Update"]
    api_version: str
    fields: tuple[_Field, ...]

    def has(self, entry: Mapping[str, Any]) -> bool:
        """Whether an entry of managedFields is its own."""
        named = (entry.get("manager"), entry.get("operation"), entry.get("apiVersion"))
        return named == (self.manager, self.operation, self.api_version) and not entry.get("subresource")


class OwnedContainer(NamedTuple):
    """A container (``list``: ``containers`` or ``initContainers``) and whose its seccompProfile was."""

    list: str
    name: str
    owners: tuple[ProfileOwner, ...]


def owners_of(body: Mapping[str, Any], kind: str, name: str) -> tuple[ProfileOwner, ...]:
    """Whose the seccompProfile of a container is.

    :param kind: ``containers`` or ``initContainers``.
    """
    found = []
    for entry in body["metadata"].get("managedFields") or ():
        owned = set(_paths(_below(entry.get("fieldsV1") or {}, _profile(kind, name))))
        fields = tuple(one for one in _FIELDS if _relative(one) in owned)
        if fields and entry.get("operation") in ("Apply", "Update") and not entry.get("subresource"):
            found.append(
                ProfileOwner(
                    str(entry.get("manager", "")), entry["operation"], str(entry.get("apiVersion", "")), fields
                )
            )
    return tuple(sorted(found, key=lambda one: (one.operation, one.manager, one.api_version)))


def given_back(
    managed: Sequence[Mapping[str, Any]], api_version: str, containers: Iterable[OwnedContainer]
) -> list[JsonObject] | None:
    """The managedFields of a workload that has its former profiles, with the fields that we own for having put them
    back given to whoever owned them before. None when there are none.

    :param api_version: that we wrote the workload in.
    """
    we = ProfileOwner(MANAGED_BY, "Update", api_version, ())
    held = [(dict(entry), set(_paths(entry.get("fieldsV1") or {}))) for entry in managed]
    ours = next(((entry, paths) for entry, paths in held if we.has(entry)), None)
    if ours is None:
        return None
    changed = False
    for one in containers:
        base = _profile(one.list, one.name)
        formerly = [(owner, {base + _relative(field) for field in owner.fields}) for owner in one.owners]
        before = {path for owner, paths in formerly if owner.has(ours[0]) for path in paths}
        taken = {path for path in ours[1] if path[: len(base)] == base} - before
        ours[1].difference_update(taken)
        for owner, paths in formerly:
            if paths & taken:
                _entry_of(owner, held, ours[0].get("time")).update(paths & taken)
        changed = changed or bool(taken)
    return [{**entry, "fieldsV1": _tree(paths)} for entry, paths in held if paths] if changed else None


def _entry_of(owner: ProfileOwner, held: list[tuple[JsonObject, set[_Path]]], time: object) -> set[_Path]:
    """What an owner has now; it has lost its entry if it had nothing but what was taken from it."""
    for entry, paths in held:
        if owner.has(entry):
            return paths
    entry = {
        "manager": owner.manager,
        "operation": owner.operation,
        "apiVersion": owner.api_version,
        "time": time,
        "fieldsType": "FieldsV1",
    }
    held.append((entry, set()))
    return held[-1][1]


def _profile(kind: str, name: str) -> _Path:
    element = "k:" + json.dumps({"name": name}, separators=(",", ":"))
    return ("f:spec", "f:template", "f:spec", f"f:{kind}", element, "f:securityContext", "f:seccompProfile")


def _relative(field: str) -> _Path:
    return () if field == _SELF else (f"f:{field}",)


def _below(fields: Any, path: _Path) -> Any:
    for step in path:
        fields = fields.get(step) if isinstance(fields, dict) else None
    # An empty map at the very place is the place itself.
    return {_SELF: {}} if fields == {} else fields or {}


def _paths(fields: Mapping[str, Any], above: _Path = ()) -> Iterator[_Path]:
    for name, below in fields.items():
        if name == _SELF:
            yield above
        elif below:
            yield from _paths(below, (*above, name))
        else:
            yield (*above, name)


def _tree(paths: set[_Path]) -> JsonObject:
    root: JsonObject = {}
    for path in sorted(paths):
        node = root
        for depth, name in enumerate(path):
            if path[:depth] in paths:
                node[_SELF] = {}
            node = node.setdefault(name, {})
    return root
