# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What an API server, or the way to it, answered → the error of ``azext_seccomp.errors`` that tells an operator.

The body of an answer is shown only when it is a Kubernetes ``Status``: anything else may hold secrets, or come from a proxy in between.
Headers, tokens and proxy logins are never shown.
"""

import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import urllib3.exceptions as transport

from azext_seccomp.cluster import refusals
from azext_seccomp.cluster.request import CONNECT_SECONDS, Request
from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    SeccompError,
    ServerFault,
    Unauthenticated,
    Unreachable,
)

_STATUS_LIMIT = 1024 * 1024
_MESSAGE_LIMIT = 1024


class Expired(ServerFault):
    """410: the resource version or the continue token is too old. ``resume`` continues a list from the present state, when given."""

    def __init__(self, what: str, *, why: str = "", resume: str = "") -> None:
        super().__init__(what, why=why)
        self.resume = resume


@dataclass(frozen=True)
class Target:
    """The API server that errors speak of, with what ARM tells about the way to it.

    :param entra: the caller is identified by an Entra token.
    :param address_ranges: the server admits connections from listed addresses only.
    """

    server: str
    cluster: str = ""
    resource_group: str = ""
    private: bool = False
    run_command: bool = True
    address_ranges: bool = False
    entra: bool = False

    @property
    def host(self) -> str:
        """Host name of the server."""
        return urlsplit(self.server).hostname or self.server

    @property
    def is_private(self) -> bool:
        """Whether only machines in (or connected to) the cluster's network reach the server."""
        return self.private or ".privatelink." in self.host

    def __str__(self) -> str:
        return f"The API server of cluster {self.cluster}" if self.cluster else f"The API server {self.host}"

    def az(self, words: str) -> str:
        """An az command about this cluster."""
        return f"az aks {words} -g {self.resource_group} -n {self.cluster}"


class Status(NamedTuple):
    """The parts of a ``Status`` object (meta/v1) that tell what went wrong; empty when the body is none."""

    message: str = ""
    reason: str = ""
    resume: str = ""
    genuine: bool = False


def read_status(body: bytes | None) -> Status:
    """The ``Status`` in ``body``."""
    if not body or len(body) > _STATUS_LIMIT:
        return Status()
    try:
        decoded: Any = json.loads(body)
    except (ValueError, RecursionError):
        return Status()
    if not isinstance(decoded, dict) or decoded.get("kind") != "Status":
        return Status()
    metadata = decoded.get("metadata")
    resume = metadata.get("continue") if isinstance(metadata, dict) else ""
    return Status(
        message=printable(str(decoded.get("message") or ""), _MESSAGE_LIMIT),
        reason=printable(str(decoded.get("reason") or ""), 64),
        resume=resume if isinstance(resume, str) else "",
        genuine=True,
    )


def from_answer(asked: Request, target: Target, status: int, body: bytes | None) -> SeccompError:
    """The error for an answer with HTTP ``status`` to ``asked``."""
    said = read_status(body)
    if status == 401:
        return _unauthenticated(target)
    refusal = refusals.by_policy(asked, said.message) if 400 <= status < 500 else None
    if refusal is not None:
        return refusal
    if not said.genuine:
        return _not_kubernetes(asked, target, status)
    if status == 403:
        return refusals.by_authorization(asked, said.message)
    if status == 410:
        return Expired(f"{target} no longer holds the state to {asked} from.", why=said.message, resume=said.resume)
    if status == 404:
        return NotFound(f"Cannot {asked}: not found.", why=said.message)
    if status == 409:
        return Conflict(f"Cannot {asked}.", why=said.message)
    if 400 <= status < 500 and status != 429:
        return InvalidInput(f"{target} does not accept the request to {asked}.", why=said.message)
    return _fault(asked, target, status, said.message)


def _unauthenticated(target: Target) -> Unauthenticated:
    if target.entra:
        fix = "Check the account with 'az account show' and sign in again with 'az login'; the account has to be in the cluster's tenant."
    else:
        fix = "The cluster's certificates may have been rotated just now: run the command again."
    return Unauthenticated(f"{target} does not accept the credentials (401).", fix=fix)


def _not_kubernetes(asked: Request, target: Target, status: int) -> SeccompError:
    what = f"Cannot {asked}: {target.host} answered with HTTP {status}."
    if status == 404:
        return NotFound(what, why="The answer is not one of a Kubernetes API server.")
    if status == 429 or status >= 500:
        return _fault(asked, target, status, "")
    return Unreachable(
        what,
        why="The answer is not one of a Kubernetes API server: a proxy or firewall may stand in between.",
        fix=f"Let {target.host} pass, or take it out of the proxy with the NO_PROXY environment variable.",
    )


