# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Findings, ruled by real profiles."""

import pytest

from azext_seccomp.audit.aggregate import Finding
from azext_seccomp.audit.ruling import ProfileRule
from azext_seccomp.audit.verdict import Ruling
from azext_seccomp.profile.model import Action, Arg, Op, Profile, Rule

NODES = {"x86": "amd64", "arm": "arm64"}

ALLOW_LIST = Profile(
    Action.ERRNO,
    architectures=("SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"),
    rules=(
        Rule(("read", "write", "openat2", "epoll_pwait2"), Action.ALLOW),
        Rule(("clone3",), Action.ERRNO, errno_ret=38),
        Rule(("ptrace",), Action.KILL_PROCESS),
        Rule(("socket",), Action.ALLOW, args=(Arg(0, 40, Op.NE),)),
        Rule(("getpid",), Action.LOG),
    ),
)


def found(syscall: str, *nodes: str, code: str = "SECCOMP_RET_LOG") -> Finding:
    return Finding("default", "web-0", "web", "sh", syscall, code, 1, 0, 0, nodes or ("x86",))


@pytest.mark.parametrize(
    ("syscall", "expected"),
    [
        ("mount", Ruling("blocked", "SCMP_ACT_ERRNO")),
        ("ptrace", Ruling("blocked", "SCMP_ACT_KILL_PROCESS")),
        ("socket", Ruling("blocked", "SCMP_ACT_ERRNO")),
        ("clone3", Ruling("fallback", "SCMP_ACT_ERRNO")),
        ("getpid", Ruling("logged", "SCMP_ACT_LOG")),
        ("syscall_165", Ruling("blocked", "SCMP_ACT_ERRNO")),
        ("syscall_9999", Ruling("fallback", "SCMP_ACT_ERRNO")),
    ],
)
def test_the_profile_rules_on_what_its_audit_variant_logged(syscall: str, expected: Ruling) -> None:
    assert ProfileRule(ALLOW_LIST, NODES.__getitem__)(found(syscall)) == expected


def test_a_profile_that_only_logs_is_an_audit_profile() -> None:
    rule = ProfileRule(Profile(Action.ALLOW, rules=(Rule(("mkdir",), Action.LOG),)), NODES.__getitem__)
    assert rule.only_logs
    assert rule(found("mkdir")) == Ruling("blocked", "SCMP_ACT_LOG")


def test_what_the_filter_did_refuse_is_blocked_whatever_the_profile_says() -> None:
    deny = Profile(Action.ALLOW, rules=(Rule(("mount",), Action.ERRNO),))
    rule = ProfileRule(deny, NODES.__getitem__)
    assert rule(found("mkdir")) == Ruling("logged", "SCMP_ACT_LOG")
    assert rule(found("mkdir", code="SECCOMP_RET_KILL_PROCESS")) == Ruling("blocked", "SCMP_ACT_KILL_PROCESS")


def test_of_several_architectures_the_harshest_ruling_counts() -> None:
    rule = ProfileRule(ALLOW_LIST, NODES.__getitem__)
    assert rule(found("mkdir", "arm")).finding_class == "logged"  # arm64 has no such syscall
    assert rule(found("mkdir", "arm", "x86")).finding_class == "blocked"
