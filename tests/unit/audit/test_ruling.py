# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Findings, ruled by real profiles."""

from collections.abc import Sequence

import pytest

from azext_seccomp.audit.aggregate import Finding
from azext_seccomp.audit.choice import OneProfile, ProfileChoice, RuntimeDefault
from azext_seccomp.audit.profile_set import Mode, ProfileSet
from azext_seccomp.audit.ruling import ProfileRule
from azext_seccomp.audit.verdict import Ruling
from azext_seccomp.node.inventory import Node
from azext_seccomp.profile.capabilities import DEFAULT, bounding
from azext_seccomp.profile.model import Action, Arg, Op, Profile, Rule
from azext_seccomp.profile.source import Source

NODES = (Node("x86"), Node("arm", arch="arm64"))

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


def found(syscall: str, *nodes: str, code: str = "SECCOMP_RET_LOG", container: str = "web") -> Finding:
    return Finding("default", "web-0", container, "sh", syscall, code, 1, 0, 0, nodes or ("x86",))


def ruled(profile: Profile) -> ProfileRule:
    return choice_ruled(OneProfile(Source(profile, "p.json", "0" * 64), "p.json"), NODES, web=DEFAULT)


def choice_ruled(
    choice: ProfileChoice, nodes: Sequence[Node], mode: Mode = "audit", **containers: frozenset[str]
) -> ProfileRule:
    """A rule where each container has these capabilities."""
    profiles = ProfileSet(choice, nodes, containers.values(), mode=mode, directory="audit")
    return ProfileRule(profiles, lambda _namespace, _pod, container: profiles.path_for(containers[container]))


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
    assert ruled(ALLOW_LIST)(found(syscall)) == expected


def test_a_profile_that_only_logs_is_an_audit_profile() -> None:
    rule = ruled(Profile(Action.ALLOW, rules=(Rule(("mkdir",), Action.LOG),)))
    assert rule(found("mkdir")) == Ruling("blocked", "SCMP_ACT_LOG")


def test_what_the_filter_did_refuse_is_blocked_whatever_the_profile_says() -> None:
    deny = Profile(Action.ALLOW, rules=(Rule(("mount",), Action.ERRNO),))
    rule = ruled(deny)
    assert rule(found("mkdir")) == Ruling("logged", "SCMP_ACT_LOG")
    assert rule(found("mkdir", code="SECCOMP_RET_KILL_PROCESS")) == Ruling("blocked", "SCMP_ACT_KILL_PROCESS")


def test_of_several_architectures_the_harshest_ruling_counts() -> None:
    rule = ruled(ALLOW_LIST)
    assert rule(found("mkdir", "arm")).finding_class == "logged"  # arm64 has no such syscall
    assert rule(found("mkdir", "arm", "x86")).finding_class == "blocked"


class TestCanary:
    """The filter has decided: a record tells its action, the profile which errno that was."""

    PROFILE = Profile(
        Action.ERRNO,
        architectures=("SCMP_ARCH_X86_64",),
        rules=(
            Rule(("read", "openat2", "epoll_pwait2"), Action.ALLOW),
            Rule(("clone3",), Action.ERRNO, errno_ret=38),
            Rule(("ptrace",), Action.KILL_PROCESS),
            Rule(("getpid",), Action.LOG),
            Rule(("kill",), Action.KILL, args=(Arg(1, 9, Op.EQ),)),
            Rule(("kill",), Action.ERRNO, errno_ret=38, args=(Arg(1, 9, Op.NE),)),
            Rule(("prctl",), Action.LOG, args=(Arg(0, 15, Op.EQ),)),
        ),
    )

    @pytest.mark.parametrize(
        ("syscall", "code", "expected"),
        [
            ("mount", "ERRNO", Ruling("blocked", "SCMP_ACT_ERRNO")),
            ("clone3", "ERRNO", Ruling("fallback", "SCMP_ACT_ERRNO")),
            ("syscall_9999", "ERRNO", Ruling("fallback", "SCMP_ACT_ERRNO")),
            ("syscall_165", "ERRNO", Ruling("blocked", "SCMP_ACT_ERRNO")),
            ("ptrace", "KILL_PROCESS", Ruling("blocked", "SCMP_ACT_KILL_PROCESS")),
            ("kill", "KILL_THREAD", Ruling("blocked", "SCMP_ACT_KILL_THREAD")),
            ("kill", "ERRNO", Ruling("fallback", "SCMP_ACT_ERRNO")),
            ("getpid", "LOG", Ruling("logged", "SCMP_ACT_LOG")),
            ("prctl", "LOG", Ruling("logged", "SCMP_ACT_LOG")),
            ("prctl", "ERRNO", Ruling("blocked", "SCMP_ACT_ERRNO")),
            ("read", "KILL_PROCESS", Ruling("blocked", "SCMP_ACT_KILL_PROCESS")),
        ],
    )
    def test_what_was_recorded_counts(self, syscall: str, code: str, expected: Ruling) -> None:
        choice = OneProfile(Source(self.PROFILE, "p.json", "0" * 64), "p.json")
        rule = choice_ruled(choice, NODES, mode="canary", web=DEFAULT)
        assert rule(found(syscall, code=f"SECCOMP_RET_{code}")) == expected


class TestRuntimeDefault:
    OLD = Node("old", kernel="5.15.0-1064-azure", runtime_version="1.7.24")
    NEW = Node("new", kernel="5.15.0-1064-azure", runtime_version="2.0.5")

    def test_each_node_has_the_profile_of_its_own_containerd(self) -> None:
        """io_uring is refused from containerd 2.0 on."""
        rule = choice_ruled(RuntimeDefault(), (self.OLD, self.NEW), web=DEFAULT)
        assert rule(found("io_uring_setup", "old")) == Ruling("logged", "SCMP_ACT_LOG")
        assert rule(found("io_uring_setup", "new")) == Ruling("blocked", "SCMP_ACT_ERRNO")
        assert rule(found("io_uring_setup", "old", "new")) == Ruling("blocked", "SCMP_ACT_ERRNO")

    def test_the_containerd_that_was_asked_about_counts_on_every_node(self) -> None:
        rule = choice_ruled(RuntimeDefault("2.0.5"), (self.OLD, self.NEW), web=DEFAULT)
        assert rule(found("io_uring_setup", "old")).finding_class == "blocked"

    def test_each_container_has_the_profile_of_its_own_capabilities(self) -> None:
        rule = choice_ruled(RuntimeDefault(), (self.OLD,), web=DEFAULT, admin=bounding(["SYS_ADMIN"]))
        assert rule(found("mount", "old")).finding_class == "blocked"
        assert rule(found("mount", "old", container="admin")).finding_class == "logged"
