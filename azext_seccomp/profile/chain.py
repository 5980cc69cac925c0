# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The tests of 32-bit words into which libseccomp cuts the conditions of a rule.

Sources: ``src/db.c`` of libseccomp, ``_db_rule_gen_64`` and ``_db_rule_gen_32``; ``_db_chain_eq`` and ``_db_chain_lt``.
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


@dataclass(slots=True)
class Branch(Generic[ActionT]):
    """What follows when a test is true, or false: an action, more tests, or the next test of the level.

    :param entry: the test of the level that this branch knows; libseccomp starts there when it adds to the level.
        Several branches may know tests of one level.
    """

    action: ActionT | None = None
    entry: "Test[ActionT] | None" = None

    @property
    def level(self) -> "list[Test[ActionT]] | None":
        """The tests that follow, in their order; None when there are none."""
        return None if self.entry is None else self.entry.level()

    def leads_on(self) -> bool:
        """Whether it has an action or more tests."""
        return self.action is not None or self.entry is not None

    def lead_to(self, test: "Test[ActionT] | None") -> None:
        """Let ``test`` follow, with the tests of its level."""
        self.entry = test
        if test is not None:
            test.references += 1


@dataclass(slots=True, eq=False)
class Test(Generic[ActionT]):
    """A comparison of one 32-bit word of an argument: EQ, MASKED_EQ, GT or GE.

    :param condition: the condition it comes from; its operator and value take part in the order.
    :param previous: the test before it on its level, and ``following`` the one after it.
    :param references: how many branches and tests point to it, as libseccomp counts them: not always rightly. It frees
        a test when this comes down to 0.
    """

    word: tuple[int, bool]
    op: Op
    mask: int
    datum: int
    condition: Arg
    true: Branch[ActionT] = field(default_factory=Branch)
    false: Branch[ActionT] = field(default_factory=Branch)
    previous: "Test[ActionT] | None" = None
    following: "Test[ActionT] | None" = None
    references: int = 0
    _comparison: tuple[tuple[int, bool], Op, int, int] = field(init=False)
    _place: tuple[tuple[int, bool], int, int] = field(init=False)

    def __post_init__(self) -> None:
        """Work out once what tests are compared by."""
        ascending = self.condition.op in (Op.LE, Op.LT)
        self._comparison = (self.word, self.op, self.datum, self.mask)
        self._place = (self.word, _PRIORITY[self.condition.op], -self.datum if ascending else self.datum)

    def same(self, other: "Test[ActionT]") -> bool:
        """Whether both compare the same word in the same way; libseccomp then joins them."""
        return self._comparison == other._comparison

    def before(self, other: "Test[ActionT]") -> bool:
        """Whether this test is tried before ``other`` on one level: greater keys first, in the order of libseccomp."""
        return self._place > other._place

    def leaf(self) -> bool:
        """Whether no tests follow."""
        return self.true.entry is None and self.false.entry is None

    def sides(self) -> tuple[Branch[ActionT], Branch[ActionT]]:
        """What follows when it is true, and when it is false."""
        return self.true, self.false

    def first(self) -> "Test[ActionT]":
        """The first test of its level."""
        test = self
        while test.previous is not None:
            test = test.previous
        return test

    def level(self) -> "list[Test[ActionT]]":
        """All tests of its level."""
        tests = [self.first()]
        while (following := tests[-1].following) is not None:
            tests.append(following)
        return tests


def always_true(condition: Arg, bits: int) -> bool:
    """Whether libseccomp leaves the condition out: a mask without bits (``_db_arg_cmp_need_lo`` and ``_hi``)."""
    return condition.op is Op.MASKED_EQ and not condition.value & (2**bits - 1)


def chain_of(conditions: Sequence[Arg], action: ActionT, bits: int) -> Branch[ActionT]:
    """The tests of one rule, linked: each level has one test."""
    cut = _cut_64 if bits == 64 else _cut_32
    start: Branch[ActionT] = Branch()
    exits = [start]
    for condition in sorted(conditions, key=lambda condition: condition.index):
        head: Test[ActionT]
        following: list[Branch[ActionT]]
        head, following = cut(condition)
        for branch in exits:
            branch.lead_to(head)
        exits = following
    if start.entry is None:
        raise ValueError("a rule without conditions has no place in the tree")
    for branch in exits:
        branch.action = action
    return start


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
        high.true.lead_to(low)
        return high, [high.false, low.false] if condition.op is Op.NE else [low.true]
    greater: Test[ActionT] = _test(condition, Op.GT, high=True)
    equal: Test[ActionT] = _test(condition, Op.EQ, high=True)
    low = _test(condition, Op.GT if condition.op in (Op.GT, Op.LE) else Op.GE, high=False)
    greater.false.lead_to(equal)
    equal.true.lead_to(low)
    if condition.op in (Op.GT, Op.GE):
        return greater, [greater.true, low.true]
    return greater, [equal.false, low.false]


def _test(condition: Arg, op: Op, *, high: bool) -> Test[ActionT]:
    shift = 32 if high else 0
    masked = condition.op is Op.MASKED_EQ
    mask = (condition.value if masked else 2**64 - 1) >> shift & _LOW
    datum = (condition.value_two if masked else condition.value) >> shift & mask
    return Test((condition.index, high), op, mask, datum, condition)


def actions_of(level: Iterable[Test[ActionT]]) -> Iterator[ActionT]:
    """The actions on a level and below."""
    for test in tests_of(level):
        for branch in test.sides():
            if branch.action is not None:
                yield branch.action


def tests_of(level: Iterable[Test[ActionT]]) -> Iterator[Test[ActionT]]:
    """The tests on a level and below; one that several branches share occurs for each of them."""
    for test in level:
        yield test
        yield from tests_of(test.true.level or ())
        yield from tests_of(test.false.level or ())
