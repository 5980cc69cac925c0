# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Access tokens: signed here, checked here and by the token webhook of the real API server."""

import base64
import binascii
import hashlib
import hmac
import json
import os
import time
from pathlib import Path
from typing import Any

from .identities import TENANT, Account

LIFETIME_SECONDS = 3600


class Issuer:
    """Signs tokens and knows its own again.

    :param key: at least 32 bytes.
    :param name: the ``iss`` claim.
    """

    def __init__(self, key: bytes, name: str = f"https://sts.windows.net/{TENANT}/") -> None:
        self._key = key
        self._name = name

    @classmethod
    def of_file(cls, file: Path) -> "Issuer":
        """The issuer whose key is in ``file``, which is made when absent: every process that uses it knows the tokens
        of the others.
        """
        try:
            with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as new:
                new.write(os.urandom(32))
        except FileExistsError:
            pass
        return cls(file.read_bytes())

    def issue(self, audience: str, account: Account, *, expires_in: int = LIFETIME_SECONDS) -> str:
        """A token in the form of Entra's access tokens for an application (claims of version 1.0).

        :param expires_in: in seconds; below zero for a token that was good once.
        """
        now = int(time.time())
        claims = {
            "aud": audience,
            "iss": self._name,
            "iat": now,
            "nbf": now - 300,
            "exp": now + expires_in,
            "tid": TENANT,
            "oid": account.object_id,
            "sub": account.object_id,
            "appid": account.name,
            "idtyp": "app",
            "groups": list(account.groups),
            "ver": "1.0",
        }
        content = ".".join(_encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
        return f"{content}.{_encode(self._sign(content))}"

    def read(self, token: str) -> dict[str, Any] | None:
        """The claims of a token of this issuer that is good now."""
        content, _, signature = token.rpartition(".")
        try:
            if not hmac.compare_digest(_decode(signature), self._sign(content)):
                return None
            claims: dict[str, Any] = json.loads(_decode(content.partition(".")[2]))
        except (binascii.Error, ValueError):
            return None
        return claims if claims["iss"] == self._name and claims["exp"] > time.time() else None

    def _sign(self, content: str) -> bytes:
        return hmac.digest(self._key, content.encode(), hashlib.sha256)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
