# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Which pods would miss a profile file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from azext_seccomp.cluster.interface import PODS, Kube
from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import Conflict, Forbidden
from azext_seccomp.node.inventory import Node
from azext_seccomp.node.paths import OWN_DIRECTORY

ALIVE = "status.phase!=Succeeded,status.phase!=Failed"
"""A field selector: pods whose containers may run again."""

_NAMED = 5
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


@dataclass(frozen=True, slots=True)
class User:
    """A pod on ``node`` that asks for the profile file at ``path``."""

    namespace: str
    pod: str
    node: str
    path: str


def require_unused(kube: Kube, nodes: Sequence[Node], paths: Sequence[str] | None) -> None:
    """Make sure that no pod on the nodes asks for one of the files (for any file of ours when ``paths`` is None).

    A container reads its profile when it is created: such pods run on without the file, but none of their containers
    could be created again.

    :raises Conflict: one does.
    :raises Forbidden: the caller may not list the pods of all namespaces, so nobody knows.
    """
    try:
        users = users_of(kube, (node.name for node in nodes), paths)
    except Forbidden as error:
        error.fix = " ".join(filter(None, (error.fix, "--force removes files without knowing whether they are used.")))
        raise
    if users:
        named = ", ".join(f"{one.namespace}/{one.pod} on {one.node} ({one.path})" for one in users[:_NAMED])
        more = f" and {len(users) - _NAMED} more" if len(users) > _NAMED else ""
        raise Conflict(
            "Profile files that pods use are not removed.",
            why=printable(f"They are used by {named}{more}.", 1000),
            fix="Change the profile of these workloads first; --force removes the files nevertheless, "
            "and the containers of these pods cannot be created again.",
        )


def users_of(kube: Kube, nodes: Iterable[str], paths: Iterable[str] | None, *, namespace: str = "") -> list[User]:
    """The pods on these nodes that ask for one of the files (for any file of ours when ``paths`` is None).

    Pods that are being deleted do not count: the kubelet creates none of their containers again.

    :param namespace: look at the pods of this one only.
    """
    wanted = None if paths is None else frozenset(paths)
    where = frozenset(nodes)
    users: list[User] = []
    for pod in kube.list(PODS.path(namespace or None), fields=ALIVE):
        spec = pod.get("spec") or {}
        node = spec.get("nodeName", "")
        if node not in where or "deletionTimestamp" in pod["metadata"]:
            continue
        for path in sorted(set(profiles_of(spec))):
            if path.startswith(f"{OWN_DIRECTORY}/") if wanted is None else path in wanted:
                users.append(User(pod["metadata"]["namespace"], pod["metadata"]["name"], node, path))
    return users


def profiles_of(spec: Mapping[str, Any]) -> Iterator[str]:
    """The value of every ``localhostProfile`` of a pod's spec, the pod's own first. The spec may be one that no API
    server has checked.
    """
    listed = (spec.get(kind) for kind in _CONTAINERS)
    for holder in (spec, *(one for some in listed if isinstance(some, list) for one in some)):
        found: Any = holder
        for part in ("securityContext", "seccompProfile", "localhostProfile"):
            found = found.get(part) if isinstance(found, dict) else None
        if isinstance(found, str):
            yield found
