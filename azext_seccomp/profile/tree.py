# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The decision tree in which libseccomp keeps the rules for one syscall that have conditions.

The order in which rules stand in a profile is not the order in which they are tried. libseccomp (``src/db.c``,
releases 2.5.1 to 2.6.1) cuts each condition into tests of 32-bit words, sorts the tests of a level by argument,
operator and value, and lets rules share tests that they have in common. Where rules with different actions overlap,
that order decides.
"""

from collections.abc import Sequence
from typing import Generic

from azext_seccomp.profile.chain import ActionT, Branch, Test, actions_of, chain_of, identities, tests_of
from azext_seccomp.profile.model import Arg
from azext_seccomp.profile.pruning import prune


class Conflict(Exception):
    """libseccomp refuses a rule (EEXIST): another one asks for a different action on the very same test."""


class Endless(Exception):
    """libseccomp links the tests of a level in a circle with this rule and never finishes."""


class Tree(Generic[ActionT]):
    """Rules with conditions for one syscall.

    :param bits: 64 or 32, the width of the architecture's arguments.
    """

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._root: Branch[ActionT] = Branch()
        self._lost = 0

    def add(self, conditions: Sequence[Arg], action: ActionT) -> None:
        """Add a rule: all of ``conditions``, at most one for each argument, none of them always true.

        :raises Conflict: libseccomp would refuse the rule.
        """
        chain = chain_of(conditions, action, self._bits)
        lost: list[Test[ActionT]] = []
        if not prune(self._root, chain, action, lost):
            if self._root.level is None:
                self._root.lead_to([chain])
            else:
                leading = [side for test in tests_of([chain]) for side in (test.true, test.false)]
                _Insertion(leading, lost).insert(self._root, self._root.level, chain)
        if lost:
            self._lost += len(identities(lost) - identities(self.level))

    @property
    def level(self) -> Sequence[Test[ActionT]]:
        """The tests of the top level, in the order in which they are made."""
        return self._root.level or ()

    def count(self) -> int:
        """How many tests libseccomp believes the tree to have.

        It forgets to take off those that it loses hold of: a level of several tests that an action replaces.
        """
        return len(identities(self.level)) + self._lost


class _Insertion(Generic[ActionT]):
    """One rule on its way into the tree.

    A test stands on one level only. Once it is on a level of the tree, all branches of the new rule that lead to it
    lead to that whole level, with the tests of other rules.

    :param leading: the branches that may lead to tests of the new rule.
    :param lost: takes the tests that are taken out and still counted.
    """

    def __init__(self, leading: list[Branch[ActionT]], lost: list[Test[ActionT]]) -> None:
        self._leading = leading
        self._lost = lost

    def insert(self, branch: Branch[ActionT], level: list[Test[ActionT]], new: Test[ActionT]) -> None:
        """Put ``new`` where it belongs on the level of ``branch``, or join it with the same test (``_db_tree_add``).

        :raises Endless: another branch has put ``new`` on the shared level before this branch's entry.
        """
        start = next(place for place, test in enumerate(level) if test is branch.entry)
        for place in range(start, len(level)):
            existing = level[place]
            if existing is new:
                return
            if existing.same(new):
                self._join(existing, new)
                return
            if new.before(existing):
                if place and level[place - 1] is new:
                    raise Endless
                level.insert(place, new)
                if existing is branch.entry:
                    branch.entry = new
                self._share(level, new)
                return
        level.append(new)
        self._share(level, new)

    def _share(self, level: list[Test[ActionT]], new: Test[ActionT]) -> None:
        for branch in self._leading:
            if branch.entry is new:
                branch.level = level

    def _join(self, existing: Test[ActionT], new: Test[ActionT]) -> None:
        ends_here = existing.leaf() or new.leaf()
        taken = _take_action(existing.true, new.true, self._lost, ends_here=ends_here)
        if not taken and _supersedes(existing, new):
            existing.true.action = new.true.action
        _take_action(existing.false, new.false, self._lost, ends_here=existing.leaf() or new.leaf())
        for mine, other in ((existing.true, new.true), (existing.false, new.false)):
            if other.level is None:
                continue
            if mine.level is not None:
                self.insert(mine, mine.level, other.entry or other.level[0])
            elif mine.action is None:
                mine.level, mine.entry = other.level, other.entry
                self._leading.append(mine)
            else:
                return  # the existing rule asks for less and so covers the new one


def _supersedes(existing: Test[ActionT], new: Test[ActionT]) -> bool:
    """Of two lower limits with the same upper word the greater one decides what lies above that word."""
    return new.word[1] and new.condition.value > existing.condition.value


def _take_action(mine: Branch[ActionT], other: Branch[ActionT], lost: list[Test[ActionT]], *, ends_here: bool) -> bool:
    """Give ``mine`` the action of ``other`` where it has none. False: both have one, and they differ."""
    if other.action is None or mine.action == other.action:
        return True
    if mine.action is not None:
        if ends_here:
            raise Conflict
        return False
    if any(action != other.action for action in actions_of(mine.level or ())):
        raise Conflict
    if mine.level is not None and len(mine.level) > 1:
        lost += mine.level
    mine.level, mine.entry, mine.action = None, None, other.action
    return True
