# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""How far a workload is on its way to the template that it has, and what keeps it.

The rules of done are those of ``kubectl rollout status``, and that no pod of another template is left
(kubectl ``pkg/polymorphichelpers/rollout_status.go``).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from azext_seccomp.cluster.interface import PODS, JsonObject, Kube, Resource
from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import NotFound, SeccompError, ServerFault
from azext_seccomp.workload.change import FormerWorkload, is_switched
from azext_seccomp.workload.owner import controller
from azext_seccomp.workload.pod_status import FINISHED, phase, statuses, unscheduled, unstarted

Status = Literal["rolling", "troubled", "done", "stuck"]

_EVENTS = Resource("v1", "Event", "events", namespaced=True)
_DETAIL = 400


@dataclass(frozen=True, slots=True)
class Rollout:
    """``status``: ``rolling``; ``troubled`` (rolling, but something keeps it, which may pass); ``done``; ``stuck`` (its
    controller has given up). ``detail``: in the words of the pod, the quota or the controller.
    """

    status: Status
    detail: str = ""


def advance(kube: Kube, former: FormerWorkload, *, switched: bool) -> Rollout:
    """Look at a workload, and do what no controller does: replace the pods of a ReplicaSet, and on the way back those
    that cannot start, for which a StatefulSet or a budget would wait for ever.

    :param switched: on the way to the audit profiles; else on the way back.
    :raises NotFound: it is gone.
    :raises SeccompError: the server refuses or cannot be reached.
    """
    body = kube.get(former.path)
    if is_switched(body, former) != switched:
        return Rollout("stuck", "somebody else has changed its template")
    old: list[JsonObject] = []
    new: list[JsonObject] = []
    for pod in _pods(kube, former, body):
        (new if is_switched(_as_workload(pod), former) == switched else old).append(pod)
    if not switched and former.kind in ("StatefulSet", "ReplicaSet") and _delete_unready(kube, old):
        return Rollout("rolling")
    if former.kind == "ReplicaSet":
        return _replace_pods(kube, body, old, new)
    settled = _SETTLED.get(former.kind)
    if settled is None:
        return Rollout("stuck", "it is of a kind that no audit changes")
    if settled(body) and not old:
        return Rollout("done")
    given_up = _condition(body, "Progressing", "False")
    if given_up:
        return Rollout("stuck", given_up)
    why = _why(kube, former, body, new)
    return Rollout("troubled", why) if why else Rollout("rolling", _said(new, unscheduled))


def unrest(kind: str, body: Mapping[str, Any]) -> str:
    """Why a workload is not at rest, by its status alone: its way to another template, and back, would not end. Empty
    when it is, or is of a kind that has no rollouts.
    """
    settled = _AT_REST.get(kind)
    if settled is None or settled(body):
        return ""
    status = body.get("status") or {}
    wanted = status.get("desiredNumberScheduled") if kind == "DaemonSet" else _wanted(body)
    ready = next((status[name] for name in _READY_COUNTS if status.get(name)), 0)
    return f"it is not at rest: {ready} of {wanted or 0} of its pods are ready with the template that it has"


