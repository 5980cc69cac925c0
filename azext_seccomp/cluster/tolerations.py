# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Which taints of a node a pod that is bound to it has to tolerate."""

from collections.abc import Iterable, Mapping
from typing import Any

from azext_seccomp.cluster.interface import JsonObject


def tolerations(taints: Iterable[Mapping[str, Any]]) -> list[JsonObject]:
    """Tolerations of exactly the ``NoExecute`` ones.

    A pod with a ``nodeName`` passes by the scheduler, and ``NoSchedule`` with it. ``NoExecute`` taints would evict it:
    the kubelet refuses such pods (``pkg/kubelet/lifecycle/predicate.go``), the taint manager deletes them. Never all
    taints at once: AKS Automatic refuses wildcard tolerations.
    """
    return [_toleration(taint) for taint in taints if taint.get("effect") == "NoExecute"]


def _toleration(taint: Mapping[str, Any]) -> JsonObject:
    named: JsonObject = {"key": taint["key"], "effect": taint["effect"]}
    if taint.get("value"):
        return {**named, "operator": "Equal", "value": taint["value"]}
    return {**named, "operator": "Exists"}
