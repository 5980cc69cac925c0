# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The end of a session, by itself and by ``cleanup``: what its journal names goes, everything else stays."""

import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from azext_seccomp.audit import journal as journals
from azext_seccomp.audit.cleanup import Cleaned, clean, find, rows
from azext_seccomp.audit.heartbeat import heartbeat
from azext_seccomp.audit.journal import Journal, JournalObject
from azext_seccomp.audit.removal import Removal
from azext_seccomp.audit.undo import undo
from azext_seccomp.cluster.interface import CONFIG_MAPS, NAMESPACES, PODS, JsonObject
from azext_seccomp.cluster.namespace import NAMESPACE, ensure_namespace, labels
from azext_seccomp.errors import Forbidden, InvalidInput, NotFound
from azext_seccomp.node.inventory import Node, read_nodes
from azext_seccomp.progress import Silent
from azext_seccomp.workload.change import FormerContainer, FormerWorkload
from azext_seccomp.workload.switching import Restored
from tests.unit.audit.controllers import DEPLOYMENTS, REPLICA_SETS
from tests.unit.audit.fake_cluster import FakeCluster
from tests.unit.fakes import Key, Request

S1, S2 = "saaaaaaaaaa", "sbbbbbbbbbb"
PATH = "aks-seccomp/audit/0123456789abcdef.json"
WEB = DEPLOYMENTS.path("shop", "web")
N1 = [Node("n1", "np1")]


@pytest.fixture
def cluster(tmp_path: Path) -> FakeCluster:
    made = FakeCluster(tmp_path)
    ensure_namespace(made)
    return made


def journal(session: str = S1, **more: Any) -> Journal:
    fields = {"version": journals.VERSION, "files": (PATH,), "nodes": ("n1", "gone"), **more}
    return Journal(session, command="audit", started_at="2026-11-28T09:00:00.000Z", installer_image="busybox", **fields)


def applied(name: str, uid: str = "", kind: str = "Pod") -> JournalObject:
    plural = {"Pod": "pods", "ConfigMap": "configmaps"}[kind]
    return JournalObject("v1", kind, plural, True, "shop", name, uid)


def switched(**changed: str) -> FormerWorkload:
    known = FormerWorkload(
        "apps/v1",
        "Deployment",
        "deployments",
        "shop",
        "web",
        "uid-web",
        (FormerContainer("containers", "app", None, False, PATH),),
    )
    return msgspec.structs.replace(known, **changed)


def theirs(session: str, name: str = "web") -> JsonObject:
    return {"kind": "Pod", "metadata": {"name": name, "labels": labels(session, "workload")}, "spec": {}}


def user_of(path: str) -> JsonObject:
    profile = {"seccompProfile": {"type": "Localhost", "localhostProfile": path}}
    spec = {"nodeName": "n1", "containers": [{"name": "c", "securityContext": profile}]}
    return {"kind": "Pod", "metadata": {"name": "user"}, "spec": spec, "status": {"phase": "Running"}}


