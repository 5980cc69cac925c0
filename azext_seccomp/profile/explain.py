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


def arguments_in_words(syscall: str, args: Sequence[int]) -> str:
    """The arguments of one call that profiles look at, by name, like ``CLONE_NEWUSER|CLONE_NEWNS``; mostly empty.

    :param args: the six raw arguments, unsigned 64 bit. All that have names here are 32 bit in the kernel.
    """
    return " ".join(
        text
        for index, known in _arguments().get(syscall, {}).items()
        if (text := _argument_in_words(known["kind"], known["names"], args[int(index)] & 0xFFFFFFFF))
    )


def _argument_in_words(kind: str, names: Mapping[str, str], value: int) -> str:
    if kind == "flags":
        return "|".join(name for bit, name in names.items() if value & int(bit))
    return names.get(str(value), f"{value:#x}")


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
