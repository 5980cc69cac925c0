# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import base64

from azext_seccomp.cluster.interface import JsonObject
from azext_seccomp.node import manifest
from azext_seccomp.node.inventory import Node
from azext_seccomp.node.manifest import Job, config_maps, installer_pod, script
from azext_seccomp.node.paths import MAX_FILE_BYTES


def job(*contents: bytes) -> Job:
    return Job("s1", "k", ("list",), contents)


def pod(node: Node) -> JsonObject:
    return installer_pod(job(), node, "p", config_maps(job()))


def test_an_installer_has_root_without_rights_and_sees_one_directory_of_the_node() -> None:
    spec = pod(Node("n1"))["spec"]
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "privileged": False,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostPID", "hostIPC", "hostNetwork"} & set(spec)
    assert [one["hostPath"]["path"] for one in spec["volumes"] if "hostPath" in one] == ["/var/lib/kubelet/seccomp"]
    assert spec["automountServiceAccountToken"] is False


def test_an_installer_ends_by_itself_and_is_in_nobodys_way() -> None:
    made = pod(Node("n1"))
    assert made["spec"]["nodeName"] == "n1"
    assert made["spec"]["restartPolicy"] == "Never"
    assert made["spec"]["activeDeadlineSeconds"] > 0
    assert made["metadata"]["annotations"] == {"cluster-autoscaler.kubernetes.io/safe-to-evict": "true"}
    resources = made["spec"]["containers"][0]["resources"]
    assert resources["requests"] == {"cpu": "100m", "memory": "100Mi"}


def test_tolerates_the_taints_that_would_evict_it_and_no_others() -> None:
    taints = (
        {"key": "dedicated", "value": "gpu", "effect": "NoExecute"},
        {"key": "maintenance", "effect": "NoExecute"},
        {"key": "CriticalAddonsOnly", "value": "true", "effect": "NoSchedule"},
    )
    assert pod(Node("n1", taints=taints))["spec"]["tolerations"] == [
        {"key": "dedicated", "effect": "NoExecute", "operator": "Equal", "value": "gpu"},
        {"key": "maintenance", "effect": "NoExecute", "operator": "Exists"},
    ]


def test_the_image_is_pinned_and_from_microsofts_registry() -> None:
    assert manifest.DEFAULT_INSTALLER_IMAGE.startswith("mcr.microsoft.com/")
    assert ":" in manifest.DEFAULT_INSTALLER_IMAGE.rpartition("/")[2]


def test_contents_are_spread_over_config_maps_that_each_hold_1_mib() -> None:
    maps = config_maps(job(b"a" * 600_000, b"b" * 300_000, b"c" * MAX_FILE_BYTES, b"d"))
    held: dict[str, bytes] = {}
    for one in maps:
        decoded = {key: base64.b64decode(data) for key, data in one["binaryData"].items()}
        assert sum(map(len, decoded.values())) <= MAX_FILE_BYTES
        held |= decoded
    assert held == {
        "installer.sh": script(),
        "0": b"a" * 600_000,
        "1": b"b" * 300_000,
        "2": b"c" * MAX_FILE_BYTES,
        "3": b"d",
    }
    assert len({one["metadata"]["name"] for one in maps}) == len(maps) == 3
