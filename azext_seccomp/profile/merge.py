# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Joining profiles: what any of them lets through, or only what all of them do.

The result is worked out on the parts of each syscall's argument space in which all profiles decide as a whole, written
as rules that do not overlap, and then evaluated again: it is exact, or it is refused.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from azext_seccomp.errors import InvalidInput, Unsupported
from azext_seccomp.profile.effect import (
    MULTIPLEXERS,
    compare,
    decision_in_words,
    default_of,
    program_architectures,
    terms_where,
)
from azext_seccomp.profile.evaluate import Decision, decision_of
from azext_seccomp.profile.model import Action, Profile, Rule
from azext_seccomp.profile.regions import Term
from azext_seccomp.profile.syscalls import architecture, number, numbers


@dataclass(frozen=True, slots=True)
class Merged:
    """A profile and what had to be decided on the way to it."""

    profile: Profile
    notes: tuple[str, ...]


def merge(profiles: Sequence[Profile], *, arch: str, intersect: bool = False) -> Merged:
    """A profile that lets a call through when one of ``profiles`` does, or with ``intersect`` when all of them do.

    Of different refusals ENOSYS is kept, because programs have a fallback for it, else that of the profile that comes
    first.

    :param arch: of the nodes, ``amd64`` or ``arm64``.
    :raises Unsupported: no profile can say it, or it takes too many conditions.
    """
    merger = _Merger(profiles, arch, intersect)
    return Merged(merger.merged(), tuple(dict.fromkeys(merger.notes)))


class _Merger:
    def __init__(self, profiles: Sequence[Profile], arch: str, intersect: bool) -> None:
        self.notes: list[str] = []
        self._profiles = tuple(profiles)
        self._native = arch
        self._intersect = intersect
        self._programs = program_architectures(profiles, arch)

    def merged(self) -> Profile:
        """The one profile.

        libseccomp refuses some rules with different actions for one syscall although no call meets both. Then one
        kind of refusal has to do for each syscall: what is let through stays exact.
        """
        try:
            return self._written_and_proved(plain=False)
        except (InvalidInput, Unsupported) as refusal:
            first = refusal
        try:
            merged = self._written_and_proved(plain=True)
        except InvalidInput:
            raise Unsupported("The profiles cannot be merged.", why=str(first), fix=first.fix) from first
        self.notes.append("Some calls are refused with another error than in any profile: libseccomp takes no more.")
        return merged

    def _written_and_proved(self, plain: bool) -> Profile:
        default = self._choose([default_of(profile) for profile in self._profiles])
        names = dict.fromkeys(name for profile in self._profiles for rule in profile.rules for name in rule.names)
        cases = [case for name in names for case in self._wanted(name, default, plain) if case.decision != default]
        listening = next((profile for profile in self._profiles if profile.listener_path), self._profiles[0])
        merged = Profile(
            default.action,
            default.errno,
            self._architectures(),
            tuple(dict.fromkeys(flag for profile in self._profiles for flag in profile.flags)),
            listening.listener_path,
            listening.listener_metadata,
            tuple(_grouped(cases)),
        )
        self._prove(merged, frozenset(names))
        return merged

    def _wanted(self, name: str, default: Decision, plain: bool) -> "Iterator[_Case]":
        """What the merged profile should do with ``name``.

        Worked out on the widest architecture that has the syscall: the file has its conditions in that width.
        """
        arch = next((arch for arch in self._programs if number(name, arch) is not None), None)
        if arch is None:
            yield from self._unnumbered(name)
            return
        comparison = compare(self._profiles, name, arch)
        decisions = [self._choose(answers, name) for answers in zip(*comparison.decisions, strict=True)]
        if plain:
            decisions = _plain(decisions, default)
        for decision in dict.fromkeys(decisions):
            chosen = [found == decision for found in decisions]
            terms = ((),) if all(chosen) else terms_where(comparison, self._profiles, chosen)
            yield _Case(name, decision, terms)

    def _unnumbered(self, name: str) -> "Iterator[_Case]":
        """For a name that programs here cannot call: a newer one, another architecture's, or one behind socketcall."""
        answers = [_unconditional(profile, name) for profile in self._profiles]
        known = [answer for answer in answers if answer]
        if len(known) == len(answers):
            yield _Case(name, self._choose(known, name), ((),))
        else:
            self.notes.append(f"{name} is left out: nodes of this architecture have no such syscall.")

    def _choose(self, answers: Sequence[Decision], name: str = "") -> Decision:
        passing = [decision for decision in answers if not decision.denies]
        refusing = [decision for decision in answers if decision.denies]
        if passing and not (self._intersect and refusing):
            preferred = Action.LOG if self._intersect else Action.ALLOW
            return next((decision for decision in passing if decision.action is preferred), passing[0])
        chosen = next((decision for decision in refusing if decision.falls_back), refusing[0])
        if len(set(refusing)) > 1 and name:
            different = " and ".join(decision_in_words(decision) for decision in dict.fromkeys(refusing))
            self.notes.append(f"{name} is refused with {different}: kept {decision_in_words(chosen)}.")
        return chosen

    def _architectures(self) -> tuple[str, ...]:
        """None given means the node's own alone, for libseccomp always adds it."""
        if not any(profile.architectures for profile in self._profiles):
            return ()
        lists = [(architecture(self._native).token, *profile.architectures) for profile in self._profiles]
        tokens = dict.fromkeys(token for tokens in lists for token in tokens)
        return tuple(token for token in tokens if not self._intersect or all(token in tokens for tokens in lists))

    def _prove(self, merged: Profile, named: frozenset[str]) -> None:
        """Evaluate the result for every part of every syscall that rules or their absence can decide about.

        :raises InvalidInput: libseccomp refuses the result.
        :raises Unsupported: it differs from what was wanted somewhere.
        """
        for arch in self._programs:
            for name in _decisive(arch, named):
                *answers, results = compare((*self._profiles, merged), name, arch).decisions
                for result, wanted in zip(results, zip(*answers, strict=True), strict=True):
                    if result.denies != self._choose(wanted).denies:
                        raise self._inexpressible(name, arch)

    def _inexpressible(self, name: str, arch: str) -> Unsupported:
        if len({frozenset(profile.architectures) for profile in self._profiles}) > 1:
            return Unsupported(
                f"The profiles cannot be merged: {name} of {arch} programs would be decided otherwise than they say.",
                why="They list different architectures, and the rules of one profile hold for all its architectures.",
                fix="Give all the same architectures, then merge again.",
            )
        if arch == self._native:
            return Unsupported(
                f"The profiles cannot be merged: libseccomp would decide {name} otherwise than the rules say.",
                why="It lets rules share their tests, and mixes some of them up: those with conditions on several "
                "arguments, or on values of more than 32 bits.",
                fix="Give this syscall conditions on one argument only, with values of 32 bits.",
            )
        return Unsupported(
            f"The profiles cannot be merged: no profile can say what {name} of {arch} programs should get.",
            why="For 32-bit programs a rule can mean something else: arguments are narrower, socket calls go through "
            "socketcall, and runc answers ENOSYS to what is newer than all that a profile names.",
            fix="Leave out the 32-bit architectures in all, or the rules for this syscall.",
        )


