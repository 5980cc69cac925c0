# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import base64
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from azext_seccomp.cluster.interface import CONFIG_MAPS, PODS
from azext_seccomp.cluster.namespace import NAMESPACE
from azext_seccomp.errors import Forbidden, InvalidInput, SeccompError, Unreachable
from azext_seccomp.node import placement
from azext_seccomp.node.installers import Patience, run_installers
from azext_seccomp.node.inventory import Node
from azext_seccomp.node.manifest import Job
from azext_seccomp.node.paths import ProfileFile, profile_file
from azext_seccomp.node.placement import NodeOutcome, list_files, place, remove
from azext_seccomp.profile.model import Action
from azext_seccomp.progress import Silent
from tests.unit.fakes import FakeKube, Request
from tests.unit.node.installer_pods import Kubelets, ended, stuck

NODES = [Node("n1", "np1"), Node("n2", "np1"), Node("n3", "np2")]
WEB = profile_file(b'{"defaultAction": "SCMP_ACT_LOG"}', "web")
HASHED = profile_file(b'{"defaultAction": "SCMP_ACT_ALLOW"}')


@pytest.fixture
def kubelets(tmp_path: Path) -> Kubelets:
    return Kubelets(tmp_path)


@pytest.fixture
def kube(kubelets: Kubelets) -> FakeKube:
    return FakeKube(on_create=kubelets)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azext_seccomp.node.installers.Patience", lambda: Patience(answers=1.0, trouble=0.2))


def on(nodes: Sequence[Node], files: Sequence[ProfileFile]) -> list[tuple[Node, Sequence[ProfileFile]]]:
    """The same files on each node."""
    return [(node, files) for node in nodes]


def statuses(outcomes: list[NodeOutcome]) -> list[tuple[str, str, str]]:
    return [(one.node, one.path, one.status) for one in outcomes]


def left(kube: FakeKube) -> list[str]:
    return [*kube.names(PODS.path(NAMESPACE)), *kube.names(CONFIG_MAPS.path(NAMESPACE))]


def refusing(
    verb: str, error: SeccompError, *, dry_run: bool = False, node: str = ""
) -> Callable[[Request], SeccompError | None]:
    def refuse(request: Request) -> SeccompError | None:
        about_pod = request.verb == verb and request.path.endswith("/pods") and request.dry_run == dry_run
        return error if about_pod and node in ("", (request.body or {}).get("spec", {}).get("nodeName")) else None

    return refuse


def test_every_node_gets_every_file_and_nothing_stays_in_the_cluster(kube: FakeKube, kubelets: Kubelets) -> None:
    outcomes = place(kube, "s1", on(NODES, [WEB, HASHED]))
    assert statuses(outcomes) == [(node.name, one.path, "placed") for node in NODES for one in (WEB, HASHED)]
    for node in NODES:
        for one in (WEB, HASHED):
            assert (kubelets.node(node.name) / one.path).read_bytes() == one.content
    assert [one.pool for one in outcomes] == ["np1"] * 4 + ["np2"] * 2
    assert left(kube) == []


def test_every_node_gets_its_own_files_and_each_content_travels_once(kube: FakeKube, kubelets: Kubelets) -> None:
    """One path has another content on another node, and two paths may have the same."""
    other = ProfileFile(WEB.path, HASHED.content)
    twin = ProfileFile("aks-seccomp/twin.json", WEB.content)
    outcomes = place(kube, "s1", [(NODES[0], [twin, WEB]), (NODES[1], [other]), (NODES[2], [HASHED, WEB])])
    assert [(one.node, one.path, one.status, one.sha256) for one in outcomes] == [
        ("n1", twin.path, "placed", WEB.sha256),
        ("n1", WEB.path, "placed", WEB.sha256),
        ("n2", WEB.path, "placed", HASHED.sha256),
        ("n3", HASHED.path, "placed", HASHED.sha256),
        ("n3", WEB.path, "placed", WEB.sha256),
    ]
    there = {node.name: {file.name for file in kubelets.node(node.name).rglob("*.json")} for node in NODES}
    assert there == {"n1": {"twin.json", "web.json"}, "n2": {"web.json"}, "n3": {HASHED.path[12:], "web.json"}}
    (config_map,) = [one.body["binaryData"] for one in kube.made("create", "/configmaps")]
    contents = [base64.b64decode(text) for name, text in config_map.items() if name != "installer.sh"]
    assert contents == [WEB.content, HASHED.content]
    assert len(kube.made("watch")) == 1


