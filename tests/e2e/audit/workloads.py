# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Workloads that are there before an audit, and what can be said of them afterwards."""

from typing import Any

from azext_seccomp.cluster.interface import PODS, JsonObject
from azext_seccomp.workload.effective import container_profiles
from azext_seccomp.workload.pod_status import has_run, statuses
from azext_seccomp.workload.rollout import unrest
from azext_seccomp.workload.templates import pod_template
from tests.e2e.audit.scene import TOOLS, Scene, wait_for

OURS = "aks-seccomp/audit/"
# Controllers count every change in these, the way back too.
_COUNTERS = ("deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation")


def container(name: str, *words: str, **more: Any) -> JsonObject:
    """A container that makes the calls that ``words`` say."""
    return {"name": name, "image": TOOLS, "imagePullPolicy": "IfNotPresent", "command": ["syscaller", *words], **more}


def workload(kind: str, *containers: JsonObject, name: str = "web", **spec: Any) -> JsonObject:
    """A Deployment, StatefulSet, DaemonSet or ReplicaSet of pods with these containers; all of them change at once."""
    labels = {"app": name}
    inner = {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0, "containers": list(containers)}
    strategy: JsonObject = {}
    if kind == "Deployment":
        strategy = {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "100%"}}}
    elif kind == "DaemonSet":
        strategy = {"updateStrategy": {"rollingUpdate": {"maxUnavailable": "100%"}}}
    elif kind == "StatefulSet":
        strategy = {"serviceName": name, "podManagementPolicy": "Parallel"}
    template = {"metadata": {"labels": labels}, "spec": inner}
    body = {"selector": {"matchLabels": labels}, "template": template, **strategy, **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": body}


def apart(body: JsonObject) -> JsonObject:
    """The same with each of its pods on a node of its own."""
    template = body["spec"]["template"]
    rule = {"labelSelector": {"matchLabels": template["metadata"]["labels"]}, "topologyKey": "kubernetes.io/hostname"}
    template["spec"]["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [rule]}}
    return body


class Live:
    """A workload in the test's namespace, running.

    :param ready: wait until at least this many of its pods run, and it is at rest.
    """

    def __init__(self, scene: Scene, body: JsonObject, ready: int = 1) -> None:
        self._scene = scene
        resource = scene.kube.resource(body["apiVersion"], body["kind"])
        self.kind = body["kind"]
        self.name = body["metadata"]["name"]
        self.path = resource.path(scene.namespace, self.name)
        scene.kube.create(resource.path(scene.namespace), body)
        wait_for(lambda: len(self.running()) >= ready and not unrest(self.kind, self.body()))
        self.before = self._kept()

    @property
    def reference(self) -> str:
        return f"{self.kind}/{self.name}"

    def body(self) -> JsonObject:
        return self._scene.kube.get(self.path)

    def is_as_before(self) -> bool:
        """Spec, labels and annotations are what they were, absent fields are absent."""
        return self._kept() == self.before

    def is_switched(self) -> bool:
        template = pod_template(self.body())
        return template is not None and any(OURS in one.applied.path for one in container_profiles(template.spec))

    def pods(self, *, audited: bool | None = None) -> list[JsonObject]:
        """Its pods that are not being deleted; with ``audited`` those under an audit profile, or the others."""
        found = [
            one
            for one in self._scene.kube.list(PODS.path(self._scene.namespace), labels=f"app={self.name}")
            if "deletionTimestamp" not in one["metadata"]
        ]
        return [one for one in found if audited is None or _is_audited(one) == audited]

    def running(self, *, audited: bool | None = None) -> list[JsonObject]:
        return [one for one in self.pods(audited=audited) if any(map(has_run, statuses(one)))]

    def patch(self, change: JsonObject) -> None:
        self._scene.kube.patch(self.path, change)

    def _kept(self) -> JsonObject:
        body = self.body()
        annotations = dict(body["metadata"].get("annotations") or {})
        for counter in _COUNTERS:
            annotations.pop(counter, None)
        return {"spec": body["spec"], "labels": body["metadata"].get("labels"), "annotations": annotations}


def _is_audited(pod: JsonObject) -> bool:
    return any(OURS in one.applied.path for one in container_profiles(pod["spec"]))
