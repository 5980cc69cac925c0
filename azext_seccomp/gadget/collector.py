# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""One collector as seen from here: what its pod and its log have told so far, and what that means for its node."""

import time
from dataclasses import dataclass
from typing import Literal

from azext_seccomp.cluster.pod_state import PodState
from azext_seccomp.cluster.text import printable
from azext_seccomp.gadget.notices import MAX_TEXT, Notice
from azext_seccomp.gadget.stream import LogFollower

Status = Literal["starting", "ready", "failed", "ended"]

_OVER = frozenset({"succeeded", "failed", "gone"})
_HAS_LOG = frozenset({"running", "succeeded", "failed"})
_EXIT_CODE_ONLY = "Error"  # the kubelet's reason for a container that ended with a code other than 0
_MAX_WARNINGS = 3


@dataclass(frozen=True, slots=True)
class CollectorState:
    """What is known of one node's collector.

    ``status``: ``starting``; ``ready``: it says that it watches; ``failed``: this node was not watched, or not to the
    end; ``ended``: it watched until it was told to stop. ``lost`` is a lower bound of the events that
    are missing.
    """

    node: str
    status: Status
    events: int
    lost: int
    detail: str


class Collector:
    """The record of one node. Three threads tell it things: the watch of pods, the reader of its log, the caller.

    :param patience_seconds: how long a trouble that the kubelet keeps trying to overcome may last before it counts as
        a failure.
    """

    def __init__(self, node: str, pod: str, follower: LogFollower, patience_seconds: float) -> None:
        self.node = node
        self.pod = pod
        self.follower = follower
        self.ready = False
        self.stopping = False
        self.reading = False
        """Whether a thread reads its log; ``drained`` when that thread is done."""
        self.drained = False
        self.events = 0
        self._patience_seconds = patience_seconds
        self._pod = PodState(phase="waiting")
        self._troubled_since: float | None = None
        self._failure = ""
        self._lost = 0
        self._error = ""
        self._last_words = ""
        self._warnings: list[str] = []

    def pod_changed(self, state: PodState) -> None:
        """Take in the newest state of the pod."""
        if self._pod.phase in _OVER:
            return  # how it ended is known; that the pod is deleted afterwards tells nothing
        self._pod = state
        if not state.troubled:
            self._troubled_since = None
        elif self._troubled_since is None:
            self._troubled_since = time.monotonic()
        if state.hopeless:
            self.fail(state.why())
        if state.phase in _OVER:
            self.follower.container_ended()

    def noticed(self, notice: Notice) -> None:
        """Take in a line of the log that is no event."""
        self._lost += notice.lost
        if notice.kind == "ready":
            self.ready = True
        elif notice.kind == "error":
            self._error = notice.text
        elif notice.kind == "text":
            self._last_words = notice.text
        elif notice.kind == "warning" and len(self._warnings) < _MAX_WARNINGS and notice.text not in self._warnings:
            self._warnings.append(notice.text)

    def fail(self, reason: str) -> None:
        """This node is given up: the first reason stays, and its log is read no longer."""
        self._failure = self._failure or printable(reason, MAX_TEXT)
        self.follower.close()

    def check_patience(self) -> None:
        """Give up a node whose trouble has lasted too long."""
        since = self._troubled_since
        if since is not None and time.monotonic() - since >= self._patience_seconds:
            self.fail(self._pod.why())

    @property
    def has_log(self) -> bool:
        """Whether there is, or has been, a container to read from."""
        return self._pod.phase in _HAS_LOG and not self._failure

    @property
    def over(self) -> bool:
        """Whether nothing more will come from this node."""
        if self._failure:
            return True
        return self.drained if self.reading else self._pod.phase == "gone"

    def stop_begins(self) -> None:
        """Its pod is being deleted from now on: an end that comes later is the one that was asked for."""
        self.stopping = not self.over and self._pod.phase not in _OVER

    def waiting_for(self) -> str:
        """Why it is not ready yet."""
        told = self._pod.why() or self._error or self._last_words
        return told or ("it has not said that it is running" if self.has_log else "its pod has not started")

    def state(self) -> CollectorState:
        """What this means now."""
        status, detail = self._judge()
        return CollectorState(self.node, status, self.events, self._lost + self.follower.gaps, detail)

    def _judge(self) -> tuple[Status, str]:
        if self._failure:
            return "failed", self._failure
        if not self.over:
            return ("ready", "; ".join(self._warnings)) if self.ready else ("starting", self.waiting_for())
        if not self.ready:
            return "failed", self._last_error() or "it ended before it was ready"
        if not self.stopping:
            return "failed", self._early_end()
        if not self.follower.complete:
            trouble = printable(self.follower.trouble, MAX_TEXT) or "its pod is gone"
            return "failed", f"the end of its log could not be read: {trouble}"
        return "ended", "; ".join(self._warnings)

    def _early_end(self) -> str:
        """Why it ended before it was told to: nobody saw what came after."""
        if self._pod.exit_code == 0:  # its time was up, or it was stopped in good order: evicted, for instance
            return "it was ended before the audit was over"
        deleted = self._pod.phase == "gone" and self._pod.exit_code is None
        return "its pod was deleted while it was watching" if deleted else self._last_error()

    def _last_error(self) -> str:
        """``ig``'s own words, unless the kubelet knows more than an exit code (OOMKilled, DeadlineExceeded)."""
        if self._pod.reason in ("", _EXIT_CODE_ONLY):
            return self._error or self._last_words or self._pod.why()
        return ": ".join(part for part in (self._pod.why(), self._error) if part)
