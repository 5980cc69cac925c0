# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What a profile does, for people: every syscall with its effect, and what to know of those it blocks."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from azext_seccomp.errors import NotFound
from azext_seccomp.profile.effect import Effect, decision_in_words, effect_of
from azext_seccomp.profile.explain import Explanation, explanation
from azext_seccomp.profile.model import Profile
from azext_seccomp.profile.syscalls import known, nearest, numbers


@dataclass(frozen=True, slots=True)
class Line:
    """One syscall.

    :param about: for a syscall that is blocked, always or sometimes; None for others.
    """

    effect: Effect
    about: Explanation | None

    @property
    def action(self) -> str:
        """The decision in words, or that it depends on the arguments."""
        return "depends" if self.effect.cases else decision_in_words(self.effect.otherwise)


def overview(profile: Profile, arch: str, only: Iterable[str] = ()) -> list[Line]:
    """Every syscall that programs of ``arch`` have, or ``only`` those; blocked ones first, by name.

    :raises NotFound: a syscall that ``arch`` does not have.
    :raises Unsupported: the conditions on a syscall are too many to work out.
    """
    names = list(_existing(only, arch)) or list(numbers(arch))
    lines = []
    for name in sorted(names):
        effect = effect_of(profile, name, arch)
        blocks = any(decision.denies for decision in effect.decisions())
        lines.append(Line(effect, explanation(name) if blocks else None))
    return sorted(lines, key=lambda line: (line.about is None, not line.effect.cases, line.effect.syscall))


def counts(lines: Iterable[Line]) -> dict[str, int]:
    """How many syscalls get each action."""
    actions = [line.action for line in lines]
    return {action: actions.count(action) for action in sorted(set(actions))}


def _existing(names: Iterable[str], arch: str) -> Iterator[str]:
    for name in names:
        if name in numbers(arch):
            yield name
            continue
        close = nearest(name)
        why = "Another architecture has it." if name in known() else ""
        fix = f"Did you mean {close}?" if close and close != name else "See man 2 syscalls for the names there are."
        raise NotFound(f"{arch} has no syscall {name[:64]}.", why=why, fix=fix)
