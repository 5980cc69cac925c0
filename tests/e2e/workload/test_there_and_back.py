# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Workloads of every kind on the local Kubernetes: under an audit profile, and back to exactly what they were."""

from typing import Any

import pytest

from azext_seccomp.cluster.interface import PODS, Resource
from azext_seccomp.workload.change import ANNOTATION, plan_change
from azext_seccomp.workload.copies import copy_of
from azext_seccomp.workload.revisions import Histories, forget_revisions
from azext_seccomp.workload.switching import dry_run, restore, switch
from tests.e2e.audit.scene import wait_for
from tests.e2e.workload.place import SECONDS, Place, container

pytestmark = pytest.mark.cluster

BUDGETS = Resource("policy/v1beta1", "PodDisruptionBudget", "poddisruptionbudgets", namespaced=True)


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
    assert len(forget_revisions(Histories(place.kube), former)) == (kind != "ReplicaSet"), "it is in use"
    assert len(place.revisions()) == 1

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
