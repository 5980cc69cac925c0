# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""From the bytes of a kubeconfig to a ``Connection``, in memory.

A kubeconfig can name files to read and programs to run. The ones that AKS hands out never need either, so nothing of that kind is followed.
"""

import base64
import binascii
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

import yaml

from azext_seccomp.errors import InvalidInput, Unauthenticated, Unsupported

KUBECONFIG_LIMIT = 1024 * 1024
# The application that every Entra-integrated AKS cluster accepts tokens for, in all clouds (kubelogin, docs/book/src/concepts/aks.md).
AKS_SERVER_APP = "6dae42f8-4368-4678-94ff-3960e28e3630"
# A request may take a minute, clocks differ, and the token has to outlive both.
_REFRESH_BEFORE_SECONDS = 300
_TENANT = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{0,127}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,65536}")
_FORBIDDEN_KEYS = {
    "certificate-authority": "names a file",
    "client-certificate": "names a file",
    "client-key": "names a file",
    "tokenFile": "names a file",
    "auth-provider": "uses a retired login plugin",
    "username": "uses a password",
    "password": "uses a password",
    "as": "impersonates another user",
}


@dataclass(frozen=True)
class AccessToken:
    """A bearer token and when it ends (seconds since the epoch)."""

    value: str = field(repr=False)
    expires_on: float


class TokenSource(Protocol):
    """Where the bearer token of each request comes from. Used from several threads."""

    def token(self, *, refused: str = "") -> str:
        """A token that is valid for the next minutes. ``refused`` is one that the server did not accept: it is not given again
        unless there is no other."""


class FixedToken:
    """The token of a local account."""

    def __init__(self, value: str) -> None:
        self._value = _checked_token(value)

    def token(self, *, refused: str = "") -> str:
        """The one token."""
        return self._value


class RenewedToken:
    """An Entra token, asked for again before it ends.

    :param acquire: gets a token from az; MSAL behind it caches and renews. Its errors (not signed in, conditional access) pass through.
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


@dataclass(frozen=True)
class EntraLogin:
    """What a kubeconfig says about its Entra login: whose token to ask for, in which tenant ("" when it does not say)."""

    server_app: str
    tenant: str


@dataclass(frozen=True)
class Credentials:
    """What a kubeconfig holds for its current context. Certificates are PEM; ``repr`` shows no secret.

    :param entra: the login to do by az instead of the program that the kubeconfig names.
    """

    server: str
    authority: bytes = field(repr=False)
    tls_server_name: str = ""
    proxy_url: str = field(default="", repr=False)
    client_certificate: bytes = field(default=b"", repr=False)
    client_key: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)
    entra: EntraLogin | None = None


def parse_kubeconfig(content: bytes) -> Credentials:
    """Read the current context of a kubeconfig.

    Raises InvalidInput when it is malformed, uses anything but https, or switches certificate checks off; Unsupported for ways to sign in that would
    need a file or a program of this machine. Messages never quote values.
    """
    if len(content) > KUBECONFIG_LIMIT:
        raise _bad("is larger than 1 MiB")
    try:
        config = yaml.safe_load(content)
    except (yaml.YAMLError, RecursionError, ValueError):
        raise _bad("is not YAML") from None
    if not isinstance(config, dict):
        raise _bad("is not a mapping")
    context = _named(config, "contexts", _text(config, "current-context"), "context")
    cluster = _named(config, "clusters", _text(context, "cluster"), "cluster")
    user = _named(config, "users", _text(context, "user"), "user")
    return _credentials(cluster, user)


