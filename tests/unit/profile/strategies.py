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


@st.composite
def conditions(draw: st.DrawFn, most: int = 2**64 - 1) -> Arg:
    op = draw(st.sampled_from(Op))
    value = draw(values) & most
    return Arg(draw(st.integers(0, 2)), value, op, draw(values) & value if op is Op.MASKED_EQ else 0)


@st.composite
def rules(draw: st.DrawFn, actions: tuple[Action, ...], most: int = 2**64 - 1) -> Rule:
    action = draw(st.sampled_from(actions))
    names = tuple(draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)))
    return Rule(
        names, action, draw(_ERRNOS.get(action, st.none())), tuple(draw(st.lists(conditions(most), max_size=2)))
    )


@st.composite
def profiles(draw: st.DrawFn, architectures: tuple[str, ...] | None = None, most: int = 2**64 - 1) -> Profile:
    """A profile; contradictory rules, which libseccomp refuses, can occur.

    :param most: the greatest value in a condition.
    """
    default = draw(st.sampled_from((Action.ERRNO, Action.ALLOW, Action.LOG, Action.KILL_PROCESS)))
    actions = (Action.ALLOW, Action.ERRNO, Action.LOG, Action.KILL_PROCESS)
    return Profile(
        default,
        draw(_ERRNOS.get(default, st.none())),
        draw(st.sampled_from(ARCHITECTURES)) if architectures is None else architectures,
        rules=tuple(draw(st.lists(rules(actions, most), max_size=5))),
    )