def test_of_two_files_with_the_same_content_each_has_its_own_outcome(kube: FakeKube, kubelets: Kubelets) -> None:
    twins = [ProfileFile(f"aks-seccomp/{name}.json", WEB.content) for name in ("a", "b", "c")]
    (kubelets.node("n1") / "aks-seccomp").mkdir()
    (kubelets.node("n1") / twins[1].path).write_bytes(b"something else")
    assert [one.status for one in place(kube, "s1", on(NODES[:1], twins))] == ["placed", "refused", "placed"]


def test_one_watch_and_no_log_serves_all_nodes(kube: FakeKube) -> None:
    place(kube, "s1", on(NODES, [WEB]))
    assert len(kube.made("watch")) == 1
    assert not kube.made("log")
    assert len([one for one in kube.made("create", "/pods") if not one.dry_run]) == len(NODES)


def test_placing_again_finds_the_files_present(kube: FakeKube) -> None:
    place(kube, "s1", on(NODES, [WEB]))
    again = place(kube, "s2", on(NODES, [WEB]))
    assert {one.status for one in again} == {"present"}
    assert all(one.ok and one.sha256 == WEB.sha256 for one in again)


def test_a_different_file_is_refused_on_that_node_and_replaced_when_forced(kube: FakeKube, kubelets: Kubelets) -> None:
    (kubelets.node("n2") / "aks-seccomp").mkdir()
    (kubelets.node("n2") / WEB.path).write_bytes(b"something else")
    outcomes = place(kube, "s1", on(NODES, [WEB]))
    assert [one.status for one in outcomes] == ["placed", "refused", "placed"]
    assert "--force" in outcomes[1].detail
    assert not outcomes[1].ok
    forced = place(kube, "s1", on(NODES, [WEB]), force=True)
    assert [one.status for one in forced] == ["present", "placed", "present"]


@pytest.mark.usefixtures("impatient")
def test_nodes_that_fail_are_data_with_the_reason_and_the_others_go_on(kube: FakeKube, kubelets: Kubelets) -> None:
    nodes = [Node(f"n{number}") for number in range(8)]
    kubelets.instead = {
        "n1": stuck("ErrImagePull", "not found"),
        "n2": {"phase": "Failed", "reason": "OutOfcpu", "message": "Node didn't have enough resource: cpu"},
        "n3": ended(2, "broken"),
        "n4": None,
        "n5": stuck("InvalidImageName", "couldn't parse image reference"),
        "n6": ended(0, "not our script"),
    }
    details = {one.node: one.detail for one in place(kube, "s1", on(nodes, [WEB]))}
    assert details == {
        "n0": "",
        "n1": "ErrImagePull: not found",
        "n2": "OutOfcpu: Node didn't have enough resource: cpu",
        "n3": "Error: broken",
        "n4": "no answer of the installer: the node's kubelet has not taken it up",
        "n5": "InvalidImageName: couldn't parse image reference",
        "n6": "The installer's answer cannot be read. not our script",
        "n7": "",
    }
    assert left(kube) == []


def test_a_pod_that_is_refused_at_creation_is_data(kube: FakeKube) -> None:
    kube.refuse = refusing("create", Forbidden("Quota is used up."), node="n2")
    outcomes = place(kube, "s1", on(NODES, [WEB]))
    assert [one.status for one in outcomes] == ["placed", "failed", "placed"]
    assert outcomes[1].detail == "Quota is used up."


def test_a_policy_that_denies_the_pods_is_one_error_before_anything_is_made(kube: FakeKube) -> None:
    denial = Forbidden("The pods are denied.", why='admission webhook "validation.gatekeeper.sh" denied the request')
    kube.refuse = refusing("create", denial, dry_run=True)
    with pytest.raises(Forbidden) as refused:
        place(kube, "s1", on(NODES, [WEB]))
    assert "gatekeeper" in str(refused.value)
    assert all(one.dry_run for one in kube.made("create"))


