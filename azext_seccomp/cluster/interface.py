# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The narrow view of a Kubernetes API that every layer above ``cluster`` works with.

``kube.OfficialClient`` fills it with the official client; tests fill it with a small class that holds dicts. Objects
are plain JSON dicts as the API server sends them: at thousands of nodes the client's model classes cost more than all
our own work.
"""

import threading
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

from azext_seccomp.errors import InvalidInput

JsonObject = dict[str, Any]


class WatchEvent(NamedTuple):
    """One change: ``type`` is ADDED, MODIFIED or DELETED."""

    type: str
    object: JsonObject


class Resource(NamedTuple):
    """Where objects of one kind live, from API discovery."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """URL path of the collection, or of one object when ``name`` is given; InvalidInput when a name would lead
        elsewhere.
        """
        root = "/api/v1" if self.api_version == "v1" else f"/apis/{self.api_version}"
        scope = f"/namespaces/{_segment(namespace)}" if self.namespaced and namespace else ""
        return f"{root}{scope}/{self.plural}" + (f"/{_segment(name)}" if name else "")


def _segment(name: str) -> str:
    # apimachinery's rule for a path segment (validation/path): neither "." nor "..", neither "/" nor "%". Names come
    # from manifests and arguments.
    if name in (".", "..") or "/" in name or "%" in name:
        raise InvalidInput(f"{name!r} is not a name that an object in a cluster can have.")
    return quote(name, safe=":")


NODES = Resource("v1", "Node", "nodes", namespaced=False)
NAMESPACES = Resource("v1", "Namespace", "namespaces", namespaced=False)
PODS = Resource("v1", "Pod", "pods", namespaced=True)
CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps", namespaced=True)


class LogStream(Protocol):
    """Lines of one container's log, as bytes without the newline. ``close`` may be called from another thread and ends
    the iteration.
    """

    def __iter__(self) -> Iterator[bytes]: ...

    def close(self) -> None: ...


class Kube(Protocol):
    """Requests to one API server. Safe to use from several threads.

    Every method raises the classes of ``azext_seccomp.errors``: Unauthenticated (401), Forbidden (403, names verb and
    resource, or carries the words of the admission policy), NotFound (404), Conflict (409), InvalidInput (400, 422),
    Unreachable (no connection), ServerFault (5xx after retries, 429 after retries).
    """

    def get(self, path: str) -> JsonObject: ...

    def list(self, path: str, *, labels: str = "", fields: str = "") -> Iterator[JsonObject]:
        """All objects of a collection, page by page (limit + continue); ``labels`` and ``fields`` are selectors."""

    def create(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> JsonObject: ...

    def patch(
        self,
        path: str,
        body: Any,
        *,
        content_type: str = "application/merge-patch+json",
        dry_run: bool = False,
        metadata_only: bool = False,
    ) -> JsonObject:
        """``metadata_only``: nothing but the metadata of the changed object is needed, so nothing else is sent back."""

    def replace(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> JsonObject: ...

    def delete(self, path: str, *, grace_seconds: int | None = None, labels: str = "", uid: str = "") -> bool:
        """Delete one object, or the collection's objects with ``labels``; False when it was not there. ``uid`` is a
        precondition.
        """

    def watch(
        self,
        path: str,
        *,
        labels: str = "",
        fields: str = "",
        stop: threading.Event,
        timeout_seconds: float | None = None,
    ) -> Iterator[WatchEvent]:
        """The present objects as ADDED, then every change, across broken connections and expired resource versions
        (410), until ``stop`` is set or ``timeout_seconds`` have passed. An object that vanished during a break is
        reported as DELETED.
        """

    def follow_log(self, namespace: str, pod: str, container: str, *, since_time: str | None = None) -> LogStream:
        """The log with RFC 3339 timestamps before each line, followed until the container ends; no resuming here."""

    def resource(self, api_version: str, kind: str) -> Resource:
        """Discovery: where objects of this kind live. NotFound when the server does not serve it."""
