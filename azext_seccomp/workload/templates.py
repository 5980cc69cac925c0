# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Pod templates inside objects, whatever their kind, and the seccomp profile of each container in them.

A container's own ``seccompProfile`` beats the pod's (kubelet, ``pkg/kubelet/kuberuntime/helpers.go``:
``getSeccompProfile``), so a profile that has to hold is put on containers, not on the pod.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from azext_seccomp.cluster.interface import JsonObject

CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")

# Where kinds keep the pods that they make: workloads (custom ones too, such as Argo's Rollout), CronJob, PodTemplate.
_TEMPLATES = (("spec", "template"), ("spec", "jobTemplate", "spec", "template"), ("template",))


PathOf = Callable[[Mapping[str, Any]], str]
"""The ``localhostProfile`` that a container is to have: a path below the kubelet's seccomp directory."""


class PodTemplate(NamedTuple):
    """``metadata`` and ``spec`` of the pods of an object; parts of it, not copies."""

    metadata: JsonObject
    spec: JsonObject


def pod_template(found: JsonObject) -> PodTemplate | None:
    """The template of an object (a Pod is its own); None when it makes no pods."""
    if found.get("kind") == "Pod" and found.get("apiVersion") == "v1":
        return _template(found)
    for path in _TEMPLATES:
        inner: Any = found
        for part in path:
            inner = inner.get(part) if isinstance(inner, dict) else None
        template = _template(inner)
        if template is not None:
            return template
    return None


def containers_of(spec: Mapping[str, Any]) -> Iterator[JsonObject]:
    """Every container of a pod's spec: init, usual, ephemeral."""
    for kind in CONTAINER_LISTS:
        found = spec.get(kind)
        for container in found if isinstance(found, list) else ():
            if isinstance(container, dict):
                yield container


def containers_in(found: JsonObject) -> Iterator[JsonObject]:
    """Every container of the pods that an object makes; none when it makes no pods."""
    template = pod_template(found)
    if template is not None:
        yield from containers_of(template.spec)


def put_profile(spec: JsonObject, path_of: PathOf) -> None:
    """Make every container of the spec run under a file of the node; what it had before is gone."""
    for container in containers_of(spec):
        context = container.get("securityContext")
        profile = {"type": "Localhost", "localhostProfile": path_of(container)}
        container["securityContext"] = {**(context if isinstance(context, dict) else {}), "seccompProfile": profile}


def _template(found: Any) -> PodTemplate | None:
    if not isinstance(found, dict):
        return None
    spec = found.get("spec")
    if not isinstance(spec, dict) or not isinstance(spec.get("containers"), list):
        return None
    metadata = found.get("metadata")
    if not isinstance(metadata, dict):
        metadata = found["metadata"] = {}
    return PodTemplate(metadata, spec)
