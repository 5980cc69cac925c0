# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from azext_seccomp.cluster import request as cluster_request
from azext_seccomp.cluster.failures import from_answer
from azext_seccomp.cluster.interface import PODS, JsonObject
from azext_seccomp.cluster.target import Target
from azext_seccomp.errors import Conflict, Forbidden, InvalidInput, NotFound, SeccompError, ServerFault, Unreachable
from azext_seccomp.workload import switching
from azext_seccomp.workload.change import ANNOTATION, FormerWorkload, is_switched, restored
from azext_seccomp.workload.switching import dry_run, restore, switch
from tests.unit.fakes import FakeKube, Request
from tests.unit.workload.test_ownership import OURS, WE, entry
from tests.unit.workload.workloads import SESSION, container, fake_kube, former, put, workload


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switching, "_PAUSE_SECONDS", 0)


def stored(body: JsonObject) -> tuple[FakeKube, FormerWorkload]:
    kube = fake_kube()
    put(kube, body)
    return kube, former(body)


class Interfering(FakeKube):
    """Somebody else writes to the object between a read and the write that follows it."""

    def __init__(self, times: int, change: Callable[[JsonObject], None]) -> None:
        super().__init__()
        self.times = times
        self.change = change

    def replace(self, path: str, body: object, *, dry_run: bool = False) -> JsonObject:  # type: ignore[override]
        if self.times:
            self.times -= 1
            other = self.get(path)
            self.change(other)
            super().replace(path, other)
        return super().replace(path, body, dry_run=dry_run)  # type: ignore[arg-type]


def interfered(times: int, change: Callable[[JsonObject], None]) -> tuple[Interfering, FormerWorkload]:
    kube = Interfering(times, change)
    body = workload()
    put(kube, body)
    return kube, former(body)


def grow(body: JsonObject) -> None:
    body["spec"]["replicas"] = body["spec"].get("replicas", 1) + 1


def test_there_and_back() -> None:
    kube, plan = stored(workload())
    switch(kube, plan, SESSION)
    found = kube.get(plan.path)
    assert is_switched(found, plan)
    assert found["metadata"]["annotations"][ANNOTATION] == SESSION
    assert restore(kube, plan, SESSION) == ("restored", "")
    assert restore(kube, plan, SESSION) == ("untouched", "")
    assert kube.get(plan.path)["spec"] == workload()["spec"]


def test_what_others_write_between_is_kept() -> None:
    kube, plan = interfered(3, grow)
    switch(kube, plan, SESSION)
    assert kube.get(plan.path)["spec"]["replicas"] == 4
    kube.times = 2
    assert restore(kube, plan, SESSION).status == "restored"
    assert kube.get(plan.path)["spec"]["replicas"] == 6


def test_whoever_never_stops_writing_wins() -> None:
    kube, plan = interfered(1000, grow)
    with pytest.raises(Conflict):
        switch(kube, plan, SESSION)


def test_a_profile_that_is_set_between_is_not_overwritten() -> None:
    def confine(body: JsonObject) -> None:
        body["spec"]["template"]["spec"]["containers"][0]["securityContext"] = {
            "seccompProfile": {"type": "Unconfined"}
        }

    kube, plan = interfered(1, confine)
    with pytest.raises(Conflict):
        switch(kube, plan, SESSION)
    assert not is_switched(kube.get(plan.path), plan)


def test_a_workload_of_another_session_is_not_touched() -> None:
    body = workload()
    body["metadata"]["annotations"] = {ANNOTATION: "sother"}
    kube, plan = stored(body)
    with pytest.raises(Conflict) as error:
        switch(kube, plan, SESSION)
    assert "sother" in error.value.why
    assert not kube.made("replace")


def test_another_one_of_its_name_is_not_touched() -> None:
    kube, plan = stored(workload())
    switch(kube, plan, SESSION)
    kube.delete(plan.path)
    again = workload()
    again["metadata"]["uid"] = "uid-new"
    put(kube, again)
    with pytest.raises(Conflict):
        switch(kube, plan, SESSION)
    assert restore(kube, plan, SESSION).status == "replaced"
    assert len(kube.made("replace")) == 1


