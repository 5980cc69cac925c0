# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What large clusters cost this extension: peak memory, seconds and requests, on clusters of more and more nodes.

    python -m benchmarks.scale [--nodes 10 100 1000] [--workloads 200] [--repeat 3]        (as root)

The API server is real, its objects are not used by anything: nodes of the size that AKS has them, without kubelets, and
Deployments with pods on those nodes. Each number is of a process of its own that does one thing:

- start: nothing, after importing everything; what the others have as their base
- inventory: which nodes can be worked on (``node.inventory``)
- plan: which workloads can be audited, and what would be changed in each (``workload.find``, ``workload.change``)
- users: which pods use a profile file (``node.users``), by looking at every pod of the cluster
- cleanup: what is left of a session that was killed (``audit.cleanup``, as with --dry-run --force): its journal, and
  an installer on every node

Memory is the most that the process had resident. Numbers are medians of the repetitions. A stand of its own, of a
control plane alone, is brought up and taken down with all that is in it, also when something fails.
"""

import argparse
import json
import logging
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from azext_seccomp.audit import journal as journals
from azext_seccomp.audit.cleanup import clean
from azext_seccomp.audit.journal import Journal
from azext_seccomp.cluster.interface import NODES, PODS, JsonObject, Kube, Resource
from azext_seccomp.cluster.namespace import NAMESPACE, ensure_namespace
from azext_seccomp.node.inventory import Node, choose, read_nodes
from azext_seccomp.node.manifest import Job, installer_pod, pod_name
from azext_seccomp.node.users import require_unused
from azext_seccomp.progress import Silent
from azext_seccomp.workload.change import plan_change
from azext_seccomp.workload.find import find
from azext_seccomp.workload.reference import Reference
from benchmarks.counting import CountingClient
from benchmarks.placement import LAYOUT, ROOT, say
from tests.stand.cluster import Stand

SESSION = "sbenchscale"
FILE = "aks-seccomp/audit/0123456789abcdef.json"
DEPLOYMENTS = Resource("apps/v1", "Deployment", "deployments", namespaced=True)
SERVICE_ACCOUNTS = Resource("v1", "ServiceAccount", "serviceaccounts", namespaced=True)
PODS_PER_NODE = 250  # what AKS allows at most
IMAGES_OF_A_NODE = 50  # what a kubelet reports at most (nodeStatusMaxImages)
PARALLEL = 16
PATIENCE_SECONDS = 300.0


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale")
    parser.add_argument("--nodes", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument(
        "--workloads", type=int, default=200, help="Deployments, or one for each node if those are fewer"
    )
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--measure", choices=sorted(MEASURES), help=argparse.SUPPRESS)  # in a process of its own
    parser.add_argument("--kubeconfig", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.measure:
        return _measure(options.measure, options.kubeconfig)
    logging.basicConfig(level=logging.WARNING)
    with _control_plane() as kubeconfig:
        cluster = _Cluster(kubeconfig)
        say("what       nodes  peak RSS [MiB]  seconds  requests")
        try:
            for count in sorted(set(options.nodes)):
                cluster.grow(count, options.workloads)
                for name in MEASURES:
                    _show(
                        name, count, options.workloads, [_in_a_process(name, kubeconfig) for _ in range(options.repeat)]
                    )
        finally:
            cluster.close()
    return 0


# What is measured


def _start(_: Kube) -> int:
    return 0


def _inventory(kube: Kube) -> int:
    return len(choose(read_nodes(kube)).usable)


def _plan(kube: Kube) -> int:
    candidates = find(kube, [Reference("", "")], namespace="", labels="", include_system=False)
    return len([plan_change(one, lambda _: FILE) for one in candidates if not one.obstacle])


def _users(kube: Kube) -> int:
    require_unused(kube, choose(read_nodes(kube)).usable, [FILE])
    return 0


def _cleanup(kube: Kube) -> int:
    found = clean(kube, read_nodes(kube), session=SESSION, dry_run=True, force=True, progress=Silent())
    return sum(len(one.removals) for one in found)


MEASURES: Mapping[str, Callable[[Kube], int]] = {
    "start": _start,
    "inventory": _inventory,
    "plan": _plan,
    "users": _users,
    "cleanup": _cleanup,
}


def _measure(name: str, kubeconfig: Path) -> int:
    kube = CountingClient(kubeconfig)
    started = time.monotonic()
    found = MEASURES[name](kube)
    seconds = time.monotonic() - started
    kube.close()
    say(json.dumps({"found": found, "seconds": seconds, "KiB": _peak_kib(), "requests": kube.requests.total()}))
    return 0


def _peak_kib() -> int:
    """Of this program alone: ru_maxrss of getrusage(2) includes what the process was before its exec, a copy of the
    process that started it.
    """
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1])


def _in_a_process(name: str, kubeconfig: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.scale", "--measure", name, "--kubeconfig", str(kubeconfig)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr[-2000:]}")
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def _show(name: str, count: int, workloads: int, measured: Sequence[Mapping[str, Any]]) -> None:
    wanted = {"inventory": count, "plan": min(count, workloads), "cleanup": 2 * count}.get(name, 0)
    if any(one["found"] != wanted for one in measured):
        raise SystemExit(f"not what was to be measured: {name} found {[one['found'] for one in measured]}")
    memory, seconds, requests = (
        statistics.median(one[key] for one in measured) for key in ("KiB", "seconds", "requests")
    )
    say(f"{name:9}  {count:5}  {memory / 1024:14.1f}  {seconds:7.3f}  {requests:8.0f}")


# The cluster


class _Cluster:
    """Nodes, workloads and leavings, on an API server that has nothing else."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kube = CountingClient(kubeconfig)
        self._nodes = 0

    def close(self) -> None:
        self._kube.close()

    def grow(self, count: int, workloads: int) -> None:
        """Have ``count`` nodes, and everything else for them."""
        kube = self._kube
        new = range(self._nodes, count)
        ensure_namespace(kube)
        for namespace in (NAMESPACE, "default"):
            self._until(1, SERVICE_ACCOUNTS.path(namespace))
        self._create(NODES.path(), map(_node, new))
        nodes = [Node(_name(index), "nodepool1") for index in range(count)]
        job = Job(SESSION, "0000", ("place", "keep"), (), "installer:1")
        installers = (installer_pod(job, nodes[index], pod_name(job, index), []) for index in new)
        self._create(PODS.path(NAMESPACE), installers)
        self._create(PODS.path("default"), (_pod(index, index % workloads) for index in new))
        before, after = min(self._nodes, workloads), min(count, workloads)
        self._create(DEPLOYMENTS.path("default"), map(_deployment, range(before, after)))
        self._until(count + after, PODS.path("default"))
        journal = Journal(
            SESSION, journals.VERSION, "audit", "2026-01-01T00:00:00.000Z", "installer:1", (FILE,),
            tuple(one.name for one in nodes),
        )  # fmt: skip
        (journals.update if self._nodes else journals.write)(kube, journal)
        self._nodes = count

    def _until(self, there_are: int, path: str) -> None:
        """Controllers make a pod for each Deployment, and the account that pods of a namespace need."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := sum(1 for _ in self._kube.list(path))) < there_are:
            if time.monotonic() >= deadline:
                raise SystemExit(f"{path}: of {there_are} there are {found}")
            time.sleep(0.5)

    def _create(self, path: str, bodies: Iterable[JsonObject]) -> None:
        with ThreadPoolExecutor(PARALLEL) as pool:
            for _ in pool.map(lambda body: self._kube.create(path, body), bodies):
                pass


def _name(index: int) -> str:
    return f"aks-nodepool1-31415926-vmss{index:06d}"


def _node(index: int) -> JsonObject:
    """A node as large as one of AKS is in the API: most of it are the names of its images."""
    images = [
        {
            "names": [
                f"registry.test/team/service-{number}@sha256:{number:064x}",
                f"registry.test/team/service-{number}:1",
            ],
            "sizeBytes": 100_000_000 + number,
        }
        for number in range(IMAGES_OF_A_NODE)
    ]
    quiet = ("MemoryPressure", "DiskPressure", "PIDPressure")
    conditions = [{"type": kind, "status": "False", "reason": "KubeletHas"} for kind in quiet]
    conditions.append({"type": "Ready", "status": "True", "reason": "KubeletReady"})
    room = {"cpu": "16", "memory": "64Gi", "pods": str(PODS_PER_NODE)}
    return {
        "metadata": {
            "name": _name(index),
            "labels": {
                "kubernetes.azure.com/agentpool": "nodepool1",
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": _name(index),
            },
        },
        "status": {
            "capacity": room,
            "allocatable": room,
            "conditions": conditions,
            "images": images,
            "nodeInfo": {
                "machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "6.6.0", "osImage": "Azure Linux 3.0",
                "containerRuntimeVersion": "containerd://2.0.0", "kubeletVersion": "v1.33.0", "kubeProxyVersion": "",
                "operatingSystem": "linux", "architecture": "amd64",
            },
        },
    }  # fmt: skip


def _pod(index: int, workload: int) -> JsonObject:
    return {
        "metadata": {"name": f"web-{workload}-{index}", "labels": {"app": f"web-{workload}"}},
        "spec": {**_spec(), "nodeName": _name(index)},
    }


def _deployment(workload: int) -> JsonObject:
    labels = {"app": f"web-{workload}"}
    template = {"metadata": {"labels": labels}, "spec": _spec()}
    return {
        "metadata": {"name": f"web-{workload}"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }


def _spec() -> JsonObject:
    environment = [{"name": f"SETTING_{number}", "value": "x" * 40} for number in range(20)]
    return {
        "automountServiceAccountToken": False,
        "containers": [{"name": "web", "image": "registry.test/team/service-1:1", "env": environment}],
    }


@contextmanager
def _control_plane() -> Iterator[Path]:
    stand = Stand(LAYOUT)
    try:
        stand.up(0)
        with stand.patient_controller_manager():
            yield stand.kubeconfig
    finally:
        stand.down()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
