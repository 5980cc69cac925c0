# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from azext_seccomp.cluster import pods
from azext_seccomp.cluster.interface import CONFIG_MAPS, PODS
from azext_seccomp.cluster.namespace import NAMESPACE, labels
from azext_seccomp.cluster.pods import create_all, delete_all, remains, remove_session, watch_pods
from azext_seccomp.errors import Conflict, Forbidden, SeccompError, Unreachable
from tests.unit.fakes import FakeKube, Request


def manifest(name: str, session: str = "s1", role: str = "installer") -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels(session, role)}, "spec": {}}


def refusing(verb: str, name: str, error: SeccompError) -> Callable[[Request], SeccompError | None]:
    return lambda request: error if request.verb == verb and request.body["metadata"]["name"] == name else None


def test_a_refused_pod_is_data_and_the_others_are_created() -> None:
    denied = Forbidden("Denied.", why="policy")
    kube = FakeKube(refuse=refusing("create", "b", denied))
    assert create_all(kube, [manifest("a"), manifest("b"), manifest("c")]) == {"b": denied}
    assert sorted(kube.names(PODS.path(NAMESPACE))) == ["a", "c"]


def test_whether_anything_of_a_session_is_left() -> None:
    kube = FakeKube()
    kube.add(PODS.path(NAMESPACE), manifest("other", session="s2"))
    assert not remains(kube, "s1")
    kube.add(CONFIG_MAPS.path(NAMESPACE), manifest("content"))
    assert remains(kube, "s1")
    assert remains(FakeKube(refuse=lambda request: Unreachable("No connection.")), "s1")


def test_never_asks_more_than_the_limit_at_once() -> None:
    inside, most, lock = 0, 0, threading.Lock()
    two_at_once = threading.Barrier(2)

    def count(request: Request) -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        two_at_once.wait(5)
        with lock:
            inside -= 1

    create_all(FakeKube(refuse=count), [manifest(f"p{number}") for number in range(8)], parallel=2)
    assert most == 2


def test_a_server_out_of_reach_ends_the_creation() -> None:
    kube = FakeKube(refuse=lambda request: Unreachable("No connection."))
    with pytest.raises(Unreachable):
        create_all(kube, [manifest(f"p{number}") for number in range(500)], parallel=2)
    assert len(kube.requests) < 500


def test_a_pod_whose_creation_was_answered_by_nobody_counts_as_created() -> None:
    kube = FakeKube()
    kube.add(PODS.path(NAMESPACE), manifest("a"))
    assert create_all(kube, [manifest("a")]) == {}


def test_a_pod_of_that_name_from_somebody_else_is_a_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azext_seccomp.cluster.pods.time.sleep", lambda seconds: None)
    kube = FakeKube()
    kube.add(PODS.path(NAMESPACE), manifest("a", session="other"))
    assert isinstance(create_all(kube, [manifest("a")])["a"], Conflict)


def test_the_lock_of_a_quota_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azext_seccomp.cluster.pods.time.sleep", lambda seconds: None)
    refusals = [Conflict("Operation cannot be fulfilled on resourcequotas."), None]
    kube = FakeKube(refuse=lambda request: refusals.pop(0) if request.verb == "create" else None)
    assert create_all(kube, [manifest("a")]) == {}
    assert kube.names(PODS.path(NAMESPACE)) == ["a"]


def test_one_watch_tells_of_every_pod_of_the_session_and_role() -> None:
    kube = FakeKube()
    for one in (manifest("a"), manifest("b"), manifest("x", session="s2"), manifest("y", role="collector")):
        kube.add(PODS.path(NAMESPACE), one)
    stop = threading.Event()
    seen = []
    for name, state in watch_pods(kube, "s1", "installer", stop=stop, timeout_seconds=5):
        seen.append((name, state.phase))
        if (name, state.phase) == ("b", "waiting"):
            kube.set_status(PODS.path(NAMESPACE, "a"), {"phase": "Succeeded"})
            kube.delete(PODS.path(NAMESPACE, "b"))
        if state.phase == "gone":
            stop.set()
    assert seen == [("a", "waiting"), ("b", "waiting"), ("a", "succeeded"), ("b", "gone")]
    assert len(kube.made("watch")) == 1