def test_one_that_was_deleted_is_absent() -> None:
    kube, plan = stored(workload())
    kube.delete(plan.path)
    assert restore(kube, plan, SESSION).status == "absent"
    with pytest.raises(NotFound):
        switch(kube, plan, SESSION)


def test_what_somebody_else_has_set_meanwhile_is_named() -> None:
    kube, plan = stored(workload("Deployment", "web", container("a"), container("b")))
    switch(kube, plan, SESSION)
    found = kube.get(plan.path)
    found["spec"]["template"]["spec"]["containers"][1]["securityContext"]["seccompProfile"] = {"type": "Unconfined"}
    kube.replace(plan.path, found)
    status, detail = restore(kube, plan, SESSION)
    assert status == "restored"
    assert "of b," in detail


def test_one_whose_mark_was_taken_away_is_not_touched_and_not_passed_over() -> None:
    kube, plan = stored(workload())
    switch(kube, plan, SESSION)
    kube.patch(plan.path, {"metadata": {"annotations": {ANNOTATION: None}}})
    status, detail = restore(kube, plan, SESSION)
    assert status == "failed"
    assert "app" in detail
    assert is_switched(kube.get(plan.path), plan)


def _lost_answer(kube: FakeKube, plan: FormerWorkload, *, carried_out: bool) -> None:
    def refuse(request: Request) -> SeccompError | None:
        if request.verb != "replace":
            return None
        kube.refuse = lambda _: None
        if carried_out:
            kube.replace(plan.path, request.body)
        return Unreachable("The connection broke.")

    kube.refuse = refuse


def test_an_answer_that_is_lost_is_looked_for() -> None:
    kube, plan = stored(workload())
    _lost_answer(kube, plan, carried_out=True)
    switch(kube, plan, SESSION)
    assert restore(kube, plan, SESSION).status == "restored"
    _lost_answer(kube, plan, carried_out=False)
    with pytest.raises(Unreachable):
        switch(kube, plan, SESSION)


@pytest.mark.parametrize("carried_out", [False, True])
def test_the_way_back_is_tried_again_and_its_rollout_waited_for(carried_out: bool) -> None:
    kube, plan = stored(workload())
    switch(kube, plan, SESSION)
    _lost_answer(kube, plan, carried_out=carried_out)
    assert restore(kube, plan, SESSION) == ("restored", "")
    assert kube.get(plan.path)["spec"] == workload()["spec"]


def test_what_others_changed_is_named_though_the_answer_was_lost() -> None:
    kube, plan = stored(workload("Deployment", "web", container("a"), container("b")))
    switch(kube, plan, SESSION)
    found = kube.get(plan.path)
    found["spec"]["template"]["spec"]["containers"][1]["securityContext"]["seccompProfile"] = {"type": "Unconfined"}
    kube.replace(plan.path, found)
    _lost_answer(kube, plan, carried_out=True)
    status, detail = restore(kube, plan, SESSION)
    assert status == "restored"
    assert "of b," in detail


