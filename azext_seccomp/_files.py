# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Reading of the files that a command line names: bounded, and with errors that name the file."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
from typing import TYPE_CHECKING, BinaryIO

from azext_seccomp.errors import FileProblem, InvalidInput

if TYPE_CHECKING:
    from azext_seccomp.profile.source import Options, Source

STDIN = "-"
#: How an empty file name is called.
EMPTY = "''"

#: containerd puts no bound on a profile; 1 MiB is 30 times the largest real one.
MAX_PROFILE_BYTES = 1024 * 1024
#: A report has some 300 bytes for each finding.
MAX_REPORT_BYTES = 64 * 1024 * 1024


def read_file(path: str, limit: int = MAX_PROFILE_BYTES) -> bytes:
    """The content of ``path``, or of standard input for ``-``.

    :param limit: in bytes; not more than one byte beyond it is ever read.
    :raises FileProblem: it cannot be read.
    :raises InvalidInput: it is longer than ``limit``.
    """
    if path == STDIN:
        if sys.stdin is None:  # closed by who started us
            raise FileProblem("Standard input cannot be read.", why="It is closed.", fix="Give a file instead of -.")
        return _bounded(sys.stdin.buffer, "Standard input", limit)
    try:
        with open(path, "rb") as file:
            if stat.S_ISDIR(os.fstat(file.fileno()).st_mode):
                raise IsADirectoryError(0, "Is a directory")
            return _bounded(file, path, limit)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise FileProblem(
            f"{path or EMPTY} cannot be read.", why=f"{reason}.", fix="Check the path and its permissions."
        ) from error


def name_of(path: str) -> str:
    """How the source is called in messages and reports."""
    return "standard input" if path == STDIN else path


def _bounded(file: BinaryIO, name: str, limit: int) -> bytes:
    data = file.read(limit + 1)
    if len(data) > limit:
        raise InvalidInput(f"{name} is larger than {limit // 1024} KiB.", fix="Check that it is the right file.")
    return data


def read_profile(word: str, options: Options) -> Source:
    """The profile that ``--profile`` names: a file, ``-`` for standard input, or RuntimeDefault.

    :raises FileProblem: the file cannot be read.
    :raises InvalidInput: it is not a profile, or RuntimeDefault lacks what it depends on.
    """
    from azext_seccomp.profile.source import is_runtime_default, load, runtime_default

    if is_runtime_default(word):
        return runtime_default(options)
    return load(read_file(word), name_of(word), options)


def require_writable(path: str) -> None:
    """Make sure that ``write_file`` can write to ``path``, as far as that can be known before.

    :raises FileProblem: it cannot.
    """
    try:
        if os.path.isdir(path):
            raise IsADirectoryError(0, "Is a directory")
        with tempfile.TemporaryFile(dir=os.path.dirname(path) or "."):  # without a name: nothing stays after a kill
            pass
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error


def write_file(path: str, data: bytes) -> None:
    """Write ``data`` to ``path`` whole or not at all: beside it first, then renamed.

    :raises FileProblem: it cannot be written; what was there is still there.
    """
    beside = f"{path}.{os.getpid()}.new"
    try:
        file = open(beside, "xb")  # noqa: SIM115 (what is there already is not ours to remove)
        try:
            with file:
                file.write(data)
            os.replace(beside, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(beside)
            raise
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error


def _unwritable(path: str, error: OSError | ValueError) -> FileProblem:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return FileProblem(f"{path or EMPTY} cannot be written.", why=f"{reason}.", fix="Give a path that you may write.")
