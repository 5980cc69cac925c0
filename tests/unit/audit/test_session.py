# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""A whole audit on a cluster in memory: the order of its steps, the result, and that no failure leaves a thing."""

import itertools
import json
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from azext_seccomp.audit.choice import OneProfile, RuntimeDefault
from azext_seccomp.audit.cleanup import clean, find
from azext_seccomp.audit.heartbeat import heartbeat
from azext_seccomp.audit.interrupts import Interrupts
from azext_seccomp.audit.plan import Cluster, Plan, PlannedContainer, Selection
from azext_seccomp.audit.profile_set import ProfileSet
from azext_seccomp.audit.session import AuditSession
from azext_seccomp.cluster.interface import CONFIG_MAPS, NAMESPACES, PODS, JsonObject
from azext_seccomp.cluster.namespace import NAMESPACE
from azext_seccomp.errors import Conflict, Forbidden, InvalidInput, SeccompError, WrongState
from azext_seccomp.gadget.collectors import Pace
from azext_seccomp.gadget.event import Event
from azext_seccomp.node.installers import Patience
from azext_seccomp.node.inventory import read_nodes
from azext_seccomp.profile.capabilities import DEFAULT, bounding
from azext_seccomp.profile.source import Options, load
from azext_seccomp.progress import Silent
from azext_seccomp.workload.manifest import read_manifest
from tests.unit.audit.fake_cluster import FakeCluster
from tests.unit.fakes import Request

SESSION = "saaaaaaaaaa"
QUICK = Pace(settle=0.05, drain=2.0, patience=0.2, tick=0.02)
PROFILE = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}, {"names": ["bpf"], "action": "SCMP_ACT_LOG"}],
}
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [{"name": "app"}]}}
SETTINGS = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}


def event(pod: str, container: str = "app", syscall: str = "SYS_MKDIR") -> bytes:
    names = {"namespace": "shop", "podName": pod, "containerName": container}
    fields = {"k8s": names, "proc": {"comm": "sh", "pid": 1}, "syscall": syscall, "code": "SECCOMP_RET_LOG"}
    return json.dumps({**fields, "timestamp_raw": 1_795_856_400_000_000_000}).encode()


class Told:
    def __init__(self) -> None:
        self.path = ""
        self.events: list[Event] = []

    def agree(self, planned: Sequence[PlannedContainer]) -> None:
        """The user does."""

    def notice(self, text: str) -> None:
        """Nothing to do."""

    def ready(self, localhost_profile: str, seconds: int) -> None:
        self.path = localhost_profile

    def event(self, event: Event) -> None:
        self.events.append(event)


def plan(*objects: JsonObject, **more: Any) -> Plan:
    made = read_manifest(json.dumps({"kind": "List", "items": list(objects)}).encode(), "m") if objects else []
    fields = {"selection": Selection(), "seconds": 1, "object_namespace": "shop", **more}
    choice = OneProfile(load(json.dumps(PROFILE).encode(), "p.json", Options()), "p.json")
    return Plan(**{"choice": choice, "objects": tuple(made), **fields})


def audit(
    cluster: FakeCluster, plan: Plan, told: Told | None = None, interrupts: Interrupts | None = None
) -> JsonObject:
    session = AuditSession(
        cluster,
        plan,
        Cluster("c1", "rg1", {"name": "c1"}),
        SESSION,
        interrupts=interrupts or Interrupts(),
        listener=told or Told(),
        progress=Silent(),
        pace=QUICK,
    )
    return session.run()


def left(cluster: FakeCluster) -> list[str]:
    spaces = [name for name in cluster.names(NAMESPACES.path()) if name == NAMESPACE]
    return [*cluster.names(PODS.path()), *cluster.names(CONFIG_MAPS.path()), *cluster.files(), *spaces]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azext_seccomp.audit.watch.READY_SECONDS", 5)
    monkeypatch.setattr("azext_seccomp.node.installers.Patience", lambda: Patience(answers=5))