@pytest.mark.parametrize("verb", ["get", "replace"])
@pytest.mark.parametrize("error", [Unreachable("It restarts."), ServerFault("502.")])
@pytest.mark.parametrize(("times", "enough"), [(7, True), (8, False)])
def test_the_way_back_outlasts_a_restart_of_the_server(
    monkeypatch: pytest.MonkeyPatch, verb: str, error: SeccompError, times: int, enough: bool
) -> None:
    kube, plan = stored(workload())
    switch(kube, plan, SESSION)
    pauses: list[float] = []
    monkeypatch.setattr(switching, "_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr("azext_seccomp.workload.switching.time.sleep", pauses.append)
    failures = [error] * times
    kube.refuse = lambda asked: failures.pop() if asked.verb == verb and failures else None
    if enough:
        assert restore(kube, plan, SESSION).status == "restored"
    else:
        with pytest.raises(type(error)):
            restore(kube, plan, SESSION)
    assert pauses == sorted(pauses)
    assert 20 < sum(pauses) < 40


def test_one_made_anew_from_its_switched_state_is_not_passed_over() -> None:
    """As ``kubectl replace --force`` does: the file that it names is going to be removed."""
    kube, plan = stored(workload())
    switch(kube, plan, SESSION)
    again = kube.get(plan.path)
    kube.delete(plan.path)
    again["metadata"]["uid"] = "uid-new"
    put(kube, again)
    status, detail = restore(kube, plan, SESSION)
    assert status == "failed"
    assert "app still names a profile of the audit: change it by hand" in detail
    assert is_switched(kube.get(plan.path), plan)


def test_a_dry_run_changes_nothing_and_finds_nothing_wrong() -> None:
    kube, plan = stored(workload())
    before = kube.get(plan.path)
    assert dry_run(kube, plan, SESSION) == ""
    assert [one.dry_run for one in kube.made("replace")] == [True]
    assert kube.get(plan.path) == before


@pytest.mark.parametrize("error", [Forbidden("The webhook x denies it.", why="because"), InvalidInput("Not valid.")])
def test_a_dry_run_tells_the_words_of_a_refusal(error: SeccompError) -> None:
    kube, plan = stored(workload())
    kube.refuse = lambda request: error if request.dry_run else None
    assert dry_run(kube, plan, SESSION) == str(error)


def test_a_webhook_that_takes_no_dry_runs_leaves_it_open() -> None:
    kube, plan = stored(workload())
    refusal = InvalidInput("No.", why='admission webhook "x" does not support dry run')
    kube.refuse = lambda request: refusal if request.dry_run else None
    assert dry_run(kube, plan, SESSION) == ""


def test_a_webhook_that_puts_another_profile_in_is_noticed() -> None:
    class Mutating(FakeKube):
        def replace(self, path: str, body: object, *, dry_run: bool = False) -> JsonObject:  # type: ignore[override]
            answer = super().replace(path, body, dry_run=dry_run)  # type: ignore[arg-type]
            for one in answer["spec"]["template"]["spec"]["containers"]:
                one["securityContext"] = {"seccompProfile": {"type": "RuntimeDefault"}}
            return answer

    kube = Mutating()
    put(kube, workload())
    assert "webhook" in dry_run(kube, former(workload()), SESSION)


def test_its_pods_are_asked_about_once() -> None:
    kube, plan = stored(workload("StatefulSet"))
    assert dry_run(kube, plan, SESSION) == ""
    (asked,) = kube.made("create")
    assert asked.dry_run
    assert is_switched(asked.body, plan)
    assert list(kube.list(PODS.path("shop"))) == []


@pytest.mark.parametrize(
    "words",
    [
        'admission webhook "validation.gatekeeper.sh" denied the request: [seccomp] Localhost is not allowed',
        'pods "web" is forbidden: violates PodSecurity "restricted:latest": seccompProfile',
        "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: Localhost is not allowed",
    ],
)
def test_a_policy_for_pods_is_heard_before_any_is_replaced(words: str) -> None:
    kube, plan = stored(workload())
    kube.refuse = lambda asked: _answered(403, words) if asked.verb == "create" else None
    refused = dry_run(kube, plan, SESSION)
    assert "its pods would be refused" in refused
    assert words[-10:] in refused


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, 'pods "web" is forbidden: exceeded quota: full, requested: pods=1'),
        (403, 'pods is forbidden: User "u" cannot create resource "pods" in API group "" in the namespace "shop"'),
        (403, 'pods "web" is forbidden: error looking up service account shop/app: serviceaccount "app" not found'),
        (400, 'admission webhook "x" does not support dry run'),
        (422, 'Pod "web" is invalid: spec.containers[0].image: Required value'),
        (409, 'pods "web-audited" already exists'),
        (404, 'namespaces "shop" not found'),
    ],
)
def test_what_says_nothing_about_the_profile_leaves_it_open(status: int, words: str) -> None:
    kube, plan = stored(workload())
    kube.refuse = lambda asked: _answered(status, words) if asked.verb == "create" else None
    assert dry_run(kube, plan, SESSION) == ""


