# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import threading
from pathlib import Path

import pytest

from azext_seccomp.cluster.interface import CONFIG_MAPS, PODS
from azext_seccomp.cluster.namespace import NAMESPACE
from azext_seccomp.errors import Unreachable
from azext_seccomp.node.installers import Patience
from azext_seccomp.node.inventory import Node
from azext_seccomp.node.paths import own_path
from azext_seccomp.node.probe import canary_refusals, probe_path
from azext_seccomp.progress import Silent
from tests.unit.fakes import FakeKube, Request
from tests.unit.node.installer_pods import Kubelets, stuck

NODES = [Node("n1", "np1"), Node("n2", "np1"), Node("n3", "np2")]


class Cluster(FakeKube):
    """A pod is gone only when its containers have ended: a script that still runs would write after the removal."""

    def __init__(self, kubelets: Kubelets) -> None:
        super().__init__(on_create=kubelets)
        self._kubelets = kubelets

    def delete(self, path: str, *, grace_seconds: int | None = None, labels: str = "", uid: str = "") -> bool:
        if "/pods" in path:
            for thread in list(self._kubelets.threads):
                thread.join(timeout=10)
        return super().delete(path, grace_seconds=grace_seconds, labels=labels, uid=uid)


@pytest.fixture
def kubelets(tmp_path: Path) -> Kubelets:
    return Kubelets(tmp_path)


@pytest.fixture
def kube(kubelets: Kubelets) -> FakeKube:
    return Cluster(kubelets)


def left(kube: FakeKube, kubelets: Kubelets) -> list[str]:
    """What there is still of a probe, in the cluster and on the nodes."""
    for thread in kubelets.threads:
        thread.join()
    files = [str(path) for node in NODES for path in kubelets.node(node.name).rglob("*")]
    return [*files, *kube.names(PODS.path(NAMESPACE)), *kube.names(CONFIG_MAPS.path(NAMESPACE))]


def started_under_the_probe(kube: FakeKube) -> list[str]:
    """The nodes on which a container was to run under the probe."""
    pods = [one.body["spec"] for one in kube.made("create", "/pods") if not one.dry_run]
    wanted = {"type": "Localhost", "localhostProfile": probe_path("s1")}
    return sorted(spec["nodeName"] for spec in pods if spec["securityContext"]["seccompProfile"] == wanted)


def test_nodes_that_run_a_container_under_the_flag_are_not_refused(kube: FakeKube, kubelets: Kubelets) -> None:
    assert canary_refusals(kube, "s1", NODES) == {}
    assert started_under_the_probe(kube) == ["n1", "n2", "n3"]
    assert left(kube, kubelets) == []


def test_an_old_runc_is_refused_in_its_own_words_and_keeps_no_file(kube: FakeKube, kubelets: Kubelets) -> None:
    kubelets.old_runc = {"n2"}
    assert canary_refusals(kube, "s1", NODES) == {
        "n2": "its runc is too old, a canary needs 1.2 or later: seccomp flags are not yet supported by runc"
    }
    assert left(kube, kubelets) == []


def test_another_failure_is_told_as_it_is(kube: FakeKube, kubelets: Kubelets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azext_seccomp.node.installers.Patience", lambda: Patience(trouble=0.1))
    kubelets.instead = {"n1": stuck("ErrImagePull", "not found")}
    (kubelets.node("n3") / "aks-seccomp").write_bytes(b"in the way")
    refusals = canary_refusals(kube, "s1", NODES)
    assert refusals == {
        "n1": "ErrImagePull: not found",
        "n3": "aks-seccomp on the node is not a directory",
    }
    assert started_under_the_probe(kube) == ["n2"]


def test_where_the_probe_cannot_be_placed_at_all_nothing_is_started_under_it(
    kube: FakeKube, kubelets: Kubelets
) -> None:
    for node in NODES:
        (kubelets.node(node.name) / "aks-seccomp").write_bytes(b"in the way")
    assert set(canary_refusals(kube, "s1", NODES)) == {"n1", "n2", "n3"}
    assert started_under_the_probe(kube) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, Unreachable("The connection was lost.")])
def test_nothing_stays_when_the_second_step_breaks_off(
    kube: FakeKube, kubelets: Kubelets, error: type[BaseException] | BaseException
) -> None:
    class BreaksOff(Silent):
        def step(self, text: str, done: int | None = None, total: int | None = None) -> None:
            if text.startswith("Trying"):
                raise error

    with pytest.raises((KeyboardInterrupt, Unreachable)):
        canary_refusals(kube, "s1", NODES, progress=BreaksOff())
    assert left(kube, kubelets) == []


def test_a_stop_leaves_nothing_and_promises_nothing(kube: FakeKube, kubelets: Kubelets) -> None:
    stop = threading.Event()
    stop.set()
    assert set(canary_refusals(kube, "s1", NODES, stop=stop)) == {"n1", "n2", "n3"}
    assert left(kube, kubelets) == []


def test_the_first_error_stays_when_the_removal_fails_too(kube: FakeKube) -> None:
    def refuse(request: Request) -> Unreachable | None:
        return Unreachable(f"No {request.verb}.") if request.verb in ("watch", "delete") else None

    kube.refuse = refuse
    with pytest.raises(Unreachable, match="No watch"):
        canary_refusals(kube, "s1", NODES)


def test_each_session_has_a_probe_of_its_own_that_it_can_remove() -> None:
    assert own_path(probe_path("s1")) == "aks-seccomp/audit/s1/canary-probe.json"
    assert probe_path("s1") != probe_path("s2")
