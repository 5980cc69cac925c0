# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The permissions that the README names are enough for an audit, and one less is named by the error."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from azext_seccomp.cluster.interface import PODS
from tests.e2e.audit.scene import CLUSTER as PLAIN_CLUSTER
from tests.e2e.audit.scene import IMAGES, Scene, wait_for
from tests.e2e.audit.workloads import Live, container, workload
from tests.stand.arm import ArmStand
from tests.stand.arm.identities import OPERATOR, OPERATOR_GROUP
from tests.stand.az import AzResult, InProcessAz
from tests.stand.cluster import Stand
from tests.stand.cluster.shell import run

pytestmark = pytest.mark.cluster

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
CALLS = ("sleep=1", "mkdir*3", "sleep=600")
CLUSTER = ("-g", "rg1", "-n", "entra")
PLAIN = PLAIN_CLUSTER[-1]  # the same stand for accounts of its own


def role() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((SAMPLES / "permissions.yaml").read_text())
    return loaded


def without(*missing: tuple[str, str]) -> dict[str, Any]:
    """The role without these (verb, resource)."""
    lesser = role()
    lesser["rules"] = [
        {"apiGroups": rule["apiGroups"], "resources": [resource], "verbs": verbs}
        for rule in lesser["rules"]
        for resource in rule["resources"]
        if (verbs := [verb for verb in rule["verbs"] if (verb, resource) not in missing])
    ]
    return lesser


def grant(stand: Stand, role: dict[str, Any]) -> None:
    """Give the role to the operator's account, which has nothing else."""
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": role["metadata"]["name"]},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role["metadata"]["name"]},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": OPERATOR_GROUP}],
    }
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": [role, binding]}).encode()
    run("kubectl", "--kubeconfig", stand.kubeconfig, "apply", "-f", "-", stdin=document)


@pytest.fixture
def az(cluster_arm: ArmStand, stand: Stand) -> Iterator[InProcessAz]:
    """az with the operator's account; what a test grants it is taken back."""
    cluster_arm.reset()
    program = InProcessAz(cluster_arm)
    program.sign_in(OPERATOR)
    yield program
    for kind in ("clusterrolebinding", "clusterrole"):
        run("kubectl", "--kubeconfig", stand.kubeconfig, "delete", "--ignore-not-found", kind, "aks-seccomp")


@pytest.fixture
def shop(stand: Stand, tmp_path: Path) -> Iterator[str]:
    """A manifest of one Deployment in a namespace that exists."""
    name = f"permissions-{secrets.token_hex(4)}"
    kubectl = ("kubectl", "--kubeconfig", str(stand.kubeconfig))
    run(*kubectl, "create", "namespace", name)
    documents = yaml.safe_load_all((SAMPLES / "workload.yaml").read_text())
    (cart,) = [one for one in documents if one["metadata"]["name"] == "cart"]
    cart["metadata"]["namespace"] = name
    file = tmp_path / "cart.yaml"
    file.write_text(yaml.safe_dump(cart))
    yield str(file)
    run(*kubectl, "delete", "namespace", name, "--wait=false")


def test_documented_permissions_are_enough(az: InProcessAz, stand: Stand, shop: str) -> None:
    grant(stand, role())
    profile = str(SAMPLES / "deny-list.json")
    audited = az(
        "aks", "seccomp", "audit", *CLUSTER, *IMAGES,
        "--profile", profile, "--manifest", shop, "--duration", "8s", "--keep", "--only-show-errors", "-o", "json",
    )  # fmt: skip
    assert audited.code == 0, audited.err
    assert audited.json["verdict"] == "blocked"
    assert {"mkdir", "mount"} <= {finding["syscall"] for finding in audited.json["findings"]}
    cleaned = az("aks", "seccomp", "cleanup", *CLUSTER, "--session", audited.json["session"], "--only-show-errors")
    assert cleaned.code == 0, cleaned.err
    assert {"Deployment", "File"} <= {row["kind"] for row in cleaned.json}
    assert {row["status"] for row in cleaned.json} == {"removed"}


@pytest.mark.parametrize(("resource", "verb"), [("nodes", "list"), ("pods", "create"), ("configmaps", "create")])
def test_missing_permission_is_named(az: InProcessAz, stand: Stand, shop: str, resource: str, verb: str) -> None:
    grant(stand, without((verb, resource)))
    audited = az(
        "aks", "seccomp", "audit", *CLUSTER, *IMAGES,
        "--profile", str(SAMPLES / "deny-list.json"), "--manifest", shop, "--duration", "3s",
    )  # fmt: skip
    assert audited.code == 1
    assert f"verb '{verb}' on '{resource}'" in audited.err


