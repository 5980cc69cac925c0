# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What real nodes tell of themselves before a canary: the second one's runc takes the flag that logs denials, the first
one's does not.
"""

from pathlib import Path

import pytest

from azext_seccomp.cluster.interface import CONFIG_MAPS, PODS
from azext_seccomp.cluster.kube import OfficialClient
from azext_seccomp.cluster.namespace import NAMESPACE, selector
from azext_seccomp.node.installers import run_installers
from azext_seccomp.node.inventory import Node, choose, read_nodes
from azext_seccomp.node.manifest import Job
from azext_seccomp.node.probe import canary_refusals, probe_path
from azext_seccomp.progress import Silent
from tests.e2e.audit.scene import TOOLS
from tests.stand.cluster import Stand

pytestmark = pytest.mark.cluster


@pytest.fixture
def nodes(kube: OfficialClient, stand: Stand) -> list[Node]:
    return [node for node in choose(read_nodes(kube)).usable if node.name in stand.node_names]


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
