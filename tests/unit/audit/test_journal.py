# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The journal of a session: what it can hold, and whose a name is."""

from pathlib import Path

import pytest

from azext_seccomp.audit import journal as journals
from azext_seccomp.audit.journal import Journal
from azext_seccomp.audit.plan import Selection
from azext_seccomp.cluster.interface import CONFIG_MAPS, NAMESPACES, PODS
from azext_seccomp.cluster.namespace import NAMESPACE, ensure_namespace
from azext_seccomp.errors import Conflict, InvalidInput
from azext_seccomp.workload.change import FormerContainer, FormerWorkload
from azext_seccomp.workload.reference import parse_reference
from tests.unit.audit.controllers import Controllers, deployment
from tests.unit.audit.test_session import SESSION, audit, impatient, plan
from tests.unit.fakes import Request

__all__ = ["impatient"]  # a fixture

PATH = f"aks-seccomp/audit/{SESSION}/0123456789abcdef.json"


@pytest.fixture
def cluster(tmp_path: Path) -> Controllers:
    return Controllers(tmp_path)


def journal(workloads: int, session: str = SESSION) -> Journal:
    container = FormerContainer("containers", "app", {"type": "RuntimeDefault"}, True, PATH)
    formers = tuple(
        FormerWorkload("apps/v1", "Deployment", "deployments", "shop", f"web-{number}", f"uid-{number}", (container,))
        for number in range(workloads)
    )
    return Journal(session, journals.VERSION, "audit", "then", "busybox", workloads=formers)


def test_a_thousand_workloads_can_be_written_down(cluster: Controllers) -> None:
    ensure_namespace(cluster)
    whole = journal(1000)
    journals.write(cluster, whole)
    (found,) = journals.list_all(cluster)
    assert journals.decode(found) == whole


def test_more_than_a_config_map_holds(cluster: Controllers) -> None:
    """What cannot be written down cannot be put back."""
    ensure_namespace(cluster)
    with pytest.raises(InvalidInput, match="too many workloads and nodes") as refused:
        journals.write(cluster, journal(10_000))
    assert refused.value.fix == "Audit fewer workloads at a time."
    assert cluster.names(CONFIG_MAPS.path(NAMESPACE)) == []


def test_nothing_is_changed_when_it_cannot_be_written_down(
    cluster: Controllers, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cluster.deploy(deployment())
    monkeypatch.setattr("azext_seccomp.audit.journal._MAX_BYTES", 100)
    with pytest.raises(InvalidInput, match="too many workloads and nodes"):
        audit(cluster, plan(selection=Selection(namespace="shop"), references=(parse_reference("deploy/web"),)))
    assert cluster.template() == before
    assert [one for one in cluster.made("replace") if not one.dry_run] == []
    assert (cluster.files(), cluster.names(PODS.path(NAMESPACE))) == ([], [])
    assert NAMESPACE not in cluster.names(NAMESPACES.path())


def test_a_name_that_is_taken(cluster: Controllers) -> None:
    ensure_namespace(cluster)
    journals.require_unused(cluster, SESSION)
    journals.write(cluster, journal(1))
    with pytest.raises(Conflict, match=f"There is a session {SESSION} already") as refused:
        journals.require_unused(cluster, SESSION)
    with pytest.raises(Conflict) as again:
        journals.write(cluster, journal(1))
    assert (str(again.value), again.value.fix) == (str(refused.value), refused.value.fix)
    journals.require_unused(cluster, "sother")


def test_a_name_that_is_taken_is_refused_before_its_collectors_are_in_the_way(cluster: Controllers) -> None:
    cluster.deploy(deployment())
    ensure_namespace(cluster)
    journals.write(cluster, journal(1))
    cluster.requests.clear()
    with pytest.raises(Conflict, match=f"There is a session {SESSION} already"):
        audit(cluster, plan(selection=Selection(namespace="shop"), references=(parse_reference("deploy/web"),)))
    assert [one for one in cluster.requests if one.verb not in ("get", "list")] == []
    assert NAMESPACE in cluster.names(NAMESPACES.path())


def test_sessions_share_no_file(cluster: Controllers) -> None:
    """Two audits of one profile at a time: neither takes the other's files away."""
    cluster.deploy(deployment())
    theirs = "aks-seccomp/audit/sother/0123456789abcdef.json"
    cluster.write(theirs)
    ensure_namespace(cluster)
    journals.write(cluster, journal(1, "sother"))
    seen: list[str] = []

    def look(request: Request) -> None:
        if request.verb == "replace" and not request.dry_run:
            seen.extend(cluster.files())

    cluster.refuse = look
    audit(cluster, plan(selection=Selection(namespace="shop"), references=(parse_reference("deploy/web"),)))
    assert any(one.startswith(f"aks-seccomp/audit/{SESSION}/") for one in seen)
    assert cluster.files() == [theirs]
