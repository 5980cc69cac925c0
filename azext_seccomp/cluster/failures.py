# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What an API server answered → the error of ``azext_seccomp.errors`` that tells an operator.

The body of an answer is shown only when it is a Kubernetes ``Status``: anything else may hold secrets, or come from a
proxy in between. Headers, tokens and proxy logins are never shown.
"""

import json
from typing import Any, NamedTuple

from azext_seccomp.cluster import refusals
from azext_seccomp.cluster.request import Request
from azext_seccomp.cluster.target import Target
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
    """410: the resource version or the continue token is too old. ``resume`` continues a list from the present state,
    when given.
    """

    def __init__(self, what: str, *, why: str = "", resume: str = "") -> None:
        super().__init__(what, why=why)
        self.resume = resume


# What reading an object that is not as the API promises it can end in.
UNREADABLE = (LookupError, TypeError, ValueError, AttributeError, RuntimeError)


def unreadable(what: str, error: BaseException) -> ServerFault:
    """The error of a thread that cannot read what it watches: it must not end in silence.

    :param what: such as ``pods``.
    """
    return ServerFault(
        f"The {what} of the cluster cannot be read.", why=f"({type(error).__name__}: {printable(str(error), 200)})"
    )


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
        fix = (
            "Check the account with 'az account show' and sign in again with 'az login'; the account has to be in the "
            "cluster's tenant."
        )
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
