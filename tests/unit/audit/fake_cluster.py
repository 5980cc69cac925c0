# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""An API server in memory with kubelets that run installers, collectors and the pods of workloads."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from azext_seccomp.cluster.interface import NODES, PODS, JsonObject
from azext_seccomp.cluster.namespace import NAMESPACE, ROLE_LABEL
from azext_seccomp.errors import NotFound
from tests.unit.fakes import FakeKube
from tests.unit.node.installer_pods import Kubelets

READY = b'time="2026-11-28T09:00:00Z" level=debug msg=running...'
RUNNING = {"phase": "Running", "containerStatuses": [{"name": "app", "state": {"running": {"startedAt": "x"}}}]}


class CollectorLog:
    """Says that the gadget runs, then what the pods on the node did, until its pod is deleted."""

    def __init__(self, cluster: "FakeCluster", pod: str) -> None:
        self._cluster = cluster
        self._pod = pod
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield self._stamped(0, READY)
        sent = 0
        while not self._closed:
            over = self._pod not in self._cluster.names(PODS.path(NAMESPACE))
            lines = self._cluster.events[sent:]
            for number, line in enumerate(lines, sent + 1):
                yield self._stamped(number, line)
            sent += len(lines)
            if over:
                return
            time.sleep(0.005)

    def close(self) -> None:
        self._closed = True

    @staticmethod
    def _stamped(number: int, line: bytes) -> bytes:
        return b"2026-11-28T09:00:00.%09dZ " % number + line


class FakeCluster(FakeKube):
    """One node, ``n1``. ``events`` are the lines that its collector writes."""

    def __init__(self, directory: Path, **options: Any) -> None:
        self._kubelets = Kubelets(directory)
        self.directory = directory
        self.events: list[bytes] = []
        super().__init__(on_create=self._take_up, **options)
        self.join("n1")

    def join(self, name: str, *, os: str = "linux", ready: str = "True") -> None:
        """Another node."""
        conditions = [{"type": "Ready", "status": ready}]
        info = {"operatingSystem": os, "architecture": "amd64", "containerRuntimeVersion": "containerd://1.7.24"}
        labels = {"kubernetes.azure.com/agentpool": "np1", "kubernetes.io/os": os, "kubernetes.io/arch": "amd64"}
        node = {"metadata": {"name": name, "labels": labels}, "status": {"conditions": conditions, "nodeInfo": info}}
        self.add(NODES.path(name=name), node)

    def delete(self, path: str, *, grace_seconds: int | None = None, labels: str = "", uid: str = "") -> bool:
        """A pod is gone only when its containers have ended, so whoever waits for that finds the node at rest."""
        if "/pods" in path:
            for thread in list(self._kubelets.threads):
                thread.join(timeout=10)
        return super().delete(path, grace_seconds=grace_seconds, labels=labels, uid=uid)

    def follow_log(self, namespace: str, pod: str, container: str, *, since_time: str | None = None) -> Any:
        if container != "ig":
            return super().follow_log(namespace, pod, container, since_time=since_time)
        if pod not in self.names(PODS.path(NAMESPACE)):
            raise NotFound(f"pods {pod} is not there.")
        return CollectorLog(self, pod)

    def files(self, node: str = "n1") -> list[str]:
        """The profile files on a node."""
        root = self._kubelets.node(node)
        return sorted(str(path.relative_to(root)) for path in root.rglob("*.json"))

    def write(self, path: str, content: bytes = b"{}") -> None:
        """Put a file on the node."""
        file = self._kubelets.node("n1") / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def _take_up(self, _: FakeKube, created: JsonObject) -> None:
        if created.get("kind") != "Pod":
            return
        role = created["metadata"].get("labels", {}).get(ROLE_LABEL)
        if role == "installer":
            self._kubelets(self, created)
        else:
            self.set_status(PODS.path(created["metadata"]["namespace"], created["metadata"]["name"]), RUNNING)
