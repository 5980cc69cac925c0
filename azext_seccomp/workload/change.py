# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What an audit changes in a workload, and how it is taken back: nothing but the seccompProfile of its containers.

The way back starts from the workload as it is then: what others have changed meanwhile stays. All of it is pure.
"""

import copy
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from azext_seccomp.cluster.interface import JsonObject, Resource
from azext_seccomp.cluster.namespace import SESSION_LABEL
from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import InvalidInput
from azext_seccomp.workload.capabilities import capabilities_of
from azext_seccomp.workload.effective import container_profiles
from azext_seccomp.workload.find import Candidate
from azext_seccomp.workload.ownership import OwnedContainer, ProfileOwner, given_back, owners_of
from azext_seccomp.workload.templates import PathOf, pod_template

ANNOTATION = SESSION_LABEL
"""On a workload that is under audit, with the session: others see that it is taken."""

_LISTS = ("initContainers", "containers")  # a template has no ephemeral ones
_TYPES = ("Unconfined", "RuntimeDefault", "Localhost")
_MAX_PATH = 4096
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)


class FormerContainer(msgspec.Struct, frozen=True):
    """What a container had before.

    :param list: ``containers`` or ``initContainers``.
    :param profile: its seccompProfile; None when there was none.
    :param context: whether it had a securityContext.
    :param path: the ``localhostProfile`` that it gets.
    :param owners: whose the profile is by ``metadata.managedFields``.
    """

    list: str
    name: str
    profile: dict[str, Any] | None
    context: bool
    path: str
    owners: tuple[ProfileOwner, ...] = ()


class FormerWorkload(msgspec.Struct, frozen=True):
    """A workload that a session changes, as it was before; a part of the journal.

    :param chosen_by: a digest of what the profiles were chosen by; empty when it is not known.
    """

    api_version: str
    kind: str
    plural: str
    namespace: str
    name: str
    uid: str
    containers: tuple[FormerContainer, ...]
    chosen_by: str = ""

    @property
    def resource(self) -> Resource:
        """Where objects of its kind live."""
        return Resource(self.api_version, self.kind, self.plural, namespaced=True)

    @property
    def path(self) -> str:
        """Its URL path."""
        return self.resource.path(self.namespace, self.name)

    @property
    def label(self) -> str:
        """How messages call it: ``Deployment default/web``."""
        return printable(f"{self.kind} {self.namespace}/{self.name}", 330)


class Restoration(NamedTuple):
    """A workload with what was ours taken back. ``changed``: it is not the same object as before. ``foreign``:
    containers whose profile somebody else has changed meanwhile. ``left``: containers that name a file of the session
    nevertheless: somebody else has made them from a switched one, or taken the session's mark away.
    """

    body: JsonObject
    changed: bool
    foreign: tuple[str, ...]
    left: tuple[str, ...]


def obstacles(candidate: Candidate) -> list[tuple[str, str]]:
    """The containers that no profile has an effect on, each with the reason."""
    return _obstacles(candidate.body)


def plan_change(candidate: Candidate, path_of: PathOf) -> FormerWorkload:
    """What the workload is now, and what each of its containers gets; those with an obstacle get nothing."""
    hindered = {name for name, _ in obstacles(candidate)}
    formers = []
    for kind, container in _containers(candidate.body):
        name = str(container.get("name", ""))
        if name not in hindered:
            context = container.get("securityContext")
            profile = copy.deepcopy((context or {}).get("seccompProfile"))
            owners = owners_of(candidate.body, kind, name)
            formers.append(FormerContainer(kind, name, profile, context is not None, path_of(container), owners))
    metadata, resource = candidate.body["metadata"], candidate.resource
    return FormerWorkload(
        resource.api_version,
        resource.kind,
        resource.plural,
        candidate.namespace,
        candidate.name,
        str(metadata["uid"]),
        tuple(formers),
        _chosen_by(candidate.body),
    )


def switched(body: Mapping[str, Any], former: FormerWorkload, session: str) -> JsonObject | None:
    """The workload with every container under its audit profile; None when it is not any more what was planned for."""
    if former.chosen_by not in ("", _chosen_by(body)):
        return None
    changed = copy.deepcopy(dict(body))
    found = {(kind, container.get("name")): container for kind, container in _containers(changed)}
    for one in former.containers:
        container = found.get((one.list, one.name))
        if container is None:
            return None
        context = container.get("securityContext")
        if (context is not None, (context or {}).get("seccompProfile")) != (one.context, one.profile):
            return None
        if owners_of(body, one.list, one.name) != one.owners:
            return None
        container["securityContext"] = {**(context or {}), "seccompProfile": _localhost(one.path)}
    annotations = changed["metadata"].get("annotations")
    changed["metadata"]["annotations"] = {**(annotations or {}), ANNOTATION: session}
    return changed


def restored(body: Mapping[str, Any], former: FormerWorkload, session: str) -> Restoration:
    """The workload with what each container had before, where it still has the session's profile. One that does not
    carry the session's annotation is not the session's, and stays as it is.

    :raises InvalidInput: what it had before, or what it was switched to, as the journal has it, is not what a session
        writes: somebody changed the journal.
    """
    changed = copy.deepcopy(dict(body))
    if (changed["metadata"].get("annotations") or {}).get(ANNOTATION) != session:
        return Restoration(changed, False, (), of_session(changed, session))
    of = {(one.list, one.name): one for one in former.containers}
    foreign = []
    for kind, container in _containers(changed):
        one = of.get((kind, str(container.get("name", ""))))
        if one is None:
            continue
        if _profile(container) == _localhost(_checked_path(one, session)):
            _put_back(container, one)
        elif _profile(container) != one.profile:
            foreign.append(one.name)
        else:
            _drop_empty_context(container, one)  # of a profile that somebody else has taken away
    annotations = changed["metadata"]["annotations"]
    del annotations[ANNOTATION]
    if not annotations:
        del changed["metadata"]["annotations"]
    return Restoration(changed, True, tuple(foreign), of_session(changed, session))


def with_former_owners(body: Mapping[str, Any], former: FormerWorkload) -> JsonObject | None:
    """The workload, with what is the former profile of a container again owned by whom it was before; None when it is
    already. This is a write of its own: one that also changes a value makes the writer the owner.
    """
    of = {(one.list, one.name): one for one in former.containers}
    names = [(kind, str(container.get("name", "")), _profile(container)) for kind, container in _containers(body)]
    back = [
        OwnedContainer(kind, name, of[kind, name].owners)
        for kind, name, profile in names
        if (kind, name) in of and profile == of[kind, name].profile
    ]
    managed = given_back(body["metadata"].get("managedFields") or (), former.api_version, back)
    return None if managed is None else {**body, "metadata": {**body["metadata"], "managedFields": managed}}


def is_switched(body: Mapping[str, Any], former: FormerWorkload) -> bool:
    """Whether every container that was switched, and is still there, has its audit profile."""
    of = {(one.list, one.name): one.path for one in former.containers}
    found = [
        _profile(container) == _localhost(of[kind, container["name"]])
        for kind, container in _containers(body)
        if (kind, container.get("name")) in of
    ]
    return bool(found) and all(found)


def _put_back(container: JsonObject, one: FormerContainer) -> None:
    if one.profile is not None:
        container["securityContext"]["seccompProfile"] = _checked(one)
        return
    del container["securityContext"]["seccompProfile"]
    _drop_empty_context(container, one)


def _drop_empty_context(container: JsonObject, one: FormerContainer) -> None:
    if not one.context and container.get("securityContext") == {}:
        del container["securityContext"]


def _checked(one: FormerContainer) -> dict[str, Any]:
    """The journal is an object that others can write to."""
    profile = one.profile or {}
    path = profile.get("localhostProfile")
    named = isinstance(path, str) and len(path) <= _MAX_PATH
    sound = profile.get("type") in _TYPES and set(profile) <= {"type", "localhostProfile"}
    if not sound or (named if profile["type"] != "Localhost" else not named):
        raise InvalidInput(f"The former profile of container {printable(one.name, 80)} is no seccompProfile.")
    return copy.deepcopy(profile)


def _checked_path(one: FormerContainer, session: str) -> str:
    """Only what a session put there is taken away: a profile that a journal merely claims could be a real one."""
    if not _is_of_session(one.path, session):
        raise InvalidInput(f"The audit profile of container {printable(one.name, 80)} is not one of the session.")
    return one.path


def _is_of_session(path: str, session: str) -> bool:
    directory = f"aks-seccomp/audit/{session}/"
    return path.startswith(directory) and _FILE.fullmatch(path[len(directory) :]) is not None


def of_session(body: Mapping[str, Any], session: str) -> tuple[str, ...]:
    """The containers that name a file of the session, which is going to be removed."""
    return tuple(
        str(container.get("name", ""))
        for _, container in _containers(body)
        if _is_of_session(str((_profile(container) or {}).get("localhostProfile") or ""), session)
    )


def _obstacles(body: JsonObject) -> list[tuple[str, str]]:
    template = pod_template(body)
    found = container_profiles(template.spec) if template is not None else []
    return [(one.name, one.obstacle) for one in found if one.obstacle]


def _chosen_by(body: Mapping[str, Any]) -> str:
    """Which containers there are, and of each its capabilities and what stands in the way of a profile."""
    hindered = dict(_obstacles(dict(body)))
    words = []
    for kind, container in _containers(body):
        name = str(container.get("name", ""))
        words.append((kind, name, sorted(capabilities_of(container)), hindered.get(name, "")))
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:16]


def _localhost(path: str) -> dict[str, Any]:
    return {"type": "Localhost", "localhostProfile": path}


def _profile(container: Mapping[str, Any]) -> dict[str, Any] | None:
    found: dict[str, Any] | None = (container.get("securityContext") or {}).get("seccompProfile")
    return found


def _containers(body: Mapping[str, Any]) -> Iterator[tuple[str, JsonObject]]:
    template = pod_template(dict(body))
    if template is not None:
        for kind in _LISTS:
            for container in template.spec.get(kind) or ():
                yield kind, container
