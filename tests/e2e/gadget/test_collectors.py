# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Collectors on real nodes, fed by this kernel's seccomp records: every call arrives once, whatever breaks."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from azext_seccomp.audit.aggregate import Findings
from azext_seccomp.cluster.connection import connection
from azext_seccomp.cluster.credentials import parse_kubeconfig
from azext_seccomp.cluster.interface import NAMESPACES, PODS
from azext_seccomp.cluster.kube import OfficialClient
from azext_seccomp.cluster.namespace import NAMESPACE, new_session_id
from azext_seccomp.cluster.target import Target
from azext_seccomp.gadget.collector import CollectorState
from azext_seccomp.gadget.collectors import CollectorNode, Collectors, Pace
from azext_seccomp.gadget.manifest import GadgetOptions, pod_name
from tests.e2e.cluster.cutting import cut_way
from tests.stand.cluster import Stand

pytestmark = pytest.mark.cluster

TOOLS = "localhost/aks-stand/tools:1"
IG = "localhost/aks-stand/ig:1"
GADGET = "localhost/aks-stand/gadget/audit_seccomp:1"
AUDIT_PROFILE = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["mkdir", "unshare", "mount"], "action": "SCMP_ACT_LOG"}],
}


@pytest.fixture
def namespace(kube: OfficialClient) -> Iterator[str]:
    name = f"e2e-{new_session_id()}"
    kube.create(NAMESPACES.path(), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    wait_for(lambda: has_default_account(kube, name))
    yield name
    kube.delete(NAMESPACES.path(name=name))


@pytest.fixture
def profile(stand: Stand, session: str) -> Iterator[str]:
    """The audit profile on every node; the value for ``localhostProfile``."""
    name = f"e2e-{session}.json"
    files = [node.directory / "kubelet" / "seccomp" / name for node in stand.nodes()]
    for file in files:
        file.write_text(json.dumps(AUDIT_PROFILE))
    yield name
    for file in files:
        file.unlink()


class Watched:
    """Collectors on all nodes of the stand, and what they delivered."""

    def __init__(self, kube: OfficialClient, stand: Stand, session: str, namespace: str, **options: Any) -> None:
        self.kube = kube
        self.nodes = stand.node_names
        self.session = session
        self.findings = Findings()
        self.stop = threading.Event()
        gadget = GadgetOptions(
            timeout_seconds=120, **{"ig_image": IG, "gadget_image": GADGET, "namespaces": (namespace,), **options}
        )
        self.collectors = Collectors(kube, session, gadget, self.findings.add, pace=Pace(patience=3.0))

    def start(self) -> dict[str, CollectorState]:
        self.collectors.start(CollectorNode(node) for node in self.nodes)
        return {state.node: state for state in self.collectors.wait_ready(60, self.stop)}

    def run_until(self, enough: Any, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not enough():
            assert time.monotonic() < deadline, self.findings.all()
            self.collectors.run(0.2, self.stop)

    def finish(self) -> dict[str, CollectorState]:
        return {state.node: state for state in self.collectors.finish()}

    def counts(self) -> Counter[tuple[str, str, str]]:
        return Counter({(f.pod, f.syscall, f.nodes[0]): f.count for f in self.findings.all() if not f.of_runtime})


@pytest.fixture
def watched(kube: OfficialClient, stand: Stand, session: str, namespace: str) -> Iterator[Watched]:
    made = Watched(kube, stand, session, namespace)
    with made.collectors:
        yield made


def wait_for(condition: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def has_default_account(kube: OfficialClient, namespace: str) -> bool:
    accounts = kube.list(f"/api/v1/namespaces/{namespace}/serviceaccounts")
    return any(one["metadata"]["name"] == "default" for one in accounts)


def run_pod(kube: OfficialClient, namespace: str, node: str, name: str, profile: str, *words: str) -> None:
    """A pod on ``node`` under ``profile`` that makes the calls that ``words`` say (tests/stand/images/syscaller.c)."""
    kube.create(
        PODS.path(namespace),
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {
                "nodeName": node,
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 0,
                "securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": profile}},
                "containers": [
                    {
                        "name": "app",
                        "image": TOOLS,
                        "imagePullPolicy": "IfNotPresent",
                        "command": ["syscaller", *words],
                    }
                ],
            },
        },
    )


