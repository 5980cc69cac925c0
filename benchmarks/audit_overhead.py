# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What an audit costs besides its duration: seconds by step, and requests to the API server by node.

    python -m benchmarks.audit_overhead [--nodes 1 2 4] [--repeat 3] [--duration 5] [--ways manifest workload]  (root)

An audit of one pod on each node that never ends by itself, in this process, so without the start of az and the
questions to Resource Manager (``benchmarks/az_startup.py``): of a manifest with these pods, or of a DaemonSet that is
there already. Every number is the median of the repetitions, in which ways and counts of nodes take turns. The overhead
is the wall time without the duration. A stand of its own is brought up and taken down, so that tests and demos are not
disturbed. Its nodes share one machine: the part of the kubelets grows with their number here, and does not where each
has a machine of its own.
"""

import argparse
import json
import logging
import secrets
import statistics
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from azext_seccomp.audit.choice import OneProfile
from azext_seccomp.audit.interrupts import Interrupts
from azext_seccomp.audit.plan import Cluster, Images, Plan, PlannedContainer, Selection
from azext_seccomp.audit.session import AuditSession
from azext_seccomp.cluster.interface import NAMESPACES
from azext_seccomp.cluster.namespace import NAMESPACE, new_session_id
from azext_seccomp.gadget.event import Event
from azext_seccomp.profile.source import Options, load
from azext_seccomp.workload.reference import Reference
from benchmarks.counting import CountingClient
from benchmarks.placement import LAYOUT, POOL_LABEL, say
from tests.stand.cluster import Stand
from tests.stand.cluster.images import IG, TOOLS
from tests.stand.cluster.layout import node_name

GADGET = "localhost/aks-stand/gadget/audit_seccomp:1"
WATCHING = "Watching"
WAYS = ("manifest", "workload")


class Cost(NamedTuple):
    """Of one audit: seconds of each step, and requests by verb and kind."""

    steps: dict[str, float]
    requests: Counter[tuple[str, str]]


class Steps:
    """A progress that notes how long each step is the one under way."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._under_way = "Starting"
        self._since = time.monotonic()

    def step(self, text: str, done: int | None = None, total: int | None = None) -> None:
        self._turn_to(WATCHING if text.startswith(WATCHING) else text)

    def end(self) -> dict[str, float]:
        """The seconds, by the words of the step."""
        self._turn_to("")
        return dict(self._seconds)

    def _turn_to(self, step: str) -> None:
        now = time.monotonic()
        self._seconds[self._under_way] += now - self._since
        self._under_way, self._since = step, now


class Nobody:
    """A listener that nobody listens through."""

    def agree(self, planned: Sequence[PlannedContainer]) -> None:
        pass

    def notice(self, text: str) -> None:
        pass

    def ready(self, localhost_profile: str, seconds: int) -> None:
        pass

    def event(self, event: Event) -> None:
        pass


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit_overhead")
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--duration", type=int, default=5, help="of each audit, in seconds")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING)
    counts = sorted(set(options.nodes))
    costs: dict[str, dict[int, list[Cost]]] = {way: {count: [] for count in counts} for way in options.ways}
    with _stand(counts[-1]) as kubeconfig:
        for _ in range(options.repeat):
            for count in counts:
                for way in options.ways:
                    costs[way][count].append(_audit(kubeconfig, way, count, options.duration))
    for way in options.ways:
        say(f"\n{way}")
        _show_seconds(costs[way], options.duration)
        _show_requests(costs[way])
    return 0


def _audit(kubeconfig: Path, way: str, count: int, seconds: int) -> Cost:
    """Audit the first ``count`` nodes."""
    nodes = [node_name(index) for index in range(1, count + 1)]
    pool = f"first{count}"
    _kubectl(kubeconfig, "label", "nodes", *nodes, f"{POOL_LABEL}={pool}", "--overwrite")
    kube = CountingClient(kubeconfig)
    _until_released(kube)
    plan = Plan(
        OneProfile(load(_profile(), "profile.json", Options()), "profile.json"),
        Selection(),
        seconds,
        nodepools=(pool,),
        images=Images(TOOLS, IG, GADGET, verify_gadget=False),
    )
    try:
        if way == "manifest":
            return _cost(kube, replace(plan, objects=tuple(_pod(node) for node in nodes)), count)
        with _daemon_set(kubeconfig, pool) as name:
            references = (Reference("DaemonSet", name),)
            return _cost(kube, replace(plan, references=references, selection=Selection(namespace="default")), count)
    finally:
        kube.close()


