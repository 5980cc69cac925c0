# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""``audit --workload``: workloads as they are, put under the audit profile for a while, and then exactly as before."""

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from tests.e2e.audit.scene import Scene, counted, meanwhile, running, wait_for
from tests.e2e.audit.workloads import Live, apart, container, workload
from tests.e2e.draining import drain as drain_pods
from tests.e2e.draining import drained

pytestmark = pytest.mark.cluster

CALLS = ("sleep=1", "mkdir*3", "sleep=600")


@pytest.fixture
def shop(scene: Scene) -> Scene:
    scene.make_namespace()
    return scene


def in_container(report: Mapping[str, Any], name: str) -> Counter[tuple[str, str]]:
    """What the report found in a container of any pod, by process name and syscall."""
    counts: Counter[tuple[str, str]] = Counter()
    for one in report["findings"]:
        if one["container"] == name and one["class"] != "startup":
            counts[one["comm"], one["syscall"]] += one["count"]
    return counts


def test_runtime_default_for_two_containers_on_two_containerds(shop: Scene) -> None:
    """Each container is judged by the profile of its own capabilities on the node where it runs, exactly as the kernel
    saw it; afterwards the template is what it was, absent fields included.
    """
    words = ("sleep=1", "unshare*3", "mount*2", "keyctl*2", "sleep=600")
    plain = container("plain", *words, securityContext={"runAsUser": 43_001})
    admin = container("admin", *words, securityContext={"runAsUser": 43_002, "capabilities": {"add": ["SYS_ADMIN"]}})
    bare = container("bare", "sleep=600")
    web = Live(shop, apart(workload("Deployment", plain, admin, bare, replicas=2)), ready=2)
    with shop.stand.audit_records() as stream, running(shop.workload_argv(web.reference, duration="6s")) as az:
        result = az.end()
        kernel = {user: counted(stream.records(user=user)) for user in (43_001, 43_002)}
    assert result.code == 0, result.err
    report = result.json
    assert kernel[43_001] == {("syscaller", "unshare"): 6, ("syscaller", "mount"): 4, ("syscaller", "keyctl"): 4}
    assert kernel[43_002] == {("syscaller", "keyctl"): 4}
    assert in_container(report, "plain") == kernel[43_001]
    assert in_container(report, "admin") == kernel[43_002]
    (row,) = report["workloads"]
    assert (row["kind"], row["name"], row["verdict"], row["treatment"]) == ("Deployment", "web", "blocked", "patched")
    assert row["before"] == dict.fromkeys(("plain", "admin", "bare"), "no profile of its own")
    assert (row["observed"]["pods"], row["observed"]["restarts"]) == (2, 0)
    assert row["observed"]["seconds"] >= 6
    versions = {node: one["containerd"] for one in report["profile"]["variants"] for node in one["nodes"]}
    assert len(set(versions.values())) == 2
    assert "bare" not in web.before["spec"]["template"]["spec"]["containers"][2].get("securityContext", {})
    assert web.is_as_before()
    assert len(web.running(audited=False)) == 2
    assert any("profile refine --profile RuntimeDefault" in command for command in report["next"])
    wait_for(lambda: shop.left() == [f"namespace {shop.namespace}"])


