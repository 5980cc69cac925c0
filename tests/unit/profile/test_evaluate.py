# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import pytest

from azext_seccomp.errors import InvalidInput, Unsupported
from azext_seccomp.profile.evaluate import Decision, Filter, denial, evaluate, outcomes
from azext_seccomp.profile.model import Action, Arg, Op, Profile, Rule
from azext_seccomp.profile.runtime_default import render
from azext_seccomp.profile.syscalls import numbers
from azext_seccomp.profile.table import MAX_TERMS

ALLOW, LOG, KILL = Decision(Action.ALLOW), Decision(Action.LOG), Decision(Action.KILL_THREAD)
EPERM, EACCES, ENOSYS = (Decision(Action.ERRNO, number) for number in (1, 13, 38))


def rule(name: str, action: Action, *args: Arg, errno_ret: int | None = None) -> Rule:
    return Rule((name,), action, errno_ret, args)


def deny(*rules: Rule, architectures: tuple[str, ...] = ()) -> Profile:
    """A profile that denies by default; it names the newest syscall, so that nothing is newer."""
    newest = max(numbers("amd64"), key=lambda name: numbers("amd64")[name])
    return Profile(Action.ERRNO, architectures=architectures, rules=(*rules, rule(newest, Action.ALLOW)))


def decide(profile: Profile, name: str, *args: int, arch: str = "amd64") -> Decision:
    return evaluate(profile, name, (*args, 0, 0, 0, 0, 0, 0)[:6], arch)


@pytest.mark.parametrize(
    ("op", "value", "two", "holds", "fails"),
    [
        (Op.EQ, 2**32 + 5, 0, (2**32 + 5,), (5, 2**32 + 4)),
        (Op.NE, 5, 0, (4, 2**32 + 5), (5,)),
        (Op.LT, 2**32, 0, (0, 2**32 - 1), (2**32, 2**40)),
        (Op.LE, 2**32, 0, (2**32,), (2**32 + 1, 2**63)),
        (Op.GT, 2**32, 0, (2**32 + 1, 2**40), (2**32, 7)),
        (Op.GE, 2**32, 0, (2**32, 2**63), (2**32 - 1,)),
        (Op.MASKED_EQ, 0xF0, 0x10, (0x10, 0x1F, 2**40 + 0x10), (0x20, 0, 0x30)),
        (Op.MASKED_EQ, 0xF0, 0xF1, (0xF0,), (0xF1 - 0xF0,)),
    ],
)
def test_comparisons_are_unsigned_64_bit(
    op: Op, value: int, two: int, holds: tuple[int, ...], fails: tuple[int, ...]
) -> None:
    profile = deny(rule("prctl", Action.ALLOW, Arg(2, value, op, two)))
    assert {decide(profile, "prctl", 9, 9, argument) for argument in holds} == {ALLOW}
    assert {decide(profile, "prctl", 9, 9, argument) for argument in fails} == {EPERM}


def test_programs_of_32_bits_have_32_bits_compared() -> None:
    profile = deny(rule("prctl", Action.ALLOW, Arg(0, 2**32 + 5, Op.EQ)), architectures=("SCMP_ARCH_X86",))
    assert decide(profile, "prctl", 5, arch="i386") == ALLOW
    assert decide(profile, "prctl", 5) == EPERM


def test_several_arguments_are_a_conjunction_but_several_conditions_on_one_are_not() -> None:
    both = deny(rule("prctl", Action.ALLOW, Arg(0, 1, Op.EQ), Arg(1, 2, Op.EQ)))
    assert [decide(both, "prctl", *args) for args in ((1, 2), (1, 3), (9, 2))] == [ALLOW, EPERM, EPERM]
    either = deny(rule("prctl", Action.ALLOW, Arg(0, 5, Op.GE), Arg(0, 10, Op.LE), Arg(1, 2, Op.EQ)))
    assert {decide(either, "prctl", first) for first in (0, 7, 100)} == {ALLOW}


