# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The way back of all workloads of a session: what is waited for, tidied up and said."""

from pathlib import Path

import pytest

from azext_seccomp.audit.removal import Removal
from azext_seccomp.audit.restoring import put_back, restore_all
from azext_seccomp.cluster.interface import JsonObject, Resource
from azext_seccomp.errors import Forbidden, SeccompError, ServerFault
from azext_seccomp.progress import Silent
from azext_seccomp.workload.change import FormerWorkload, plan_change
from azext_seccomp.workload.find import find
from azext_seccomp.workload.reference import parse_reference
from azext_seccomp.workload.switching import switch
from tests.unit.audit.controllers import DEPLOYMENTS, REPLICA_SETS, Controllers, deployment
from tests.unit.fakes import Request
from tests.unit.workload.test_rollout import Stage, waiting

SESSION = "saaaaaaaaaa"
WEB = DEPLOYMENTS.path("shop", "web")
ROLLING = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 0}
DONE = {**ROLLING, "availableReplicas": 1}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azext_seccomp.audit.rollouts._POLL_SECONDS", 0.01)
    monkeypatch.setattr("azext_seccomp.audit.rollouts._TROUBLE_SECONDS", 0.2)
    monkeypatch.setattr("azext_seccomp.audit.restoring.ROLLOUT_SECONDS", 0.5)


@pytest.fixture
def cluster(tmp_path: Path) -> Controllers:
    return Controllers(tmp_path)


def switched(cluster: Controllers) -> FormerWorkload:
    """``web`` under its audit profile, with the ReplicaSet that its controller makes for that."""
    cluster.deploy(deployment())
    (candidate,) = find(cluster, [parse_reference("deploy/web")], namespace="shop", labels="", include_system=False)
    former = plan_change(candidate, lambda _: f"aks-seccomp/audit/{SESSION}/0123456789abcdef.json")
    switch(cluster, former, SESSION)
    owner = {"kind": "Deployment", "name": "web", "uid": former.uid, "controller": True}
    cluster.add(revision(), {"metadata": {"name": "web-audit", "ownerReferences": [owner]}, **of_audit(cluster, 0)})
    return former


def of_audit(cluster: Controllers, replicas: int) -> JsonObject:
    return {"kind": "ReplicaSet", "spec": {"replicas": replicas, "template": cluster.template()}}


def revision() -> str:
    return REPLICA_SETS.path("shop", "web-audit")


def history(cluster: Controllers) -> list[str]:
    return list(cluster.names(REPLICA_SETS.path("shop")))


def restored(cluster: Controllers, former: FormerWorkload) -> Removal:
    (removal,) = restore_all(cluster, [former], SESSION, Silent())
    return removal


def test_back_and_forgotten(cluster: Controllers) -> None:
    former = switched(cluster)
    assert restored(cluster, former) == Removal("Deployment", "shop/web", "restored")
    assert history(cluster) == []
    assert restored(cluster, former) == Removal("Deployment", "shop/web", "absent"), "for the second time, nothing"


def test_one_that_was_put_back_before_is_waited_for(cluster: Controllers) -> None:
    """Its rollout got stuck: then its pods are still on the way back, and the revision can only go after them."""
    former = switched(cluster)
    assert put_back(cluster, former, SESSION).status == "restored"
    cluster.set_status(WEB, ROLLING)
    looks = 0

    def progress(request: Request) -> SeccompError | None:
        nonlocal looks
        looks += request.verb == "list" and "/pods" in request.path
        if looks == 5:
            cluster.set_status(WEB, DONE)
        return None

    cluster.refuse = progress
    assert restored(cluster, former).status == "absent"
    assert looks >= 5
    assert history(cluster) == []


def test_one_that_was_never_switched_is_not_waited_for(cluster: Controllers) -> None:
    """Whatever it is like: an audit that fails before anything was changed is not to take minutes to end."""
    former = switched(cluster)
    put_back(cluster, former, SESSION)
    cluster.delete(revision())
    cluster.set_status(WEB, ROLLING)
    cluster.requests.clear()
    assert restored(cluster, former).status == "absent"
    assert cluster.made("list", "/pods") == []


@pytest.mark.parametrize("before", [False, True])
def test_a_revision_that_stays_is_said(cluster: Controllers, before: bool) -> None:
    former = switched(cluster)
    if before:
        put_back(cluster, former, SESSION)

    cluster.refuse = lambda request: (
        Forbidden("You may not delete replicasets.")
        if request.verb == "delete" and request.path == revision()
        else None
    )
    removal = restored(cluster, former)
    assert removal.status == ("absent" if before else "restored")
    assert "stays in its history, do not roll back to it: You may not delete replicasets." in removal.detail
    assert history(cluster) == ["web-audit"]


