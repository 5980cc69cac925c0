# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The workloads of a cluster that a user means, each with what stands in the way of auditing it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from azext_seccomp.cluster.interface import NAMESPACES, JsonObject, Kube, Resource
from azext_seccomp.cluster.namespace import NAMESPACE
from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import Forbidden, NotFound
from azext_seccomp.workload.effective import container_profiles
from azext_seccomp.workload.kinds import KINDS, LONG_RUNNING, Treatment, WorkloadKind
from azext_seccomp.workload.pod_status import FINISHED
from azext_seccomp.workload.reference import Reference
from azext_seccomp.workload.templates import pod_template

# Those of Kubernetes and of AKS' own add-ons, which AKS puts back when they are changed, and Inspektor Gadget's.
SYSTEM_NAMESPACES = frozenset(
    {
        "kube-system",
        "kube-public",
        "kube-node-lease",
        "aks-command",
        "aks-istio-egress",
        "aks-istio-ingress",
        "aks-istio-system",
        "app-routing-system",
        "azure-arc",
        "calico-system",
        "gadget",
        "gatekeeper-system",
        "tigera-operator",
    }
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A workload that may be audited.

    :param body: as the API server sent it.
    :param treatment: see ``kinds.WorkloadKind``.
    :param obstacle: why it cannot be audited; empty when it can.
    """

    resource: Resource
    body: JsonObject
    treatment: Treatment
    obstacle: str

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return str(self.body["metadata"]["namespace"])

    @property
    def kind(self) -> str:
        """As the API calls it."""
        return self.resource.kind

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.body["metadata"]["name"])

    @property
    def label(self) -> str:
        """How messages call it: ``Deployment default/web``."""
        return printable(f"{self.kind} {self.namespace}/{self.name}", 330)

    @property
    def path(self) -> str:
        """Its URL path."""
        return self.resource.path(self.namespace, self.name)


def find(
    kube: Kube, references: Iterable[Reference], *, namespace: str, labels: str, include_system: bool
) -> list[Candidate]:
    """What the references mean, sorted, nothing twice.

    :param namespace: where to look; everywhere when empty, for references without a name only.
    :param labels: a label selector, for references without a name.
    :param include_system: workloads of the system's namespaces are no matter.
    :raises NotFound: one that was named is not there, or there is none at all.
    """
    found: dict[tuple[str, str, str], Candidate] = {}
    asked = [Reference(kind, "") if not one.kind else one for one in references for kind in _kinds(one)]
    for reference in asked:
        for one in _candidates(kube, reference, namespace, labels, include_system=include_system):
            found.setdefault((one.namespace, one.kind, one.name), one)
    if not found:
        where = f"in namespace {printable(namespace, 64)}" if namespace else "in any namespace"
        selected = f" with labels {printable(labels, 200)}" if labels else ""
        raise NotFound(
            f"There is no such workload {where}{selected}.",
            fix="Check --namespace, --selector and --workload; --include-system takes those of the system, too.",
        )
    return [found[key] for key in sorted(found)]


def _kinds(one: Reference) -> Sequence[str]:
    return (one.kind,) if one.kind else LONG_RUNNING


def _candidates(
    kube: Kube, reference: Reference, namespace: str, labels: str, *, include_system: bool
) -> Iterator[Candidate]:
    kind = KINDS[reference.kind]
    resource = _served(kube, kind)
    if reference.name:
        found = _get(kube, resource, namespace, reference)
        yield Candidate(resource, found, kind.treatment, _obstacle(found, resource.kind, include_system=include_system))
        return
    for one in kube.list(resource.path(namespace or None), labels=labels):
        if _controller(one["metadata"]) and reference.kind in ("ReplicaSet", "Job", "Pod"):
            continue  # parts of what is named otherwise
        if not include_system and _is_system(str(one["metadata"]["namespace"])):
            continue
        # Objects in a list come without these two.
        whole: JsonObject = {"apiVersion": resource.api_version, "kind": resource.kind, **one}
        obstacle = _obstacle(whole, resource.kind, include_system=include_system) or _asleep(whole)
        yield Candidate(resource, whole, kind.treatment, obstacle)


def _served(kube: Kube, kind: WorkloadKind) -> Resource:
    """In the first of its versions that the server knows."""
    *newer, oldest = kind.api_versions
    for version in newer:
        with suppress(NotFound):
            return kube.resource(version, kind.kind)
    return kube.resource(oldest, kind.kind)


def _get(kube: Kube, resource: Resource, namespace: str, reference: Reference) -> JsonObject:
    try:
        return kube.get(resource.path(namespace, reference.name))
    except NotFound as error:
        where = printable(namespace, 64)
        if not _is_there(kube, namespace):
            raise NotFound(f"There is no namespace {where}.", fix="Check --namespace.") from None
        raise NotFound(
            f"There is no {reference.kind} {printable(reference.name, 253)} in namespace {where}.",
            why=error.why,
            fix="Check the name and --namespace.",
        ) from None


def _is_there(kube: Kube, namespace: str) -> bool:
    """Whoever may not look is not told that it is not."""
    try:
        kube.get(NAMESPACES.path(name=namespace))
    except NotFound:
        return False
    except Forbidden:
        return True
    return True


def _is_system(namespace: str) -> bool:
    return namespace in SYSTEM_NAMESPACES or namespace == NAMESPACE


def _obstacle(body: JsonObject, kind: str, *, include_system: bool) -> str:
    """Why nothing of a workload can be audited."""
    metadata = body["metadata"]
    owner = _controller(metadata)
    if str(metadata["namespace"]) == NAMESPACE:
        return "it is of this extension itself"
    if not include_system and _is_system(str(metadata["namespace"])):
        return "it is in a namespace of the system; --include-system takes it"
    if "deletionTimestamp" in metadata:
        return "it is being deleted"
    if owner and kind in ("ReplicaSet", "Job", "Pod"):
        return f"{owner} owns it: name that"
    if kind == "Pod" and "kubernetes.io/config.mirror" in (metadata.get("annotations") or {}):
        return "it is a static pod of its node"
    return _obstacle_of_spec(body.get("spec") or {}) or _obstacle_of_template(body)


def _asleep(body: JsonObject) -> str:
    """Why a copy would run what somebody meant not to run, or not again; naming it is asking for it."""
    status = body.get("status") or {}
    if (body.get("spec") or {}).get("suspend"):
        return "it is suspended; name it to run a copy nevertheless"
    conditions = status.get("conditions") or ()
    ended = any(one.get("type") in ("Complete", "Failed") and one.get("status") == "True" for one in conditions)
    if ended or status.get("phase") in FINISHED:
        return "it has ended; name it to run a copy nevertheless"
    return ""


def _obstacle_of_spec(spec: Mapping[str, Any]) -> str:
    """Why a change of the template would not replace the pods."""
    strategy = spec.get("updateStrategy") or {}
    if spec.get("paused"):
        return "its rollouts are paused"
    if strategy.get("type") == "OnDelete":
        return "its update strategy is OnDelete, so a change does not reach its pods"
    if (strategy.get("rollingUpdate") or {}).get("partition"):
        return "its update strategy leaves the pods below a partition as they are"
    if spec.get("replicas") == 0:
        return "it is scaled to zero"
    return ""


def _obstacle_of_template(body: JsonObject) -> str:
    template = pod_template(body)
    if template is None:
        return "it has no pod template"
    bound = template.spec.get("nodeSelector") or {}
    if bound.get("kubernetes.io/os") == "windows":
        return "it runs on Windows, which has no seccomp"
    if bound.get("type") == "virtual-kubelet":
        return "it runs on a virtual node"
    hindered = [one.obstacle for one in container_profiles(template.spec)]
    return hindered[0] if hindered and all(hindered) else ""


def _controller(metadata: Mapping[str, Any]) -> str:
    """``Deployment/web``; empty when nothing owns it."""
    for one in metadata.get("ownerReferences") or ():
        if one.get("controller"):
            return printable(f"{one.get('kind')}/{one.get('name')}", 330)
    return ""
