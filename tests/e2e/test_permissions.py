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

from tests.stand.arm import ArmStand
from tests.stand.arm.identities import OPERATOR, OPERATOR_GROUP
from tests.stand.az import InProcessAz
from tests.stand.cluster import Stand
from tests.stand.cluster.shell import run

pytestmark = pytest.mark.cluster

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
TOOLS = "localhost/aks-stand/tools:1"
IMAGES = ("--ig-image", "localhost/aks-stand/ig:1", "--gadget-image", "localhost/aks-stand/gadget/audit_seccomp:1")
IMAGES += ("--installer-image", TOOLS)
CLUSTER = ("-g", "rg1", "-n", "entra")


def role() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((SAMPLES / "permissions.yaml").read_text())
    return loaded


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
    lesser = role()
    (rule,) = [rule for rule in lesser["rules"] if rule["resources"] == [resource]]
    rule["verbs"].remove(verb)
    lesser["rules"] = [rule for rule in lesser["rules"] if rule["verbs"]]
    grant(stand, lesser)
    audited = az(
        "aks", "seccomp", "audit", *CLUSTER, *IMAGES,
        "--profile", str(SAMPLES / "deny-list.json"), "--manifest", shop, "--duration", "3s",
    )  # fmt: skip
    assert audited.code == 1
    assert f"verb '{verb}' on '{resource}'" in audited.err