def _credentials(cluster: dict[str, Any], user: dict[str, Any]) -> Credentials:
    for key, does in _FORBIDDEN_KEYS.items():
        if cluster.get(key) or user.get(key):
            raise Unsupported(f"The cluster's kubeconfig {does} ({key}), which this extension does not follow.")
    if cluster.get("insecure-skip-tls-verify"):
        raise _bad("switches certificate checks off")
    certificate, key = _pem(user, "client-certificate-data"), _pem(user, "client-key-data")
    if bool(certificate) != bool(key):
        raise _bad("has a client certificate without its key, or a key without its certificate")
    authority = _pem(cluster, "certificate-authority-data")
    if not authority:
        raise _bad("has no certificate authority")
    login = _entra_login(user["exec"]) if user.get("exec") else None
    return Credentials(
        server=_https(_text(cluster, "server")),
        authority=authority,
        tls_server_name=_text(cluster, "tls-server-name", optional=True),
        proxy_url=_proxy(_text(cluster, "proxy-url", optional=True)),
        client_certificate=certificate,
        client_key=key,
        token=_text(user, "token", optional=True),
        entra=login,
    )


def _entra_login(execute: Any) -> EntraLogin:
    command = _text(execute, "command") if isinstance(execute, dict) else ""
    arguments = execute.get("args") if isinstance(execute, dict) else None
    if not re.fullmatch(r"(.*[/\\])?kubelogin(\.exe)?", command) or not _all_text(arguments):
        raise Unsupported(
            "The cluster's kubeconfig signs in by a program other than kubelogin, which this extension does not run.",
            fix="Use the local admin account with --admin, if the cluster has one.",
        )
    server_app = _option(arguments, "--server-id")
    if server_app != AKS_SERVER_APP:
        # The token goes to whatever server the kubeconfig names: never ask for one that opens anything but an AKS API server.
        raise Unsupported(
            "The cluster's kubeconfig asks for a token of an application other than the AKS server application.",
            why="Clusters with the retired (legacy) Entra integration do so.",
            fix="Move the cluster to AKS-managed Entra integration, or use --admin.",
        )
    tenant = _option(arguments, "--tenant-id")
    if tenant and not _TENANT.fullmatch(tenant):
        raise _bad("has a malformed tenant")
    return EntraLogin(server_app, tenant)


def _option(arguments: Sequence[str], name: str) -> str:
    for position, argument in enumerate(arguments):
        if argument == name:
            return arguments[position + 1] if position + 1 < len(arguments) else ""
        if argument.startswith(name + "="):
            return argument.removeprefix(name + "=")
    return ""


def _all_text(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _named(config: dict[str, Any], section: str, name: str, key: str) -> dict[str, Any]:
    entries = config.get(section)
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("name") == name and isinstance(entry.get(key), dict):
            found: dict[str, Any] = entry[key]
            return found
    raise _bad(f"has no {key} for its current context")


def _text(mapping: dict[str, Any], key: str, *, optional: bool = False) -> str:
    value = mapping.get(key)
    if value is None and optional:
        return ""
    if not isinstance(value, str) or (not value and not optional):
        raise _bad(f"lacks a text for {key}")
    return value


def _pem(mapping: dict[str, Any], key: str) -> bytes:
    try:
        return base64.b64decode(_text(mapping, key, optional=True), validate=True)
    except (binascii.Error, ValueError):
        raise _bad(f"has no valid base64 in {key}") from None


def _https(server: str) -> str:
    parts = _split(server)
    if (
        parts is None
        or parts.scheme != "https"
        or not parts.hostname
        or parts.username
        or parts.query
        or parts.fragment
    ):
        raise _bad("names a server that is no plain https address")
    return server.rstrip("/")


def _proxy(proxy: str) -> str:
    parts = _split(proxy)
    if proxy and (parts is None or parts.scheme not in ("http", "https") or not parts.hostname):
        raise Unsupported("The cluster's kubeconfig names a proxy that is neither http nor https.")
    return proxy


def _split(url: str) -> Any:
    try:
        parts = urlsplit(url)
        return parts if parts.port != 0 and url.isprintable() and " " not in url else None
    except ValueError:
        return None


def _bad(why: str) -> InvalidInput:
    return InvalidInput(f"The cluster's kubeconfig {why}.")
