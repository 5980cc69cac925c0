# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The kinds of workloads that can be audited, what kubectl calls them, and where they live."""

from typing import Literal, NamedTuple

Treatment = Literal["patch", "copy"]


class WorkloadKind(NamedTuple):
    """One kind.

    :param words: its singular, plural and short names.
    :param group: of its API; empty for the core.
    :param versions: of its API, the preferred one first.
    :param treatment: ``patch``: its pods are replaced when its template changes; ``copy``: they cannot be changed, so a
        copy of it runs beside it.
    """

    kind: str
    words: tuple[str, ...]
    group: str
    versions: tuple[str, ...]
    treatment: Treatment

    @property
    def api_versions(self) -> tuple[str, ...]:
        """As objects name them: ``apps/v1``, ``v1``."""
        return tuple(f"{self.group}/{version}" if self.group else version for version in self.versions)

    @property
    def plural(self) -> str:
        """As URL paths name it."""
        return self.words[1]


KINDS = {
    one.kind: one
    for one in (
        WorkloadKind("Deployment", ("deployment", "deployments", "deploy"), "apps", ("v1",), "patch"),
        WorkloadKind("StatefulSet", ("statefulset", "statefulsets", "sts"), "apps", ("v1",), "patch"),
        WorkloadKind("DaemonSet", ("daemonset", "daemonsets", "ds"), "apps", ("v1",), "patch"),
        WorkloadKind("ReplicaSet", ("replicaset", "replicasets", "rs"), "apps", ("v1",), "patch"),
        # v1 came with Kubernetes 1.21.
        WorkloadKind("CronJob", ("cronjob", "cronjobs", "cj"), "batch", ("v1", "v1beta1"), "copy"),
        WorkloadKind("Job", ("job", "jobs"), "batch", ("v1",), "copy"),
        WorkloadKind("Pod", ("pod", "pods", "po"), "", ("v1",), "copy"),
    )
}

LONG_RUNNING = ("Deployment", "StatefulSet", "DaemonSet")
"""What "all workloads" means: what runs until somebody ends it, and is not made by another one of these."""