@pytest.fixture
def cluster(tmp_path: Path) -> FakeCluster:
    return FakeCluster(tmp_path)


def test_a_manifest_from_the_journal_to_the_report(cluster: FakeCluster) -> None:
    cluster.events = [event("web"), event("web"), event("web", syscall="SYS_BPF"), event("somebody-else")]
    told = Told()
    report = audit(cluster, plan(POD, SETTINGS), told)
    made = [(one.path, one.body["metadata"]["name"].split("-")[0]) for one in cluster.made("create") if not one.dry_run]
    ours = PODS.path(NAMESPACE)
    journal = (CONFIG_MAPS.path(NAMESPACE), "journal")
    assert made[:2] == [(NAMESPACES.path(), "aks"), journal], "written down before anything is made"
    assert made.index((ours, "installer")) < made.index((ours, "collector")) < made.index((PODS.path("shop"), "web"))
    assert made.index((CONFIG_MAPS.path("shop"), "settings")) < made.index((PODS.path("shop"), "web"))
    assert [(one["workload"], one["syscall"], one["class"], one["count"]) for one in report["findings"]] == [
        ("Pod/web", "mkdir", "blocked", 2),
        ("Pod/web", "bpf", "logged", 1),
    ]
    assert report["profile"]["localhostProfile"] == told.path
    assert len(told.events) == 3
    assert (report["verdict"], report["session"], report["cluster"]) == ("blocked", SESSION, {"name": "c1"})
    assert left(cluster) == []