def ended(kube: OfficialClient, namespace: str, name: str) -> bool:
    return kube.get(PODS.path(namespace, name))["status"].get("phase") in ("Succeeded", "Failed")


def test_every_call_on_two_nodes_arrives_once(
    watched: Watched, kube: OfficialClient, namespace: str, profile: str
) -> None:
    assert {state.status for state in watched.start().values()} == {"ready"}
    for number, node in enumerate(watched.nodes):
        run_pod(kube, namespace, node, f"caller-{number}", profile, "mkdir*40", "unshare*3", "getpid*5", "sleep=1")
        run_pod(kube, namespace, node, f"quiet-{number}", profile, "getpid*5", "sleep=1")
    watched.run_until(lambda: all(ended(kube, namespace, f"caller-{n}") for n in range(2)))
    states = watched.finish()
    assert watched.counts() == Counter(
        {
            (f"caller-{number}", syscall, node): count
            for number, node in enumerate(watched.nodes)
            for syscall, count in (("mkdir", 40), ("unshare", 3))
        }
    )
    assert {(state.status, state.events, state.lost) for state in states.values()} == {("ended", 43, 0)}


def test_connections_that_are_cut_again_and_again_lose_and_double_nothing(
    kube: OfficialClient, stand: Stand, session: str, namespace: str, profile: str
) -> None:
    credentials = parse_kubeconfig(stand.kubeconfig.read_bytes())
    with cut_way(urlsplit(credentials.server).port or 443) as way:
        server = f"https://127.0.0.1:{way.port}"
        client = OfficialClient(connection(replace(credentials, server=server), Target(server=server)))
        watched = Watched(client, stand, session, namespace)
        cuts = 0

        def cut_again() -> bool:
            nonlocal cuts
            cuts += way.cut()
            return all(ended(kube, namespace, f"caller-{n}") for n in range(2))

        with watched.collectors:
            watched.start()
            for number, node in enumerate(watched.nodes):
                run_pod(kube, namespace, node, f"caller-{number}", profile, "pause=10", "mkdir*300")
            watched.run_until(cut_again)
            states = watched.finish()
        client.close()
    assert cuts > 10
    assert sorted(watched.counts().values()) == [300, 300]
    assert {(state.status, state.events, state.lost) for state in states.values()} == {("ended", 300, 0)}


def test_a_collector_that_is_killed_is_told_and_the_other_goes_on(
    watched: Watched, kube: OfficialClient, namespace: str, profile: str
) -> None:
    watched.start()
    first, second = watched.nodes
    kube.delete(PODS.path(NAMESPACE, pod_name(watched.session, first)), grace_seconds=0)
    run_pod(kube, namespace, second, "caller", profile, "mkdir*7")
    watched.run_until(lambda: watched.findings.events == 7)
    states = watched.finish()
    assert (states[first].status, states[first].detail) == ("failed", "its pod was deleted while it was watching")
    assert (states[second].status, states[second].events) == ("ended", 7)


@pytest.mark.alone
def test_losses_of_the_gadget_are_counted(
    kube: OfficialClient, stand: Stand, session: str, namespace: str, profile: str
) -> None:
    watched = Watched(kube, stand, session, namespace, ig_image="localhost/aks-stand/ig-lossy:1")
    with watched.collectors:
        watched.start()
        node = watched.nodes[0]
        run_pod(kube, namespace, node, "burst", profile, "mkdir*5000", "sleep=2", "mkdir*3")
        watched.run_until(lambda: ended(kube, namespace, "burst"))
        states = watched.finish()
    assert states[node].lost > 0
    assert 0 < states[node].events < 5003


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"ig_image": "localhost/aks-stand/nowhere:1"}, "ErrImagePull|ImagePullBackOff"),
        ({"gadget_image": "localhost/aks-stand/gadget/trace_exec:1"}, "trace_exec"),
    ],
)
def test_what_cannot_start_is_told_with_its_reason(
    kube: OfficialClient, stand: Stand, session: str, namespace: str, options: dict[str, str], reason: str
) -> None:
    watched = Watched(kube, stand, session, namespace, **options)
    with watched.collectors:
        states = watched.start()
        watched.finish()
    assert {state.status for state in states.values()} == {"failed"}
    for state in states.values():
        assert any(word in state.detail for word in reason.split("|")), state.detail
