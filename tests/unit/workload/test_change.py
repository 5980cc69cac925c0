# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_seccomp.cluster.interface import JsonObject
from azext_seccomp.errors import InvalidInput
from azext_seccomp.workload.change import (
    ANNOTATION,
    FormerContainer,
    FormerWorkload,
    is_switched,
    obstacles,
    plan_change,
    restored,
    switched,
)
from tests.unit.workload.test_ownership import OURS, entry
from tests.unit.workload.workloads import PATH, SESSION, candidate, container, former, workload

LOCALHOST = {"type": "Localhost", "localhostProfile": PATH}
PROFILES = st.sampled_from(
    [
        {"type": "Unconfined"},
        {"type": "RuntimeDefault"},
        {"type": "Localhost", "localhostProfile": "profiles/web.json"},
        {"type": "Localhost", "localhostProfile": "aks-seccomp/0123.json"},
    ]
)
CONTEXTS = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {},
        optional={
            "seccompProfile": PROFILES,
            "runAsUser": st.integers(0, 9),
            "privileged": st.booleans(),
            "capabilities": st.just({"add": ["NET_ADMIN"]}),
        },
    ),
)


def _containers(names: list[str]) -> st.SearchStrategy[list[JsonObject]]:
    return st.tuples(*(CONTEXTS for _ in names)).map(
        lambda contexts: [
            container(name, **({} if context is None else {"securityContext": context}))
            for name, context in zip(names, contexts, strict=True)
        ]
    )


@st.composite
def bodies(draw: st.DrawFn) -> JsonObject:
    """Workloads with init containers, sidecars, containers, and annotations or none."""
    kind = draw(st.sampled_from(["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"]))
    names = draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True))
    split = draw(st.integers(1, len(names)))
    init = draw(_containers(names[split:])) if split < len(names) else None
    for one in init or ():
        if draw(st.booleans()):
            one["restartPolicy"] = "Always"
    body = workload(kind, "web", *draw(_containers(names[:split])), init=init)
    if draw(st.booleans()):
        body["metadata"]["annotations"] = {"a/b~c": "d"}
    if draw(st.booleans()):
        body["spec"]["template"]["spec"]["securityContext"] = {"seccompProfile": {"type": "RuntimeDefault"}}
    return body


def _switch(body: JsonObject) -> tuple[FormerWorkload, JsonObject]:
    plan = former(body)
    changed = switched(body, plan, SESSION)
    assert changed is not None
    return plan, changed


def _all_containers(body: JsonObject) -> list[JsonObject]:
    spec = body["spec"]["template"]["spec"]
    return [*spec.get("initContainers", ()), *spec["containers"]]


@given(bodies())
def test_there_and_back_is_where_it_was(body: JsonObject) -> None:
    before = copy.deepcopy(body)
    plan, changed = _switch(body)
    assert body == before
    back = restored(changed, plan, SESSION)
    assert back.body == before
    assert not back.foreign


@given(bodies())
def test_every_container_without_an_obstacle_is_switched_and_nothing_else_is_changed(body: JsonObject) -> None:
    plan, changed = _switch(body)
    assert is_switched(changed, plan) == bool(plan.containers)
    hindered = {name for name, _ in obstacles(candidate(body))}
    for was, now in zip(_all_containers(body), _all_containers(changed), strict=True):
        if was["name"] in hindered:
            assert now == was
            continue
        assert now["securityContext"].pop("seccompProfile") == LOCALHOST
        context = {key: value for key, value in was.get("securityContext", {}).items() if key != "seccompProfile"}
        assert now == {**was, "securityContext": context}
    assert changed["metadata"]["annotations"].pop(ANNOTATION) == SESSION
    assert changed["metadata"]["annotations"] == body["metadata"].get("annotations", {})


@given(bodies())
def test_the_way_back_goes_once(body: JsonObject) -> None:
    plan, changed = _switch(body)
    back = restored(changed, plan, SESSION).body
    again = restored(back, plan, SESSION)
    assert (again.body, again.changed, again.foreign) == (back, False, ())


