# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Random profiles and calls that touch their conditions (hypothesis strategies)."""

from collections.abc import Sequence
from random import Random

from hypothesis import strategies as st

from azext_seccomp.profile.model import Action, Arg, Op, Profile, Rule

_MAX = 2**64 - 1
_VALUES = (0, 1, 2, 3, 8, 38, 40, 0x7E020000, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**33 + 5, 2**63, _MAX)
values = st.one_of(st.sampled_from(_VALUES), st.integers(0, 300), st.integers(0, _MAX))


@st.composite
def conditions(draw: st.DrawFn, arguments: Sequence[int]) -> Arg:
    """One condition; a masked comparison mostly one that can be true."""
    op, value = draw(st.sampled_from(Op)), draw(values)
    if op is not Op.MASKED_EQ:
        return Arg(draw(st.sampled_from(arguments)), value, op)
    datum = draw(values)
    datum = datum & value if draw(st.integers(0, 4)) else datum
    return Arg(draw(st.sampled_from(arguments)), value, op, datum)


@st.composite
def rules(draw: st.DrawFn, names: Sequence[str], actions: Sequence[tuple[Action, int | None]]) -> Rule:
    """One rule for one or two syscalls; now and then with several conditions on one argument."""
    arguments = draw(st.sampled_from(((0,), (0, 1), (0, 1, 2, 5))))
    count = draw(st.sampled_from((0, 1, 1, 1, 2, 2, 3)))
    args = [draw(conditions(arguments)) for _ in range(count)]
    if draw(st.booleans()):
        args = list({arg.index: arg for arg in args}.values())
    action, errno_ret = draw(st.sampled_from(actions))
    chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
    return Rule(tuple(chosen), action, errno_ret, tuple(args))


@st.composite
def profiles(
    draw: st.DrawFn,
    names: Sequence[str],
    actions: Sequence[tuple[Action, int | None]],
    defaults: Sequence[tuple[Action, int | None]],
    more: Sequence[Rule] = (),
) -> Profile:
    """A profile with up to six rules and, in half of the cases, ``more`` at the end."""
    default, errno_ret = draw(st.sampled_from(defaults))
    architectures = tuple(
        token for token in ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32") if draw(st.integers(0, 3))
    )
    drawn = draw(st.lists(rules(names, actions), min_size=1, max_size=6))
    added = more if draw(st.booleans()) else ()
    return Profile(default, errno_ret, architectures, rules=(*drawn, *added))


def arguments(random: Random, profile: Profile) -> tuple[int, ...]:
    """Six arguments, most of them on, or one beside, the values of the profile's conditions."""
    points = [value for rule in profile.rules for arg in rule.args for value in (arg.value, arg.value_two)]
    return tuple((random.choice([*points, *_VALUES]) + random.choice((0, 0, 1, -1))) & _MAX for _ in range(6))
