# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The engine against the program that libseccomp generates, run by an interpreter: every architecture of an amd64 node.

Profiles and calls are random. Nothing is left out: where libseccomp refuses a profile or does not come to an end with
it, the engine has to say so too.
"""

import os
import signal
from random import Random

import pyseccomp
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st

from azext_seccomp.errors import InvalidInput
from azext_seccomp.profile.evaluate import Filter
from azext_seccomp.profile.model import Action, Arg, Op, Profile, Rule
from azext_seccomp.profile.syscalls import numbers
from tests.kernel import bpf
from tests.kernel.profiles import arguments, profiles
from tests.kernel.runc_filter import I386, X86_64, action_value, program

#: With and without multiplexers on i386, that i386 or amd64 lacks, and two that are newest.
NAMES = ("getpriority", "socket", "accept", "msgget", "semop", "close", "socketcall", "clone3", "futex_waitv")
ASKED = (*NAMES, "read", "ipc", "openat2")
ACTIONS = (
    (Action.ALLOW, None),
    (Action.ALLOW, None),
    (Action.ERRNO, None),
    (Action.ERRNO, 13),
    (Action.ERRNO, 38),
    (Action.KILL, None),
    (Action.KILL_PROCESS, None),
    (Action.TRAP, None),
    (Action.TRACE, 7),
    (Action.LOG, None),
)
DEFAULTS = ((Action.ERRNO, None), (Action.ERRNO, 38), (Action.ALLOW, None), (Action.LOG, None), (Action.KILL, None))
#: More names than runc's limit for the binary tree.
MANY = (Rule(tuple(sorted(name for name in numbers("amd64") if name not in ASKED))[:60], Action.ALLOW),)
ARCHITECTURES = {"amd64": X86_64, "x32": X86_64, "i386": I386}
ODD_NUMBERS = (2**32 - 1, 500, 0x40000000 + 600, 0x40000000)


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(profiles(NAMES, ACTIONS, DEFAULTS, MANY), st.randoms(use_true_random=True))
def test_the_engine_decides_as_the_program_does(profile: Profile, random: Random) -> None:
    try:
        engine = Filter(profile, "amd64")
    except InvalidInput as refused:
        event("refused")
        assert _libseccomp_refuses(profile), refused
        return
    built = program(profile)
    for _ in range(60):
        arch = random.choice(sorted(ARCHITECTURES))
        known = [numbers(arch)[name] for name in ASKED if name in numbers(arch)]
        number = random.choice((*known, *known, *ODD_NUMBERS) if arch != "i386" else known)
        args = arguments(random, profile)
        decision = engine.decide(number, args, arch)
        note(f"{arch} {number} {args}: {decision}")
        real = bpf.run(built, number, ARCHITECTURES[arch], args)
        assert action_value(decision.action, decision.errno) == real, hex(real)


def test_a_rule_that_shares_a_level_with_another_leads_to_all_of_it() -> None:
    first = (Arg(1, 1, Op.NE, 0), Arg(0, 0, Op.LT, 0))
    second = (Arg(1, 0, Op.NE, 0), Arg(0, 1, Op.LT, 0))
    rules = tuple(Rule(("msgget",), Action.ALLOW, None, args) for args in (first, second))
    profile = Profile(Action.ERRNO, None, (), (), None, None, rules)
    decision = Filter(profile, "amd64").evaluate("msgget", (0, 0, 0, 0, 0, 0))
    real = bpf.run(program(profile), numbers("amd64")["msgget"], X86_64, (0, 0, 0, 0, 0, 0))
    assert action_value(decision.action, decision.errno) == real
    assert decision.action is Action.ALLOW


def test_a_rule_takes_the_place_of_one_that_libseccomp_removes_on_all_ways_to_it() -> None:
    first = (Arg(0, 2**32, Op.NE, 0), Arg(1, 0, Op.EQ, 0))
    second = (Arg(1, 0, Op.NE, 0),)
    rules = tuple(Rule(("msgget",), Action.ALLOW, None, args) for args in (first, second))
    profile = Profile(Action.ERRNO, None, (), (), None, None, rules)
    call = (2**32 + 1, 0, 0, 0, 0, 0)
    decision = Filter(profile, "amd64").evaluate("msgget", call)
    real = bpf.run(program(profile), numbers("amd64")["msgget"], X86_64, call)
    assert action_value(decision.action, decision.errno) == real
    assert decision.action is Action.ERRNO


def test_numbers_are_those_of_libseccomp() -> None:
    tokens = {"amd64": "X86_64", "i386": "X86", "x32": "X32", "arm64": "AARCH64", "arm": "ARM"}
    compared = 0
    for arch, token in tokens.items():
        for name, number in numbers(arch).items():
            resolved = pyseccomp.resolve_syscall(getattr(pyseccomp.Arch, token), name)
            if resolved >= 0:  # negative: too new for this libseccomp, or reached through socketcall or ipc
                assert resolved == number, (name, arch)
                compared += 1
    assert compared > 1500


def _libseccomp_refuses(profile: Profile) -> bool:
    """In a child with a time limit: refusing may be an error or never coming to an end."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        try:
            program(profile)
        except OSError:
            os._exit(3)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    return os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 3
