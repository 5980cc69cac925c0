# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
from collections.abc import Callable

import pytest

from azext_seccomp.cluster.interface import JsonObject
from azext_seccomp.errors import Conflict, Forbidden, InvalidInput, NotFound, SeccompError, Unreachable
from azext_seccomp.workload import switching
from azext_seccomp.workload.change import ANNOTATION, FormerWorkload, is_switched
from azext_seccomp.workload.switching import dry_run, restore, switch
from tests.unit.fakes import FakeKube, Request
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
    _lost_answer(kube, plan, carried_out=False)
    with pytest.raises(Unreachable):
        restore(kube, plan, SESSION)
    assert restore(kube, plan, SESSION).status == "restored"
    _lost_answer(kube, plan, carried_out=False)
    with pytest.raises(Unreachable):
        switch(kube, plan, SESSION)


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
