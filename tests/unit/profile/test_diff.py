# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Differences in what profiles do: complete, and none where there is none."""

from hypothesis import assume, given, settings

from azext_seccomp.errors import InvalidInput
from azext_seccomp.profile.diff import EVERY, EVERY_OTHER, Change, counts, diff
from azext_seccomp.profile.evaluate import evaluate, filter_of
from azext_seccomp.profile.model import Action, Arg, Op, Profile, Rule
from tests.unit.profile.strategies import NAMES, calls, profiles


def buildable(profile: Profile) -> bool:
    try:
        filter_of(profile, "amd64")
    except InvalidInput:
        return False
    return True


@settings(deadline=None, max_examples=10)
@given(profiles(arguments=1, bits=32), profiles(arguments=1, bits=32), calls)
def test_a_call_is_treated_the_same_where_no_change_is_named(
    first: Profile, second: Profile, call: tuple[int, ...]
) -> None:
    assume(buildable(first) and buildable(second))
    changed = {
        (change.syscall, program) for change in diff(first, second, arch="amd64") for program in change.architectures
    }
    for program in ("amd64", "x32"):
        for name in (*NAMES, "write"):
            if not changed & {(name, program), (EVERY, program), (EVERY_OTHER, program)}:
                assert evaluate(first, name, call, program) == evaluate(second, name, call, program)


@settings(deadline=None, max_examples=10)
@given(profiles(arguments=1, bits=32))
def test_a_profile_does_not_differ_from_itself_however_its_rules_are_cut(profile: Profile) -> None:
    assume(buildable(profile))
    single = tuple(
        Rule((name,), rule.action, rule.errno_ret, rule.args) for rule in profile.rules for name in rule.names
    )
    assert diff(profile, profile.with_rules(single), arch="amd64") == []


def profile(*rules: Rule, default: Action = Action.ERRNO, architectures: tuple[str, ...] = ()) -> Profile:
    return Profile(default, None, architectures, rules=rules)


def allow(*names: str, args: tuple[Arg, ...] = ()) -> Rule:
    return Rule(names, Action.ALLOW, None, args)


NEW = "mseal"  # newer than the others here, so that runc answers ENOSYS to neither of them


def test_each_kind_of_change_is_told_with_its_condition() -> None:
    base = (allow(NEW, "read"),)
    vsock, alg = Arg(0, 40, Op.NE), Arg(0, 38, Op.NE)
    first = profile(*base, allow("write", "openat"), allow("socket", args=(vsock,)))
    second = profile(
        *base,
        allow("mkdir", "openat"),
        Rule(("clone3",), Action.ERRNO, 38),
        allow("socket", args=(alg,)),
    )
    assert diff(first, second, arch="amd64") == [
        Change("clone3", "errnoChanged", ("amd64",), "errno EPERM", "errno ENOSYS"),
        Change("mkdir", "newlyAllowed", ("amd64",), "errno EPERM", "allow"),
        Change(
            "socket",
            "conditionChanged",
            ("amd64",),
            "allow if arg0 != 40 (AF_VSOCK), else errno EPERM",
            "allow if arg0 != 38 (AF_ALG), else errno EPERM",
            "arg0 == 40 (AF_VSOCK)",
            "arg0 == 38 (AF_ALG)",
        ),
        Change("write", "newlyDenied", ("amd64",), "allow", "errno EPERM"),
    ]


def test_logging_instead_of_allowing_is_a_change_of_the_action() -> None:
    (change,) = diff(profile(allow(NEW, "read")), profile(allow(NEW), Rule(("read",), Action.LOG)), arch="amd64")
    assert (change.syscall, change.kind, change.before, change.after) == ("read", "actionChanged", "allow", "log")


def test_another_default_is_one_change_for_all_that_is_not_named() -> None:
    changes = diff(profile(allow(NEW)), profile(allow(NEW), default=Action.KILL_PROCESS), arch="amd64")
    assert Change(EVERY_OTHER, "actionChanged", ("amd64",), "errno EPERM", "kill process") in changes
    assert len(changes) < 40  # the others are syscalls newer than any that is named, of the newest libseccomp


def test_an_architecture_that_is_listed_no_more_is_one_change() -> None:
    wide = profile(allow(NEW), architectures=("SCMP_ARCH_X86_64", "SCMP_ARCH_X86"))
    (change,) = diff(wide, profile(allow(NEW)), arch="amd64")
    assert (change.syscall, change.kind, change.architectures) == (EVERY, "newlyDenied", ("i386",))


def test_what_32_bit_programs_get_instead_is_told_beside_it() -> None:
    both = ("SCMP_ARCH_X86_64", "SCMP_ARCH_X32")
    old = profile(allow("read"), allow("rt_sigaction"), architectures=both)
    new = profile(allow("read"), allow("rt_sigaction"), allow("landlock_add_rule"), architectures=both)
    change = next(change for change in diff(old, new, arch="amd64") if change.syscall == "landlock_add_rule")
    assert change == Change(
        "landlock_add_rule", "newlyAllowed", ("amd64", "x32"), "errno ENOSYS (x32: errno EPERM)", "allow"
    )


def test_counts_by_kind() -> None:
    changes = [Change("a", "newlyAllowed", (), "", ""), Change("b", "newlyAllowed", (), "", "")]
    assert counts(changes) == {"newlyAllowed": 2}
