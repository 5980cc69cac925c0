# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The decision tree in which libseccomp keeps the rules for one syscall that have conditions.

The order in which rules stand in a profile is not the order in which they are tried. libseccomp (``src/db.c``,
releases 2.5.1 to 2.6.1) cuts each condition into tests of 32-bit words, sorts the tests of a level by argument,
operator and value, and lets rules share tests that they have in common. Where rules with different actions overlap,
that order decides.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from azext_seccomp.profile.model import Arg, Op

_LOW = 2**32 - 1
#: Tests of one argument on one level: equalities are tried first, then upper, then lower limits
#: (``__db_chain_op_priority``).
_PRIORITY = {Op.MASKED_EQ: 3, Op.EQ: 3, Op.NE: 3, Op.LE: 2, Op.LT: 2, Op.GE: 1, Op.GT: 1}

ActionT = TypeVar("ActionT")


class Conflict(Exception):
    """libseccomp refuses a rule (EEXIST): another one asks for a different action on the very same test."""


class Endless(Exception):
    """libseccomp links the tests of a level in a circle with this rule and never finishes."""


@dataclass(slots=True)
class Branch(Generic[ActionT]):
    """What follows when a test is true, or false: an action, more tests, or the next test of the level.

    :param level: the tests, in their order. Several branches may share them.
    :param entry: the test of the level that this branch knows; libseccomp starts there when it adds to the level.
    """

    action: ActionT | None = None
    level: "list[Test[ActionT]] | None" = None
    entry: "Test[ActionT] | None" = None

    def lead_to(self, level: "list[Test[ActionT]]") -> None:
        """Let the tests of ``level`` follow."""
        self.level, self.entry = level, level[0]


@dataclass(slots=True)
class Test(Generic[ActionT]):
    """A comparison of one 32-bit word of an argument: EQ, MASKED_EQ, GT or GE.

    :param condition: the condition it comes from; its operator and value take part in the order.
    """

    word: tuple[int, bool]
    op: Op
    mask: int
    datum: int
    condition: Arg
    true: Branch[ActionT] = field(default_factory=Branch)
    false: Branch[ActionT] = field(default_factory=Branch)

    def same(self, other: "Test[ActionT]") -> bool:
        return (self.word, self.op, self.datum, self.mask) == (other.word, other.op, other.datum, other.mask)

    def before(self, other: "Test[ActionT]") -> bool:
        """Whether this test is tried before ``other`` on one level: greater keys first, in the order of libseccomp."""
        return self._key() > other._key()

    def _key(self) -> tuple[tuple[int, bool], int, int]:
        ascending = self.condition.op in (Op.LE, Op.LT)
        return self.word, _PRIORITY[self.condition.op], -self.datum if ascending else self.datum

    def leaf(self) -> bool:
        return self.true.level is None and self.false.level is None


class Tree(Generic[ActionT]):
    """Rules with conditions for one syscall.

    :param bits: 64 or 32, the width of the architecture's arguments.
    """

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._root: Branch[ActionT] = Branch()

    def add(self, conditions: Sequence[Arg], action: ActionT) -> None:
        """Add a rule: all of ``conditions``, at most one for each argument, none of them always true.

        :raises Conflict: libseccomp would refuse the rule.
        """
        chain = _chain(conditions, action, self._bits)
        if self._root.level is None:
            self._root.lead_to([chain])
        else:
            _insert(self._root, self._root.level, chain)

    @property
    def level(self) -> Sequence[Test[ActionT]]:
        """The tests of the top level, in the order in which they are made."""
        return self._root.level or ()


def count(level: Sequence[Test[ActionT]]) -> int:
    """How many tests there are on a level and below."""
    return len({id(test) for test in _tests(level)})


def always_true(condition: Arg, bits: int) -> bool:
    """Whether libseccomp leaves the condition out: a mask without bits (``_db_arg_cmp_need_lo`` and ``_hi``)."""
    return condition.op is Op.MASKED_EQ and not condition.value & (2**bits - 1)


def _chain(conditions: Sequence[Arg], action: ActionT, bits: int) -> Test[ActionT]:
    """The tests of one rule, linked: each level has one test."""
    cut = _cut_64 if bits == 64 else _cut_32
    first: Test[ActionT] | None = None
    exits: list[Branch[ActionT]] = []
    for condition in sorted(conditions, key=lambda condition: condition.index):
        head: Test[ActionT]
        following: list[Branch[ActionT]]
        head, following = cut(condition)
        if first is None:
            first = head
        level = [head]
        for branch in exits:
            branch.lead_to(level)
        exits = following
    if first is None:
        raise ValueError("a rule without conditions has no place in the tree")
    for branch in exits:
        branch.action = action
    return first


