# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The collector pod."""

from typing import Any

import pytest

from azext_seccomp.errors import InvalidInput
from azext_seccomp.gadget.manifest import (
    DEFAULT_GADGET_IMAGE,
    DEFAULT_IG_IMAGE,
    GadgetOptions,
    collector_pod,
    pod_name,
)

SESSION = "sabcdefghij"


def pod(**options: Any) -> dict[str, Any]:
    return collector_pod("aks-nodepool1-38695788-vmss000002", SESSION, GadgetOptions(timeout_seconds=300, **options))


def container(manifest: dict[str, Any]) -> dict[str, Any]:
    (only,) = manifest["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def test_the_gadget_is_run_as_the_inspektor_gadget_documents_it() -> None:
    made = container(pod())
    assert made["image"] == DEFAULT_IG_IMAGE
    assert made["command"] == ["ig"]
    assert made["args"] == [
        *("run", DEFAULT_GADGET_IMAGE, "-o", "json", "-v", "--timeout", "300", "-r", "containerd"),
    ]
    assert {"name": "HOST_ROOT", "value": "/host"} in made["env"]
    assert made["volumeMounts"] == [{"name": "host", "mountPath": "/host"}]
    assert made["securityContext"] == {"privileged": True}


def test_the_images_are_pinned_and_of_microsofts_registry() -> None:
    assert DEFAULT_IG_IMAGE.startswith("mcr.microsoft.com/")
    assert "@sha256:" in DEFAULT_IG_IMAGE
    assert DEFAULT_GADGET_IMAGE.startswith("mcr.microsoft.com/")
    assert not DEFAULT_GADGET_IMAGE.endswith(":latest")


def test_what_is_watched_is_narrowed_by_names() -> None:
    args = container(pod(namespaces=("a", "b"), pods=("web-0",), verify_image=False))["args"]
    assert args[-5:] == ["--k8s-namespace", "a,b", "--k8s-podname", "web-0", "--verify-image=false"]


@pytest.mark.parametrize("name", ["!kube-system", "a,b", "-x", "", "UPPER", "a" * 254])
def test_a_name_that_the_gadget_would_read_as_syntax_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="not the name"):
        pod(namespaces=(name,))


def test_the_pod_ends_by_itself_and_holds_no_token() -> None:
    spec = pod()["spec"]
    assert spec["activeDeadlineSeconds"] > 300
    assert spec["terminationGracePeriodSeconds"] >= 5
    assert spec["restartPolicy"] == "Never"
    assert spec["automountServiceAccountToken"] is False
    assert "hostPID" not in spec
    assert "hostNetwork" not in spec


def test_it_asks_for_little_and_cannot_take_much() -> None:
    assert set(container(pod())["resources"]) == {"requests", "limits"}


def test_only_taints_that_would_evict_it_are_tolerated() -> None:
    taints = [
        {"key": "CriticalAddonsOnly", "value": "true", "effect": "NoExecute"},
        {"key": "maintenance", "effect": "NoExecute"},
        {"key": "sku", "value": "gpu", "effect": "NoSchedule"},
    ]
    made = collector_pod("n", SESSION, GadgetOptions(timeout_seconds=1), taints)
    assert made["spec"]["tolerations"] == [
        {"key": "CriticalAddonsOnly", "operator": "Equal", "value": "true", "effect": "NoExecute"},
        {"key": "maintenance", "operator": "Exists", "effect": "NoExecute"},
    ]


def test_names_are_valid_and_differ_by_node_however_long_it_is() -> None:
    names = {pod_name(SESSION, "n" * 252 + end) for end in "ab"}
    assert len(names) == 2
    assert all(len(name) <= 63 for name in names)


def test_every_object_says_whose_it_is() -> None:
    metadata = pod()["metadata"]
    assert metadata["labels"]["aks-seccomp/session"] == SESSION
    assert metadata["labels"]["aks-seccomp/role"] == "collector"
    assert metadata["labels"]["app.kubernetes.io/managed-by"] == "az-aks-seccomp"
