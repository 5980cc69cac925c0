# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The space of a syscall's six arguments, cut into parts in which each condition of some profiles is true or false.

Within such a part a profile decides the same for every call, so a part can be judged by one example. That makes
questions about all 2^384 possible calls exact: two profiles differ if and only if they differ on an example.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from azext_seccomp.errors import Unsupported
from azext_seccomp.profile.model import Arg, Op, Profile, Rule
from azext_seccomp.profile.values import MAX_32, MAX_64, Values, holds, opposites

ARGUMENTS = 6
#: Parts of one syscall's argument space, and rules for one syscall: real profiles stay below 50, hostile ones end here.
MAX_PARTS = 1024

#: Conditions that must all hold, at most one for each argument: what one libseccomp rule says.
Term = tuple[Arg, ...]


@dataclass(frozen=True, slots=True)
class Region:
    """A set of values for each of the six arguments."""

    arguments: tuple[Values, ...]

    def where(self, condition: Arg) -> "Region | None":
        """The part that meets ``condition``; None when there is none."""
        values = self.arguments[condition.index].where(condition)
        if values is None:
            return None
        before, after = self.arguments[: condition.index], self.arguments[condition.index + 1 :]
        return Region((*before, values, *after))

    def where_all(self, conditions: Iterable[Arg]) -> "Region | None":
        """The part that meets all ``conditions``; None when there is none."""
        region: Region | None = self
        for condition in conditions:
            region = region and region.where(condition)
        return region

    def split(self, condition: Arg) -> "list[Region]":
        """Disjoint parts that together are this region; ``condition`` is true in all of a part or in none of it."""
        values = self.arguments[condition.index]
        if values.settles(condition):
            return [self]
        limit = values.limit
        parts = [self.where(condition), *(self.where_all(opposite) for opposite in opposites(condition, limit))]
        return [part for part in parts if part is not None]

    def example(self) -> tuple[int, ...]:
        """The arguments of one call that lies in the region."""
        return tuple(values.smallest() or 0 for values in self.arguments)

    def terms(self) -> Iterator[Term]:
        """The region as a disjoint union of terms."""
        for choice in product(*(tuple(values.alternatives(index)) for index, values in enumerate(self.arguments))):
            yield tuple(condition for conditions in choice for condition in conditions)


def everything(bits: int) -> Region:
    """All calls, with arguments of 64 or 32 bits.

    For a 32-bit architecture libseccomp compares only the lower halves (``db.c`` of libseccomp, ``_db_rule_gen_32``).
    """
    limit = MAX_64 if bits == 64 else MAX_32
    return Region((Values(high=limit, limit=limit),) * ARGUMENTS)


def terms_of(rule: Rule) -> tuple[Term, ...]:
    """What ``rule`` gives to libseccomp: its conditions together, or each on its own where an argument is named twice.

    runc ``libcontainer/seccomp/seccomp_linux.go``, ``matchCall``: if any index occurs twice, every condition becomes
    a rule of its own.
    """
    repeated = any(count > 1 for count in Counter(condition.index for condition in rule.args).values())
    return tuple((condition,) for condition in rule.args) if repeated else (rule.args,)


def terms_for(profile: Profile, syscall: str) -> list[Term]:
    """The terms of all rules that name ``syscall``."""
    return [term for rule in profile.rules if syscall in rule.names for term in terms_of(rule)]


def parts(space: Region, terms: Iterable[Term], syscall: str) -> list[Region]:
    """``space`` cut along every condition of ``terms``.

    :raises Unsupported: more than :data:`MAX_PARTS` parts.
    """
    regions = [space]
    for condition in dict.fromkeys(_for_space(condition, space) for term in terms for condition in term):
        regions = [part for region in regions for part in region.split(condition)]
        if len(regions) > MAX_PARTS:
            raise too_many(syscall)
    return regions


def covers(term: Term, example: Sequence[int]) -> bool:
    """Whether the call ``example`` meets ``term``, and with it the part that it stands for."""
    return all(holds(condition, example[condition.index]) for condition in term)


def too_many(syscall: str) -> Unsupported:
    """The conditions on one syscall go beyond what can be worked out exactly."""
    return Unsupported(
        f"The conditions on the arguments of {syscall} are too many to work out.",
        why=f"They cut its calls into more than {MAX_PARTS} different cases.",
        fix="Give rules with fewer conditions for this syscall.",
    )


def cover(
    inside: Sequence[Region], space: Region, candidates: Iterable[Term], all_parts: Sequence[Region], syscall: str
) -> list[Term]:
    """The parts ``inside`` as a union of terms, as few and as familiar as possible.

    Terms of ``candidates`` that touch nothing else are used first, the one that covers most before the others.

    :param all_parts: every part of ``space``, of which ``inside`` are some.
    :raises Unsupported: more than :data:`MAX_PARTS` terms.
    """
    wanted = set(inside)
    examples = [(part, part.example()) for part in all_parts]
    sets: dict[Term, set[Region]] = {}
    for term in dict.fromkeys(candidates):
        conditions = tuple(_for_space(condition, space) for condition in term)
        touched = {part for part, example in examples if covers(conditions, example)}
        if touched and touched <= wanted:
            sets.setdefault(term, touched)
    terms: list[Term] = []
    left = set(wanted)
    while sets and (best := max(sets, key=lambda term: len(sets[term] & left))) and sets[best] & left:
        terms.append(best)
        left -= sets.pop(best)
    for part in inside:
        if part in left:
            for term in part.terms():
                terms.append(term)
                if len(terms) > MAX_PARTS:
                    raise too_many(syscall)
    return terms


def _for_space(condition: Arg, space: Region) -> Arg:
    """``condition`` as it is compared there: 32 bits at most, no bits in a datum that its mask leaves out."""
    limit = space.arguments[condition.index].limit
    if condition.op is Op.MASKED_EQ:
        return replace(
            condition, value=condition.value & limit, value_two=condition.value_two & condition.value & limit
        )
    return replace(condition, value=condition.value & limit, value_two=0)
