# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""A namespace and a session on the local Kubernetes, in which workloads are switched and put back."""

import json
import secrets
from pathlib import PurePosixPath
from typing import Any

from azext_seccomp.cluster.interface import NAMESPACES, PODS, JsonObject, Resource
from azext_seccomp.cluster.kube import OfficialClient
from azext_seccomp.workload.change import FormerWorkload, plan_change
from azext_seccomp.workload.find import Candidate, find
from azext_seccomp.workload.reference import parse_reference
from azext_seccomp.workload.rollout import Rollout, advance
from tests.e2e.audit.scene import TOOLS, profile_text, wait_for
from tests.stand.cluster import Stand

RESOURCES = {
    kind: Resource("apps/v1", kind, plural, namespaced=True)
    for kind, plural in (
        ("Deployment", "deployments"), ("StatefulSet", "statefulsets"), ("DaemonSet", "daemonsets"),
        ("ReplicaSet", "replicasets"), ("ControllerRevision", "controllerrevisions"),
    )
}  # fmt: skip
SECONDS = 60
# Whether a filter is loaded: 2 under a profile, 0 without one (proc(5)).
SHOW = ["sh", "-c", "grep ^Seccomp: /proc/self/status; exec sleep 600"]


class Place:
    """A namespace and a session, whose profile is on every node."""

    def __init__(self, kube: OfficialClient, stand: Stand) -> None:
        self.kube = kube
        self.stand = stand
        self.session = f"e2e-{secrets.token_hex(5)}"
        self.namespace = self.session
        self.path = f"aks-seccomp/audit/{self.session}/0123456789abcdef.json"
        self._file = PurePosixPath("/var/lib/kubelet/seccomp", self.path)

    def make(self) -> None:
        self.kube.create(NAMESPACES.path(), {"metadata": {"name": self.namespace}})
        accounts = f"/api/v1/namespaces/{self.namespace}/serviceaccounts"
        wait_for(lambda: any(one["metadata"]["name"] == "default" for one in self.kube.list(accounts)))
        for number in self._numbers():
            self.stand.node_exec(number, "mkdir", "-p", str(self._file.parent))
            self.stand.node_exec(number, "tee", str(self._file), stdin=profile_text().encode())

    def forget(self) -> None:
        self.kube.delete(NAMESPACES.path(name=self.namespace))
        for number in self._numbers():
            self.stand.node_exec(number, "rm", "-rf", str(self._file.parent))

    def _numbers(self) -> range:
        return range(1, len(self.stand.node_names) + 1)

    def apply(self, kind: str, *containers: JsonObject, labels: Any = None, **spec: Any) -> Candidate:
        """:param labels: of its pods beside the one that it selects them by."""
        pods = {
            "containers": containers or [container("app")],
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
        }
        template = {"metadata": {"labels": {"app": "web", **(labels or {})}}, "spec": pods}
        body = {
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": {"name": "web"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template, **spec},
        }
        self.kube.create(RESOURCES[kind].path(self.namespace), body)
        return self.found(f"{kind}/web")

    def found(self, word: str) -> Candidate:
        (one,) = find(self.kube, [parse_reference(word)], namespace=self.namespace, labels="", include_system=False)
        assert not one.obstacle
        return one

    def plan(self, one: Candidate) -> FormerWorkload:
        return plan_change(one, lambda _: self.path)

    def rolled_out(self, former: FormerWorkload, *, switched: bool) -> None:
        def look() -> bool:
            rollout = advance(self.kube, former, switched=switched)
            assert rollout.status != "stuck", rollout
            return rollout.status == "done"

        wait_for(look, SECONDS)

    def troubled(self, former: FormerWorkload, *words: str, switched: bool = True) -> Rollout:
        def look() -> Rollout | None:
            rollout = advance(self.kube, former, switched=switched)
            return rollout if all(word in rollout.detail for word in words) else None

        found: Rollout = wait_for(look, SECONDS)
        return found

    def filters(self) -> list[str]:
        """What every container of every pod that is to stay says of its filter."""
        said = []
        for pod in self.kube.list(PODS.path(self.namespace)):
            if "deletionTimestamp" in pod["metadata"]:
                continue
            for one in pod["spec"]["containers"]:
                log = self.kube.follow_log(self.namespace, pod["metadata"]["name"], one["name"])
                said.append(next(iter(log)).decode().split()[-1])
                log.close()
        return said

    def revisions(self) -> list[str]:
        """Those that name a file of the session."""
        return [
            one["metadata"]["name"]
            for kind in ("ReplicaSet", "ControllerRevision")
            for one in self.kube.list(RESOURCES[kind].path(self.namespace))
            if self.session in json.dumps(one.get("spec") or one.get("data"))
        ]


def container(name: str, **fields: Any) -> JsonObject:
    return {"name": name, "image": TOOLS, "imagePullPolicy": "IfNotPresent", "command": SHOW, **fields}
