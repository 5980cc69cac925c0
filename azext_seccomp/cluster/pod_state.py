# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What the JSON of a pod says about how it is doing, and why it is not doing well."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from azext_seccomp.cluster.text import printable

PodPhase = Literal["waiting", "running", "succeeded", "failed", "gone"]

# Reasons of a waiting container: those that no waiting heals, and those that the kubelet keeps trying to overcome.
_HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
_TROUBLED = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ImageInspectError",
        "RegistryUnavailable",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
_MESSAGE_LIMIT = 512
_REASON_LIMIT = 64
_TERMINATION_LIMIT = 16 * 1024  # the kubelet keeps 4096 bytes of a container's message, 12 kB for all of a pod


@dataclass(frozen=True, slots=True)
class PodState:
    """The state of a pod with one container that is never restarted.

    ``phase``: ``waiting`` (not running yet, ``reason`` says what for), ``running``, ``succeeded``, ``failed``, ``gone``
    (deleted). ``reason`` and ``message`` are fit for a terminal. ``termination_message`` is as the container left it:
    to be parsed, not printed.
    """

    phase: PodPhase
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    termination_message: str = ""

    @property
    def hopeless(self) -> bool:
        """Whether it waits for something that will not come."""
        return self.phase == "waiting" and self.reason in _HOPELESS

    @property
    def troubled(self) -> bool:
        """Whether it waits for the kubelet to overcome an error, which may last for ever."""
        return self.phase == "waiting" and self.reason in _TROUBLED

    def with_cause(self, cause: str) -> "PodState":
        """The same state; ``cause`` is added to its message unless it is in there."""
        if not cause or cause in self.message:
            return self
        return replace(self, message=printable(f"{self.message}: {cause}", _MESSAGE_LIMIT))

    def why(self) -> str:
        """Reason and message in one line; empty when there is nothing to say."""
        return ": ".join(part for part in (self.reason, self.message) if part)


def read_state(pod: Mapping[str, Any], *, gone: bool = False) -> PodState:
    """The state of a pod from its JSON.

    Sources of the words: kubelet ``pkg/kubelet/images/types.go`` (ErrImagePull, ImagePullBackOff, InvalidImageName …),
    ``kuberuntime_container.go`` (CreateContainerConfigError, CreateContainerError, RunContainerError),
    ``pkg/kubelet/lifecycle`` (OutOfcpu, NodeAffinity …), ``pkg/kubelet/eviction`` (Evicted), ``active_deadline.go``
    (DeadlineExceeded).

    :param gone: the object was deleted; its last state is kept as far as it tells something.
    """
    state = _living_state(pod.get("status") or {})
    if not gone:
        return state
    if state.phase in ("succeeded", "failed"):
        return replace(state, phase="gone")
    return PodState("gone", "Deleted", state.why() or "the pod was deleted before it ended")


def _living_state(status: Mapping[str, Any]) -> PodState:
    phase = status.get("phase")
    container: Mapping[str, Any] = next(iter(status.get("containerStatuses") or ()), {})
    current = container.get("state") or {}
    ended = current.get("terminated")
    if phase == "Failed" and status.get("reason"):
        # Said of the pod, not of its container: refused by the kubelet, evicted, deadline exceeded, node shut down.
        return _told(PodState("failed", exit_code=(ended or {}).get("exitCode")), status)
    if ended:
        return _ended(ended)
    if phase in ("Failed", "Succeeded"):
        return _told(PodState("failed" if phase == "Failed" else "succeeded"), status)
    if current.get("running"):
        return PodState("running")
    if current.get("waiting"):
        return _told(PodState("waiting"), current["waiting"])
    return _unscheduled(status) or PodState("waiting")


def _ended(terminated: Mapping[str, Any]) -> PodState:
    code = terminated.get("exitCode")
    words = str(terminated.get("message") or "")[:_TERMINATION_LIMIT]
    if code == 0:
        return PodState("succeeded", exit_code=0, termination_message=words)
    reason = printable(str(terminated.get("reason") or "Error"), _REASON_LIMIT)
    message = printable(words, _MESSAGE_LIMIT) or f"exit code {code}"
    return PodState("failed", reason, message, code if isinstance(code, int) else None, words)


def _unscheduled(status: Mapping[str, Any]) -> PodState | None:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return _told(PodState("waiting"), condition)
    return None


def _told(state: PodState, told: Mapping[str, Any]) -> PodState:
    return replace(
        state,
        reason=printable(str(told.get("reason") or ""), _REASON_LIMIT),
        message=printable(str(told.get("message") or ""), _MESSAGE_LIMIT),
    )