def test_a_pool_on_which_the_pods_are_denied_does_not_stop_the_others(kube: FakeKube) -> None:
    kube.refuse = refusing("create", Forbidden("Managed by AKS."), dry_run=True, node="n3")
    outcomes = place(kube, "s1", on(NODES, [WEB]))
    assert [(one.status, one.detail) for one in outcomes] == [
        ("placed", ""),
        ("placed", ""),
        ("failed", "Managed by AKS."),
    ]


def test_a_webhook_that_cannot_be_asked_beforehand_is_not_asked(kube: FakeKube) -> None:
    kube.refuse = refusing(
        "create", InvalidInput("x", why='admission webhook "w" does not support dry run'), dry_run=True
    )
    assert {one.status for one in place(kube, "s1", on(NODES, [WEB]))} == {"placed"}


def test_a_node_whose_kernel_records_too_little_is_refused(kube: FakeKube, kubelets: Kubelets) -> None:
    hardened = f"aks-seccomp 1 here 0\n0 placed {WEB.sha256}\nlogged kill_process log\nend\n"
    kubelets.instead = {
        "n2": ended(0, hardened),
        "n3": ended(0, "aks-seccomp 1 here 0\n0 failed - full\nlogged \nend\n"),
    }
    seen = place(kube, "s1", on(NODES, [WEB]), recorded=[Action.LOG])
    assert [one.status for one in seen] == ["placed", "placed", "failed"]
    unseen = place(kube, "s1", on(NODES, [WEB]), recorded=[Action.ERRNO], force=True)
    assert [one.status for one in unseen] == ["present", "refused", "failed"]
    assert "actions_logged='kill_process errno log'" in unseen[1].detail
    assert unseen[2].detail == "full"


def test_nothing_stays_when_the_caller_is_interrupted(kube: FakeKube, kubelets: Kubelets) -> None:
    class Interrupted(Silent):
        def step(self, text: str, done: int | None = None, total: int | None = None) -> None:
            raise KeyboardInterrupt

    kubelets.instead = {"n1": None}
    with pytest.raises(KeyboardInterrupt):
        place(kube, "s1", on(NODES, [WEB]), progress=Interrupted())
    assert left(kube) == []


def test_a_stop_ends_the_waiting_with_what_is_known(kube: FakeKube, kubelets: Kubelets) -> None:
    kubelets.instead = {"n1": stuck("ContainerCreating", "")}
    stop = threading.Event()
    ending = threading.Timer(1.0, stop.set)
    ending.start()
    outcomes = place(kube, "s1", on(NODES, [WEB]), stop=stop)
    ending.join()
    assert [one.status for one in outcomes] == ["failed", "placed", "placed"]
    assert left(kube) == []


def test_the_first_error_stays_and_says_how_to_clear_up_when_the_connection_is_lost(kube: FakeKube) -> None:
    def refuse(request: Request) -> SeccompError | None:
        return Unreachable(f"No connection for {request.verb}.") if request.verb in ("watch", "delete") else None

    kube.refuse = refuse
    with pytest.raises(Unreachable, match="for watch") as lost:
        place(kube, "s1", on(NODES, [WEB]))
    assert "az aks seccomp cleanup" in lost.value.fix


def test_tells_how_many_nodes_have_answered(kube: FakeKube) -> None:
    class Recorder(Silent):
        seen: list[tuple[str, int | None, int | None]] = []

        def step(self, text: str, done: int | None = None, total: int | None = None) -> None:
            self.seen.append((text, done, total))

    recorder = Recorder()
    place(kube, "s1", on(NODES, [WEB]), progress=recorder)
    assert recorder.seen[-1] == ("Placing on the nodes", 3, 3)


