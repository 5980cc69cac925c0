# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What became of the things that a session made or changed."""

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
