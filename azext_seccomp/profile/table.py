# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The rules of a profile for one architecture, as libseccomp keeps them (``src/db.c``)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from azext_seccomp.errors import InvalidInput
from azext_seccomp.profile.blocks import Block, decide
from azext_seccomp.profile.chain import Test, always_true
from azext_seccomp.profile.decision import Decision
from azext_seccomp.profile.model import Arg
from azext_seccomp.profile.multiplexed import direct_and_multiplexed
from azext_seccomp.profile.regions import everything, parts, too_many
from azext_seccomp.profile.syscalls import Architecture
from azext_seccomp.profile.tree import Conflict, Endless, Tree

#: Rules with conditions for one syscall. Most take four instructions, and the kernel takes 4096 in a filter; real
#: profiles have fewer than 50.
MAX_TERMS = 1000


@dataclass(frozen=True, slots=True)
class LibseccompRule:
    """What runc adds with one call of seccomp_rule_add; never several conditions on one argument."""

    name: str
    conditions: tuple[Arg, ...]
    decision: Decision


class Table:
    """The rules of one architecture.

    :param rules: in the order in which runc adds them.
    :raises InvalidInput: libseccomp refuses one of them.
    :raises Unsupported: more than :data:`MAX_TERMS` rules with conditions for one syscall.
    """

    def __init__(self, arch: Architecture, rules: Iterable[LibseccompRule]) -> None:
        self._arch = arch
        self._always: dict[int | str, Decision] = {}
        self._trees: dict[int | str, Tree[Decision]] = {}
        #: For each syscall with conditions its first test; filled in by whoever arranges the whole filter.
        self.blocks: dict[int, Block[Decision]] = {}
        self._conditions: dict[int | str, list[tuple[Arg, ...]]] = {}
        for rule in rules:
            for syscall, conditions in direct_and_multiplexed(arch, rule.name, rule.conditions):
                self._add(rule, syscall, conditions)

    def decide(self, number: int, args: Sequence[int]) -> Decision | None:
        """What the rules say about a call; None when none matches."""
        always = self._always.get(number)
        if always is not None or number not in self.blocks:
            return always
        return decide(self.blocks[number], args)

    def examples(self, number: int, syscall: str) -> list[tuple[int, ...]]:
        """Arguments, one for each of the cases that the rules tell apart.

        :raises Unsupported: the conditions are too many to work out.
        """
        regions = parts(everything(self._arch.bits), self._conditions.get(number, ()), syscall)
        return [region.example() for region in regions]

    def syscalls(self) -> list[tuple[int | str, int, Sequence[Test[Decision]]]]:
        """Every syscall that has rules, how many tests it has and the first of them; none without conditions.

        They are sorted by number; syscalls that the architecture does not have are at the end, by name.
        """
        found: list[tuple[int | str, int, Sequence[Test[Decision]]]] = [(syscall, 0, ()) for syscall in self._always]
        found += [(syscall, tree.count(), tree.level) for syscall, tree in self._trees.items()]
        return sorted(found, key=lambda entry: (isinstance(entry[0], str), entry[0]))

    def _add(self, rule: LibseccompRule, syscall: int | str, conditions: Sequence[Arg]) -> None:
        # A rule without conditions beats all that have some, and the first of several such rules stays (db_rule_add).
        if syscall in self._always:
            return
        needed = tuple(condition for condition in conditions if not always_true(condition, self._arch.bits))
        if not needed:
            self._trees.pop(syscall, None)
            self._conditions.pop(syscall, None)
            self._always[syscall] = rule.decision
            return
        terms = self._conditions.setdefault(syscall, [])
        terms.append(needed)
        if len(terms) > MAX_TERMS:
            raise too_many(rule.name)
        try:
            self._trees.setdefault(syscall, Tree(self._arch.bits)).add(needed, rule.decision)
        except Conflict:
            raise InvalidInput(
                f"Two rules for {rule.name} ask for different actions on the same condition.",
                why=f"libseccomp refuses that ({self._arch.name}), so runc does not start the container.",
                fix="Keep one of the rules.",
            ) from None
        except Endless:
            raise InvalidInput(
                f"libseccomp does not come to an end with the rules for {rule.name}.",
                why="It makes a circle of tests when rules that begin alike go on differently; runc hangs.",
                fix="Give them conditions on fewer arguments, or write them as rules for single values.",
            ) from None
