# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from azext_seccomp.errors import InvalidInput, Unsupported
from azext_seccomp.profile.evaluate import Decision, Filter
from azext_seccomp.profile.model import Action, Arg, Op, Profile, Rule
from azext_seccomp.profile.runtime_default import render
from azext_seccomp.profile.variants import to_audit, to_canary, to_enforce

LOG, ALLOW, ENOSYS = Decision(Action.LOG), Decision(Action.ALLOW), Decision(Action.ERRNO, 38)
LOG_FLAG, SPEC_ALLOW = "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"


def wanted(decision: Decision, default: Decision) -> Decision:
    """What an audit profile does where the enforcing one does ``decision``."""
    if decision.action in (Action.ALLOW, Action.LOG) or (decision == ENOSYS and decision != default):
        return decision
    return LOG


@pytest.mark.parametrize("version", ["1.6.28", "1.7.33", "2.3.1"])
@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_audit_of_runtime_default(version: str, arch: str) -> None:
    profile = render(version, arch).profile
    audit = to_audit(profile).profile
    built = Filter(audit, arch)
    assert audit.default_action is Action.LOG
    assert built.evaluate("clone3") == ENOSYS
    assert built.evaluate("read") == built.evaluate("clone", (0x3D0F00, 0, 0, 0, 0, 0)) == ALLOW
    assert built.evaluate("mount") == built.evaluate("clone", (0x10000000, 0, 0, 0, 0, 0)) == LOG
    assert to_enforce(audit).profile == profile


def test_the_deny_list_of_the_article() -> None:
    names = ("acct", "mount", "unshare", "ptrace")
    audit = to_audit(Profile(Action.ALLOW, rules=(Rule(names, Action.ERRNO),))).profile
    assert audit == Profile(Action.ALLOW, rules=(Rule(names, Action.LOG),))


@pytest.mark.parametrize("action", [Action.KILL, Action.KILL_PROCESS, Action.TRAP, Action.TRACE, Action.NOTIFY])
def test_whatever_denies_becomes_log(action: Action) -> None:
    profile = Profile(Action.ALLOW, listener_path="/run/x", rules=(Rule(("mount",), action, 5),))
    variant = to_audit(profile)
    assert variant.profile == Profile(Action.ALLOW, rules=(Rule(("mount",), Action.LOG),))
    assert any("less confined" in note for note in variant.notes)


def test_what_denies_nothing_stays_as_it_is() -> None:
    profile = Profile(Action.LOG, rules=(Rule(("read",), Action.ALLOW),))
    assert to_audit(profile).profile == profile
    assert to_audit(profile).notes == ()


@pytest.mark.parametrize(("architectures", "killed"), [((), True), (("SCMP_ARCH_X86_64", "SCMP_ARCH_X86"), False)])
def test_programs_that_the_audit_profile_kills_too_are_told_of(architectures: tuple[str, ...], killed: bool) -> None:
    variant = to_audit(Profile(Action.ERRNO, architectures=architectures, rules=(Rule(("read",), Action.ALLOW),)))
    decision = Filter(variant.profile, "amd64").evaluate("mkdir", arch="i386")
    assert (decision.action is Action.KILL_THREAD) == killed
    assert any("32-bit programs are killed" in note for note in variant.notes) == killed


@pytest.mark.parametrize(("action", "told"), [(Action.ERRNO, True), (Action.TRACE, False), (Action.ALLOW, False)])
def test_new_syscalls_are_told_of_where_runc_answers_them(action: Action, told: bool) -> None:
    enforcing = Profile(action, rules=(Rule(("mkdir",), Action.KILL),))
    assert any("ENOSYS" in note for note in to_audit(enforcing).notes) == told
    assert (Filter(enforcing, "amd64").decide(999, (0,) * 6, "amd64") == ENOSYS) == told


