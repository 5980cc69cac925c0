# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Who writes to an object of the cluster."""

from collections.abc import Mapping
from typing import Any

from azext_seccomp.cluster.namespace import MANAGED_BY
from azext_seccomp.cluster.text import printable

# Writes the status of every workload, and annotations on some.
_CONTROLLERS = ("kube-controller-manager",)


def last_writer(found: Mapping[str, Any]) -> str:
    """The program that last wrote to the object itself, not to its status, as ``metadata.managedFields`` calls it
    (``argocd-controller``, ``kustomize-controller``, ``kubectl-edit``); empty when nobody knows: a patch that only
    removes fields leaves no entry, and then the newest one is ours.
    """
    entries = found["metadata"].get("managedFields") or ()
    writes = [
        (str(one.get("time", "")), str(one.get("manager", "")))
        for one in entries
        if not one.get("subresource") and one.get("manager") not in _CONTROLLERS
    ]
    newest = max(writes, default=("", ""))[1]
    return "" if newest == MANAGED_BY else printable(newest, 100)
