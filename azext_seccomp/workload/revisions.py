# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The history of workloads: revisions that name profiles of an audit, a rollback to which would find no file.

``kubectl rollout undo`` goes to the revision before the present one, which is that of the audit once it has ended.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from azext_seccomp.cluster.interface import PODS, JsonObject, Kube, Resource
from azext_seccomp.errors import Conflict, NotFound
from azext_seccomp.workload.change import FormerWorkload
from azext_seccomp.workload.owner import controller
from azext_seccomp.workload.templates import containers_of

_REPLICA_SETS = Resource("apps/v1", "ReplicaSet", "replicasets", namespaced=True)
_CONTROLLER_REVISIONS = Resource("apps/v1", "ControllerRevision", "controllerrevisions", namespaced=True)
_HISTORIES = {
    "Deployment": _REPLICA_SETS,
    "StatefulSet": _CONTROLLER_REVISIONS,
    "DaemonSet": _CONTROLLER_REVISIONS,
}
_HASH = "controller-revision-hash"  # on the revisions of a DaemonSet and on their pods
_LIMIT = 10  # of revisions that are kept beside the present one, unless the workload says so (apps/v1, defaults.go)


@dataclass(frozen=True, slots=True)
class _Revision:
    """What matters of one: it can be large, and a namespace can have thousands."""

    name: str
    uid: str
    hash: str
    replicas: bool
    profiles: frozenset[str]


class Histories:
    """The revisions of many workloads at one time: those of a kind are listed once for a namespace."""

    def __init__(self, kube: Kube) -> None:
        self.kube = kube
        self._known: dict[tuple[str, str], dict[str, list[_Revision]]] = {}

    def of(self, kind: str, namespace: str, uid: str) -> Sequence[_Revision]:
        """The revisions of one workload, the present one with them; none for kinds without a history.

        :raises SeccompError: they cannot be listed.
        """
        resource = _HISTORIES.get(kind)
        if resource is None:
            return ()
        key = (resource.plural, namespace)
        if key not in self._known:
            by_owner: dict[str, list[_Revision]] = {}
            for found in self.kube.list(resource.path(namespace)):
                above = controller(found["metadata"])
                if above is not None:
                    by_owner.setdefault(above[2], []).append(_revision(found))
            self._known[key] = by_owner
        return self._known[key].get(uid, ())


def in_history(histories: Histories, former: FormerWorkload) -> bool:
    """Whether a revision of the workload names its audit profiles, so that pods of it may still be there. True for
    kinds without a history.

    :raises SeccompError: they cannot be listed.
    """
    return former.kind not in _HISTORIES or any(_of_audit(histories, former))


def in_use(histories: Histories, former: FormerWorkload) -> bool:
    """Whether a revision of the workload that names its audit profiles is in use, as ``forget_revisions`` has it.

    :raises SeccompError: they cannot be listed.
    """
    return any(_in_use(histories.kube, former, one) for one in _of_audit(histories, former))


def forget_revisions(histories: Histories, former: FormerWorkload) -> list[str]:
    """Delete the revisions of the workload that name its audit profiles and are not in use. A ReplicaSet is when it
    has replicas, a revision of a DaemonSet when there is a pod of it, and one of a StatefulSet when the workload is at
    it or on the way from it or to it.

    :return: the names of those that stay, for they are in use.
    :raises SeccompError: they cannot be listed or deleted.
    """
    stay = []
    for one in _of_audit(histories, former):
        if _in_use(histories.kube, former, one) or not _deleted(histories.kube, former, one):
            stay.append(one.name)
    return stay


def _deleted(kube: Kube, former: FormerWorkload, one: _Revision) -> bool:
    """Delete a revision that was not in use when it was listed; False when it stays. A list can be long ago, and a
    rollback since then gives an old ReplicaSet replicas again.
    """
    path = _HISTORIES[former.kind].path(former.namespace, one.name)
    try:
        if former.kind == "Deployment" and _revision(kube.get(path)).replicas:
            return False
        kube.delete(path, uid=one.uid)
    except Conflict:
        return False
    except NotFound:
        return True
    return True


def history_is_full(histories: Histories, body: Mapping[str, Any]) -> bool:
    """Whether a workload that gets one more revision loses its oldest one for it: the one that it has now becomes an
    old one (Kubernetes pkg/controller: deployment/sync.go cleanupDeployment, statefulset/stateful_set_control.go
    truncateHistory, daemon/update.go cleanupHistory). One that keeps no old revisions has none to lose.

    :raises SeccompError: the revisions cannot be listed.
    """
    metadata = body["metadata"]
    limit = body["spec"].get("revisionHistoryLimit")
    limit = _LIMIT if limit is None else int(limit)
    if not limit:
        return False
    found = histories.of(str(body.get("kind", "")), str(metadata.get("namespace", "")), str(metadata.get("uid", "")))
    return len(found) > limit


def _of_audit(histories: Histories, former: FormerWorkload) -> Iterator[_Revision]:
    paths = {one.path for one in former.containers}
    return (one for one in histories.of(former.kind, former.namespace, former.uid) if paths & one.profiles)


def _in_use(kube: Kube, former: FormerWorkload, one: _Revision) -> bool:
    if former.kind == "Deployment":
        return one.replicas
    if former.kind == "DaemonSet":
        # One without a hash is none that a DaemonSet controller made, so nothing tells which pods are its own.
        return not one.hash or any(kube.list(PODS.path(former.namespace), labels=f"{_HASH}={one.hash}"))
    try:
        status = kube.get(former.path).get("status") or {}
    except NotFound:
        return False
    revisions = {status.get("currentRevision"), status.get("updateRevision")}
    return len(revisions) != 1 or not revisions.isdisjoint((None, one.name))


def _revision(found: JsonObject) -> _Revision:
    metadata = found["metadata"]
    return _Revision(
        name=str(metadata["name"]),
        uid=str(metadata["uid"]),
        hash=str((metadata.get("labels") or {}).get(_HASH, "")),
        replicas=bool(_part(found, "spec").get("replicas") or _part(found, "status").get("replicas")),
        profiles=frozenset(_profiles(found)),
    )


def _profiles(found: Mapping[str, Any]) -> Iterator[str]:
    """Every ``localhostProfile`` in the template of a ReplicaSet, or in the patch of a template that is the data of a
    ControllerRevision: any JSON, which the API server does not check.
    """
    holder = found.get("data", found)
    for container in containers_of(_part(_part(_part(holder, "spec"), "template"), "spec")):
        path = _part(_part(container, "securityContext"), "seccompProfile").get("localhostProfile")
        if isinstance(path, str):
            yield path


def _part(holder: Any, name: str) -> Mapping[str, Any]:
    found = holder.get(name) if isinstance(holder, dict) else None
    return found if isinstance(found, dict) else {}
