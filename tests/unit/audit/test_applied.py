# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What an audit makes of a manifest before anything is made, and what it leaves alone without one."""

import json
from pathlib import Path
from typing import Any

import pytest

from azext_seccomp.audit.applied import AppliedManifest
from azext_seccomp.audit.exercise import Exercise
from azext_seccomp.audit.plan import Selection
from azext_seccomp.audit.profile_set import ProfileSet
from azext_seccomp.audit.verdict import Workload
from azext_seccomp.cluster.interface import JsonObject
from azext_seccomp.errors import Conflict, Forbidden, NotFound
from azext_seccomp.node.inventory import read_nodes
from azext_seccomp.profile.capabilities import DEFAULT
from azext_seccomp.progress import Silent
from azext_seccomp.workload.manifest import read_manifest
from tests.unit.audit.controllers import Controllers, deployment
from tests.unit.audit.test_profile_set import from_file

SESSION = "saaaaaaaaaa"


@pytest.fixture
def cluster(tmp_path: Path) -> Controllers:
    return Controllers(tmp_path)


def pod(name: str, namespace: str = "", **spec: Any) -> JsonObject:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "app"}], **spec}}


def applied(cluster: Controllers, *objects: JsonObject) -> AppliedManifest:
    read = read_manifest(json.dumps({"kind": "List", "items": list(objects)}).encode(), "m")
    return AppliedManifest(cluster, SESSION, read, "shop", Silent())


def profiles(cluster: Controllers) -> ProfileSet:
    return ProfileSet(from_file(), read_nodes(cluster), {DEFAULT}, mode="audit", directory=f"audit/{SESSION}")


def test_every_container_gets_a_profile(cluster: Controllers) -> None:
    made = applied(
        cluster, pod("one", initContainers=[{"name": "init"}]), deployment("web", {"name": "a"}, {"name": "b"})
    )
    assert sorted(one["name"] for one in made.containers()) == ["a", "app", "b", "init"]


@pytest.mark.parametrize(("spaces", "watched"), [(("", ""), "shop"), (("a", "a"), "a"), (("a", "b"), "")])
def test_its_own_pods_are_watched_where_they_are(cluster: Controllers, spaces: tuple[str, str], watched: str) -> None:
    made = applied(cluster, pod("one", spaces[0]), pod("two", spaces[1]))
    assert made.selection == Selection(namespace=watched, labels=f"aks-seccomp/session={SESSION}")


def test_policies_are_asked_before_anything_is_made(cluster: Controllers) -> None:
    made = applied(cluster, pod("one"))
    cluster.refuse = lambda request: Forbidden("The policy denies it.") if request.verb == "create" else None
    with pytest.raises(Forbidden, match="The policy denies it"):
        made.prepare(profiles(cluster))
    (asked,) = cluster.made("create")
    assert asked.dry_run
    assert f"aks-seccomp/audit/{SESSION}/" in str(asked.body["spec"])


def test_objects_that_are_there_are_not_touched(cluster: Controllers) -> None:
    cluster.deploy(deployment())
    with pytest.raises(Conflict, match="Deployment shop/web"):
        applied(cluster, deployment())


def test_a_kind_that_the_cluster_does_not_know(cluster: Controllers) -> None:
    rollout = {**deployment(), "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"}
    with pytest.raises(NotFound, match="Rollout"):
        applied(cluster, rollout)


def test_what_was_seen_was_made_for_the_audit(cluster: Controllers) -> None:
    (seen,) = applied(cluster, pod("one")).described([Workload("shop", "Pod", "one")])
    assert seen.treatment == "applied"


def test_watching_changes_nothing_and_goes_on() -> None:
    exercise = Exercise(Selection(namespace="shop"))
    seen = [Workload("shop", "Pod", "one")]
    assert (exercise.makes, exercise.anywhere, exercise.tend()) == (False, False, True)
    assert (exercise.objects(), exercise.workloads(), exercise.stand_ins()) == ((), (), {})
    assert exercise.described(seen) == seen
    assert exercise.begin(lambda _: None, lambda _: None) is None
