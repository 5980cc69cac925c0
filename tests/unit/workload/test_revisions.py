# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
from typing import Any

import pytest

from azext_seccomp.cluster.interface import PODS, JsonObject, Resource
from azext_seccomp.workload.change import FormerWorkload, switched
from azext_seccomp.workload.revisions import Histories, forget_revisions, history_is_full, in_history
from tests.unit.fakes import FakeKube
from tests.unit.workload.workloads import (
    RESOURCES,
    SESSION,
    UID,
    container,
    fake_kube,
    former,
    owned_by,
    put,
    workload,
)

CONTROLLER_REVISIONS = Resource("apps/v1", "ControllerRevision", "controllerrevisions", namespaced=True)


def replica_set(name: str, *, audited: bool = True, uid: str = UID, replicas: int = 0) -> JsonObject:
    body = workload("ReplicaSet", name, replicas=replicas)
    if audited:
        body = switched(body, former(body), SESSION) or {}
    return owned_by(body, "Deployment", "web", uid)


def names(kube: FakeKube) -> list[str]:
    return sorted(kube.names(RESOURCES["ReplicaSet"].path("shop")))


def test_only_revisions_of_the_workload_with_our_profiles_and_without_pods_go() -> None:
    kube = fake_kube()
    put(kube, replica_set("ours"))
    put(kube, replica_set("former", audited=False))
    put(kube, replica_set("of-another", uid="uid-else"))
    put(kube, replica_set("in-use", replicas=1))
    assert forget_revisions(Histories(kube), former(workload())) == ["in-use"]
    assert names(kube) == ["former", "in-use", "of-another"]


def test_one_whose_pods_are_still_going_stays() -> None:
    kube = fake_kube()
    put(kube, {**replica_set("going"), "status": {"replicas": 1}})
    assert forget_revisions(Histories(kube), former(workload())) == ["going"]
    assert names(kube) == ["going"]


def test_one_that_a_rollback_has_taken_up_since_it_was_listed_stays() -> None:
    kube = fake_kube()
    put(kube, replica_set("old"))
    histories = Histories(kube)
    assert in_history(histories, former(workload()))
    kube.patch(RESOURCES["ReplicaSet"].path("shop", "old"), {"spec": {"replicas": 2}})
    assert forget_revisions(histories, former(workload())) == ["old"]
    assert names(kube) == ["old"]


@pytest.mark.parametrize("again", [False, True])
def test_one_that_is_gone_or_another_since_it_was_listed(again: bool) -> None:
    kube = fake_kube()
    path = put(kube, replica_set("old"))
    histories = Histories(kube)
    assert in_history(histories, former(workload()))
    kube.delete(path)
    if again:
        body = replica_set("old")
        body["metadata"]["uid"] = "uid-new"
        put(kube, body)
    assert forget_revisions(histories, former(workload())) == (["old"] if again else [])
    assert names(kube) == (["old"] if again else [])


def controlled(kind: str, **status: Any) -> tuple[FakeKube, FormerWorkload]:
    """A workload that is back, with its two revisions."""
    kube = fake_kube()
    body = workload(kind, "web", container("a"), init=[container("i")])
    plan = former(body)
    put(kube, {**body, "status": status})
    for name, found in (("before", body), ("audited", switched(body, plan, SESSION) or {})):
        data = {"spec": {"template": {**found["spec"]["template"], "$patch": "replace"}}}
        revision(kube, name, data, kind)
    return kube, plan


def revision(kube: FakeKube, name: str, data: Any, kind: str) -> None:
    metadata = {"name": name, "uid": f"uid-{name}", "labels": {"controller-revision-hash": f"hash-{name}"}}
    made = owned_by({"metadata": metadata, "data": data, "revision": 1}, kind, "web", UID)
    kube.add(CONTROLLER_REVISIONS.path("shop", name), made)


def controller_revisions(kube: FakeKube) -> list[str]:
    return list(kube.names(CONTROLLER_REVISIONS.path("shop")))


@pytest.mark.parametrize(
    ("current", "update", "stays"),
    [
        ("before", "before", False),
        ("audited", "before", True),  # it is late: pods of the old revision are made of it
        ("before", "audited", True),
        ("audited", "audited", True),  # its controller has not seen the template of now
        (None, None, True),
    ],
)
def test_a_revision_that_a_stateful_set_goes_by_stays(current: str | None, update: str | None, stays: bool) -> None:
    kube, plan = controlled("StatefulSet", currentRevision=current, updateRevision=update)
    assert forget_revisions(Histories(kube), plan) == (["audited"] if stays else [])
    assert controller_revisions(kube) == (["before", "audited"] if stays else ["before"])


def test_the_revisions_of_a_stateful_set_that_is_gone() -> None:
    kube, plan = controlled("StatefulSet")
    kube.delete(plan.path)
    assert forget_revisions(Histories(kube), plan) == []


@pytest.mark.parametrize("of", ["before", "audited"])
def test_a_revision_of_a_daemon_set_that_has_pods_stays(of: str) -> None:
    kube, plan = controlled("DaemonSet")
    kube.add(PODS.path("shop", "web-1"), {"metadata": {"labels": {"controller-revision-hash": f"hash-{of}"}}})
    assert forget_revisions(Histories(kube), plan) == (["audited"] if of == "audited" else [])
    assert ("audited" in controller_revisions(kube)) == (of == "audited")


@pytest.mark.parametrize(
    "data",
    [
        None,
        "text",
        [1],
        {"spec": 1},
        {"spec": {"template": {"spec": {"containers": 3}}}},
        {"spec": {"template": {"spec": {"containers": [4, {"securityContext": "x"}]}}}},
        {"spec": {"template": {"spec": {"containers": [{"securityContext": {"seccompProfile": [5]}}]}}}},
    ],
)
def test_data_of_a_revision_that_nobody_has_checked(data: Any) -> None:
    kube, plan = controlled("DaemonSet")
    revision(kube, "odd", data, "DaemonSet")
    assert forget_revisions(Histories(kube), plan) == []
    assert controller_revisions(kube) == ["before", "odd"]


def test_a_namespace_is_listed_once_however_many_workloads_it_has() -> None:
    kube = fake_kube()
    histories = Histories(kube)
    for number in range(5):
        put(kube, replica_set(f"web-{number}", uid=f"uid-{number}"))
    for number in range(5):
        body = workload()
        body["metadata"]["uid"] = f"uid-{number}"
        assert in_history(histories, former(body))
        assert forget_revisions(histories, former(body)) == []
    assert names(kube) == []
    assert len(kube.made("list")) == 1


@pytest.mark.parametrize(
    ("limit", "revisions", "full"),
    [({}, 10, False), ({}, 11, True), ({"revisionHistoryLimit": 2}, 2, False), ({"revisionHistoryLimit": 2}, 3, True),
     ({"revisionHistoryLimit": 0}, 1, False), ({"revisionHistoryLimit": None}, 11, True)],
)  # fmt: skip
def test_a_full_history_loses_its_oldest_revision(limit: dict[str, Any], revisions: int, full: bool) -> None:
    """The present revision becomes an old one beside those that are there."""
    kube = fake_kube()
    for number in range(revisions):
        put(kube, replica_set(f"web-{number}", audited=False))
    assert history_is_full(Histories(kube), workload(**limit)) is full


def test_a_replica_set_has_no_history_to_lose() -> None:
    assert not history_is_full(Histories(fake_kube()), workload("ReplicaSet"))


def test_a_replica_set_has_no_history() -> None:
    kube = fake_kube()
    forget_revisions(Histories(kube), former(workload("ReplicaSet")))
    assert kube.requests == []
