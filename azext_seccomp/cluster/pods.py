# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Pods of a session on many nodes: created at once, seen through one watch, diagnosed, deleted."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from typing import Any

from azext_seccomp.cluster.interface import CONFIG_MAPS, PODS, JsonObject, Kube
from azext_seccomp.cluster.namespace import NAMESPACE, SESSION_LABEL, selector
from azext_seccomp.cluster.pod_state import PodState, read_state
from azext_seccomp.errors import Conflict, NotFound, SeccompError, Unauthenticated, Unreachable

__all__ = ["PodState", "create_all", "delete_all", "read_state", "remains", "remove_session", "watch_pods"]

_PARALLEL = 32
_ATTEMPTS = 4
_FORCE_AFTER_SECONDS = 10.0
_POLL_SECONDS = 0.25
_ENDED = ("Succeeded", "Failed")  # phases in which no container of a pod runs or will run again


def create_all(
    kube: Kube, manifests: Iterable[Mapping[str, Any]], *, parallel: int = _PARALLEL
) -> dict[str, SeccompError]:
    """Create pods, ``parallel`` requests at a time.

    :return: the error of each pod that was refused (admission, quota, permission, no such node pool), by the pod's
        name.
    :raises Unauthenticated, Unreachable: the server cannot be talked to at all; what was not asked yet is not asked any
        more.
    """
    return _at_once({one["metadata"]["name"]: partial(_create, kube, one) for one in manifests}, parallel)


def watch_pods(
    kube: Kube, session: str, role: str, *, stop: threading.Event, timeout_seconds: float | None = None
) -> Iterator[tuple[str, PodState]]:
    """Every change of the pods of a session and role as name and state, by one watch for all of them.

    Ends when ``stop`` is set or ``timeout_seconds`` have passed. The kubelet says why an image could not be pulled only
    in between the retries; while it backs off, the state carries its last words.
    """
    causes: dict[str, str] = {}
    events = kube.watch(
        PODS.path(NAMESPACE), labels=selector(session, role), stop=stop, timeout_seconds=timeout_seconds
    )
    for event in events:
        name = str(event.object["metadata"]["name"])
        state = read_state(event.object, gone=event.type == "DELETED")
        if state.reason == "ErrImagePull":
            causes[name] = state.message
        elif state.reason == "ImagePullBackOff":
            state = state.with_cause(causes.get(name, ""))
        yield name, state


def delete_all(
    kube: Kube,
    session: str,
    role: str | None = None,
    *,
    grace_seconds: int | None = None,
    parallel: int = _PARALLEL,
) -> None:
    """Ask for the deletion of a session's pods and ConfigMaps (of one role when given) in our namespace; does not wait.

    Pods are deleted one by one, many at a time: the server deletes a collection in series, and gives up after 60 s.

    :param grace_seconds: what running containers get between SIGTERM and SIGKILL; finished pods go at once.
    :raises SeccompError: a pod could not be deleted; all the others have been tried.
    """
    matching = selector(session, role)
    names = [one["metadata"]["name"] for one in kube.list(PODS.path(NAMESPACE), labels=matching)]
    failures = _at_once(
        {name: partial(kube.delete, PODS.path(NAMESPACE, name), grace_seconds=grace_seconds) for name in names},
        parallel,
    )
    kube.delete(CONFIG_MAPS.path(NAMESPACE), labels=matching)
    for error in failures.values():
        raise error


def remove_session(kube: Kube, session: str, role: str | None = None, *, grace_seconds: int = 5) -> None:
    """Delete a session's pods and ConfigMaps and wait until the pods are gone.

    A pod whose containers have ended is not waited for: nothing of it runs any more, and the kubelet takes seconds to
    clear up after it. What is still there after a while is forced: the pod of a node that is down would otherwise stay
    until the node is back.

    :raises SeccompError: the server refuses or cannot be reached.
    """
    delete_all(kube, session, role, grace_seconds=grace_seconds)
    matching = selector(session, role)
    force_at = time.monotonic() + grace_seconds + _FORCE_AFTER_SECONDS
    while pods := list(kube.list(PODS.path(NAMESPACE), labels=matching)):
        if time.monotonic() >= force_at:
            delete_all(kube, session, role, grace_seconds=0)
            return
        ended = [pod["metadata"] for pod in pods if (pod.get("status") or {}).get("phase") in _ENDED]
        failures = _at_once({one["name"]: partial(_forget, kube, one) for one in ended}, _PARALLEL)
        if failures or len(ended) < len(pods):
            time.sleep(_POLL_SECONDS)


def remains(kube: Kube, session: str) -> bool:
    """Whether pods or ConfigMaps of a session are left, or may be: the server does not say."""
    matching = selector(session)
    try:
        return any(any(True for _ in kube.list(one.path(NAMESPACE), labels=matching)) for one in (PODS, CONFIG_MAPS))
    except SeccompError:
        return True


def _forget(kube: Kube, metadata: Mapping[str, Any]) -> None:
    """Delete a pod that has ended from the API server, without waiting for its kubelet."""
    kube.delete(PODS.path(NAMESPACE, metadata["name"]), grace_seconds=0, uid=metadata["uid"])


def _at_once(work: Mapping[str, Callable[[], object]], parallel: int) -> dict[str, SeccompError]:
    """Do all of it, so many at a time; the errors by the names of the work. Raises as ``create_all``."""
    failures: dict[str, SeccompError] = {}
    pool = ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="seccomp-pods")
    try:
        pending = {pool.submit(do): name for name, do in work.items()}
        for future in as_completed(pending):
            try:
                future.result()
            except (Unauthenticated, Unreachable):
                raise
            except SeccompError as error:
                failures[pending[future]] = error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return failures


def _create(kube: Kube, manifest: Mapping[str, Any]) -> None:
    """Create one pod. A conflict is either our own pod, made by a request whose answer was lost, or the optimistic lock
    of a ResourceQuota that many creations fight for; the latter is tried again.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            kube.create(PODS.path(NAMESPACE), manifest)
            return
        except Conflict:
            if _is_there(kube, manifest):
                return
            if attempt == _ATTEMPTS:
                raise
            time.sleep(0.05 * 2**attempt)


def _is_there(kube: Kube, manifest: Mapping[str, Any]) -> bool:
    try:
        found: JsonObject = kube.get(PODS.path(NAMESPACE, manifest["metadata"]["name"]))
    except NotFound:
        return False
    theirs: Mapping[str, str] = found["metadata"].get("labels", {})
    ours: Mapping[str, str] = manifest["metadata"].get("labels", {})
    return theirs.get(SESSION_LABEL) == ours.get(SESSION_LABEL)
