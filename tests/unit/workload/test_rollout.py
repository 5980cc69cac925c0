# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Rollouts, judged by what the API server tells of a workload and its pods."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from azext_seccomp.cluster.interface import PODS, JsonObject
from azext_seccomp.errors import NotFound, ServerFault
from azext_seccomp.workload.change import FormerWorkload, switched
from azext_seccomp.workload.rollout import Rollout, advance, selector_of, unrest
from tests.unit.fakes import FakeKube
from tests.unit.workload.workloads import RESOURCES, SESSION, UID, former, owned_by, workload

READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
SETTLED = {
    "Deployment": {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
    "StatefulSet": {"readyReplicas": 1, "currentRevision": "b", "updateRevision": "b"},
    "DaemonSet": {"desiredNumberScheduled": 1, "updatedNumberScheduled": 1, "numberAvailable": 1},
    "ReplicaSet": {"replicas": 1},
}
UNFINISHED = [
    ("Deployment", {"updatedReplicas": 0}),
    ("Deployment", {"replicas": 2}),
    ("Deployment", {"availableReplicas": 0}),
    ("Deployment", {"observedGeneration": 0}),
    ("StatefulSet", {"readyReplicas": 0}),
    ("StatefulSet", {"currentRevision": "a"}),
    ("DaemonSet", {"updatedNumberScheduled": 0}),
    ("DaemonSet", {"numberAvailable": 0}),
]


class Cluster(FakeKube):
    """Also takes evictions: a pod goes unless ``budget`` says why it must not."""

    def __init__(self) -> None:
        super().__init__()
        self.resources += [one for kind, one in RESOURCES.items() if kind != "Pod"]
        self.budget = ""
        self.evicted: list[tuple[str, str]] = []

    def create(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> JsonObject:
        if not path.endswith("/eviction"):
            return super().create(path, body, dry_run=dry_run)
        if self.budget:
            raise ServerFault("The server is overloaded (429).", why=self.budget)
        pod = path.removesuffix("/eviction")
        if not self.delete(pod):
            raise NotFound("There is no such pod.")
        self.evicted.append((str(body["metadata"]["name"]), str(body["apiVersion"])))
        return {}


class Stage:
    """One workload on the way to audit profiles (or on the way back) and its pods."""

    def __init__(self, kind: str = "Deployment", *, back: bool = False, replicas: int = 1, **status: Any) -> None:
        self.kube = Cluster()
        self.back = back
        before = workload(kind, replicas=replicas)
        self.former: FormerWorkload = former(before)
        after = switched(before, self.former, SESSION)
        assert after is not None
        self.before, self.after = before, after
        body = before if back else after
        whole = {"observedGeneration": 1, **SETTLED[kind], **status}
        self.kube.add(self.former.path, {**body, "status": whole})

    def pod(self, name: str, *, audited: bool, status: Mapping[str, Any] = READY) -> None:
        template = (self.after if audited else self.before)["spec"]["template"]
        kind = self.former.kind
        labels = dict(template["metadata"]["labels"])
        body = {
            "apiVersion": "v1", "kind": "Pod", "spec": template["spec"], "status": dict(status),
            "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}", "labels": labels},
        }  # fmt: skip
        if kind == "Deployment":
            body["metadata"]["labels"]["pod-template-hash"] = "h1"
            body = owned_by(body, "ReplicaSet", "web-h1", "uid-rs")
        else:
            body = owned_by(body, kind, "web", UID)
        self.kube.add(PODS.path("shop", name), body)

    def look(self) -> Rollout:
        return advance(self.kube, self.former, switched=not self.back)

    def pods(self) -> list[str]:
        return sorted(self.kube.names(PODS.path("shop")))


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "containerStatuses": [{"name": "app", "state": state}]}


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"])
def test_done_when_all_pods_have_the_template_and_are_ready(kind: str, back: bool) -> None:
    stage = Stage(kind, back=back)
    stage.pod("web-1", audited=not back)
    assert stage.look() == Rollout("done")


@pytest.mark.parametrize(("kind", "status"), UNFINISHED)
def test_not_done_as_long_as_the_controller_has_work(kind: str, status: dict[str, Any]) -> None:
    stage = Stage(kind, **status)
    stage.pod("web-1", audited=True)
    assert stage.look() == Rollout("rolling")


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_not_done_as_long_as_a_pod_of_the_other_template_is_there(kind: str) -> None:
    stage = Stage(kind)
    stage.pod("web-1", audited=True)
    stage.pod("web-2", audited=False)
    assert stage.look().status == "rolling"


