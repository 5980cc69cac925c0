# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The engine against this kernel: random profiles are installed in a child, which makes the calls for real.

The program is libseccomp's, behind runc's ENOSYS stub. The calls are ones that read no argument (getpid and its
like), so any arguments are harmless, and cachestat, which reads but changes nothing.

Not compared, for the kernel does not show it: ALLOW and LOG (both carry the call out), KILL_THREAD and KILL_PROCESS
(both end a process of one thread by SIGSYS), ENOSYS by a rule, by TRACE without a tracer, and by a kernel without
x32. NOTIFY needs a supervisor; it takes the same path in libseccomp as the other actions. LOG is drawn nowhere and
KILL rarely: they write audit records. tests/kernel/test_programs.py compares those actions, and the multiplexed
syscalls of i386, with the value that the program returns.
"""

import platform
from random import Random

import pytest
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st

from azext_seccomp.errors import InvalidInput
from azext_seccomp.profile.decision import Decision
from azext_seccomp.profile.evaluate import Filter
from azext_seccomp.profile.model import Action, Profile, Rule
from azext_seccomp.profile.runtime_default import render
from azext_seccomp.profile.syscalls import X32_BIT, numbers
from tests.kernel.profiles import arguments, profiles
from tests.kernel.raw_calls import SURVIVAL, Call, Outcome, make
from tests.kernel.runc_filter import program

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="makes raw syscalls of amd64 and i386"),
]

#: They return something greater than 0 whatever their arguments are.
HARMLESS = ("getpid", "getppid", "gettid", "getpgrp")
NAMES = (*HARMLESS, "cachestat")
ENOSYS = 38
#: No syscall that is made here returns one of these by itself.
ACTIONS = (
    (Action.ALLOW, None),
    (Action.ALLOW, None),
    (Action.ERRNO, 201),
    (Action.ERRNO, 202),
    (Action.ERRNO, None),
    (Action.ERRNO, 0),
    (Action.ERRNO, 4094),
    (Action.ERRNO, ENOSYS),
    (Action.TRAP, None),
    (Action.TRACE, 7),
)
WITH_KILL = (*ACTIONS, *ACTIONS, *ACTIONS, (Action.KILL, None), (Action.KILL_PROCESS, None))
DEFAULTS = (*[(Action.ERRNO, None)] * 6, (Action.ERRNO, 203), (Action.ALLOW, None), (Action.ALLOW, None))
SURVIVE = Rule(SURVIVAL, Action.ALLOW)
#: More names than runc's limit for the binary tree.
MANY = (Rule(tuple(sorted(set(numbers("amd64")) - set(NAMES) - set(SURVIVAL)))[:40], Action.ALLOW),)
ARCHITECTURES = ("amd64", "amd64", "i386", "x32")


@pytest.mark.alone
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(profiles(NAMES, WITH_KILL, DEFAULTS, MANY), st.randoms(use_true_random=True))
def test_the_kernel_does_what_the_engine_says(drawn: Profile, random: Random) -> None:
    profile = drawn.with_rules((*drawn.rules, SURVIVE))
    try:
        engine = Filter(profile, "amd64")
    except InvalidInput:
        event("refused, see test_programs")
        return
    calls = [(random.choice(ARCHITECTURES), random.choice(NAMES), arguments(random, profile)) for _ in range(50)]
    decisions = [engine.evaluate(name, args, arch) for arch, name, args in calls]
    raw = [Call("i386" if arch == "i386" else "amd64", numbers(arch)[name], args) for arch, name, args in calls]
    for call, decision, outcome in zip(calls, decisions, make(program(profile), raw), strict=True):
        note(f"{call}: {decision}, {outcome}")
        assert agrees(decision, outcome, x32=call[0] == "x32", name=call[1])


@pytest.mark.parametrize("containerd", ["1.6.20", "1.7.33", "2.0.0", "2.2.4"])
def test_runtime_default_for_real(containerd: str) -> None:
    profile = render(containerd, "amd64").profile
    engine = Filter(profile, "amd64")
    table = numbers("amd64")
    asked = [("socket", (family, 3, 0, 0, 0, 0)) for family in (1, 2, 16, 37, 38, 39, 40, 41, 2**32 + 40)]
    asked += [("personality", (value, 0, 0, 0, 0, 0)) for value in (0xFFFFFFFF, 1, 2**32 + 8)]
    asked += [("getpid", (0,) * 6), ("clone3", (0, 0, 0, 0, 0, 0)), ("clone", (0x10000000, 0, 0, 0, 0, 0))]
    asked += [("mount", (0,) * 6), ("keyctl", (99, 0, 0, 0, 0, 0)), ("bpf", (99, 0, 0, 0, 0, 0))]
    outcomes = make(program(profile), [Call("amd64", table[name], args) for name, args in asked])
    for (name, args), outcome in zip(asked, outcomes, strict=True):
        decision = engine.evaluate(name, args)
        refused = outcome.value in (-1, -ENOSYS)
        assert refused == decision.denies, (name, args, decision, outcome)
        if decision.denies:
            assert outcome == Outcome("returned", -(decision.errno or 0)), (name, args)


def agrees(decision: Decision, outcome: Outcome, *, x32: bool, name: str) -> bool:
    """Whether the kernel did what was decided."""
    match decision.action:
        case Action.KILL_THREAD | Action.KILL_PROCESS:
            return outcome.kind == "killed"
        case Action.TRAP:
            return outcome.kind == "trapped"
        case Action.ERRNO:
            return outcome == Outcome("returned", -(decision.errno or 0))
        case Action.TRACE:
            return outcome == Outcome("returned", -ENOSYS)
        case _ if x32:  # carried out, by a kernel that may not have x32
            return outcome.kind == "returned" and (outcome.value > 0 or outcome.value == -ENOSYS)
        case _ if name in HARMLESS:
            return outcome.kind == "returned" and outcome.value > 0
        case _:  # cachestat: no such file, no such address
            return outcome.kind == "returned" and outcome.value in (-9, -14, -22, -75, -95, 0)


def test_x32_numbers_carry_their_bit() -> None:
    assert numbers("x32")["getpid"] == numbers("amd64")["getpid"] | X32_BIT
