# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What can go wrong, in words for an operator: what happened, why, and how to fix it.

Nothing here knows azure-cli. The az face maps these classes to azclierror in one place, so every layer below it can be
used and tested without az.
"""


class SeccompError(Exception):
    """Base of every error that this package raises on purpose.

    :param what: what happened, one sentence that starts with a capital letter.
    :param why: the cause where it is known, in the words of whoever refused (cluster, policy, kernel).
    :param fix: what to do about it; names the option or command to use.
    """

    def __init__(self, what: str, *, why: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.why) if part)


class InvalidInput(SeccompError):
    """An argument or the content of a file cannot be used."""


class FileProblem(SeccompError):
    """A local file cannot be read or written."""


class NotFound(SeccompError):
    """A cluster, node pool, node, pod or profile that was named does not exist."""


class Conflict(SeccompError):
    """Something of that name exists already and is not ours to touch."""


class WrongState(SeccompError):
    """Cluster, node or workload is in a state in which the request cannot be carried out (stopped, no Linux nodes)."""


class Unauthenticated(SeccompError):
    """The caller could not be identified (not logged in, token refused)."""


class Forbidden(SeccompError):
    """The caller may not do this (RBAC, admission policy)."""


class Unreachable(SeccompError):
    """No connection to ARM or to the API server."""


class ServerFault(SeccompError):
    """ARM or the API server answered with something that is its own fault (5xx, nonsense)."""


class Unsupported(SeccompError):
    """This machine or node lacks what is needed (no libseccomp, not Linux, runc too old)."""
