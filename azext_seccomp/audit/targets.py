# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The pods that are audited: who they are, where they run, and what keeps their containers from being audited."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from azext_seccomp.audit.plan import Selection
from azext_seccomp.audit.report import NotAuditable
from azext_seccomp.audit.verdict import Observed, Workload
from azext_seccomp.cluster.failures import UNREADABLE, unreadable
from azext_seccomp.cluster.interface import PODS, JsonObject, Kube
from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import SeccompError
from azext_seccomp.workload.effective import ContainerProfile, container_profiles
from azext_seccomp.workload.owner import Owner, Owners
from azext_seccomp.workload.pod_status import FINISHED, failure, has_run, phase, restarts, statuses, trouble

_NOT_ALIVE = "status.phase!=Pending,status.phase!=Running"


@dataclass
class _Pod:
    """What is kept of one pod.

    :param audited: its containers that run under an audit profile, with the ``localhostProfile`` of each.
    :param started: those of them whose program was ever started.
    :param ran_since: by the monotonic clock, in seconds; None when none of its containers was ever started.
    :param over_since: likewise, None while it runs or may run.
    :param gone: it was deleted.
    """

    namespace: str
    name: str
    uid: str
    audited: Mapping[str, str] = field(default_factory=dict)
    not_auditable: tuple[NotAuditable, ...] = ()
    owner: Owner | None = None
    node: str = ""
    started: frozenset[str] = frozenset()
    gone: bool = False
    ran_since: float | None = None
    over_since: float | None = None
    running_before: bool = False
    restarts_before: int = 0
    restarts: int = 0
    trouble: str = ""


class Targets:
    """Follows the selected pods from ``start`` to ``stop``, in a thread of its own; pods that are deleted meanwhile are
    remembered.

    :param localhost_profiles: the audit profiles, as ``localhostProfile`` names them.
    :param obstacle_of_node: why nothing on a node can be audited, by the node's name; empty when something can.
    :param stand_ins: workloads that were made for the audit, with the workload that each of them stands for.
    """

    def __init__(
        self,
        kube: Kube,
        selection: Selection,
        localhost_profiles: frozenset[str],
        obstacle_of_node: Callable[[str], str],
        stand_ins: Mapping[Owner, Owner] | None = None,
    ) -> None:
        self._kube = kube
        self._selection = selection
        self._profiles = localhost_profiles
        self._obstacle_of_node = obstacle_of_node
        self._owners = Owners(kube)
        self._stand_ins = stand_ins or {}
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
            if phase(pod) in FINISHED:
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
            now = time.monotonic()
            for pod in self._pods.values():
                pod.running_before = pod.ran_since is not None
                pod.ran_since = now if pod.running_before else None
                pod.restarts_before = pod.restarts

    def audits(self, namespace: str, pod: str, container: str) -> bool | None:
        """Whether a container is audited; None when its pod is not known, or not yet."""
        known = self._called(namespace, pod)
        return any(container in one.audited for one in known) if known else None

    def profile_of(self, namespace: str, pod: str, container: str) -> str:
        """The ``localhostProfile`` that a container is audited under; empty when it is not audited."""
        return next((one.audited[container] for one in self._called(namespace, pod) if container in one.audited), "")

    def all_over(self, pods_expected: int) -> bool:
        """Whether at least so many audited pods were seen and all of them have ended."""
        with self._lock:
            audited = [pod for pod in self._pods.values() if pod.audited]
            return len(audited) >= pods_expected and all(pod.over_since is not None for pod in audited)

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
                self._seen(event.object, gone=event.type == "DELETED")
        except SeccompError as error:
            self.error = error
        except UNREADABLE as error:
            self.error = unreadable("pods", error)

    def _seen(self, found: JsonObject, *, gone: bool) -> None:
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
            _update(pod, found, gone=gone)
            self._pods[key] = pod

    def _read(self, found: JsonObject, before: _Pod | None) -> _Pod:
        metadata = found["metadata"]
        pod = _Pod(str(metadata["namespace"]), str(metadata["name"]), str(metadata["uid"]))
        if before is not None and before.uid == pod.uid:
            pod.ran_since, pod.running_before = before.ran_since, before.running_before
            pod.restarts_before, pod.started = before.restarts_before, before.started
        if self._selection.pods and pod.name not in self._selection.pods:
            return pod
        containers = container_profiles(found["spec"])
        if not self._selection.named and not any(self._uses(one) for one in containers):
            return pod
        on_node = self._obstacle_of_node(str(found["spec"].get("nodeName") or ""))
        obstacles = {one.name: one.obstacle or on_node or self._other_profile(one) for one in containers}
        pod.audited = {one.name: one.applied.path for one in containers if not obstacles[one.name]}
        if pod.audited:
            owner = self._owners.of(found)
            pod.owner = self._stand_ins.get(owner, owner)
        workload = f"{pod.owner.kind}/{pod.owner.name}" if pod.owner else ""
        pod.not_auditable = tuple(
            NotAuditable(pod.namespace, pod.name, printable(name), obstacle, workload)
            for name, obstacle in obstacles.items()
            if obstacle
        )
        return pod

    def _uses(self, one: ContainerProfile) -> bool:
        return one.applied.type == "Localhost" and one.applied.path in self._profiles

    def _other_profile(self, one: ContainerProfile) -> str:
        return "" if self._uses(one) else f"it runs with {one.applied}, not with the audit profile"


def _update(pod: _Pod, found: JsonObject, *, gone: bool) -> None:
    """Take in what the status of a pod says now."""
    now = time.monotonic()
    pod.gone = pod.gone or gone
    pod.started |= {str(one.get("name", "")) for one in statuses(found) if has_run(one)}
    if pod.ran_since is None and pod.started:
        pod.ran_since = now
    if pod.over_since is None and (gone or phase(found) in FINISHED):
        pod.over_since = now
    pod.restarts = restarts(found, pod.audited)
    pod.trouble = trouble(found, pod.audited) or failure(found)


def _workload(owner: Owner, pods: list[_Pod]) -> Workload:
    return Workload(
        owner.namespace,
        owner.kind,
        owner.name,
        tuple(sorted({container for pod in pods for container in pod.audited})),
        frozenset(pod.node for pod in pods if pod.ran_since is not None and pod.node),
        tuple(sorted({f"pod {pod.name}: {reason}" for pod in pods if (reason := _unseen(pod))})),
        _observed(pods),
    )


def _unseen(pod: _Pod) -> str:
    """Why what the pod does was not seen. One that was deleted before it came to run anything did nothing."""
    if pod.trouble or pod.gone:
        return pod.trouble
    missing = sorted(pod.audited.keys() - pod.started)
    return f"container {printable(missing[0])} was not started while it was watched" if missing else ""


def _observed(pods: list[_Pod]) -> Observed:
    """From the first start of a pod to the last end; those that run still are seen to run until now."""
    ran = [pod for pod in pods if pod.ran_since is not None]
    if not ran:
        return Observed()
    now = time.monotonic()
    first = min(pod.ran_since for pod in ran if pod.ran_since is not None)
    last = max(now if pod.over_since is None else pod.over_since for pod in ran)
    again = sum(max(0, pod.restarts - pod.restarts_before) for pod in ran)
    return Observed(round(max(0.0, last - first)), len(ran), again)
