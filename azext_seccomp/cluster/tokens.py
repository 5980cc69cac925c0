# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Bearer tokens, renewed before they end."""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from azext_seccomp.errors import Unauthenticated

# A request may take a minute, clocks differ, and the token has to outlive both.
_REFRESH_BEFORE_SECONDS = 300
_TOKEN = re.compile(r"[\x21-\x7e]{1,65536}")


@dataclass(frozen=True)
class AccessToken:
    """A bearer token and when it ends (seconds since the epoch)."""

    value: str = field(repr=False)
    expires_on: float


class TokenSource(Protocol):
    """Where the bearer token of each request comes from. Used from several threads."""

    def token(self, *, refused: str = "") -> str:
        """A token that is valid for the next minutes. ``refused`` is one that the server did not accept: it is not
        given again unless there is no other."""


class FixedToken:
    """The token of a local account."""

    def __init__(self, value: str) -> None:
        self._value = _checked_token(value)

    def token(self, *, refused: str = "") -> str:
        """The one token."""
        return self._value


class RenewedToken:
    """An Entra token, asked for again before it ends.

    :param acquire: gets a token from az; MSAL behind it caches and renews. Its errors (not signed in, conditional
        access) pass through.
    """

    def __init__(self, acquire: Callable[[], AccessToken], clock: Callable[[], float] = time.time) -> None:
        self._acquire = acquire
        self._clock = clock
        self._lock = threading.Lock()
        self._current: AccessToken | None = None

    def token(self, *, refused: str = "") -> str:
        """The present token, or a new one when it ends within five minutes or was refused."""
        with self._lock:
            current = self._current
            if (
                current is None
                or current.value == refused
                or current.expires_on - self._clock() < _REFRESH_BEFORE_SECONDS
            ):
                fresh = self._acquire()
                current = self._current = AccessToken(_checked_token(fresh.value), fresh.expires_on)
            return current.value


def _checked_token(value: str) -> str:
    # http.client would quote a header with a line break in its error, token and all.
    if not _TOKEN.fullmatch(value):
        raise Unauthenticated("The token for the cluster is malformed.")
    return value
