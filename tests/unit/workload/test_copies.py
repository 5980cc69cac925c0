# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
from typing import Any

import pytest

from azext_seccomp.cluster.interface import JsonObject
from azext_seccomp.workload.copies import copy_of
from tests.unit.workload.workloads import SESSION, candidate, container, workload


def copied(body: JsonObject, session: str = SESSION) -> JsonObject:
    return copy_of(candidate(body), session)


@pytest.mark.parametrize("kind", ["Job", "CronJob"])
def test_a_job_runs_once_more_under_another_name_and_without_labels(kind: str) -> None:
    body = workload(kind, "nightly", container(), backoffLimit=2)
    job = body["spec"] if kind == "Job" else body["spec"]["jobTemplate"]["spec"]
    job |= {
        "selector": {"matchLabels": {"controller-uid": "x"}},
        "suspend": True,
        "ttlSecondsAfterFinished": 1,
        "backoffLimit": 2,
    }
    job["template"]["metadata"]["labels"]["controller-uid"] = "x"
    made = copied(body)
    assert (made["apiVersion"], made["kind"]) == ("batch/v1", "Job")
    assert set(made["metadata"]) == {"name", "namespace"}
    assert made["metadata"]["name"].startswith("nightly-")
    assert made["spec"] == {"backoffLimit": 2, "template": {"metadata": {}, "spec": job["template"]["spec"]}}


@pytest.mark.parametrize("name", ["a" * 253, "a" * 42 + "." + "b" * 9, "web"])
def test_names_are_short_enough_and_valid(name: str) -> None:
    made = copied(workload("Pod", name))["metadata"]["name"]
    assert len(made) <= 52
    assert ".-" not in made
    assert made != copied(workload("Pod", name), "sother")["metadata"]["name"]


def test_the_copies_of_a_job_and_a_cron_job_of_one_name_differ() -> None:
    assert copied(workload("Job"))["metadata"] != copied(workload("CronJob"))["metadata"]


def test_a_pod_loses_what_the_server_gave_it() -> None:
    pod = workload("Pod", "web", container(image="i:1"))
    pod["spec"] |= {"nodeName": "n1", "priority": 0, "ephemeralContainers": [container("debug")], "hostname": "h"}
    pod |= {"status": {"phase": "Running"}}
    made = copied(pod)
    assert set(made) == {"apiVersion", "kind", "metadata", "spec"}
    assert made["spec"] == {"containers": [container(image="i:1")], "hostname": "h"}


@pytest.mark.parametrize("links", [True, False])
def test_a_pod_keeps_whether_it_is_told_of_services(links: bool) -> None:
    pod = workload("Pod")
    pod["spec"]["enableServiceLinks"] = links
    assert copied(pod)["spec"]["enableServiceLinks"] is links


def test_where_a_pod_may_run_and_which_secrets_it_reads_stays() -> None:
    pod = workload("Pod", "web", container(volumeMounts=[{"name": "git-token-1", "mountPath": "/git"}]))
    pod["spec"] |= {
        "tolerations": [{"key": "kubernetes.azure.com/scalesetpriority", "operator": "Exists"}],
        "volumes": [{"name": "git-token-1", "secret": {"secretName": "git"}}],
    }
    assert copied(pod)["spec"] == pod["spec"]


def _mount(name: str) -> dict[str, Any]:
    return {"name": name, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True}


@pytest.mark.parametrize(
    "volume",
    [
        {"name": "kube-api-access-x1", "projected": {}},
        {"name": "default-token-x1", "secret": {"secretName": "default-token-x1"}},
    ],
)
def test_the_token_of_the_original_is_not_taken_along(volume: dict[str, Any]) -> None:
    data = {"name": "data", "mountPath": "/data"}
    pod = workload("Pod", "web", container(volumeMounts=[data, _mount(volume["name"])]))
    pod["spec"]["volumes"] = [{"name": "data", "emptyDir": {}}, volume]
    made = copied(pod)["spec"]
    assert made["volumes"] == [{"name": "data", "emptyDir": {}}]
    assert made["containers"][0]["volumeMounts"] == [data]
    assert len(pod["spec"]["volumes"]) == 2, "the original was changed"