def test_a_pod_that_is_being_deleted_is_not_waited_for() -> None:
    stage = Stage()
    stage.pod("web-1", audited=True)
    stage.pod("web-2", audited=False)
    going = stage.kube.get(PODS.path("shop", "web-2"))
    going["metadata"]["deletionTimestamp"] = "2026-11-28T12:00:00Z"
    stage.kube.replace(PODS.path("shop", "web-2"), going)
    assert stage.look() == Rollout("done")


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_pod_that_has_ended_is_not_waited_for(phase: str) -> None:
    stage = Stage()
    stage.pod("web-1", audited=True)
    stage.pod("evicted", audited=False, status={"phase": phase, "reason": "Evicted"})
    assert stage.look() == Rollout("done")


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"])
def test_pods_of_others_that_the_selector_selects_are_let_alone(kind: str, back: bool) -> None:
    stage = Stage(kind, back=back)
    stage.pod("web-1", audited=not back)
    other = stage.after if back else stage.before
    stranger = {
        "kind": "Pod", "spec": other["spec"]["template"]["spec"],
        "metadata": {"name": "canary", "namespace": "shop", "labels": {"app": "web", "pod-template-hash": "h1"}},
    }  # fmt: skip
    stage.kube.add(PODS.path("shop", "canary"), owned_by(stranger, "ReplicaSet", "web-canary-h1", "uid-else"))
    stage.kube.add(PODS.path("shop", "bare"), {**stranger, "metadata": {**stranger["metadata"], "name": "bare"}})
    assert stage.look() == Rollout("done")
    assert stage.pods() == ["bare", "canary", "web-1"]


@pytest.mark.parametrize("reason", ["CreateContainerConfigError", "CreateContainerError", "ImagePullBackOff"])
def test_the_words_of_a_pod_that_does_not_start(reason: str) -> None:
    stage = Stage(availableReplicas=0)
    stage.pod("web-1", audited=True, status=waiting(reason, "no such \x1b[31mfile"))
    look = stage.look()
    assert look.status == "troubled"
    assert f"pod web-1: container app: {reason}: no such" in look.detail
    assert "\x1b" not in look.detail


def test_a_container_that_ends_again_and_again() -> None:
    stage = Stage(availableReplicas=0)
    status = waiting("CrashLoopBackOff")
    status["containerStatuses"][0]["lastState"] = {"terminated": {"exitCode": 159, "reason": "Error"}}
    stage.pod("web-1", audited=True, status=status)
    assert "CrashLoopBackOff, it ended with exit code 159" in stage.look().detail


def test_a_pod_without_a_node() -> None:
    stage = Stage(availableReplicas=0)
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes"}
    stage.pod("web-1", audited=True, status={"phase": "Pending", "conditions": [condition]})
    assert stage.look() == Rollout("rolling", "pod web-1: Unschedulable: 0/2 nodes"), "nodes may be on their way"


def test_trouble_of_the_pods_that_are_to_go_is_none() -> None:
    stage = Stage(availableReplicas=0)
    stage.pod("web-1", audited=False, status=waiting("ImagePullBackOff"))
    assert stage.look().status == "rolling"


def _condition(kind: str, status: str) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": status, "reason": "Because", "message": "exceeded quota: q"}]}


def test_a_controller_that_gave_up() -> None:
    assert Stage(availableReplicas=0, **_condition("Progressing", "False")).look() == Rollout(
        "stuck", "Because: exceeded quota: q"
    )
    assert Stage(availableReplicas=0, **_condition("Progressing", "True")).look().status == "rolling"


def test_a_condition_of_the_template_before_says_nothing() -> None:
    stage = Stage(observedGeneration=0, **_condition("Progressing", "False"))
    assert stage.look().status == "rolling"


def test_pods_that_a_quota_keeps_from_being_made() -> None:
    stage = Stage(updatedReplicas=0, **_condition("ReplicaFailure", "True"))
    assert stage.look() == Rollout("troubled", "Because: exceeded quota: q")


def test_the_newest_warning_tells_where_no_condition_does() -> None:
    stage = Stage("StatefulSet", readyReplicas=0)
    for number, message in (("1", "older"), ("3", "newest"), ("2", "old")):
        body = {
            "metadata": {"name": number}, "type": "Warning", "reason": "FailedCreate", "message": message,
            "lastTimestamp": f"2026-11-28T12:00:0{number}Z", "involvedObject": {"uid": UID},
        }  # fmt: skip
        stage.kube.add(f"/api/v1/namespaces/shop/events/{number}", body)
    assert stage.look() == Rollout("troubled", "FailedCreate: newest")


