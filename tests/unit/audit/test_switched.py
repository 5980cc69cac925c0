# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Audits of workloads that are there already, on a cluster in memory: what is said, changed, and put back."""

import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from azext_seccomp.audit import journal as journals
from azext_seccomp.audit.cleanup import clean, left_behind
from azext_seccomp.audit.heartbeat import heartbeat
from azext_seccomp.audit.interrupts import Interrupts
from azext_seccomp.audit.journal import Journal
from azext_seccomp.audit.plan import PlannedContainer, Selection
from azext_seccomp.cluster.interface import CONFIG_MAPS, NODES, PODS, JsonObject
from azext_seccomp.cluster.namespace import NAMESPACE, ensure_namespace
from azext_seccomp.errors import Conflict, Forbidden, NotFound, SeccompError, WrongState
from azext_seccomp.node.inventory import read_nodes
from azext_seccomp.progress import Silent
from azext_seccomp.workload.change import plan_change
from azext_seccomp.workload.find import find
from azext_seccomp.workload.reference import parse_reference
from azext_seccomp.workload.switching import switch
from tests.unit.audit.controllers import DEPLOYMENTS, Controllers, deployment
from tests.unit.audit.test_session import SESSION, Told, audit, event, impatient, plan
from tests.unit.fakes import Request

__all__ = ["impatient"]  # a fixture

WEB = DEPLOYMENTS.path("shop", "web")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azext_seccomp.audit.rollouts._POLL_SECONDS", 0.05)
    monkeypatch.setattr("azext_seccomp.audit.rollouts._TROUBLE_SECONDS", 0.2)
    monkeypatch.setattr("azext_seccomp.audit.restoring.ROLLOUT_SECONDS", 0.5)
    monkeypatch.setattr("azext_seccomp.audit.switched._TEND_SECONDS", 0.1)


@pytest.fixture
def cluster(tmp_path: Path) -> Controllers:
    return Controllers(tmp_path)


def run(cluster: Controllers, *words: str, told: Told | None = None, **more: Any) -> JsonObject:
    references = tuple(map(parse_reference, words or ("deploy/web",)))
    fields = {"selection": Selection(namespace="shop"), "references": references, **more}
    return audit(cluster, plan(**fields), told)


def changes(cluster: Controllers) -> list[Request]:
    return [one for one in cluster.requests if one.verb not in ("get", "list", "watch") and not one.dry_run]


class Agreeing(Told):
    """Notes what it is asked, and what the cluster is like then."""

    def __init__(self, cluster: Controllers, answer: Exception | None = None) -> None:
        super().__init__()
        self.rows: Sequence[PlannedContainer] = ()
        self.notices: list[str] = []
        self.changes: list[Request] = []
        self._cluster = cluster
        self._answer = answer

    def agree(self, planned: Sequence[PlannedContainer]) -> None:
        self.rows = planned
        self.changes = changes(self._cluster)
        if self._answer is not None:
            raise self._answer

    def notice(self, text: str) -> None:
        self.notices.append(text)


def test_a_deployment_is_switched_watched_and_put_back(cluster: Controllers) -> None:
    before = cluster.deploy(deployment())
    cluster.events = [event(f"web-{number}") for number in range(100)]  # whatever the new pod is called
    told = Agreeing(cluster)
    report = run(cluster, told=told)
    (row,) = told.rows
    assert (row.namespace, row.workload, row.container, row.action) == ("shop", "Deployment/web", "app", "restart")
    assert (row.before, row.detail[:8]) == ("no profile of its own", "profile ")
    assert told.changes == [], "asked before anything is changed"
    (workload,) = report["workloads"]
    assert (workload["verdict"], workload["treatment"]) == ("blocked", "patched")
    assert workload["before"] == {"app": "no profile of its own"}
    assert workload["observed"]["pods"] == 1
    assert [one["count"] for one in report["findings"]] == [1], "of the pod under the profile alone"
    assert cluster.template() == before
    assert "annotations" not in cluster.body()["metadata"]
    assert cluster.files() == []
    assert cluster.names(CONFIG_MAPS.path(NAMESPACE)) == []
    assert report["next"] == ["az aks seccomp profile refine --profile p.json --report report.json"]


