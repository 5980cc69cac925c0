# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What a request and an answer are, for the modules that make answers."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """A request. ``path`` is decoded; the keys of ``query`` and ``headers`` are in lower case."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def parse(cls, method: str, target: str, headers: Mapping[str, str], body: bytes) -> "Request":
        parts = urlsplit(target)
        query = {key.lower(): values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        return cls(method, unquote(parts.path), query, {key.lower(): value for key, value in headers.items()}, body)

    def form(self) -> dict[str, str]:
        return {key: values[0] for key, values in parse_qs(self.body.decode()).items()}

    def json(self) -> Any:
        return json.loads(self.body or b"{}")

    @property
    def bearer(self) -> str:
        """The token of the Authorization header, or nothing."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" else ""


@dataclass(frozen=True)
class Response:
    """An answer. ``body`` becomes JSON; without one the answer is empty."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


def refuse(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal in the form of Azure Resource Manager."""
    return Response(status, {"error": {"code": code, "message": message}}, headers or {})


#: Answers a request, or says by None that it is somebody else's.
Service = Callable[[Request], Response | None]
