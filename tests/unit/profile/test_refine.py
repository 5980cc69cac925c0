# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""A refined profile lets through what was asked for and treats every other syscall as before."""

import json
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from azext_seccomp.errors import InvalidInput
from azext_seccomp.profile.effect import compare
from azext_seccomp.profile.evaluate import filter_of
from azext_seccomp.profile.model import Action, Arg, Op, Profile, Rule
from azext_seccomp.profile.refine import Refined, refine
from azext_seccomp.profile.report import Observed, Report, read_report
from tests.unit.profile.strategies import NAMES, profiles

ALL = ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86")


def allow(*names: str, args: tuple[Arg, ...] = ()) -> Rule:
    return Rule(names, Action.ALLOW, None, args)


def refined(profile: Profile, *names: str, **more: Any) -> Refined:
    return refine(profile, [Observed(name, 3) for name in names], arch="amd64", **more)


def treatments(result: Refined) -> dict[str, str]:
    return {step.syscall: step.treatment for step in result.steps}


@settings(deadline=None, max_examples=50)
@given(profiles(architectures=()), st.sets(st.sampled_from(NAMES), min_size=1), st.sets(st.sampled_from(NAMES)))
def test_what_is_allowed_is_allowed_whole_and_nothing_else_changes(
    profile: Profile, observed: set[str], only: set[str]
) -> None:
    try:
        filter_of(profile, "amd64")
        result = refined(profile, *sorted(observed), only=sorted(only & observed))
    except InvalidInput:
        assume(False)
        return
    for name in (*NAMES, "write", "openat"):
        before, after = compare((profile, result.profile), name, "amd64").decisions
        if treatments(result).get(name) == "allowed":
            assert not any(decision.denies for decision in after)
        else:  # runc's ENOSYS for syscalls newer than all that are named may become the default answer
            assert [one.denies for one in before] == [one.denies for one in after]


BASE = Profile(
    Action.ERRNO,
    rules=(
        allow("close", "read", "write"),
        allow("clone", args=(Arg(0, 0x7E020000, Op.MASKED_EQ, 0),)),
        Rule(("clone3",), Action.ERRNO, 38),
        allow("mseal"),
    ),
)


def test_a_blocked_syscall_joins_the_largest_list_in_its_place() -> None:
    result = refined(BASE, "mkdir")
    assert result.profile.rules == (allow("close", "mkdir", "read", "write"), *BASE.rules[1:])
    assert [(step.syscall, step.treatment, step.before, step.calls) for step in result.steps] == [
        ("mkdir", "allowed", "errno EPERM", 3)
    ]


@pytest.mark.parametrize(
    ("name", "treatment", "said"),
    [
        ("mount", "refused", "can cost isolation"),
        ("bpf", "refused", "can cost isolation"),
        ("ptrace", "refused", "can cost isolation"),
        ("init_module", "refused", "can cost isolation"),
        ("clone", "refused", "does not tell the arguments"),
        ("clone3", "skipped", "ENOSYS"),
        ("read", "nothingToDo", "already"),
        ("open_tomorrow", "refused", "no syscall of that name"),
    ],
)
def test_what_is_not_let_through_has_a_reason(name: str, treatment: str, said: str) -> None:
    result = refined(BASE, name)
    assert result.profile == BASE
    (step,) = result.steps
    assert step.treatment == treatment and said in step.reason


@pytest.mark.parametrize("name", ["mount", "clone", "clone3"])
def test_naming_a_syscall_consents_to_it(name: str) -> None:
    result = refined(BASE, name, "mkdir", only=[name])
    assert treatments(result) == {name: "allowed", "mkdir": "skipped"}
    assert not any(
        name in rule.names and (rule.args or rule.action is not Action.ALLOW) for rule in result.profile.rules
    )


def test_except_leaves_a_syscall_as_it_is() -> None:
    assert treatments(refined(BASE, "mkdir", "rmdir", excluded=["rmdir"])) == {"mkdir": "allowed", "rmdir": "skipped"}


def test_a_deny_list_loses_the_name_and_an_empty_rule_goes() -> None:
    deny_list = Profile(Action.ALLOW, rules=(Rule(("mkdir", "chmod"), Action.ERRNO), Rule(("rmdir",), Action.ERRNO)))
    result = refined(deny_list, "mkdir", "rmdir")
    assert result.profile.rules == (Rule(("chmod",), Action.ERRNO),)


def test_a_list_without_an_unconditional_rule_gets_one() -> None:
    bare = Profile(Action.ERRNO, rules=(allow("clone", args=(Arg(0, 1, Op.EQ),)),))
    assert refined(bare, "mkdir", only=["mkdir"]).profile.rules == (*bare.rules, allow("mkdir"))


def test_a_profile_that_denies_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="denies nothing"):
        refined(Profile(Action.LOG, rules=(allow("read"),)), "mkdir")


@pytest.mark.parametrize("more", [{"only": ["mkdirr"]}, {"excluded": ["mkdirr"]}])
def test_a_name_that_nobody_observed_is_refused_with_the_nearest(more: dict[str, list[str]]) -> None:
    with pytest.raises(InvalidInput, match="no finding of the syscall mkdirr") as refusal:
        refined(BASE, "mkdir", **more)
    assert refusal.value.fix == "Did you mean mkdir?"


def finding(syscall: str = "mkdir", kind: str = "blocked", count: Any = 2, **more: Any) -> dict[str, Any]:
    return {"syscall": syscall, "class": kind, "count": count, "namespace": "default", **more}


def test_findings_of_a_syscall_are_added_up_and_logged_ones_left_out() -> None:
    findings = [finding(), finding(count=5, kind="startup"), finding("read", "logged"), finding("clone3", "fallback")]
    document = {
        "findings": findings,
        "profile": {"name": "p", "sha256": "ab", "source": "p.json"},
        "verdict": "blocked",
    }
    report = read_report(json.dumps(document).encode(), "audit.json")
    assert report == Report((Observed("mkdir", 7), Observed("clone3", 2)), "ab")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"findings": 5}',
        b'{"findings": [5]}',
        b'{"findings": ' + b"[" * 100_000,
        b'{"findings": [], "profile": {"sha256": 5}}',
        json.dumps({"findings": [finding(kind="harmless")]}).encode(),
        json.dumps({"findings": [finding(count=-1)]}).encode(),
        json.dumps({"findings": [finding(count="2")]}).encode(),
        json.dumps({"findings": [finding("mkdir\x1b[31m")]}).encode(),
        json.dumps({"findings": [finding("a" * 65)]}).encode(),
    ],
)
def test_what_is_no_report_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_report(data, "audit.json")
    assert "audit.json" in str(refusal.value) and "\n" not in str(refusal.value)