@given(bodies())
def test_the_former_state_survives_the_journal(body: JsonObject) -> None:
    plan = former(body)
    assert msgspec.json.decode(msgspec.json.encode(plan), type=FormerWorkload) == plan


@given(bodies(), st.data())
def test_what_others_did_meanwhile_stays(body: JsonObject, data: st.DataObject) -> None:
    """Another image and a field of the context, a container more, one less, another order."""
    plan, changed = _switch(body)
    expected = copy.deepcopy(body)
    for found in (changed, expected):
        for one in _all_containers(found):
            one["image"] = "i:2"
    containers, wanted = (found["spec"]["template"]["spec"]["containers"] for found in (changed, expected))
    if len(containers) > 1 and data.draw(st.booleans()):
        del containers[0], wanted[0]
    for found in (containers, wanted):
        found.insert(0, container("new", securityContext={"seccompProfile": {"type": "RuntimeDefault"}}))
        found.reverse()
    back = restored(changed, plan, SESSION)
    assert back.body == expected
    assert back.foreign == ()


def test_a_profile_that_somebody_else_has_set_stays_and_is_named() -> None:
    plan, changed = _switch(workload("Deployment", "web", container("a"), container("b")))
    foreign = {"seccompProfile": {"type": "RuntimeDefault"}}
    changed["spec"]["template"]["spec"]["containers"][0]["securityContext"] = foreign
    back = restored(changed, plan, SESSION)
    assert back.foreign == ("a",)
    first, second = _all_containers(back.body)
    assert (first["securityContext"], second) == (foreign, container("b"))


def test_a_context_that_others_put_something_into_keeps_that() -> None:
    plan, changed = _switch(workload())
    _all_containers(changed)[0]["securityContext"]["runAsUser"] = 7
    assert _all_containers(restored(changed, plan, SESSION).body)[0]["securityContext"] == {"runAsUser": 7}


def test_an_empty_context_is_an_empty_context_again() -> None:
    body = workload("Deployment", "web", container(securityContext={}))
    plan, changed = _switch(body)
    assert restored(changed, plan, SESSION).body == body


def test_the_annotation_of_another_session_stays() -> None:
    plan, changed = _switch(workload())
    changed["metadata"]["annotations"][ANNOTATION] = "sother"
    assert restored(changed, plan, SESSION) == (changed, False, (), ("app",))


def test_a_container_made_from_a_switched_one_is_named() -> None:
    plan, changed = _switch(workload())
    containers = changed["spec"]["template"]["spec"]["containers"]
    containers.append({**copy.deepcopy(containers[0]), "name": "twin"})
    assert restored(changed, plan, SESSION).left == ("twin",)


@pytest.mark.parametrize(
    "path",
    ["profiles/prod.json", "aks-seccomp/prod.json", "aks-seccomp/audit/sother/0.json", f"aks-seccomp/audit/{SESSION}/",
     f"aks-seccomp/audit/{SESSION}/../sother/0.json"],
)  # fmt: skip
def test_a_journal_cannot_have_a_profile_taken_away_that_is_not_the_session_s(path: str) -> None:
    real = {"type": "Localhost", "localhostProfile": path}
    body = workload("Deployment", "web", container(securityContext={"seccompProfile": real}))
    one = FormerContainer("containers", "app", {"type": "Unconfined"}, True, path)
    forged = msgspec.structs.replace(former(body), containers=(one,))
    assert not restored(body, forged, SESSION).changed, "it does not even carry the annotation"
    body["metadata"]["annotations"] = {ANNOTATION: SESSION}
    with pytest.raises(InvalidInput):
        restored(body, forged, SESSION)


@pytest.mark.parametrize(
    "context",
    [{}, {"seccompProfile": {"type": "RuntimeDefault"}}, {"runAsUser": 1}],
)
def test_a_workload_that_is_not_as_planned_is_not_switched(context: dict[str, Any]) -> None:
    plan = former(workload())
    assert switched(workload("Deployment", "web", container(securityContext=context)), plan, SESSION) is None