def test_a_rule_without_conditions_beats_those_with_some_wherever_it_stands() -> None:
    conditional, plain = rule("kill", Action.KILL, Arg(1, 9, Op.EQ)), rule("kill", Action.ALLOW)
    assert decide(deny(conditional, plain), "kill", 1, 9) == ALLOW
    assert decide(deny(plain, conditional), "kill", 1, 9) == ALLOW


def test_of_rules_without_conditions_the_first_stays() -> None:
    assert decide(deny(rule("kill", Action.KILL), rule("kill", Action.ALLOW)), "kill") == KILL


def test_a_mask_without_bits_is_no_condition() -> None:
    assert decide(deny(rule("kill", Action.ALLOW, Arg(0, 0, Op.MASKED_EQ, 7))), "kill", 1) == ALLOW


def test_the_order_of_overlapping_rules_is_that_of_libseccomp() -> None:
    exact, wide = rule("kill", Action.KILL, Arg(1, 9, Op.EQ)), rule("kill", Action.ALLOW, Arg(1, 1, Op.GE))
    for rules in ((exact, wide), (wide, exact)):
        assert decide(deny(*rules), "kill", 0, 9) == KILL
        assert decide(deny(*rules), "kill", 0, 8) == ALLOW


def test_rules_equal_to_the_default_are_skipped() -> None:
    profile = deny(rule("kill", Action.ERRNO, Arg(1, 9, Op.EQ)), rule("kill", Action.ALLOW, Arg(1, 1, Op.GE)))
    assert decide(profile, "kill", 0, 9) == ALLOW
    other = deny(
        rule("kill", Action.ERRNO, Arg(1, 9, Op.EQ), errno_ret=13), rule("kill", Action.ALLOW, Arg(1, 1, Op.GE))
    )
    assert decide(other, "kill", 0, 9) == EACCES


def test_names_that_libseccomp_does_not_know_are_skipped() -> None:
    profile = Profile(Action.ERRNO, rules=(Rule(("no_such_call", "mseal", "write"), Action.ALLOW),))
    assert Filter(profile, "amd64", "2.5.6").evaluate("mseal") == ALLOW
    assert Filter(profile, "amd64", "2.5.3").evaluate("mseal") == ENOSYS
    with pytest.raises(InvalidInput):
        evaluate(profile, "no_such_call", (0,) * 6, "amd64")
    assert outcomes(profile, "no_such_call", "amd64") == frozenset()


def test_syscalls_newer_than_all_named_are_not_implemented() -> None:
    rules = (Rule(("read", "clone3"), Action.ALLOW),)
    assert decide(Profile(Action.ERRNO, rules=rules), "futex_waitv") == ENOSYS
    assert decide(Profile(Action.KILL_PROCESS, rules=rules), "futex_waitv") == ENOSYS
    assert decide(Profile(Action.ERRNO, rules=rules), "open") == EPERM
    assert decide(Profile(Action.LOG, rules=rules), "futex_waitv") == LOG
    assert decide(Profile(Action.ERRNO), "futex_waitv") == EPERM


def test_architectures_that_are_not_listed_are_killed_but_for_that_of_the_node() -> None:
    profile = Profile(Action.ALLOW, architectures=("SCMP_ARCH_X86",))
    assert decide(profile, "read") == decide(profile, "read", arch="i386") == ALLOW
    assert decide(profile, "read", arch="x32") == KILL
    assert outcomes(profile, "read", "x32") == {KILL}
    assert evaluate(Profile(Action.ALLOW), "read", (0,) * 6, "arm") == KILL


def test_socketcall_gets_a_rule_for_each_socket_rule() -> None:
    profile = deny(Rule(("socket", "bind"), Action.ALLOW), architectures=("SCMP_ARCH_X86",))
    decisions = [decide(profile, "socketcall", call, arch="i386") for call in (1, 2, 3)]
    assert decisions == [ALLOW, ALLOW, EPERM]
    assert decide(profile, "ipc", 1, arch="i386") == EPERM
    assert decide(profile, "socket", 40, arch="i386") == ALLOW


