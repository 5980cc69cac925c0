# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import pytest

from azext_seccomp.cluster.interface import NAMESPACES, JsonObject
from azext_seccomp.errors import NotFound
from azext_seccomp.workload.find import Candidate, find
from azext_seccomp.workload.reference import Reference, parse_reference
from tests.unit.fakes import FakeKube
from tests.unit.workload.workloads import RESOURCES, container, fake_kube, owned_by, put, workload


def look(
    kube: FakeKube, *words: str, namespace: str = "shop", labels: str = "", system: bool = False
) -> list[Candidate]:
    references = map(parse_reference, words)
    return find(kube, references, namespace=namespace, labels=labels, include_system=system)


def obstacle(body: JsonObject, *, system: bool = False) -> str:
    kube = fake_kube()
    put(kube, body)
    reference = Reference(body["kind"], body["metadata"]["name"])
    namespace = body["metadata"]["namespace"]
    return find(kube, [reference], namespace=namespace, labels="", include_system=system)[0].obstacle


def test_all_are_those_that_run_long_sorted_each_once() -> None:
    kube = fake_kube()
    for kind in ("StatefulSet", "Deployment", "DaemonSet", "Job"):
        put(kube, workload(kind, "b"))
    put(kube, workload("Deployment", "a"))
    found = look(kube, "all", "deploy", "deploy/b")
    assert [(one.kind, one.name) for one in found] == [
        ("DaemonSet", "b"), ("Deployment", "a"), ("Deployment", "b"), ("StatefulSet", "b"),
    ]  # fmt: skip
    assert {one.treatment for one in found} == {"patch"}
    assert found[1].label == "Deployment shop/a"
    assert found[1].path == "/apis/apps/v1/namespaces/shop/deployments/a"


def test_one_that_is_named_costs_one_request_a_kind_one_list() -> None:
    kube = fake_kube()
    put(kube, workload())
    look(kube, "deploy/web")
    assert [one.verb for one in kube.requests] == ["get"]
    look(kube, "sts", "deploy")
    assert [one.verb for one in kube.requests[1:]] == ["list", "list"]


def test_the_server_selects_by_labels() -> None:
    kube = fake_kube()
    for name in ("a", "b"):
        body = workload("Deployment", name)
        body["metadata"]["labels"] = {"tier": name}
        put(kube, body)
    assert [one.name for one in look(kube, "deploy", labels="tier=b")] == ["b"]


def test_one_that_is_not_there_is_named() -> None:
    kube = fake_kube()
    with pytest.raises(NotFound, match="There is no namespace shop"):
        look(kube, "deploy/web")
    kube.add(NAMESPACES.path(name="shop"), {"metadata": {"name": "shop"}})
    with pytest.raises(NotFound, match="There is no Deployment web in namespace shop"):
        look(kube, "deploy/web")


def test_nothing_at_all_is_an_error_too() -> None:
    with pytest.raises(NotFound):
        look(fake_kube(), "all", namespace="", labels="a=b")


def test_parts_of_others_are_left_out_of_lists_and_hindered_when_named() -> None:
    kube = fake_kube()
    put(kube, owned_by(workload("ReplicaSet", "web-1"), "Deployment", "web"))
    put(kube, workload("ReplicaSet", "bare"))
    assert [one.name for one in look(kube, "rs")] == ["bare"]
    assert "Deployment/web" in look(kube, "rs/web-1")[0].obstacle


def test_a_deployment_of_an_operator_is_auditable() -> None:
    assert not obstacle(owned_by(workload(), "Grafana", "main"))


def test_namespaces_of_the_system_are_passed_over_unless_they_are_asked_for() -> None:
    kube = fake_kube()
    body = workload()
    body["metadata"]["namespace"] = "kube-system"
    put(kube, body)
    put(kube, workload("Deployment", "own"))
    assert [one.name for one in look(kube, "deploy", namespace="")] == ["own"]
    assert "--include-system" in look(kube, "deploy/web", namespace="kube-system")[0].obstacle
    assert [one.obstacle for one in look(kube, "deploy", namespace="", system=True)] == ["", ""]


def test_the_namespace_of_this_extension_is_never_taken() -> None:
    body = workload("Pod", "installer")
    body["metadata"]["namespace"] = "aks-seccomp"
    assert obstacle(body, system=True)


PRIVILEGED = {"privileged": True}


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (workload(paused=True), "paused"),
        (workload(replicas=0), "zero"),
        (workload("StatefulSet", replicas=0), "zero"),
        (workload("DaemonSet", updateStrategy={"type": "OnDelete"}), "OnDelete"),
        (workload("StatefulSet", updateStrategy={"rollingUpdate": {"partition": 2}}), "partition"),
        (workload("Deployment", "web", container(securityContext=PRIVILEGED)), "privileged"),
    ],
)
def test_obstacles_of_the_object_are_named(body: JsonObject, word: str) -> None:
    assert word in obstacle(body)


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("nodeSelector", {"kubernetes.io/os": "windows"}, "Windows"),
        ("os", {"name": "windows"}, "Windows"),
        ("nodeSelector", {"type": "virtual-kubelet"}, "virtual node"),
        ("runtimeClassName", "kata-mshv-vm-isolation", "kata"),
    ],
)
def test_obstacles_of_the_template_are_named(field: str, value: object, word: str) -> None:
    body = workload()
    body["spec"]["template"]["spec"][field] = value
    assert word in obstacle(body)


@pytest.mark.parametrize(
    "body",
    [
        workload(),
        workload(replicas=3, paused=False),
        workload("StatefulSet", updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}),
        workload("CronJob", suspend=True),
        workload("Deployment", "web", container("a", securityContext=PRIVILEGED), container("b")),
    ],
)
def test_what_can_be_audited_has_no_obstacle(body: JsonObject) -> None:
    assert obstacle(body) == ""


def test_what_is_being_deleted_is_let_go() -> None:
    body = workload()
    body["metadata"]["deletionTimestamp"] = "2026-11-28T12:00:00Z"
    assert "deleted" in obstacle(body)


def test_cron_jobs_are_found_on_servers_that_know_only_the_older_version() -> None:
    kube = fake_kube()
    put(kube, workload("CronJob", "nightly"))
    kube.resources = [
        one._replace(api_version="batch/v1beta1") if one.kind == "CronJob" else one for one in kube.resources
    ]
    (found,) = look(kube, "cj/nightly")
    assert found.resource == RESOURCES["CronJob"]._replace(api_version="batch/v1beta1")
    assert found.treatment == "copy"


def test_what_sleeps_or_has_ended_is_run_only_when_it_is_named() -> None:
    kube = fake_kube()
    put(kube, workload("CronJob", "nightly", suspend=True))
    ended = workload("Job", "migration")
    ended["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
    put(kube, ended)
    assert {one.name: one.obstacle for one in look(kube, "cj", "job")} == {
        "migration": "it has ended; name it to run a copy nevertheless",
        "nightly": "it is suspended; name it to run a copy nevertheless",
    }
    assert [one.obstacle for one in look(kube, "cj/nightly", "job/migration")] == ["", ""]
