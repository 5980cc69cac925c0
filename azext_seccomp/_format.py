# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Table views (``-o table``) of the results. Every other output format gets the result as it is."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

_HASH_COLUMNS = 12
_DETAIL_COLUMNS = 80  # the whole reason is in every other format


def placement_table(rows: list[dict[str, Any]]) -> list[OrderedDict[str, Any]]:
    """``profile place`` and ``profile remove``."""
    return [
        OrderedDict(
            Node=row["node"],
            NodePool=row["nodePool"],
            Status=row["status"],
            LocalhostProfile=row["localhostProfile"],
            Sha256=row["sha256"][:_HASH_COLUMNS],
            Detail=_shortened(row["detail"]),
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
            Detail=_shortened(row["detail"]),
        )
        for row in rows
    ]


def _shortened(text: str) -> str:
    return text if len(text) <= _DETAIL_COLUMNS else text[: _DETAIL_COLUMNS - 1] + "…"


def _yes(value: bool) -> str:
    return "yes" if value else ""
