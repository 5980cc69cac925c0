# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Workloads that programs apply server-side, and policies that judge pods alone, on the local Kubernetes."""

import json
from typing import Any

import pytest

from azext_seccomp.cluster.interface import PODS, JsonObject
from azext_seccomp.workload.switching import dry_run, restore, switch
from tests.e2e.policy import SECCOMP_WORDS, seccomp_policy
from tests.e2e.workload.place import RESOURCES, Place, container
from tests.stand.cluster.shell import run

pytestmark = pytest.mark.cluster

GITOPS = ("--server-side", "--field-manager=gitops")
TUNER = ("--server-side", "--field-manager=tuner")
UNCONFINED = {"seccompProfile": {"type": "Unconfined"}}


def apply(place: Place, flags: tuple[str, ...], *containers: JsonObject) -> None:
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": place.namespace},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": list(containers)}},
        },
    }
    command = ("kubectl", "--kubeconfig", str(place.stand.kubeconfig), "apply", *flags, "-f", "-")
    run(*command, stdin=json.dumps(body).encode())


def context_of(place: Place) -> Any:
    body = place.kube.get(RESOURCES["Deployment"].path(place.namespace, "web"))
    return body["spec"]["template"]["spec"]["containers"][0].get("securityContext")


def owners(place: Place) -> list[JsonObject]:
    """Who owns what, but for when, and for the controllers that write the status."""
    body = place.kube.get(RESOURCES["Deployment"].path(place.namespace, "web"))
    return [
        {key: value for key, value in one.items() if key != "time"}
        for one in body["metadata"]["managedFields"]
        if one["manager"] != "kube-controller-manager"
    ]


@pytest.mark.parametrize("flags", [GITOPS, ()])
@pytest.mark.parametrize(
    "context",
    [
        None,
        {"runAsUser": 1000},
        UNCONFINED,
        {"seccompProfile": {"type": "Localhost", "localhostProfile": "profiles/web.json"}},
    ],
)
def test_fields_belong_to_whom_they_did(place: Place, flags: tuple[str, ...], context: dict[str, Any] | None) -> None:
    app = container("app", **({} if context is None else {"securityContext": context}))
    apply(place, flags, app, container("side", securityContext=UNCONFINED))
    former = place.plan(place.found("deploy/web"))
    before = owners(place)
    assert dry_run(place.kube, former, place.session) == ""
    assert owners(place) == before, "a dry run leaves nothing"

    switch(place.kube, former, place.session)
    assert "az-aks-seccomp" in [one["manager"] for one in owners(place)]
    assert restore(place.kube, former, place.session) == ("restored", "")
    assert owners(place) == before
    assert context_of(place) == context


def test_its_former_manager_applies_other_values_without_a_conflict(place: Place) -> None:
    apply(place, GITOPS, container("app", securityContext=UNCONFINED))
    apply(place, TUNER, {"name": "app", "image": container("app")["image"], "securityContext": UNCONFINED})
    former = place.plan(place.found("deploy/web"))
    before = owners(place)
    assert [one.manager for one in former.containers[0].owners] == ["gitops", "tuner"]
    switch(place.kube, former, place.session)
    restore(place.kube, former, place.session)
    assert owners(place) == before
    apply(place, TUNER, {"name": "app", "image": container("app")["image"]})
    apply(place, GITOPS, container("app", securityContext={"seccompProfile": {"type": "RuntimeDefault"}}))
    assert context_of(place) == {"seccompProfile": {"type": "RuntimeDefault"}}
    apply(place, GITOPS, container("app"))
    assert not context_of(place), "what nobody owns any more is gone"


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"])
def test_a_policy_for_pods_is_heard_before_any_is_replaced(place: Place, kind: str) -> None:
    claims: dict[str, Any] = {}
    mounts: dict[str, Any] = {}
    if kind == "StatefulSet":
        asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
        claims = {"serviceName": "web", "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": asked}]}
        mounts = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    former = place.plan(place.apply(kind, container("app", **mounts), labels={"e2e": place.session}, **claims))
    assert dry_run(place.kube, former, place.session) == ""
    with seccomp_policy(place.kube, ("v1", "Pod"), {"e2e": place.session}):
        refused = dry_run(place.kube, former, place.session)
    assert "its pods would be refused" in refused
    assert SECCOMP_WORDS in refused
    names = [one["metadata"]["name"] for one in place.kube.list(PODS.path(place.namespace))]
    assert "web-audited" not in names
