# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The instructions that libseccomp generates from a decision tree, as far as they decide (``src/gen_bpf.c``).

A seccomp program has one accumulator. libseccomp saves loads: a test takes over what the test before it has loaded.
Where several paths lead to a test it looks at the first of them only, so on another path a test may compare a word
that it does not mean. That concerns rules with LT or LE on values above 32 bits, and rules with several conditions of
which the first is NE, LT or LE on 32-bit architectures. An engine that only knew what such rules mean would be wrong
about what they do.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic

from azext_seccomp.profile.chain import ActionT, Branch, Test
from azext_seccomp.profile.model import Op

_FULL = 2**32 - 1

#: What the accumulator holds: a word of an argument, and the mask that was laid on it. None: something else.
_Loaded = tuple[tuple[int, bool], int] | None


@dataclass(slots=True, eq=False)
class Block(Generic[ActionT]):
    """One test: load a word (or not), mask it (or not), compare, go on.

    :param expects: what it takes to be in the accumulator, for a block that does not load.
    :param leaves: what is in the accumulator afterwards.
    :param reloads: the mask to lay on the word that is loaded after all; None: nothing is loaded.
    """

    word: tuple[int, bool]
    loads: bool
    mask: int | None
    op: Op
    datum: int
    true: "Block[ActionT] | ActionT | None"
    false: "Block[ActionT] | ActionT | None"
    expects: _Loaded
    leaves: _Loaded
    reloads: int | None = None


def decide(start: "Block[ActionT]", arguments: Sequence[int]) -> ActionT | None:
    """The action for a call; None when no rule matches."""
    accumulator = 0
    at: Block[ActionT] | ActionT | None = start
    while isinstance(at, Block):
        if at.loads or at.reloads is not None:
            index, high = at.word
            accumulator = (arguments[index] >> 32 if high else arguments[index]) & _FULL
            if at.reloads is not None:
                accumulator &= at.reloads
        if at.mask is not None:
            accumulator &= at.mask
        if at.op is Op.GT:
            holds = accumulator > at.datum
        elif at.op is Op.GE:
            holds = accumulator >= at.datum
        else:
            holds = accumulator == at.datum
        at = at.true if holds else at.false
    return at


def generate(trees: "Iterable[Sequence[Test[ActionT]]]") -> "list[Block[ActionT]]":
    """The first block of each tree of a filter.

    :param trees: top levels, none of them empty, in the order in which the filter asks for the syscalls. The order
        matters because equal blocks are made once, for all syscalls and architectures.
    """
    generator = _Generator[ActionT]()
    starts = [generator.level(tree, None, None) for tree in trees]
    _add_reloads(starts)
    return starts


class _Generator(Generic[ActionT]):
    def __init__(self) -> None:
        self._made: dict[object, Block[ActionT]] = {}

    def level(
        self, tests: "Sequence[Test[ActionT]]", following: "Block[ActionT] | None", loaded: _Loaded
    ) -> "Block[ActionT]":
        """The blocks of one level; a test that leads nowhere goes on to the next, the last one to ``following``."""
        for test, loads, mask, expects, leaves in reversed(list(_accumulator(tests, loaded))):
            true = self._target(test.true, following, leaves)
            false = self._target(test.false, following, leaves)
            key = (test.word, loads, mask, test.op, test.datum, _identity(true), _identity(false), expects, leaves)
            block = Block(test.word, loads, mask, test.op, test.datum, true, false, expects, leaves)
            following = self._made.setdefault(key, block)
        if following is None:
            raise ValueError("a level without tests")
        return following

    def _target(
        self, branch: "Branch[ActionT]", following: "Block[ActionT] | None", loaded: _Loaded
    ) -> "Block[ActionT] | ActionT | None":
        if branch.level is not None:
            return self.level(branch.level, following, loaded)
        return following if branch.action is None else branch.action


def _accumulator(
    tests: "Sequence[Test[ActionT]]", loaded: _Loaded
) -> "Iterator[tuple[Test[ActionT], bool, int | None, _Loaded, _Loaded]]":
    """For each test whether it loads its word, the mask it lays on it, and the accumulator before and after."""
    for test in tests:
        expects = loaded
        loads = loaded is None or loaded[0] != test.word or test.mask & loaded[1] != test.mask
        before = _FULL if loads or loaded is None else loaded[1]
        mask = None if test.mask == before else test.mask
        loaded = (test.word, test.mask)
        yield test, loads, mask, None if loads else expects, loaded


def _identity(target: object) -> object:
    return id(target) if isinstance(target, Block) else target


def _add_reloads(starts: "Sequence[Block[ActionT]]") -> None:
    """Lay the blocks out as libseccomp does, and let a block load its word if the first that leads to it leaves
    another.

    The layout grows from the end: the last block that leads to one not laid out yet gets it as its successor, what
    follows when its test is true before what follows when it is false (``_gen_bpf_build_bpf``).
    """
    laid_out: set[int] = set()
    for start in reversed(starts):
        if id(start) in laid_out:
            continue
        order = [start]
        laid_out.add(id(start))
        at = 0
        while at >= 0:
            block = order[at]
            target = next(
                (t for t in (block.true, block.false) if isinstance(t, Block) and id(t) not in laid_out), None
            )
            if target is None:
                at -= 1
                continue
            if target.expects is not None and target.expects != block.leaves:
                target.reloads = target.expects[1]
            order.insert(at + 1, target)
            laid_out.add(id(target))
            at = len(order) - 1
