# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Collectors on a made-up cluster: all at once, each with a fate of its own."""

import json
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from azext_seccomp.cluster.interface import WatchEvent
from azext_seccomp.cluster.pod_state import PodState
from azext_seccomp.errors import Forbidden, NotFound, SeccompError, Unreachable
from azext_seccomp.gadget.collector import CollectorState
from azext_seccomp.gadget.collectors import CollectorNode, Collectors, Pace
from azext_seccomp.gadget.event import Event
from azext_seccomp.gadget.manifest import GadgetOptions, pod_name

SESSION = "sabcdefghij"
READY = b'time="2026-11-28T09:00:00Z" level=debug msg=running...'
QUICK = Pace(settle=0.05, drain=2.0, patience=0.2, tick=0.01)


def seccomp_event(number: int) -> bytes:
    names = {"namespace": "default", "podName": "web", "containerName": "web"}
    fields = {"k8s": names, "proc": {"comm": "sh", "pid": number}, "syscall": "SYS_MKDIR", "code": "SECCOMP_RET_LOG"}
    return json.dumps({**fields, "timestamp_raw": number}).encode()


@dataclass
class Fate:
    """What becomes of the collector of one node."""

    refused: SeccompError | None = None
    waiting: Mapping[str, str] | None = None
    log: list[bytes] = field(default_factory=lambda: [READY])
    last_words: list[bytes] = field(default_factory=list)
    exit_code: int | None = None
    """None: it runs until it is deleted."""
    breaks_after: int | None = None
    """Lines of the first stream before it breaks."""


class PodLog:
    """A stream that goes on until the pod ends or it is closed."""

    def __init__(self, pod: "FakePod", breaks_after: int | None) -> None:
        self._pod = pod
        self._breaks_after = breaks_after
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        sent = 0
        while not self._closed.is_set():
            over = self._pod.ended.is_set()
            for line in self._pod.log[sent:]:
                if sent == self._breaks_after:
                    raise Unreachable("connection reset")
                yield b"2026-11-28T09:00:00.%09dZ " % sent + line
                sent += 1
            if over:
                return
            time.sleep(0.005)

    def close(self) -> None:
        self._closed.set()


@dataclass
class FakePod:
    manifest: dict[str, Any]
    fate: Fate
    log: list[bytes] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    streams: int = 0

    def as_json(self, state: Mapping[str, Any]) -> dict[str, Any]:
        return {**self.manifest, "status": {"containerStatuses": [{"state": state}]}}


