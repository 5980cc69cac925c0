# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Table views (``-o table``) of the results. Every other output format gets the result as it is."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

_HASH_COLUMNS = 12


def placement_table(rows: list[dict[str, Any]]) -> list[OrderedDict[str, Any]]:
    """``profile place`` and ``profile remove``."""
    return [
        OrderedDict(
            Node=row["node"],
            NodePool=row["nodePool"],
            Status=row["status"],
            LocalhostProfile=row["localhostProfile"],
            Sha256=row["sha256"][:_HASH_COLUMNS],
            Detail=row["detail"],
        )
        for row in rows
    ]


def file_table(rows: list[dict[str, Any]]) -> list[OrderedDict[str, Any]]:
    """``profile list``."""
    return [
        OrderedDict(
            Node=row["node"],
            NodePool=row["nodePool"],
            Status=row["status"],
            LocalhostProfile=row["localhostProfile"],
            Sha256=row["sha256"][:_HASH_COLUMNS],
            Size="" if row["size"] is None else row["size"],
            Ours=_yes(row["ours"]),
            OnAllNodes=_yes(row["onAllNodes"]),
            Detail=row["detail"],
        )
        for row in rows
    ]


def _yes(value: bool) -> str:
    return "yes" if value else ""
