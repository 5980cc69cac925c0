# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Table view (``-o table``) of ``try``."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from azext_seccomp._format import cut

# Together with the gaps between columns a line stays below 120 characters.
_WIDTHS = {"comm": 15, "syscall": 18, "detail": 22, "advice": 38}
_REASON_COLUMNS = 90


def try_table(result: dict[str, Any]) -> list[OrderedDict[str, Any]]:
    """The findings, those that matter most and are most frequent first; without any, the verdict."""
    if not result["findings"]:
        reasons = "; ".join(result["reasons"]) or "the profile denied nothing"
        return [OrderedDict(Verdict=result["verdict"], Reason=cut(reasons, _REASON_COLUMNS))]
    return [
        OrderedDict(
            Process=_cell(one, "comm"),
            Syscall=_cell(one, "syscall"),
            Detail=_cell(one, "detail"),
            Class=one["class"],
            Count=one["count"],
            Advice=_cell(one, "advice"),
        )
        for one in sorted(result["findings"], key=lambda one: one["class"] == "fallback")
    ]


def _cell(finding: dict[str, Any], name: str) -> str:
    return cut(finding[name], _WIDTHS[name])
