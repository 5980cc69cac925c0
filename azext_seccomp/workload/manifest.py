# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""A manifest: the objects of a file, and the copy of them that is applied for an audit."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from azext_seccomp.cluster.interface import JsonObject, Kube, Resource
from azext_seccomp.cluster.namespace import labels as session_labels
from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import Conflict, InvalidInput, NotFound
from azext_seccomp.workload.documents import read_documents
from azext_seccomp.workload.templates import PathOf, pod_template, put_profile

MAX_MANIFEST_BYTES = 1024 * 1024
MAX_OBJECTS = 500
ROLE = "workload"

_FIRST = ("Namespace", "CustomResourceDefinition", "ServiceAccount")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ManifestObject:
    """One object of a manifest and where it belongs. ``namespace`` is empty for what has none."""

    body: JsonObject
    resource: Resource
    namespace: str
    makes_pods: bool

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.body["metadata"]["name"])

    @property
    def label(self) -> str:
        """How messages call it: ``Deployment default/web``."""
        return printable(f"{self.resource.kind} {self.namespace + '/' if self.namespace else ''}{self.name}", 330)

    @property
    def path(self) -> str:
        """Its URL path."""
        return self.resource.path(self.namespace, self.name)

    @property
    def collection(self) -> str:
        """The URL path of its collection."""
        return self.resource.path(self.namespace)


def read_manifest(data: bytes, source: str) -> list[JsonObject]:
    """The objects of a manifest: of all documents, those inside a ``List`` too.

    :param source: what to call the data in messages.
    :raises InvalidInput: no YAML or JSON, past a bound, not objects of Kubernetes, or none of them makes a pod.
    """
    found: list[JsonObject] = []
    for document in read_documents(data, source):
        found += _flattened(document, source)
        if len(found) > MAX_OBJECTS:
            raise InvalidInput(f"{source} holds more than {MAX_OBJECTS} objects.", fix="Split the manifest.")
    for one in found:
        _check(one, source)
    if not any(pod_template(one) for one in found):
        raise InvalidInput(
            f"{source} holds nothing that runs containers.",
            fix="It needs a Pod, or an object with a pod template such as a Deployment or a Job.",
        )
    return found


def resolve(kube: Kube, objects: Iterable[JsonObject], default_namespace: str) -> list[ManifestObject]:
    """Where each object belongs, in the order in which they have to be created: namespaces first, then what pods need,
    then what makes pods.

    :raises NotFound: the cluster does not serve a kind.
    :raises InvalidInput: two of them are the same object.
    """
    resolved = []
    seen: set[str] = set()
    for body in objects:
        resource = kube.resource(body["apiVersion"], body["kind"])
        namespace = str(body["metadata"].get("namespace") or default_namespace) if resource.namespaced else ""
        one = ManifestObject(body, resource, namespace, pod_template(body) is not None)
        if one.path in seen:
            raise InvalidInput(f"The manifest holds {one.label} twice.", fix="Remove one of them.")
        seen.add(one.path)
        resolved.append(one)
    return sorted(resolved, key=_rank)


def require_absent(kube: Kube, objects: Iterable[ManifestObject]) -> None:
    """Make sure that none of the objects is there: what exists is never touched.

    :raises Conflict: one is; names them.
    """
    there = [one.label for one in objects if _exists(kube, one)]
    if there:
        more = f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else ""
        raise Conflict(
            "Objects of the manifest are in the cluster already, and what exists is not touched.",
            why=f"There are: {', '.join(there[:_SHOWN])}{more}.",
            fix="Give the objects in the manifest other names, leave those out that are only needed, or delete them "
            "from the cluster first.",
        )


def audited_copy(one: ManifestObject, session: str, path_of: PathOf) -> JsonObject:
    """The object as it is applied: every container of its pods under its audit profile, marked as the session's."""
    body = copy.deepcopy(one.body)
    marks = session_labels(session, ROLE)
    _mark(body["metadata"], marks)
    body["metadata"].pop("resourceVersion", None)
    body["metadata"].pop("uid", None)
    body.pop("status", None)
    template = pod_template(body)
    if template is not None:
        _mark(template.metadata, marks)
        put_profile(template.spec, path_of)
    return body


def _mark(metadata: JsonObject, marks: Mapping[str, str]) -> None:
    present = metadata.get("labels")
    metadata["labels"] = {**(present if isinstance(present, dict) else {}), **marks}


def _exists(kube: Kube, one: ManifestObject) -> bool:
    try:
        kube.get(one.path)
    except NotFound:
        return False
    return True


def _flattened(document: Any, source: str) -> Sequence[JsonObject]:
    if not isinstance(document, dict):
        raise InvalidInput(f"{source} holds a document that is not an object of Kubernetes.")
    if str(document.get("kind", "")).endswith("List") and isinstance(document.get("items"), list):
        return [inner for item in document["items"] for inner in _flattened(item, source)]
    return [document]


def _check(found: JsonObject, source: str) -> None:
    for field in ("apiVersion", "kind"):
        if not isinstance(found.get(field), str) or not found[field]:
            raise InvalidInput(f"{source} holds an object without {field}.")
    kind = printable(found["kind"], 80)
    metadata = found.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not metadata["name"]:
        raise InvalidInput(
            f"{source} holds a {kind} without a name.", fix="Set metadata.name; generateName is not taken."
        )
    if not isinstance(metadata.get("namespace") or "", str):
        raise InvalidInput(f"{source}: the namespace of {kind} {printable(metadata['name'], 80)} is not text.")


def _rank(one: ManifestObject) -> int:
    if one.resource.kind in _FIRST:
        return _FIRST.index(one.resource.kind)
    return len(_FIRST) + one.makes_pods