def _cut_32(condition: Arg) -> "tuple[Test[ActionT], list[Branch[ActionT]]]":
    """The test for ``condition`` and the branch on which it holds (``_db_rule_gen_32``)."""
    op = {Op.NE: Op.EQ, Op.LT: Op.GE, Op.LE: Op.GT}.get(condition.op, condition.op)
    test: Test[ActionT] = _test(condition, op, high=False)
    return test, [test.true if op is condition.op else test.false]


def _cut_64(condition: Arg) -> "tuple[Test[ActionT], list[Branch[ActionT]]]":
    """The tests for ``condition``, and the branches on which it holds (``_db_rule_gen_64``)."""
    if condition.op in (Op.EQ, Op.MASKED_EQ, Op.NE):
        op = Op.MASKED_EQ if condition.op is Op.MASKED_EQ else Op.EQ
        high: Test[ActionT] = _test(condition, op, high=True)
        low: Test[ActionT] = _test(condition, op, high=False)
        high.true.lead_to([low])
        return high, [high.false, low.false] if condition.op is Op.NE else [low.true]
    greater: Test[ActionT] = _test(condition, Op.GT, high=True)
    equal: Test[ActionT] = _test(condition, Op.EQ, high=True)
    low = _test(condition, Op.GT if condition.op in (Op.GT, Op.LE) else Op.GE, high=False)
    greater.false.lead_to([equal])
    equal.true.lead_to([low])
    if condition.op in (Op.GT, Op.GE):
        return greater, [greater.true, low.true]
    return greater, [equal.false, low.false]


def _test(condition: Arg, op: Op, *, high: bool) -> Test[ActionT]:
    shift = 32 if high else 0
    masked = condition.op is Op.MASKED_EQ
    mask = (condition.value if masked else 2**64 - 1) >> shift & _LOW
    datum = (condition.value_two if masked else condition.value) >> shift & mask
    return Test((condition.index, high), op, mask, datum, condition)


def _insert(branch: Branch[ActionT], level: list[Test[ActionT]], new: Test[ActionT]) -> None:
    """Put ``new`` where it belongs on the level of ``branch``, or join it with the same test (``_db_tree_add``).

    :raises Endless: another branch has put ``new`` on the shared level before this branch's entry.
    """
    start = next(place for place, test in enumerate(level) if test is branch.entry)
    for place in range(start, len(level)):
        existing = level[place]
        if existing is new:
            return
        if existing.same(new):
            _join(existing, new)
            return
        if new.before(existing):
            if place and level[place - 1] is new:
                raise Endless
            level.insert(place, new)
            if existing is branch.entry:
                branch.entry = new
            return
    level.append(new)


def _join(existing: Test[ActionT], new: Test[ActionT]) -> None:
    ends_here = existing.leaf() or new.leaf()
    if not _take_action(existing.true, new.true, ends_here=ends_here) and _supersedes(existing, new):
        existing.true.action = new.true.action
    _take_action(existing.false, new.false, ends_here=existing.leaf() or new.leaf())
    for mine, other in ((existing.true, new.true), (existing.false, new.false)):
        if other.level is None:
            continue
        if mine.level is not None:
            _insert(mine, mine.level, other.entry or other.level[0])
        elif mine.action is None:
            mine.lead_to(other.level)
        else:
            return  # the existing rule asks for less and so covers the new one


def _supersedes(existing: Test[ActionT], new: Test[ActionT]) -> bool:
    """Of two lower limits with the same upper word the greater one decides what lies above that word."""
    return new.word[1] and new.condition.value > existing.condition.value


def _take_action(mine: Branch[ActionT], other: Branch[ActionT], *, ends_here: bool) -> bool:
    """Give ``mine`` the action of ``other`` where it has none. False: both have one, and they differ."""
    if other.action is None or mine.action == other.action:
        return True
    if mine.action is not None:
        if ends_here:
            raise Conflict
        return False
    if any(action != other.action for action in _actions(mine.level or ())):
        raise Conflict
    mine.level, mine.entry, mine.action = None, None, other.action
    return True


def _actions(level: Iterable[Test[ActionT]]) -> Iterator[ActionT]:
    for test in _tests(level):
        for branch in (test.true, test.false):
            if branch.action is not None:
                yield branch.action


def _tests(level: Iterable[Test[ActionT]]) -> Iterator[Test[ActionT]]:
    for test in level:
        yield test
        yield from _tests(test.true.level or ())
        yield from _tests(test.false.level or ())
