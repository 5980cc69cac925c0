# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""``audit --workload`` where the cluster's policies, or another session, say no."""

import secrets
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest

from azext_seccomp.cluster.interface import CONFIG_MAPS, PODS
from azext_seccomp.cluster.namespace import NAMESPACE, SESSION_LABEL, selector
from tests.e2e.audit.scene import Scene, running, wait_for
from tests.e2e.audit.workloads import OURS, Live, container, workload
from tests.e2e.policy import DEPLOYMENTS, SECCOMP_WORDS, seccomp_policy, taking_no_dry_runs

pytestmark = pytest.mark.cluster

CALLS = ("sleep=1", "mkdir*3", "sleep=600")
PODS_KIND = (PODS.api_version, PODS.kind)
LATE_SECONDS = 120  # more than a lease, and less than after which cleanup does not wait any more


@pytest.fixture
def shop(scene: Scene) -> Iterator[Scene]:
    """What a failed test leaves of killed sessions is removed."""
    scene.make_namespace()
    yield scene
    for found in scene.kube.list(CONFIG_MAPS.path(NAMESPACE), labels=selector(role="journal")):
        session = found["metadata"]["labels"][SESSION_LABEL]
        if session in scene.sessions:
            scene.cleanup("--session", session, "--force")


def marked(scene: Scene, name: str) -> dict[str, str]:
    """A label that nothing else in the cluster has."""
    return {"e2e": f"{scene.namespace}-{name}"}


def deployment(scene: Scene, name: str) -> Live:
    """A Deployment that never is without a pod; it and its pods have the label."""
    surge = {"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}
    body = workload("Deployment", container("app", *CALLS), name=name, **surge)
    body["metadata"]["labels"] = marked(scene, name)
    body["spec"]["template"]["metadata"]["labels"].update(marked(scene, name))
    return Live(scene, body)


def revisions_of_audits(scene: Scene) -> list[str]:
    """The ReplicaSets whose pods would run under an audit profile."""
    found = scene.kube.list(f"/apis/apps/v1/namespaces/{scene.namespace}/replicasets")
    return [one["metadata"]["name"] for one in found if OURS in str(one["spec"]["template"])]


def test_admission_webhooks(shop: Scene) -> None:
    """One denies the change, one the new pods, one takes no dry runs: the first two are found out before anything is
    changed, the audit of the last is not disturbed, and all are as they were afterwards.
    """
    lives = {name: deployment(shop, name) for name in ("denied", "podless", "undry")}
    with ExitStack() as hooks:
        hooks.enter_context(seccomp_policy(shop.kube, DEPLOYMENTS, marked(shop, "denied")))
        hooks.enter_context(seccomp_policy(shop.kube, PODS_KIND, marked(shop, "podless")))
        hooks.enter_context(taking_no_dry_runs(shop.kube, DEPLOYMENTS, marked(shop, "undry")))
        result = shop.az(*shop.workload_argv("deployments", profile=shop.profile, duration="4s"))
    assert result.code == 0, result.err
    left_out = {one["workload"]: one["reason"] for one in result.json["notAuditable"]}
    assert set(left_out) == {"Deployment/denied", "Deployment/podless"}
    assert all(SECCOMP_WORDS in reason for reason in left_out.values())
    assert {one["name"]: one["verdict"] for one in result.json["workloads"]} == {"undry": "blocked"}
    assert _calls(result.json) == {"undry": 3}
    for name, live in lives.items():
        assert live.is_as_before(), name
        assert len(live.running(audited=False)) == 1, name
    for name in ("denied", "podless"):
        assert lives[name].body()["metadata"]["generation"] == 1, "it was never changed"
    assert revisions_of_audits(shop) == []
    wait_for(lambda: shop.left() == [f"namespace {shop.namespace}"])


def test_a_session_with_a_name_is_killed_and_cleaned_up(shop: Scene) -> None:
    web, other = deployment(shop, "web"), deployment(shop, "other")
    name = f"release-{secrets.token_hex(4)}"
    with running([*shop.workload_argv(web.reference, profile=shop.profile), "--session", name]) as first:
        wait_for(lambda: web.running(audited=True) or first.process.poll() is not None)
        assert web.is_switched(), first.err
        assert f"aks-seccomp/audit/{name}/" in str(web.body()["spec"]["template"])
        assert web.body()["metadata"]["annotations"]["aks-seccomp/session"] == name
        assert shop.own("collector")
        second = shop.az(*shop.workload_argv(other.reference, profile=shop.profile), "--session", name)
        assert second.code == 1
        assert f"There is a session {name} already" in second.err
        assert other.is_as_before()
        assert shop.own("collector"), "the first one goes on"
        first.send(signal.SIGKILL)
        first.end()
    _make_old(shop, name)
    third = shop.az(*shop.workload_argv(other.reference, profile=shop.profile, duration="1s"))
    assert third.code == 0, third.err
    said = f"Session {name} seems to be left unfinished"
    assert said in third.err
    (note,) = [one for one in third.json["notes"] if said in one]
    assert "az aks seccomp cleanup -g rg1 -n plain" in note
    assert web.is_switched(), "what another session has is left alone"
    listed = shop.cleanup("--session", name, "--dry-run", "--force", "-o", "json")
    found = {(row["kind"], row["status"]) for row in listed.json if row["session"] == name}
    assert {("Deployment", "found"), ("File", "found"), ("Pod", "found")} <= found
    assert web.is_switched()
    cleaned = shop.cleanup("--session", name, "-o", "json")
    assert cleaned.code == 0, cleaned.err
    assert ("Deployment", f"{shop.namespace}/web", "restored") in {
        (row["kind"], row["name"], row["status"]) for row in cleaned.json
    }
    assert web.is_as_before()
    assert len(web.running(audited=False)) == 1
    assert revisions_of_audits(shop) == []
    wait_for(lambda: shop.left() == [f"namespace {shop.namespace}"])


def _calls(report: Mapping[str, Any]) -> dict[str, int]:
    """How many calls were found, by workload."""
    counts: dict[str, int] = {}
    for one in report["findings"]:
        if one["class"] != "startup":
            name = one["workload"].rpartition("/")[2]
            counts[name] = counts.get(name, 0) + one["count"]
    return counts


def _make_old(scene: Scene, session: str) -> None:
    """As if the session had been killed a while ago."""
    renewed = {"metadata": {"annotations": {"aks-seccomp/renewed": f"{time.time() - LATE_SECONDS:.3f}"}}}
    scene.kube.patch(CONFIG_MAPS.path(NAMESPACE, f"journal-{session}"), renewed)
