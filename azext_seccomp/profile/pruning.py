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
from typing import Generic

from azext_seccomp.profile.chain import ActionT, Branch, Test, actions_of, tests_of

# What is known of the two chains at a point of the search.
_MATCHES = 1  # the tests looked at last are the same
_MATCHED_ONCE = 2
_NEW_ENDS = 4  # the new chain ends there
_EXISTING_ENDS = 8
_NEW_LONGER = 16  # the new chain has tests before its match
_EXISTING_LONGER = 32
_SUPERFLUOUS = _MATCHES | _EXISTING_ENDS | _NEW_LONGER


def prune(root: Branch[ActionT], new: Test[ActionT], action: ActionT, lost: list[Test[ActionT]]) -> bool:
    """Remove from the tree what ``new`` makes superfluous; whether ``new`` itself is superfluous.

    :param lost: takes the tests that are taken out and still counted, with all that follows them.
    """
    search = _Search(root, action, lost)
    found = search.level(root, new, 0)
    return not search.freed and found & _SUPERFLUOUS == _SUPERFLUOUS


class _Search(Generic[ActionT]):
    """One search; methods take what was found so far and return what is found then, some with "the level is done"."""

    def __init__(self, root: Branch[ActionT], action: ActionT, lost: list[Test[ActionT]]) -> None:
        self._root = root
        self._action = action
        self.freed = False
        self._removed = 0
        self._lost = lost

    def level(self, branch: Branch[ActionT], new: Test[ActionT] | None, found: int) -> int:
        """Compare the chain that starts with ``new`` with those on the level of ``branch``."""
        seen = found
        if new is not None and branch.level and found & (_MATCHES | _MATCHED_ONCE) != _MATCHED_ONCE:
            seen = self._compare(branch, branch.level, new, found)
        return found | seen if seen & _MATCHES else found & ~_MATCHES

    def _compare(self, branch: Branch[ActionT], level: list[Test[ActionT]], new: Test[ActionT], found: int) -> int:
        """Compare with the tests of the level one after the other, until one decides."""
        seen, searched_at = found, -1
        for existing in tuple(level):
            if existing.same(new):
                done, seen = self._same(existing, new, found, seen)
            elif new.before(existing):
                done = bool(found & _NEW_LONGER)
                if not done:
                    below = (found & ~_MATCHES) | _EXISTING_LONGER
                    done, seen = self._descend([(side, new) for side in _sides(existing) if side.level], below, seen)
            elif searched_at == self._removed:
                continue  # the same search as for the test before, which found nothing
            else:
                searched_at = self._removed
                done = bool(found & _EXISTING_LONGER)
                if not done:
                    below = (found & ~_MATCHES) | _NEW_LONGER
                    done, seen = self._descend([(branch, s.entry) for s in _sides(new) if s.level], below, seen)
            if done:
                return seen
        return seen & ~_MATCHES

    def _descend(
        self, pairs: "Sequence[tuple[Branch[ActionT], Test[ActionT] | None]]", below: int, seen: int
    ) -> tuple[bool, int]:
        for branch, new in pairs:
            result = self.level(branch, new, below)
            if result & _MATCHES:
                return True, seen | result
        return False, seen

    def _same(self, existing: Test[ActionT], new: Test[ActionT], found: int, seen: int) -> tuple[bool, int]:
        seen |= _MATCHES | _MATCHED_ONCE
        seen |= _NEW_ENDS if new.leaf() else 0
        seen |= _EXISTING_ENDS if existing.leaf() else 0
        sides = tuple(zip(_sides(existing), _sides(new), strict=True))
        if any(mine.leads_on() and not other.leads_on() for mine, other in sides):
            return True, seen
        both_end = seen & _NEW_ENDS and seen & _EXISTING_ENDS
        if both_end and any(mine.action != other.action for mine, other in sides):
            return True, seen
        for mine, other in sides:
            if other.level:
                result = self.level(mine, other.entry, found | _MATCHES | _MATCHED_ONCE)
                seen |= result if result & _MATCHES else 0
        return self._superfluous(existing, seen), seen

    def _superfluous(self, existing: Test[ActionT], seen: int) -> bool:
        """Remove ``existing`` if the new rule covers it; whether the level is done."""
        covered = seen & _NEW_ENDS and seen & _EXISTING_LONGER
        covering = seen & _EXISTING_ENDS and seen & _NEW_LONGER
        if not (covered or covering) or not self._same_action_around(existing):
            return False
        if not covered:
            return True
        self._remove(existing)
        return self._root.level is None

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
        self._removed += 1
        if len(level) == 1:
            self.freed = True
        else:
            self._lost.append(test)
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
