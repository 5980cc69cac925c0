# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Collectors on all nodes at once: started, watched, read, stopped."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple

from azext_seccomp.cluster.interface import Kube
from azext_seccomp.cluster.namespace import NAMESPACE
from azext_seccomp.cluster.pods import create_all, delete_all, watch_pods
from azext_seccomp.errors import SeccompError
from azext_seccomp.gadget.collector import Collector, CollectorState
from azext_seccomp.gadget.event import Event, parse
from azext_seccomp.gadget.inbox import Inbox
from azext_seccomp.gadget.manifest import CONTAINER, ROLE, STOP_GRACE_SECONDS, GadgetOptions, collector_pod, pod_name
from azext_seccomp.gadget.stream import LogFollower
from azext_seccomp.progress import Progress, Silent

# Of a thread that reads a log: the usual 8 MiB of address space, times a thousand nodes, is refused in many containers.
_STACK_BYTES = 512 * 1024
_JOIN_SECONDS = 3.0


class CollectorNode(NamedTuple):
    """A node to watch, with its ``spec.taints``."""

    name: str
    taints: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Pace:
    """Times, in seconds.

    ``settle``: between the end of the watched time and the stop, because ``ig`` drops what is still in the kernel's
    buffer when it stops. ``drain``: how long the rest of the logs may take after the stop. ``patience``: how long a
    failing image pull may go on. ``tick``: how often conditions are looked at.
    """

    settle: float = 1.5
    drain: float = STOP_GRACE_SECONDS + 10.0
    patience: float = 15.0
    tick: float = 0.1


