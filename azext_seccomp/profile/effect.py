# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What profiles decide about every call of a syscall: exact, for any arguments, and in words."""

import errno
from collections.abc import Sequence
from dataclasses import dataclass

from azext_seccomp.profile.evaluate import Decision, decision_of, filter_of
from azext_seccomp.profile.explain import any_in_words
from azext_seccomp.profile.model import Profile
from azext_seccomp.profile.multiplexed import direct_and_multiplexed
from azext_seccomp.profile.regions import Region, Term, cover, everything, parts, terms_for, terms_of
from azext_seccomp.profile.syscalls import ARCHITECTURES, architecture, number

#: System calls of 32-bit x86 that carry others.
MULTIPLEXERS = ("socketcall", "ipc")


@dataclass(frozen=True, slots=True)
class Comparison:
    """The calls of one syscall on one architecture, cut into parts that every profile decides as a whole.

    :param decisions: for each profile, what it decides in each of the parts.
    """

    syscall: str
    arch: str
    space: Region
    parts: tuple[Region, ...]
    decisions: tuple[tuple[Decision, ...], ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A decision, and the terms of which one has to be met for it."""

    decision: Decision
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Effect:
    """What one profile does with a syscall: the case that is met, ``otherwise`` when none is. Cases are disjoint."""

    syscall: str
    cases: tuple[Case, ...]
    otherwise: Decision

    def decisions(self) -> tuple[Decision, ...]:
        """Every decision that can come out."""
        return (*(case.decision for case in self.cases), self.otherwise)

    def in_words(self) -> str:
        """Like ``allow if arg0 != 40 (AF_VSOCK), else errno EPERM``."""
        if not self.cases:
            return decision_in_words(self.otherwise)
        cases = (
            f"{decision_in_words(case.decision)} if {any_in_words(self.syscall, case.terms)}" for case in self.cases
        )
        return f"{', '.join(cases)}, else {decision_in_words(self.otherwise)}"


def compare(profiles: Sequence[Profile], syscall: str, arch: str) -> Comparison:
    """What each of ``profiles`` decides about every call of ``syscall``.

    :param arch: of the calling program, ``amd64``, ``i386``, ``x32``, ``arm64`` or ``arm``.
    :raises Unsupported: the conditions cut the calls into too many parts.
    """
    space = everything(architecture(arch).bits)
    regions = parts(space, (term for profile in profiles for term in terms_on(profile, syscall, arch)), syscall)
    examples = [region.example() for region in regions]
    filters = (filter_of(profile, architecture(arch).native) for profile in profiles)
    decisions = (tuple(built.evaluate(syscall, example, arch) for example in examples) for built in filters)
    return Comparison(syscall, arch, space, tuple(regions), tuple(decisions))


def effect_of(profile: Profile, syscall: str, arch: str) -> Effect:
    """What ``profile`` does with ``syscall``.

    :raises Unsupported: the conditions cut the calls into too many parts.
    """
    comparison = compare((profile,), syscall, arch)
    (decisions,) = comparison.decisions
    kinds = dict.fromkeys(decisions)
    default = default_of(profile)
    otherwise = default if default in kinds else max(kinds, key=decisions.count)
    cases = [
        Case(decision, terms_where(comparison, (profile,), [found == decision for found in decisions]))
        for decision in kinds
        if decision != otherwise
    ]
    return Effect(syscall, tuple(cases), otherwise)


def terms_where(comparison: Comparison, profiles: Sequence[Profile], chosen: Sequence[bool]) -> tuple[Term, ...]:
    """The ``chosen`` parts as terms, in the words of ``profiles`` where possible."""
    inside = [part for part, taken in zip(comparison.parts, chosen, strict=True) if taken]
    known = [term for profile in profiles for term in terms_on(profile, comparison.syscall, comparison.arch)]
    candidates = [*known, *((condition,) for term in known for condition in term)]
    return tuple(cover(inside, comparison.space, candidates, comparison.parts, comparison.syscall))


def program_architectures(profiles: Sequence[Profile], native: str) -> tuple[str, ...]:
    """The architectures of programs that one of ``profiles`` lets run on a node, the node's own first.

    libseccomp adds the node's own always, and kills programs of architectures that are not listed.
    """
    tokens = {token for profile in profiles for token in profile.architectures}
    own = [known for known in ARCHITECTURES.values() if known.native == native]
    return tuple(known.name for known in own if known.name == native or known.token in tokens)


def default_of(profile: Profile) -> Decision:
    """What ``profile`` decides about calls that no rule matches."""
    return decision_of(profile.default_action, profile.default_errno_ret)


def terms_on(profile: Profile, syscall: str, arch: str) -> list[Term]:
    """The terms of all rules that decide about ``syscall`` on ``arch``.

    On 32-bit x86 rules for other syscalls decide about socketcall and ipc too.
    """
    if arch != "i386" or syscall not in MULTIPLEXERS:
        return terms_for(profile, syscall)
    own, program = number(syscall, arch), architecture(arch)
    return [
        tuple(conditions)
        for rule in profile.rules
        for name in rule.names
        for term in terms_of(rule)
        for found, conditions in direct_and_multiplexed(program, name, term)
        if found == own
    ]


def decision_in_words(decision: Decision) -> str:
    """Like ``allow``, ``errno ENOSYS``, ``kill process``."""
    words = decision.action.value.removeprefix("SCMP_ACT_").lower().replace("_", " ")
    if decision.errno is None:
        return words
    return f"{words} {errno.errorcode.get(decision.errno, decision.errno)}"