def test_a_lost_answer_is_no_failure_and_its_rollout_is_waited_for(
    cluster: Controllers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azext_seccomp.workload.switching._PAUSE_SECONDS", 0)
    former = switched(cluster)

    def lose(request: Request) -> SeccompError | None:
        if request.verb != "replace":
            return None
        cluster.refuse = lambda _: None
        cluster.replace(request.path, request.body)
        return ServerFault("502 Bad Gateway.")

    cluster.refuse = lose
    cluster.requests.clear()
    assert restored(cluster, former) == Removal("Deployment", "shop/web", "restored")
    assert cluster.made("list", "/pods")
    assert history(cluster) == []


def test_pods_that_do_not_come_back_are_a_failure(cluster: Controllers) -> None:
    """They go on under the audit profile, and their ReplicaSet makes more of them."""
    former = switched(cluster)
    cluster.refuse = lambda request: (
        Forbidden("You may not list pods.") if request.verb == "list" and "/pods" in request.path else None
    )
    removal = restored(cluster, former)
    assert removal.status == "failed"
    assert "its template is what it was, but its pods are not all back: You may not list pods." in removal.detail
    assert history(cluster) == ["web-audit"]
    cluster.refuse = lambda _: None
    assert restored(cluster, former) == Removal("Deployment", "shop/web", "absent"), "the next attempt"
    assert history(cluster) == []


def test_pods_of_a_replica_set_that_a_budget_keeps_under_the_profile_are_a_failure() -> None:
    """Nobody but the next cleanup replaces them."""
    stage = Stage("ReplicaSet", back=True)
    stage.pod("web-1", audited=True)
    stage.kube.budget = "It would violate the budget."
    (removal,) = restore_all(stage.kube, [stage.former], SESSION, Silent())
    assert (removal.status, removal.detail.rpartition(": ")[2]) == ("failed", "It would violate the budget.")


def test_one_that_is_not_ready_with_its_own_template_is_no_failure(cluster: Controllers) -> None:
    """It was broken before: no cleanup could ever end it."""
    former = switched(cluster)
    put_back(cluster, former, SESSION)
    cluster.set_status(WEB, ROLLING)
    removal = restored(cluster, former)
    assert removal.status == "absent"
    assert removal.detail.startswith("it is what it was, but its pods are not all ready: ")
    assert history(cluster) == []


def test_one_whose_old_revision_still_makes_pods_is_a_failure(cluster: Controllers) -> None:
    """A quota keeps them away, for now."""
    former = switched(cluster)
    owner = cluster.get(revision())["metadata"]["ownerReferences"]
    cluster.add(revision(), {"metadata": {"name": "web-audit", "ownerReferences": owner}, **of_audit(cluster, 1)})
    put_back(cluster, former, SESSION)
    cluster.set_status(WEB, ROLLING)
    assert restored(cluster, former).status == "failed"
    assert history(cluster) == ["web-audit"]


def test_one_that_is_deleted_meanwhile_is_no_failure(cluster: Controllers) -> None:
    former = switched(cluster)

    def delete(request: Request) -> None:
        if request.verb == "list" and "/pods" in request.path:
            cluster.refuse = lambda _: None
            cluster.set_status(WEB, ROLLING)
            cluster.undeploy()

    cluster.refuse = delete
    assert restored(cluster, former).status == "restored"


def test_histories_are_not_listed_for_each_workload(cluster: Controllers) -> None:
    formers = [switched(cluster)]
    for number in range(4):
        cluster.deploy(deployment(f"other-{number}"))
        reference = parse_reference(f"deploy/other-{number}")
        (candidate,) = find(cluster, [reference], namespace="shop", labels="", include_system=False)
        formers.append(plan_change(candidate, lambda _: f"aks-seccomp/audit/{SESSION}/0123456789abcdef.json"))
    cluster.requests.clear()
    removals = restore_all(cluster, formers, SESSION, Silent())
    assert [one.status for one in removals] == ["restored", *["absent"] * 4]
    assert len(cluster.made("list", "/replicasets")) == 2, "before the waiting and after it"


def test_one_that_cannot_be_put_back_does_not_keep_the_others(cluster: Controllers) -> None:
    first = switched(cluster)
    cluster.deploy(deployment("other"))
    (candidate,) = find(cluster, [parse_reference("deploy/other")], namespace="shop", labels="", include_system=False)
    second = plan_change(candidate, lambda _: f"aks-seccomp/audit/{SESSION}/0123456789abcdef.json")
    switch(cluster, second, SESSION)
    cluster.refuse = lambda request: (
        Forbidden("The policy denies it.") if request.verb == "replace" and request.path == WEB else None
    )
    removals = restore_all(cluster, [first, second], SESSION, Silent())
    assert [(one.name, one.status, one.detail) for one in removals] == [
        ("shop/web", "failed", "The policy denies it."),
        ("shop/other", "restored", ""),
    ]
    assert history(cluster) == ["web-audit"], "its pods need it"


def test_a_stateful_set_that_got_stuck_is_freed_of_the_pod_that_blocks_it() -> None:
    """Its template went back at once; its controller would wait for ever for the pod to become ready."""
    stage = Stage("StatefulSet", back=True)
    stage.pod("web-0", audited=True, status=waiting("CreateContainerError"))
    revisions = Resource("apps/v1", "ControllerRevision", "controllerrevisions", namespaced=True)
    owner = {"kind": "StatefulSet", "name": "web", "uid": stage.former.uid, "controller": True}
    data = {"spec": {"template": stage.after["spec"]["template"]}}
    path = revisions.path("shop", "web-audit")
    stage.kube.add(path, {"metadata": {"name": "web-audit", "ownerReferences": [owner]}, "data": data})
    (removal,) = restore_all(stage.kube, [stage.former], SESSION, Silent())
    assert (removal.status, removal.detail) == ("absent", "")
    assert stage.pods() == []
    assert stage.kube.names(revisions.path("shop")) == []
