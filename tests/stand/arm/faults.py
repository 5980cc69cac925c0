# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Failures to order, and the log of what was asked."""

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from .http import Request, Response, refuse


@dataclass(frozen=True)
class Fault:
    """The next requests that fit are answered with an error.

    :param path: regular expression, searched in the path without regard to case.
    :param status: HTTP status; 0 only delays the request.
    :param times: how many requests it is good for.
    :param method: only these requests; empty for all.
    :param headers: such as ``Retry-After``.
    :param delay: seconds to wait before the answer.
    """

    path: str
    status: int = 500
    times: int = 1
    code: str = "InternalServerError"
    message: str = "Injected by the test."
    method: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0


class Faults:
    """The faults that are still to happen. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: list[tuple[Fault, int]] = []

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._left.append((fault, fault.times))

    def clear(self) -> None:
        with self._lock:
            self._left.clear()

    def answer(self, request: Request) -> Response | None:
        """The error for this request, if one is due."""
        fault = self._take(request)
        if fault is None:
            return None
        time.sleep(fault.delay)
        return refuse(fault.status, fault.code, fault.message, fault.headers) if fault.status else None

    def _take(self, request: Request) -> Fault | None:
        with self._lock:
            for position, (fault, left) in enumerate(self._left):
                fits = fault.method in ("", request.method) and re.search(fault.path, request.path, re.IGNORECASE)
                if fits and left:
                    self._left[position] = (fault, left - 1)
                    return fault
        return None


@dataclass(frozen=True)
class Asked:
    """A request that was answered; without its headers and body, which hold secrets."""

    method: str
    path: str
    status: int
    user_agent: str
    command: str
