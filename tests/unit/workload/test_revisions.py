# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import pytest

from azext_seccomp.cluster.interface import JsonObject, Resource
from azext_seccomp.workload.change import switched
from azext_seccomp.workload.revisions import forget_revisions
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
    forget_revisions(kube, former(workload()))
    assert names(kube) == ["former", "in-use", "of-another"]


def test_one_whose_pods_are_still_going_stays() -> None:
    kube = fake_kube()
    put(kube, {**replica_set("going"), "status": {"replicas": 1}})
    forget_revisions(kube, former(workload()))
    assert names(kube) == ["going"]


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_the_history_of_other_kinds_is_controller_revisions(kind: str) -> None:
    kube = fake_kube()
    body = workload(kind, "web", container("a"), init=[container("i")])
    plan = former(body)
    for name, found in (("before", body), ("audited", switched(body, plan, SESSION) or {})):
        data = {"spec": {"template": {**found["spec"]["template"], "$patch": "replace"}}}
        made = owned_by(
            {"metadata": {"name": name, "uid": f"uid-{name}"}, "data": data, "revision": 1}, kind, "web", UID
        )
        kube.add(CONTROLLER_REVISIONS.path("shop", name), made)
    forget_revisions(kube, plan)
    assert kube.names(CONTROLLER_REVISIONS.path("shop")) == ["before"]


def test_a_replica_set_has_no_history() -> None:
    kube = fake_kube()
    forget_revisions(kube, former(workload("ReplicaSet")))
    assert kube.requests == []
