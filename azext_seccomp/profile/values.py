# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Sets of values of one syscall argument, as seccomp conditions cut them out of the unsigned integers."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from azext_seccomp.profile.model import Arg, Op

MAX_64 = 2**64 - 1
MAX_32 = 2**32 - 1

_OPPOSITE = {Op.EQ: Op.NE, Op.NE: Op.EQ, Op.LT: Op.GE, Op.GE: Op.LT, Op.LE: Op.GT, Op.GT: Op.LE}


def holds(condition: Arg, value: int) -> bool:
    """Whether ``value`` meets ``condition`` (its index is not looked at)."""
    compared = condition.value
    match condition.op:
        case Op.EQ:
            return value == compared
        case Op.NE:
            return value != compared
        case Op.LT:
            return value < compared
        case Op.LE:
            return value <= compared
        case Op.GT:
            return value > compared
        case Op.GE:
            return value >= compared
        case Op.MASKED_EQ:
            return value & compared == condition.value_two


def opposites(condition: Arg, limit: int = MAX_64) -> tuple[tuple[Arg, ...], ...]:
    """The complement of ``condition`` as disjoint conjunctions, each of positive conditions.

    A masked comparison fails below and above the range that the upper bits of the mask stand for, and when one of the
    other bits differs: one alternative for each, in which the bits before it agree.

    :param limit: the greatest value there is.
    """
    if condition.op is not Op.MASKED_EQ:
        return ((replace(condition, op=_OPPOSITE[condition.op]),),)
    size, agreeing, others = _top_bits(condition.value, limit)
    alternatives: list[tuple[Arg, ...]] = []
    if agreeing:
        first = condition.value_two & agreeing
        alternatives += [(replace(condition, op=op, value=value),) for op, value in _outside(first, first + size - 1)]
    for bit in _bits(others):
        wrong = replace(condition, value=bit, value_two=~condition.value_two & bit)
        before = replace(condition, value=agreeing, value_two=condition.value_two & agreeing)
        alternatives.append((before, wrong) if agreeing else (wrong,))
        agreeing |= bit
    return tuple(alternatives)


@dataclass(frozen=True, slots=True)
class Values:
    """The values from ``low`` to ``high`` with ``value & mask == bits``, without those in ``holes``.

    Every conjunction of seccomp conditions on one argument has this form. ``limit`` is the greatest value that the
    argument can have: 2^32 - 1 where the architecture passes 32 bits.
    """

    low: int = 0
    high: int = MAX_64
    mask: int = 0
    bits: int = 0
    holes: frozenset[int] = frozenset()
    limit: int = MAX_64

    def where(self, condition: Arg) -> "Values | None":
        """The part that meets ``condition``; None when there is none."""
        value = condition.value
        match condition.op:
            case Op.EQ:
                narrowed = replace(self, low=max(self.low, value), high=min(self.high, value))
            case Op.NE:
                narrowed = replace(self, holes=self.holes | {value})
            case Op.LT:
                narrowed = replace(self, high=min(self.high, value - 1))
            case Op.LE:
                narrowed = replace(self, high=min(self.high, value))
            case Op.GT:
                narrowed = replace(self, low=max(self.low, value + 1))
            case Op.GE:
                narrowed = replace(self, low=max(self.low, value))
            case Op.MASKED_EQ:
                datum = condition.value_two
                if datum & ~value or (datum ^ self.bits) & value & self.mask:
                    return None
                size, top, others = _top_bits(value, self.limit)
                narrowed = replace(self, mask=self.mask | others, bits=self.bits | datum & others)
                if top:
                    first = datum & top
                    narrowed = replace(narrowed, low=max(self.low, first), high=min(self.high, first + size - 1))
        return None if narrowed.smallest() is None else narrowed

    def settles(self, condition: Arg) -> bool:
        """Whether the bounds alone tell that ``condition`` is true of all these values, or of none."""
        if condition.op in (Op.EQ, Op.NE):
            return not self.low <= condition.value <= self.high or self.low == self.high
        return condition.op is not Op.MASKED_EQ and holds(condition, self.low) == holds(condition, self.high)

    def smallest(self) -> int | None:
        """The smallest value of the set; None when it is empty."""
        candidate = self._match_from(self.low)
        while candidate is not None and candidate in self.holes:
            candidate = self._match_from(candidate + 1)
        return candidate

    def alternatives(self, index: int) -> Iterator[tuple[Arg, ...]]:
        """The set as a disjoint union: each item has at most one condition, on argument ``index``, as runc needs it.

        (runc takes two conditions on one index as alternatives, see :mod:`azext_seccomp.profile.regions`.) What a
        single comparison cannot say is cut into aligned blocks of a power of two values: each of them is one masked
        comparison.
        """
        holes = sorted(hole for hole in self.holes if self.low <= hole <= self.high)
        if len(holes) == 1 and (self.low, self.high, self.mask) == (0, self.limit, 0):
            yield (Arg(index, holes[0], Op.NE),)
            return
        low = self.low
        for hole in holes:
            yield from self._interval(index, low, hole - 1)
            low = hole + 1
        yield from self._interval(index, low, self.high)

    def _interval(self, index: int, low: int, high: int) -> Iterator[tuple[Arg, ...]]:
        if low > high:
            return
        if not self.mask and low == high:
            yield (Arg(index, low, Op.EQ),)
        elif not self.mask and low == 0 and high == self.limit:
            yield ()
        elif not self.mask and low == 0:
            yield (Arg(index, high, Op.LE),)
        elif not self.mask and high == self.limit:
            yield (Arg(index, low, Op.GE),)
        else:
            for start, size in _aligned_blocks(low, high):
                mask = (self.limit ^ (size - 1)) & self.limit
                if not (start ^ self.bits) & mask & self.mask:
                    yield (Arg(index, mask | self.mask, Op.MASKED_EQ, start | self.bits),)

    def _match_from(self, start: int) -> int | None:
        """The smallest value from ``start`` to ``high`` whose masked bits are right; holes are not looked at."""
        wrong = (start & self.mask) ^ self.bits
        value = start
        if wrong:
            top = 1 << (wrong.bit_length() - 1)
            if not self.bits & top:  # start is too great at that bit: a free zero bit above it has to become one
                top <<= 1
                while self.mask & top or start & top:
                    top <<= 1
            value = (start & ~(top - 1) | top) & ~self.mask | self.bits
        return value if value <= self.high else None


def _top_bits(mask: int, limit: int) -> tuple[int, int, int]:
    """A mask as the bits at its top that follow one another, and the others; first, how many values the top leaves."""
    size = 1 << (~mask & limit).bit_length()
    return size, mask & ~(size - 1) & limit, mask & (size - 1)


def _outside(first: int, last: int) -> tuple[tuple[Op, int], tuple[Op, int]]:
    return (Op.LT, first), (Op.GT, last)


def _bits(number: int) -> Iterator[int]:
    while number:
        lowest = number & -number
        yield lowest
        number ^= lowest


def _aligned_blocks(low: int, high: int) -> Iterator[tuple[int, int]]:
    """Start and size of the fewest blocks that fill ``low`` to ``high``: 2^n values from a multiple of 2^n on."""
    while low <= high:
        size = low & -low or 1 << high.bit_length()
        while low + size - 1 > high:
            size >>= 1
        yield low, size
        low += size
