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


@dataclass(slots=True)
class _Branch(Generic[ActionT]):
    """What follows when a test is true, or false: an action, more tests, or the next test of the level."""

    action: ActionT | None = None
    level: "list[_Test[ActionT]] | None" = None


@dataclass(slots=True)
class _Test(Generic[ActionT]):
    """A comparison of one 32-bit word of an argument: EQ, MASKED_EQ, GT or GE.

    :param condition: the condition it comes from; its operator and value take part in the order.
    """

    word: tuple[int, bool]
    op: Op
    mask: int
    datum: int
    condition: Arg
    true: _Branch[ActionT] = field(default_factory=_Branch)
    false: _Branch[ActionT] = field(default_factory=_Branch)

    def same(self, other: "_Test[ActionT]") -> bool:
        return (self.word, self.op, self.datum, self.mask) == (other.word, other.op, other.datum, other.mask)

    def before(self, other: "_Test[ActionT]") -> bool:
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
        self._root: list[_Test[ActionT]] = []

    def add(self, conditions: Sequence[Arg], action: ActionT) -> None:
        """Add a rule: all of ``conditions``, at most one for each argument, none of them always true.

        :raises Conflict: libseccomp would refuse the rule.
        """
        chain = _chain(conditions, action, self._bits)
        if self._root:
            _insert(self._root, chain)
        else:
            self._root = [chain]

    def decide(self, arguments: Sequence[int]) -> ActionT | None:
        """The action for a call; None when no rule matches."""
        return _decide(self._root, arguments)

    def actions(self) -> frozenset[ActionT]:
        """The actions of all rules."""
        return frozenset(_actions(self._root))


def always_true(condition: Arg, bits: int) -> bool:
    """Whether libseccomp leaves the condition out: a mask without bits (``_db_arg_cmp_need_lo`` and ``_hi``)."""
    return condition.op is Op.MASKED_EQ and not condition.value & (2**bits - 1)


def _chain(conditions: Sequence[Arg], action: ActionT, bits: int) -> _Test[ActionT]:
    """The tests of one rule, linked: each level has one test."""
    cut = _cut_64 if bits == 64 else _cut_32
    first: _Test[ActionT] | None = None
    exits: list[_Branch[ActionT]] = []
    for condition in sorted(conditions, key=lambda condition: condition.index):
        head: _Test[ActionT]
        following: list[_Branch[ActionT]]
        head, following = cut(condition)
        if first is None:
            first = head
        level = [head]
        for branch in exits:
            branch.level = level
        exits = following
    if first is None:
        raise ValueError("a rule without conditions has no place in the tree")
    for branch in exits:
        branch.action = action
    return first


def _cut_32(condition: Arg) -> "tuple[_Test[ActionT], list[_Branch[ActionT]]]":
    """The test for ``condition`` and the branch on which it holds (``_db_rule_gen_32``)."""
    op = {Op.NE: Op.EQ, Op.LT: Op.GE, Op.LE: Op.GT}.get(condition.op, condition.op)
    test: _Test[ActionT] = _test(condition, op, high=False)
    return test, [test.true if op is condition.op else test.false]


def _cut_64(condition: Arg) -> "tuple[_Test[ActionT], list[_Branch[ActionT]]]":
    """The tests for ``condition``, and the branches on which it holds (``_db_rule_gen_64``)."""
    if condition.op in (Op.EQ, Op.MASKED_EQ, Op.NE):
        op = Op.MASKED_EQ if condition.op is Op.MASKED_EQ else Op.EQ
        high: _Test[ActionT] = _test(condition, op, high=True)
        low: _Test[ActionT] = _test(condition, op, high=False)
        high.true.level = [low]
        return high, [high.false, low.false] if condition.op is Op.NE else [low.true]
    greater: _Test[ActionT] = _test(condition, Op.GT, high=True)
    equal: _Test[ActionT] = _test(condition, Op.EQ, high=True)
    low = _test(condition, Op.GT if condition.op in (Op.GT, Op.LE) else Op.GE, high=False)
    greater.false.level = [equal]
    equal.true.level = [low]
    if condition.op in (Op.GT, Op.GE):
        return greater, [greater.true, low.true]
    return greater, [equal.false, low.false]


def _test(condition: Arg, op: Op, *, high: bool) -> _Test[ActionT]:
    shift = 32 if high else 0
    masked = condition.op is Op.MASKED_EQ
    mask = (condition.value if masked else 2**64 - 1) >> shift & _LOW
    datum = (condition.value_two if masked else condition.value) >> shift & mask
    return _Test((condition.index, high), op, mask, datum, condition)


def _insert(level: list[_Test[ActionT]], new: _Test[ActionT]) -> None:
    """Put ``new`` where it belongs on ``level``, or join it with the test that is the same (``_db_tree_add``)."""
    for place, existing in enumerate(level):
        if existing is new:
            return
        if existing.same(new):
            _join(existing, new)
            return
        if new.before(existing):
            level.insert(place, new)
            return
    level.append(new)


def _join(existing: _Test[ActionT], new: _Test[ActionT]) -> None:
    ends_here = existing.leaf() or new.leaf()
    if not _take_action(existing.true, new.true, ends_here=ends_here) and _supersedes(existing, new):
        existing.true.action = new.true.action
    _take_action(existing.false, new.false, ends_here=existing.leaf() or new.leaf())
    for mine, other in ((existing.true, new.true), (existing.false, new.false)):
        if other.level is None:
            continue
        if mine.level is not None:
            _insert(mine.level, other.level[0])
        elif mine.action is None:
            mine.level = other.level
        else:
            return  # the existing rule asks for less and so covers the new one


def _supersedes(existing: _Test[ActionT], new: _Test[ActionT]) -> bool:
    """Of two lower limits with the same upper word the greater one decides what lies above that word."""
    return new.word[1] and new.condition.value > existing.condition.value


def _take_action(mine: _Branch[ActionT], other: _Branch[ActionT], *, ends_here: bool) -> bool:
    """Give ``mine`` the action of ``other`` where it has none. False: both have one, and they differ."""
    if other.action is None or mine.action == other.action:
        return True
    if mine.action is not None:
        if ends_here:
            raise Conflict
        return False
    if any(action != other.action for action in _actions(mine.level or ())):
        raise Conflict
    mine.level, mine.action = None, other.action
    return True


def _actions(level: Iterable[_Test[ActionT]]) -> Iterator[ActionT]:
    for test in level:
        for branch in (test.true, test.false):
            if branch.action is not None:
                yield branch.action
            yield from _actions(branch.level or ())


def _decide(level: list[_Test[ActionT]], arguments: Sequence[int]) -> ActionT | None:
    """The first test of the level that leads to an action (``_gen_bpf_chain``: a branch that leads nowhere goes on
    here).
    """
    for test in level:
        index, high = test.word
        word = (arguments[index] >> 32 if high else arguments[index]) & test.mask
        if test.op is Op.GT:
            holds = word > test.datum
        elif test.op is Op.GE:
            holds = word >= test.datum
        else:
            holds = word == test.datum
        branch = test.true if holds else test.false
        if branch.level is not None:
            action = _decide(branch.level, arguments)
            if action is not None:
                return action
        elif branch.action is not None:
            return branch.action
    return None
