# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Profile files on real nodes: written by real pods, below each node's own /var/lib/kubelet/seccomp."""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

import pytest

from azext_seccomp.cluster.connection import Connection
from azext_seccomp.cluster.credentials import parse_kubeconfig
from azext_seccomp.cluster.interface import CONFIG_MAPS, PODS
from azext_seccomp.cluster.kube import OfficialClient
from azext_seccomp.cluster.namespace import (
    NAMESPACE,
    SESSION_LABEL,
    ensure_namespace,
    release_namespace,
    selector,
)
from azext_seccomp.cluster.pod_state import PodState, read_state
from azext_seccomp.cluster.target import Target
from azext_seccomp.cluster.tls import client_context
from azext_seccomp.cluster.tokens import FixedToken
from azext_seccomp.errors import Forbidden
from azext_seccomp.node.installers import Patience
from azext_seccomp.node.inventory import Node, choose, read_nodes
from azext_seccomp.node.paths import MAX_FILE_BYTES, OWN_DIRECTORY, SECCOMP_DIRECTORY, ProfileFile, profile_file
from azext_seccomp.node.placement import list_files, place, remove
from azext_seccomp.node.users import require_unused
from tests.e2e.policy import gatekeeper
from tests.stand.cluster import Stand

pytestmark = pytest.mark.cluster

TOOLS = "localhost/aks-stand/tools:1"
DENY_MKDIR = json.dumps(
    {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}],
    }
).encode()


class NodeFiles:
    """The files of the stand's nodes, behind the back of Kubernetes. Each test has a directory of its own in ours."""

    def __init__(self, stand: Stand, name: str) -> None:
        self._stand = stand
        self.name = name
        self.count = len(stand.node_names)

    def file(self, content: bytes, name: str = "web") -> ProfileFile:
        return profile_file(content, f"{self.name}/{name}")

    def path(self, relative: str) -> str:
        return str(PurePosixPath(SECCOMP_DIRECTORY, relative))

    def read(self, node: int, relative: str) -> bytes:
        return self._stand.node_exec(node, "cat", self.path(relative))[1]

    def inode(self, node: int, relative: str) -> bytes:
        return self._stand.node_exec(node, "stat", "-c", "%i %a %u %Y", self.path(relative))[1]

    def write(self, node: int, relative: str, content: bytes) -> None:
        self._stand.node_exec(node, "mkdir", "-p", str(PurePosixPath(self.path(relative)).parent))
        self._stand.node_exec(node, "tee", self.path(relative), stdin=content)

    def run(self, node: int, *argv: str) -> None:
        self._stand.node_exec(node, *argv)

    def forget(self) -> None:
        for node in range(1, self.count + 1):
            for directory in (self.path(f"{OWN_DIRECTORY}/{self.name}"), self.path(self.name)):
                self._stand.node_exec(node, "rm", "-rf", directory)


@pytest.fixture
def files(stand: Stand, session: str) -> Iterator[NodeFiles]:
    own = NodeFiles(stand, f"e2e-{session}")
    yield own
    own.forget()


@pytest.fixture
def nodes(kube: OfficialClient, stand: Stand) -> list[Node]:
    return [node for node in choose(read_nodes(kube)).usable if node.name in stand.node_names]


def on(nodes: Sequence[Node], files: Sequence[ProfileFile]) -> list[tuple[Node, Sequence[ProfileFile]]]:
    """The same files on each node."""
    return [(node, files) for node in nodes]


def left(kube: OfficialClient, session: str) -> list[str]:
    return [
        one["metadata"]["name"]
        for kind in (PODS, CONFIG_MAPS)
        for one in kube.list(kind.path(NAMESPACE), labels=selector(session))
    ]


def test_every_node_gets_the_file_and_the_cluster_keeps_nothing(
    kube: OfficialClient, session: str, files: NodeFiles, nodes: list[Node]
) -> None:
    web = files.file(DENY_MKDIR)
    outcomes = place(kube, session, on(nodes, [web]), image=TOOLS)
    assert [(one.node, one.pool, one.status, one.sha256) for one in outcomes] == [
        (node.name, node.pool, "placed", web.sha256) for node in nodes
    ]
    assert {node.pool for node in nodes} == {"nodepool1", "nodepool2"}
    for number in range(1, files.count + 1):
        assert files.read(number, web.path) == DENY_MKDIR
        assert files.inode(number, web.path).split()[1:3] == [b"644", b"0"]
    assert left(kube, session) == []


def test_placing_again_changes_nothing(kube: OfficialClient, session: str, files: NodeFiles, nodes: list[Node]) -> None:
    web = files.file(DENY_MKDIR)
    place(kube, session, on(nodes, [web]), image=TOOLS)
    before = [files.inode(number, web.path) for number in (1, 2)]
    assert [one.status for one in place(kube, session, on(nodes, [web]), image=TOOLS)] == ["present", "present"]
    assert [files.inode(number, web.path) for number in (1, 2)] == before


