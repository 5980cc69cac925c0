# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Whether the cluster would admit our pods, asked before anything is made (``dryRun=All`` passes through admission)."""

from collections.abc import Mapping
from typing import Any

from azext_seccomp.cluster.interface import PODS, Kube
from azext_seccomp.cluster.namespace import NAMESPACE
from azext_seccomp.errors import InvalidInput, SeccompError

# k8s.io/apiserver pkg/admission/plugin/webhook: one with side effects refuses every dry run, whatever it is about.
_NO_DRY_RUN = "does not support dry run"


def refused_pools(kube: Kube, manifests: Mapping[str, Mapping[str, Any]]) -> dict[str, SeccompError]:
    """Ask with one pod for each node pool, because policies may refuse pods on some of them (the managed pools of AKS
    Automatic).

    :param manifests: a pod's manifest by the name of the pool.
    :return: the error of each pool that is refused, when another one is not.
    :raises SeccompError: every pool is refused; the first one's error.
    """
    refused: dict[str, SeccompError] = {}
    for pool, manifest in manifests.items():
        try:
            ask(kube, PODS.path(NAMESPACE), manifest)
        except SeccompError as error:
            refused[pool] = error
    if refused and len(refused) == len(manifests):
        raise next(iter(refused.values()))
    return refused


def ask(kube: Kube, collection: str, manifest: Mapping[str, Any]) -> None:
    """Ask whether an object would be admitted. A webhook that takes no dry runs leaves it open.

    :raises SeccompError: it would be refused.
    """
    try:
        kube.create(collection, manifest, dry_run=True)
    except InvalidInput as error:
        if _NO_DRY_RUN not in str(error):
            raise
