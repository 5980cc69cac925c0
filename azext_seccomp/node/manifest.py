# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The pod that works on the profile files of one node, and the ConfigMaps that carry what it needs.

It sees one directory of the node, the kubelet's seccomp directory, as root without any capability: enough to write
files that root owns. It gets no service-account token, and its root file system is read-only.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources

from azext_seccomp.cluster.interface import JsonObject
from azext_seccomp.cluster.namespace import NAMESPACE, labels
from azext_seccomp.cluster.tolerations import tolerations
from azext_seccomp.node.inventory import Node
from azext_seccomp.node.paths import MAX_FILE_BYTES, SECCOMP_DIRECTORY

# Has sh and the usual tools in 2 MB, for amd64 and arm64; the article on node access uses it for kubectl debug.
DEFAULT_INSTALLER_IMAGE = "mcr.microsoft.com/azurelinux/busybox:1.36"

ROLE = "installer"
CONTAINER = "installer"
DEADLINE_SECONDS = 180

_SCRIPT = "installer.sh"
_ROOT, _CONTENT, _ANSWER = "/seccomp", "/content", "/dev/termination-log"
_CONFIG_MAP_BYTES = MAX_FILE_BYTES  # Kubernetes pkg/apis/core MaxSecretSize, the limit of ConfigMaps too


@dataclass(frozen=True, slots=True)
class Job:
    """What the installers of one operation do.

    :param key: tells the pods of this operation from others of the session; a part of their names.
    :param arguments: of the script, from its verb on.
    :param contents: what the script finds as files 0, 1, 2 …
    :param of_node: what follows the arguments on single nodes, by their names.
    :param localhost_profile: the profile file of the node that the pods run under, instead of RuntimeDefault.
    """

    session: str
    key: str
    arguments: tuple[str, ...]
    contents: tuple[bytes, ...]
    image: str = DEFAULT_INSTALLER_IMAGE
    of_node: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    localhost_profile: str = ""


def script() -> bytes:
    """The installer's script."""
    return resources.files("azext_seccomp.node").joinpath(_SCRIPT).read_bytes()


def config_maps(job: Job) -> list[JsonObject]:
    """The ConfigMaps with the script and the contents: as many as their limit of 1 MiB makes necessary."""
    packed: list[dict[str, bytes]] = [{}]
    for name, data in [(_SCRIPT, script()), *((str(number), data) for number, data in enumerate(job.contents))]:
        if sum(map(len, packed[-1].values())) + len(data) > _CONFIG_MAP_BYTES:
            packed.append({})
        packed[-1][name] = data
    return [_config_map(job, number, data) for number, data in enumerate(packed)]


def pod_name(job: Job, index: int) -> str:
    """The name of the pod on the node at ``index`` of the operation's nodes."""
    return f"installer-{job.session}-{job.key}-{index}"


def installer_pod(job: Job, node: Node, name: str, maps: Sequence[JsonObject]) -> JsonObject:
    """The manifest of the installer on ``node``; ``maps`` are the ConfigMaps of the job."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": labels(job.session, ROLE),
            "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "true"},
        },
        "spec": {
            "nodeName": node.name,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": DEADLINE_SECONDS,
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {"runAsUser": 0, "runAsGroup": 0, "seccompProfile": _seccomp_profile(job)},
            "tolerations": tolerations(node.taints),
            "containers": [_container(job, node)],
            "volumes": [
                {"name": "seccomp", "hostPath": {"path": SECCOMP_DIRECTORY, "type": "DirectoryOrCreate"}},
                {"name": "content", "projected": {"sources": [_source(one) for one in maps]}},
            ],
        },
    }


def _seccomp_profile(job: Job) -> JsonObject:
    if job.localhost_profile:
        return {"type": "Localhost", "localhostProfile": job.localhost_profile}
    return {"type": "RuntimeDefault"}


def _container(job: Job, node: Node) -> JsonObject:
    arguments = (*job.arguments, *job.of_node.get(node.name, ()))
    return {
        "name": CONTAINER,
        "image": job.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", f"{_CONTENT}/{_SCRIPT}", _ROOT, _CONTENT, _ANSWER, job.session, *arguments],
        "securityContext": {
            "privileged": False,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {
            "requests": {"cpu": "100m", "memory": "100Mi"},
            "limits": {"cpu": "500m", "memory": "100Mi"},
        },
        "volumeMounts": [
            {"name": "seccomp", "mountPath": _ROOT},
            {"name": "content", "mountPath": _CONTENT, "readOnly": True},
        ],
    }


def _config_map(job: Job, number: int, data: dict[str, bytes]) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"installer-{job.session}-{job.key}-{number}",
            "namespace": NAMESPACE,
            "labels": labels(job.session, ROLE),
        },
        "immutable": True,  # then no kubelet keeps a watch on it
        "binaryData": {name: base64.b64encode(content).decode("ascii") for name, content in data.items()},
    }


def _source(config_map: JsonObject) -> JsonObject:
    return {"configMap": {"name": config_map["metadata"]["name"]}}