def test_a_container_that_is_gone_is_not_as_planned() -> None:
    plan = former(workload("Deployment", "web", container("a"), container("b")))
    assert switched(workload("Deployment", "web", container("a")), plan, SESSION) is None


@pytest.mark.parametrize(
    "context",
    [{"capabilities": {"add": ["SYS_ADMIN"]}}, {"capabilities": {"drop": ["ALL"]}}, {"privileged": True}],
)
def test_a_container_with_other_capabilities_than_its_profile_was_chosen_by_is_not_switched(
    context: dict[str, Any],
) -> None:
    plan = former(workload("Deployment", "web", container(securityContext={"runAsUser": 1})))
    assert switched(workload("Deployment", "web", container(securityContext=context)), plan, SESSION) is None


def test_a_container_that_was_added_is_not_as_planned() -> None:
    plan = former(workload("Deployment", "web", container("a")))
    assert switched(workload("Deployment", "web", container("a"), container("b")), plan, SESSION) is None
    assert switched(workload("Deployment", "web", container("a"), init=[container("b")]), plan, SESSION) is None


def test_another_runtime_class_is_not_as_planned() -> None:
    body = workload()
    body["spec"]["template"]["spec"]["runtimeClassName"] = "kata-vm-isolation"
    assert switched(body, former(workload()), SESSION) is None


def test_a_profile_that_got_another_owner_is_not_as_planned() -> None:
    body = workload("Deployment", "web", container(securityContext={"seccompProfile": {"type": "Unconfined"}}))
    plan = former(body)
    body["metadata"]["managedFields"] = [entry("gitops", "Apply", OURS)]
    assert switched(body, plan, SESSION) is None


def test_replicas_may_have_changed_since_the_plan() -> None:
    body = workload()
    plan = former(body)
    body["spec"]["replicas"] = 7
    body["metadata"]["generation"] = 2
    assert switched(body, plan, SESSION) is not None


def test_a_journal_of_before_decodes_and_is_taken_back() -> None:
    plan, changed = _switch(workload())
    old = msgspec.to_builtins(plan)
    del old["chosen_by"], old["containers"][0]["owners"]
    assert restored(changed, msgspec.convert(old, FormerWorkload), SESSION).body == workload()


def test_a_profile_that_somebody_else_has_removed_leaves_no_empty_context() -> None:
    plan, changed = _switch(workload())
    _all_containers(changed)[0]["securityContext"] = {}
    back = restored(changed, plan, SESSION)
    assert (back.body, back.foreign) == (workload(), ())


def test_an_image_may_have_changed_since_the_plan() -> None:
    changed = switched(workload("Deployment", "web", container(image="i:2")), former(workload()), SESSION)
    assert changed is not None
    assert _all_containers(changed)[0]["image"] == "i:2"


@pytest.mark.parametrize(
    "profile",
    [
        {"type": "Whatever"},
        {},
        {"type": "Unconfined", "localhostProfile": "x"},
        {"type": "Localhost"},
        {"type": "Localhost", "localhostProfile": 5},
        {"type": "Localhost", "localhostProfile": "x" * 5000},
        {"type": "RuntimeDefault", "more": 1},
    ],
)
def test_a_former_profile_that_is_none_is_not_put_back(profile: dict[str, Any]) -> None:
    plan, changed = _switch(workload())
    forged = msgspec.structs.replace(
        plan, containers=(msgspec.structs.replace(plan.containers[0], profile=profile, context=True),)
    )
    with pytest.raises(InvalidInput):
        restored(changed, forged, SESSION)


def test_containers_get_what_they_need_and_privileged_ones_nothing() -> None:
    body = workload("Deployment", "web", container("a"), container("b", securityContext={"privileged": True}))
    plan = plan_change(candidate(body), lambda one: f"aks-seccomp/audit/x/{one['name']}.json")
    assert [(one.list, one.name, one.path) for one in plan.containers] == [
        ("containers", "a", "aks-seccomp/audit/x/a.json")
    ]
    assert [name for name, _ in obstacles(candidate(body))] == ["b"]
