# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""From a pod to the workload that an operator would name: the Deployment, not its ReplicaSet."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from azext_seccomp.cluster.interface import JsonObject, Kube, Resource
from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import SeccompError

# What makes pods on behalf of something else.
_BETWEEN = {
    "ReplicaSet": Resource("apps/v1", "ReplicaSet", "replicasets", namespaced=True),
    "Job": Resource("batch/v1", "Job", "jobs", namespaced=True),
}
_TEMPLATE_HASH = "pod-template-hash"


class Owner(NamedTuple):
    """The workload of a pod: Deployment, StatefulSet, DaemonSet, Job, CronJob, a custom kind; ``Pod`` if it is bare."""

    namespace: str
    kind: str
    name: str


class Owners:
    """Resolves pods and remembers: pods of one ReplicaSet cost one request."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._known: dict[tuple[str, str, str], Owner] = {}

    def of(self, pod: Mapping[str, Any]) -> Owner:
        """The workload of a pod. Never fails: what cannot be read is named as far as it is known."""
        metadata = pod["metadata"]
        namespace = str(metadata.get("namespace", ""))
        above = controller(metadata)
        if above is None:
            return Owner(namespace, "Pod", str(metadata["name"]))
        kind, name, uid = above
        if kind not in _BETWEEN:
            return Owner(namespace, kind, name)
        key = (namespace, kind, uid)
        if key not in self._known:
            self._known[key] = self._above(namespace, kind, name, metadata.get("labels") or {})
        return self._known[key]

    def _above(self, namespace: str, kind: str, name: str, labels: Mapping[str, str]) -> Owner:
        found = self._read(_BETWEEN[kind], namespace, name)
        above = controller(found["metadata"]) if found else None
        if above is not None:
            return Owner(namespace, above[0], above[1])
        # Gone, or not ours to read: the Deployment controller names ReplicaSets after the Deployment and the hash.
        suffix = f"-{labels.get(_TEMPLATE_HASH, '')}"
        if found is None and kind == "ReplicaSet" and len(suffix) > 1 and name.endswith(suffix):
            return Owner(namespace, "Deployment", name.removesuffix(suffix))
        return Owner(namespace, kind, name)

    def _read(self, resource: Resource, namespace: str, name: str) -> JsonObject | None:
        try:
            return self._kube.get(resource.path(namespace, name))
        except SeccompError:
            return None


def controller(metadata: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Kind, name and uid of the owner that manages the object."""
    for reference in metadata.get("ownerReferences") or ():
        if reference.get("controller"):
            # The API server takes any text for these two.
            kind, name = printable(str(reference["kind"]), 80), printable(str(reference["name"]), 253)
            return kind, name, str(reference.get("uid", ""))
    return None
