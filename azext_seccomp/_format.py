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


def rule_table(profile: dict[str, Any]) -> list[OrderedDict[str, Any]]:
    """A profile: its rules, the default action last."""
    rules = [
        OrderedDict(
            Action=_action(rule),
            Conditions=" and ".join(_condition(arg) for arg in rule.get("args", ())),
            Syscalls=_shortened(", ".join(rule["names"])),
        )
        for rule in profile.get("syscalls", ())
    ]
    default = {"action": profile["defaultAction"], "errnoRet": profile.get("defaultErrnoRet")}
    return [*rules, OrderedDict(Action=_action(default), Conditions="", Syscalls="(every other)")]


def validation_table(result: dict[str, Any]) -> list[OrderedDict[str, Any]]:
    """``profile validate``."""
    return [
        OrderedDict(
            Severity=row["severity"],
            Line=row["line"] or "",
            Code=row["code"],
            Message=f"{row['message']} {row['fix']}",
        )
        for row in result["findings"]
    ]


def overview_table(result: dict[str, Any]) -> list[OrderedDict[str, Any]]:
    """``profile show``."""
    return [
        OrderedDict(
            Syscall=row["syscall"],
            Effect=_shortened(row["effect"]),
            Dangerous=_yes(row["dangerous"]),
            About=row["group"],
        )
        for row in result["syscalls"]
    ]


def change_table(rows: list[dict[str, Any]]) -> list[OrderedDict[str, Any]]:
    """``profile diff``."""
    return [
        OrderedDict(
            Syscall=row["syscall"],
            Change=row["change"],
            Before=_shortened(row["before"]),
            After=_shortened(row["after"]),
            Programs=" ".join(row["architectures"]),
        )
        for row in rows
    ]


def refinement_table(result: dict[str, Any]) -> list[OrderedDict[str, Any]]:
    """``profile refine``: the steps of a dry run, or the profile."""
    if "steps" not in result:
        return rule_table(result)
    return [
        OrderedDict(
            Syscall=row["syscall"],
            Calls=row["calls"],
            Before=_shortened(row["before"]),
            Treatment=row["treatment"],
            Reason=_shortened(row["reason"]),
        )
        for row in result["steps"]
    ]


def _action(rule: dict[str, Any]) -> str:
    errno = rule.get("errnoRet")
    return str(rule["action"]).removeprefix("SCMP_ACT_") + (f" {errno}" if errno is not None else "")


def _condition(arg: dict[str, Any]) -> str:
    operator = arg["op"].removeprefix("SCMP_CMP_")
    if operator == "MASKED_EQ":
        return f"arg{arg['index']} & {arg['value']:#x} == {arg.get('valueTwo', 0):#x}"
    return f"arg{arg['index']} {operator} {arg['value']}"


def cut(text: str, width: int) -> str:
    """The text in a cell of so many columns."""
    return text if len(text) <= width else text[: width - 1] + "…"


def _shortened(text: str) -> str:
    return cut(text, _DETAIL_COLUMNS)


def _yes(value: bool) -> str:
    return "yes" if value else ""
