# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""A client that counts what it asks of the API server, each page of a list and each connection of a watch or log."""

import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from urllib3.response import BaseHTTPResponse

from azext_seccomp.cluster.connection import connection
from azext_seccomp.cluster.credentials import parse_kubeconfig
from azext_seccomp.cluster.interface import JsonObject
from azext_seccomp.cluster.kube import OfficialClient
from azext_seccomp.cluster.request import Request, place
from azext_seccomp.cluster.target import Target


class CountingClient(OfficialClient):
    """As ``OfficialClient``; ``requests`` counts by verb and kind, such as ``("list", "pods")``.

    :param kubeconfig: of the cluster's administrator.
    """

    def __init__(self, kubeconfig: Path) -> None:
        credentials = parse_kubeconfig(kubeconfig.read_bytes())
        super().__init__(connection(credentials, Target(credentials.server)))
        self.requests: Counter[tuple[str, str]] = Counter()
        self._counting = threading.Lock()

    def get(self, path: str) -> JsonObject:
        self._count("get", path)
        return super().get(path)

    def list_page(self, path: str, labels: str, fields: str, resume: str) -> JsonObject:
        self._count("list", path)
        return super().list_page(path, labels, fields, resume)

    def create(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> JsonObject:
        self._count("create", path)
        return super().create(path, body, dry_run=dry_run)

    def patch(self, path: str, body: Any, **how: Any) -> JsonObject:
        self._count("patch", path)
        return super().patch(path, body, **how)

    def replace(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> JsonObject:
        self._count("replace", path)
        return super().replace(path, body, dry_run=dry_run)

    def delete(self, path: str, **how: Any) -> bool:
        self._count("delete", path)
        return super().delete(path, **how)

    def open_stream(self, request: Request) -> BaseHTTPResponse:
        self._count(request.verb, request.path)
        return super().open_stream(request)

    def _count(self, verb: str, path: str) -> None:
        here = place(path)
        kind = "/".join(filter(None, (here.plural, here.subresource))) if here else "discovery"
        with self._counting:
            self.requests[verb, kind] += 1
