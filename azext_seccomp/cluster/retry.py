# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""When a request is sent again, and after how long."""

import random
import time
from collections.abc import Mapping

from azext_seccomp.cluster.request import Request

ATTEMPTS = 5
_FIRST_DELAY = 0.25
_LONGEST_DELAY = 30.0
# Statuses of an overloaded or restarting API server, or of the load balancer before it.
_PASSING = frozenset({500, 502, 503, 504})


def delay_before(attempt: int, asked_for: float | None = None) -> float:
    """Seconds to wait before attempt number ``attempt`` (1 is the first repetition).

    ``asked_for`` is the server's Retry-After; it is kept to, up to 30 s. Jitter keeps many nodes' requests from coming
    back together.
    """
    wait = asked_for if asked_for is not None else _FIRST_DELAY * 2 ** (attempt - 1)
    return min(wait, _LONGEST_DELAY) * random.uniform(1.0, 1.25)


def retry_after(headers: Mapping[str, str] | None) -> float | None:
    """Seconds of a Retry-After header. The API server sends whole seconds, never a date (apimachinery,
    ``errors.SuggestsClientDelay``).
    """
    value = (headers or {}).get("Retry-After", "")
    return float(value) if value.isascii() and value.isdigit() and len(value) < 6 else None


def status_passes(status: int, headers: Mapping[str, str] | None, request: Request) -> bool:
    """Whether an answer to ``request`` with ``status`` may be different soon.

    429, and 5xx with Retry-After, come from before the request was carried out: anything may be sent again, as
    client-go does (``rest/with_retry.go``). Other 5xx only when the request is ``repeatable``. To an eviction 429 is
    the word of a disruption budget (Kubernetes ``pkg/registry/core/pod/storage/eviction.go``), which stands until
    other pods are ready: whoever evicts comes again later.
    """
    if status == 429:
        return not request.path.endswith("/eviction")
    if status in _PASSING:
        return request.repeatable or retry_after(headers) is not None
    return False


class Patience:
    """How long a stream goes on trying to reach a server that does not answer.

    :param seconds: from the last time the server answered.
    """

    def __init__(self, seconds: float = 180.0) -> None:
        self._seconds = seconds
        self._failures = 0
        self._since = time.monotonic()

    def answered(self) -> None:
        """The server answered: start afresh."""
        self._failures = 0
        self._since = time.monotonic()

    def next_delay(self) -> float | None:
        """Seconds to wait after one more failure; None when patience is at its end."""
        self._failures += 1
        if time.monotonic() - self._since > self._seconds:
            return None
        return delay_before(min(self._failures, 7))
