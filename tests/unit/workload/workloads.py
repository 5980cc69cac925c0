# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Workloads and pods as an API server has them, for tests."""

from typing import Any

from azext_seccomp.cluster.interface import JsonObject, Resource
from azext_seccomp.workload.change import FormerWorkload, plan_change
from azext_seccomp.workload.find import Candidate
from azext_seccomp.workload.kinds import KINDS
from tests.unit.fakes import FakeKube

SESSION = "sabc"
PATH = f"aks-seccomp/audit/{SESSION}/0123456789abcdef.json"
UID = "uid-web"
RESOURCES = {
    kind.kind: Resource(kind.api_versions[0], kind.kind, kind.words[1], namespaced=True) for kind in KINDS.values()
}


def fake_kube(**options: Any) -> FakeKube:
    """A server that knows the kinds of workloads."""
    kube = FakeKube(**options)
    kube.resources += [one for kind, one in RESOURCES.items() if kind != "Pod"]
    return kube


def container(name: str = "app", **fields: Any) -> JsonObject:
    return {"name": name, "image": "i:1", **fields}


def workload(
    kind: str = "Deployment", name: str = "web", *containers: JsonObject, init: Any = None, **spec: Any
) -> JsonObject:
    """With one container when none is given."""
    pods: JsonObject = {"containers": list(containers) or [container()]}
    if init is not None:
        pods["initContainers"] = init
    body: JsonObject = {
        "apiVersion": RESOURCES[kind].api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": "shop", "uid": UID, "generation": 1},
    }
    template = {"metadata": {"labels": {"app": name}}, "spec": pods}
    if kind == "Pod":
        return {**body, "spec": pods}
    if kind == "CronJob":
        return {**body, "spec": {"schedule": "@daily", "jobTemplate": {"spec": {"template": template}}, **spec}}
    selector = {"matchLabels": {"app": name}}
    return {**body, "spec": {"selector": selector, "template": template, **spec}}


def candidate(body: JsonObject) -> Candidate:
    kind = KINDS[body["kind"]]
    return Candidate(RESOURCES[kind.kind], body, kind.treatment, "")


def former(body: JsonObject, path: str = PATH) -> FormerWorkload:
    """What the plan for a workload is."""
    return plan_change(candidate(body), lambda _: path)


def put(kube: FakeKube, body: JsonObject) -> str:
    """Store an object; its URL path."""
    path = RESOURCES[body["kind"]].path(body["metadata"]["namespace"], body["metadata"]["name"])
    kube.add(path, body)
    return path


def owned_by(body: JsonObject, kind: str, name: str, uid: str = "uid-owner") -> JsonObject:
    owner = {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": True}
    return {**body, "metadata": {**body["metadata"], "ownerReferences": [owner]}}
