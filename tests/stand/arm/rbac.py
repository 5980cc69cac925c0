# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What the accounts of the stand may do in the real cluster."""

import json
from pathlib import Path
from typing import Any

from tests.stand.cluster.shell import run

from .identities import ADMIN_GROUP, LIMITED_GROUP

#: AKS itself binds the admin groups of a cluster by this name.
_ADMINS = "aks-cluster-admin-binding-aad"
_LIMITED = "stand-limited"


def grant(kubeconfig: Path) -> None:
    """Bind the admin group to cluster-admin, and the limited group to looking at nodes, pods and namespaces."""
    looking: dict[str, Any] = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": _LIMITED},
        "rules": [{"apiGroups": [""], "resources": ["nodes", "pods", "namespaces"], "verbs": ["get", "list", "watch"]}],
    }
    items = [looking, _bind(_ADMINS, "cluster-admin", ADMIN_GROUP), _bind(_LIMITED, _LIMITED, LIMITED_GROUP)]
    document = {"apiVersion": "v1", "kind": "List", "items": items}
    run("kubectl", "--kubeconfig", kubeconfig, "apply", "-f", "-", stdin=json.dumps(document).encode())


def _bind(name: str, role: str, group: str) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}],
    }
