# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The helper that other tests drain nodes with."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from azext_seccomp.cluster.interface import NODES, PODS, Resource
from azext_seccomp.cluster.kube import OfficialClient
from tests.e2e.audit.scene import TOOLS, wait_for
from tests.e2e.draining import drained
from tests.stand.cluster import Stand

# A cordoned node is one less for everybody.
pytestmark = [pytest.mark.cluster, pytest.mark.alone]

DEPLOYMENTS = Resource("apps/v1", "Deployment", "deployments", namespaced=True)


@pytest.fixture
def deployment(kube: OfficialClient) -> Iterator[str]:
    """A Deployment of two pods; its name, and the value of their label ``app``."""
    name = f"drain-{secrets.token_hex(4)}"
    containers = [{"name": "app", "image": TOOLS, "command": ["sleep", "600"]}]
    spec = {"containers": containers, "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
        },
    }
    kube.create(DEPLOYMENTS.path("default"), body)
    yield name
    kube.delete(DEPLOYMENTS.path("default", name))


def test_a_drained_node_has_none_of_the_pods_until_it_is_uncordoned(
    kube: OfficialClient, stand: Stand, deployment: str
) -> None:
    def pods() -> list[dict[str, Any]]:
        return list(kube.list(PODS.path("default"), labels=f"app={deployment}"))

    def running() -> list[str]:
        return [one["spec"]["nodeName"] for one in pods() if one["status"]["phase"] == "Running"]

    wait_for(lambda: len(running()) == 2)
    node = running()[0]
    before = {one["metadata"]["uid"] for one in pods() if one["spec"]["nodeName"] == node}
    with drained(stand, node, pods=f"app={deployment}"):
        assert not before & {one["metadata"]["uid"] for one in pods()}
        assert kube.get(NODES.path(name=node))["spec"]["unschedulable"] is True
        wait_for(lambda: len(running()) == 2)
        assert node not in running()
    assert "unschedulable" not in kube.get(NODES.path(name=node))["spec"]
