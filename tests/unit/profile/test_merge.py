# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""A merged profile lets through exactly what it should, by evaluating it."""

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from azext_seccomp.errors import InvalidInput, Unsupported
from azext_seccomp.profile.effect import compare
from azext_seccomp.profile.evaluate import evaluate, filter_of
from azext_seccomp.profile.merge import Merged, merge
from azext_seccomp.profile.model import Action, Arg, Op, Profile, Rule
from azext_seccomp.profile.syscalls import number
from tests.unit.profile.strategies import NAMES, calls, profiles

ALL = ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32")
PROGRAMS = ("amd64", "i386", "x32")
#: What libseccomp decides as it is written, whatever it is merged with.
SIMPLE = profiles(architectures=(), arguments=1, bits=32)


def buildable(profile: Profile) -> bool:
    try:
        filter_of(profile, "amd64")
    except InvalidInput:
        return False
    return True


def merged(first: Profile, second: Profile, intersect: bool) -> Merged:
    assume(buildable(first) and buildable(second))
    return merge((first, second), arch="amd64", intersect=intersect)


def check(first: Profile, second: Profile, intersect: bool, program: str, call: tuple[int, ...]) -> None:
    """Compare on every part of the argument space and on one arbitrary call."""
    result = merged(first, second, intersect).profile
    needed = all if intersect else any
    for name in (*NAMES, "write", "socketcall", "listmount"):
        if number(name, program) is None:
            continue
        for one, other, both in zip(*compare((first, second, result), name, program).decisions, strict=True):
            assert both.denies != needed(not decision.denies for decision in (one, other))
        one, other, both = (evaluate(profile, name, call, program) for profile in (first, second, result))
        assert both.denies != needed(not decision.denies for decision in (one, other))


@settings(deadline=None, max_examples=40)
@given(SIMPLE, SIMPLE, st.booleans(), calls)
def test_with_conditions_on_one_argument_of_32_bits_the_merge_is_exact(
    first: Profile, second: Profile, intersect: bool, call: tuple[int, ...]
) -> None:
    check(first, second, intersect, "amd64", call)


@settings(deadline=None, max_examples=40)
@given(profiles(), profiles(), st.booleans(), st.sampled_from(PROGRAMS), calls)
def test_with_any_conditions_and_architectures_the_merge_is_exact_or_refused(
    first: Profile, second: Profile, intersect: bool, program: str, call: tuple[int, ...]
) -> None:
    try:
        check(first, second, intersect, program, call)
        event("exact")
    except Unsupported as refusal:
        event("refused")
        assert refusal.why and refusal.fix


@settings(deadline=None, max_examples=20)
@given(SIMPLE)
def test_merging_a_profile_with_itself_lets_the_same_through(profile: Profile) -> None:
    result = merged(profile, profile, False).profile
    for name in (*NAMES, "write"):
        before, after = compare((profile, result), name, "amd64").decisions
        assert [one.denies for one in before] == [one.denies for one in after]


def allow(*names: str, args: tuple[Arg, ...] = ()) -> Rule:
    return Rule(names, Action.ALLOW, None, args)


def profile(*rules: Rule, default: Action = Action.ERRNO, architectures: tuple[str, ...] = ()) -> Profile:
    return Profile(default, None, architectures, rules=rules)


def test_familiar_rules_stay_as_they_are() -> None:
    flags = Arg(0, 0x7E020000, Op.MASKED_EQ, 0)
    family = Arg(0, 40, Op.NE)
    first = profile(allow("read", "write"), allow("clone", args=(flags,)), allow("socket", args=(family,)))
    second = profile(allow("write", "openat"), allow("clone", args=(flags,)))
    result = merge((first, second), arch="amd64")
    assert result.profile.rules == (
        allow("read", "write", "openat"),
        allow("clone", args=(flags,)),
        allow("socket", args=(family,)),
    )
    assert result.notes == ()


def test_intersection_of_two_limits_becomes_one_range_of_masked_comparisons() -> None:
    first = profile(allow("personality", args=(Arg(0, 8, Op.GE),)))
    second = profile(allow("personality", args=(Arg(0, 11, Op.LE),)))
    (rule,) = merge((first, second), arch="amd64", intersect=True).profile.rules
    assert rule == allow("personality", args=(Arg(0, 2**64 - 4, Op.MASKED_EQ, 8),))


def test_a_fallback_answer_is_kept_over_a_plain_refusal_and_the_notes_say_so() -> None:
    plain = profile(allow("read", "mseal"))
    fallback = profile(allow("read", "mseal"), Rule(("clone3",), Action.ERRNO, 38))
    result = merge((plain, fallback), arch="amd64")
    assert evaluate(result.profile, "clone3", (0,) * 6, "amd64").falls_back
    assert result.notes == ("clone3 is refused with errno EPERM and errno ENOSYS: kept errno ENOSYS.",)


def test_an_allow_list_and_a_deny_list_merge() -> None:
    allow_list = profile(allow("read"))
    deny_list = profile(Rule(("read", "mount"), Action.ERRNO), default=Action.ALLOW)
    union = merge((allow_list, deny_list), arch="amd64").profile
    both = merge((allow_list, deny_list), arch="amd64", intersect=True).profile
    assert [evaluate(union, name, (0,) * 6, "amd64").denies for name in ("read", "mount", "write")] == [
        False,
        True,
        False,
    ]
    assert [evaluate(both, name, (0,) * 6, "amd64").denies for name in ("read", "mount", "write")] == [True, True, True]


def test_different_architectures_are_refused_with_the_reason() -> None:
    narrow = profile(allow("read"))
    wide = profile(allow("write"), architectures=ALL)
    with pytest.raises(Unsupported, match="different architectures"):
        merge((narrow, wide), arch="amd64")


def test_names_of_other_architectures_and_of_the_future_are_kept() -> None:
    first = profile(allow("read", "riscv_hwprobe", "tomorrow"))
    result = merge((first, profile(allow("read", "send"))), arch="amd64").profile
    assert result.rules == (allow("read", "riscv_hwprobe", "tomorrow", "send"),)


def test_conditions_on_a_name_without_a_number_are_left_out_and_named() -> None:
    first = profile(allow("read"), allow("tomorrow", args=(Arg(0, 1, Op.EQ),)))
    result = merge((first, first), arch="amd64")
    assert result.profile.rules == (allow("read"),)
    assert result.notes == ("tomorrow is left out: nodes of this architecture have no such syscall.",)


def test_more_than_two_profiles_and_their_flags() -> None:
    one = Profile(Action.ERRNO, flags=("SECCOMP_FILTER_FLAG_LOG",), rules=(allow("read"),))
    result = merge((one, profile(allow("write")), profile(allow("openat"))), arch="amd64").profile
    assert result.rules == (allow("read", "write", "openat"),)
    assert result.flags == ("SECCOMP_FILTER_FLAG_LOG",)


def test_a_profile_with_endless_conditions_ends_with_an_error() -> None:
    args = [Arg(index, 3 * value, Op.EQ) for index in range(6) for value in range(9)]
    many = profile(*(allow("read", args=(arg,)) for arg in args))
    with pytest.raises(Unsupported, match="too many"):
        merge((many, many), arch="amd64")
