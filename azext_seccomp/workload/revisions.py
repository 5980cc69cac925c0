# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The revisions of a workload's history that name profiles of an audit: a rollback to one of them would find no file.

``kubectl rollout undo`` goes to the revision before the present one, which is that of the audit once it has ended.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from azext_seccomp.cluster.interface import JsonObject, Kube, Resource
from azext_seccomp.workload.change import FormerWorkload
from azext_seccomp.workload.templates import containers_of

_REPLICA_SETS = Resource("apps/v1", "ReplicaSet", "replicasets", namespaced=True)
_CONTROLLER_REVISIONS = Resource("apps/v1", "ControllerRevision", "controllerrevisions", namespaced=True)
_HISTORIES = {
    "Deployment": _REPLICA_SETS,
    "StatefulSet": _CONTROLLER_REVISIONS,
    "DaemonSet": _CONTROLLER_REVISIONS,
}


def in_history(kube: Kube, former: FormerWorkload) -> bool:
    """Whether a revision of the workload names its audit profiles, so that pods of it may still be there. True for
    kinds without a history.

    :raises SeccompError: they cannot be listed.
    """
    return former.kind not in _HISTORIES or any(_of_audit(kube, former))


def forget_revisions(kube: Kube, former: FormerWorkload) -> None:
    """Delete the revisions of the workload that name its audit profiles and have no pods.

    :raises SeccompError: they cannot be listed or deleted.
    """
    for found in _of_audit(kube, former):
        if _has_no_pods(found):
            metadata = found["metadata"]
            path = _HISTORIES[former.kind].path(former.namespace, metadata["name"])
            kube.delete(path, uid=str(metadata["uid"]))


def _of_audit(kube: Kube, former: FormerWorkload) -> Iterator[JsonObject]:
    resource = _HISTORIES.get(former.kind)
    if resource is None:
        return
    paths = {one.path for one in former.containers}
    for found in kube.list(resource.path(former.namespace)):
        if _owned(found["metadata"], former.uid) and paths.intersection(_profiles(found)):
            yield found


def _owned(metadata: Mapping[str, Any], uid: str) -> bool:
    return any(one.get("controller") and one.get("uid") == uid for one in metadata.get("ownerReferences") or ())


def _has_no_pods(found: Mapping[str, Any]) -> bool:
    """Of a ReplicaSet; a ControllerRevision has no pods of its own."""
    return not (found.get("spec") or {}).get("replicas") and not (found.get("status") or {}).get("replicas")


def _profiles(found: JsonObject) -> Iterator[str]:
    """Every ``localhostProfile`` in the template of a ReplicaSet, or in the patch of a template that is the data of a
    ControllerRevision.
    """
    holder = found.get("data") or found
    if isinstance(holder, str):
        holder = json.loads(holder)
    spec = ((holder.get("spec") or {}).get("template") or {}).get("spec") or {}
    for container in containers_of(spec):
        profile = (container.get("securityContext") or {}).get("seccompProfile") or {}
        yield str(profile.get("localhostProfile") or "")