def _fault(asked: Request, target: Target, status: int, message: str) -> ServerFault:
    hook = refusals.broken_webhook(message)
    if hook:
        return ServerFault(
            f"Cannot {asked}: the admission webhook {hook} does not answer.",
            why=message,
            fix="Repair the policy add-on that runs this webhook, or exempt the namespace aks-seccomp from it.",
        )
    if status == 429:
        return ServerFault(f"{target} is overloaded (429).", why=message, fix="Try again later.")
    return ServerFault(
        f"{target} failed to {asked} (HTTP {status}).",
        why=message,
        fix="Try again; see 'az aks show' for the cluster's state.",
    )


def from_transport(asked: Request, target: Target, error: BaseException) -> Unreachable:
    """The error for a request that got no answer: ``error`` is urllib3's, or the official client's around it."""
    causes = list(_chain(error))
    proxy = _first(causes, transport.ProxyError)
    if proxy is not None:
        return Unreachable(
            f"Cannot reach {target.host} through the proxy.",
            why=printable(str(_innermost(proxy)), 256),
            fix="Check HTTPS_PROXY, or add the host to NO_PROXY.",
        )
    if _first(causes, socket.gaierror) is not None:
        return _no_address(target)
    if _first(causes, transport.ConnectTimeoutError) is not None:
        return _no_answer(target, f"does not answer within {CONNECT_SECONDS:.0f} seconds")
    if _first(causes, ConnectionRefusedError) is not None:
        return _no_answer(target, "refuses connections")
    untrusted = _first(causes, ssl.SSLCertVerificationError)
    if untrusted is not None:
        return Unreachable(
            f"{target} shows a certificate that the cluster's own authority did not issue.",
            why=printable(getattr(untrusted, "verify_message", ""), 256),
            fix=f"A proxy may inspect the traffic: add {target.host} to NO_PROXY. After 'az aks rotate-certs' run the command again.",
        )
    if (tls := _first(causes, ssl.SSLError)) is not None:
        return Unreachable(
            f"No TLS connection to {target.host}.", why=printable(str(getattr(tls, "reason", "") or "TLS failure"), 256)
        )
    if _first(causes, transport.NewConnectionError) is not None:
        return _no_answer(target, "cannot be reached")
    return _broken(asked, target, causes)


def never_sent(error: BaseException) -> bool:
    """True when ``error`` happened before anything of the request was sent."""
    before = (transport.NewConnectionError, transport.ConnectTimeoutError, transport.ProxyError)
    return any(isinstance(cause, before) for cause in _chain(error))


def _no_address(target: Target) -> Unreachable:
    if target.is_private:
        return _private(target, f"its name {target.host} is known inside the cluster's network only")
    return Unreachable(
        f"The name of the API server, {target.host}, cannot be resolved.",
        fix="Check the network connection and DNS of this machine. A cluster that was just created or started needs a few minutes.",
    )


def _no_answer(target: Target, how: str) -> Unreachable:
    if target.is_private:
        return _private(target, f"{target.host} {how}")
    if target.address_ranges:
        return Unreachable(
            f"{target} {how}.",
            why="It admits connections from authorized IP ranges only.",
            fix="Add this machine's public address: "
            + target.az("update")
            + " --api-server-authorized-ip-ranges RANGES",
        )
    return Unreachable(
        f"{target} {how}.", fix="Check firewall and proxy (HTTPS_PROXY) between this machine and " + target.host + "."
    )


def _private(target: Target, why: str) -> Unreachable:
    inside = "Run this command on a machine in the cluster's virtual network, or connected to it (jump host, VPN, ExpressRoute, peering)."
    if target.run_command and target.cluster:
        inside += (
            " Single kubectl commands pass without that: "
            + target.az("command invoke")
            + " --command 'kubectl get nodes'"
        )
    return Unreachable(f"{target} cannot be reached from here: the cluster is private.", why=f"({why})", fix=inside)


def _broken(asked: Request, target: Target, causes: list[BaseException]) -> Unreachable:
    silent = _first(causes, transport.ReadTimeoutError) is not None
    what = (
        f"{target} did not answer in time to {asked}."
        if silent
        else f"The connection to {target.host} broke while trying to {asked}."
    )
    unknown = not asked.repeatable and "It is not known whether the request was carried out."
    return Unreachable(what, why=unknown or "", fix="Try again.")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [
            current.__cause__,
            current.__context__,
            getattr(current, "original_error", None),
            *_wrapped(current),
        ]


def _wrapped(error: BaseException) -> list[BaseException]:
    return [argument for argument in error.args if isinstance(argument, BaseException)]


def _innermost(error: BaseException) -> BaseException:
    return getattr(error, "original_error", None) or error


def _first(causes: list[BaseException], kind: type[BaseException]) -> BaseException | None:
    return next((cause for cause in causes if isinstance(cause, kind)), None)
