# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""How libseccomp looks for rules that a new one makes superfluous, or the other way round (``src/db.c``,
``_db_tree_prune``).

It compares the chain of tests of the new rule with the chains in the tree. A chain that is the beginning or the end
of another, with the same action, makes the other superfluous. The search knows no difference between what follows
when a test is true and what follows when it is false in one case: then it drops a rule that was needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic

from azext_seccomp.profile.chain import ActionT, Branch, Test, actions_of, tests_of


@dataclass(slots=True)
class _Found:
    """What is known of the two chains at a point of the search.

    :param matches: the tests looked at last are the same; ``matched_once``: some were.
    :param new_ends: the new chain ends there; ``existing_ends``: the existing one does.
    :param new_longer: the new chain has tests before its match; ``existing_longer``: the existing one has.
    """

    matches: bool = False
    matched_once: bool = False
    new_ends: bool = False
    existing_ends: bool = False
    new_longer: bool = False
    existing_longer: bool = False

    def take(self, other: "_Found") -> None:
        self.matches |= other.matches
        self.matched_once |= other.matched_once
        self.new_ends |= other.new_ends
        self.existing_ends |= other.existing_ends
        self.new_longer |= other.new_longer
        self.existing_longer |= other.existing_longer


def prune(root: Branch[ActionT], new: Test[ActionT], action: ActionT) -> bool:
    """Remove from the tree what ``new`` makes superfluous; whether ``new`` itself is superfluous."""
    search = _Search(root, action)
    found = _Found()
    search.level(root, new, found)
    return not search.freed and found.matches and found.existing_ends and found.new_longer


class _Search(Generic[ActionT]):
    def __init__(self, root: Branch[ActionT], action: ActionT) -> None:
        self._root = root
        self._action = action
        self.freed = False

    def level(self, branch: Branch[ActionT], new: Test[ActionT] | None, found: _Found) -> None:
        """Compare the chain that starts with ``new`` with those on the level of ``branch``."""
        seen = replace(found)
        if new is not None and branch.level and (found.matches or not found.matched_once):
            for existing in tuple(branch.level):
                if self._compare(branch, existing, new, found, seen):
                    break
            else:
                seen.matches = False
        if seen.matches:
            found.take(seen)
        else:
            found.matches = False

    def _compare(
        self, branch: Branch[ActionT], existing: Test[ActionT], new: Test[ActionT], found: _Found, seen: _Found
    ) -> bool:
        """Compare two tests; True ends the search on this level."""
        if existing.same(new):
            return self._same(existing, new, found, seen)
        if new.before(existing):
            if found.new_longer:
                return True
            below = replace(found, matches=False, existing_longer=True)
            return any(self._descend(side, new, below, seen) for side in _sides(existing) if side.level)
        if found.existing_longer:
            return True
        below = replace(found, matches=False, new_longer=True)
        return any(self._descend(branch, side.entry, below, seen) for side in _sides(new) if side.level)

    def _descend(self, branch: Branch[ActionT], new: Test[ActionT] | None, found: _Found, seen: _Found) -> bool:
        below = replace(found)
        self.level(branch, new, below)
        if below.matches:
            seen.take(below)
        return below.matches

    def _same(self, existing: Test[ActionT], new: Test[ActionT], found: _Found, seen: _Found) -> bool:
        seen.matches = seen.matched_once = True
        seen.new_ends |= new.leaf()
        seen.existing_ends |= existing.leaf()
        sides = tuple(zip(_sides(existing), _sides(new), strict=True))
        if any(mine.leads_on() and not other.leads_on() for mine, other in sides):
            return True
        if seen.new_ends and seen.existing_ends and any(mine.action != other.action for mine, other in sides):
            return True
        for mine, other in sides:
            if other.level:
                below = replace(found, matches=True, matched_once=True)
                self.level(mine, other.entry, below)
                if below.matches:
                    seen.take(below)
        if self._same_action_around(existing) and seen.matches:
            if seen.new_ends and seen.existing_longer:
                self._remove(existing)
                return self._root.level is None
            return seen.existing_ends and seen.new_longer
        return False

    def _same_action_around(self, test: Test[ActionT]) -> bool:
        """Whether everything on the level of ``test`` and below has the action of the new rule."""
        level = next((b.level for b in self._branches() if b.level and any(t is test for t in b.level)), [test])
        return all(action == self._action for action in actions_of(level))

    def _branches(self) -> "list[Branch[ActionT]]":
        return [self._root, *(side for test in tests_of(self._root.level or ()) for side in _sides(test))]

    def _remove(self, test: Test[ActionT]) -> None:
        """Take ``test`` out, and tests above it that then lead nowhere."""
        unlinked: Test[ActionT] | None = test
        while unlinked is not None:
            found = next((b for b in self._branches() if b.level and any(t is unlinked for t in b.level)), None)
            if found is None or found.level is None:
                return
            self._unlink(found, found.level, unlinked)
            empty = (t for t in tests_of(self._root.level or ()) if not any(side.leads_on() for side in _sides(t)))
            unlinked = next(empty, None)

    def _unlink(self, through: Branch[ActionT], level: list[Test[ActionT]], test: Test[ActionT]) -> None:
        self.freed |= len(level) == 1
        sharing = [b for b in self._branches() if b.level is level]
        level[:] = [other for other in level if other is not test]
        for branch in sharing:
            if branch is not through and branch.entry is test:
                branch.lead_to([test])  # a second pointer to the test keeps it, alone
            elif not level:
                branch.level = branch.entry = None
            elif branch.entry is test:
                branch.entry = level[0]


def _sides(test: Test[ActionT]) -> "Sequence[Branch[ActionT]]":
    return (test.true, test.false)
