# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
from typing import Any

import pytest

from azext_seccomp.cluster.interface import PODS
from azext_seccomp.errors import Conflict, Forbidden
from azext_seccomp.node.inventory import Node
from azext_seccomp.node.users import profiles_of, require_unused, users_of
from tests.unit.fakes import FakeKube

WEB = "aks-seccomp/web.json"
NODES = [Node("n1"), Node("n2")]


def add_pod(kube: FakeKube, name: str, node: str, phase: str = "Running", **spec: Any) -> None:
    spec = {"nodeName": node, "containers": [{"name": "c"}], **spec}
    kube.add(PODS.path("apps"), {"metadata": {"name": name}, "spec": spec, "status": {"phase": phase}})


def localhost(path: str) -> dict[str, Any]:
    return {"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": path}}}


def test_finds_the_profile_of_the_pod_and_of_every_kind_of_container() -> None:
    kube = FakeKube()
    add_pod(kube, "pod-level", "n1", **localhost(WEB))
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        containers: dict[str, Any] = {kind: [{"name": "a"}, {"name": "b", **localhost(WEB)}]}
        add_pod(kube, f"in-{kind}", "n2", **containers)
    add_pod(kube, "runtime-default", "n1", securityContext={"seccompProfile": {"type": "RuntimeDefault"}})
    add_pod(kube, "another-file", "n1", **localhost("aks-seccomp/other.json"))
    found = [one.pod for one in users_of(kube, ["n1", "n2"], [WEB])]
    assert found == ["pod-level", "in-containers", "in-initContainers", "in-ephemeralContainers"]


def test_looks_at_one_namespace_when_asked_to() -> None:
    kube = FakeKube()
    add_pod(kube, "web", "n1", **localhost(WEB))
    assert [one.pod for one in users_of(kube, ["n1"], [WEB], namespace="apps")] == ["web"]
    assert users_of(kube, ["n1"], [WEB], namespace="other") == []


@pytest.mark.parametrize(
    "spec", [{"containers": 1}, {"containers": [2]}, {"securityContext": "x"}, {"containers": None}]
)
def test_a_spec_that_no_api_server_has_checked(spec: dict[str, Any]) -> None:
    assert list(profiles_of(spec)) == []


def test_pods_that_ended_or_are_elsewhere_use_nothing() -> None:
    kube = FakeKube()
    add_pod(kube, "ended", "n1", phase="Succeeded", **localhost(WEB))
    add_pod(kube, "failed", "n1", phase="Failed", **localhost(WEB))
    add_pod(kube, "elsewhere", "n3", **localhost(WEB))
    add_pod(kube, "not-bound", "", **localhost(WEB))
    ending = {"metadata": {"name": "ending", "deletionTimestamp": "2026-11-28T09:00:00Z"}}
    kube.add(PODS.path("apps"), {**ending, "spec": {"nodeName": "n1", "containers": [], **localhost(WEB)}})
    require_unused(kube, NODES, [WEB])


def test_removing_everything_of_ours_looks_for_any_file_of_ours() -> None:
    kube = FakeKube()
    add_pod(kube, "others", "n1", **localhost("operator/x.json"))
    require_unused(kube, NODES, None)
    add_pod(kube, "ours", "n1", **localhost("aks-seccomp/any.json"))
    with pytest.raises(Conflict):
        require_unused(kube, NODES, None)


def test_names_some_of_the_pods_and_says_what_force_would_do() -> None:
    kube = FakeKube()
    for number in range(7):
        add_pod(kube, f"web-{number}", "n1", **localhost(WEB))
    with pytest.raises(Conflict) as refused:
        require_unused(kube, NODES, [WEB])
    assert "apps/web-0 on n1 (aks-seccomp/web.json)" in refused.value.why
    assert refused.value.why.endswith("and 2 more.")
    assert "--force" in refused.value.fix


def test_a_caller_who_may_not_look_is_told_of_force() -> None:
    kube = FakeKube(refuse=lambda request: Forbidden("May not list pods.", fix="Ask for it."))
    with pytest.raises(Forbidden) as refused:
        require_unused(kube, NODES, [WEB])
    assert refused.value.fix.startswith("Ask for it. --force")
