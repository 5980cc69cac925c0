# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Canaries on real nodes: one whose runc takes the flag that logs denials (the second), and one whose does not."""

import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from azext_seccomp.audit.aggregate import Findings
from azext_seccomp.audit.choice import OneProfile
from azext_seccomp.audit.profile_set import ProfileSet
from azext_seccomp.audit.ruling import ProfileRule
from azext_seccomp.cluster.interface import CONFIG_MAPS, NAMESPACES, PODS
from azext_seccomp.cluster.kube import OfficialClient
from azext_seccomp.cluster.namespace import NAMESPACE, ensure_namespace, new_session_id, selector
from azext_seccomp.cluster.pods import remove_session
from azext_seccomp.gadget.collectors import CollectorNode, Collectors, Pace
from azext_seccomp.gadget.manifest import GadgetOptions
from azext_seccomp.node.installers import run_installers
from azext_seccomp.node.inventory import Node, choose, read_nodes
from azext_seccomp.node.manifest import Job
from azext_seccomp.node.placement import place, remove
from azext_seccomp.node.probe import canary_refusals, probe_path
from azext_seccomp.profile.capabilities import DEFAULT
from azext_seccomp.profile.model import Action, Profile, Rule
from azext_seccomp.profile.source import Source
from azext_seccomp.progress import Silent
from tests.e2e.audit.scene import TOOLS, counted, pod, wait_for
from tests.stand.cluster import Stand

pytestmark = pytest.mark.cluster

GADGET = GadgetOptions(
    120, ig_image="localhost/aks-stand/ig:1", gadget_image="localhost/aks-stand/gadget/audit_seccomp:1"
)
DENIES = Profile(
    Action.ALLOW,
    architectures=("SCMP_ARCH_X86_64",),
    rules=(
        Rule(("mkdir", "unshare"), Action.ERRNO),
        Rule(("clone3",), Action.ERRNO, errno_ret=38),
        Rule(("gettid",), Action.LOG),
    ),
)


@pytest.fixture
def session(kube: OfficialClient) -> Iterator[str]:
    ensure_namespace(kube)
    session = new_session_id()
    yield session
    remove_session(kube, session, grace_seconds=0)


@pytest.fixture
def nodes(kube: OfficialClient, stand: Stand) -> list[Node]:
    return [node for node in choose(read_nodes(kube)).usable if node.name in stand.node_names]


@pytest.fixture
def namespace(kube: OfficialClient) -> Iterator[str]:
    name = f"e2e-{secrets.token_hex(5)}"
    kube.create(NAMESPACES.path(), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    accounts = f"/api/v1/namespaces/{name}/serviceaccounts"
    wait_for(lambda: any(one["metadata"]["name"] == "default" for one in kube.list(accounts)))
    yield name
    kube.delete(NAMESPACES.path(name=name))


@pytest.fixture
def canary(kube: OfficialClient, session: str, nodes: list[Node]) -> Iterator[ProfileSet]:
    """The profiles of a canary, placed on the second node."""
    node = nodes[1]
    choice = OneProfile(Source(DENIES, "denies.json", "0" * 64), "denies.json")
    profiles = ProfileSet(choice, [node], [DEFAULT], mode="canary", directory=f"audit/{session}")
    (outcome,) = place(
        kube, session, [(node, profiles.files_on(node))], image=TOOLS, recorded=[Action.ERRNO, Action.LOG]
    )
    assert outcome.ok, outcome
    yield profiles
    remove(kube, session, [node], sorted(profiles.paths), image=TOOLS)


def test_only_the_node_with_the_old_runc_is_refused_and_neither_keeps_the_probe(
    kube: OfficialClient, stand: Stand, session: str, nodes: list[Node]
) -> None:
    assert canary_refusals(kube, session, nodes, image=TOOLS) == {
        stand.node_names[0]: "its runc is too old, a canary needs 1.2 or later: "
        "seccomp flags are not yet supported by runc"
    }
    directory = f"/var/lib/kubelet/seccomp/{probe_path(session)}".rpartition("/")[0]
    for node in (1, 2):
        assert stand.node_exec(node, "ls", "-d", directory, check=False)[0] != 0
    left = [one for kind in (PODS, CONFIG_MAPS) for one in kube.list(kind.path(NAMESPACE), labels=selector(session))]
    assert left == []


def test_an_installer_tells_what_the_kernel_of_its_node_records(
    kube: OfficialClient, session: str, nodes: list[Node]
) -> None:
    job = Job(session, "kernel", ("place", "keep"), (), TOOLS)
    answers = run_installers(kube, job, nodes, progress=Silent(), step="Asking the nodes")
    here = frozenset(Path("/proc/sys/kernel/seccomp/actions_logged").read_text().split())
    assert "errno" in here
    assert [one.answer and one.answer.logged for one in answers] == [here] * len(nodes)


def test_denied_calls_fail_and_are_found_as_the_kernel_recorded_them(
    kube: OfficialClient, stand: Stand, session: str, namespace: str, nodes: list[Node], canary: ProfileSet
) -> None:
    (path,) = canary.paths
    user = 100_000 + secrets.randbits(29)
    calls = pod("denied", "mkdir*3", "unshare", "clone3*2", "gettid*4", "sleep=1", node=nodes[1].name, user=user)
    calls["spec"]["securityContext"]["seccompProfile"] = {"type": "Localhost", "localhostProfile": path}
    findings, stop = Findings(), threading.Event()

    def ended() -> bool:
        collectors.run(0.2, stop)
        return kube.get(PODS.path(namespace, "denied"))["status"].get("phase") in ("Succeeded", "Failed")

    with Collectors(kube, session, GADGET, findings.add, pace=Pace(patience=3.0)) as collectors:
        collectors.start([CollectorNode(nodes[1].name)])
        collectors.wait_ready(60, stop)
        with stand.audit_records() as stream:
            kube.create(PODS.path(namespace), calls)
            wait_for(ended)
            kernel = counted(stream.records(user=user))
        log = b"\n".join(kube.follow_log(namespace, "denied", "app")).decode()
        (state,) = collectors.finish()
    assert "mkdir = -1 Operation not permitted" in log
    assert "clone3 = -1 Function not implemented" in log
    assert kernel == {
        ("syscaller", "mkdir"): 3,
        ("syscaller", "unshare"): 1,
        ("syscaller", "clone3"): 2,
        ("syscaller", "gettid"): 4,
    }
    found = [one for one in findings.all() if one.pod == "denied" and not one.of_runtime]
    assert Counter({(one.comm, one.syscall): one.count for one in found}) == kernel
    assert state.lost == 0
    rule = ProfileRule(canary, lambda *_: path)
    assert {one.syscall: rule(one).finding_class for one in found} == {
        "mkdir": "blocked",
        "unshare": "blocked",
        "clone3": "fallback",
        "gettid": "logged",
    }
