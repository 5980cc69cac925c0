# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Which pods are audited, and what is known of them in the end."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from azext_seccomp.audit.plan import Plan, Selection, parse_duration
from azext_seccomp.audit.recorder import Recorder
from azext_seccomp.audit.targets import Targets
from azext_seccomp.audit.verdict import Observed
from azext_seccomp.audit.watch import gadget_options
from azext_seccomp.cluster.interface import PODS, JsonObject
from azext_seccomp.errors import Forbidden, InvalidInput
from azext_seccomp.gadget.event import Event, parse
from azext_seccomp.workload.owner import Owner
from tests.unit.audit.test_session import Told, event, plan
from tests.unit.fakes import FakeKube

PATH = "aks-seccomp/audit/0123456789abcdef.json"
LOCALHOST = {"seccompProfile": {"type": "Localhost", "localhostProfile": PATH}}


def pod(name: str, *containers: JsonObject, node: str = "n1", **more: Any) -> JsonObject:
    spec = {"nodeName": node, "containers": list(containers) or [container("app")]}
    return {"metadata": {"name": name, **more}, "spec": spec}


def container(name: str, **context: Any) -> JsonObject:
    return {"name": name, "securityContext": {**LOCALHOST, **context}}


def status(phase: str, *states: JsonObject) -> JsonObject:
    return {"phase": phase, "containerStatuses": [{"name": "app", "state": state} for state in states]}


RUNNING = {"running": {"startedAt": "2026-11-28T09:00:00Z"}}


def wait_for(done: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 5
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Followed:
    """Targets on a cluster in memory."""

    def __init__(self, selection: Selection | None = None, obstacles: dict[str, str] | None = None) -> None:
        self.kube = FakeKube()
        known = obstacles or {}
        profiles = frozenset({PATH})
        self.targets = Targets(self.kube, selection or Selection(), profiles, lambda node: known.get(node, ""))

    def add(self, body: JsonObject, **pod_status: Any) -> None:
        self.kube.add(PODS.path("shop", body["metadata"]["name"]), {**body, "status": pod_status})

    def becomes(self, name: str, pod_status: JsonObject) -> None:
        self.kube.set_status(PODS.path("shop", name), pod_status)

    def knows(self, *names: str) -> None:
        wait_for(lambda: all(self.targets.audits("shop", name, "") is not None for name in names))

    def reasons(self) -> tuple[str, ...]:
        return tuple(reason for one in self.targets.workloads() for reason in one.reasons)


@pytest.fixture
def followed() -> Iterator[Followed]:
    made = Followed()
    made.targets.start()
    yield made
    made.targets.stop()


def test_only_containers_under_the_profile_are_audited(followed: Followed) -> None:
    followed.add(pod("mixed", container("app"), {"name": "plain"}, container("root", privileged=True)))
    followed.add(pod("others", {"name": "plain"}))
    followed.knows("mixed", "others")
    audits = followed.targets.audits
    assert [audits("shop", "mixed", name) for name in ("app", "plain", "root")] == [True, False, False]
    assert audits("shop", "others", "plain") is False
    assert audits("shop", "unknown", "app") is None
    assert [(one.container, one.reason) for one in followed.targets.not_auditable()] == [
        ("plain", "it runs with no profile of its own, not with the audit profile"),
        ("root", "it is privileged: containerd gives it no seccomp profile"),
    ]


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        (Selection(), {"a", "b"}),
        (Selection(namespace="shop"), {"a", "b"}),
        (Selection(namespace="elsewhere"), set()),
        (Selection(pods=("b", "c")), {"b"}),
        (Selection(labels="app=a"), {"a"}),
    ],
)
def test_selections(selection: Selection, wanted: set[str]) -> None:
    followed = Followed(selection)
    for name in ("a", "b"):
        followed.add(pod(name, labels={"app": name}), **status("Running", RUNNING))
    followed.targets.start()
    wait_for(lambda: {one.name for one in followed.targets.workloads()} == wanted)
    followed.targets.stop()


def test_a_pod_that_had_ended_before_is_no_part_of_it(followed: Followed) -> None:
    late = Followed()
    late.add(pod("old"), **status("Succeeded", {"terminated": {"reason": "Completed"}}))
    late.add(pod("new"), **status("Running", RUNNING))
    late.targets.start()
    late.knows("new")
    assert [one.name for one in late.targets.workloads()] == ["new"]
    late.targets.stop()


def test_a_pod_that_is_gone_is_remembered(followed: Followed) -> None:
    followed.add(pod("short"), **status("Running", RUNNING))
    followed.knows("short")
    followed.kube.delete(PODS.path("shop", "short"))
    followed.add(pod("next"))
    followed.knows("next")
    (next_one, short) = followed.targets.workloads()
    assert (short.name, short.nodes, short.containers) == ("short", frozenset({"n1"}), ("app",))
    assert next_one.nodes == frozenset(), "it never ran"


