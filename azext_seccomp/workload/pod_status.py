# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What the status of a pod tells about its containers: whether they ever ran, and why they do not."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from azext_seccomp.cluster.text import printable

FINISHED = ("Succeeded", "Failed")
"""The phases of a pod whose containers will not run again."""

_STATUS_LISTS = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
# Waiting and terminated reasons of the kubelet for a container that never ran.
_NOT_STARTED = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "StartError",
        "ContainerCannotRun",
    }
)
_DETAIL = 400


def phase(pod: Mapping[str, Any]) -> str:
    """Pending, Running, Succeeded, Failed; empty when it is not known."""
    return str((pod.get("status") or {}).get("phase", ""))


def statuses(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The status of every container: init, usual, ephemeral."""
    for kind in _STATUS_LISTS:
        yield from (pod.get("status") or {}).get(kind) or ()


def has_run(status: Mapping[str, Any]) -> bool:
    """Whether the program of a container was ever started."""
    for state in (status.get("state") or {}, status.get("lastState") or {}):
        ended = state.get("terminated")
        if state.get("running") or (ended and ended.get("reason") not in _NOT_STARTED):
            return True
    return False


def restarts(pod: Mapping[str, Any], containers: Collection[str]) -> int:
    """How often these containers of the pod were started again."""
    return sum(int(one.get("restartCount") or 0) for one in statuses(pod) if one.get("name") in containers)


def trouble(pod: Mapping[str, Any], containers: Collection[str]) -> str:
    """Why one of these containers does not run, in the words of the kubelet or the scheduler; empty when nothing is
    wrong.
    """
    return unstarted(pod, containers) or unscheduled(pod)


def unstarted(pod: Mapping[str, Any], containers: Collection[str]) -> str:
    """Why the kubelet does not start one of these containers, in its words."""
    for status in statuses(pod):
        state = status.get("state") or {}
        told = state.get("waiting") or state.get("terminated") or {}
        if status.get("name") in containers and told.get("reason") in _NOT_STARTED:
            words = f"container {status['name']}: {told['reason']}: {told.get('message') or ''}"
            return printable(words.rstrip(": "), _DETAIL)
    return ""


def unscheduled(pod: Mapping[str, Any]) -> str:
    """Why the pod has no node yet, in the words of the scheduler. A cluster autoscaler may be about to add one."""
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return printable(f"{condition.get('reason')}: {condition.get('message')}", _DETAIL)
    return ""


def failure(pod: Mapping[str, Any]) -> str:
    """How a pod failed, in the words of the kubelet; empty when it did not. It may not have done all that it does."""
    if phase(pod) != "Failed":
        return ""
    for status in statuses(pod):
        ended = (status.get("state") or {}).get("terminated") or {}
        if ended.get("exitCode"):
            return printable(
                f"it failed: container {status.get('name')} ended with exit code {ended['exitCode']}", _DETAIL
            )
    told = pod.get("status") or {}
    words = ": ".join(filter(None, (str(told.get("reason") or ""), str(told.get("message") or ""))))
    return printable(f"it failed: {words}".removesuffix(": "), _DETAIL)
