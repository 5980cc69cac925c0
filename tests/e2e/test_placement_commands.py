# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""``az aks seccomp profile place | list | remove``, from the command line to the files on real nodes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from azext_seccomp.cluster.interface import NAMESPACES, PODS
from azext_seccomp.cluster.kube import OfficialClient
from azext_seccomp.cluster.namespace import NAMESPACE, new_session_id, selector
from azext_seccomp.node.manifest import ROLE
from tests.stand.arm import ArmStand
from tests.stand.arm.identities import LIMITED
from tests.stand.az import AzResult, InProcessAz
from tests.stand.cluster import Stand

pytestmark = pytest.mark.cluster

CLUSTER = ("-g", "rg1", "-n", "plain")
TOOLS = ("--installer-image", "localhost/aks-stand/tools:1")
SECONDS = 60.0

Command = Callable[..., AzResult]


@pytest.fixture
def az(cluster_arm: ArmStand) -> InProcessAz:
    cluster_arm.reset()
    return InProcessAz(cluster_arm)


@pytest.fixture
def place(az: InProcessAz, profile: Path, name: str) -> Command:
    return lambda *more: az(
        "aks", "seccomp", "profile", "place", *CLUSTER, *TOOLS, "--profile", str(profile), "--as", name, *more
    )


@pytest.fixture
def listed(az: InProcessAz) -> Command:
    return lambda *more: az("aks", "seccomp", "profile", "list", *CLUSTER, *TOOLS, *more)


@pytest.fixture
def remove(az: InProcessAz, name: str) -> Command:
    return lambda *more: az("aks", "seccomp", "profile", "remove", *CLUSTER, *TOOLS, "--as", name, *more)


@pytest.fixture
def name(stand: Stand) -> Iterator[str]:
    """A name for a file that no other test uses."""
    made = f"e2e-{new_session_id()}"
    yield made
    for number in range(1, len(stand.node_names) + 1):
        stand.node_exec(number, "rm", "-f", f"/var/lib/kubelet/seccomp/aks-seccomp/{made}.json")


@pytest.fixture
def profile(tmp_path: Path, name: str) -> Path:
    """A profile file that no other test has the same of."""
    file = tmp_path / "profile.json"
    rule = {"names": ["mkdir"], "action": "SCMP_ACT_LOG"}
    file.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}) + " " * os.urandom(1)[0])
    return file


def images(kube: OfficialClient) -> list[str]:
    """The images of the installers in the cluster."""
    installers = kube.list(PODS.path(NAMESPACE), labels=selector(role=ROLE))
    return [container["image"] for pod in installers for container in pod["spec"]["containers"]]


def released(kube: OfficialClient) -> bool:
    """Whether our namespace is gone, or somebody else uses it."""
    if any(kube.list(PODS.path(NAMESPACE), labels=selector())):
        return True
    return NAMESPACE not in (one["metadata"]["name"] for one in kube.list(NAMESPACES.path()))


def test_a_profile_from_placing_to_removal(
    place: Command, listed: Command, remove: Command, stand: Stand, kube: OfficialClient, name: str
) -> None:
    path = f"aks-seccomp/{name}.json"
    placed = place()
    assert placed.code == 0, placed.err
    assert [(row["node"], row["status"], row["localhostProfile"]) for row in placed.json] == [
        (node, "placed", path) for node in stand.node_names
    ]
    assert [row["status"] for row in place().json] == ["present", "present"]
    found = [row for row in listed().json if row["localhostProfile"] == path]
    assert [row["node"] for row in found] == stand.node_names
    assert all(row["ours"] and row["onAllNodes"] for row in found)
    removed = remove("--yes")
    assert (removed.code, [row["status"] for row in removed.json]) == (0, ["removed", "removed"])
    wait_for(lambda: released(kube))


def test_tables_name_node_and_file_and_query_gives_the_value_for_a_manifest(place: Command, name: str) -> None:
    table = place("-o", "table").out.splitlines()
    assert table[0].split() == ["Node", "NodePool", "Status", "LocalhostProfile", "Sha256", "Detail"]
    assert table[2].split()[:4] == [
        "aks-nodepool1-31415926-vmss000000",
        "nodepool1",
        "placed",
        f"aks-seccomp/{name}.json",
    ]
    assert place("--query", "[0].localhostProfile", "-o", "tsv").out == f"aks-seccomp/{name}.json\n"


