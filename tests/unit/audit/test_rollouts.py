# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Waiting for rollouts: what ends it, what does not, and what is told of each workload."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from azext_seccomp.audit.rollouts import wait_rolled_out
from azext_seccomp.cluster.interface import PODS, JsonObject
from azext_seccomp.errors import Forbidden, SeccompError, ServerFault, Unreachable
from azext_seccomp.progress import Silent
from azext_seccomp.workload.change import FormerWorkload, plan_change
from azext_seccomp.workload.find import find
from azext_seccomp.workload.reference import parse_reference
from azext_seccomp.workload.switching import switch
from tests.unit.audit.controllers import DEPLOYMENTS, Controllers, deployment
from tests.unit.fakes import FakeKube, Request
from tests.unit.workload.test_rollout import Stage

SESSION = "saaaaaaaaaa"
ROLLING = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 0}
DONE = {**ROLLING, "availableReplicas": 1}


class Clock:
    """Time that only passes while somebody waits; ``then`` happens at some seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.began = self.now
        self.then: dict[int, Callable[[], object]] = {}
        monkeypatch.setattr("azext_seccomp.audit.rollouts.time.monotonic", lambda: self.now)

    @property
    def passed(self) -> int:
        return round(self.now - self.began)

    def pump(self, seconds: float) -> None:
        self.now += seconds
        self.then.pop(self.passed, lambda: None)()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def cluster(tmp_path: Path) -> Controllers:
    return Controllers(tmp_path)


def switched(cluster: Controllers, *names: str, stuck: str = "") -> list[FormerWorkload]:
    """Deployments that have just got the audit profile."""
    formers = []
    for name in names:
        cluster.deploy(deployment(name))
        if stuck:
            cluster.stuck[name] = stuck
        (candidate,) = find(
            cluster, [parse_reference(f"deploy/{name}")], namespace="shop", labels="", include_system=False
        )
        formers.append(plan_change(candidate, lambda _: f"aks-seccomp/audit/{SESSION}/0123456789abcdef.json"))
        switch(cluster, formers[-1], SESSION)
    return formers


def path(name: str = "web") -> str:
    return DEPLOYMENTS.path("shop", name)


def told(
    cluster: FakeKube,
    clock: Clock,
    formers: list[FormerWorkload],
    *,
    seconds: float = 300,
    stop: bool = False,
    back: bool = False,
) -> dict[str, str]:
    """What is told of each, by its name."""
    said: dict[str, str] = {}
    ended = threading.Event()
    if stop:
        clock.then[3] = ended.set
    wait_rolled_out(
        cluster,
        formers,
        lambda one, why: said.update({one.name: why}),
        switched=not back,
        pump=clock.pump,
        stop=ended,
        progress=Silent(),
        seconds=seconds,
    )
    return said


def test_those_that_are_done_are_told_of_while_others_are_under_way(cluster: Controllers, clock: Clock) -> None:
    formers = switched(cluster, "web", "slow")
    cluster.set_status(path("slow"), ROLLING)
    clock.then[100] = lambda: cluster.set_status(path("slow"), DONE)
    assert told(cluster, clock, formers) == {"web": "", "slow": ""}
    assert clock.passed == 100


def test_the_deadline_of_one_that_shows_no_trouble(cluster: Controllers, clock: Clock) -> None:
    formers = switched(cluster, "web")
    cluster.set_status(path(), ROLLING)
    assert told(cluster, clock, formers, seconds=90) == {"web": "its pods are not all ready after 90 s"}
    assert clock.passed == 90


def test_trouble_is_given_some_seconds(cluster: Controllers, clock: Clock) -> None:
    formers = switched(cluster, "web", stuck="no space left")
    (why,) = told(cluster, clock, formers).values()
    assert "no space left" in why
    assert clock.passed == 20


def test_trouble_that_passes_is_none(cluster: Controllers, clock: Clock) -> None:
    formers = switched(cluster, "web", stuck="no space left")

    def heal() -> None:
        cluster.stuck.clear()
        cluster.replace(path(), cluster.get(path()))

    clock.then[15] = heal
    assert told(cluster, clock, formers) == {"web": ""}


def fail(cluster: Controllers, message: str, name: str = "web") -> None:
    """The kubelet says something else about the pod."""
    cluster.stuck[name] = message
    cluster.replace(path(name), cluster.get(path(name)))


def test_every_kind_of_trouble_has_its_time(cluster: Controllers, clock: Clock) -> None:
    """A quota that passes late leaves the pull of an image the time that it would have had without."""
    (former,) = switched(cluster, "web")
    for pod in cluster.pods():
        cluster.delete(PODS.path("shop", pod["metadata"]["name"]))
    quota = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
    cluster.set_status(path(), {**ROLLING, "conditions": [quota]})
    clock.then[15] = lambda: fail(cluster, "image not found")
    (why,) = told(cluster, clock, [former]).values()
    assert "image not found" in why
    assert clock.passed == 35


def test_two_kinds_of_trouble_by_turns_do_not_last_for_ever(cluster: Controllers, clock: Clock) -> None:
    (former,) = switched(cluster, "web")

    def turn() -> None:
        reason = ("ErrImagePull", "ImagePullBackOff")[clock.passed % 2]
        state = {"waiting": {"reason": reason, "message": f"attempt {clock.passed}"}}
        (pod,) = cluster.pods()
        status = {"phase": "Pending", "containerStatuses": [{"name": "app", "state": state}]}
        cluster.set_status(PODS.path("shop", pod["metadata"]["name"]), status)
        clock.then[clock.passed + 1] = turn

    cluster.set_status(path(), ROLLING)
    turn()
    (why,) = told(cluster, clock, [former]).values()
    assert "attempt 20" in why
    assert clock.passed == 20


def test_the_way_back_is_not_given_up_before_its_time(clock: Clock) -> None:
    stage = Stage("ReplicaSet", back=True)
    stage.pod("audited-1", audited=True)
    stage.kube.budget = BUDGET

    def allow() -> None:
        stage.kube.budget = ""
        clock.then[clock.passed + 2] = lambda: stage.pod("web-1", audited=False)

    clock.then[200] = allow
    assert told(stage.kube, clock, [stage.former], back=True) == {"web": ""}
    assert clock.passed == 202


def test_nothing_has_to_come_back_of_one_that_is_deleted(cluster: Controllers, clock: Clock) -> None:
    formers = switched(cluster, "web")
    cluster.undeploy()
    assert told(cluster, clock, formers, back=True) == {"web": ""}


@pytest.mark.parametrize("error", [Unreachable("Connection refused."), ServerFault("etcd has no leader.")])
def test_an_api_server_that_fails_for_a_while_is_no_verdict_on_a_workload(
    cluster: Controllers, clock: Clock, error: SeccompError
) -> None:
    formers = switched(cluster, "web")
    cluster.refuse = lambda _: error

    def again() -> None:
        cluster.refuse = lambda _: None

    clock.then[60] = again
    assert told(cluster, clock, formers) == {"web": ""}
    assert clock.passed == 60, "longer than trouble may last"


def test_an_api_server_that_never_comes_back_is_told_of(cluster: Controllers, clock: Clock) -> None:
    formers = switched(cluster, "web")
    cluster.refuse = lambda _: Unreachable("Connection refused.")
    assert told(cluster, clock, formers, seconds=90) == {"web": "Connection refused."}


def test_what_is_forbidden_does_not_take_until_the_deadline(cluster: Controllers, clock: Clock) -> None:
    """RBAC after a restart of the API server forbids everything for a moment, too."""
    formers = switched(cluster, "web")

    def refuse(request: Request) -> SeccompError | None:
        return Forbidden("You may not create pods/eviction.") if "/pods" in request.path else None

    cluster.refuse = refuse
    assert told(cluster, clock, formers) == {"web": "You may not create pods/eviction."}
    assert clock.passed == 20


def test_one_that_is_deleted(cluster: Controllers, clock: Clock) -> None:
    formers = switched(cluster, "web")
    cluster.undeploy()
    assert told(cluster, clock, formers) == {"web": "it was deleted"}


def test_an_early_end_tells_nothing_of_those_under_way(cluster: Controllers, clock: Clock) -> None:
    formers = switched(cluster, "web", "slow")
    cluster.set_status(path("slow"), ROLLING)
    assert told(cluster, clock, formers, stop=True) == {"web": ""}
    assert clock.passed == 3


BUDGET = "Cannot evict pod as it would violate the pod's disruption budget."


def replica_set() -> Stage:
    """One that has just got the audit profile: its pod is as it was."""
    stage = Stage("ReplicaSet")
    stage.pod("old-1", audited=False)
    return stage


def test_pods_of_a_replica_set_that_a_budget_protects(clock: Clock) -> None:
    stage = replica_set()
    stage.kube.budget = BUDGET
    (why,) = told(stage.kube, clock, [stage.former]).values()
    assert why == f"pod old-1 cannot be evicted: {BUDGET}"
    assert (clock.passed, stage.pods()) == (20, ["old-1"])


def test_a_budget_that_allows_it_later(clock: Clock) -> None:
    stage = replica_set()
    stage.kube.budget = BUDGET

    def allow() -> None:
        stage.kube.budget = ""
        clock.then[clock.passed + 2] = lambda: stage.pod("new-1", audited=True)

    clock.then[10] = allow
    assert told(stage.kube, clock, [stage.former]) == {"web": ""}
    assert (clock.passed, stage.pods()) == (12, ["new-1"])


def test_pods_of_a_replica_set_that_may_not_be_evicted(clock: Clock) -> None:
    stage = replica_set()
    create = stage.kube.create

    def refused(path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> JsonObject:
        if path.endswith("/eviction"):
            raise Forbidden("You may not create pods/eviction in namespace shop.")
        return create(path, body, dry_run=dry_run)

    stage.kube.create = refused  # type: ignore[method-assign]
    assert told(stage.kube, clock, [stage.former]) == {"web": "You may not create pods/eviction in namespace shop."}
    assert clock.passed == 20
