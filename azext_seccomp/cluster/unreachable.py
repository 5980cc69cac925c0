# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""A request that got no answer → the error that tells an operator where the way to the API server ends.

DNS, connection, proxy and TLS each have words of their own, because each is somebody else's to repair.
"""

import socket
import ssl
from collections.abc import Iterator

import urllib3.exceptions as transport

from azext_seccomp.cluster.request import CONNECT_SECONDS, Request
from azext_seccomp.cluster.target import Target
from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import Unreachable


class Closed(Unreachable):
    """This side closed the connection."""


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
    if _first(causes, ConnectionRefusedError) is not None:
        return _no_answer(target, "refuses connections")
    if _first(causes, transport.NewConnectionError) is not None:  # before its base class, the time-out
        return _no_answer(target, "cannot be reached")
    if _first(causes, transport.ConnectTimeoutError) is not None:
        return _no_answer(target, f"does not answer within {CONNECT_SECONDS:.0f} seconds")
    untrusted = _first(causes, ssl.SSLCertVerificationError)
    if untrusted is not None:
        return Unreachable(
            f"{target} shows a certificate that the cluster's own authority did not issue.",
            why=printable(getattr(untrusted, "verify_message", ""), 256),
            fix=f"A proxy may inspect the traffic: add {target.host} to NO_PROXY. "
            "After 'az aks rotate-certs' run the command again.",
        )
    if (tls := _first(causes, ssl.SSLError)) is not None:
        return Unreachable(
            f"No TLS connection to {target.host}.", why=printable(str(getattr(tls, "reason", "") or "TLS failure"), 256)
        )
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
        fix="Check the network connection and DNS of this machine. A cluster that was just created or started needs a "
        "few minutes.",
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
    inside = (
        "Run this command on a machine in the cluster's virtual network, or connected to it (jump host, VPN, "
        "ExpressRoute, peering)."
    )
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