def test_a_pull_that_backs_off_still_says_what_the_registry_said() -> None:
    kube = FakeKube()
    kube.add(PODS.path(NAMESPACE), manifest("a"))
    where = PODS.path(NAMESPACE, "a")
    waits = {
        "ErrImagePull": "rpc error: not found",
        "ImagePullBackOff": 'Back-off pulling image "x"',
    }
    stop = threading.Event()
    last = ""
    for _, state in watch_pods(kube, "s1", "installer", stop=stop, timeout_seconds=5):
        last = state.why()
        if not waits:
            stop.set()
            continue
        reason = next(iter(waits))
        waiting = {"reason": reason, "message": waits.pop(reason)}
        kube.set_status(where, {"phase": "Pending", "containerStatuses": [{"state": {"waiting": waiting}}]})
    assert last == 'ImagePullBackOff: Back-off pulling image "x": rpc error: not found'


def test_deletes_pods_and_config_maps_of_the_session_only() -> None:
    kube = FakeKube()
    for path in (PODS.path(NAMESPACE), CONFIG_MAPS.path(NAMESPACE)):
        for session in ("s1", "s2"):
            kube.add(path, manifest(f"of-{session}", session))
    delete_all(kube, "s1", grace_seconds=5)
    assert kube.names(PODS.path(NAMESPACE)) == ["of-s2"]
    assert kube.names(CONFIG_MAPS.path(NAMESPACE)) == ["of-s2"]


def test_a_pod_that_cannot_be_deleted_does_not_keep_the_others() -> None:
    denied = Forbidden("Denied.")
    kube = FakeKube(refuse=lambda request: denied if request.verb == "delete" and request.path.endswith("/b") else None)
    for name in ("a", "b", "c"):
        kube.add(PODS.path(NAMESPACE), manifest(name))
    kube.add(CONFIG_MAPS.path(NAMESPACE), manifest("content"))
    with pytest.raises(Forbidden):
        delete_all(kube, "s1")
    assert kube.names(PODS.path(NAMESPACE)) == ["b"]
    assert kube.names(CONFIG_MAPS.path(NAMESPACE)) == []


def test_the_pod_of_a_node_that_is_down_is_forced_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pods, "_FORCE_AFTER_SECONDS", -0.9)
    kube = FakeKube()
    kube.add(PODS.path(NAMESPACE), manifest("a"))
    kube.lingering.add("a")
    remove_session(kube, "s1", grace_seconds=1)
    assert not kube.names(PODS.path(NAMESPACE))


def test_a_pod_that_has_ended_is_not_waited_for() -> None:
    """Its kubelet still clears up; one that runs keeps its grace."""
    kube = FakeKube()
    for name in ("ended", "running"):
        kube.add(PODS.path(NAMESPACE), manifest(name))
        kube.lingering.add(name)
    kube.set_status(PODS.path(NAMESPACE, "ended"), {"phase": "Succeeded"})
    kube.set_status(PODS.path(NAMESPACE, "running"), {"phase": "Running"})
    removing = threading.Thread(target=remove_session, args=(kube, "s1"), kwargs={"grace_seconds": 5})
    removing.start()
    deadline = time.monotonic() + 4
    while kube.names(PODS.path(NAMESPACE)) != ["running"] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert kube.names(PODS.path(NAMESPACE)) == ["running"]
    kube.set_status(PODS.path(NAMESPACE, "running"), {"phase": "Succeeded"})
    removing.join(4)
    assert not removing.is_alive()
    assert not kube.names(PODS.path(NAMESPACE))