def _decisive(arch: str, named: frozenset[str]) -> Iterator[str]:
    """The named syscalls, those behind which others hide, and two of all others, which are decided alike."""
    others = []
    for name in sorted(numbers(arch), key=numbers(arch).__getitem__):
        if name in named or name in MULTIPLEXERS:
            yield name
        else:
            others.append(name)
    yield from others[:1] + others[-1:]


@dataclass(frozen=True, slots=True)
class _Case:
    """A syscall, a decision about it, and the terms of which one has to be met."""

    name: str
    decision: Decision
    terms: tuple[Term, ...]


def _plain(decisions: Sequence[Decision], default: Decision) -> list[Decision]:
    """One decision for all that is let through, one for all that is refused; the default where it is of that kind."""
    by_kind: dict[bool, Decision] = {default.denies: default}
    return [by_kind.setdefault(decision.denies, decision) for decision in decisions]


def _unconditional(profile: Profile, name: str) -> Decision | None:
    """What ``profile`` says about ``name`` whatever the arguments; None when that depends on them."""
    rules = [rule for rule in profile.rules if name in rule.names]
    if not rules:
        return default_of(profile)
    return next((decision_of(rule.action, rule.errno_ret) for rule in rules if not rule.args), None)


def _grouped(cases: Iterable[_Case]) -> Iterator[Rule]:
    """One rule for all syscalls that share a decision and a term."""
    groups: dict[tuple[Decision, Term], list[str]] = {}
    for case in cases:
        for term in case.terms:
            groups.setdefault((case.decision, term), []).append(case.name)
    for (decision, term), names in groups.items():
        yield Rule(tuple(names), decision.action, decision.errno, term)
