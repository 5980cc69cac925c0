# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Owners of pods, and the profile that each container runs under."""

from typing import Any

import pytest

from azext_seccomp.cluster.interface import JsonObject
from azext_seccomp.errors import Forbidden
from azext_seccomp.workload.effective import Applied, container_profiles
from azext_seccomp.workload.owner import Owner, Owners
from tests.unit.fakes import FakeKube

REPLICA_SETS = "/apis/apps/v1/namespaces/shop/replicasets"
JOBS = "/apis/batch/v1/namespaces/shop/jobs"


def owned(kind: str, name: str, /, own_name: str = "web-x", **labels: str) -> JsonObject:
    reference = {"kind": kind, "name": name, "uid": f"{name}-uid", "controller": True}
    others = {"kind": "Node", "name": "n"}
    metadata = {"name": own_name, "namespace": "shop", "labels": labels, "ownerReferences": [others, reference]}
    return {"metadata": metadata}


class TestOwners:
    def test_a_bare_pod_owns_itself(self) -> None:
        pod = {"metadata": {"name": "web", "namespace": "shop"}}
        assert Owners(FakeKube()).of(pod) == Owner("shop", "Pod", "web")

    @pytest.mark.parametrize("kind", ["DaemonSet", "StatefulSet", "Rollout"])
    def test_a_controller_is_the_owner(self, kind: str) -> None:
        kube = FakeKube()
        assert Owners(kube).of(owned(kind, "web")) == Owner("shop", kind, "web")
        assert kube.requests == []

    def test_a_deployment_owns_through_its_replica_set_and_is_asked_once(self) -> None:
        kube = FakeKube()
        kube.add(f"{REPLICA_SETS}/web-5", owned("Deployment", "web", "web-5"))
        owners = Owners(kube)
        for _ in range(3):
            assert owners.of(owned("ReplicaSet", "web-5")) == Owner("shop", "Deployment", "web")
        assert len(kube.requests) == 1

    def test_a_cron_job_owns_through_its_job(self) -> None:
        kube = FakeKube()
        kube.add(f"{JOBS}/tidy-1", owned("CronJob", "tidy", "tidy-1"))
        assert Owners(kube).of(owned("Job", "tidy-1")) == Owner("shop", "CronJob", "tidy")

    def test_a_job_of_nobody(self) -> None:
        kube = FakeKube()
        kube.add(f"{JOBS}/once", {"metadata": {"name": "once"}})
        assert Owners(kube).of(owned("Job", "once")) == Owner("shop", "Job", "once")

    def test_a_replica_set_that_is_gone_or_secret_is_named_after_its_deployment(self) -> None:
        pod = owned("ReplicaSet", "web-5d4f", **{"pod-template-hash": "5d4f"})
        assert Owners(FakeKube()).of(pod) == Owner("shop", "Deployment", "web")
        secret = FakeKube(refuse=lambda _: Forbidden("no"))
        assert Owners(secret).of(pod) == Owner("shop", "Deployment", "web")
        assert Owners(secret).of(owned("ReplicaSet", "plain")) == Owner("shop", "ReplicaSet", "plain")

    def test_names_of_owners_are_fit_for_a_terminal_and_for_a_path(self) -> None:
        hostile = owned("ReplicaSet", "../../x\x1b[2J")
        assert Owners(FakeKube()).of(hostile) == Owner("shop", "ReplicaSet", "../../x\\x1b[2J")


def profiles(spec: dict[str, Any]) -> dict[str, tuple[Applied, str]]:
    return {one.name: (one.applied, one.obstacle) for one in container_profiles(spec)}


class TestContainerProfiles:
    def test_a_containers_own_profile_beats_the_pods(self) -> None:
        localhost = {"seccompProfile": {"type": "Localhost", "localhostProfile": "a.json"}}
        spec = {
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "initContainers": [{"name": "init"}],
            "containers": [{"name": "own", "securityContext": localhost}, {"name": "pods", "securityContext": {}}],
        }
        assert profiles(spec) == {
            "init": (Applied("RuntimeDefault"), ""),
            "own": (Applied("Localhost", "a.json"), ""),
            "pods": (Applied("RuntimeDefault"), ""),
        }

    def test_nothing_is_said(self) -> None:
        ((applied, obstacle),) = profiles({"containers": [{"name": "a"}]}).values()
        assert (str(applied), obstacle) == ("no profile of its own", "")

    @pytest.mark.parametrize(
        ("spec", "context", "words"),
        [
            ({}, {"privileged": True}, "privileged"),
            ({"os": {"name": "windows"}}, {}, "Windows"),
            ({"runtimeClassName": "kata-mshv-vm-isolation"}, {}, "a kernel of its own"),
            ({"runtimeClassName": "wasmtime-spin-v2"}, {}, "without the kernel's seccomp"),
        ],
    )
    def test_obstacles(self, spec: dict[str, Any], context: dict[str, Any], words: str) -> None:
        ((_, obstacle),) = profiles({**spec, "containers": [{"name": "a", "securityContext": context}]}).values()
        assert words in obstacle

    def test_usual_runtime_classes_are_no_obstacle(self) -> None:
        spec = {"runtimeClassName": "runc", "os": {"name": "linux"}, "containers": [{"name": "a"}]}
        ((_, obstacle),) = profiles(spec).values()
        assert obstacle == ""

    def test_paths_are_fit_for_a_terminal(self) -> None:
        assert "\x1b" not in str(Applied("Localhost", "\x1b[2J.json"))
