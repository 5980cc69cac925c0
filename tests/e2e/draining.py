# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What an operator does to a node for maintenance: no new pods on it, and those that are there evicted."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.stand.cluster import Stand
from tests.stand.cluster.shell import run

SECONDS = 90


def drain(stand: Stand, node: str, *, pods: str = "") -> None:
    """Cordon a node and evict its pods, ours too; budgets for disruptions are kept, pods of DaemonSets stay. Returns
    when the pods are gone.

    :param pods: a label selector, to evict these only.
    :raises StandError: a pod is still there after 90 s.
    """
    flags = ("--ignore-daemonsets", "--force", "--delete-emptydir-data", f"--timeout={SECONDS}s")
    _kubectl(stand, "drain", node, *flags, *((f"--pod-selector={pods}",) if pods else ()))


def uncordon(stand: Stand, node: str) -> None:
    """Let the node have new pods again."""
    _kubectl(stand, "uncordon", node)


@contextmanager
def drained(stand: Stand, node: str, *, pods: str = "") -> Iterator[None]:
    """While this lasts, the node is drained."""
    try:
        drain(stand, node, pods=pods)
        yield
    finally:
        uncordon(stand, node)


def _kubectl(stand: Stand, *argv: str) -> None:
    run("kubectl", "--kubeconfig", stand.kubeconfig, *argv)
