# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Sets of argument values, against counting them one by one in a space small enough for that."""

from hypothesis import given
from hypothesis import strategies as st

from azext_seccomp.profile.model import Arg, Op
from azext_seccomp.profile.values import MAX_64, Values, holds, opposites

LIMIT = 63
SMALL = Values(high=LIMIT, limit=LIMIT)


@st.composite
def conditions(draw: st.DrawFn) -> Arg:
    op = draw(st.sampled_from(Op))
    value = draw(st.integers(0, LIMIT))
    return Arg(0, value, op, draw(st.integers(0, LIMIT)) & value if op is Op.MASKED_EQ else 0)


def counted(values: Values | None) -> set[int]:
    if values is None:
        return set()
    return {
        number
        for number in range(LIMIT + 1)
        if values.low <= number <= values.high and number & values.mask == values.bits and number not in values.holes
    }


@given(st.lists(conditions(), max_size=5))
def test_a_conjunction_of_conditions_is_the_set_of_numbers_that_meet_them(chosen: list[Arg]) -> None:
    values: Values | None = SMALL
    for condition in chosen:
        values = values and values.where(condition)
    expected = {number for number in range(LIMIT + 1) if all(holds(condition, number) for condition in chosen)}
    assert counted(values) == expected
    assert (values.smallest() if values else None) == min(expected, default=None)


@given(st.lists(conditions(), max_size=3), conditions())
def test_what_the_bounds_settle_is_true_of_all_values_or_of_none(chosen: list[Arg], asked: Arg) -> None:
    values: Values | None = SMALL
    for condition in chosen:
        values = values and values.where(condition)
    if values and values.settles(asked):
        assert len({holds(asked, number) for number in counted(values)}) == 1


def test_the_bounds_settle_what_lies_outside_of_them() -> None:
    some = Values(low=4, high=9, limit=LIMIT)
    for op, value in ((Op.EQ, 3), (Op.NE, 10), (Op.LT, 4), (Op.LE, 9), (Op.GT, 9), (Op.GE, 4)):
        assert some.settles(Arg(0, value, op)), op
    for op, value in ((Op.EQ, 4), (Op.NE, 9), (Op.LT, 9), (Op.LE, 4), (Op.GT, 4), (Op.GE, 9), (Op.MASKED_EQ, 1)):
        assert not some.settles(Arg(0, value, op)), op


@given(conditions())
def test_opposites_are_disjoint_and_leave_nothing_out(condition: Arg) -> None:
    for number in range(LIMIT + 1):
        met = [
            alternative
            for alternative in opposites(condition, LIMIT)
            if all(holds(part, number) for part in alternative)
        ]
        assert len(met) == (0 if holds(condition, number) else 1)


def test_a_range_in_the_form_of_a_mask_has_two_opposites() -> None:
    block = Arg(0, MAX_64 ^ 3, Op.MASKED_EQ, 8)
    assert opposites(block) == ((Arg(0, 8, Op.LT, 8),), (Arg(0, 11, Op.GT, 8),))


@given(st.lists(conditions(), max_size=5))
def test_alternatives_have_one_condition_each_and_are_the_same_set(chosen: list[Arg]) -> None:
    values: Values | None = SMALL
    for condition in chosen:
        values = values and values.where(condition)
    alternatives = list(values.alternatives(0)) if values else []
    assert all(len(alternative) <= 1 for alternative in alternatives)
    for number in range(LIMIT + 1):
        met = [alternative for alternative in alternatives if all(holds(part, number) for part in alternative)]
        assert len(met) == (1 if number in counted(values) else 0)


@given(st.integers(0, MAX_64), st.integers(0, MAX_64), st.integers(0, MAX_64))
def test_the_smallest_value_is_found_in_64_bits(low: int, mask: int, datum: int) -> None:
    values = Values(low=low, mask=mask, bits=datum & mask)
    smallest = values.smallest()
    if smallest is None:
        assert (datum & mask | ~mask & MAX_64) < low
    else:
        assert smallest >= low and smallest & mask == datum & mask
        highest_free = smallest & ~mask
        if smallest > low:  # the next smaller candidate of the same pattern lies below the bound
            assert not highest_free or (smallest & mask | (highest_free - 1) & ~mask & MAX_64) < low


def test_a_single_hole_is_said_as_not_equal() -> None:
    assert list(Values(holes=frozenset({40})).alternatives(0)) == [(Arg(0, 40, Op.NE),)]


def test_an_interval_is_cut_into_aligned_blocks() -> None:
    assert list(Values(low=4, high=9).alternatives(2)) == [
        (Arg(2, MAX_64 ^ 3, Op.MASKED_EQ, 4),),
        (Arg(2, MAX_64 ^ 1, Op.MASKED_EQ, 8),),
    ]
