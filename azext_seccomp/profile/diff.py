# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The difference of two profiles in what they do, not in how they are written."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from azext_seccomp.profile.effect import (
    Comparison,
    compare,
    decision_in_words,
    default_of,
    effect_of,
    program_architectures,
    terms_where,
)
from azext_seccomp.profile.explain import any_in_words
from azext_seccomp.profile.model import Profile
from azext_seccomp.profile.syscalls import numbers

#: Stands for all syscalls that neither profile names.
EVERY_OTHER = "(every other)"
#: Stands for all syscalls of programs of an architecture.
EVERY = "(every)"

Kind = Literal["newlyAllowed", "newlyDenied", "conditionChanged", "errnoChanged", "actionChanged"]


@dataclass(frozen=True, slots=True)
class Change:
    """What differs for one syscall.

    :param architectures: of the programs for which it does.
    :param before: what the first profile does, in words; ``after`` the second.
    :param allowed_when: the conditions under which calls are let through now and were not before, in words; empty when
        there are no such calls, or when they are all calls. ``denied_when`` likewise.
    """

    syscall: str
    kind: Kind
    architectures: tuple[str, ...]
    before: str
    after: str
    allowed_when: str = ""
    denied_when: str = ""


_ARCHITECTURE_GONE = Change(EVERY, "newlyDenied", (), "as the rules say", "kill: the architecture is not listed")
_ARCHITECTURE_NEW = Change(EVERY, "newlyAllowed", (), "kill: the architecture is not listed", "as the rules say")


def diff(first: Profile, second: Profile, *, arch: str) -> list[Change]:
    """Every syscall that the second profile treats otherwise than the first, sorted by name.

    :param arch: of the nodes, ``amd64`` or ``arm64``; 32-bit programs are compared where a profile lets them run.
    :raises Unsupported: conditions too many to compare.
    """
    named = {name for profile in (first, second) for rule in profile.rules for name in rule.names}
    before, after = (program_architectures((profile,), arch) for profile in (first, second))
    found: dict[tuple[str, Kind, str, str], dict[str, Change]] = {}
    for program in program_architectures((first, second), arch):
        if program in before and program in after:
            changes: Iterable[Change] = _changes(first, second, program, named)
        else:
            changes = (_ARCHITECTURE_GONE if program in before else _ARCHITECTURE_NEW,)
        for change in changes:
            key = (change.syscall, change.kind, change.allowed_when, change.denied_when)
            found.setdefault(key, {})[program] = change
    return sorted(map(_joined, found.values()), key=lambda change: (change.syscall.startswith("("), change.syscall))


def _joined(by_program: dict[str, Change]) -> Change:
    """One change for programs of several architectures."""
    before = _joined_words({program: change.before for program, change in by_program.items()})
    after = _joined_words({program: change.after for program, change in by_program.items()})
    return replace(next(iter(by_program.values())), architectures=tuple(by_program), before=before, after=after)


def _joined_words(words: dict[str, str]) -> str:
    """Like ``errno ENOSYS (x32: errno EPERM)``."""
    first, *_ = words.values()
    others = [f"{program}: {text}" for program, text in words.items() if text != first]
    return f"{first} ({'; '.join(others)})" if others else first


def _changes(first: Profile, second: Profile, program: str, named: set[str]) -> Iterator[Change]:
    """The changes on one architecture; ``architectures`` is left empty in them."""
    others: dict[Change, None] = {}
    for name in numbers(program):
        change = _change(first, second, name, program)
        if change is None:
            continue
        if name in named or not _is_general(first, second, change):
            yield change
        else:
            others[Change(EVERY_OTHER, change.kind, (), change.before, change.after)] = None
    yield from others


def _is_general(first: Profile, second: Profile, change: Change) -> bool:
    """Whether a syscall that no rule names differs because the default actions do.

    (It can also differ because runc answers ENOSYS to syscalls that are newer than all that a profile names.)
    """
    return (change.before, change.after) == tuple(decision_in_words(default_of(one)) for one in (first, second))


def _change(first: Profile, second: Profile, name: str, program: str) -> Change | None:
    comparison = compare((first, second), name, program)
    before, after = comparison.decisions
    if before == after:
        return None
    if len(comparison.parts) == 1:
        words = (decision_in_words(before[0]), decision_in_words(after[0]))
    else:
        words = (effect_of(first, name, program).in_words(), effect_of(second, name, program).in_words())
    gained = [then.denies and not now.denies for then, now in zip(before, after, strict=True)]
    lost = [now.denies and not then.denies for then, now in zip(before, after, strict=True)]
    if not any(gained) and not any(lost):
        errno_only = {one.action for one in before} == {one.action for one in after}
        return Change(name, "errnoChanged" if errno_only else "actionChanged", (), *words)
    kind: Kind = "conditionChanged"
    if all(decision.denies for decision in before):
        kind = "newlyAllowed"
    elif all(decision.denies for decision in after):
        kind = "newlyDenied"
    profiles = (first, second)
    return Change(name, kind, (), *words, _when(comparison, profiles, gained), _when(comparison, profiles, lost))


def _when(comparison: Comparison, profiles: Sequence[Profile], chosen: Sequence[bool]) -> str:
    if all(chosen) or not any(chosen):
        return ""
    return any_in_words(comparison.syscall, terms_where(comparison, profiles, chosen))


def counts(changes: Iterable[Change]) -> dict[str, int]:
    """How many changes there are of each kind."""
    kinds = [change.kind for change in changes]
    return {kind: kinds.count(kind) for kind in dict.fromkeys(sorted(kinds))}
