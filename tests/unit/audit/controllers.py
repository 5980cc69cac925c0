# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""A cluster in memory with the Deployment controller of kube-controller-manager, as far as audits see it.

Stands in for pkg/controller/deployment of Kubernetes: a changed template makes a new pod and ends the old one, and the
status says so. A Deployment has one pod here.
"""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from azext_seccomp.cluster.interface import NAMESPACES, PODS, JsonObject, Resource
from tests.unit.audit.fake_cluster import FakeCluster

DEPLOYMENTS = Resource("apps/v1", "Deployment", "deployments", namespaced=True)
REPLICA_SETS = Resource("apps/v1", "ReplicaSet", "replicasets", namespaced=True)
RUNNING = {"running": {"startedAt": "2026-11-28T09:00:00Z"}}


def deployment(name: str = "web", *containers: JsonObject, **spec: Any) -> JsonObject:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": list(containers) or [{"name": "app"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "labels": {"tier": "front"}},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template, **spec},
    }


class Controllers(FakeCluster):
    """``stuck``: names of Deployments whose new pods do not start, and the kubelet's words about it. ``unready``: those
    whose new pods run and never become ready. ``on_replaced``: called after a Deployment was replaced.
    """

    def __init__(self, directory: Path, **options: Any) -> None:
        super().__init__(directory, **options)
        self.resources += [DEPLOYMENTS, REPLICA_SETS]
        self.add(NAMESPACES.path(name="shop"), {"metadata": {"name": "shop"}})
        self.stuck: dict[str, str] = {}
        self.unready: set[str] = set()
        self.on_replaced: Callable[[], object] = lambda: None

    def deploy(self, body: JsonObject) -> JsonObject:
        """A Deployment that has rolled out; what the API server has of it."""
        path = DEPLOYMENTS.path("shop", body["metadata"]["name"])
        self.add(path, body)
        self._roll_out(path)
        return self.template(body["metadata"]["name"])

    def undeploy(self, name: str = "web") -> None:
        """Delete a Deployment; the garbage collector ends its pods."""
        self.delete(DEPLOYMENTS.path("shop", name))
        for pod in self.pods(name):
            self.delete(PODS.path("shop", _name(pod)))

    def template(self, name: str = "web") -> JsonObject:
        return copy.deepcopy(self.body(name)["spec"]["template"])

    def body(self, name: str = "web") -> JsonObject:
        return next(one for one in self.objects.values() if one.get("kind") == "Deployment" and _name(one) == name)

    def pods(self, name: str = "web") -> list[JsonObject]:
        return [one for one in self.objects.values() if one.get("kind") == "Pod" and _labels(one).get("app") == name]

    def replace(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> JsonObject:
        changed = super().replace(path, body, dry_run=dry_run)
        if not dry_run:
            self._roll_out(path)
            self.on_replaced()
        return changed

    def _roll_out(self, path: str) -> None:
        found = self.get(path)
        name, template = _name(found), found["spec"]["template"]
        for pod in self.pods(name):
            self.delete(PODS.path("shop", _name(pod)))
        # By way of a ReplicaSet, which is called after the Deployment and the hash of the template.
        revision = str(found["metadata"]["resourceVersion"])
        owner = {"kind": "ReplicaSet", "name": f"{name}-{revision}", "uid": f"uid-rs-{revision}", "controller": True}
        metadata = {
            "name": f"{name}-{revision}",
            "namespace": "shop",
            "labels": {**template["metadata"]["labels"], "pod-template-hash": revision},
            "ownerReferences": [owner],
        }
        stuck = self.stuck.get(name, "") if "aks-seccomp" in str(template) else ""
        state = {"waiting": {"reason": "CreateContainerError", "message": stuck}} if stuck else RUNNING
        names = [one["name"] for one in template["spec"]["containers"]]
        self.add(
            PODS.path("shop", metadata["name"]),
            {
                "kind": "Pod",
                "metadata": metadata,
                "spec": {**template["spec"], "nodeName": "n1"},
                "status": {
                    "phase": "Pending" if stuck else "Running",
                    "containerStatuses": [{"name": one, "state": state} for one in names],
                },
            },
        )
        waits = "aks-seccomp" in str(template) and name in self.unready
        available = 0 if stuck or waits else 1
        self.set_status(path, {"replicas": 1, "updatedReplicas": 1, "availableReplicas": available})


def _name(found: JsonObject) -> str:
    return str(found["metadata"]["name"])


def _labels(found: JsonObject) -> Mapping[str, str]:
    return found["metadata"].get("labels") or {}
