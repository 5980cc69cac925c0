# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The one place where our errors become az's: one line of what and why, a line of advice, and az's exit codes."""

from __future__ import annotations

from typing import NoReturn

from azure.cli.core import azclierror

from azext_seccomp import errors

#: The most special class comes first: the first that fits is used. ResourceNotFoundError makes az exit with 3.
_CLASSES: tuple[tuple[type[errors.SeccompError], type[azclierror.AzCLIError]], ...] = (
    (errors.InvalidInput, azclierror.InvalidArgumentValueError),
    (errors.FileProblem, azclierror.FileOperationError),
    (errors.NotFound, azclierror.ResourceNotFoundError),
    (errors.Conflict, azclierror.ValidationError),
    (errors.WrongState, azclierror.ValidationError),
    (errors.Unauthenticated, azclierror.UnauthorizedError),
    (errors.Forbidden, azclierror.ForbiddenError),
    (errors.Unreachable, azclierror.AzureConnectionError),
    (errors.ServerFault, azclierror.AzureInternalError),
    (errors.Unsupported, azclierror.ValidationError),
)

#: An error line longer than this hides what it says; policies can deny with pages of text.
_MAX_LINE = 2000


def raise_for_az(error: Exception) -> NoReturn:
    """The exception handler of our command groups: raise what az knows how to show.

    Errors that are not ours (of azure-cli, of the SDK, a bug) pass unchanged: az has its own words for them.
    """
    if not isinstance(error, errors.SeccompError):
        raise error
    raise to_az(error) from error


def to_az(error: errors.SeccompError) -> azclierror.AzCLIError:
    """The error of az that says the same."""
    kind = next((az for ours, az in _CLASSES if isinstance(error, ours)), azclierror.CLIInternalError)
    return kind(_one_line(str(error)), recommendation=_one_line(error.fix) or None)


def _one_line(text: str) -> str:
    """Text of a cluster or a node, fit for a terminal: on one line, with nothing that the terminal would obey."""
    from azext_seccomp.cluster.text import printable

    return printable(text, limit=_MAX_LINE)
