# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What the tests of ``try`` share."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.attempts import build_caller


@pytest.fixture(scope="session")
def caller() -> Iterator[Path]:
    """A program that makes an exact number of calls; its process name is "caller". Other users may run it too."""
    with tempfile.TemporaryDirectory(prefix="seccomp-caller-") as directory:
        Path(directory).chmod(0o755)
        yield build_caller(Path(directory))
