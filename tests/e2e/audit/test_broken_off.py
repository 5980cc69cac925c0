# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Audits that are broken off, by whatever: nothing stays, or ``cleanup`` removes it."""

import json
import signal
from collections.abc import Callable

import pytest

from azext_seccomp.cluster.interface import CONFIG_MAPS, PODS
from azext_seccomp.cluster.namespace import NAMESPACE, ROLE_LABEL
from azext_seccomp.errors import NotFound
from tests.e2e.audit.scene import Scene, found, meanwhile, pod, running, wait_for
from tests.e2e.policy import gatekeeper

pytestmark = pytest.mark.cluster


def journal_is_written(scene: Scene) -> bool:
    return bool(scene.sessions)


def collectors_are_there(scene: Scene) -> bool:
    return bool(scene.own("collector"))


def manifest_is_applied(scene: Scene) -> bool:
    try:
        return bool(scene.kube.get(PODS.path(scene.namespace, "web")))
    except NotFound:
        return False


@pytest.mark.parametrize("point", [journal_is_written, collectors_are_there, manifest_is_applied])
def test_an_az_that_was_killed_is_cleaned_up_after(scene: Scene, point: Callable[[Scene], bool]) -> None:
    manifest = scene.manifest(pod("web", "mkdir", "pause=500", "mkdir*999", node=scene.nodes[0]))
    with running(scene.argv(manifest=manifest)) as az:
        wait_for(lambda: point(scene) or az.process.poll() is not None)
        az.send(signal.SIGKILL)
        assert az.end().code == -signal.SIGKILL, az.err
    (session,) = scene.sessions
    assert {row["session"] for row in scene.cleanup("--dry-run", "--force").json} >= {session}
    cleaned = scene.cleanup("--session", session, "--force", "-o", "json")
    assert cleaned.code == 0, cleaned.out + cleaned.err
    assert {row["status"] for row in cleaned.json} <= {"removed", "absent"}
    wait_for(lambda: not scene.left())


def test_cleanup_leaves_a_running_session_alone_and_takes_a_dead_one(scene: Scene) -> None:
    """It tells them apart by the signs of life, so that it never has to be told."""
    with running(scene.argv(duration="10m")) as az:
        az.wait_for_words("localhostProfile: ")
        (session,) = scene.sessions
        rows = scene.cleanup("--session", session).json
        assert [(row["kind"], row["status"]) for row in rows] == [("Session", "running")]
        assert az.process.poll() is None
        assert len(scene.own("collector")) == len(scene.nodes)
        az.send(signal.SIGKILL)
        az.end()
    rows = scene.cleanup("--session", session).json
    assert {row["status"] for row in rows} == {"removed"}
    wait_for(lambda: not scene.left())


def test_sigterm_ends_an_audit_and_leaves_nothing(scene: Scene) -> None:
    with running(scene.argv(manifest=scene.manifest(pod("web", "pause=500", "mkdir*999")))) as az:
        wait_for(lambda: manifest_is_applied(scene) or az.process.poll() is not None)
        az.send(signal.SIGTERM)
        result = az.end()
    assert (result.code, result.out, "Traceback" in result.err) == (143, "", False), result.err
    wait_for(lambda: not scene.left())


def test_a_collector_that_is_killed_makes_only_its_node_inconclusive(scene: Scene) -> None:
    pods = [
        pod(f"web-{number}", "sleep=4", "pause=10", "mkdir*30", "sleep=4", node=node)
        for number, node in enumerate(scene.nodes)
    ]
    with meanwhile(lambda: kill_first_collector(scene)):
        result = scene.audit(manifest=scene.manifest(*pods))
    assert result.code == 0, result.err
    report = result.json
    nodes = {one["name"]: (one["status"], one["detail"]) for one in report["nodes"]}
    assert nodes[scene.nodes[0]] == ("failed", "its pod was deleted while it was watching")
    assert nodes[scene.nodes[1]] == ("ended", "")
    assert found(report, "web-1") == {("syscaller", "mkdir"): 30}
    workloads = {one["name"]: one for one in report["workloads"]}
    assert any(f"node {scene.nodes[0]} was not watched" in reason for reason in workloads["web-0"]["reasons"])
    assert workloads["web-1"]["verdict"] == "blocked"
    wait_for(lambda: not scene.left())


def kill_first_collector(scene: Scene) -> None:
    wait_for(lambda: manifest_is_applied_as(scene, "web-1"))
    (collector,) = (one for one in scene.own("collector") if one["spec"]["nodeName"] == scene.nodes[0])
    scene.kube.delete(PODS.path(NAMESPACE, collector["metadata"]["name"]), grace_seconds=0)


def manifest_is_applied_as(scene: Scene, name: str) -> bool:
    return any(one["metadata"]["name"] == name for one in scene.kube.list(PODS.path(scene.namespace)))


def test_a_gadget_image_that_cannot_be_pulled_is_told_with_the_kubelets_words(scene: Scene) -> None:
    image = "localhost/aks-stand/nowhere:1"
    result = scene.audit("--ig-image", image, manifest=scene.manifest(pod("web", "mkdir")))
    assert result.code == 1
    assert "The gadget runs on none of the nodes." in result.err
    assert image in result.err
    assert "--ig-image" in result.err
    assert not scene.left()


@pytest.mark.alone  # no other test could have a collector
def test_a_policy_that_denies_collectors_is_told_before_anything_is_made(scene: Scene) -> None:
    with gatekeeper(scene.kube, {ROLE_LABEL: "collector"}):
        result = scene.audit(manifest=scene.manifest(pod("web", "mkdir")))
    assert result.code == 1
    assert "The admission webhook validation.gatekeeper.sh denies the request" in result.err
    assert "exempt namespace aks-seccomp" in result.err
    assert (scene.left(), scene.sessions) == ([], set())


def test_a_journal_that_somebody_changed_is_no_licence_to_delete(scene: Scene) -> None:
    """Objects that do not carry the session's label stay, and files that are not ours are not touched."""
    scene.make_namespace()
    scene.kube.create(PODS.path(scene.namespace), pod("precious", "sleep=300"))
    with running(scene.argv(duration="10m")) as az:
        az.wait_for_words("localhostProfile: ")
        az.send(signal.SIGKILL)
    (session,) = scene.sessions
    where = CONFIG_MAPS.path(NAMESPACE, f"journal-{session}")
    forged = {
        "api_version": "v1", "kind": "Pod", "plural": "pods", "namespaced": True,
        "namespace": scene.namespace, "name": "precious",
    }  # fmt: skip
    text = scene.kube.get(where)["data"]["journal.json"]
    changed = text.replace('"objects":[]', f'"objects":[{json.dumps(forged)}]')
    assert changed != text
    scene.kube.patch(where, {"data": {"journal.json": changed}})
    rows = {(row["kind"], row["status"]) for row in scene.cleanup("--session", session, "--force").json}
    assert ("Pod", "kept") in rows
    assert manifest_is_applied_as(scene, "precious")
    wait_for(lambda: scene.left() == [f"namespace {scene.namespace}"])
