# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The watched time of an audit: collectors ready, manifest applied, events counted, until it is over."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from azext_seccomp.audit.aggregate import Findings
from azext_seccomp.audit.exercise import Exercise, Record
from azext_seccomp.audit.plan import Listener, Plan, Selection
from azext_seccomp.audit.recorder import Recorder
from azext_seccomp.audit.targets import Targets
from azext_seccomp.cluster.interface import Kube
from azext_seccomp.errors import WrongState
from azext_seccomp.gadget.collector import CollectorState
from azext_seccomp.gadget.collectors import CollectorNode, Collectors, Pace
from azext_seccomp.gadget.manifest import GadgetOptions
from azext_seccomp.node.inventory import Node
from azext_seccomp.progress import Progress

READY_SECONDS = 240
"""How long a node may take to pull the images and to load the gadget."""

_SPARE_SECONDS = 120  # of the gadget's own time limit: for applying a manifest and for the end
_SLICE_SECONDS = 0.5
_QUIET_SECONDS = 3.0  # a Job makes the next pod within moments of the end of one that failed
_REASONS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Watched:
    """What was seen. Times in nanoseconds since 1970."""

    findings: Findings
    states: Sequence[CollectorState]
    started_ns: int
    ended_ns: int
    early: bool
    """Whether it was interrupted."""
    unknown_events: int
    """Events of pods that the watch of pods never told of."""


class Watch:
    """One watched time.

    :param exercise: makes what is to be watched, once everything is ready.
    :param record: as ``exercise.begin`` takes it.
    :param between: called again and again while it is watched.
    """

    def __init__(
        self,
        kube: Kube,
        session: str,
        plan: Plan,
        targets: Targets,
        *,
        exercise: Exercise,
        record: Record,
        between: Callable[[], None],
        listener: Listener,
        progress: Progress,
        stop: threading.Event,
        pace: Pace | None = None,
    ) -> None:
        self._seconds = plan.seconds
        self._targets = targets
        self._exercise = exercise
        self._record = record
        self._between = between
        self._progress = progress
        self._stop = stop
        self._listener = listener
        self._recorder = Recorder(targets, listener)
        gadget = gadget_options(plan, exercise.selection)
        self._collectors = Collectors(kube, session, gadget, self._recorder, progress=progress, pace=pace)

    def run(self, nodes: Sequence[Node], ready: Callable[[], None]) -> Watched:
        """Watch on these nodes.

        :param ready: called when everything is ready and what is to be watched has begun.
        :raises WrongState: no collector runs.
        :raises SeccompError: the manifest is refused, or the API server cannot be talked to any more.
        """
        with self._collectors:
            self._targets.start()
            try:
                if not self._stop.is_set():
                    self._collectors.start(CollectorNode(node.name, node.taints) for node in nodes)
                self._require_ready(self._collectors.wait_ready(READY_SECONDS, self._stop))
                self._targets.mark_begin()
                started = time.time_ns()
                if not self._stop.is_set():
                    pods_expected = self._exercise.begin(self._pump, self._record)
                    if not self._stop.is_set():
                        ready()
                        self._watch(pods_expected)
                    if self._stop.is_set():
                        self._listener.notice("The audit ends early; the result is being put together.")
                    self._exercise.end()
                early, ended = self._stop.is_set(), time.time_ns()
                states = self._collectors.finish()
                findings = self._recorder.finish()
                return Watched(findings, states, started, ended, early, self._recorder.unknown_events)
            finally:
                self._targets.stop()

    def _watch(self, pods_expected: int | None) -> None:
        deadline = time.monotonic() + self._seconds
        over_since: float | None = None
        while not self._stop.is_set() and (left := deadline - time.monotonic()) > 0:
            self._progress.step(f"Watching for {left:.0f} s more; events so far:", self._recorder.findings.events)
            self._pump(min(left, _SLICE_SECONDS))
            if not self._exercise.tend() or not any(state.status == "ready" for state in self._collectors.states()):
                return
            if pods_expected is None or not self._targets.all_over(pods_expected):
                over_since = None
            elif over_since is None:
                over_since = time.monotonic()
            elif time.monotonic() - over_since >= _QUIET_SECONDS:
                return

    def _pump(self, seconds: float) -> None:
        """Take in events for so many seconds.

        :raises SeccompError: the API server cannot be talked to any more.
        """
        ends = time.monotonic() + seconds
        self._collectors.run(seconds, self._stop)
        self._recorder.release()
        if self._targets.error is not None:
            raise self._targets.error
        self._between()
        if not self._stop.is_set():  # collectors that have all ended return at once
            self._stop.wait(max(0.0, ends - time.monotonic()))

    def _require_ready(self, states: Sequence[CollectorState]) -> None:
        if self._stop.is_set() or any(state.status == "ready" for state in states):
            return
        reasons = sorted({state.detail for state in states})
        raise WrongState(
            "The gadget runs on none of the nodes.",
            why="; ".join(reasons[:_REASONS_SHOWN]),
            fix="Images that cannot be pulled are replaced with --ig-image and --gadget-image; a policy that refuses "
            "privileged pods needs an exemption for the namespace aks-seccomp.",
        )


def gadget_options(plan: Plan, selection: Selection) -> GadgetOptions:
    """What the collectors of an audit run; only events of what is selected leave the node where the gadget can tell."""
    rollout = plan.rollout_seconds if plan.references else 0
    return GadgetOptions(
        timeout_seconds=plan.seconds + READY_SECONDS + rollout + _SPARE_SECONDS,
        ig_image=plan.images.ig,
        gadget_image=plan.images.gadget,
        namespaces=(selection.namespace,) if selection.namespace else (),
        pods=selection.pods,
        verify_image=plan.images.verify_gadget,
    )
