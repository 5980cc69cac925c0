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

from azext_seccomp.profile.chain import ActionT, Branch, Test, actions_of, chain_of, tests_of
from azext_seccomp.profile.levels import drop, release
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
        self._count = 0

    def add(self, conditions: Sequence[Arg], action: ActionT) -> None:
        """Add a rule: all of ``conditions``, at most one for each argument, none of them always true.

        :raises Conflict: libseccomp would refuse the rule.
        """
        new = chain_of(conditions, action, self._bits)
        if new.entry is None:
            raise ValueError("a chain without tests")
        count = len({id(test) for test in tests_of([new.entry])})
        if self._root.entry is not None:
            freed, superfluous = prune(self._root, new.entry, action)
            self._count -= freed
            if superfluous:
                return
        if self._root.entry is None:
            self._root, self._count = new, count
            return
        self._insert(self._root, new.entry)
        self._count += count - release(new)

    @property
    def level(self) -> Sequence[Test[ActionT]]:
        """The tests of the top level, in the order in which they are made."""
        return self._root.level or ()

    def count(self) -> int:
        """How many tests libseccomp believes the tree to have."""
        return self._count

    def _insert(self, branch: Branch[ActionT], new: Test[ActionT]) -> None:
        """Put ``new`` where it belongs on the level of ``branch``, or join it with the same test (``_db_tree_add``).

        :raises Endless: ``new`` is on the level already, before this branch's entry.
        """
        existing = branch.entry
        while existing is not None:
            if existing.same(new):
                self._join(existing, new)
                return
            if new.before(existing):
                _link_before(existing, new)
                if branch.entry is existing:
                    branch.lead_to(new)
                    drop(existing)
                break
            if existing.following is None:
                _link_after(existing, new)
                break
            existing = existing.following
        _check_end(new)

    def _join(self, existing: Test[ActionT], new: Test[ActionT]) -> None:
        ends_here = existing.leaf() or new.leaf()
        taken = self._take_action(existing.true, new.true, ends_here=ends_here)
        if not taken and _supersedes(existing, new):
            existing.true.action = new.true.action
        self._take_action(existing.false, new.false, ends_here=existing.leaf() or new.leaf())
        for mine, other in zip(existing.sides(), new.sides(), strict=True):
            if other.entry is None:
                continue
            if mine.entry is not None:
                self._insert(mine, other.entry)
            elif mine.action is None:
                mine.lead_to(other.entry)
            else:
                return  # the existing rule asks for less and so covers the new one

    def _take_action(self, mine: Branch[ActionT], other: Branch[ActionT], *, ends_here: bool) -> bool:
        """Give ``mine`` the action of ``other`` where it has none. False: both have one, and they differ."""
        if other.action is None or mine.action == other.action:
            return True
        if mine.action is not None:
            if ends_here:
                raise Conflict
            return False
        if any(action != other.action for action in actions_of(mine.level or ())):
            raise Conflict
        if mine.entry is not None:
            # Of a level of several tests libseccomp frees none here, and goes on counting them.
            self._count -= drop(mine.entry)[0]
        mine.entry, mine.action = None, other.action
        return True


def _link_before(existing: Test[ActionT], new: Test[ActionT]) -> None:
    # As in _db_tree_add: if the new test stands on another level already, its links there are overwritten.
    previous = existing.previous
    if previous is not None:
        previous.following = new
    new.previous = previous
    existing.previous, new.following = new, existing
    new.references += 1
    if previous is not None:
        new.references += 1
    else:
        existing.references += 1


def _link_after(existing: Test[ActionT], new: Test[ActionT]) -> None:
    existing.following, new.previous = new, existing
    existing.references += 1
    new.references += 1


def _check_end(test: Test[ActionT]) -> None:
    # A new circle goes through the test that was linked last.
    before, after = test.previous, test.following
    while before is not None or after is not None:
        if before is test or after is test:
            raise Endless
        before = before and before.previous
        after = after and after.following


def _supersedes(existing: Test[ActionT], new: Test[ActionT]) -> bool:
    """Of two lower limits with the same upper word the greater one decides what lies above that word."""
    return new.word[1] and new.condition.value > existing.condition.value