def test_overlapping_rules_stay_exact() -> None:
    # Enforced, family 40 is killed. With KILL merely replaced by LOG, runc would skip the rule and let it pass.
    rules = (
        Rule(("socket",), Action.KILL, None, (Arg(0, 40, Op.EQ),)),
        Rule(("socket",), Action.ALLOW, None, (Arg(0, 10, Op.GE),)),
        Rule(("mount",), Action.KILL),
        Rule(("mount",), Action.ALLOW),
    )
    audit = Filter(to_audit(Profile(Action.ERRNO, rules=rules)).profile, "amd64")
    families = {family: audit.evaluate("socket", (family, 0, 0, 0, 0, 0)) for family in (9, 10, 39, 40, 41, 2**40)}
    assert families == {9: LOG, 10: ALLOW, 39: ALLOW, 40: LOG, 41: ALLOW, 2**40: ALLOW}
    assert audit.evaluate("mount") == LOG


_values = st.sampled_from((0, 1, 2, 5, 9, 2**32, 2**63))
_args = st.builds(Arg, st.sampled_from((0, 1)), _values, st.sampled_from([op for op in Op if op is not Op.MASKED_EQ]))
_actions = st.sampled_from(
    ((Action.ALLOW, None), (Action.ERRNO, None), (Action.ERRNO, 38), (Action.KILL, None), (Action.LOG, None))
)


@st.composite
def _rules(draw: st.DrawFn) -> Rule:
    action, errno_ret = draw(_actions)
    args = draw(st.lists(_args, max_size=2, unique_by=lambda arg: arg.index))
    return Rule((draw(st.sampled_from(("kill", "socket"))),), action, errno_ret, tuple(args))


@settings(max_examples=200, deadline=None)
@given(st.lists(_rules(), max_size=4), _actions, st.lists(st.tuples(_values, _values), min_size=5, max_size=10))
def test_audit_is_exact(rules: list[Rule], default: tuple[Action, int | None], calls: list[tuple[int, int]]) -> None:
    profile = Profile(default[0], default[1], rules=(*rules, Rule(("rseq_slice_yield",), Action.TRAP)))
    try:
        enforcing = Filter(profile, "amd64")
        variant = to_audit(profile)
        audit = Filter(variant.profile, "amd64")
    except InvalidInput:
        return  # runc would refuse it
    except Unsupported:
        event("too many cases")
        return
    for first, second in calls:
        for name in ("kill", "socket"):
            args = (first, second, 0, 0, 0, 0)
            before, after = enforcing.evaluate(name, args), audit.evaluate(name, args)
            told = any(name in note for note in variant.notes)
            assert told or after == wanted(before, enforcing.default) or before == enforcing.default == ENOSYS == after


def test_flags() -> None:
    plain = Profile(Action.ERRNO)
    canary = to_canary(plain)
    assert canary.profile.flags == (LOG_FLAG, SPEC_ALLOW)
    assert "runc 1.2" in canary.notes[0]
    assert to_enforce(canary.profile).profile == plain
    own = Profile(Action.ERRNO, flags=(SPEC_ALLOW,))
    assert to_canary(own).profile.flags == (SPEC_ALLOW, LOG_FLAG)
    assert to_enforce(to_canary(own).profile).profile == own
    assert to_canary(canary.profile).profile == canary.profile
    assert LOG_FLAG not in to_audit(canary.profile).profile.flags


def test_enforce_takes_the_action_asked_and_says_what_it_cannot_know() -> None:
    audit = Profile(Action.LOG, rules=(Rule(("read",), Action.ALLOW), Rule(("clone3",), Action.ERRNO, 38)))
    variant = to_enforce(audit, Action.ERRNO, 13)
    assert (variant.profile.default_action, variant.profile.default_errno_ret) == (Action.ERRNO, 13)
    assert variant.profile.rules == audit.rules
    assert "does not tell" in variant.notes[0]
    assert to_enforce(audit, Action.KILL_PROCESS).profile.default_action is Action.KILL_PROCESS
    assert to_enforce(variant.profile).notes == ("The profile logs nothing; it is unchanged.",)
