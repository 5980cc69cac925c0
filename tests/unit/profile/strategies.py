# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Random profiles and calls: few names and values, so that rules overlap."""

from hypothesis import strategies as st

from azext_seccomp.profile.model import Action, Arg, Op, Profile, Rule

#: An old and a new syscall, two with the customary conditions, and one that 32-bit x86 reaches through socketcall.
NAMES = ("read", "mseal", "clone", "personality", "socket", "clone3")
ARCHITECTURES = ((), ("SCMP_ARCH_X86_64",), ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"))
EDGES = (0, 1, 2, 7, 8, 38, 40, 0x7E020000, 2**32 - 1, 2**32, 2**63, 2**64 - 1)
_ERRNOS = {Action.ERRNO: st.sampled_from((None, 1, 13, 38))}

values = st.sampled_from(EDGES) | st.integers(0, 2**64 - 1)
calls = st.tuples(*(values for _ in range(6)))


#: Masks of few bits: each bit more doubles the cases that a comparison has to tell apart.
masks = st.sampled_from((1, 6, 0x30, 0x7E020000, 2**32 + 1))


@st.composite
def conditions(draw: st.DrawFn, arguments: int, bits: int) -> Arg:
    op = draw(st.sampled_from(Op))
    index = draw(st.integers(0, arguments - 1))
    if op is not Op.MASKED_EQ:
        return Arg(index, draw(values) % 2**bits, op)
    mask = draw(masks) % 2**bits
    return Arg(index, mask, op, draw(values) & mask)


@st.composite
def rules(draw: st.DrawFn, arguments: int, bits: int) -> Rule:
    action = draw(st.sampled_from((Action.ALLOW, Action.ERRNO, Action.LOG, Action.KILL_PROCESS)))
    names = tuple(draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)))
    args = tuple(draw(st.lists(conditions(arguments, bits), max_size=2)))
    return Rule(names, action, draw(_ERRNOS.get(action, st.none())), args)


@st.composite
def profiles(
    draw: st.DrawFn, architectures: tuple[str, ...] | None = None, arguments: int = 3, bits: int = 64
) -> Profile:
    """A profile; contradictory rules, which libseccomp refuses, can occur.

    :param arguments: how many arguments may have conditions.
    :param bits: of the values in conditions.
    """
    default = draw(st.sampled_from((Action.ERRNO, Action.ALLOW, Action.LOG, Action.KILL_PROCESS)))
    return Profile(
        default,
        draw(_ERRNOS.get(default, st.none())),
        draw(st.sampled_from(ARCHITECTURES)) if architectures is None else architectures,
        rules=tuple(draw(st.lists(rules(arguments, bits), max_size=4))),
    )
