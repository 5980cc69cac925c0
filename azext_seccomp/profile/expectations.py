# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What containers and C libraries expect of any profile, and what a profile does to that.

The lists are in ``data/expectations.json``. What a start needs was measured with runc 1.1.5 but for two: each of these
calls, taken away from a list that is otherwise complete, keeps a container with a dynamically linked program from
starting. brk and exit_group are there by reasoning: the C library has a way around a refused brk, and a program that
may not call exit_group dies at its end.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import resources
from typing import Any

from azext_seccomp.profile.effect import default_of
from azext_seccomp.profile.evaluate import outcomes
from azext_seccomp.profile.finding import Finding, Target, listed, warning
from azext_seccomp.profile.model import Action, Profile
from azext_seccomp.profile.syscalls import number
from azext_seccomp.profile.variants import PASSING


def unmet(profile: Profile, target: Target) -> Iterator[Finding]:
    """Warnings about every expectation that ``profile`` does not meet.

    :raises Unsupported: the conditions on a syscall are too many to work out.
    """
    for check in _CHECKS:
        yield from check(profile, target)


def _start(profile: Profile, target: Target) -> Iterator[Finding]:
    for group in _data()["start"]:
        missing = [name for name in _on(target, group["syscalls"]) if not _may_pass(profile, name, target)]
        if missing:
            names = listed(missing)
            yield warning(
                "cannot-start", f"A container cannot start without {names}: {group['why']}.", f"Allow {names}."
            )


def _newer_variants(profile: Profile, target: Target) -> Iterator[Finding]:
    """A refusal with ENOSYS is fine: C libraries then call the older one."""
    if not default_of(profile).denies:
        return
    for pair in _data()["newer"]:
        newer, older = pair["syscall"], pair["instead_of"]
        if len(_on(target, (newer, older))) < 2 or not _may_pass(profile, older, target):
            continue
        if any(one.denies and not one.falls_back for one in outcomes(profile, newer, target.arch)):
            message = f"{older} is allowed and its newer variant {newer} refused: libraries fall back only on ENOSYS."
            yield warning("newer-variant", message, f"Allow {newer}, or refuse it with errnoRet 38 (ENOSYS).")


def _frequent_logs(profile: Profile, target: Target) -> Iterator[Finding]:
    frequent = _on(target, _data()["frequent"])
    logged = [
        name for name in frequent if any(one.action is Action.LOG for one in outcomes(profile, name, target.arch))
    ]
    if logged:
        message = (
            f"Programs call {listed(logged)} all the time: logging it floods the log of the node and slows them down."
        )
        yield warning("frequent-log", message, "Allow these calls, for instance with the rules of RuntimeDefault.")


def _written_for_amd64(profile: Profile, target: Target) -> Iterator[Finding]:
    """An allow-list that names what arm64 does not have, and not what programs call there instead."""
    if target.arch != "arm64" or not default_of(profile).denies:
        return
    replaced: dict[str, str] = _data()["replaced_on_arm64"]
    allowed = {name for rule in profile.rules if rule.action in PASSING for name in rule.names}
    missing = {replaced[name]: name for name in sorted(allowed & replaced.keys()) if replaced[name] not in allowed}
    if missing:
        pairs = listed([f"{new} for {old}" for new, old in missing.items()])
        message = f"The list was written for amd64: on arm64 programs call {pairs}, which it does not allow."
        yield warning("amd64-only", message, f"Add {listed(list(missing))}.")


_CHECKS: tuple[Callable[[Profile, Target], Iterator[Finding]], ...] = (
    _start,
    _newer_variants,
    _frequent_logs,
    _written_for_amd64,
)


def _on(target: Target, names: Sequence[str]) -> list[str]:
    return [name for name in names if number(name, target.arch) is not None]


def _may_pass(profile: Profile, name: str, target: Target) -> bool:
    return any(not one.denies for one in outcomes(profile, name, target.arch))


@cache
def _data() -> dict[str, Any]:
    text = resources.files("azext_seccomp.profile").joinpath("data/expectations.json").read_text("utf-8")
    data: dict[str, Any] = json.loads(text)
    return data
