# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""From the bytes of a kubeconfig to a ``Connection``, in memory.

A kubeconfig can name files to read and programs to run. The ones that AKS hands out never need either, so nothing of
that kind is followed.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Any, TypeGuard
from urllib.parse import urlsplit

import yaml

from azext_seccomp.errors import InvalidInput, Unsupported

KUBECONFIG_LIMIT = 1024 * 1024
# The application that every Entra-integrated AKS cluster accepts tokens for, in all clouds (kubelogin,
# docs/book/src/concepts/aks.md).
AKS_SERVER_APP = "6dae42f8-4368-4678-94ff-3960e28e3630"
_TENANT = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{0,127}")
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
class EntraLogin:
    """What a kubeconfig says about its Entra login: whose token to ask for, in which tenant ("" when it does not
    say).
    """

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

    Raises InvalidInput when it is malformed, uses anything but https, or switches certificate checks off; Unsupported
    for ways to sign in that would need a file or a program of this machine. Messages never quote values.
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
    for forbidden, does in _FORBIDDEN_KEYS.items():
        if cluster.get(forbidden) or user.get(forbidden):
            raise Unsupported(f"The cluster's kubeconfig {does} ({forbidden}), which this extension does not follow.")
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
        # The token goes to whatever server the kubeconfig names: never ask for one that opens anything but an AKS API
        # server.
        raise Unsupported(
            "The cluster's kubeconfig asks for a token of an application other than the AKS server application.",
            why="Clusters with the retired (legacy) Entra integration do so.",
            fix="Move the cluster to AKS-managed Entra integration, or use --admin.",
        )
    tenant = _option(arguments, "--tenant-id")
    if tenant and not _TENANT.fullmatch(tenant):
        raise _bad("has a malformed tenant")
    return EntraLogin(server_app, tenant)


def _option(arguments: list[str], name: str) -> str:
    for position, argument in enumerate(arguments):
        if argument == name:
            return arguments[position + 1] if position + 1 < len(arguments) else ""
        if argument.startswith(name + "="):
            return argument.removeprefix(name + "=")
    return ""


def _all_text(value: Any) -> TypeGuard[list[str]]:
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