class FakeCluster:
    """As much of a cluster as collectors use."""

    def __init__(self, fates: Mapping[str, Fate]) -> None:
        self.fates = fates
        self.pods: dict[str, FakePod] = {}
        self.events: queue.Queue[WatchEvent | SeccompError] = queue.Queue()
        self.deleted_with: list[int | None] = []

    def create(self, path: str, body: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        fate = self.fates[body["spec"]["nodeName"]]
        if fate.refused is not None:
            raise fate.refused
        pod = self.pods[body["metadata"]["name"]] = FakePod(body, fate)
        if fate.waiting is not None:
            self.tell(pod, {"waiting": fate.waiting})
            return body
        pod.log += fate.log
        self.tell(pod, {"running": {"startedAt": "2026-11-28T09:00:00Z"}})
        if fate.exit_code is not None:
            self.end(pod, fate.exit_code)
        return body

    def tell(self, pod: FakePod, state: Mapping[str, Any], kind: str = "MODIFIED") -> None:
        self.events.put(WatchEvent(kind, pod.as_json(state)))

    def end(self, pod: FakePod, exit_code: int) -> None:
        pod.ended.set()
        self.tell(pod, {"terminated": {"exitCode": exit_code, "reason": "Error"}})

    def watch(self, path: str, *, stop: threading.Event, **_: Any) -> Iterator[WatchEvent]:
        while not stop.is_set():
            try:
                event = self.events.get(timeout=0.01)
            except queue.Empty:
                continue
            if isinstance(event, SeccompError):
                raise event
            yield event

    def follow_log(self, namespace: str, pod: str, container: str, *, since_time: str | None = None) -> PodLog:
        if pod not in self.pods:
            raise NotFound("pod")
        found = self.pods[pod]
        found.streams += 1
        return PodLog(found, found.fate.breaks_after if found.streams == 1 else None)

    def delete(self, path: str, *, grace_seconds: int | None = None, labels: str = "", uid: str = "") -> bool:
        name = path.rpartition("/pods/")[2]
        if name not in self.pods:
            return False
        self.deleted_with.append(grace_seconds)
        self.remove(name)
        return True

    def list(self, path: str, *, labels: str = "", fields: str = "") -> Iterator[dict[str, Any]]:
        yield from [pod.manifest for pod in self.pods.values()]

    def remove(self, name: str, exit_code: int | None = 0) -> None:
        pod = self.pods.pop(name)
        pod.log += pod.fate.last_words
        if exit_code is not None and not pod.ended.is_set():
            self.end(pod, exit_code)
        pod.ended.set()
        state = {} if exit_code is None else {"terminated": {"exitCode": exit_code}}
        self.tell(pod, state, "DELETED")

    def of_node(self, node: str) -> str:
        return next(name for name, pod in self.pods.items() if pod.manifest["spec"]["nodeName"] == node)


class Session:
    """Collectors and what they delivered."""

    def __init__(self, **fates: Fate) -> None:
        self.cluster = FakeCluster(fates)
        self.events: list[Event] = []
        self.stop = threading.Event()
        kube: Any = self.cluster
        self.collectors = Collectors(kube, SESSION, GadgetOptions(timeout_seconds=60), self.events.append, pace=QUICK)

    def start(self, ready_within: float = 5) -> dict[str, CollectorState]:
        self.collectors.start(CollectorNode(node) for node in self.cluster.fates)
        return {state.node: state for state in self.collectors.wait_ready(ready_within, self.stop)}

    def finish(self) -> dict[str, CollectorState]:
        return {state.node: state for state in self.collectors.finish()}


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 2
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not set(threading.enumerate()) - before


def test_every_event_of_every_node_arrives_once_with_its_node() -> None:
    session = Session(**{f"n{n}": Fate(log=[READY, *map(seccomp_event, range(50))]) for n in range(20)})
    states = session.start()
    assert {state.status for state in states.values()} == {"ready"}
    session.collectors.run(0.2, session.stop)
    states = session.finish()
    assert sorted((event.node, event.pid) for event in session.events) == sorted(
        (f"n{node}", number) for node in range(20) for number in range(50)
    )
    assert {(state.status, state.events, state.lost) for state in states.values()} == {("ended", 50, 0)}


def test_a_broken_stream_is_resumed_without_loss_or_doubling() -> None:
    session = Session(a=Fate(log=[READY, *map(seccomp_event, range(100))], breaks_after=37))
    session.start()
    session.collectors.run(0.5, session.stop)
    assert session.finish()["a"].status == "ended"
    assert [event.pid for event in session.events] == list(range(100))


def test_what_a_collector_writes_while_it_stops_is_delivered() -> None:
    session = Session(a=Fate(last_words=[seccomp_event(1), seccomp_event(2)]))
    session.start()
    assert session.finish()["a"].events == 2
    assert session.cluster.deleted_with == [10]


def test_losses_are_counted_per_node() -> None:
    lost = b'time="x" level=warning msg="reading event: lost 7 samples"'
    session = Session(a=Fate(log=[READY, lost, lost, b"{broken"]), b=Fate())
    session.start()
    states = session.finish()
    assert (states["a"].lost, states["b"].lost) == (15, 0)


def test_one_that_fails_is_told_with_its_reason_and_the_rest_goes_on() -> None:
    policy = 'admission webhook "validation.gatekeeper.sh" denied the request: Privileged container is not allowed'
    back_off = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
    session = Session(
        good=Fate(log=[READY, seccomp_event(1)]),
        refused=Fate(refused=Forbidden("The pod was refused.", why=policy)),
        no_image=Fate(waiting=back_off),
        bad_image=Fate(waiting={"reason": "InvalidImageName", "message": "couldn't parse image reference"}),
        no_btf=Fate(log=[b"Error: loading BTF: not supported"], exit_code=1),
        crashed=Fate(log=[b"exec format error"], exit_code=1),
    )
    states = session.start()
    assert states["good"].status == "ready"
    failed = {node: state.detail for node, state in states.items() if state.status == "failed"}
    assert set(failed) == set(states) - {"good"}
    assert policy in failed["refused"]
    assert failed["no_image"] == "ImagePullBackOff: Back-off pulling image"
    assert failed["bad_image"].startswith("InvalidImageName")
    assert failed["no_btf"] == "loading BTF: not supported"
    assert failed["crashed"] == "exec format error"
    states = session.finish()
    assert (states["good"].status, states["good"].events) == ("ended", 1)
    assert {node: state.detail for node, state in states.items() if state.status == "failed"} == failed


def test_one_that_does_not_get_ready_in_time_has_failed() -> None:
    session = Session(slow=Fate(log=[]), waiting=Fate(waiting={"reason": "ContainerCreating"}), good=Fate())
    states = session.start(ready_within=0.3)
    assert states["slow"].status == states["waiting"].status == "failed"
    assert states["waiting"].detail == "not ready within 0 s: ContainerCreating"
    assert states["good"].status == "ready"
    session.finish()


def test_a_short_trouble_is_no_failure() -> None:
    session = Session(a=Fate(waiting={"reason": "ErrImagePull", "message": "i/o timeout"}))

    def pulled_at_last() -> None:
        pod = session.cluster.pods[session.cluster.of_node("a")]
        pod.log.append(READY)
        session.cluster.tell(pod, {"running": {"startedAt": "2026-11-28T09:00:00Z"}})

    timer = threading.Timer(0.1, pulled_at_last)
    timer.start()
    assert session.start()["a"].status == "ready"
    timer.join()
    session.finish()


def test_one_that_is_killed_while_it_watches_is_told() -> None:
    session = Session(killed=Fate(log=[READY, seccomp_event(1)]), good=Fate())
    session.start()
    session.cluster.remove(session.cluster.of_node("killed"), exit_code=None)
    session.collectors.run(0.3, session.stop)
    states = session.finish()
    assert (states["killed"].status, states["killed"].detail) == ("failed", "its pod was deleted while it was watching")
    assert states["killed"].events == 1
    assert states["good"].status == "ended"


def test_one_that_crashes_just_before_the_stop_is_not_taken_for_stopped() -> None:
    """Its log is still being read then: the end of the reading is not the end of the pod."""
    session = Session(a=Fate())
    session.start()
    (collector,) = session.collectors._by_pod.values()
    assert not collector.over
    collector.pod_changed(PodState("failed", "OOMKilled", "exit code 137", 137))
    assert not collector.over
    state = session.finish()["a"]
    assert (state.status, state.detail) == ("failed", "OOMKilled: exit code 137")


def test_a_log_that_no_thread_can_be_had_for_fails_that_node_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    started = threading.Thread.start
    unlucky = pod_name(SESSION, "b")

    def start(thread: threading.Thread) -> None:
        if thread.name == f"seccomp-{unlucky}":
            raise RuntimeError("can't start new thread")
        started(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    session = Session(b=Fate(), a=Fate())
    states = session.start()
    assert (states["a"].status, states["b"].status) == ("ready", "failed")
    assert states["b"].detail == "its log cannot be read here: can't start new thread"
    session.finish()


def test_one_that_ends_in_good_order_before_the_audit_has_not_seen_it_all() -> None:
    session = Session(a=Fate(log=[READY], exit_code=0), b=Fate())
    session.start()
    session.collectors.run(0.2, session.stop)
    states = session.finish()
    assert (states["a"].status, states["a"].detail) == ("failed", "it was ended before the audit was over")
    assert (states["b"].status, states["b"].detail) == ("ended", "")


def test_the_run_ends_when_no_collector_is_left() -> None:
    session = Session(a=Fate(log=[READY], exit_code=0))
    session.start()
    begun = time.monotonic()
    session.collectors.run(30, session.stop)
    assert time.monotonic() - begun < 5
    session.finish()


def test_stop_ends_the_wait_and_the_run_at_once() -> None:
    session = Session(a=Fate(log=[]))
    session.stop.set()
    begun = time.monotonic()
    assert session.start(ready_within=30)["a"].status == "starting"
    session.collectors.run(None, session.stop)
    assert time.monotonic() - begun < 2
    assert session.finish()["a"].status == "failed"


def test_one_that_does_not_stop_is_told_and_let_go() -> None:
    session = Session(a=Fate())
    session.start()
    session.cluster.pods.clear()  # its node is down: the deletion reaches nobody
    states = session.finish()
    assert (states["a"].status, states["a"].detail) == (
        "failed",
        "the end of its log could not be read: it did not stop",
    )


def test_a_watch_that_breaks_for_good_is_an_error_and_the_pods_are_still_deleted() -> None:
    session = Session(a=Fate())
    session.start()
    session.cluster.events.put(Forbidden("watch pods"))
    with pytest.raises(Forbidden):
        session.collectors.run(30, session.stop)
    session.finish()
    assert session.cluster.deleted_with == [10]


def test_leaving_the_block_lets_go_of_everything_and_deletes_nothing() -> None:
    session = Session(a=Fate(), b=Fate())
    with session.collectors:
        session.start()
    assert session.cluster.deleted_with == []


def test_a_signature_warning_is_shown_with_its_node() -> None:
    warning = b'time="x" level=warning msg="gadget signature verification is disabled"'
    session = Session(a=Fate(log=[warning, READY, warning]))
    assert session.start()["a"].detail == "gadget signature verification is disabled"
    session.finish()


def test_a_slow_consumer_slows_the_readers_and_loses_nothing() -> None:
    session = Session(**{f"n{n}": Fate(log=[READY, *map(seccomp_event, range(3000))]) for n in range(4)})
    session.start()
    session.collectors.run(0.05, session.stop)
    session.finish()
    assert len(session.events) == 12_000