def test_pods_are_asked_about_though_the_workload_cannot_be() -> None:
    kube, plan = stored(workload())

    def refuse(asked: Request) -> SeccompError | None:
        if asked.verb == "replace":
            return _answered(400, 'admission webhook "x" does not support dry run')
        return _answered(403, 'admission webhook "y" denied the request: no') if asked.verb == "create" else None

    kube.refuse = refuse
    assert "its pods would be refused" in dry_run(kube, plan, SESSION)


def test_a_webhook_that_puts_another_profile_into_pods_is_noticed() -> None:
    class Mutating(FakeKube):
        def create(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> JsonObject:
            answer = super().create(path, body, dry_run=dry_run)
            answer["spec"]["containers"][0]["securityContext"] = {"seccompProfile": {"type": "RuntimeDefault"}}
            return answer

    kube = Mutating()
    put(kube, workload())
    assert "webhook" in dry_run(kube, former(workload()), SESSION)


def _answered(status: int, words: str) -> SeccompError:
    """The error for an answer of the API server."""
    body = json.dumps({"kind": "Status", "message": words}).encode()
    asked = cluster_request.Request("POST", PODS.path("shop"))
    return from_answer(asked, Target("https://cluster:443"), status, body)


class Owning(FakeKube):
    """Makes whoever writes the owner of a changed profile, as the API server does; ``keeps``: for good."""

    keeps = False

    def replace(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> JsonObject:
        asked = copy.deepcopy(dict(body))
        found = self.get(path)
        if asked["spec"] != found["spec"] or self.keeps:
            managed = [one for one in found["metadata"]["managedFields"] if one["manager"] == "kubelet"]
            asked["metadata"]["managedFields"] = [*managed, WE]
        return super().replace(path, asked, dry_run=dry_run)


def owning() -> tuple[Owning, FormerWorkload, JsonObject]:
    body = workload("Deployment", "web", container(securityContext={"seccompProfile": {"type": "RuntimeDefault"}}))
    body["metadata"]["managedFields"] = [entry("gitops", "Apply", OURS)]
    kube = Owning()
    put(kube, body)
    return kube, former(body), body


def test_the_fields_of_a_profile_belong_to_whom_they_did() -> None:
    kube, plan, body = owning()
    switch(kube, plan, SESSION)
    assert kube.get(plan.path)["metadata"]["managedFields"] == [WE]
    assert restore(kube, plan, SESSION) == ("restored", "")
    assert kube.get(plan.path)["metadata"]["managedFields"] == body["metadata"]["managedFields"]
    writes = len(kube.made("replace"))
    assert restore(kube, plan, SESSION) == ("untouched", "")
    assert len(kube.made("replace")) == writes


def test_a_way_back_that_was_cut_between_its_two_writes_is_finished() -> None:
    kube, plan, body = owning()
    switch(kube, plan, SESSION)
    back = restored(kube.get(plan.path), plan, SESSION).body
    kube.replace(plan.path, back)
    assert restore(kube, plan, SESSION) == ("untouched", "")
    assert kube.get(plan.path)["metadata"]["managedFields"] == body["metadata"]["managedFields"]


def test_fields_that_cannot_be_given_back_are_said_and_no_failure() -> None:
    kube, plan, body = owning()
    switch(kube, plan, SESSION)
    kube.keeps = True
    status, detail = restore(kube, plan, SESSION)
    assert status == "restored"
    assert "az-aks-seccomp" in detail
    kube.refuse = lambda asked: Forbidden("You may not.") if asked.verb == "replace" else None
    status, detail = restore(kube, plan, SESSION)
    assert status == "untouched"
    assert "You may not." in detail
    assert kube.get(plan.path)["spec"] == body["spec"]
