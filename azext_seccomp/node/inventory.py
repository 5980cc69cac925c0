# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The nodes of a cluster: which pool, which system and runtime, and which of them can be worked on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from azext_seccomp.cluster.interface import NODES, JsonObject, Kube
from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import NotFound, WrongState

POOL_LABELS = ("kubernetes.azure.com/agentpool", "agentpool")
"""The labels by which AKS names the pool of a node."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node as its object in the API describes it.

    :param pool: the node pool; empty on a cluster that is not AKS.
    :param os: ``linux`` or ``windows``.
    :param arch: ``amd64`` or ``arm64``.
    :param runtime: ``containerd`` mostly; ``runtime_version`` is its version without a ``v``.
    :param virtual: an ACI virtual node: there is no machine, nothing can be placed on it.
    :param schedulable: not cordoned. Pods bound to a node by name run on a cordoned one too.
    :param taints: ``spec.taints``.
    :param detail: the kubelet's words on why it is not ready.
    """

    name: str
    pool: str = ""
    os: str = "linux"
    arch: str = "amd64"
    kernel: str = ""
    os_image: str = ""
    runtime: str = "containerd"
    runtime_version: str = ""
    ready: bool = True
    virtual: bool = False
    schedulable: bool = True
    taints: tuple[JsonObject, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The nodes to work on, and those of the same pools that are left out, each with the reason."""

    usable: list[Node]
    skipped: list[tuple[Node, str]]


def read_nodes(kube: Kube) -> list[Node]:
    """All nodes, by name."""
    return sorted((node_of(one) for one in kube.list(NODES.path())), key=lambda node: node.name)


def choose(nodes: Iterable[Node], pool_names: Sequence[str] = ()) -> Chosen:
    """The nodes of the pools (of all when none is named) that can be worked on.

    :raises NotFound: there is no node in one of the pools.
    :raises WrongState: none of the nodes can be worked on.
    """
    nodes = list(nodes)
    _check_pools(nodes, pool_names)
    usable: list[Node] = []
    skipped: list[tuple[Node, str]] = []
    for node in nodes:
        if pool_names and node.pool not in pool_names:
            continue
        reason = _unusable(node)
        if reason:
            skipped.append((node, reason))
        else:
            usable.append(node)
    if not usable:
        raise WrongState(
            "There is no Linux node that is ready.",
            why=printable("; ".join(f"{node.name}: {reason}" for node, reason in skipped), 1000),
            fix="Start or scale a Linux node pool: az aks nodepool list shows them.",
        )
    return Chosen(usable, skipped)


def _check_pools(nodes: Sequence[Node], pool_names: Sequence[str]) -> None:
    known = sorted({node.pool for node in nodes if node.pool})
    for name in pool_names:
        if name not in known:
            raise NotFound(
                f"There is no node of a node pool '{printable(name, 64)}'.",
                fix=f"Node pools with nodes: {printable(', '.join(known), 500) or 'none'}.",
            )


def is_usable(node: Node, pool_names: Sequence[str] = ()) -> bool:
    """Whether it can be worked on, and is in one of the pools."""
    return not _unusable(node) and (not pool_names or node.pool in pool_names)


def _unusable(node: Node) -> str:
    if node.virtual:
        return "a virtual node has no machine to place files on"
    if node.os != "linux":
        return f"seccomp needs Linux; its system is {node.os or 'unknown'}"
    if not node.ready:
        return f"the node is not ready: {node.detail}" if node.detail else "the node is not ready"
    return ""


def node_of(found: Mapping[str, Any]) -> Node:
    """A node from its object."""
    metadata, spec, status = found["metadata"], found.get("spec") or {}, found.get("status") or {}
    labels: Mapping[str, str] = metadata.get("labels") or {}
    info: Mapping[str, str] = status.get("nodeInfo") or {}
    runtime, _, version = info.get("containerRuntimeVersion", "").partition("://")
    ready = _ready_condition(status)
    return Node(
        name=metadata["name"],
        pool=next((labels[label] for label in POOL_LABELS if labels.get(label)), ""),
        os=printable(labels.get("kubernetes.io/os") or info.get("operatingSystem", ""), 32),
        arch=printable(labels.get("kubernetes.io/arch") or info.get("architecture", ""), 32),
        kernel=printable(info.get("kernelVersion", ""), 128),
        os_image=printable(info.get("osImage", ""), 128),
        runtime=printable(runtime, 32),
        runtime_version=printable(version.removeprefix("v"), 64),
        ready=ready.get("status") == "True",
        virtual=labels.get("type") == "virtual-kubelet",
        schedulable=not spec.get("unschedulable", False),
        taints=tuple(spec.get("taints") or ()),
        detail="" if ready.get("status") == "True" else _words(ready),
    )


def _ready_condition(status: Mapping[str, Any]) -> Mapping[str, Any]:
    conditions: Iterable[Mapping[str, Any]] = status.get("conditions") or ()
    return next((one for one in conditions if one.get("type") == "Ready"), {})


def _words(condition: Mapping[str, Any]) -> str:
    words = (str(condition.get("reason") or ""), str(condition.get("message") or ""))
    return printable(": ".join(part for part in words if part))