def _cost(kube: CountingClient, plan: Plan, count: int) -> Cost:
    kube.requests.clear()
    steps = Steps()
    cluster = Cluster("local", "local", {})
    report = AuditSession(
        kube, plan, cluster, new_session_id(), interrupts=Interrupts(), listener=Nobody(), progress=steps
    ).run()
    cost = Cost(steps.end(), kube.requests.copy())
    _require_watched(report, count)
    return cost


@contextmanager
def _daemon_set(kubeconfig: Path, pool: str) -> Iterator[str]:
    """A DaemonSet on the nodes of a pool, rolled out."""
    spec = _pod("")["spec"]
    del spec["nodeName"]
    name = f"bench-{secrets.token_hex(4)}"
    labels = {"app": name}
    body = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": labels},
            "updateStrategy": {"rollingUpdate": {"maxUnavailable": "100%"}},
            "template": {"metadata": {"labels": labels}, "spec": {**spec, "nodeSelector": {POOL_LABEL: pool}}},
        },
    }
    _kubectl(kubeconfig, "create", "-f", "-", stdin=json.dumps(body))
    try:
        _kubectl(kubeconfig, "rollout", "status", f"daemonset/{name}", "--timeout=60s")
        yield name
    finally:
        _kubectl(kubeconfig, "delete", "daemonset", name)


def _until_released(kube: CountingClient) -> None:
    """The namespace of the audit before takes seconds to go, and whoever comes next waits for that."""
    while any(one["metadata"]["name"] == NAMESPACE for one in kube.list(NAMESPACES.path())):
        time.sleep(0.2)


def _require_watched(report: dict[str, Any], count: int) -> None:
    """A number of an audit that saw nothing would say nothing."""
    watched = sum(node["status"] == "ended" for node in report["nodes"])
    if watched != count or sum(one["count"] for one in report["findings"] if one["syscall"] == "mkdir") != count:
        raise SystemExit(f"not what was to be measured: {report['nodes']} {report['notes']}")


def _profile() -> bytes:
    """One that no audit before has placed."""
    rules = [
        {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"},
        {
            "names": ["kcmp"],
            "action": "SCMP_ACT_ERRNO",
            "args": [{"index": 0, "value": secrets.randbits(60), "op": "SCMP_CMP_EQ"}],
        },
    ]
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": rules}
    return json.dumps(profile).encode()


def _pod(node: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"bench-{secrets.token_hex(4)}"},
        "spec": {
            "nodeName": node,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "app", "image": TOOLS, "command": ["syscaller", "mkdir", "sleep=600"]}],
        },
    }


def _show_seconds(costs: dict[int, list[Cost]], duration: int) -> None:
    steps = list(dict.fromkeys(step for runs in costs.values() for run in runs for step in run.steps))
    say("seconds".ljust(40) + "".join(f"{count:>3} nodes" for count in costs))
    for step in steps:
        row = (statistics.median(run.steps.get(step, 0.0) for run in runs) for runs in costs.values())
        say(step.ljust(40) + "".join(f"{seconds:9.2f}" for seconds in row))
    overhead = (statistics.median(sum(run.steps.values()) - duration for run in runs) for runs in costs.values())
    say("overhead".ljust(40) + "".join(f"{seconds:9.2f}" for seconds in overhead))


def _show_requests(costs: dict[int, list[Cost]]) -> None:
    kinds = sorted({kind for runs in costs.values() for run in runs for kind in run.requests})
    say("\n" + "requests".ljust(40) + "".join(f"{count:>3} nodes" for count in costs))
    for kind in kinds:
        row = (statistics.median(run.requests[kind] for run in runs) for runs in costs.values())
        say(" ".join(kind).ljust(40) + "".join(f"{number:9.0f}" for number in row))
    totals = {count: statistics.median(run.requests.total() for run in runs) for count, runs in costs.items()}
    say("all".ljust(40) + "".join(f"{number:9.0f}" for number in totals.values()))
    first, last = min(totals), max(totals)
    if last > first:
        by_node = (totals[last] - totals[first]) / (last - first)
        say(f"requests: {totals[first] - first * by_node:.0f} for an audit and {by_node:.1f} for each of its nodes")


@contextmanager
def _stand(nodes: int) -> Iterator[Path]:
    stand = Stand(LAYOUT)
    try:
        stand.up(nodes)
        yield stand.kubeconfig
    finally:
        stand.down()


def _kubectl(kubeconfig: Path, *argv: str, stdin: str = "") -> None:
    command = ["kubectl", "--kubeconfig", str(kubeconfig), *argv]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, input=stdin.encode())


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
