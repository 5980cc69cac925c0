# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What is asked of an API server: one value that the client sends, retries and, when it fails, speaks of."""

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from azext_seccomp.cluster.transport import Hangup

CONNECT_SECONDS = 10.0
# An admission webhook may take 30 s (its upper limit, admissionregistration v1), and a mutating one may come before it.
READ_SECONDS = 75.0

_JSON = "application/json, */*"
# Kubernetes API concepts, "Metadata-only fetches"
_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

_PATH = re.compile(
    r"/(?:api/v1|apis/(?P<group>[^/]+)/[^/]+)"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/[^/]))?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<subresource>.+))?"
)
_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Place(NamedTuple):
    """What a URL path names."""

    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    def __str__(self) -> str:
        kind = f"{self.plural}/{self.subresource}" if self.subresource else self.plural
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{kind} {self.name}{where}" if self.name else f"{kind}{where}"


def place(path: str) -> Place | None:
    """What ``path`` names, or None for paths that hold no objects (``/version``, ``/apis/apps/v1``)."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    return Place(match["plural"], match["namespace"] or "", match["name"] or "", match["subresource"] or "")


@dataclass(frozen=True)
class Request:
    """One request.

    :param path: URL path below the server, without the query.
    :param body: JSON value to send, or None.
    :param metadata_only: of the object that is answered, leave out all but the metadata.
    :param read_seconds: the longest silence of the server; None waits for ever (streams, which keep-alive probes watch
        over).
    :param repeatable: the request may be sent again though the first attempt may have been carried out.
    :param hangup: set for streams: breaks the request from another thread; the answer's body is then left unread.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Any = None
    content_type: str = "application/json"
    read_seconds: float | None = READ_SECONDS
    repeatable: bool = True
    hangup: Hangup | None = None
    metadata_only: bool = False

    @property
    def accept(self) -> str:
        """The header Accept. What cannot be answered as metadata alone, a failure, comes as it always does."""
        return f"{_METADATA_ONLY}, {_JSON}" if self.metadata_only else _JSON

    @property
    def verb(self) -> str:
        """The verb of RBAC for this request."""
        here = place(self.path)
        if self.method == "GET" and ("watch", "true") in self.query:
            return "watch"
        if here and not here.name:
            return {"GET": "list", "DELETE": "deletecollection"}.get(self.method, _VERBS[self.method])
        return _VERBS[self.method]

    def __str__(self) -> str:
        return f"{self.verb} {place(self.path) or self.path}"
