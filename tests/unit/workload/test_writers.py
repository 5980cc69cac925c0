# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
from typing import Any

import pytest

from azext_seccomp.workload.writers import last_writer


def entry(manager: str, minute: int, **more: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": "Update", "time": f"2026-11-28T09:{minute:02}:00Z", **more}


@pytest.mark.parametrize(
    ("entries", "writer"),
    [
        ([entry("helm", 1), entry("argocd-controller", 3), entry("kubectl-edit", 2)], "argocd-controller"),
        ([entry("helm", 1), entry("kube-controller-manager", 3)], "helm"),
        ([entry("helm", 1), entry("kubelet", 3, subresource="status")], "helm"),
        ([{"manager": "\x1b[31mred"}], "\\x1b[31mred"),
        ([], ""),
        (None, ""),
    ],
)
def test_the_last_writer_of_the_object_itself(entries: Any, writer: str) -> None:
    assert last_writer({"metadata": {"managedFields": entries}}) == writer
