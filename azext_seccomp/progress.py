# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""How long work reports its steps, without any layer knowing of a terminal."""

from typing import Protocol


class Progress(Protocol):
    """Told about steps; the az face draws them on a terminal, tests record them."""

    def step(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """``text`` is the step under way; ``done`` of ``total`` things (mostly nodes) are finished."""


class Silent:
    """A progress that tells nobody."""

    def step(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """Drop the step."""