def _deployment_settled(body: Mapping[str, Any]) -> bool:
    status = body.get("status") or {}
    wanted = _wanted(body)
    counts = [int(status.get(name) or 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    return _observed(body) and counts == [wanted] * 3


def _stateful_set_settled(body: Mapping[str, Any]) -> bool:
    status = body.get("status") or {}
    wanted = _wanted(body)
    ready = int(status.get("readyReplicas") or 0)
    same = status.get("currentRevision") == status.get("updateRevision")
    return _observed(body) and same and ready == wanted


def _daemon_set_settled(body: Mapping[str, Any]) -> bool:
    status = body.get("status") or {}
    wanted = int(status.get("desiredNumberScheduled") or 0)
    counts = [int(status.get(name) or 0) for name in ("updatedNumberScheduled", "numberAvailable")]
    return _observed(body) and counts == [wanted] * 2


_SETTLED: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "Deployment": _deployment_settled,
    "StatefulSet": _stateful_set_settled,
    "DaemonSet": _daemon_set_settled,
}


_READY_COUNTS = ("availableReplicas", "readyReplicas", "numberAvailable")


def _replica_set_settled(body: Mapping[str, Any]) -> bool:
    return _observed(body) and int((body.get("status") or {}).get("readyReplicas") or 0) == _wanted(body)


_AT_REST = {**_SETTLED, "ReplicaSet": _replica_set_settled}


def _wanted(body: Mapping[str, Any]) -> int:
    replicas = body["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def _observed(body: Mapping[str, Any]) -> bool:
    """Whether the controller has seen the template of now."""
    seen = (body.get("status") or {}).get("observedGeneration") or 0
    return int(seen) >= int(body["metadata"].get("generation") or 0)


def _condition(body: Mapping[str, Any], kind: str, status: str) -> str:
    """The words of a condition, when it has this status and its controller has seen the template of now."""
    for one in (body.get("status") or {}).get("conditions") or ():
        if one.get("type") == kind and one.get("status") == status and _observed(body):
            return printable(f"{one.get('reason')}: {one.get('message')}", _DETAIL)
    return ""


def _pods(kube: Kube, former: FormerWorkload, body: Mapping[str, Any]) -> list[JsonObject]:
    """Its own, without those that are being deleted or have ended (an evicted one stays for days): their containers
    never start again. A selector may select pods of others too, which are none of our business.
    """
    selected = kube.list(PODS.path(former.namespace), labels=selector_of(body["spec"].get("selector") or {}))
    return [
        pod
        for pod in selected
        if _is_own(pod, former)
        and "deletionTimestamp" not in pod["metadata"]
        and phase(pod) not in FINISHED
        and isinstance(pod.get("spec"), dict)
    ]


def _is_own(pod: Mapping[str, Any], former: FormerWorkload) -> bool:
    above = controller(pod["metadata"])
    if above is None:
        return False
    kind, name, uid = above
    if former.kind != "Deployment":
        return bool(uid == former.uid)
    # The Deployment controller names ReplicaSets after the Deployment and the hash of the template (pkg/controller/
    # deployment/sync.go, getNewReplicaSet), and "web" may select the pods of "web-canary".
    revision = (pod["metadata"].get("labels") or {}).get("pod-template-hash", "")
    return (kind, name) == ("ReplicaSet", f"{former.name}-{revision}")


def selector_of(selector: Mapping[str, Any]) -> str:
    """A label selector (meta/v1) in the words of a query."""
    words = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for one in selector.get("matchExpressions") or ():
        key, values = one["key"], ",".join(one.get("values") or ())
        word = {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }
        words.append(word[one["operator"]])
    return ",".join(words)


def _as_workload(pod: JsonObject) -> JsonObject:
    """A pod as an object that has it for its template."""
    return {"spec": {"template": pod}}


def _why(kube: Kube, former: FormerWorkload, body: Mapping[str, Any], new: Sequence[JsonObject]) -> str:
    """What keeps it, as far as anything tells."""
    names = {one.name for one in former.containers}
    told = _said(new, lambda pod: unstarted(pod, names) or _crash(pod))
    return told or _condition(body, "ReplicaFailure", "True") or ("" if new else _event(kube, former))


def _said(pods: Sequence[JsonObject], of: Callable[[JsonObject], str]) -> str:
    """What there is to say of the first pod of which there is something to say."""
    for pod in pods:
        told = of(pod)
        if told:
            return printable(f"pod {pod['metadata']['name']}: {told}", _DETAIL)
    return ""


def _crash(pod: Mapping[str, Any]) -> str:
    """A container that ends as soon as it is started, the audited ones or not."""
    for one in statuses(pod):
        if ((one.get("state") or {}).get("waiting") or {}).get("reason") == "CrashLoopBackOff":
            ended = (one.get("lastState") or {}).get("terminated") or {}
            said = f": {ended['message']}" if ended.get("message") else ""
            return (
                f"container {one.get('name')}: CrashLoopBackOff, it ended with exit code {ended.get('exitCode')}{said}"
            )
    return ""


def _event(kube: Kube, former: FormerWorkload) -> str:
    """The newest warning about the workload itself: why no pod is made (quota, admission). Whoever may not read events
    does without.
    """
    found: list[tuple[str, str]] = []
    with suppress(SeccompError):
        for one in kube.list(_EVENTS.path(former.namespace), fields=f"involvedObject.uid={former.uid},type=Warning"):
            found.append((str(one.get("lastTimestamp") or ""), f"{one.get('reason')}: {one.get('message')}"))
    return printable(max(found)[1], _DETAIL) if found else ""


def _replace_pods(kube: Kube, body: Mapping[str, Any], old: Sequence[JsonObject], new: Sequence[JsonObject]) -> Rollout:
    """A ReplicaSet changes the pods that it makes, not those that it has: they go one by one, as budgets allow."""
    all_ready = all(_is_ready(pod) for pod in new)
    if not old and all_ready and len(new) == _wanted(body):
        return Rollout("done")
    if old and all_ready and len(old) + len(new) >= _wanted(body):
        refused = _evict(kube, old[0])
        return Rollout("troubled", refused) if refused else Rollout("rolling")
    stuck = _said(new, lambda pod: unstarted(pod, _names(pod)) or _crash(pod))
    return Rollout("troubled", stuck) if stuck else Rollout("rolling", _said(new, unscheduled))


def _delete_unready(kube: Kube, old: Sequence[JsonObject]) -> bool:
    """Whether there were any. Kubernetes, StatefulSet, "forced rollback": a pod that never becomes ready blocks every
    further rolling update; and a budget refuses to evict one as long as too few others are healthy.
    """
    unready = [pod["metadata"] for pod in old if not _is_ready(pod)]
    for metadata in unready:
        kube.delete(PODS.path(metadata["namespace"], metadata["name"]), uid=metadata["uid"])
    return bool(unready)


def _evict(kube: Kube, pod: JsonObject) -> str:
    """Why a pod may not be evicted now; empty when it is."""
    metadata = pod["metadata"]
    body = {
        "apiVersion": _eviction_version(kube),
        "kind": "Eviction",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
    }
    try:
        kube.create(PODS.path(metadata["namespace"], metadata["name"]) + "/eviction", body)
    except NotFound:
        return ""
    except ServerFault as error:  # 429: a PodDisruptionBudget
        return printable(f"pod {metadata['name']} cannot be evicted: {error.why or error}", _DETAIL)
    return ""


def _eviction_version(kube: Kube) -> str:
    try:
        kube.resource("policy/v1", "PodDisruptionBudget")
    except NotFound:
        return "policy/v1beta1"  # before Kubernetes 1.22
    return "policy/v1"


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def _names(pod: Mapping[str, Any]) -> set[str]:
    return {str(one.get("name")) for one in statuses(pod)}
