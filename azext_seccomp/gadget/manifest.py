# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The pod that runs the gadget on one node.

After Inspektor Gadget's ``docs/examples/pod-ig.yaml``: privileged, the node's root at ``/host``, ``HOST_ROOT=/host``;
neither hostPID nor hostNetwork. ``ig`` mounts debugfs, tracefs and bpffs itself in its own mount namespace.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from azext_seccomp.cluster.interface import JsonObject
from azext_seccomp.cluster.namespace import NAMESPACE, labels
from azext_seccomp.cluster.tolerations import tolerations
from azext_seccomp.errors import InvalidInput

# The digest is that of the index for amd64 and arm64. From v0.51 on the gadget counts the events that it loses.
DEFAULT_IG_IMAGE = (
    "mcr.microsoft.com/oss/v2/inspektor-gadget/ig:v0.51.0"
    "@sha256:6610863f6d8cae28800f9331756434639bca44be065719cbcfe76e34c91dffa4"
)
# The full reference always: what a short name means depends on how that ``ig`` was built.
DEFAULT_GADGET_IMAGE = "mcr.microsoft.com/oss/v2/inspektor-gadget/gadget/audit_seccomp:v0.51.0"

ROLE = "collector"
CONTAINER = "ig"
STOP_GRACE_SECONDS = 10
"""What ``ig`` gets between SIGTERM and SIGKILL; it detaches its probes in that time."""

_STARTUP_SECONDS = 300  # pulling two images and loading the gadget, on top of the time that the gadget itself runs
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class GadgetOptions:
    """What to run on every node.

    :param timeout_seconds: how long the gadget runs, counted from its start, not from the pull.
    :param namespaces: watch only pods of these; all when empty.
    :param pods: watch only pods of these names; all when empty.
    :param verify_image: check the gadget's signature; mirrors often lack it.

    There is no label selector: ``ig`` learns labels neither from containerd nor without access to the API server, and
    a selector would match nothing. Whoever selects by label names the pods, or looks at the events.
    """

    timeout_seconds: int
    ig_image: str = DEFAULT_IG_IMAGE
    gadget_image: str = DEFAULT_GADGET_IMAGE
    namespaces: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()
    verify_image: bool = True


def pod_name(session: str, node: str) -> str:
    """Name of the collector on a node: node names may be as long as a pod's own, so theirs is hashed."""
    return f"collector-{session}-{hashlib.sha256(node.encode()).hexdigest()[:12]}"


def collector_pod(
    node: str, session: str, gadget: GadgetOptions, taints: Iterable[Mapping[str, Any]] = ()
) -> JsonObject:
    """The manifest of the collector on ``node``.

    :param taints: ``spec.taints`` of the node.
    :raises InvalidInput: a namespace or pod name to watch is no Kubernetes name (``ig`` would read a comma or ``!``
        in it as syntax).
    """
    name = pod_name(session, node)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": labels(session, ROLE),
            "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "true"},
        },
        "spec": {
            "nodeName": node,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": gadget.timeout_seconds + _STARTUP_SECONDS,
            "terminationGracePeriodSeconds": STOP_GRACE_SECONDS,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "tolerations": tolerations(taints),
            "containers": [_container(gadget)],
            "volumes": [{"name": "host", "hostPath": {"path": "/", "type": "Directory"}}],
        },
    }


def _container(gadget: GadgetOptions) -> JsonObject:
    return {
        "name": CONTAINER,
        "image": gadget.ig_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["ig"],
        "args": _arguments(gadget),
        "env": [
            {"name": "HOST_ROOT", "value": "/host"},
            {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        ],
        "securityContext": {"privileged": True},
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"cpu": "1", "memory": "512Mi"},
        },
        "volumeMounts": [{"name": "host", "mountPath": "/host"}],
    }


def _arguments(gadget: GadgetOptions) -> list[str]:
    """``-v``: only then does ``ig`` say when it is running. ``-r containerd``: the others' sockets are not looked
    for."""
    arguments = ["run", gadget.gadget_image, "-o", "json", "-v", "--timeout", str(gadget.timeout_seconds)]
    arguments += ["-r", "containerd"]
    for option, names in (("--k8s-namespace", gadget.namespaces), ("--k8s-podname", gadget.pods)):
        if names:
            arguments += [option, ",".join(_checked(name) for name in names)]
    if not gadget.verify_image:
        arguments.append("--verify-image=false")
    return arguments


def _checked(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise InvalidInput(f"{name!r} is not the name of a Kubernetes object.")
    return name