def test_a_pod_that_follows_one_of_the_same_name_does_not_hide_it(followed: Followed) -> None:
    """A StatefulSet makes its pods again under the same names, here without the profile."""
    recorder = Recorder(followed.targets, Told())
    followed.add(pod("web-0"), **status("Running", RUNNING))
    followed.knows("web-0")
    recorder(an_event("web-0"))
    followed.kube.delete(PODS.path("shop", "web-0"))
    followed.add(pod("web-0", {"name": "app"}, {"name": "other"}, node="n2"), **status("Running", RUNNING))
    followed.add(pod("next"))
    followed.knows("next")
    assert [(one.pod, one.count) for one in recorder.finish().all()] == [("web-0", 1)]
    (web,) = (one for one in followed.targets.workloads() if one.name == "web-0")
    assert (web.containers, web.nodes) == (("app",), frozenset({"n1"}))
    owner = followed.targets.owner_of("shop", "web-0")
    assert owner is not None
    assert owner.name == "web-0"
    assert followed.targets.audits("shop", "web-0", "other") is False


def test_why_a_container_does_not_run_until_it_does(followed: Followed) -> None:
    missing = {"reason": "CreateContainerError", "message": "cannot load\x1b[2J seccomp profile"}
    followed.add(pod("web"), **status("Pending", {"waiting": missing}))
    followed.knows("web")
    wait_for(followed.reasons)
    (reason,) = followed.reasons()
    assert reason == "pod web: container app: CreateContainerError: cannot load\\x1b[2J seccomp profile"
    followed.becomes("web", status("Running", RUNNING))
    wait_for(lambda: not followed.reasons())
    assert followed.targets.workloads()[0].nodes == frozenset({"n1"})


@pytest.mark.parametrize(
    ("pod_status", "words"),
    [
        (
            status("Failed", {"terminated": {"reason": "StartError", "message": "not a valid action"}}),
            "StartError: not a",
        ),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "full"}]},
            "Unschedulable: full",
        ),
    ],
)
def test_other_reasons(followed: Followed, pod_status: JsonObject, words: str) -> None:
    followed.add(pod("web"), **pod_status)
    followed.knows("web")
    wait_for(followed.reasons)
    assert words in followed.reasons()[0]
    assert followed.targets.workloads()[0].nodes == frozenset()


def test_an_obstacle_of_the_node_counts_once_the_pod_is_there() -> None:
    followed = Followed(obstacles={"aci": "it runs on a virtual node"})
    followed.targets.start()
    followed.add(pod("web", node=""))
    followed.knows("web")
    assert followed.targets.not_auditable() == []
    where = PODS.path("shop", "web")
    followed.kube.patch(where, {"spec": {"nodeName": "aci"}})
    wait_for(followed.targets.not_auditable)
    assert followed.targets.audits("shop", "web", "app") is False
    assert followed.targets.workloads() == []
    followed.targets.stop()


def test_it_is_over_when_all_expected_pods_have_ended(followed: Followed) -> None:
    assert not followed.targets.all_over(1)
    followed.add(pod("a"), **status("Succeeded"))
    wait_for(lambda: followed.targets.all_over(1))
    assert not followed.targets.all_over(2)
    followed.add(pod("b"), **status("Running", RUNNING))
    followed.knows("b")
    assert not followed.targets.all_over(2)
    followed.becomes("b", status("Failed"))
    wait_for(lambda: followed.targets.all_over(2))


def test_what_ran_before_is_counted(followed: Followed) -> None:
    followed.add(pod("early"), **status("Running", RUNNING))
    followed.knows("early")
    wait_for(lambda: followed.targets.workloads()[0].nodes)
    followed.targets.mark_begin()
    followed.add(pod("late"), **status("Running", RUNNING))
    followed.knows("late")
    assert followed.targets.running_before() == 1


def test_pods_that_may_not_be_listed() -> None:
    followed = Followed()
    followed.kube.refuse = lambda request: Forbidden("No pods.")
    with pytest.raises(Forbidden):
        followed.targets.start()


def test_a_watch_that_fails_is_noticed() -> None:
    followed = Followed()
    followed.kube.refuse = lambda request: Forbidden("No watch.") if request.verb == "watch" else None
    followed.targets.start()
    wait_for(lambda: followed.targets.error)
    followed.targets.stop()


def an_event(name: str, container_name: str = "app") -> Event:
    found = parse(event(name, container_name), "n1")
    assert isinstance(found, Event)
    return found


def test_an_event_that_comes_before_its_pod_is_counted_and_told_later(followed: Followed) -> None:
    told = Told()
    recorder = Recorder(followed.targets, told)
    recorder(an_event("web"))
    recorder(an_event("never-known"))
    assert told.events == []
    followed.add(pod("web", container("app"), {"name": "plain"}))
    followed.knows("web")
    recorder.release()
    recorder(an_event("web", "plain"))
    assert [one.pod for one in told.events] == ["web"]
    assert [(one.pod, one.count) for one in recorder.finish().all()] == [("web", 1)]


