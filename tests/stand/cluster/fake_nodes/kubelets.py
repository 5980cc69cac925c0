# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What the kubelets of the fake nodes report: the nodes, and the state of the pods that are bound to them."""

import base64
import datetime
import hashlib
import json
import threading
from collections import defaultdict
from typing import Any

from ..layout import AZURE_LABEL, KUBERNETES_VERSION, Layout
from ..shell import StandError
from . import installer
from .api import Api, Workers

POOLS = 8
FAKE_LABEL = "aks-stand/fake"
PREFIX = "aks-fake"
GONE, CONFLICT, CREATED = 404, 409, 201


def node_name(index: int) -> str:
    """Name of a fake node in the form of AKS; the index counts from 0."""
    return f"{PREFIX}{index % POOLS + 1}-27182818-vmss{index // POOLS:06d}"


class Kubelets:
    def __init__(self, layout: Layout, api: Api, address: str, count: int) -> None:
        """:param address: where the log requests of all nodes are served."""
        self._layout = layout
        self._api = api
        self._address = address
        self._count = count
        self._workers = Workers()
        self._directories: defaultdict[str, dict[str, installer.File]] = defaultdict(dict)
        self._logs: dict[tuple[str, str], list[str]] = {}
        self._config_maps: dict[tuple[str, str], dict[str, installer.File]] = {}
        self._started: set[str] = set()
        self._ended: set[str] = set()

    def register(self) -> None:
        """Create the nodes.

        :raises StandError: the API server refuses one.
        """
        for index in range(self._count):
            self._workers.submit(lambda index=index: self._create_node(index))  # type: ignore[misc]
        self._workers.wait()
        self._workers.raise_first()

    def unregister(self) -> None:
        """Delete the nodes, and the pods that are bound to them."""
        self._api.request("DELETE", f"/api/v1/nodes?labelSelector={FAKE_LABEL}%3Dtrue")
        _, pods = self._api.request("GET", "/api/v1/pods")
        for pod in pods["items"]:
            if self._is_ours(pod):
                self._workers.submit(lambda pod=pod: self._delete(pod))  # type: ignore[misc]
        self._workers.wait()

    def follow_pods(self, stop: threading.Event) -> None:
        """Report on every pod that is bound to one of the nodes, until ``stop``.

        :raises StandError: the API server refuses a report.
        """
        while not stop.is_set():
            _, pods = self._api.request("GET", "/api/v1/pods")
            for pod in pods["items"]:
                self._take(pod)
            version = pods["metadata"]["resourceVersion"]
            for change in self._api.watch(f"/api/v1/pods?watch=1&timeoutSeconds=3000&resourceVersion={version}"):
                if change["type"] == "ERROR":
                    break
                self._workers.raise_first()
                self._take(change["object"])
                if stop.is_set():
                    return

    def log(self, namespace: str, pod: str) -> list[str] | None:
        """Lines of a pod that has ended; None for one that has left none."""
        return self._logs.get((namespace, pod))

    def _is_ours(self, pod: dict[str, Any]) -> bool:
        return str(pod["spec"].get("nodeName", "")).startswith(PREFIX)

    def _take(self, pod: dict[str, Any]) -> None:
        if not self._is_ours(pod):
            return
        uid = pod["metadata"]["uid"]
        if pod["metadata"].get("deletionTimestamp"):
            if uid not in self._ended:
                self._ended.add(uid)
                self._workers.submit(lambda: self._delete(pod))
        elif pod["status"].get("phase") == "Pending" and uid not in self._started:
            self._started.add(uid)
            self._workers.submit(lambda: self._report(pod))

    def _report(self, pod: dict[str, Any]) -> None:
        states = []
        for container in pod["spec"]["containers"]:
            states.append(_container_status(container, self._state(pod, container), pod["metadata"]["uid"]))
        succeeded = all("terminated" in state["state"] for state in states)
        ready = "False" if succeeded else "True"
        conditions = [
            {"type": kind, "status": "True" if kind in ("Initialized", "PodScheduled") else ready}
            for kind in ("Initialized", "PodScheduled", "Ready", "ContainersReady")
        ]
        status = {
            "phase": "Succeeded" if succeeded else "Running",
            "hostIP": self._address,
            "podIP": self._address,
            "podIPs": [{"ip": self._address}],
            "startTime": _now(),
            "conditions": conditions,
            "containerStatuses": states,
        }
        path = f"{_path(pod)}/status"
        code, answer = self._api.request("PATCH", path, {"status": status}, "application/strategic-merge-patch+json")
        if code not in (200, GONE, CONFLICT):
            raise StandError(f"the state of {pod['metadata']['name']} was refused: {answer.get('message')}")

    def _state(self, pod: dict[str, Any], container: dict[str, Any]) -> dict[str, Any]:
        command = container.get("command", [])
        if len(command) < 2 or not str(command[1]).endswith("/installer.sh"):
            return {"running": {"startedAt": _now()}}
        # sh, script, root, content, answer, session, verb…
        contents = self._contents(pod)
        message, lines = installer.answer(self._directories[pod["spec"]["nodeName"]], command[6:], contents)
        self._logs[pod["metadata"]["namespace"], pod["metadata"]["name"]] = lines
        times = {"startedAt": _now(), "finishedAt": _now()}
        return {"terminated": {"exitCode": 0, "reason": "Completed", "message": message, **times}}

    def _contents(self, pod: dict[str, Any]) -> dict[str, installer.File]:
        """Files of the pod's projected volumes. Installers of one operation share theirs: each is read once."""
        found: dict[str, installer.File] = {}
        for volume in pod["spec"].get("volumes", []):
            for source in volume.get("projected", {}).get("sources", []):
                key = pod["metadata"]["namespace"], source.get("configMap", {}).get("name", "")
                if key not in self._config_maps:
                    self._config_maps[key] = self._read_config_map(*key)
                found.update(self._config_maps[key])
        return found

    def _read_config_map(self, namespace: str, name: str) -> dict[str, installer.File]:
        _, answer = self._api.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/{name}")
        contents = {key: value.encode() for key, value in answer.get("data", {}).items()}
        contents |= {key: base64.b64decode(value) for key, value in answer.get("binaryData", {}).items()}
        return {key: installer.File(hashlib.sha256(data).hexdigest(), len(data)) for key, data in contents.items()}

    def _delete(self, pod: dict[str, Any]) -> None:
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        self._api.request("DELETE", _path(pod), options)
        self._logs.pop((pod["metadata"]["namespace"], pod["metadata"]["name"]), None)

    def _create_node(self, index: int) -> None:
        code, answer = self._api.request("POST", "/api/v1/nodes", self._node(index))
        if code not in (CREATED, CONFLICT):
            raise StandError(f"fake node {index} was refused: {json.dumps(answer)[:300]}")

    def _node(self, index: int) -> dict[str, Any]:
        name, pool = node_name(index), f"fake{index % POOLS + 1}"
        resources = {"cpu": "8", "memory": "32Gi", "pods": "250"}
        labels = {
            "agentpool": pool,
            f"{AZURE_LABEL}/agentpool": pool,
            f"{AZURE_LABEL}/mode": "user",
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            FAKE_LABEL: "true",
        }
        quiet = [
            {"type": kind, "status": "False", "reason": "Played", "lastHeartbeatTime": _now()}
            for kind in ("MemoryPressure", "DiskPressure", "PIDPressure")
        ]
        addresses = [{"type": "InternalIP", "address": self._address}, {"type": "Hostname", "address": name}]
        information = {
            "architecture": "amd64",
            "bootID": "",
            "containerRuntimeVersion": "containerd://1.7.24",
            "kernelVersion": "6.8.0-azure",
            "kubeProxyVersion": KUBERNETES_VERSION,
            "kubeletVersion": KUBERNETES_VERSION,
            "machineID": "",
            "operatingSystem": "linux",
            "osImage": "Ubuntu 22.04.5 LTS",
            "systemUUID": "",
        }
        status = {
            "capacity": resources,
            "allocatable": resources,
            "addresses": addresses,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._layout.fake_kubelet_port}},
            "conditions": [
                {"type": "Ready", "status": "True", "reason": "Played", "lastHeartbeatTime": _now()},
                *quiet,
            ],
            "nodeInfo": information,
        }
        return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "status": status}


def _container_status(container: dict[str, Any], state: dict[str, Any], uid: str) -> dict[str, Any]:
    running = "running" in state
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": container["image"],
        "containerID": f"containerd://{uid.replace('-', '') * 2}",
        "ready": running,
        "started": running,
        "restartCount": 0,
        "state": state,
    }


def _path(pod: dict[str, Any]) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
