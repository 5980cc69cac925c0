# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Workloads of every kind on the local Kubernetes: under an audit profile, and back to exactly what they were."""

import json
import secrets
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import pytest

from azext_seccomp.cluster.interface import NAMESPACES, PODS, JsonObject, Resource
from azext_seccomp.cluster.kube import OfficialClient
from azext_seccomp.workload.change import ANNOTATION, FormerWorkload, plan_change
from azext_seccomp.workload.copies import copy_of
from azext_seccomp.workload.find import Candidate, find
from azext_seccomp.workload.reference import parse_reference
from azext_seccomp.workload.revisions import Histories, forget_revisions
from azext_seccomp.workload.rollout import Rollout, advance
from azext_seccomp.workload.switching import dry_run, restore, switch
from tests.e2e.audit.scene import TOOLS, profile_text, wait_for
from tests.stand.cluster import Stand

pytestmark = pytest.mark.cluster

RESOURCES = {
    kind: Resource("apps/v1", kind, plural, namespaced=True)
    for kind, plural in (
        ("Deployment", "deployments"), ("StatefulSet", "statefulsets"), ("DaemonSet", "daemonsets"),
        ("ReplicaSet", "replicasets"), ("ControllerRevision", "controllerrevisions"),
    )
}  # fmt: skip
BUDGETS = Resource("policy/v1beta1", "PodDisruptionBudget", "poddisruptionbudgets", namespaced=True)
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

    def apply(self, kind: str, *containers: JsonObject, **spec: Any) -> Candidate:
        pods = {
            "containers": containers or [container("app")],
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
        }
        template = {"metadata": {"labels": {"app": "web"}}, "spec": pods}
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


@pytest.fixture
def place(kube: OfficialClient, stand: Stand) -> Iterator[Place]:
    made = Place(kube, stand)
    try:
        made.make()
        yield made
    finally:
        made.forget()


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Deployment", {"replicas": 2}),
        ("StatefulSet", {"replicas": 2, "serviceName": "web", "podManagementPolicy": "Parallel"}),
        ("DaemonSet", {}),
        ("ReplicaSet", {"replicas": 2}),
    ],
)
def test_there_and_back(place: Place, kind: str, spec: dict[str, Any]) -> None:
    odd = {"seccompProfile": {"type": "Unconfined"}, "runAsUser": 1000}
    one = place.apply(kind, container("app"), container("side", securityContext=odd), **spec)
    former = place.plan(one)
    place.rolled_out(former, switched=False)
    before = place.kube.get(former.path)
    assert set(place.filters()) == {"0"}

    assert dry_run(place.kube, former, place.session) == ""
    switch(place.kube, former, place.session)
    place.rolled_out(former, switched=True)
    assert place.filters() == ["2"] * 4

    assert restore(place.kube, former, place.session).status == "restored"
    place.rolled_out(former, switched=False)
    assert place.filters() == ["0"] * 4
    after = place.kube.get(former.path)
    assert after["spec"] == before["spec"]
    assert ANNOTATION not in after["metadata"].get("annotations", {})

    wait_for(lambda: not forget_revisions(Histories(place.kube), former) and not place.revisions(), SECONDS)
    assert place.kube.get(former.path)["spec"] == before["spec"]
    assert set(place.filters()) == {"0"}


def test_a_rollout_that_a_quota_stops_is_told_and_taken_back(place: Place) -> None:
    former = place.plan(place.apply("Deployment"))
    place.rolled_out(former, switched=False)
    quota = {"metadata": {"name": "full"}, "spec": {"hard": {"pods": "1"}}}
    place.kube.create(f"/api/v1/namespaces/{place.namespace}/resourcequotas", quota)
    wait_for(lambda: _used(place) == "1")
    switch(place.kube, former, place.session)
    place.troubled(former, "exceeded quota: full")
    assert restore(place.kube, former, place.session).status == "restored"
    place.rolled_out(former, switched=False)
    wait_for(lambda: not forget_revisions(Histories(place.kube), former) and not place.revisions(), SECONDS)


def _used(place: Place) -> str:
    found = place.kube.get(f"/api/v1/namespaces/{place.namespace}/resourcequotas/full")
    return str(found.get("status", {}).get("used", {}).get("pods", ""))


@pytest.mark.parametrize("kind", ["StatefulSet", "ReplicaSet"])
def test_pods_that_cannot_start_are_told_of_and_do_not_block_the_way_back(place: Place, kind: str) -> None:
    former = place.plan(place.apply(kind, replicas=2, **({"serviceName": "web"} if kind == "StatefulSet" else {})))
    place.rolled_out(former, switched=False)
    missing = plan_change(place.found(f"{kind}/web"), lambda _: f"{place.path}.missing")
    switch(place.kube, missing, place.session)
    place.troubled(missing, "container app", "missing")
    assert restore(place.kube, missing, place.session).status == "restored"
    place.rolled_out(missing, switched=False)
    assert set(place.filters()) == {"0"}


def test_a_budget_holds_up_the_pods_of_a_replica_set(place: Place) -> None:
    former = place.plan(place.apply("ReplicaSet"))
    place.rolled_out(former, switched=False)
    selector = {"matchLabels": {"app": "web"}}
    budget = {"metadata": {"name": "keep"}, "spec": {"minAvailable": 1, "selector": selector}}
    place.kube.create(BUDGETS.path(place.namespace), budget)
    wait_for(lambda: place.kube.get(BUDGETS.path(place.namespace, "keep")).get("status", {}).get("expectedPods"))
    switch(place.kube, former, place.session)
    place.troubled(former, "disruption budget")
    assert set(place.filters()) == {"0"}
    place.kube.delete(BUDGETS.path(place.namespace, "keep"))
    place.rolled_out(former, switched=True)
    assert place.filters() == ["2"]


def test_a_copy_of_a_pod_is_one_that_the_server_takes(place: Place) -> None:
    pod = {"metadata": {"name": "bare"}, "spec": {"containers": [container("app")]}}
    place.kube.create(PODS.path(place.namespace), pod)
    wait_for(lambda: place.kube.get(PODS.path(place.namespace, "bare"))["spec"].get("nodeName"))
    made = copy_of(place.found("pod/bare"), place.session)
    created = place.kube.create(PODS.path(place.namespace), made)
    assert created["metadata"]["name"] != "bare"
    wait_for(lambda: _running(place) == 2)
    assert place.filters() == ["0", "0"]


def _running(place: Place) -> int:
    return sum(one["status"]["phase"] == "Running" for one in place.kube.list(PODS.path(place.namespace)))
