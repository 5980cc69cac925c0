# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Explanations: complete for what runtimes block, and words for conditions."""

import json
from importlib.resources import files

import pytest

from azext_seccomp.profile.evaluate import outcomes
from azext_seccomp.profile.explain import any_in_words, explanation, in_words, is_dangerous
from azext_seccomp.profile.model import Arg, Op
from azext_seccomp.profile.runtime_default import render
from azext_seccomp.profile.syscalls import known, numbers


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
@pytest.mark.parametrize("version", ["1.7.33", "2.2.4"])
def test_everything_that_runtime_default_blocks_is_explained(version: str, arch: str) -> None:
    profile = render(version, arch).profile
    blocked = [name for name in numbers(arch) if any(one.denies for one in outcomes(profile, name, arch))]
    assert len(blocked) > 50
    assert [name for name in blocked if explanation(name) is None] == []


@pytest.mark.parametrize("arch", ["amd64", "arm64", "i386"])
def test_every_syscall_of_a_node_is_explained(arch: str) -> None:
    assert [name for name in numbers(arch) if explanation(name) is None] == []


def test_each_syscall_is_in_one_group_and_known() -> None:
    data = json.loads(files("azext_seccomp.profile").joinpath("data/explanations.json").read_text("utf-8"))
    names = [name for group in data["groups"] for name in group["syscalls"]]
    assert len(names) == len(set(names))
    assert set(names) <= known()
    for group in data["groups"]:
        for sentence in (group["does"], group["blocked"], group["advice"]):
            assert sentence.endswith(".") and len(sentence) < 240


@pytest.mark.parametrize("name", ["mount", "bpf", "ptrace", "init_module", "io_uring_setup", "unshare", "tomorrow"])
def test_what_costs_isolation_or_is_unknown_counts_as_dangerous(name: str) -> None:
    assert is_dangerous(name)


@pytest.mark.parametrize("name", ["read", "clone3", "mkdir", "mseal"])
def test_everyday_calls_do_not(name: str) -> None:
    assert not is_dangerous(name)


@pytest.mark.parametrize(
    ("syscall", "condition", "words"),
    [
        ("socket", Arg(0, 40, Op.NE), "arg0 != 40 (AF_VSOCK)"),
        ("socket", Arg(1, 40, Op.NE), "arg1 != 40"),
        ("personality", Arg(0, 0xFFFFFFFF, Op.EQ), "arg0 == 0xffffffff (query)"),
        ("mkdir", Arg(2, 0o777, Op.LE), "arg2 <= 511"),
        ("unshare", Arg(0, 0x10000000, Op.MASKED_EQ, 0), "arg0 & 0x10000000 == 0x0 (without CLONE_NEWUSER)"),
        ("clone", Arg(0, 0x10000000, Op.MASKED_EQ, 0x10000000), "arg0 & 0x10000000 == 0x10000000"),
    ],
)
def test_conditions_in_words(syscall: str, condition: Arg, words: str) -> None:
    assert in_words(syscall, (condition,)) == words


def test_conditions_together_and_alternatively() -> None:
    one, other = Arg(0, 1, Op.EQ), Arg(1, 2, Op.GT)
    assert any_in_words("read", ((one, other), (other,))) == "arg0 == 1 and arg1 > 2 or arg1 > 2"
