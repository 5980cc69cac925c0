# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What an operator should know of a syscall, and how conditions on its arguments read in words."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from azext_seccomp.profile.model import Arg, Op

_SIGNS = {Op.NE: "!=", Op.LT: "<", Op.LE: "<=", Op.EQ: "==", Op.GE: ">=", Op.GT: ">"}


@dataclass(frozen=True, slots=True)
class Explanation:
    """Three sentences about the syscalls of one group."""

    group: str
    does: str
    blocked: str
    advice: str
    #: Letting it through can cost the isolation of the container: nothing here adds it unless it is named.
    dangerous: bool


def explanation(syscall: str) -> Explanation | None:
    """What to know of ``syscall``; None for a name that no table has."""
    return _explanations().get(syscall)


def is_dangerous(syscall: str) -> bool:
    """Whether allowing ``syscall`` can cost the container's isolation; so it is for a name that nobody knows."""
    known = explanation(syscall)
    return known is None or known.dangerous


def in_words(syscall: str, conditions: Sequence[Arg]) -> str:
    """Conditions that must all hold, like ``arg0 == 38 (AF_ALG)``; empty for none."""
    return " and ".join(_condition_in_words(syscall, condition) for condition in conditions)


def any_in_words(syscall: str, terms: Sequence[Sequence[Arg]]) -> str:
    """Alternatives of conditions, joined with "or"."""
    return " or ".join(in_words(syscall, term) for term in terms)


def _condition_in_words(syscall: str, condition: Arg) -> str:
    known = _arguments().get(syscall, {}).get(str(condition.index), {})
    names: Mapping[str, str] = known.get("names", {})
    if condition.op is Op.MASKED_EQ:
        text = f"arg{condition.index} & {condition.value:#x} == {condition.value_two:#x}"
        flags = [name for number, name in names.items() if known["kind"] == "flags" and int(number) & condition.value]
        if flags and condition.value_two == 0:
            text += f" (without {', '.join(flags)})"
        return text
    name = names.get(str(condition.value)) if known.get("kind") == "value" else None
    number = f"{condition.value:#x}" if condition.value > 0xFFFF else str(condition.value)
    return f"arg{condition.index} {_SIGNS[condition.op]} {number}" + (f" ({name})" if name else "")


@cache
def _data() -> dict[str, Any]:
    text = files("azext_seccomp.profile").joinpath("data/explanations.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


@cache
def _explanations() -> Mapping[str, Explanation]:
    return {
        syscall: Explanation(group["name"], group["does"], group["blocked"], group["advice"], group["dangerous"])
        for group in _data()["groups"]
        for syscall in group["syscalls"]
    }


def _arguments() -> Mapping[str, Mapping[str, Any]]:
    arguments: Mapping[str, Mapping[str, Any]] = _data()["arguments"]
    return arguments
