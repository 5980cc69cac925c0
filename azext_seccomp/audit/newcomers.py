# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Nodes that become ready while workloads run under audit profiles: added by an autoscaler, upgraded, repaired.

Their pods may land there, and a container whose profile is not on its node cannot start.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Sequence

from azext_seccomp.audit.placing import Placing
from azext_seccomp.audit.verdict import NodeCoverage
from azext_seccomp.cluster.failures import UNREADABLE, unreadable
from azext_seccomp.cluster.interface import NODES, Kube
from azext_seccomp.errors import SeccompError
from azext_seccomp.node.inventory import Node, node_of

_TRY_SECONDS = 0.5


class Newcomers:
    """A context in which nodes are watched, in a thread of its own.

    :param known: names of the nodes that have the profiles.
    :param concerns: whether a node is one that pods may land on.
    """

    def __init__(self, kube: Kube, known: Iterable[str], concerns: Callable[[Node], bool]) -> None:
        self._kube = kube
        self._known = set(known)
        self._concerns = concerns
        self._found: queue.SimpleQueue[Node] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="seccomp-nodes", daemon=True)
        self.error: SeccompError | None = None
        """Why nodes cannot be watched any more."""

    def __enter__(self) -> "Newcomers":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)

    def take(self) -> list[Node]:
        """Those that have become ready since the last time."""
        taken = []
        while not self._found.empty():
            taken.append(self._found.get_nowait())
        return taken

    def _watch(self) -> None:
        try:
            for event in self._kube.watch(NODES.path(), stop=self._stop):
                if event.type == "DELETED":
                    self._known.discard(str(event.object["metadata"]["name"]))  # it may come back with an empty disk
                    continue
                node = node_of(event.object)
                if node.name not in self._known and self._concerns(node):
                    self._known.add(node.name)
                    self._found.put(node)
        except SeccompError as error:
            self.error = error
        except UNREADABLE as error:
            self.error = unreadable("nodes", error)


def require_watch(kube: Kube, node: str) -> None:
    """Make sure that nodes may be watched, before anything relies on it.

    :param node: the name of one.
    :raises SeccompError: they may not.
    """
    for _ in kube.watch(
        NODES.path(), fields=f"metadata.name={node}", stop=threading.Event(), timeout_seconds=_TRY_SECONDS
    ):
        pass


class Reception:
    """Gives the profiles to newcomers.

    :param newcomers: None where nobody waits for any.
    :param write_down: puts the names of nodes into the journal, before anything is done there.
    """

    def __init__(
        self, newcomers: Newcomers | None, placing: Placing, write_down: Callable[[Sequence[str]], None]
    ) -> None:
        self._newcomers = newcomers
        self._placing = placing
        self._write_down = write_down
        self.joined: list[NodeCoverage] = []
        """Those that came; what their pods did was not seen."""
        self._problems: list[str] = []

    @property
    def problems(self) -> list[str]:
        """Whole sentences."""
        error = self._newcomers.error if self._newcomers is not None else None
        if error is None:
            return self._problems
        return [*self._problems, f"The audit ended early, because nodes that join can no longer be noticed: {error}"]

    def welcome(self) -> None:
        """Take in who has come. When one cannot be given the profiles, or nobody knows who comes, the audit ends: no
        pod is to need them there.
        """
        if self._newcomers is None:
            return
        if self._newcomers.error is not None:
            self._placing.stop.set()
        arrived = self._newcomers.take()
        failures = self._equip(arrived) if arrived else {}
        for node in arrived:
            detail = "it became ready while the audit ran and was not watched"
            if failures.get(node.name):
                detail = f"{detail}; it could not be given the profiles: {failures[node.name]}"
                self._problems.append(f"The audit ended early because of node {node.name}: {detail}.")
                self._placing.stop.set()
            self.joined.append(NodeCoverage(node.name, node.pool, "failed", detail=detail))

    def _equip(self, nodes: Sequence[Node]) -> dict[str, str]:
        """Why it could not be done, by the names of the nodes; all at once, for the audit stands still meanwhile."""
        try:
            for node in nodes:
                self._placing.profiles.include(node)
            self._write_down([node.name for node in nodes])
            return {one.node: one.detail for one in self._placing.place_on(nodes) if not one.ok}
        except SeccompError as error:
            return {node.name: str(error) for node in nodes}