def test_lists_ours_and_others(kube: FakeKube, kubelets: Kubelets) -> None:
    place(kube, "s1", on(NODES[:1], [WEB]))
    (kubelets.node("n1") / "operator").mkdir()
    (kubelets.node("n1") / "operator/other.json").write_bytes(b"{}")
    first, second, _ = list_files(kube, "s2", NODES)
    assert [(one.path, one.size) for one in first.entries] == [(WEB.path, len(WEB.content)), ("operator/other.json", 2)]
    assert (first.total, second.total, second.failure) == (2, 0, "")


def test_a_list_too_long_for_a_termination_message_comes_whole(kube: FakeKube, kubelets: Kubelets) -> None:
    for number in range(60):
        (kubelets.node("n2") / f"{number:02}.json").write_bytes(b"{}")
    listings = list_files(kube, "s1", NODES)
    assert [len(one.entries) for one in listings] == [0, 60, 0]
    assert len(kube.made("log")) == 1


def test_removes_by_path_and_all_of_ours(kube: FakeKube, kubelets: Kubelets) -> None:
    place(kube, "s1", on(NODES[:2], [WEB, HASHED]))
    (kubelets.node("n1") / "others.json").write_bytes(b"{}")
    assert [one.status for one in remove(kube, "s2", NODES, [WEB.path])] == ["removed", "removed", "absent"]
    everything = remove(kube, "s3", NODES, None)
    assert statuses(everything) == [
        ("n1", HASHED.path, "removed"),
        ("n2", HASHED.path, "removed"),
        ("n3", "", "absent"),
    ]
    assert [one.name for one in kubelets.node("n1").iterdir()] == ["others.json"]


def test_refuses_bad_requests_before_anything_is_asked(kube: FakeKube) -> None:
    too_many = [ProfileFile(f"aks-seccomp/{number}.json", b"{}") for number in range(placement.MAX_FILES + 1)]
    for files in (
        [],
        too_many,
        [WEB, WEB],
        [ProfileFile("others.json", b"{}")],
        [ProfileFile("aks-seccomp/../a.json", b"")],
    ):
        with pytest.raises(InvalidInput):
            place(kube, "s1", on(NODES, files))
    for paths in ([], ["others.json"], ["/etc/passwd"]):
        with pytest.raises(InvalidInput):
            remove(kube, "s1", NODES, paths)
    assert kube.requests == []


def test_the_most_files_that_are_allowed_answer_within_a_termination_message(
    kube: FakeKube, kubelets: Kubelets
) -> None:
    kubelets.node("n1").joinpath("aks-seccomp").write_bytes(b"in the way of them all")
    files = [ProfileFile(f"aks-seccomp/{number}.json", b"{}") for number in range(placement.MAX_FILES)]
    outcomes = place(kube, "s1", on(NODES[:1], files))
    assert {one.status for one in outcomes} == {"refused"}
    assert not kube.made("log")


def test_pods_of_another_operation_of_the_session_are_not_taken_for_ours(kube: FakeKube, kubelets: Kubelets) -> None:
    kubelets.instead = {"n1": None}
    job = Job("s1", "other", ("list",), ())
    answers = run_installers(kube, job, NODES[:1], progress=Silent(), step="x", patience=Patience(answers=0.2))
    assert answers[0].answer is None
    kubelets.instead = {}
    assert [one.status for one in place(kube, "s1", on(NODES[:1], [WEB]))] == ["placed"]


class EndlessLog:
    """A stream that a node keeps open."""

    def __init__(self) -> None:
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        yield b"2026-01-01T00:00:00Z file - 1 a.json"
        assert self._closed.wait(10)

    def close(self) -> None:
        self._closed.set()


def test_a_node_that_never_ends_its_log_has_failed(
    kube: FakeKube, kubelets: Kubelets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azext_seccomp.node.installers._LOG_SECONDS", 0.05)
    kubelets.instead["n1"] = ended(0, "aks-seccomp 1 log 1\nend\n")
    kube.follow_log = lambda *_, **__: EndlessLog()  # type: ignore[method-assign,assignment,return-value]
    first, second, _ = list_files(kube, "s1", NODES)
    assert (first.failure, second.failure) == ("The installer's answer cannot be read. it has no end", "")
    assert left(kube) == []
