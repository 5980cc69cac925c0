# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Table views (``-o table``) of ``audit`` and ``cleanup``."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from azext_seccomp._format import cut

# Together with the gaps between columns they stay below 120 characters.
_WIDTHS = {"Namespace": 15, "Workload": 24, "Container": 14, "Process": 15, "Syscall": 22}
_DETAIL_COLUMNS = 70


def audit_table(report: dict[str, Any]) -> list[OrderedDict[str, Any]]:
    """The findings, most frequent first; without any, the workloads and their verdicts."""
    if report["findings"]:
        return _findings(report["findings"])
    if report["workloads"]:
        return [
            OrderedDict(
                Namespace=one["namespace"],
                Workload=cut(f"{one['kind']}/{one['name']}", 40),
                Verdict=one["verdict"],
                Reason=cut("; ".join(one["reasons"]), _DETAIL_COLUMNS),
            )
            for one in report["workloads"]
        ]
    return [OrderedDict(Verdict=report["verdict"], Reason="no container ran under the audit profile")]


def cleanup_table(rows: list[dict[str, str]]) -> list[OrderedDict[str, Any]]:
    """What became of each thing."""
    return [
        OrderedDict(
            Session=row["session"],
            Kind=row["kind"],
            Name=row["name"],
            Node=row["node"],
            Status=row["status"],
            Detail=cut(row["detail"], _DETAIL_COLUMNS),
        )
        for row in rows
    ]


def _findings(findings: list[dict[str, Any]]) -> list[OrderedDict[str, Any]]:
    """Pods of one workload that did the same are one line."""
    counts: dict[tuple[str, ...], int] = {}
    for one in findings:
        workload = one["workload"] or f"Pod/{one['pod']}"
        key = (one["namespace"], workload, one["container"], one["comm"], one["syscall"], one["class"])
        counts[key] = counts.get(key, 0) + one["count"]
    return [
        OrderedDict(
            [*((name, cut(cell, width)) for (name, width), cell in zip(_WIDTHS.items(), key, strict=False))],
            Class=key[-1],
            Count=count,
        )
        for key, count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    ]
