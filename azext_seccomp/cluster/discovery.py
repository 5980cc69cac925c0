# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Where the objects of a kind live, asked from the API server's discovery documents."""

import re
import threading
from collections.abc import Callable

from azext_seccomp.cluster.interface import JsonObject, Resource
from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import InvalidInput, NotFound

# Group and version end up in a URL path, and they may come from a user's manifest.
_API_VERSION = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?/)?v[a-z0-9]{1,62}")
_PLURAL = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")


class Discovery:
    """Resources by apiVersion and kind. Each group version is asked for once.

    :param get: reads the JSON document at a path; raises NotFound when there is none.
    """

    def __init__(self, get: Callable[[str], JsonObject]) -> None:
        self._get = get
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, Resource]] = {}

    def resource(self, api_version: str, kind: str) -> Resource:
        """Raises InvalidInput for a malformed ``api_version``, NotFound when the server does not serve the kind."""
        if not _API_VERSION.fullmatch(api_version):
            raise InvalidInput(f"{printable(api_version, 80)!r} is not an apiVersion.")
        with self._lock:
            if api_version not in self._known:
                self._known[api_version] = self._read(api_version)
            found = self._known[api_version].get(kind)
        if found is None:
            raise NotFound(
                f"The cluster does not serve {printable(kind, 80)} in {api_version}.", fix="See: kubectl api-resources"
            )
        return found

    def _read(self, api_version: str) -> dict[str, Resource]:
        path = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
        try:
            document = self._get(path)
        except NotFound:
            raise NotFound(f"The cluster does not serve {api_version}.", fix="See: kubectl api-versions") from None
        listed = document.get("resources")
        found: dict[str, Resource] = {}
        for entry in listed if isinstance(listed, list) else []:
            resource = _resource(api_version, entry)
            if resource is not None:
                found.setdefault(resource.kind, resource)
        return found


def _resource(api_version: str, entry: object) -> Resource | None:
    if not isinstance(entry, dict):
        return None
    plural, kind = entry.get("name"), entry.get("kind")
    # "pods/log" and the like are subresources; their kind is another resource's.
    if not isinstance(plural, str) or not isinstance(kind, str) or not _PLURAL.fullmatch(plural):
        return None
    return Resource(api_version, kind, plural, namespaced=entry.get("namespaced") is True)