@pytest.fixture
def place(scene: Scene) -> Scene:
    scene.make_namespace()
    return scene


def audit_workloads(az: InProcessAz, place: Scene, *references: str) -> AzResult:
    """As the operator."""
    argv = place.workload_argv(*references, profile=place.profile, duration="4s")
    return az(*(CLUSTER[-1] if word == PLAIN else word for word in argv))


def test_documented_permissions_are_enough_for_workloads_of_every_kind(
    place: Scene, az: InProcessAz, stand: Stand
) -> None:
    grant(stand, role())
    kinds = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
    lives = [Live(place, workload(kind, container("app", *CALLS), name=kind.lower())) for kind in kinds]
    once = {"spec": {"restartPolicy": "Never", "containers": [container("app", "sleep=1", "mkdir*3")]}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job"}, "spec": {"template": once}}
    nightly = {
        "apiVersion": "batch/v1beta1",
        "kind": "CronJob",
        "metadata": {"name": "nightly"},
        "spec": {"schedule": "0 3 29 2 *", "jobTemplate": {"spec": {"template": once}}},
    }
    for body, path in (
        (job, f"/apis/batch/v1/namespaces/{place.namespace}/jobs"),
        (nightly, f"/apis/batch/v1beta1/namespaces/{place.namespace}/cronjobs"),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare"}, **once}, PODS.path(place.namespace)),
    ):
        place.kube.create(path, body)
    result = audit_workloads(az, place, *(one.reference for one in lives), "Job/job", "CronJob/nightly", "Pod/bare")
    assert result.code == 0, result.err
    report = result.json
    verdicts = {one["kind"]: one["verdict"] for one in report["workloads"]}
    assert verdicts == dict.fromkeys((*kinds, "Job", "CronJob", "Pod"), "blocked")
    assert report["notAuditable"] == []
    assert [one for one in report["notes"] if "forbidden" in one or "may not" in one or "history" in one] == []
    assert all(one.is_as_before() for one in lives)
    wait_for(lambda: place.left() == [f"namespace {place.namespace}"])


@pytest.mark.parametrize(("resource", "verb"), [("nodes", "list"), ("deployments", "update")])
def test_missing_permission_for_a_workload_is_named(
    place: Scene, az: InProcessAz, stand: Stand, resource: str, verb: str
) -> None:
    grant(stand, without((verb, resource)))
    web = Live(place, workload("Deployment", container("app", *CALLS)))
    result = audit_workloads(az, place, web.reference)
    assert result.code == 1
    assert f'cannot {verb} resource "{resource}"' in result.err
    assert web.body()["metadata"]["generation"] == 1
    assert place.left() == [f"namespace {place.namespace}"]


def test_what_works_with_less(place: Scene, az: InProcessAz, stand: Stand) -> None:
    """Without evictions a ReplicaSet cannot be audited; without what tidies up the history, that stays and is said."""
    lesser = without(
        ("list", "events"), ("delete", "controllerrevisions"), ("delete", "replicasets"), ("create", "pods/eviction")
    )
    grant(stand, lesser)
    kinds = ("Deployment", "StatefulSet", "ReplicaSet")
    lives = {kind: Live(place, workload(kind, container("app", *CALLS), name=kind.lower())) for kind in kinds}
    result = audit_workloads(az, place, *(one.reference for one in lives.values()))
    assert result.code == 0, result.err
    rows = {one["kind"]: one for one in result.json["workloads"]}
    assert {kind: row["verdict"] for kind, row in rows.items()} == {
        "Deployment": "blocked",
        "StatefulSet": "blocked",
        "ReplicaSet": "inconclusive",
    }
    (stuck,) = [reason for reason in rows["ReplicaSet"]["reasons"] if "got stuck" in reason]
    assert 'cannot create resource "pods/eviction"' in stuck
    for kind, resource in (("Deployment", "replicasets"), ("StatefulSet", "controllerrevisions")):
        (note,) = [one for one in result.json["notes"] if one.startswith(f"{kind} {place.namespace}/")]
        assert "stays in its history, do not roll back to it" in note
        assert f"You may not delete {resource}" in note
    assert {kind: one.is_as_before() for kind, one in lives.items()} == dict.fromkeys(kinds, True)
    wait_for(lambda: place.left() == [f"namespace {place.namespace}"])
