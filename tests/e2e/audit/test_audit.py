# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""``az aks seccomp audit`` on two real nodes: it finds what the kernel recorded, and it leaves nothing behind."""

import json
import signal

import pytest

from azext_seccomp.cluster.interface import PODS
from tests.e2e.audit.scene import Scene, counted, found, pod, profile_text, running, wait_for

pytestmark = pytest.mark.cluster


def test_the_articles_scenario_as_the_kernel_saw_it(scene: Scene) -> None:
    """Every call of every process on both nodes, none twice; nothing for a pod that makes none of them."""
    words = ("mkdir*40", "unshare*3", "mount*2", "thread", "ptrace", "getpid*9", "fork", "mkdir*5", "keyctl*2")
    users = {f"caller-{number}": 41_001 + number for number in range(2)}
    callers = [pod(name, *words, node=scene.nodes[number], user=users[name]) for number, name in enumerate(users)]
    quiet = pod("quiet", "getpid*20", "chmod*3", node=scene.nodes[0], user=41_009)
    with scene.stand.audit_records() as stream, running(scene.argv(manifest=scene.manifest(*callers, quiet))) as az:
        result = az.end()
        kernel = {name: counted(stream.records(user=user)) for name, user in users.items()}
        silent = counted(stream.records(user=41_009))
    assert result.code == 0, result.err
    report = result.json
    for name in users:
        assert kernel[name]["syscaller", "mkdir"] == 45
        assert found(report, name) == kernel[name]
    assert (silent, found(report, "quiet")) == ({}, {})
    verdicts = {one["name"]: (one["kind"], one["verdict"]) for one in report["workloads"]}
    assert verdicts == {
        "caller-0": ("Pod", "blocked"),
        "caller-1": ("Pod", "blocked"),
        "quiet": ("Pod", "clean"),
    }
    assert report["verdict"] == "blocked"
    assert [(one["name"], one["status"], one["lost"]) for one in report["nodes"]] == [
        (node, "ended", 0) for node in scene.nodes
    ]
    wait_for(lambda: not scene.left())


def test_what_the_profile_denies_is_logged_and_not_denied(scene: Scene) -> None:
    """The container's own profile and the pod's give way to the audit profile, in init containers too."""
    scene.profile = scene.write("profile.json", profile_text("SCMP_ACT_ERRNO", names=("mkdir", "unshare")))
    shell = pod("web", command=["sh", "-c", "mkdir /tmp/made && syscaller mkdir && ls -d /tmp/made"])
    shell["spec"]["securityContext"] = {"seccompProfile": {"type": "Unconfined"}}
    app = shell["spec"]["containers"][0]
    app["securityContext"] = {"seccompProfile": {"type": "RuntimeDefault"}}
    shell["spec"]["initContainers"] = [{**app, "name": "init", "command": ["syscaller", "unshare*4"]}]
    result = scene.audit("--fail-on", "blocked", "-o", "table", manifest=scene.manifest(shell))
    assert result.code == 10, result.err
    lines = [line.split() for line in result.out.splitlines()]
    assert lines[0] == ["Namespace", "Workload", "Container", "Process", "Syscall", "Class", "Count"]
    assert lines[2:] == [
        [scene.namespace, "Pod/web", "init", "syscaller", "unshare", "blocked", "4"],
        [scene.namespace, "Pod/web", "app", "mkdir", "mkdir", "blocked", "1"],
        [scene.namespace, "Pod/web", "app", "syscaller", "mkdir", "blocked", "1"],
    ]
    assert max(map(len, result.out.splitlines())) <= 120
    assert "Verdict: blocked" in result.err
    assert "the workload runs less confined under it" in result.err
    wait_for(lambda: not scene.left())


def test_a_deployment_is_named_as_the_workload_and_runs_to_the_end_of_the_duration(scene: Scene) -> None:
    template = pod("", "pause=100", "mkdir", "forever")
    template["spec"].pop("restartPolicy")
    labels = {"app": "web"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": template["spec"]},
        },
    }
    result = scene.audit(
        "--query", "[workloads, findings[].workload, verdict]", manifest=scene.manifest(deployment), duration="5s"
    )
    assert result.code == 0, result.err
    (workload,), owners, verdict = result.json
    assert (workload["kind"], workload["name"], workload["containers"]) == ("Deployment", "web", ["app"])
    assert set(owners) == {"Deployment/web"}
    assert verdict == "blocked"
    wait_for(lambda: not scene.left())