def test_the_largest_profile_that_is_allowed_arrives_whole(
    kube: OfficialClient, session: str, files: NodeFiles, nodes: list[Node]
) -> None:
    huge = files.file(DENY_MKDIR.ljust(MAX_FILE_BYTES))
    assert [one.status for one in place(kube, session, on(nodes, [huge]), image=TOOLS)] == ["placed", "placed"]
    assert files.read(2, huge.path) == huge.content


def test_a_different_file_on_one_node_stays_until_forced(
    kube: OfficialClient, session: str, files: NodeFiles, nodes: list[Node]
) -> None:
    web = files.file(DENY_MKDIR)
    files.write(2, web.path, b"{}")
    outcomes = {one.node: one for one in place(kube, session, on(nodes, [web]), image=TOOLS)}
    refused = outcomes[nodes[1].name]
    assert outcomes[nodes[0].name].status == "placed"
    assert (refused.status, refused.sha256) == ("refused", hashlib.sha256(b"{}").hexdigest())
    assert files.read(2, web.path) == b"{}"
    forced = place(kube, session, on(nodes, [web]), image=TOOLS, force=True)
    assert [(one.status, one.detail) for one in forced] == [("present", ""), ("placed", "")]
    assert files.read(2, web.path) == DENY_MKDIR


def test_a_full_disk_of_one_node_is_that_nodes_failure(
    kube: OfficialClient, session: str, files: NodeFiles, nodes: list[Node]
) -> None:
    big = files.file(DENY_MKDIR + b" " * 100_000)
    directory = files.path(str(PurePosixPath(big.path).parent))
    files.run(2, "mkdir", "-p", directory)
    files.run(2, "mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", directory)
    try:
        first, second = place(kube, session, on(nodes, [big]), image=TOOLS)
    finally:
        files.run(2, "umount", directory)
    assert first.status == "placed"
    assert (second.status, second.node) == ("failed", nodes[1].name)
    assert "No space left on device" in second.detail


def test_a_container_runs_with_the_profile_that_was_placed(
    kube: OfficialClient, session: str, files: NodeFiles, nodes: list[Node]
) -> None:
    web = files.file(DENY_MKDIR)
    place(kube, session, on(nodes, [web]), image=TOOLS)
    pod = {
        "metadata": {"name": f"uses-{session}"},
        "spec": {
            "nodeName": nodes[1].name,
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": "c",
                    "image": TOOLS,
                    "command": ["sh", "-c", "mkdir /tmp/x 2>/dev/termination-log; exit 0"],
                    "securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": web.path}},
                }
            ],
        },
    }
    kube.create(PODS.path("default"), pod)
    try:
        state = ended(kube, f"uses-{session}")
    finally:
        kube.delete(PODS.path("default", f"uses-{session}"), grace_seconds=0)
    assert "Operation not permitted" in state.termination_message


def test_lists_ours_and_others_whatever_their_names(
    kube: OfficialClient, session: str, files: NodeFiles, nodes: list[Node]
) -> None:
    web = files.file(DENY_MKDIR)
    place(kube, session, on(nodes[:1], [web]), image=TOOLS)
    hostile = os.fsdecode(b"a\nb\x1b[2J\xff$(reboot).json")
    files.write(2, f"{files.name}/{hostile}", b"{}")
    files.run(2, "ln", "-s", "/etc/passwd", files.path(f"{files.name}/link"))
    first, second = list_files(kube, session, nodes, image=TOOLS)
    mine = {(one.path, one.sha256) for one in first.entries if files.name in one.path}
    assert mine == {(web.path, web.sha256)}
    found = {one.path: (one.kind, one.size) for one in second.entries if files.name in one.path}
    assert found == {f"{files.name}/{hostile}": ("file", 2), f"{files.name}/link": ("link", None)}


def test_a_long_list_comes_whole(kube: OfficialClient, session: str, files: NodeFiles, nodes: list[Node]) -> None:
    names = [f"{files.name}/{number:03}.json" for number in range(120)]
    files.run(1, "mkdir", "-p", files.path(files.name))
    files.run(1, "touch", *map(files.path, names))
    first, _ = list_files(kube, session, nodes, image=TOOLS)
    assert [one.path for one in first.entries if files.name in one.path] == names
    assert first.failure == ""


def test_removes_what_it_placed_and_leaves_the_rest(
    kube: OfficialClient, session: str, files: NodeFiles, nodes: list[Node]
) -> None:
    web, keep = files.file(DENY_MKDIR), files.file(DENY_MKDIR, "keep")
    place(kube, session, on(nodes, [web, keep]), image=TOOLS)
    files.write(1, f"{files.name}/others.json", b"{}")
    assert [one.status for one in remove(kube, session, nodes, [web.path], image=TOOLS)] == ["removed", "removed"]
    assert [one.status for one in remove(kube, session, nodes, [web.path], image=TOOLS)] == ["absent", "absent"]
    assert files.read(1, keep.path) == DENY_MKDIR
    assert files.read(1, f"{files.name}/others.json") == b"{}"


