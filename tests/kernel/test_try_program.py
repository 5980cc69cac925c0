# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The filter of ``try`` shows the supervisor exactly the calls that the profile denies, of every architecture."""

import random as plain_random

import pyseccomp
import pytest
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st

from azext_seccomp.errors import InvalidInput
from azext_seccomp.local.kernel import SECCOMP_RET_USER_NOTIF
from azext_seccomp.local.program import compile_profile
from azext_seccomp.profile.evaluate import Filter
from azext_seccomp.profile.model import Action, Profile, Rule
from azext_seccomp.profile.source import Options, runtime_default
from azext_seccomp.profile.syscalls import numbers
from tests.kernel import bpf
from tests.kernel.profiles import arguments, profiles
from tests.kernel.runc_filter import Instruction
from tests.kernel.test_programs import ACTIONS, ARCHITECTURES, ASKED, DEFAULTS, MANY, NAMES, ODD_NUMBERS


def instructions(profile: Profile) -> list[Instruction]:
    code = compile_profile(profile)
    return [
        Instruction(int.from_bytes(code[at : at + 2], "little"), code[at + 2], code[at + 3], word)
        for at in range(0, len(code), 8)
        for word in [int.from_bytes(code[at + 4 : at + 8], "little")]
    ]


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_what_is_denied_is_shown_and_nothing_else(data: st.DataObject) -> None:
    profile = data.draw(profiles(NAMES, ACTIONS, DEFAULTS, MANY))
    try:
        engine = Filter(profile, "amd64")
    except InvalidInput:
        assume(False)
    built, random = instructions(profile), data.draw(st.randoms())
    for _ in range(8):
        arch = random.choice(sorted(ARCHITECTURES))
        known = [numbers(arch)[name] for name in ASKED if name in numbers(arch)]
        number = random.choice((*known, *ODD_NUMBERS) if arch != "i386" else known)
        args = arguments(random, profile)
        decision = engine.decide(number, args, arch)
        result = bpf.run(built, number, ARCHITECTURES[arch], args)
        note(f"{arch} {number} {args}: {decision} {result:#x}")
        assert (result == SECCOMP_RET_USER_NOTIF) == decision.denies
        assert result in (SECCOMP_RET_USER_NOTIF, pyseccomp.ALLOW, pyseccomp.LOG)


def test_calls_of_i386_that_runc_takes_for_too_new_are_shown() -> None:
    """socket has a multiplexer there, so runc counts getpriority (96) as the greatest number and answers ENOSYS."""
    rules = (Rule(("getpriority", "socket"), Action.ALLOW),)
    profile = Profile(Action.ERRNO, architectures=("SCMP_ARCH_X86",), rules=rules)
    built, socket = instructions(profile), numbers("i386")["socket"]
    assert Filter(profile, "amd64").decide(socket, (0,) * 6, "i386").falls_back
    assert bpf.run(built, socket, ARCHITECTURES["i386"], (0,) * 6) == SECCOMP_RET_USER_NOTIF
    for arch, name in (("i386", "getpriority"), ("amd64", "socket")):
        assert bpf.run(built, numbers(arch)[name], ARCHITECTURES[arch], (0,) * 6) == pyseccomp.ALLOW


@pytest.mark.parametrize("version", ["1.6.20", "1.7.33", "2.1.4"])
def test_runtime_default(version: str) -> None:
    """All syscalls that this libseccomp knows; for newer ones the supervisor lets through what the profile allows."""
    profile = runtime_default(Options(containerd_version=version)).profile
    engine, built = Filter(profile, "amd64"), instructions(profile)
    random = plain_random.Random(version)
    compared = 0
    for arch, token in ARCHITECTURES.items():
        native = {"amd64": "X86_64", "x32": "X32", "i386": "X86"}[arch]
        for name, number in numbers(arch).items():
            if pyseccomp.resolve_syscall(getattr(pyseccomp.Arch, native), name) == number:
                for _ in range(5):
                    args = [random.choice((0, 8, 38, 40, 0x10000000, 2**32 - 1)) for _ in range(6)]
                    shown = bpf.run(built, number, token, args) == SECCOMP_RET_USER_NOTIF
                    assert shown == engine.decide(number, args, arch).denies, (arch, name, args)
                    compared += 1
    assert compared > 4000
