# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The pods that are audited: who they are, where they run, and what keeps their containers from being audited."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from azext_seccomp.audit.plan import Selection
from azext_seccomp.audit.report import NotAuditable
from azext_seccomp.audit.verdict import Workload
from azext_seccomp.cluster.interface import PODS, JsonObject, Kube
from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import SeccompError
from azext_seccomp.workload.effective import ContainerProfile, container_profiles
from azext_seccomp.workload.owner import Owner, Owners

_FINISHED = ("Succeeded", "Failed")
_NOT_ALIVE = "status.phase!=Pending,status.phase!=Running"
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


@dataclass
class _Pod:
    """What is kept of one pod; ``audited`` are its containers that run under the audit profile."""

    namespace: str
    name: str
    uid: str
    audited: frozenset[str]
    not_auditable: tuple[NotAuditable, ...]
    owner: Owner | None = None
    node: str = ""
    phase: str = ""
    ran: bool = False
    running_before: bool = False
    trouble: str = ""


class Targets:
    """Follows the selected pods from ``start`` to ``stop``, in a thread of its own; pods that are deleted meanwhile are
    remembered.

    :param localhost_profiles: the audit profiles, as ``localhostProfile`` names them.
    :param obstacle_of_node: why nothing on a node can be audited, by the node's name; empty when something can.
    """

    def __init__(
        self,
        kube: Kube,
        selection: Selection,
        localhost_profiles: frozenset[str],
        obstacle_of_node: Callable[[str], str],
    ) -> None:
        self._kube = kube
        self._selection = selection
        self._profiles = localhost_profiles
        self._obstacle_of_node = obstacle_of_node
        self._owners = Owners(kube)
        self._pods: dict[tuple[str, str], _Pod] = {}
        self._replaced: dict[tuple[str, str], list[_Pod]] = {}
        """Audited pods whose name another one has now: an event says no more than the name."""
        self._over_before: set[str] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="seccomp-targets", daemon=True)
        self.error: SeccompError | None = None
        """Why the pods cannot be followed any more."""

    def start(self) -> None:
        """Begin to follow. Pods that have ended by now are no part of the audit.

        :raises SeccompError: the pods may not be listed.
        """
        for pod in self._kube.list(self._path(), labels=self._selection.labels, fields=_NOT_ALIVE):
            if _phase(pod) in _FINISHED:
                self._over_before.add(pod["metadata"]["uid"])
        self._thread.start()

    def stop(self) -> None:
        """Let go of the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def mark_begin(self) -> None:
        """The watching begins now: what pods that run already did when they started was not seen."""
        with self._lock:
            for pod in self._pods.values():
                pod.running_before = pod.ran

    def audits(self, namespace: str, pod: str, container: str) -> bool | None:
        """Whether a container is audited; None when its pod is not known, or not yet."""
        known = self._called(namespace, pod)
        return any(container in one.audited for one in known) if known else None

    def all_over(self, pods_expected: int) -> bool:
        """Whether at least so many audited pods were seen and all of them have ended."""
        with self._lock:
            audited = [pod for pod in self._pods.values() if pod.audited]
            return len(audited) >= pods_expected and all(pod.phase in _FINISHED for pod in audited)

    def owner_of(self, namespace: str, pod: str) -> Owner | None:
        """The workload of a pod, when one of its containers is audited."""
        return next((one.owner for one in self._called(namespace, pod) if one.owner is not None), None)

    def workloads(self) -> list[Workload]:
        """The workloads with audited containers, by namespace and name."""
        by_owner: dict[Owner, list[_Pod]] = {}
        with self._lock:
            for pod in self._all():
                if pod.audited and pod.owner is not None:
                    by_owner.setdefault(pod.owner, []).append(pod)
            return [_workload(owner, pods) for owner, pods in sorted(by_owner.items())]

    def not_auditable(self) -> list[NotAuditable]:
        """The containers of selected pods that are not audited, with the reason."""
        with self._lock:
            return [one for pod in self._pods.values() for one in pod.not_auditable]

    def running_before(self) -> int:
        """How many audited pods ran already when the watching began."""
        with self._lock:
            return sum(pod.running_before for pod in self._all() if pod.audited)

    def _all(self) -> Iterator[_Pod]:
        yield from self._pods.values()
        for pods in self._replaced.values():
            yield from pods

    def _called(self, namespace: str, pod: str) -> list[_Pod]:
        """The pods of this name, the newest first."""
        key = (namespace, pod)
        found = self._pods.get(key)
        return [] if found is None else [found, *self._replaced.get(key, ())]

    def _path(self) -> str:
        return PODS.path(self._selection.namespace or None)

    def _watch(self) -> None:
        """In a thread."""
        try:
            for event in self._kube.watch(self._path(), labels=self._selection.labels, stop=self._stop):
                if event.type != "DELETED":
                    self._seen(event.object)
        except SeccompError as error:
            self.error = error

    def _seen(self, found: JsonObject) -> None:
        metadata = found["metadata"]
        if metadata["uid"] in self._over_before or not isinstance(found.get("spec"), dict):
            return
        key = (str(metadata["namespace"]), str(metadata["name"]))
        pod = self._pods.get(key)
        node = str(found["spec"].get("nodeName") or "")
        if pod is None or (pod.uid, pod.node) != (metadata["uid"], node) or found["spec"].get("ephemeralContainers"):
            pod = self._read(found, pod)
        with self._lock:
            before = self._pods.get(key)
            if before is not None and before.uid != pod.uid and before.audited:
                self._replaced.setdefault(key, []).insert(0, before)
            pod.node = node
            pod.phase = _phase(found)
            pod.ran = pod.ran or any(map(_has_run, _statuses(found)))
            pod.trouble = _trouble(found, pod.audited)
            self._pods[key] = pod

    def _read(self, found: JsonObject, before: _Pod | None) -> _Pod:
        metadata = found["metadata"]
        pod = _Pod(str(metadata["namespace"]), str(metadata["name"]), str(metadata["uid"]), frozenset(), ())
        if before is not None and before.uid == pod.uid:
            pod.ran, pod.running_before = before.ran, before.running_before
        if self._selection.pods and pod.name not in self._selection.pods:
            return pod
        containers = container_profiles(found["spec"])
        if not self._selection.named and not any(self._uses(one) for one in containers):
            return pod
        on_node = self._obstacle_of_node(str(found["spec"].get("nodeName") or ""))
        obstacles = {one.name: one.obstacle or on_node or self._other_profile(one) for one in containers}
        pod.audited = frozenset(name for name, obstacle in obstacles.items() if not obstacle)
        pod.not_auditable = tuple(
            NotAuditable(pod.namespace, pod.name, printable(name), obstacle)
            for name, obstacle in obstacles.items()
            if obstacle
        )
        if pod.audited:
            pod.owner = self._owners.of(found)
        return pod

    def _uses(self, one: ContainerProfile) -> bool:
        return one.applied.type == "Localhost" and one.applied.path in self._profiles

    def _other_profile(self, one: ContainerProfile) -> str:
        return "" if self._uses(one) else f"it runs with {one.applied}, not with the audit profile"


def _workload(owner: Owner, pods: list[_Pod]) -> Workload:
    return Workload(
        owner.namespace,
        owner.kind,
        owner.name,
        tuple(sorted({container for pod in pods for container in pod.audited})),
        frozenset(pod.node for pod in pods if pod.ran and pod.node),
        tuple(sorted({f"pod {pod.name}: {pod.trouble}" for pod in pods if pod.trouble})),
    )


def _phase(pod: Mapping[str, Any]) -> str:
    return str((pod.get("status") or {}).get("phase", ""))


def _statuses(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for kind in _STATUS_LISTS:
        yield from (pod.get("status") or {}).get(kind) or ()


def _has_run(status: Mapping[str, Any]) -> bool:
    for state in (status.get("state") or {}, status.get("lastState") or {}):
        ended = state.get("terminated")
        if state.get("running") or (ended and ended.get("reason") not in _NOT_STARTED):
            return True
    return False


def _trouble(pod: Mapping[str, Any], audited: frozenset[str]) -> str:
    """Why an audited container does not run, in the words of the kubelet or the scheduler."""
    for status in _statuses(pod):
        state = status.get("state") or {}
        told = state.get("waiting") or state.get("terminated") or {}
        if status.get("name") in audited and told.get("reason") in _NOT_STARTED:
            words = f"container {status['name']}: {told['reason']}: {told.get('message') or ''}"
            return printable(words.rstrip(": "), _DETAIL)
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return printable(f"{condition.get('reason')}: {condition.get('message')}", _DETAIL)
    return ""