def test_contradicting_rules_are_refused() -> None:
    first, second = (rule("kill", action, Arg(1, 9, Op.EQ)) for action in (Action.ALLOW, Action.KILL))
    with pytest.raises(InvalidInput, match="kill"):
        Filter(deny(first, second), "amd64")


def test_rules_on_which_libseccomp_hangs_are_refused() -> None:
    first = rule("socket", Action.ALLOW, Arg(0, 5, Op.NE), Arg(1, 1, Op.EQ))
    second = rule("socket", Action.ALLOW, Arg(0, 5, Op.NE), Arg(2, 1, Op.EQ))
    with pytest.raises(InvalidInput, match="does not come to an end"):
        Filter(deny(first, second), "amd64")


def test_what_libseccomp_gets_wrong_is_told_as_it_happens() -> None:
    # LE 3 leaves the lower word in the accumulator, where the next test expects the upper one.
    profile = deny(
        rule("msgget", Action.ALLOW, Arg(0, 0x200000005, Op.LE)), rule("msgget", Action.LOG, Arg(0, 3, Op.LE))
    )
    assert decide(profile, "msgget", 3) == LOG
    assert decide(profile, "msgget", 0xFFFFFFFF) == EPERM
    # The first syscall in the list does not exist on i386, and the load of the number goes with it.
    blind = Profile(
        Action.ERRNO,
        architectures=("SCMP_ARCH_X86",),
        rules=(rule("accept", Action.ALLOW), rule("kill", Action.ALLOW, Arg(1, 0, Op.EQ))),
    )
    assert decide(blind, "kill", arch="i386") == EPERM
    assert decide(blind, "kill") == ALLOW


def test_outcomes_are_all_decisions_over_all_arguments() -> None:
    profile = render("2.2.4", "amd64").profile
    assert outcomes(profile, "read", "amd64") == {ALLOW}
    assert outcomes(profile, "clone3", "amd64") == {ENOSYS}
    assert outcomes(profile, "socket", "amd64") == outcomes(profile, "clone", "i386") == {ALLOW, EPERM}
    masked = deny(
        rule("kill", Action.ALLOW, Arg(0, 0xFF, Op.MASKED_EQ, 7)), rule("kill", Action.KILL, Arg(0, 9, Op.GT))
    )
    assert outcomes(masked, "kill", "amd64") == {ALLOW, KILL, EPERM}


def test_denial_is_the_harshest_and_fallback_only_if_nothing_else_is_possible() -> None:
    profile = render("1.7.33", "amd64").profile
    assert denial(profile, "mount", "amd64") == denial(profile, "clone", "amd64") == EPERM
    assert denial(profile, "mseal", "amd64") == ENOSYS
    assert denial(profile, "read", "amd64") is None
    mixed = deny(
        rule("kill", Action.KILL, Arg(0, 1, Op.EQ)), rule("kill", Action.ERRNO, Arg(0, 2, Op.EQ), errno_ret=38)
    )
    assert denial(mixed, "kill", "amd64") == KILL


def test_more_rules_than_can_be_worked_out_are_refused() -> None:
    rules = tuple(rule("ioctl", Action.ALLOW, Arg(1, value, Op.EQ)) for value in range(MAX_TERMS + 1))
    assert decide(deny(*rules[:200]), "ioctl", 0, 199) == ALLOW
    with pytest.raises(Unsupported, match="ioctl"):
        Filter(deny(*rules), "amd64")


def test_trace_and_errno_carry_a_number() -> None:
    profile = Profile(Action.ALLOW, rules=(rule("kill", Action.TRACE), rule("mount", Action.ERRNO, errno_ret=0)))
    assert decide(profile, "kill") == Decision(Action.TRACE, 1)
    assert decide(profile, "mount") == Decision(Action.ERRNO, 0)
    assert decide(profile, "mount").denies