def test_every_kind_at_once(shop: Scene) -> None:
    """What can be changed is changed and put back; what cannot runs as a copy, and the original is left alone."""
    patched = [
        Live(shop, workload(kind, container("app", *CALLS), name=kind.lower()))
        for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
    ]
    once = {"metadata": {}, "spec": {"restartPolicy": "Never", "containers": [container("app", "sleep=1", "mkdir*3")]}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job"}, "spec": {"template": once}}
    nightly = {
        "apiVersion": "batch/v1beta1",
        "kind": "CronJob",
        "metadata": {"name": "nightly"},
        "spec": {"schedule": "0 3 29 2 *", "jobTemplate": {"spec": {"template": once}}},
    }
    for body, plural, root in ((job, "jobs", "batch/v1"), (nightly, "cronjobs", "batch/v1beta1")):
        shop.kube.create(f"/apis/{root}/namespaces/{shop.namespace}/{plural}", body)
    bare = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare"}, "spec": {**once["spec"]}}
    shop.kube.create(f"/api/v1/namespaces/{shop.namespace}/pods", bare)
    references = [one.reference for one in patched] + ["Job/job", "CronJob/nightly", "Pod/bare"]
    result = shop.az(*shop.workload_argv(*references, profile=shop.profile, duration="5s"))
    assert result.code == 0, result.err
    report = result.json
    rows = {one["kind"]: one for one in report["workloads"]}
    assert {kind: row["treatment"] for kind, row in rows.items()} == {
        **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"), "patched"),
        **dict.fromkeys(("Job", "CronJob", "Pod"), "copied"),
    }
    assert {kind: row["verdict"] for kind, row in rows.items()} == dict.fromkeys(rows, "blocked")
    counts: Counter[str] = Counter()
    for one in report["findings"]:
        counts[one["workload"].partition("/")[0]] += one["count"]
    assert counts == {kind: 3 * rows[kind]["observed"]["pods"] for kind in rows}
    assert rows["DaemonSet"]["observed"]["pods"] == len(shop.nodes)
    assert all(one.is_as_before() for one in patched)
    assert not any(one.pods(audited=True) for one in patched)
    wait_for(lambda: shop.left() == [f"namespace {shop.namespace}"])


def test_the_plan_is_shown_and_nothing_happens_without_consent(shop: Scene) -> None:
    """There is no terminal to ask at, so --yes is needed; the plan says what each container has and would get."""
    confined = container("app", *CALLS, securityContext={"seccompProfile": {"type": "RuntimeDefault"}})
    root = container("root", *CALLS, securityContext={"privileged": True})
    web = Live(shop, workload("Deployment", confined, root))
    argv = [word for word in shop.workload_argv(web.reference, profile=shop.profile) if word != "--yes"]
    result = shop.az(*argv)
    assert result.code == 1
    lines = [line.split() for line in result.err.splitlines()]
    assert [shop.namespace, "Deployment/web", "app", "restart", "RuntimeDefault"] in [line[:5] for line in lines]
    assert "it is privileged" in result.err
    assert "--yes" in result.err
    assert web.is_as_before()
    assert shop.left() == [f"namespace {shop.namespace}"]


def test_a_rollout_that_gets_stuck_is_put_back(shop: Scene) -> None:
    """A quota leaves no room for the new pod: its words are shown, and the audit ends early."""
    limits = {"resources": {"requests": {"cpu": "10m"}, "limits": {"cpu": "10m"}}}
    surge = {"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}
    web = Live(shop, workload("Deployment", container("app", *CALLS, **limits), **surge))
    full = {"metadata": {"name": "full"}, "spec": {"hard": {"limits.cpu": "10m"}}}
    quotas = f"/api/v1/namespaces/{shop.namespace}/resourcequotas"
    shop.kube.create(quotas, full)
    wait_for(lambda: (shop.kube.get(f"{quotas}/full").get("status") or {}).get("used"))
    result = shop.az(*shop.workload_argv(web.reference, profile=shop.profile, duration="10m"))
    assert result.code == 0, result.err
    (row,) = result.json["workloads"]
    assert row["verdict"] == "inconclusive"
    assert any("got stuck" in reason and "exceeded quota: full" in reason for reason in row["reasons"]), row["reasons"]
    assert web.is_as_before()
    assert len(web.running(audited=False)) == 1
    wait_for(lambda: shop.left() == [f"namespace {shop.namespace}"])


def test_two_audits_of_one_workload_at_once_are_refused(shop: Scene) -> None:
    web = Live(shop, workload("Deployment", container("app", *CALLS)))
    with running(shop.workload_argv(web.reference, profile=shop.profile, duration="10m")) as first:
        wait_for(lambda: web.running(audited=True) or first.process.poll() is not None)
        second = shop.az(*shop.workload_argv(web.reference, profile=shop.profile, duration="1s"))
        assert second.code == 1
        assert f"Deployment {shop.namespace}/web is being audited already." in second.err
        assert web.is_switched(), "the first one goes on"
        first.interrupt()
        assert first.end().code == 0, first.err
    assert web.is_as_before()
    wait_for(lambda: shop.left() == [f"namespace {shop.namespace}"])


def test_a_workload_that_is_deleted_meanwhile(shop: Scene) -> None:
    web = Live(shop, workload("Deployment", container("app", *CALLS)))

    def delete() -> None:
        wait_for(lambda: web.running(audited=True))
        shop.kube.delete(web.path)

    with meanwhile(delete):
        result = shop.az(*shop.workload_argv(web.reference, profile=shop.profile, duration="60s"))
    assert result.code == 0, result.err
    (row,) = result.json["workloads"]
    assert "it was deleted during the audit" in row["reasons"]
    assert row["verdict"] == "blocked", "what was seen before counts"
    wait_for(lambda: shop.left() == [f"namespace {shop.namespace}"])


def test_somebody_else_takes_the_audit_profile_away(shop: Scene) -> None:
    """As a GitOps controller does: noticed, said, and the change is left as it is."""
    web = Live(shop, workload("Deployment", container("app", *CALLS)))

    def revert() -> None:
        wait_for(lambda: web.running(audited=True))
        template = {
            "spec": {"containers": [{"name": "app", "securityContext": None, "env": [{"name": "A", "value": "b"}]}]}
        }
        shop.kube.patch(
            web.path, {"spec": {"template": template}}, content_type="application/strategic-merge-patch+json"
        )

    with meanwhile(revert):
        result = shop.az(*shop.workload_argv(web.reference, profile=shop.profile, duration="60s"))
    assert result.code == 0, result.err
    (row,) = result.json["workloads"]
    assert any("its audit profile was taken away" in reason for reason in row["reasons"])
    assert web.body()["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "A", "value": "b"}]
    assert not web.is_switched()
    assert (
        "annotations" not in web.body()["metadata"]
        or "aks-seccomp/session" not in web.body()["metadata"]["annotations"]
    )
    wait_for(lambda: shop.left() == [f"namespace {shop.namespace}"])


def test_a_workload_that_is_scaled_up_meanwhile_is_covered(shop: Scene) -> None:
    """The new pod lands on the other node, where the profile and a collector are too."""
    web = Live(shop, apart(workload("Deployment", container("app", *CALLS), replicas=1)))

    def scale() -> None:
        wait_for(lambda: web.running(audited=True))
        web.patch({"spec": {"replicas": 2}})
        wait_for(lambda: len(web.running(audited=True)) == 2)

    with meanwhile(scale):
        result = shop.az(*shop.workload_argv(web.reference, profile=shop.profile, duration="12s"))
    assert result.code == 0, result.err
    report = result.json
    (row,) = report["workloads"]
    assert row["observed"]["pods"] == 2
    assert {node for one in report["findings"] for node in one["nodes"]} == set(shop.nodes)
    assert in_container(report, "app") == {("syscaller", "mkdir"): 6}
    assert web.body()["spec"]["replicas"] == 2, "only the profile is taken back"
    assert not web.is_switched()
    wait_for(lambda: shop.left() == [f"namespace {shop.namespace}"])


@pytest.mark.alone
def test_a_node_is_drained_meanwhile(shop: Scene) -> None:
    """The pods move to the other node, where profile and collector are; with the collector of the first node its sight
    is gone, and the result says so.
    """
    web = Live(shop, workload("Deployment", container("app", *CALLS)))

    def drain() -> None:
        (first,) = wait_for(lambda: web.running(audited=True))
        node = first["spec"]["nodeName"]
        time.sleep(3)  # until it has made its calls
        with drained(shop.stand, node, pods="app=web"):
            drain_pods(shop.stand, node, pods="aks-seccomp/role=collector")
            wait_for(lambda: [one for one in web.running(audited=True) if one["spec"]["nodeName"] != node])
            went.append(node)

    went: list[str] = []
    with meanwhile(drain):
        result = shop.az(*shop.workload_argv(web.reference, profile=shop.profile, duration="30s"))
    assert result.code == 0, result.err
    report = result.json
    (row,) = report["workloads"]
    assert row["observed"]["pods"] == 2
    assert {one["name"]: one["status"] for one in report["nodes"]}[went[0]] == "failed"
    assert any(f"node {went[0]} was not watched" in reason for reason in row["reasons"])
    assert {node for one in report["findings"] for node in one["nodes"]} == set(shop.nodes)
    assert web.is_as_before()
    wait_for(lambda: shop.left() == [f"namespace {shop.namespace}"])


@pytest.mark.alone
def test_the_api_server_restarts_meanwhile(shop: Scene) -> None:
    web = Live(shop, workload("Deployment", container("app", "sleep=1", "mkdir*3", "sleep=9", "mkdir*4", "sleep=600")))

    def restart() -> None:
        wait_for(lambda: web.running(audited=True))
        shop.stand.stop_api_server()
        shop.stand.start_api_server()

    with running(shop.workload_argv(web.reference, profile=shop.profile, duration="15s")) as az:
        restart()
        result = az.end()
    assert result.code == 0, result.err
    assert in_container(result.json, "app") == {("syscaller", "mkdir"): 7}
    assert web.is_as_before()
    wait_for(lambda: shop.left() == [f"namespace {shop.namespace}"])
