# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What became of the things that a session made or changed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

RemovalStatus = Literal["removed", "restored", "absent", "kept", "failed", "found"]


@dataclass(frozen=True, slots=True)
class Removal:
    """What became of one thing that a session made, or of a workload that it changed.

    ``kind``: a Kubernetes kind, or ``File`` (``name`` is its path) on ``node``. ``status``: ``removed``; ``restored``
    (it is what it was before); ``absent`` (there was nothing to do); ``kept`` (somebody still uses it); ``failed``;
    ``found`` (only looked at).
    """

    kind: str
    name: str
    status: RemovalStatus
    detail: str = ""
    node: str = ""

    @property
    def remarkable(self) -> bool:
        """Whether an operator has to know of it: something is left, or is not quite what it was."""
        if self.status in ("failed", "kept"):
            return True
        return self.status in ("restored", "absent") and self.kind != "File" and bool(self.detail)


def rows(removals: Iterable[Removal]) -> list[dict[str, str]]:
    """What an operator has to know of what became of a session's things, as reports have it."""
    return [
        {"kind": one.kind, "name": one.name, "node": one.node, "status": one.status, "detail": one.detail}
        for one in removals
        if one.remarkable
    ]