class Collectors:
    """The collectors of one session.

    ``consume`` gets every event, exactly once, always in the thread that calls ``wait_ready``, ``run`` or ``finish``.
    To end early set the ``stop`` that was passed in (from a signal handler): an exception thrown into the middle of
    ``consume`` may cost the one event in hand.

    The pods are deleted by ``finish`` alone; ``close`` gives up what is held here (threads, connections), and is
    called by the context manager.
    """

    def __init__(
        self,
        kube: Kube,
        session: str,
        gadget: GadgetOptions,
        consume: Callable[[Event], None],
        *,
        progress: Progress | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._kube = kube
        self._session = session
        self._gadget = gadget
        self._consume = consume
        self._progress = progress or Silent()
        self._pace = pace or Pace()
        self._by_pod: dict[str, Collector] = {}
        self._inbox: Inbox[Event] = Inbox()
        self._in_hand: deque[Event] = deque()
        self._threads: list[threading.Thread] = []
        self._watch_stop = threading.Event()
        self._watch_error: SeccompError | None = None

    def __enter__(self) -> "Collectors":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def start(self, nodes: Iterable[CollectorNode]) -> None:
        """Create a collector on every node. A node whose pod is refused is a failed node, no error.

        :raises InvalidInput: the options name something that is no Kubernetes name.
        :raises Unauthenticated, Unreachable: the server cannot be talked to at all.
        """
        manifests = [collector_pod(node.name, self._session, self._gadget, node.taints) for node in nodes]
        for manifest in manifests:
            self._add(manifest["spec"]["nodeName"])
        self._start_thread(self._watch, "pods")
        for pod, error in create_all(self._kube, manifests).items():
            self._by_pod[pod].fail(str(error))

    def wait_ready(self, timeout_seconds: float, stop: threading.Event) -> list[CollectorState]:
        """Wait until every collector says that it is running, or has failed; the late ones have failed after
        ``timeout_seconds``.

        :raises SeccompError: the pods cannot be watched any more.
        """
        deadline = time.monotonic() + timeout_seconds

        def settled() -> bool:
            states = self.states()
            undecided = sum(state.status == "starting" for state in states)
            self._progress.step("Waiting for the gadget on every node", len(states) - undecided, len(states))
            return not undecided or self._halted(stop) or time.monotonic() >= deadline

        self._pump(settled)
        self._check_watch()
        if not stop.is_set():
            for collector in self._by_pod.values():
                if collector.state().status == "starting":
                    collector.fail(f"not ready within {timeout_seconds:.0f} s: {collector.waiting_for()}")
        return self.states()

    def run(self, seconds: float | None, stop: threading.Event) -> None:
        """Deliver events for ``seconds`` (None: no limit), until ``stop`` is set or no collector is left.

        :raises SeccompError: the pods cannot be watched any more.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        self._pump(
            lambda: self._halted(stop) or self._all_over() or (deadline is not None and time.monotonic() >= deadline)
        )
        self._check_watch()

    def finish(self) -> list[CollectorState]:
        """Let the gadgets settle, stop them, deliver what their logs still hold; deletes their pods.

        :raises SeccompError: the pods could not be deleted.
        """
        self._progress.step("Reading the last events")
        settled = time.monotonic() + self._pace.settle
        self._pump(lambda: self._all_over() or time.monotonic() >= settled)
        for collector in self._by_pod.values():
            collector.stop_begins()
        delete_all(self._kube, self._session, ROLE, grace_seconds=STOP_GRACE_SECONDS)
        drained = time.monotonic() + self._pace.drain
        self._pump(lambda: self._all_over() or time.monotonic() >= drained)
        for collector in self._by_pod.values():
            if not collector.over:
                why = collector.follower.trouble or "it did not stop"
                collector.fail(f"the end of its log could not be read: {why}")
        self._deliver(0)
        self.close()
        return self.states()

    def close(self) -> None:
        """Let go of every thread and connection; for the second time, nothing."""
        self._watch_stop.set()
        for collector in self._by_pod.values():
            collector.follower.close()
        self._inbox.close()
        deadline = time.monotonic() + _JOIN_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._threads.clear()

    def states(self) -> list[CollectorState]:
        """Every node's state now, in the order of ``start``."""
        return [collector.state() for collector in self._by_pod.values()]

    def _add(self, node: str) -> None:
        pod = pod_name(self._session, node)
        follower = LogFollower(
            lambda since: self._kube.follow_log(NAMESPACE, pod, CONTAINER, since_time=since),
        )
        self._by_pod[pod] = Collector(node, pod, follower, self._pace.patience)

    def _all_over(self) -> bool:
        return all(collector.over for collector in self._by_pod.values())

    def _halted(self, stop: threading.Event) -> bool:
        return stop.is_set() or self._watch_error is not None

    def _check_watch(self) -> None:
        if self._watch_error is not None:
            raise self._watch_error

    def _pump(self, enough: Callable[[], bool]) -> None:
        """Deliver events until ``enough``, which is asked once per tick: it looks at every collector."""
        while not enough():
            tick_ends = time.monotonic() + self._pace.tick
            while (left := tick_ends - time.monotonic()) > 0:
                self._deliver(left)
            for collector in self._by_pod.values():
                collector.check_patience()

    def _deliver(self, timeout_seconds: float) -> None:
        self._in_hand.extend(self._inbox.take(timeout_seconds))
        while self._in_hand:
            self._consume(self._in_hand.popleft())

    def _watch(self) -> None:
        """In a thread: one watch for the pods of all nodes."""
        try:
            for pod, state in watch_pods(self._kube, self._session, ROLE, stop=self._watch_stop):
                collector = self._by_pod.get(pod)
                if collector is None:
                    continue
                collector.pod_changed(state)
                if collector.has_log and not collector.reading:
                    self._start_reading(collector)
        except SeccompError as error:
            self._watch_error = error

    def _start_reading(self, collector: Collector) -> None:
        collector.reading = True
        try:
            self._start_thread(partial(self._read, collector), collector.pod)
        except RuntimeError as error:  # the limit of threads of this machine or container; the watch has to go on
            collector.drained = True
            collector.fail(f"its log cannot be read here: {error}")

    def _read(self, collector: Collector) -> None:
        """In a thread of each collector: its log, to the end."""
        try:
            for line in collector.follower:
                found = parse(line, collector.node)
                if isinstance(found, Event):
                    collector.ready = True
                    collector.events += self._inbox.put(found)
                elif found is not None:
                    collector.noticed(found)
        except SeccompError as error:
            collector.fail(str(error))
        finally:
            collector.drained = True

    def _start_thread(self, work: Callable[[], None], name: str) -> None:
        before = threading.stack_size(_STACK_BYTES)
        try:
            thread = threading.Thread(target=work, name=f"seccomp-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)
        finally:
            threading.stack_size(before)