def test_each_container_of_a_manifest_gets_the_runtime_default_of_its_capabilities(cluster: FakeCluster) -> None:
    files: list[str] = []

    class Watching(Told):
        def ready(self, localhost_profile: str, seconds: int) -> None:
            super().ready(localhost_profile, seconds)
            files.extend(cluster.files())

    admin = {"name": "admin", "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}
    pod = {**POD, "spec": {"containers": [{"name": "app"}, admin]}}
    cluster.events = [event("web", name, syscall) for name in ("app", "admin") for syscall in ("SYS_MOUNT", "SYS_BPF")]
    told = Watching()
    report = audit(cluster, plan(pod, choice=RuntimeDefault()), told)
    (made,) = [one.body["spec"] for one in cluster.made("create", "/shop/pods") if not one.dry_run]
    paths = [one["securityContext"]["seccompProfile"]["localhostProfile"] for one in made["containers"]]
    assert sorted(paths) == sorted(files) == sorted(row["localhostProfile"] for row in report["profile"]["variants"])
    assert len(set(paths)) == 2
    rows = {row["localhostProfile"]: row["capabilities"] for row in report["profile"]["variants"]}
    assert [rows[path] for path in paths] == ["default", "default + SYS_ADMIN"]
    assert (told.path, report["profile"]["localhostProfile"], report["profile"]["name"]) == ("", "", "RuntimeDefault")
    assert {(one["container"], one["syscall"]): one["class"] for one in report["findings"]} == {
        ("app", "mount"): "blocked",
        ("app", "bpf"): "blocked",
        ("admin", "mount"): "logged",
        ("admin", "bpf"): "logged",
    }
    assert left(cluster) == []


@pytest.mark.parametrize("capabilities", [DEFAULT, bounding(["SYS_ADMIN"])])
def test_a_node_that_lacks_one_of_its_profiles_has_failed(cluster: FakeCluster, capabilities: frozenset[str]) -> None:
    admin = {"name": "admin", "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}
    pod = {**POD, "spec": {"containers": [{"name": "app"}, admin]}}
    sets = [DEFAULT, bounding(["SYS_ADMIN"])]
    profiles = ProfileSet(RuntimeDefault(), read_nodes(cluster), sets, mode="audit", directory=f"audit/{SESSION}")
    cluster.write(f"{profiles.path_for(capabilities)}/in-the-way")
    with pytest.raises(WrongState, match=r"could not be placed on any node.*something that is not a file"):
        audit(cluster, plan(pod, choice=RuntimeDefault()))


def test_pods_of_the_user_are_audited_when_they_use_the_profile(cluster: FakeCluster) -> None:
    class User(Told):
        """Runs two pods when it is told the profile."""

        def ready(self, localhost_profile: str, seconds: int) -> None:
            super().ready(localhost_profile, seconds)
            profile = {"seccompProfile": {"type": "Localhost", "localhostProfile": localhost_profile}}
            for name, context in (("mine", profile), ("other", {})):
                containers = [{"name": "app", "securityContext": context}]
                body = {"metadata": {"name": name}, "spec": {"nodeName": "n1", "containers": containers}}
                cluster.create(PODS.path("shop"), {"kind": "Pod", **body})
            cluster.events += [event("mine"), event("other"), event("unknown")]

    told = User()
    report = audit(cluster, plan(), told)
    assert [(one["pod"], one["count"]) for one in report["findings"]] == [("mine", 1)]
    assert [one.pod for one in told.events] == ["mine"]
    assert report["notAuditable"] == []
    (workload,) = report["workloads"]
    assert "logged calls came from pods that were never seen: 1" in workload["reasons"]
    command = f"az aks seccomp profile remove -g rg1 -n c1 --path {told.path}"
    assert any(note.endswith(command) and "shop/mine" in note for note in report["notes"])
    assert left(cluster) == ["mine", "other", told.path], "a pod uses the profile"


def test_one_that_is_interrupted_once_it_has_placed_makes_no_privileged_pod(cluster: FakeCluster) -> None:
    interrupts = Interrupts()

    def press(request: Request) -> None:
        if request.verb == "delete" and "installer" in request.path:
            interrupts.stop.set()

    cluster.refuse = press
    report = audit(cluster, plan(POD), interrupts=interrupts)
    made = [one.body["metadata"]["name"] for one in cluster.made("create", "/pods") if not one.dry_run]
    assert [name.split("-")[0] for name in made] == ["installer", "installer"], "one to place, one to remove"
    assert (report["verdict"], [one["status"] for one in report["nodes"]]) == ("inconclusive", ["failed"])
    assert "The audit was interrupted and ended early." in report["notes"]
    assert left(cluster) == []


def test_nothing_selected_is_inconclusive_and_said(cluster: FakeCluster) -> None:
    report = audit(cluster, plan(selection=Selection(pods=("nobody",))))
    assert (report["verdict"], report["workloads"]) == ("inconclusive", [])
    assert any("nothing is known" in note for note in report["notes"])


def test_what_was_named_but_does_not_use_the_profile_is_accounted_for(cluster: FakeCluster) -> None:
    body = {"metadata": {"name": "old", "labels": {"app": "x"}}, "spec": {"containers": [{"name": "c"}]}}
    cluster.add(PODS.path("shop", "old"), {**body, "status": {"phase": "Running"}})
    ended = {**body, "metadata": {"name": "ended", "labels": {"app": "x"}}, "status": {"phase": "Succeeded"}}
    cluster.add(PODS.path("shop", "ended"), ended)
    report = audit(cluster, plan(selection=Selection(labels="app=x")))
    assert [(one["pod"], one["reason"]) for one in report["notAuditable"]] == [
        ("old", "it runs with no profile of its own, not with the audit profile")
    ]


def test_kept_objects_and_the_way_to_remove_them(cluster: FakeCluster) -> None:
    report = audit(cluster, plan(POD, keep=True))
    assert "az aks seccomp cleanup -g rg1 -n c1 --session saaaaaaaaaa" in " ".join(report["notes"])
    assert left(cluster) == ["web", f"journal-{SESSION}", report["profile"]["localhostProfile"], NAMESPACE]
    clean(cluster, read_nodes(cluster), session=SESSION, progress=Silent())
    assert left(cluster) == []


def test_what_exists_is_refused_before_anything_is_made(cluster: FakeCluster) -> None:
    cluster.add(PODS.path("shop", "web"), {})
    with pytest.raises(Conflict):
        audit(cluster, plan(POD))
    assert not cluster.made("create") + cluster.made("delete") + cluster.made("patch")


def test_a_policy_against_collectors_is_told_before_anything_is_written_down(cluster: FakeCluster) -> None:
    def policy(request: Request) -> SeccompError | None:
        named = isinstance(request.body, dict) and str(request.body["metadata"].get("name"))
        return Forbidden("Privileged is denied.") if named and named.startswith("collector") else None

    cluster.refuse = policy
    with pytest.raises(Forbidden, match="Privileged is denied"):
        audit(cluster, plan(POD))
    assert [one.path for one in cluster.made("create") if not one.dry_run] == [NAMESPACES.path()]
    assert left(cluster) == []


def test_an_object_that_is_refused_half_way_takes_the_others_with_it(cluster: FakeCluster) -> None:
    def quota(request: Request) -> SeccompError | None:
        late = request.verb == "create" and not request.dry_run and request.path == PODS.path("shop")
        return Forbidden("Exceeded quota.") if late else None

    cluster.refuse = quota
    with pytest.raises(Forbidden, match="Exceeded quota"):
        audit(cluster, plan(SETTINGS, POD))
    assert cluster.made("create", CONFIG_MAPS.path("shop"))
    assert left(cluster) == []


def test_signs_of_life_go_on_while_it_clears_up(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A removal may take longer than a lease; nobody's cleanup is to take the session for dead meanwhile."""
    monkeypatch.setattr("azext_seccomp.audit.session.heartbeat", partial(heartbeat, every_seconds=0.01))
    removing: list[int] = []

    def slow_removal(request: Request) -> None:
        if request.verb == "create" and "'remove'" in str(request.body) and not request.dry_run:
            removing.append(len(cluster.requests))
            time.sleep(0.2)

    cluster.refuse = slow_removal
    audit(cluster, plan(seconds=0))
    assert "patch" in {request.verb for request in cluster.requests[removing[0] :]}
    assert left(cluster) == []


def test_a_profile_that_could_be_placed_nowhere(cluster: FakeCluster, tmp_path: Path) -> None:
    (tmp_path / "n1" / "seccomp").mkdir(parents=True)
    (tmp_path / "n1" / "seccomp" / "aks-seccomp").write_text("in the way")
    with pytest.raises(WrongState, match="could not be placed on any node") as failed:
        audit(cluster, plan(POD))
    assert "not a directory" in failed.value.why
    assert [one.path for one in cluster.made("create", "shop") if not one.dry_run] == []


@pytest.mark.parametrize("start", range(5))
def test_a_request_that_fails_leaves_nothing_that_cleanup_does_not_find(tmp_path: Path, start: int) -> None:
    """The connection breaks once, at one request after the other through the whole of an audit."""
    for number in itertools.count(start, 5):
        cluster = FakeCluster(tmp_path / str(number))
        requests = itertools.count()

        def broken(_: Request, number: int = number, requests: Any = requests) -> SeccompError | None:
            if not threading.current_thread().name.startswith(("MainThread", "seccomp")):
                return None  # a kubelet's
            return InvalidInput("Broken.") if next(requests) == number else None

        cluster.refuse = broken
        try:
            notes = audit(cluster, plan(SETTINGS, POD, seconds=0))["notes"]
            told = any("Not everything could be removed" in note for note in notes)
        except SeccompError as error:
            told = "cleanup" in error.fix
        names = left(cluster)
        assert not names or told or names == [NAMESPACE], (number, names)
        if next(requests) <= number:
            return
        clean(cluster, read_nodes(cluster), force=True, progress=Silent())
        assert (left(cluster), find(cluster)) == ([], {}), number
