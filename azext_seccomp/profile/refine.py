# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The smallest change to a profile that lets through what an audit saw blocked, and nothing else.

A report tells the syscall and not its arguments. So a syscall can only be let through as a whole, and where that lets
through calls that nobody made (other flags of clone) or costs isolation (mount), it has to be asked for by name.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from azext_seccomp.errors import InvalidInput
from azext_seccomp.profile.effect import default_of, effect_of, program_architectures
from azext_seccomp.profile.explain import explanation, is_dangerous
from azext_seccomp.profile.model import Action, Profile, Rule
from azext_seccomp.profile.report import Observed
from azext_seccomp.profile.syscalls import known, nearest, number

Treatment = Literal["allowed", "refused", "skipped", "nothingToDo"]


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one syscall of the report.

    :param before: what the profile does with it, in words.
    :param calls: how often it was seen.
    """

    syscall: str
    treatment: Treatment
    reason: str
    before: str
    calls: int


@dataclass(frozen=True, slots=True)
class Refined:
    """The profile with the steps that led to it; it is the given one when no step allowed anything."""

    profile: Profile
    steps: tuple[Step, ...]


def refine(
    profile: Profile,
    observed: Sequence[Observed],
    *,
    arch: str,
    only: Collection[str] = (),
    excluded: Collection[str] = (),
) -> Refined:
    """Let the observed syscalls through.

    :param observed: what an audit saw, by syscall.
    :param arch: of the nodes, ``amd64`` or ``arm64``.
    :param only: these and no others; naming a syscall here also consents to what is refused otherwise.
    :param excluded: syscalls to leave as they are.
    :raises InvalidInput: ``only`` or ``excluded`` name what nobody observed, or the profile denies nothing.
    """
    if not default_of(profile).denies and not any(_denies(rule.action) for rule in profile.rules):
        raise InvalidInput(
            "The profile denies nothing, so there is nothing to refine.",
            fix="Give the enforcing profile: convert --to enforce makes one of an audit profile.",
        )
    _require_observed({one.syscall for one in observed}, [*only, *excluded])
    refined, steps = profile, []
    for one in sorted(observed, key=lambda one: one.syscall):
        step = _judge(profile, one, arch, only, excluded)
        steps.append(step)
        if step.treatment == "allowed":
            refined = _allow(refined, one.syscall)
    return Refined(refined, tuple(steps))


def _judge(profile: Profile, one: Observed, arch: str, only: Collection[str], excluded: Collection[str]) -> Step:
    treatment, reason, before = _treatment(profile, one, arch, only, excluded)
    return Step(one.syscall, treatment, reason, before, one.calls)


def _treatment(
    profile: Profile, one: Observed, arch: str, only: Collection[str], excluded: Collection[str]
) -> tuple[Treatment, str, str]:
    name = one.syscall
    programs = [program for program in program_architectures((profile,), arch) if number(name, program) is not None]
    if not programs:
        return "refused", f"{arch} nodes have no syscall of that name", ""
    effect = effect_of(profile, name, programs[0])
    before = effect.in_words()
    if name in excluded or (only and name not in only):
        return "skipped", "left out by --except" if name in excluded else "not named in --only", before
    if not any(decision.denies for decision in effect.decisions()):
        return "nothingToDo", "the profile lets it through already", before
    if name in only:
        return "allowed", "named in --only", before
    if all(decision.falls_back for decision in effect.decisions() if decision.denies):
        return "skipped", "it is answered with ENOSYS, for which programs have a fallback", before
    if is_dangerous(name):
        about = explanation(name)
        reason = f"letting it through can cost isolation: {about.does}" if about else "nobody knows this syscall"
        return "refused", f"{reason} Name it with --only if that is meant.", before
    if effect.cases and any(not decision.denies for decision in effect.decisions()):
        reason = "the profile lets some of these calls through and the report does not tell the arguments of the others"
        return "refused", f"{reason}. Name it with --only to let all of them through.", before
    return "allowed", "it was blocked", before


def _allow(profile: Profile, name: str) -> Profile:
    """``name`` out of every rule, and into the largest rule that allows without conditions, if the default denies."""
    rules = [replace(rule, names=tuple(other for other in rule.names if other != name)) for rule in profile.rules]
    if default_of(profile).denies:
        allowing = [place for place, rule in enumerate(rules) if rule.action is Action.ALLOW and not rule.args]
        if allowing:
            largest = max(allowing, key=lambda place: len(rules[place].names))
            rules[largest] = replace(rules[largest], names=_with(profile.rules[largest].names, name))
        else:
            rules.append(Rule((name,), Action.ALLOW))
    return profile.with_rules(tuple(rule for rule in rules if rule.names))


def _with(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    """``name`` added in its place if the list is sorted, at the end otherwise."""
    if name in names:
        return names
    return tuple(sorted((*names, name))) if list(names) == sorted(names) else (*names, name)


def _denies(action: Action) -> bool:
    return action not in (Action.ALLOW, Action.LOG)


def _require_observed(observed: Collection[str], named: Collection[str]) -> None:
    for name in named:
        if name in observed:
            continue
        close = nearest(name) if name not in known() else None
        fix = f"Did you mean {close}?" if close else "Name syscalls that the report has."
        raise InvalidInput(f"The report has no finding of the syscall {name[:64]}.", fix=fix)