def test_what_it_was_is_written_down_before_it_is_changed(cluster: Controllers) -> None:
    confined = {"name": "app", "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}, "runAsUser": 5}}
    cluster.deploy(deployment("web", confined, {"name": "plain"}))
    report = run(cluster)
    changes = [one for one in cluster.requests if one.verb in ("create", "replace") and not one.dry_run]
    journal = next(number for number, one in enumerate(changes) if "journal" in one.body["metadata"]["name"])
    first = next(number for number, one in enumerate(changes) if one.path == WEB)
    assert journal < first
    written = json.loads(changes[journal].body["data"]["journal.json"])["workloads"]
    assert [(one["name"], one["profile"], one["context"]) for one in written[0]["containers"]] == [
        ("app", {"type": "RuntimeDefault"}, True),
        ("plain", None, False),
    ]
    assert "Confined by a profile before, and less while it was audited: Deployment/web." in report["notes"]


def test_without_consent_nothing_is_changed(cluster: Controllers) -> None:
    before = cluster.deploy(deployment())
    told = Agreeing(cluster, KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        run(cluster, told=told)
    assert changes(cluster) == []
    assert cluster.template() == before


def test_one_that_gets_stuck_is_put_back_and_the_other_is_audited(cluster: Controllers) -> None:
    before = cluster.deploy(deployment())
    cluster.deploy(deployment("other"))
    cluster.stuck["web"] = "no space left"
    report = run(cluster, "deploy")
    rows = {one["name"]: one for one in report["workloads"]}
    assert rows["web"]["verdict"] == "inconclusive"
    assert any("got stuck: pod web-" in reason and "no space left" in reason for reason in rows["web"]["reasons"])
    assert rows["other"]["verdict"] == "clean"
    assert report["verdict"] == "inconclusive"
    assert cluster.template() == before
    put_back = [one for one in cluster.made("replace", "/web") if not one.dry_run]
    assert len(put_back) == 2, "there and back"


def test_when_all_are_stuck_it_ends_early(cluster: Controllers) -> None:
    cluster.deploy(deployment())
    cluster.stuck["web"] = "no space left"
    began = time.monotonic()
    report = run(cluster, seconds=60)
    assert time.monotonic() - began < 30
    assert report["workloads"][0]["verdict"] == "inconclusive"


@pytest.mark.parametrize(
    ("meanwhile", "said"),
    [
        (lambda cluster: cluster.undeploy(), "it was deleted during the audit"),
        (lambda cluster: revert(cluster), "its audit profile was taken away during the audit by argocd"),
    ],
)
def test_what_others_do_meanwhile_is_noticed(
    cluster: Controllers, meanwhile: Callable[[Controllers], Any], said: str
) -> None:
    cluster.deploy(deployment())

    class Others(Told):
        def ready(self, localhost_profile: str, seconds: int) -> None:
            meanwhile(cluster)

    report = run(cluster, told=Others(), seconds=60)
    (row,) = report["workloads"]
    assert row["verdict"] == "inconclusive"
    assert any(reason.startswith(said) for reason in row["reasons"]), row["reasons"]
    assert cluster.files() == []


def revert(cluster: Controllers) -> None:
    body = cluster.get(WEB)
    body["spec"]["template"]["spec"]["containers"] = [{"name": "app", "image": "theirs"}]
    body["metadata"]["managedFields"] = [{"manager": "argocd", "time": "2026-11-28T09:00:00Z"}]
    cluster.replace(WEB, body)


def test_one_that_another_session_has_is_refused(cluster: Controllers) -> None:
    taken = deployment()
    taken["metadata"]["annotations"] = {"aks-seccomp/session": "sother"}
    cluster.deploy(taken)
    with pytest.raises(Conflict, match="Deployment shop/web is being audited already. Session sother"):
        run(cluster)


def test_what_cannot_be_audited_is_listed_with_the_reason(cluster: Controllers) -> None:
    cluster.deploy(deployment())
    cluster.deploy(deployment("paused", paused=True))
    cluster.deploy(deployment("root", {"name": "r", "securityContext": {"privileged": True}}))
    cluster.deploy(deployment("denied"))
    cluster.deploy(deployment("broken"))
    cluster.set_status(DEPLOYMENTS.path("shop", "broken"), {"replicas": 1, "updatedReplicas": 1})
    cluster.refuse = lambda request: (
        Forbidden("The policy denies it.") if request.dry_run and request.path.endswith("/denied") else None
    )
    report = run(cluster, "deploy")
    assert [one["name"] for one in report["workloads"]] == ["web"]
    assert {one["workload"]: one["reason"] for one in report["notAuditable"]} == {
        "Deployment/paused": "its rollouts are paused",
        "Deployment/root": "it is privileged: containerd gives it no seccomp profile",
        "Deployment/denied": "The policy denies it.",
        "Deployment/broken": "it is not at rest: 0 of 1 of its pods are ready with the template that it has",
    }


def test_nothing_that_can_be_audited(cluster: Controllers) -> None:
    cluster.deploy(deployment("web", paused=True))
    with pytest.raises(WrongState, match="Deployment/web in shop: its rollouts are paused"):
        run(cluster)
    with pytest.raises(NotFound, match="There is no Deployment other in namespace shop"):
        run(cluster, "deploy/other")


def test_a_node_pool_that_its_pods_may_leave(cluster: Controllers) -> None:
    cluster.deploy(deployment())
    with pytest.raises(WrongState, match="its pods may land on others"):
        run(cluster, nodepools=("np1",))
    bound = deployment("bound")
    bound["spec"]["template"]["spec"]["nodeSelector"] = {"kubernetes.azure.com/agentpool": "np1"}
    cluster.deploy(bound)
    report = run(cluster, "deploy/bound", nodepools=("np1",))
    assert report["workloads"][0]["verdict"] == "clean"


def test_no_workload_is_changed_when_a_node_has_no_profile(
    cluster: Controllers, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.deploy(deployment())
    monkeypatch.setattr("azext_seccomp.node.kernel_log.unrecorded", lambda *_: "not recorded")
    monkeypatch.setattr("azext_seccomp.node.placement.unrecorded", lambda *_: "not recorded")
    with pytest.raises(WrongState, match="could not be placed on every node, .* n1: not recorded"):
        run(cluster)
    assert [one for one in cluster.made("replace") if not one.dry_run] == []


def test_cleanup_puts_back_what_a_killed_run_has_switched(cluster: Controllers) -> None:
    before = cluster.deploy(deployment())
    (candidate,) = find(cluster, [parse_reference("deploy/web")], namespace="shop", labels="", include_system=False)
    former = plan_change(candidate, lambda _: f"aks-seccomp/audit/{SESSION}/0123456789abcdef.json")
    ensure_namespace(cluster)
    journal = Journal(SESSION, journals.VERSION, "audit", "then", "busybox", workloads=(former,))
    journals.write(cluster, journal)
    switch(cluster, former, SESSION)
    assert cluster.template() != before

    def cleaned(**more: Any) -> list[tuple[str, str, str]]:
        done = clean(cluster, read_nodes(cluster), force=True, progress=Silent(), **more)
        return [(one.kind, one.name, one.status) for session in done for one in session.removals]

    assert cleaned(dry_run=True) == [("Deployment", "shop/web", "found")]
    assert cleaned() == [("Deployment", "shop/web", "restored")]
    assert cluster.template() == before
    assert not any("aks-seccomp" in str(pod["spec"]) for pod in cluster.pods())
    assert cluster.names(CONFIG_MAPS.path(NAMESPACE)) == []


def test_what_cannot_be_put_back_stays_in_the_journal_and_is_said(cluster: Controllers) -> None:
    before = cluster.deploy(deployment())

    class Later(Told):
        def ready(self, localhost_profile: str, seconds: int) -> None:
            cluster.refuse = refuse

    def refuse(request: Request) -> SeccompError | None:
        return Forbidden("No more.") if request.verb == "replace" else None

    report = run(cluster, told=Later())
    assert any("Deployment shop/web (No more.)" in note for note in report["notes"])
    assert {(one["kind"], one["name"], one["status"]) for one in report["leftovers"]} >= {
        ("Deployment", "shop/web", "failed")
    }
    assert cluster.names(CONFIG_MAPS.path(NAMESPACE)) == [f"journal-{SESSION}"]
    assert cluster.files() != [], "its pods need the file"
    cluster.refuse = lambda _: None
    assert [one.status for one in clean(cluster, read_nodes(cluster), force=True, progress=Silent())] == ["removed"]
    assert cluster.template() == before
    assert cluster.files() == []


def test_a_file_that_a_template_still_names_stays_without_pods(cluster: Controllers) -> None:
    """Scaled to zero during the audit, then put back by nobody: the next pod could not be created without the file."""
    cluster.deploy(deployment())

    class Later(Told):
        def ready(self, localhost_profile: str, seconds: int) -> None:
            for pod in cluster.pods():
                cluster.delete(PODS.path("shop", pod["metadata"]["name"]))
            cluster.refuse = lambda request: Forbidden("No more.") if request.verb == "replace" else None

    report = run(cluster, told=Later())
    (file,) = cluster.files()
    assert file in str(cluster.template())
    assert f"{file} stays on the nodes: Deployment shop/web still names it." in report["notes"]
    cluster.refuse = lambda _: None
    clean(cluster, read_nodes(cluster), force=True, progress=Silent())
    assert cluster.files() == []


def test_a_session_of_that_name(cluster: Controllers) -> None:
    cluster.deploy(deployment())
    ensure_namespace(cluster)
    theirs = Journal(SESSION, journals.VERSION, "audit", "then", "busybox", files=("aks-seccomp/audit/x.json",))
    journals.write(cluster, theirs)
    with pytest.raises(Conflict, match=f"There is a session {SESSION} already"):
        run(cluster)
    assert cluster.names(CONFIG_MAPS.path(NAMESPACE)) == [f"journal-{SESSION}"]


def test_an_unfinished_session_is_pointed_out(cluster: Controllers, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.deploy(deployment())
    ensure_namespace(cluster)
    for name, kept in (("sdead", False), ("skept", True)):
        journals.write(cluster, Journal(name, journals.VERSION, "audit", "then", "busybox", kept=kept))
    assert left_behind(cluster) == []
    now = time.time()
    monkeypatch.setattr("azext_seccomp.audit.journal.time.time", lambda: now + 77)
    told = Agreeing(cluster)
    report = run(cluster, told=told)
    (said,) = told.notices
    assert said.startswith("Session sdead seems to be left unfinished")
    assert "77 s ago" in said
    assert said.endswith("az aks seccomp cleanup -g rg1 -n c1 --session sdead")
    assert said in report["notes"]


def test_an_early_end_during_the_rollout_is_not_clean(cluster: Controllers) -> None:
    """Ctrl-C while the pods are on their way: nothing was seen of them."""
    cluster.deploy(deployment())
    cluster.unready.add("web")
    interrupts = Interrupts()
    cluster.on_replaced = interrupts.stop.set
    references = (parse_reference("deploy/web"),)
    report = audit(cluster, plan(selection=Selection(namespace="shop"), references=references), interrupts=interrupts)
    (row,) = report["workloads"]
    assert row["verdict"] == "inconclusive"
    assert "the audit was ended before it ran under the audit profile" in row["reasons"]


def test_a_profile_that_is_taken_away_between_two_looks_is_noticed_in_the_end(
    cluster: Controllers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azext_seccomp.audit.switched._TEND_SECONDS", 1000)
    cluster.deploy(deployment())

    class Others(Told):
        def ready(self, localhost_profile: str, seconds: int) -> None:
            revert(cluster)

    (row,) = run(cluster, told=Others())["workloads"]
    assert row["verdict"] == "inconclusive"
    assert any("taken away during the audit by argocd" in reason for reason in row["reasons"])


def test_a_node_that_joins_gets_the_profile_and_is_not_taken_for_watched(cluster: Controllers) -> None:
    cluster.deploy(deployment())

    class Autoscaler(Told):
        def ready(self, localhost_profile: str, seconds: int) -> None:
            cluster.join("n2")
            cluster.join("n3", os="windows")
            cluster.join("n4", ready="False")

    report = run(cluster, told=Autoscaler(), seconds=3)
    placed = [one.body["spec"]["nodeName"] for one in cluster.made("create", "/aks-seccomp/pods") if is_placing(one)]
    assert placed == ["n1", "n2"]
    nodes = {one["name"]: (one["status"], one["detail"]) for one in report["nodes"]}
    assert nodes == {
        "n1": ("ended", ""),
        "n2": ("failed", "it became ready while the audit ran and was not watched"),
    }
    assert report["workloads"][0]["verdict"] == "clean", "none of its pods ran there"
    assert cluster.files() == [] == cluster.files("n2")


def is_placing(request: Request) -> bool:
    return not request.dry_run and "place" in request.body["spec"]["containers"][0].get("command", ())


def test_a_node_that_cannot_be_given_the_profile_ends_the_audit(
    cluster: Controllers, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cluster.deploy(deployment())

    class Autoscaler(Told):
        def ready(self, localhost_profile: str, seconds: int) -> None:
            monkeypatch.setattr("azext_seccomp.node.placement.unrecorded", lambda *_: "not recorded")
            cluster.join("n2")

    began = time.monotonic()
    report = run(cluster, told=Autoscaler(), seconds=600)
    assert time.monotonic() - began < 60
    assert any("ended early because of node n2" in note and "not recorded" in note for note in report["notes"])
    assert cluster.template() == before


def test_a_session_whose_journal_is_gone_changes_nothing_more(cluster: Controllers) -> None:
    """Another machine took it for dead and cleaned up."""
    before = [cluster.deploy(deployment(name)) for name in ("a", "b", "c")]
    journal = CONFIG_MAPS.path(NAMESPACE, f"journal-{SESSION}")
    cluster.on_replaced = lambda: cluster.delete(journal) and None
    with pytest.raises(WrongState, match="Somebody removed the journal of this session"):
        run(cluster, "deploy")
    assert [cluster.template(name) for name in ("a", "b", "c")] == before
    switched = {one.path.rpartition("/")[2] for one in cluster.made("replace") if not one.dry_run}
    assert switched == {"a"}


def test_a_session_whose_journal_is_removed_while_it_watches_ends(
    cluster: Controllers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azext_seccomp.audit.session.heartbeat", partial(heartbeat, every_seconds=0.05))
    before = cluster.deploy(deployment())

    class Others(Told):
        def ready(self, localhost_profile: str, seconds: int) -> None:
            cluster.delete(CONFIG_MAPS.path(NAMESPACE, f"journal-{SESSION}"))

    began = time.monotonic()
    report = run(cluster, told=Others(), seconds=600)
    assert time.monotonic() - began < 60
    assert "Somebody removed the journal of this session while it ran, so it ended early." in report["notes"]
    assert cluster.template() == before


def test_who_may_not_watch_nodes_changes_nothing(cluster: Controllers) -> None:
    """Pods could land on a node that joins, and nobody would know that it needs the profiles."""
    cluster.deploy(deployment())
    cluster.refuse = lambda request: (
        Forbidden("You may not watch nodes.") if (request.verb, request.path) == ("watch", NODES.path()) else None
    )
    with pytest.raises(Forbidden, match="You may not watch nodes"):
        run(cluster)
    assert changes(cluster) == []


def test_an_audit_ends_when_nobody_knows_any_more_which_nodes_join(cluster: Controllers) -> None:
    before = cluster.deploy(deployment())
    watches = []

    def refuse(request: Request) -> SeccompError | None:
        if (request.verb, request.path) != ("watch", NODES.path()):
            return None
        watches.append(request)
        return Forbidden("Not any more.") if len(watches) > 1 else None

    cluster.refuse = refuse
    began = time.monotonic()
    report = run(cluster, seconds=600)
    assert time.monotonic() - began < 60
    assert any("nodes that join can no longer be noticed: Not any more." in note for note in report["notes"])
    assert cluster.template() == before


def test_what_is_broken_off_says_what_became_of_it(cluster: Controllers) -> None:
    """A second Ctrl-C, when the way back works and when it does not."""
    cluster.deploy(deployment())

    class Breaking(Agreeing):
        def ready(self, localhost_profile: str, seconds: int) -> None:
            raise KeyboardInterrupt

    told = Breaking(cluster)
    with pytest.raises(KeyboardInterrupt):
        run(cluster, told=told)
    assert told.notices == [
        "Broken off. What was made and changed is being put right.",
        "Everything is as it was before.",
    ]

    class Stubborn(Breaking):
        def ready(self, localhost_profile: str, seconds: int) -> None:
            cluster.refuse = lambda request: Forbidden("No more.") if request.verb == "replace" else None
            raise KeyboardInterrupt

    told = Stubborn(cluster)
    with pytest.raises(KeyboardInterrupt):
        run(cluster, told=told)
    assert told.notices[-1].endswith(f"Do it with: az aks seccomp cleanup -g rg1 -n c1 --session {SESSION}")
