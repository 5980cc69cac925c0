# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""``az aks seccomp audit --profile RuntimeDefault`` on two nodes whose containerd differ, with two containers whose
capabilities differ: four profiles, each where it belongs.

What RuntimeDefault of these versions refuses is known from containerd: unshare and mount without SYS_ADMIN, keyctl
always, sockets of AF_VSOCK from 1.7 on.
"""

import json
import signal
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from azext_seccomp.cluster.interface import NODES, PODS, JsonObject
from tests.e2e.audit.scene import Scene, counted, pod, running, wait_for

pytestmark = pytest.mark.cluster

CALLS = ("unshare*3", "mount*2", "keyctl*5", "socket_vsock*4", "io_uring_setup*6", "getpid*7", "sleep=600")
USERS = {"app": 41_101, "admin": 41_102}
CAPABILITIES = {"app": {}, "admin": {"add": ["SYS_ADMIN"], "drop": ["NET_RAW"]}}
WITHOUT_SYS_ADMIN = {"unshare": 3, "mount": 2}
REFUSED_BY = {"1.6": {"keyctl": 5}, "1.7": {"keyctl": 5, "socket": 4}}
SECCOMP = "/var/lib/kubelet/seccomp"


def deployment() -> JsonObject:
    """Two pods, one on each node."""
    spec = pod("", *CALLS)["spec"]
    spec.pop("restartPolicy")
    labels = {"app": "web"}
    (app,) = spec["containers"]
    spec["containers"] = [
        {**app, "name": name, "securityContext": {"runAsUser": USERS[name], "capabilities": CAPABILITIES[name]}}
        for name in USERS
    ]
    apart = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": labels}}
    spec["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def expected(container: str, containerd: str) -> Counter[str]:
    """What RuntimeDefault of a version refuses one container."""
    return Counter(REFUSED_BY[containerd]) + Counter(WITHOUT_SYS_ADMIN if container == "app" else {})


def versions(scene: Scene) -> dict[str, str]:
    """The containerd of each node."""
    infos = {node: scene.kube.get(NODES.path(name=node))["status"]["nodeInfo"] for node in scene.nodes}
    return {node: info["containerRuntimeVersion"].partition("://")[2] for node, info in infos.items()}


def paths(one: JsonObject) -> dict[str, str]:
    """The file that each container of a pod names."""
    contexts = {container["name"]: container["securityContext"] for container in one["spec"]["containers"]}
    return {name: context["seccompProfile"]["localhostProfile"] for name, context in contexts.items()}


def rendered(scene: Scene, containerd: str, container: str) -> Any:
    """What the offline commands make of RuntimeDefault for one container."""
    asked = CAPABILITIES[container]
    options = [word for verb in asked for word in (f"--cap-{verb}", *asked[verb])]
    profile = scene.az("aks", "seccomp", "profile", "render", "--containerd-version", containerd, *options).out
    file = scene.write("rendered.json", profile)
    return scene.az("aks", "seccomp", "profile", "convert", "--profile", file, "--to", "audit").json


def by_container_and_node(report: Mapping[str, Any]) -> dict[tuple[str, str], Counter[str]]:
    """What was blocked."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for one in report["findings"]:
        if one["class"] == "blocked":
            (node,) = one["nodes"]
            counts.setdefault((one["container"], node), Counter())[one["syscall"]] += one["count"]
    return counts


def test_each_container_is_audited_under_the_runtime_default_of_its_node_and_its_capabilities(scene: Scene) -> None:
    containerd = versions(scene)
    assert sorted(version[:3] for version in containerd.values()) == ["1.6", "1.7"]
    argv = scene.argv("--profile", "RuntimeDefault", manifest=scene.manifest(deployment()), duration="10m")
    with scene.stand.audit_records() as stream, running(argv) as az:

        def records(name: str) -> Counter[tuple[str, str]]:
            return counted(stream.records(user=USERS[name]))

        kinds = {
            name: sum((expected(name, version[:3]) for version in containerd.values()), Counter[str]())
            for name in USERS
        }
        wait_for(
            lambda: az.process.poll() is not None or all(records(name).total() >= kinds[name].total() for name in USERS)
        )
        pods = list(scene.kube.list(PODS.path(scene.namespace)))
        assert {one["spec"]["nodeName"] for one in pods} == set(scene.nodes), az.err
        placed = {
            (name, one["spec"]["nodeName"]): (path, scene.stand.node_exec(number, "cat", f"{SECCOMP}/{path}")[1])
            for one in pods
            for number in [scene.nodes.index(one["spec"]["nodeName"]) + 1]
            for name, path in paths(one).items()
        }
        az.send(signal.SIGINT)
        result = az.end()
        kernel = {name: records(name) for name in USERS}
    assert result.code == 0, result.err
    report = result.json

    for (name, node), (_, content) in placed.items():
        assert json.loads(content) == rendered(scene, containerd[node], name)
    assert len({path for path, _ in placed.values()}) == 2
    assert len({content for _, content in placed.values()}) == 4
    variants = {(row["localhostProfile"], node): row for row in report["profile"]["variants"] for node in row["nodes"]}
    assert {(path, node) for (_, node), (path, _) in placed.items()} == variants.keys()
    for (name, node), (path, _) in placed.items():
        words = {"app": "default", "admin": "default + SYS_ADMIN - NET_RAW"}[name]
        row = variants[path, node]
        assert (row["containerd"], row["capabilities"], row["arch"]) == (containerd[node], words, "amd64")

    blocked = by_container_and_node(report)
    assert blocked == {
        (name, node): expected(name, version[:3]) for name in USERS for node, version in containerd.items()
    }
    for name in USERS:
        found = sum((count for (container, _), count in blocked.items() if container == name), Counter[str]())
        assert kernel[name] == {("syscaller", syscall): count for syscall, count in found.items()}
    (workload,) = report["workloads"]
    assert (workload["kind"], workload["name"], workload["verdict"]) == ("Deployment", "web", "blocked")
    wait_for(lambda: not scene.left())
    for path, _ in placed.values():
        for number in (1, 2):
            assert scene.stand.node_exec(number, "ls", f"{SECCOMP}/{path}", check=False)[0]


def test_a_containerd_that_no_node_has_yet(scene: Scene) -> None:
    """io_uring is refused from containerd 2.0 on, unlike by those that the nodes have."""
    manifest = scene.manifest(pod("web", "io_uring_setup*3", "getpid", node=scene.nodes[1], user=41_103))
    with scene.stand.audit_records() as stream:
        result = scene.audit("--profile", "RuntimeDefault", "--containerd-version", "2.0.5", manifest=manifest)
        kernel = counted(stream.records(user=41_103))
    assert result.code == 0, result.err
    report = result.json
    found = {(one["comm"], one["syscall"]): one["count"] for one in report["findings"] if one["class"] == "blocked"}
    assert found == kernel == {("syscaller", "io_uring_setup"): 3}
    assert report["profile"]["name"] == "RuntimeDefault of containerd 2.0.5"
    assert {row["containerd"] for row in report["profile"]["variants"]} == {"2.0.5"}
    wait_for(lambda: not scene.left())