def test_node_pools_are_chosen_by_name(place: Command, listed: Command, name: str) -> None:
    rows = place("--nodepool-name", "nodepool2").json
    assert [(row["nodePool"], row["status"]) for row in rows] == [("nodepool2", "placed")]
    (row,) = [row for row in listed().json if name in row["localhostProfile"]]
    assert (row["nodePool"], row["onAllNodes"]) == ("nodepool2", False)


def test_an_unknown_pool_is_an_error_that_names_those_there_are(place: Command) -> None:
    failed = place("--nodepool-name", "nodepool9")
    assert failed.code == 3
    assert "nodepool9" in failed.err
    assert "nodepool1, nodepool2" in failed.err


def test_one_node_that_refuses_makes_the_exit_code_1_in_every_format(
    place: Command, stand: Stand, name: str, kube: OfficialClient
) -> None:
    path = f"/var/lib/kubelet/seccomp/aks-seccomp/{name}.json"
    stand.node_exec(2, "mkdir", "-p", str(Path(path).parent))
    stand.node_exec(2, "tee", path, stdin=b"{}")
    refused = place()
    assert (refused.code, [row["status"] for row in refused.json]) == (1, ["placed", "refused"])
    assert place("-o", "table").code == 1
    assert place("-o", "none").code == 1
    assert place("--force").code == 0


def test_what_containerd_would_misread_never_reaches_the_cluster(az: InProcessAz) -> None:
    rule = {"name": "mkdir", "action": "SCMP_ACT_LOG", "includes": {}}
    docker = json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}).encode()
    failed = az("aks", "seccomp", "profile", "place", *CLUSTER, *TOOLS, "--profile", "-", stdin=docker)
    assert failed.code == 1
    assert "Docker" in failed.err
    assert failed.out == ""


@pytest.mark.parametrize("name", ["../x", "/etc/cron.d/x", "a\x1b[2Jb"])
def test_names_that_leave_the_directory_are_refused(az: InProcessAz, profile: Path, name: str) -> None:
    failed = az("aks", "seccomp", "profile", "place", *CLUSTER, *TOOLS, "--profile", str(profile), "--as", name)
    assert failed.code == 1
    assert "cannot be the name of a profile file" in failed.err
    assert "\x1b" not in failed.err


def test_a_profile_that_a_pod_uses_is_not_removed(
    place: Command, remove: Command, kube: OfficialClient, name: str
) -> None:
    place()
    profile = {"type": "Localhost", "localhostProfile": f"aks-seccomp/{name}.json"}
    container = {
        "name": "c",
        "image": TOOLS[1],
        "command": ["sleep", "300"],
        "securityContext": {"seccompProfile": profile},
    }
    kube.create(PODS.path("default"), {"metadata": {"name": name}, "spec": {"containers": [container]}})
    try:
        wait_for(lambda: kube.get(PODS.path("default", name))["status"]["phase"] == "Running")
        refused = remove("--yes")
        forced = remove("--yes", "--force")
    finally:
        kube.delete(PODS.path("default", name), grace_seconds=0)
    assert refused.code == 1
    assert f"default/{name} on" in refused.err
    assert [row["status"] for row in forced.json] == ["removed", "removed"]


def test_removal_asks_before_it_removes(remove: Command, place: Command, listed: Command, name: str) -> None:
    place()
    assert remove().code == 1  # no terminal to ask on
    assert any(name in row["localhostProfile"] for row in listed().json)


def test_somebody_who_may_only_look_is_told_what_is_missing(az: InProcessAz, profile: Path) -> None:
    az.sign_in(LIMITED)
    failed = az("aks", "seccomp", "profile", "place", "-g", "rg1", "-n", "entra", *TOOLS, "--profile", str(profile))
    assert failed.code == 1
    assert "You may not create" in failed.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 1)])
def test_an_az_that_is_ended_leaves_nothing_in_the_cluster(
    az: InProcessAz, kube: OfficialClient, profile: Path, name: str, number: signal.Signals, code: int
) -> None:
    image = f"localhost/aks-stand/none:{name}"  # there is no such image, so it waits
    command = ["aks", "seccomp", "profile", "place", *CLUSTER, "--profile", str(profile)]
    command += ["--installer-image", image]
    process = subprocess.Popen([sys.executable, "-m", "azure.cli", *command], env=os.environ, stderr=subprocess.PIPE)
    try:
        wait_for(lambda: process.poll() is not None or image in images(kube))
        process.send_signal(number)
        _, written = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, b"Traceback" in written) == (code, False), written
    assert written.decode().splitlines()[-1:] == [
        "ERROR: Ended early. What it made in the cluster was cleared up; what is done on nodes stays done."
    ]
    assert image not in images(kube)


def wait_for(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.1)
