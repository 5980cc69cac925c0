# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""``--report``: the result as a file too."""

from __future__ import annotations

from typing import Any

from knack.log import get_logger

from azext_seccomp._exit import exit_after_output
from azext_seccomp._files import require_writable, write_file
from azext_seccomp.errors import FileProblem

_NOT_WRITTEN = 1

logger = get_logger(__name__)


def check_report(path: str | None) -> None:
    """Refuse a file before the work that could not be written after it.

    :raises InvalidInput: its name does not say which format it is to have.
    :raises FileProblem: nothing can be written there.
    """
    from azext_seccomp.export.formats import check_path

    if path is not None:
        check_path(path)
        require_writable(path)


def write_report(cli_ctx: Any, result: dict[str, Any], path: str | None) -> None:
    """Write it. If that goes wrong after all, the result is not lost with it: az prints it and exits with 1."""
    from azext_seccomp.export.formats import encode

    if path is None:
        return
    try:
        write_file(path, encode(result, path))
    except FileProblem as error:
        logger.error("%s %s", error, error.fix)
        exit_after_output(cli_ctx, _NOT_WRITTEN)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        logger.error(
            "The report cannot be written in this format (%s: %s); -o json prints it.", type(error).__name__, error
        )
        exit_after_output(cli_ctx, _NOT_WRITTEN)