class TestUndo:
    def test_everything_that_the_journal_names_goes_and_then_the_journal(self, cluster: FakeCluster) -> None:
        one = cluster.add(PODS.path("shop", "web"), theirs(S1))
        cluster.write(PATH)
        cluster.write("aks-seccomp/others.json")
        known = journal(objects=(applied("web", one["metadata"]["uid"]), applied("never")))
        journals.write(cluster, known)
        assert undo(cluster, known, N1) == [
            Removal("Pod", "shop/never", "absent"),
            Removal("Pod", "shop/web", "removed"),
            Removal("File", PATH, "removed", "", "n1"),
        ]
        assert cluster.files() == ["aks-seccomp/others.json"]
        assert cluster.names(PODS.path()) == [] == cluster.names(CONFIG_MAPS.path())
        assert undo(cluster, known, N1)[-1].status == "absent", "a second time there is nothing to do"

    @pytest.mark.parametrize(("labelled", "uid"), [(None, ""), (None, "uid-1"), (S2, ""), (S1, "uid-of-another")])
    def test_an_object_that_is_not_the_sessions_stays(
        self, cluster: FakeCluster, labelled: str | None, uid: str
    ) -> None:
        """Others may write into the namespace of the journals."""
        body = theirs(labelled) if labelled else {"metadata": {"name": "web", "uid": "uid-1"}}
        cluster.add(PODS.path("shop", "web"), body)
        (removal,) = undo(cluster, journal(files=(), objects=(applied("web", uid),)), N1)
        assert (removal.status, cluster.names(PODS.path("shop"))) == ("kept", ["web"])

    @pytest.mark.parametrize("path", ["../../etc/passwd.json", "others.json", "aks-seccomp/../x.json"])
    def test_a_file_that_is_not_ours_is_never_touched(self, cluster: FakeCluster, path: str) -> None:
        (removal,) = undo(cluster, journal(files=(path,)), N1)
        assert removal.status == "failed"
        assert not cluster.made("create", "pods")

    def test_a_file_that_a_pod_uses_stays(self, cluster: FakeCluster) -> None:
        cluster.write(PATH)
        cluster.add(PODS.path("shop", "user"), user_of(PATH))
        journals.write(cluster, journal())
        assert undo(cluster, journal(), N1) == [Removal("File", PATH, "kept", "pods use it: shop/user")]
        assert cluster.files() == [PATH]
        assert cluster.names(CONFIG_MAPS.path(NAMESPACE)) == [], "it is said, and nothing is left to do"

    def test_a_file_that_another_session_uses_stays(self, cluster: FakeCluster) -> None:
        cluster.write(PATH)
        journals.write(cluster, journal(S2))
        assert undo(cluster, journal(), N1) == [Removal("File", PATH, "kept", f"session {S2} uses it")]
        assert cluster.files() == [PATH]

    def test_a_file_that_an_object_which_stays_names_stays(self, cluster: FakeCluster) -> None:
        """Whatever has become of its pods."""
        cluster.write(PATH)
        ended = {"apiVersion": "v1", "metadata": {"name": "web"}, "status": {"phase": "Succeeded"}}
        cluster.add(PODS.path("shop", "web"), {**user_of(PATH), **ended})
        *_, file = undo(cluster, journal(objects=(applied("web"),)), N1)
        assert file == Removal("File", PATH, "kept", "Pod shop/web still names it")
        assert cluster.files() == [PATH]

    def test_a_file_stays_when_nobody_may_look_who_names_it(self, cluster: FakeCluster) -> None:
        cluster.write(PATH)
        theirs_alone = PODS.path("shop", "web")
        cluster.refuse = lambda request: Forbidden("No.") if request.path == theirs_alone else None
        removals = undo(cluster, journal(objects=(applied("web"),)), N1)
        assert [one.status for one in removals] == ["failed", "kept"]
        assert cluster.files() == [PATH]

    def test_one_that_was_made_anew_from_a_template_under_audit_keeps_the_file(self, cluster: FakeCluster) -> None:
        cluster.write(PATH)
        template = {"metadata": {}, "spec": user_of(PATH)["spec"]}
        cluster.add(WEB, {"metadata": {"uid": "another"}, "spec": {"template": template, "replicas": 0}})
        workload, file = undo(cluster, journal(workloads=(switched(),)), N1)
        assert (workload.status, file) == ("kept", Removal("File", PATH, "kept", "Deployment shop/web still names it"))
        assert cluster.files() == [PATH]

    def test_a_file_stays_as_long_as_pods_are_not_back(
        self, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("azext_seccomp.audit.restoring.ROLLOUT_SECONDS", 0)
        monkeypatch.setattr("azext_seccomp.audit.restoring.put_back", lambda *_: Restored("restored"))
        cluster.write(PATH)
        template = {"metadata": {}, "spec": {"containers": [{"name": "app"}]}}
        metadata = {"uid": "uid-web", "generation": 2}
        cluster.add(WEB, {"metadata": metadata, "spec": {"template": template, "selector": {}}})
        owner = {"kind": "Deployment", "name": "web", "uid": "uid-web", "controller": True}
        old = {"replicas": 1, "template": {"spec": user_of(PATH)["spec"]}}  # a quota keeps its pods away, for now
        cluster.add(REPLICA_SETS.path("shop", "web-1"), {"metadata": {"ownerReferences": [owner]}, "spec": old})
        journals.write(cluster, journal(workloads=(switched(),)))
        workload, file = undo(cluster, journal(workloads=(switched(),)), N1)
        assert (workload.status, file.detail) == ("failed", "Deployment shop/web is not back yet")
        assert cluster.files() == [PATH]
        assert cluster.names(CONFIG_MAPS.path(NAMESPACE)) == [f"journal-{S1}"]

    def test_pods_that_are_going_are_waited_for_in_the_namespaces_of_the_workloads_alone(
        self, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("azext_seccomp.audit.undo._POLL_SECONDS", 0.001)
        cluster.write(PATH)
        cluster.add(PODS.path("shop", "user"), user_of(PATH))
        everywhere, here = PODS.path(), PODS.path("shop")

        def end(request: Request) -> None:
            if len(cluster.made("list", here)) == 5:
                cluster.objects.pop(Key("pods", "shop", "user"), None)

        cluster.refuse = end
        assert undo(cluster, journal(workloads=(switched(),)), N1)[-1].status == "removed"
        assert len([one for one in cluster.made("list") if one.path == everywhere]) == 1
        assert len([one for one in cluster.made("list") if one.path == here]) == 5

    def test_what_cannot_be_removed_stays_in_the_journal(self, cluster: FakeCluster) -> None:
        cluster.write(PATH)
        journals.write(cluster, journal())
        cluster.refuse = lambda request: Forbidden("No pods.") if request.verb == "create" else None
        (removal,) = undo(cluster, journal(), N1)
        assert (removal.status, removal.detail) == ("failed", "No pods.")
        assert cluster.names(CONFIG_MAPS.path(NAMESPACE)) == [f"journal-{S1}"]

    def test_pods_of_objects_are_hurried_once_they_are_being_deleted(self, cluster: FakeCluster) -> None:
        pod = theirs(S1, "web-1")
        pod["metadata"]["deletionTimestamp"] = "2026-11-28T09:00:00Z"
        cluster.add(PODS.path("shop", "web-1"), pod)
        undo(cluster, journal(files=(), objects=(applied("settings", kind="ConfigMap"),)), N1)
        assert [one.path for one in cluster.made("delete", "web-1")] == [PODS.path("shop", "web-1")]

    @pytest.mark.parametrize("verb", ["list", "delete"])
    def test_who_may_not_see_to_the_pods_of_objects_still_removes_the_rest(
        self, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch, verb: str
    ) -> None:
        monkeypatch.setattr("azext_seccomp.audit.undo._PODS_GONE_SECONDS", 0.1)
        pod = theirs(S1, "web-1")
        pod["metadata"]["deletionTimestamp"] = "2026-11-28T09:00:00Z"
        cluster.add(PODS.path("shop", "web-1"), pod)
        cluster.add(PODS.path(NAMESPACE, "collector-1"), {"metadata": {"labels": labels(S1, "collector")}})
        cluster.write(PATH)
        theirs_alone = PODS.path("shop")
        cluster.refuse = lambda request: (
            Forbidden("No.") if request.verb == verb and request.path.startswith(theirs_alone) else None
        )
        known = journal(objects=(applied("settings", kind="ConfigMap"),))
        assert [one.status for one in undo(cluster, known, N1)] == ["absent", "removed"]
        assert (cluster.names(PODS.path(NAMESPACE)), cluster.files()) == ([], [])

    def test_a_journal_that_names_something_without_metadata(self, cluster: FakeCluster) -> None:
        cluster.get = lambda path: {"kind": "APIResourceList"}  # type: ignore[method-assign]
        (removal,) = undo(cluster, journal(files=(), objects=(applied("x"),)), N1)
        assert removal.status == "kept"


class TestJournal:
    def test_comes_back_as_it_was_written(self, cluster: FakeCluster) -> None:
        known = journal(objects=(applied("web"),))
        journals.write(cluster, known)
        (found,) = journals.list_all(cluster)
        assert journals.decode(found) == known
        journals.update(cluster, msgspec.structs.replace(known, kept=True))
        (found,) = journals.list_all(cluster)
        assert journals.decode(found).kept

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"session": 1}', "[" * 100_000])
    def test_nonsense_is_told(self, cluster: FakeCluster, text: str) -> None:
        journals.write(cluster, journal())
        (found,) = journals.list_all(cluster)
        found["data"]["journal.json"] = text
        with pytest.raises(InvalidInput):
            journals.decode(found)

    @pytest.mark.parametrize(
        "forged",
        [
            {"kind": "Rollout"},
            {"kind": "CronJob", "api_version": "batch/v1", "plural": "cronjobs"},
            {"kind": "Pod", "api_version": "v1", "plural": "pods"},
            {"plural": "secrets"},
            {"api_version": "apps/v1beta1"},
            {"api_version": "v1"},
            {"namespace": ""},
            {"name": ""},
            {"uid": ""},
        ],
    )
    def test_a_workload_that_no_session_changes(self, cluster: FakeCluster, forged: dict[str, str]) -> None:
        """Others may write into the namespace of the journals; their nonsense does not keep the next one."""
        journals.write(cluster, journal(workloads=(switched(**forged),), files=()))
        journals.write(cluster, journal(S2, files=()))
        (found, _) = journals.list_all(cluster)
        with pytest.raises(InvalidInput, match="which no session can have changed"):
            journals.decode(found)
        assert [one.status for one in cleaned(cluster, force=True)] == ["partly", "removed"]

    def test_of_another_version_or_session(self, cluster: FakeCluster) -> None:
        for known in (journal(version=journals.VERSION + 1), journal()):
            journals.write(cluster, known)
            (found,) = journals.list_all(cluster)
            if known.version == journals.VERSION:
                found["metadata"]["labels"]["aks-seccomp/session"] = S2
            with pytest.raises(InvalidInput, match="another version"):
                journals.decode(found)
            journals.delete(cluster, S1)


def cleaned(cluster: FakeCluster, **options: Any) -> list[Cleaned]:
    options = {"lease_seconds": 0.15, "progress": Silent(), **options}
    return clean(cluster, read_nodes(cluster), **options)


class TestCleanup:
    def test_a_dead_session_is_removed_and_the_namespace_with_it(self, cluster: FakeCluster) -> None:
        cluster.write(PATH)
        journals.write(cluster, journal())
        cluster.add(PODS.path(NAMESPACE, "collector-1"), {"metadata": {"name": "c", "labels": labels(S1, "collector")}})
        (one,) = cleaned(cluster)
        assert (one.session, one.status) == (S1, "removed")
        assert {(removal.kind, removal.status) for removal in one.removals} == {("File", "removed"), ("Pod", "removed")}
        assert cluster.files() == []
        assert NAMESPACE not in cluster.names(NAMESPACES.path())
        assert cleaned(cluster) == []

    def test_a_session_that_shows_signs_of_life_is_left_alone(self, cluster: FakeCluster) -> None:
        cluster.write(PATH)
        journals.write(cluster, journal())
        with heartbeat(cluster, S1, lambda: None, every_seconds=0.02):
            (one,) = cleaned(cluster)
        assert (one.status, cluster.files()) == ("running", [PATH])
        (one,) = cleaned(cluster)
        assert (one.status, cluster.files()) == ("removed", [])

    def test_force_does_not_wait(self, cluster: FakeCluster) -> None:
        journals.write(cluster, journal())
        with heartbeat(cluster, S1, lambda: None, every_seconds=0.02):
            (one,) = cleaned(cluster, force=True, lease_seconds=3600)
        assert one.status == "removed"

    def test_a_journal_that_was_renewed_long_ago_is_not_waited_for(self, cluster: FakeCluster) -> None:
        journals.write(cluster, journal())
        where = CONFIG_MAPS.path(NAMESPACE, f"journal-{S1}")
        cluster.patch(where, {"metadata": {"annotations": {"aks-seccomp/renewed": "1000.0"}}})
        (one,) = cleaned(cluster, lease_seconds=3600)
        assert one.status == "removed"

    def test_a_dry_run_changes_nothing(self, cluster: FakeCluster) -> None:
        cluster.write(PATH)
        journals.write(cluster, journal(objects=(applied("web"),)))
        before = len(cluster.requests)
        (one,) = cleaned(cluster, dry_run=True, force=True)
        assert one.status == "found"
        assert [(removal.kind, removal.name, removal.node) for removal in one.removals] == [
            ("Pod", "shop/web", ""),
            ("File", PATH, "n1"),
            ("File", PATH, "gone"),
        ]
        assert {request.verb for request in cluster.requests[before:]} == {"list"}

    def test_what_was_kept_is_removed_only_by_name(self, cluster: FakeCluster) -> None:
        cluster.write(PATH)
        journals.write(cluster, journal(kept=True))
        (one,) = cleaned(cluster)
        assert (one.status, cluster.files()) == ("kept", [PATH])
        assert {row["status"] for row in rows([one])} == {"kept"}
        (one,) = cleaned(cluster, session=S1)
        assert (one.status, cluster.files()) == ("removed", [])

    def test_two_dead_sessions_with_one_file(self, cluster: FakeCluster) -> None:
        cluster.write(PATH)
        for session in (S1, S2):
            journals.write(cluster, journal(session))
        assert [one.status for one in cleaned(cluster)] == ["removed", "removed"]
        assert cluster.files() == []

    def test_a_session_without_a_journal_lives_as_long_as_its_pods(self, cluster: FakeCluster) -> None:
        where = PODS.path(NAMESPACE, "installer-1")
        cluster.add(where, {"metadata": {"labels": labels(S1, "installer")}, "status": {"phase": "Running"}})
        assert [one.status for one in cleaned(cluster)] == ["running"]
        cluster.set_status(where, {"phase": "Succeeded"})
        assert [one.status for one in cleaned(cluster)] == ["removed"]
        assert cluster.names(PODS.path()) == []

    def test_a_journal_that_cannot_be_read(self, cluster: FakeCluster) -> None:
        journals.write(cluster, journal())
        cluster.patch(CONFIG_MAPS.path(NAMESPACE, f"journal-{S1}"), {"data": {"journal.json": "nonsense"}})
        (one,) = cleaned(cluster)
        assert (one.status, "journal cannot be read" in one.detail, "--force" in one.detail) == ("partly", True, True)
        assert set(find(cluster)) == {S1}, "a later version may have written it"
        assert [one.status for one in cleaned(cluster, force=True)] == ["partly"], "all sessions are not this one"
        assert [one.status for one in cleaned(cluster, session=S1, force=True)] == ["removed"]
        assert find(cluster) == {}

    def test_an_interrupted_wait_removes_nothing(self, cluster: FakeCluster) -> None:
        cluster.write(PATH)
        journals.write(cluster, journal())
        stop = threading.Event()
        stop.set()
        with pytest.raises(KeyboardInterrupt):
            cleaned(cluster, stop=stop)
        assert cluster.files() == [PATH]

    def test_a_session_that_does_not_exist(self, cluster: FakeCluster) -> None:
        with pytest.raises(NotFound):
            cleaned(cluster, session=S1)

    def test_what_fails_is_told_and_the_next_session_still_cleaned(self, cluster: FakeCluster) -> None:
        journals.write(cluster, journal(files=("../x",)))
        journals.write(cluster, journal(S2))
        assert [(one.session, one.status) for one in cleaned(cluster)] == [(S1, "partly"), (S2, "removed")]
        assert list(find(cluster)) == [S1]
