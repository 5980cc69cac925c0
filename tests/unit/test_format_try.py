# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""``-o table`` of ``try``."""

from typing import Any

from azext_seccomp._format_try import try_table


def finding(**fields: Any) -> dict[str, Any]:
    return {"comm": "web", "syscall": "mount", "detail": "", "class": "blocked", "count": 1, "advice": ""} | fields


def test_a_line_stays_within_120_columns() -> None:
    long = finding(
        comm="x" * 15, syscall="y" * 40, detail="z" * 80, advice="w" * 400, count=10**8, **{"class": "fallback"}
    )
    (row,) = try_table({"findings": [long], "verdict": "fallback", "reasons": []})
    assert sum(len(str(cell)) + 2 for cell in row.values()) <= 120 + 2
    assert row["Advice"].endswith("…")


def test_what_is_blocked_comes_first() -> None:
    rows = [
        finding(comm="a", count=900, **{"class": "fallback"}),
        finding(comm="b", count=5),
        finding(comm="c", count=2),
    ]
    table = try_table({"findings": rows, "verdict": "blocked", "reasons": []})
    assert [row["Process"] for row in table] == ["b", "c", "a"]


def test_without_findings_the_verdict() -> None:
    assert [dict(row) for row in try_table({"findings": [], "verdict": "clean", "reasons": []})] == [
        {"Verdict": "clean", "Reason": "the profile denied nothing"}
    ]
