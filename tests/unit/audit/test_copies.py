# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Audits of what cannot be changed, on a cluster in memory: a copy runs, and what it does is said of the original."""

import copy
from pathlib import Path
from typing import Any

import pytest

from azext_seccomp.audit.plan import Selection
from azext_seccomp.cluster.interface import CONFIG_MAPS, PODS, JsonObject, Resource
from azext_seccomp.cluster.namespace import NAMESPACE
from azext_seccomp.errors import Forbidden, InvalidInput, SeccompError, WrongState
from azext_seccomp.workload.reference import parse_reference
from tests.unit.audit.controllers import RUNNING, Controllers, deployment
from tests.unit.audit.test_session import SESSION, Told, audit, event, impatient, plan
from tests.unit.fakes import FakeKube, Request

__all__ = ["impatient"]  # a fixture

JOBS = Resource("batch/v1", "Job", "jobs", namespaced=True)
CRON_JOBS = Resource("batch/v1", "CronJob", "cronjobs", namespaced=True)
ONCE = {"restartPolicy": "Never", "containers": [{"name": "app"}]}


class WithJobs(Controllers):
    """Also has the Job controller: a Job has a pod, which goes with it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.resources += [JOBS, CRON_JOBS]

    def _take_up(self, kube: FakeKube, created: JsonObject) -> None:
        super()._take_up(kube, created)
        if created.get("kind") == "Job":
            name = created["metadata"]["name"]
            template = created["spec"]["template"]
            owner = {"kind": "Job", "name": name, "uid": created["metadata"]["uid"], "controller": True}
            metadata = {**template["metadata"], "name": f"{name}-x", "namespace": "shop", "ownerReferences": [owner]}
            status = {"phase": "Running", "containerStatuses": [{"name": "app", "state": RUNNING}]}
            spec = {**template["spec"], "nodeName": "n1"}
            self.add(
                PODS.path("shop", f"{name}-x"), {"kind": "Pod", "metadata": metadata, "spec": spec, "status": status}
            )

    def delete(self, path: str, **options: Any) -> bool:
        if path.startswith(JOBS.path("shop", "nightly")):
            super().delete(PODS.path("shop", f"{path.rpartition('/')[2]}-x"))
        return super().delete(path, **options)

    def copies(self) -> list[Request]:
        """What was created in the namespace of the originals."""
        return [one for one in self.made("create", "/namespaces/shop/") if not one.dry_run]


@pytest.fixture
def cluster(tmp_path: Path) -> WithJobs:
    return WithJobs(tmp_path)


def run(cluster: WithJobs, *words: str, told: Told | None = None) -> JsonObject:
    references = tuple(map(parse_reference, words))
    return audit(cluster, plan(selection=Selection(namespace="shop"), references=references), told)


def nightly(cluster: WithJobs) -> JsonObject:
    template = {"metadata": {"labels": {"app": "nightly"}}, "spec": ONCE}
    spec = {"schedule": "@yearly", "suspend": True, "jobTemplate": {"spec": {"template": template}}}
    body = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly", "namespace": "shop"}}
    return copy.deepcopy(cluster.add(CRON_JOBS.path("shop", "nightly"), {**body, "spec": spec}))


def bare(cluster: WithJobs, *containers: JsonObject) -> JsonObject:
    labels = {"app": "bare"}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare", "namespace": "shop", "labels": labels}}
    spec = {**ONCE, "nodeName": "n9", **({"containers": list(containers)} if containers else {})}
    return copy.deepcopy(cluster.add(PODS.path("shop", "bare"), {**body, "spec": spec, "status": {"phase": "Running"}}))


class Calls(Told):
    """Once all is ready, every copy makes a call."""

    def __init__(self, cluster: WithJobs) -> None:
        super().__init__()
        self._cluster = cluster

    def ready(self, localhost_profile: str, seconds: int) -> None:
        self._cluster.events = [
            event(name) for name in self._cluster.names(PODS.path("shop")) if name not in ("bare", "web")
        ]


@pytest.mark.parametrize(("kind", "name"), [("CronJob", "nightly"), ("Pod", "bare")])
def test_a_copy_runs_and_is_reported_as_its_original(cluster: WithJobs, kind: str, name: str) -> None:
    before = nightly(cluster) if kind == "CronJob" else bare(cluster)
    report = run(cluster, f"{kind}/{name}", told=Calls(cluster))
    (made,) = cluster.copies()
    assert made.body["kind"] == ("Job" if kind == "CronJob" else "Pod")
    assert made.body["metadata"]["name"].startswith(f"{name}-")
    assert "app" not in made.body["metadata"]["labels"], "no Service selects it"
    assert f"aks-seccomp/audit/{SESSION}/" in str(made.body["spec"])
    (row,) = report["workloads"]
    assert (row["kind"], row["name"], row["treatment"], row["verdict"]) == (kind, name, "copied", "blocked")
    assert row["before"] == {"app": "no profile of its own"}
    assert [one["workload"] for one in report["findings"]] == [f"{kind}/{name}"]
    resource = CRON_JOBS if kind == "CronJob" else PODS
    assert cluster.get(resource.path("shop", name)) == before
    assert cluster.names(PODS.path("shop")) == (["bare"] if kind == "Pod" else [])
    assert cluster.names(JOBS.path("shop")) == []
    assert cluster.names(CONFIG_MAPS.path(NAMESPACE)) == []


def test_copies_and_changes_together(cluster: WithJobs) -> None:
    """A copy that ends does not end the audit of what runs on."""
    before = cluster.deploy(deployment())
    bare(cluster)
    report = run(cluster, "deploy/web", "pod/bare")
    treatments = {one["kind"]: one["treatment"] for one in report["workloads"]}
    assert treatments == {"Deployment": "patched", "Pod": "copied"}
    assert cluster.template() == before


def test_a_copy_that_the_cluster_would_not_take_is_left_out(cluster: WithJobs) -> None:
    bare(cluster)

    def refuse(request: Request) -> SeccompError | None:
        denied = request.verb == "create" and request.dry_run and request.path == PODS.path("shop")
        return Forbidden("The policy denies it.") if denied else None

    cluster.refuse = refuse
    with pytest.raises(WrongState, match="Pod/bare in shop: The policy denies it."):
        run(cluster, "pod/bare")
    nightly(cluster)
    report = run(cluster, "pod/bare", "cronjob/nightly")
    assert {one["workload"]: one["reason"] for one in report["notAuditable"]} == {"Pod/bare": "The policy denies it."}
    assert [one["kind"] for one in report["workloads"]] == ["CronJob"]


def test_a_webhook_that_takes_no_dry_runs_leaves_it_open(cluster: WithJobs) -> None:
    bare(cluster)

    def refuse(request: Request) -> SeccompError | None:
        asked = request.dry_run and request.path == PODS.path("shop")
        return InvalidInput("No.", why='admission webhook "a.b" does not support dry run') if asked else None

    cluster.refuse = refuse
    assert [one["treatment"] for one in run(cluster, "pod/bare")["workloads"]] == ["copied"]


def test_a_copy_that_never_ran_is_no_verdict_on_the_original(cluster: WithJobs) -> None:
    bare(cluster)

    class NeverStarts(Told):
        def ready(self, localhost_profile: str, seconds: int) -> None:
            (made,) = cluster.copies()
            cluster.set_status(PODS.path("shop", made.body["metadata"]["name"]), {"phase": "Pending"})

    cluster.on_create = lambda kube, created: (
        None if created["metadata"].get("namespace") == "shop" else cluster._take_up(kube, created)
    )
    report = run(cluster, "pod/bare", told=NeverStarts())
    (row,) = report["workloads"]
    assert (row["name"], row["verdict"], row["treatment"]) == ("bare", "inconclusive", "copied")
    assert row["reasons"]
    assert report["verdict"] == "inconclusive"
