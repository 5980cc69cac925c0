# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""How our errors look and end in az."""

import inspect

import pytest
from azure.cli.core import azclierror

from azext_seccomp import errors
from azext_seccomp._errors_map import raise_for_az, to_az

OURS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.SeccompError) and kind is not errors.SeccompError
]


@pytest.mark.parametrize("kind", OURS)
def test_every_error_has_its_class_in_az(kind: type[errors.SeccompError]) -> None:
    assert not isinstance(to_az(kind("What.")), azclierror.CLIInternalError)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.NotFound("x"), azclierror.ResourceNotFoundError),
        (errors.InvalidInput("x"), azclierror.InvalidArgumentValueError),
        (errors.Forbidden("x"), azclierror.ForbiddenError),
        (errors.Unreachable("x"), azclierror.AzureConnectionError),
        (errors.SeccompError("x"), azclierror.CLIInternalError),
    ],
)
def test_class(error: errors.SeccompError, expected: type[azclierror.AzCLIError]) -> None:
    assert type(to_az(error)) is expected


def test_what_why_and_fix() -> None:
    mapped = to_az(errors.Conflict("It is there.", why="Somebody made it.", fix="Use --force."))
    assert mapped.error_msg == "It is there. Somebody made it."
    assert mapped.recommendations == ["Use --force."]


def test_hostile_text_stays_on_one_harmless_line() -> None:
    mapped = to_az(errors.Forbidden("No.", why="\x1b[2Jgone\r\nERROR: other\u202e", fix="\x07"))
    assert "\x1b" not in mapped.error_msg
    assert "\n" not in mapped.error_msg
    assert "\r" not in mapped.error_msg
    assert "\u202e" not in mapped.error_msg
    assert "\x07" not in mapped.recommendations[0]


def test_long_text_is_cut() -> None:
    assert len(to_az(errors.Forbidden("No.", why="x" * 1_000_000)).error_msg) <= 2000


def test_handler_raises_az_s_error_with_ours_as_cause() -> None:
    error = errors.NotFound("Gone.")
    with pytest.raises(azclierror.ResourceNotFoundError) as raised:
        raise_for_az(error)
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("error", [ValueError("a bug"), azclierror.AuthenticationError("sign in")])
def test_other_errors_pass(error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        raise_for_az(error)
    assert raised.value is error
