# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""How libseccomp looks for rules that a new one makes superfluous, or the other way round (``src/db.c``,
``_db_tree_prune``).

It compares the chain of tests of the new rule with the chains in the tree. A chain that is the beginning or the end
of another, with the same action, makes the other superfluous. The search knows no difference between what follows
when a test is true and what follows when it is false in one case: then it drops a rule that was needed.
"""

from typing import Generic

from azext_seccomp.profile.chain import ActionT, Branch, Test, actions_of
from azext_seccomp.profile.levels import drop, remove

# What is known of the two chains at a point of the search.
_MATCHES = 1  # the tests looked at last are the same
_MATCHED_ONCE = 2
_NEW_ENDS = 4  # the new chain ends there
_EXISTING_ENDS = 8
_NEW_LONGER = 16  # the new chain has tests before its match
_EXISTING_LONGER = 32
_SUPERFLUOUS = _MATCHES | _EXISTING_ENDS | _NEW_LONGER


def prune(root: Branch[ActionT], new: Test[ActionT], action: ActionT) -> tuple[int, bool]:
    """Remove from the tree what ``new`` makes superfluous.

    :return: how many tests are freed, and whether ``new`` itself is superfluous.
    """
    search = _Search(root, action)
    found = search.level(root.entry, new, 0)
    return search.freed, not search.freed and found & _SUPERFLUOUS == _SUPERFLUOUS


class _Search(Generic[ActionT]):
    """One search; methods take what was found so far and return what is found then, some with "the level is done"."""

    def __init__(self, root: Branch[ActionT], action: ActionT) -> None:
        self._root = root
        self._action = action
        self.freed = 0
        self._removed = 0

    def level(self, existing: Test[ActionT] | None, new: Test[ActionT] | None, found: int) -> int:
        """Compare the chain that starts with ``new`` with those on the level of ``existing``."""
        seen = found
        if new is not None and existing is not None and found & (_MATCHES | _MATCHED_ONCE) != _MATCHED_ONCE:
            seen = self._compare(existing.first(), new, found)
        return found | seen if seen & _MATCHES else found & ~_MATCHES

    def _compare(self, first: Test[ActionT], new: Test[ActionT], found: int) -> int:
        """Compare with the tests of the level one after the other, until one decides."""
        seen = found
        searched: tuple[Test[ActionT] | None, int] = None, -1
        existing: Test[ActionT] | None = first
        while existing is not None:
            following = existing.following
            if existing.same(new):
                done, seen = self._same(existing, new, found, seen)
            elif new.before(existing):
                done = bool(found & _NEW_LONGER)
                if not done:
                    done, seen = self._existing_longer(existing, new, (found & ~_MATCHES) | _EXISTING_LONGER, seen)
            else:
                # libseccomp starts again at the first test of the level, which finds nothing if it did not before.
                done = bool(found & _EXISTING_LONGER)
                if not done and searched != (existing.previous, self._removed):
                    done, seen = self._new_longer(existing, new, (found & ~_MATCHES) | _NEW_LONGER, seen)
                searched = existing, self._removed
            if done:
                return seen
            existing = following
        return seen & ~_MATCHES

    def _existing_longer(self, existing: Test[ActionT], new: Test[ActionT], below: int, seen: int) -> tuple[bool, int]:
        at: Test[ActionT] | None = existing
        for side in (0, 1):
            if at is not None and (entry := at.sides()[side].entry) is not None:
                result, at = self._holding(at, entry, new, below)
                if result & _MATCHES:
                    return True, seen | result
        return False, seen

    def _new_longer(self, existing: Test[ActionT], new: Test[ActionT], below: int, seen: int) -> tuple[bool, int]:
        at: Test[ActionT] | None = existing
        for branch in new.sides():
            if at is not None and branch.entry is not None:
                result, at = self._holding(at, at, branch.entry, below)
                if result & _MATCHES:
                    return True, seen | result
        return False, seen

    def _holding(
        self, held: Test[ActionT], existing: Test[ActionT] | None, new: Test[ActionT], found: int
    ) -> tuple[int, Test[ActionT] | None]:
        """Search on while ``held`` is not freed; also what is left of it then."""
        held.references += 1
        result = self.level(existing, new, found)
        freed, rest = drop(held)
        self.freed += freed
        return result, rest

    def _same(self, existing: Test[ActionT], new: Test[ActionT], found: int, seen: int) -> tuple[bool, int]:
        seen |= _MATCHES | _MATCHED_ONCE
        seen |= _NEW_ENDS if new.leaf() else 0
        seen |= _EXISTING_ENDS if existing.leaf() else 0
        sides = tuple(zip(existing.sides(), new.sides(), strict=True))
        if any(mine.leads_on() and not other.leads_on() for mine, other in sides):
            return True, seen
        both_end = seen & _NEW_ENDS and seen & _EXISTING_ENDS
        if both_end and any(mine.action != other.action for mine, other in sides):
            return True, seen
        at: Test[ActionT] | None = existing
        for side, other in enumerate(new.sides()):
            if at is not None and other.entry is not None:
                below = found | _MATCHES | _MATCHED_ONCE
                result, at = self._holding(at, at.sides()[side].entry, other.entry, below)
                seen |= result if result & _MATCHES else 0
        return at is not None and self._superfluous(at, seen), seen

    def _superfluous(self, existing: Test[ActionT], seen: int) -> bool:
        """Remove ``existing`` if the new rule covers it; whether the level is done."""
        covered = seen & _NEW_ENDS and seen & _EXISTING_LONGER
        covering = seen & _EXISTING_ENDS and seen & _NEW_LONGER
        if not (covered or covering) or any(action != self._action for action in actions_of(existing.level())):
            return False
        if not covered:
            return True
        self._removed += 1
        self.freed += remove(self._root, existing)
        return self._root.entry is None