def test_an_image_that_cannot_be_pulled_is_told_in_the_words_of_the_kubelet(
    kube: OfficialClient, session: str, files: NodeFiles, nodes: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azext_seccomp.node.installers.Patience", lambda: Patience(trouble=2))
    outcomes = place(kube, session, on(nodes, [files.file(DENY_MKDIR)]), image="localhost/aks-stand/none:1")
    assert [one.status for one in outcomes] == ["failed", "failed"]
    assert all("localhost/aks-stand/none:1" in one.detail for one in outcomes)
    assert left(kube, session) == []


def test_a_node_that_does_not_answer_does_not_stop_the_others(
    kube: OfficialClient, session: str, files: NodeFiles, nodes: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azext_seccomp.node.installers.Patience", lambda: Patience(answers=10))
    outcomes = place(kube, session, on([*nodes, Node("gone")], [files.file(DENY_MKDIR)]), image=TOOLS)
    assert [one.status for one in outcomes] == ["placed", "placed", "failed"]
    assert outcomes[2].detail == "no answer of the installer: the node's kubelet has not taken it up"
    assert left(kube, session) == []


def test_a_policy_denies_before_anything_is_made(
    kube: OfficialClient, session: str, files: NodeFiles, nodes: list[Node]
) -> None:
    with gatekeeper(kube, {SESSION_LABEL: session}), pytest.raises(Forbidden) as denied:
        place(kube, session, on(nodes, [files.file(DENY_MKDIR)]), image=TOOLS)
    assert "validation.gatekeeper.sh" in denied.value.what
    assert "HostPath volume" in denied.value.why
    assert f"exempt namespace {NAMESPACE}" in denied.value.fix
    assert left(kube, session) == []


# What README lists as needed for profile place, list and remove.
CLUSTER_RULES = [
    {"apiGroups": [""], "resources": ["nodes", "pods"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "create", "delete"]},
]
NAMESPACE_RULES = [
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "list", "watch", "delete"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "list", "deletecollection"]},
]


@pytest.fixture
def documented(kube: OfficialClient, stand: Stand, session: str) -> Iterator[OfficialClient]:
    """A client that may do what README lists, and nothing else."""
    name = f"e2e-{session}"
    accounts = kube.resource("v1", "ServiceAccount").path("default")
    kube.create(accounts, {"metadata": {"name": name}})
    subjects = [{"kind": "ServiceAccount", "name": name, "namespace": "default"}]
    rbac = "rbac.authorization.k8s.io/v1"
    made = [f"{accounts}/{name}"]
    for kind, namespace, rules in (("ClusterRole", "", CLUSTER_RULES), ("Role", NAMESPACE, NAMESPACE_RULES)):
        roles, bindings = kube.resource(rbac, kind), kube.resource(rbac, f"{kind}Binding")
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
        kube.create(roles.path(namespace), {"metadata": {"name": name}, "rules": rules})
        kube.create(bindings.path(namespace), {"metadata": {"name": name}, "roleRef": reference, "subjects": subjects})
        made += [roles.path(namespace, name), bindings.path(namespace, name)]
    token = kube.create(f"{accounts}/{name}/token", {"spec": {"expirationSeconds": 3600}})["status"]["token"]
    credentials = parse_kubeconfig(stand.kubeconfig.read_bytes())
    context = client_context(credentials.authority)
    client = OfficialClient(Connection(Target(credentials.server), context, FixedToken(token)))
    yield client
    client.close()
    for path in made:
        kube.delete(path)


@pytest.mark.alone  # its role goes with the namespace, which the end of another session may remove
def test_the_permissions_that_are_documented_are_enough(
    documented: OfficialClient, session: str, files: NodeFiles
) -> None:
    web = files.file(DENY_MKDIR)
    nodes = choose(read_nodes(documented)).usable[: files.count]
    ensure_namespace(documented)
    assert all(one.ok for one in place(documented, session, on(nodes, [web]), image=TOOLS))
    files.run(1, "touch", *(files.path(f"{files.name}-{number:03}.json") for number in range(60)))  # a list in a log
    try:
        first, _ = list_files(documented, session, nodes, image=TOOLS)
    finally:
        files.run(1, "sh", "-c", f"rm {files.path(files.name)}-*.json")
    assert (first.failure, len(first.entries) > 60) == ("", True)
    require_unused(documented, nodes, [web.path])
    assert [one.status for one in remove(documented, session, nodes, [web.path], image=TOOLS)] == ["removed", "removed"]
    release_namespace(documented)


def ended(kube: OfficialClient, pod: str) -> PodState:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        state = read_state(kube.get(PODS.path("default", pod)))
        if state.phase in ("succeeded", "failed"):
            return state
        time.sleep(0.2)
    raise AssertionError(f"{pod} does not end: {state.why()}")