def test_whoever_takes_the_template_back_is_noticed() -> None:
    stage = Stage()
    stage.kube.replace(stage.former.path, {**stage.before, "status": {}})
    assert stage.look() == Rollout("stuck", "somebody else has changed its template")


def test_one_of_a_kind_that_no_audit_changes_is_not_waited_for() -> None:
    stage = Stage(back=True)
    former = msgspec.structs.replace(stage.former, kind="Rollout")
    assert advance(stage.kube, former, switched=False).status == "stuck"


def test_one_that_is_gone_is_not_found() -> None:
    stage = Stage()
    stage.kube.delete(stage.former.path)
    with pytest.raises(NotFound):
        stage.look()


def test_pods_of_a_replica_set_are_replaced_one_by_one() -> None:
    stage = Stage("ReplicaSet", replicas=2)
    stage.pod("old-1", audited=False)
    stage.pod("old-2", audited=False)
    assert stage.look() == Rollout("rolling")
    assert len(stage.kube.evicted) == 1
    assert stage.look() == Rollout("rolling")
    assert len(stage.kube.evicted) == 1, "the second goes only when the first has been replaced"
    stage.pod("new-1", audited=True, status={"phase": "Pending"})
    assert stage.look() == Rollout("rolling")
    stage.kube.set_status(PODS.path("shop", "new-1"), READY)
    stage.look()
    stage.pod("new-2", audited=True)
    assert stage.pods() == ["new-1", "new-2"]
    assert stage.look() == Rollout("done")


@pytest.mark.parametrize(("served", "expected"), [("policy/v1", "policy/v1"), ("policy/v1beta1", "policy/v1beta1")])
def test_evictions_are_of_a_version_that_the_server_knows(served: str, expected: str) -> None:
    stage = Stage("ReplicaSet")
    budgets = RESOURCES["ReplicaSet"]._replace(api_version=served, kind="PodDisruptionBudget", plural="pdbs")
    stage.kube.resources.append(budgets)
    stage.pod("old-1", audited=False)
    stage.look()
    assert stage.kube.evicted == [("old-1", expected)]


def test_a_budget_that_allows_no_disruption_now_is_told() -> None:
    stage = Stage("ReplicaSet")
    stage.pod("old-1", audited=False)
    stage.kube.budget = "Cannot evict pod as it would violate the pod's disruption budget."
    look = stage.look()
    assert (look.status, stage.pods()) == ("troubled", ["old-1"])
    assert "disruption budget" in look.detail
    stage.kube.budget = ""
    assert stage.look() == Rollout("rolling")


@pytest.mark.parametrize("kind", ["StatefulSet", "ReplicaSet"])
def test_pods_that_cannot_start_do_not_block_the_way_back(kind: str) -> None:
    stage = Stage(kind, back=True, replicas=3)
    stage.kube.budget = "Cannot evict pod as it would violate the pod's disruption budget."
    stage.pod("web-0", audited=False)
    stage.pod("web-1", audited=True)
    stage.pod("web-2", audited=True, status=waiting("CreateContainerError"))
    assert stage.look().status == "rolling"
    assert stage.pods() == ["web-0", "web-1"]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({"matchLabels": {"a": "b", "c": "d"}}, "a=b,c=d"),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["b", "c"]}]}, "a in (b,c)"),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}, "a notin (b)"),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, "a"),
        ({"matchLabels": {"x": "y"}, "matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, "x=y,!a"),
    ],
)
def test_selectors_as_queries(selector: dict[str, Any], expected: str) -> None:
    assert selector_of(selector) == expected


@pytest.mark.parametrize(
    ("kind", "spec", "status", "words"),
    [
        ("Deployment", {"replicas": 2}, {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}, ""),
        ("Deployment", {"replicas": 2}, {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 1}, "1 of 2"),
        ("Deployment", {}, {"replicas": 2, "updatedReplicas": 1, "availableReplicas": 1}, "1 of 1"),
        ("Deployment", {}, {}, "0 of 1"),
        ("StatefulSet", {"replicas": 3}, {"readyReplicas": 2}, "2 of 3"),
        ("DaemonSet", {}, {"desiredNumberScheduled": 4, "updatedNumberScheduled": 4, "numberAvailable": 3}, "3 of 4"),
        ("ReplicaSet", {"replicas": 2}, {"readyReplicas": 2}, ""),
        ("ReplicaSet", {"replicas": 2}, {}, "0 of 2"),
        ("CronJob", {}, {}, ""),
    ],
)
def test_what_is_not_at_rest_would_not_come_back(kind: str, spec: JsonObject, status: JsonObject, words: str) -> None:
    said = unrest(kind, {"metadata": {}, "spec": spec, "status": status})
    assert (words in said) if words else said == ""