@pytest.mark.parametrize(("text", "seconds"), [("1s", 1), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("24h", 86400)])
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "5", "m", "-5m", "1.5h", "25h", "5 m", "٣s", "9999999s", "1d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_duration(text)


def test_the_gadget_is_told_what_it_can_select_by() -> None:
    audit: Plan = plan(selection=Selection("shop", "app=x", ("web",)))
    options = gadget_options(audit, audit.selection)
    assert (options.namespaces, options.pods) == (("shop",), ("web",))
    assert options.timeout_seconds > audit.seconds


def test_how_much_was_seen_is_counted(followed: Followed) -> None:
    again = {"name": "app", "restartCount": 2, "state": RUNNING}
    followed.add(pod("stays"), **status("Running", RUNNING))
    followed.knows("stays")
    followed.targets.mark_begin()
    followed.becomes("stays", {"phase": "Running", "containerStatuses": [again]})
    followed.add(pod("goes", ownerReferences=[]), **status("Running", RUNNING))
    followed.add(pod("waits"), **status("Pending", {"waiting": {"reason": "ImagePullBackOff"}}))
    followed.knows("goes", "waits")
    seen = {one.name: one.observed for one in followed.targets.workloads()}
    assert (seen["stays"].pods, seen["stays"].restarts) == (1, 2)
    assert (seen["goes"].pods, seen["goes"].restarts) == (1, 0)
    assert seen["waits"] == Observed()


def test_a_deleted_pod_is_over(followed: Followed) -> None:
    followed.add(pod("gone"), **status("Running", RUNNING))
    followed.knows("gone")
    assert not followed.targets.all_over(1)
    followed.kube.delete(PODS.path("shop", "gone"))
    wait_for(lambda: followed.targets.all_over(1))


def test_a_stand_in_counts_for_what_it_stands_for() -> None:
    followed = Followed()
    copy, original = Owner("shop", "Pod", "nightly-copy"), Owner("shop", "CronJob", "nightly")
    followed.targets = Targets(followed.kube, Selection(), frozenset({PATH}), lambda _: "", {copy: original})
    followed.add(pod("nightly-copy"), **status("Running", RUNNING))
    followed.targets.start()
    followed.knows("nightly-copy")
    assert [(one.kind, one.name) for one in followed.targets.workloads()] == [("CronJob", "nightly")]
    assert followed.targets.profile_of("shop", "nightly-copy", "app") == PATH
    assert followed.targets.profile_of("shop", "nightly-copy", "other") == ""
    followed.targets.stop()


def test_a_container_that_was_never_started_is_a_reason(followed: Followed) -> None:
    """Another one of its pod runs, so the pod does; what this one does nobody saw."""
    statuses = [
        {"name": "init", "state": RUNNING},
        {"name": "app", "state": {"waiting": {"reason": "PodInitializing"}}},
    ]
    followed.add(pod("web", container("init"), container("app")), phase="Pending", containerStatuses=statuses)
    followed.knows("web")
    assert followed.reasons() == ("pod web: container app was not started while it was watched",)
    followed.becomes("web", {"phase": "Running", "containerStatuses": [{"name": "app", "state": RUNNING}]})
    wait_for(lambda: followed.reasons() == ())


def test_a_pod_that_was_deleted_before_it_ran_is_none(followed: Followed) -> None:
    followed.add(pod("web"), phase="Pending")
    followed.knows("web")
    followed.kube.delete(PODS.path("shop", "web"))
    wait_for(lambda: followed.reasons() == ())


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (status("Failed", {"terminated": {"exitCode": 3}}), "it failed: container app ended with exit code 3"),
        ({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}, "it failed: Evicted: low on memory"),
        ({"phase": "Failed"}, "it failed"),
    ],
)
def test_a_pod_that_failed_may_not_have_done_everything(followed: Followed, more: JsonObject, words: str) -> None:
    followed.add(pod("web"), **status("Running", RUNNING))
    followed.knows("web")
    followed.becomes("web", more)
    wait_for(lambda: followed.reasons() == (f"pod web: {words}",))


def test_calls_of_a_pod_that_has_the_name_of_one_before_are_not_lost(followed: Followed) -> None:
    """A StatefulSet gives its pods the same names again, and logs may be quicker than the watch of pods."""
    followed.add(pod("web-0", {"name": "app"}), **status("Running", RUNNING))
    followed.knows("web-0")
    recorder = Recorder(followed.targets, Told())
    one = parse(event("web-0"), "n1")
    assert isinstance(one, Event)
    recorder(one)
    followed.kube.delete(PODS.path("shop", "web-0"))
    followed.add(pod("web-0"), **status("Running", RUNNING))
    wait_for(lambda: followed.targets.audits("shop", "web-0", "app"))
    assert [found.count for found in recorder.finish().all()] == [1]
