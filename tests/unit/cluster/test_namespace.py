# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import re
import threading

import pytest

from azext_seccomp.cluster import namespace
from azext_seccomp.cluster.interface import CONFIG_MAPS, NAMESPACES, PODS
from azext_seccomp.cluster.namespace import (
    NAMESPACE,
    ensure_namespace,
    labels,
    new_session_id,
    release_namespace,
    selector,
    while_it_lasts,
)
from azext_seccomp.errors import Forbidden, NotFound, SeccompError, WrongState
from tests.unit.fakes import FakeKube, Request

WHERE = NAMESPACES.path(name=NAMESPACE)


def test_session_ids_are_short_label_values_and_differ() -> None:
    made = {new_session_id() for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(r"s[a-z2-7]{10}", one) for one in made)


def test_selector_narrows_to_session_and_role() -> None:
    assert selector() == "app.kubernetes.io/managed-by=az-aks-seccomp"
    assert selector("s1", "installer") == (
        "app.kubernetes.io/managed-by=az-aks-seccomp,aks-seccomp/session=s1,aks-seccomp/role=installer"
    )


def test_creates_a_namespace_that_admits_pods_with_host_paths() -> None:
    kube = FakeKube()
    assert ensure_namespace(kube)
    assert kube.get(WHERE)["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "az-aks-seccomp",
        "pod-security.kubernetes.io/enforce": "privileged",
    }


def test_uses_a_prepared_namespace_unchanged_and_leaves_it_in_place() -> None:
    kube = FakeKube()
    before = kube.add(NAMESPACES.path(), {"metadata": {"name": NAMESPACE, "labels": {"team": "ops"}}})
    assert not ensure_namespace(kube)
    assert not release_namespace(kube)
    assert kube.get(WHERE) == before


def test_a_caller_who_may_not_create_namespaces_uses_the_one_that_is_there() -> None:
    def refuse(request: Request) -> Forbidden | None:
        return Forbidden("May not create namespaces.") if request.verb == "create" else None

    kube = FakeKube(refuse=refuse)
    with pytest.raises(Forbidden):
        ensure_namespace(kube)
    kube.add(NAMESPACES.path(), {"metadata": {"name": NAMESPACE}})
    assert not ensure_namespace(kube)


def test_waits_for_the_end_of_an_earlier_deletion() -> None:
    kube = FakeKube()
    kube.add(NAMESPACES.path(), {"metadata": {"name": NAMESPACE, "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    ending = threading.Timer(0.2, lambda: kube.delete(WHERE))
    ending.start()
    try:
        assert ensure_namespace(kube)
    finally:
        ending.join()
    assert "deletionTimestamp" not in kube.get(WHERE)["metadata"]


def test_a_deletion_that_hangs_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespace, "_TERMINATING_SECONDS", 0.0)
    kube = FakeKube()
    kube.add(NAMESPACES.path(), {"metadata": {"name": NAMESPACE, "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    with pytest.raises(WrongState, match="does not go away"):
        ensure_namespace(kube)


def test_releases_its_own_namespace_only_when_it_is_empty() -> None:
    kube = FakeKube()
    ensure_namespace(kube)
    kube.add(CONFIG_MAPS.path(NAMESPACE), {"metadata": {"name": "kube-root-ca.crt"}})
    kube.add(PODS.path(NAMESPACE), {"metadata": {"name": "of-another-session", "labels": labels("s2", "collector")}})
    assert not release_namespace(kube)
    kube.delete(PODS.path(NAMESPACE, "of-another-session"))
    kube.add(CONFIG_MAPS.path(NAMESPACE), {"metadata": {"name": "journal"}})
    assert not release_namespace(kube)
    kube.delete(CONFIG_MAPS.path(NAMESPACE, "journal"))
    assert release_namespace(kube)
    assert not kube.names(NAMESPACES.path())


@pytest.mark.parametrize(
    "refusal",
    [
        WrongState("Cannot create a pod: namespace aks-seccomp is being deleted."),
        NotFound("Cannot create a pod: not found.", why='namespaces "aks-seccomp" not found'),
    ],
)
def test_a_namespace_that_another_session_took_away_is_made_again(refusal: SeccompError) -> None:
    refusals = [refusal]

    def refuse(request: Request) -> SeccompError | None:
        return refusals.pop() if refusals and request.path.endswith("/configmaps") else None

    kube = FakeKube(refuse=refuse)
    made = {"metadata": {"name": "content"}}
    while_it_lasts(kube, lambda: kube.create(CONFIG_MAPS.path(NAMESPACE), made))
    assert kube.names(NAMESPACES.path()) == [NAMESPACE]
    assert kube.names(CONFIG_MAPS.path(NAMESPACE)) == ["content"]


def test_another_refusal_is_not_tried_again() -> None:
    kube = FakeKube(refuse=lambda request: NotFound("Cannot create.", why='configmaps "x" not found'))
    with pytest.raises(NotFound):
        while_it_lasts(kube, lambda: kube.create(CONFIG_MAPS.path(NAMESPACE), {"metadata": {"name": "x"}}))
    assert len(kube.requests) == 1


NO_ACCOUNT = (
    'pods "x" is forbidden: error looking up service account aks-seccomp/default: serviceaccount "default" not found'
)


def test_the_account_of_a_new_namespace_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespace, "_ACCOUNT_POLL_SECONDS", 0.01)
    refusals = [Forbidden("You may not create pods.", why=NO_ACCOUNT)] * 3
    kube = FakeKube(refuse=lambda request: refusals.pop() if refusals and request.verb == "create" else None)
    while_it_lasts(kube, lambda: kube.create(PODS.path(NAMESPACE), {"metadata": {"name": "x"}}))
    assert kube.names(PODS.path(NAMESPACE)) == ["x"]


@pytest.mark.parametrize(("why", "least", "most"), [(NO_ACCOUNT, 2, 10), ("The policy denies it.", 1, 1)])
def test_an_account_that_never_comes_and_other_refusals_are_errors(
    monkeypatch: pytest.MonkeyPatch, why: str, least: int, most: int
) -> None:
    monkeypatch.setattr(namespace, "_ACCOUNT_POLL_SECONDS", 0.01)
    monkeypatch.setattr(namespace, "_ACCOUNT_SECONDS", 0.05)
    kube = FakeKube(refuse=lambda _: Forbidden("You may not create pods.", why=why))
    with pytest.raises(Forbidden):
        while_it_lasts(kube, lambda: kube.create(PODS.path(NAMESPACE), {"metadata": {"name": "x"}}))
    assert least <= len(kube.requests) <= most