def test_pods_of_the_user_in_all_namespaces_until_ctrl_c(scene: Scene) -> None:
    """Ctrl-C ends early and still reports. The file stays as long as a pod uses it, and the report says how to remove
    it.
    """
    scene.make_namespace()
    with running(scene.argv("--all-namespaces", "--follow", duration="10m")) as az:
        words = az.wait_for_words("localhostProfile: ")
        path = words.partition("localhostProfile: ")[2].split()[0]
        assert path == scene.path
        profile = {"seccompProfile": {"type": "Localhost", "localhostProfile": path}}
        one = pod("one", "mkdir*7", "sleep=300", node=scene.nodes[1], securityContext=profile)
        two = pod("e2e-two", "unshare*2", "sleep=300", node=scene.nodes[0], securityContext=profile)
        two["spec"]["containers"].append({**two["spec"]["containers"][0], "name": "other", "securityContext": {}})
        scene.kube.create(PODS.path(scene.namespace), one)
        scene.kube.create(PODS.path("default"), two)
        try:
            wait_for(lambda: az.err.count("  mkdir\n") == 7 and az.err.count("  unshare\n") == 2)
            az.send(signal.SIGINT)
            result = az.end()
            assert result.code == 0, result.err
            report = result.json
            assert found(report, "one") == {("syscaller", "mkdir"): 7}
            assert found(report, "e2e-two") == {("syscaller", "unshare"): 2}
            assert [(one["pod"], one["container"], one["reason"]) for one in report["notAuditable"]] == [
                ("e2e-two", "other", "it runs with no profile of its own, not with the audit profile")
            ]
            assert "The audit was interrupted and ended early." in report["notes"]
            command = f"az aks seccomp profile remove -g rg1 -n plain --path {path}"
            assert any(command in note for note in report["notes"]), report["notes"]
            wait_for(lambda: scene.left() == [f"namespace {scene.namespace}", "file on 1", "file on 2"])
        finally:
            scene.kube.delete(PODS.path("default", "e2e-two"), grace_seconds=0)
    removed = scene.az(*command.split()[1:], "--yes", "--force", "--installer-image", "localhost/aks-stand/tools:1")
    assert [row["status"] for row in removed.json] == ["removed", "removed"]


def test_a_container_that_does_not_start_and_one_that_cannot_be_audited(scene: Scene) -> None:
    """The pod is on a node that was not selected, so its profile is missing there."""
    web = pod("web", "mkdir", node=scene.nodes[1])
    privileged = {**web["spec"]["containers"][0], "name": "root", "securityContext": {"privileged": True}}
    web["spec"]["containers"].append(privileged)
    nodes = ("--nodepool-name", "nodepool1")
    result = scene.audit(*nodes, "--fail-on", "inconclusive", manifest=scene.manifest(web), duration="6s")
    assert result.code == 12, result.err
    report = result.json
    (workload,) = report["workloads"]
    assert workload["verdict"] == "inconclusive"
    assert any("CreateContainerError" in one and "no such file" in one for one in workload["reasons"])
    assert [(one["container"], one["reason"]) for one in report["notAuditable"]] == [
        ("root", "it is privileged: containerd gives it no seccomp profile")
    ]
    wait_for(lambda: not scene.left())


def test_pods_that_do_not_exist(scene: Scene) -> None:
    result = scene.audit("--pod-name", "nobody", "--selector", "app=nobody", duration="1s")
    assert (result.code, result.json["verdict"]) == (0, "inconclusive"), result.err
    assert any(note.startswith("No container ran under the audit profile") for note in result.json["notes"])
    wait_for(lambda: not scene.left())


def test_kept_objects_stay_until_the_session_is_cleaned_up(scene: Scene) -> None:
    result = scene.audit("--keep", manifest=scene.manifest(pod("web", "mkdir")))
    assert result.code == 0, result.err
    session = result.json["session"]
    assert scene.kube.get(PODS.path(scene.namespace, "web"))["metadata"]["labels"]["aks-seccomp/session"] == session
    rows = scene.cleanup("--dry-run").json
    assert ("kept", "Pod", f"{scene.namespace}/web") in {(row["status"], row["kind"], row["name"]) for row in rows}
    assert scene.cleanup("--session", session).code == 0
    wait_for(lambda: not scene.left())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        ('{"defaultAction": "SCMP_ACT_LOG", ', "is not a seccomp profile"),
        (json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "archMap": []}), "archMap"),
    ],
)
def test_a_profile_that_cannot_be_used(scene: Scene, content: str | None, words: str) -> None:
    profile = str(scene.directory / "none.json") if content is None else scene.write("broken.json", content)
    result = scene.audit("--profile", profile, duration="1s")
    assert result.code == 1
    assert words in result.err


def test_an_unknown_node_pool(scene: Scene) -> None:
    result = scene.audit("--nodepool-name", "nodepool9", duration="1s")
    assert result.code == 3
    assert "nodepool1, nodepool2" in result.err


def test_objects_that_exist_are_refused_and_untouched(scene: Scene) -> None:
    scene.make_namespace()
    scene.kube.create(PODS.path(scene.namespace), pod("web", "sleep=300"))
    before = scene.kube.get(PODS.path(scene.namespace, "web"))["metadata"]
    manifest = scene.write(
        "manifest.json", json.dumps({"kind": "List", "items": [pod("new", "mkdir"), pod("web", "mkdir")]})
    )
    result = scene.audit(manifest=manifest)
    assert result.code == 1
    assert f"There are: Pod {scene.namespace}/web." in result.err
    after = scene.kube.get(PODS.path(scene.namespace, "web"))["metadata"]
    assert (after["uid"], after.get("labels")) == (before["uid"], None)
    names = [one["metadata"]["name"] for one in scene.kube.list(PODS.path(scene.namespace))]
    assert names == ["web"]
    scene.forget()
    wait_for(lambda: not scene.left())
