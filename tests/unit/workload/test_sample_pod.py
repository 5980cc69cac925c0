# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import copy

from azext_seccomp.workload.sample_pod import sample_pod
from tests.unit.workload.workloads import UID, container, workload


def test_a_pod_that_belongs_to_its_workload() -> None:
    body = workload()
    body["spec"]["template"]["metadata"]["annotations"] = {"a": "b"}
    before = copy.deepcopy(body)
    made = sample_pod(body)
    assert (made["apiVersion"], made["kind"]) == ("v1", "Pod")
    assert made["metadata"] == {
        "name": "web-audited",
        "namespace": "shop",
        "labels": {"app": "web"},
        "annotations": {"a": "b"},
        "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": UID, "controller": True}
        ],
    }
    assert made["spec"] == body["spec"]["template"]["spec"]
    made["spec"]["containers"].clear()
    assert body == before


def test_the_longest_name_is_one_of_a_pod() -> None:
    name = "a" * 239 + "." + "b" * 13
    assert sample_pod(workload("Deployment", name))["metadata"]["name"] == "a" * 239 + "-audited"


def test_the_claims_of_a_stateful_set_are_volumes_of_its_pods() -> None:
    mounts = [{"name": "data", "mountPath": "/data"}, {"name": "tmp", "mountPath": "/tmp"}]
    body = workload("StatefulSet", "db", container(volumeMounts=mounts))
    body["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": {}}]
    body["spec"]["template"]["spec"]["volumes"] = [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]
    assert sample_pod(body)["spec"]["volumes"] == [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}},
        {"name": "tmp", "emptyDir": {}},
    ]
