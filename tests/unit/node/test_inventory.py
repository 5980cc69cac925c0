# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
from typing import Any

import pytest

from azext_seccomp.cluster.interface import NODES
from azext_seccomp.errors import NotFound, WrongState
from azext_seccomp.node.inventory import Node, choose, read_nodes
from tests.unit.fakes import FakeKube

INFO = {
    "kernelVersion": "5.15.0-1089-azure",
    "osImage": "Ubuntu 22.04.5 LTS",
    "containerRuntimeVersion": "containerd://1.7.27-1",
    "operatingSystem": "linux",
    "architecture": "amd64",
}


def node(name: str, labels: dict[str, str], ready: str = "True", **spec: Any) -> dict[str, Any]:
    condition = {"type": "Ready", "status": ready, "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting."}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
        "status": {"nodeInfo": INFO, "conditions": [{"type": "MemoryPressure", "status": "False"}, condition]},
    }


def test_reads_what_a_node_says_of_itself() -> None:
    taint = {"key": "CriticalAddonsOnly", "value": "true", "effect": "NoSchedule"}
    kube = FakeKube()
    kube.add(NODES.path(), node("b", {"agentpool": "old"}))
    kube.add(NODES.path(), node("a", {"kubernetes.azure.com/agentpool": "np1"}, taints=[taint], unschedulable=True))
    first, second = read_nodes(kube)
    assert first == Node(
        name="a",
        pool="np1",
        os="linux",
        arch="amd64",
        kernel="5.15.0-1089-azure",
        os_image="Ubuntu 22.04.5 LTS",
        runtime="containerd",
        runtime_version="1.7.27-1",
        schedulable=False,
        taints=(taint,),
    )
    assert (second.name, second.pool) == ("b", "old")


def test_says_why_a_node_cannot_be_worked_on() -> None:
    kube = FakeKube()
    kube.add(NODES.path(), node("good", {"agentpool": "np1", "kubernetes.io/os": "linux"}))
    kube.add(NODES.path(), node("cordoned", {"agentpool": "np1"}, unschedulable=True))
    kube.add(NODES.path(), node("windows", {"agentpool": "win", "kubernetes.io/os": "windows"}))
    kube.add(NODES.path(), node("aci", {"type": "virtual-kubelet", "kubernetes.io/os": "linux"}))
    kube.add(NODES.path(), node("down", {"agentpool": "np1"}, ready="Unknown"))
    chosen = choose(read_nodes(kube))
    assert [one.name for one in chosen.usable] == ["cordoned", "good"]
    assert {one.name: reason for one, reason in chosen.skipped} == {
        "windows": "seccomp needs Linux; its system is windows",
        "aci": "a virtual node has no machine to place files on",
        "down": "the node is not ready: NodeStatusUnknown: Kubelet stopped posting.",
    }


def test_nodes_of_other_pools_are_not_mentioned() -> None:
    nodes = [Node("a", "np1"), Node("b", "np2"), Node("c", "np3", os="windows")]
    chosen = choose(nodes, ["np2", "np1"])
    assert [one.name for one in chosen.usable] == ["a", "b"]
    assert chosen.skipped == []


def test_an_unknown_pool_is_named_with_those_there_are() -> None:
    with pytest.raises(NotFound) as refused:
        choose([Node("a", "np1"), Node("b", "np2")], ["np2", "np9"])
    assert "'np9'" in refused.value.what
    assert "np1, np2" in refused.value.fix


def test_a_cluster_without_a_usable_node_says_why_each_is_not() -> None:
    with pytest.raises(WrongState) as refused:
        choose([Node("a", "np1", ready=False), Node("b", "win", os="windows")])
    assert "a: the node is not ready" in refused.value.why
    assert "b: seccomp needs Linux" in refused.value.why


def test_words_of_a_node_are_fit_for_a_terminal() -> None:
    hostile = node("a", {}, ready="False")
    hostile["status"]["nodeInfo"] = {"osImage": "\x1b[31m" + "x" * 10_000}
    kube = FakeKube()
    kube.add(NODES.path(), hostile)
    (read,) = read_nodes(kube)
    assert read.os_image.isprintable()
    assert len(read.os_image) == 128


def test_a_node_that_says_nothing_is_not_ready() -> None:
    kube = FakeKube()
    kube.add(NODES.path(), {"metadata": {"name": "new"}})
    (read,) = read_nodes(kube)
    assert not read.ready
